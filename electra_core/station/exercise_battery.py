"""The exercise's battery rule, kept as the baseline: a session wholly from the battery, or not at all."""

from __future__ import annotations

from dataclasses import replace

from electra_core.allocation import Allocation
from electra_core.station.battery import energy_above_kwh, room_below_kwh
from electra_core.station.charging_curve import SOC_ROUNDING
from electra_core.station.config import StationConfig
from electra_core.station.demand import battery_reach_kw, carried_kw, demand_of, read_snapshot, site_limit_kw
from electra_core.station.state import BATTERY_ID, ConnectorId, Ledger, Session, State


def takes_on_battery(config: StationConfig, state: State, newcomer: Session) -> bool:
    """May the battery carry this newcomer, whole?

    When the cars on the grid ask for more than it has, the battery is at ``boost_from_soc`` or above,
    and its power (and energy, where the car's need is known) is enough beside those that it carries.
    """
    battery = config.battery
    if battery is None or battery.rule != "whole_session":
        return False
    snapshot = read_snapshot(
        config, replace(state, sessions={**state.sessions, newcomer.connector_id: newcomer})
    )
    asked_kw = sum(
        demand.max_kw * snapshot.cost(demand.charger_id)
        for demand in snapshot.demands
        if not demand.on_battery
    )
    if asked_kw <= snapshot.site_limit_kw:
        return False
    if state.battery_kwh < battery.boost_from_soc * battery.initial_capacity_kwh * (1.0 - SOC_ROUNDING):
        return False
    carried = [session for session in state.sessions.values() if session.on_battery]
    carried.append(newcomer)
    shares = [config.efficiency[session.charger_id] for session in carried]
    power_kw = sum(_peak_kw(config, each) / share for each, share in zip(carried, shares, strict=True))
    need_kwh = sum((each.remaining_kwh or 0.0) / share for each, share in zip(carried, shares, strict=True))
    reach_kw, _ = battery_reach_kw(config, state)
    above_floor_kwh = energy_above_kwh(battery, state.battery_kwh, battery.min_soc)
    return power_kw <= reach_kw and need_kwh <= above_floor_kwh * battery.discharge_efficiency


def releases(config: StationConfig, state: State) -> State:
    """Sessions that the battery cannot carry any longer go back to the grid, the newest first.

    In the exercise time stands still and a battery never runs down; ours does, and leaves no car behind.
    """
    reach_kw, _ = battery_reach_kw(config, state)
    carried = [session for session in state.sessions.values() if session.on_battery]
    released: dict[ConnectorId, Session] = {}
    while carried and carried_kw(config, [demand_of(config, state, each) for each in carried]) > reach_kw:
        session = carried.pop()
        released[session.connector_id] = replace(session, on_battery=False)
    return replace(state, sessions={**state.sessions, **released}) if released else state


def gains(config: StationConfig, state: State, allocation: Allocation) -> State:
    """At each arrival and departure the battery gains when enough of the grid is free."""
    battery = config.battery
    if battery is None or battery.rule != "whole_session" or BATTERY_ID in state.out_of_service:
        return state
    used_kw = state.static_load_kw + config.standing_kw + allocation.grid_kw
    if site_limit_kw(config, state) - used_kw < battery.recharge_free_share * config.grid_capacity_kw:
        return state
    room_kwh = room_below_kwh(battery, state.battery_kwh, battery.max_soc)
    gain_kwh = min(room_kwh, battery.recharge_step_soc * battery.initial_capacity_kwh)
    gained = Ledger(exercise_gain_kwh=gain_kwh)
    return replace(
        state,
        battery_kwh=state.battery_kwh + gain_kwh,
        energy=state.energy + gained,
        this_hour=state.this_hour + gained,
    )


def _peak_kw(config: StationConfig, session: Session) -> float:
    """The most that a session may ask for on its way, kW: the battery must be able to carry that."""
    plug_kw = config.plugs[session.connector_id].max_power_kw
    limits = [session.vehicle.max_power_kw, config.charger_kw[session.charger_id]]
    return min(limits if plug_kw is None else [*limits, plug_kw])
