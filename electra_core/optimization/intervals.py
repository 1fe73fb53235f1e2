"""Time of a run cut into intervals in which nothing changes, and the sessions present in each.

In such an interval only the mean power of a car counts: whatever a strategy does in it, its means keep the
same limits. So a month of five-minute steps becomes as many intervals as there are events, and no solution is
lost by it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from electra_core.optimization.linear_program import Floats, Ints, OptimizationError
from electra_core.sessions import Scenario
from electra_core.station import HOUR_S

# Cars on charging curves need more than means: an interval with such a car is at most this long.
MAX_CURVE_INTERVAL_S = 900.0

# With more pairs of a session and an interval a solve would take hours and gigabytes.
MAX_PAIRS = 5_000_000

# Events are at the same time when they agree to so many decimal places of a second.
TIME_DECIMALS = 6


@dataclass(frozen=True, slots=True)
class Intervals:
    """Intervals, one entry each.

    Attributes
    ----------
    edges_s : start of each interval, and the end of the last one, s
    hours : h
    own_kw : power of site, chargers and battery before any car, kW
    pv_kw : available power of the photovoltaic plant, kW
    limit_kw : import limit, kW
    price_per_kwh : of import; None: unknown
    """

    edges_s: Floats
    hours: Floats
    own_kw: Floats
    pv_kw: Floats
    limit_kw: Floats
    price_per_kwh: Floats | None

    def __len__(self) -> int:
        return len(self.hours)

    @property
    def max_import_kwh(self) -> Floats:
        """Energy that the site can import, kWh; its own load above the limit is imported all the same."""
        return np.maximum(self.limit_kw, self.own_kw - self.pv_kw) * self.hours


@dataclass(frozen=True, slots=True)
class Presence:
    """Pairs of a session and an interval in which it is present, by session and time."""

    session: Ints
    interval: Ints

    def __len__(self) -> int:
        return len(self.session)


def cut(scenario: Scenario, end_s: float, window_s: float | None) -> Intervals:
    """Cut a run at every event up to an end.

    Parameters
    ----------
    scenario : the run
    end_s : s
    window_s : length of the windows over which import is averaged, s; those with an event in them become
        intervals of their own. None: there are none
    """
    table, step_s = scenario.sessions, scenario.step_s
    profiles = [scenario.static_load_kw, scenario.pv_kw, scenario.site_limit_kw]
    if scenario.price_per_kwh is not None:
        profiles.append(scenario.price_per_kwh)
    changes = np.any([np.diff(profile) != 0.0 for profile in profiles], axis=0)
    steps_s = (np.flatnonzero(changes) + 1) * step_s
    events_s = np.concatenate([steps_s, table.arrival_s, table.departure_s, _curve_edges_s(scenario, end_s)])
    events_s = np.append(events_s[events_s < end_s], [0.0, end_s])
    if window_s is not None:
        windows = events_s / window_s
        events_s = np.concatenate([events_s, np.floor(windows) * window_s, np.ceil(windows) * window_s])
    edges_s = np.unique(np.round(events_s[events_s <= end_s], TIME_DECIMALS))
    middle_s = 0.5 * (edges_s[:-1] + edges_s[1:])
    step = np.minimum((middle_s / step_s).astype(np.int64), scenario.steps - 1)
    return Intervals(
        edges_s=edges_s,
        hours=np.diff(edges_s) / HOUR_S,
        own_kw=scenario.static_load_kw[step] + scenario.config.standing_kw,
        pv_kw=scenario.pv_kw[step],
        limit_kw=scenario.site_limit_kw[step],
        price_per_kwh=None if scenario.price_per_kwh is None else scenario.price_per_kwh[step],
    )


def _curve_edges_s(scenario: Scenario, end_s: float) -> Floats:
    """Return the times at which an interval ends because a car with a curve and a departure is present.

    A car without a departure has all the time of the run, and its curve hardly matters.
    """
    table = scenario.sessions
    curved = (table.curve >= 0) & np.isfinite(table.departure_s)
    count = math.ceil(end_s / MAX_CURVE_INTERVAL_S) if curved.any() else 1
    edges_s = np.arange(1, count, dtype=np.float64) * MAX_CURVE_INTERVAL_S
    arrived = np.searchsorted(table.arrival_s[curved], edges_s, side="left")
    departed = np.searchsorted(np.sort(table.departure_s[curved]), edges_s, side="right")
    return edges_s[arrived > departed]


def find_presence(scenario: Scenario, intervals: Intervals) -> Presence:
    """Return the intervals of each session from arrival to departure, of those that request energy.

    Raises
    ------
    OptimizationError
        When they are too many for one solve.
    """
    first, count = _first_and_count(scenario, intervals)
    if count.sum() > MAX_PAIRS:
        raise OptimizationError(
            f"{len(count):,} drivers in {len(intervals):,} intervals are too much for one solve:"
            " take a shorter time, or say when drivers leave"
        )
    session = np.repeat(np.arange(len(count)), count)
    before = np.cumsum(count) - count
    return Presence(session, np.arange(len(session)) - before[session] + first[session])


def _first_and_count(scenario: Scenario, intervals: Intervals) -> tuple[Ints, Ints]:
    """Return the first interval of each session, and their number: 0 without a request."""
    table, edges_s = scenario.sessions, intervals.edges_s
    first = np.searchsorted(edges_s, np.round(table.arrival_s, TIME_DECIMALS))
    last = np.searchsorted(edges_s, np.round(np.minimum(table.departure_s, edges_s[-1]), TIME_DECIMALS))
    return first, np.where(table.requested_kwh > 0.0, np.maximum(0, last - first), 0)


def program_size(scenario: Scenario, *, end_s: float | None = None) -> int:
    """Return the size of the program of `hindsight`: its pairs of a session and an interval.

    The time of a solve grows faster than this number; it is cheap to compute.

    Parameters
    ----------
    scenario : the run
    end_s : s; the end of the run; None: its horizon

    Examples
    --------
    >>> from electra_core import load_config
    >>> from electra_core.sessions import day_sessions, read_scenario
    >>> chargers = [{"id": "L3", "maxPower": 345, "connectors": 2}]
    >>> config = load_config({"stationId": "ST", "gridCapacity": 172.5, "chargers": chargers})
    >>> program_size(read_scenario(config, day_sessions("epfl_2022-10-18")))
    46
    """
    intervals = cut(scenario, scenario.horizon_s if end_s is None else end_s, None)
    return int(_first_and_count(scenario, intervals)[1].sum())
