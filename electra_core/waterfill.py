"""The sharing arithmetic: water poured into a tree of limits.

Plain loops over sequences of numbers, so that the same functions run as they are on a click and
compiled in a simulation. Nobody here knows what a session is: a row has a charger, a lowest and a
highest power, a weight, and a cost: what one kW of it takes from the site.

A row's power at water level ``L`` is ``weight * L``, held between its lowest and its highest. With a
common level for everybody this is weighted max-min fairness; on a tree a row follows the lowest level
on its way up. The result is the lexicographically optimal base of a polymatroid (Megiddo, "Optimal
flows in networks with multiple sources and sinks", Math. Programming 7, 1974; Fujishige,
"Lexicographically optimal base of a polymatroid with respect to a weight vector", Math. of OR 5, 1980).
"""

from __future__ import annotations

import math
from collections.abc import MutableSequence, Sequence

Numbers = Sequence[float]
Indices = Sequence[int]

# Sums of minima are compared with limits: a rounding error must not turn a car away.
ROUNDING = 1e-12


def rising_level(
    lowest: Numbers,
    highest: Numbers,
    weight: Numbers,
    cost: Numbers,
    limit: float,
    start: int,
    end: int,
    held: float,
) -> float:
    """Level at which rows take ``limit`` together, when rows whose lowest lies above ``held`` stay there.

    Newton's method from below on a concave, piecewise linear sum: every pass caps more rows, so it
    ends after at most as many passes as there are rows, and in practice after a handful.
    """
    level = 0.0
    capped_before = -1
    while True:
        still = 0.0
        rising = 0.0
        capped = 0
        for row in range(start, end):
            if lowest[row] > weight[row] * held:
                still += cost[row] * lowest[row]
            elif highest[row] <= weight[row] * level:
                still += cost[row] * highest[row]
                capped += 1
            else:
                rising += cost[row] * weight[row]
        if rising == 0.0:
            return math.inf
        if capped == capped_before:
            return level
        capped_before = capped
        level = max(level, (limit - still) / rising)


def water_level(
    lowest: Numbers, highest: Numbers, weight: Numbers, cost: Numbers, limit: float, start: int, end: int
) -> float:
    """Level at which rows ``start`` to ``end`` together take exactly ``limit``.

    Parameters
    ----------
    lowest, highest : kW of each row, ``0 <= lowest <= highest``; the lowest must fit the limit together
    weight : share of each row, greater than 0
    cost : what one kW of each row takes of the limit, greater than 0
    limit : kW that the rows have together
    start, end : the rows concerned

    Returns
    -------
    float
        kW per unit of weight; infinite where all rows reach their highest.
    """
    held = math.inf
    held_before = 0
    while True:
        # Where every row is held there is no level to find: any one below theirs will do.
        level = min(held, rising_level(lowest, highest, weight, cost, limit, start, end, held))
        count = 0
        for row in range(start, end):
            if lowest[row] > weight[row] * level:
                count += 1
        # Lifting rows to their lowest takes water from the others, so the level only falls from here, and
        # it ends when no further row is lifted.
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


def admit(
    queue: Indices,
    charger: Indices,
    lowest: MutableSequence[float],
    highest: MutableSequence[float],
    cost: Numbers,
    modules: MutableSequence[int],
    charger_kw: Numbers,
    module_kw: Numbers,
    site_kw: float,
) -> None:
    """Turn away, in the order of the queue, every row whose lowest power does not fit any more.

    A row needs its lowest power, in whole modules where its charger has them, or as many ``modules`` as it
    comes with, if that is more. A row that is turned away is left with 0 of all three.
    """
    site_used = 0.0
    charger_used = [0.0 for _ in charger_kw]
    for row in queue:
        at = charger[row]
        need = lowest[row]
        count = max(modules[row], modules_for(need, module_kw[at]))
        here = taken(need, count, module_kw[at])
        if need == 0.0 and here == 0.0:
            continue
        if (
            need <= highest[row]
            and charger_used[at] + here <= charger_kw[at] * (1.0 + ROUNDING)
            and site_used + cost[row] * need <= site_kw * (1.0 + ROUNDING)
        ):
            charger_used[at] += here
            site_used += cost[row] * need
            modules[row] = count
        else:
            lowest[row] = 0.0
            highest[row] = 0.0
            modules[row] = 0


