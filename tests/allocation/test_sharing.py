"""Properties of `allocate` that hold for every station, each checked in a second way."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stations import NAMED, TINY_KW, assert_within_limits, snapshots

from electra_core import (
    STRATEGIES,
    Demand,
    Limit,
    Snapshot,
    allocate,
    violations,
)
from electra_core.allocation import MAX_RANK_WEIGHT, MIN_RANK_WEIGHT, EqualParts

every_strategy = pytest.mark.parametrize("strategy", NAMED)
every_filling = pytest.mark.parametrize("strategy", [name for name in NAMED if name != "uniform"])


def limits_of(snapshot: Snapshot) -> list[tuple[set[str], float]]:
    """Return the sessions that share each limit, and its kW; the site's includes the battery's."""
    limits = [
        ({demand.session_id for demand in snapshot.demands if demand.charger_id == charger_id}, kw)
        for charger_id, kw in snapshot.charger_kw.items()
        if kw is not None
    ]
    if snapshot.grid_kw is not None:
        limits.append(
            ({demand.session_id for demand in snapshot.demands}, snapshot.grid_kw + snapshot.boost_kw)
        )
    return limits


def tight(snapshot: Snapshot, kw: Mapping[str, float]) -> list[set[str]]:
    """Return the sessions behind each limit that is reached."""
    return [
        names
        for names, limit_kw in limits_of(snapshot)
        if sum(kw[name] for name in names) > limit_kw - TINY_KW
    ]


def progressive_filling(
    snapshot: Snapshot, rank: Callable[[Demand, float], tuple[float, float]]
) -> dict[str, float]:
    """Return weighted max-min powers as in textbooks: all rise together until a limit is full.

    Its sessions stop there. Minima come first, in the order of tier, arrival and id, as far as they fit. The
    level is found by bisection.
    """
    ranks = {demand.session_id: rank(demand, snapshot.now_s) for demand in snapshot.demands}
    kw = {demand.session_id: 0.0 for demand in snapshot.demands}
    limits = limits_of(snapshot)

    def fits(answer: Mapping[str, float]) -> bool:
        return all(sum(answer[name] for name in names) <= limit * (1 + 1e-12) for names, limit in limits)

    admitted = []
    for demand in sorted(snapshot.demands, key=lambda d: (ranks[d.session_id][0], d.arrived_s, d.session_id)):
        least = {**kw, demand.session_id: demand.min_kw}
        if demand.min_kw <= demand.max_kw and fits(least):
            kw = least
            admitted.append(demand)
    for _, group in itertools.groupby(admitted, key=lambda demand: ranks[demand.session_id][0]):
        rising = {demand.session_id: demand for demand in group}
        while rising:

            def at(
                level: float, rising: Mapping[str, Demand] = rising, kw: Mapping[str, float] = kw
            ) -> dict[str, float]:
                return dict(kw) | {
                    name: max(demand.min_kw, min(demand.max_kw, ranks[name][1] * level))
                    for name, demand in rising.items()
                }

            low, high = 0.0, 1.0 + max(demand.max_kw / ranks[name][1] for name, demand in rising.items())
            if fits(at(high)):
                kw = at(high)
                break
            for _ in range(60):
                middle = (low + high) / 2
                low, high = (middle, high) if fits(at(middle)) else (low, middle)
            kw = at(low)
            # At the level at which a limit became full its sessions can rise no more.
            full = [names for names, limit in limits if sum(kw[name] for name in names) > limit - 1e-9]
            assert full
            rising = {
                name: demand for name, demand in rising.items() if not any(name in names for names in full)
            }
    return kw


# Limits


@every_strategy
@given(snapshot=snapshots(minima=True, carried=True))
def test_allocation_of_every_strategy_is_within_all_limits(strategy: str, snapshot: Snapshot) -> None:
    allocation = allocate(snapshot, strategy)
    assert violations(snapshot, allocation) == []
    assert_within_limits(snapshot, allocation)


ranks = st.tuples(
    st.floats(allow_nan=False, allow_infinity=False),
    st.floats(min_value=MIN_RANK_WEIGHT, max_value=MAX_RANK_WEIGHT) | st.sampled_from([1.0, 2.0]),
)


@given(snapshot=snapshots(minima=True, carried=True), answers=st.lists(ranks, min_size=8, max_size=8))
def test_allocation_of_any_rank_is_within_all_limits(
    snapshot: Snapshot, answers: list[tuple[float, float]]
) -> None:
    """With any finite tier and any accepted weight, huge or tiny, max-min and in equal parts."""
    for kind in (tuple, EqualParts._make):
        allocation = allocate(
            snapshot, lambda demand, now_s, kind=kind: kind(answers[int(demand.session_id[1:])])
        )
        assert violations(snapshot, allocation) == []
        assert_within_limits(snapshot, allocation)


@pytest.mark.parametrize("weight", [MIN_RANK_WEIGHT, 1e-9, 1e9, MAX_RANK_WEIGHT])
def test_equal_weights_of_any_size_share_equally(weight: float) -> None:
    snapshot = Snapshot(100, {"C": 100}, [Demand("a", "C", 100), Demand("b", "C", 100)])
    allocation = allocate(snapshot, lambda demand, now_s: (0, weight))
    assert allocation.offered_kw == pytest.approx({"a": 50, "b": 50})


@pytest.mark.parametrize("minima", [(50.0, 20.1), (15.4, 14.0), (3.7, 1.8), (1.1, 2.2, 3.3)])
@pytest.mark.parametrize("bound", ["site", "charger"])
def test_minima_that_fill_a_limit_exactly_are_all_granted(bound: str, minima: tuple[float, ...]) -> None:
    """The limit is the sum of the minima, up to its last bit: each car has its minimum and no more."""
    limit_kw = sum(minima)
    snapshot = Snapshot(
        grid_kw=limit_kw if bound == "site" else None,
        charger_kw={"C": limit_kw if bound == "charger" else None},
        demands=[Demand(f"s{i}", "C", 150, min_kw=kw) for i, kw in enumerate(minima)],
    )
    allocation = allocate(snapshot)
    assert list(allocation.offered_kw.values()) == pytest.approx(minima)
    assert violations(snapshot, allocation) == []


@given(minima=st.lists(st.integers(1, 300), min_size=2, max_size=4), more_kw=st.sampled_from([0.0, 0.0, 0.1]))
def test_minima_that_nearly_fill_the_site_break_no_limit(minima: list[int], more_kw: float) -> None:
    demands = [Demand(f"s{i}", "C", kw / 10 + 20 * i, min_kw=kw / 10) for i, kw in enumerate(minima)]
    snapshot = Snapshot(sum(demand.min_kw for demand in demands) + more_kw, {"C": None}, demands)
    assert_within_limits(snapshot, allocate(snapshot))


# No power is wasted


@every_filling
@given(snapshot=snapshots())
def test_session_below_its_maximum_is_behind_a_full_limit(strategy: str, snapshot: Snapshot) -> None:
    kw = allocate(snapshot, strategy).offered_kw
    full = tight(snapshot, kw)
    for demand in snapshot.demands:
        if kw[demand.session_id] < demand.max_kw - TINY_KW:
            assert any(demand.session_id in names for names in full)


@every_filling
@given(snapshot=snapshots())
def test_total_is_the_highest_possible(strategy: str, snapshot: Snapshot) -> None:
    """On a tree: each charger gives what it can, then the site cuts the sum."""
    by_charger = dict.fromkeys(snapshot.charger_kw, 0.0)
    for demand in snapshot.demands:
        by_charger[demand.charger_id] += demand.max_kw
    best = sum(min(kw, snapshot.charger_limit_kw(charger_id)) for charger_id, kw in by_charger.items())
    best = min(best, snapshot.site_limit_kw + snapshot.boost_kw)
    assert sum(allocate(snapshot, strategy).offered_kw.values()) == pytest.approx(best, abs=TINY_KW)


whole_kw = st.integers(0, 4)


@given(
    site=whole_kw,
    chargers=st.tuples(whole_kw, whole_kw),
    cars=st.lists(st.tuples(st.integers(0, 1), whole_kw), max_size=4),
)
def test_total_of_whole_limits_equals_brute_force(
    site: int, chargers: tuple[int, int], cars: list[tuple[int, int]]
) -> None:
    """With whole limits one of the whole answers is optimal, so that trying all of them is a solver."""
    best = 0
    for kw in itertools.product(*(range(most + 1) for _, most in cars)):
        by_charger = [sum(part for part, (at, _) in zip(kw, cars, strict=True) if at == i) for i in (0, 1)]
        if sum(kw) <= site and by_charger[0] <= chargers[0] and by_charger[1] <= chargers[1]:
            best = max(best, sum(kw))
    demands = [Demand(f"s{i}", str(at), most) for i, (at, most) in enumerate(cars)]
    allocation = allocate(Snapshot(site, {"0": chargers[0], "1": chargers[1]}, demands))
    assert sum(allocation.offered_kw.values()) == pytest.approx(best, abs=1e-9)


# Fairness


def assert_no_session_could_give(snapshot: Snapshot, weight: Callable[[Demand], float]) -> None:
    """Check the exchange argument: no power of a better-off session could help a worse-off one."""
    kw = allocate(snapshot, lambda demand, now_s: (0, weight(demand))).offered_kw
    full = tight(snapshot, kw)
    for poor, rich in itertools.permutations(snapshot.demands, 2):
        wants_more = kw[poor.session_id] < poor.max_kw - TINY_KW
        poor_level = kw[poor.session_id] / weight(poor)
        rich_level = kw[rich.session_id] / weight(rich)
        if wants_more and rich_level > poor_level + TINY_KW:
            stopped_elsewhere = any(
                poor.session_id in names and rich.session_id not in names for names in full
            )
            assert stopped_elsewhere, f"{rich.session_id} could give to {poor.session_id}"


@given(snapshot=snapshots())
def test_session_is_not_below_another_that_could_give(snapshot: Snapshot) -> None:
    assert_no_session_could_give(snapshot, lambda demand: 1.0)


weights = st.lists(st.sampled_from([1.0, 2.0]) | st.floats(0.1, 10.0), min_size=8, max_size=8)


@given(snapshot=snapshots(), weights=weights)
def test_session_is_not_below_its_weight_while_another_could_give(
    snapshot: Snapshot, weights: list[float]
) -> None:
    assert_no_session_could_give(snapshot, lambda demand: weights[int(demand.session_id[1:])])


@given(
    snapshot=snapshots(minima=True),
    weights=weights,
    tiers=st.lists(st.integers(0, 2), min_size=8, max_size=8),
)
def test_allocation_of_tiers_and_weights_equals_progressive_filling(
    snapshot: Snapshot, weights: list[float], tiers: list[int]
) -> None:
    def rank(demand: Demand, now_s: float) -> tuple[float, float]:
        index = int(demand.session_id[1:])
        return tiers[index], weights[index]

    expected = progressive_filling(snapshot, rank)
    assert allocate(snapshot, rank).offered_kw == pytest.approx(expected, abs=TINY_KW)


@every_filling
@given(snapshot=snapshots(minima=True))
def test_allocation_of_each_strategy_equals_progressive_filling(strategy: str, snapshot: Snapshot) -> None:
    # A demand of 0 has no weight under `proportional`, and needs none.
    snapshot = replace(snapshot, demands=[demand for demand in snapshot.demands if demand.max_kw > 0.0])
    expected = progressive_filling(snapshot, STRATEGIES[strategy])
    assert allocate(snapshot, strategy).offered_kw == pytest.approx(expected, abs=TINY_KW)


def test_textbook_example_of_weights_has_its_published_answer() -> None:
    """Keshav 1997: 16 shared by demands of 4, 2, 10 and 4 with weights 2.5, 4, 0.5 and 1."""
    weight = {"a": 2.5, "b": 4.0, "c": 0.5, "d": 1.0}
    demands = [Demand(name, "C", kw) for name, kw in zip("abcd", (4, 2, 10, 4), strict=True)]
    allocation = allocate(
        Snapshot(16, {"C": None}, demands), lambda demand, now_s: (0, weight[demand.session_id])
    )
    assert allocation.offered_kw == pytest.approx({"a": 4, "b": 2, "c": 6, "d": 4})


# Changes that must not matter, and sessions that must not lose


@every_strategy
@given(snapshot=snapshots(minima=True, carried=True), shuffle=st.randoms(use_true_random=False))
def test_order_of_demands_does_not_change_the_allocation(
    strategy: str, snapshot: Snapshot, shuffle: Any
) -> None:
    mixed = list(snapshot.demands)
    shuffle.shuffle(mixed)
    assert allocate(replace(snapshot, demands=mixed), strategy) == allocate(
        snapshot, strategy
    )  # to the last bit


@pytest.mark.parametrize("source", ["grid", "battery"])
@given(snapshot=snapshots(), more_kw=st.floats(0.0, 300.0))
def test_more_power_lowers_no_session(source: str, snapshot: Snapshot, more_kw: float) -> None:
    if source == "grid":
        richer = replace(snapshot, grid_kw=snapshot.site_limit_kw + more_kw)
    else:
        richer = replace(snapshot, boost_kw=snapshot.boost_kw + more_kw)
    before, after = allocate(snapshot), allocate(richer)
    for name, kw in before.offered_kw.items():
        assert after.offered_kw[name] >= kw - TINY_KW


@given(snapshot=snapshots(), tiers=st.lists(st.integers(0, 2), min_size=8, max_size=8), cut=st.integers(0, 1))
def test_later_tier_takes_nothing_from_earlier_ones(snapshot: Snapshot, tiers: list[int], cut: int) -> None:
    def tier(demand: Demand) -> int:
        return tiers[int(demand.session_id[1:])]

    alone = replace(snapshot, demands=[demand for demand in snapshot.demands if tier(demand) <= cut])
    together = allocate(snapshot, lambda demand, now_s: (tier(demand), 1)).offered_kw
    for name, kw in allocate(alone, lambda demand, now_s: (tier(demand), 1)).offered_kw.items():
        assert together[name] == pytest.approx(kw, abs=TINY_KW)


@given(snapshot=snapshots())
def test_battery_gives_only_what_the_grid_lacks(snapshot: Snapshot) -> None:
    """And a boost is a session's gain: a session that has as much without the battery has none."""
    allocation = allocate(snapshot)
    by_grid = allocate(replace(snapshot, boost_kw=0.0)).offered_kw
    lack_kw = max(0.0, sum(allocation.offered_kw.values()) - snapshot.site_limit_kw)
    assert sum(allocation.boost_kw.values()) == pytest.approx(lack_kw, abs=TINY_KW)
    for name, boost_kw in allocation.boost_kw.items():
        assert boost_kw <= allocation.offered_kw[name] - by_grid[name] + TINY_KW


@given(snapshot=snapshots())
def test_battery_charges_from_what_the_cars_leave(snapshot: Snapshot) -> None:
    allocation = allocate(snapshot)
    if sum(allocation.boost_kw.values()) == 0.0:
        left_kw = snapshot.site_limit_kw - sum(allocation.offered_kw.values())
        assert allocation.battery_kw == pytest.approx(max(0.0, min(snapshot.charge_kw, left_kw)), abs=TINY_KW)


@every_strategy
@given(snapshot=snapshots(minima=True))
def test_limit_that_is_named_did_stop_the_session(strategy: str, snapshot: Snapshot) -> None:
    allocation = allocate(snapshot, strategy)
    for demand in snapshot.demands:
        kw, limit = allocation.offered_kw[demand.session_id], allocation.limited_by[demand.session_id]
        assert (limit is demand.ceiling_by) == (kw >= demand.max_kw * (1.0 - 1e-12))
        if limit is Limit.MINIMUM:
            assert kw == 0.0
            assert demand.min_kw > 0.0
        if strategy != "uniform" and limit in (Limit.CHARGER, Limit.SITE):
            full = [names for names in tight(snapshot, allocation.offered_kw) if demand.session_id in names]
            assert full
