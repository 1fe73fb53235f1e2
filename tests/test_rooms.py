"""The rooms of the design: imports run one way, and the package starts light."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from stations import ROOT

import electra_core

PACKAGE = ROOT / "electra_core"

# A room knows only rooms on lines before its own. Rooms of later steps have their line already.
LINES = [
    ["refusals", "waterfill", "setpoints"],
    ["faults", "vehicles", "snapshot"],
    ["jsonfile"],
    ["config"],
    ["strategies", "filling", "storage"],
    ["allocation"],
    ["days"],
    ["sessions"],
    ["scenario", "metrics"],
    ["optimum", "tariff"],
    ["state"],
    ["reading"],
    ["baseline", "timers", "status", "journal"],
    ["decision"],
    ["clock", "explain"],
    ["station"],
    ["simulation"],
    ["studies", "figures"],
    ["dashboard", "api"],
    ["lessons", "cli"],
]
LINE_OF = {room: number for number, rooms in enumerate(LINES) for room in rooms}

# The Voila pieces are loaded by Voila or by the notebook, apart from everything.
ALONE = "voila_"

HEAVY = ("plotly", "ipywidgets", "fastapi", "dask", "highspy", "pandas", "numba")

FILES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def room_of(path_or_module: str) -> str:
    """``electra_core.dashboard.station_page.view`` and the path of its file are in the room ``dashboard``."""
    return path_or_module.removesuffix(".py").replace("/", ".").removeprefix("electra_core.").split(".")[0]


def imported(text: str, own: str) -> set[str]:
    """The rooms that a file imports, wherever in it the import stands."""
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{own}: imports are written in full here"
            assert node.module
            from_package = node.module == "electra_core"
            found |= {f"electra_core.{alias.name}" for alias in node.names} if from_package else {node.module}
    return {room_of(name) for name in found if name.split(".")[0] == "electra_core"} - {own}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_imports_run_one_way(path: Path) -> None:
    own = room_of(path.relative_to(ROOT).as_posix())
    known = imported(path.read_text(encoding="utf-8"), own)
    if own.startswith(ALONE):
        assert not known
        return
    assert own in LINE_OF, f"{own} is a new room: give it its line here and in the design"
    for room in known:
        if room.startswith(ALONE):
            continue  # they know nobody, so anybody may know them
        assert room in LINE_OF, (
            f"{own} imports {room} by way of the package's front door; import from the room itself"
        )
        assert LINE_OF[room] < LINE_OF[own], f"{own} may not know {room}"


def test_the_arithmetic_knows_nobody() -> None:
    assert imported((PACKAGE / "waterfill.py").read_text(encoding="utf-8"), "waterfill") == set()


def test_the_import_is_light() -> None:
    """In a fresh interpreter, where no other test has loaded anything."""
    code = f"import sys, electra_core; print(*[name for name in {HEAVY} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout.split() == []


def test_the_public_names() -> None:
    names = electra_core.__all__
    assert len(names) <= 25
    assert names == sorted(names, key=lambda name: (name != name.upper(), name[0].islower(), name))
    for name in names:
        thing = getattr(electra_core, name)
        if name == name.upper():
            continue  # a value: `test_every_strategy_says_what_it_does` reads what is in it
        words = (thing.__doc__ or "").strip()
        assert words, f"{name} has no docstring"
        # A dataclass without one gets its own signature, which explains nothing.
        assert not words.startswith(f"{name}("), f"{name} has no docstring"


def test_every_strategy_says_what_it_does() -> None:
    for name, rank in electra_core.STRATEGIES.items():
        assert rank.__name__ == name
        assert (rank.__doc__ or "").strip()
