"""One decision on the records of a simulation: the same steps as `electra_core.decision`, in the same order.

What a session asks for, who takes turns and who keeps modules is read from records here and from a state
there; how power is shared is the very same code, `electra_core.filling`.
"""

from __future__ import annotations

import math
from collections.abc import MutableSequence, Sequence
from typing import Any

from electra_core import filling, storage
from electra_core.filling import (
    CHARGER,
    CONNECTOR,
    FAULT,
    FINISHED,
    MINIMUM,
    MODULE,
    PLAN,
    SITE,
    VEHICLE,
    Table,
)
from electra_core.simulation.world import (
    BAD_RANK,
    FINE,
    NOBODY,
    Battery,
    Charger,
    Moment,
    Settings,
    Slot,
    World,
    part_of,
)
from electra_core.strategies import LEAST_WEIGHT, MOST_WEIGHT
from electra_core.vehicles import power_at


def decide(world: World, rank: Any, plan: Any) -> None:
    """Decide until nothing falls due at once any more.

    ``rank`` answers with tier and weight for a connector and the numbers of its demand; ``plan``, where
    there is one, has the last word on what cars may ask for.
    """
    moment = world.moment[0]
    while moment.fault == FINE:
        fall_due(world.settings[0], world.slots, world.chargers, moment)
        ask(world)
        release_carried(world)
        if plan is not None:
            plan(world)
        share_out(world, rank)
        watch(world.settings[0], world.slots, world.chargers, world.line, moment)
        if next_due_s(world.settings[0], world.slots, world.chargers, moment) > moment.now_s:
            break
    moment.undecided = 0


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


def ask(world: World) -> None:
    """What each car asks for now, and which limit says so."""
    moment, slots = world.moment[0], world.slots
    for number in range(moment.cars):
        car = slots[world.line[number]]
        car.ask_kw, car.ceiling = 0.0, FINISHED
        if car.remaining_kwh > 0.0:
            car.ask_kw, car.ceiling = car.max_kw, VEHICLE
            if car.curve_end > car.curve_start:
                soc, kw = curve_of(world, car)
                car.ask_kw = min(car.max_kw, power_at(soc, kw, car.soc))
            if car.plug_kw < car.ask_kw:
                car.ask_kw, car.ceiling = car.plug_kw, CONNECTOR
        car.least_kw = min(car.ask_kw, max(car.plug_least_kw, car.car_least_kw))
    if world.settings[0].has_modules:
        keep_modules(slots, world.chargers)


def curve_of(world: World, car: Slot) -> tuple[Sequence[float], Sequence[float]]:
    """The points of a car's charging curve."""
    start, end = car.curve_start, car.curve_end
    return world.curve_soc[start:end], world.curve_kw[start:end]


def keep_modules(slots: Sequence[Slot], chargers: Sequence[Charger]) -> None:
    """Modules stay where they are while the same cars want them as before."""
    for number in range(len(chargers)):
        charger = chargers[number]
        charger.keeps = charger.claimed if charger.module_kw > 0.0 else 0
        for slot in range(charger.first, charger.end):
            wants = slots[slot].visit != NOBODY and slots[slot].remaining_kwh > 0.0
            if slots[slot].claim != (slots[slot].number if wants else NOBODY):
                charger.keeps = 0


def release_carried(world: World) -> None:
    """Cars that the battery cannot carry any longer go back to the grid, the newest first."""
    moment, slots, battery = world.moment[0], world.slots, world.battery[0]
    if not world.settings[0].whole_session:
        return
    rests = moment.now_s < moment.battery_rests_until_s
    reach_kw = storage.gives_kw(battery, moment.stored_kwh, rests)
    while carried_kw(slots, world.chargers) > reach_kw:
        newest = NOBODY
        for slot in range(len(slots)):
            if is_carried(slots[slot]) and (newest == NOBODY or slots[slot].number > slots[newest].number):
                newest = slot
        slots[newest].on_battery = 0


def is_carried(car: Slot) -> bool:
    """Whether the battery alone feeds this car."""
    return car.visit != NOBODY and car.on_battery == 1


def carried_kw(slots: Sequence[Slot], chargers: Sequence[Charger]) -> float:
    """What the cars that the battery carries take of it, within their chargers' limits, kW."""
    for charger in range(len(chargers)):
        chargers[charger].asked_kw = 0.0
    for slot in range(len(slots)):
        if is_carried(slots[slot]):
            chargers[slots[slot].charger].asked_kw += slots[slot].ask_kw
    total_kw = 0.0
    for charger in range(len(chargers)):
        asked_kw = min(chargers[charger].asked_kw, chargers[charger].max_power_kw)
        total_kw += asked_kw / chargers[charger].efficiency
    return total_kw


