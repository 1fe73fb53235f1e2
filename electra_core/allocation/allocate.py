"""From a snapshot and a strategy to an allocation: pure, in one pass, nothing applied on the way."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from electra_core.allocation import solver
from electra_core.allocation.snapshot import Allocation, Demand, Limit, Snapshot
from electra_core.allocation.solver import LIMITS, DemandTable
from electra_core.allocation.strategies import (
    EqualParts,
    Planner,
    Rank,
    Strategy,
    StrategyError,
    find_strategy,
    max_min,
    name_of,
    planned,
    ranked,
)
from electra_core.allocation.waterfill import ChargerLimit, DemandRow, Grant, PoolEntry, taken, whole_modules


@dataclass(frozen=True, slots=True)
class Part:
    """Sessions that were filled together."""

    demands: Sequence[Demand]
    table: DemandTable
    equal_parts: bool


def allocate(snapshot: Snapshot, strategy: str | Strategy = "max_min") -> Allocation:
    """Decide every session's power at once.

    The grid fills first, then grid and battery together: the battery gives exactly what the second
    total exceeds the grid by, and a session's boost is its part of what the sessions gain. What the
    grid has left charges the battery.

    Parameters
    ----------
    snapshot : what is asked and what there is
    strategy : a name of `strategies.STRATEGIES`, a rank function ``(demand, now_s) -> (tier, weight)``, or
        a `Planner`

    Returns
    -------
    Allocation
        Within every limit, whatever the strategy; the same for any order of the demands.

    Raises
    ------
    StrategyError
        On an unknown name, or a rank function or planner that fails or answers nonsense.
    """
    found = find_strategy(strategy)
    if isinstance(found, Planner):
        snapshot, found = _held_back(snapshot, planned(found, snapshot)), max_min
    rank = found
    place = {name: index for index, name in enumerate(snapshot.charger_kw)}
    chargers = _rooms(snapshot)
    # By name, so that the order in which demands are listed cannot change even the last bit.
    demands = sorted(snapshot.demands, key=lambda demand: demand.session_id)
    carried = [demand for demand in demands if demand.on_battery]
    parts: list[Part] = []
    boost_kw = snapshot.boost_kw

    # Sessions that the battery carries whole have it for themselves, and its power is not divided.
    if carried:
        part = _part(carried, max_min, snapshot, place, chargers)
        solver.fill_carried(part.table, boost_kw)
        parts.append(part)
        boost_kw = 0.0

    others = [demand for demand in demands if not demand.on_battery]
    part = _part(others, rank, snapshot, place, chargers)
    comfort_kw = math.inf if snapshot.comfort_kw is None else snapshot.comfort_kw
    solver.solve(part.table, snapshot.site_limit_kw, boost_kw, comfort_kw, part.equal_parts)
    parts.append(part)
    return _answered(snapshot, parts)


def _held_back(snapshot: Snapshot, ceilings_kw: Mapping[str, float]) -> Snapshot:
    """The snapshot in which nobody asks for more than was planned."""
    demands = []
    for demand in snapshot.demands:
        kw = ceilings_kw.get(demand.session_id, demand.max_kw)
        if kw < demand.max_kw:
            least_kw = min(demand.min_kw, kw)
            demand = replace(demand, max_kw=kw, min_kw=least_kw, ceiling_by=Limit.PLAN)
        demands.append(demand)
    return replace(snapshot, demands=demands)


def _answered(snapshot: Snapshot, parts: Sequence[Part]) -> Allocation:
    """Put the parts together, and charge the battery with what the grid has left."""
    # In the order in which they were asked, whoever came first.
    names = [demand.session_id for demand in snapshot.demands]
    offered, boost_kw = dict.fromkeys(names, 0.0), dict.fromkeys(names, 0.0)
    limited_by: dict[str, Limit] = {}
    site: dict[str, float] = {}
    modules: dict[str, int] = {}
    reserved: dict[str, float] = {}
    better_modules: set[str] = set()
    cars_kw = discharge_kw = 0.0
    for part in parts:
        rows, grants = part.table.rows, part.table.grants
        for demand, row, grant in zip(part.demands, rows, grants, strict=True):
            name, size_kw = demand.session_id, part.table.chargers[row.charger].module_kw
            offered[name], boost_kw[name] = grant.kw, row.boost_kw
            limited_by[name] = LIMITS[row.limited_by]
            site[name] = row.cost * grant.kw
            reserved[name] = taken(grant.kw, grant.modules, size_kw)
            if size_kw > 0.0:
                modules[name] = grant.modules
            if row.better_modules:
                better_modules.add(demand.charger_id)
            cars_kw += row.cost * grant.kw
            discharge_kw += row.cost * row.boost_kw
    site_kw = snapshot.site_limit_kw
    grid_kw, charge_kw = solver.site_use(site_kw, cars_kw, discharge_kw, snapshot.charge_kw)
    return Allocation(
        offered_kw=offered,
        boost_kw=boost_kw,
        grid_kw=grid_kw,
        battery_kw=charge_kw - discharge_kw,
        unused_kw=max(0.0, site_kw - grid_kw),
        limited_by=limited_by,
        charger_of={demand.session_id: demand.charger_id for demand in snapshot.demands},
        site_kw=site,
        modules=modules,
        reserved_kw=reserved,
        better_modules=frozenset(better_modules),
    )


def _rooms(snapshot: Snapshot) -> list[ChargerLimit]:
    chargers = []
    for name in snapshot.charger_kw:
        kw, size_kw = snapshot.charger_limit_kw(name), snapshot.module_kw.get(name, 0.0)
        chargers.append(ChargerLimit(whole_modules(kw, size_kw) * size_kw if size_kw > 0.0 else kw, size_kw))
    return chargers


def _part(
    demands: Sequence[Demand],
    rank: Rank,
    snapshot: Snapshot,
    place: Mapping[str, int],
    chargers: list[ChargerLimit],
) -> Part:
    """Rank demands and sort them into a table."""
    # A demand of 0 asks for nothing, so nobody has to rank it.
    ranks = [
        ranked(rank, demand, snapshot.now_s) if demand.max_kw > 0.0 else (0.0, 1.0) for demand in demands
    ]
    by_tier = sorted(range(len(demands)), key=lambda i: (ranks[i][0], place[demands[i].charger_id]))
    sorted_demands = [demands[i] for i in by_tier]
    rows = [_row(demands[i], ranks[i], snapshot, place[demands[i].charger_id], chargers) for i in by_tier]

    def turn(row: int) -> tuple[float, float, int]:
        demand = sorted_demands[row]
        # Where sessions take turns that comes before any tier, or the last tier would wait for ever.
        first = rows[row].tier if demand.turn is None else demand.turn
        return first, demand.arrived_s, by_tier[row]

    queue = sorted(range(len(rows)), key=turn)
    for number, row in enumerate(queue):
        rows[row].queue_position, rows[number].row_at = float(number), row
    solver.normalise_weights(rows)
    table = DemandTable(
        rows=rows,
        chargers=chargers,
        grants=[Grant() for _ in rows],
        by_grid=[Grant() for _ in rows],
        without_kept=[Grant() for _ in rows],
        entries=[PoolEntry() for _ in rows],
    )
    return Part(sorted_demands, table, _in_equal_parts(rank, demands, ranks))


def _in_equal_parts(rank: Rank, demands: Sequence[Demand], ranks: Sequence[tuple[float, float]]) -> bool:
    """Return whether a rank divides in equal parts: all of its answers must say the same."""
    asking = [answer for demand, answer in zip(demands, ranks, strict=True) if demand.max_kw > 0.0]
    equal = sum(isinstance(answer, EqualParts) for answer in asking)
    if 0 < equal < len(asking):
        raise StrategyError(
            f"strategy {name_of(rank)} divides in equal parts for some sessions and not for others"
        )
    return equal > 0


def _row(
    demand: Demand,
    rank: tuple[float, float],
    snapshot: Snapshot,
    charger: int,
    chargers: Sequence[ChargerLimit],
) -> DemandRow:
    """One demand as a row of numbers."""
    needs = demand.turn is not None and demand.max_kw > 0.0 and chargers[charger].module_kw > 0.0
    return DemandRow(
        tier=rank[0],
        weight=rank[1],
        min_kw=float(demand.min_kw),
        max_kw=float(demand.max_kw),
        cost=snapshot.cost(demand.charger_id),
        charger=charger,
        modules_held=demand.modules,
        modules_kept=demand.modules if demand.keeps_modules else 0,
        modules_needed=int(needs),
        max_kw_by=LIMITS.index(demand.ceiling_by),
    )
