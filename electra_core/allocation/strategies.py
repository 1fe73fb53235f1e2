"""Who comes first, and in what share? One small function a strategy.

A strategy is a plain function ``rank(demand, now_s) -> (tier, weight)``. Lower tiers are filled first;
inside a tier power is shared in proportion to the weights. A strategy that has to look at all sessions at
once is a `Planner`. No strategy can break a limit: limits are the allocator's business.
"""

from __future__ import annotations

import difflib
import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple, TypeAlias, TypeVar

from electra_core.allocation.snapshot import Demand, Snapshot
from electra_core.errors import ElectraError, is_finite, shortened

Rank: TypeAlias = Callable[[Demand, float], tuple[float, float]]


class EqualParts(NamedTuple):
    """The answer of a rank whose power is divided in equal parts instead of max-min.

    A function that wraps such a rank and hands its answer on divides in the same way.
    """

    tier: float
    weight: float


_RankFunction = TypeVar("_RankFunction", bound=Callable[..., Any])


def timeless(rank: _RankFunction) -> _RankFunction:
    """Mark a rank as one that time alone does not change: it stays while no car arrives, leaves or takes less.

    A station then decides anew only when something happens, not once a control interval.
    """
    rank.timeless = True  # type: ignore[attr-defined]
    return rank


def is_timeless(strategy: object) -> bool:
    """Return whether a strategy is marked as `timeless`."""
    return getattr(strategy, "timeless", False) is True


@dataclass(frozen=True, slots=True)
class Planner:
    """A strategy that looks at all sessions at once, where a rank looks at one.

    Parameters
    ----------
    plan : a function of a `Snapshot` that gives the most that each session should have now, kW by its id;
        who is not named is not held back. Within these ceilings power is shared as under ``max_min``, so
        that no plan can break a limit
    name : what people call it
    """

    plan: Callable[[Snapshot], Mapping[str, float]]
    name: str


Strategy: TypeAlias = Rank | Planner

# Tier of a session of which nobody knows when it leaves: after all those that said so.
LAST = sys.float_info.max

# Weights beyond these have no ratio that floats can keep.
MIN_RANK_WEIGHT, MAX_RANK_WEIGHT = 1e-70, 1e70


class StrategyError(ElectraError):
    """An unknown strategy, or a rank function that does not answer with a tier and a weight."""


@timeless
def max_min(demand: Demand, now_s: float) -> tuple[float, float]:
    """Everyone alike, by the weight of the session: nobody is below another who could give."""
    return 0.0, demand.weight


@timeless
def proportional(demand: Demand, now_s: float) -> tuple[float, float]:
    """In proportion to what each can take."""
    return 0.0, max(demand.weight * demand.max_kw, MIN_RANK_WEIGHT)


@timeless
def first_come(demand: Demand, now_s: float) -> tuple[float, float]:
    """Who arrived first is filled first."""
    return demand.arrived_s, demand.weight


@timeless
def earliest_deadline(demand: Demand, now_s: float) -> tuple[float, float]:
    """Who leaves first is filled first."""
    return (LAST if demand.departs_s is None else demand.departs_s), demand.weight


def least_laxity(demand: Demand, now_s: float) -> tuple[float, float]:
    """Who has the least time to spare, after the time needed at full power, is filled first.

    The order changes while cars charge: it is looked at anew once a control interval.
    """
    if demand.departs_s is None:
        return LAST, demand.weight
    needed_s = 3600.0 * (demand.remaining_kwh or 0.0) / demand.max_kw
    return max(-LAST, demand.departs_s - now_s - needed_s), demand.weight


@timeless
def priority(demand: Demand, now_s: float) -> tuple[float, float]:
    """The higher priority is filled first."""
    return -demand.priority, demand.weight


@timeless
def uniform(demand: Demand, now_s: float) -> tuple[float, float]:
    """The exercise's baseline: equal parts whatever the weights, and what one cannot use is not handed on.

    The rank is that of `max_min`; the allocator divides by `waterfill.equal_parts` instead of filling.
    Unlike the exercise's document ours offers no car more than it can take, and no limit is exceeded on the
    way from one decision to the next.
    """
    return EqualParts(0.0, 1.0)


STRATEGIES: Mapping[str, Rank] = MappingProxyType(
    {
        rank.__name__: rank
        for rank in (max_min, proportional, first_come, earliest_deadline, least_laxity, priority, uniform)
    }
)


def find_strategy(strategy: str | Strategy, also: Mapping[str, Strategy] = MappingProxyType({})) -> Strategy:
    """The strategy that a name stands for; a rank function or a planner stands for itself.

    Parameters
    ----------
    strategy : a name of `STRATEGIES` or of ``also``, or a strategy

    Raises
    ------
    StrategyError
        On an unknown name, with the nearest known one, or on anything else than a name or a strategy.
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
    """What a strategy is called; shipped functions by their names."""
    if isinstance(strategy, str):
        return strategy
    if isinstance(strategy, Planner):
        return strategy.name
    return getattr(strategy, "__name__", type(strategy).__name__)


def ranked(rank: Rank, demand: Demand, now_s: float) -> tuple[float, float]:
    """Tier and weight of one demand, checked: a user's own function may answer anything.

    Raises
    ------
    StrategyError
        When the function fails, or answers with anything else than a finite tier and a weight within
        `MIN_RANK_WEIGHT` and `MAX_RANK_WEIGHT`.
    """
    name = name_of(rank)
    try:
        answer = rank(demand, now_s)
        tier, weight = answer
        tier, weight = float(tier), float(weight)
    except Exception as error:
        raise StrategyError(
            f"strategy {name} failed for session {demand.session_id}: {type(error).__name__}: {error}"
        ) from error
    if not (math.isfinite(tier) and MIN_RANK_WEIGHT <= weight <= MAX_RANK_WEIGHT):
        raise StrategyError(
            f"strategy {name} ranked session {demand.session_id} as tier {tier}, weight {weight};"
            f" the tier must be finite, the weight from {MIN_RANK_WEIGHT:g} to {MAX_RANK_WEIGHT:g}"
        )
    return EqualParts(tier, weight) if isinstance(answer, EqualParts) else (tier, weight)


def planned(planner: Planner, snapshot: Snapshot) -> dict[str, float]:
    """Ceilings that a planner sets, kW by session id, checked: it may be a user's own.

    A ceiling below a session's least useful power is 0: it waits.

    Raises
    ------
    StrategyError
        When the planner fails, or answers with anything else than amounts for sessions that are there.
    """
    try:
        plan = dict(planner.plan(snapshot))
    except Exception as error:
        raise StrategyError(f"strategy {planner.name} failed: {type(error).__name__}: {error}") from error
    demands = {demand.session_id: demand for demand in snapshot.demands}
    ceilings_kw = {}
    for name, kw in plan.items():
        if name not in demands or not is_finite(kw) or kw < 0.0:
            raise StrategyError(
                f"strategy {planner.name} planned {shortened(kw)} kW for session {shortened(name)};"
                " it must be 0 or more, for a session that is there"
            )
        ceilings_kw[name] = float(kw) if kw >= demands[name].min_kw else 0.0
    return ceilings_kw
