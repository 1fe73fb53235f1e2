"""Time passes on the records of a simulation: the same physics as `electra_core.station.engine`.

How a car climbs its curve and what a battery holds is the very same code: `charging_curve.climb`, `battery`.
"""

from __future__ import annotations

import math

from electra_core.allocation import solver
from electra_core.simulation.decide import curve_of
from electra_core.simulation.records import Battery, Desk, Log, Moment, Settings, Slot
from electra_core.station import (
    HOUR_S,
    SOC_ROUNDING,
    climb,
    conversion_loss_kwh,
    energy_above_kwh,
    lasts_s,
    stored_after_kwh,
)


def pass_time(desk: Desk, log: Log, until_s: float) -> None:
    """Let time pass up to a moment, or until a car is done or the battery at a mark, if that is sooner."""
    settings, moment = desk.settings, desk.moment
    seconds, end_s = until_s - moment.now_s, until_s
    holds_s = lasts_s(desk.battery, moment.stored_kwh, battery_flow_kw(moment))
    if moment.steady == 0:
        holds_s = min(holds_s, settings.control_interval_s)
    if moment.now_s + holds_s < end_s:
        seconds, end_s = holds_s, moment.now_s + holds_s
    while True:
        first_s = charge(desk, seconds)
        if not moment.now_s + first_s < end_s:
            break
        seconds, end_s = first_s, moment.now_s + first_s
    account(desk, log, seconds, end_s)
    moment.now_s = end_s


def battery_flow_kw(moment: Moment) -> float:
    """Power into the battery, kW; negative out of it."""
    return moment.charge_kw - moment.discharge_kw


def charge(desk: Desk, seconds: float) -> float:
    """What each car takes in that time; and when the first of them reaches its target, s."""
    hours, first_s = seconds / HOUR_S, math.inf
    for number in range(desk.moment.cars):
        car = desk.slots[desk.line[number].slot]
        car.taken_kwh = 0.0
        if car.remaining_kwh > 0.0 and car.offered_kw > 0.0:
            soc, kw = curve_of(desk, car)
            gained, used_h = climb(soc, kw, car.battery_kwh, car.soc, car.target_soc, car.offered_kw, hours)
            car.taken_kwh = gained * car.battery_kwh
            if used_h < hours:
                first_s = min(first_s, HOUR_S * used_h)
    return first_s


def account(desk: Desk, log: Log, seconds: float, end_s: float) -> None:
    """Write down what happened in a time that has passed."""
    settings, battery, moment = desk.settings, desk.battery, desk.moment
    hours = seconds / HOUR_S
    drawn_kwh = from_site_kwh = boosted_kwh = 0.0
    for number in range(moment.cars):
        car = desk.slots[desk.line[number].slot]
        efficiency = desk.chargers[car.charger].efficiency
        wait_or_charge(log, car, seconds)
        if car.taken_kwh > 0.0:
            boost_kwh = car.taken_kwh * car.boost_kw / car.offered_kw
            take(car, boost_kwh)
            if car.remaining_kwh == 0.0:
                log.fates[car.visit].done_s = end_s
            drawn_kwh += car.taken_kwh
            from_site_kwh += car.taken_kwh / efficiency
            boosted_kwh += boost_kwh / efficiency
    charged_kwh = moment.charge_kw * hours
    used_kwh = max(0.0, from_site_kwh - boosted_kwh) + charged_kwh
    static_kwh, standby_kwh = moment.static_kw * hours, settings.standing_kw * hours
    balance_kwh = static_kwh + standby_kwh - moment.pv_kw * hours + used_kwh
    imported_kwh, curtailed_kwh = max(0.0, balance_kwh), max(0.0, -balance_kwh)
    stored_kwh = stored_after_kwh(battery, moment.stored_kwh, charged_kwh, boosted_kwh)
    moment.imported_kwh += imported_kwh
    moment.static_kwh += static_kwh
    moment.standby_kwh += standby_kwh
    moment.delivered_kwh += drawn_kwh
    moment.charger_loss_kwh += from_site_kwh - drawn_kwh
    moment.battery_in_kwh += charged_kwh
    moment.battery_out_kwh += boosted_kwh
    moment.battery_loss_kwh += conversion_loss_kwh(battery, charged_kwh, boosted_kwh)
    moment.pv_kwh += moment.pv_kw * hours - curtailed_kwh
    moment.curtailed_kwh += curtailed_kwh
    if moment.contested == 1:
        moment.contested_s += seconds
        moment.jain_power_s += seconds * moment.jain_power
        moment.jain_share_s += seconds * moment.jain_share
    write_steps(
        desk,
        log,
        seconds,
        end_s,
        imported_kwh,
        used_kwh,
        charged_kwh - boosted_kwh,
        drawn_kwh,
        curtailed_kwh,
        stored_kwh,
    )
    moment.stored_kwh = stored_kwh
    if boosted_kwh > 0.0:
        rest(settings, battery, moment, end_s)


