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
class DemandRow:
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
    min_kw: float = 0.0
    max_kw: float = 0.0
    cost: float = 0.0
    queue_position: float = 0.0
    lift_to_kw: float = 0.0
    boost_kw: float = 0.0
    charger: int = 0
    row_at: int = 0
    modules_held: int = 0
    modules_kept: int = 0
    modules_needed: int = 0
    max_kw_by: int = 0
    limited_by: int = 0
    limited_before: int = 0
    better_modules: int = 0


@dataclass(slots=True)
class Grant:
    """What one row gets: ``kw`` from ``modules``; and what it might have had.

    ``lowest`` and ``highest`` are 0 for who was turned away; ``cap`` is what car and charger allow, kW.
    """

    kw: float = 0.0
    cap_kw: float = 0.0
    min_kw: float = 0.0
    max_kw: float = 0.0
    modules: int = 0


@dataclass(slots=True)
class PoolEntry:
    """A row in one pool: kW of its own, its weight there, and what one kW takes of the pool."""

    min_kw: float = 0.0
    max_kw: float = 0.0
    weight: float = 0.0
    cost: float = 0.0


@dataclass(slots=True)
class ChargerLimit:
    """A charger: its kW, or those of its modules together; kW of one module, 0 where any power goes; and,
    on the way, kW that are taken or left, and that are asked for."""

    kw: float = 0.0
    module_kw: float = 0.0
    used_kw: float = 0.0
    asked_kw: float = 0.0


def rising_level(
    entries: Sequence[PoolEntry], limit: float, start: int, end: int, held_level: float
) -> float:
    """Level at which entries take ``limit`` together, when those whose lowest lies above ``held_level`` stay there.

    Newton's method from below on a concave, piecewise linear sum: every pass caps more entries, so it
    ends after at most as many passes as there are entries, and in practice after a handful.
    """
    level = 0.0
    capped_before = -1
    while True:
        still = 0.0
        rising = 0.0
        capped = 0
        for row in range(start, end):
            entry = entries[row]
            if entry.min_kw > entry.weight * held_level:
                still += entry.cost * entry.min_kw
            elif entry.max_kw <= entry.weight * level:
                still += entry.cost * entry.max_kw
                capped += 1
            else:
                rising += entry.cost * entry.weight
        if rising == 0.0:
            return math.inf
        if capped == capped_before:
            return level
        capped_before = capped
        level = max(level, (limit - still) / rising)


def water_level(entries: Sequence[PoolEntry], limit: float, start: int, end: int) -> float:
    """Level at which entries ``start`` to ``end`` together take exactly ``limit``.

    Their lowest fit the limit together; weights and costs are above 0.

    Returns
    -------
    float
        kW per unit of weight; infinite where all reach their highest.
    """
    held_level = math.inf
    held_before = 0
    while True:
        # Where every cell is held there is no level to find: any one below theirs will do.
        level = min(held_level, rising_level(entries, limit, start, end, held_level))
        count = 0
        for row in range(start, end):
            if entries[row].min_kw > entries[row].weight * level:
                count += 1
        # Lifting entries to their lowest takes water from the others, so the level only falls from here, and
        # it ends when no further cell is lifted.
        if count <= held_before:
            return level
        held_before = count
        held_level = level


def pour(min_kw: float, max_kw: float, weight: float, level: float) -> float:
    """Power of one row at a water level, kW."""
    return max(min_kw, min(max_kw, weight * level))


def modules_for(kw: float, size: float) -> int:
    """Whole modules that a power takes; 0 where there are none (``size`` 0)."""
    return math.ceil(kw / size * (1.0 - ROUNDING)) if size > 0.0 else 0


def whole_modules(kw: float, size: float) -> int:
    """Whole modules that a charger of ``kw`` has."""
    return int(kw / size * (1.0 + ROUNDING))


def taken(kw: float, modules: int, size: float) -> float:
    """What a row takes of its charger, kW: its modules, where the charger has them, or its power."""
    return modules * size if size > 0.0 else kw


def admit(
    rows: Sequence[DemandRow], grants: Sequence[Grant], chargers: Sequence[ChargerLimit], site_kw: float
) -> None:
    """Turn away, in the order of the queue, every row whose lowest power does not fit any more.

    A row needs its lowest power, in whole modules where its charger has them, or as many modules as its
    share comes with, if that is more. A row that is turned away is left with 0 of all three.
    """
    site_used = 0.0
    for charger in chargers:
        charger.used_kw = 0.0
    for place in range(len(rows)):
        row = rows[place].row_at
        charger, grant = chargers[rows[row].charger], grants[row]
        need = grant.min_kw
        count = max(grant.modules, modules_for(need, charger.module_kw))
        here = taken(need, count, charger.module_kw)
        if need == 0.0 and here == 0.0:
            continue
        if (
            need <= grant.max_kw
            and charger.used_kw + here <= charger.kw * (1.0 + ROUNDING)
            and site_used + rows[row].cost * need <= site_kw * (1.0 + ROUNDING)
        ):
            charger.used_kw += here
            site_used += rows[row].cost * need
            grant.modules = count
        else:
            grant.min_kw = grant.max_kw = 0.0
            grant.modules = 0