def share_out(world: World, rank: Any) -> None:
    """Read grid and battery, share their power, and write down what each car gets."""
    settings, moment, table = world.settings[0], world.moment[0], world.table
    carried = line_up(world, rank)
    if moment.fault != FINE:
        return
    boost_kw, charge_kw = reach_of_battery(settings, world.battery[0], moment)
    moment.may_boost = 1 if boost_kw > 0.0 else 0
    for charger in range(len(world.chargers)):
        table.rooms[charger].kw = world.chargers[charger].kw
        table.rooms[charger].module_kw = world.chargers[charger].module_kw
        world.chargers[charger].better = 0
    moment.grid_kw = moment.discharge_kw = moment.offered_kw = 0.0
    if settings.whole_session:
        charge_kw, boost_kw = 0.0, min(boost_kw, carried_kw(world.slots, world.chargers))
    if carried > 0:
        part = part_of(table, 0, carried)
        filling.carry(part, boost_kw)
        write_down(world, part, 0)
        boost_kw = 0.0
    part = part_of(table, carried, moment.cars)
    filling.decide(part, moment.site_kw, boost_kw, moment.comfort_kw, settings.divided == 1)
    write_down(world, part, carried)
    cars_kw, given_kw = moment.grid_kw, moment.discharge_kw
    moment.grid_kw, moment.charge_kw = filling.site_use(moment.site_kw, cars_kw, given_kw, charge_kw)
    weigh(world)


def reach_of_battery(settings: Settings, battery: Battery, moment: Moment) -> tuple[float, float]:
    """What the battery can give and take now, kW; beside it what the site has left, and comfort."""
    moment.site_kw = max(0.0, moment.limit_kw - moment.static_kw + moment.pv_kw - settings.standing_kw)
    moment.comfort_kw = math.inf
    if not settings.whole_session and storage.has_reserve(battery):
        above_kwh = storage.above_kwh(battery, moment.stored_kwh, battery.reserve_soc)
        if above_kwh == 0.0 or moment.now_s < moment.reserve_rests_until_s:
            moment.comfort_kw = battery.comfort_power_kw
    rests = moment.now_s < moment.battery_rests_until_s
    give_kw = storage.gives_kw(battery, moment.stored_kwh, rests)
    return give_kw, storage.takes_kw(battery, moment.stored_kwh, moment.limit_kw)


def line_up(world: World, rank: Any) -> int:
    """Rank the cars and write them into rows, sorted by tier and charger; those on the battery first.

    Returns
    -------
    int
        How many are on the battery.
    """
    moment, slots, line = world.moment[0], world.slots, world.line
    tiers, weights = world.tiers, world.weights
    cars, carried, sort = moment.cars, 0, False
    for number in range(cars):
        car = slots[line[number]]
        tiers[number], weights[number] = 0.0, 1.0
        if car.on_battery == 1:
            tiers[number], weights[number] = -math.inf, car.weight
            carried += 1
        elif car.ask_kw > 0.0:
            tiers[number], weights[number] = rank(
                line[number],
                car.ask_kw,
                car.least_kw,
                car.arrived_s,
                car.departs_s,
                car.remaining_kwh,
                car.priority,
                car.weight,
                moment.now_s,
            )
            if not (math.isfinite(tiers[number]) and LEAST_WEIGHT <= weights[number] <= MOST_WEIGHT):
                moment.fault, moment.fault_visit = BAD_RANK, car.visit
                moment.jain_power, moment.jain_share = tiers[number], weights[number]
                return 0
        sort = sort or tiers[number] != tiers[0]
    # The line is in order of chargers and numbers already, which a stable sort keeps.
    for number in range(cars):
        world.places[number] = number
    if sort:
        sort_places(tiers, world.places, world.spare, cars)
    for row in range(cars):
        place = world.places[row]
        world.row_slot[row] = line[place]
        write_row(world, row, tiers[place], weights[place])
    for start, end in ((0, carried), (carried, cars)):
        if start < end:
            queue_up(world, start, end)
            filling.tame(world.table.rows[start:end])
    return carried


def write_row(world: World, row: int, tier: float, weight: float) -> None:
    """One car as a row of numbers."""
    car, asked = world.slots[world.row_slot[row]], world.table.rows[row]
    charger = world.chargers[car.charger]
    asked.tier, asked.weight, asked.cost = tier, weight, charger.cost
    asked.lowest, asked.highest = car.least_kw, car.ask_kw
    asked.charger, asked.ceiling = car.charger, car.ceiling
    asked.held = car.modules
    asked.kept = car.modules if charger.keeps == 1 else 0
    needs = world.settings[0].takes_turns == 1 and car.ask_kw > 0.0 and charger.module_kw > 0.0
    asked.needed = 1 if needs else 0


