"""The packages of the design: imports run one way, through faces, and the package starts light."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest
from stations import ROOT

import electra_core

PACKAGE = ROOT / "electra_core"

# A package knows only those before it. `data` holds figures and no code.
ORDER = [
    "errors",
    "allocation",
    "station",
    "sessions",
    "optimization",
    "simulation",
    "service",
    "dashboard",
    "cli",
    "__main__",
]
PACKAGES = [name for name in ORDER if (PACKAGE / name).is_dir()]

HEAVY = ("plotly", "ipywidgets", "fastapi", "dask", "highspy", "pandas", "numba", "joblib")

FILES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def package_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_modules(path: Path) -> set[str]:
    """Return every module of the package that a file imports, wherever in it the import stands."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are written in full here"
            assert node.module
            if node.module == "electra_core":
                found |= {f"electra_core.{alias.name}" for alias in node.names}
            else:
                found.add(node.module)
    return {name for name in found if name.startswith("electra_core.")}


def test_listing_of_the_package_is_the_design() -> None:
    entries = {path.name for path in PACKAGE.iterdir() if path.name != "__pycache__"}
    assert entries <= {
        "__init__.py",
        "__main__.py",
        "py.typed",
        "cli.py",
        "errors.py",
        "data",
        *PACKAGES,
    }
    assert len(PACKAGES) == 7


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_imports_run_one_way_and_through_faces(path: Path) -> None:
    own = package_of(path)
    assert own in ORDER, f"{own} is a new package: give it its place here and in the design"
    for module in imported_modules(path):
        other = module.split(".")[1]
        if other == own:
            continue
        assert other in ORDER, f"{path}: import {module} from the package that defines it"
        assert ORDER.index(other) < ORDER.index(own), f"{own} may not import {other}"
        assert module.count(".") == 1, f"{path}: import from electra_core.{other}, not from {module}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_file_does_not_import_the_face_of_its_own_package(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    own = f"electra_core.{package_of(path)}"
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == own:
            for alias in node.names:
                importable = PACKAGE / package_of(path) / alias.name
                assert importable.is_dir() or importable.with_suffix(".py").is_file(), (
                    f"{path}: import {alias.name} from the module that defines it"
                )


@pytest.mark.parametrize("name", PACKAGES)
def test_face_has_a_docstring_and_lists_its_names(name: str) -> None:
    face = importlib.import_module(f"electra_core.{name}")
    assert (face.__doc__ or "").strip()
    for public in face.__all__:
        assert getattr(face, public) is not None


def test_waterfill_imports_nothing_of_the_package() -> None:
    assert imported_modules(PACKAGE / "allocation" / "waterfill.py") == set()


def test_import_of_the_package_is_light() -> None:
    """In a fresh interpreter, where no other test has loaded anything."""
    code = f"import sys, electra_core; print(*[name for name in {HEAVY} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout.split() == []


def test_public_names_are_few_sorted_and_documented() -> None:
    names = electra_core.__all__
    assert len(names) <= 25
    assert names == sorted(names, key=lambda name: (name != name.upper(), name[0].islower(), name))
    for name in names:
        thing = getattr(electra_core, name)
        if name == name.upper():
            continue  # a value: `test_every_strategy_has_a_docstring` reads what is in it
        words = (thing.__doc__ or "").strip()
        assert words, f"{name} has no docstring"
        # A dataclass without one gets its own signature, which explains nothing.
        assert not words.startswith(f"{name}("), f"{name} has no docstring"


def test_every_strategy_has_a_docstring() -> None:
    for name, rank in electra_core.STRATEGIES.items():
        assert rank.__name__ == name
        assert (rank.__doc__ or "").strip()
