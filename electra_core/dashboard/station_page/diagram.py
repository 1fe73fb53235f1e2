"""The station as a single-line diagram: the content that `diagram.js` draws."""

from __future__ import annotations

from importlib import resources
from typing import Any

import anywidget
from traitlets import Dict

from electra_core.dashboard.station_page.frame import CarView, ConnectorView, Frame
from electra_core.station import ChargerStatus

# Longer names do not fit.
MAX_NAME = 60


class Diagram(anywidget.AnyWidget):
    """Draws its content; sends ``press`` and ``depart`` with a ``connector_id``, and ``close``."""

    _esm = resources.files("electra_core.dashboard.station_page").joinpath("diagram.js").read_text("utf-8")

    content = Dict().tag(sync=True)


def diagram_content(frame: Frame) -> dict[str, Any]:
    """Return the diagram of a frame as plain numbers and words, with the digits that the table shows."""
    connectors = iter(frame.connectors)
    return {
        "station": frame.status.station_id,
        "grid": _grid(frame),
        "battery": _battery(frame),
        "site": _site(frame),
        "chargers": [
            _charger(charger, [next(connectors) for _ in charger.connectors])
            for charger in frame.status.chargers
        ],
        "selected": _selected(frame),
    }


def _grid(frame: Frame) -> dict[str, Any]:
    used_kw, limit_kw = frame.site_kw, frame.status.site_limit_kw
    part = used_kw / limit_kw if limit_kw > 0.0 else float(used_kw > 0.0)
    silent = ": meter silent" if frame.status.fail_safe else ""
    return {
        "power_kw": round(used_kw, 1),
        "words": f"limit {f'{limit_kw:.1f}'.removesuffix('.0')} kW{silent}",
        "part": round(part, 4),
        "held": bool(silent or frame.excess_kw or limit_kw == 0.0),
    }


def _battery(frame: Frame) -> dict[str, Any]:
    battery = frame.status.battery
    if battery is None:
        return {"power_kw": 0.0, "words": "none here", "part": 0.0, "held": False}
    return {
        "power_kw": round(battery.power_kw, 1),
        "words": f"{battery.state_of_charge:.0%}, {frame.battery_words}",
        "part": round(battery.state_of_charge, 4),
        "held": not battery.available,
    }


def _site(frame: Frame) -> dict[str, Any]:
    # All that goes neither to cars nor to the battery, so that what flows in flows out.
    cars_kw = sum(car.session.allocated_power for car in frame.cars)
    battery_kw = frame.status.battery.power_kw if frame.status.battery else 0.0
    own_kw = frame.site_kw - battery_kw - cars_kw
    words = "load and losses" if own_kw - frame.status.static_load_kw >= 0.05 else "static load"
    return {"power_kw": round(own_kw, 1), "words": words, "part": 0.0, "held": False}


def _charger(charger: ChargerStatus, connectors: list[ConnectorView]) -> dict[str, Any]:
    sessions = [each.car.session for each in connectors if each.car is not None]
    return {
        "id": charger.charger_id,
        "limit_kw": charger.max_power,
        "power_kw": round(charger.offered_kw, 1),
        "grid_kw": round(sum(session.grid_kw for session in sessions), 2),
        "battery_kw": round(sum(session.battery_kw for session in sessions), 2),
        "available": charger.available,
        "connectors": [_connector(each) for each in connectors],
    }


def _connector(connector: ConnectorView) -> dict[str, Any]:
    return {
        "label": connector.label,
        "colour": connector.colour,
        "available": connector.available,
        "car": None if connector.car is None else _car(connector.car),
    }


def _car(car: CarView) -> dict[str, Any]:
    session = car.session
    return {
        "name": car.name[:MAX_NAME],
        "soc": None if session.soc is None else round(session.soc, 4),
        "target_soc": round(session.target_soc, 4),
        "power_kw": round(session.allocated_power, 1),
        "max_kw": round(session.ceiling_kw, 1),
        "reason": car.reason,
        "held": car.is_held_back,
    }


def _selected(frame: Frame) -> dict[str, Any] | None:
    connector, why = frame.selected, frame.around.explanation
    if connector is None or connector.car is None or why is None:
        return None
    session, minutes = connector.car.session, connector.car.session.minutes_to_target
    helps = [f"{why.what_if[:1].upper()}{why.what_if[1:]}."] if why.what_if else []
    left = "" if minutes is None or minutes == 0.0 else f", about {minutes:.0f} min to its target"
    boost = f", {session.battery_kw:.1f} kW of its power from the battery" if session.battery_kw > 0.0 else ""
    return {
        "label": connector.label,
        "connector_id": list(connector.connector_id),
        "title": f"{connector.car.name[:MAX_NAME]} at {connector.label}",
        "lines": [
            f"{why[:1].upper()}{why[1:]}.",
            *helps,
            f"{session.energy_kwh:.1f} kWh so far{boost}{left}.",
        ],
    }
