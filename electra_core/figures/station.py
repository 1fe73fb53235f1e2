"""The station now and over time, as one plotly figure: pure functions, no widgets."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from electra_core.figures.colours import (
    BATTERY,
    CEILING,
    CHARGING,
    GRID,
    GRID_LINE,
    INK,
    LIMIT,
    STATIC,
    STORED,
)

# Plotly forgets a label that was empty once; this one is not.
BLANK = "\u00a0"


class Sample(NamedTuple):
    """The station at one moment, for the charts over time; powers in kW, SoC 0 to 1."""

    now_s: float
    limit_kw: float
    static_kw: float
    cars_kw: float
    charging_kw: float
    battery_kw: float
    soc: float


class Bar(NamedTuple):
    """A connector now: what it gets and what its car could take, kW, and the words that go with it."""

    label: str
    grid_kw: float
    battery_kw: float
    ceiling_kw: float
    words: str


def station_figure(
    bars: Sequence[Bar], history: Sequence[Sample], titles: Mapping[str, str], height: int = 760
) -> go.Figure:
    """The station now and over time: power per connector, the site under its limit, the battery.

    Parameters
    ----------
    bars : one a connector
    history : in the order of time
    titles : what each part shows, by ``sessions``, ``site`` and ``battery``
    height : px
    """
    return go.Figure(data=station_traces(bars, history), layout=station_layout(bars, history, titles, height))


def station_traces(bars: Sequence[Bar], history: Sequence[Sample]) -> list[dict[str, Any]]:
    """The figure's traces, always the same ones in the same order."""
    return [*_session_traces(bars), *_site_traces(history), *_battery_traces(history)]


