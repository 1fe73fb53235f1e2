"""Names and sentences of cars and connectors that all parts of the page share."""

from __future__ import annotations

from electra_core.station import ConnectorId, Session, Station, Vehicle

# A car that came over HTTP may be its power and nothing else.
NAMELESS = "A car"


def label(connector_id: ConnectorId) -> str:
    """Return the page's name of a connector: CP001·2."""
    charger_id, number = connector_id
    return f"{charger_id}·{number}"


def arrives(vehicle: Vehicle, connector_id: ConnectorId, soc: float | None = None) -> str:
    """Return the sentence of the log that a car has arrived."""
    charge = "" if soc is None else f" with {soc:.0%}"
    return f"{vehicle.name or NAMELESS} arrives at {label(connector_id)}{charge}"


def leaves(session: Session) -> str:
    """Return the sentence of the log that a car has left."""
    car, connector = session.vehicle.name or NAMELESS, label(session.connector_id)
    return f"{car} leaves {connector} with {session.energy_kwh:.1f} kWh"


def free_connectors(station: Station) -> list[ConnectorId]:
    """Return the connectors where a car can plug in now."""
    state = station.decision.state
    return [
        each for each in station.config.connectors if each not in state.sessions and state.is_available(each)
    ]


def clock(time_of_day_s: float, *, seconds: bool = False) -> str:
    """Return a time of day, 14:22, or with seconds 14:22:07."""
    minutes, rest = divmod(int(time_of_day_s), 60)
    shown = f"{minutes // 60 % 24:02d}:{minutes % 60:02d}"
    return f"{shown}:{rest:02d}" if seconds else shown
