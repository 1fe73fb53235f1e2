"""Shipped days: arrivals at a station on one day, as small tables of figures."""

from __future__ import annotations

import functools
import itertools
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

from electra_core.station import Vehicle, catalogue, typical_curve


@dataclass(frozen=True, slots=True)
class Arrival:
    """A driver who will come, with a car.

    Attributes
    ----------
    name : of the session
    vehicle : the car
    arrival_s, departure_s : s from the beginning of the day; an infinite departure: the car leaves when done
    arrival_soc, target_soc : SoC of the car, 0 to 1
    charger_id, connector : the wanted connector; None: the first that is free
    patience_s : s that the driver waits for a connector; infinite: until the departure
    priority, weight : see `Station.plug_in`
    measured_kwh : energy that a log has measured
    """

    name: str
    vehicle: Vehicle
    arrival_s: float
    departure_s: float
    arrival_soc: float
    target_soc: float
    charger_id: str | None = None
    connector: int | None = None
    patience_s: float = math.inf
    priority: float = 0.0
    weight: float = 1.0
    measured_kwh: float | None = None


@dataclass(frozen=True, slots=True)
class Day:
    """A day at a station, real or (as its title says) made up, with its arrivals in order."""

    name: str
    title: str
    source: str
    licence: str
    arrivals: tuple[Arrival, ...]

    @property
    def busiest_s(self) -> float:
        """Start of the longest time with the most cars together, s from midnight; 0 without cars."""
        moments = sorted(
            {moment for arrival in self.arrivals for moment in (arrival.arrival_s, arrival.departure_s)}
        )
        longest = max(
            itertools.pairwise(moments),
            key=lambda span: (self._present(span[0]), span[1] - span[0]),
            default=(0.0, 0.0),
        )
        return longest[0]

    def _present(self, moment_s: float) -> int:
        return sum(arrival.arrival_s <= moment_s < arrival.departure_s for arrival in self.arrivals)


def day_names() -> tuple[str, ...]:
    """Return the names of the shipped days."""
    folder = resources.files("electra_core").joinpath("data/days")
    return tuple(sorted(entry.name.removesuffix(".json") for entry in folder.iterdir()))


@functools.cache
def load_day(name: str) -> Day:
    """Load a shipped day.

    The log has no curves and no cars' names. Each car gets the typical curve, scaled to its peak: the
    highest power that was measured, or, where the log says that the station limited the car, the power that
    the car requested (at most the station's own). Its battery is the measured energy divided by the SoC
    gained, so that it wants exactly the energy that was measured at the charger. Over the 982 usable
    sessions of the log's year, each alone at the station for as long as it stayed, the median car would
    take 1.04 times the measured energy where it was not limited, and 1.22 times where it was.

    Parameters
    ----------
    name : one of `day_names`

    Returns
    -------
    Day
        Arrivals in order, s from midnight.

    Raises
    ------
    KeyError
        On an unknown name.

    Examples
    --------
    >>> day = load_day("epfl_2022-10-18")
    >>> len(day.arrivals), day.arrivals[0].charger_id, day.arrivals[0].arrival_s / 3600
    (10, 'L3', 10.75)
    """
    if name not in day_names():
        raise KeyError(f"there is no day {name!r}; there are {', '.join(day_names())}")
    text = resources.files("electra_core").joinpath(f"data/days/{name}.json").read_text("utf-8")
    table = json.loads(text)
    rows = [dict(zip(table["columns"], row, strict=True)) for row in table["sessions"]]
    arrivals = sorted((_arrival(table, row) for row in rows), key=lambda arrival: arrival.arrival_s)
    return Day(name, table["title"], table["source"], table["licence"], tuple(arrivals))


def _arrival(table: dict[str, Any], row: dict[str, Any]) -> Arrival:
    vehicle = catalogue()[row["vehicle"]] if "vehicle" in row else logged_car(table["station_kw"], row)
    return Arrival(
        name=row["session"],
        charger_id=row["charger"] if "charger" in row else table["charger"],
        connector=row["connector"],
        arrival_s=60.0 * row["arrival_min"],
        departure_s=60.0 * row["departure_min"],
        vehicle=vehicle,
        arrival_soc=row["soc_arrival"],
        target_soc=row["soc_departure"],
        measured_kwh=row.get("energy_kwh"),
    )


def logged_car(station_kw: float, row: Mapping[str, Any]) -> Vehicle:
    """Return a car that fits a row of a log with neither model nor curve: see `load_day`.

    Parameters
    ----------
    station_kw : upper bound of a limited car's power, kW: the station's own, or infinite where a station
        model is to limit the car itself
    row : ``session``; ``energy_kwh`` measured between ``soc_arrival`` and ``soc_departure`` (0 to 1);
        ``battery_kwh``, the log's own estimate, for the name only; ``measured_kw`` and ``requested_kw``, the
        highest of each; ``limited``: True if the station limited the car

    Raises
    ------
    VehicleError
        On figures that no car can have.
    """
    peak_kw = min(row["requested_kw"], station_kw) if row["limited"] else row["measured_kw"]
    return Vehicle(
        name=f"Car {row['session']} ({row['battery_kwh']:.0f} kWh)",
        max_power_kw=peak_kw,
        battery_kwh=row["energy_kwh"] / (row["soc_departure"] - row["soc_arrival"]),
        curve=typical_curve(peak_kw),
        curve_source="typical",
    )
