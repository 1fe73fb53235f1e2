"""From a snapshot and a strategy to an allocation: pure, in one pass, nothing applied on the way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from electra_core import waterfill
from electra_core.snapshot import Allocation, Demand, Limit, Snapshot
from electra_core.strategies import Rank, find, max_min, ranked, uniform

# A session this close to its cap is at its cap: the reason must not hang on the last bits.
SAME = 1e-12


@dataclass(frozen=True, slots=True)
class Table:
    """Demands as columns of numbers, sorted by tier and charger as `waterfill.share` wants them."""

    demands: Sequence[Demand]
    tier: list[float]
    weight: list[float]
    charger: list[int]
    queue: list[int]
    divided: bool


@dataclass(frozen=True, slots=True)
class Filling:
    """Power of each row of a table, and why it is not more."""

    kw: list[float]
    limited_by: list[Limit]


def allocate(snapshot: Snapshot, strategy: str | Rank = "max_min") -> Allocation:
    """Decide every session's power at once.

    The grid fills first, then grid and battery together: the battery gives exactly what the second
    total exceeds the grid by, and a session's boost is its part of what the sessions gain. What the
    grid has left charges the battery.

    Parameters
    ----------
    snapshot : what is asked and what there is
    strategy : a name of `strategies.STRATEGIES`, or a rank function ``(demand, now_s) -> (tier, weight)``

    Returns
    -------
    Allocation
        Within every limit, whatever the strategy; the same for any order of the demands.

    Raises
    ------
    StrategyError
        On an unknown name or a rank function that fails or answers nonsense.
    """
    rank = find(strategy)
    site_kw = snapshot.site_limit_kw
    charger_kw = {name: snapshot.charger_limit_kw(name) for name in snapshot.charger_kw}
    # By name, so that the order in which demands are listed cannot change even the last bit.
    demands = sorted(snapshot.demands, key=lambda demand: demand.session_id)
    carried = [demand for demand in demands if demand.on_battery]
    sharing = [demand for demand in demands if not demand.on_battery]
    offered: dict[str, float] = {}
    boost: dict[str, float] = {}
    limited_by: dict[str, Limit] = {}

    # Sessions that the battery carries whole have it for themselves, and its power is not divided.
    if carried:
        table = _table(carried, max_min, snapshot.now_s, charger_kw)
        filling = _fill(table, charger_kw, snapshot.boost_kw)
        for demand, kw, limit in zip(table.demands, filling.kw, filling.limited_by, strict=True):
            offered[demand.session_id] = boost[demand.session_id] = kw
            limited_by[demand.session_id] = limit
            charger_kw[demand.charger_id] = max(0.0, charger_kw[demand.charger_id] - kw)

    table = _table(sharing, rank, snapshot.now_s, charger_kw)
    filling = by_grid = _fill(table, charger_kw, site_kw)
    boost_kw = 0.0 if carried else snapshot.boost_kw
    if boost_kw > 0.0:
        filling = _fill(table, charger_kw, site_kw + boost_kw)
    boosts = _boosts(by_grid.kw, filling.kw, min(boost_kw, max(0.0, sum(filling.kw) - site_kw)))
    for demand, kw, part, limit in zip(table.demands, filling.kw, boosts, filling.limited_by, strict=True):
        offered[demand.session_id] = kw
        boost[demand.session_id] = part
        limited_by[demand.session_id] = limit

    # Two parts of one sum can miss it by a bit; the grid limit is the one that must not be missed.
    cars_kw = min(site_kw, max(0.0, sum(filling.kw) - sum(boosts)))
    charge_kw = min(snapshot.charge_kw, site_kw - cars_kw) if not any(boost.values()) else 0.0
    grid_kw = cars_kw + charge_kw
    return Allocation(
        offered_kw=offered,
        boost_kw=boost,
        grid_kw=grid_kw,
        battery_kw=charge_kw - sum(boost.values()),
        unused_kw=max(0.0, site_kw - grid_kw),
        limited_by=limited_by,
    )


def _table(demands: Sequence[Demand], rank: Rank, now_s: float, chargers: Iterable[str]) -> Table:
    """Rank demands and sort them."""
    place = {charger_id: index for index, charger_id in enumerate(chargers)}
    # A demand of 0 asks for nothing, so nobody has to rank it.
    ranks = [ranked(rank, demand, now_s) if demand.max_kw > 0.0 else (0.0, 1.0) for demand in demands]
    rows = sorted(range(len(demands)), key=lambda i: (ranks[i][0], place[demands[i].charger_id]))
    sorted_demands = [demands[i] for i in rows]
    tier = [ranks[i][0] for i in rows]
    return Table(
        demands=sorted_demands,
        tier=tier,
        weight=_tame([ranks[i][1] for i in rows], tier),
        charger=[place[demand.charger_id] for demand in sorted_demands],
        queue=sorted(range(len(rows)), key=lambda row: (tier[row], sorted_demands[row].arrived_s, rows[row])),
        divided=rank is uniform,
    )


def _tame(weights: Sequence[float], tiers: Sequence[float]) -> list[float]:
    """Weights relative to the largest of their tier: only ratios count, and sums must not overflow."""
    largest: dict[float, float] = {}
    for tier, weight in zip(tiers, weights, strict=True):
        largest[tier] = max(weight, largest.get(tier, 0.0))
    return [weight / largest[tier] for tier, weight in zip(tiers, weights, strict=True)]


def _fill(table: Table, charger_kw: Mapping[str, float], site_kw: float) -> Filling:
    """Admit and fill a table from one source of ``site_kw``."""
    limits = list(charger_kw.values())
    lowest = [float(demand.min_kw) for demand in table.demands]
    highest = [float(demand.max_kw) for demand in table.demands]
    cap, kw = [0.0] * len(lowest), [0.0] * len(lowest)
    waterfill.admit(table.queue, table.charger, lowest, highest, limits, site_kw)
    if table.divided:
        waterfill.equal_parts(table.charger, lowest, highest, limits, site_kw, cap, kw)
    else:
        waterfill.share(table.tier, table.charger, lowest, highest, table.weight, limits, site_kw, cap, kw)
    rows = zip(table.demands, highest, cap, kw, strict=True)
    return Filling(kw, [_reason(*row) for row in rows])


def _reason(demand: Demand, highest_kw: float, cap_kw: float, kw: float) -> Limit:
    """The one constraint that stopped a session from rising."""
    if demand.max_kw == 0.0:
        return demand.ceiling_by
    if highest_kw == 0.0 or (kw == 0.0 and demand.min_kw > 0.0):
        return Limit.MINIMUM
    if kw >= demand.max_kw * (1.0 - SAME):
        return demand.ceiling_by
    return Limit.CHARGER if kw >= cap_kw * (1.0 - SAME) else Limit.SITE


def _boosts(before_kw: Sequence[float], after_kw: Sequence[float], battery_kw: float) -> list[float]:
    """The battery's power, divided in proportion to what each session gains by it."""
    gains = [max(0.0, after - before) for before, after in zip(before_kw, after_kw, strict=True)]
    total = sum(gains)
    if battery_kw <= 0.0 or total <= 0.0:
        return [0.0] * len(gains)
    # Rounding may leave a battery power just above the gains; nobody gets more than it gained.
    return [gain * min(1.0, battery_kw / total) for gain in gains]
