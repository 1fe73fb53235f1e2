"""Drivers come, wait for a connector, plug in, and leave."""

from __future__ import annotations

import math
from typing import Any

from electra_core.simulation.advance import measure
from electra_core.simulation.decide import ask, decide, is_carried
from electra_core.simulation.records import NOBODY, Crowd, Desk, Log, Moment, Slot, Wish
from electra_core.simulation.timers import begin_turns
from electra_core.station import SOC_ROUNDING, energy_above_kwh, max_discharge_kw, room_below_kwh


def settle(desk: Desk, log: Log, crowd: Crowd, rank: Any, plan: Any) -> None:
    """Everything that happens at this moment: the site changes, drivers leave, and others come."""
    moment = desk.moment
    if moment.change < len(crowd.site) and crowd.site[moment.change].step <= moment.step:
        site = crowd.site[moment.change]
        moment.static_kw, moment.pv_kw, moment.limit_kw = site.static_kw, site.pv_kw, site.limit_kw
        moment.change += 1
        called(desk, rank, plan, False)
    while True:
        slot = next_to_leave(desk)
        if slot == NOBODY:
            break
        unplug(desk, log, slot)
        called(desk, rank, plan, True)
    give_up(desk.moment, log, crowd)
    number = 0
    while number < moment.waiting:
        visit = crowd.waiting[number]
        slot = free_slot(desk, crowd.wishes[visit])
        if slot == NOBODY:
            number += 1
        else:
            stop_waiting(moment, crowd, number)
            plug_in(desk, log, crowd.wishes[visit], visit, slot)
            called(desk, rank, plan, True)
    while moment.next_visit < len(crowd.wishes) and crowd.wishes[moment.next_visit].arrival_s <= moment.now_s:
        visit = moment.next_visit
        moment.next_visit += 1
        slot = free_slot(desk, crowd.wishes[visit])
        if slot == NOBODY:
            crowd.waiting[moment.waiting] = visit
            moment.waiting += 1
            give_up(desk.moment, log, crowd)
        else:
            plug_in(desk, log, crowd.wishes[visit], visit, slot)
            called(desk, rank, plan, True)


def close(desk: Desk, log: Log, crowd: Crowd) -> None:
    """Drivers leave, or give up, whose time is over as the run ends; nobody decides any more."""
    slot = next_to_leave(desk)
    while slot != NOBODY:
        unplug(desk, log, slot)
        slot = next_to_leave(desk)
    give_up(desk.moment, log, crowd)


def called(desk: Desk, rank: Any, plan: Any, counts: bool) -> None:
    """Decide after a call where each is decided by itself; the exercise's battery gains where it ``counts``."""
    desk.moment.undecided = 1
    if desk.settings.each_call and desk.moment.fault == 0:
        decide(desk, rank, plan)
        if counts and desk.settings.whole_session:
            gain(desk)


def gain(desk: Desk) -> None:
    """At each arrival and departure the exercise's battery gains when enough of the grid is free."""
    settings, battery, moment = desk.settings, desk.battery, desk.moment
    used_kw = moment.static_kw - moment.pv_kw + settings.standing_kw + moment.grid_kw
    if moment.limit_kw - used_kw < battery.recharge_free_share * settings.grid_kw:
        return
    room_kwh = room_below_kwh(battery, moment.stored_kwh, battery.max_soc)
    gain_kwh = min(room_kwh, battery.recharge_step_soc * battery.initial_capacity_kwh)
    moment.stored_kwh += gain_kwh
    moment.exercise_gain_kwh += gain_kwh


def next_to_leave(desk: Desk) -> int:
    """The connector of a driver who leaves now, who came first before others; -1 where nobody does."""
    leaves = NOBODY
    for number in range(desk.moment.cars):
        slot = desk.line[number].slot
        goes = leaves_s(desk.slots[slot]) <= desk.moment.now_s
        if goes and (leaves == NOBODY or desk.slots[slot].number < desk.slots[leaves].number):
            leaves = slot
    return leaves


def leaves_s(car: Slot) -> float:
    """When a driver leaves, s: at once, who said nothing and is done."""
    return -math.inf if car.departs_s == math.inf and car.remaining_kwh == 0.0 else car.departs_s


def unplug(desk: Desk, log: Log, slot: int) -> None:
    """A car leaves."""
    moment, car = desk.moment, desk.slots[slot]
    write_fate(desk, log, slot)
    log.fates[car.visit].left_s = moment.now_s
    car.visit = NOBODY
    car.on_battery = car.modules = 0
    car.ask_kw = car.offered_kw = 0.0
    number = 0
    while desk.line[number].slot != slot:
        number += 1
    for place in range(number, moment.cars - 1):
        desk.line[place].slot = desk.line[place + 1].slot
    moment.cars -= 1


