"""Columns of sessions filled from grid and battery: numbers in, powers and reasons out.

These functions stand between the arithmetic of `waterfill` and its two callers: `allocate`, which answers
for one snapshot, and the compiled clock of a simulation. So that the same code serves both, columns are
lists there and arrays here, and all that is written to is handed in.
"""

from __future__ import annotations

import math
from collections.abc import MutableSequence, Sequence
from typing import NamedTuple

from electra_core import waterfill

Numbers = Sequence[float]
Indices = Sequence[int]

# A session this close to its cap is at its cap: the reason must not hang on the last bits.
SAME = 1e-12

# What stopped a row from rising, in the order of `snapshot.Limit`.
VEHICLE, CONNECTOR, CHARGER, SITE, MINIMUM, MODULE, FAULT, FINISHED, PLAN = range(9)


class Tree(NamedTuple):
    """The limits, one entry a charger: its kW, or those of its modules together; and kW of one module."""

    charger_kw: MutableSequence[float]
    module_kw: Numbers


class Rows(NamedTuple):
    """Sessions as columns, sorted by tier and charger as `waterfill.share` wants them.

    ``lowest`` and ``highest`` are what a session asks for, and ``ceiling`` says which limit set the
    latter; ``cost`` is what one kW takes from the site. ``queue`` are the rows in the order in which they
    are admitted, ``order`` is each row's place in it. Of the modules that a row has ``held``, so many are
    ``kept`` in this decision; so many are ``needed`` for its turn to count.
    """

    tier: Numbers
    charger: Indices
    lowest: Numbers
    highest: Numbers
    weight: Numbers
    cost: Numbers
    queue: Indices
    order: Numbers
    held: Indices
    kept: Indices
    needed: Indices
    ceiling: Indices


class Filling(NamedTuple):
    """Power and modules of each row, and what it might have had: ``lowest`` and ``highest`` are 0 for who
    was turned away; ``cap`` is what car and charger allow."""

    kw: MutableSequence[float]
    modules: MutableSequence[int]
    lowest: MutableSequence[float]
    highest: MutableSequence[float]
    cap: MutableSequence[float]


class Answer(NamedTuple):
    """Where a decision is written.

    ``filling`` is what counts; ``by_grid`` is what the grid alone would give, and ``anew`` what there
    would be if nobody kept modules. ``reach`` is how high each row may be lifted, ``reason`` what stopped
    it (``before`` the battery came), ``better`` whether it would have more modules anew. ``left`` is
    scratch, one entry a charger.
    """

    filling: Filling
    by_grid: Filling
    anew: Filling
    reach: MutableSequence[float]
    boost: MutableSequence[float]
    reason: MutableSequence[int]
    before: MutableSequence[int]
    better: MutableSequence[int]
    left: MutableSequence[float]


def tame(tier: Numbers, weight: MutableSequence[float]) -> None:
    """Make weights relative to the largest of their tier: only ratios count, and sums must not overflow."""
    start = 0
    while start < len(tier):
        end, largest = start, 0.0
        while end < len(tier) and tier[end] == tier[start]:
            largest = max(largest, weight[end])
            end += 1
        for row in range(start, end):
            weight[row] /= largest
        start = end


def decide(
    rows: Rows, tree: Tree, site_kw: float, boost_kw: float, comfort_kw: float, divided: bool, answer: Answer
) -> None:
    """Fill with the grid alone, then with grid and battery together.

    The battery gives exactly what the second total exceeds the grid by, and a row's boost is its part of
    what the rows gain. Where ``comfort_kw`` is finite the battery lifts nobody above it.

    Parameters
    ----------
    rows, tree : who asks, and the chargers' limits
    site_kw, boost_kw : kW of the grid and of the battery
    comfort_kw : kW; infinite where the battery lifts rows to any power
    divided : in equal parts, the seed's rule
    answer : written
    """
    total_kw, given_kw = site_kw, 0.0
    for row in range(len(rows.tier)):
        answer.reach[row] = rows.highest[row]
    fill(rows, tree, site_kw, answer.reach, True, divided, answer.by_grid)
    if boost_kw > 0.0:
        total_kw = site_kw + boost_kw
        for row in range(len(rows.tier)):
            kw = answer.by_grid.kw[row]
            # Below its reserve the battery lifts a row no further than to comfort.
            lifted = min(rows.highest[row], max(comfort_kw, rows.lowest[row]))
            answer.reach[row] = kw if kw >= comfort_kw else lifted
        fill(rows, tree, total_kw, answer.reach, True, divided, answer.filling)
        given_kw = min(boost_kw, max(0.0, at_site(rows, answer.filling.kw) - site_kw))
    else:
        copy(answer.by_grid, answer.filling)
    reasons(rows, tree, answer.filling, answer.left, answer.reason)
    if boost_kw > 0.0 and comfort_kw < math.inf:
        reasons(rows, tree, answer.by_grid, answer.left, answer.before)
        beyond_comfort(rows, answer)
    boosts(rows, answer.by_grid.kw, answer.filling.kw, given_kw, answer.boost)
    better_modules(rows, tree, total_kw, divided, answer)


