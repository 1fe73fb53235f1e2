"""The status of a station: one moment, as JSON, in the exercise's field names and in ours."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from electra_core.allocation import Allocation, Limit, name_of
from electra_core.station.charging_curve import MIN_OFFER_KW
from electra_core.station.config import StationConfig
from electra_core.station.config_parts import ChargerConfig
from electra_core.station.demand import site_limit_kw
from electra_core.station.engine import Decision
from electra_core.station.state import BATTERY_ID, ConnectorId, State

# Charging: has power. Waiting: wants power and has none. Suspended: out of service.
Condition = Literal["charging", "waiting", "suspended", "finished"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class SessionStatus(_Part):
    """A session: the exercise's fields first (powers in kW), then ours with their units."""

    session_id: str
    allocated_power: float
    vehicle_max_power: float
    is_boosted: bool
    boosted_power: float
    active: bool
    vehicle: str
    arrived_s: float
    departs_s: float | None
    priority: float
    weight: float
    condition: Condition
    waiting: bool
    ceiling_kw: float
    grid_kw: float
    battery_kw: float
    limited_by: Limit
    # The car's draw as far as its meter tells, and whole power modules if the charger has them.
    drawn_kw: float
    modules: int | None
    soc: float | None
    target_soc: float
    energy_kwh: float
    energy_from_battery_kwh: float
    remaining_kwh: float | None
    # At the power drawn now: a curve that falls on the way makes it longer.
    minutes_to_target: float | None


class ConnectorStatus(_Part):
    """A connector; ``session`` is None while no car is there."""

    connector_id: int
    session: SessionStatus | None
    available: bool


class ChargerStatus(_Part):
    """A charger, kW; ``max_asked_power`` is what its cars ask for now."""

    charger_id: str
    max_power: float
    max_asked_power: float
    connectors: tuple[ConnectorStatus, ...]
    offered_kw: float
    available: bool


class BoostStatus(_Part):
    """A session that the battery helps."""

    charger_id: str
    connector_id: int
    session_id: str
    boosted_power: float


class BatteryStatus(_Part):
    """The battery: SoC from 0 to 1; positive power charges it."""

    max_power: float
    state_of_charge: float
    session_boosts: tuple[BoostStatus, ...]
    power_kw: float
    energy_kwh: float
    capacity_kwh: float
    available: bool


class StationStatus(_Part):
    """The status of a station at one moment; ``grid_kw`` is the import for cars and battery."""

    station_id: str
    grid_capacity: float
    max_asked_power: float
    chargers: tuple[ChargerStatus, ...]
    battery: BatteryStatus | None
    now_s: float
    strategy: str
    site_limit_kw: float
    static_load_kw: float
    # The power that chargers and battery take at all times.
    standby_kw: float
    # The station is at its fail-safe limit, because the readings in ``silent`` are older than their lease.
    fail_safe: bool
    silent: tuple[str, ...]
    grid_kw: float
    unused_kw: float
    offered_kw: float
    delivered_kwh: float
    imported_kwh: float
    lost_kwh: float
    battery_in_kwh: float
    battery_out_kwh: float

    @property
    def sessions(self) -> tuple[tuple[str, int, SessionStatus], ...]:
        """Return charger, connector and session of each car that is there."""
        return tuple(
            (charger.charger_id, connector.connector_id, connector.session)
            for charger in self.chargers
            for connector in charger.connectors
            if connector.session is not None
        )


def read_status(config: StationConfig, decision: Decision) -> StationStatus:
    """Return one moment of a station in words and numbers."""
    state, allocation = decision.state, decision.allocation
    chargers = tuple(_charger(charger, decision) for charger in config.chargers)
    return StationStatus(
        station_id=config.station_id,
        grid_capacity=config.grid_capacity_kw,
        max_asked_power=sum(charger.max_asked_power for charger in chargers),
        chargers=chargers,
        battery=_battery(config, state, allocation),
        strategy=name_of(state.strategy),
        site_limit_kw=site_limit_kw(config, state),
        standby_kw=config.standing_kw,
        fail_safe=bool(state.silent),
        offered_kw=sum(allocation.offered_kw.values()),
        **_named(state, "now_s", "static_load_kw", "silent"),
        **_named(allocation, "grid_kw", "unused_kw"),
        **_named(state.ledger, "delivered_kwh", "imported_kwh", "lost_kwh"),
        **_named(state.ledger, "battery_in_kwh", "battery_out_kwh"),
    )


