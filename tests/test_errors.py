"""Errors: one tree with one root, sentences for people, and the shared checks of input."""

from __future__ import annotations

import importlib
import inspect
import math
import pickle
import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stations import modules_of_the_package

from electra_core import ConfigError, errors, load_config
from electra_core.errors import (
    BadValueError,
    ElectraError,
    StationError,
    checked_number,
    checked_whole,
    is_finite,
    load_on_demand,
    shortened,
)
from electra_core.sessions import SessionsError
from electra_core.station.json_file import JsonFileError


def exceptions_of_the_package() -> set[type[BaseException]]:
    """Return every exception class that a module of the package defines."""
    return {
        thing
        for name in modules_of_the_package()
        for thing in vars(importlib.import_module(name)).values()
        if inspect.isclass(thing) and issubclass(thing, BaseException) and thing.__module__ == name
    }


def lines_of_tree(kind: type[ElectraError] = ElectraError, depth: int = 0) -> Iterator[str]:
    """Yield the names of an error class and of all below it, each indented below its parent."""
    yield "    " * depth + kind.__name__
    for child in kind.__subclasses__():
        if child.__module__.startswith("electra_core."):
            yield from lines_of_tree(child, depth + 1)


def edges(lines: list[str]) -> set[tuple[str, str]]:
    """Return the pairs of parent and child of an indented list, whose order does not count."""
    path: list[str] = []
    found = set()
    for line in lines:
        depth = (len(line) - len(line.lstrip())) // 4
        path[depth:] = [line.strip()]
        found.add((path[depth - 1] if depth else "", line.strip()))
    return found


def test_every_exception_is_an_electra_error_or_a_user_warning() -> None:
    for kind in exceptions_of_the_package():
        assert issubclass(kind, ElectraError | UserWarning), kind


def test_docstring_of_errors_is_the_tree_of_all_errors() -> None:
    exceptions_of_the_package()  # imports every module
    documented = re.findall(r"^( *\w+Error): .+", str(errors.__doc__), flags=re.MULTILINE)
    assert len(documented) == len(set(documented))
    assert edges(documented) == edges(list(lines_of_tree()))


def test_electra_error_is_a_value_error() -> None:
    assert issubclass(ElectraError, ValueError)


def test_error_survives_pickling() -> None:
    """As it must to come back from a worker process of a sweep."""
    with pytest.raises(ConfigError) as caught:
        load_config({})
    # Errors made of more than a sentence.
    own = [
        caught.value,
        SessionsError("log.csv", ["line 2: no energy", "line 4: no arrival"]),
        JsonFileError("is given twice", "line 2, column 7"),
    ]
    kinds = exceptions_of_the_package() - {type(error) for error in own}
    for error in (*own, *(kind("charger 'A': out of order") for kind in kinds)):
        copy = pickle.loads(pickle.dumps(error))
        assert type(copy) is type(error)
        assert str(copy) == str(error)
        assert vars(copy) == vars(error)


# Checks of input

NO_NUMBERS = [math.nan, math.inf, -math.inf, True, "5", None, [5], 5j, 10**400, object()]


@pytest.mark.parametrize("value", [0, -1.5, Fraction(1, 3), np.float32(1.5), np.int64(3), 10**300])
def test_is_finite_accepts_real_numbers(value: Any) -> None:
    assert is_finite(value)


@pytest.mark.parametrize("value", NO_NUMBERS, ids=lambda value: repr(value)[:10])
def test_is_finite_refuses_all_else(value: Any) -> None:
    assert not is_finite(value)


@pytest.mark.parametrize("value", NO_NUMBERS, ids=lambda value: repr(value)[:10])
def test_checked_number_refuses_what_is_no_finite_number(value: Any) -> None:
    with pytest.raises(BadValueError, match=r"^power_kw must be a finite number, got "):
        checked_number("power_kw", value)


@pytest.mark.parametrize("value", [0, 1.0, Fraction(1, 2), np.float32(0.25)])
def test_checked_number_within_its_bounds_is_returned_as_a_float(value: Any) -> None:
    found = checked_number("soc", value, 0.0, 1.0)
    assert type(found) is float
    assert found == value


@pytest.mark.parametrize(
    ("value", "bounds", "sentence"),
    [
        (-0.1, (0.0, 1.0), "soc must be from 0 to 1, got -0.1"),
        (2, (0.0, 1.0), "soc must be from 0 to 1, got 2"),
        (-1, (0.0, math.inf), "soc must be at least 0, got -1"),
        (3, (-math.inf, 2.0), "soc must be at most 2, got 3"),
    ],
)
def test_checked_number_outside_its_bounds_names_them(
    value: float, bounds: tuple[float, float], sentence: str
) -> None:
    with pytest.raises(StationError) as caught:
        checked_number("soc", value, *bounds, error=StationError)
    assert type(caught.value) is StationError
    assert str(caught.value) == sentence


@pytest.mark.parametrize("value", [1, 366, np.int64(5)])
def test_checked_whole_within_its_bounds_is_returned_as_an_int(value: Any) -> None:
    found = checked_whole("days", value, 1, 366)
    assert type(found) is int
    assert found == value


@pytest.mark.parametrize(
    "value",
    [0, 367, 1.0, True, "5", None, 10**5000],
    ids=lambda value: f"{value!s:.5}" if type(value) is not int else "int",
)
def test_checked_whole_refuses_all_else(value: Any) -> None:
    with pytest.raises(BadValueError, match=r"^days must be a whole number from 1 to 366, got "):
        checked_whole("days", value, 1, 366)


class Unshowable:
    def __repr__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("CP1", "'CP1'"),
        ("x" * 100, "'" + "x" * 56 + "..."),
        ("x" * 58, "'" + "x" * 58 + "'"),
        (10**5000, "a value of type int"),
        (Unshowable(), "a value of type Unshowable"),
    ],
    ids=["short", "long", "just fits", "huge number", "unshowable"],
)
def test_shortened_value_has_at_most_60_characters(value: Any, text: str) -> None:
    assert shortened(value) == text
    assert len(shortened(value)) <= 60


# Names that are loaded on demand


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The modules of a package on disk by the names that they define; one of them needs a missing library."""
    package = tmp_path / "lazy_package"
    package.mkdir()
    package.joinpath("__init__.py").touch()
    package.joinpath("light.py").write_text("answer = 42\n")
    package.joinpath("heavy.py").write_text("import no_such_library\nquestion = 0\n")
    monkeypatch.syspath_prepend(tmp_path)
    return {"answer": "light", "question": "heavy"}


def test_name_on_demand_is_loaded_from_its_module(modules: dict[str, str]) -> None:
    assert load_on_demand("lazy_package", "answer", modules) == 42


def test_unknown_name_on_demand_is_an_attribute_error(modules: dict[str, str]) -> None:
    with pytest.raises(AttributeError, match="module 'lazy_package' has no attribute 'doubt'"):
        load_on_demand("lazy_package", "doubt", modules)


def test_name_on_demand_without_its_library_says_what_to_install(modules: dict[str, str]) -> None:
    with pytest.raises(ImportError, match=r"question needs no_such_library: install .* extra 'simulation'"):
        load_on_demand("lazy_package", "question", modules)