def queue_up(world: World, start: int, end: int) -> None:
    """The order in which rows are admitted: by turn or tier, then by who came first."""
    settings, queue = world.settings[0], world.table.queue[start:end]
    if not settings.has_modules and not settings.has_minima:
        # Everybody is admitted, in any order.
        for row in range(end - start):
            queue[row] = row
        return
    # Numbers are given in the order of arrival.
    keys, places, count = world.tiers, world.places, end - start
    for row in range(count):
        keys[row], places[row] = world.slots[world.row_slot[start + row]].number, row
    sort_places(keys, places, world.spare, count)
    for row in range(count):
        turn = world.slots[world.row_slot[start + row]].turn_place
        keys[row] = turn if settings.takes_turns else world.table.rows[start + row].tier
    sort_places(keys, places, world.spare, count)
    for place in range(count):
        queue[place] = places[place]
        world.table.rows[start + queue[place]].order = place


def sort_places(
    keys: Sequence[float], places: MutableSequence[int], spare: MutableSequence[int], count: int
) -> None:
    """Sort places by their keys; equal ones stay in their order (merging from the bottom up).

    A library's sort would allocate, which compiled code here never does: see `compiled`.
    """
    width = 1
    while width < count:
        for start in range(0, count, 2 * width):
            left, right = start, min(start + width, count)
            middle, end = right, min(start + 2 * width, count)
            for at in range(start, end):
                if left < middle and (right >= end or keys[places[left]] <= keys[places[right]]):
                    spare[at] = places[left]
                    left += 1
                else:
                    spare[at] = places[right]
                    right += 1
        for at in range(count):
            places[at] = spare[at]
        width *= 2


def write_down(world: World, part: Table, start: int) -> None:
    """Give each car what its row got."""
    moment = world.moment[0]
    for row in range(len(part.rows)):
        car, share, outcome = world.slots[world.row_slot[start + row]], part.shares[row], part.outcomes[row]
        car.offered_kw, car.boost_kw = share.kw, outcome.boost
        car.modules, car.reason = share.modules, outcome.reason
        moment.grid_kw += part.rows[row].cost * share.kw
        moment.discharge_kw += part.rows[row].cost * outcome.boost
        moment.offered_kw += share.kw
        if outcome.better == 1:
            world.chargers[car.charger].better = 1


def weigh(world: World) -> None:
    """Whether time alone changes nothing before somebody's energy runs out; and how fair it is.

    Jain's index is taken over the cars that want power, where there are two or more.
    """
    settings, moment = world.settings[0], world.moment[0]
    moving, held_back = False, moment.discharge_kw > 0.0
    count, power, power2, share, share2 = 0, 0.0, 0.0, 0.0, 0.0
    for number in range(moment.cars):
        car = world.slots[world.line[number]]
        moving = moving or (car.offered_kw > 0.0 and car.curve_end > car.curve_start)
        held_back = held_back or car.reason in (CHARGER, SITE, MINIMUM, MODULE, PLAN)
        if car.ask_kw > 0.0:
            part = car.offered_kw / car.ask_kw
            count += 1
            power += car.offered_kw
            power2 += car.offered_kw * car.offered_kw
            share += part
            share2 += part * part
    rising = moment.charge_kw > 0.0 and (moment.may_boost == 0 or moment.comfort_kw < math.inf)
    calm = not held_back or (settings.timeless == 1 and not rising)
    moment.steady = 1 if calm and not moving else 0
    moment.contested = 1 if count > 1 else 0
    moment.jain_power = power * power / (count * power2) if power2 > 0.0 else 1.0
    moment.jain_share = share * share / (count * share2) if share2 > 0.0 else 1.0


def watch(
    settings: Settings,
    slots: Sequence[Slot],
    chargers: Sequence[Charger],
    line: Sequence[int],
    moment: Moment,
) -> None:
    """Start and stop the clocks of turns and modules by what was decided."""
    if settings.takes_turns:
        watch_turns(slots, line, moment)
    if not settings.has_modules:
        return
    for number in range(len(chargers)):
        charger = chargers[number]
        if charger.better == 0:
            charger.better_since_s = math.inf
        elif charger.better_since_s == math.inf:
            charger.better_since_s = moment.now_s
        charger.claimed = 1 if charger.module_kw > 0.0 else 0
        for slot in range(charger.first, charger.end):
            wants = slots[slot].visit != NOBODY and slots[slot].ask_kw > 0.0
            slots[slot].claim = slots[slot].number if wants else NOBODY


def watch_turns(slots: Sequence[Slot], line: Sequence[int], moment: Moment) -> None:
    """A turn counts from when the car is admitted and somebody waits to be."""
    somebody = False
    for number in range(moment.cars):
        somebody = somebody or waits(slots[line[number]])
    for number in range(moment.cars):
        car = slots[line[number]]
        counts = somebody and not waits(car) and car.reason not in (FAULT, FINISHED)
        counted = car.turn_since_s < math.inf
        # An interrupted turn goes on where it stopped: one that never ends would keep the others waiting.
        if counted and not counts:
            car.turn_had_s += moment.now_s - car.turn_since_s
            car.turn_since_s = math.inf
        elif counts and not counted:
            car.turn_since_s = moment.now_s


def waits(car: Slot) -> bool:
    """Whether a car waits to be admitted."""
    return car.offered_kw == 0.0 and (car.reason == MINIMUM or car.reason == MODULE)
