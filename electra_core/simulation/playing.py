"""The loop of a simulation: what happens at a moment, a decision, and time until the next one."""

from __future__ import annotations

from typing import Any

from electra_core.simulation.deciding import decide, next_due_s
from electra_core.simulation.passing import pass_time, rest
from electra_core.simulation.visiting import gives_up_s, settle, write_fate
from electra_core.simulation.world import FINE, World


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
    settings, moment = world.settings[0], world.moment[0]
    if moment.now_s == 0.0 and moment.numbers == 0:
        rest(settings, world.battery[0], moment, 0.0)
    while moment.now_s < stop_s and moment.fault == FINE:
        settle(world, rank, plan)
        if settings.until_empty and is_empty(world) and moment.now_s == moment.step * settings.step_s:
            break
        if moment.undecided == 1 and moment.fault == FINE:
            decide(world, rank, plan)
        if moment.fault == FINE:
            pass_time(world, next_s(world, stop_s))
            moment.undecided = 1
            if settings.each_call:
                decide(world, rank, plan)
    for number in range(moment.cars):
        write_fate(world, world.line[number])
    return bool(moment.now_s < stop_s or moment.now_s >= settings.horizon_s)


def is_empty(world: World) -> bool:
    """Whether nobody is there and nobody will come."""
    moment = world.moment[0]
    return bool(moment.cars == 0 and moment.waiting == 0 and moment.next_visit == len(world.wishes))


def next_s(world: World, stop_s: float) -> float:
    """When something happens next that does not come from what the cars take, s."""
    settings, moment = world.settings[0], world.moment[0]
    now_s, soon_s = moment.now_s, min(stop_s, settings.horizon_s)
    soon_s = min(soon_s, next_due_s(settings, world.slots, world.chargers, moment))
    if moment.steady == 0 or settings.each_call or (settings.until_empty and is_empty(world)):
        soon_s = min(soon_s, (moment.step + 1) * settings.step_s)
    if moment.change < len(world.site):
        soon_s = min(soon_s, world.site[moment.change].step * settings.step_s)
    for rests_until_s in (moment.battery_rests_until_s, moment.reserve_rests_until_s):
        if rests_until_s > now_s:
            soon_s = min(soon_s, rests_until_s)
    if moment.next_visit < len(world.wishes):
        soon_s = min(soon_s, world.wishes[moment.next_visit].arrival_s)
    for number in range(moment.cars):
        soon_s = min(soon_s, world.slots[world.line[number]].departs_s)
    for number in range(moment.waiting):
        soon_s = min(soon_s, gives_up_s(world.wishes[world.waiting[number]]))
    return max(now_s, soon_s)
