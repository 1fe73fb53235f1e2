"""A table of sessions filled from grid and battery: numbers in, powers and reasons out.

These functions stand between the arithmetic of `waterfill` and its two callers: `allocate`, which answers
for one snapshot, and the compiled clock of a simulation. The same code serves both: a table holds lists
of small objects there, and arrays of records with the same names here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from electra_core.allocation import waterfill
from electra_core.allocation.snapshot import Limit
from electra_core.allocation.waterfill import ChargerLimit, DemandRow, Grant, PoolEntry

# A session this close to its cap is at its cap: the reason must not hang on the last bits.
SAME = 1e-12

# Compiled code compares whole numbers: each limit's code is its place in the enumeration.
LIMITS = tuple(Limit)
VEHICLE, CONNECTOR, CHARGER = (
    LIMITS.index(limit) for limit in (Limit.VEHICLE, Limit.CONNECTOR, Limit.CHARGER)
)
SITE, MINIMUM, MODULE = (LIMITS.index(limit) for limit in (Limit.SITE, Limit.MINIMUM, Limit.MODULE))
FAULT, FINISHED, PLAN = (LIMITS.index(limit) for limit in (Limit.FAULT, Limit.FINISHED, Limit.PLAN))


class DemandTable(NamedTuple):
    """Rows sorted by tier and charger, and what they get.

    ``grants`` are what counts; ``by_grid`` is what the grid alone would give, and ``without_kept`` what there would
    be if nobody kept modules. ``entries`` is scratch; ``chargers`` are the chargers.
    """

    rows: Sequence[DemandRow]
    chargers: Sequence[ChargerLimit]
    grants: Sequence[Grant]
    by_grid: Sequence[Grant]
    without_kept: Sequence[Grant]
    entries: Sequence[PoolEntry]


def normalise_weights(rows: Sequence[DemandRow]) -> None:
    """Make weights relative to the largest of their tier: only ratios count, and sums must not overflow."""
    start = 0
    while start < len(rows):
        end, largest = start, 0.0
        while end < len(rows) and rows[end].tier == rows[start].tier:
            largest = max(largest, rows[end].weight)
            end += 1
        for row in range(start, end):
            rows[row].weight /= largest
        start = end


def solve(table: DemandTable, site_kw: float, boost_kw: float, comfort_kw: float, divided: bool) -> None:
    """Fill with the grid alone, then with grid and battery together.

    The battery gives exactly what the second total exceeds the grid by, and a row's boost is its part of
    what the rows gain.

    Parameters
    ----------
    table : written
    site_kw, boost_kw : kW of the grid and of the battery
    comfort_kw : kW above which the battery lifts nobody; may be infinite
    divided : in equal parts, the exercise's rule
    """
    rows, grants, by_grid = table.rows, table.grants, table.by_grid
    total_kw, given_kw = site_kw, 0.0
    for row in range(len(rows)):
        rows[row].lift_to_kw = rows[row].max_kw
    fill(table, by_grid, site_kw, True, divided)
    if boost_kw > 0.0:
        total_kw = site_kw + boost_kw
        for row in range(len(rows)):
            # Below its reserve the battery lifts a row no further than to comfort.
            lifted = min(rows[row].max_kw, max(comfort_kw, rows[row].min_kw))
            rows[row].lift_to_kw = by_grid[row].kw if by_grid[row].kw >= comfort_kw else lifted
        fill(table, grants, total_kw, True, divided)
        given_kw = min(boost_kw, max(0.0, at_site(rows, grants) - site_kw))
    else:
        copy(by_grid, grants)
    give_reasons(table, grants)
    if boost_kw > 0.0 and comfort_kw < math.inf:
        beyond_comfort(table)
    divide_boost(table, given_kw)
    compare_modules(table, total_kw, divided)


def fill(table: DemandTable, grants: Sequence[Grant], site_kw: float, keeps: bool, divided: bool) -> None:
    """Admit rows and fill them from one source of ``site_kw``, each as high as it may reach."""
    rows, chargers = table.rows, table.chargers
    for row in range(len(rows)):
        grant = grants[row]
        grant.kw = grant.cap_kw = 0.0
        grant.min_kw, grant.max_kw = rows[row].min_kw, rows[row].lift_to_kw
        grant.modules = rows[row].modules_needed
    waterfill.admit(rows, grants, chargers, site_kw)
    if keeps:
        waterfill.keep_modules(rows, grants, chargers)
    if divided:
        waterfill.equal_parts(rows, grants, table.entries, chargers, site_kw)
    else:
        waterfill.share_out(rows, grants, table.entries, chargers, site_kw)
    waterfill.release_modules(rows, grants, chargers, keeps)


def copy(source: Sequence[Grant], target: Sequence[Grant]) -> None:
    """Write grants into others."""
    for row in range(len(source)):
        of, to = source[row], target[row]
        to.kw, to.cap_kw, to.min_kw, to.max_kw, to.modules = (
            of.kw,
            of.cap_kw,
            of.min_kw,
            of.max_kw,
            of.modules,
        )


def at_site(rows: Sequence[DemandRow], grants: Sequence[Grant]) -> float:
    """What rows take from grid and battery together, kW."""
    total_kw = 0.0
    for row in range(len(rows)):
        total_kw += rows[row].cost * grants[row].kw
    return total_kw


def give_reasons(table: DemandTable, grants: Sequence[Grant]) -> None:
    """Write the one constraint that stopped each row from rising."""
    rows, chargers = table.rows, table.chargers
    for charger in chargers:
        charger.used_kw = 0.0
    for row in range(len(rows)):
        charger = chargers[rows[row].charger]
        charger.used_kw += grants[row].modules * charger.module_kw
    for row in range(len(rows)):
        rows[row].limited_by = reason_of(rows[row], grants[row], chargers[rows[row].charger])


def reason_of(row: DemandRow, grant: Grant, charger: ChargerLimit) -> int:
    """The one constraint that stopped a row from rising."""
    if row.max_kw == 0.0:
        return row.max_kw_by
    if row.min_kw > 0.0 and (grant.max_kw == 0.0 or grant.kw == 0.0):
        return MINIMUM
    if grant.kw >= row.max_kw * (1.0 - SAME):
        return row.max_kw_by
    if grant.kw < grant.cap_kw * (1.0 - SAME):
        return SITE
    if charger.module_kw == 0.0:
        return CHARGER
    # Where a whole module is left, it was the site that had nothing to put into it.
    return MODULE if charger.module_kw > charger.kw - charger.used_kw else SITE


def beyond_comfort(table: DemandTable) -> None:
    """Who stands where comfort ends is there for want of grid power, or of what stopped it before."""
    rows = table.rows
    for row in range(len(rows)):
        rows[row].limited_before = rows[row].limited_by
    give_reasons(table, table.by_grid)
    for row in range(len(rows)):
        asked, kw = rows[row], table.grants[row].kw
        asked.limited_before, asked.limited_by = asked.limited_by, asked.limited_before
        if asked.lift_to_kw < asked.max_kw and kw >= asked.lift_to_kw * (1.0 - SAME):
            asked.limited_by = SITE if asked.limited_before == MINIMUM and kw > 0.0 else asked.limited_before


def divide_boost(table: DemandTable, battery_kw: float) -> None:
    """Divide the battery's power in proportion to what each row gains by it; on the cars' side."""
    rows, total_kw = table.rows, 0.0
    for row in range(len(rows)):
        rows[row].boost_kw = max(0.0, table.grants[row].kw - table.by_grid[row].kw)
        total_kw += rows[row].cost * rows[row].boost_kw
    # Rounding may leave a battery power just above the gains; nobody gets more than it gained.
    part = min(1.0, battery_kw / total_kw) if battery_kw > 0.0 and total_kw > 0.0 else 0.0
    for row in range(len(rows)):
        rows[row].boost_kw *= part


def compare_modules(table: DemandTable, total_kw: float, divided: bool) -> None:
    """Find out who would have more modules if nobody kept any, where somebody lacks one."""
    rows = table.rows
    lacking = keeping = False
    for row in range(len(rows)):
        rows[row].better_modules = 0
        lacking = lacking or rows[row].limited_by == MODULE
        keeping = keeping or rows[row].modules_kept > 0
    if lacking and keeping:
        fill(table, table.without_kept, total_kw, False, divided)
        for row in range(len(rows)):
            rows[row].better_modules = 1 if table.without_kept[row].modules > table.grants[row].modules else 0


def fill_carried(table: DemandTable, boost_kw: float) -> None:
    """Fill rows that the battery carries whole, and take what they use from their chargers."""
    rows, chargers = table.rows, table.chargers
    for row in range(len(rows)):
        rows[row].lift_to_kw = rows[row].max_kw
    fill(table, table.grants, boost_kw, True, False)
    give_reasons(table, table.grants)
    for row in range(len(rows)):
        grant, charger = table.grants[row], chargers[rows[row].charger]
        rows[row].boost_kw, rows[row].better_modules = grant.kw, 0
        charger.kw = max(0.0, charger.kw - waterfill.taken(grant.kw, grant.modules, charger.module_kw))


def site_use(site_kw: float, cars_kw: float, discharge_kw: float, charge_kw: float) -> tuple[float, float]:
    """What the grid gives to cars and battery, kW, and of that what charges the battery.

    Cars come first; what the grid has left charges the battery, unless that is helping.
    """
    # Two parts of one sum can miss it by a bit; the grid limit is the one that must not be missed.
    from_grid_kw = min(site_kw, max(0.0, cars_kw - discharge_kw))
    to_battery_kw = 0.0 if discharge_kw > 0.0 else min(charge_kw, site_kw - from_grid_kw)
    return from_grid_kw + to_battery_kw, to_battery_kw
