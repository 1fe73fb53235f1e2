"""The time of a run cut into intervals in which nothing changes, and who is there in each.

Inside such an interval only the mean power of a car counts: whatever a strategy does in it, its means keep
the same limits. So a month of five-minute steps is as many intervals as there are events, and no answer
is lost by it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from electra_core.optimization.linear_program import Floats, Ints, OptimizationError
from electra_core.sessions import Scenario

HOUR_S = 3600.0

# Where cars move along their curves means are not enough, and an interval is at most this long.
CURVE_S = 900.0

# With more stays a solve would take hours and gigabytes.
MAX_STAYS = 5_000_000

# Events are the same when they are this close: decimal places of a second.
PLACES = 6


@dataclass(frozen=True, slots=True)
class Intervals:
    """Intervals, one entry each.

    Attributes
    ----------
    start_s : s; with the end of the last one as one more entry
    hours : h
    own_kw : what site, chargers and battery take by themselves, kW
    pv_kw : what the photovoltaic plant could give, kW
    limit_kw : import limit, kW
    price_per_kwh : of import; None: nobody asked
    """

    start_s: Floats
    hours: Floats
    own_kw: Floats
    pv_kw: Floats
    limit_kw: Floats
    price_per_kwh: Floats | None

    def __len__(self) -> int:
        return len(self.hours)

    @property
    def most_import_kwh(self) -> Floats:
        """What the site can import; where its own load is above the limit, that load all the same, kWh."""
        most_kw: Floats = np.maximum(self.limit_kw, self.own_kw - self.pv_kw)
        return most_kw * self.hours


@dataclass(frozen=True, slots=True)
class Stays:
    """Visitors in intervals: an entry for each interval in which a visitor is there, by visitor and time."""

    visit: Ints
    interval: Ints

    def __len__(self) -> int:
        return len(self.visit)


def cut(scenario: Scenario, end_s: float, window_s: float | None) -> Intervals:
    """Cut a run at every event up to an end.

    Parameters
    ----------
    scenario : the run
    end_s : s
    window_s : s; where something is measured over windows, those with an event in them are cut out
    """
    visits, step_s = scenario.sessions, scenario.step_s
    profiles = [scenario.static_load_kw, scenario.pv_kw, scenario.site_limit_kw]
    if scenario.price_per_kwh is not None:
        profiles.append(scenario.price_per_kwh)
    changes = np.any([np.diff(profile) != 0.0 for profile in profiles], axis=0)
    steps_s = (np.flatnonzero(changes) + 1) * step_s
    events_s = np.concatenate(
        [steps_s, visits.arrival_s, visits.departure_s, _curve_marks_s(scenario, end_s)]
    )
    events_s = np.append(events_s[events_s < end_s], [0.0, end_s])
    if window_s is not None:
        windows = events_s / window_s
        events_s = np.concatenate([events_s, np.floor(windows) * window_s, np.ceil(windows) * window_s])
    edges_s = np.unique(np.round(events_s[events_s <= end_s], PLACES))
    middle_s = 0.5 * (edges_s[:-1] + edges_s[1:])
    step = np.minimum((middle_s / step_s).astype(np.int64), scenario.steps - 1)
    return Intervals(
        start_s=edges_s,
        hours=np.diff(edges_s) / HOUR_S,
        own_kw=scenario.static_load_kw[step] + scenario.config.standing_kw,
        pv_kw=scenario.pv_kw[step],
        limit_kw=scenario.site_limit_kw[step],
        price_per_kwh=None if scenario.price_per_kwh is None else scenario.price_per_kwh[step],
    )


def _curve_marks_s(scenario: Scenario, end_s: float) -> Floats:
    """Moments at which an interval ends because a car with a curve and a departure is there.

    A car without a departure has all the time that there is, and its curve hardly matters.
    """
    visits = scenario.sessions
    curved = (visits.curve >= 0) & np.isfinite(visits.departure_s)
    marks: list[float] = []
    if curved.any():
        marks = [number * CURVE_S for number in range(1, math.ceil(end_s / CURVE_S))]
    marks_s = np.array(marks)
    came = np.searchsorted(visits.arrival_s[curved], marks_s, side="left")
    left = np.searchsorted(np.sort(visits.departure_s[curved]), marks_s, side="right")
    return marks_s[came > left]


def stays_of(scenario: Scenario, intervals: Intervals) -> Stays:
    """Who is there when: from arrival to departure, whoever wants energy.

    Raises
    ------
    OptimizationError
        Where they are too many for one solve.
    """
    visits, edges_s = scenario.sessions, intervals.start_s
    first = np.searchsorted(edges_s, np.round(visits.arrival_s, PLACES))
    last = np.searchsorted(edges_s, np.round(np.minimum(visits.departure_s, edges_s[-1]), PLACES))
    count = np.where(visits.requested_kwh > 0.0, np.maximum(0, last - first), 0)
    if count.sum() > MAX_STAYS:
        raise OptimizationError(
            f"{len(visits):,} drivers in {len(intervals):,} intervals are too much for one solve:"
            " take a shorter time, or say when drivers leave"
        )
    visit = np.repeat(np.arange(len(visits)), count)
    before = np.cumsum(count) - count
    return Stays(visit, np.arange(len(visit)) - before[visit] + first[visit])
