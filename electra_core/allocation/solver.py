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
from electra_core.allocation.waterfill import Cell, Room, Row, Share

# A session this close to its cap is at its cap: the reason must not hang on the last bits.
SAME = 1e-12

# What stopped a row from rising, in the order of `snapshot.Limit`.
VEHICLE, CONNECTOR, CHARGER, SITE, MINIMUM, MODULE, FAULT, FINISHED, PLAN = range(9)


class Table(NamedTuple):
    """Rows sorted by tier and charger, and what they get.

    ``shares`` are what counts; ``by_grid`` is what the grid alone would give, and ``anew`` what there would
    be if nobody kept modules. ``cells`` is scratch; ``rooms`` are the chargers.
    """

    rows: Sequence[Row]
    rooms: Sequence[Room]
    shares: Sequence[Share]
    by_grid: Sequence[Share]
    anew: Sequence[Share]
    cells: Sequence[Cell]


def tame(rows: Sequence[Row]) -> None:
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


def decide(table: Table, site_kw: float, boost_kw: float, comfort_kw: float, divided: bool) -> None:
    """Fill with the grid alone, then with grid and battery together.

    The battery gives exactly what the second total exceeds the grid by, and a row's boost is its part of
    what the rows gain.

    Parameters
    ----------
    table : written
    site_kw, boost_kw : kW of the grid and of the battery
    comfort_kw : kW above which the battery lifts nobody; may be infinite
    divided : in equal parts, the seed's rule
    """
    rows, shares, by_grid = table.rows, table.shares, table.by_grid
    total_kw, given_kw = site_kw, 0.0
    for row in range(len(rows)):
        rows[row].reach = rows[row].highest
    fill(table, by_grid, site_kw, True, divided)
    if boost_kw > 0.0:
        total_kw = site_kw + boost_kw
        for row in range(len(rows)):
            # Below its reserve the battery lifts a row no further than to comfort.
            lifted = min(rows[row].highest, max(comfort_kw, rows[row].lowest))
            rows[row].reach = by_grid[row].kw if by_grid[row].kw >= comfort_kw else lifted
        fill(table, shares, total_kw, True, divided)
        given_kw = min(boost_kw, max(0.0, at_site(rows, shares) - site_kw))
    else:
        copy(by_grid, shares)
    give_reasons(table, shares)
    if boost_kw > 0.0 and comfort_kw < math.inf:
        beyond_comfort(table)
    divide_boost(table, given_kw)
    compare_modules(table, total_kw, divided)


def fill(table: Table, shares: Sequence[Share], site_kw: float, keeps: bool, divided: bool) -> None:
    """Admit rows and fill them from one source of ``site_kw``, each as high as it may reach."""
    rows, rooms = table.rows, table.rooms
    for row in range(len(rows)):
        share = shares[row]
        share.kw = share.cap = 0.0
        share.lowest, share.highest = rows[row].lowest, rows[row].reach
        share.modules = rows[row].needed
    waterfill.admit(rows, shares, rooms, site_kw)
    if keeps:
        waterfill.keep(rows, shares, rooms)
    if divided:
        waterfill.equal_parts(rows, shares, table.cells, rooms, site_kw)
    else:
        waterfill.share_out(rows, shares, table.cells, rooms, site_kw)
    waterfill.release(rows, shares, rooms, keeps)


def copy(source: Sequence[Share], target: Sequence[Share]) -> None:
    """Write shares into others."""
    for row in range(len(source)):
        of, to = source[row], target[row]
        to.kw, to.cap, to.lowest, to.highest, to.modules = of.kw, of.cap, of.lowest, of.highest, of.modules


def at_site(rows: Sequence[Row], shares: Sequence[Share]) -> float:
    """What rows take from grid and battery together, kW."""
    total_kw = 0.0
    for row in range(len(rows)):
        total_kw += rows[row].cost * shares[row].kw
    return total_kw


