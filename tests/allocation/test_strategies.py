"""Strategies: names, ranks, equal parts, marks, and the answers that are refused."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from stations import NAMED, make_station, snapshots

from electra_core import STRATEGIES, Demand, Limit, Snapshot, StrategyError, Vehicle, allocate
from electra_core.allocation import (
    EqualParts,
    Planner,
    Rank,
    find_strategy,
    is_timeless,
    name_of,
    solver,
    timeless,
)

# Equal parts


@given(snapshot=snapshots(battery=False))
def test_uniform_allocation_follows_the_rule_of_the_exercise(snapshot: Snapshot) -> None:
    """The rule is written again here, without minima, weights and modules."""
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


class Wrapper:
    """A strategy as an object that is called."""

    def __call__(self, demand: Demand, now_s: float) -> tuple[float, float]:
        return STRATEGIES["uniform"](demand, now_s)


def two_cars() -> Snapshot:
    """Return a car of 20 kW at most beside one of 300 kW, at a charger of 100 kW."""
    return Snapshot(None, {"C": 100}, [Demand("small", "C", 20), Demand("large", "C", 300, weight=3)])


def test_uniform_passes_no_unused_power_on_while_max_min_does() -> None:
    assert allocate(two_cars(), "uniform").offered_kw == {"small": 20, "large": 50}
    assert allocate(two_cars(), "max_min").offered_kw == {"small": 20, "large": 80}


wrappers = pytest.mark.parametrize(
    "wrapper",
    [
        lambda demand, now_s: STRATEGIES["uniform"](demand, now_s),
        functools.partial(STRATEGIES["uniform"]),
        Wrapper(),
        lambda demand, now_s: EqualParts(0, 1),
    ],
    ids=["function", "partial", "object", "own answer"],
)


@wrappers
@given(snapshot=snapshots(minima=True, carried=True))
def test_wrapper_of_uniform_divides_like_uniform(wrapper: Rank, snapshot: Snapshot) -> None:
    assert allocate(two_cars(), wrapper).offered_kw == {"small": 20, "large": 50}
    assert allocate(snapshot, wrapper) == allocate(snapshot, "uniform")


def test_equal_parts_of_a_charger_are_in_proportion_to_the_weights() -> None:
    found = allocate(two_cars(), lambda demand, now_s: EqualParts(0, demand.weight))
    assert found.offered_kw == {"small": 20, "large": 75}


def test_equal_parts_of_the_site_count_losses() -> None:
    """Each car has 50 kW of the site, and the charger with 80 % passes 40 of them on."""
    demands = [Demand("lossy", "L", 300), Demand("large", "C", 300), Demand("small", "C", 20)]
    snapshot = Snapshot(150, {"L": 200, "C": 200}, demands, efficiency={"L": 0.8})
    assert allocate(snapshot, "uniform").offered_kw == pytest.approx({"lossy": 40, "large": 50, "small": 20})


def test_later_tier_in_equal_parts_divides_the_rest_of_the_earlier_one() -> None:
    """The small car alone has its 20 kW; the two later ones divide 80."""
    demands = [*two_cars().demands, Demand("third", "C", 30)]
    snapshot = Snapshot(None, {"C": 100}, demands)
    found = allocate(snapshot, lambda demand, now_s: EqualParts(demand.session_id != "small", 1))
    assert found.offered_kw == {"small": 20, "large": 40, "third": 30}


def test_rank_that_divides_in_equal_parts_for_some_sessions_only_is_refused() -> None:
    def mixed(demand: Demand, now_s: float) -> tuple[float, float]:
        return EqualParts(0, 1) if demand.session_id == "small" else (0, 1)

    with pytest.raises(
        StrategyError, match="strategy mixed divides in equal parts for some sessions and not for others"
    ):
        allocate(two_cars(), mixed)


def test_session_that_asks_for_nothing_is_not_ranked() -> None:
    ranked = []

    def rank(demand: Demand, now_s: float) -> tuple[float, float]:
        ranked.append(demand.session_id)
        return EqualParts(0, 1)

    demands = [*two_cars().demands, Demand("done", "C", 0)]
    assert allocate(Snapshot(None, {"C": 100}, demands), rank).offered_kw == {
        "small": 20,
        "large": 50,
        "done": 0,
    }
    assert sorted(ranked) == ["large", "small"]


# Marks


def test_every_named_strategy_but_least_laxity_is_timeless() -> None:
    assert [name for name in NAMED if not is_timeless(STRATEGIES[name])] == ["least_laxity"]


def test_rank_is_timeless_only_with_its_mark() -> None:
    assert not is_timeless(lambda demand, now_s: (0, 1))
    assert not is_timeless(Wrapper())
    assert is_timeless(timeless(lambda demand, now_s: (0, 1)))


def decisions_in_an_hour(mark: Callable[[Rank], Rank]) -> int:
    """Return how often a station asks a rank in an hour in which two cars charge and nothing happens."""
    asked_s = []

    def rank(demand: Demand, now_s: float) -> tuple[float, float]:
        asked_s.append(now_s)
        return 0.0, demand.weight

    station = make_station(mark(rank), controlInterval=60)
    for connector in (1, 2):
        station.plug_in("CP1", connector, Vehicle(150))
    asked_s.clear()
    station.advance(3600)
    return len(set(asked_s))


def test_station_asks_an_unmarked_rank_each_control_interval_and_a_timeless_one_once() -> None:
    assert decisions_in_an_hour(lambda rank: rank) == 60
    assert decisions_in_an_hour(timeless) == 1


# Names and codes


def test_code_of_each_limit_is_its_position_in_the_enumeration() -> None:
    for position, limit in enumerate(Limit):
        assert getattr(solver, limit.name) == position
        assert solver.LIMITS[position] is limit


def test_strategy_is_found_by_its_name_and_stands_for_itself() -> None:
    planner = Planner(lambda snapshot: {}, "nothing held back")
    for strategy in (*STRATEGIES.values(), planner):
        assert find_strategy(strategy) is strategy
        assert find_strategy(name_of(strategy), {planner.name: planner}) is strategy


# Answers that cannot be used


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
def test_rank_with_an_unusable_answer_is_refused(answer: Any) -> None:
    with pytest.raises(StrategyError, match="session a"):
        allocate(Snapshot(10, {"C": 10}, [Demand("a", "C", 10)]), lambda demand, now_s: answer)


def test_failing_rank_is_refused_with_its_own_message() -> None:
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
def test_unknown_strategy_is_refused(strategy: Any, words: str) -> None:
    with pytest.raises(StrategyError, match=words):
        allocate(Snapshot(10, {}, []), strategy)


@pytest.mark.parametrize("weight", [1e-310, 1e300])
def test_weight_that_floats_cannot_compare_is_refused(weight: float) -> None:
    with pytest.raises(StrategyError, match="the weight from 1e-70 to 1e\\+70"):
        allocate(Snapshot(100, {"C": 100}, [Demand("a", "C", 100)]), lambda demand, now_s: (0, weight))
