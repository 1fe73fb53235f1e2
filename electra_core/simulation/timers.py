"""Turns and power modules of a simulated station, which change as time passes.

The same rules as those of `electra_core.station.timers`, on the records of a simulation.
"""

from __future__ import annotations

import math

from electra_core.allocation import solver
from electra_core.sessions import ABSENT
from electra_core.simulation.records import Charger, ConnectorState, Settings, StationArrays


def apply_due(station: StationArrays) -> None:
    """Put turns that are over at the end of the queue, and give better modules that have lasted."""
    settings, site = station.settings, station.site
    connectors, chargers = station.connectors, station.chargers
    while settings.takes_turns:
        over = ABSENT
        for connector in range(len(connectors)):
            car = connectors[connector]
            is_over = car.arrival != ABSENT and turn_over_s(settings, car) <= site.now_s
            if is_over and (over == ABSENT or car.turn_place < connectors[over].turn_place):
                over = connector
        if over == ABSENT:
            break
        site.last_turn_place += 1
        begin_turns(connectors[over], site.last_turn_place)
        chargers[connectors[over].charger].claimed = 0
    if settings.has_modules:
        for charger in range(len(chargers)):
            if site.now_s >= better_at_s(chargers[charger]):
                chargers[charger].claimed = 0
                chargers[charger].better_since_s = math.inf


def begin_turns(car: ConnectorState, turn_place: int) -> None:
    """Put a car into the queue for turns."""
    car.turn_place, car.turn_had_s, car.turn_since_s = turn_place, 0.0, math.inf


def turn_over_s(settings: Settings, car: ConnectorState) -> float:
    """Return when a turn is over, s; infinite while it does not count."""
    return car.turn_since_s + max(0.0, settings.rotation_s - car.turn_had_s)


def better_at_s(charger: Charger) -> float:
    """Return when a better assignment of modules has lasted, s."""
    return charger.better_since_s + charger.module_hold_s


def next_due_s(station: StationArrays) -> float:
    """Return when a turn or an assignment of modules changes next, s."""
    due_s = math.inf
    if station.settings.takes_turns:
        for connector in range(len(station.connectors)):
            if station.connectors[connector].arrival != ABSENT:
                due_s = min(due_s, turn_over_s(station.settings, station.connectors[connector]))
    if station.settings.has_modules:
        for charger in range(len(station.chargers)):
            due_s = min(due_s, better_at_s(station.chargers[charger]))
    return due_s


def keep_modules(station: StationArrays) -> None:
    """Keep modules at their connectors while the same cars want them as before."""
    for number in range(len(station.chargers)):
        charger = station.chargers[number]
        charger.keeps = charger.claimed if charger.module_kw > 0.0 else 0
        for connector in range(charger.first, charger.end):
            car = station.connectors[connector]
            wants = car.arrival != ABSENT and car.remaining_kwh > 0.0
            if car.claim != (car.number if wants else ABSENT):
                charger.keeps = 0


def watch(station: StationArrays) -> None:
    """Start and stop the clocks of turns and modules by the decision."""
    if station.settings.takes_turns:
        watch_turns(station)
    if not station.settings.has_modules:
        return
    for number in range(len(station.chargers)):
        charger = station.chargers[number]
        if charger.better_modules == 0:
            charger.better_since_s = math.inf
        elif charger.better_since_s == math.inf:
            charger.better_since_s = station.site.now_s
        charger.claimed = 1 if charger.module_kw > 0.0 else 0
        for connector in range(charger.first, charger.end):
            car = station.connectors[connector]
            wants = car.arrival != ABSENT and car.max_kw > 0.0
            car.claim = car.number if wants else ABSENT


def watch_turns(station: StationArrays) -> None:
    """Count a turn from when the car is admitted and another one waits to be."""
    site, any_waits = station.site, False
    for number in range(site.cars):
        any_waits = any_waits or waits(station.connectors[station.line[number].connector])
    for number in range(site.cars):
        car = station.connectors[station.line[number].connector]
        counts = any_waits and not waits(car) and car.limited_by not in (solver.FAULT, solver.FINISHED)
        counted = car.turn_since_s < math.inf
        # An interrupted turn goes on where it stopped: one that never ends would keep the others waiting.
        if counted and not counts:
            car.turn_had_s += site.now_s - car.turn_since_s
            car.turn_since_s = math.inf
        elif counts and not counted:
            car.turn_since_s = site.now_s


def waits(car: ConnectorState) -> bool:
    """Return whether a car waits to be admitted."""
    return car.offered_kw == 0.0 and (car.limited_by == solver.MINIMUM or car.limited_by == solver.MODULE)
