"""Strategies under each other on one time axis, as one plotly figure: pure functions, no widgets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import plotly.graph_objects as go

from electra_core.dashboard.figures.changes import changes_of
from electra_core.dashboard.figures.colours import GRID, GRID_LINE, INK, LIMIT, STORED
from electra_core.simulation import Result

Narrow: TypeAlias = npt.NDArray[np.float32]

# The figure always has this many rows; unused ones are hidden.
ROWS = 9
POINTS = 1_000
LEAD_S = 3_600.0
HOUR_S, DAY_H = 3600.0, 24.0

# px of a row, between rows, and of the figure's edges.
ROW_PX, GAP_PX, TOP_PX, BOTTOM_PX = 120, 62, 46, 36
FILL = "rgba(0,114,178,0.25)"


class Curve(NamedTuple):
    """The site over time, one value a point; powers are means, kW; ``soc`` 0 to 1, None without a battery."""

    start_h: float
    point_h: float
    import_kw: Narrow
    soc: Narrow | None
    limit_kw: float


class Row(NamedTuple):
    """A strategy's curves and, as title, its result in words."""

    title: str
    curve: Curve


def curve_of(result: Result) -> Curve:
    """Return the site's curves of a run, from an hour before the first arrival, with at most 1,000 points.

    With more steps than that, each point is the mean of as many steps as are needed.
    """
    scenario, timeline = result.scenario, result.timeline.iloc[:-1]
    arrivals_s = scenario.sessions.arrival_s
    lead_s = max(0.0, (arrivals_s[0] if len(arrivals_s) else 0.0) - LEAD_S)
    first = int(min(lead_s // scenario.step_s, max(0, len(timeline) - 1)))
    shown = timeline.iloc[first:]
    many = max(1, -(-len(shown) // POINTS))
    has_battery = scenario.config.battery is not None
    return Curve(
        start_h=first * scenario.step_s / HOUR_S,
        point_h=many * scenario.step_s / HOUR_S,
        import_kw=_means(shown["import_kw"].to_numpy(), many),
        soc=_means(shown["battery_soc"].to_numpy(), many) if has_battery else None,
        limit_kw=float(scenario.site_limit_kw.max(initial=0.0)),
    )


def _means(values: npt.NDArray[np.float64], many: int) -> Narrow:
    """Return the means of every ``many`` values."""
    starts = np.arange(0, len(values), many)
    counts = np.minimum(many, len(values) - starts)
    return np.asarray(np.add.reduceat(values, starts) / counts, np.float32)


def comparison_figure(rows: Sequence[Row]) -> go.Figure:
    """Return the figure: a row a strategy, with the site's import, its limit, and the battery's SoC."""
    return go.Figure(data=_traces(rows), layout=_layout(rows))


def comparison_changes(rows: Sequence[Row]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what changes between comparisons, as arguments of plotly's ``update``: traces and layout."""
    return changes_of(
        _traces(rows),
        _layout(rows),
        of_traces=("x0", "dx", "x", "y", "visible"),
        of_axes=("range", "domain", "visible", "tickvals", "ticktext"),
        of_notes=("text", "y", "visible"),
    )


def _traces(rows: Sequence[Row]) -> list[dict[str, Any]]:
    return [trace for number in range(ROWS) for trace in _row_traces(number, _nth(rows, number))]


def _nth(rows: Sequence[Row], number: int) -> Row | None:
    return rows[number] if number < len(rows) else None


def _row_traces(number: int, row: Row | None) -> list[dict[str, Any]]:
    """Return import, limit and SoC of a row; an empty row has them too, so that traces are never replaced."""
    empty = np.zeros(0, np.float32)
    curve = row.curve if row else Curve(0.0, 1.0, empty, None, 0.0)
    span = [curve.start_h, _end_h(curve)]
    steps = {"type": "scatter", "mode": "lines", "x0": curve.start_h, "dx": curve.point_h}
    power_axis = f"y{number + 1}" if number else "y"
    soc_axis = f"y{ROWS + number + 1}"
    soc = empty if curve.soc is None else np.asarray(100.0 * curve.soc, np.float32)
    return [
        {
            **steps,
            "uid": f"import-{number}",
            "yaxis": power_axis,
            "y": curve.import_kw,
            "visible": row is not None,
            "line": {"color": GRID, "width": 1.5, "shape": "hv"},
            "fill": "tozeroy",
            "fillcolor": FILL,
            "hovertemplate": "import %{y:.1f} kW<extra></extra>",
        },
        {
            "type": "scatter",
            "mode": "lines",
            "uid": f"limit-{number}",
            "yaxis": power_axis,
            "x": span,
            "y": [curve.limit_kw, curve.limit_kw],
            "visible": row is not None,
            "line": {"color": LIMIT, "width": 2, "dash": "dash"},
            "hoverinfo": "skip",
        },
        {
            **steps,
            "uid": f"soc-{number}",
            "yaxis": soc_axis,
            "y": soc,
            "visible": row is not None and curve.soc is not None,
            "line": {"color": STORED, "width": 2, "dash": "dot"},
            "hovertemplate": "SoC %{y:.0f} %<extra></extra>",
        },
    ]


def _end_h(curve: Curve) -> float:
    return curve.start_h + curve.point_h * max(1, len(curve.import_kw))


def _layout(rows: Sequence[Row]) -> dict[str, Any]:
    count = max(1, len(rows))
    inner_px = count * ROW_PX + (count - 1) * GAP_PX
    layout: dict[str, Any] = {
        "height": inner_px + TOP_PX + BOTTOM_PX,
        "autosize": True,
        "margin": {"l": 52, "r": 52, "t": TOP_PX, "b": BOTTOM_PX},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": "system-ui, sans-serif", "size": 12, "color": INK},
        "showlegend": False,
        "hovermode": "closest",
        "xaxis": _time_axis(rows),
        "annotations": [],
    }
    # The limit and a full battery stand at different heights, or one line would hide the other.
    top_kw = 1.28 * max([1.0, *(max(row.curve.limit_kw, _max_kw(row.curve)) for row in rows)])
    for number in range(ROWS):
        upper = 1.0 - number * (ROW_PX + GAP_PX) / inner_px
        domain = [max(0.0, upper - ROW_PX / inner_px), upper] if number < count else [0.0, 0.001]
        layout |= _value_axes(number, _nth(rows, number), domain, top_kw)
        layout["annotations"] += _notes(number, _nth(rows, number), domain)
    return layout


def _max_kw(curve: Curve) -> float:
    return float(curve.import_kw.max(initial=0.0))


def _value_axes(number: int, row: Row | None, domain: list[float], top_kw: float) -> dict[str, Any]:
    """Return the axes of a row: kW on the left, the battery's SoC on the right."""
    shared = {"fixedrange": True, "zeroline": False}
    name = f"yaxis{number + 1}" if number else "yaxis"
    has_battery = row is not None and row.curve.soc is not None
    return {
        name: {
            **shared,
            "domain": domain,
            "anchor": "x",
            "range": [0.0, top_kw],
            "nticks": 4,
            "gridcolor": GRID_LINE,
            "visible": row is not None,
            "title": {"text": "kW", "standoff": 4},
        },
        f"yaxis{ROWS + number + 1}": {
            **shared,
            "overlaying": f"y{number + 1}" if number else "y",
            "anchor": "x",
            "side": "right",
            "range": [0.0, 106.0],
            "tickvals": [0, 50, 100],
            "showgrid": False,
            "visible": has_battery,
            "title": {"text": "SoC, %", "standoff": 4},
        },
    }


def _notes(number: int, row: Row | None, domain: list[float]) -> list[dict[str, Any]]:
    """Return the finding above a row, and the name of the limit on its line."""
    both = {"showarrow": False, "visible": row is not None}
    title = {
        **both,
        "text": row.title if row else "\u00a0",
        "xref": "paper",
        "x": 0.0,
        "xanchor": "left",
        "yref": "paper",
        "y": domain[1],
        "yanchor": "bottom",
        "yshift": 4,
        "align": "left",
        "font": {"size": 13},
    }
    limit_kw = row.curve.limit_kw if row else 0.0
    limit = {
        **both,
        "text": f"limit {limit_kw:,g} kW",
        "xref": "paper",
        "x": 0.004,
        "xanchor": "left",
        "yref": f"y{number + 1}" if number else "y",
        "y": limit_kw,
        "yanchor": "bottom",
        "font": {"size": 11},
    }
    return [title, limit]


def _time_axis(rows: Sequence[Row]) -> dict[str, Any]:
    """Return the time axis that all rows share: hours, or days where they are many."""
    start_h = min((row.curve.start_h for row in rows), default=0.0)
    end_h = max((_end_h(row.curve) for row in rows), default=DAY_H)
    wide_h = end_h - start_h
    every_h = next((step for step in (1, 2, 3, 6, 12, 24, 48, 168, 336, 720) if wide_h / step <= 8), 24 * 60)
    ticks = [hour for hour in range(0, int(end_h) + 1, every_h) if hour >= start_h]
    return {
        "domain": [0.0, 1.0],
        "anchor": "free",
        "position": 0.0,
        "range": [start_h, end_h],
        "tickvals": ticks,
        "ticktext": [_moment(hour, every_h) for hour in ticks],
        "fixedrange": True,
        "gridcolor": GRID_LINE,
        "zeroline": False,
    }


def _moment(hour: int, every_h: int) -> str:
    if every_h >= DAY_H:
        return f"day {hour // 24 + 1}"
    day = f"day {hour // 24 + 1} " if hour >= DAY_H and hour % 24 == 0 else ""
    return f"{day}{hour % 24:02d}:00"
