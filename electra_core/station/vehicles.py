"""Cars: their charging curves, how their batteries fill, and a catalogue of real ones."""

from __future__ import annotations

import functools
import itertools
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from importlib import resources
from types import MappingProxyType
from typing import Any, Literal

from electra_core.errors import ElectraError, is_finite, shortened

# A car is at its target when it is this close: 1e-9 of 100 kWh is a tenth of a milliwatt-hour.
SOC_ROUNDING = 1e-9

# Points of a curve that are nearer to each other are a slip of the pen.
MIN_RISE = 1e-6

# A microwatt is no offer: whole years of it are less than rounding.
MIN_OFFER_KW = 1e-9

# Larger numbers, kW or kWh, are no cars'.
MAX_KW = 1e9


class VehicleError(ElectraError):
    """A car or a charging curve that cannot exist, with a sentence that says why."""


@dataclass(frozen=True, slots=True, init=False)
class ChargingCurve:
    """Power that a car can take at each state of charge, linear between the points.

    Parameters
    ----------
    points : pairs of SoC (0 to 1, rising) and kW (greater than 0; the last may be 0 at a full battery),
        as a list or as a mapping

    Raises
    ------
    VehicleError
        On a curve that no car can have.
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
            # At 0 kW below a full battery a car would stand there for ever.
            if not is_finite(kw) or not (kw > 0.0 or (kw == 0.0 and soc == 1.0)):
                raise VehicleError(
                    f"charging curve: kW must be greater than 0, got {shortened(kw)} at SoC {soc:g}"
                )
            if kw > MAX_KW:
                raise VehicleError(f"charging curve: kW must be at most {MAX_KW:g}, got {shortened(kw)}")
        if any(after[0] - before[0] < MIN_RISE for before, after in itertools.pairwise(pairs)):
            raise VehicleError(f"charging curve: SoC must rise by {MIN_RISE:g} or more from point to point")
        object.__setattr__(self, "soc", tuple(float(soc) for soc, _ in pairs))
        object.__setattr__(self, "kw", tuple(float(kw) for _, kw in pairs))

    def __call__(self, soc: float) -> float:
        """Power at a state of charge, kW; beyond the first and last point, theirs."""
        return power_at(self.soc, self.kw, soc)

    @property
    def points(self) -> tuple[tuple[float, float], ...]:
        """The pairs of SoC and kW."""
        return tuple(zip(self.soc, self.kw, strict=True))


@dataclass(frozen=True, slots=True)
class Vehicle:
    """A car, as far as a charging station can know it.

    Parameters
    ----------
    max_power_kw : the most that the car can take, kW; enough by itself (then its SoC is not known and it
        is never full)
    battery_kwh : usable energy, kWh
    curve : power over SoC; None: ``max_power_kw`` up to a full battery
    min_power_kw : least useful power, kW
    name : what people call it
    curve_source : where the curve comes from: ``published``, ``typical`` (no published one), or ``none``

    Raises
    ------
    VehicleError
        On numbers that no car can have.
    """

    max_power_kw: float
    battery_kwh: float | None = None
    curve: ChargingCurve | None = None
    min_power_kw: float = 0.0
    name: str = ""
    curve_source: Literal["published", "typical", "none"] = "none"

    def __post_init__(self) -> None:
        self._check("max_power_kw", above_zero=True)
        self._check("min_power_kw")
        if self.battery_kwh is not None:
            self._check("battery_kwh", above_zero=True)
        if self.curve is not None and not isinstance(self.curve, ChargingCurve):
            raise VehicleError(f"vehicle: curve must be a ChargingCurve, got {shortened(self.curve)}")
        if self.curve is not None and self.battery_kwh is None:
            raise VehicleError("vehicle: a charging curve needs battery_kwh, or its SoC cannot move")
        if self.min_power_kw > self.max_power_kw:
            raise VehicleError(
                f"vehicle: min_power_kw {self.min_power_kw:g} is above max_power_kw {self.max_power_kw:g}"
            )
        if not isinstance(self.name, str) or not self.name.isprintable():
            raise VehicleError(f"vehicle: name must be text on one line, got {shortened(self.name)}")
        if self.curve_source not in ("published", "typical", "none"):
            raise VehicleError(f"vehicle: unknown curve_source {shortened(self.curve_source)}")

    def _check(self, name: str, *, above_zero: bool = False) -> None:
        value = getattr(self, name)
        least = "greater than 0" if above_zero else "0 or more"
        if not is_finite(value) or value < 0.0 or (above_zero and value == 0.0):
            raise VehicleError(f"vehicle: {name} must be a number {least}, got {shortened(value)}")
        if value > MAX_KW:
            raise VehicleError(f"vehicle: {name} must be at most {MAX_KW:g}, got {shortened(value)}")
        object.__setattr__(self, name, float(value))

    def ceiling_kw(self, soc: float | None) -> float:
        """The most that the car can take at a state of charge, kW; None: SoC not known."""
        if soc is None or self.curve is None:
            return self.max_power_kw
        return min(self.max_power_kw, self.curve(soc))

    def climb(self, soc: float, target_soc: float, offered_kw: float, seconds: float) -> tuple[float, float]:
        """What the car takes along its curve from a constant offer, up to its target.

        Exact, not stepped: on a linear piece of the curve the power changes exponentially in time.

        Parameters
        ----------
        soc, target_soc : from where and up to where, 0 to 1; the car must have ``battery_kwh``
        offered_kw : ceiling during the time, kW
        seconds : time at most, s; may be infinite

        Returns
        -------
        tuple of float
            Energy, kWh, and the time that it took, s: less than ``seconds`` where the target came first,
            infinite where it never comes.
        """
        if self.battery_kwh is None:
            raise VehicleError("vehicle: without battery_kwh there is no SoC to move")
        if not seconds >= 0.0:
            raise VehicleError(f"vehicle: seconds must be 0 or more, got {seconds:g}")
        offer_kw = min(offered_kw, self.max_power_kw)
        curve_soc, curve_kw = ((), ()) if self.curve is None else (self.curve.soc, self.curve.kw)
        gained, hours = climb(
            curve_soc, curve_kw, self.battery_kwh, soc, target_soc, offer_kw, seconds / 3600.0
        )
        return gained * self.battery_kwh, hours * 3600.0

    def to_json(self) -> dict[str, Any]:
        """The car as plain JSON, for the station's record; `from_json` reads it back."""
        points = [list(point) for point in self.curve.points] if self.curve is not None else None
        return {
            "max_power_kw": self.max_power_kw,
            "battery_kwh": self.battery_kwh,
            "curve": points,
            "min_power_kw": self.min_power_kw,
            "name": self.name,
            "curve_source": self.curve_source,
        }

    @classmethod
    def from_json(cls, data: object) -> Vehicle:
        """The car that `to_json` wrote; a `VehicleError` where it did not write this."""
        known = {field.name for field in fields(cls)}
        if not isinstance(data, Mapping) or not set(data) <= known or "max_power_kw" not in data:
            raise VehicleError(f"vehicle: {shortened(data)} does not describe a car")
        curve = data.get("curve")
        return cls(**{**data, "curve": ChargingCurve(curve) if curve is not None else None})


