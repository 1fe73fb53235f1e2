"""A station and its visitors as records: what the clock of a simulation runs on.

The classes say what a record has; arrays of records have the same names, so that the same code reads well,
runs as it is, and compiles. Times are s, and infinite for never; an index of -1 means nobody.
"""

from __future__ import annotations

from collections.abc import MutableSequence, Sequence
from dataclasses import dataclass, fields
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from electra_core.allocation import solver, waterfill

Floats: TypeAlias = npt.NDArray[np.float64]

NOBODY = -1

# Why a run stopped before its end.
FINE, BAD_RANK = 0, 1


@dataclass
class Settings:
    """What stays as it is for the whole run.

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
    keeps_steps: int


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


@dataclass
class Wish:
    """One of `SessionTable`; its curve is a part of all curves, and has no points where there is none."""

    arrival_s: float
    departure_s: float
    patience_s: float
    battery_kwh: float
    arrival_soc: float
    target_soc: float
    max_kw: float
    min_kw: float
    priority: float
    weight: float
    charger: int
    slot: int
    curve_start: int
    curve_end: int


@dataclass
class Site:
    """What holds at the site from a step on."""

    static_kw: float
    pv_kw: float
    limit_kw: float
    step: int


@dataclass
class Slot:
    """A connector: what it is; the car that stands there; what it asks for now; and what it gets."""

    plug_kw: float
    plug_least_kw: float
    arrived_s: float
    departs_s: float
    max_kw: float
    car_least_kw: float
    battery_kwh: float
    arrival_soc: float
    target_soc: float
    priority: float
    weight: float
    energy_kwh: float
    boost_kwh: float
    soc: float
    remaining_kwh: float
    turn_place: float
    turn_had_s: float
    turn_since_s: float
    ask_kw: float
    least_kw: float
    offered_kw: float
    boost_kw: float
    taken_kwh: float
    charger: int
    visit: int
    number: int
    curve_start: int
    curve_end: int
    on_battery: int
    modules: int
    claim: int
    max_kw_by: int
    limited_by: int


@dataclass(kw_only=True)
class Charger(waterfill.ChargerLimit):
    """A charger: what it is, and what is known of its modules.

    ``full_kw`` is what it has, of its modules together where it has them; ``kw`` is what is to be shared.
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
class Moment:
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
    fault_tier: float
    fault_weight: float
    step: int
    change: int
    cars: int
    numbers: int
    places: int
    next_visit: int
    waiting: int
    may_boost: int
    contested: int
    steady: int
    undecided: int
    fault: int
    fault_visit: int


@dataclass
class Fate:
    """What became of a visitor."""

    plugged_s: float
    done_s: float
    left_s: float
    energy_kwh: float
    boost_kwh: float
    without_power_s: float
    slot: int
    balked: int


@dataclass
class Import:
    """The import of a step; and its time as it was counted, which differs from the clock's by rounding."""

    imported_kwh: float
    seconds: float


@dataclass
class Step:
    """What is written of a step: energies, and what held at its beginning."""

    grid_kwh: float
    battery_kwh: float
    drawn_kwh: float
    curtailed_kwh: float
    offered_kw: float
    stored_kwh: float


@dataclass
class Seat:
    """A place in the line of connectors with cars, which is by charger and in the order of plugging in.

    ``slot`` stands there, ranked ``tier`` and ``weight``. Beside it, with no relation to it: ``place`` and
    ``spare`` are used to sort by ``key``, and ``row_slot`` is the connector in the row of this number.
    """

    tier: float
    weight: float
    key: float
    slot: int
    place: int
    spare: int
    row_slot: int


class Desk(NamedTuple):
    """What a decision is made of, and written to: ``rows``, ``shares`` (three for each row) and ``cells``
    are those of `solver.DemandTable`."""

    settings: Settings
    battery: Battery
    moment: Moment
    chargers: Sequence[Charger]
    slots: Sequence[Slot]
    line: Sequence[Seat]
    rows: Sequence[waterfill.DemandRow]
    grants: Sequence[waterfill.Grant]
    entries: Sequence[waterfill.PoolEntry]
    curve_soc: Sequence[float]
    curve_kw: Sequence[float]


class Log(NamedTuple):
    """What is written as time passes.

    ``limited_s``: seconds that each visitor was limited by each of `Limit`. Of each step there are the
    import, the full record, and what each connector gave, in all and of the battery.
    """

    fates: Sequence[Fate]
    limited_s: Floats
    imports: Sequence[Import]
    steps: Sequence[Step]
    slot_kwh: npt.NDArray[np.float32]
    slot_boost_kwh: npt.NDArray[np.float32]


class Crowd(NamedTuple):
    """Who comes, who waits for a connector, and what changes at the site."""

    wishes: Sequence[Wish]
    waiting: MutableSequence[int]
    site: Sequence[Site]


class World(NamedTuple):
    """All of it. Apart, because what is handed from function to function should be small."""

    desk: Desk
    log: Log
    crowd: Crowd


def table_of(desk: Desk, start: int, end: int) -> solver.DemandTable:
    """The table of some of the rows."""
    places = len(desk.slots)
    return solver.DemandTable(
        desk.rows[start:end],
        desk.chargers,
        desk.grants[start:end],
        desk.grants[places + start : places + end],
        desk.grants[2 * places + start : 2 * places + end],
        desk.entries[start:end],
    )


def record_type(kind: type) -> np.dtype[Any]:
    """The type of records that have what a class has: floats and whole numbers."""
    types = {"float": "f8", "int": "i8"}
    return np.dtype([(field.name, types[str(field.type)]) for field in fields(kind)], align=True)


def blank(kind: type, count: int) -> Any:
    """An array of records, all zero."""
    return np.zeros(count, record_type(kind)).view(np.recarray)
