"""The sharing arithmetic: water poured into a tree of limits.

Plain loops over records of numbers. The same functions run as they are for one decision, over lists of the
small classes below, and compiled in a simulation, over arrays of records with the same names. They know
nothing of sessions: a demand here is a charger, a minimum and a maximum power, a weight, and a cost: the kW
that one kW of it takes from the site.

The power of a demand at water level ``L`` is ``weight * L``, held between its minimum and its maximum. With
one level for all this is weighted max-min fairness; on a tree a demand follows the lowest level on its way
up. The result is the lexicographically optimal base of a polymatroid (Megiddo, "Optimal flows in networks
with multiple sources and sinks", Math. Programming 7, 1974; Fujishige, "Lexicographically optimal base of a
polymatroid with respect to a weight vector", Math. of OR 5, 1980).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

# Sums of minima are compared with limits: a rounding error must not turn a car away.
ROUNDING = 1e-12


@dataclass(slots=True)
class DemandRow:
    """A demand as numbers, and the parts of its answer beside its `Grant`."""

    tier: float = 0.0  # demands of the lowest tier are filled first
    weight: float = 0.0  # inside its tier
    min_kw: float = 0.0  # least useful power
    max_kw: float = 0.0
    cost: float = 0.0  # kW that one kW of the demand takes from the site
    queue_position: float = 0.0  # in the order of admission
    lift_to_kw: float = 0.0  # power to which it may be lifted in this filling
    boost_kw: float = 0.0  # its part of the battery's power
    charger: int = 0  # index of its charger
    row_at: int = 0  # the row that stands in the queue at the position of this row's number
    modules_held: int = 0  # before this decision
    modules_kept: int = 0  # of these, the ones that it keeps in any case
    modules_needed: int = 0  # without which it is not admitted
    max_kw_by: int = 0  # the limit that set `max_kw`, as a code of `solver`
    limited_by: int = 0  # the limit that stopped it, with the battery
    limited_before: int = 0  # and with the grid alone
    better_modules: int = 0  # 1 if it would have more modules if none were kept


@dataclass(slots=True)
class Grant:
    """A grant: ``kw`` from ``modules`` for one demand."""

    kw: float = 0.0
    cap_kw: float = 0.0  # what car and charger allow
    min_kw: float = 0.0  # this and the next are 0 for a demand that was turned away
    max_kw: float = 0.0
    modules: int = 0


@dataclass(slots=True)
class PoolEntry:
    """A demand in one pool: its bounds and its weight there, and what one kW takes of the pool."""

    min_kw: float = 0.0
    max_kw: float = 0.0
    weight: float = 0.0
    cost: float = 0.0


@dataclass(slots=True)
class ChargerLimit:
    """A charger: its kW, or those of all its modules; kW of one module, 0 where any power goes; kW in use."""

    kw: float = 0.0
    module_kw: float = 0.0
    used_kw: float = 0.0


# Lists of the classes above, or arrays of records with the same names.
Rows: TypeAlias = Sequence[DemandRow]
Grants: TypeAlias = Sequence[Grant]
Entries: TypeAlias = Sequence[PoolEntry]
Chargers: TypeAlias = Sequence[ChargerLimit]


def rising_level(entries: Entries, limit_kw: float, start: int, end: int, held_level: float) -> float:
    """Return the level at which entries take ``limit_kw``; those with minima above ``held_level`` stay there.

    Newton's method from below on a concave, piecewise linear sum: every pass caps more entries, so it
    ends after at most as many passes as there are entries, and in practice after a handful.
    """
    level = 0.0
    capped_before = -1
    while True:
        fixed_kw = 0.0
        rising = 0.0
        capped = 0
        for row in range(start, end):
            entry = entries[row]
            if entry.min_kw > entry.weight * held_level:
                fixed_kw += entry.cost * entry.min_kw
            elif entry.max_kw <= entry.weight * level:
                fixed_kw += entry.cost * entry.max_kw
                capped += 1
            else:
                rising += entry.cost * entry.weight
        if rising == 0.0:
            return math.inf
        if capped == capped_before:
            return level
        capped_before = capped
        level = max(level, (limit_kw - fixed_kw) / rising)


def water_level(entries: Entries, limit_kw: float, start: int, end: int) -> float:
    """Return the level at which entries ``start`` to ``end`` together take exactly ``limit_kw``.

    It is in kW per unit of weight, and infinite where all reach their maxima. Their minima fit the limit
    together; weights and costs are above 0.
    """
    held_level = math.inf
    held_before = 0
    while True:
        # With every entry held at its minimum there is no level to find: any one below theirs will do.
        level = min(held_level, rising_level(entries, limit_kw, start, end, held_level))
        held = 0
        for row in range(start, end):
            if entries[row].min_kw > entries[row].weight * level:
                held += 1
        # Lifting entries to their minima takes water from the others, so the level only falls from here, and
        # the loop ends when no further entry is lifted.
        if held <= held_before:
            return level
        held_before = held
        held_level = level


def pour(min_kw: float, max_kw: float, weight: float, level: float) -> float:
    """Return the power of one demand at a water level, kW."""
    return max(min_kw, min(max_kw, weight * level))


def modules_for(kw: float, module_kw: float) -> int:
    """Return the whole modules that a power takes; 0 where there are none (``module_kw`` 0)."""
    return math.ceil(kw / module_kw * (1.0 - ROUNDING)) if module_kw > 0.0 else 0


def whole_modules(kw: float, module_kw: float) -> int:
    """Return the number of whole modules of a charger of ``kw``."""
    return int(kw / module_kw * (1.0 + ROUNDING))


def taken(kw: float, modules: int, module_kw: float) -> float:
    """Return the kW that a demand takes of its charger: its power, or its modules where there are any."""
    return modules * module_kw if module_kw > 0.0 else kw


def admit(rows: Rows, grants: Grants, chargers: Chargers, site_kw: float) -> None:
    """Turn away, in the order of the queue, every demand whose minimum does not fit any more.

    A demand needs its minimum, in whole modules where its charger has them, or as many modules as its grant
    comes with, if that is more. The grant of a demand that is turned away is 0 in everything.
    """
    site_used_kw = 0.0
    for charger in chargers:
        charger.used_kw = 0.0
    for position in range(len(rows)):
        row = rows[position].row_at
        charger, grant = chargers[rows[row].charger], grants[row]
        need_kw = grant.min_kw
        count = max(grant.modules, modules_for(need_kw, charger.module_kw))
        at_charger_kw = taken(need_kw, count, charger.module_kw)
        if need_kw == 0.0 and at_charger_kw == 0.0:
            continue
        if (
            need_kw <= grant.max_kw
            and charger.used_kw + at_charger_kw <= charger.kw * (1.0 + ROUNDING)
            and site_used_kw + rows[row].cost * need_kw <= site_kw * (1.0 + ROUNDING)
        ):
            charger.used_kw += at_charger_kw
            site_used_kw += rows[row].cost * need_kw
            grant.modules = count
        else:
            grant.min_kw = grant.max_kw = 0.0
            grant.modules = 0


def keep_modules(rows: Rows, grants: Grants, chargers: Chargers) -> None:
    """Leave demands the modules that they had before, at each charger where those and all needs fit."""
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


def release_modules(rows: Rows, grants: Grants, chargers: Chargers, keep: bool) -> None:
    """Take back modules that a demand neither keeps nor uses, for want of power on the site."""
    for row in range(len(rows)):
        grant = grants[row]
        if grant.modules > 0:
            kept = min(rows[row].modules_kept, grant.modules) if keep else 0
            grant.modules = max(kept, modules_for(grant.kw, chargers[rows[row].charger].module_kw))


def grant_modules(
    rows: Rows, grants: Grants, entries: Entries, charger: ChargerLimit, start: int, end: int
) -> None:
    """Grant the charger's free modules one by one, as long as a demand can use another (`next_for_module`).

    The demands keep the modules that they come with, and rise to the maxima of their entries at most.
    """
    size_kw = charger.module_kw
    free = int((charger.kw - charger.used_kw) / size_kw + 0.5)
    for row in range(start, end):
        grants[row].cap_kw = pour(grants[row].min_kw, entries[row].max_kw, size_kw, grants[row].modules)
    while free > 0:
        row = next_for_module(rows, grants, entries, size_kw, start, end)
        if row < 0:
            break
        grants[row].modules += 1
        grants[row].cap_kw = pour(grants[row].min_kw, entries[row].max_kw, size_kw, grants[row].modules)
        free -= 1
    charger.used_kw = charger.kw - free * size_kw


def next_for_module(
    rows: Rows, grants: Grants, entries: Entries, size_kw: float, start: int, end: int
) -> int:
    """Return the row with the lowest power for its weight that can use any part of one more module, or -1.

    Of equally low rows the one that it lifts highest comes first, then those that held such a module before,
    then the order of the queue. On one charger the sorted powers are then lexicographically maximal: a module
    granted to a higher row instead would leave the lowest at its power.
    """
    best = -1
    best_now = best_then = best_position = 0.0
    for row in range(start, end):
        grant, max_kw, weight = grants[row], entries[row].max_kw, rows[row].weight
        if max_kw <= grant.cap_kw * (1.0 + ROUNDING):
            continue
        now = grant.cap_kw / weight
        then = min(max_kw, (grant.modules + 1) * size_kw) / weight
        # A row that gets back a module that it held comes before all positions in the queue.
        held = rows[row].modules_held
        position = -1.0 - held if grant.modules < held else rows[row].queue_position
        if (
            best < 0
            or now < best_now
            or (now == best_now and then > best_then)
            or (now == best_now and then == best_then and position < best_position)
        ):
            best, best_now, best_then, best_position = row, now, then, position
    return best


def share_out(
    rows: Rows, grants: Grants, entries: Entries, chargers: Chargers, site_kw: float, in_equal_parts: bool
) -> None:
    """Fill the tree tier by tier; inside a tier by weighted max-min, or in equal parts.

    Each charger is filled by itself first, which gives every demand its cap; then the site is filled with
    those caps. The rows come sorted by tier, and by charger inside a tier, and their minima fit (see
    `admit`).

    Equal parts are the exercise's uniform rule, in which the power that a demand cannot use is not passed on.
    While a tier asks for more than the site has, each demand that asks for power gets at most its part of the
    site and of its charger, in proportion to the weights; otherwise only chargers that are asked for more
    than they have are divided. A demand whose minimum is above its part gets that, and the others divide the
    rest. The grants come with ``min_kw``, ``max_kw``, and the modules that they have in any case.
    """
    for charger in chargers:
        charger.used_kw = 0.0
    # The minima and modules of all tiers are reserved first.
    site_left_kw = site_kw
    for row in range(len(rows)):
        charger, grant = chargers[rows[row].charger], grants[row]
        site_left_kw -= rows[row].cost * grant.min_kw
        charger.used_kw += taken(grant.min_kw, grant.modules, charger.module_kw)
    start = 0
    while start < len(rows):
        end = start
        reserved_kw = asked_kw = 0.0
        while end < len(rows) and rows[end].tier == rows[start].tier:
            reserved_kw += rows[end].cost * grants[end].min_kw
            asked_kw += rows[end].cost * grants[end].max_kw
            end += 1
        limit_kw = max(reserved_kw, site_left_kw + reserved_kw)
        scarce = in_equal_parts and asked_kw > limit_kw
        fill_chargers(rows, grants, entries, chargers, in_equal_parts, scarce, start, end)
        fill_site(rows, grants, entries, limit_kw, in_equal_parts, start, end)
        for row in range(start, end):
            charger, risen_kw = chargers[rows[row].charger], grants[row].kw - grants[row].min_kw
            site_left_kw -= rows[row].cost * risen_kw
            if charger.module_kw == 0.0:
                charger.used_kw += risen_kw
        start = end


def fill_chargers(
    rows: Rows,
    grants: Grants,
    entries: Entries,
    chargers: Chargers,
    in_equal_parts: bool,
    scarce: bool,
    start: int,
    end: int,
) -> None:
    """Set the caps of the demands ``start`` to ``end`` of one tier by their chargers, and grant modules."""
    while start < end:
        first, charger = start, chargers[rows[start].charger]
        own_kw = asked_kw = 0.0
        while start < end and rows[start].charger == rows[first].charger:
            grant, entry = grants[start], entries[start]
            own_kw += taken(grant.min_kw, grant.modules, charger.module_kw)
            asked_kw += grant.max_kw
            entry.min_kw, entry.max_kw = grant.min_kw, grant.max_kw
            entry.weight, entry.cost = rows[start].weight, 1.0
            if in_equal_parts and grant.max_kw > 0.0:
                entry.max_kw = math.inf  # its part is the same, however little it can use
            start += 1
        # Modules are granted one by one instead of by a level; equal parts bound what they are granted for.
        if in_equal_parts or charger.module_kw == 0.0:
            limit_kw = max(own_kw, charger.kw - charger.used_kw + own_kw)
            divided = scarce or asked_kw > limit_kw
            level = water_level(entries, limit_kw, first, start) if divided else math.inf
            for row in range(first, start):
                grant, entry = grants[row], entries[row]
                grant.cap_kw = entry.max_kw = pour(grant.min_kw, grant.max_kw, entry.weight, level)
        if charger.module_kw > 0.0:
            grant_modules(rows, grants, entries, charger, first, start)


def fill_site(
    rows: Rows, grants: Grants, entries: Entries, limit_kw: float, in_equal_parts: bool, start: int, end: int
) -> None:
    """Share ``limit_kw`` of the site among the demands ``start`` to ``end`` of one tier, up to their caps."""
    asked_kw = 0.0
    for row in range(start, end):
        grant, entry, cost = grants[row], entries[row], rows[row].cost
        entry.max_kw, entry.cost = grant.cap_kw, cost
        if in_equal_parts:
            asked_kw += cost * grant.max_kw
            entry.weight /= cost  # an equal part of the site, not of what reaches the cars
            if grant.max_kw > 0.0:
                entry.max_kw = math.inf
        else:
            asked_kw += cost * grant.cap_kw
    level = water_level(entries, limit_kw, start, end) if asked_kw > limit_kw else math.inf
    for row in range(start, end):
        grants[row].kw = pour(grants[row].min_kw, grants[row].cap_kw, entries[row].weight, level)
