"""The station now and over time, as one plotly figure: pure functions, no widgets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import plotly.graph_objects as go

from electra_core.dashboard.figures.changes import changes_of
from electra_core.dashboard.figures.layout import station_layout
from electra_core.dashboard.figures.traces import ChartData, station_traces


def station_figure(data: ChartData, titles: Mapping[str, str], columns: int = 2) -> go.Figure:
    """Return the station now and over time: power per connector, each session's power, site, battery.

    Parameters
    ----------
    data : bars and samples
    titles : the title of each part, by ``bars``, ``sessions``, ``site`` and ``battery``
    columns : 1 or 2
    """
    return go.Figure(data=station_traces(data), layout=station_layout(data, titles, columns))


def station_changes(
    data: ChartData, titles: Mapping[str, str], columns: int = 2
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return all that may change at a redraw, as arguments of plotly's ``update``: traces and layout."""
    return changes_of(
        station_traces(data),
        station_layout(data, titles, columns),
        of_traces=("x", "y", "text", "customdata", "name", "visible"),
        of_axes=("range", "tickvals", "ticktext", "tickangle", "domain"),
        of_notes=("text", "x", "y"),
    )
