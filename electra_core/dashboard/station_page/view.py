"""The page: its parts in their places, redrawn together once a frame."""

from __future__ import annotations

from typing import Any

import ipywidgets as widgets

from electra_core.dashboard.figures import ChartData, station_changes, station_figure
from electra_core.dashboard.station_page import controls, html
from electra_core.dashboard.station_page.diagram import Diagram, diagram_content
from electra_core.dashboard.station_page.links import read_query
from electra_core.dashboard.station_page.model import StationModel
from electra_core.dashboard.station_page.playback_model import TICK_S
from electra_core.dashboard.widgets import forms
from electra_core.dashboard.widgets.accessibility import AccessibleNames
from electra_core.dashboard.widgets.chart import live_chart
from electra_core.dashboard.widgets.connections import connect, parts_of
from electra_core.dashboard.widgets.styles import style
from electra_core.dashboard.widgets.ticker import Ticker
from electra_core.station import ConnectorId


class StationPage(widgets.VBox):  # type: ignore[misc]  # ipywidgets publishes no types
    """The page of a station. Closing it disconnects it from its model."""

    def __init__(self, model: StationModel) -> None:
        self.model = model
        self._header, self._cards, self._sessions, self._log, self._comparison = (
            widgets.HTML() for _ in range(5)
        )
        self._refusal = widgets.HTML().add_class("el-said")
        self._diagram = Diagram()
        self._diagram.on_msg(self._on_diagram_message)
        self._ticker = _ticker(model)
        self._texts = html.texts_of(model.frame)
        chart, self._redraw_chart = live_chart(
            station_figure(*self._data()), lambda: station_changes(*self._data())
        )
        self._ticker.observe(self._redraw_chart, "columns")
        time, self._cars = controls.TimeControls(model), controls.CarControls(model)
        tabs: dict[str, Any] = {
            "Cars": self._cars,
            "Site": controls.SiteControls(model),
            "Faults": controls.FaultControls(model),
            "What if": controls.WhatIfControls(model, self._comparison),
            "Files": controls.FileControls(model),
        }
        self._controls: list[Any] = [time, *tabs.values()]
        tabbed, self._open_tab = forms.tabs({name: each.widget for name, each in tabs.items()})
        super().__init__(
            [
                style(),
                self._ticker,
                AccessibleNames(),
                self._header,
                time.widget,
                self._cards,
                widgets.Box([self._diagram, tabbed]).add_class("el-stage"),
                widgets.VBox([widgets.HTML(html.legend()), chart]).add_class("el-charts"),
                widgets.Box([self._sessions, self._log]).add_class("el-below"),
                self._refusal,
            ]
        )
        self.add_class("el-page")
        self._write()
        self._on_refusal_changed()
        connect(self, model, self._on_frame, "version")
        connect(self, model, self._on_refusal_changed, "refusal")

    def close(self) -> None:
        """Close all widgets of the page: each ends its connections."""
        for part in list(parts_of(self))[1:]:
            part.close()
        super().close()

    def _on_frame(self, _: object) -> None:
        self._texts = html.texts_of(self.model.frame)
        # The chart first: it takes longest to paint, and the words must not run ahead of it.
        self._redraw_chart(None)
        self._write()
        for each in self._controls:
            each.refresh(self.model.frame)

    def _write(self) -> None:
        """Set the texts of the frame, and the diagram."""
        texts = self._texts
        self._header.value, self._cards.value = texts.header, texts.cards
        self._diagram.content = diagram_content(self.model.frame)
        self._sessions.value, self._log.value = texts.sessions, texts.log
        self._comparison.value = texts.comparison

    def _data(self) -> tuple[ChartData, dict[str, str], int]:
        around = self.model.frame.around
        shadow = around.shadow.samples if around.shadow else ()
        data = ChartData(self._texts.bars, list(around.history), list(shadow), around.clock_zero_s)
        return data, self._texts.titles, self._ticker.columns

    def _on_refusal_changed(self, _: object = None) -> None:
        self._refusal.value = html.refusal(self.model.refusal)

    def _on_diagram_message(self, _: object, message: Any, __: object) -> None:
        # A visitor can send anything: malformed messages are ignored.
        kind = message.get("kind") if isinstance(message, dict) else None
        if kind == "close":
            self.model.selected = None
        elif kind in ("press", "depart"):
            connector_id = _read_connector_id(message.get("connector_id"))
            if connector_id is None or connector_id not in self.model.config.plugs:
                return
            if kind == "press":
                self._press(connector_id)
            else:
                self.model.depart(*connector_id)

    def _press(self, connector_id: ConnectorId) -> None:
        """Explain the car at a connector, or open an arrival where it is free."""
        frame = self.model.frame
        if connector_id in [connector.connector_id for connector, _ in frame.occupied]:
            self.model.select(connector_id)
        elif connector_id in [connector.connector_id for connector in frame.free]:
            self._open_tab("Cars")
            self._cars.open_at(connector_id)


def _read_connector_id(message: Any) -> ConnectorId | None:
    if not isinstance(message, list) or len(message) != 2:
        return None
    charger_id, number = message
    return (charger_id, number) if isinstance(charger_id, str) and type(number) is int else None


def _ticker(model: StationModel) -> Ticker:
    """Return the ticker of a page: its ticks let time pass, and its query opens a link."""
    ticker = Ticker(interval_ms=int(1000 * TICK_S), playing=model.playing, following=model.following)

    def on_tick(_: object) -> None:
        try:
            model.tick()
        finally:
            ticker.answered = ticker.ticks

    def on_query(change: Any) -> None:
        if wanted := read_query(change["new"]):
            model.follow_link(wanted)

    def on_model_changed(change: Any) -> None:
        ticker.set_trait(change["name"], change["new"])

    ticker.observe(on_tick, "ticks")
    ticker.observe(on_query, "query")
    connect(ticker, model, on_model_changed, ["playing", "following"])
    return ticker
