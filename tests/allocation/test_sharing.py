"""What must hold for every station: properties of `allocate`, each checked in a second way."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stations import NAMED, TINY_KW, assert_within_limits, snapshots

from electra_core import (
    STRATEGIES,
    Allocation,
    Demand,
    Limit,
    Snapshot,
    SnapshotError,
    StrategyError,
    allocate,
    violations,
)
from electra_core.allocation.strategies import MAX_RANK_WEIGHT, MIN_RANK_WEIGHT

every_strategy = pytest.mark.parametrize("strategy", NAMED)
every_filling = pytest.mark.parametrize("strategy", [name for name in NAMED if name != "uniform"])


def limits_of(snapshot: Snapshot) -> list[tuple[set[str], float]]:
    """Which sessions share which limit, kW; the site with all that the battery can give."""
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
    """The sessions behind each limit that is reached."""
    return [
        names
        for names, limit_kw in limits_of(snapshot)
        if sum(kw[name] for name in names) > limit_kw - TINY_KW
    ]


def progressive_filling(
    snapshot: Snapshot, rank: Callable[[Demand, float], tuple[float, float]]
) -> dict[str, float]:
    """Weighted max-min as in textbooks: all rise together until a limit is full; its sessions stop there.

    Minima first: in the order of tier, arrival and id, whoever fits. The level is found by bisection.
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
            # At the level where something gave way, whoever is behind a full limit can rise no more.
            full = [names for names, limit in limits if sum(kw[name] for name in names) > limit - 1e-9]
            assert full
            rising = {
                name: demand for name, demand in rising.items() if not any(name in names for names in full)
            }
    return kw


# Limits


@every_strategy
@given(snapshot=snapshots(minima=True, carried=True))
def test_no_limit_is_broken(strategy: str, snapshot: Snapshot) -> None:
    allocation = allocate(snapshot, strategy)
    assert violations(snapshot, allocation) == []
    assert_within_limits(snapshot, allocation)


ranks = st.tuples(
    st.floats(allow_nan=False, allow_infinity=False),
    st.floats(min_value=MIN_RANK_WEIGHT, max_value=MAX_RANK_WEIGHT) | st.sampled_from([1.0, 2.0]),
)


@given(snapshot=snapshots(minima=True, carried=True), answers=st.lists(ranks, min_size=8, max_size=8))
def test_no_rank_function_breaks_a_limit(snapshot: Snapshot, answers: list[tuple[float, float]]) -> None:
    """Any finite tier and any weight that is taken, huge or tiny."""
    allocation = allocate(snapshot, lambda demand, now_s: answers[int(demand.session_id[1:])])
    assert violations(snapshot, allocation) == []
    assert_within_limits(snapshot, allocation)


@pytest.mark.parametrize("weight", [MIN_RANK_WEIGHT, 1e-9, 1e9, MAX_RANK_WEIGHT])
def test_only_the_ratio_of_weights_counts(weight: float) -> None:
    snapshot = Snapshot(100, {"C": 100}, [Demand("a", "C", 100), Demand("b", "C", 100)])
    allocation = allocate(snapshot, lambda demand, now_s: (0, weight))
    assert allocation.offered_kw == pytest.approx({"a": 50, "b": 50})


@pytest.mark.parametrize("minima", [(50.0, 20.1), (15.4, 14.0), (3.7, 1.8), (1.1, 2.2, 3.3)])
@pytest.mark.parametrize("bound", ["site", "charger"])
def test_minima_that_fill_a_limit_to_the_brim(bound: str, minima: tuple[float, ...]) -> None:
    """The limit is the sum of the minima, up to its last bit: everybody has the minimum, and nobody more."""
    limit_kw = sum(minima)
    snapshot = Snapshot(
        grid_kw=limit_kw if bound == "site" else None,
        charger_kw={"C": limit_kw if bound == "charger" else None},
        demands=[Demand(f"s{i}", "C", 150, min_kw=kw) for i, kw in enumerate(minima)],
    )
    allocation = allocate(snapshot)
    assert list(allocation.offered_kw.values()) == pytest.approx(minima)
    assert violations(snapshot, allocation) == []


