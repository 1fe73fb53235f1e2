"""Charging curves: the power that a car takes over its state of charge, and the way along it.

`power_at` and `climb` are plain functions of numbers: the simulation compiles them as they stand.
"""

from __future__ import annotations

import functools
import itertools
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

from electra_core.errors import ElectraError, is_finite, shortened

# A car is at its target when it is this close: 1e-9 of 100 kWh is a tenth of a milliwatt-hour.
SOC_ROUNDING = 1e-9

# Points of a curve that are nearer to each other are a mistake in the file.
MIN_RISE = 1e-6

# A microwatt is no offer: whole years of it are less than rounding.
MIN_OFFER_KW = 1e-9

# No car has larger numbers, kW or kWh.
MAX_KW = 1e9


class VehicleError(ElectraError):
    """A car or a charging curve that cannot exist."""


@dataclass(frozen=True, slots=True, init=False)
class ChargingCurve:
    """A charging curve: the power that a car can take at each state of charge, linear between its points.

    Parameters
    ----------
    points : pairs of SoC (0 to 1, rising) and kW (greater than 0; the last may be 0 at a full battery),
        as a list or as a mapping

    Raises
    ------
    VehicleError
        When the points are no curve of a car.

    Examples
    --------
    >>> curve = ChargingCurve([(0.0, 150), (0.5, 150), (1.0, 30)])
    >>> curve(0.75)
    90.0
    """

    soc: tuple[float, ...]
    kw: tuple[float, ...]

    def __init__(self, points: Iterable[Sequence[float]] | Mapping[float, float]) -> None:
        try:
            pairs = [(soc, kw) for soc, kw in (points.items() if isinstance(points, Mapping) else points)]
            if any(isinstance(number, str) for pair in pairs for number in pair):
                raise TypeError
        except (TypeError, ValueError):
            raise VehicleError("a charging curve is a list of pairs of SoC and kW") from None
        if len(pairs) < 2:
            raise VehicleError(f"a charging curve needs at least 2 points, got {len(pairs)}")
        for soc, kw in pairs:
            if not is_finite(soc) or not 0.0 <= soc <= 1.0:
                raise VehicleError(f"charging curve: SoC must be from 0 to 1, got {shortened(soc)}")
            # At 0 kW below a full battery a car would never charge any further.
            if not is_finite(kw) or not (kw > 0.0 or (kw == 0.0 and soc == 1.0)):
                found = f"{shortened(kw)} at SoC {soc:g}"
                raise VehicleError(f"charging curve: kW must be greater than 0, got {found}")
            if kw > MAX_KW:
                raise VehicleError(f"charging curve: kW must be at most {MAX_KW:g}, got {shortened(kw)}")
        if any(after[0] - before[0] < MIN_RISE for before, after in itertools.pairwise(pairs)):
            raise VehicleError(f"charging curve: SoC must rise by {MIN_RISE:g} or more from point to point")
        object.__setattr__(self, "soc", tuple(float(soc) for soc, _ in pairs))
        object.__setattr__(self, "kw", tuple(float(kw) for _, kw in pairs))

    def __call__(self, soc: float) -> float:
        """Return the power at a state of charge, kW; beyond the first and last point, theirs."""
        return power_at(self.soc, self.kw, soc)

    @property
    def points(self) -> tuple[tuple[float, float], ...]:
        """Return the pairs of SoC and kW."""
        return tuple(zip(self.soc, self.kw, strict=True))


def typical_curve(max_power_kw: float) -> ChargingCurve:
    """Return the median shape of the published curves, scaled to a car's power."""
    points = shipped_vehicles()["typical_curve"]["points"]
    return ChargingCurve([(soc, share * max_power_kw) for soc, share in points])


@functools.cache
def shipped_vehicles() -> Any:
    """Return the content of ``data/vehicles.json``: the shipped cars and the typical curve."""
    return json.loads(resources.files("electra_core").joinpath("data/vehicles.json").read_text("utf-8"))


