"""Time passes on the records of a simulation: the same physics as `electra_core.station.engine`.

How a car climbs its curve and what a battery holds is the very same code: `charging_curve.climb`, `battery`.
"""

from __future__ import annotations

import math

from electra_core.allocation import solver
from electra_core.simulation.decide import curve_of
from electra_core.simulation.records import (
    Battery,
    ConnectorState,
    Energies,
    Log,
    Settings,
    SiteState,
    StationArrays,
)
from electra_core.station import (
    HOUR_S,
    SOC_ROUNDING,
    climb,
    conversion_loss_kwh,
    energy_above_kwh,
    lasts_s,
    stored_after_kwh,
)


def pass_time(station: StationArrays, log: Log, until_s: float) -> None:
    """Advance to a time, or until a car is done or the battery at a mark, if that is sooner."""
    settings, site = station.settings, station.site
    seconds, end_s = until_s - site.now_s, until_s
    holds_s = lasts_s(station.battery, site.stored_kwh, battery_flow_kw(site))
    if site.steady == 0:
        holds_s = min(holds_s, settings.control_interval_s)
    if site.now_s + holds_s < end_s:
        seconds, end_s = holds_s, site.now_s + holds_s
    while True:
        first_s = charge(station, seconds)
        if not site.now_s + first_s < end_s:
            break
        seconds, end_s = first_s, site.now_s + first_s
    account(station, log, seconds, end_s)
    site.now_s = end_s


def battery_flow_kw(site: SiteState) -> float:
    """Return the power into the battery, kW; negative out of it."""
    return site.charge_kw - site.discharge_kw


def charge(station: StationArrays, seconds: float) -> float:
    """Write the energy that each car draws in a time; return when the first reaches its target, s."""
    hours, first_s = seconds / HOUR_S, math.inf
    for number in range(station.site.cars):
        car = station.connectors[station.line[number].connector]
        car.drawn_kwh = 0.0
        if car.remaining_kwh > 0.0 and car.offered_kw > 0.0:
            soc, kw = curve_of(station, car)
            gained, used_h = climb(soc, kw, car.battery_kwh, car.soc, car.target_soc, car.offered_kw, hours)
            car.drawn_kwh = gained * car.battery_kwh
            if used_h < hours:
                first_s = min(first_s, HOUR_S * used_h)
    return first_s


def account(station: StationArrays, log: Log, seconds: float, end_s: float) -> None:
    """Add the energies of a time that has passed to cars, battery, totals and steps."""
    settings, battery, site = station.settings, station.battery, station.site
    hours = seconds / HOUR_S
    drawn_kwh, from_site_kwh, boosted_kwh = charge_cars(station, log, seconds, end_s)
    charged_kwh = site.charge_kw * hours
    used_kwh = max(0.0, from_site_kwh - boosted_kwh) + charged_kwh
    static_kwh, standby_kwh = site.static_kw * hours, settings.standing_kw * hours
    balance_kwh = static_kwh + standby_kwh - site.pv_kw * hours + used_kwh
    energies = Energies(
        imported_kwh=max(0.0, balance_kwh),
        grid_kwh=used_kwh,
        battery_kwh=charged_kwh - boosted_kwh,
        drawn_kwh=drawn_kwh,
        curtailed_kwh=max(0.0, -balance_kwh),
        stored_kwh=stored_after_kwh(battery, site.stored_kwh, charged_kwh, boosted_kwh),
    )
    site.imported_kwh += energies.imported_kwh
    site.static_kwh += static_kwh
    site.standby_kwh += standby_kwh
    site.delivered_kwh += drawn_kwh
    site.charger_loss_kwh += from_site_kwh - drawn_kwh
    site.battery_in_kwh += charged_kwh
    site.battery_out_kwh += boosted_kwh
    site.battery_loss_kwh += conversion_loss_kwh(battery, charged_kwh, boosted_kwh)
    site.pv_kwh += site.pv_kw * hours - energies.curtailed_kwh
    site.curtailed_kwh += energies.curtailed_kwh
    if site.contested == 1:
        site.contested_s += seconds
        site.jain_power_s += seconds * site.jain_power
        site.jain_share_s += seconds * site.jain_share
    write_steps(station, log, seconds, end_s, energies)
    site.stored_kwh = energies.stored_kwh
    if boosted_kwh > 0.0:
        rest(settings, battery, site, end_s)


