"""The loop of a simulation: events of a moment, a decision, and time until the next one."""

from __future__ import annotations

from typing import Any

from electra_core.sessions import ArrivalQueue, arrival_queue
from electra_core.simulation.advance import pass_time, rest
from electra_core.simulation.decide import decide
from electra_core.simulation.drivers import close, settle, write_record
from electra_core.simulation.records import FINE, SimulationState, SiteState
from electra_core.simulation.timers import next_due_s


def play(state: SimulationState, rank: Any, plan: Any, stop_s: float) -> bool:
    """Play on from a state to a time, or to the end of the run.

    A decision is made when a driver comes or leaves, a car is done, the battery is at a mark, or a turn or an
    assignment of modules is over; and where cars move along their curves, or ranks with time, at each step
    and once a control interval.

    Returns
    -------
    bool
        Whether the run is over; ``site.error`` says if it could not go on.
    """
    station, log, queue = state.station, state.log, state.queue
    settings, site = station.settings, station.site
    if site.now_s == 0.0 and site.last_number == 0:
        rest(settings, station.battery, site, 0.0)
        site.undecided = 1
    while site.now_s < stop_s and site.error == FINE:
        settle(state, rank, plan)
        # At the end of a step, so that each step of the record is a whole one.
        at_an_end = site.step > 0 and site.now_s == site.step * settings.step_s
        if settings.until_empty and at_an_end and is_empty(site, queue):
            break
        if site.undecided == 1 and site.error == FINE:
            decide(station, rank, plan)
        if site.error == FINE:
            pass_time(station, log, next_s(state, stop_s))
            site.undecided = 1
            if settings.each_call:
                decide(station, rank, plan)
    if site.now_s >= settings.horizon_s:
        close(state)
    for number in range(site.cars):
        write_record(station, log, station.line[number].connector)
    return bool(site.now_s < stop_s or site.now_s >= settings.horizon_s)


def is_empty(site: SiteState, queue: ArrivalQueue) -> bool:
    """Return whether no car is there and no driver will come."""
    return bool(site.cars == 0 and arrival_queue.is_over(queue))


def next_s(state: SimulationState, stop_s: float) -> float:
    """Return when something happens next that does not come from what the cars draw, s."""
    station, settings, site = state.station, state.station.settings, state.station.site
    now_s, soon_s = site.now_s, min(stop_s, settings.horizon_s)
    if settings.each_call:
        soon_s = min(soon_s, next_due_s(station))
    idle = settings.until_empty and is_empty(site, state.queue)
    if site.steady == 0 or settings.each_call or idle:
        soon_s = min(soon_s, (site.step + 1) * settings.step_s)
    if site.change < len(state.site_steps):
        soon_s = min(soon_s, state.site_steps[site.change].step * settings.step_s)
    for rests_until_s in (site.battery_rests_until_s, site.reserve_rests_until_s):
        if rests_until_s > now_s:
            soon_s = min(soon_s, rests_until_s)
    soon_s = min(soon_s, arrival_queue.next_queue_s(state.queue))
    for number in range(site.cars):
        car = station.connectors[station.line[number].connector]
        soon_s = min(soon_s, arrival_queue.leaves_s(car))
    return max(now_s, soon_s)
