"""A scenario read into the records of a simulation at its beginning."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import fields
from typing import Any, cast

import numpy as np

from electra_core.allocation import Limit, waterfill
from electra_core.sessions import ABSENT, ArrivalQueue, QueuePosition, Scenario, SessionTable
from electra_core.simulation.records import (
    ArrivalRecord,
    Battery,
    Charger,
    ConnectorState,
    Import,
    LinePlace,
    Log,
    RowOrder,
    SessionRecord,
    Settings,
    SimulationState,
    SiteState,
    SiteStep,
    StationArrays,
    Step,
    blank,
)
from electra_core.station import BatteryConfig, StationConfig


def _zeros(kind: str, *shape: int) -> Any:
    return np.zeros(shape, kind)


def build(
    scenario: Scenario, *, in_equal_parts: bool, timeless: bool, keep_timeline: bool
) -> SimulationState:
    """Return the state of a scenario at its beginning.

    Parameters
    ----------
    in_equal_parts, timeless : how the strategy divides, and whether time alone changes none of its ranks
    keep_timeline : whether steps are written
    """
    config, sessions = scenario.config, scenario.sessions
    steps = scenario.steps if keep_timeline else 0
    settings = _settings(scenario)
    settings.in_equal_parts, settings.timeless = in_equal_parts, timeless
    settings.keep_timeline = keep_timeline
    records = blank(SessionRecord, len(sessions))
    records.plugged_s = records.done_s = records.left_s = np.nan
    records.connector = ABSENT
    log = Log(
        sessions=records,
        limited_s=_zeros("f8", len(sessions), len(Limit)),
        imports=blank(Import, scenario.steps),
        steps=blank(Step, steps),
        connector_kwh=_zeros("f4", steps, len(config.connectors)),
        connector_boost_kwh=_zeros("f4", steps if config.battery else 0, len(config.connectors)),
    )
    queue = ArrivalQueue(_arrivals(sessions), _zeros("i8", len(sessions)), blank(QueuePosition, 1)[0])
    return SimulationState(_station(config, sessions, settings), log, queue, _site_steps(scenario))


def _station(config: StationConfig, sessions: SessionTable, settings: Any) -> StationArrays:
    connectors, battery = len(config.connectors), _battery(config.battery)
    site = blank(SiteState, 1)
    site.stored_kwh = battery.initial_soc * battery.initial_capacity_kwh
    site.battery_rests_until_s = site.reserve_rests_until_s = -math.inf
    return StationArrays(
        settings=settings[0],
        battery=battery[0],
        site=site[0],
        chargers=_chargers(config),
        connectors=_connectors(config),
        line=blank(LinePlace, connectors),
        order=blank(RowOrder, connectors),
        rows=blank(waterfill.DemandRow, connectors),
        grants=blank(waterfill.Grant, 3 * connectors),
        entries=blank(waterfill.PoolEntry, connectors),
        curve_soc=cast("Sequence[float]", sessions.curve_soc),
        curve_kw=cast("Sequence[float]", sessions.curve_kw),
    )


def _settings(scenario: Scenario) -> Any:
    config, sessions = scenario.config, scenario.sessions
    whole_session = config.battery is not None and config.battery.rule == "whole_session"
    settings = blank(Settings, 1)
    settings.step_s, settings.horizon_s = scenario.step_s, scenario.horizon_s
    settings.until_empty = scenario.until_empty
    settings.control_interval_s = config.control_interval_s
    settings.rotation_s = math.inf if config.rotation_s is None else config.rotation_s
    settings.grid_kw, settings.standing_kw = config.grid_capacity_kw, config.standing_kw
    settings.takes_turns = config.rotation_s is not None
    settings.has_modules = bool(config.module_kw)
    has_minima = any(connector.min_power_kw > 0.0 for connector in config.connectors.values())
    settings.has_minima = has_minima or bool(sessions.min_kw.any())
    settings.whole_session = whole_session
    settings.each_call = config.rotation_s is not None or bool(config.module_kw) or whole_session
    return settings


def _battery(config: BatteryConfig | None) -> Any:
    battery = blank(Battery, 1)
    # A battery of no capacity loses nothing.
    battery.charge_efficiency = battery.discharge_efficiency = 1.0
    if config is not None:
        for field in fields(Battery):
            battery[field.name] = getattr(config, field.name)
    return battery


def _arrivals(sessions: SessionTable) -> Any:
    arrivals = blank(ArrivalRecord, len(sessions))
    for field in fields(ArrivalRecord):
        if not field.name.startswith("curve"):
            arrivals[field.name] = getattr(sessions, field.name)
    has_curve = sessions.curve >= 0
    arrivals.curve_start[has_curve] = sessions.curve_start[sessions.curve[has_curve]]
    arrivals.curve_end[has_curve] = sessions.curve_start[sessions.curve[has_curve] + 1]
    return arrivals


def _site_steps(scenario: Scenario) -> Any:
    """Return only the steps at which something changes."""
    columns = {
        "static_kw": scenario.static_load_kw,
        "pv_kw": scenario.pv_kw,
        "limit_kw": scenario.site_limit_kw,
    }
    differs = np.zeros(scenario.steps, bool)
    differs[0] = True
    for column in columns.values():
        differs[1:] |= column[1:] != column[:-1]
    site = blank(SiteStep, int(differs.sum()))
    site.step = np.flatnonzero(differs)
    for name, column in columns.items():
        site[name] = column[differs]
    return site


def _connectors(config: StationConfig) -> Any:
    connectors = blank(ConnectorState, len(config.connectors))
    numbers = {name: number for number, name in enumerate(config.charger_kw)}
    connectors.charger = [numbers[charger_id] for charger_id, _ in config.connectors]
    configs = config.connectors.values()
    connectors.connector_max_kw = [
        math.inf if one.max_power_kw is None else one.max_power_kw for one in configs
    ]
    connectors.connector_min_kw = [one.min_power_kw for one in configs]
    connectors.arrival = connectors.claim = ABSENT
    return connectors


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
