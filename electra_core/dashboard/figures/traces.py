"""The traces of the station's figure: always the same in the same order, to be changed in place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from electra_core.dashboard.figures.bands import TO, ConnectorId, band_names, grouped
from electra_core.dashboard.figures.colours import (
    BANDS,
    BATTERY,
    CEILING,
    CHARGING,
    GRID,
    LIMIT,
    RIVAL,
    STATIC,
    STORED,
)

# Plotly drops a label that was empty once; this one is not empty.
BLANK = "\u00a0"

# More bars than these leave no room for a number above each.
NUMBERED = 14


class Sample(NamedTuple):
    """The station at one moment, for the charts over time; powers in kW, SoC 0 to 1."""

    now_s: float
    limit_kw: float
    static_kw: float
    cars_kw: float
    charging_kw: float
    battery_kw: float
    soc: float
    # Power of each connector with a car, on the cars' side.
    sessions_kw: Mapping[ConnectorId, float] = MappingProxyType({})


class Bar(NamedTuple):
    """A connector now: power from grid and battery, the car's maximum, kW; label and words are HTML."""

    connector_id: ConnectorId
    label: str
    grid_kw: float
    battery_kw: float
    max_kw: float
    words: str


class ChartData(NamedTuple):
    """The data of the station's figure.

    Attributes
    ----------
    bars : one a connector
    history : samples in the order of time
    shadow : time, s, power to all cars, kW, and SoC of a station under other rules
    clock_zero_s : the time of day when the station's clock showed 0, s
    """

    bars: Sequence[Bar]
    history: Sequence[Sample]
    shadow: Sequence[tuple[float, float, float]] = ()
    clock_zero_s: float = 0.0

    @property
    def begin_s(self) -> float:
        """The time of the first sample, s: times of the curves, and the axes below them, count from it."""
        return self.history[0].now_s if self.history else 0.0


Times = NDArray[np.uint16 | np.float32]


class ShadowColumns(NamedTuple):
    """Columns of a station under other rules: times from the beginning of the window, power, SoC."""

    times: Times
    cars_kw: NDArray[np.float32]
    soc: NDArray[np.float32]


def station_traces(data: ChartData) -> list[dict[str, Any]]:
    """Return the figure's traces, always the same ones in the same order."""
    times = _since(data.begin_s, [sample.now_s for sample in data.history])
    shadow = _shadow(data)
    return [
        *_bar_traces(data.bars),
        *_site_traces(data.history, times),
        *_battery_traces(data.history, times, shadow),
        *_session_traces(data, times, shadow),
    ]


def _bar_traces(bars: Sequence[Bar]) -> list[dict[str, Any]]:
    x = np.arange(len(bars), dtype=np.float32)
    sources = (
        ("grid", "From the grid", GRID, "", [bar.grid_kw for bar in bars]),
        ("battery", "From the battery", BATTERY, "/", [bar.battery_kw for bar in bars]),
    )
    maxima = [bar.max_kw if bar.max_kw > 0.0 else np.nan for bar in bars]
    few = len(bars) <= NUMBERED
    powers = [bar.grid_kw + bar.battery_kw for bar in bars]
    # A number that would lie across the line over its bar goes above the line.
    height_kw = 0.12 * max((bar.max_kw for bar in bars), default=0.0)
    tops = [
        bar.max_kw if kw < bar.max_kw < kw + height_kw else kw for bar, kw in zip(bars, powers, strict=True)
    ]
    return [
        *(
            {
                "x": x,
                "customdata": [bar.words for bar in bars],
                "hovertemplate": "%{customdata}<extra></extra>",
                "type": "bar",
                "uid": f"bar-{uid}",
                "name": name,
                "y": np.array(kw),
                "marker": {"color": color, "pattern": {"shape": pattern, "fgcolor": "#7A5200", "size": 6}},
            }
            for uid, name, color, pattern, kw in sources
        ),
        {
            # A short line over each bar: from its left to its right, and a gap.
            "type": "scatter",
            "uid": "bar-max",
            "name": "The car's maximum",
            "mode": "lines",
            "x": (x[:, None] + np.array([-0.36, 0.36, 0.36], np.float32)).ravel(),
            "y": (np.array(maxima)[:, None] * np.array([1.0, 1.0, np.nan])).ravel(),
            "hoverinfo": "skip",
            "line": {"color": CEILING, "width": 4},
        },
        {
            "x": x,
            "hoverinfo": "skip",
            "type": "scatter",
            "uid": "bar-number",
            "name": "Power",
            "mode": "text",
            "y": np.array(tops),
            "text": [
                f"{kw:.1f}" if few and bar.max_kw > 0.0 else BLANK
                for bar, kw in zip(bars, powers, strict=True)
            ],
            "textposition": "top center",
            "cliponaxis": False,
        },
    ]


