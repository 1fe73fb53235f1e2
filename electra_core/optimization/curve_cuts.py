"""Charging curves as straight limits, so that a linear program can hold them.

From one SoC nobody gains more in an interval than a car that takes all that its curve allows: F(soc). Under
the curve's concave hull ``f`` that is found in closed form, and it is concave as well: the SoC at the end has
the derivative exp(integral of f'/battery along the way) = f(at the end) / f(at the start), and f' only falls
along a concave curve. So each tangent of F is a straight limit,

    energy <= F(soc) + (f(at the end) / f(soc) - 1) * (energy gained before - that at soc),

which every real trajectory keeps, however its power changes inside the interval: what is found under the
tangents is never below what is possible.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from electra_core.optimization.intervals import Intervals, Stays
from electra_core.optimization.linear_program import Floats, Ints
from electra_core.sessions import SessionTable
from electra_core.station import charging_curve

# Tangents stand at the corners of the hull, and evenly between arrival and target.
EVENLY = 9

# What rounding may have taken from a sum.
ROUNDING = 1e-12

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Lines:
    """Limits ``energy of a stay <= most + slope * energy that the car has gained before``, an entry each.

    Attributes
    ----------
    stay : number of the stay
    most_kwh : kWh
    slope : kWh per kWh
    """

    stay: Ints
    most_kwh: Floats
    slope: Floats


@dataclass(frozen=True, slots=True)
class Reach:
    """What cars can take.

    Attributes
    ----------
    most_kw : of each visitor, at any SoC, kW
    most_kwh : of each visitor in all, kWh
    before_kwh : of each stay, what the car can have gained at its start, kWh
    lines : the limits of those with curves
    """

    most_kw: Floats
    most_kwh: Floats
    before_kwh: Floats
    lines: Lines


def reach_of(visits: SessionTable, intervals: Intervals, stays: Stays, allowed_kw: Floats) -> Reach:
    """What cars can take: without a curve, up to a power; with one, what the curve allows.

    Parameters
    ----------
    visits, intervals, stays : who is there when
    allowed_kw : what car, connector and charger allow each visitor, kW
    """
    most_kw, most_kwh = allowed_kw.copy(), visits.requested_kwh.copy()
    before_kwh = most_kwh[stays.visit]
    found = [Lines(np.zeros(0, np.int64), np.zeros(0), np.zeros(0))]
    ends = np.searchsorted(stays.visit, np.arange(len(visits) + 1))
    for visit in np.flatnonzero((visits.curve >= 0) & (np.diff(ends) > 0)).tolist():
        stay = np.arange(ends[visit], ends[visit + 1])
        hours = intervals.hours[stays.interval[stay]]
        kwh = _climbed_kwh(visits, visit, float(most_kw[visit]), np.cumsum(hours).tolist())
        before_kwh[stay], most_kwh[visit] = [0.0, *kwh[:-1]], kwh[-1]
        climb = Climb(ceiling(visits, visit, float(most_kw[visit])), float(visits.battery_kwh[visit]))
        most_kw[visit] = climb.kw.max()
        found.append(_tangents(climb, stay, hours))
    lines = Lines(
        np.concatenate([one.stay for one in found]),
        np.concatenate([one.most_kwh for one in found]),
        np.concatenate([one.slope for one in found]),
    )
    return Reach(most_kw, most_kwh, before_kwh, lines)


def _climbed_kwh(visits: SessionTable, visit: int, most_kw: float, moments_h: list[float]) -> list[float]:
    """What a car has gained along its own curve where nothing else limits it, kWh, at hours from arrival."""
    soc, kw = _curve(visits, visit)
    battery_kwh, requested_kwh = float(visits.battery_kwh[visit]), float(visits.requested_kwh[visit])
    way = float(visits.arrival_soc[visit]), float(visits.target_soc[visit])
    gained_kwh: list[float] = []
    for hours in moments_h:
        if gained_kwh and gained_kwh[-1] >= requested_kwh:
            gained_kwh.append(requested_kwh)  # nothing more to look up, perhaps for days
        else:
            rise, _ = charging_curve.climb(soc, kw, battery_kwh, *way, most_kw, hours)
            gained_kwh.append(min(requested_kwh, rise * battery_kwh * (1.0 + ROUNDING)))
    return gained_kwh


def _curve(visits: SessionTable, visit: int) -> tuple[list[float], list[float]]:
    first, end = visits.curve_start[visits.curve[visit]], visits.curve_start[visits.curve[visit] + 1]
    return visits.curve_soc[first:end].tolist(), visits.curve_kw[first:end].tolist()


def _tangents(climb: Climb, stay: Ints, hours: Floats) -> Lines:
    """Those tangents of one car that limit more than its highest power and its target do."""
    soc = np.unique(np.concatenate([climb.soc, np.linspace(climb.soc[0], climb.soc[-1], EVENLY)]))
    soc = soc[climb.power_kw(soc) > 0.0]
    end_soc = climb.soc_after(soc, hours[:, np.newaxis])
    energy_kwh = climb.battery_kwh * (end_soc - soc)
    slope = climb.power_kw(end_soc) / climb.power_kw(soc) - 1.0
    before_kwh = climb.battery_kwh * (soc - climb.soc[0])
    at_arrival_kwh = energy_kwh - slope * before_kwh
    at_target_kwh = at_arrival_kwh + slope * climb.battery_kwh * (climb.soc[-1] - climb.soc[0])
    highest_kwh = climb.kw.max() * hours[:, np.newaxis] * (1.0 - 1e-9)
    counts = (end_soc < climb.soc[-1]) & (np.minimum(at_arrival_kwh, at_target_kwh) < highest_kwh)
    return Lines(stay[np.nonzero(counts)[0]], at_arrival_kwh[counts], slope[counts])


class Climb:
    """A car that takes all that its curve allows.

    Parameters
    ----------
    corners : pairs of SoC and kW from arrival to target; above 0 kW but for the last
    battery_kwh : kWh
    """

    def __init__(self, corners: list[Point], battery_kwh: float) -> None:
        self.soc, self.kw = (np.array(column) for column in zip(*corners, strict=True))
        self.battery_kwh = battery_kwh
        self.gradient = np.diff(self.kw) / np.diff(self.soc)
        each_h = self._hours(np.arange(len(self.gradient)), self.soc[1:])
        self.at_h = np.concatenate([[0.0], np.cumsum(each_h)])

    def power_kw(self, soc: Floats) -> Floats:
        """Power at a SoC, kW."""
        power_kw: Floats = np.interp(soc, self.soc, self.kw)
        return power_kw

    def soc_after(self, soc: Floats, hours: Floats) -> Floats:
        """SoC after so many hours, the target at most."""
        last = len(self.gradient) - 1
        piece = np.clip(np.searchsorted(self.soc, soc, side="right") - 1, 0, last)
        end_h = self.at_h[piece] + self._hours(piece, soc) + hours
        piece = np.clip(np.searchsorted(self.at_h, end_h, side="right") - 1, 0, last)
        spent_h = end_h - self.at_h[piece]
        exponent = self.gradient[piece] * spent_h / self.battery_kwh
        with np.errstate(over="ignore"):
            rise = self.kw[piece] * spent_h / self.battery_kwh * _quotient(np.expm1, exponent)
        end_soc: Floats = np.minimum(self.soc[-1], self.soc[piece] + rise)
        return end_soc

    def _hours(self, piece: Ints, soc: Floats) -> Floats:
        """Hours from the beginning of a piece up to a SoC in it: infinite up to where the power ends."""
        rise = soc - self.soc[piece]
        growth = self.gradient[piece] * rise / self.kw[piece]
        with np.errstate(divide="ignore"):
            stretch = _quotient(np.log1p, np.maximum(growth, -1.0))
        hours: Floats = self.battery_kwh * rise / self.kw[piece] * stretch
        return hours


def _quotient(function: np.ufunc, value: Floats) -> Floats:
    """The value of a function that goes through 0 with slope 1, divided by its argument; 1 there."""
    quotient = np.ones_like(value)
    np.divide(function(value), value, out=quotient, where=value != 0.0)
    return quotient


def ceiling(visits: SessionTable, visit: int, most_kw: float) -> list[Point]:
    """Concave hull of what one car can take between its arrival and its target: pairs of SoC and kW.

    Parameters
    ----------
    visits : all of them
    visit : one that has a curve
    most_kw : what connector and car allow at any SoC, kW
    """
    soc, kw = _curve(visits, visit)
    arrival, target = float(visits.arrival_soc[visit]), float(visits.target_soc[visit])
    places = {arrival, target, *(place for place in soc if arrival < place < target)}
    # Where the curve crosses the ceiling it has a corner too.
    for (left, left_kw), (right, right_kw) in itertools.pairwise(zip(soc, kw, strict=True)):
        if min(left_kw, right_kw) < most_kw < max(left_kw, right_kw):
            cross = left + (right - left) * (most_kw - left_kw) / (right_kw - left_kw)
            if arrival < cross < target:
                places.add(cross)
    return hull([(place, min(most_kw, charging_curve.power_at(soc, kw, place))) for place in sorted(places)])


def hull(points: list[Point]) -> list[Point]:
    """The upper concave hull of points that are sorted by their first number."""
    kept: list[Point] = []
    for point in points:
        while len(kept) > 1 and _below(kept[-1], kept[-2], point):
            kept.pop()
        kept.append(point)
    return kept


def _below(middle: Point, left: Point, right: Point) -> bool:
    """Whether a point is not above the line between two others."""
    return (middle[1] - left[1]) * (right[0] - left[0]) <= (right[1] - left[1]) * (middle[0] - left[0])