def power_at(curve_soc: Sequence[float], curve_kw: Sequence[float], soc: float) -> float:
    """Power of a piecewise linear curve at a state of charge, kW; beyond its ends, theirs."""
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
    """SoC gained along a piecewise linear curve under a constant offer, and the hours that it took.

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
    # Summed by itself: the difference of two SoC would lose the little that a large battery gains.
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
        # Where the offer cuts the curve inside this piece, it is climbed in two parts.
        bend = high
        if min(now_kw, high_kw) < offered_kw < max(now_kw, high_kw):
            bend = min(high, max(soc, low + (offered_kw - low_kw) / slope))
        for end, start_kw, end_kw in (
            (bend, now_kw, high_kw if bend == high else offered_kw),
            (high, offered_kw, high_kw),
        ):
            part, used_h = _climb_part(
                end - soc, min(start_kw, offered_kw), min(end_kw, offered_kw), battery_kwh, left_h
            )
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
    """SoC gained, and hours used, on a stretch where the power goes linearly with SoC."""
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


@functools.cache
def catalogue() -> Mapping[str, Vehicle]:
    """The shipped cars by name; sources and licences stand in ``data/vehicles.json``.

    A car without a published curve has the typical one, scaled to its power, and says so in
    ``curve_source``.
    """
    return MappingProxyType({row["name"]: _from_row(row) for row in _figures()["vehicles"]})


def typical_curve(max_power_kw: float) -> ChargingCurve:
    """The median shape of the published curves, scaled to a car's power in kW."""
    return ChargingCurve([(soc, part * max_power_kw) for soc, part in _figures()["typical_curve"]["points"]])


@functools.cache
def _figures() -> Any:
    return json.loads(resources.files("electra_core").joinpath("data/vehicles.json").read_text("utf-8"))


def _from_row(row: Mapping[str, Any]) -> Vehicle:
    published = row["curve"] != "typical"
    return Vehicle(
        name=row["name"],
        max_power_kw=row["max_power_kw"],
        battery_kwh=row["battery_kwh"],
        curve=ChargingCurve(row["curve"]) if published else typical_curve(row["max_power_kw"]),
        curve_source="published" if published else "typical",
    )