def give_reasons(table: Table, shares: Sequence[Share]) -> None:
    """Write the one constraint that stopped each row from rising."""
    rows, rooms = table.rows, table.rooms
    for room in rooms:
        room.used_kw = 0.0
    for row in range(len(rows)):
        room = rooms[rows[row].charger]
        room.used_kw += shares[row].modules * room.module_kw
    for row in range(len(rows)):
        rows[row].reason = reason_of(rows[row], shares[row], rooms[rows[row].charger])


def reason_of(row: Row, share: Share, room: Room) -> int:
    """The one constraint that stopped a row from rising."""
    if row.highest == 0.0:
        return row.ceiling
    if row.lowest > 0.0 and (share.highest == 0.0 or share.kw == 0.0):
        return MINIMUM
    if share.kw >= row.highest * (1.0 - SAME):
        return row.ceiling
    if share.kw < share.cap * (1.0 - SAME):
        return SITE
    if room.module_kw == 0.0:
        return CHARGER
    # Where a whole module is left, it was the site that had nothing to put into it.
    return MODULE if room.module_kw > room.kw - room.used_kw else SITE


def beyond_comfort(table: Table) -> None:
    """Who stands where comfort ends is there for want of grid power, or of what stopped it before."""
    rows = table.rows
    for row in range(len(rows)):
        rows[row].before = rows[row].reason
    give_reasons(table, table.by_grid)
    for row in range(len(rows)):
        asked, kw = rows[row], table.shares[row].kw
        asked.before, asked.reason = asked.reason, asked.before
        if asked.reach < asked.highest and kw >= asked.reach * (1.0 - SAME):
            asked.reason = SITE if asked.before == MINIMUM and kw > 0.0 else asked.before


def divide_boost(table: Table, battery_kw: float) -> None:
    """Divide the battery's power in proportion to what each row gains by it; on the cars' side."""
    rows, total_kw = table.rows, 0.0
    for row in range(len(rows)):
        rows[row].boost = max(0.0, table.shares[row].kw - table.by_grid[row].kw)
        total_kw += rows[row].cost * rows[row].boost
    # Rounding may leave a battery power just above the gains; nobody gets more than it gained.
    part = min(1.0, battery_kw / total_kw) if battery_kw > 0.0 and total_kw > 0.0 else 0.0
    for row in range(len(rows)):
        rows[row].boost *= part


def compare_modules(table: Table, total_kw: float, divided: bool) -> None:
    """Find out who would have more modules if nobody kept any, where somebody lacks one."""
    rows = table.rows
    lacking = keeping = False
    for row in range(len(rows)):
        rows[row].better = 0
        lacking = lacking or rows[row].reason == MODULE
        keeping = keeping or rows[row].kept > 0
    if lacking and keeping:
        fill(table, table.anew, total_kw, False, divided)
        for row in range(len(rows)):
            rows[row].better = 1 if table.anew[row].modules > table.shares[row].modules else 0


def carry(table: Table, boost_kw: float) -> None:
    """Fill rows that the battery carries whole, and take what they use from their chargers."""
    rows, rooms = table.rows, table.rooms
    for row in range(len(rows)):
        rows[row].reach = rows[row].highest
    fill(table, table.shares, boost_kw, True, False)
    give_reasons(table, table.shares)
    for row in range(len(rows)):
        share, room = table.shares[row], rooms[rows[row].charger]
        rows[row].boost, rows[row].better = share.kw, 0
        room.kw = max(0.0, room.kw - waterfill.taken(share.kw, share.modules, room.module_kw))


def site_use(site_kw: float, cars_kw: float, discharge_kw: float, charge_kw: float) -> tuple[float, float]:
    """What the grid gives to cars and battery, kW, and of that what charges the battery.

    Cars come first; what the grid has left charges the battery, unless that is helping.
    """
    # Two parts of one sum can miss it by a bit; the grid limit is the one that must not be missed.
    from_grid_kw = min(site_kw, max(0.0, cars_kw - discharge_kw))
    to_battery_kw = 0.0 if discharge_kw > 0.0 else min(charge_kw, site_kw - from_grid_kw)
    return from_grid_kw + to_battery_kw, to_battery_kw
