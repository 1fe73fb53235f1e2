"""The page's controls: thin widgets, linked to the model's traits and commands.

Each group is refreshed once a frame; in between it follows only traits that change without a frame.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import ipywidgets as widgets

from electra_core.allocation import STRATEGIES
from electra_core.dashboard.station_page.frame import Frame
from electra_core.dashboard.station_page.model import StationModel
from electra_core.dashboard.station_page.playback_model import CUSTOM_CAR, SPEEDS
from electra_core.dashboard.station_page.what_if import NO_BATTERY, ONE_MORE_CHARGER
from electra_core.dashboard.widgets.connections import connect
from electra_core.dashboard.widgets.file_transfer import Files
from electra_core.dashboard.widgets.forms import LABEL, button, dropdown, enable, group, offer, plain_slider
from electra_core.station import BATTERY_ID, WHOLE_CHARGER, ConnectorId, catalogue

# The car that the list begins with.
FIRST_CAR = "Tesla Model Y Long Range"
STRATEGY_NAMES = [(name.replace("_", " ").capitalize(), name) for name in STRATEGIES]

# The entry of the list of cars that stands for the first one that has reached its target.
FIRST_DONE = "done"
MAX_NAME = 60


class TimeControls:
    """Play, pause, steps, speed, back to the start."""

    def __init__(self, model: StationModel) -> None:
        self.model = model
        self.toggle = button("Pause", "Stop or start the station's clock", self._toggle, "el-primary")
        self.steps = [
            button(f"+{n} min", f"Let {n} minutes pass", partial(model.step, n)) for n in (1, 5, 15)
        ]
        self.start = button("↺ Start", "Back to before the first car", model.begin)
        self.speed = dropdown("Speed", model, "speed", [(f"×{speed}", speed) for speed in SPEEDS])
        connect(self.toggle, model, lambda _: self._name_toggle(), "playing")
        self._name_toggle()
        self.refresh(model.frame)
        parts = [self.toggle, *self.steps, self.start, self.speed]
        self.widget = widgets.Box(parts).add_class("el-time-controls")

    def _toggle(self) -> None:
        self.model.playing = not self.model.playing

    def _name_toggle(self) -> None:
        self.toggle.description = "‖ Pause" if self.model.playing else "▶ Play"

    def refresh(self, _: Frame) -> None:
        """Enable what the station on show allows."""
        enable(self.model.playback.own_time, self.toggle, self.speed, *self.steps)
        enable(not self.model.playback.fixed, self.start)


class CarControls:
    """A car arrives, a car departs."""

    def __init__(self, model: StationModel) -> None:
        self.model = model
        self.connector = widgets.Dropdown(description="Connector", style=LABEL)
        self.search = widgets.Text(
            description="Search", placeholder=f"{len(catalogue())} cars", style=LABEL, continuous_update=True
        )
        self.car = widgets.Select(description="Car", rows=5, style=LABEL)
        self.power = plain_slider("Power, kW", 150, 10, 350, 5, ".0f")
        self.arrival = plain_slider("SoC, %", 20, 0, 100, 1, ".0f")
        self.target = plain_slider("Target, %", 80, 1, 100, 1, ".0f")
        self.arrive = button("A car arrives", "Plug this car in", self._arrive, "el-primary")
        self.leaving = widgets.Dropdown(description="Leaving", style=LABEL)
        self.depart = button("The car departs", "Unplug this car", self._depart)
        self.search.observe(self._on_search_changed, "value")
        self.car.observe(self._on_car_changed, "value")
        self._on_search_changed()
        self.car.value = FIRST_CAR
        self.refresh(model.frame)
        car = [self.connector, self.search, self.car, self.power, self.arrival, self.target, self.arrive]
        self.widget = widgets.VBox(
            [group("A car arrives", car), group("A car departs", [self.leaving, self.depart])]
        ).add_class("el-groups")

    def open_at(self, connector_id: ConnectorId) -> None:
        """Choose the connector of the next car."""
        if connector_id in [value for _, value in self.connector.options]:
            self.connector.value = connector_id

    def _arrive(self) -> None:
        if self.connector.value is None or self.car.value is None:
            return
        charger_id, number = self.connector.value
        self.model.arrive(
            charger_id,
            number,
            self.car.value,
            custom_kw=self.power.value,
            arrival_soc=_soc_of(self.arrival),
            target_soc=_soc_of(self.target),
        )

    def _depart(self) -> None:
        leaving = _first_done(self.model.frame) if self.leaving.value == FIRST_DONE else self.leaving.value
        if leaving is not None:
            self.model.depart(*leaving)

    def _on_search_changed(self, _: object = None) -> None:
        """Offer the cars whose name has every word that was typed."""
        words = self.search.value.casefold().split()
        found = [name for name in catalogue() if all(word in name.casefold() for word in words)]
        offer(self.car, [(_car_words(name), name) for name in found] + [(CUSTOM_CAR, CUSTOM_CAR)])
        if words and found and self.car.value == CUSTOM_CAR:
            self.car.value = found[0]

    def _on_car_changed(self, _: object = None) -> None:
        custom = self.car.value == CUSTOM_CAR
        self.power.layout.display = None if custom else "none"
        for slider in (self.arrival, self.target):
            slider.layout.display = "none" if custom else None

    def refresh(self, frame: Frame) -> None:
        """Offer the free connectors and the cars that are here."""
        free = [(each.label, each.connector_id) for each in frame.free]
        here: list[tuple[str, Any]] = [
            (f"{connector.label} {car.name}"[:MAX_NAME], connector.connector_id)
            for connector, car in frame.occupied
        ]
        if _first_done(frame) is not None:
            here.insert(0, ("the one that is done", FIRST_DONE))
        offer(self.connector, free or [("none is free", None)])
        offer(self.leaving, here or [("no car is here", None)])
        enable(bool(free), self.connector, self.arrive)
        enable(bool(here), self.leaving, self.depart)


def _first_done(frame: Frame) -> ConnectorId | None:
    """Return the connector of the first car that has reached its target."""
    done = (connector.connector_id for connector, car in frame.occupied if car.session.remaining_kwh == 0.0)
    return next(done, None)


def _soc_of(slider: widgets.FloatSlider) -> float:
    """Return the SoC, 0 to 1, of a slider in percent."""
    return float(slider.value) / 100.0


def _car_words(name: str) -> str:
    return f"{name}, {catalogue()[name].max_power_kw:.0f} kW"


class SiteControls:
    """Station, day, limit, static load, strategy; and a visitor's own files."""

    def __init__(self, model: StationModel) -> None:
        station = dropdown("Station", model, "station_name", options_from="stations")
        day = dropdown("Day", model, "day_name", options_from="days")
        self.sliders = [
            PowerSlider("Grid limit", model, "site_limit_kw"),
            PowerSlider("Static load", model, "static_load_kw"),
        ]
        strategy = dropdown("Strategy", model, "strategy", STRATEGY_NAMES)
        own = Files(
            [
                {
                    "kind": "load",
                    "what": "station",
                    "label": "A station's file (JSON)",
                    "accept": ".json,.json5",
                },
                {"kind": "load", "what": "day", "label": "A day of sessions (CSV)", "accept": ".csv,.json"},
            ],
            load=_upload_to(model),
        )
        site = [station, day, *(slider.box for slider in self.sliders), strategy]
        self.widget = widgets.VBox([group("Site", site), group("Your own", [own])]).add_class("el-groups")

    def refresh(self, frame: Frame) -> None:
        """Follow the station's grid connection."""
        for slider in self.sliders:
            slider.refresh(frame)


