"""Small runs and snapshots for the tests of optimization, and feasible schedules to compare with."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import strategies as st
from stations import snapshots

from electra_core import ChargingCurve, Snapshot, Vehicle, load_config
from electra_core.sessions import Scenario, read_scenario

HOUR_S = 3600.0


# Rounding of the solver in sums of some hundred kWh or kW.
TINY = 1e-6


def log(*rows: tuple[float, float, float, float], **columns: Any) -> pd.DataFrame:
    """Return sessions given as rows of arrival and departure (h), energy (kWh) and maximal power (kW)."""
    arrival_h, departure_h, energy_kwh, max_kw = np.array(rows, dtype=float).reshape(-1, 4).T
    return pd.DataFrame(
        {
            "session_id": [f"v{number}" for number in range(len(rows))],
            "arrival_s": arrival_h * HOUR_S,
            "departure_s": departure_h * HOUR_S,
            "energy_kwh": energy_kwh,
            "max_power_kw": max_kw,
            **columns,
        }
    )


def run(sessions: pd.DataFrame, site_kw: float = 1000.0, step_s: float = 300.0, **changes: Any) -> Scenario:
    """Return a scenario of sessions at one big charger; ``changes`` to the configuration or the scenario."""
    series = ("horizon_s", "static_load_kw", "pv_kw", "site_limit_kw", "price_per_kwh")
    profiles = {name: changes.pop(name) for name in series if name in changes}
    chargers = [{"id": "CP1", "maxPower": 1000, "connectors": 100}]
    config = load_config({"stationId": "ST", "gridCapacity": site_kw, "chargers": chargers, **changes})
    return read_scenario(config, sessions, step_s=step_s, **profiles)


def battery(**changes: Any) -> dict[str, Any]:
    return {"initialCapacity": 10, "power": 100, "initialSoc": 1, **changes}


@dataclass
class Ran:
    """A completed run, as `regret` takes it."""

    scenario: Scenario
    delivered_kwh: np.ndarray
    cost: float | None = None


@st.composite
def hard_snapshots(draw: st.DrawFn) -> Snapshot:
    """Draw stations with minima, losses, modules, a reserve, and sessions on the battery alone."""
    plain = draw(snapshots(minima=True, carried=draw(st.booleans()), most=5))
    limited = [name for name, kw in sorted(plain.charger_kw.items()) if kw is not None]
    return replace(
        plain,
        efficiency={name: draw(st.sampled_from([1.0, 0.9, 0.5])) for name in plain.charger_kw},
        module_kw={
            name: draw(st.sampled_from([20.0, 75.0, 110.5])) for name in limited if draw(st.booleans())
        },
        comfort_kw=draw(st.none() | st.sampled_from([10.0, 50.0, 120.0])),
    )


def with_ceilings(snapshot: Snapshot, ceilings_kw: dict[str, float]) -> Snapshot:
    """Return the snapshot with every demand limited to a plan."""
    assert set(ceilings_kw) == {demand.session_id for demand in snapshot.demands}
    capped = [replace(one, max_kw=min(one.max_kw, ceilings_kw[one.session_id])) for one in snapshot.demands]
    return replace(snapshot, demands=capped)


def greedy_kwh(scenario: Scenario, slice_s: float = 60.0) -> np.ndarray:
    """Return the energy of each session when the first arrival takes all power, without battery charging."""
    table, config = scenario.sessions, scenario.config
    battery = config.battery
    left_kwh = 0.0
    if battery is not None:
        left_kwh = (
            max(0.0, battery.initial_soc - battery.min_soc)
            * battery.initial_capacity_kwh
            * battery.discharge_efficiency
        )
    got_kwh = np.zeros(len(table))
    ends_s = np.minimum(table.departure_s, scenario.horizon_s)
    moments = {*np.arange(0.0, scenario.horizon_s, slice_s), scenario.horizon_s, *table.arrival_s, *ends_s}
    for start_s, end_s in itertools.pairwise(sorted(moments)):
        hours, step = (end_s - start_s) / HOUR_S, int(start_s / scenario.step_s + 1e-9)
        if hours < 1e-9:
            continue
        own_kw = scenario.static_load_kw[step] + config.standing_kw - scenario.pv_kw[step]
        site_kwh = max(0.0, scenario.site_limit_kw[step] - own_kw) * hours
        if battery is not None:
            boost_kwh = min(left_kwh, battery.discharge_power_kw * hours)
            site_kwh, left_kwh = site_kwh + boost_kwh, left_kwh - boost_kwh
        charger_kwh = config.chargers[0].max_power_kw * hours
        for session in np.flatnonzero((table.arrival_s <= start_s) & (ends_s > start_s)):
            efficiency = config.chargers[0].efficiency
            offered_kwh = min(site_kwh * efficiency, charger_kwh, table.max_kw[session] * hours)
            taken_kwh = climbed_kwh(scenario, session, got_kwh[session], offered_kwh / hours, hours)
            got_kwh[session] += taken_kwh
            site_kwh, charger_kwh = site_kwh - taken_kwh / efficiency, charger_kwh - taken_kwh
    return got_kwh


def climbed_kwh(scenario: Scenario, session: int, before_kwh: float, kw: float, hours: float) -> float:
    table = scenario.sessions
    points = None
    if table.curve[session] >= 0:
        part = slice(*table.curve_start[table.curve[session] : table.curve[session] + 2])
        points = ChargingCurve(list(zip(table.curve_soc[part], table.curve_kw[part], strict=True)))
    car = Vehicle(table.max_kw[session], table.battery_kwh[session], points)
    soc = table.arrival_soc[session] + before_kwh / table.battery_kwh[session]
    return car.climb(soc, table.target_soc[session], kw, hours * HOUR_S)[0]
