"""Charts of the lessons: plotly figures of plain numbers, in the colours of the page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import cycle
from typing import Any

import numpy as np
import plotly.graph_objects as go

from electra_core.dashboard.figures.colours import (
    BATTERY,
    CEILING,
    CHARGING,
    GRID,
    GRID_LINE,
    INK,
    LIMIT,
    RIVAL,
    STATIC,
    STORED,
)

# Quantities that the page draws have its colours; all others take turns.
NAMED: Mapping[str, str] = {
    "grid": GRID,
    "battery": BATTERY,
    "charging the battery": CHARGING,
    "SoC": STORED,
    "static load": STATIC,
    "could take": CEILING,
    "limit": LIMIT,
    "before": RIVAL,
}
TURNS = (GRID, BATTERY, STORED, CEILING, CHARGING, LIMIT, STATIC, "#46327e")
DASHES = ("solid", "dash", "dot", "dashdot")

Numbers = Iterable[float]


def bars(
    names: Sequence[str],
    series: Mapping[str, Numbers],
    title: str,
    *,
    y: str = "kW",
    grouped: bool = False,
    marks: Mapping[str, Numbers] | None = None,
    lines: Mapping[str, float] | None = None,
    top: float | None = None,
) -> go.Figure:
    """Return a chart of bars, one per name; series are stacked or side by side.

    Parameters
    ----------
    names : labels of the bars
    series : heights by the name of their quantity
    title : the finding
    y : title of the scale, with its unit
    grouped : series stand side by side
    marks : short lines across each bar, as the power that a car could take
    lines : lines across the chart, as a limit or a water level
    top : upper end of the scale; None: plotly's choice

    Examples
    --------
    >>> bars(["A", "B"], {"grid": [50, 75]}, "125 kW", lines={"limit": 100}).data[0].y
    (50.0, 75.0)
    """
    at = list(range(len(names)))
    traces: list[Any] = [
        go.Bar(x=at, y=_plain(values), name=name, marker=_fill(name, colour), hovertemplate=HOVER)
        for (name, values), colour in zip(series.items(), _colours(series), strict=True)
    ]
    for name, values in (marks or {}).items():
        traces.append(_mark(name, at, _plain(values), NAMED.get(name, CEILING)))
    for name, level in (lines or {}).items():
        ends = [-0.5, len(names) - 0.5]
        traces.append(_level(name, ends, [level, level]))
    figure = _figure(traces, title, y, top)
    figure.update_xaxes(tickvals=at, ticktext=list(names), range=[-0.6, len(names) - 0.4], showgrid=False)
    return figure.update_layout(barmode="group" if grouped else "stack", bargap=0.35)


def curves(
    x: Numbers,
    series: Mapping[str, Numbers],
    title: str,
    *,
    across: str = "hour",
    y: str = "kW",
    stacked: bool = False,
    lines: Mapping[str, float] | None = None,
    top: float | None = None,
) -> go.Figure:
    """Return a chart of curves; stacked ones are areas.

    Parameters
    ----------
    x : values of the horizontal axis, whose title is ``across``
    series, title, y, lines, top : see `bars`
    stacked : draw areas on top of each other

    Examples
    --------
    >>> curves([0, 1], {"SoC": [10, float("nan")]}, "a day", y="SoC, %").data[0].y
    (10.0, None)
    """
    at = _plain(x)
    traces: list[Any] = [
        go.Scatter(
            x=at,
            y=_plain(values),
            name=name,
            mode="lines",
            # Dashes tell the curves apart where colours do not.
            line={"color": colour, "width": 1 if stacked else 2.5, "dash": "solid" if stacked else dash},
            stackgroup="all" if stacked else None,
            hovertemplate=HOVER,
        )
        for (name, values), colour, dash in zip(series.items(), _colours(series), cycle(DASHES), strict=False)
    ]
    for name, level in (lines or {}).items():
        traces.append(_level(name, [at[0], at[-1]], [level, level]))
    figure = _figure(traces, title, y, top)
    return figure.update_xaxes(title={"text": across, "standoff": 6}, gridcolor=GRID_LINE)


def steps(x: Numbers, series: Mapping[str, Numbers], title: str, **options: Any) -> go.Figure:
    """Return `curves` in steps, for values that are constant until they change: offered power, limits, prices.

    Examples
    --------
    >>> steps([0, 1], {"limit": [400, 300]}, "a day").data[0].line.shape
    'hv'
    """
    return curves(x, series, title, **options).update_traces(line_shape="hv")


HOVER = "%{fullData.name}: %{y:,.1f}<extra></extra>"


def _plain(values: Numbers) -> list[float | None]:
    """Return plain floats, None for not a number, which JSON does not have."""
    return [None if np.isnan(value) else float(value) for value in values]


def _fill(name: str, colour: str) -> dict[str, Any]:
    """Return the fill of a bar; the battery has a pattern, as on the page, to be told apart without colours."""
    pattern = {"shape": "/" if name == "battery" else "", "fgcolor": "#7A5200", "size": 6}
    return {"color": colour, "pattern": pattern}


def _colours(series: Mapping[str, Numbers]) -> list[str]:
    free = cycle(colour for colour in TURNS if colour not in {NAMED.get(name) for name in series})
    return [NAMED[name] if name in NAMED else next(free) for name in series]


def _mark(name: str, at: Sequence[int], values: Sequence[float | None], colour: str) -> go.Scatter:
    x = [place + shift for place in at for shift in (-0.36, 0.36, 0.36)]
    y = [part for value in values for part in (value, value, None)]
    line = {"color": colour, "width": 4}
    return go.Scatter(x=x, y=y, name=name, mode="lines", line=line, hovertemplate=HOVER)


def _level(name: str, x: Sequence[float | None], y: Sequence[float]) -> go.Scatter:
    line = {"color": NAMED.get(name, LIMIT), "width": 2, "dash": "dash"}
    return go.Scatter(x=x, y=y, name=name, mode="lines", line=line, hovertemplate=HOVER)


def _figure(traces: Sequence[Any], title: str, y: str, top: float | None) -> go.Figure:
    for number, trace in enumerate(traces):
        # Plotly's own uid differs from run to run.
        trace.uid = f"trace-{number}"
    figure = go.Figure(traces)
    figure.update_yaxes(title={"text": y, "standoff": 6}, gridcolor=GRID_LINE, rangemode="tozero")
    if top is not None:
        figure.update_yaxes(range=[0, top])
    return figure.update_layout(
        title={
            "text": title,
            "x": 0.01,
            "xanchor": "left",
            "y": 0.97,
            "yanchor": "top",
            "font": {"size": 16},
        },
        font={"family": "system-ui, sans-serif", "size": 13, "color": INK},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        height=396,
        margin={"l": 60, "r": 16, "t": 92, "b": 52},
        legend={"orientation": "h", "x": 0.0, "y": 1.02, "yanchor": "bottom", "traceorder": "normal"},
        showlegend=True,
        hovermode="closest",
    )
