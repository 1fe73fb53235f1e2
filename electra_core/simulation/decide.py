"""One decision on the records of a simulation: the same steps as in a station, in the same order.

What a session asks for, who takes turns and who keeps modules is read from records here and from a state
there; how power is shared is the very same code, `electra_core.allocation.solver`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from electra_core.allocation import MAX_RANK_WEIGHT, MIN_RANK_WEIGHT, solver, waterfill
from electra_core.simulation.records import (
    BAD_RANK,
    FINE,
    NOBODY,
    Battery,
    Charger,
    Desk,
    Moment,
    Seat,
    Settings,
    Slot,
    table_of,
)
from electra_core.simulation.timers import fall_due, keep_modules, next_due_s, watch
from electra_core.station import energy_above_kwh, has_reserve, max_charge_kw, max_discharge_kw, power_at


def decide(desk: Desk, rank: Any, plan: Any) -> None:
    """Decide until nothing falls due at once any more.

    ``rank`` answers with tier and weight for a connector and the numbers of its demand; ``plan``, where
    there is one, has the last word on what cars may ask for.
    """
    settings, moment = desk.settings, desk.moment
    while moment.fault == FINE:
        if settings.each_call:
            fall_due(settings, desk.slots, desk.chargers, moment)
        ask(desk)
        if settings.whole_session:
            release_carried(desk)
        if plan is not None:
            plan(desk)
        if settings.has_modules:
            for charger in range(len(desk.chargers)):
                desk.chargers[charger].better_modules = 0
        share_out(desk, rank)
        if not settings.each_call:
            break
        watch(settings, desk.slots, desk.chargers, desk.line, moment)
        if next_due_s(settings, desk.slots, desk.chargers, moment) > moment.now_s:
            break
    moment.undecided = 0


def ask(desk: Desk) -> None:
    """What each car asks for now, and which limit says so."""
    moment, slots = desk.moment, desk.slots
    for number in range(moment.cars):
        car = slots[desk.line[number].slot]
        car.ask_kw, car.max_kw_by = 0.0, solver.FINISHED
        if car.remaining_kwh > 0.0:
            car.ask_kw, car.max_kw_by = car.max_kw, solver.VEHICLE
            if car.curve_end > car.curve_start:
                soc, kw = curve_of(desk, car)
                car.ask_kw = min(car.max_kw, power_at(soc, kw, car.soc))
            if car.plug_kw < car.ask_kw:
                car.ask_kw, car.max_kw_by = car.plug_kw, solver.CONNECTOR
        car.least_kw = min(car.ask_kw, max(car.plug_least_kw, car.car_least_kw))
    if desk.settings.has_modules:
        keep_modules(slots, desk.chargers)


def curve_of(desk: Desk, car: Slot) -> tuple[Sequence[float], Sequence[float]]:
    """The points of a car's charging curve."""
    start, end = car.curve_start, car.curve_end
    return desk.curve_soc[start:end], desk.curve_kw[start:end]


def release_carried(desk: Desk) -> None:
    """Cars that the battery cannot carry any longer go back to the grid, the newest first."""
    moment, slots, battery = desk.moment, desk.slots, desk.battery
    rests = moment.now_s < moment.battery_rests_until_s
    reach_kw = max_discharge_kw(battery, moment.stored_kwh, rests)
    while carried_kw(slots, desk.chargers) > reach_kw:
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
        chargers[charger].carried_kw = 0.0
    for slot in range(len(slots)):
        if is_carried(slots[slot]):
            chargers[slots[slot].charger].carried_kw += slots[slot].ask_kw
    total_kw = 0.0
    for charger in range(len(chargers)):
        asked_kw = min(chargers[charger].carried_kw, chargers[charger].max_power_kw)
        total_kw += asked_kw / chargers[charger].efficiency
    return total_kw


def share_out(desk: Desk, rank: Any) -> None:
    """Read grid and battery, share their power, and write down what each car gets."""
    settings, moment, chargers = desk.settings, desk.moment, desk.chargers
    carried = line_up(desk, rank)
    if moment.fault != FINE:
        return
    boost_kw, charge_kw = reach_of_battery(settings, desk.battery, moment)
    moment.may_boost = 1 if boost_kw > 0.0 else 0
    moment.grid_kw = moment.discharge_kw = moment.offered_kw = 0.0
    if settings.whole_session:
        charge_kw, boost_kw = 0.0, min(boost_kw, carried_kw(desk.slots, chargers))
        for charger in range(len(chargers)):
            chargers[charger].kw = chargers[charger].full_kw
        if carried > 0:
            table = table_of(desk, 0, carried)
            solver.fill_carried(table, boost_kw)
            write_down(desk, table, 0)
            boost_kw = 0.0
    table = table_of(desk, carried, moment.cars)
    solver.solve(table, moment.site_kw, boost_kw, moment.comfort_kw, settings.in_equal_parts == 1)
    write_down(desk, table, carried)
    cars_kw, given_kw = moment.grid_kw, moment.discharge_kw
    moment.grid_kw, moment.charge_kw = solver.site_use(moment.site_kw, cars_kw, given_kw, charge_kw)
    weigh(settings, desk.slots, desk.line, moment)


def reach_of_battery(settings: Settings, battery: Battery, moment: Moment) -> tuple[float, float]:
    """What the battery can give and take now, kW; beside it what the site has left, and comfort."""
    moment.site_kw = max(0.0, moment.limit_kw - moment.static_kw + moment.pv_kw - settings.standing_kw)
    moment.comfort_kw = math.inf
    if not settings.whole_session and has_reserve(battery):
        above_kwh = energy_above_kwh(battery, moment.stored_kwh, battery.reserve_soc)
        if above_kwh == 0.0 or moment.now_s < moment.reserve_rests_until_s:
            moment.comfort_kw = battery.comfort_power_kw
    rests = moment.now_s < moment.battery_rests_until_s
    give_kw = max_discharge_kw(battery, moment.stored_kwh, rests)
    return give_kw, max_charge_kw(battery, moment.stored_kwh, moment.limit_kw)