@given(minima=st.lists(st.integers(1, 300), min_size=2, max_size=4), room=st.sampled_from([0.0, 0.0, 0.1]))
def test_minima_that_nearly_fill_the_site(minima: list[int], room: float) -> None:
    demands = [Demand(f"s{i}", "C", kw / 10 + 20 * i, min_kw=kw / 10) for i, kw in enumerate(minima)]
    snapshot = Snapshot(sum(demand.min_kw for demand in demands) + room, {"C": None}, demands)
    assert_within_limits(snapshot, allocate(snapshot))


# Nothing is wasted


@every_filling
@given(snapshot=snapshots())
def test_no_power_is_left_while_someone_wants_it(strategy: str, snapshot: Snapshot) -> None:
    kw = allocate(snapshot, strategy).offered_kw
    full = tight(snapshot, kw)
    for demand in snapshot.demands:
        if kw[demand.session_id] < demand.max_kw - TINY_KW:
            assert any(demand.session_id in names for names in full)


@every_filling
@given(snapshot=snapshots())
def test_the_total_is_the_highest_possible(strategy: str, snapshot: Snapshot) -> None:
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
def test_the_total_equals_brute_force(
    site: int, chargers: tuple[int, int], cars: list[tuple[int, int]]
) -> None:
    """With whole limits some whole answer is optimal, so trying all of them is a solver."""
    best = 0
    for kw in itertools.product(*(range(most + 1) for _, most in cars)):
        by_charger = [sum(part for part, (at, _) in zip(kw, cars, strict=True) if at == i) for i in (0, 1)]
        if sum(kw) <= site and by_charger[0] <= chargers[0] and by_charger[1] <= chargers[1]:
            best = max(best, sum(kw))
    demands = [Demand(f"s{i}", str(at), most) for i, (at, most) in enumerate(cars)]
    allocation = allocate(Snapshot(site, {"0": chargers[0], "1": chargers[1]}, demands))
    assert sum(allocation.offered_kw.values()) == pytest.approx(best, abs=1e-9)


# Fairness


def assert_nobody_could_give(snapshot: Snapshot, weight: Callable[[Demand], float]) -> None:
    """The exchange argument: no bit of a better-off session's power could help a worse-off one."""
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
def test_nobody_is_below_another_who_could_give(snapshot: Snapshot) -> None:
    assert_nobody_could_give(snapshot, lambda demand: 1.0)


weights = st.lists(st.sampled_from([1.0, 2.0]) | st.floats(0.1, 10.0), min_size=8, max_size=8)


@given(snapshot=snapshots(), weights=weights)
def test_nobody_is_below_its_share_while_another_could_give(snapshot: Snapshot, weights: list[float]) -> None:
    assert_nobody_could_give(snapshot, lambda demand: weights[int(demand.session_id[1:])])


@given(
    snapshot=snapshots(minima=True),
    weights=weights,
    tiers=st.lists(st.integers(0, 2), min_size=8, max_size=8),
)
def test_it_equals_progressive_filling(snapshot: Snapshot, weights: list[float], tiers: list[int]) -> None:
    def rank(demand: Demand, now_s: float) -> tuple[float, float]:
        index = int(demand.session_id[1:])
        return tiers[index], weights[index]

    expected = progressive_filling(snapshot, rank)
    assert allocate(snapshot, rank).offered_kw == pytest.approx(expected, abs=TINY_KW)


@every_filling
@given(snapshot=snapshots(minima=True))
def test_each_strategy_equals_progressive_filling(strategy: str, snapshot: Snapshot) -> None:
    # A demand of 0 has no share under `proportional`, and needs none.
    snapshot = replace(snapshot, demands=[demand for demand in snapshot.demands if demand.max_kw > 0.0])
    expected = progressive_filling(snapshot, STRATEGIES[strategy])
    assert allocate(snapshot, strategy).offered_kw == pytest.approx(expected, abs=TINY_KW)


def test_weighted_textbook_example() -> None:
    """Keshav 1997: 16 shared by demands of 4, 2, 10 and 4 with weights 2.5, 4, 0.5 and 1."""
    weight = {"a": 2.5, "b": 4.0, "c": 0.5, "d": 1.0}
    demands = [Demand(name, "C", kw) for name, kw in zip("abcd", (4, 2, 10, 4), strict=True)]
    allocation = allocate(
        Snapshot(16, {"C": None}, demands), lambda demand, now_s: (0, weight[demand.session_id])
    )
    assert allocation.offered_kw == pytest.approx({"a": 4, "b": 2, "c": 6, "d": 4})


