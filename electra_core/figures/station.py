"""The station now and over time, as one plotly figure: pure functions, no widgets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import plotly.graph_objects as go

from electra_core.figures.layout import station_layout
from electra_core.figures.traces import Scene, station_traces

# What moves in a trace from one moment to the next.
MOVING = ("x", "y", "text", "customdata", "name", "visible")
DEFAULTS = {"visible": True}


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
    traces = station_traces(scene)
    layout = station_layout(scene, titles, columns)
    changes: dict[str, Any] = {"height": layout["height"]}
    for axis in (name for name in layout if "axis" in name):
        for key in ("range", "tickvals", "ticktext", "tickangle", "domain", "dtick", "position"):
            if key in layout[axis]:
                changes[f"{axis}.{key}"] = layout[axis][key]
    for number, note in enumerate(layout["annotations"]):
        changes |= {f"annotations[{number}].{key}": note[key] for key in ("text", "x", "y")}
    return {key: [trace.get(key, DEFAULTS.get(key)) for trace in traces] for key in MOVING}, changes
