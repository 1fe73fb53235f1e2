"""From a snapshot and a strategy to an allocation: pure, in one pass, nothing applied on the way."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from electra_core import filling, waterfill
from electra_core.filling import Answer, Filling, Rows, Tree
from electra_core.snapshot import Allocation, Demand, Limit, Snapshot
from electra_core.strategies import Rank, find, max_min, ranked, uniform

LIMITS = tuple(Limit)


@dataclass(frozen=True, slots=True)
class Part:
    """Sessions that were filled together."""

    demands: Sequence[Demand]
    rows: Rows
    answer: Answer


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
    place = {name: index for index, name in enumerate(snapshot.charger_kw)}
    tree = _tree(snapshot)
    # By name, so that the order in which demands are listed cannot change even the last bit.
    demands = sorted(snapshot.demands, key=lambda demand: demand.session_id)
    carried = [demand for demand in demands if demand.on_battery]
    parts: list[Part] = []
    boost_kw = snapshot.boost_kw

    # Sessions that the battery carries whole have it for themselves, and its power is not divided.
    if carried:
        part = _part(carried, max_min, snapshot, place, tree)
        filling.carry(part.rows, tree, boost_kw, part.answer)
        parts.append(part)
        boost_kw = 0.0

    others = [demand for demand in demands if not demand.on_battery]
    part = _part(others, rank, snapshot, place, tree)
    comfort_kw = math.inf if snapshot.comfort_kw is None else snapshot.comfort_kw
    filling.decide(
        part.rows, tree, snapshot.site_limit_kw, boost_kw, comfort_kw, rank is uniform, part.answer
    )
    parts.append(part)
    return _answered(snapshot, tree, parts)


def _answered(snapshot: Snapshot, tree: Tree, parts: Sequence[Part]) -> Allocation:
    """Put the parts together, and charge the battery with what the grid has left."""
    offered: dict[str, float] = {}
    boost: dict[str, float] = {}
    limited_by: dict[str, Limit] = {}
    site: dict[str, float] = {}
    modules: dict[str, int] = {}
    reserved: dict[str, float] = {}
    better: set[str] = set()
    cars_kw = discharge_kw = 0.0
    for part in parts:
        rows, answer = part.rows, part.answer
        for row, demand in enumerate(part.demands):
            name, kw, count = demand.session_id, answer.filling.kw[row], answer.filling.modules[row]
            size_kw = tree.module_kw[rows.charger[row]]
            offered[name], boost[name] = kw, answer.boost[row]
            limited_by[name] = LIMITS[answer.reason[row]]
            site[name] = rows.cost[row] * kw
            reserved[name] = waterfill.taken(kw, count, size_kw)
            if size_kw > 0.0:
                modules[name] = count
            if answer.better[row]:
                better.add(demand.charger_id)
        cars_kw += filling.at_site(rows, answer.filling.kw)
        discharge_kw += filling.at_site(rows, answer.boost)
    site_kw = snapshot.site_limit_kw
    grid_kw, charge_kw = filling.site_use(site_kw, cars_kw, discharge_kw, snapshot.charge_kw)
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


def _tree(snapshot: Snapshot) -> Tree:
    module_kw = [snapshot.module_kw.get(name, 0.0) for name in snapshot.charger_kw]
    limits_kw = [snapshot.charger_limit_kw(name) for name in snapshot.charger_kw]
    return Tree(
        [
            waterfill.whole_modules(kw, size) * size if size > 0.0 else kw
            for kw, size in zip(limits_kw, module_kw, strict=True)
        ],
        module_kw,
    )


def _part(
    demands: Sequence[Demand], rank: Rank, snapshot: Snapshot, place: Mapping[str, int], tree: Tree
) -> Part:
    """Rank demands, sort them, and put them into columns."""
    # A demand of 0 asks for nothing, so nobody has to rank it.
    ranks = [
        ranked(rank, demand, snapshot.now_s) if demand.max_kw > 0.0 else (0.0, 1.0) for demand in demands
    ]
    rows = sorted(range(len(demands)), key=lambda i: (ranks[i][0], place[demands[i].charger_id]))
    sorted_demands = [demands[i] for i in rows]
    tier = [ranks[i][0] for i in rows]
    charger = [place[demand.charger_id] for demand in sorted_demands]

    def turn(row: int) -> tuple[float, float, int]:
        demand = sorted_demands[row]
        # Where sessions take turns that comes before any tier, or the last tier would wait for ever.
        first = tier[row] if demand.turn is None else demand.turn
        return first, demand.arrived_s, rows[row]

    queue = sorted(range(len(rows)), key=turn)
    order = [0.0] * len(rows)
    for number, row in enumerate(queue):
        order[row] = float(number)
    weight = [ranks[i][1] for i in rows]
    filling.tame(tier, weight)
    columns = Rows(
        tier=tier,
        charger=charger,
        lowest=[float(demand.min_kw) for demand in sorted_demands],
        highest=[float(demand.max_kw) for demand in sorted_demands],
        weight=weight,
        cost=[snapshot.cost(demand.charger_id) for demand in sorted_demands],
        queue=queue,
        order=order,
        held=[demand.modules for demand in sorted_demands],
        kept=[demand.modules if demand.keeps_modules else 0 for demand in sorted_demands],
        needed=[
            int(demand.turn is not None and demand.max_kw > 0.0 and tree.module_kw[at] > 0.0)
            for demand, at in zip(sorted_demands, charger, strict=True)
        ],
        ceiling=[LIMITS.index(demand.ceiling_by) for demand in sorted_demands],
    )
    return Part(sorted_demands, columns, _blank_answer(len(rows), len(place)))


def _blank_answer(rows: int, chargers: int) -> Answer:
    def numbers() -> list[float]:
        return [0.0] * rows

    def counts() -> list[int]:
        return [0] * rows

    def blank() -> Filling:
        return Filling(numbers(), counts(), numbers(), numbers(), numbers())

    return Answer(
        filling=blank(),
        by_grid=blank(),
        anew=blank(),
        reach=numbers(),
        boost=numbers(),
        reason=counts(),
        before=counts(),
        better=counts(),
        left=[0.0] * chargers,
    )