class PowerSlider:
    """A slider of a power between 0 and the grid connection's capacity, in a box.

    Another capacity gets another slider: in the browser one whose range changes sends its old value as if a
    visitor had moved it, and its keys keep the old range.
    """

    def __init__(self, title: str, model: StationModel, trait: str) -> None:
        self.title, self.model, self.trait = title, model, trait
        self.box = widgets.Box().add_class("el-slider")
        connect(self.box, model, lambda _: self.refresh(model.frame), trait)
        self.refresh(model.frame)

    def refresh(self, frame: Frame) -> None:
        """Show the model's value."""
        value, old = getattr(self.model, self.trait), self.box.children
        maximum = max(1.0, frame.status.grid_capacity, value)
        if old and old[0].max == maximum:
            old[0].value = value
            return
        slider = plain_slider(self.title, value, 0.0, maximum, 0.5, ".1f")
        slider.observe(lambda change: self.model.set_trait(self.trait, change["new"]), "value")
        self.box.children = (slider,)
        for each in old:
            each.unobserve_all()
            each.close()


def _upload_to(model: StationModel) -> Callable[[str, str, bytes], str]:
    def upload(what: str, name: str, content: bytes) -> str:
        return "Loaded." if model.upload(what, name, content) else "Not loaded: the page says why."

    return upload


