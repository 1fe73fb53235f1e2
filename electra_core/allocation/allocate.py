"""From a snapshot and a strategy to an allocation: pure, in one pass, nothing applied on the way."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from electra_core.allocation import solver, strategies
from electra_core.allocation.snapshot import Allocation, Demand, Limit, Snapshot
from electra_core.allocation.solver import LIMITS, DemandTable
from electra_core.allocation.strategies import Planner, Strategy, max_min
from electra_core.allocation.waterfill import ChargerLimit, DemandRow, Grant, PoolEntry, taken, whole_modules


def allocate(snapshot: Snapshot, strategy: str | Strategy = "max_min") -> Allocation:
    """Decide every session's power at once.

    The grid fills first, then grid and battery together: the battery gives exactly what the second
    total exceeds the grid by, and a session's boost is its part of what the sessions gain. What the
    grid has left charges the battery.

    Parameters
    ----------
    snapshot : all demands and all available power
    strategy : a name of `strategies.STRATEGIES`, a rank function ``(demand, now_s) -> (tier, weight)``, or
        a `Planner`

    Returns
    -------
    Allocation
        Within every limit, whatever the strategy; the same for any order of the demands.

    Raises
    ------
    StrategyError
        On an unknown name, or a rank function or planner that fails or gives an answer that cannot be used.

    Examples
    --------
    Two cars share a charger of 200 kW, a third stands alone, and the site has 250 kW for them:

    >>> from electra_core import Demand, Snapshot, allocate
    >>> demands = [Demand("car 1", "A", 150), Demand("car 2", "A", 150), Demand("car 3", "B", 60)]
    >>> allocation = allocate(Snapshot(250, {"A": 200, "B": 200}, demands))
    >>> allocation.offered_kw
    {'car 1': 95.0, 'car 2': 95.0, 'car 3': 60.0}
    >>> [limit.value for limit in allocation.limited_by.values()]
    ['site', 'site', 'vehicle']
    """
    rank = strategies.find_strategy(strategy)
    if isinstance(rank, Planner):
        snapshot, rank = _held_back(snapshot, strategies.planned(rank, snapshot)), max_min
    # By name, so that the order in which demands are listed cannot change even the last bit.
    demands = sorted(snapshot.demands, key=lambda demand: demand.session_id)
    chargers, tables, boost_kw = [], [], snapshot.boost_kw
    for name in snapshot.charger_kw:
        kw, size_kw = snapshot.charger_limit_kw(name), snapshot.module_kw.get(name, 0.0)
        chargers.append(ChargerLimit(whole_modules(kw, size_kw) * size_kw if size_kw > 0.0 else kw, size_kw))

    # Sessions that the battery feeds alone have all of its power.
    carried = [demand for demand in demands if demand.on_battery]
    if carried:
        answers = [max_min(demand, snapshot.now_s) for demand in carried]
        tables.append(_table(carried, answers, snapshot, chargers))
        solver.fill_carried(tables[0][1], boost_kw)
        boost_kw = 0.0

    shared = [demand for demand in demands if not demand.on_battery]
    asking = {
        demand.session_id: strategies.ranked(rank, demand, snapshot.now_s)
        for demand in shared
        if demand.max_kw > 0.0
    }
    answers = [asking.get(demand.session_id, (0.0, 1.0)) for demand in shared]
    tables.append(_table(shared, answers, snapshot, chargers))
    comfort_kw = math.inf if snapshot.comfort_kw is None else snapshot.comfort_kw
    equal = strategies.in_equal_parts(rank, asking.values())
    solver.solve(tables[-1][1], snapshot.site_limit_kw, boost_kw, comfort_kw, equal)
    return _allocation(snapshot, tables)


def _held_back(snapshot: Snapshot, allowed_kw: Mapping[str, float]) -> Snapshot:
    """Return the snapshot in which no session asks for more than was planned."""
    demands = []
    for demand in snapshot.demands:
        kw = allowed_kw.get(demand.session_id, demand.max_kw)
        if kw < demand.max_kw:
            min_kw = min(demand.min_kw, kw)
            demand = replace(demand, max_kw=kw, min_kw=min_kw, ceiling_by=Limit.PLAN)
        demands.append(demand)
    return replace(snapshot, demands=demands)


def _allocation(snapshot: Snapshot, tables: Sequence[tuple[Sequence[Demand], DemandTable]]) -> Allocation:
    """Read the allocation from solved tables, and charge the battery with what the grid has left."""
    # In the order of the snapshot.
    names = [demand.session_id for demand in snapshot.demands]
    offered, boost_kw = dict.fromkeys(names, 0.0), dict.fromkeys(names, 0.0)
    limited_by: dict[str, Limit] = {}
    site: dict[str, float] = {}
    modules: dict[str, int] = {}
    reserved: dict[str, float] = {}
    better_modules: set[str] = set()
    cars_kw = discharge_kw = 0.0
    for demands, table in tables:
        for demand, row, grant in zip(demands, table.rows, table.grants, strict=True):
            name, size_kw = demand.session_id, table.chargers[row.charger].module_kw
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


def _table(
    demands: Sequence[Demand],
    answers: Sequence[tuple[float, float]],
    snapshot: Snapshot,
    chargers: Sequence[ChargerLimit],
) -> tuple[Sequence[Demand], DemandTable]:
    """Sort demands by tier and charger; return them with the table of their numbers in the same order."""
    charger_of = {name: index for index, name in enumerate(snapshot.charger_kw)}
    by_tier = sorted(range(len(demands)), key=lambda i: (answers[i][0], charger_of[demands[i].charger_id]))
    sorted_demands = [demands[i] for i in by_tier]
    rows = []
    for i in by_tier:
        demand, charger = demands[i], charger_of[demands[i].charger_id]
        takes_turns = demand.turn is not None and demand.max_kw > 0.0
        rows.append(
            DemandRow(
                tier=answers[i][0],
                weight=answers[i][1],
                min_kw=float(demand.min_kw),
                max_kw=float(demand.max_kw),
                cost=snapshot.cost(demand.charger_id),
                charger=charger,
                modules_held=demand.modules,
                modules_kept=demand.modules if demand.keeps_modules else 0,
                modules_needed=int(takes_turns and chargers[charger].module_kw > 0.0),
                max_kw_by=LIMITS.index(demand.ceiling_by),
            )
        )

    def turn(row: int) -> tuple[float, float, int]:
        demand = sorted_demands[row]
        # Turns come before tiers, or the last tier would wait for ever.
        first = rows[row].tier if demand.turn is None else demand.turn
        return first, demand.arrived_s, by_tier[row]

    for position, row in enumerate(sorted(range(len(rows)), key=turn)):
        rows[row].queue_position, rows[position].row_at = float(position), row
    solver.normalise_weights(rows)
    grants, by_grid, without_kept = ([Grant() for _ in rows] for _ in range(3))
    entries = [PoolEntry() for _ in rows]
    return sorted_demands, DemandTable(rows, chargers, grants, by_grid, without_kept, entries)
