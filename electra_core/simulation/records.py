"""A station, its arrivals and the log of a run as records of numbers.

The classes name the fields of records; arrays of records have the same fields, so that the same code runs as
it is, and compiles. Times are s, and infinite for never; an index of -1 means none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from electra_core.allocation import solver, waterfill
from electra_core.errors import ElectraError
from electra_core.sessions import ArrivalQueue, ConnectorUse, QueuedArrival

Floats: TypeAlias = npt.NDArray[np.float64]


class ResultError(ElectraError):
    """A result that has no such part, or a file that holds no result."""


# Reasons for which a run stops before its end.
FINE, BAD_RANK = 0, 1


@dataclass
class Settings:
    """Figures that stay the same for the whole run.

    ``each_call``: each arrival, departure and step is decided by itself, as a station does, because a
    decision leaves traces in the next one. ``in_equal_parts`` and ``timeless`` are the strategy's: how it
    divides, and ranks that time alone does not change. ``whole_session`` is the exercise's battery rule.
    """

    step_s: float
    horizon_s: float
    control_interval_s: float
    rotation_s: float
    grid_kw: float
    standing_kw: float
    until_empty: int
    takes_turns: int
    has_modules: int
    has_minima: int
    whole_session: int
    each_call: int
    in_equal_parts: int
    timeless: int
    keep_timeline: int


@dataclass
class Battery:
    """The figures of `BatteryConfig`, by the same names."""

    initial_capacity_kwh: float
    charge_power_kw: float
    discharge_power_kw: float
    min_soc: float
    max_soc: float
    initial_soc: float
    reserve_soc: float
    comfort_power_kw: float
    recharge_share: float
    charge_efficiency: float
    discharge_efficiency: float
    boost_from_soc: float
    recharge_free_share: float
    recharge_step_soc: float


@dataclass(kw_only=True)
class ArrivalRecord(QueuedArrival):
    """An arrival of `SessionTable`; its curve is a part of all curves, of no points where there is none."""

    battery_kwh: float
    arrival_soc: float
    target_soc: float
    max_kw: float
    min_kw: float
    priority: float
    weight: float
    curve_start: int
    curve_end: int


@dataclass
class SiteStep:
    """Load, PV and limit of the site from a step on."""

    static_kw: float
    pv_kw: float
    limit_kw: float
    step: int


@dataclass(kw_only=True)
class ConnectorState(ConnectorUse):
    """A connector, the car that is plugged in there, its demand, and its part of the decision in force."""

    connector_max_kw: float
    connector_min_kw: float
    arrived_s: float
    vehicle_max_kw: float
    vehicle_min_kw: float
    battery_kwh: float
    arrival_soc: float
    target_soc: float
    priority: float
    weight: float
    energy_kwh: float
    boost_kwh: float
    soc: float
    turn_place: float
    turn_had_s: float
    turn_since_s: float
    max_kw: float
    min_kw: float
    offered_kw: float
    boost_kw: float
    drawn_kwh: float
    curve_start: int
    curve_end: int
    on_battery: int
    modules: int
    claim: int
    max_kw_by: int
    limited_by: int


@dataclass(kw_only=True)
class Charger(waterfill.ChargerLimit):
    """A charger and its modules.

    ``full_kw`` is its power, that of its modules together where it has them; ``kw`` the power to be shared.
    """

    max_power_kw: float
    full_kw: float
    module_hold_s: float
    efficiency: float
    cost: float
    better_since_s: float
    carried_kw: float
    first: int
    end: int
    claimed: int
    keeps: int
    better_modules: int


@dataclass
class SiteState:
    """The clock, the battery and the site; the decision in force; and the energy so far."""

    now_s: float
    stored_kwh: float
    battery_rests_until_s: float
    reserve_rests_until_s: float
    static_kw: float
    pv_kw: float
    limit_kw: float
    comfort_kw: float
    site_kw: float
    grid_kw: float
    charge_kw: float
    discharge_kw: float
    offered_kw: float
    jain_power: float
    jain_share: float
    imported_kwh: float
    static_kwh: float
    standby_kwh: float
    delivered_kwh: float
    charger_loss_kwh: float
    battery_in_kwh: float
    battery_out_kwh: float
    battery_loss_kwh: float
    exercise_gain_kwh: float
    pv_kwh: float
    curtailed_kwh: float
    contested_s: float
    jain_power_s: float
    jain_share_s: float
    error_tier: float
    error_weight: float
    step: int
    change: int
    cars: int
    last_number: int
    last_turn_place: int
    may_boost: int
    contested: int
    steady: int
    undecided: int
    error: int
    error_arrival: int


@dataclass
class SessionRecord:
    """The outcome of an arrival."""

    plugged_s: float
    done_s: float
    left_s: float
    energy_kwh: float
    boost_kwh: float
    without_power_s: float
    connector: int
    balked: int


@dataclass
class Import:
    """The import of a step; and its time as it was counted, which differs from the clock's by rounding."""

    imported_kwh: float
    seconds: float


