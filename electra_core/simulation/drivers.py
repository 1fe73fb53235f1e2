"""Drivers of a simulation come, wait, plug in and leave, by the rule of `sessions.arrival_queue`."""

from __future__ import annotations

from typing import Any

from electra_core.sessions import ABSENT, arrival_queue
from electra_core.simulation.advance import measure
from electra_core.simulation.decide import ask, decide, is_carried
from electra_core.simulation.records import (
    FINE,
    Log,
    SimulationState,
    StationArrays,
)
from electra_core.simulation.timers import begin_turns
from electra_core.station import SOC_ROUNDING, energy_above_kwh, max_discharge_kw, room_below_kwh


def settle(state: SimulationState, rank: Any, plan: Any) -> None:
    """Let everything of this moment happen: the site changes, drivers leave, and others come."""
    station, log, queue, site = state.station, state.log, state.queue, state.station.site
    if site.change < len(state.site_steps) and state.site_steps[site.change].step <= site.step:
        change = state.site_steps[site.change]
        site.static_kw, site.pv_kw, site.limit_kw = change.static_kw, change.pv_kw, change.limit_kw
        site.change += 1
        decide_call(station, rank, plan, False)
    while True:
        connector = arrival_queue.next_to_leave(station.connectors, site.now_s)
        if connector == ABSENT:
            break
        unplug(station, log, connector)
        decide_call(station, rank, plan, True)
    while True:
        action, arrival, connector = arrival_queue.next_to_act(queue, station.connectors, site.now_s)
        if action == arrival_queue.NOTHING:
            break
        if action == arrival_queue.PLUGS_IN:
            plug_in(state, arrival, connector)
            decide_call(station, rank, plan, True)
        elif action == arrival_queue.GIVES_UP:
            give_up(log, arrival, site.now_s)


def close(state: SimulationState) -> None:
    """Let drivers leave, or give up, whose time is over as the run ends, without a decision."""
    station, queue, now_s = state.station, state.queue, state.station.site.now_s
    connector = arrival_queue.next_to_leave(station.connectors, now_s)
    while connector != ABSENT:
        unplug(station, state.log, connector)
        connector = arrival_queue.next_to_leave(station.connectors, now_s)
    arrival = arrival_queue.next_to_give_up(queue, now_s)
    while arrival != ABSENT:
        give_up(state.log, arrival, now_s)
        arrival = arrival_queue.next_to_give_up(queue, now_s)


def give_up(log: Log, arrival: int, now_s: float) -> None:
    """Write that a driver has left without a connector."""
    log.sessions[arrival].balked, log.sessions[arrival].left_s = 1, now_s


def decide_call(station: StationArrays, rank: Any, plan: Any, counts: bool) -> None:
    """Decide after a call where each has a decision; the exercise's battery gains where it ``counts``."""
    station.site.undecided = 1
    if station.settings.each_call and station.site.error == FINE:
        decide(station, rank, plan)
        if counts and station.settings.whole_session:
            gain(station)


def gain(station: StationArrays) -> None:
    """Charge the exercise's battery at an arrival or departure, when enough of the grid is free."""
    settings, battery, site = station.settings, station.battery, station.site
    used_kw = site.static_kw - site.pv_kw + settings.standing_kw + site.grid_kw
    if site.limit_kw - used_kw < battery.recharge_free_share * settings.grid_kw:
        return
    room_kwh = room_below_kwh(battery, site.stored_kwh, battery.max_soc)
    gain_kwh = min(room_kwh, battery.recharge_step_soc * battery.initial_capacity_kwh)
    site.stored_kwh += gain_kwh
    site.exercise_gain_kwh += gain_kwh


def unplug(station: StationArrays, log: Log, connector: int) -> None:
    """Let a car leave."""
    site, car = station.site, station.connectors[connector]
    write_record(station, log, connector)
    log.sessions[car.arrival].left_s = site.now_s
    car.arrival = ABSENT
    car.on_battery = car.modules = 0
    car.max_kw = car.offered_kw = 0.0
    number = 0
    while station.line[number].connector != connector:
        number += 1
    for place in range(number, site.cars - 1):
        station.line[place].connector = station.line[place + 1].connector
    site.cars -= 1


def write_record(station: StationArrays, log: Log, connector: int) -> None:
    """Write the record of the session at a connector."""
    car = station.connectors[connector]
    log.sessions[car.arrival].energy_kwh = car.energy_kwh
    log.sessions[car.arrival].boost_kwh = car.boost_kwh


def plug_in(state: SimulationState, index: int, connector: int) -> None:
    """Plug the car of an arrival in, by the indices of arrival and connector."""
    station, site, car = state.station, state.station.site, state.station.connectors[connector]
    arrival: Any = state.queue.arrivals[index]
    record = state.log.sessions[index]
    site.last_number += 1
    site.last_turn_place += 1
    car.arrival, car.number = index, site.last_number
    car.arrived_s, car.departs_s = site.now_s, arrival.departure_s
    car.vehicle_max_kw, car.vehicle_min_kw = arrival.max_kw, arrival.min_kw
    car.battery_kwh, car.arrival_soc = arrival.battery_kwh, arrival.arrival_soc
    car.target_soc = arrival.target_soc
    car.curve_start, car.curve_end = arrival.curve_start, arrival.curve_end
    car.priority, car.weight = arrival.priority, arrival.weight
    car.energy_kwh = car.boost_kwh = car.offered_kw = car.boost_kw = 0.0
    car.modules = car.on_battery = 0
    begin_turns(car, site.last_turn_place)
    measure(car)
    record.connector, record.plugged_s = connector, site.now_s
    if car.remaining_kwh == 0.0:
        record.done_s = site.now_s
    join_line(station, connector)
    if station.settings.whole_session and may_be_carried(station, connector):
        car.on_battery = 1


def join_line(station: StationArrays, connector: int) -> None:
    """Put a car into the line, which is in the order of chargers, and of plugging in at each."""
    line, charger = station.line, station.connectors[connector].charger
    place = station.site.cars
    while place > 0 and station.connectors[line[place - 1].connector].charger > charger:
        line[place].connector = line[place - 1].connector
        place -= 1
    line[place].connector = connector
    station.site.cars += 1


def may_be_carried(station: StationArrays, newcomer: int) -> bool:
    """Return whether the exercise's battery may carry this newcomer: see `exercise_battery`."""
    settings, battery, site = station.settings, station.battery, station.site
    ask(station)
    asked_kw = power_kw = need_kwh = 0.0
    for connector in range(len(station.connectors)):
        car = station.connectors[connector]
        charger = station.chargers[car.charger]
        if car.arrival == ABSENT:
            continue
        if not is_carried(car):
            asked_kw += car.max_kw * charger.cost
        if is_carried(car) or connector == newcomer:
            power_kw += (
                min(car.vehicle_max_kw, charger.max_power_kw, car.connector_max_kw) / charger.efficiency
            )
            need_kwh += car.remaining_kwh / charger.efficiency
    site_kw = max(0.0, site.limit_kw - site.static_kw + site.pv_kw - settings.standing_kw)
    lowest_kwh = battery.boost_from_soc * battery.initial_capacity_kwh * (1.0 - SOC_ROUNDING)
    if asked_kw <= site_kw or site.stored_kwh < lowest_kwh:
        return False
    reach_kw = max_discharge_kw(battery, site.stored_kwh, site.now_s < site.battery_rests_until_s)
    above_kwh = energy_above_kwh(battery, site.stored_kwh, battery.min_soc)
    return power_kw <= reach_kw and need_kwh <= above_kwh * battery.discharge_efficiency
