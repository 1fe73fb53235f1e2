"""What the page shows: its parts in their places, redrawn together once a version."""

from __future__ import annotations

from importlib import resources
from typing import Any
from urllib.parse import parse_qsl

import ipywidgets as widgets
from traitlets import link

from electra_core.dashboard.figures import Scene, station_changes, station_figure
from electra_core.dashboard.figures.colours import BATTERY, CHARGING, GRID, STATIC, STORED
from electra_core.dashboard.figures.traces import place_colours
from electra_core.dashboard.station_page import controls, html
from electra_core.dashboard.station_page.diagram import Picture, scene_of
from electra_core.dashboard.station_page.model import TICK_S, StationModel
from electra_core.dashboard.widgets import forms
from electra_core.dashboard.widgets.accessibility import Names
from electra_core.dashboard.widgets.chart import live_chart
from electra_core.dashboard.widgets.ticker import Pulse
from electra_core.station import ConnectorId, StationStatus


def station_page(model: StationModel) -> widgets.Widget:
    """The whole page of a station."""
    pulse = _pulse(model)
    # The chart first: it takes longest to paint, and the words must not run ahead of it.
    chart = _chart(model, pulse)
    facts = _Facts(model)
    cars = controls.CarControls(model)
    pages = {
        "Cars": cars.widget,
        "Site": controls.site_controls(model),
        "Faults": controls.fault_controls(model),
        "What if": controls.what_if_controls(model, facts.comparison),
        "Files": controls.file_controls(model),
    }
    hands, open_page = forms.tabs(pages)

    def press(place: ConnectorId) -> None:
        if place in model.station.state.sessions:
            model.select(place)
        elif place in model.free_places():
            open_page("Cars")
            cars.open_at(place)

    picture = _picture(model, facts.picture, press)
    charts = widgets.VBox([widgets.HTML(html.legend()), chart]).add_class("el-charts")
    stage = widgets.Box([picture, hands]).add_class("el-stage")
    below = widgets.Box([facts.sessions, facts.log]).add_class("el-below")
    parts = [
        style(),
        pulse,
        Names(),
        facts.head,
        controls.time_controls(model),
        facts.cards,
        stage,
        charts,
        below,
    ]
    return widgets.VBox([*parts, facts.refusal]).add_class("el-page")


def style() -> widgets.HTML:
    """The page's style sheet, and in it the colours of the figures."""
    rules = resources.files("electra_core.dashboard").joinpath("page.css").read_text("utf-8")
    colours = {
        "grid": GRID,
        "battery": BATTERY,
        "charging": CHARGING,
        "stored": STORED,
        "static": STATIC,
    }
    named = "".join(f"--{name}: {colour};" for name, colour in colours.items())
    return widgets.HTML(f"<style>.el-page {{{named}}}\n{rules}</style>").add_class("el-style")


class _Facts:
    """The parts of the page that are words, and the picture: redrawn together, once a version."""

    def __init__(self, model: StationModel) -> None:
        self.model = model
        self.head, self.cards, self.sessions, self.log = (widgets.HTML() for _ in range(4))
        self.refusal, self.comparison = widgets.HTML().add_class("el-said"), widgets.HTML()
        self.picture = Picture()
        self.draw()
        model.observe(lambda _: self.draw(), ["version", "refusal", "notice", "speed", "selected"])

    def draw(self) -> None:
        model = self.model
        status = model.status
        colours = place_colours(html.connector_bars(status))
        since = {session.session_id: model.clock(session.arrived_s) for _, _, session in status.sessions}
        now = model.clock(model.station.now_s, seconds=model.speed <= 10)
        self.head.value = html.header(status, *_day_words(model), now, model.notice)
        self.cards.value = html.cards(status)
        self.picture.scene = scene_of(status, colours, self._chosen(status))
        self.sessions.value = html.panel("Sessions", html.session_table(status, since, colours))
        self.log.value = html.panel("Events", html.event_log(model.log))
        self.refusal.value = html.refusal(model.refusal)
        self.comparison.value = self._compared()

    def _chosen(self, status: StationStatus) -> Any:
        place = self.model.place
        names = {(charger, number): car.session_id for charger, number, car in status.sessions}
        return None if place is None else (place, self.model.station.explain(names[place]))

    def _compared(self) -> str:
        if self.model.play.rivals is None:
            return ""
        here, there = (each.outcome for each in self.model.play.rivals)
        change = self.model.what_if.replace("_", " ")
        return html.comparison(change, here, there)


def _day_words(model: StationModel) -> tuple[str, str]:
    if model.day is not None:
        return model.day.title, model.day.source
    return model.day_name, ""


def _chart(model: StationModel, pulse: Pulse) -> widgets.Widget:
    def now() -> tuple[Scene, dict[str, str], int]:
        status, rivals = model.status, model.play.rivals
        rival = list(rivals[1].samples) if rivals else ()
        scene = Scene(html.connector_bars(status), list(model.play.history), rival, model.play.clock_zero_s)
        return scene, html.chart_titles(status), pulse.columns

    chart, redraw = live_chart(station_figure(*now()), lambda: station_changes(*now()))
    model.observe(redraw, "version")
    pulse.observe(redraw, "columns")
    return chart


def _picture(model: StationModel, picture: Picture, press: Any) -> Picture:
    def hear(_: object, message: Any, __: object) -> None:
        """A visitor can send anything: what is none of ours is not heard."""
        kind = message.get("kind") if isinstance(message, dict) else None
        if kind == "close":
            model.selected = ""
            return
        place = _read_place(message.get("place")) if kind in ("press", "depart") else None
        if place in model.config.connectors and place is not None:
            if kind == "press":
                press(place)
            else:
                model.depart(*place)

    picture.on_msg(hear)
    return picture


def _read_place(place: Any) -> ConnectorId | None:
    if not isinstance(place, list) or len(place) != 2:
        return None
    charger_id, number = place
    return (charger_id, number) if isinstance(charger_id, str) and type(number) is int else None


def _pulse(model: StationModel) -> Pulse:
    pulse = Pulse(interval_ms=int(1000 * TICK_S), playing=model.playing)
    link((model, "playing"), (pulse, "playing"))
    link((model, "following"), (pulse, "following"))

    def tick(_: object) -> None:
        try:
            model.tick()
        finally:
            pulse.answered = pulse.ticks

    def follow(change: Any) -> None:
        wanted = {key: text for key, text in parse_qsl(change["new"][:2000]) if key in LINKED}
        if wanted:
            model.follow_link(wanted)

    pulse.observe(tick, "ticks")
    pulse.observe(follow, "query")
    return pulse


# What a link to the page may name.
LINKED = ("station", "day", "strategy")
