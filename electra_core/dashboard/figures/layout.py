"""Axes, titles and domains of the station's figure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from electra_core.dashboard.figures.colours import GRID_LINE, INK
from electra_core.dashboard.figures.traces import NUMBERED, Bar, ChartData

# Domain of each part across and up, as parts of the figure; and the height of the figure, px.
WIDE: Mapping[str, tuple[tuple[float, float], tuple[float, float]]] = {
    "bars": ((0.0, 0.455), (0.555, 0.915)),
    "sessions": ((0.545, 1.0), (0.555, 0.915)),
    "site": ((0.0, 0.455), (0.0, 0.385)),
    "battery": ((0.545, 1.0), (0.0, 0.385)),
}
NARROW: Mapping[str, tuple[tuple[float, float], tuple[float, float]]] = {
    "bars": ((0.0, 1.0), (0.777, 0.953)),
    "sessions": ((0.0, 1.0), (0.527, 0.703)),
    "site": ((0.0, 1.0), (0.277, 0.453)),
    "battery": ((0.0, 1.0), (0.027, 0.203)),
}
HEIGHT = {1: 1040, 2: 600}

HOURS, HOUR_S = 4.0, 3600.0


def station_layout(data: ChartData, titles: Mapping[str, str], columns: int = 2) -> dict[str, Any]:
    """Return axes, titles and ranges of the station's figure."""
    # Lists: plotly keeps a domain as it is given, and cannot change a tuple a second time.
    at = {name: [list(part) for part in parts] for name, parts in (WIDE if columns == 2 else NARROW).items()}
    time = {**_time(data), "gridcolor": GRID_LINE, "fixedrange": True}
    value = {
        "rangemode": "tozero",
        "gridcolor": GRID_LINE,
        "fixedrange": True,
        "zeroline": False,
        "nticks": 6,
        "title": {"text": "kW", "standoff": 4},
    }
    tops = _tops(data)
    return {
        "height": HEIGHT[columns],
        "autosize": True,
        "barmode": "stack",
        "bargap": 0.45,
        "margin": {"l": 48, "r": 56, "t": 20, "b": 28},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": "system-ui, sans-serif", "size": 12, "color": INK},
        "showlegend": False,
        "hovermode": "closest",
        "xaxis": {"domain": at["bars"][0], "anchor": "y", **_bar_ticks(data.bars)},
        "yaxis": {**value, "domain": at["bars"][1], "range": [0, tops["bars"]]},
        "xaxis2": {**time, "domain": at["site"][0], "anchor": "y2"},
        "yaxis2": {**value, "domain": at["site"][1], "anchor": "x2", "range": [0, tops["site"]]},
        "xaxis3": {**time, "domain": at["battery"][0], "anchor": "y3"},
        "yaxis3": {
            **value,
            "domain": at["battery"][1],
            "anchor": "x3",
            "range": [0, 104],
            "tickvals": [0, 25, 50, 75, 100],
            "title": {"text": "SoC, %", "standoff": 4},
        },
        "yaxis4": {
            **value,
            "overlaying": "y3",
            "anchor": "x3",
            "side": "right",
            "range": [0, tops["boost"]],
            # By itself it would take the ticks of the axis below it, at odd numbers.
            "tickmode": "auto",
            "nticks": 4,
            "showgrid": False,
        },
        "xaxis4": {**time, "domain": at["sessions"][0], "anchor": "y5"},
        "yaxis5": {**value, "domain": at["sessions"][1], "anchor": "x4", "range": [0, tops["sessions"]]},
        "annotations": [_title(titles[name], across[0], up[1]) for name, (across, up) in at.items()],
    }


def _tops(data: ChartData) -> dict[str, float]:
    """Return the end of each scale, kW: in steps, so that it stands still while values move."""
    bars, history = data.bars, data.history
    powers = [max(bar.max_kw, bar.grid_kw + bar.battery_kw) for bar in bars]
    limits = [max(sample.limit_kw, sample.static_kw) for sample in history]
    totals = [sum(sample.sessions_kw.values()) for sample in history] + [kw for _, kw, _ in data.shadow]
    boosts = [-sample.battery_kw for sample in history]
    return {
        "bars": _round_up(1.2 * max([40.0, *powers])),
        "site": _round_up(1.15 * max([40.0, *limits])),
        "sessions": _round_up(1.05 * max([40.0, *totals])),
        "boost": _round_up(2.2 * max([20.0, *boosts])),
    }


def _round_up(kw: float) -> float:
    """Return the next number that an axis can end at: 1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8 with zeros."""
    power = 10.0 ** math.floor(math.log10(kw))
    return next(step * power for step in (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10) if step * power >= kw)


def _bar_ticks(bars: Sequence[Bar]) -> dict[str, Any]:
    flat = len(bars) <= NUMBERED // 2
    # On a phone six names in a line would run into each other.
    broken = flat and len(bars) > 4
    return {
        "tickvals": list(range(len(bars))),
        "ticktext": [bar.label.replace("·", "<br>·") if broken else bar.label for bar in bars],
        "range": [-0.6, len(bars) - 0.4],
        "fixedrange": True,
        "showgrid": False,
        "tickangle": 0 if flat else -90,
        "tickfont": {"size": 11},
    }


def _title(text: str, across: float, top: float) -> dict[str, Any]:
    return {
        "text": text,
        "x": across,
        "y": top,
        "xref": "paper",
        "yref": "paper",
        "xanchor": "left",
        "yanchor": "bottom",
        "yshift": 8,
        "showarrow": False,
        "align": "left",
        "font": {"size": 14},
    }


def _time(data: ChartData) -> dict[str, Any]:
    """Return the axis of the last hours, with some room on the right and a tick at every full hour.

    An axis of dates would lose its format at the first update of its data.
    """
    begin_s, history = data.clock_zero_s + data.begin_s, data.history
    end_s = data.clock_zero_s + (history[-1].now_s if history else 0.0)
    first_s, last_s = end_s - HOURS * HOUR_S, end_s + 0.05 * HOUR_S
    hours = range(math.ceil(first_s / HOUR_S), math.floor(last_s / HOUR_S) + 1)
    return {
        "range": [first_s - begin_s, last_s - begin_s],
        "tickvals": [hour * HOUR_S - begin_s for hour in hours],
        "ticktext": [f"{hour % 24:02d}:00" for hour in hours],
    }
