"""A table of demands filled from grid and battery: numbers in, powers and limits out.

These functions stand between the arithmetic of `waterfill` and its two callers: `allocate`, for one snapshot,
and the compiled loop of a simulation. The same code serves both: a table holds lists of small objects there,
and arrays of records with the same names here.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from electra_core.allocation import waterfill
from electra_core.allocation.snapshot import Limit
from electra_core.allocation.waterfill import ChargerLimit, Chargers, DemandRow, Entries, Grant, Grants, Rows

# A demand this close to its cap is at its cap: the limit that is named must not depend on the last bits.
ROUNDING = 1e-12

# Compiled code compares whole numbers: the code of a limit is its position in the enumeration.
LIMITS = tuple(Limit)
VEHICLE, CONNECTOR, CHARGER, SITE, MINIMUM, MODULE, FAULT, FINISHED, PLAN = range(len(LIMITS))


class DemandTable(NamedTuple):
    """A table of demands, sorted by tier and charger, and of their grants.

    ``grants`` are the answer; ``by_grid`` is what the grid alone would give, and ``without_kept`` what there
    would be if no modules were kept. ``entries`` is scratch.
    """

    rows: Rows
    chargers: Chargers
    grants: Grants
    by_grid: Grants
    without_kept: Grants
    entries: Entries


def normalise_weights(rows: Rows) -> None:
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


def solve(
    table: DemandTable, site_kw: float, boost_kw: float, comfort_kw: float, in_equal_parts: bool
) -> None:
    """Fill with the grid alone, then with grid and battery together.

    The battery gives exactly what the second total exceeds the grid by, and the boost of a demand is its part
    of what the demands gain. It lifts no demand above ``comfort_kw``, which may be infinite.
    """
    rows, grants, by_grid = table.rows, table.grants, table.by_grid
    total_kw, given_kw = site_kw, 0.0
    for row in range(len(rows)):
        rows[row].lift_to_kw = rows[row].max_kw
    fill(table, by_grid, site_kw, True, in_equal_parts)
    if boost_kw > 0.0:
        total_kw = site_kw + boost_kw
        for row in range(len(rows)):
            # A battery below its reserve lifts a demand no further than to comfort.
            lifted_kw = min(rows[row].max_kw, max(comfort_kw, rows[row].min_kw))
            rows[row].lift_to_kw = by_grid[row].kw if by_grid[row].kw >= comfort_kw else lifted_kw
        fill(table, grants, total_kw, True, in_equal_parts)
        taken_kw = 0.0
        for row in range(len(rows)):
            taken_kw += rows[row].cost * grants[row].kw
        given_kw = min(boost_kw, max(0.0, taken_kw - site_kw))
    else:
        copy(by_grid, grants)
    name_limits(table, grants)
    if boost_kw > 0.0 and comfort_kw < math.inf:
        name_limits_at_comfort(table)
    divide_boost(table, given_kw)
    compare_modules(table, total_kw, in_equal_parts)


def fill(table: DemandTable, grants: Grants, site_kw: float, keep: bool, in_equal_parts: bool) -> None:
    """Admit demands and fill them from one source of ``site_kw``, each up to ``lift_to_kw``."""
    rows, chargers = table.rows, table.chargers
    for row in range(len(rows)):
        grant = grants[row]
        grant.kw = grant.cap_kw = 0.0
        grant.min_kw, grant.max_kw = rows[row].min_kw, rows[row].lift_to_kw
        grant.modules = rows[row].modules_needed
    waterfill.admit(rows, grants, chargers, site_kw)
    if keep:
        waterfill.keep_modules(rows, grants, chargers)
    waterfill.share_out(rows, grants, table.entries, chargers, site_kw, in_equal_parts)
    waterfill.release_modules(rows, grants, chargers, keep)


def copy(source: Grants, target: Grants) -> None:
    """Write grants into others."""
    for row in range(len(source)):
        old, new = source[row], target[row]
        new.kw, new.cap_kw, new.modules = old.kw, old.cap_kw, old.modules
        new.min_kw, new.max_kw = old.min_kw, old.max_kw


def name_limits(table: DemandTable, grants: Grants) -> None:
    """Write the one limit that stopped each demand from rising."""
    rows, chargers = table.rows, table.chargers
    for charger in chargers:
        charger.used_kw = 0.0
    for row in range(len(rows)):
        charger = chargers[rows[row].charger]
        charger.used_kw += grants[row].modules * charger.module_kw
    for row in range(len(rows)):
        rows[row].limited_by = limit_of(rows[row], grants[row], chargers[rows[row].charger])


def limit_of(row: DemandRow, grant: Grant, charger: ChargerLimit) -> int:
    """Return the one limit that stopped a demand from rising."""
    if row.max_kw == 0.0:
        return row.max_kw_by
    if row.min_kw > 0.0 and (grant.max_kw == 0.0 or grant.kw == 0.0):
        return MINIMUM
    if grant.kw >= row.max_kw * (1.0 - ROUNDING):
        return row.max_kw_by
    if grant.kw < grant.cap_kw * (1.0 - ROUNDING):
        return SITE
    if charger.module_kw == 0.0:
        return CHARGER
    # With a whole module left, the site had no power to put into it.
    return MODULE if charger.module_kw > charger.kw - charger.used_kw else SITE


def name_limits_at_comfort(table: DemandTable) -> None:
    """Name the limit without the battery for demands that the battery lifted as far as comfort goes."""
    rows = table.rows
    for row in range(len(rows)):
        rows[row].limited_before = rows[row].limited_by
    name_limits(table, table.by_grid)
    for row in range(len(rows)):
        demand, kw = rows[row], table.grants[row].kw
        demand.limited_before, demand.limited_by = demand.limited_by, demand.limited_before
        if demand.lift_to_kw < demand.max_kw and kw >= demand.lift_to_kw * (1.0 - ROUNDING):
            waited = demand.limited_before == MINIMUM and kw > 0.0
            demand.limited_by = SITE if waited else demand.limited_before


def divide_boost(table: DemandTable, battery_kw: float) -> None:
    """Divide the battery's power in proportion to what each demand gains by it; on the cars' side."""
    rows, total_kw = table.rows, 0.0
    for row in range(len(rows)):
        rows[row].boost_kw = max(0.0, table.grants[row].kw - table.by_grid[row].kw)
        total_kw += rows[row].cost * rows[row].boost_kw
    # Rounding may leave a battery power just above the gains; no boost may exceed its demand's gain.
    part = min(1.0, battery_kw / total_kw) if battery_kw > 0.0 and total_kw > 0.0 else 0.0
    for row in range(len(rows)):
        rows[row].boost_kw *= part


def compare_modules(table: DemandTable, total_kw: float, in_equal_parts: bool) -> None:
    """Mark the demands that would have more modules if none were kept, where any demand lacks one."""
    rows = table.rows
    lacking = keeping = False
    for row in range(len(rows)):
        rows[row].better_modules = 0
        lacking = lacking or rows[row].limited_by == MODULE
        keeping = keeping or rows[row].modules_kept > 0
    if lacking and keeping:
        fill(table, table.without_kept, total_kw, False, in_equal_parts)
        for row in range(len(rows)):
            rows[row].better_modules = 1 if table.without_kept[row].modules > table.grants[row].modules else 0


def fill_carried(table: DemandTable, boost_kw: float) -> None:
    """Fill demands that the battery feeds alone, and take what they use from their chargers."""
    rows, chargers = table.rows, table.chargers
    for row in range(len(rows)):
        rows[row].lift_to_kw = rows[row].max_kw
    fill(table, table.grants, boost_kw, True, False)
    name_limits(table, table.grants)
    for row in range(len(rows)):
        grant, charger = table.grants[row], chargers[rows[row].charger]
        rows[row].boost_kw, rows[row].better_modules = grant.kw, 0
        charger.kw = max(0.0, charger.kw - waterfill.taken(grant.kw, grant.modules, charger.module_kw))


def site_use(site_kw: float, cars_kw: float, discharge_kw: float, charge_kw: float) -> tuple[float, float]:
    """Return what the grid gives to cars and battery, kW, and of that what charges the battery.

    Cars come first; what the grid has left charges the battery, unless the battery is discharging.
    """
    # Two parts of one sum can miss it by a bit; the grid limit is the one that must not be exceeded.
    from_grid_kw = min(site_kw, max(0.0, cars_kw - discharge_kw))
    to_battery_kw = 0.0 if discharge_kw > 0.0 else min(charge_kw, site_kw - from_grid_kw)
    return from_grid_kw + to_battery_kw, to_battery_kw
