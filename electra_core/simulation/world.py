"""A station and its visitors as records: what the clock of a simulation runs on.

The classes say what a record has; arrays of records have the same names, so that the same code reads well,
runs as it is, and compiles. Times are s, and infinite for never; an index of -1 means nobody.
"""

from __future__ import annotations

import math
from collections.abc import MutableSequence, Sequence
from dataclasses import dataclass, fields
from typing import Any, NamedTuple, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from electra_core.config import BatteryConfig, StationConfig
from electra_core.filling import Table
from electra_core.scenario import Scenario
from electra_core.sessions import Visits
from electra_core.snapshot import Limit
from electra_core.waterfill import Cell, Room, Row, Share, whole_modules

Floats: TypeAlias = npt.NDArray[np.float64]

NOBODY = -1

# Why a run stopped before its end.
FINE, BAD_RANK = 0, 1


@dataclass
class Settings:
    """What stays as it is for the whole run.

    ``each_call``: each arrival, departure and step is decided by itself, as a station does, because a
    decision leaves traces in the next one. ``divided`` and ``timeless`` are the strategy's: in equal parts;
    and ranks that time alone does not change. ``whole_session`` is the seed's battery rule.
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
    divided: int
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
    """One of `Visits`; its curve is a part of all curves, and has no points where there is none."""

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
    ceiling: int
    reason: int


@dataclass(kw_only=True)
class Charger(Room):
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
    better: int


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
    seed_gain_kwh: float
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
    are those of `filling.Table`."""

    settings: Settings
    battery: Battery
    moment: Moment
    chargers: Sequence[Charger]
    slots: Sequence[Slot]
    line: Sequence[Seat]
    rows: Sequence[Row]
    shares: Sequence[Share]
    cells: Sequence[Cell]
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


def record_type(kind: type) -> np.dtype[Any]:
    """The type of records that have what a class has: floats and whole numbers."""
    types = {"float": "f8", "int": "i8"}
    return np.dtype([(field.name, types[str(field.type)]) for field in fields(kind)], align=True)


def blank(kind: type, count: int) -> Any:
    """An array of records, all zero."""
    return np.zeros(count, record_type(kind)).view(np.recarray)


def _zeros(kind: str, *shape: int) -> Any:
    return np.zeros(shape, kind)


def build(scenario: Scenario, *, divided: bool, timeless: bool, keeps_steps: bool) -> World:
    """The world of a scenario before anything has happened."""
    config, visits = scenario.config, scenario.visits
    places, steps = len(config.plugs), scenario.steps if keeps_steps else 0
    settings = _settings(scenario)
    settings.divided, settings.timeless, settings.keeps_steps = divided, timeless, keeps_steps
    battery = _battery(config.battery)
    moment = blank(Moment, 1)
    moment.stored_kwh = battery.initial_soc * battery.initial_capacity_kwh
    moment.battery_rests_until_s = moment.reserve_rests_until_s = -math.inf
    fates = blank(Fate, len(visits))
    fates.plugged_s = fates.done_s = fates.left_s = np.nan
    fates.slot = NOBODY
    desk = Desk(
        settings=settings[0],
        battery=battery[0],
        moment=moment[0],
        chargers=_chargers(config),
        slots=_slots(config),
        line=blank(Seat, places),
        rows=blank(Row, places),
        shares=blank(Share, 3 * places),
        cells=blank(Cell, places),
        curve_soc=cast("Sequence[float]", visits.curve_soc),
        curve_kw=cast("Sequence[float]", visits.curve_kw),
    )
    log = Log(
        fates=fates,
        limited_s=_zeros("f8", len(visits), len(Limit)),
        imports=blank(Import, scenario.steps),
        steps=blank(Step, steps),
        slot_kwh=_zeros("f4", steps, places),
        slot_boost_kwh=_zeros("f4", steps if config.battery else 0, places),
    )
    return World(desk, log, Crowd(_wishes(visits), _zeros("i8", len(visits)), _site(scenario)))


