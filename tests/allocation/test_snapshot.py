"""Demands and snapshots: numbers and names that are refused."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from electra_core import Demand, Snapshot, SnapshotError

# Numbers that are not possible

impossible_kw = pytest.mark.parametrize(
    "kw", [-1, math.nan, "5", None, [5], 10**400], ids=lambda kw: repr(kw)[:10]
)


@impossible_kw
@pytest.mark.parametrize("field", ["max_kw", "min_kw"])
def test_demand_with_an_impossible_number_is_refused(field: str, kw: Any) -> None:
    with pytest.raises(SnapshotError, match=f"'a': {field}"):
        Demand(**{"session_id": "a", "charger_id": "C", "max_kw": 10, field: kw})


@impossible_kw
@pytest.mark.parametrize("field", ["boost_kw", "charge_kw"])
def test_snapshot_with_an_impossible_number_is_refused(field: str, kw: Any) -> None:
    with pytest.raises(SnapshotError, match=field):
        Snapshot(**{"grid_kw": 10, "charger_kw": {}, "demands": [], field: kw})


@pytest.mark.parametrize(
    ("demands", "words"),
    [
        ([Demand("a", "X", 1)], "unknown charger 'X'"),
        ([Demand("a", "C", 1), Demand("a", "C", 2)], "two demands"),
    ],
)
def test_snapshot_with_demands_that_do_not_fit_is_refused(demands: Sequence[Demand], words: str) -> None:
    with pytest.raises(SnapshotError, match=words):
        Snapshot(10, {"C": 10}, demands)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"max_kw": -1}, "demand 'a': max_kw must be from 0 to 1e+12, got -1"),
        ({"min_kw": math.inf}, "demand 'a': min_kw must be a finite number, got inf"),
        ({"weight": 0}, "demand 'a': weight must be from 1e-06 to 1e+06, got 0"),
        ({"remaining_kwh": "5"}, "demand 'a': remaining_kwh must be a finite number, got '5'"),
        ({"arrived_s": math.nan}, "demand 'a': arrived_s must be a finite number, got nan"),
        ({"departs_s": "late"}, "demand 'a': departs_s must be a finite number, got 'late'"),
        ({"priority": None}, "demand 'a': priority must be a finite number, got None"),
        ({"turn": math.inf}, "demand 'a': turn must be a finite number, got inf"),
        ({"modules": 1.5}, "demand 'a': modules must be a whole number from 0 to 1000, got 1.5"),
        ({"session_id": 7}, "demand: session_id must be text, got 7"),
        ({"charger_id": None}, "demand: charger_id must be text, got None"),
        ({"session_id": "battery"}, "demand 'battery': session_id 'battery' is reserved"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_refused_demand_is_named_in_a_sentence(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(SnapshotError, match=f"^{re.escape(sentence)}"):
        Demand(**{"session_id": "a", "charger_id": "C", "max_kw": 10, **changes})


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"grid_kw": -1}, "snapshot: grid_kw must be at least 0, got -1"),
        ({"now_s": math.inf}, "snapshot: now_s must be a finite number, got inf"),
        ({"comfort_kw": "low"}, "snapshot: comfort_kw must be a finite number, got 'low'"),
        ({"charger_kw": {"C": -1}}, "snapshot: charger_kw of C must be at least 0, got -1"),
        ({"charger_kw": [10]}, "snapshot: charger_kw must be a mapping, got [10]"),
        ({"efficiency": {"C": 0}}, "snapshot: efficiency of C must be from 0.01 to 1, got 0"),
        ({"module_kw": {"C": 0}}, "snapshot: module_kw of C must be from 0.001 to 1e+12, got 0"),
        ({"module_kw": {"C": 0.005}}, "snapshot: charger 'C' has more than 1000 modules"),
        ({"charger_kw": {"C": None}, "module_kw": {"C": 5}}, "snapshot: charger 'C' has more than 1000"),
    ],
)
def test_refused_snapshot_says_which_number_is_wrong(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(SnapshotError, match=f"^{re.escape(sentence)}"):
        Snapshot(**{"grid_kw": 10, "charger_kw": {"C": 10}, "demands": [], **changes})


@pytest.mark.parametrize("unlimited", [None, math.inf, np.float64(math.inf)])
def test_unlimited_grid_and_chargers_are_none_or_infinite(unlimited: float | None) -> None:
    snapshot = Snapshot(unlimited, {"C": unlimited}, [])
    assert snapshot.site_limit_kw == snapshot.charger_limit_kw("C") == math.inf