def keep_modules(
    rows: Sequence[DemandRow], grants: Sequence[Grant], chargers: Sequence[ChargerLimit]
) -> None:
    """Leave rows the modules that they had before, at each charger where those and all needs fit."""
    for charger in chargers:
        charger.used_kw = 0.0
    for row in range(len(rows)):
        if grants[row].max_kw > 0.0:
            charger = chargers[rows[row].charger]
            charger.used_kw += max(grants[row].modules, rows[row].modules_kept) * charger.module_kw
    for row in range(len(rows)):
        charger, grant = chargers[rows[row].charger], grants[row]
        fits = charger.used_kw <= charger.kw * (1.0 + ROUNDING)
        if rows[row].modules_kept > grant.modules and grant.max_kw > 0.0 and fits:
            grant.modules = rows[row].modules_kept


def release_modules(
    rows: Sequence[DemandRow], grants: Sequence[Grant], chargers: Sequence[ChargerLimit], keeps: bool
) -> None:
    """Take back modules that a row neither keeps nor uses, for want of power on the site."""
    for row in range(len(rows)):
        grant = grants[row]
        if grant.modules > 0:
            still = min(rows[row].modules_kept, grant.modules) if keeps else 0
            grant.modules = max(still, modules_for(grant.kw, chargers[rows[row].charger].module_kw))


def grant_modules(
    rows: Sequence[DemandRow],
    grants: Sequence[Grant],
    entries: Sequence[PoolEntry],
    size: float,
    free: int,
    start: int,
    end: int,
) -> int:
    """Give free modules one by one to the row that stands lowest and can use any part of one.

    Of rows that stand equally low the one that it lifts highest comes first, then who held such a module
    before, then the order of the queue. On one charger the sorted powers are then lexicographically
    maximal: a module that went to a higher row instead would leave the lowest where it was. The rows keep
    the modules that they come with, and rise to the highest of their entries at most. It returns how many
    modules nobody could use.
    """
    for row in range(start, end):
        grants[row].cap_kw = pour(grants[row].min_kw, entries[row].max_kw, size, grants[row].modules)
    while free > 0:
        best = -1
        best_now = best_then = best_place = 0.0
        for row in range(start, end):
            grant, max_kw, weight = grants[row], entries[row].max_kw, rows[row].weight
            if max_kw <= grant.cap_kw * (1.0 + ROUNDING):
                continue
            now = grant.cap_kw / weight
            then = min(max_kw, (grant.modules + 1) * size) / weight
            # Whoever gets back what it held comes before all places in the queue.
            place = (
                -1.0 - rows[row].modules_held
                if grant.modules < rows[row].modules_held
                else rows[row].queue_position
            )
            if (
                best < 0
                or now < best_now
                or (now == best_now and then > best_then)
                or (now == best_now and then == best_then and place < best_place)
            ):
                best, best_now, best_then, best_place = row, now, then, place
        if best < 0:
            break
        grants[best].modules += 1
        grants[best].cap_kw = pour(grants[best].min_kw, entries[best].max_kw, size, grants[best].modules)
        free -= 1
    return free


