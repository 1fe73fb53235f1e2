"""A station and its visitors as arrays of records: what the clock of a simulation runs on.

Records have names, so that the same code reads well, runs as it is, and compiles. Times are s, and
infinite for never; an index of -1 means nobody.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from electra_core.config import BatteryConfig, StationConfig
from electra_core.filling import Answer, Filling, Rows
from electra_core.scenario import Scenario
from electra_core.sessions import Visits
from electra_core.snapshot import Limit
from electra_core.waterfill import whole_modules

Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]
# One record, or an array of them: an attribute for each name of its type.
Record: TypeAlias = Any
Records: TypeAlias = Any

NOBODY = -1

# Why a run stopped before its end.
FINE, BAD_RANK = 0, 1


def _record(floats: str, whole: str = "") -> np.dtype[Any]:
    """A type of records, of floats and of whole numbers."""
    return np.dtype([*((name, "f8") for name in floats.split()), *((name, "i8") for name in whole.split())], align=True)


# What stays as it is. `each_call`: each arrival, departure and step is decided by itself, as a station does,
# because a decision leaves traces in the next one. `divided` and `timeless` are the strategy's: in equal
# parts; and ranks that time alone does not change.
SETTINGS = _record(
    "step_s horizon_s control_interval_s rotation_s grid_kw standing_kw",
    "until_empty takes_turns has_modules has_minima whole_session each_call divided timeless keeps_steps",
)
# The figures of `BatteryConfig`, by the same names.
BATTERY = _record(
    "initial_capacity_kwh charge_power_kw discharge_power_kw min_soc max_soc initial_soc reserve_soc"
    " comfort_power_kw recharge_share charge_efficiency discharge_efficiency boost_from_soc"
    " recharge_free_share recharge_step_soc"
)
# Columns of `Visits`; the curve is a part of all curves.
WISH = _record(
    "arrival_s departure_s patience_s battery_kwh arrival_soc target_soc max_kw min_kw priority weight",
    "charger slot curve_start curve_end",
)
# What holds at the site from a step on.
SITE = _record("static_kw pv_kw limit_kw", "step")
# A connector: what it is; the car that stands there; what it asks for now; and what it gets.
SLOT = _record(
    "plug_kw plug_least_kw"
    " arrived_s departs_s max_kw car_least_kw battery_kwh arrival_soc target_soc priority weight"
    " energy_kwh boost_kwh soc remaining_kwh turn_place turn_had_s turn_since_s"
    " ask_kw least_kw offered_kw boost_kw taken_kwh",
    "charger visit number curve_start curve_end on_battery modules claim ceiling reason",
)
# A charger: what it is; and what is known of its modules.
CHARGER = _record(
    "max_power_kw kw module_kw module_hold_s efficiency cost better_since_s asked_kw",
    "first end claimed keeps better",
)
# The clock, the battery and the site; the decision in force; and the energy so far.
MOMENT = _record(
    "now_s stored_kwh battery_rests_until_s reserve_rests_until_s static_kw pv_kw limit_kw"
    " comfort_kw site_kw grid_kw charge_kw discharge_kw offered_kw jain_power jain_share"
    " imported_kwh static_kwh standby_kwh delivered_kwh charger_loss_kwh battery_in_kwh battery_out_kwh"
    " battery_loss_kwh seed_gain_kwh pv_kwh curtailed_kwh contested_s jain_power_s jain_share_s",
    "step change cars numbers places next_visit waiting may_boost contested steady undecided fault",
)
# What became of a visitor.
FATE = _record("plugged_s done_s left_s energy_kwh boost_kwh without_power_s", "slot balked")
# What is written of a step: energies, and what held at its beginning.
STEP = _record("grid_kwh battery_kwh drawn_kwh curtailed_kwh offered_kw stored_kwh")


class World(NamedTuple):
    """All of it: records as above, and what else the clock reads and writes."""

    settings: Records
    battery: Records
    wishes: Records
    curve_soc: Floats
    curve_kw: Floats
    site: Records
    slots: Records
    chargers: Records
    moment: Records
    fates: Records
    # Seconds that each visitor was limited by each of `Limit`.
    limited_s: Floats
    # Visitors who wait for a connector; connectors with cars, by charger and in the order of plugging in.
    waiting: Ints
    line: Ints
    # Import of each step; the full record of each; and what each connector gave, in all and of the battery.
    imported_kwh: Floats
    steps: Records
    slot_kwh: npt.NDArray[np.float32]
    slot_boost_kwh: npt.NDArray[np.float32]
    # Rows and answers of a decision, a line a column: see `rows_of` and `answer_of`.
    row_floats: Floats
    row_counts: Ints
    charger_floats: Floats


def build(scenario: Scenario, *, divided: bool, timeless: bool, keeps_steps: bool) -> World:
    """The world of a scenario before anything has happened."""
    config, visits = scenario.config, scenario.visits
    places, chargers = len(config.plugs), len(config.chargers)
    steps = scenario.steps if keeps_steps else 0
    settings = _settings(scenario)
    settings.divided, settings.timeless, settings.keeps_steps = divided, timeless, keeps_steps
    battery = _battery(config.battery)
    moment = _blank(MOMENT, 1)
    moment.stored_kwh = battery.initial_soc * battery.initial_capacity_kwh
    moment.battery_rests_until_s = moment.reserve_rests_until_s = -math.inf
    fates = _blank(FATE, len(visits))
    fates.plugged_s = fates.done_s = fates.left_s = np.nan
    fates.slot = NOBODY
    boosts = steps if config.battery is not None else 0
    return World(
        settings=settings,
        battery=battery,
        wishes=_wishes(visits),
        curve_soc=visits.curve_soc,
        curve_kw=visits.curve_kw,
        site=_site(scenario),
        slots=_slots(config),
        chargers=_chargers(config),
        moment=moment,
        fates=fates,
        limited_s=np.zeros((len(visits), len(Limit))),
        waiting=np.zeros(len(visits), np.int64),
        line=np.zeros(places, np.int64),
        imported_kwh=np.zeros(scenario.steps),
        steps=_blank(STEP, steps),
        slot_kwh=np.zeros((steps, places), np.float32),
        slot_boost_kwh=np.zeros((boosts, places), np.float32),
        row_floats=np.zeros((22, places)),
        row_counts=np.zeros((13, places), np.int64),
        charger_floats=np.zeros((3, chargers)),
    )


def rows_of(floats: Floats, counts: Ints, start: int, end: int) -> Rows:
    """The columns of a decision, from one row to another."""
    return Rows(
        tier=floats[0, start:end],
        charger=counts[0, start:end],
        lowest=floats[1, start:end],
        highest=floats[2, start:end],
        weight=floats[3, start:end],
        cost=floats[4, start:end],
        queue=counts[1, start:end],
        order=floats[5, start:end],
        held=counts[2, start:end],
        kept=counts[3, start:end],
        needed=counts[4, start:end],
        ceiling=counts[5, start:end],
    )


def _filling_of(floats: Floats, counts: Ints, line: int, count: int, start: int, end: int) -> Filling:
    return Filling(
        kw=floats[line, start:end],
        modules=counts[count, start:end],
        lowest=floats[line + 1, start:end],
        highest=floats[line + 2, start:end],
        cap=floats[line + 3, start:end],
    )


def answer_of(floats: Floats, counts: Ints, left: Floats, start: int, end: int) -> Answer:
    """Where the decision of those rows is written."""
    return Answer(
        filling=_filling_of(floats, counts, 6, 6, start, end),
        by_grid=_filling_of(floats, counts, 10, 7, start, end),
        anew=_filling_of(floats, counts, 14, 8, start, end),
        reach=floats[18, start:end],
        boost=floats[19, start:end],
        reason=counts[9, start:end],
        before=counts[10, start:end],
        better=counts[11, start:end],
        left=left,
    )


# Lines beside those: each car's rank, by its place in the line; and the connector of each row.
TIERS, WEIGHTS, ROW_SLOT = 20, 21, 12


def _blank(kind: np.dtype[Any], count: int) -> Records:
    return np.zeros(count, kind).view(np.recarray)


def _settings(scenario: Scenario) -> Records:
    config, visits = scenario.config, scenario.visits
    whole_session = config.battery is not None and config.battery.rule == "whole_session"
    settings = _blank(SETTINGS, 1)
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


def _battery(config: BatteryConfig | None) -> Records:
    battery = _blank(BATTERY, 1)
    # One of nothing loses nothing.
    battery.charge_efficiency = battery.discharge_efficiency = 1.0
    if config is not None:
        for name in BATTERY.names or ():
            battery[name] = getattr(config, name)
    return battery


def _wishes(visits: Visits) -> Records:
    wishes = _blank(WISH, len(visits))
    for name in set(WISH.names or ()) - {"curve_start", "curve_end"}:
        wishes[name] = getattr(visits, name)
    # A car without a curve has one of no points.
    has_curve = visits.curve >= 0
    wishes.curve_start[has_curve] = visits.curve_start[visits.curve[has_curve]]
    wishes.curve_end[has_curve] = visits.curve_start[visits.curve[has_curve] + 1]
    return wishes


def _site(scenario: Scenario) -> Records:
    """Only the steps at which something changes."""
    columns = {"static_kw": scenario.static_load_kw, "pv_kw": scenario.pv_kw, "limit_kw": scenario.site_limit_kw}
    differs = np.zeros(scenario.steps, bool)
    differs[0] = True
    for column in columns.values():
        differs[1:] |= column[1:] != column[:-1]
    site = _blank(SITE, int(differs.sum()))
    site.step = np.flatnonzero(differs)
    for name, column in columns.items():
        site[name] = column[differs]
    return site


def _slots(config: StationConfig) -> Records:
    slots = _blank(SLOT, len(config.plugs))
    numbers = {name: number for number, name in enumerate(config.charger_kw)}
    slots.charger = [numbers[charger_id] for charger_id, _ in config.plugs]
    plugs = config.plugs.values()
    slots.plug_kw = [math.inf if plug.max_power_kw is None else plug.max_power_kw for plug in plugs]
    slots.plug_least_kw = [plug.min_power_kw for plug in plugs]
    slots.visit = slots.claim = NOBODY
    return slots


def _chargers(config: StationConfig) -> Records:
    chargers = _blank(CHARGER, len(config.chargers))
    chargers.max_power_kw = [charger.max_power_kw for charger in config.chargers]
    chargers.module_kw = [charger.module_size_kw or 0.0 for charger in config.chargers]
    chargers.module_hold_s = [config.module_hold.get(charger.id, 0.0) for charger in config.chargers]
    chargers.efficiency = [charger.efficiency for charger in config.chargers]
    chargers.cost = 1.0 / chargers.efficiency
    chargers.kw = [
        whole_modules(kw, size) * size if size > 0.0 else kw
        for kw, size in zip(chargers.max_power_kw.tolist(), chargers.module_kw.tolist(), strict=True)
    ]
    chargers.better_since_s = math.inf
    chargers.end = np.cumsum([len(charger.connectors) for charger in config.chargers])
    chargers["first"][1:] = chargers.end[:-1]
    return chargers
