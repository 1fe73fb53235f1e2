"""The checks of a station's calls: each returns what a call refers to, or refuses it with a sentence."""

from __future__ import annotations

from electra_core.allocation import BATTERY, STRATEGIES, Strategy, StrategyError, find_strategy, name_of
from electra_core.errors import BadValueError, ConnectorFreeError, ConnectorTakenError, OutOfServiceError
from electra_core.station.config import StationConfig
from electra_core.station.state import BATTERY_ID, WHOLE_CHARGER, ConnectorId, Session, State
from electra_core.station.vehicles import Vehicle


def free_connector(config: StationConfig, state: State, charger_id: str, connector: int) -> ConnectorId:
    """Return a connector at which a car can plug in."""
    charger_id, connector = connector_id = config.known_connector(charger_id, connector)
    if connector_id in state.sessions:
        session_id = state.sessions[connector_id].session_id
        taken = f"connector {connector} of {charger_id} is taken by session {session_id}"
        raise ConnectorTakenError(taken)
    if not state.is_available(connector_id):
        raise OutOfServiceError(f"connector {connector} of {charger_id} is out of service")
    return connector_id


def session_at(
    config: StationConfig, state: State, charger_id: str, connector: int, otherwise: str
) -> Session:
    """Return the session at a connector; ``otherwise`` is the consequence of there being none."""
    charger_id, connector = connector_id = config.known_connector(charger_id, connector)
    if connector_id not in state.sessions:
        raise ConnectorFreeError(f"connector {connector} of {charger_id} is free: {otherwise}")
    return state.sessions[connector_id]


def check_car(vehicle: object, arrival_soc: float | None, target_soc: float | None) -> None:
    """Refuse what is no car, and a SoC that says nothing about this car."""
    if not isinstance(vehicle, Vehicle):
        raise BadValueError(f"vehicle must be a Vehicle, got {type(vehicle).__name__}")
    if (arrival_soc is not None or target_soc is not None) and vehicle.battery_kwh is None:
        raise BadValueError("a SoC needs a vehicle with battery_kwh: it is a share of that")
    if target_soc is not None and arrival_soc is None:
        words = "without it the way to the target is not known"
        raise BadValueError(f"target_soc needs arrival_soc: {words}")


def serviceable_part(config: StationConfig, charger_id: str, connector: int | None) -> ConnectorId:
    """Return what can be out of service: a connector, a charger, or the battery."""
    if isinstance(connector, bool):
        raise BadValueError(f"write available={connector}, by name")
    if charger_id == BATTERY:
        if config.battery is None or connector is not None:
            words = "it has no battery" if connector is None else "the battery has no connectors"
            raise BadValueError(f"{config.station_id}: {words}")
        return BATTERY_ID
    if connector is not None:
        return config.known_connector(charger_id, connector)
    return config.known_charger(charger_id), WHOLE_CHARGER


def known_strategy(strategy: str | Strategy) -> tuple[str | Strategy, str]:
    """Return a strategy as a state holds it, and its name.

    A shipped strategy is held by its name: a record can hold that too, and lead to the very same station.
    """
    try:
        rank = find_strategy(strategy)
    except StrategyError as error:
        raise BadValueError(str(error)) from None
    name = name_of(strategy)
    if STRATEGIES.get(name, rank) is not rank:
        raise BadValueError(f"{name} is a shipped strategy; give your own function another name")
    return (name if name in STRATEGIES else rank), name
