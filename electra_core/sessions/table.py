"""A table of sessions, checked row by row and read into arrays of numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from electra_core.allocation import MAX_DEMAND, MAX_WEIGHT, MIN_WEIGHT
from electra_core.errors import StationError, UnknownChargerError, UnknownConnectorError, shortened
from electra_core.sessions.columns import ColumnReader, Floats, Ints, Objects, SessionsError
from electra_core.station import MAX_KW, SOC_ROUNDING, ChargingCurve, StationConfig, Vehicle, catalogue

# From a charger's id and a connector's number (None where a row has none) to their indices.
FindIndices: TypeAlias = Callable[[Any, Any], tuple[int, int]]

# Index of a charger or connector in a session that takes any.
ANY = -1

# SoC on arrival of a row with a target and neither energy nor SoC: the median of EPFL's log of 2022
# (DESL-EPFL/Level-3-EV-charging-dataset, MIT).
TYPICAL_ARRIVAL_SOC = 0.29


@dataclass(frozen=True, slots=True)
class SessionTable:
    """Sessions as arrays: one entry a session, in the order of arrival.

    Attributes
    ----------
    session_id : ids, as the table has them
    arrival_s, departure_s : s; an infinite departure: the car leaves when done
    patience_s : s that the driver waits for a connector; may be infinite
    charger : index of the wanted charger in the configuration; -1: any
    connector : index of the wanted connector among all of the station; -1: any of the charger
    battery_kwh, arrival_soc, target_soc : capacity, and SoC before and after charging, 0 to 1. Where only an
        energy is known the battery has that size and charges from 0 to 1
    requested_kwh : energy up to the target
    max_kw, min_kw : highest and least useful power of the car, kW
    priority, weight : see `Station.plug_in`
    curve : number of the car's charging curve; -1: none, ``max_kw`` up to the target
    curve_start : index of each curve's first point in ``curve_soc`` and ``curve_kw``, and the end of the last
    curve_soc, curve_kw : the points of all curves
    row : row of each session in the table, from 0
    """

    session_id: Objects
    arrival_s: Floats
    departure_s: Floats
    patience_s: Floats
    charger: Ints
    connector: Ints
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
    sessions : one row a session. An empty cell counts as a missing column; other columns are not read.

        - ``session_id``: unique; default: the number of the row, from 1
        - ``arrival_s``: s from the start; must be there
        - ``departure_s``: s from the start; empty: the car leaves when done
        - ``energy_kwh``: wanted energy; or ``target_soc`` (0 to 1) with a vehicle
        - ``arrival_soc``: 0 to 1; empty, with a target: the typical one, 0.29
        - ``max_power_kw``: highest power of the car; or ``vehicle``: a `Vehicle` or its name in the
          catalogue, which then follows its curve if ``arrival_soc`` is known. Both: the lower counts
        - ``min_power_kw``: least useful power; empty: the vehicle's, or 0
        - ``charger_id``, ``connector``: connectors count from 1; empty: the first one that is free
        - ``priority``: default 0; the higher comes first under the strategy ``priority``
        - ``weight``: default 1; with 2 a session gets twice the share
        - ``patience_s``: s that the driver waits for a connector; empty: until the departure
    config : the station that they come to

    Raises
    ------
    SessionsError
        With every row that cannot be used, and why.

    Examples
    --------
    >>> from electra_core import load_config
    >>> chargers = [{"id": "CP1", "maxPower": 150, "connectors": 2}]
    >>> config = load_config({"stationId": "ST", "gridCapacity": 400, "chargers": chargers})
    >>> sessions = pd.DataFrame({"arrival_s": [600, 0], "energy_kwh": [20, 30], "max_power_kw": 50})
    >>> table = read_session_table(sessions, config)
    >>> table.arrival_s, table.requested_kwh
    (array([  0., 600.]), array([30., 20.]))
    """
    if not isinstance(sessions, pd.DataFrame):
        raise SessionsError("sessions", [f"must be a pandas DataFrame, got {type(sessions).__name__}"])
    if "arrival_s" not in sessions.columns and len(sessions):
        known = ", ".join(map(str, sessions.columns)) or "none"
        raise SessionsError("sessions", [f"there is no column arrival_s; there are {known}"])
    read = ColumnReader(sessions)
    table = _read_rows(read, _indices_at(config))
    read.raise_faults()
    return table


def row_faults(sessions: pd.DataFrame, positions: Sequence[str]) -> dict[int, str]:
    """Return what `read_session_table` would refuse at any station, whatever its chargers.

    Parameters
    ----------
    sessions : the table, with a column ``arrival_s``
    positions : position of each row in messages

    Returns
    -------
    dict
        The first fault of each bad row, by the row's number from 0. The table without these rows has none.
    """
    read = ColumnReader(sessions, positions=positions)
    _read_rows(read, _indices_by_name())
    return read.faults