def keep(
    charger: Indices,
    highest: Numbers,
    kept: Indices,
    modules: MutableSequence[int],
    charger_kw: Numbers,
    module_kw: Numbers,
) -> None:
    """Leave rows the modules that they had before, at each charger where those and all needs fit."""
    used = [0.0 for _ in charger_kw]
    for row in range(len(charger)):
        if highest[row] > 0.0:
            used[charger[row]] += max(modules[row], kept[row]) * module_kw[charger[row]]
    for row in range(len(charger)):
        at = charger[row]
        if kept[row] > modules[row] and highest[row] > 0.0 and used[at] <= charger_kw[at] * (1.0 + ROUNDING):
            modules[row] = kept[row]


def release(
    charger: Indices,
    kept: Indices,
    keeps: bool,
    kw: Numbers,
    modules: MutableSequence[int],
    module_kw: Numbers,
) -> None:
    """Take back modules that a row neither keeps nor uses, for want of power on the site."""
    for row in range(len(charger)):
        if modules[row] > 0:
            still = min(kept[row], modules[row]) if keeps else 0
            modules[row] = max(still, modules_for(kw[row], module_kw[charger[row]]))


def grant(
    lowest: Numbers,
    highest: Numbers,
    weight: Numbers,
    order: Numbers,
    held: Indices,
    modules: MutableSequence[int],
    size: float,
    free: int,
    start: int,
    end: int,
    cap: MutableSequence[float],
) -> int:
    """Give free modules one by one to the row that stands lowest and can use any part of one.

    Of rows that stand equally low the one that it lifts highest comes first, then who ``held`` such a
    module before, then ``order``. On one charger the sorted powers are then lexicographically maximal: a
    module that went to a higher row instead would leave the lowest where it was. The rows keep the
    modules that they come with. It returns how many modules nobody could use.
    """
    for row in range(start, end):
        cap[row] = pour(lowest[row], highest[row], size, modules[row])
    while free > 0:
        best = -1
        best_now = best_then = best_place = 0.0
        for row in range(start, end):
            if highest[row] <= cap[row] * (1.0 + ROUNDING):
                continue
            now = cap[row] / weight[row]
            then = min(highest[row], (modules[row] + 1) * size) / weight[row]
            # Whoever gets back what it held comes before all places in the queue.
            place = -1.0 - held[row] if modules[row] < held[row] else order[row]
            if (
                best < 0
                or now < best_now
                or (now == best_now and then > best_then)
                or (now == best_now and then == best_then and place < best_place)
            ):
                best, best_now, best_then, best_place = row, now, then, place
        if best < 0:
            break
        modules[best] += 1
        cap[best] = pour(lowest[best], highest[best], size, modules[best])
        free -= 1
    return free


