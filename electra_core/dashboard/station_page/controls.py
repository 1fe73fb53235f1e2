"""What a hand does: thin widgets, linked to the model's traits and methods."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import ipywidgets as widgets

from electra_core.allocation import STRATEGIES
from electra_core.dashboard.station_page.model import CUSTOM_CAR, SPEEDS, StationModel
from electra_core.dashboard.station_page.traffic import NAMELESS, label
from electra_core.dashboard.station_page.what_if import NO_BATTERY, ONE_MORE_CHARGER
from electra_core.dashboard.widgets.file_transfer import Files
from electra_core.dashboard.widgets.forms import LABEL, button, dropdown, enable, group, offer, plain_slider
from electra_core.station import BATTERY_ID, WHOLE_CHARGER, ConnectorId, catalogue

# The car that the list begins with.
FIRST_CAR = "Tesla Model Y Long Range"
STRATEGY_NAMES = [(name.replace("_", " ").capitalize(), name) for name in STRATEGIES]


def time_controls(model: StationModel) -> widgets.Widget:
    """Play, pause, steps, speed, back to the start."""
    toggle = button("Pause", "Stop or start the station's clock", lambda: _flip(model), "el-primary")

    def name_it(_: object = None) -> None:
        toggle.description = "‖ Pause" if model.playing else "▶ Play"

    model.observe(name_it, "playing")
    name_it()
    speed = dropdown("Speed", model, "speed", [(f"×{speed}", speed) for speed in SPEEDS])
    steps = [button(f"+{n} min", f"Let {n} minutes pass", partial(model.step, n)) for n in (1, 5, 15)]
    again = button("↺ Start", "Back to before the first car", model.begin)

    def refresh(_: object = None) -> None:
        enable(model.play.own_time, toggle, speed, *steps)
        enable(not model.play.fixed, again)

    model.observe(refresh, "version")
    refresh()
    return widgets.Box([toggle, *steps, again, speed]).add_class("el-time-controls")


def _flip(model: StationModel) -> None:
    model.playing = not model.playing


class CarControls:
    """A car arrives, a car departs."""

    def __init__(self, model: StationModel) -> None:
        self.model = model
        self.place = widgets.Dropdown(description="Connector", style=LABEL)
        self.search = widgets.Text(
            description="Search", placeholder=f"{len(catalogue())} cars", style=LABEL, continuous_update=True
        )
        self.car = widgets.Select(description="Car", rows=5, style=LABEL)
        self.power = plain_slider("Power, kW", 150, 10, 350, 5, ".0f")
        self.soc = plain_slider("SoC, %", 20, 0, 100, 1, ".0f")
        self.target = plain_slider("Target, %", 80, 1, 100, 1, ".0f")
        self.come = button("A car arrives", "Plug this car in", self._arrive, "el-primary")
        self.leaving = widgets.Dropdown(description="Leaving", style=LABEL)
        self.go = button("The car departs", "Unplug this car", self._depart)
        self.search.observe(self._find, "value")
        self.car.observe(self._show_what_fits, "value")
        model.observe(self._refresh, "version")
        self._find()
        self.car.value = FIRST_CAR
        self._refresh()
        arrival = [self.place, self.search, self.car, self.power, self.soc, self.target, self.come]
        self.widget = widgets.VBox(
            [group("A car arrives", arrival), group("A car departs", [self.leaving, self.go])]
        ).add_class("el-groups")

    def open_at(self, place: ConnectorId) -> None:
        """The next car is to arrive here."""
        if place in [value for _, value in self.place.options]:
            self.place.value = place

    def _arrive(self) -> None:
        if self.place.value is None or self.car.value is None:
            return
        charger_id, connector = self.place.value
        self.model.arrive(
            charger_id,
            connector,
            self.car.value,
            custom_kw=self.power.value,
            arrival_soc=self.soc.value / 100.0,
            target_soc=self.target.value / 100.0,
        )

    def _depart(self) -> None:
        place = self.model.done_place() if self.leaving.value == "done" else self.leaving.value
        if place is not None:
            self.model.depart(*place)

    def _find(self, _: object = None) -> None:
        """Cars in whose name every word that was typed occurs."""
        words = self.search.value.casefold().split()
        found = [name for name in catalogue() if all(word in name.casefold() for word in words)]
        offer(self.car, [(_car_words(name), name) for name in found] + [(CUSTOM_CAR, CUSTOM_CAR)])
        if words and found and self.car.value == CUSTOM_CAR:
            self.car.value = found[0]

    def _show_what_fits(self, _: object = None) -> None:
        custom = self.car.value == CUSTOM_CAR
        self.power.layout.display = None if custom else "none"
        for slider in (self.soc, self.target):
            slider.layout.display = "none" if custom else None

    def _refresh(self, _: object = None) -> None:
        free = [(label(place), place) for place in self.model.free_places()]
        sessions = self.model.station.state.sessions
        here: list[tuple[str, Any]] = [
            (f"{label(place)} {car.vehicle.name or NAMELESS}"[:60], place) for place, car in sessions.items()
        ]
        if self.model.done_place() is not None:
            here.insert(0, ("the one that is done", "done"))
        offer(self.place, free or [("none is free", None)])
        offer(self.leaving, here or [("no car is here", None)])
        enable(bool(free), self.place, self.come)
        enable(bool(here), self.leaving, self.go)


def _car_words(name: str) -> str:
    car = catalogue()[name]
    return f"{name}, {car.max_power_kw:.0f} kW"


def site_controls(model: StationModel) -> widgets.Widget:
    """Station, day, limit, static load, strategy; and a visitor's own files."""
    station = dropdown("Station", model, "station_name", options_from="stations")
    day = dropdown("Day", model, "day_name", options_from="days")
    limit = _slider("Grid limit", model, "site_limit_kw")
    load = _slider("Static load", model, "static_load_kw")
    strategy = dropdown("Strategy", model, "strategy", STRATEGY_NAMES)
    own = Files(
        [
            {"kind": "load", "what": "station", "label": "A station's file (JSON)", "accept": ".json,.json5"},
            {"kind": "load", "what": "day", "label": "A day of sessions (CSV)", "accept": ".csv,.json"},
        ],
        load=partial(_bring, model),
    )
    return widgets.VBox(
        [group("Site", [station, day, limit, load, strategy]), group("Your own", [own])]
    ).add_class("el-groups")


