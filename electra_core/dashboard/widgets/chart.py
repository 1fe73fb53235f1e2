"""A chart that stays the same widget and is changed in place, in one message a redraw."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import ipywidgets as widgets
import plotly.graph_objects as go

from electra_core.dashboard.widgets.plotly_widget import figure_widget

# Changes of the traces and of the layout: the arguments of plotly's ``update``.
Changes = tuple[dict[str, Any], dict[str, Any]]

# Columns of numbers: they differ at every redraw, and plotly is quick with them.
COLUMNS = ("x", "y")


def live_chart(
    figure: go.Figure, changes: Callable[[], Changes]
) -> tuple[widgets.Widget, Callable[[object], None]]:
    """Return the chart of a figure, and the function that redraws it.

    Parameters
    ----------
    figure : complete, as it is first seen
    changes : called for all that may change, as it is now
    """
    chart = figure_widget(figure)
    sent: Changes = ({}, {})

    def redraw(_: object) -> None:
        nonlocal sent
        before, sent = sent, changes()
        # One message for all changes: the page never shows two moments at once.
        chart.plotly_update(*(_changed(*each) for each in zip(before, sent, strict=True)))

    return chart, redraw


def _changed(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    """Return what differs: plotly takes longer to find that out, value by value."""
    return {
        key: value
        for key, value in now.items()
        if key in COLUMNS or key not in before or before[key] != value
    }