def share(
    tier: Numbers,
    charger: Indices,
    lowest: Numbers,
    highest: Numbers,
    weight: Numbers,
    cost: Numbers,
    order: Numbers,
    held: Indices,
    modules: MutableSequence[int],
    charger_kw: Numbers,
    module_kw: Numbers,
    site_kw: float,
    cap: MutableSequence[float],
    kw: MutableSequence[float],
) -> None:
    """Fill the tree tier by tier; inside a tier by weighted max-min.

    Each charger is filled by itself first, which gives every row its cap; then the site is filled with
    those caps. The rows come sorted by tier, and by charger inside a tier, and their lowest powers fit
    (see `admit`). The answers are written to ``cap`` (what car and charger allow), ``kw`` and ``modules``.

    Parameters
    ----------
    tier, charger, lowest, highest, weight, order : one entry a row
    cost : kW that one kW of the row takes from the site
    held : modules of each row before this decision
    modules : whole modules that the row comes with; what it gets is written there
    charger_kw : kW of each charger; of one with modules, of all of them
    module_kw : kW of one module of each charger; 0 where any power goes
    site_kw : kW of the site
    cap, kw : one entry a row, written
    """
    rows = len(tier)
    one = [1.0] * rows
    # Later tiers keep their minima and their modules while earlier ones fill.
    site_left = site_kw
    charger_left = list(charger_kw)
    for row in range(rows):
        site_left -= cost[row] * lowest[row]
        charger_left[charger[row]] -= taken(lowest[row], modules[row], module_kw[charger[row]])
    start = 0
    while start < rows:
        end = start
        reserved = 0.0
        while end < rows and tier[end] == tier[start]:
            first = end
            at = charger[first]
            size = module_kw[at]
            own = asked = 0.0
            while end < rows and tier[end] == tier[start] and charger[end] == at:
                own += lowest[end]
                asked += highest[end]
                reserved += cost[end] * lowest[end]
                end += 1
            if size > 0.0:
                free = int(charger_left[at] / size + 0.5)
                free = grant(lowest, highest, weight, order, held, modules, size, free, first, end, cap)
                charger_left[at] = free * size
            else:
                limit = max(own, charger_left[at] + own)
                level = math.inf
                if asked > limit:
                    level = water_level(lowest, highest, weight, one, limit, first, end)
                for row in range(first, end):
                    cap[row] = pour(lowest[row], highest[row], weight[row], level)
        level = water_level(lowest, cap, weight, cost, max(reserved, site_left + reserved), start, end)
        for row in range(start, end):
            kw[row] = pour(lowest[row], cap[row], weight[row], level)
            site_left -= cost[row] * (kw[row] - lowest[row])
            if module_kw[charger[row]] == 0.0:
                charger_left[charger[row]] -= kw[row] - lowest[row]
        start = end


def equal_parts(
    charger: Indices,
    lowest: Numbers,
    highest: Numbers,
    weight: Numbers,
    cost: Numbers,
    order: Numbers,
    held: Indices,
    modules: MutableSequence[int],
    charger_kw: Numbers,
    module_kw: Numbers,
    site_kw: float,
    cap: MutableSequence[float],
    kw: MutableSequence[float],
) -> None:
    """The seed's uniform rule: equal parts, and what one row cannot use is not handed on.

    While the rows ask for more than the site has, everyone gets an equal part of the site and of the
    charger at most; otherwise only chargers that are asked for more than they have are divided. Only
    rows that ask for power count. A row whose lowest power (see `admit`) is above its part gets that, and
    the others divide the rest. Where a charger has modules they are granted up to those parts. The rows
    come sorted by charger.
    """
    rows = len(charger)
    one = [1.0] * rows
    # A level without a highest divides equally; who asks for nothing has no weight in it.
    endless = [math.inf] * rows
    heads = [1.0 if highest[row] > 0.0 else 0.0 for row in range(rows)]
    asked = 0.0
    charger_asked = [0.0 for _ in charger_kw]
    for row in range(rows):
        asked += cost[row] * highest[row]
        charger_asked[charger[row]] += highest[row]
    scarce = asked > site_kw
    start = 0
    while start < rows:
        end = start
        at = charger[start]
        used = 0
        while end < rows and charger[end] == at:
            used += modules[end]
            end += 1
        part = math.inf
        if scarce or charger_asked[at] > charger_kw[at]:
            part = water_level(lowest, endless, heads, one, charger_kw[at], start, end)
        for row in range(start, end):
            cap[row] = pour(lowest[row], highest[row], 1.0, part)
        if module_kw[at] > 0.0:
            free = int(charger_kw[at] / module_kw[at] + 0.5) - used
            wanted = list(cap)
            grant(lowest, wanted, weight, order, held, modules, module_kw[at], free, start, end, cap)
        start = end
    # An equal part of the site, not of what reaches the cars.
    part = math.inf
    if scarce:
        heads = [heads[row] / cost[row] for row in range(rows)]
        part = water_level(lowest, endless, heads, cost, site_kw, 0, rows)
    for row in range(rows):
        kw[row] = pour(lowest[row], cap[row], 1.0, part / cost[row])