def station_changes(
    bars: Sequence[Bar], history: Sequence[Sample], titles: Mapping[str, str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """What moves from one moment to the next, in the words of plotly's ``update``: traces and layout."""
    traces = station_traces(bars, history)
    layout = station_layout(bars, history, titles)
    moving = ("range", "tickvals", "ticktext")
    axes = {
        f"{axis}.{key}": layout[axis][key]
        for axis in layout
        if "axis" in axis
        for key in moving
        if key in layout[axis]
    }
    words = {f"annotations[{index}].text": note["text"] for index, note in enumerate(layout["annotations"])}
    return {
        key: [trace.get(key) for trace in traces] for key in ("x", "y", "text", "customdata")
    }, axes | words


def _session_traces(bars: Sequence[Bar]) -> list[dict[str, Any]]:
    x = np.arange(len(bars), dtype=float)
    hover = "%{customdata}<extra></extra>"
    common = {"x": x, "customdata": [bar.words for bar in bars], "hovertemplate": hover}
    sources = (
        ("grid", "From the grid", GRID, "", np.array([bar.grid_kw for bar in bars])),
        ("battery", "From the battery", BATTERY, "/", np.array([bar.battery_kw for bar in bars])),
    )
    return [
        *(
            {
                **common,
                "type": "bar",
                "uid": f"session-{uid}",
                "name": name,
                "y": kw,
                "marker": {"color": color, "pattern": {"shape": pattern, "fgcolor": "#7A5200", "size": 6}},
            }
            for uid, name, color, pattern, kw in sources
        ),
        {
            **common,
            "type": "scatter",
            "uid": "session-ceiling",
            "name": "The car could take",
            "mode": "markers",
            "y": np.array([bar.ceiling_kw if bar.ceiling_kw > 0.0 else np.nan for bar in bars]),
            "marker": {"symbol": "line-ew", "size": 38, "line": {"color": CEILING, "width": 4}},
        },
        {
            **common,
            "type": "scatter",
            "uid": "session-number",
            "name": "Power",
            "mode": "text",
            "y": np.array([bar.grid_kw + bar.battery_kw for bar in bars]),
            "text": [
                f"{bar.grid_kw + bar.battery_kw:.1f}" if bar.ceiling_kw > 0.0 else BLANK for bar in bars
            ],
            "textposition": "top center",
            "cliponaxis": False,
        },
    ]


def _site_traces(history: Sequence[Sample]) -> list[dict[str, Any]]:
    x = _times(history)
    stack = (
        ("static", "Static load", STATIC, _column(history, "static_kw")),
        ("cars", "Cars, from the grid", GRID, _column(history, "cars_kw")),
        ("charging", "Charging the battery", CHARGING, _column(history, "charging_kw")),
    )
    areas = [
        {
            "type": "scatter",
            "uid": f"site-{uid}",
            "name": name,
            "x": x,
            "y": kw,
            "mode": "lines",
            "line": {"color": color, "width": 0.5, "shape": "hv"},
            "stackgroup": "site",
            "fillcolor": color,
            "xaxis": "x2",
            "yaxis": "y2",
            "hovertemplate": "%{y:.1f} kW",
        }
        for uid, name, color, kw in stack
    ]
    limit = {
        "type": "scatter",
        "uid": "site-limit",
        "name": "Grid limit",
        "x": x,
        "y": _column(history, "limit_kw"),
        "mode": "lines",
        "line": {"color": LIMIT, "width": 2, "dash": "dash", "shape": "hv"},
        "xaxis": "x2",
        "yaxis": "y2",
        "hovertemplate": "%{y:.1f} kW",
    }
    return [*areas, limit]


def _battery_traces(history: Sequence[Sample]) -> list[dict[str, Any]]:
    x = _times(history)
    return [
        {
            "type": "scatter",
            "uid": "battery-soc",
            "name": "Battery SoC",
            "x": x,
            "y": 100.0 * _column(history, "soc"),
            "mode": "lines",
            "line": {"color": STORED, "width": 2.5},
            "xaxis": "x3",
            "yaxis": "y3",
            "hovertemplate": "%{y:.1f} %",
        },
        {
            "type": "scatter",
            "uid": "battery-power",
            "name": "Battery power to cars",
            "x": x,
            "y": np.maximum(0.0, -_column(history, "battery_kw")),
            "mode": "lines",
            "line": {"color": BATTERY, "width": 1, "shape": "hv"},
            "fill": "tozeroy",
            "xaxis": "x3",
            "yaxis": "y4",
            "hovertemplate": "%{y:.1f} kW",
        },
    ]


def station_layout(
    bars: Sequence[Bar], history: Sequence[Sample], titles: Mapping[str, str], height: int = 760
) -> dict[str, Any]:
    """Axes, titles and ranges of the station's figure."""
    rows = {"sessions": (0.72, 1.0), "site": (0.35, 0.61), "battery": (0.0, 0.24)}
    span = _span(history)
    time = {**_clock_ticks(span), "range": span, "gridcolor": GRID_LINE, "fixedrange": True}
    value = {"rangemode": "tozero", "gridcolor": GRID_LINE, "fixedrange": True, "zeroline": False}
    top_bar = max((bar.ceiling_kw for bar in bars), default=0.0)
    top_bar = max([top_bar, 50.0, *(bar.grid_kw + bar.battery_kw for bar in bars)])
    top_site = max(
        [50.0, *(sample.limit_kw for sample in history), *(sample.static_kw for sample in history)]
    )
    top_boost = max([20.0, *(-sample.battery_kw for sample in history)])
    return {
        "height": height,
        "autosize": True,
        "barmode": "stack",
        "bargap": 0.45,
        "margin": {"l": 52, "r": 52, "t": 50, "b": 30},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": "system-ui, sans-serif", "size": 12, "color": INK},
        "showlegend": False,
        "hovermode": "closest",
        "xaxis": {
            "domain": [0, 1],
            "anchor": "y",
            "tickvals": list(range(len(bars))),
            "ticktext": [bar.label for bar in bars],
            "range": [-0.6, len(bars) - 0.4],
            "fixedrange": True,
            "showgrid": False,
            "tickangle": 0,
            "tickfont": {"size": 11},
        },
        "yaxis": {**value, "domain": rows["sessions"], "range": [0, 1.35 * top_bar], "title": {"text": "kW"}},
        "xaxis2": {**time, "anchor": "y2"},
        "yaxis2": {**value, "domain": rows["site"], "range": [0, 1.1 * top_site], "title": {"text": "kW"}},
        "xaxis3": {**time, "anchor": "y3"},
        "yaxis3": {**value, "domain": rows["battery"], "range": [0, 104], "title": {"text": "SoC, %"}},
        "yaxis4": {
            **value,
            "overlaying": "y3",
            "anchor": "x3",
            "side": "right",
            "range": [0, _round_up(2.5 * top_boost)],
            "tickmode": "auto",
            "nticks": 4,
            "showgrid": False,
            "title": {"text": "kW"},
        },
        "annotations": [_title(titles[name], domain[1]) for name, domain in rows.items()],
    }


def _title(text: str, top: float) -> dict[str, Any]:
    return {
        "text": text,
        "x": 0,
        "y": top,
        "xref": "paper",
        "yref": "paper",
        "xanchor": "left",
        "yanchor": "bottom",
        "yshift": 6,
        "showarrow": False,
        "align": "left",
        "font": {"size": 14},
    }


def _round_up(kw: float) -> float:
    """The next 1, 2 or 5 with zeros: an axis that people can read."""
    power = 10.0 ** math.floor(math.log10(kw))
    return next(step * power for step in (1.0, 2.0, 5.0, 10.0) if step * power >= kw)


def _times(history: Sequence[Sample]) -> NDArray[np.float64]:
    """Hours since the station's clock began."""
    return _column(history, "now_s") / 3600.0


def _column(history: Sequence[Sample], name: str) -> NDArray[np.float64]:
    return np.array([getattr(sample, name) for sample in history], dtype=float)


def _clock_ticks(span: Sequence[float]) -> dict[str, Any]:
    """A tick at every full hour. An axis of dates would lose its format at the first update of its data."""
    hours = list(range(math.ceil(span[0]), math.floor(span[1]) + 1))
    return {"tickvals": hours, "ticktext": [f"{hour % 24:02d}:00" for hour in hours]}


def _span(history: Sequence[Sample], hours: float = 4.0) -> list[float]:
    """The last hours, and a little room on the right."""
    end_h = history[-1].now_s / 3600.0 if history else 0.0
    return [end_h - hours, end_h + 0.1]
