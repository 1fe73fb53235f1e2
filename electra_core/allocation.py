"""From a snapshot and a strategy to an allocation: pure, in one pass, nothing applied on the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from electra_core import waterfill
from electra_core.snapshot import Allocation, Demand, Limit, Snapshot
from electra_core.strategies import Rank, find, max_min, ranked, uniform

# A session this close to its cap is at its cap: the reason must not hang on the last bits.
SAME = 1e-12


@dataclass(frozen=True, slots=True)
class Tree:
    """The limits, one entry a charger."""

    place: Mapping[str, int]
    charger_kw: list[float]
    module_kw: list[float]
    cost: list[float]


@dataclass(frozen=True, slots=True)
class Table:
    """Demands as columns of numbers, sorted by tier and charger as `waterfill.share` wants them."""

    demands: Sequence[Demand]
    tier: list[float]
    weight: list[float]
    charger: list[int]
    cost: list[float]
    lowest: list[float]
    highest: list[float]
    queue: list[int]
    # Places in the queue, by row.
    order: list[float]
    # Modules of each row: held now, of these kept in this decision, and needed for its turn to count.
    held: list[int]
    kept: list[int]
    needed: list[int]
    divided: bool


@dataclass(frozen=True, slots=True)
class Filling:
    """Power and modules of each row of a table; and what it might have had: 0 for who was turned away,
    and what car and charger allowed."""

    kw: list[float]
    modules: list[int]
    highest_kw: list[float]
    cap_kw: list[float]


# A table, how it was filled, why not higher, and the boost of each row.
Part = tuple[Table, Filling, list[Limit], list[float]]


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
    tree = _tree(snapshot)
    # By name, so that the order in which demands are listed cannot change even the last bit.
    demands = sorted(snapshot.demands, key=lambda demand: demand.session_id)
    carried = [demand for demand in demands if demand.on_battery]
    parts: list[Part] = []

    # Sessions that the battery carries whole have it for themselves, and its power is not divided.
    if carried:
        table = _table(carried, max_min, snapshot.now_s, tree)
        filling = _fill(table, tree, snapshot.boost_kw)
        parts.append((table, filling, _reasons(table, tree, filling), filling.kw))
        for row, at in enumerate(table.charger):
            used_kw = waterfill.taken(filling.kw[row], filling.modules[row], tree.module_kw[at])
            tree.charger_kw[at] = max(0.0, tree.charger_kw[at] - used_kw)

    table = _table([demand for demand in demands if not demand.on_battery], rank, snapshot.now_s, tree)
    site_kw, highest_kw = snapshot.site_limit_kw, None
    filling = by_grid = _fill(table, tree, site_kw)
    given_kw = 0.0
    if snapshot.boost_kw > 0.0 and not carried:
        site_kw += snapshot.boost_kw
        highest_kw = _comfortable(table, by_grid, snapshot.comfort_kw)
        filling = _fill(table, tree, site_kw, highest_kw)
        given_kw = min(snapshot.boost_kw, max(0.0, _at_site(table, filling.kw) - snapshot.site_limit_kw))
    limited_by = _reasons(table, tree, filling)
    if highest_kw is not None:
        _beyond_comfort(table, tree, highest_kw, by_grid, filling, limited_by)
    parts.append((table, filling, limited_by, _boosts(table, by_grid.kw, filling.kw, given_kw)))
    better: set[str] = set()
    if Limit.MODULE in limited_by and any(table.kept):
        better = _more_modules(table, filling, _fill(table, tree, site_kw, highest_kw, keep=False))
    return _answer(snapshot, tree, parts, better)


def _answer(snapshot: Snapshot, tree: Tree, parts: Sequence[Part], better: set[str]) -> Allocation:
    """Put the parts together, and charge the battery with what the grid has left."""
    offered: dict[str, float] = {}
    boost: dict[str, float] = {}
    limited_by: dict[str, Limit] = {}
    site: dict[str, float] = {}
    modules: dict[str, int] = {}
    reserved: dict[str, float] = {}
    from_grid_kw = discharge_kw = 0.0
    for table, filling, limits, boosts in parts:
        for row, demand in enumerate(table.demands):
            name, kw, size_kw = demand.session_id, filling.kw[row], tree.module_kw[table.charger[row]]
            offered[name], boost[name], limited_by[name] = kw, boosts[row], limits[row]
            site[name] = table.cost[row] * kw
            reserved[name] = waterfill.taken(kw, filling.modules[row], size_kw)
            if size_kw > 0.0:
                modules[name] = filling.modules[row]
        boost_at_site_kw = _at_site(table, boosts)
        from_grid_kw += _at_site(table, filling.kw) - boost_at_site_kw
        discharge_kw += boost_at_site_kw
    # Two parts of one sum can miss it by a bit; the grid limit is the one that must not be missed.
    cars_kw = min(snapshot.site_limit_kw, max(0.0, from_grid_kw))
    charge_kw = 0.0 if discharge_kw > 0.0 else min(snapshot.charge_kw, snapshot.site_limit_kw - cars_kw)
    grid_kw = cars_kw + charge_kw
    return Allocation(
        offered_kw=offered,
        boost_kw=boost,
        grid_kw=grid_kw,
        battery_kw=charge_kw - discharge_kw,
        unused_kw=max(0.0, snapshot.site_limit_kw - grid_kw),
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
        place={name: index for index, name in enumerate(snapshot.charger_kw)},
        charger_kw=[
            waterfill.whole_modules(kw, size) * size if size > 0.0 else kw
            for kw, size in zip(limits_kw, module_kw, strict=True)
        ],
        module_kw=module_kw,
        cost=[snapshot.cost(name) for name in snapshot.charger_kw],
    )


def _table(demands: Sequence[Demand], rank: Rank, now_s: float, tree: Tree) -> Table:
    """Rank demands and sort them."""
    # A demand of 0 asks for nothing, so nobody has to rank it.
    ranks = [ranked(rank, demand, now_s) if demand.max_kw > 0.0 else (0.0, 1.0) for demand in demands]
    rows = sorted(range(len(demands)), key=lambda i: (ranks[i][0], tree.place[demands[i].charger_id]))
    sorted_demands = [demands[i] for i in rows]
    tier = [ranks[i][0] for i in rows]
    charger = [tree.place[demand.charger_id] for demand in sorted_demands]

    def turn(row: int) -> tuple[float, float, int]:
        demand = sorted_demands[row]
        # Where sessions take turns that comes before any tier, or the last tier would wait for ever.
        first = tier[row] if demand.turn is None else demand.turn
        return first, demand.arrived_s, rows[row]

    queue = sorted(range(len(rows)), key=turn)
    order = [0.0] * len(rows)
    for number, row in enumerate(queue):
        order[row] = float(number)
    return Table(
        demands=sorted_demands,
        tier=tier,
        weight=_tame([ranks[i][1] for i in rows], tier),
        charger=charger,
        cost=[tree.cost[at] for at in charger],
        lowest=[float(demand.min_kw) for demand in sorted_demands],
        highest=[float(demand.max_kw) for demand in sorted_demands],
        queue=queue,
        order=order,
        held=[demand.modules for demand in sorted_demands],
        kept=[demand.modules if demand.keeps_modules else 0 for demand in sorted_demands],
        needed=[
            int(demand.turn is not None and demand.max_kw > 0.0 and tree.module_kw[at] > 0.0)
            for demand, at in zip(sorted_demands, charger, strict=True)
        ],
        divided=rank is uniform,
    )


def _tame(weights: Sequence[float], tiers: Sequence[float]) -> list[float]:
    """Weights relative to the largest of their tier: only ratios count, and sums must not overflow."""
    largest: dict[float, float] = {}
    for tier, weight in zip(tiers, weights, strict=True):
        largest[tier] = max(weight, largest.get(tier, 0.0))
    return [weight / largest[tier] for tier, weight in zip(tiers, weights, strict=True)]


def _fill(
    table: Table, tree: Tree, site_kw: float, highest_kw: list[float] | None = None, keep: bool = True
) -> Filling:
    """Admit and fill a table from one source of ``site_kw``.

    ``highest_kw``: less than the demands ask; ``keep``: whether modules stay with who keeps them.
    """
    lowest, modules = list(table.lowest), list(table.needed)
    highest = list(table.highest if highest_kw is None else highest_kw)
    kept = table.kept if keep else [0] * len(lowest)
    cap, kw = [0.0] * len(lowest), [0.0] * len(lowest)
    limits = (tree.charger_kw, tree.module_kw)
    rows = (lowest, highest, table.weight, table.cost, table.order, table.held, modules, *limits)
    waterfill.admit(table.queue, table.charger, lowest, highest, table.cost, modules, *limits, site_kw)
    waterfill.keep(table.charger, highest, kept, modules, *limits)
    if table.divided:
        waterfill.equal_parts(table.charger, *rows, site_kw, cap, kw)
    else:
        waterfill.share(table.tier, table.charger, *rows, site_kw, cap, kw)
    waterfill.release(table.charger, kept, kw, modules, tree.module_kw)
    return Filling(kw, modules, highest, cap)


def _reasons(table: Table, tree: Tree, filling: Filling) -> list[Limit]:
    """The one constraint that stopped each row from rising."""
    free_kw = list(tree.charger_kw)
    for row, at in enumerate(table.charger):
        free_kw[at] -= filling.modules[row] * tree.module_kw[at]
    # Where a whole module is left, it was the site that had nothing to put into it.
    scarce = [size_kw > left_kw for size_kw, left_kw in zip(tree.module_kw, free_kw, strict=True)]
    rows = zip(table.demands, table.charger, filling.highest_kw, filling.cap_kw, filling.kw, strict=True)
    return [
        _reason(demand, highest_kw, cap_kw, kw, tree.module_kw[at] > 0.0, scarce[at])
        for demand, at, highest_kw, cap_kw, kw in rows
    ]


def _reason(
    demand: Demand, highest_kw: float, cap_kw: float, kw: float, in_modules: bool, scarce: bool
) -> Limit:
    if demand.max_kw == 0.0:
        return demand.ceiling_by
    if demand.min_kw > 0.0 and (highest_kw == 0.0 or kw == 0.0):
        return Limit.MINIMUM
    if kw >= demand.max_kw * (1.0 - SAME):
        return demand.ceiling_by
    if in_modules and kw >= cap_kw * (1.0 - SAME):
        return Limit.MODULE if scarce else Limit.SITE
    return Limit.CHARGER if kw >= cap_kw * (1.0 - SAME) else Limit.SITE


def _comfortable(table: Table, by_grid: Filling, comfort_kw: float | None) -> list[float] | None:
    """How high the battery may lift each row: below its reserve no further than to comfort."""
    if comfort_kw is None:
        return None
    return [
        kw if kw >= comfort_kw else min(demand.max_kw, max(comfort_kw, demand.min_kw))
        for demand, kw in zip(table.demands, by_grid.kw, strict=True)
    ]


def _beyond_comfort(
    table: Table,
    tree: Tree,
    highest_kw: Sequence[float],
    by_grid: Filling,
    filling: Filling,
    limited_by: list[Limit],
) -> None:
    """Who stands where comfort ends is there for want of grid power, or of what stopped it before."""
    before = _reasons(table, tree, by_grid)
    for row, demand in enumerate(table.demands):
        if highest_kw[row] < demand.max_kw and filling.kw[row] >= highest_kw[row] * (1.0 - SAME):
            lifted = before[row] is Limit.MINIMUM and filling.kw[row] > 0.0
            limited_by[row] = Limit.SITE if lifted else before[row]


def _more_modules(table: Table, now: Filling, then: Filling) -> set[str]:
    """Chargers where some row has more modules in the second filling."""
    rows = zip(table.demands, now.modules, then.modules, strict=True)
    return {demand.charger_id for demand, count, other in rows if other > count}


def _at_site(table: Table, kw: Sequence[float]) -> float:
    """What rows take from grid and battery together, kW."""
    return sum(cost * row_kw for cost, row_kw in zip(table.cost, kw, strict=True))


def _boosts(
    table: Table, before_kw: Sequence[float], after_kw: Sequence[float], battery_kw: float
) -> list[float]:
    """The battery's power, divided in proportion to what each session gains by it; on the cars' side."""
    gains = [max(0.0, after - before) for before, after in zip(before_kw, after_kw, strict=True)]
    total = _at_site(table, gains)
    if battery_kw <= 0.0 or total <= 0.0:
        return [0.0] * len(gains)
    # Rounding may leave a battery power just above the gains; nobody gets more than it gained.
    return [gain * min(1.0, battery_kw / total) for gain in gains]