def _site_traces(history: Sequence[Sample], times: Times) -> list[dict[str, Any]]:
    stack = (
        ("static", "Static load", STATIC, column(history, "static_kw")),
        ("cars", "Cars, from the grid", GRID, column(history, "cars_kw")),
        ("charging", "Charging the battery", CHARGING, column(history, "charging_kw")),
    )
    limits = column(history, "limit_kw")
    axes = {"xaxis": "x2", "yaxis": "y2", "hovertemplate": "%{y:.1f} kW"}
    return [
        *(_area(f"site-{uid}", name, times, kw, color, "site", axes) for uid, name, color, kw in stack),
        _line(
            "site-limit",
            "Grid limit",
            times,
            limits,
            {"color": LIMIT, "width": 2, "dash": "dash", "shape": "hv"},
            axes,
        ),
        {
            "type": "scatter",
            "uid": "site-limit-name",
            "name": "Grid limit",
            "x": times[-1:],
            "y": limits[-1:],
            # A marker that is not seen keeps the words off the line.
            "mode": "markers+text",
            "marker": {"size": 8, "opacity": 0},
            "text": [f"grid limit {limits[-1]:.1f} kW " if len(limits) else BLANK],
            "textposition": "top left",
            "textfont": {"color": LIMIT, "size": 12},
            "hoverinfo": "skip",
            "cliponaxis": False,
            "xaxis": "x2",
            "yaxis": "y2",
        },
    ]


def _battery_traces(history: Sequence[Sample], times: Times, shadow: ShadowColumns) -> list[dict[str, Any]]:
    axes = {"xaxis": "x3", "yaxis": "y3", "hovertemplate": "%{y:.1f} %"}
    battery_kw = column(history, "battery_kw")
    soc, shadow_soc = (np.float32(100.0) * part for part in (column(history, "soc"), shadow.soc))
    power, taken = ({"color": color, "width": 1, "shape": "hv"} for color in (BATTERY, CHARGING))
    dotted = {"color": RIVAL, "width": 2, "dash": "dot"}
    right = {"xaxis": "x3", "yaxis": "y4", "hovertemplate": "%{y:.1f} kW", "fill": "tozeroy"}
    return [
        _line("battery-power", "Battery power to cars", *_above_zero(times, -battery_kw), power, right),
        _line("battery-charging", "Charging the battery", *_above_zero(times, battery_kw), taken, right),
        _line("battery-soc", "Battery SoC", times, soc, {"color": STORED, "width": 2.5}, axes),
        {
            **_line("battery-shadow", "Battery SoC, what if", shadow.times, shadow_soc, dotted, axes),
            "visible": shadow.times.size > 0,
        },
    ]


def _above_zero(times: Times, kw: NDArray[np.float32]) -> tuple[Times, NDArray[np.float32]]:
    """Return a curve cut at zero; one that is nowhere above it is empty, so that nothing is sent."""
    return (times, np.maximum(np.float32(0.0), kw)) if (kw > 0.0).any() else (times[:0], kw[:0])


