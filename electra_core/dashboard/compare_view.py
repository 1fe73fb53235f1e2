"""The page of comparisons: choices, a progress bar, the table of results and the curves."""

from __future__ import annotations

from typing import Any

import ipywidgets as widgets
from traitlets import link

from electra_core.dashboard import compare_words as words
from electra_core.dashboard.compare import CHOICES, ComparisonModel
from electra_core.dashboard.view import style
from electra_core.figures.comparison import comparison_changes, comparison_figure
from electra_core.voila_figure import figure_widget


def comparison_page(model: ComparisonModel, upload: widgets.Widget | None = None) -> widgets.Widget:
    """The whole page of a comparison.

    Parameters
    ----------
    model : what is compared
    upload : a widget that takes a log to ``model.add_log``; None: the page has no such field
    """
    head = widgets.HTML(words.header())
    finding, table, legend = _facts(model)
    results = widgets.VBox([finding, _progress(model), table]).add_class("el-panel").add_class("el-outcome")
    body = widgets.Box([_choices(model, upload), results]).add_class("el-compared")
    charts = widgets.VBox([legend, _chart(model)]).add_class("el-charts")
    page = widgets.VBox([style(), head, body, charts])
    return page.add_class("el-page").add_class("el-compare")


def _facts(model: ComparisonModel) -> tuple[widgets.HTML, widgets.HTML, widgets.HTML]:
    """Finding, table and legend: redrawn together, once a version."""
    finding, table, legend = (widgets.HTML() for _ in range(3))

    def redraw(_: object = None) -> None:
        finding.value = words.headline(model.comparison)
        table.value = words.results(model.comparison)
        legend.value = words.legend(model.comparison)

    model.observe(redraw, "version")
    redraw()
    return finding, table, legend


def _progress(model: ComparisonModel) -> widgets.HTML:
    bar = widgets.HTML()

    def redraw(_: object = None) -> None:
        bar.value = words.progress_bar(model.progress, model.message, refused=model.refused)

    model.observe(redraw, ["progress", "message", "refused"])
    redraw()
    return bar


def _chart(model: ComparisonModel) -> widgets.Widget:
    """The curves: one figure for good, changed in place."""
    figure = figure_widget(comparison_figure(words.rows_of(model.comparison)))
    figure._config = {"displayModeBar": False, "responsive": True}

    def redraw(_: object) -> None:
        figure.plotly_update(*comparison_changes(words.rows_of(model.comparison)))

    model.observe(redraw, "version")
    return figure


def _choices(model: ComparisonModel, upload: widgets.Widget | None) -> widgets.Widget:
    """Station, log, strategies, and the button that runs them."""
    station = widgets.Dropdown(options=list(model.configs), value=model.station_name, description="Station")
    log = widgets.Dropdown(options=model.logs, value=model.log_name, description="Log")
    _linked(model, station, log)
    places = widgets.VBox([widgets.HTML("<h2>Where and who</h2>"), station, log])
    if upload is not None:
        places.children = (*places.children, upload)
    checks = _checks(model)
    title = widgets.HTML("<h2>Strategies</h2>")
    strategies = widgets.VBox([title, checks, _run_button(model)])
    groups = [part.add_class("el-group") for part in (places, strategies)]
    return widgets.VBox(groups).add_class("el-controls")


def _linked(model: ComparisonModel, station: widgets.Dropdown, log: widgets.Dropdown) -> None:
    """Dropdowns follow the model, and the model them; the logs that fit change with the station."""
    link((model, "station_name"), (station, "value"))

    def offer(_: object) -> None:
        if tuple(log.options) != tuple(model.logs):
            log.options = model.logs
        if log.value != model.log_name:
            log.value = model.log_name

    def choose(change: Any) -> None:
        # While the list itself changes the dropdown falls back to its first entry: nobody chose that.
        if tuple(log.options) == tuple(model.logs) and change["new"] in model.logs:
            model.log_name = change["new"]

    model.observe(offer, ["logs", "log_name"])
    log.observe(choose, "value")


def _checks(model: ComparisonModel) -> widgets.Widget:
    """A box to tick for each strategy."""
    boxes = {
        name: widgets.Checkbox(
            value=name in model.strategies,
            description=f"{words.name_of(name)}: {words.MEANINGS[name]}",
            indent=False,
        )
        for name in CHOICES
    }

    def tell(_: object) -> None:
        model.strategies = [name for name, box in boxes.items() if box.value is True]

    def follow(_: object) -> None:
        chosen = set(model.strategies)
        for name, box in boxes.items():
            box.unobserve(tell, "value")
            box.value = name in chosen
            box.observe(tell, "value")

    for box in boxes.values():
        box.observe(tell, "value")
    model.observe(follow, "strategies")
    return widgets.VBox(list(boxes.values())).add_class("el-checks")


def _run_button(model: ComparisonModel) -> widgets.Button:
    button = widgets.Button(description="Run").add_class("el-primary")

    def follow(_: object = None) -> None:
        button.disabled = model.running or not model.strategies

    button.on_click(lambda _: model.run())
    model.observe(follow, ["running", "strategies"])
    follow()
    return button
