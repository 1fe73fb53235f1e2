"""The station now and over time, as one plotly figure: pure functions, no widgets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import plotly.graph_objects as go

from electra_core.dashboard.figures.changes import changes_of
from electra_core.dashboard.figures.layout import station_layout
from electra_core.dashboard.figures.traces import Scene, station_traces


def station_figure(scene: Scene, titles: Mapping[str, str], columns: int = 2) -> go.Figure:
    """The station now and over time: power per connector, each session's power, site, battery.

    Parameters
    ----------
    scene : bars and samples
    titles : what each part shows, by ``bars``, ``sessions``, ``site`` and ``battery``
    columns : 1 or 2
    """
    return go.Figure(data=station_traces(scene), layout=station_layout(scene, titles, columns))


def station_changes(
    scene: Scene, titles: Mapping[str, str], columns: int = 2
) -> tuple[dict[str, Any], dict[str, Any]]:
    """What moves from one moment to the next, in the words of plotly's ``update``: traces and layout."""
    return changes_of(
        station_traces(scene),
        station_layout(scene, titles, columns),
        of_traces=("x", "y", "text", "customdata", "name", "visible"),
        of_axes=("range", "tickvals", "ticktext", "tickangle", "domain"),
        of_notes=("text", "x", "y"),
    )