def _slider(title: str, model: StationModel, trait: str) -> widgets.Widget:
    """A slider of a power between 0 and the grid connection's capacity.

    Another capacity gets a slider of its own: in the browser one whose range changes sends its old value as
    if a hand had moved it, and its keys go on in the old range.
    """
    frame = widgets.Box().add_class("el-slider")

    def follow(_: object = None) -> None:
        value, old = getattr(model, trait), frame.children
        most = max(1.0, model.config.grid_capacity_kw, value)
        if old and old[0].max == most:
            old[0].value = value
            return
        slider = plain_slider(title, value, 0.0, most, 0.5, ".1f")
        slider.observe(lambda change: model.set_trait(trait, change["new"]), "value")
        frame.children = (slider,)
        for each in old:
            each.unobserve_all()
            each.close()

    model.observe(follow, [trait, "version"])
    follow()
    return frame


def _bring(model: StationModel, what: str, name: str, content: bytes) -> str:
    return "Loaded." if model.bring(what, name, content) else "Not loaded: the page says why."


def fault_controls(model: StationModel) -> widgets.Widget:
    """Something breaks."""
    part = widgets.Dropdown(description="What", style=LABEL)
    switch = button("Out of service", "Take it out of service, or bring it back", lambda: flip())
    silence = button("The grid meter goes silent", "No reading comes any more", lambda: mute())
    nothing = button("The grid limit falls to nothing", "As if the grid told us to stop", lambda: drop())
    note = widgets.HTML()

    def works() -> bool:
        out = model.station.state.out_of_service
        return part.value is None or part.value not in out

    def flip() -> None:
        if part.value is not None:
            charger_id, number = part.value
            model.set_available(charger_id, None if number == WHOLE_CHARGER else number, not works())

    def mute() -> None:
        model.meter_silent = not model.meter_silent

    def drop() -> None:
        model.site_limit_kw = 0.0 if model.site_limit_kw > 0.0 else model.config.grid_capacity_kw

    def refresh(_: object = None) -> None:
        out, config = model.station.state.out_of_service, model.config
        parts = [(f"Connector {label(place)}", place) for place in config.connectors]
        parts += [(f"Charger {charger.id}", (charger.id, WHOLE_CHARGER)) for charger in config.chargers]
        parts += [("Battery", BATTERY_ID)] if config.battery else []
        offer(part, [(f"{name}{' (out)' if place in out else ''}", place) for name, place in parts])
        switch.description = "Out of service" if works() else "Back in service"
        silence.description = (
            "The grid meter is heard again" if model.meter_silent else "The grid meter goes silent"
        )
        silence.disabled = config.limit_lease_s is None or bool(model.play.fixed)
        falls = model.site_limit_kw > 0.0
        nothing.description = "The grid limit falls to nothing" if falls else "The grid limit is back"
        note.value = f'<p class="el-note">{_meter_words(model)}</p>'

    part.observe(refresh, "value")
    model.observe(refresh, "version")
    refresh()
    return group("Something breaks", [part, switch, silence, nothing, note])


