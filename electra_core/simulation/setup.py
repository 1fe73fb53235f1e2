"""The world of a simulation before anything has happened: a scenario read into records."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import fields
from typing import Any, cast

import numpy as np

from electra_core.allocation import Limit, waterfill
from electra_core.sessions import Scenario, SessionTable
from electra_core.simulation.records import (
    NOBODY,
    Battery,
    Charger,
    Crowd,
    Desk,
    Fate,
    Import,
    Log,
    Moment,
    Seat,
    Settings,
    Site,
    Slot,
    Step,
    Wish,
    World,
    blank,
)
from electra_core.station import BatteryConfig, StationConfig


def _zeros(kind: str, *shape: int) -> Any:
    return np.zeros(shape, kind)


def build(scenario: Scenario, *, divided: bool, timeless: bool, keeps_steps: bool) -> World:
    """The world of a scenario before anything has happened."""
    config, visits = scenario.config, scenario.sessions
    places, steps = len(config.connectors), scenario.steps if keeps_steps else 0
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
        rows=blank(waterfill.DemandRow, places),
        grants=blank(waterfill.Grant, 3 * places),
        entries=blank(waterfill.PoolEntry, places),
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


def _settings(scenario: Scenario) -> Any:
    config, visits = scenario.config, scenario.sessions
    whole_session = config.battery is not None and config.battery.rule == "whole_session"
    settings = blank(Settings, 1)
    settings.step_s, settings.horizon_s = scenario.step_s, scenario.horizon_s
    settings.until_empty = scenario.until_empty
    settings.control_interval_s = config.control_interval_s
    settings.rotation_s = math.inf if config.rotation_s is None else config.rotation_s
    settings.grid_kw, settings.standing_kw = config.grid_capacity_kw, config.standing_kw
    settings.takes_turns = config.rotation_s is not None
    settings.has_modules = bool(config.module_kw)
    plugs = config.connectors.values()
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


def _wishes(visits: SessionTable) -> Any:
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
    slots = blank(Slot, len(config.connectors))
    numbers = {name: number for number, name in enumerate(config.charger_kw)}
    slots.charger = [numbers[charger_id] for charger_id, _ in config.connectors]
    plugs = config.connectors.values()
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
        waterfill.whole_modules(kw, size) * size if size > 0.0 else kw
        for kw, size in zip(chargers.max_power_kw.tolist(), chargers.module_kw.tolist(), strict=True)
    ]
    chargers.kw = chargers.full_kw
    chargers.better_since_s = math.inf
    chargers.end = np.cumsum([len(charger.connectors) for charger in config.chargers])
    chargers["first"][1:] = chargers.end[:-1]
    return chargers
