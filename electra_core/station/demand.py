"""Read a state into a snapshot: what the sessions ask for and what is available, now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from electra_core.allocation import Demand, Limit, Snapshot
from electra_core.station.battery import energy_above_kwh, has_reserve, max_charge_kw, max_discharge_kw
from electra_core.station.config import StationConfig
from electra_core.station.state import BATTERY_ID, ConnectorId, Session, State

# The session at each connector and its demand.
Demands = Mapping[ConnectorId, tuple[Session, Demand]]
NO_DEMANDS: Demands = MappingProxyType({})


def site_limit_kw(config: StationConfig, state: State) -> float:
    """Return the import limit in force, kW: a call cannot exceed the connection, and silence lowers it."""
    limit_kw = config.grid_capacity_kw
    if state.site_limit_kw is not None:
        limit_kw = min(limit_kw, state.site_limit_kw)
    if state.silent and config.fail_safe_limit_kw is not None:
        limit_kw = min(limit_kw, config.fail_safe_limit_kw)
    return limit_kw


def site_left_kw(config: StationConfig, state: State) -> float:
    """Return what the site's own load leaves of its limit, kW; negative when the load is above it."""
    return site_limit_kw(config, state) - state.static_load_kw - config.standing_kw


def read_demands(config: StationConfig, state: State, known: Demands = NO_DEMANDS) -> Demands:
    """Return each session with its demand now.

    ``known`` holds the demands read before: a session that has not changed since has the same demand.
    """
    keeping = _keeping_modules(config, state) if config.module_kw else set()
    demands = {}
    for connector_id, session in state.sessions.items():
        keeps, works = connector_id[0] in keeping, state.is_available(connector_id)
        known_session, demand = known.get(connector_id, (None, None))
        same = demand is not None and known_session is session and demand.keeps_modules == keeps
        if demand is None or not same or works == (demand.ceiling_by is Limit.FAULT):
            demand = demand_of(config, state, session, keeps)
        demands[connector_id] = (session, demand)
    return demands


def read_snapshot(config: StationConfig, state: State, demands: Demands | None = None) -> Snapshot:
    """Return what the sessions ask for and what is available, now.

    A decision on it holds until a car or the battery has no energy left to take or give: see `holds_s`.
    """
    pairs = (read_demands(config, state) if demands is None else demands).values()
    asked = tuple(demand for _, demand in pairs)
    limit_kw, boost_kw, charge_kw = site_limit_kw(config, state), max_boost_kw(config, state), 0.0
    if config.battery is not None and config.battery.rule == "whole_session":
        boost_kw = min(boost_kw, carried_kw(config, asked))
    elif config.battery is not None and BATTERY_ID not in state.out_of_service:
        charge_kw = max_charge_kw(config.battery, state.battery_kwh, limit_kw)
    return Snapshot(
        grid_kw=max(0.0, limit_kw - state.static_load_kw - config.standing_kw),
        charger_kw=config.charger_kw,
        demands=asked,
        boost_kw=boost_kw,
        charge_kw=charge_kw,
        now_s=state.now_s,
        efficiency=config.efficiency,
        module_kw=config.module_kw,
        comfort_kw=_comfort_kw(config, state),
    )


def demand_of(config: StationConfig, state: State, session: Session, keeps_modules: bool = False) -> Demand:
    """Return what one session asks for now."""
    soc, remaining_kwh = session.soc, session.remaining_kwh
    max_kw, ceiling_by = 0.0, Limit.FINISHED
    if not state.is_available(session.connector_id):
        ceiling_by = Limit.FAULT
    elif remaining_kwh != 0.0:
        max_kw, ceiling_by = max_kw_of(config, session, soc)
        freed_kw = session.meter.ceiling_kw
        if freed_kw is not None and freed_kw < max_kw:
            max_kw, ceiling_by = freed_kw, Limit.VEHICLE
    return Demand(
        session_id=session.session_id,
        charger_id=session.charger_id,
        max_kw=max_kw,
        # A car that takes less than the minimum at the end of its curve still gets what it takes.
        min_kw=min(max_kw, min_kw_of(config, session)),
        arrived_s=session.arrived_s,
        departs_s=session.departs_s,
        remaining_kwh=remaining_kwh,
        priority=session.priority,
        weight=session.weight,
        turn=None if config.rotation_s is None else session.rotation.queue_position,
        modules=session.modules,
        keeps_modules=keeps_modules,
        ceiling_by=ceiling_by,
        on_battery=session.on_battery,
    )


def min_kw_of(config: StationConfig, session: Session) -> float:
    """Return the least useful power of car and connector, kW."""
    return max(config.connectors[session.connector_id].min_power_kw, session.vehicle.min_power_kw)


def max_kw_of(config: StationConfig, session: Session, soc: float | None) -> tuple[float, Limit]:
    """Return what car, curve and connector allow at a SoC, kW, and which of them it is."""
    car_kw = session.vehicle.ceiling_kw(soc)
    connector_kw = config.connectors[session.connector_id].max_power_kw
    if connector_kw is not None and connector_kw < car_kw:
        return connector_kw, Limit.CONNECTOR
    return car_kw, Limit.VEHICLE


def _keeping_modules(config: StationConfig, state: State) -> set[str]:
    """Return the chargers whose modules stay assigned, because the same sessions want them as before."""
    working = (each for each in state.sessions.values() if state.is_available(each.connector_id))
    wanting = ((each.charger_id, each.session_id) for each in working if each.remaining_kwh != 0.0)
    claims = module_claims(config, wanting)
    return {name for name, ids in claims.items() if state.module_claims.get(name) == ids}


def module_claims(config: StationConfig, wanting: Iterable[tuple[str, str]]) -> dict[str, frozenset[str]]:
    """Return the sessions that want modules of each charger with modules, from charger and session ids."""
    claims: dict[str, set[str]] = {charger_id: set() for charger_id in config.module_kw}
    for charger_id, session_id in wanting:
        if charger_id in claims:
            claims[charger_id].add(session_id)
    return {charger_id: frozenset(ids) for charger_id, ids in claims.items()}


def max_boost_kw(config: StationConfig, state: State) -> float:
    """Return what the battery can give now, kW."""
    if config.battery is None or BATTERY_ID in state.out_of_service:
        return 0.0
    rests = state.now_s < state.battery_rests_until_s
    return max_discharge_kw(config.battery, state.battery_kwh, rests)


def _comfort_kw(config: StationConfig, state: State) -> float | None:
    """Return up to which power the battery lifts sessions, kW; None above its reserve, where it lifts all."""
    battery = config.battery
    if battery is None or battery.rule != "hybrid" or not has_reserve(battery):
        return None
    above_kwh = energy_above_kwh(battery, state.battery_kwh, battery.reserve_soc)
    free = above_kwh > 0.0 and state.now_s >= state.reserve_rests_until_s
    return None if free else battery.comfort_power_kw


def carried_kw(config: StationConfig, demands: Sequence[Demand]) -> float:
    """Return what sessions that the battery alone feeds take of it, within their chargers' limits, kW."""
    asked_kw: dict[str, float] = {}
    for demand in demands:
        if demand.on_battery:
            asked_kw[demand.charger_id] = asked_kw.get(demand.charger_id, 0.0) + demand.max_kw
    limits_kw, share = config.charger_kw, config.efficiency
    return sum(min(kw, limits_kw[charger_id]) / share[charger_id] for charger_id, kw in asked_kw.items())