def _read_rows(read: ColumnReader, find_indices: FindIndices) -> SessionTable:
    """Read all rows; they are usable if the reader has found no fault."""
    arrival_s, departure_s = read.numbers("arrival_s"), read.numbers("departure_s", np.inf)
    patience_s = read.numbers("patience_s", np.inf)
    priority, weight = read.numbers("priority", 0.0), read.numbers("weight", 1.0)
    bad = ~(np.isfinite(arrival_s) & (arrival_s >= 0.0))
    read.add_faults(bad, "arrival_s must be 0 s or more, got {}", arrival_s)
    late = "it ends at departure_s {1} before it begins at arrival_s {0}"
    read.add_faults(departure_s < arrival_s, late, arrival_s, departure_s)
    read.add_faults(~(patience_s >= 0.0), "patience_s must be 0 s or more, got {}", patience_s)
    read.add_faults(~np.isfinite(priority), "priority must be a finite number, got {}", priority)
    bad = ~((weight >= MIN_WEIGHT) & (weight <= MAX_WEIGHT))
    read.add_faults(bad, f"weight must be from {MIN_WEIGHT:g} to {MAX_WEIGHT:g}, got {{}}", weight)
    _check_ids(read)
    charger, connector = _read_connectors(read, find_indices)
    cars = _Cars(read)
    _check_overlaps(read, connector, arrival_s, departure_s)
    order = np.argsort(arrival_s, kind="stable")
    return SessionTable(
        session_id=read.ids[order],
        arrival_s=arrival_s[order],
        departure_s=departure_s[order],
        patience_s=patience_s[order],
        charger=charger[order],
        connector=connector[order],
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


def _check_ids(read: ColumnReader) -> None:
    """Find empty and repeated session ids."""
    first: dict[object, int] = {}
    for row, session_id in enumerate(read.ids):
        if session_id is None:
            read.add_fault(row, "session_id is empty")
        elif first.setdefault(session_id, row) != row:
            read.add_fault(row, f"{read.position(first[session_id])} has the same session_id")


def _read_connectors(read: ColumnReader, find_indices: FindIndices) -> tuple[Ints, Ints]:
    """Return the indices of each row's charger and connector."""
    chargers, connectors = np.full(read.rows, ANY, dtype=np.int64), np.full(read.rows, ANY, dtype=np.int64)
    pairs = zip(read.objects("charger_id"), read.numbers("connector").tolist(), strict=True)
    for row, (charger_id, number) in enumerate(pairs):
        if charger_id is None:
            if not math.isnan(number):
                read.add_fault(row, f"connector {number:g} of which charger? charger_id is empty")
            continue
        connector = int(number) if number.is_integer() else None if math.isnan(number) else number
        try:
            chargers[row], connectors[row] = find_indices(charger_id, connector)
        except StationError as error:
            read.add_fault(row, str(error))
    return chargers, connectors


def _indices_at(config: StationConfig) -> FindIndices:
    """Return a function that finds indices in a configuration."""
    chargers = {charger_id: index for index, charger_id in enumerate(config.charger_kw)}
    connectors = {connector_id: index for index, connector_id in enumerate(config.connectors)}

    def find_indices(charger_id: Any, connector: Any) -> tuple[int, int]:
        if isinstance(charger_id, str) and (charger_id, connector) in connectors:
            return chargers[charger_id], connectors[charger_id, connector]
        charger = chargers[config.known_charger(charger_id)]
        if connector is None:
            return charger, ANY
        return charger, connectors[config.known_connector(charger_id, connector)]

    return find_indices


def _indices_by_name() -> FindIndices:
    """Return a function that numbers connectors as they come, for a station that is not known yet."""
    connectors: dict[tuple[str, int], int] = {}

    def find_indices(charger_id: Any, connector: Any) -> tuple[int, int]:
        if not isinstance(charger_id, str):
            raise UnknownChargerError(f"charger_id must be text, got {shortened(charger_id)}")
        if connector is None:
            return ANY, ANY
        if not isinstance(connector, int) or connector < 1:
            raise UnknownConnectorError(f"a connector is a whole number from 1, got {shortened(connector)}")
        return ANY, connectors.setdefault((charger_id, connector), len(connectors))

    return find_indices


class _Cars:
    """Battery, wanted energy and power of each row's car: along a curve, or an energy at a power."""

    def __init__(self, read: ColumnReader) -> None:
        self.read = read
        self.max_kw, self.min_kw = read.numbers("max_power_kw"), read.numbers("min_power_kw")
        self.battery_kwh, self.curve = np.full(read.rows, np.nan), np.full(read.rows, -1, dtype=np.int64)
        self.arrival_soc, self.target_soc = read.numbers("arrival_soc"), read.numbers("target_soc")
        self.energy_kwh = read.numbers("energy_kwh")
        unknown = np.isnan(self.arrival_soc) & np.isnan(self.energy_kwh)
        self.arrival_soc[unknown] = np.fmin(TYPICAL_ARRIVAL_SOC, self.target_soc[unknown])
        self.curves = self._read_vehicles()
        read.add_faults(np.isnan(self.max_kw), "neither max_power_kw nor a vehicle is given")
        bad = ~((self.max_kw > 0.0) & (self.max_kw <= MAX_KW))
        read.add_faults(bad, f"max_power_kw must be above 0 and at most {MAX_KW:g}, got {{}}", self.max_kw)
        self.min_kw[np.isnan(self.min_kw)] = 0.0
        bad = ~((self.min_kw >= 0.0) & (self.min_kw <= self.max_kw))
        words = "min_power_kw must be from 0 to the most that the car takes, {1}, got {0}"
        read.add_faults(bad, words, self.min_kw, self.max_kw)
        self.requested_kwh = self._read_energy()

    def _read_vehicles(self) -> list[ChargingCurve]:
        """Fill in the figures of each row's vehicle; return the curves that the rows number."""
        numbers: dict[ChargingCurve, int] = {}
        for row, named in enumerate(self.read.objects("vehicle")):
            if named is None:
                continue
            by_name = catalogue().get(named) if isinstance(named, str) else None
            car = named if isinstance(named, Vehicle) else by_name
            if car is None:
                self.read.add_fault(row, f"there is no vehicle {shortened(named)} in the catalogue")
                continue
            self.max_kw[row] = np.fmin(self.max_kw[row], car.max_power_kw)
            if np.isnan(self.min_kw[row]):
                self.min_kw[row] = min(car.min_power_kw, self.max_kw[row])
            self.battery_kwh[row] = np.nan if car.battery_kwh is None else car.battery_kwh
            if car.curve is not None and not np.isnan(self.arrival_soc[row]):
                self.curve[row] = numbers.setdefault(car.curve, len(numbers))
        return list(numbers)

    def _read_energy(self) -> Floats:
        """Check and complete from where to where each battery charges; return the requested energy, kWh."""
        read, energy, battery = self.read, self.energy_kwh, self.battery_kwh
        target, arrival = self.target_soc, self.arrival_soc
        by_soc = np.isnan(energy)
        read.add_faults(by_soc & np.isnan(target), "neither energy_kwh nor target_soc is given")
        unknown = by_soc & np.isnan(battery)
        read.add_faults(unknown, "target_soc needs a vehicle whose battery_kwh is known")
        for name, soc in (("arrival_soc", arrival), ("target_soc", target)):
            read.add_faults((soc < 0.0) | (soc > 1.0), f"{name} must be from 0 to 1, got {{}}", soc)
        bad = (energy < 0.0) | (energy > MAX_DEMAND)
        read.add_faults(bad, f"energy_kwh must be from 0 to {MAX_DEMAND:g}, got {{}}", energy)
        # An energy without a known start on a curve fills a battery of that size.
        flat = ~by_soc & (np.isnan(arrival) | np.isnan(battery))
        self.curve[flat] = -1
        battery[flat] = np.where(energy[flat] > 0.0, energy[flat], 1.0)
        arrival[flat], target[flat] = np.where(energy[flat] > 0.0, 0.0, 1.0), 1.0
        on_curve = ~by_soc & ~flat
        end = arrival[on_curve] + energy[on_curve] / battery[on_curve]
        target[on_curve] = np.where(end <= 1.0 + SOC_ROUNDING, np.minimum(1.0, end), np.nan)
        words = "energy_kwh {} does not fit into the battery above arrival_soc {}"
        read.add_faults(np.isnan(target), words, energy, arrival)
        with np.errstate(invalid="ignore"):  # rows with faults may hold infinities
            return np.where(by_soc, np.maximum(0.0, target - arrival) * battery, energy)


def _check_overlaps(read: ColumnReader, connector: Ints, arrival_s: Floats, departure_s: Floats) -> None:
    """Find sessions that begin while another one is at their connector."""
    # A car that leaves when done blocks no later one: it may be gone by then.
    end_s = np.where(np.isfinite(departure_s), departure_s, -np.inf)
    order = np.lexsort((arrival_s, connector))
    order = order[connector[order] != ANY]
    before, after = order[:-1], order[1:]
    # Where any two overlap, two neighbours do; only then is it worth a loop to find out which.
    if not ((connector[before] == connector[after]) & (arrival_s[after] < end_s[before])).any():
        return
    last: int | None = None
    for row in order.tolist():
        if row in read.faults:
            continue
        if last is None or connector[last] != connector[row]:
            last = row
        elif arrival_s[row] < end_s[last]:
            blocking = f"{read.position(last)} (session {shortened(read.ids[last])})"
            read.add_fault(row, f"{blocking} still stands at the same connector when it begins")
        elif end_s[row] > end_s[last]:
            last = row
