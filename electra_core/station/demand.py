"""A state read into a snapshot: what the sessions ask for and what there is, now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from electra_core.allocation import Demand, Limit, Snapshot
from electra_core.station.battery import energy_above_kwh, has_reserve, max_charge_kw, max_discharge_kw
from electra_core.station.config import StationConfig
from electra_core.station.state import BATTERY_ID, ConnectorId, Session, State

# Sessions by their place, with what they ask for.
Asked = Mapping[ConnectorId, tuple[Session, Demand]]
NOBODY: Asked = MappingProxyType({})


def site_limit_kw(config: StationConfig, state: State) -> float:
    """Import limit in force, kW: nothing widens the connection, and silence narrows it."""
    limits = [config.grid_capacity_kw]
    if state.site_limit_kw is not None:
        limits.append(state.site_limit_kw)
    if state.silent and config.fail_safe_limit_kw is not None:
        limits.append(config.fail_safe_limit_kw)
    return min(limits)


def site_left_kw(config: StationConfig, state: State) -> float:
    """What the site's own load leaves of the limit, kW; negative where it is above it."""
    return site_limit_kw(config, state) - state.static_load_kw - config.standing_kw


def read_demands(config: StationConfig, state: State, known: Asked = NOBODY) -> Asked:
    """What each session asks for now, with the session that asks.

    ``known`` is what was read before: whoever has not changed since asks for the same.
    """
    keeping = _keeping(config, state) if config.module_kw else set()
    asked = {}
    for place, session in state.sessions.items():
        keeps, works = place[0] in keeping, state.is_available(place)
        pair = known.get(place)
        if (
            pair is None
            or pair[0] is not session
            or pair[1].keeps_modules != keeps
            or works == (pair[1].ceiling_by is Limit.FAULT)
        ):
            pair = (session, demand_of(config, state, session, keeps))
        asked[place] = pair
    return asked


def read_snapshot(config: StationConfig, state: State, asked: Asked | None = None) -> Snapshot:
    """What the sessions ask for and what there is, now.

    A decision holds until somebody's energy runs out: see `clock.holds_s`.
    """
    pairs = (read_demands(config, state) if asked is None else asked).values()
    demands = tuple(demand for _, demand in pairs)
    boost_kw, charge_kw = battery_reach_kw(config, state)
    if config.battery is not None and config.battery.rule == "whole_session":
        boost_kw, charge_kw = min(boost_kw, carried_kw(config, demands)), 0.0
    return Snapshot(
        grid_kw=max(0.0, site_left_kw(config, state)),
        charger_kw=config.charger_kw,
        demands=demands,
        boost_kw=boost_kw,
        charge_kw=charge_kw,
        now_s=state.now_s,
        efficiency=config.efficiency,
        module_kw=config.module_kw,
        comfort_kw=_comfort_kw(config, state),
    )


def demand_of(config: StationConfig, state: State, session: Session, keeps_modules: bool = False) -> Demand:
    """What one session asks for now."""
    soc, remaining_kwh = session.soc, session.remaining_kwh
    max_kw, ceiling_by = 0.0, Limit.FINISHED
    if not state.is_available(session.connector_id):
        ceiling_by = Limit.FAULT
    elif remaining_kwh != 0.0:
        max_kw, ceiling_by = natural_kw(config, session, soc)
        freed_kw = session.meter.ceiling_kw
        if freed_kw is not None and freed_kw < max_kw:
            max_kw, ceiling_by = freed_kw, Limit.VEHICLE
    return Demand(
        session_id=session.session_id,
        charger_id=session.charger_id,
        max_kw=max_kw,
        # A car that takes less than the minimum at the end of its curve still gets what it takes.
        min_kw=min(max_kw, least_kw(config, session)),
        arrived_s=session.arrived_s,
        departs_s=session.departs_s,
        remaining_kwh=remaining_kwh,
        priority=session.priority,
        weight=session.weight,
        turn=None if config.rotation_s is None else session.turn.queue_position,
        modules=session.modules,
        keeps_modules=keeps_modules,
        ceiling_by=ceiling_by,
        on_battery=session.on_battery,
    )


def least_kw(config: StationConfig, session: Session) -> float:
    """Least useful power of car and connector, kW."""
    return max(config.plugs[session.connector_id].min_power_kw, session.vehicle.min_power_kw)


def natural_kw(config: StationConfig, session: Session, soc: float | None) -> tuple[float, Limit]:
    """What car, curve and connector allow at a SoC, kW, and which of them it is."""
    car_kw, plug_kw = session.vehicle.ceiling_kw(soc), config.plugs[session.connector_id].max_power_kw
    if plug_kw is not None and plug_kw < car_kw:
        return plug_kw, Limit.CONNECTOR
    return car_kw, Limit.VEHICLE


def _keeping(config: StationConfig, state: State) -> set[str]:
    """Chargers whose modules stay where they are, because the same sessions want them as before."""
    wanting = (
        (place[0], session.session_id)
        for place, session in state.sessions.items()
        if session.remaining_kwh != 0.0 and state.is_available(place)
    )
    claims = module_claims(config, wanting)
    return {name for name, ids in claims.items() if state.module_claims.get(name) == ids}


def module_claims(config: StationConfig, wanting: Iterable[tuple[str, str]]) -> dict[str, frozenset[str]]:
    """Who wants modules of each charger that has them, from pairs of charger and session."""
    claims: dict[str, set[str]] = {charger_id: set() for charger_id in config.module_kw}
    for charger_id, session_id in wanting:
        if charger_id in claims:
            claims[charger_id].add(session_id)
    return {charger_id: frozenset(ids) for charger_id, ids in claims.items()}


def battery_reach_kw(config: StationConfig, state: State) -> tuple[float, float]:
    """What the battery can give and take now, kW."""
    battery = config.battery
    if battery is None or BATTERY_ID in state.out_of_service:
        return 0.0, 0.0
    rests = state.now_s < state.battery_rests_until_s
    take_kw = max_charge_kw(battery, state.battery_kwh, site_limit_kw(config, state))
    return max_discharge_kw(battery, state.battery_kwh, rests), take_kw


def _comfort_kw(config: StationConfig, state: State) -> float | None:
    """Up to where the battery lifts sessions, kW; None above its reserve, where it lifts them to any."""
    battery = config.battery
    if battery is None or battery.rule != "hybrid" or not has_reserve(battery):
        return None
    above_kwh = energy_above_kwh(battery, state.battery_kwh, battery.reserve_soc)
    free = above_kwh > 0.0 and state.now_s >= state.reserve_rests_until_s
    return None if free else battery.comfort_power_kw


def carried_kw(config: StationConfig, demands: Sequence[Demand]) -> float:
    """What sessions that the battery carries whole take of it, within their chargers' limits, kW."""
    asked_kw: dict[str, float] = {}
    for demand in demands:
        if demand.on_battery:
            asked_kw[demand.charger_id] = asked_kw.get(demand.charger_id, 0.0) + demand.max_kw
    return sum(
        min(kw, config.charger_kw[charger_id]) / config.efficiency[charger_id]
        for charger_id, kw in asked_kw.items()
    )
