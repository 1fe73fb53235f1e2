"""Cars: their charging curves, how their batteries fill, and a catalogue of real ones."""

from __future__ import annotations

import functools
import itertools
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from types import MappingProxyType
from typing import Any, Literal

# A car is at its target when it is this close: 1e-9 of 100 kWh is a tenth of a milliwatt-hour.
SOC_ROUNDING = 1e-9


class VehicleError(ValueError):
    """A car or a charging curve that cannot exist, with a sentence that says why."""


@dataclass(frozen=True, slots=True, init=False)
class ChargingCurve:
    """Power that a car can take at each state of charge, linear between the points.

    Parameters
    ----------
    points : pairs of SoC (0 to 1, rising) and kW (greater than 0; the last may be 0 at a full battery)

    Raises
    ------
    VehicleError
        On a curve that no car can have.
    """

    soc: tuple[float, ...]
    kw: tuple[float, ...]

    def __init__(self, points: Iterable[Sequence[float]]) -> None:
        try:
            pairs = [(float(soc), float(kw)) for soc, kw in points]
        except (TypeError, ValueError):
            raise VehicleError("a charging curve is a list of pairs of SoC and kW") from None
        if len(pairs) < 2:
            raise VehicleError(f"a charging curve needs at least 2 points, got {len(pairs)}")
        for soc, kw in pairs:
            if not 0.0 <= soc <= 1.0:
                raise VehicleError(f"charging curve: SoC must be from 0 to 1, got {soc:g}")
            if not (math.isfinite(kw) and (kw > 0.0 or (kw == 0.0 and soc == 1.0))):
                raise VehicleError(f"charging curve: kW must be greater than 0, got {kw:g} at SoC {soc:g}")
        if any(after[0] <= before[0] for before, after in itertools.pairwise(pairs)):
            raise VehicleError("charging curve: SoC must rise from point to point")
        object.__setattr__(self, "soc", tuple(soc for soc, _ in pairs))
        object.__setattr__(self, "kw", tuple(kw for _, kw in pairs))

    def __call__(self, soc: float) -> float:
        """Power at a state of charge, kW; beyond the first and last point, theirs."""
        if soc <= self.soc[0]:
            return self.kw[0]
        for left in range(len(self.soc) - 1):
            if soc <= self.soc[left + 1]:
                part = (soc - self.soc[left]) / (self.soc[left + 1] - self.soc[left])
                return self.kw[left] + part * (self.kw[left + 1] - self.kw[left])
        return self.kw[-1]

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
        _check_number("max_power_kw", self.max_power_kw, above=0.0)
        if self.battery_kwh is not None:
            _check_number("battery_kwh", self.battery_kwh, above=0.0)
        if self.curve is not None and not isinstance(self.curve, ChargingCurve):
            raise VehicleError(f"vehicle: curve must be a ChargingCurve, got {self.curve!r}")
        if self.curve is not None and self.battery_kwh is None:
            raise VehicleError("vehicle: a charging curve needs battery_kwh, or its SoC cannot move")
        _check_number("min_power_kw", self.min_power_kw)
        if self.min_power_kw > self.max_power_kw:
            raise VehicleError(
                f"vehicle: min_power_kw {self.min_power_kw:g} is above max_power_kw {self.max_power_kw:g}"
            )
        if not isinstance(self.name, str):
            raise VehicleError(f"vehicle: name must be text, got {self.name!r}")

    def ceiling_kw(self, soc: float | None) -> float:
        """The most that the car can take at a state of charge, kW; None: SoC not known."""
        if soc is None or self.curve is None:
            return float(self.max_power_kw)
        return min(float(self.max_power_kw), self.curve(soc))

    def energy_kwh(self, soc: float, offered_kw: float, seconds: float) -> float:
        """Energy that the car takes in a time, from a constant offer, along its curve.

        Exact, not stepped: on a linear piece of the curve the power changes exponentially in time.

        Parameters
        ----------
        soc : at the start, 0 to 1; the car must have ``battery_kwh``
        offered_kw : ceiling during the time, kW
        seconds : s

        Returns
        -------
        float
            kWh, at most what is left to a full battery.
        """
        if self.battery_kwh is None:
            raise VehicleError("vehicle: without battery_kwh there is no SoC to move")
        if offered_kw <= 0.0:
            return 0.0
        offer = min(offered_kw, float(self.max_power_kw))
        if self.curve is None:
            return min(offer * seconds / 3600.0, (1.0 - soc) * self.battery_kwh)
        return climb(self.curve.soc, self.curve.kw, self.battery_kwh, soc, offer, seconds)

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
    def from_json(cls, data: Mapping[str, Any]) -> Vehicle:
        """The car that `to_json` wrote."""
        curve = data.get("curve")
        return cls(**{**data, "curve": ChargingCurve(curve) if curve is not None else None})


def climb(
    curve_soc: Sequence[float],
    curve_kw: Sequence[float],
    battery_kwh: float,
    soc: float,
    offered_kw: float,
    seconds: float,
) -> float:
    """Energy taken along a piecewise linear curve under a constant offer, kWh.

    Piece by piece: where the curve is above the offer the car takes the offer; where it is below, the
    power p follows dp/dt = slope * p / capacity, so a piece from power a to power b takes as long as
    its energy divided by the logarithmic mean of a and b.
    """
    start = soc
    left_h = seconds / 3600.0
    pieces = len(curve_soc) + 1
    for piece in range(pieces):
        low = 0.0 if piece == 0 else curve_soc[piece - 1]
        high = 1.0 if piece == pieces - 1 else curve_soc[piece]
        if high <= soc or left_h <= 0.0:
            continue
        low_kw = curve_kw[max(0, piece - 1)]
        high_kw = curve_kw[min(piece, pieces - 2)]
        slope = (high_kw - low_kw) / (high - low)
        now_kw = low_kw + slope * (soc - low)
        # Where the offer cuts the curve inside this piece, it is climbed in two parts.
        bend = high
        if min(now_kw, high_kw) < offered_kw < max(now_kw, high_kw):
            bend = min(high, max(soc, low + (offered_kw - low_kw) / slope))
        for end, start_kw, end_kw in (
            (bend, now_kw, high_kw if bend == high else offered_kw),
            (high, offered_kw, high_kw),
        ):
            gain, used_h = _climb_part(
                end - soc, min(start_kw, offered_kw), min(end_kw, offered_kw), battery_kwh, left_h
            )
            soc += gain
            left_h -= used_h
            if left_h <= 0.0:
                return (soc - start) * battery_kwh
            soc = end
    return (soc - start) * battery_kwh


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


def _check_number(name: str, value: object, *, above: float | None = None) -> None:
    number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not number or value < 0.0 or (above is not None and value <= above):  # type: ignore[operator]
        least = "0 or more" if above is None else f"greater than {above:g}"
        raise VehicleError(f"vehicle: {name} must be a number {least}, got {value!r}")