def _session_traces(data: ChartData, times: Times, shadow: ShadowColumns) -> list[dict[str, Any]]:
    connector_ids, labels = [bar.connector_id for bar in data.bars], [bar.label for bar in data.bars]
    found = list(zip(band_names(connector_ids, labels), grouped(connector_ids), strict=True))
    axes = {"xaxis": "x4", "yaxis": "y5", "hovertemplate": "%{y:.1f} kW"}
    dotted = {"color": RIVAL, "width": 2, "dash": "dot", "shape": "hv"}
    powers = [_band(data.history, group) for _, group in found]
    areas = []
    for number, colour in enumerate(BANDS):
        used = number < len(found)
        name, kw = (found[number][0], powers[number]) if used else ("", np.zeros(0, np.float32))
        x = times if used else times[:0]
        area = _area(f"session-{number}", name or BLANK, x, kw, colour, "sessions", axes)
        areas.append({**area, "visible": used})
    return [
        *areas,
        {
            **_line("session-shadow", "All cars, what if", shadow.times, shadow.cars_kw, dotted, axes),
            "visible": shadow.times.size > 0,
        },
        _band_names(found, powers, times),
    ]


def _band(history: Sequence[Sample], group: Sequence[ConnectorId]) -> NDArray[np.float32]:
    return np.array(
        [sum(sample.sessions_kw.get(each, 0.0) for each in group) for sample in history], dtype=np.float32
    )


def _band_names(
    found: Sequence[tuple[str, list[ConnectorId]]],
    powers: Sequence[NDArray[np.float32]],
    times: Times,
) -> dict[str, Any]:
    """Return the trace of names: each at the right end of its band, if that is wide enough."""
    last = [float(kw[-1]) if len(kw) else 0.0 for kw in powers]
    highest_kw = float(np.sum(powers, axis=0).max()) if times.size and powers else 0.0
    below, names = 0.0, []
    for (name, _), kw in zip(found, last, strict=True):
        if kw > 0.06 * highest_kw:
            names.append((below + kw / 2.0, name))
        below += kw
    return {
        "type": "scatter",
        "uid": "session-names",
        "name": "Connector",
        "x": np.repeat(times[-1:], len(names)),
        "y": np.array([at for at, _ in names]),
        "mode": "text",
        "text": [f" {_short(name)}" for _, name in names] or [BLANK],
        "textposition": "middle right",
        "textfont": {"size": 11},
        "hoverinfo": "skip",
        "cliponaxis": False,
        "xaxis": "x4",
        "yaxis": "y5",
    }


def _short(name: str) -> str:
    """Return the first charger of a group: more has no room at the edge of the chart."""
    first, to, _ = name.partition(TO)
    return f"{first} …" if to else first


def _area(
    uid: str,
    name: str,
    x: Times,
    y: NDArray[np.float32],
    color: str,
    group: str,
    axes: Mapping[str, str],
) -> dict[str, Any]:
    """Return a band of a stack."""
    line = {"color": color, "width": 0.5, "shape": "hv"}
    return {**_line(uid, name, x, y, line, axes), "stackgroup": group, "fillcolor": color}


def _line(
    uid: str,
    name: str,
    x: Times,
    y: NDArray[np.float32],
    line: Mapping[str, Any],
    axes: Mapping[str, str],
) -> dict[str, Any]:
    """Return a curve over time."""
    return {
        "type": "scatter",
        "uid": uid,
        "name": name,
        "x": x,
        "y": y,
        "mode": "lines",
        "line": dict(line),
        **axes,
    }


def _since(begin_s: float, times_s: Sequence[float]) -> Times:
    """Return seconds since a moment, in the smallest type that holds them: half the bytes for some hours."""
    seconds = np.rint(np.array(times_s, dtype=np.float64) - begin_s)
    return seconds.astype(np.uint16 if seconds.max(initial=0.0) < 2**16 else np.float32)


def _shadow(data: ChartData) -> ShadowColumns:
    """Return the samples of the other station that lie in the window."""
    seen = [each for each in data.shadow if each[0] >= data.begin_s]
    # An array that is not contiguous cannot be sent.
    cars_kw, soc = (np.array([each[part] for each in seen], dtype=np.float32) for part in (1, 2))
    return ShadowColumns(_since(data.begin_s, [each[0] for each in seen]), cars_kw, soc)


def column(history: Sequence[Sample], name: str) -> NDArray[np.float32]:
    """Return one figure of each sample; a chart needs no more than seven digits."""
    return np.array([getattr(sample, name) for sample in history], dtype=np.float32)