def fill(
    rows: Rows, tree: Tree, site_kw: float, reach: Numbers, keep: bool, divided: bool, out: Filling
) -> None:
    """Admit rows and fill them from one source of ``site_kw``, each up to ``reach`` at most."""
    for row in range(len(rows.tier)):
        out.lowest[row], out.highest[row] = rows.lowest[row], reach[row]
        out.kw[row], out.cap[row], out.modules[row] = 0.0, 0.0, rows.needed[row]
    limits = (tree.charger_kw, tree.module_kw)
    waterfill.admit(
        rows.queue, rows.charger, out.lowest, out.highest, rows.cost, out.modules, *limits, site_kw
    )
    if keep:
        waterfill.keep(rows.charger, out.highest, rows.kept, out.modules, *limits)
    bounds = (out.lowest, out.highest, rows.weight, rows.cost, rows.order, rows.held, out.modules)
    if divided:
        waterfill.equal_parts(rows.charger, *bounds, *limits, site_kw, out.cap, out.kw)
    else:
        waterfill.share(rows.tier, rows.charger, *bounds, *limits, site_kw, out.cap, out.kw)
    waterfill.release(rows.charger, rows.kept, keep, out.kw, out.modules, tree.module_kw)


def copy(source: Filling, target: Filling) -> None:
    """Write one filling into another."""
    for row in range(len(source.kw)):
        target.kw[row], target.modules[row] = source.kw[row], source.modules[row]
        target.lowest[row], target.highest[row] = source.lowest[row], source.highest[row]
        target.cap[row] = source.cap[row]


def at_site(rows: Rows, kw: Numbers) -> float:
    """What rows take from grid and battery together, kW."""
    total_kw = 0.0
    for row in range(len(rows.tier)):
        total_kw += rows.cost[row] * kw[row]
    return total_kw


def reasons(
    rows: Rows, tree: Tree, filling: Filling, left: MutableSequence[float], reason: MutableSequence[int]
) -> None:
    """Write the one constraint that stopped each row from rising."""
    for charger in range(len(tree.charger_kw)):
        left[charger] = tree.charger_kw[charger]
    for row in range(len(rows.tier)):
        left[rows.charger[row]] -= filling.modules[row] * tree.module_kw[rows.charger[row]]
    for row in range(len(rows.tier)):
        size_kw, kw = tree.module_kw[rows.charger[row]], filling.kw[row]
        at_cap = kw >= filling.cap[row] * (1.0 - SAME)
        if rows.highest[row] == 0.0:
            reason[row] = rows.ceiling[row]
        elif rows.lowest[row] > 0.0 and (filling.highest[row] == 0.0 or kw == 0.0):
            reason[row] = MINIMUM
        elif kw >= rows.highest[row] * (1.0 - SAME):
            reason[row] = rows.ceiling[row]
        elif size_kw > 0.0 and at_cap:
            # Where a whole module is left, it was the site that had nothing to put into it.
            reason[row] = MODULE if size_kw > left[rows.charger[row]] else SITE
        else:
            reason[row] = CHARGER if at_cap else SITE


def beyond_comfort(rows: Rows, answer: Answer) -> None:
    """Who stands where comfort ends is there for want of grid power, or of what stopped it before."""
    for row in range(len(rows.tier)):
        reach, kw = answer.reach[row], answer.filling.kw[row]
        if reach < rows.highest[row] and kw >= reach * (1.0 - SAME):
            lifted = answer.before[row] == MINIMUM and kw > 0.0
            answer.reason[row] = SITE if lifted else answer.before[row]


def boosts(
    rows: Rows, before: Numbers, after: Numbers, battery_kw: float, boost: MutableSequence[float]
) -> None:
    """Divide the battery's power in proportion to what each row gains by it; on the cars' side."""
    total_kw = 0.0
    for row in range(len(rows.tier)):
        boost[row] = max(0.0, after[row] - before[row])
        total_kw += rows.cost[row] * boost[row]
    # Rounding may leave a battery power just above the gains; nobody gets more than it gained.
    part = min(1.0, battery_kw / total_kw) if battery_kw > 0.0 and total_kw > 0.0 else 0.0
    for row in range(len(rows.tier)):
        boost[row] *= part


def better_modules(rows: Rows, tree: Tree, total_kw: float, divided: bool, answer: Answer) -> None:
    """Find out who would have more modules if nobody kept any, where somebody lacks one."""
    lacking = keeping = False
    for row in range(len(rows.tier)):
        answer.better[row] = 0
        lacking = lacking or answer.reason[row] == MODULE
        keeping = keeping or rows.kept[row] > 0
    if lacking and keeping:
        fill(rows, tree, total_kw, answer.reach, False, divided, answer.anew)
        for row in range(len(rows.tier)):
            answer.better[row] = int(answer.anew.modules[row] > answer.filling.modules[row])


def carry(rows: Rows, tree: Tree, boost_kw: float, answer: Answer) -> None:
    """Fill rows that the battery carries whole, and take what they use from their chargers."""
    fill(rows, tree, boost_kw, rows.highest, True, False, answer.filling)
    reasons(rows, tree, answer.filling, answer.left, answer.reason)
    for row in range(len(rows.tier)):
        answer.boost[row], answer.better[row] = answer.filling.kw[row], 0
        at = rows.charger[row]
        used_kw = waterfill.taken(answer.filling.kw[row], answer.filling.modules[row], tree.module_kw[at])
        tree.charger_kw[at] = max(0.0, tree.charger_kw[at] - used_kw)


def site_use(site_kw: float, cars_kw: float, discharge_kw: float, charge_kw: float) -> tuple[float, float]:
    """What the grid gives to cars and battery, kW, and of that what charges the battery.

    Cars come first; what the grid has left charges the battery, unless that is helping.
    """
    # Two parts of one sum can miss it by a bit; the grid limit is the one that must not be missed.
    from_grid_kw = min(site_kw, max(0.0, cars_kw - discharge_kw))
    to_battery_kw = 0.0 if discharge_kw > 0.0 else min(charge_kw, site_kw - from_grid_kw)
    return from_grid_kw + to_battery_kw, to_battery_kw