def _meter_words(model: StationModel) -> str:
    lease_s, limit_kw = model.config.limit_lease_s, model.config.fail_safe_limit_kw
    if lease_s is None:
        return "This station has no limitLease: it believes a reading for ever."
    return f"Without a reading for {lease_s:g} s this station falls back to {limit_kw:g} kW."


def what_if_controls(model: StationModel, table: widgets.Widget) -> widgets.Widget:
    """The same cars under other rules, beside the first."""
    choice = widgets.Dropdown(description="What if", style=LABEL)

    def refresh(_: object = None) -> None:
        choices = [("nothing else", ""), *((f"strategy {title}", name) for title, name in STRATEGY_NAMES)]
        choices += [("without the battery", NO_BATTERY)] if model.config.battery else []
        choices += [("one more charger", ONE_MORE_CHARGER)]
        offer(choice, choices)
        if choice.value != model.what_if:
            choice.value = model.what_if

    def take(change: Mapping[str, Any]) -> None:
        if change["new"] is not None:
            model.what_if = change["new"]

    refresh()
    choice.observe(take, "value")
    model.observe(refresh, ["what_if", "version"])
    note = widgets.HTML(
        '<p class="el-note">The same cars so far, and from now on, at a second station beside this one. Its'
        " curves are dotted.</p>"
    )
    return group("What if", [choice, note, table])


def file_controls(model: StationModel) -> widgets.Widget:
    """What can be kept, a record that comes back, and a link."""
    files = Files(
        [
            {"kind": "save", "what": "sessions", "label": "Sessions (CSV)"},
            {"kind": "save", "what": "events", "label": "Events (JSON)"},
            {"kind": "save", "what": "result", "label": "Result of simulate (Parquet)"},
            {"kind": "save", "what": "python", "label": "Python lines"},
            {"kind": "load", "what": "events", "label": "Load events", "accept": ".jsonl,.json"},
            {"kind": "link", "label": "Link to this station, day and strategy"},
        ],
        load=partial(_bring, model),
        save=model.keep,
    )

    def refresh(_: object = None) -> None:
        files.query = model.link

    model.observe(refresh, ["version", "strategy"])
    refresh()
    return group("Keep it", [files])