def table_of(desk: Desk, start: int, end: int) -> Table:
    """The table of some of the rows."""
    places = len(desk.slots)
    return Table(
        desk.rows[start:end],
        desk.chargers,
        desk.shares[start:end],
        desk.shares[places + start : places + end],
        desk.shares[2 * places + start : 2 * places + end],
        desk.cells[start:end],
    )


def _settings(scenario: Scenario) -> Any:
    config, visits = scenario.config, scenario.visits
    whole_session = config.battery is not None and config.battery.rule == "whole_session"
    settings = blank(Settings, 1)
    settings.step_s, settings.horizon_s = scenario.step_s, scenario.horizon_s
    settings.until_empty = scenario.until_empty
    settings.control_interval_s = config.control_interval_s
    settings.rotation_s = math.inf if config.rotation_s is None else config.rotation_s
    settings.grid_kw, settings.standing_kw = config.grid_capacity_kw, config.standing_kw
    settings.takes_turns = config.rotation_s is not None
    settings.has_modules = bool(config.module_kw)
    plugs = config.plugs.values()
    settings.has_minima = bool(visits.min_kw.any()) or any(plug.min_power_kw > 0.0 for plug in plugs)
    settings.whole_session = whole_session
    settings.each_call = config.rotation_s is not None or bool(config.module_kw) or whole_session
    return settings


def _battery(config: BatteryConfig | None) -> Any:
    battery = blank(Battery, 1)
    # One of nothing loses nothing.
    battery.charge_efficiency = battery.discharge_efficiency = 1.0
    if config is not None:
        for field in fields(Battery):
            battery[field.name] = getattr(config, field.name)
    return battery


def _wishes(visits: Visits) -> Any:
    wishes = blank(Wish, len(visits))
    for field in fields(Wish):
        if not field.name.startswith("curve"):
            wishes[field.name] = getattr(visits, field.name)
    has_curve = visits.curve >= 0
    wishes.curve_start[has_curve] = visits.curve_start[visits.curve[has_curve]]
    wishes.curve_end[has_curve] = visits.curve_start[visits.curve[has_curve] + 1]
    return wishes


def _site(scenario: Scenario) -> Any:
    """Only the steps at which something changes."""
    columns = {
        "static_kw": scenario.static_load_kw,
        "pv_kw": scenario.pv_kw,
        "limit_kw": scenario.site_limit_kw,
    }
    differs = np.zeros(scenario.steps, bool)
    differs[0] = True
    for column in columns.values():
        differs[1:] |= column[1:] != column[:-1]
    site = blank(Site, int(differs.sum()))
    site.step = np.flatnonzero(differs)
    for name, column in columns.items():
        site[name] = column[differs]
    return site


def _slots(config: StationConfig) -> Any:
    slots = blank(Slot, len(config.plugs))
    numbers = {name: number for number, name in enumerate(config.charger_kw)}
    slots.charger = [numbers[charger_id] for charger_id, _ in config.plugs]
    plugs = config.plugs.values()
    slots.plug_kw = [math.inf if plug.max_power_kw is None else plug.max_power_kw for plug in plugs]
    slots.plug_least_kw = [plug.min_power_kw for plug in plugs]
    slots.visit = slots.claim = NOBODY
    return slots


def _chargers(config: StationConfig) -> Any:
    chargers = blank(Charger, len(config.chargers))
    chargers.max_power_kw = [charger.max_power_kw for charger in config.chargers]
    chargers.module_kw = [charger.module_size_kw or 0.0 for charger in config.chargers]
    chargers.module_hold_s = [config.module_hold.get(charger.id, 0.0) for charger in config.chargers]
    chargers.efficiency = [charger.efficiency for charger in config.chargers]
    chargers.cost = 1.0 / chargers.efficiency
    chargers.full_kw = [
        whole_modules(kw, size) * size if size > 0.0 else kw
        for kw, size in zip(chargers.max_power_kw.tolist(), chargers.module_kw.tolist(), strict=True)
    ]
    chargers.kw = chargers.full_kw
    chargers.better_since_s = math.inf
    chargers.end = np.cumsum([len(charger.connectors) for charger in config.chargers])
    chargers["first"][1:] = chargers.end[:-1]
    return chargers
