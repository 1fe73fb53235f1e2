"""From a snapshot and a strategy to an allocation: pure, in one pass, nothing applied on the way."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from electra_core.allocation import solver
from electra_core.allocation.snapshot import Allocation, Demand, Limit, Snapshot
from electra_core.allocation.solver import Table
from electra_core.allocation.strategies import (
    Planner,
    Rank,
    Strategy,
    find,
    max_min,
    planned,
    ranked,
    uniform,
)
from electra_core.allocation.waterfill import Cell, Room, Row, Share, taken, whole_modules

LIMITS = tuple(Limit)


@dataclass(frozen=True, slots=True)
class Part:
    """Sessions that were filled together."""

    demands: Sequence[Demand]
    table: Table


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
    found = find(strategy)
    if isinstance(found, Planner):
        snapshot, found = _held_back(snapshot, planned(found, snapshot)), max_min
    rank = found
    place = {name: index for index, name in enumerate(snapshot.charger_kw)}
    rooms = _rooms(snapshot)
    # By name, so that the order in which demands are listed cannot change even the last bit.
    demands = sorted(snapshot.demands, key=lambda demand: demand.session_id)
    carried = [demand for demand in demands if demand.on_battery]
    parts: list[Part] = []
    boost_kw = snapshot.boost_kw

    # Sessions that the battery carries whole have it for themselves, and its power is not divided.
    if carried:
        part = _part(carried, max_min, snapshot, place, rooms)
        solver.carry(part.table, boost_kw)
        parts.append(part)
        boost_kw = 0.0

    others = [demand for demand in demands if not demand.on_battery]
    part = _part(others, rank, snapshot, place, rooms)
    comfort_kw = math.inf if snapshot.comfort_kw is None else snapshot.comfort_kw
    solver.decide(part.table, snapshot.site_limit_kw, boost_kw, comfort_kw, rank is uniform)
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
    offered, boost = dict.fromkeys(names, 0.0), dict.fromkeys(names, 0.0)
    limited_by: dict[str, Limit] = {}
    site: dict[str, float] = {}
    modules: dict[str, int] = {}
    reserved: dict[str, float] = {}
    better: set[str] = set()
    cars_kw = discharge_kw = 0.0
    for part in parts:
        rows, shares = part.table.rows, part.table.shares
        for demand, row, share in zip(part.demands, rows, shares, strict=True):
            name, size_kw = demand.session_id, part.table.rooms[row.charger].module_kw
            offered[name], boost[name] = share.kw, row.boost
            limited_by[name] = LIMITS[row.reason]
            site[name] = row.cost * share.kw
            reserved[name] = taken(share.kw, share.modules, size_kw)
            if size_kw > 0.0:
                modules[name] = share.modules
            if row.better:
                better.add(demand.charger_id)
            cars_kw += row.cost * share.kw
            discharge_kw += row.cost * row.boost
    site_kw = snapshot.site_limit_kw
    grid_kw, charge_kw = solver.site_use(site_kw, cars_kw, discharge_kw, snapshot.charge_kw)
    return Allocation(
        offered_kw=offered,
        boost_kw=boost,
        grid_kw=grid_kw,
        battery_kw=charge_kw - discharge_kw,
        unused_kw=max(0.0, site_kw - grid_kw),
        limited_by=limited_by,
        charger_of={demand.session_id: demand.charger_id for demand in snapshot.demands},
        site_kw=site,
        modules=modules,
        reserved_kw=reserved,
        better_modules=frozenset(better),
    )


def _rooms(snapshot: Snapshot) -> list[Room]:
    rooms = []
    for name in snapshot.charger_kw:
        kw, size_kw = snapshot.charger_limit_kw(name), snapshot.module_kw.get(name, 0.0)
        rooms.append(Room(whole_modules(kw, size_kw) * size_kw if size_kw > 0.0 else kw, size_kw))
    return rooms


def _part(
    demands: Sequence[Demand], rank: Rank, snapshot: Snapshot, place: Mapping[str, int], rooms: list[Room]
) -> Part:
    """Rank demands and sort them into a table."""
    # A demand of 0 asks for nothing, so nobody has to rank it.
    ranks = [
        ranked(rank, demand, snapshot.now_s) if demand.max_kw > 0.0 else (0.0, 1.0) for demand in demands
    ]
    by_tier = sorted(range(len(demands)), key=lambda i: (ranks[i][0], place[demands[i].charger_id]))
    sorted_demands = [demands[i] for i in by_tier]
    rows = [_row(demands[i], ranks[i], snapshot, place[demands[i].charger_id], rooms) for i in by_tier]

    def turn(row: int) -> tuple[float, float, int]:
        demand = sorted_demands[row]
        # Where sessions take turns that comes before any tier, or the last tier would wait for ever.
        first = rows[row].tier if demand.turn is None else demand.turn
        return first, demand.arrived_s, by_tier[row]

    queue = sorted(range(len(rows)), key=turn)
    for number, row in enumerate(queue):
        rows[row].order, rows[number].queued = float(number), row
    solver.tame(rows)
    table = Table(
        rows=rows,
        rooms=rooms,
        shares=[Share() for _ in rows],
        by_grid=[Share() for _ in rows],
        anew=[Share() for _ in rows],
        cells=[Cell() for _ in rows],
    )
    return Part(sorted_demands, table)


def _row(
    demand: Demand, rank: tuple[float, float], snapshot: Snapshot, charger: int, rooms: Sequence[Room]
) -> Row:
    """One demand as a row of numbers."""
    needs = demand.turn is not None and demand.max_kw > 0.0 and rooms[charger].module_kw > 0.0
    return Row(
        tier=rank[0],
        weight=rank[1],
        lowest=float(demand.min_kw),
        highest=float(demand.max_kw),
        cost=snapshot.cost(demand.charger_id),
        charger=charger,
        held=demand.modules,
        kept=demand.modules if demand.keeps_modules else 0,
        needed=int(needs),
        ceiling=LIMITS.index(demand.ceiling_by),
    )
