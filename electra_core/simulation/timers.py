"""What a simulated station does by itself as time passes: turns and power modules.

The same rules as those of `electra_core.station.timers`, on the records of a simulation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from electra_core.allocation import solver
from electra_core.simulation.records import NOBODY, Charger, Moment, Seat, Settings, Slot


def fall_due(settings: Settings, slots: Sequence[Slot], chargers: Sequence[Charger], moment: Moment) -> None:
    """Turns that are over go to the end of the queue; better modules that have lasted are given."""
    while settings.takes_turns:
        over = NOBODY
        for slot in range(len(slots)):
            is_over = slots[slot].visit != NOBODY and turn_over_s(settings, slots[slot]) <= moment.now_s
            if is_over and (over == NOBODY or slots[slot].turn_place < slots[over].turn_place):
                over = slot
        if over == NOBODY:
            break
        moment.places += 1
        begin_turns(slots[over], moment.places)
        chargers[slots[over].charger].claimed = 0
    if settings.has_modules:
        for charger in range(len(chargers)):
            if moment.now_s >= better_at_s(chargers[charger]):
                chargers[charger].claimed = 0
                chargers[charger].better_since_s = math.inf


def begin_turns(car: Slot, place: int) -> None:
    """A car queues for its turn."""
    car.turn_place, car.turn_had_s, car.turn_since_s = place, 0.0, math.inf


def turn_over_s(settings: Settings, car: Slot) -> float:
    """When a turn is over, s; infinite while it does not count."""
    return car.turn_since_s + max(0.0, settings.rotation_s - car.turn_had_s)


def better_at_s(charger: Charger) -> float:
    """When a better assignment of modules has lasted, s."""
    return charger.better_since_s + charger.module_hold_s


def next_due_s(
    settings: Settings, slots: Sequence[Slot], chargers: Sequence[Charger], moment: Moment
) -> float:
    """When a turn or an assignment of modules changes next, s."""
    due_s = math.inf
    if settings.takes_turns:
        for slot in range(len(slots)):
            if slots[slot].visit != NOBODY:
                due_s = min(due_s, turn_over_s(settings, slots[slot]))
    if settings.has_modules:
        for charger in range(len(chargers)):
            due_s = min(due_s, better_at_s(chargers[charger]))
    return due_s


def keep_modules(slots: Sequence[Slot], chargers: Sequence[Charger]) -> None:
    """Modules stay where they are while the same cars want them as before."""
    for number in range(len(chargers)):
        charger = chargers[number]
        charger.keeps = charger.claimed if charger.module_kw > 0.0 else 0
        for slot in range(charger.first, charger.end):
            wants = slots[slot].visit != NOBODY and slots[slot].remaining_kwh > 0.0
            if slots[slot].claim != (slots[slot].number if wants else NOBODY):
                charger.keeps = 0


def watch(
    settings: Settings,
    slots: Sequence[Slot],
    chargers: Sequence[Charger],
    line: Sequence[Seat],
    moment: Moment,
) -> None:
    """Start and stop the clocks of turns and modules by what was decided."""
    if settings.takes_turns:
        watch_turns(slots, line, moment)
    if not settings.has_modules:
        return
    for number in range(len(chargers)):
        charger = chargers[number]
        if charger.better_modules == 0:
            charger.better_since_s = math.inf
        elif charger.better_since_s == math.inf:
            charger.better_since_s = moment.now_s
        charger.claimed = 1 if charger.module_kw > 0.0 else 0
        for slot in range(charger.first, charger.end):
            wants = slots[slot].visit != NOBODY and slots[slot].ask_kw > 0.0
            slots[slot].claim = slots[slot].number if wants else NOBODY


def watch_turns(slots: Sequence[Slot], line: Sequence[Seat], moment: Moment) -> None:
    """A turn counts from when the car is admitted and somebody waits to be."""
    somebody = False
    for number in range(moment.cars):
        somebody = somebody or waits(slots[line[number].slot])
    for number in range(moment.cars):
        car = slots[line[number].slot]
        counts = somebody and not waits(car) and car.limited_by not in (solver.FAULT, solver.FINISHED)
        counted = car.turn_since_s < math.inf
        # An interrupted turn goes on where it stopped: one that never ends would keep the others waiting.
        if counted and not counts:
            car.turn_had_s += moment.now_s - car.turn_since_s
            car.turn_since_s = math.inf
        elif counts and not counted:
            car.turn_since_s = moment.now_s


def waits(car: Slot) -> bool:
    """Whether a car waits to be admitted."""
    return car.offered_kw == 0.0 and (car.limited_by == solver.MINIMUM or car.limited_by == solver.MODULE)
