"""The optimum of one instant: small cases, and comparison with every strategy."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from optimization_cases import TINY, hard_snapshots, with_ceilings
from stations import NAMED, snapshots

from electra_core import Demand, Snapshot, allocate
from electra_core.optimization import best_instant, plan_instant


@given(snapshots())
def test_max_min_delivers_the_optimum_of_an_instant(snapshot: Snapshot) -> None:
    total_kw = sum(allocate(snapshot).offered_kw.values())
    assert best_instant(snapshot).total_kw == pytest.approx(total_kw, rel=TINY, abs=TINY)


@given(hard_snapshots())
def test_no_strategy_delivers_more_than_the_optimum_of_an_instant(snapshot: Snapshot) -> None:
    best = best_instant(snapshot)
    for name in NAMED:
        assert sum(allocate(snapshot, name).offered_kw.values()) <= best.total_kw + TINY


@given(hard_snapshots())
def test_allocation_under_the_plan_of_an_instant_delivers_all_of_it(snapshot: Snapshot) -> None:
    """Without a comfort power, an allocation under the planned limits delivers the plan."""
    snapshot = replace(snapshot, comfort_kw=None)
    plan = plan_instant(snapshot)
    found = allocate(with_ceilings(snapshot, plan))
    assert sum(found.offered_kw.values()) == pytest.approx(sum(plan.values()), rel=TINY, abs=TINY)


def test_optimum_of_small_instants() -> None:
    """The first arrival may cost two others their minimum; an efficient charger delivers more."""
    least = [Demand("a", "C", 60.0, 60.0), Demand("b", "C", 50.0, 50.0), Demand("c", "C", 50.0, 50.0)]
    assert sum(allocate(Snapshot(100.0, {"C": None}, least)).offered_kw.values()) == 60.0
    assert best_instant(Snapshot(100.0, {"C": None}, least)).offered_kw == {"a": 0.0, "b": 50.0, "c": 50.0}
    pair = [Demand("a", "C", 80.0), Demand("b", "D", 80.0)]
    lossy = Snapshot(100.0, {"C": None, "D": None}, pair, efficiency={"C": 0.5})
    assert best_instant(lossy).offered_kw == pytest.approx({"a": 10.0, "b": 80.0})
    assert best_instant(Snapshot(None, {"C": 140.0}, pair[:1], module_kw={"C": 75.0})).total_kw == 75.0
    below_reserve = Snapshot(50.0, {"C": None, "D": None}, pair, boost_kw=50.0, comfort_kw=10.0)
    assert best_instant(below_reserve).total_kw == pytest.approx(60.0)
    assert best_instant(Snapshot(None, {}, [])).total_kw == 0.0
