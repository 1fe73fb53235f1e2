"""The safe order of commands from one allocation to the next.

Chargers answer late, or never; a command may be lost or arrive twice. An increase therefore waits until the
decreases that free power for it, of its charger and of the site, are acknowledged. The free power of a limit
is that of the larger of the two allocations there; each kilowatt of it is reserved for one increase only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

# The battery's name among the sessions; its power is signed, and takes from the site.
BATTERY = "battery"

# Rounding in sums of many powers: the part of them that needs no acknowledgement.
ROUNDING = 1e-12

# The number of no command: power that is free before the first of them.
AT_ONCE = 0


@dataclass(frozen=True, slots=True)
class Load:
    """A load: the setpoint of one session, or of the battery, and its power at each limit on its way."""

    kw: float  # the battery's is negative where it discharges
    modules: int | None  # whole modules assigned to it; None where its charger has none
    limits_kw: Mapping[str, float]  # that it takes of each limit, by the limit's name


@dataclass(frozen=True, slots=True)
class SetPoint:
    """One command.

    Attributes
    ----------
    number : place in the order, from 1
    session_id : the session that it is for; ``battery`` is the station's battery
    kw : the new setpoint, kW; the battery never gives more than the cars take
    modules : whole modules, where the charger has them
    needs : numbers of the earlier commands that must be acknowledged before this one is sent
    """

    number: int
    session_id: str
    kw: float
    modules: int | None = None
    needs: tuple[int, ...] = ()


def ordered_setpoints(before: Mapping[str, Load], after: Mapping[str, Load]) -> tuple[SetPoint, ...]:
    """Return the commands that lead from some loads to others, decreases first.

    As long as each command waits for the acknowledgement of those that it needs, no limit carries more than
    in the larger of the two allocations, even if commands are lost, late or repeated.
    """
    free_kw = _free_kw(before.values(), after.values())
    # The power that each command frees at each limit, kW.
    freed: dict[str, list[tuple[int, float]]] = {limit: [] for limit in free_kw}
    commands: list[SetPoint] = []
    increases: list[tuple[str, Load, Load]] = []
    for name in sorted({*before, *after}):
        old = before[name] if name in before else _nothing(after[name])
        new = after[name] if name in after else _nothing(old)
        # Power may fall while modules are added, or the other way round: the decrease is a command by itself.
        low = _lower(old, new)
        if low != old or (name not in before and low == new):
            commands.append(SetPoint(len(commands) + 1, name, low.kw, low.modules))
            for limit, kw in _increase(low, old):
                freed[limit].append((len(commands), kw))
        if new != low:
            increases.append((name, low, new))
    for limit, kw in free_kw.items():
        freed[limit].append((AT_ONCE, kw))
    for name, low, new in increases:
        needs: set[int] = set()
        for limit, kw in _increase(low, new):
            while kw > 0.0 and freed[limit]:
                number, part_kw = freed[limit].pop()
                needs.add(number)
                if part_kw > kw:
                    freed[limit].append((number, part_kw - kw))
                kw -= min(kw, part_kw)
        needed = tuple(sorted(needs - {AT_ONCE}))
        commands.append(SetPoint(len(commands) + 1, name, new.kw, new.modules, needed))
    return tuple(commands)


def _nothing(load: Load) -> Load:
    """Return the load of a session before it arrives or after it has left."""
    return Load(0.0, None if load.modules is None else 0, dict.fromkeys(load.limits_kw, 0.0))


def _lower(old: Load, new: Load) -> Load:
    """Return the lower of both in everything: it fits wherever one of them does."""
    counts = [count for count in (old.modules, new.modules) if count is not None]
    limits = {*old.limits_kw, *new.limits_kw}
    limits_kw = {limit: min(old.limits_kw.get(limit, 0.0), new.limits_kw.get(limit, 0.0)) for limit in limits}
    return Load(min(old.kw, new.kw), min(counts) if counts else None, limits_kw)


def _increase(low: Load, high: Load) -> list[tuple[str, float]]:
    """Return the limits of which the second load takes more than the first, and how much more."""
    limits = sorted({*low.limits_kw, *high.limits_kw})
    more = [(limit, high.limits_kw.get(limit, 0.0) - low.limits_kw.get(limit, 0.0)) for limit in limits]
    return [(limit, kw) for limit, kw in more if kw > 0.0]


def _free_kw(before: Iterable[Load], after: Iterable[Load]) -> dict[str, float]:
    """Return the power that is free at each limit now: by as much as the new loads take more than the old."""
    sums: list[dict[str, float]] = [{}, {}]
    for total, loads in zip(sums, (before, after), strict=True):
        for load in loads:
            for limit, kw in load.limits_kw.items():
                total[limit] = total.get(limit, 0.0) + kw
    free_kw = {}
    for limit in {*sums[0], *sums[1]}:
        old_kw, new_kw = (total.get(limit, 0.0) for total in sums)
        free_kw[limit] = max(0.0, new_kw - old_kw) + ROUNDING * max(1.0, new_kw, old_kw)
    return free_kw