def charge_cars(station: StationArrays, log: Log, seconds: float, end_s: float) -> tuple[float, float, float]:
    """Charge the cars; return the energy at connectors, at the site, and of that from the battery, kWh."""
    drawn_kwh = from_site_kwh = boosted_kwh = 0.0
    for number in range(station.site.cars):
        car = station.connectors[station.line[number].connector]
        efficiency = station.chargers[car.charger].efficiency
        count_time(log, car, seconds)
        if car.drawn_kwh > 0.0:
            boost_kwh = car.drawn_kwh * car.boost_kw / car.offered_kw
            car.energy_kwh += car.drawn_kwh
            car.boost_kwh += boost_kwh
            measure(car)
            if car.remaining_kwh == 0.0:
                log.sessions[car.arrival].done_s = end_s
            drawn_kwh += car.drawn_kwh
            from_site_kwh += car.drawn_kwh / efficiency
            boosted_kwh += boost_kwh / efficiency
    return drawn_kwh, from_site_kwh, boosted_kwh


def count_time(log: Log, car: ConnectorState, seconds: float) -> None:
    """Count the time for which a limit held a car back, and without power."""
    log.limited_s[car.arrival, car.limited_by] += seconds
    if car.offered_kw == 0.0 and car.limited_by != solver.FINISHED and car.limited_by != solver.FAULT:
        log.sessions[car.arrival].without_power_s += seconds


def measure(car: ConnectorState) -> None:
    """Write the SoC of a car, and the energy missing to its target; 0 where that is rounding."""
    car.soc = min(1.0, car.arrival_soc + car.energy_kwh / car.battery_kwh)
    missing = car.target_soc - car.soc
    car.remaining_kwh = missing * car.battery_kwh if missing > SOC_ROUNDING else 0.0


def rest(settings: Settings, battery: Battery, site: SiteState, now_s: float) -> None:
    """Rest a battery at its floor, or its reserve, for a control interval, or it would flutter."""
    if settings.whole_session or battery.initial_capacity_kwh == 0.0:
        return
    until_s = now_s + settings.control_interval_s
    if energy_above_kwh(battery, site.stored_kwh, battery.reserve_soc) == 0.0:
        site.reserve_rests_until_s = until_s
    if energy_above_kwh(battery, site.stored_kwh, battery.min_soc) == 0.0:
        site.battery_rests_until_s = until_s


def write_steps(station: StationArrays, log: Log, seconds: float, end_s: float, energies: Energies) -> None:
    """Spread the energies of a time, in which powers are constant, over the steps that it covers."""
    settings, site = station.settings, station.site
    now_s, first = site.now_s, site.step
    step = first
    while True:
        part = part_in_step(settings, step, now_s, end_s)
        log.imports[step].imported_kwh += part * energies.imported_kwh
        log.imports[step].seconds += part * seconds
        if settings.keep_timeline:
            record, start_s = log.steps[step], step * settings.step_s
            if now_s <= start_s:
                gone = (start_s - now_s) / (end_s - now_s) if end_s > now_s else 0.0
                record.offered_kw = site.offered_kw
                record.stored_kwh = site.stored_kwh + gone * (energies.stored_kwh - site.stored_kwh)
            record.grid_kwh += part * energies.grid_kwh
            record.battery_kwh += part * energies.battery_kwh
            record.drawn_kwh += part * energies.drawn_kwh
            record.curtailed_kwh += part * energies.curtailed_kwh
        next_s = step_end_s(settings, step)
        if end_s >= next_s and step + 1 < len(log.imports):
            site.step = step + 1
        if end_s <= next_s:
            break
        step += 1
    if settings.keep_timeline:
        write_connectors(station, log, first, step + 1, end_s)


def step_end_s(settings: Settings, step: int) -> float:
    """Return when a step ends, s."""
    return min((step + 1) * settings.step_s, settings.horizon_s)


def part_in_step(settings: Settings, step: int, now_s: float, end_s: float) -> float:
    """Return the part of a time that lies in a step."""
    start_s, next_s = step * settings.step_s, step_end_s(settings, step)
    if start_s <= now_s and end_s <= next_s:
        return 1.0
    return (min(next_s, end_s) - max(now_s, start_s)) / (end_s - now_s)


def write_connectors(station: StationArrays, log: Log, first: int, last: int, end_s: float) -> None:
    """Write the energy from each connector into steps from ``first`` to before ``last``."""
    settings, now_s = station.settings, station.site.now_s
    for number in range(station.site.cars):
        connector = station.line[number].connector
        car = station.connectors[connector]
        if car.drawn_kwh > 0.0:
            boost_kwh = car.drawn_kwh * car.boost_kw / car.offered_kw
            for step in range(first, last):
                part = part_in_step(settings, step, now_s, end_s)
                log.connector_kwh[step, connector] += part * car.drawn_kwh
                if boost_kwh > 0.0:
                    log.connector_boost_kwh[step, connector] += part * boost_kwh