def power_at(curve_soc: Sequence[float], curve_kw: Sequence[float], soc: float) -> float:
    """Return the power of a piecewise linear curve at a state of charge, kW; beyond its ends, theirs."""
    if soc <= curve_soc[0]:
        return curve_kw[0]
    for left in range(len(curve_soc) - 1):
        if soc <= curve_soc[left + 1]:
            part = (soc - curve_soc[left]) / (curve_soc[left + 1] - curve_soc[left])
            return curve_kw[left] + part * (curve_kw[left + 1] - curve_kw[left])
    return curve_kw[-1]


def climb(
    curve_soc: Sequence[float],
    curve_kw: Sequence[float],
    battery_kwh: float,
    soc: float,
    target_soc: float,
    offered_kw: float,
    hours: float,
) -> tuple[float, float]:
    """Return the SoC gained along a piecewise linear curve under a constant offer, and the hours it took.

    A curve without points limits nothing.

    Piece by piece: where the curve is above the offer the car takes the offer; where it is below, the
    power p follows dp/dt = slope * p / capacity, so a piece from power a to power b takes as long as
    its energy divided by the logarithmic mean of a and b.
    """
    if target_soc <= soc:
        return 0.0, 0.0
    if offered_kw < MIN_OFFER_KW:
        return 0.0, hours
    if len(curve_soc) == 0:
        return _climb_part(target_soc - soc, offered_kw, offered_kw, battery_kwh, hours)
    # The gain is summed by itself: a difference of two SoC would lose the little that a large battery gains.
    gained, total_h, left_h = 0.0, 0.0, hours
    pieces = len(curve_soc) + 1
    for piece in range(pieces):
        low = 0.0 if piece == 0 else curve_soc[piece - 1]
        high = 1.0 if piece == pieces - 1 else curve_soc[piece]
        if high <= max(soc, low):
            continue
        low_kw = curve_kw[max(0, piece - 1)]
        high_kw = curve_kw[min(piece, pieces - 2)]
        slope = (high_kw - low_kw) / (high - low)
        if target_soc < high:
            high, high_kw = target_soc, low_kw + slope * (target_soc - low)
        now_kw = low_kw + slope * (soc - low)
        # A piece that the offer cuts is climbed in two parts.
        bend = high
        if min(now_kw, high_kw) < offered_kw < max(now_kw, high_kw):
            bend = min(high, max(soc, low + (offered_kw - low_kw) / slope))
        for end, start_kw, end_kw in (
            (bend, now_kw, high_kw if bend == high else offered_kw),
            (high, offered_kw, high_kw),
        ):
            start_kw, end_kw = min(start_kw, offered_kw), min(end_kw, offered_kw)
            part, used_h = _climb_part(end - soc, start_kw, end_kw, battery_kwh, left_h)
            soc += part
            gained += part
            total_h += used_h
            left_h -= used_h
            if left_h <= 0.0:
                return gained, hours
            soc = max(soc, end)
        if soc >= target_soc:
            break
    return gained, total_h


def _climb_part(
    rise: float, start_kw: float, end_kw: float, battery_kwh: float, left_h: float
) -> tuple[float, float]:
    """Return the SoC gained, and hours used, on a stretch whose power is linear in SoC."""
    if rise <= 0.0:
        return 0.0, 0.0
    if start_kw <= 0.0:
        return 0.0, left_h
    change = end_kw - start_kw
    if abs(change) <= 1e-9 * start_kw:
        needed_h = rise * battery_kwh / start_kw
    elif end_kw <= 0.0:
        needed_h = math.inf
    else:
        needed_h = rise * battery_kwh * math.log(end_kw / start_kw) / change
    if needed_h <= left_h:
        return rise, needed_h
    if abs(change) <= 1e-9 * start_kw:
        return start_kw * left_h / battery_kwh, left_h
    slope = change / rise
    return start_kw / slope * math.expm1(slope * left_h / battery_kwh), left_h
