"""Compiled code is kept on disk: it is loaded while nothing has changed, and never when something has."""

from __future__ import annotations

import ast
import inspect
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType, ModuleType, SimpleNamespace
from typing import Any

import numba
import numpy as np
import pytest
from numba.core import event
from stations import ROOT

from electra_core.simulation import numba_engine as compiled
from electra_core.simulation.loop import play

SAYS = "electra_core: compiling the simulation, once for this installation"

# What numba calls whatever allocates memory and counts references to it.
COUNTING = b"NRT_"


# The key


@pytest.mark.parametrize("module", compiled.MODULES, ids=lambda module: module.__name__.split(".")[-1])
def test_change_in_any_file_changes_the_key(
    module: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = compiled._digest()
    changed = tmp_path / "changed.py"
    changed.write_bytes(Path(str(module.__file__)).read_bytes() + b"\n")
    modules = [SimpleNamespace(__file__=changed) if each is module else each for each in compiled.MODULES]
    monkeypatch.setattr(compiled, "MODULES", tuple(modules))
    assert compiled._digest() != before


def test_all_compiled_code_is_in_the_key() -> None:
    """Numbers from another file are frozen into compiled code as its functions are."""
    known = {module.__name__ for module in compiled.MODULES}
    functions = set(called_from(play))
    assert {function.__module__ for function in functions} <= known
    strangers = {
        f"{function.__module__}.{function.__name__} uses {name} of {home}"
        for function in functions
        for name in imported_by(function.__module__)
        if name in names_in(function.__code__)
        and not inspect.ismodule(function.__globals__[name])
        and (home := home_of(function.__module__, name)) not in known
    }
    assert sorted(strangers) == []


def called_from(function: Callable[..., Any]) -> Iterator[Callable[..., Any]]:
    """A function and all that it may call."""
    found, rest = set(), [function]
    while rest:
        caller = rest.pop()
        if caller in found:
            continue
        found.add(caller)
        names = names_in(caller.__code__)
        known = caller.__globals__
        things = [known[name] for name in names if name in known]
        for module in filter(inspect.ismodule, things):
            things += [thing for name, thing in vars(module).items() if name in names]
        rest += filter(inspect.isfunction, things)
    yield from found


def names_in(code: CodeType) -> set[str]:
    """Names that a function and those inside it look up."""
    inner = (names_in(part) for part in code.co_consts if isinstance(part, CodeType))
    return set(code.co_names).union(*inner)


def home_of(module: str, name: str) -> str:
    """Return the module that defines a name, which others may import from one another."""
    imported = imported_by(module)
    return home_of(*imported[name]) if name in imported else module


def imported_by(module: str) -> dict[str, tuple[str, str]]:
    """Return what a module imports from others of the package: their names, and there theirs."""
    tree = ast.parse(Path(str(sys.modules[module].__file__)).read_text(encoding="utf-8"))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    return {
        alias.asname or alias.name: (str(node.module), alias.name)
        for node in imports
        if str(node.module).startswith("electra_core")
        for alias in node.names
    }


class CompilesError(Exception):
    """Raised at the beginning of a compilation, which takes long."""


class Stopper(event.Listener):
    def on_start(self, event: Any) -> None:
        raise CompilesError

    def on_end(self, event: Any) -> None:
        pass


def test_same_key_loads_and_another_compiles() -> None:
    compiled.compiled_play()
    signature, digest = compiled._signature(), compiled._digest()
    with event.install_listener("numba:compile", Stopper()):
        compiled._compiled(digest, signature)
        with pytest.raises(CompilesError):
            compiled._compiled(digest + "x", signature)


# Other processes


def python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run code in a fresh interpreter."""
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


RUN = """
import pandas as pd
from electra_core.simulation import simulate

config = {"stationId": "ST", "gridCapacity": 40, "chargers": [{"id": "A", "maxPower": 50, "connectors": 1}]}
sessions = pd.DataFrame({"arrival_s": [0.0], "energy_kwh": [10.0], "max_power_kw": [50.0]})
print(round(simulate(config, sessions).sessions.done_s.iloc[0], 6))
"""

STOPPED = """
import os
from electra_core.simulation import numba_engine as compiled

class Stopped(compiled._Announcer):
    def on_start(self, event):
        super().on_start(event)
        super().on_start(event)
        os._exit(7)

compiled._Announcer = Stopped
compiled.compiled_play()
"""


def test_second_process_loads_and_does_not_say_that_it_compiles() -> None:
    compiled.compiled_play()
    second = python(RUN)
    assert (second.returncode, second.stdout, second.stderr) == (0, "900.0\n", "")


def test_fresh_installation_says_once_that_it_compiles(tmp_path: Path) -> None:
    """The process is stopped then: a whole compilation takes longer than all the other tests here."""
    fresh = python(STOPPED, NUMBA_CACHE_DIR=str(tmp_path))
    assert fresh.returncode == 7
    assert fresh.stderr.count(SAYS) == 1
    assert fresh.stdout == ""


# No allocation


def test_compiled_code_allocates_nothing() -> None:
    """Numba would refuse to compile allocations; the cached machine code is searched as well."""
    dispatcher: Any = compiled.compiled_play()
    cache, codegen = dispatcher._cache, dispatcher.targetctx.codegen()
    kept = pickle.dumps(cache._cache_file.load(cache._index_key(compiled._signature(), codegen)))
    assert len(kept) > 100_000
    assert COUNTING not in kept


def test_allocation_in_compiled_code_is_detected() -> None:
    @numba.njit
    def allocates(count: int) -> float:
        return np.zeros(count).sum()

    allocates(3)
    (only,) = allocates.overloads.values()
    assert COUNTING.decode() in only.library.get_asm_str()