@dataclass
class Step:
    """Energies of a step, and the state at its beginning."""

    grid_kwh: float
    battery_kwh: float
    drawn_kwh: float
    curtailed_kwh: float
    offered_kw: float
    stored_kwh: float


@dataclass
class LinePlace:
    """A place in the line of cars, by charger and in the order of plugging in: connector and rank."""

    tier: float
    weight: float
    connector: int


@dataclass
class RowOrder:
    """The connector of the row of this number; and scratch: indices that are sorted by ``key``."""

    key: float
    connector: int
    index: int
    spare: int


class StationArrays(NamedTuple):
    """A station as arrays: everything that a decision reads and writes.

    ``rows``, ``grants`` (three for each row) and ``entries`` are those of `solver.DemandTable`.
    """

    settings: Settings
    battery: Battery
    site: SiteState
    chargers: Sequence[Charger]
    connectors: Sequence[ConnectorState]
    line: Sequence[LinePlace]
    order: Sequence[RowOrder]
    rows: Sequence[waterfill.DemandRow]
    grants: Sequence[waterfill.Grant]
    entries: Sequence[waterfill.PoolEntry]
    curve_soc: Sequence[float]
    curve_kw: Sequence[float]


class Energies(NamedTuple):
    """Energies of a time between two decisions, kWh; and the battery's at its end."""

    imported_kwh: float
    grid_kwh: float
    battery_kwh: float
    drawn_kwh: float
    curtailed_kwh: float
    stored_kwh: float


class Log(NamedTuple):
    """The record of a run, written as time passes.

    ``limited_s``: seconds that each arrival was limited by each of `Limit`. Of each step there are the
    import, the full record, and the energy from each connector, in all and of the battery.
    """

    sessions: Sequence[SessionRecord]
    limited_s: Floats
    imports: Sequence[Import]
    steps: Sequence[Step]
    connector_kwh: npt.NDArray[np.float32]
    connector_boost_kwh: npt.NDArray[np.float32]


class SimulationState(NamedTuple):
    """A run. In parts, because what is handed from function to function should be small."""

    station: StationArrays
    log: Log
    queue: ArrivalQueue
    site_steps: Sequence[SiteStep]


def table_of(station: StationArrays, start: int, end: int) -> solver.DemandTable:
    """Return the table of some of the rows."""
    places = len(station.connectors)
    return solver.DemandTable(
        station.rows[start:end],
        station.chargers,
        station.grants[start:end],
        station.grants[places + start : places + end],
        station.grants[2 * places + start : 2 * places + end],
        station.entries[start:end],
    )


def record_type(kind: type) -> np.dtype[Any]:
    """Return the type of records with the fields of a class: floats and whole numbers."""
    types = {"float": "f8", "int": "i8"}
    return np.dtype([(field.name, types[str(field.type)]) for field in fields(kind)], align=True)


def blank(kind: type, count: int) -> Any:
    """Return an array of records, all zero."""
    return np.zeros(count, record_type(kind)).view(np.recarray)
