"""The sharing arithmetic: water poured into a tree of limits.

Plain loops over records of numbers, so that the same functions run as they are on a click, over lists of
the small classes below, and compiled in a simulation, over arrays of records with the same names. Nobody
here knows what a session is: a row has a charger, a lowest and a highest power, a weight, and a cost: what
one kW of it takes from the site.

A row's power at water level ``L`` is ``weight * L``, held between its lowest and its highest. With a
common level for everybody this is weighted max-min fairness; on a tree a row follows the lowest level
on its way up. The result is the lexicographically optimal base of a polymatroid (Megiddo, "Optimal
flows in networks with multiple sources and sinks", Math. Programming 7, 1974; Fujishige,
"Lexicographically optimal base of a polymatroid with respect to a weight vector", Math. of OR 5, 1980).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

# Sums of minima are compared with limits: a rounding error must not turn a car away.
ROUNDING = 1e-12


@dataclass(slots=True)
class Row:
    """What one row asks for, and what is said about it beside its share.

    Attributes
    ----------
    tier : who is filled first, the lowest tier
    weight : share of its tier
    lowest, highest : kW
    cost : kW that one kW of the row takes from the site
    order : place in the queue of those that are admitted
    reach : how high it may be lifted, kW
    boost : its part of the battery's power, kW
    charger : place of its charger
    queued : which row stands in the queue at this one's number
    held : modules before this decision
    kept : of these, who stay whatever happens
    needed : modules without which its turn does not count
    ceiling : which limit set ``highest``
    reason, before : what stopped it from rising; and before the battery came
    better : whether it would have more modules if nobody kept any
    """

    tier: float = 0.0
    weight: float = 0.0
    lowest: float = 0.0
    highest: float = 0.0
    cost: float = 0.0
    order: float = 0.0
    reach: float = 0.0
    boost: float = 0.0
    charger: int = 0
    queued: int = 0
    held: int = 0
    kept: int = 0
    needed: int = 0
    ceiling: int = 0
    reason: int = 0
    before: int = 0
    better: int = 0


@dataclass(slots=True)
class Share:
    """What one row gets: ``kw`` from ``modules``; and what it might have had.

    ``lowest`` and ``highest`` are 0 for who was turned away; ``cap`` is what car and charger allow, kW.
    """

    kw: float = 0.0
    cap: float = 0.0
    lowest: float = 0.0
    highest: float = 0.0
    modules: int = 0


@dataclass(slots=True)
class Cell:
    """A row in one pool: kW of its own, its weight there, and what one kW takes of the pool."""

    lowest: float = 0.0
    highest: float = 0.0
    weight: float = 0.0
    cost: float = 0.0


@dataclass(slots=True)
class Room:
    """A charger: its kW, or those of its modules together; kW of one module, 0 where any power goes; and,
    on the way, kW that are taken or left, and that are asked for."""

    kw: float = 0.0
    module_kw: float = 0.0
    used_kw: float = 0.0
    asked_kw: float = 0.0


def rising_level(cells: Sequence[Cell], limit: float, start: int, end: int, held: float) -> float:
    """Level at which cells take ``limit`` together, when those whose lowest lies above ``held`` stay there.

    Newton's method from below on a concave, piecewise linear sum: every pass caps more cells, so it
    ends after at most as many passes as there are cells, and in practice after a handful.
    """
    level = 0.0
    capped_before = -1
    while True:
        still = 0.0
        rising = 0.0
        capped = 0
        for row in range(start, end):
            cell = cells[row]
            if cell.lowest > cell.weight * held:
                still += cell.cost * cell.lowest
            elif cell.highest <= cell.weight * level:
                still += cell.cost * cell.highest
                capped += 1
            else:
                rising += cell.cost * cell.weight
        if rising == 0.0:
            return math.inf
        if capped == capped_before:
            return level
        capped_before = capped
        level = max(level, (limit - still) / rising)


def water_level(cells: Sequence[Cell], limit: float, start: int, end: int) -> float:
    """Level at which cells ``start`` to ``end`` together take exactly ``limit``.

    Their lowest fit the limit together; weights and costs are above 0.

    Returns
    -------
    float
        kW per unit of weight; infinite where all reach their highest.
    """
    held = math.inf
    held_before = 0
    while True:
        # Where every cell is held there is no level to find: any one below theirs will do.
        level = min(held, rising_level(cells, limit, start, end, held))
        count = 0
        for row in range(start, end):
            if cells[row].lowest > cells[row].weight * level:
                count += 1
        # Lifting cells to their lowest takes water from the others, so the level only falls from here, and
        # it ends when no further cell is lifted.
        if count <= held_before:
            return level
        held_before = count
        held = level


def pour(lowest: float, highest: float, weight: float, level: float) -> float:
    """Power of one row at a water level, kW."""
    return max(lowest, min(highest, weight * level))


def modules_for(kw: float, size: float) -> int:
    """Whole modules that a power takes; 0 where there are none (``size`` 0)."""
    return math.ceil(kw / size * (1.0 - ROUNDING)) if size > 0.0 else 0


def whole_modules(kw: float, size: float) -> int:
    """Whole modules that a charger of ``kw`` has."""
    return int(kw / size * (1.0 + ROUNDING))


def taken(kw: float, modules: int, size: float) -> float:
    """What a row takes of its charger, kW: its modules, where the charger has them, or its power."""
    return modules * size if size > 0.0 else kw


def admit(rows: Sequence[Row], shares: Sequence[Share], rooms: Sequence[Room], site_kw: float) -> None:
    """Turn away, in the order of the queue, every row whose lowest power does not fit any more.

    A row needs its lowest power, in whole modules where its charger has them, or as many modules as its
    share comes with, if that is more. A row that is turned away is left with 0 of all three.
    """
    site_used = 0.0
    for room in rooms:
        room.used_kw = 0.0
    for place in range(len(rows)):
        row = rows[place].queued
        room, share = rooms[rows[row].charger], shares[row]
        need = share.lowest
        count = max(share.modules, modules_for(need, room.module_kw))
        here = taken(need, count, room.module_kw)
        if need == 0.0 and here == 0.0:
            continue
        if (
            need <= share.highest
            and room.used_kw + here <= room.kw * (1.0 + ROUNDING)
            and site_used + rows[row].cost * need <= site_kw * (1.0 + ROUNDING)
        ):
            room.used_kw += here
            site_used += rows[row].cost * need
            share.modules = count
        else:
            share.lowest = share.highest = 0.0
            share.modules = 0


def keep(rows: Sequence[Row], shares: Sequence[Share], rooms: Sequence[Room]) -> None:
    """Leave rows the modules that they had before, at each charger where those and all needs fit."""
    for room in rooms:
        room.used_kw = 0.0
    for row in range(len(rows)):
        if shares[row].highest > 0.0:
            room = rooms[rows[row].charger]
            room.used_kw += max(shares[row].modules, rows[row].kept) * room.module_kw
    for row in range(len(rows)):
        room, share = rooms[rows[row].charger], shares[row]
        fits = room.used_kw <= room.kw * (1.0 + ROUNDING)
        if rows[row].kept > share.modules and share.highest > 0.0 and fits:
            share.modules = rows[row].kept


def release(rows: Sequence[Row], shares: Sequence[Share], rooms: Sequence[Room], keeps: bool) -> None:
    """Take back modules that a row neither keeps nor uses, for want of power on the site."""
    for row in range(len(rows)):
        share = shares[row]
        if share.modules > 0:
            still = min(rows[row].kept, share.modules) if keeps else 0
            share.modules = max(still, modules_for(share.kw, rooms[rows[row].charger].module_kw))


def grant(
    rows: Sequence[Row],
    shares: Sequence[Share],
    cells: Sequence[Cell],
    size: float,
    free: int,
    start: int,
    end: int,
) -> int:
    """Give free modules one by one to the row that stands lowest and can use any part of one.

    Of rows that stand equally low the one that it lifts highest comes first, then who held such a module
    before, then the order of the queue. On one charger the sorted powers are then lexicographically
    maximal: a module that went to a higher row instead would leave the lowest where it was. The rows keep
    the modules that they come with, and rise to the highest of their cells at most. It returns how many
    modules nobody could use.
    """
    for row in range(start, end):
        shares[row].cap = pour(shares[row].lowest, cells[row].highest, size, shares[row].modules)
    while free > 0:
        best = -1
        best_now = best_then = best_place = 0.0
        for row in range(start, end):
            share, highest, weight = shares[row], cells[row].highest, rows[row].weight
            if highest <= share.cap * (1.0 + ROUNDING):
                continue
            now = share.cap / weight
            then = min(highest, (share.modules + 1) * size) / weight
            # Whoever gets back what it held comes before all places in the queue.
            place = -1.0 - rows[row].held if share.modules < rows[row].held else rows[row].order
            if (
                best < 0
                or now < best_now
                or (now == best_now and then > best_then)
                or (now == best_now and then == best_then and place < best_place)
            ):
                best, best_now, best_then, best_place = row, now, then, place
        if best < 0:
            break
        shares[best].modules += 1
        shares[best].cap = pour(shares[best].lowest, cells[best].highest, size, shares[best].modules)
        free -= 1
    return free


def share_out(
    rows: Sequence[Row], shares: Sequence[Share], cells: Sequence[Cell], rooms: Sequence[Room], site_kw: float
) -> None:
    """Fill the tree tier by tier; inside a tier by weighted max-min.

    Each charger is filled by itself first, which gives every row its cap; then the site is filled with
    those caps. The rows come sorted by tier, and by charger inside a tier, and their lowest powers fit
    (see `admit`).

    Parameters
    ----------
    rows, rooms : what is asked, and the chargers
    shares : written; they come with ``lowest``, ``highest``, and the modules that they have in any case
    cells : scratch, one a row
    site_kw : kW of the site
    """
    # Later tiers keep their minima and their modules while earlier ones fill.
    site_left = site_kw
    for room in rooms:
        room.used_kw = 0.0
    for row in range(len(rows)):
        room, share = rooms[rows[row].charger], shares[row]
        site_left -= rows[row].cost * share.lowest
        room.used_kw += taken(share.lowest, share.modules, room.module_kw)
    start = 0
    while start < len(rows):
        end = start
        reserved = 0.0
        while end < len(rows) and rows[end].tier == rows[start].tier:
            first, room = end, rooms[rows[end].charger]
            own = asked = 0.0
            while (
                end < len(rows)
                and rows[end].tier == rows[start].tier
                and rows[end].charger == rows[first].charger
            ):
                share, cell = shares[end], cells[end]
                own += share.lowest
                asked += share.highest
                reserved += rows[end].cost * share.lowest
                cell.lowest, cell.highest = share.lowest, share.highest
                cell.weight, cell.cost = rows[end].weight, 1.0
                end += 1
            left_kw = room.kw - room.used_kw
            if room.module_kw > 0.0:
                free = int(left_kw / room.module_kw + 0.5)
                free = grant(rows, shares, cells, room.module_kw, free, first, end)
                room.used_kw = room.kw - free * room.module_kw
            else:
                limit = max(own, left_kw + own)
                level = water_level(cells, limit, first, end) if asked > limit else math.inf
                for at in range(first, end):
                    shares[at].cap = pour(shares[at].lowest, shares[at].highest, rows[at].weight, level)
        for at in range(start, end):
            cells[at].highest, cells[at].cost = shares[at].cap, rows[at].cost
        level = water_level(cells, max(reserved, site_left + reserved), start, end)
        for at in range(start, end):
            share, room = shares[at], rooms[rows[at].charger]
            share.kw = pour(share.lowest, share.cap, rows[at].weight, level)
            site_left -= rows[at].cost * (share.kw - share.lowest)
            if room.module_kw == 0.0:
                room.used_kw += share.kw - share.lowest
        start = end


def equal_parts(
    rows: Sequence[Row], shares: Sequence[Share], cells: Sequence[Cell], rooms: Sequence[Room], site_kw: float
) -> None:
    """The seed's uniform rule: equal parts, and what one row cannot use is not handed on.

    While the rows ask for more than the site has, everyone gets an equal part of the site and of the
    charger at most; otherwise only chargers that are asked for more than they have are divided. Only
    rows that ask for power count. A row whose lowest power (see `admit`) is above its part gets that, and
    the others divide the rest. Where a charger has modules they are granted up to those parts. The rows
    come sorted by charger; the parameters are those of `share_out`.
    """
    asked = 0.0
    for room in rooms:
        room.asked_kw = room.used_kw = 0.0
    for row in range(len(rows)):
        room, share = rooms[rows[row].charger], shares[row]
        asked += rows[row].cost * share.highest
        room.asked_kw += share.highest
        room.used_kw += share.modules * room.module_kw
    scarce = asked > site_kw
    start = 0
    while start < len(rows):
        end, room = start, rooms[rows[start].charger]
        while end < len(rows) and rows[end].charger == rows[start].charger:
            # A level without a highest divides equally; who asks for nothing has no weight in it.
            head = 1.0 if shares[end].highest > 0.0 else 0.0
            cell = cells[end]
            cell.lowest, cell.highest, cell.weight, cell.cost = shares[end].lowest, math.inf, head, 1.0
            end += 1
        part = math.inf
        if scarce or room.asked_kw > room.kw:
            part = water_level(cells, room.kw, start, end)
        for row in range(start, end):
            shares[row].cap = pour(shares[row].lowest, shares[row].highest, 1.0, part)
        if room.module_kw > 0.0:
            free = int((room.kw - room.used_kw) / room.module_kw + 0.5)
            for row in range(start, end):
                cells[row].highest = shares[row].cap
            grant(rows, shares, cells, room.module_kw, free, start, end)
        start = end
    part = math.inf
    if scarce:
        for row in range(len(rows)):
            # An equal part of the site, not of what reaches the cars.
            head = 1.0 / rows[row].cost if shares[row].highest > 0.0 else 0.0
            cells[row].highest, cells[row].weight, cells[row].cost = math.inf, head, rows[row].cost
        part = water_level(cells, site_kw, 0, len(rows))
    for row in range(len(rows)):
        share = shares[row]
        share.kw = pour(share.lowest, share.cap, 1.0, part / rows[row].cost)
