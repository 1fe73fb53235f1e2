"""The safe order of commands from one allocation to the next.

Chargers answer late, or never; a command may be lost or come twice. An increase therefore waits until the
decreases that make room for it are acknowledged: of its charger's power and of the site's. Room is what
the larger of the two allocations has at a limit; each kilowatt of it is promised to one increase only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

# What the battery is called among the sessions; its power is signed, and takes from the site.
BATTERY = "battery"

# Rounding in sums of many powers: a share of them that asks for no acknowledgement.
ROUNDING = 1e-12


@dataclass(frozen=True, slots=True)
class Load:
    """What one session, or the battery, is told, and what it takes of each limit on its way.

    Parameters
    ----------
    kw : the ceiling that it is told, kW; the battery's is negative where it discharges
    modules : whole modules assigned to it; None where its charger has none
    takes_kw : kW of each limit by its name
    """

    kw: float
    modules: int | None
    takes_kw: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class SetPoint:
    """One command.

    Attributes
    ----------
    number : place in the order, from 1
    session_id : whom it is for; ``battery`` is the station's battery
    kw : the new ceiling, kW; the battery never gives more than the cars take
    modules : whole modules, where the charger has them
    needs : numbers of the earlier commands that must be acknowledged before this one is sent
    """

    number: int
    session_id: str
    kw: float
    modules: int | None = None
    needs: tuple[int, ...] = ()


@dataclass(slots=True)
class _Room:
    """Free kW at one limit: ``free_kw`` at once, the rest when a command is acknowledged."""

    free_kw: float
    after: list[list[float]]

    def take(self, kw: float) -> list[int]:
        """Promise ``kw`` to an increase; the commands that it has to wait for."""
        needs = []
        used_kw = min(kw, self.free_kw)
        self.free_kw -= used_kw
        kw -= used_kw
        while kw > 0.0 and self.after:
            number, given_kw = self.after[-1]
            used_kw = min(kw, given_kw)
            kw -= used_kw
            needs.append(int(number))
            if used_kw == given_kw:
                self.after.pop()
            else:
                self.after[-1][1] -= used_kw
        return needs


def ordered(before: Mapping[str, Load], after: Mapping[str, Load]) -> tuple[SetPoint, ...]:
    """The commands that lead from some loads to others, decreases first.

    Whatever is lost, late or repeated: as long as each command waits for the acknowledgement of those
    that it needs, no limit carries more than in the larger of the two allocations.
    """
    rooms = _rooms(before.values(), after.values())
    commands: list[SetPoint] = []
    increases: list[tuple[str, Load, Load]] = []
    for name in sorted({*before, *after}):
        old = before[name] if name in before else _nothing(after[name])
        new = after[name] if name in after else _nothing(old)
        # Power may fall while modules come, or the other way round: what falls goes first, by itself.
        low = _lower(old, new)
        if low != old or (name not in before and low == new):
            commands.append(SetPoint(len(commands) + 1, name, low.kw, low.modules))
            for limit, kw in _change(low, old):
                rooms[limit].after.append([len(commands), kw])
        if new != low:
            increases.append((name, low, new))
    for name, low, new in increases:
        needs: set[int] = set()
        for limit, kw in _change(low, new):
            needs.update(rooms[limit].take(kw))
        commands.append(SetPoint(len(commands) + 1, name, new.kw, new.modules, tuple(sorted(needs))))
    return tuple(commands)


def _nothing(load: Load) -> Load:
    """What one that came or left has on the other side."""
    return Load(0.0, None if load.modules is None else 0, dict.fromkeys(load.takes_kw, 0.0))


def _lower(old: Load, new: Load) -> Load:
    """The lower of both in everything: it fits wherever one of them does."""
    counts = [count for count in (old.modules, new.modules) if count is not None]
    limits = {*old.takes_kw, *new.takes_kw}
    takes_kw = {limit: min(old.takes_kw.get(limit, 0.0), new.takes_kw.get(limit, 0.0)) for limit in limits}
    return Load(min(old.kw, new.kw), min(counts) if counts else None, takes_kw)


def _change(low: Load, high: Load) -> list[tuple[str, float]]:
    """What the second takes more than the first, of each limit of which it does."""
    limits = sorted({*low.takes_kw, *high.takes_kw})
    more = [(limit, high.takes_kw.get(limit, 0.0) - low.takes_kw.get(limit, 0.0)) for limit in limits]
    return [(limit, kw) for limit, kw in more if kw > 0.0]


def _rooms(before: Iterable[Load], after: Iterable[Load]) -> dict[str, _Room]:
    """What each limit has free now: as much as the new loads take more of it than the old ones."""
    sums: list[dict[str, float]] = []
    for loads in (before, after):
        sums.append({})
        for load in loads:
            for limit, kw in load.takes_kw.items():
                sums[-1][limit] = sums[-1].get(limit, 0.0) + kw
    rooms = {}
    for limit in {*sums[0], *sums[1]}:
        old_kw, new_kw = (each.get(limit, 0.0) for each in sums)
        rooms[limit] = _Room(max(0.0, new_kw - old_kw) + ROUNDING * max(1.0, new_kw, old_kw), [])
    return rooms
