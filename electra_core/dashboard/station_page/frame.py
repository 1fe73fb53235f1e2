"""A frame: all that the page shows of one moment, computed once a redraw for all its parts."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from electra_core.allocation import Limit
from electra_core.dashboard.figures import Sample
from electra_core.dashboard.figures.bands import connector_colours
from electra_core.dashboard.station_page.labels import NAMELESS, clock, label
from electra_core.dashboard.station_page.log import LogEntry
from electra_core.dashboard.station_page.what_if import Outcome, ShadowStation
from electra_core.station import (
    BatteryStatus,
    ConnectorId,
    Explanation,
    SessionStatus,
    StationStatus,
)

REASONS = {
    Limit.VEHICLE: "the car's own curve",
    Limit.CONNECTOR: "connector limit",
    Limit.CHARGER: "charger limit",
    Limit.SITE: "site limit",
    Limit.MINIMUM: "waits: less is left than it needs",
    Limit.MODULE: "no power module is free",
    Limit.FAULT: "out of service",
    Limit.FINISHED: "done",
    Limit.PLAN: "held back by the plan",
}

# Limits of the station: the car could take more.
HELD_BACK = (Limit.CONNECTOR, Limit.CHARGER, Limit.SITE, Limit.MINIMUM, Limit.MODULE, Limit.PLAN)


@dataclass(frozen=True, slots=True)
class CarView:
    """A connected car: its session, its name, the time since when, and the words of its limit."""

    session: SessionStatus
    name: str
    since: str
    reason: str
    is_held_back: bool


@dataclass(frozen=True, slots=True)
class ConnectorView:
    """A connector with its label and colour, and its car, or None."""

    connector_id: ConnectorId
    label: str
    colour: str
    available: bool
    car: CarView | None


@dataclass(frozen=True, slots=True)
class Surroundings:
    """All of a frame that is not the station's status.

    Attributes
    ----------
    day_title, day_source : the day that is played, and the source of its figures
    notice : the reason why the page does not show the station as it is now
    clock_zero_s : the time of day when the station's clock showed 0, s
    seconds : the clock is shown with its seconds
    selected, explanation : the connector whose car is explained, and the explanation
    history : samples in the order of time
    log : newest first
    outcome, shadow : what became of the cars so far; a station under other rules, or None
    out_of_service : parts of the station, each as it was taken out of service
    """

    day_title: str = ""
    day_source: str = ""
    notice: str = ""
    clock_zero_s: float = 0.0
    seconds: bool = False
    selected: ConnectorId | None = None
    explanation: Explanation | None = None
    history: Sequence[Sample] = ()
    log: Sequence[LogEntry] = ()
    outcome: Outcome | None = None
    shadow: ShadowStation | None = None
    out_of_service: Container[ConnectorId] = ()


@dataclass(frozen=True, slots=True)
class Frame:
    """A status with its surroundings, and what several parts of the page need of both.

    Attributes
    ----------
    time : the time of day
    connectors : in the order of the configuration
    cars : those of them with a car
    free : connectors where a car can plug in now
    occupied : connectors with their cars, in the order of arrival
    selected : the connector whose car is explained
    site_kw : import of the whole site, static load and standby included, kW
    excess_kw : static load above the limit, where it is so large that it must be said, kW
    battery_words : what the battery does now
    """

    status: StationStatus
    around: Surroundings
    time: str
    connectors: tuple[ConnectorView, ...]
    cars: tuple[CarView, ...]
    free: tuple[ConnectorView, ...]
    occupied: tuple[tuple[ConnectorView, CarView], ...]
    selected: ConnectorView | None
    site_kw: float
    excess_kw: float
    battery_words: str


def frame_of(status: StationStatus, around: Surroundings | None = None) -> Frame:
    """Return the frame of a status."""
    around = around or Surroundings()
    styles = _styles(
        tuple(
            (charger.charger_id, each.connector_id)
            for charger in status.chargers
            for each in charger.connectors
        )
    )
    flat = (each for charger in status.chargers for each in charger.connectors)
    since = {
        session.session_id: clock(around.clock_zero_s + session.arrived_s)
        for _, _, session in status.sessions
    }
    connectors = tuple(
        ConnectorView(connector_id, name, colour, each.available, _car(each.session, since))
        for each, (connector_id, name, colour) in zip(flat, styles, strict=True)
    )
    occupied = [(each, each.car) for each in connectors if each.car is not None]
    occupied.sort(key=lambda pair: (pair[1].session.arrived_s, pair[1].session.session_id))
    site_kw = status.grid_kw + status.static_load_kw + status.standby_kw
    excess_kw = site_kw - status.site_limit_kw
    return Frame(
        status=status,
        around=around,
        time=clock(around.clock_zero_s + status.now_s, seconds=around.seconds),
        connectors=connectors,
        cars=tuple(each.car for each in connectors if each.car is not None),
        free=tuple(each for each in connectors if each.car is None and each.available),
        occupied=tuple(occupied),
        selected=next((each for each in connectors if each.connector_id == around.selected), None),
        site_kw=site_kw,
        excess_kw=excess_kw if excess_kw >= 0.05 else 0.0,
        battery_words=_battery_words(status.battery) if status.battery else "",
    )


@lru_cache(maxsize=8)
def _styles(connector_ids: tuple[ConnectorId, ...]) -> tuple[tuple[ConnectorId, str, str], ...]:
    """Return label and colour of each connector: the same in every frame of a station."""
    colours = connector_colours(connector_ids)
    return tuple((each, label(each), colours[each]) for each in connector_ids)


def _car(session: SessionStatus | None, since: Mapping[str, str]) -> CarView | None:
    if session is None:
        return None
    return CarView(
        session=session,
        name=session.vehicle or NAMELESS,
        since=since[session.session_id],
        reason=REASONS[session.limited_by],
        is_held_back=session.limited_by in HELD_BACK,
    )


def _battery_words(battery: BatteryStatus) -> str:
    if not battery.available:
        return "out of service"
    if battery.power_kw != 0.0:
        return "helping" if battery.power_kw < 0.0 else "charging"
    return "full" if battery.state_of_charge > 0.999 else "at rest"
