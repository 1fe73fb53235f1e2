"""The strategies: the order in which sessions are filled, and their weights. One small function each.

A strategy is a plain function ``rank(demand, now_s) -> (tier, weight)``, and so is a user's own. It is called
once for each demand above 0, at every decision. Lower tiers are filled first; inside a tier power is shared
max-min fair in proportion to the weights. Only the order of tiers and the ratio of weights count. A rank that
answers with `EqualParts` divides in fixed parts instead; `timeless` marks a rank that time alone does not
change; a strategy that has to look at all sessions at once is a `Planner`. No strategy can break a limit: the
limits are kept by `allocate`.

Examples
--------
Cars with less than 10 kWh to go come first, and a session's own weight counts double after dark:

>>> from electra_core import Demand, Snapshot, allocate
>>> def nearly_done_first(demand, now_s):
...     nearly_done = demand.remaining_kwh is not None and demand.remaining_kwh < 10
...     return (0 if nearly_done else 1), demand.weight * (2 if now_s > 20 * 3600 else 1)
>>> demands = [Demand("car 1", "A", 80, remaining_kwh=30), Demand("car 2", "A", 80, remaining_kwh=5)]
>>> allocate(Snapshot(100, {"A": 100}, demands), nearly_done_first).offered_kw
{'car 1': 20.0, 'car 2': 80.0}
"""

from __future__ import annotations

import difflib
import math
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple, TypeAlias, TypeVar

from electra_core.allocation.snapshot import Demand, Snapshot
from electra_core.errors import ElectraError, is_finite, shortened

Rank: TypeAlias = Callable[[Demand, float], tuple[float, float]]


class EqualParts(NamedTuple):
    """An answer of a rank: a tier that is divided in fixed parts instead of max-min.

    Each session gets at most its part of the site and of its charger, in proportion to the weights; the power
    that it cannot use is not passed on. A rank answers so for every session or for none. A function that
    wraps such a rank and returns its answer divides in the same way.

    Examples
    --------
    >>> from electra_core import Demand, Snapshot, allocate
    >>> snapshot = Snapshot(None, {"A": 90}, [Demand("car 1", "A", 20), Demand("car 2", "A", 80)])
    >>> allocate(snapshot, lambda demand, now_s: (0, 1)).offered_kw
    {'car 1': 20.0, 'car 2': 70.0}
    >>> allocate(snapshot, lambda demand, now_s: EqualParts(0, 1)).offered_kw
    {'car 1': 20.0, 'car 2': 45.0}
    """

    tier: float
    weight: float


_RankFunction = TypeVar("_RankFunction", bound=Callable[..., Any])


def timeless(rank: _RankFunction) -> _RankFunction:
    """Mark a rank as one that time alone does not change; a decorator.

    The answers of a timeless rank stay the same until a session arrives, leaves, or takes less, so that a
    station decides again only then. A rank without the mark is asked again once a control interval.

    Examples
    --------
    >>> @timeless
    ... def small_batteries_first(demand, now_s):
    ...     return demand.remaining_kwh or 0.0, demand.weight
    >>> is_timeless(small_batteries_first)
    True
    """
    rank.timeless = True  # type: ignore[attr-defined]
    return rank


def is_timeless(strategy: object) -> bool:
    """Return whether a strategy is marked as `timeless`."""
    return getattr(strategy, "timeless", False) is True


@dataclass(frozen=True, slots=True)
class Planner:
    """A strategy that looks at all sessions at once, while a rank looks at one.

    Parameters
    ----------
    plan : a function of a `Snapshot` that returns the most that each session should have now, kW by session
        id; sessions without a number are not held back. Up to these powers the sessions share as under
        ``max_min``, so that no plan can break a limit
    name : of the strategy, for people

    Examples
    --------
    >>> from electra_core import Demand, Snapshot, allocate
    >>> spare_first = Planner(lambda snapshot: {snapshot.demands[0].session_id: 10}, "spare the first")
    >>> demands = [Demand("car 1", "A", 80), Demand("car 2", "A", 80)]
    >>> allocate(Snapshot(100, {"A": 100}, demands), spare_first).offered_kw
    {'car 1': 10.0, 'car 2': 80.0}
    """

    plan: Callable[[Snapshot], Mapping[str, float]]
    name: str


Strategy: TypeAlias = Rank | Planner

# Tier of a session with an unknown departure: after all sessions with a known one.
LAST = sys.float_info.max

# Weights beyond these have no ratio that floats can hold.
MIN_RANK_WEIGHT, MAX_RANK_WEIGHT = 1e-70, 1e70


class StrategyError(ElectraError):
    """An unknown strategy, or a rank or plan that cannot be used."""


@timeless
def max_min(demand: Demand, now_s: float) -> tuple[float, float]:
    """Rank all alike, by the weight of the session: none is below another that could give."""
    return 0.0, demand.weight


@timeless
def proportional(demand: Demand, now_s: float) -> tuple[float, float]:
    """Rank in proportion to the power that each session can take."""
    return 0.0, max(demand.weight * demand.max_kw, MIN_RANK_WEIGHT)