def line_up(desk: Desk, rank: Any) -> int:
    """Rank the cars and write them into rows, sorted by tier and charger; those on the battery first.

    Returns
    -------
    int
        How many are on the battery.
    """
    moment, slots, line = desk.moment, desk.slots, desk.line
    cars, carried, sort = moment.cars, 0, False
    for number in range(cars):
        seat, car = line[number], slots[line[number].slot]
        seat.tier, seat.weight, seat.place = 0.0, 1.0, number
        if car.on_battery == 1:
            seat.tier, seat.weight = -math.inf, car.weight
            carried += 1
        elif car.ask_kw > 0.0:
            seat.tier, seat.weight = rank(
                seat.slot,
                car.ask_kw,
                car.least_kw,
                car.arrived_s,
                car.departs_s,
                car.remaining_kwh,
                car.priority,
                car.weight,
                moment.now_s,
            )
            if not (math.isfinite(seat.tier) and MIN_RANK_WEIGHT <= seat.weight <= MAX_RANK_WEIGHT):
                moment.fault, moment.fault_visit = BAD_RANK, car.visit
                moment.fault_tier, moment.fault_weight = seat.tier, seat.weight
                return 0
        seat.key = seat.tier
        sort = sort or seat.tier != line[0].tier
    # The line is in order of chargers and numbers already, which a stable sort keeps.
    if sort:
        sort_places(line, cars)
    for row in range(cars):
        seat = line[line[row].place]
        line[row].row_slot = seat.slot
        car = slots[seat.slot]
        write_row(
            settings=desk.settings, seat=seat, car=car, charger=desk.chargers[car.charger], row=desk.rows[row]
        )
    for start, end in ((0, carried), (carried, cars)):
        queue_up(desk, start, end)
        solver.normalise_weights(desk.rows[start:end])
    return carried


def write_row(settings: Settings, seat: Seat, car: Slot, charger: Charger, row: waterfill.DemandRow) -> None:
    """One car as a row of numbers."""
    row.tier, row.weight, row.cost = seat.tier, seat.weight, charger.cost
    row.min_kw, row.max_kw = car.least_kw, car.ask_kw
    row.charger, row.max_kw_by = car.charger, car.max_kw_by
    row.modules_held = car.modules
    row.modules_kept = car.modules if charger.keeps == 1 else 0
    needs = settings.takes_turns == 1 and car.ask_kw > 0.0 and charger.module_kw > 0.0
    row.modules_needed = 1 if needs else 0


def queue_up(desk: Desk, start: int, end: int) -> None:
    """The order in which rows are admitted: by turn or tier, then by who came first."""
    settings, line, rows, count = desk.settings, desk.line, desk.rows, end - start
    if not settings.has_modules and not settings.has_minima:
        # Everybody is admitted, in any order.
        for row in range(count):
            rows[start + row].row_at = row
        return
    # Numbers are given in the order of arrival.
    for row in range(count):
        line[row].key, line[row].place = desk.slots[line[start + row].row_slot].number, row
    sort_places(line, count)
    for row in range(count):
        turn = desk.slots[line[start + row].row_slot].turn_place
        line[row].key = turn if settings.takes_turns else rows[start + row].tier
    sort_places(line, count)
    for place in range(count):
        row = line[place].place
        rows[start + place].row_at, rows[start + row].queue_position = row, place


def sort_places(line: Sequence[Seat], count: int) -> None:
    """Sort places by the keys of those seats; equal ones stay in their order (merging from the bottom up).

    A library's sort would allocate, which compiled code here never does: see `compiled`.
    """
    width = 1
    while width < count:
        for start in range(0, count, 2 * width):
            left, right = start, min(start + width, count)
            middle, end = right, min(start + 2 * width, count)
            for at in range(start, end):
                if left < middle and (
                    right >= end or line[line[left].place].key <= line[line[right].place].key
                ):
                    line[at].spare = line[left].place
                    left += 1
                else:
                    line[at].spare = line[right].place
                    right += 1
        for at in range(count):
            line[at].place = line[at].spare
        width *= 2


def write_down(desk: Desk, table: solver.DemandTable, start: int) -> None:
    """Give each car what its row got."""
    moment = desk.moment
    for number in range(len(table.rows)):
        row, share = table.rows[number], table.grants[number]
        car = desk.slots[desk.line[start + number].row_slot]
        car.offered_kw, car.boost_kw = share.kw, row.boost_kw
        car.modules, car.limited_by = share.modules, row.limited_by
        moment.grid_kw += row.cost * share.kw
        moment.discharge_kw += row.cost * row.boost_kw
        moment.offered_kw += share.kw
        if row.better_modules == 1:
            desk.chargers[car.charger].better_modules = 1


def weigh(settings: Settings, slots: Sequence[Slot], line: Sequence[Seat], moment: Moment) -> None:
    """Whether time alone changes nothing before somebody's energy runs out; and how fair it is.

    Jain's index is taken over the cars that want power, where there are two or more.
    """
    moving, held_back = False, moment.discharge_kw > 0.0
    count, power, power2, share, share2 = 0, 0.0, 0.0, 0.0, 0.0
    for number in range(moment.cars):
        car = slots[line[number].slot]
        moving = moving or (car.offered_kw > 0.0 and car.curve_end > car.curve_start)
        held_back = held_back or car.limited_by in (
            solver.CHARGER,
            solver.SITE,
            solver.MINIMUM,
            solver.MODULE,
            solver.PLAN,
        )
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