class FaultControls:
    """A part out of service, a silent meter, no power from the grid."""

    def __init__(self, model: StationModel) -> None:
        self.model = model
        self.part = widgets.Dropdown(description="What", style=LABEL)
        self.switch = button("Out of service", "Take it out of service, or bring it back", self._switch)
        self.meter = button("The grid meter goes silent", "No reading comes any more", self._switch_meter)
        tooltip = "As if the grid told us to stop"
        self.limit = button("The grid limit falls to nothing", tooltip, self._switch_limit)
        self.note = widgets.HTML()
        self.part.observe(lambda _: self.refresh(model.frame), "value")
        self.refresh(model.frame)
        parts = [self.part, self.switch, self.meter, self.limit, self.note]
        self.widget = group("Something breaks", parts)

    @property
    def _works(self) -> bool:
        return self.part.value is None or self.part.value not in self.model.frame.around.out_of_service

    def _switch(self) -> None:
        if self.part.value is not None:
            charger_id, number = self.part.value
            self.model.set_available(charger_id, None if number == WHOLE_CHARGER else number, not self._works)

    def _switch_meter(self) -> None:
        self.model.meter_silent = not self.model.meter_silent

    def _switch_limit(self) -> None:
        model = self.model
        model.site_limit_kw = 0.0 if model.site_limit_kw > 0.0 else model.config.grid_capacity_kw

    def refresh(self, frame: Frame) -> None:
        """Name the parts of the station and what each button would do now."""
        model, status, out = self.model, frame.status, frame.around.out_of_service
        chargers = [charger.charger_id for charger in status.chargers]
        parts = [(f"Connector {each.label}", each.connector_id) for each in frame.connectors]
        parts += [(f"Charger {charger_id}", (charger_id, WHOLE_CHARGER)) for charger_id in chargers]
        parts += [("Battery", BATTERY_ID)] if status.battery else []
        offer(self.part, [(f"{name}{' (out)' if part in out else ''}", part) for name, part in parts])
        self.switch.description = "Out of service" if self._works else "Back in service"
        lease_s, fail_safe_kw = model.config.limit_lease_s, model.config.fail_safe_limit_kw
        silent = model.meter_silent
        self.meter.description = f"The grid meter {'is heard again' if silent else 'goes silent'}"
        self.meter.disabled = lease_s is None or bool(model.playback.fixed)
        falls = model.site_limit_kw > 0.0
        self.limit.description = f"The grid limit {'falls to nothing' if falls else 'is back'}"
        words = "This station has no limitLease: it believes a reading for ever."
        if lease_s is not None:
            words = f"Without a reading for {lease_s:g} s this station falls back to {fail_safe_kw:g} kW."
        self.note.value = f'<p class="el-note">{words}</p>'


class WhatIfControls:
    """The same cars under other rules, beside the first."""

    def __init__(self, model: StationModel, table: widgets.Widget) -> None:
        self.model = model
        self.choice = widgets.Dropdown(description="What if", style=LABEL)
        self.refresh(model.frame)
        self.choice.observe(self._on_chosen, "value")
        connect(self.choice, model, lambda _: self.refresh(model.frame), "what_if")
        note = widgets.HTML(
            '<p class="el-note">The same cars so far, and from now on, at a second station beside this one.'
            " Its curves are dotted.</p>"
        )
        self.widget = group("What if", [self.choice, note, table])

    def _on_chosen(self, change: Mapping[str, Any]) -> None:
        if change["new"] is not None:
            self.model.what_if = change["new"]

    def refresh(self, frame: Frame) -> None:
        """Offer the changes that make sense at the station."""
        choices = [("nothing else", ""), *((f"strategy {title}", name) for title, name in STRATEGY_NAMES)]
        choices += [("without the battery", NO_BATTERY)] if frame.status.battery else []
        choices += [("one more charger", ONE_MORE_CHARGER)]
        offer(self.choice, choices)
        if self.choice.value != self.model.what_if:
            self.choice.value = self.model.what_if


class FileControls:
    """Files to take along, a record that comes back, and a link."""

    def __init__(self, model: StationModel) -> None:
        self.model = model
        self.files = Files(
            [
                {"kind": "save", "what": "sessions", "label": "Sessions (CSV)"},
                {"kind": "save", "what": "events", "label": "Events (JSON)"},
                {"kind": "save", "what": "result", "label": "Result of simulate (Parquet)"},
                {"kind": "save", "what": "python", "label": "Python lines"},
                {"kind": "load", "what": "events", "label": "Load events", "accept": ".jsonl,.json"},
                {"kind": "link", "label": "Link to this station, day and strategy"},
            ],
            load=_upload_to(model),
            save=model.export,
        )
        self.refresh(model.frame)
        self.widget = group("Keep it", [self.files])

    def refresh(self, _: Frame) -> None:
        """Link to what is shown now."""
        self.files.query = self.model.link
