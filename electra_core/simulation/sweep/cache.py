"""What is kept: a folder of finished runs, and digests of everything that a run depends on."""

from __future__ import annotations

import functools
import hashlib
import io
import itertools
import pickle
import types
from collections.abc import Hashable, Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from electra_core.allocation import Planner
from electra_core.errors import cause_of, shortened
from electra_core.simulation.sweep.study import Names, Played, Row, Study, StudyError, sentence
from electra_core.station import StationConfig


class Shelf:
    """A folder of finished runs, each known by a digest of everything that it depends on.

    A file holds some runs, and is called by the digest of its own content: one that is damaged shows at once.
    """

    names = ("config", "log", "strategy")

    def __init__(self, folder: Path, study: Study, runs: list[Names]) -> None:
        here = Path(__file__).parents[2]
        package = [path.read_bytes() for path in sorted([*here.rglob("*.py"), *here.rglob("*.json")])]
        always = _digest((package, dict(study.options)))
        stations = {name: _digest(station) for name, station in study.configs.items()}
        tables = {name: _digest_of_table(study, name) for name in study.tables}
        strategies = {name: _digest(strategy, _home(strategy)) for name, strategy in study.strategies.items()}
        self.folder = folder
        self.keys = {
            names: _digest((always, stations[names[0]], tables[names[1]], strategies[names[2]]))
            for names in runs
        }
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StudyError(f"folder {folder.name} cannot be used: {cause_of(error)}") from None

    def rows(self) -> dict[Names, Row]:
        """What is there already."""
        found: dict[str, Row] = {}
        for path in self.folder.glob("*.parquet"):
            content = path.read_bytes()
            if path.stem == hashlib.sha256(content).hexdigest():
                table = pd.read_parquet(io.BytesIO(content)).set_index("key")
                found.update(table.drop(columns=list(self.names)).to_dict("index"))
        return {names: found[key] for names, key in self.keys.items() if key in found}

    def put(self, played: Played) -> None:
        """Keep what has not failed. A file appears only when it is whole."""
        rows = [
            {"key": self.keys[names], **dict(zip(self.names, map(str, names), strict=True)), **row}
            for names, row in played
            if "error" not in row
        ]
        if not rows:
            return
        content = pd.DataFrame(rows).to_parquet()
        path = self.folder / f"{hashlib.sha256(content).hexdigest()}.parquet"
        try:
            path.with_suffix(".part").write_bytes(content)
            path.with_suffix(".part").replace(path)
        except OSError as error:
            raise StudyError(f"folder {self.folder.name} cannot be written: {cause_of(error)}") from None


def _digest_of_table(study: Study, name: Hashable) -> str:
    try:
        return _digest(study.table(name))
    except Exception as error:  # of a generator; its runs will fail in the same way
        return sentence(error)


def _digest(thing: Any, home: str = "") -> str:
    """Digest of what something is, the same in every process; of its home module the code counts."""
    written = io.BytesIO()
    try:
        _Digester(written, home).dump(thing)
    except Exception as error:  # what a function holds may fail in any way
        raise StudyError(
            f"{shortened(thing)} cannot be told from others ({sentence(error)}), so leave out folder"
        ) from None
    return hashlib.sha256(written.getvalue()).hexdigest()


def _home(function: Any) -> str:
    """The module of a function, which may be a part of something."""
    while isinstance(function, Planner | functools.partial):
        function = function.plan if isinstance(function, Planner) else function.func
    return str(getattr(function, "__module__", ""))


class _Digester(pickle.Pickler):
    """Writes what things are: tables by their cells; functions and classes of one module by their code."""

    def __init__(self, written: io.BytesIO, home: str) -> None:
        super().__init__(written, protocol=5)
        self.home = home
        self.seen: set[int] = set()

    def reducer_override(self, thing: Any) -> Any:
        if isinstance(thing, StationConfig):
            return str, (thing.model_dump_json(),)
        if isinstance(thing, pd.DataFrame):
            return list, ([_column(str(name), column) for name, column in thing.items()],)
        if isinstance(thing, types.ModuleType):
            return str, (thing.__name__,)
        if isinstance(thing, types.CodeType):
            return list, ([thing.co_code, thing.co_names, _in_order(thing.co_consts)],)
        if isinstance(thing, types.FunctionType | type) and thing.__module__ == self.home:
            parts = [] if id(thing) in self.seen else _parts(thing)
            self.seen.add(id(thing))
            return list, ([thing.__qualname__, *parts],)
        return NotImplemented


def _column(name: str, column: Any) -> list[Any]:
    """A column of a table; objects count by their text."""
    return [name, str(column.dtype), pd.util.hash_pandas_object(column, index=False).to_numpy()]


def _parts(thing: Any) -> list[Any]:
    """What a function, or a class, does depends on."""
    if isinstance(thing, type):
        members = [getattr(one, "__func__", getattr(one, "fget", one)) for one in vars(thing).values()]
        kept = (types.FunctionType, int, float, str, tuple)
        return [*thing.__bases__, *(member for member in members if isinstance(member, kept))]
    cells = [cell.cell_contents for cell in thing.__closure__ or ()]
    known = [thing.__globals__[name] for name in _names(thing.__code__) if name in thing.__globals__]
    return [thing.__code__, thing.__defaults__, thing.__kwdefaults__, _in_order(cells), _in_order(known)]


def _names(code: types.CodeType) -> list[str]:
    """Names of other things in a function, and in those that are defined in it."""
    inner = [_names(part) for part in code.co_consts if isinstance(part, types.CodeType)]
    return sorted({*code.co_names, *itertools.chain.from_iterable(inner)})


def _in_order(things: Iterable[Any]) -> list[Any]:
    """Sets as lists: the order of texts in a set differs from process to process."""
    return [sorted(thing, key=repr) if isinstance(thing, set | frozenset) else thing for thing in things]