# Uniform: written again from the design's sentence


@given(snapshot=snapshots(battery=False))
def test_uniform_is_the_rule_of_the_design(snapshot: Snapshot) -> None:
    asking = [demand for demand in snapshot.demands if demand.max_kw > 0.0]
    scarce = sum(demand.max_kw for demand in asking) > snapshot.site_limit_kw
    kw = allocate(snapshot, "uniform").offered_kw
    for demand in asking:
        charger_kw = snapshot.charger_limit_kw(demand.charger_id)
        here = [other.max_kw for other in asking if other.charger_id == demand.charger_id]
        expected = demand.max_kw
        if scarce:
            expected = min(expected, snapshot.site_limit_kw / len(asking), charger_kw / len(here))
        elif sum(here) > charger_kw:
            expected = min(expected, charger_kw / len(here))
        assert kw[demand.session_id] == pytest.approx(expected, abs=1e-9)


# What must not matter, and who must not lose


@every_strategy
@given(snapshot=snapshots(minima=True, carried=True), shuffle=st.randoms(use_true_random=False))
def test_the_order_of_demands_does_not_matter(strategy: str, snapshot: Snapshot, shuffle: Any) -> None:
    mixed = list(snapshot.demands)
    shuffle.shuffle(mixed)
    assert allocate(replace(snapshot, demands=mixed), strategy) == allocate(
        snapshot, strategy
    )  # to the last bit


@pytest.mark.parametrize("source", ["grid", "battery"])
@given(snapshot=snapshots(), more_kw=st.floats(0.0, 300.0))
def test_more_power_lowers_nobody(source: str, snapshot: Snapshot, more_kw: float) -> None:
    if source == "grid":
        richer = replace(snapshot, grid_kw=snapshot.site_limit_kw + more_kw)
    else:
        richer = replace(snapshot, boost_kw=snapshot.boost_kw + more_kw)
    before, after = allocate(snapshot), allocate(richer)
    for name, kw in before.offered_kw.items():
        assert after.offered_kw[name] >= kw - TINY_KW


@given(snapshot=snapshots(), tiers=st.lists(st.integers(0, 2), min_size=8, max_size=8), cut=st.integers(0, 1))
def test_later_tiers_take_nothing_from_earlier_ones(snapshot: Snapshot, tiers: list[int], cut: int) -> None:
    def tier(demand: Demand) -> int:
        return tiers[int(demand.session_id[1:])]

    alone = replace(snapshot, demands=[demand for demand in snapshot.demands if tier(demand) <= cut])
    together = allocate(snapshot, lambda demand, now_s: (tier(demand), 1)).offered_kw
    for name, kw in allocate(alone, lambda demand, now_s: (tier(demand), 1)).offered_kw.items():
        assert together[name] == pytest.approx(kw, abs=TINY_KW)


@given(snapshot=snapshots())
def test_the_battery_gives_only_what_the_grid_lacks(snapshot: Snapshot) -> None:
    """And a boost is what a session gains by it: nobody is boosted who has as much without."""
    allocation = allocate(snapshot)
    by_grid = allocate(replace(snapshot, boost_kw=0.0)).offered_kw
    lack_kw = max(0.0, sum(allocation.offered_kw.values()) - snapshot.site_limit_kw)
    assert sum(allocation.boost_kw.values()) == pytest.approx(lack_kw, abs=TINY_KW)
    for name, boost_kw in allocation.boost_kw.items():
        assert boost_kw <= allocation.offered_kw[name] - by_grid[name] + TINY_KW


@given(snapshot=snapshots())
def test_the_battery_charges_from_what_cars_leave(snapshot: Snapshot) -> None:
    allocation = allocate(snapshot)
    if sum(allocation.boost_kw.values()) == 0.0:
        left_kw = snapshot.site_limit_kw - sum(allocation.offered_kw.values())
        assert allocation.battery_kw == pytest.approx(max(0.0, min(snapshot.charge_kw, left_kw)), abs=TINY_KW)


