"""Charging curves as linear limits (cuts) of a program.

From one SoC no trajectory gains more in an interval than charging at full power along the curve: F(soc).
For the curve's concave hull ``f`` that has a closed form and is concave as well: the SoC at the end has the
derivative exp(integral of f'/battery along the way) = f(at the end) / f(at the start), and f' only falls
along a concave curve. So each tangent of F is a linear limit,

    energy <= F(soc) + (f(at the end) / f(soc) - 1) * (energy gained before - energy gained at soc),

which every real trajectory keeps, however its power changes inside the interval: an optimum under these cuts
is never below what is possible.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from electra_core.optimization.intervals import Intervals, Presence
from electra_core.optimization.linear_program import Floats, Ints
from electra_core.sessions import SessionTable
from electra_core.station import climb, power_at

# Tangents touch at the corners of the hull, and at so many even distances between arrival and target.
EVEN_TANGENTS = 9

# Rounding of a sum of climbed energies, as a share.
CLIMB_ROUNDING = 1e-12

# A cut must lie below the highest energy of an interval by this share to be worth a row.
CUT_MARGIN = 1e-9

Point = tuple[float, float]


class Cuts(NamedTuple):
    """Limits ``energy <= max_kwh + slope * energy that the session has gained before``, an entry each.

    Attributes
    ----------
    pair : index of the pair of session and interval
    max_kwh : kWh
    slope : kWh per kWh
    """

    pair: Ints
    max_kwh: Floats
    slope: Floats


@dataclass(frozen=True, slots=True)
class EnergyBounds:
    """Upper bounds of the energy that cars can take.

    Attributes
    ----------
    max_kw : of each session, at any SoC, kW
    max_kwh : of each session in all, kWh
    before_kwh : of each pair, energy that the session can have gained before the interval, kWh
    cuts : limits of the sessions with curves
    """

    max_kw: Floats
    max_kwh: Floats
    before_kwh: Floats
    cuts: Cuts


def energy_bounds(
    table: SessionTable, intervals: Intervals, presence: Presence, allowed_kw: Floats
) -> EnergyBounds:
    """Return the bounds of all sessions: a power without a curve, and cuts with one.

    Parameters
    ----------
    table, intervals, presence : the sessions, and the intervals in which they are present
    allowed_kw : limit of each session by its car, connector and charger, kW
    """
    max_kw, max_kwh = allowed_kw.copy(), table.requested_kwh.copy()
    before_kwh = max_kwh[presence.session]
    cuts = [Cuts(np.zeros(0, np.int64), np.zeros(0), np.zeros(0))]
    ends = np.searchsorted(presence.session, np.arange(len(table) + 1))
    for session in np.flatnonzero((table.curve >= 0) & (np.diff(ends) > 0)).tolist():
        pair = np.arange(ends[session], ends[session + 1])
        hours = intervals.hours[presence.interval[pair]]
        kwh = _climbed_kwh(table, session, float(max_kw[session]), np.cumsum(hours).tolist())
        before_kwh[pair], max_kwh[session] = [0.0, *kwh[:-1]], kwh[-1]
        hull = power_hull(table, session, float(max_kw[session]))
        charge = FullPowerCharge(hull, float(table.battery_kwh[session]))
        max_kw[session] = charge.kw.max()
        cuts.append(_tangents(charge, pair, hours))
    all_cuts = Cuts(*(np.concatenate(column) for column in zip(*cuts, strict=True)))
    return EnergyBounds(max_kw, max_kwh, before_kwh, all_cuts)


def _climbed_kwh(table: SessionTable, session: int, max_kw: float, times_h: list[float]) -> list[float]:
    """Return the energy gained along the car's own curve without other limits, kWh, at h from arrival."""
    soc, kw = _curve(table, session)
    battery_kwh, requested_kwh = float(table.battery_kwh[session]), float(table.requested_kwh[session])
    arrival_soc, target_soc = float(table.arrival_soc[session]), float(table.target_soc[session])
    gained_kwh: list[float] = []
    for hours in times_h:
        if gained_kwh and gained_kwh[-1] >= requested_kwh:
            gained_kwh.append(requested_kwh)  # full, perhaps for days: no need to climb again
        else:
            rise, _ = climb(soc, kw, battery_kwh, arrival_soc, target_soc, max_kw, hours)
            gained_kwh.append(min(requested_kwh, rise * battery_kwh * (1.0 + CLIMB_ROUNDING)))
    return gained_kwh


