"""The sharing arithmetic: water poured into a tree of limits.

Plain loops over sequences of numbers, so that the same functions run as they are on a click and
compiled in a simulation. Nobody here knows what a session is: a row has a charger, a lowest and a
highest power and a weight.

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
    lowest: Numbers, highest: Numbers, weight: Numbers, limit: float, start: int, end: int, held: float
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
                still += lowest[row]
            elif highest[row] <= weight[row] * level:
                still += highest[row]
                capped += 1
            else:
                rising += weight[row]
        if rising == 0.0:
            return math.inf
        if capped == capped_before:
            return level
        capped_before = capped
        level = max(level, (limit - still) / rising)


def water_level(
    lowest: Numbers, highest: Numbers, weight: Numbers, limit: float, start: int, end: int
) -> float:
    """Level at which rows ``start`` to ``end`` together take exactly ``limit``.

    Parameters
    ----------
    lowest, highest : kW of each row, ``0 <= lowest <= highest``; the lowest must fit the limit together
    weight : share of each row, greater than 0
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
        level = min(held, rising_level(lowest, highest, weight, limit, start, end, held))
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


def admit(
    queue: Indices,
    charger: Indices,
    lowest: MutableSequence[float],
    highest: MutableSequence[float],
    charger_kw: Numbers,
    site_kw: float,
) -> None:
    """Turn away, in the order of the queue, every row whose lowest power does not fit any more.

    A row that is turned away is left with 0 as its lowest and its highest.
    """
    site_used = 0.0
    charger_used = [0.0 for _ in charger_kw]
    for row in queue:
        need = lowest[row]
        at = charger[row]
        if need == 0.0:
            continue
        if (
            need <= highest[row]
            and charger_used[at] + need <= charger_kw[at] * (1.0 + ROUNDING)
            and site_used + need <= site_kw * (1.0 + ROUNDING)
        ):
            charger_used[at] += need
            site_used += need
        else:
            lowest[row] = 0.0
            highest[row] = 0.0


def share(
    tier: Numbers,
    charger: Indices,
    lowest: Numbers,
    highest: Numbers,
    weight: Numbers,
    charger_kw: Numbers,
    site_kw: float,
    cap: MutableSequence[float],
    kw: MutableSequence[float],
) -> None:
    """Fill the tree tier by tier; inside a tier by weighted max-min.

    Each charger is filled by itself first, which gives every row its cap; then the site is filled with
    those caps. The rows come sorted by tier, and by charger inside a tier, and their lowest powers fit
    (see `admit`). The answers are written to ``cap`` (what car and charger allow) and ``kw``.

    Parameters
    ----------
    tier, charger, lowest, highest, weight : one entry a row
    charger_kw : kW of each charger
    site_kw : kW of the site
    cap, kw : one entry a row, written
    """
    rows = len(tier)
    # Later tiers keep their minima while earlier ones fill.
    site_left = site_kw - sum(lowest)
    charger_left = list(charger_kw)
    for row in range(rows):
        charger_left[charger[row]] -= lowest[row]
    start = 0
    while start < rows:
        end = start
        reserved = 0.0
        while end < rows and tier[end] == tier[start]:
            first = end
            own = 0.0
            while end < rows and tier[end] == tier[start] and charger[end] == charger[first]:
                own += lowest[end]
                end += 1
            limit = max(own, charger_left[charger[first]] + own)
            level = water_level(lowest, highest, weight, limit, first, end)
            for row in range(first, end):
                cap[row] = pour(lowest[row], highest[row], weight[row], level)
            reserved += own
        level = water_level(lowest, cap, weight, max(reserved, site_left + reserved), start, end)
        for row in range(start, end):
            kw[row] = pour(lowest[row], cap[row], weight[row], level)
            charger_left[charger[row]] -= kw[row] - lowest[row]
            site_left -= kw[row] - lowest[row]
        start = end


def equal_parts(
    charger: Indices,
    lowest: Numbers,
    highest: Numbers,
    charger_kw: Numbers,
    site_kw: float,
    cap: MutableSequence[float],
    kw: MutableSequence[float],
) -> None:
    """The seed's uniform rule: equal parts, and what one row cannot use is not handed on.

    While the rows ask for more than the site has, everyone gets an equal part of the site and of the
    charger at most; otherwise only chargers that are asked for more than they have are divided. Only
    rows that ask for power count. A row whose part is below its lowest power gets 0.
    """
    rows = len(charger)
    asking = 0
    asked = 0.0
    charger_asking = [0 for _ in charger_kw]
    charger_asked = [0.0 for _ in charger_kw]
    for row in range(rows):
        if highest[row] > 0.0:
            asking += 1
            asked += highest[row]
            charger_asking[charger[row]] += 1
            charger_asked[charger[row]] += highest[row]
    scarce = asked > site_kw
    for row in range(rows):
        at = charger[row]
        cap[row] = highest[row]
        if highest[row] > 0.0 and (scarce or charger_asked[at] > charger_kw[at]):
            cap[row] = min(highest[row], charger_kw[at] / charger_asking[at])
        kw[row] = min(cap[row], site_kw / asking) if scarce and highest[row] > 0.0 else cap[row]
        if kw[row] < lowest[row]:
            kw[row] = 0.0
