"""Cars, and a catalogue of real ones."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Any, Literal

from electra_core.errors import is_finite, shortened
from electra_core.station import charging_curve
from electra_core.station.charging_curve import MAX_KW, ChargingCurve, VehicleError, shipped_vehicles


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
    curve_source : origin of the curve: ``published``, ``typical`` (no published one), or ``none``

    Raises
    ------
    VehicleError
        When no car can have these numbers.

    Examples
    --------
    >>> car = Vehicle(150, battery_kwh=60, curve=ChargingCurve([(0.0, 150), (0.5, 150), (1.0, 30)]))
    >>> car.ceiling_kw(0.75)
    90.0
    >>> energy_kwh, seconds = car.climb(0.2, 0.5, offered_kw=90, seconds=3600)
    >>> round(energy_kwh), round(seconds)
    (18, 720)
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
            words = f"min_power_kw {self.min_power_kw:g} is above max_power_kw {self.max_power_kw:g}"
            raise VehicleError(f"vehicle: {words}")
        if not isinstance(self.name, str) or not self.name.isprintable():
            raise VehicleError(f"vehicle: name must be text on one line, got {shortened(self.name)}")
        if self.curve_source not in ("published", "typical", "none"):
            raise VehicleError(f"vehicle: unknown curve_source {shortened(self.curve_source)}")

    def _check(self, name: str, *, above_zero: bool = False) -> None:
        value = getattr(self, name)
        minimum = "greater than 0" if above_zero else "0 or more"
        if not is_finite(value) or value < 0.0 or (above_zero and value == 0.0):
            raise VehicleError(f"vehicle: {name} must be a number {minimum}, got {shortened(value)}")
        if value > MAX_KW:
            raise VehicleError(f"vehicle: {name} must be at most {MAX_KW:g}, got {shortened(value)}")
        object.__setattr__(self, name, float(value))

    def ceiling_kw(self, soc: float | None) -> float:
        """Return the most that the car can take at a state of charge, kW; None: SoC not known."""
        if soc is None or self.curve is None:
            return self.max_power_kw
        return min(self.max_power_kw, self.curve(soc))

    def climb(self, soc: float, target_soc: float, offered_kw: float, seconds: float) -> tuple[float, float]:
        """Return the energy that the car takes along its curve from a constant offer, up to its target.

        Exact, not stepped: on a linear piece of the curve the power changes exponentially in time.

        Parameters
        ----------
        soc, target_soc : begin and end of the way, 0 to 1; the car must have ``battery_kwh``
        offered_kw : ceiling during the time, kW
        seconds : time at most, s; may be infinite

        Returns
        -------
        tuple of float
            Energy, kWh, and the time that it took, s: less than ``seconds`` when the target came first,
            infinite when it never comes.

        Raises
        ------
        VehicleError
            When the car has no ``battery_kwh``, or ``seconds`` is negative.
        """
        if self.battery_kwh is None:
            raise VehicleError("vehicle: without battery_kwh there is no SoC to move")
        if not seconds >= 0.0:
            raise VehicleError(f"vehicle: seconds must be 0 or more, got {seconds:g}")
        offer_kw, left_h = min(offered_kw, self.max_power_kw), seconds / 3600.0
        curve = ((), ()) if self.curve is None else (self.curve.soc, self.curve.kw)
        gained, hours = charging_curve.climb(*curve, self.battery_kwh, soc, target_soc, offer_kw, left_h)
        return gained * self.battery_kwh, hours * 3600.0

    def to_json(self) -> dict[str, Any]:
        """Return the car as plain JSON, for the station's record; `from_json` reads it back."""
        points = [list(point) for point in self.curve.points] if self.curve is not None else None
        return {**{name: getattr(self, name) for name in _FIELDS}, "curve": points}

    @classmethod
    def from_json(cls, data: object) -> Vehicle:
        """Return the car that `to_json` wrote; a `VehicleError` where the data does not describe one."""
        if not isinstance(data, Mapping) or not set(data) <= set(_FIELDS) or "max_power_kw" not in data:
            raise VehicleError(f"vehicle: {shortened(data)} does not describe a car")
        curve = data.get("curve")
        return cls(**{**data, "curve": ChargingCurve(curve) if curve is not None else None})


_FIELDS = tuple(field.name for field in fields(Vehicle))


@functools.cache
def catalogue() -> Mapping[str, Vehicle]:
    """Return the shipped cars by name; ``data/vehicles.json`` holds their sources and licences.

    A car without a published curve has the typical one, scaled to its power, and says so in
    ``curve_source``.

    Examples
    --------
    >>> car = catalogue()["Hyundai Ioniq 5 73 kWh"]
    >>> car.curve_source
    'published'
    """
    cars = {}
    for row in shipped_vehicles()["vehicles"]:
        name, kw, kwh = row["name"], row["max_power_kw"], row["battery_kwh"]
        if row["curve"] == "typical":
            cars[name] = Vehicle(kw, kwh, charging_curve.typical_curve(kw), name=name, curve_source="typical")
        else:
            cars[name] = Vehicle(kw, kwh, ChargingCurve(row["curve"]), name=name, curve_source="published")
    return MappingProxyType(cars)