@timeless
def first_come(demand: Demand, now_s: float) -> tuple[float, float]:
    """Rank by arrival: the earliest is filled first."""
    return demand.arrived_s, demand.weight


@timeless
def earliest_deadline(demand: Demand, now_s: float) -> tuple[float, float]:
    """Rank by departure: the earliest is filled first."""
    return (LAST if demand.departs_s is None else demand.departs_s), demand.weight


def least_laxity(demand: Demand, now_s: float) -> tuple[float, float]:
    """Rank by the time to spare after the time needed at full power: the least is filled first.

    The order changes while cars charge: it is decided again once a control interval.
    """
    if demand.departs_s is None:
        return LAST, demand.weight
    needed_s = 3600.0 * (demand.remaining_kwh or 0.0) / demand.max_kw
    return max(-LAST, demand.departs_s - now_s - needed_s), demand.weight


@timeless
def priority(demand: Demand, now_s: float) -> tuple[float, float]:
    """Rank by priority: the highest is filled first."""
    return -demand.priority, demand.weight


@timeless
def uniform(demand: Demand, now_s: float) -> tuple[float, float]:
    """Rank all alike in equal parts, whatever the weights: the exercise's baseline.

    Unlike in the exercise's document no car is offered more than it can take, and no limit is exceeded
    on the way from one decision to the next.
    """
    return EqualParts(0.0, 1.0)


_SHIPPED = (max_min, proportional, first_come, earliest_deadline, least_laxity, priority, uniform)
STRATEGIES: Mapping[str, Rank] = MappingProxyType({rank.__name__: rank for rank in _SHIPPED})


def find_strategy(strategy: str | Strategy, also: Mapping[str, Strategy] = MappingProxyType({})) -> Strategy:
    """Return the strategy of a name in `STRATEGIES` or ``also``; a rank or planner is returned as it is.

    Raises
    ------
    StrategyError
        On an unknown name, with the nearest known one, and on anything but a name or a strategy.
    """
    if callable(strategy) or isinstance(strategy, Planner):
        return strategy
    if not isinstance(strategy, str):
        raise StrategyError(f"a strategy is a name or a rank function, got {type(strategy).__name__}")
    if strategy in also or strategy in STRATEGIES:
        return also[strategy] if strategy in also else STRATEGIES[strategy]
    known = [*STRATEGIES, *also]
    near = difflib.get_close_matches(strategy, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
    raise StrategyError(f"unknown strategy {strategy!r}; {hint}")


def name_of(strategy: str | Strategy) -> str:
    """Return the name of a strategy, for people."""
    if isinstance(strategy, str):
        return strategy
    if isinstance(strategy, Planner):
        return strategy.name
    return getattr(strategy, "__name__", type(strategy).__name__)


def ranked(rank: Rank, demand: Demand, now_s: float) -> tuple[float, float]:
    """Return tier and weight of one demand, checked, as `EqualParts` where the rank answered so.

    The rank may be a user's own: that it fails, or answers out of bounds, is a `StrategyError`.
    """
    try:
        answer = rank(demand, now_s)
        tier, weight = answer
        tier, weight = float(tier), float(weight)
    except Exception as error:
        words = f"strategy {name_of(rank)} failed for session {demand.session_id}"
        raise StrategyError(f"{words}: {type(error).__name__}: {error}") from error
    if not (math.isfinite(tier) and MIN_RANK_WEIGHT <= weight <= MAX_RANK_WEIGHT):
        raise StrategyError(
            f"strategy {name_of(rank)} ranked session {demand.session_id} as tier {tier}, weight {weight};"
            f" the tier must be finite, the weight from {MIN_RANK_WEIGHT:g} to {MAX_RANK_WEIGHT:g}"
        )
    return EqualParts(tier, weight) if isinstance(answer, EqualParts) else (tier, weight)


def in_equal_parts(rank: Rank, answers: Iterable[tuple[float, float]]) -> bool:
    """Return whether the answers of a rank divide in equal parts; they must all do or none."""
    kinds = {isinstance(answer, EqualParts) for answer in answers}
    if len(kinds) > 1:
        raise StrategyError(
            f"strategy {name_of(rank)} divides in equal parts for some sessions and not for others;"
            " it must answer with EqualParts for every session or for none"
        )
    return True in kinds


def planned(planner: Planner, snapshot: Snapshot) -> dict[str, float]:
    """Return the powers that a planner allows, kW by session id, checked: it may be a user's own.

    A power below a session's minimum becomes 0: the session waits. That the planner fails, or answers with
    anything but amounts for sessions of the snapshot, is a `StrategyError`.
    """
    try:
        plan = dict(planner.plan(snapshot))
    except Exception as error:
        raise StrategyError(f"strategy {planner.name} failed: {type(error).__name__}: {error}") from error
    demands = {demand.session_id: demand for demand in snapshot.demands}
    allowed_kw = {}
    for name, kw in plan.items():
        if name not in demands or not is_finite(kw) or kw < 0.0:
            words = f"strategy {planner.name} planned {shortened(kw)} kW for session {shortened(name)}"
            raise StrategyError(f"{words}; it must be 0 or more, for a session that is there")
        allowed_kw[name] = float(kw) if kw >= demands[name].min_kw else 0.0
    return allowed_kw