def wait_or_charge(log: Log, car: Slot, seconds: float) -> None:
    """Count what held a car back, and how long it had nothing."""
    log.limited_s[car.visit, car.limited_by] += seconds
    if car.offered_kw == 0.0 and car.limited_by != solver.FINISHED and car.limited_by != solver.FAULT:
        log.fates[car.visit].without_power_s += seconds


def take(car: Slot, boost_kwh: float) -> None:
    """Put energy into a car."""
    car.energy_kwh += car.taken_kwh
    car.boost_kwh += boost_kwh
    measure(car)


def measure(car: Slot) -> None:
    """A car's SoC, and what is missing to its target; 0 where that is rounding."""
    car.soc = min(1.0, car.arrival_soc + car.energy_kwh / car.battery_kwh)
    missing = car.target_soc - car.soc
    car.remaining_kwh = missing * car.battery_kwh if missing > SOC_ROUNDING else 0.0


def rest(settings: Settings, battery: Battery, moment: Moment, now_s: float) -> None:
    """A battery at its floor, or its reserve, gives nothing for a control interval, or it would flutter."""
    if settings.whole_session or battery.initial_capacity_kwh == 0.0:
        return
    until_s = now_s + settings.control_interval_s
    if energy_above_kwh(battery, moment.stored_kwh, battery.reserve_soc) == 0.0:
        moment.reserve_rests_until_s = until_s
    if energy_above_kwh(battery, moment.stored_kwh, battery.min_soc) == 0.0:
        moment.battery_rests_until_s = until_s


def write_steps(
    desk: Desk,
    log: Log,
    seconds: float,
    end_s: float,
    imported_kwh: float,
    grid_kwh: float,
    battery_kwh: float,
    drawn_kwh: float,
    curtailed_kwh: float,
    stored_kwh: float,
) -> None:
    """Spread the energies of a time, in which powers are constant, over the steps that it covers."""
    settings, moment = desk.settings, desk.moment
    now_s, first = moment.now_s, moment.step
    step = first
    while True:
        part = part_in_step(settings, step, now_s, end_s)
        log.imports[step].imported_kwh += part * imported_kwh
        log.imports[step].seconds += part * seconds
        if settings.keeps_steps:
            record, start_s = log.steps[step], step * settings.step_s
            if now_s <= start_s:
                gone = (start_s - now_s) / (end_s - now_s) if end_s > now_s else 0.0
                record.offered_kw = moment.offered_kw
                record.stored_kwh = moment.stored_kwh + gone * (stored_kwh - moment.stored_kwh)
            record.grid_kwh += part * grid_kwh
            record.battery_kwh += part * battery_kwh
            record.drawn_kwh += part * drawn_kwh
            record.curtailed_kwh += part * curtailed_kwh
        next_s = step_end_s(settings, step)
        if end_s >= next_s and step + 1 < len(log.imports):
            moment.step = step + 1
        if end_s <= next_s:
            break
        step += 1
    if settings.keeps_steps:
        write_slots(desk, log, first, step + 1, now_s, end_s)


def step_end_s(settings: Settings, step: int) -> float:
    """When a step ends, s."""
    return min((step + 1) * settings.step_s, settings.horizon_s)


def part_in_step(settings: Settings, step: int, now_s: float, end_s: float) -> float:
    """Which part of a time lies in a step."""
    start_s, next_s = step * settings.step_s, step_end_s(settings, step)
    if start_s <= now_s and end_s <= next_s:
        return 1.0
    return (min(next_s, end_s) - max(now_s, start_s)) / (end_s - now_s)


def write_slots(desk: Desk, log: Log, first: int, last: int, now_s: float, end_s: float) -> None:
    """What each connector gave in steps from ``first`` to before ``last``."""
    settings = desk.settings
    for number in range(desk.moment.cars):
        slot = desk.line[number].slot
        car = desk.slots[slot]
        if car.taken_kwh > 0.0:
            boost_kwh = car.taken_kwh * car.boost_kw / car.offered_kw
            for step in range(first, last):
                part = part_in_step(settings, step, now_s, end_s)
                log.slot_kwh[step, slot] += part * car.taken_kwh
                if boost_kwh > 0.0:
                    log.slot_boost_kwh[step, slot] += part * boost_kwh