def share_out(
    rows: Sequence[DemandRow],
    grants: Sequence[Grant],
    entries: Sequence[PoolEntry],
    chargers: Sequence[ChargerLimit],
    site_kw: float,
) -> None:
    """Fill the tree tier by tier; inside a tier by weighted max-min.

    Each charger is filled by itself first, which gives every row its cap; then the site is filled with
    those caps. The rows come sorted by tier, and by charger inside a tier, and their lowest powers fit
    (see `admit`).

    Parameters
    ----------
    rows, chargers : what is asked, and the chargers
    grants : written; they come with ``lowest``, ``highest``, and the modules that they have in any case
    entries : scratch, one a row
    site_kw : kW of the site
    """
    # Later tiers keep their minima and their modules while earlier ones fill.
    site_left = site_kw
    for charger in chargers:
        charger.used_kw = 0.0
    for row in range(len(rows)):
        charger, grant = chargers[rows[row].charger], grants[row]
        site_left -= rows[row].cost * grant.min_kw
        charger.used_kw += taken(grant.min_kw, grant.modules, charger.module_kw)
    start = 0
    while start < len(rows):
        end = start
        reserved = 0.0
        while end < len(rows) and rows[end].tier == rows[start].tier:
            first, charger = end, chargers[rows[end].charger]
            own = asked = 0.0
            while (
                end < len(rows)
                and rows[end].tier == rows[start].tier
                and rows[end].charger == rows[first].charger
            ):
                grant, entry = grants[end], entries[end]
                own += grant.min_kw
                asked += grant.max_kw
                reserved += rows[end].cost * grant.min_kw
                entry.min_kw, entry.max_kw = grant.min_kw, grant.max_kw
                entry.weight, entry.cost = rows[end].weight, 1.0
                end += 1
            left_kw = charger.kw - charger.used_kw
            if charger.module_kw > 0.0:
                free = int(left_kw / charger.module_kw + 0.5)
                free = grant_modules(rows, grants, entries, charger.module_kw, free, first, end)
                charger.used_kw = charger.kw - free * charger.module_kw
            else:
                limit = max(own, left_kw + own)
                level = water_level(entries, limit, first, end) if asked > limit else math.inf
                for at in range(first, end):
                    grants[at].cap_kw = pour(grants[at].min_kw, grants[at].max_kw, rows[at].weight, level)
        for at in range(start, end):
            entries[at].max_kw, entries[at].cost = grants[at].cap_kw, rows[at].cost
        level = water_level(entries, max(reserved, site_left + reserved), start, end)
        for at in range(start, end):
            grant, charger = grants[at], chargers[rows[at].charger]
            grant.kw = pour(grant.min_kw, grant.cap_kw, rows[at].weight, level)
            site_left -= rows[at].cost * (grant.kw - grant.min_kw)
            if charger.module_kw == 0.0:
                charger.used_kw += grant.kw - grant.min_kw
        start = end


def equal_parts(
    rows: Sequence[DemandRow],
    grants: Sequence[Grant],
    entries: Sequence[PoolEntry],
    chargers: Sequence[ChargerLimit],
    site_kw: float,
) -> None:
    """The exercise's uniform rule: equal parts, and what one row cannot use is not handed on.

    While the rows ask for more than the site has, everyone gets an equal part of the site and of the
    charger at most; otherwise only chargers that are asked for more than they have are divided. Only
    rows that ask for power count. A row whose lowest power (see `admit`) is above its part gets that, and
    the others divide the rest. Where a charger has modules they are granted up to those parts. The rows
    come sorted by charger; the parameters are those of `share_out`.
    """
    asked = 0.0
    for charger in chargers:
        charger.asked_kw = charger.used_kw = 0.0
    for row in range(len(rows)):
        charger, grant = chargers[rows[row].charger], grants[row]
        asked += rows[row].cost * grant.max_kw
        charger.asked_kw += grant.max_kw
        charger.used_kw += grant.modules * charger.module_kw
    scarce = asked > site_kw
    start = 0
    while start < len(rows):
        end, charger = start, chargers[rows[start].charger]
        while end < len(rows) and rows[end].charger == rows[start].charger:
            # A level without a highest divides equally; who asks for nothing has no weight in it.
            head = 1.0 if grants[end].max_kw > 0.0 else 0.0
            entry = entries[end]
            entry.min_kw, entry.max_kw, entry.weight, entry.cost = grants[end].min_kw, math.inf, head, 1.0
            end += 1
        part = math.inf
        if scarce or charger.asked_kw > charger.kw:
            part = water_level(entries, charger.kw, start, end)
        for row in range(start, end):
            grants[row].cap_kw = pour(grants[row].min_kw, grants[row].max_kw, 1.0, part)
        if charger.module_kw > 0.0:
            free = int((charger.kw - charger.used_kw) / charger.module_kw + 0.5)
            for row in range(start, end):
                entries[row].max_kw = grants[row].cap_kw
            grant_modules(rows, grants, entries, charger.module_kw, free, start, end)
        start = end
    part = math.inf
    if scarce:
        for row in range(len(rows)):
            # An equal part of the site, not of what reaches the cars.
            head = 1.0 / rows[row].cost if grants[row].max_kw > 0.0 else 0.0
            entries[row].max_kw, entries[row].weight, entries[row].cost = math.inf, head, rows[row].cost
        part = water_level(entries, site_kw, 0, len(rows))
    for row in range(len(rows)):
        grant = grants[row]
        grant.kw = pour(grant.min_kw, grant.cap_kw, 1.0, part / rows[row].cost)
