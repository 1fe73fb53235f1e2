"""The examples of all docstrings run, and show what they say."""

from __future__ import annotations

import doctest
import importlib

import pytest
from stations import modules_of_the_package


@pytest.mark.parametrize("name", [*modules_of_the_package(), "stations"])
def test_examples_of_module_run(name: str) -> None:
    found = doctest.testmod(
        importlib.import_module(name), optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    )
    assert found.failed == 0