def _curve(table: SessionTable, session: int) -> tuple[list[float], list[float]]:
    """Return the SoC and kW of the points of a session's curve."""
    points = slice(*table.curve_start[table.curve[session] :][:2])
    return table.curve_soc[points].tolist(), table.curve_kw[points].tolist()


def _tangents(charge: FullPowerCharge, pair: Ints, hours: Floats) -> Cuts:
    """Return the tangents of one car that limit more than its highest power and its target do."""
    soc = np.unique(np.concatenate([charge.soc, np.linspace(charge.soc[0], charge.soc[-1], EVEN_TANGENTS)]))
    soc = soc[charge.power_kw(soc) > 0.0]
    end_soc = charge.soc_after(soc, hours[:, np.newaxis])
    energy_kwh = charge.battery_kwh * (end_soc - soc)
    slope = charge.power_kw(end_soc) / charge.power_kw(soc) - 1.0
    before_kwh = charge.battery_kwh * (soc - charge.soc[0])
    at_arrival_kwh = energy_kwh - slope * before_kwh
    at_target_kwh = at_arrival_kwh + slope * charge.battery_kwh * (charge.soc[-1] - charge.soc[0])
    highest_kwh = charge.kw.max() * hours[:, np.newaxis] * (1.0 - CUT_MARGIN)
    limits = (end_soc < charge.soc[-1]) & (np.minimum(at_arrival_kwh, at_target_kwh) < highest_kwh)
    return Cuts(pair[np.nonzero(limits)[0]], at_arrival_kwh[limits], slope[limits])


class FullPowerCharge:
    """Charging at the full power of a concave curve.

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
        """Return the power at a SoC, kW."""
        power_kw: Floats = np.interp(soc, self.soc, self.kw)
        return power_kw

    def soc_after(self, soc: Floats, hours: Floats) -> Floats:
        """Return the SoC after so many hours, the target at most."""
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
        """Return the h from the start of a piece to a SoC in it; infinite to a point of 0 kW."""
        rise = soc - self.soc[piece]
        growth = self.gradient[piece] * rise / self.kw[piece]
        with np.errstate(divide="ignore"):
            stretch = _quotient(np.log1p, np.maximum(growth, -1.0))
        hours: Floats = self.battery_kwh * rise / self.kw[piece] * stretch
        return hours


def _quotient(function: np.ufunc, value: Floats) -> Floats:
    """Return ``function(value) / value`` of a function with value 0 and slope 1 at 0."""
    quotient = np.ones_like(value)
    np.divide(function(value), value, out=quotient, where=value != 0.0)
    return quotient


def power_hull(table: SessionTable, session: int, max_kw: float) -> list[Point]:
    """Return the concave hull of a car's power between arrival and target: pairs of SoC and kW.

    Parameters
    ----------
    table : all sessions
    session : index of one that has a curve
    max_kw : limit by connector and car at any SoC, kW
    """
    soc, kw = _curve(table, session)
    arrival, target = float(table.arrival_soc[session]), float(table.target_soc[session])
    corners = {arrival, target, *(point for point in soc if arrival < point < target)}
    # Where the curve crosses the limit it has a corner too.
    for (left, left_kw), (right, right_kw) in itertools.pairwise(zip(soc, kw, strict=True)):
        if min(left_kw, right_kw) < max_kw < max(left_kw, right_kw):
            cross = left + (right - left) * (max_kw - left_kw) / (right_kw - left_kw)
            if arrival < cross < target:
                corners.add(cross)
    return concave_hull([(point, min(max_kw, power_at(soc, kw, point))) for point in sorted(corners)])


def concave_hull(points: list[Point]) -> list[Point]:
    """Return the upper concave hull of points that are sorted by their first number."""
    hull: list[Point] = []
    for right, right_kw in points:
        while len(hull) > 1:
            (left, left_kw), (middle, middle_kw) = hull[-2:]
            if (middle_kw - left_kw) * (right - left) > (right_kw - left_kw) * (middle - left):
                break  # the middle point is above the line between the others
            hull.pop()
        hull.append((right, right_kw))
    return hull
