"""The planner that looks ahead."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from optimization_cases import HOUR_S, TINY, hard_snapshots, with_ceilings

from electra_core import Allocation, Demand, Snapshot, allocate
from electra_core.optimization import Mpc, OptimizationError, plan_instant


def drive(snapshot: Snapshot, planner: Any, step_s: float = 60.0) -> dict[str, float]:
    """Return the energy of each session after the last departure, kWh, by a planner or a strategy's name."""
    got_kwh = dict.fromkeys((demand.session_id for demand in snapshot.demands), 0.0)
    while snapshot.demands:
        ceilings = (
            planner(snapshot)
            if callable(planner)
            else {one.session_id: one.max_kw for one in snapshot.demands}
        )
        capped = with_ceilings(snapshot, ceilings)
        found: Allocation = allocate(capped, "max_min" if callable(planner) else planner)
        later = []
        for demand in snapshot.demands:
            kwh = min(demand.remaining_kwh or 0.0, found.offered_kw[demand.session_id] * step_s / HOUR_S)
            got_kwh[demand.session_id] += kwh
            if (demand.remaining_kwh or 0.0) - kwh > TINY:
                later.append(replace(demand, remaining_kwh=(demand.remaining_kwh or 0.0) - kwh))
        now_s = snapshot.now_s + step_s
        snapshot = replace(
            snapshot, now_s=now_s, demands=[one for one in later if (one.departs_s or 0.0) > now_s]
        )
    return got_kwh


def test_mpc_delivers_more_than_earliest_deadline() -> None:
    """The later departure needs its two hours in full, and the earlier one has time to spare."""
    soon = Demand("soon", "C", 10.0, departs_s=HOUR_S, remaining_kwh=5.0)
    late = Demand("late", "C", 5.0, departs_s=2 * HOUR_S, remaining_kwh=10.0)
    moment = Snapshot(10.0, {"C": None}, [soon, late])
    assert drive(moment, "earliest_deadline") == pytest.approx({"soon": 5.0, "late": 7.5})
    assert drive(moment, Mpc()) == pytest.approx({"soon": 5.0, "late": 10.0})
    assert Mpc()(moment) == pytest.approx({"soon": 5.0, "late": 5.0})


def test_mpc_serves_the_session_with_the_least_spare_time_first() -> None:
    """Both can have all: b needs 2 of its 4 expected hours, a needs half an hour of 2."""
    b = Demand("b", "C", 10.0, remaining_kwh=20.0)
    a = Demand("a", "C", 10.0, departs_s=2 * HOUR_S, remaining_kwh=5.0)
    moment = Snapshot(10.0, {"C": None}, [b, a])
    assert Mpc()(moment) == pytest.approx({"a": 0.0, "b": 10.0})
    # With 16 expected hours it can wait.
    assert Mpc(dwell_s=16 * HOUR_S)(moment) == pytest.approx({"a": 10.0, "b": 0.0})
    assert Mpc()(replace(moment, boost_kw=5.0)) == pytest.approx({"a": 5.0, "b": 10.0})


@given(hard_snapshots())
def test_plans_are_limits_of_all_sessions_in_any_order(snapshot: Snapshot) -> None:
    """For any snapshot: one limit a session, never above its maximum, the same for any order."""
    planner = Mpc()
    plan = planner(snapshot)
    assert list(plan) == [demand.session_id for demand in snapshot.demands]
    for demand in snapshot.demands:
        assert 0.0 <= plan[demand.session_id] <= demand.max_kw
        assert plan[demand.session_id] == 0.0 or plan[demand.session_id] >= min(demand.min_kw, demand.max_kw)
    assert planner(replace(snapshot, demands=snapshot.demands[::-1])) == plan
    assert plan_instant(replace(snapshot, demands=snapshot.demands[::-1])) == plan_instant(snapshot)


def test_times_below_a_second_are_refused() -> None:
    for name in ("dwell_s", "step_s"):
        with pytest.raises(OptimizationError, match=rf"^{name} must be at least 1, got 0\.0$"):
            Mpc(**{name: 0.0})
