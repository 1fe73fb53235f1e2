"""The station as a picture: what `picture.js` draws, and what a press on it means."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from typing import Any

import anywidget
from traitlets import Dict

from electra_core.dashboard.station_page.html import (
    REASONS,
    battery_words,
    grid_words,
    is_held_back,
    name_of_car,
    site_kw,
)
from electra_core.dashboard.station_page.labels import label
from electra_core.station import (
    ChargerStatus,
    ConnectorId,
    ConnectorStatus,
    Explanation,
    SessionStatus,
    StationStatus,
)

# What a car is told at most about itself.
NAME_LETTERS = 60


class Picture(anywidget.AnyWidget):
    """Draws a scene; sends ``press``, ``depart`` with a ``place``, and ``close``."""

    _esm = resources.files("electra_core.dashboard.station_page").joinpath("diagram.js").read_text("utf-8")

    scene = Dict().tag(sync=True)


def scene_of(
    status: StationStatus,
    colours: Mapping[ConnectorId, str],
    chosen: tuple[ConnectorId, Explanation] | None = None,
) -> dict[str, Any]:
    """What the picture shows, as plain numbers and words; with the digits that the table shows.

    Parameters
    ----------
    status : the station now
    colours : of each connector
    chosen : a car's place and why it gets what it gets
    """
    return {
        "station": status.station_id,
        "grid": _grid(status),
        "battery": _battery(status),
        "site": _site(status),
        "chargers": [_charger(charger, colours) for charger in status.chargers],
        "selected": None if chosen is None else _selected(status, *chosen),
    }


def _grid(status: StationStatus) -> dict[str, Any]:
    used_kw, limit_kw = site_kw(status), status.site_limit_kw
    part = used_kw / limit_kw if limit_kw > 0.0 else float(used_kw > 0.0)
    words, held = grid_words(status)
    return {"power_kw": round(used_kw, 1), "words": words, "part": round(part, 4), "held": held}


def _battery(status: StationStatus) -> dict[str, Any]:
    battery = status.battery
    if battery is None:
        return {"power_kw": 0.0, "words": "none here", "part": 0.0, "held": False}
    return {
        "power_kw": round(battery.power_kw, 1),
        "words": f"{battery.state_of_charge:.0%}, {battery_words(battery, short=True)}",
        "part": round(battery.state_of_charge, 4),
        "held": not battery.available,
    }


def _site(status: StationStatus) -> dict[str, Any]:
    # All that is no car's and not the battery's, so that what flows in flows out.
    cars_kw = sum(session.allocated_power for _, _, session in status.sessions)
    battery_kw = status.battery.power_kw if status.battery else 0.0
    own_kw = site_kw(status) - battery_kw - cars_kw
    words = "load and losses" if own_kw - status.static_load_kw >= 0.05 else "static load"
    return {"power_kw": round(own_kw, 1), "words": words, "part": 0.0, "held": False}


def _charger(charger: ChargerStatus, colours: Mapping[ConnectorId, str]) -> dict[str, Any]:
    sessions = [each.session for each in charger.connectors if each.session is not None]
    return {
        "id": charger.charger_id,
        "limit_kw": charger.max_power,
        "power_kw": round(charger.offered_kw, 1),
        "grid_kw": round(sum(session.grid_kw for session in sessions), 2),
        "battery_kw": round(sum(session.battery_kw for session in sessions), 2),
        "available": charger.available,
        "plugs": [_plug(charger.charger_id, each, colours) for each in charger.connectors],
    }


def _plug(charger_id: str, connector: ConnectorStatus, colours: Mapping[ConnectorId, str]) -> dict[str, Any]:
    place, session = (charger_id, connector.connector_id), connector.session
    return {
        "label": label(place),
        "colour": colours[place],
        "available": connector.available,
        "car": None if session is None else _car(session),
    }


def _car(session: SessionStatus) -> dict[str, Any]:
    return {
        "name": name_of_car(session)[:NAME_LETTERS],
        "soc": None if session.soc is None else round(session.soc, 4),
        "target": round(session.target_soc, 4),
        "power_kw": round(session.allocated_power, 1),
        "ceiling_kw": round(session.ceiling_kw, 1),
        "why": REASONS[session.limited_by],
        "held": is_held_back(session),
    }


def _selected(status: StationStatus, place: ConnectorId, why: Explanation) -> dict[str, Any] | None:
    session = next((car for charger, number, car in status.sessions if (charger, number) == place), None)
    if session is None:
        return None
    helps = f"{why.what_if[:1].upper()}{why.what_if[1:]}." if why.what_if else ""
    minutes = session.minutes_to_target
    left = "" if minutes is None or minutes == 0.0 else f", about {minutes:.0f} min to its target"
    from_battery = (
        f", {session.battery_kw:.1f} kW of its power from the battery" if session.is_boosted else ""
    )
    facts = f"{session.energy_kwh:.1f} kWh so far{from_battery}{left}."
    return {
        "label": label(place),
        "place": list(place),
        "title": f"{name_of_car(session)[:NAME_LETTERS]} at {label(place)}",
        "lines": [f"{why[:1].upper()}{why[1:]}.", *([helps] if helps else []), facts],
    }
