"""The view of the comparison page: choices, a progress bar, the table of results and the curves."""

from __future__ import annotations

import ipywidgets as widgets

from electra_core.dashboard.comparison_page import html
from electra_core.dashboard.comparison_page.model import CHOICES, ComparisonModel
from electra_core.dashboard.figures.comparison import Row, comparison_changes, comparison_figure
from electra_core.dashboard.widgets import forms
from electra_core.dashboard.widgets.chart import live_chart
from electra_core.dashboard.widgets.file_transfer import Files
from electra_core.dashboard.widgets.styles import style


def comparison_page(model: ComparisonModel) -> widgets.Widget:
    """Return the comparison page of a model."""
    head = widgets.HTML(html.header())
    finding, table, legend = _facts(model)
    results = (
        widgets.VBox([finding, _progress(model), table, _save_field(model)])
        .add_class("el-panel")
        .add_class("el-outcome")
    )
    body = widgets.Box([_choices(model), results]).add_class("el-compared")
    charts = widgets.VBox([legend, _chart(model)]).add_class("el-charts")
    page = widgets.VBox([style(), head, body, charts])
    return page.add_class("el-page").add_class("el-compare")


def _facts(model: ComparisonModel) -> tuple[widgets.HTML, widgets.HTML, widgets.HTML]:
    """Return finding, table and legend, redrawn together with each comparison."""
    finding, table, legend = (widgets.HTML() for _ in range(3))

    def redraw(_: object = None) -> None:
        finding.value = html.headline(model.comparison)
        table.value = html.results(model.comparison)
        legend.value = html.legend(model.comparison)

    model.observe(redraw, "version")
    redraw()
    return finding, table, legend


def _progress(model: ComparisonModel) -> widgets.HTML:
    bar = widgets.HTML()

    def redraw(_: object = None) -> None:
        is_alert = model.refused or model.failed
        bar.value = html.progress_bar(model.progress, model.message, is_alert=is_alert)

    model.observe(redraw, ["progress", "message", "refused", "failed"])
    redraw()
    return bar


def _chart(model: ComparisonModel) -> widgets.Widget:
    def rows() -> list[Row]:
        return html.rows_of(model.comparison)

    chart, redraw = live_chart(comparison_figure(rows()), lambda: comparison_changes(rows()))
    model.observe(redraw, "version")
    return chart


def _choices(model: ComparisonModel) -> widgets.Widget:
    """Return the choice of station, log and strategies, and the button that runs them."""
    station = forms.dropdown("Station", model, "station_name", list(model.configs))
    log = forms.dropdown("Log", model, "log_name", options_from="logs")
    groups = [
        forms.group("Station and log", [station, log, _load_field(model)]),
        forms.group("Strategies", [_checks(model), _run_button(model)]),
    ]
    return widgets.VBox(groups).add_class("el-controls")


def _load_field(model: ComparisonModel) -> Files:
    """Return the field that loads a visitor's own log."""

    def load(_: str, name: str, content: bytes) -> str:
        return "Loaded and chosen." if model.add_log(name, content) else "Not loaded: the page says why."

    item = {"kind": "load", "what": "log", "label": "Your own log (CSV)", "accept": ".csv,.json"}
    return Files([item], load=load)


def _save_field(model: ComparisonModel) -> Files:
    """Return the button that saves the results."""

    def save(_: str) -> tuple[str, str, bytes] | None:
        if model.comparison is None:
            return None
        return "comparison.csv", "text/csv", html.results_csv(model.comparison)

    return Files([{"kind": "save", "what": "results", "label": "Results (CSV)"}], save=save)


def _checks(model: ComparisonModel) -> widgets.Widget:
    """Return a box to tick for each strategy."""
    boxes = {
        name: widgets.Checkbox(
            value=name in model.strategies,
            description=f"{html.name_of(name)}: {html.MEANINGS[name]}",
            indent=False,
        )
        for name in CHOICES
    }

    def choose(_: object) -> None:
        model.strategies = [name for name, box in boxes.items() if box.value is True]

    def follow(_: object) -> None:
        chosen = set(model.strategies)
        for name, box in boxes.items():
            box.unobserve(choose, "value")
            box.value = name in chosen
            box.observe(choose, "value")

    for box in boxes.values():
        box.observe(choose, "value")
    model.observe(follow, "strategies")
    return widgets.VBox(list(boxes.values())).add_class("el-checks")


def _run_button(model: ComparisonModel) -> widgets.Button:
    button = forms.button("Run", "Run what is chosen", model.run, "el-primary")

    def follow(_: object = None) -> None:
        button.disabled = model.running or not model.strategies

    model.observe(follow, ["running", "strategies"])
    follow()
    return button
