"""The loop of a simulation: what happens at a moment, a decision, and time until the next one."""

from __future__ import annotations

from typing import Any

from electra_core.simulation.advance import pass_time, rest
from electra_core.simulation.decide import decide
from electra_core.simulation.drivers import close, gives_up_s, leaves_s, settle, write_fate
from electra_core.simulation.records import FINE, Crowd, Desk, Moment, World
from electra_core.simulation.timers import next_due_s


def play(world: World, rank: Any, plan: Any, stop_s: float) -> bool:
    """Go on from where the world is up to a moment, or to the end of the run.

    It decides when a driver comes or leaves, a car is done, the battery is at a mark, or a turn or an
    assignment of modules is over; and where cars move along their curves, or ranks with time, at each step
    and once a control interval.

    Returns
    -------
    bool
        Whether the run is over; ``moment.fault`` says if it could not go on.
    """
    desk, log, crowd = world
    settings, moment = desk.settings, desk.moment
    if moment.now_s == 0.0 and moment.numbers == 0:
        rest(settings, desk.battery, moment, 0.0)
        moment.undecided = 1
    while moment.now_s < stop_s and moment.fault == FINE:
        settle(desk, log, crowd, rank, plan)
        # At the end of a step, so that each step of the record is a whole one.
        at_an_end = moment.step > 0 and moment.now_s == moment.step * settings.step_s
        if settings.until_empty and at_an_end and is_empty(moment, crowd):
            break
        if moment.undecided == 1 and moment.fault == FINE:
            decide(desk, rank, plan)
        if moment.fault == FINE:
            pass_time(desk, log, next_s(desk, crowd, stop_s))
            moment.undecided = 1
            if settings.each_call:
                decide(desk, rank, plan)
    if moment.now_s >= settings.horizon_s:
        close(desk, log, crowd)
    for number in range(moment.cars):
        write_fate(desk, log, desk.line[number].slot)
    return bool(moment.now_s < stop_s or moment.now_s >= settings.horizon_s)


def is_empty(moment: Moment, crowd: Crowd) -> bool:
    """Whether nobody is there and nobody will come."""
    return bool(moment.cars == 0 and moment.waiting == 0 and moment.next_visit == len(crowd.wishes))


def next_s(desk: Desk, crowd: Crowd, stop_s: float) -> float:
    """When something happens next that does not come from what the cars take, s."""
    settings, moment = desk.settings, desk.moment
    now_s, soon_s = moment.now_s, min(stop_s, settings.horizon_s)
    if settings.each_call:
        soon_s = min(soon_s, next_due_s(settings, desk.slots, desk.chargers, moment))
    idle = settings.until_empty and is_empty(moment, crowd)
    if moment.steady == 0 or settings.each_call or idle:
        soon_s = min(soon_s, (moment.step + 1) * settings.step_s)
    if moment.change < len(crowd.site):
        soon_s = min(soon_s, crowd.site[moment.change].step * settings.step_s)
    for rests_until_s in (moment.battery_rests_until_s, moment.reserve_rests_until_s):
        if rests_until_s > now_s:
            soon_s = min(soon_s, rests_until_s)
    if moment.next_visit < len(crowd.wishes):
        soon_s = min(soon_s, crowd.wishes[moment.next_visit].arrival_s)
    for number in range(moment.cars):
        soon_s = min(soon_s, leaves_s(desk.slots[desk.line[number].slot]))
    for number in range(moment.waiting):
        soon_s = min(soon_s, gives_up_s(crowd.wishes[crowd.waiting[number]]))
    return max(now_s, soon_s)