def _named(source: object, *names: str) -> dict[str, Any]:
    """Return attributes that have the same names in the status."""
    return {name: getattr(source, name) for name in names}


def _charger(charger: ChargerConfig, decision: Decision) -> ChargerStatus:
    connectors = []
    for number in range(1, len(charger.connectors) + 1):
        session = read_session(decision, (charger.id, number))
        works = decision.state.is_available((charger.id, number))
        connectors.append(ConnectorStatus(connector_id=number, session=session, available=works))
    sessions = [connector.session for connector in connectors if connector.session is not None]
    return ChargerStatus(
        charger_id=charger.id,
        max_power=charger.max_power_kw,
        max_asked_power=sum(session.ceiling_kw for session in sessions),
        connectors=tuple(connectors),
        offered_kw=sum(session.allocated_power for session in sessions),
        available=any(connector.available for connector in connectors),
    )


def read_session(decision: Decision, connector_id: ConnectorId) -> SessionStatus | None:
    """Return the session at a connector, without the rest of the station; None if no car is there."""
    session = decision.state.sessions.get(connector_id)
    if session is None:
        return None
    allocation, name = decision.allocation, session.session_id
    offered_kw, boost_kw = allocation.offered_kw[name], allocation.boost_kw[name]
    limited_by, drawn_kw = allocation.limited_by[name], session.drawn_kw(offered_kw)
    condition = _condition(limited_by, offered_kw)
    return SessionStatus(
        session_id=name,
        allocated_power=offered_kw,
        vehicle_max_power=session.vehicle.max_power_kw,
        is_boosted=boost_kw > 0.0,
        boosted_power=boost_kw,
        active=limited_by is not Limit.FINISHED,
        vehicle=session.vehicle.name,
        condition=condition,
        waiting=condition == "waiting",
        ceiling_kw=decision.demands[connector_id][1].max_kw,
        grid_kw=offered_kw - boost_kw,
        battery_kw=boost_kw,
        limited_by=limited_by,
        drawn_kw=drawn_kw,
        modules=allocation.modules.get(name),
        energy_from_battery_kwh=session.boost_kwh,
        minutes_to_target=_minutes(session.remaining_kwh, drawn_kw),
        **_named(session, "arrived_s", "departs_s", "priority", "weight"),
        **_named(session, "soc", "target_soc", "energy_kwh", "remaining_kwh"),
    )


def _condition(limited_by: Limit, offered_kw: float) -> Condition:
    if limited_by is Limit.FINISHED:
        return "finished"
    if limited_by is Limit.FAULT:
        return "suspended"
    return "charging" if offered_kw > 0.0 else "waiting"


def _minutes(remaining_kwh: float | None, drawn_kw: float) -> float | None:
    if remaining_kwh is None or (remaining_kwh > 0.0 and drawn_kw < MIN_OFFER_KW):
        return None
    return 60.0 * remaining_kwh / drawn_kw if remaining_kwh > 0.0 else 0.0


def _battery(config: StationConfig, state: State, allocation: Allocation) -> BatteryStatus | None:
    battery = config.battery
    if battery is None:
        return None
    boosts = []
    for (charger_id, connector), session in state.sessions.items():
        name, boost_kw = session.session_id, allocation.boost_kw[session.session_id]
        if boost_kw > 0.0:
            where = {"charger_id": charger_id, "connector_id": connector, "session_id": name}
            boosts.append(BoostStatus(boosted_power=boost_kw, **where))
    return BatteryStatus(
        max_power=battery.discharge_power_kw,
        state_of_charge=state.battery_kwh / battery.initial_capacity_kwh,
        session_boosts=tuple(boosts),
        power_kw=allocation.battery_kw,
        energy_kwh=state.battery_kwh,
        capacity_kwh=battery.initial_capacity_kwh,
        available=BATTERY_ID not in state.out_of_service,
    )
