"""A table of sessions, checked row by row and read into columns of numbers.

A row is a driver who comes. What the columns mean is said in `read_session_table`; a table may have others beside
them, which are left alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from electra_core.allocation import MAX_DEMAND, MAX_WEIGHT, MIN_WEIGHT
from electra_core.errors import StationError, UnknownChargerError, UnknownConnectorError, shortened
from electra_core.sessions.columns import Floats, Objects, Reader, SessionsError
from electra_core.station import MAX_KW, ChargingCurve, StationConfig, Vehicle, catalogue

Ints: TypeAlias = npt.NDArray[np.int64]

# From a charger's id and a connector's number, None where nobody named one, to their places.
PlaceOf: TypeAlias = Callable[[Any, Any], tuple[int, int]]

# Nobody chose a charger, or a connector.
ANY = -1

# SoC on arrival where a table has a target and nothing else: the median of EPFL's log of 2022
# (DESL-EPFL/Level-3-EV-charging-dataset, MIT).
TYPICAL_ARRIVAL_SOC = 0.29

# What rounding may add to a wish that fills a battery exactly.
ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class SessionTable:
    """Who comes when: one entry a driver, in the order of arrival.

    Attributes
    ----------
    session_id : names, as the table has them
    arrival_s, departure_s : s; an infinite departure: leaves when done
    patience_s : s that the driver waits for a connector; may be infinite
    charger : place of the wanted charger in the configuration; -1: any
    slot : place of the wanted connector among all of the station; -1: any of the charger
    battery_kwh, arrival_soc, target_soc : what fills. Where only an energy is known it is a battery of that
        size, from 0 to 1
    requested_kwh : energy up to the target
    max_kw, min_kw : the most and the least useful that the car can take, kW
    priority, weight : see `Station.plug_in`
    curve : number of the car's charging curve; -1: none, ``max_kw`` up to the target
    curve_start : where each curve begins in ``curve_soc`` and ``curve_kw``, and where the last one ends
    curve_soc, curve_kw : the points of all curves
    row : place of each driver in the table
    """

    session_id: Objects
    arrival_s: Floats
    departure_s: Floats
    patience_s: Floats
    charger: Ints
    slot: Ints
    battery_kwh: Floats
    arrival_soc: Floats
    target_soc: Floats
    requested_kwh: Floats
    max_kw: Floats
    min_kw: Floats
    priority: Floats
    weight: Floats
    curve: Ints
    curve_start: Ints
    curve_soc: Floats
    curve_kw: Floats
    row: Ints

    def __len__(self) -> int:
        return len(self.arrival_s)


def read_session_table(sessions: pd.DataFrame, config: StationConfig) -> SessionTable:
    """Check a table of sessions and read it.

    Parameters
    ----------
    sessions : one row a driver. An empty cell counts as a missing column.

        - ``session_id``: a name, each once; default: the number of the row, from 1
        - ``arrival_s``: s from the beginning
        - ``departure_s``: s; empty: leaves when done
        - ``energy_kwh``: wanted; or ``target_soc`` (0 to 1) with a car
        - ``arrival_soc``: 0 to 1; empty, with a target: the typical one, 0.29
        - ``max_power_kw``: the most that the car takes; or ``vehicle``: a `Vehicle` or its name in the
          catalogue, which then moves along its curve if ``arrival_soc`` is known. Both: the lower counts
        - ``min_power_kw``: least useful power; default: the vehicle's, or 0
        - ``charger_id``, ``connector``: where; connectors count from 1. Empty: the first one that is free
        - ``priority`` (default 0), ``weight`` (default 1): see `Station.plug_in`
        - ``patience_s``: how long the driver waits for a connector; empty: until the departure
    config : the station that they come to

    Raises
    ------
    SessionsError
        With every row that cannot be meant, and why.
    """
    if not isinstance(sessions, pd.DataFrame):
        raise SessionsError("sessions", [f"must be a pandas DataFrame, got {type(sessions).__name__}"])
    if "arrival_s" not in sessions.columns and len(sessions):
        known = ", ".join(map(str, sessions.columns)) or "none"
        raise SessionsError("sessions", [f"there is no column arrival_s; there are {known}"])
    read = Reader(sessions)
    visits = _read_rows(read, _places_at(config))
    read.refuse()
    return visits


def row_faults(sessions: pd.DataFrame, where: Sequence[str]) -> dict[int, str]:
    """What `read_session_table` would refuse at any station, whatever chargers it has.

    Parameters
    ----------
    sessions : the table, with a column ``arrival_s``
    where : what a message calls the place of each row

    Returns
    -------
    dict
        The first fault of each bad row, by the row's number from 0. The table without these rows has none.
    """
    read = Reader(sessions, where=where)
    _read_rows(read, _places_by_name())
    return read.faults


def _read_rows(read: Reader, place_of: PlaceOf) -> SessionTable:
    """The visits; they mean something where the reader found no fault."""
    arrival = read.numbers("arrival_s", np.nan)
    departure = read.numbers("departure_s", np.inf)
    patience = read.numbers("patience_s", np.inf)
    priority, weight = read.numbers("priority", 0.0), read.numbers("weight", 1.0)
    read.fault(~(np.isfinite(arrival) & (arrival >= 0.0)), "arrival_s must be 0 s or more, got {}", arrival)
    read.fault(
        departure < arrival,
        "it ends at departure_s {1} before it begins at arrival_s {0}",
        arrival,
        departure,
    )
    read.fault(~(patience >= 0.0), "patience_s must be 0 s or more, got {}", patience)
    read.fault(~np.isfinite(priority), "priority must be a finite number, got {}", priority)
    share = f"weight must be from {MIN_WEIGHT:g} to {MAX_WEIGHT:g}, got {{}}"
    read.fault(~((weight >= MIN_WEIGHT) & (weight <= MAX_WEIGHT)), share, weight)
    _check_names(read)
    charger, slot = _places(read, place_of)
    cars = _Cars(read)
    _check_overlaps(read, slot, arrival, departure)
    order = np.argsort(arrival, kind="stable")
    return SessionTable(
        session_id=read.ids[order],
        arrival_s=arrival[order],
        departure_s=departure[order],
        patience_s=patience[order],
        charger=charger[order],
        slot=slot[order],
        battery_kwh=cars.battery_kwh[order],
        arrival_soc=cars.arrival_soc[order],
        target_soc=cars.target_soc[order],
        requested_kwh=cars.requested_kwh[order],
        max_kw=cars.max_kw[order],
        min_kw=cars.min_kw[order],
        priority=priority[order],
        weight=weight[order],
        curve=cars.curve[order],
        curve_start=np.cumsum([0, *(len(curve.soc) for curve in cars.curves)], dtype=np.int64),
        curve_soc=np.array([soc for curve in cars.curves for soc in curve.soc], dtype=np.float64),
        curve_kw=np.array([kw for curve in cars.curves for kw in curve.kw], dtype=np.float64),
        row=order,
    )


def _check_names(read: Reader) -> None:
    """Each session has a name, and no two the same."""
    if len(set(read.ids)) == read.rows and not any(name is None for name in read.ids):
        return
    first: dict[object, int] = {}
    for row, name in enumerate(read.ids):
        if name is None:
            read.faults.setdefault(row, "session_id is empty")
        elif first.setdefault(name, row) != row:
            read.faults.setdefault(row, f"{read.place(first[name])} has the same session_id")


def _places(read: Reader, place_of: PlaceOf) -> tuple[Ints, Ints]:
    """Charger and connector of each row, by their places in the configuration."""
    charger, slot = np.full(read.rows, ANY, dtype=np.int64), np.full(read.rows, ANY, dtype=np.int64)
    names, numbers = read.texts("charger_id"), read.numbers("connector", np.nan)
    if names is None and np.isnan(numbers).all():
        return charger, slot
    asked = [None] * read.rows if names is None else names.tolist()
    for row, (name, number) in enumerate(zip(asked, numbers.tolist(), strict=True)):
        if name is None:
            if not math.isnan(number):
                read.faults.setdefault(row, f"connector {number:g} of which charger? charger_id is empty")
            continue
        whole = int(number) if number.is_integer() else None if math.isnan(number) else number
        try:
            charger[row], slot[row] = place_of(name, whole)
        except StationError as error:
            read.faults.setdefault(row, str(error))
    return charger, slot


def _places_at(config: StationConfig) -> PlaceOf:
    """Places in a configuration."""
    chargers = {name: place for place, name in enumerate(config.charger_kw)}
    slots = {place: number for number, place in enumerate(config.connectors)}
    known = {place: (chargers[place[0]], slot) for place, slot in slots.items()}

    def place_of(name: Any, connector: Any) -> tuple[int, int]:
        if isinstance(name, str) and (name, connector) in known:
            return known[name, connector]
        charger = chargers[config.known_charger(name)]
        return charger, ANY if connector is None else slots[config.known_connector(name, connector)]

    return place_of


def _places_by_name() -> PlaceOf:
    """Connectors numbered as they come, where nobody knows the station yet."""
    slots: dict[tuple[str, int], int] = {}

    def place_of(name: Any, connector: Any) -> tuple[int, int]:
        if not isinstance(name, str):
            raise UnknownChargerError(f"charger_id must be text, got {shortened(name)}")
        if connector is None:
            return ANY, ANY
        if not isinstance(connector, int) or connector < 1:
            raise UnknownConnectorError(f"a connector is a whole number from 1, got {shortened(connector)}")
        return ANY, slots.setdefault((name, connector), len(slots))

    return place_of


class _Cars:
    """What fills in each row, and how fast: a battery along a curve, or an energy at a power."""

    def __init__(self, read: Reader) -> None:
        self.read = read
        rows = read.rows
        self.max_kw, self.min_kw = read.numbers("max_power_kw", np.nan), read.numbers("min_power_kw", np.nan)
        self.battery_kwh, self.curve = np.full(rows, np.nan), np.full(rows, -1, dtype=np.int64)
        self.arrival_soc = read.numbers("arrival_soc", np.nan)
        self.target_soc = read.numbers("target_soc", np.nan)
        self.energy_kwh = read.numbers("energy_kwh", np.nan)
        unknown = np.isnan(self.arrival_soc) & np.isnan(self.energy_kwh)
        self.arrival_soc[unknown] = np.fmin(TYPICAL_ARRIVAL_SOC, self.target_soc[unknown])
        self.curves: list[ChargingCurve] = []
        self._vehicles()
        read.fault(np.isnan(self.max_kw), "neither max_power_kw nor a vehicle is given")
        bad = ~((self.max_kw > 0.0) & (self.max_kw <= MAX_KW))
        read.fault(bad, f"max_power_kw must be above 0 and at most {MAX_KW:g}, got {{}}", self.max_kw)
        self.min_kw[np.isnan(self.min_kw)] = 0.0
        bad = ~((self.min_kw >= 0.0) & (self.min_kw <= self.max_kw))
        read.fault(
            bad,
            "min_power_kw must be from 0 to the most that the car takes, {1}, got {0}",
            self.min_kw,
            self.max_kw,
        )
        self._wishes()

    def _vehicles(self) -> None:
        """Fill in what a row's vehicle says."""
        vehicles = self.read.texts("vehicle")
        if vehicles is None:
            return
        numbers: dict[ChargingCurve, int] = {}
        for row, named in enumerate(vehicles):
            if named is None:
                continue
            car = (
                named
                if isinstance(named, Vehicle)
                else catalogue().get(named if isinstance(named, str) else "")
            )
            if car is None:
                self.read.faults.setdefault(row, f"there is no vehicle {shortened(named)} in the catalogue")
                continue
            self.max_kw[row] = np.fmin(self.max_kw[row], car.max_power_kw)
            if np.isnan(self.min_kw[row]):
                self.min_kw[row] = min(car.min_power_kw, self.max_kw[row])
            self.battery_kwh[row] = np.nan if car.battery_kwh is None else car.battery_kwh
            if car.curve is not None and not np.isnan(self.arrival_soc[row]):
                self.curve[row] = numbers.setdefault(car.curve, len(numbers))
        self.curves = list(numbers)

    def _wishes(self) -> None:
        """From where to where each battery fills."""
        read, energy = self.read, self.energy_kwh
        target, arrival = self.target_soc, self.arrival_soc
        by_soc = np.isnan(energy)
        read.fault(by_soc & np.isnan(target), "neither energy_kwh nor target_soc is given")
        read.fault(
            by_soc & np.isnan(self.battery_kwh), "target_soc needs a vehicle whose battery_kwh is known"
        )
        for name, soc in (("arrival_soc", arrival), ("target_soc", target)):
            read.fault((soc < 0.0) | (soc > 1.0), f"{name} must be from 0 to 1, got {{}}", soc)
        bad = (energy < 0.0) | (energy > MAX_DEMAND)
        read.fault(bad, f"energy_kwh must be from 0 to {MAX_DEMAND:g}, got {{}}", energy)
        # Energy that nobody can put at a place on a curve fills a battery of that size.
        flat = ~by_soc & (np.isnan(arrival) | np.isnan(self.battery_kwh))
        self.curve[flat] = -1
        self.battery_kwh[flat] = np.where(energy[flat] > 0.0, energy[flat], 1.0)
        arrival[flat], target[flat] = np.where(energy[flat] > 0.0, 0.0, 1.0), 1.0
        placed = ~by_soc & ~flat
        wanted = arrival[placed] + energy[placed] / self.battery_kwh[placed]
        target[placed] = np.where(wanted <= 1.0 + ROUNDING, np.minimum(1.0, wanted), np.nan)
        read.fault(
            np.isnan(target),
            "energy_kwh {0} does not fit into the battery above arrival_soc {1}",
            energy,
            arrival,
        )
        self.requested_kwh = np.where(by_soc, np.maximum(0.0, target - arrival) * self.battery_kwh, energy)


def _check_overlaps(read: Reader, slot: Ints, arrival: Floats, departure: Floats) -> None:
    """Nobody can be put at a connector where another one stands at that time."""
    end = np.where(np.isfinite(departure), departure, -np.inf)  # who leaves when done blocks nobody yet
    order = np.lexsort((arrival, slot))
    order = order[slot[order] != ANY]
    before, after = order[:-1], order[1:]
    # Where any two clash, two neighbours do; only then is it worth a loop to say who is in whose way.
    if not ((slot[before] == slot[after]) & (arrival[after] < end[before])).any():
        return
    standing: int | None = None
    for row in order.tolist():
        if row in read.faults:
            continue
        if standing is None or slot[standing] != slot[row]:
            standing = row
        elif arrival[row] < end[standing]:
            read.faults[row] = (
                f"{read.place(standing)} (session {shortened(read.ids[standing])}) still stands at the same"
                f" connector when it begins"
            )
        elif end[row] > end[standing]:
            standing = row
