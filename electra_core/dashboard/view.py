"""What the page shows: thin widgets, linked to the model's traits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from importlib import resources
from typing import Any

import ipywidgets as widgets
from traitlets import link

from electra_core.dashboard import words
from electra_core.dashboard.model import CUSTOM_CAR, NO_DAY, SPEEDS, TICK_S, StationModel, clock
from electra_core.dashboard.pulse import Pulse
from electra_core.figures import station_changes, station_figure
from electra_core.strategies import STRATEGIES
from electra_core.vehicles import catalogue
from electra_core.voila_figure import figure_widget

CHART_HEIGHT = 780


def station_page(model: StationModel) -> widgets.Widget:
    """The whole page of a station."""
    style = resources.files("electra_core.dashboard").joinpath("page.css").read_text("utf-8")
    # The chart first: it takes longest to paint, and the words must not run ahead of it.
    chart = _chart(model)
    facts = _Facts(model)
    controls = widgets.VBox(
        [_time_controls(model), _arrival_controls(model), _site_controls(model)],
    ).add_class("el-controls")
    charts = widgets.VBox([facts.legend, chart]).add_class("el-charts")
    below = widgets.VBox([facts.sessions, facts.log]).add_class("el-below")
    body = widgets.Box([controls, charts, below]).add_class("el-body")
    return widgets.VBox([widgets.HTML(f"<style>{style}</style>"), facts.head, facts.refusal, body]).add_class(
        "el-page"
    )


class _Facts:
    """The parts of the page that are words: redrawn together, once a version."""

    def __init__(self, model: StationModel) -> None:
        self.model = model
        self.head, self.sessions, self.log, self.refusal = (widgets.HTML() for _ in range(4))
        self.legend = widgets.HTML(words.legend())
        self.draw()
        model.observe(lambda _: self.draw(), ["version", "refusal", "speed"])

    def draw(self) -> None:
        model = self.model
        status = model.station.status()
        title, source = (model.day.title, model.day.source) if model.day else (NO_DAY, "")
        since = {session.session_id: clock(session.arrived_s) for _, _, session in status.sessions}
        now = clock(model.station.now_s, seconds=model.speed <= 10)
        self.head.value = words.header(status, title, source, now) + words.cards(status)
        self.sessions.value = words.panel("Sessions", words.session_table(status, since))
        self.log.value = words.panel("Events", words.event_log(model.log))
        self.refusal.value = words.refusal(model.refusal)


def _chart(model: StationModel) -> widgets.Widget:
    """One live figure, complete when it is made and then updated in one batch a version."""

    def now() -> tuple[Any, Any, dict[str, str]]:
        status = model.station.status()
        return words.connector_bars(status), list(model.history), words.chart_titles(status)

    figure = figure_widget(station_figure(*now(), height=CHART_HEIGHT))
    figure._config = {"displayModeBar": False, "responsive": True}

    def redraw(_: object) -> None:
        # One message for all that moves: the page never shows two moments at once.
        figure.plotly_update(*station_changes(*now()))

    model.observe(redraw, "version")
    return figure


def _time_controls(model: StationModel) -> widgets.Widget:
    pulse = Pulse(interval_ms=int(1000 * TICK_S), playing=model.playing)
    link((model, "playing"), (pulse, "playing"))

    def tick(_: object) -> None:
        try:
            model.tick()
        finally:
            pulse.answered = pulse.ticks

    pulse.observe(tick, "ticks")
    toggle = _button("Pause", "Stop or start the station's clock", lambda: _flip(model), "el-primary")

    def name_it(_: object = None) -> None:
        toggle.description = "‖ Pause" if model.playing else "▶ Play"

    model.observe(name_it, "playing")
    name_it()
    speed = _dropdown("Speed", [(f"×{speed}", speed) for speed in SPEEDS], model, "speed")
    steps = [_button(f"+{n} min", f"Let {n} minutes pass", partial(model.step, n)) for n in (1, 5, 15)]
    again = _button("↺ Start", "Back to before the first car", model.begin)
    return _group("Time", [pulse, _row(toggle, again), speed, _row(*steps)])


def _flip(model: StationModel) -> None:
    model.playing = not model.playing


def _site_controls(model: StationModel) -> widgets.Widget:
    station = _dropdown("Station", list(model.configs), model, "station_name")
    day = _dropdown("Day", list(model.days.items()), model, "day_name", options_from="days")
    limit = _slider("Grid limit", model, "site_limit_kw")
    load = _slider("Static load", model, "static_load_kw")
    names = [(name.replace("_", " ").capitalize(), name) for name in STRATEGIES]
    strategy = _dropdown("Strategy", names, model, "strategy")
    return _group("Site", [station, day, limit, load, strategy])


def _arrival_controls(model: StationModel) -> widgets.Widget:
    place = widgets.Dropdown(description="Connector", style=LABEL)
    cars = [CUSTOM_CAR, *catalogue()]
    car = widgets.Dropdown(options=cars, value="Tesla Model Y Long Range", description="Car", style=LABEL)
    power = _plain_slider("Its power", 150, 10, 350, 5, ".0f")
    soc = _plain_slider("SoC, %", 20, 0, 100, 1, ".0f")
    target = _plain_slider("Target, %", 80, 1, 100, 1, ".0f")
    leaving = widgets.Dropdown(description="Leaving", style=LABEL)

    def arrive() -> None:
        if place.value is not None:
            charger_id, connector = place.value
            model.arrive(
                charger_id,
                connector,
                car.value,
                custom_kw=power.value,
                arrival_soc=soc.value / 100.0,
                target_soc=target.value / 100.0,
            )

    def depart() -> None:
        if leaving.value is not None:
            model.depart(*leaving.value)

    come = _button("A car arrives", "Plug this car in", arrive, "el-primary")
    go = _button("The car departs", "Unplug this car", depart)

    def show_what_fits(_: object = None) -> None:
        custom = car.value == CUSTOM_CAR
        power.layout.display = None if custom else "none"
        for slider in (soc, target):
            slider.layout.display = "none" if custom else None

    def refresh(_: object = None) -> None:
        free = [
            (f"{charger_id}·{number}", (charger_id, number)) for charger_id, number in model.free_places()
        ]
        here = [
            (f"{charger_id}·{number} {session.vehicle}", (charger_id, number))
            for charger_id, number, session in model.station.status().sessions
        ]
        _offer(place, free or [("none is free", None)])
        _offer(leaving, here or [("no car is here", None)])
        place.disabled = come.disabled = not free
        leaving.disabled = go.disabled = not here

    car.observe(show_what_fits, "value")
    model.observe(refresh, "version")
    show_what_fits()
    refresh()
    return widgets.VBox(
        [
            _group("A car arrives", [place, car, power, soc, target, come]),
            _group("A car departs", [leaving, go]),
        ]
    ).add_class("el-groups")


LABEL = {"description_width": "84px"}


def _offer(choice: widgets.Dropdown, options: list[tuple[str, Any]]) -> None:
    """New options, keeping the choice where it is still there."""
    if tuple(options) == tuple(choice.options):
        return
    kept, values = choice.value, [value for _, value in options]
    choice.options = options
    choice.index = values.index(kept) if kept in values else 0


def _dropdown(
    label: str, options: Any, model: StationModel, trait: str, options_from: str | None = None
) -> widgets.Dropdown:
    choice = widgets.Dropdown(options=options, value=getattr(model, trait), description=label, style=LABEL)

    def take(change: Mapping[str, Any]) -> None:
        if change["new"] is not None:
            model.set_trait(trait, change["new"])

    def follow(change: Mapping[str, Any]) -> None:
        if options_from is not None:
            _offer(choice, list(getattr(model, options_from).items()))
        choice.value = getattr(model, trait)

    choice.observe(take, "value")
    model.observe(follow, [trait] if options_from is None else [trait, options_from])
    return choice


def _slider(label: str, model: StationModel, trait: str) -> widgets.FloatSlider:
    """A slider of a power between 0 and the grid connection's capacity."""
    slider = _plain_slider(label, 0.0, 0.0, 1.0, 0.5, ".1f")

    def follow(_: object = None) -> None:
        # The range before the value: a value outside of the range would be cut to it.
        slider.max = max(1.0, model.config.grid_capacity_kw, getattr(model, trait))
        slider.value = getattr(model, trait)

    slider.observe(lambda change: model.set_trait(trait, change["new"]), "value")
    model.observe(follow, [trait, "version"])
    follow()
    return slider


def _plain_slider(
    label: str, value: float, least: float, most: float, step: float, form: str
) -> widgets.FloatSlider:
    return widgets.FloatSlider(
        value=value, min=least, max=most, step=step, description=label, readout_format=form, style=LABEL
    )


def _button(text: str, tooltip: str, action: Callable[[], object], *classes: str) -> widgets.Button:
    button = widgets.Button(description=text, tooltip=tooltip)
    button.on_click(lambda _: action())
    for name in classes:
        button.add_class(name)
    return button


def _row(*parts: widgets.Widget) -> widgets.Box:
    return widgets.Box(list(parts)).add_class("el-row")


def _group(title: str, parts: list[widgets.Widget]) -> widgets.VBox:
    return widgets.VBox([widgets.HTML(f"<h2>{title}</h2>"), *parts]).add_class("el-group")
