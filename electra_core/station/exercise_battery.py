"""The exercise's battery rule, kept as the baseline: the battery feeds a session wholly, or not at all."""

from __future__ import annotations

from dataclasses import replace

from electra_core.allocation import Allocation
from electra_core.station.battery import energy_above_kwh, room_below_kwh
from electra_core.station.charging_curve import SOC_ROUNDING
from electra_core.station.config import StationConfig
from electra_core.station.demand import carried_kw, demand_of, max_boost_kw, read_snapshot, site_limit_kw
from electra_core.station.state import BATTERY_ID, Ledger, Session, State


def takes_on_battery(config: StationConfig, state: State, newcomer: Session) -> bool:
    """Decide whether the battery feeds this newcomer, wholly.

    It does when the cars on the grid ask for more than the site has, the battery is at ``boost_from_soc`` or
    above, and its power (and energy, if the car's need is known) is enough beside the sessions that it feeds.
    """
    battery = config.battery
    if battery is None or battery.rule != "whole_session":
        return False
    snapshot = read_snapshot(config, state.with_sessions([newcomer]))
    on_grid = [demand for demand in snapshot.demands if not demand.on_battery]
    if sum(each.max_kw * snapshot.cost(each.charger_id) for each in on_grid) <= snapshot.site_limit_kw:
        return False
    if state.battery_kwh < battery.boost_from_soc * battery.initial_capacity_kwh * (1.0 - SOC_ROUNDING):
        return False
    power_kw = need_kwh = 0.0
    for session in (*_carried(state), newcomer):
        share = config.efficiency[session.charger_id]
        power_kw += _peak_kw(config, session) / share
        need_kwh += (session.remaining_kwh or 0.0) / share
    above_floor_kwh = energy_above_kwh(battery, state.battery_kwh, battery.min_soc)
    has_power = power_kw <= max_boost_kw(config, state)
    return has_power and need_kwh <= above_floor_kwh * battery.discharge_efficiency


def releases(config: StationConfig, state: State) -> State:
    """Return sessions that the battery cannot feed any longer to the grid, the newest first.

    The exercise has no time, and its battery never runs down; here it does, and no car is left without power.
    """
    carried = _carried(state)
    if not carried:
        return state
    boost_kw, released = max_boost_kw(config, state), []
    while carried and carried_kw(config, [demand_of(config, state, each) for each in carried]) > boost_kw:
        released.append(replace(carried.pop(), on_battery=False))
    return state.with_sessions(released)


def gains(config: StationConfig, state: State, allocation: Allocation) -> State:
    """Return the state with the battery's gain at an arrival or departure, if enough of the grid is free."""
    battery = config.battery
    if battery is None or battery.rule != "whole_session" or BATTERY_ID in state.out_of_service:
        return state
    used_kw = state.static_load_kw + config.standing_kw + allocation.grid_kw
    if site_limit_kw(config, state) - used_kw < battery.recharge_free_share * config.grid_capacity_kw:
        return state
    room_kwh = room_below_kwh(battery, state.battery_kwh, battery.max_soc)
    gain_kwh = min(room_kwh, battery.recharge_step_soc * battery.initial_capacity_kwh)
    energy = state.energy + Ledger(exercise_gain_kwh=gain_kwh)
    return replace(state, battery_kwh=state.battery_kwh + gain_kwh, energy=energy)


def _carried(state: State) -> list[Session]:
    return [session for session in state.sessions.values() if session.on_battery]


def _peak_kw(config: StationConfig, session: Session) -> float:
    """Return the most that a session may ask for on its way, kW: the battery must be able to give that."""
    connector_kw = config.connectors[session.connector_id].max_power_kw
    limits = [session.vehicle.max_power_kw, config.charger_kw[session.charger_id]]
    return min(limits if connector_kw is None else [*limits, connector_kw])
