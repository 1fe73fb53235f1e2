"""Finished runs in a folder, known by digests of everything that they depend on."""

from __future__ import annotations

import contextlib
import json
import types
import zlib
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import pandas as pd
from joblib.hashing import NumpyHasher

from electra_core.errors import cause_of, shortened
from electra_core.simulation.numba_engine import names_read
from electra_core.simulation.sweep.study import Names, Row, Study, StudyError, home_of, sentence
from electra_core.station import StationConfig


class Cache:
    """A file of finished runs, a line each, known by a digest of everything that the run depends on."""

    def __init__(self, folder: Path, study: Study, runs: list[Names]) -> None:
        package = Path(__file__).parents[2]
        files = [path.read_bytes() for path in sorted([*package.rglob("*.py"), *package.rglob("*.json")])]
        always = _digest((files, study.options, study.compare_unlimited))
        configs = {name: _digest(config) for name, config in study.configs.items()}
        tables = {name: _digest_of_table(study, name) for name in study.tables}
        strategies = {
            name: _digest(strategy, home_of(strategy)) for name, strategy in study.strategies.items()
        }
        self.path = folder / "runs.jsonl"
        self.keys = {
            names: _digest((always, configs[names[0]], tables[names[1]], strategies[names[2]]))
            for names in runs
        }
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StudyError(f"folder {folder.name} cannot be used: {cause_of(error)}") from None

    def rows(self) -> dict[Names, Row]:
        """Return the runs of this sweep that are there already."""
        found: dict[str, Row] = {}
        for line in self.path.read_bytes().splitlines() if self.path.exists() else ():
            with contextlib.suppress(ValueError, KeyError, TypeError):  # a line that is cut off, or another's
                entry = json.loads(line)
                if entry.pop("checksum") == _checksum(entry):
                    found[entry["key"]] = entry["row"]
        return {names: found[key] for names, key in self.keys.items() if key in found}

    def add(self, names: Names, row: Row) -> None:
        """Write a run, unless it has failed."""
        if "error" in row:
            return
        config, log, strategy = map(str, names)
        entry = {"key": self.keys[names], "config": config, "log": log, "strategy": strategy, "row": row}
        try:
            with self.path.open("ab") as file:
                # A line of its own, even where the one before was cut off.
                file.write(f"\n{json.dumps({**entry, 'checksum': _checksum(entry)})}\n".encode())
        except OSError as error:
            raise StudyError(f"folder {self.path.parent.name} cannot be written: {cause_of(error)}") from None


def _checksum(entry: Any) -> int:
    return zlib.crc32(json.dumps(entry).encode())


def _digest_of_table(study: Study, name: Hashable) -> str:
    try:
        return _digest(study.table(name))
    except Exception as error:  # of a generator; its runs will fail in the same way
        return sentence(error)


def _digest(thing: Any, home: str = "") -> str:
    """Return a digest of what something is, the same in every process; of its home module the code counts."""
    try:
        # This package's own code is in every key already.
        return str(_Digester("" if home.startswith("electra_core.") else home).hash(thing))
    except Exception as error:  # what a function holds may fail in any way
        raise StudyError(
            f"{shortened(thing)} cannot be told from others ({sentence(error)}), so leave out folder"
        ) from None


class _Digester(NumpyHasher):  # type: ignore[misc]
    """joblib's hash, with tables by their cells, and functions and classes of one module by their code."""

    def __init__(self, home: str) -> None:
        super().__init__("sha1")
        self.home = home
        self.seen: set[int] = set()

    def save(self, thing: Any) -> None:
        """Write one thing."""
        if isinstance(thing, StationConfig):
            thing = thing.model_dump_json()
        elif isinstance(thing, pd.DataFrame):
            # Column by column; objects count by their text.
            thing = [
                [str(name), str(column.dtype), pd.util.hash_pandas_object(column, index=False).to_numpy()]
                for name, column in thing.items()
            ]
        elif isinstance(thing, types.ModuleType):
            thing = thing.__name__
        elif isinstance(thing, types.CodeType):
            thing = [thing.co_code, thing.co_names, thing.co_consts]
        elif isinstance(thing, frozenset):
            thing = set(thing)  # which joblib writes in an order of its own
        elif isinstance(thing, types.FunctionType | type) and thing.__module__ == self.home:
            parts = [] if id(thing) in self.seen else _parts(thing)
            self.seen.add(id(thing))
            thing = [thing.__qualname__, *parts]
        super().save(thing)


def _parts(thing: Any) -> list[Any]:
    """Return what the behaviour of a function, or of a class, depends on."""
    if isinstance(thing, type):
        members = [getattr(one, "__func__", getattr(one, "fget", one)) for one in vars(thing).values()]
        kept = (types.FunctionType, int, float, str, tuple)
        return [*thing.__bases__, *(member for member in members if isinstance(member, kept))]
    cells = [cell.cell_contents for cell in thing.__closure__ or ()]
    known = [thing.__globals__[name] for name in names_read(thing.__code__) if name in thing.__globals__]
    return [thing.__code__, thing.__defaults__, thing.__kwdefaults__, cells, known]
