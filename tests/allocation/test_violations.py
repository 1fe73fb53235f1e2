"""`violations` finds every broken limit: a sound allocation is changed in one thing each time."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from electra_core import Allocation, Demand, Limit, Snapshot, violations

SNAPSHOT = Snapshot(
    grid_kw=100,
    charger_kw={"C": 90, "D": 60},
    demands=[Demand("a", "C", 80, min_kw=10), Demand("b", "D", 60)],
    boost_kw=20,
    charge_kw=30,
)
# a 60 (10 of it from the battery), b 50 (10): 90 from the grid, 20 from the battery.
SOUND = Allocation(
    offered_kw={"a": 60.0, "b": 50.0},
    boost_kw={"a": 10.0, "b": 10.0},
    grid_kw=90.0,
    battery_kw=-20.0,
    unused_kw=10.0,
    limited_by={"a": Limit.SITE, "b": Limit.SITE},
)


def test_sound_allocation_has_no_violation() -> None:
    assert violations(SNAPSHOT, SOUND) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"offered_kw": {"a": 81.0, "b": 29.0}}, "session a: offered 81.0 kW of at most 80 kW"),
        ({"offered_kw": {"a": -1.0, "b": 111.0}}, "session a: offered -1.0 kW"),
        ({"offered_kw": {"a": 9.0, "b": 101.0}}, "below its minimum of 10 kW"),
        ({"boost_kw": {"a": -5.0, "b": 25.0}}, "session a: boost of -5.0 kW"),
        (
            {"offered_kw": {"a": 60.0, "b": 5.0}, "grid_kw": 45.0},
            "session b: boost of 10.0 kW in an offer of 5.0",
        ),
        ({"offered_kw": {"a": 50.0, "b": 61.0}, "grid_kw": 91.0}, "charger D: 61.0 kW of at most 60 kW"),
        ({"offered_kw": {"a": 70.0, "b": 51.0}, "grid_kw": 101.0}, "site: 101.0 kW of at most 100 kW"),
        (
            {"boost_kw": {"a": 11.0, "b": 10.0}, "battery_kw": -21.0, "grid_kw": 89.0},
            "battery discharge: 21.0 kW of at most 20 kW",
        ),
        (
            {
                "offered_kw": {"a": 10.0, "b": 0.0},
                "boost_kw": {"a": 0.0, "b": 0.0},
                "battery_kw": 31.0,
                "grid_kw": 41.0,
            },
            "battery charge: 31.0 kW of at most 30 kW",
        ),
        ({"unused_kw": 11.0}, "11.0 kW are said to be unused, and 10.0 kW are"),
        ({"unused_kw": math.nan}, "nan kW are said to be unused"),
        ({"grid_kw": -1.0}, "would flow back to the grid"),
        ({"boost_kw": {"a": 10.0, "b": 0.0}}, "boosts take 10.0 kW of it"),
        ({"grid_kw": 80.0}, "balance: 80.0 kW from the grid"),
        ({"offered_kw": {"a": math.nan, "b": 50.0}}, "not a finite number"),
        ({"grid_kw": math.inf}, "not a finite number"),
        ({"offered_kw": {"a": 60.0}}, "are not the sessions asked"),
        ({"boost_kw": {"a": 10.0, "b": 10.0, "c": 0.0}}, "are not the sessions asked"),
        ({"limited_by": {}}, "are not the sessions asked"),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else "",
)
def test_changed_allocation_has_a_violation(change: dict[str, Any], words: str) -> None:
    assert any(words in sentence for sentence in violations(SNAPSHOT, replace(SOUND, **change)))
