"""A chart that stays the same widget for good, and is changed in one message a redraw."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import ipywidgets as widgets
import plotly.graph_objects as go

from electra_core.dashboard.widgets.plotly_widget import figure_widget

# Changes of the traces and of the layout, in the words of plotly's ``update``.
Changes = tuple[dict[str, Any], dict[str, Any]]

# Columns of numbers: they are new at every moment, and plotly is quick with them.
COLUMNS = ("x", "y")


def live_chart(
    figure: go.Figure, changes: Callable[[], Changes]
) -> tuple[widgets.Widget, Callable[[object], None]]:
    """The chart of a figure, and what draws it again.

    Parameters
    ----------
    figure : complete, as it is first seen
    changes : all that may move, as it is now
    """
    chart = figure_widget(figure)
    sent: Changes = ({}, {})

    def redraw(_: object) -> None:
        nonlocal sent
        before, sent = sent, changes()
        # One message for all that moves: the page never shows two moments at once.
        chart.plotly_update(*(_moved(*each) for each in zip(before, sent, strict=True)))

    return chart, redraw


def _moved(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    """What is not as it was: plotly takes longer to find that out, value by value."""
    return {
        key: value
        for key, value in now.items()
        if key in COLUMNS or key not in before or before[key] != value
    }