@every_strategy
@given(snapshot=snapshots(minima=True))
def test_the_reason_is_true(strategy: str, snapshot: Snapshot) -> None:
    allocation = allocate(snapshot, strategy)
    for demand in snapshot.demands:
        kw, reason = allocation.offered_kw[demand.session_id], allocation.limited_by[demand.session_id]
        assert (reason is demand.ceiling_by) == (kw >= demand.max_kw * (1.0 - 1e-12))
        if reason is Limit.MINIMUM:
            assert kw == 0.0
            assert demand.min_kw > 0.0
        if strategy != "uniform" and reason in (Limit.CHARGER, Limit.SITE):
            full = [names for names in tight(snapshot, allocation.offered_kw) if demand.session_id in names]
            assert full


# Rank functions that answer nonsense


def raises(demand: Demand, now_s: float) -> tuple[float, float]:
    raise RuntimeError("a fault in a notebook cell")


@pytest.mark.parametrize(
    "answer",
    [
        (0, 0),
        (0, -1),
        (0, math.nan),
        (0, math.inf),
        (math.nan, 1),
        (math.inf, 1),
        (-math.inf, 1),
        ("soon", 1),
        (0, "much"),
        (0, None),
        (0, 10**400),
        (1,),
        (1, 2, 3),
        None,
        "word",
        7,
    ],
    ids=repr,
)
def test_a_nonsense_rank_is_refused(answer: Any) -> None:
    with pytest.raises(StrategyError, match="session a"):
        allocate(Snapshot(10, {"C": 10}, [Demand("a", "C", 10)]), lambda demand, now_s: answer)


def test_a_failing_rank_is_refused_in_its_own_words() -> None:
    with pytest.raises(
        StrategyError, match="raises failed for session a: RuntimeError: a fault in a notebook cell"
    ):
        allocate(Snapshot(10, {"C": 10}, [Demand("a", "C", 10)]), raises)


@pytest.mark.parametrize(
    ("strategy", "words"),
    [
        ("maxmin", "'max_min'"),
        ("xyz", "known are max_min"),
        ("", "known are"),
        (7, "got int"),
        (None, "got NoneType"),
    ],
)
def test_an_unknown_strategy_is_refused(strategy: Any, words: str) -> None:
    with pytest.raises(StrategyError, match=words):
        allocate(Snapshot(10, {}, []), strategy)


# Questions that cannot be meant

nonsense_kw = pytest.mark.parametrize(
    "kw", [-1, math.nan, "5", None, [5], 10**400], ids=lambda kw: repr(kw)[:10]
)


@nonsense_kw
@pytest.mark.parametrize("field", ["max_kw", "min_kw"])
def test_a_demand_refuses_nonsense(field: str, kw: Any) -> None:
    with pytest.raises(SnapshotError, match=f"'a': {field}"):
        Demand(**{"session_id": "a", "charger_id": "C", "max_kw": 10, field: kw})


@nonsense_kw
@pytest.mark.parametrize("field", ["boost_kw", "charge_kw"])
def test_a_snapshot_refuses_nonsense(field: str, kw: Any) -> None:
    with pytest.raises(SnapshotError, match=field):
        Snapshot(**{"grid_kw": 10, "charger_kw": {}, "demands": [], field: kw})


@pytest.mark.parametrize(
    ("demands", "words"),
    [
        ([Demand("a", "X", 1)], "unknown charger 'X'"),
        ([Demand("a", "C", 1), Demand("a", "C", 2)], "two demands"),
    ],
)
def test_a_snapshot_refuses_demands_that_do_not_fit(demands: Sequence[Demand], words: str) -> None:
    with pytest.raises(SnapshotError, match=words):
        Snapshot(10, {"C": 10}, demands)


# violations() finds what is broken: a sound answer is tampered with

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


def test_a_sound_answer_has_no_violation() -> None:
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
def test_violations_finds(change: dict[str, Any], words: str) -> None:
    assert any(words in sentence for sentence in violations(SNAPSHOT, replace(SOUND, **change)))


@pytest.mark.parametrize("weight", [1e-310, 1e300])
def test_weights_that_floats_cannot_compare_are_refused(weight: float) -> None:
    with pytest.raises(StrategyError, match="the weight from 1e-70 to 1e\\+70"):
        allocate(Snapshot(100, {"C": 100}, [Demand("a", "C", 100)]), lambda demand, now_s: (0, weight))