def write_fate(desk: Desk, log: Log, slot: int) -> None:
    """What a car that stands there has got."""
    car = desk.slots[slot]
    log.fates[car.visit].energy_kwh = car.energy_kwh
    log.fates[car.visit].boost_kwh = car.boost_kwh


def give_up(moment: Moment, log: Log, crowd: Crowd) -> None:
    """Drivers whose patience, or time, is over leave without a connector."""
    number = 0
    while number < moment.waiting:
        visit = crowd.waiting[number]
        if gives_up_s(crowd.wishes[visit]) <= moment.now_s:
            stop_waiting(moment, crowd, number)
            log.fates[visit].balked, log.fates[visit].left_s = 1, moment.now_s
        else:
            number += 1


def gives_up_s(wish: Wish) -> float:
    """When a driver who waits leaves, s."""
    return min(wish.arrival_s + wish.patience_s, wish.departure_s)


def stop_waiting(moment: Moment, crowd: Crowd, number: int) -> None:
    """Take one out of the queue for connectors."""
    for place in range(number, moment.waiting - 1):
        crowd.waiting[place] = crowd.waiting[place + 1]
    moment.waiting -= 1


def free_slot(desk: Desk, wish: Wish) -> int:
    """The first free connector that a driver would take; -1 where there is none."""
    first, end = 0, len(desk.slots)
    if wish.slot != NOBODY:
        first, end = wish.slot, wish.slot + 1
    elif wish.charger != NOBODY:
        first, end = desk.chargers[wish.charger].first, desk.chargers[wish.charger].end
    for slot in range(first, end):
        if desk.slots[slot].visit == NOBODY:
            return slot
    return NOBODY


def plug_in(desk: Desk, log: Log, wish: Wish, visit: int, slot: int) -> None:
    """A car is plugged in."""
    moment, car, fate = desk.moment, desk.slots[slot], log.fates[visit]
    moment.numbers += 1
    moment.places += 1
    car.visit, car.number = visit, moment.numbers
    car.arrived_s, car.departs_s = moment.now_s, wish.departure_s
    car.max_kw, car.car_least_kw = wish.max_kw, wish.min_kw
    car.battery_kwh, car.arrival_soc, car.target_soc = wish.battery_kwh, wish.arrival_soc, wish.target_soc
    car.curve_start, car.curve_end = wish.curve_start, wish.curve_end
    car.priority, car.weight = wish.priority, wish.weight
    car.energy_kwh = car.boost_kwh = car.offered_kw = car.boost_kw = 0.0
    car.modules = car.on_battery = 0
    begin_turns(car, moment.places)
    measure(car)
    fate.slot, fate.plugged_s = slot, moment.now_s
    if car.remaining_kwh == 0.0:
        fate.done_s = moment.now_s
    # The line is in the order of chargers, and of plugging in at each.
    place = moment.cars
    while place > 0 and desk.slots[desk.line[place - 1].slot].charger > car.charger:
        desk.line[place].slot = desk.line[place - 1].slot
        place -= 1
    desk.line[place].slot = slot
    moment.cars += 1
    if desk.settings.whole_session and may_be_carried(desk, slot):
        car.on_battery = 1


def may_be_carried(desk: Desk, newcomer: int) -> bool:
    """Return whether the exercise's battery may carry this newcomer: see `exercise_battery`."""
    settings, battery, moment = desk.settings, desk.battery, desk.moment
    ask(desk)
    asked_kw = power_kw = need_kwh = 0.0
    for slot in range(len(desk.slots)):
        car = desk.slots[slot]
        charger = desk.chargers[car.charger]
        if car.visit == NOBODY:
            continue
        if not is_carried(car):
            asked_kw += car.ask_kw * charger.cost
        if is_carried(car) or slot == newcomer:
            power_kw += min(car.max_kw, charger.max_power_kw, car.plug_kw) / charger.efficiency
            need_kwh += car.remaining_kwh / charger.efficiency
    site_kw = max(0.0, moment.limit_kw - moment.static_kw + moment.pv_kw - settings.standing_kw)
    lowest_kwh = battery.boost_from_soc * battery.initial_capacity_kwh * (1.0 - SOC_ROUNDING)
    if asked_kw <= site_kw or moment.stored_kwh < lowest_kwh:
        return False
    reach_kw = max_discharge_kw(battery, moment.stored_kwh, moment.now_s < moment.battery_rests_until_s)
    above_kwh = energy_above_kwh(battery, moment.stored_kwh, battery.min_soc)
    return power_kw <= reach_kw and need_kwh <= above_kwh * battery.discharge_efficiency
