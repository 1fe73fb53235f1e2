"""Benchmarks of decisions, days, years and sweeps: nothing is asserted, and ``pytest`` alone runs none.

``python -m benchmarks`` makes the table of docs/performance.md, ``pytest -n0 benchmarks`` prints all figures.
"""

from __future__ import annotations

import functools
import math
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pandas as pd
import pytest

from electra_core import StationConfig, load_config
from electra_core.allocation.solver import DemandTable, solve
from electra_core.optimization import hindsight
from electra_core.sessions import generate
from electra_core.sessions.scenario import read_scenario
from electra_core.simulation import simulate
from electra_core.simulation.numba_engine import UNCOUNTED, compiled_play
from electra_core.simulation.records import table_of
from electra_core.simulation.setup import build

SHARED = Path(__file__).parents[2] / "shared"
DAY_S = 86_400.0
YEAR_S = 365.0 * DAY_S
WORKLOAD_KW = 22.08


def station(connectors: int, limit_kw: float, charger_kw: float, **more: Any) -> StationConfig:
    """A station of two-plug chargers."""
    chargers = [
        {"id": f"C{number:04d}", "maxPower": charger_kw, "connectors": 2}
        for number in range(math.ceil(connectors / 2))
    ]
    return load_config({"stationId": "Speed", "gridCapacity": limit_kw, "chargers": chargers, **more})


def full_table(connectors: int) -> DemandTable:
    """Random wishes at each connector; the site has 40 % of what they want."""
    config = station(connectors, 1.0, 150.0)
    scenario = read_scenario(config, pd.DataFrame())
    table: Any = table_of(
        build(scenario, in_equal_parts=False, timeless=True, keep_timeline=False).station, 0, connectors
    )
    dice = np.random.default_rng(1)
    table.rows.charger = np.arange(connectors) // 2
    table.rows.max_kw = dice.uniform(20.0, 150.0, connectors)
    table.rows.weight = table.rows.cost = 1.0
    table.rows.row_at = np.arange(connectors)
    return table


@functools.cache
def compiled_decide() -> Any:
    """One decision, compiled as in a simulation."""
    compiled_play()

    def run(table: DemandTable, site_kw: float) -> None:
        solve(table, site_kw, 0.0, math.inf, False)

    return numba.njit(run, **UNCOUNTED)


@pytest.mark.parametrize("connectors", [8, 100, 1000, 10_000])
def test_allocation(benchmark: Any, connectors: int) -> None:
    """One decision for so many cars at two-plug chargers."""
    table: Any = full_table(connectors)
    site_kw = 0.4 * float(table.rows.max_kw.sum())
    compiled_decide()(table, site_kw)
    benchmark(compiled_decide(), table, site_kw)


def workload(connectors: int) -> tuple[StationConfig, pd.DataFrame]:
    """A made-up day under a site limit of 40 % of what is installed."""
    path = SHARED / f"cases/workload_{connectors}.csv"
    if not path.exists():
        pytest.skip(f"there is no {path.name} beside this project")
    log = pd.read_csv(path)
    chargers = [
        {"id": str(number), "maxPower": WORKLOAD_KW, "connectors": 1} for number in range(1, connectors + 1)
    ]
    limit_kw = 0.4 * connectors * WORKLOAD_KW
    sessions = pd.DataFrame(
        {
            "session_id": log.session_id,
            "charger_id": log.connector.astype(str),
            "connector": 1,
            "arrival_s": 60.0 * log.arrival_min,
            "departure_s": 60.0 * log.departure_min,
            "energy_kwh": log.energy_kwh,
            "max_power_kw": WORKLOAD_KW,
        }
    )
    return load_config({"stationId": "Day", "gridCapacity": limit_kw, "chargers": chargers}), sessions


@pytest.mark.parametrize("connectors", [20, 200])
def test_day(benchmark: Any, connectors: int) -> None:
    """One day, reading and checking the table of sessions included."""
    config, sessions = workload(connectors)
    simulate(config, sessions, compare_unlimited=False)
    benchmark.extra_info["session_steps"] = session_steps(sessions)
    benchmark(simulate, config, sessions, compare_unlimited=False)


def session_steps(sessions: pd.DataFrame) -> int:
    """A session that is plugged in for one step counts one."""
    return round((sessions.departure_s - sessions.arrival_s).sum() / 60.0)


def year(connectors: int) -> tuple[StationConfig, pd.DataFrame]:
    """A year of cars from the catalogue, which move along their curves; about 4 a day at each connector."""
    sessions = generate(365, seed=1, arrivals_per_day=3.75 * connectors)
    return station(connectors, 30.0 * connectors, 150.0), sessions


@pytest.mark.parametrize("connectors", [2, 8, 200])
def test_year(benchmark: Any, connectors: int) -> None:
    """A year at steps of a minute, 525,600 of them."""
    config, sessions = year(connectors)
    options = {"horizon_s": YEAR_S, "compare_unlimited": False}
    benchmark.pedantic(simulate, (config, sessions), options, rounds=3, warmup_rounds=1)


def test_hindsight_of_a_week(benchmark: Any) -> None:
    """The best possible for a week of 8 connectors with a battery and hourly prices."""
    battery = {"initialCapacity": 200, "power": 100, "initialSoc": 0.5}
    sessions = generate(7, seed=1, arrivals_per_day=30.0, dwell_s=(3600.0, 0.5))
    prices = pd.Series(np.tile([0.1, 0.3, 0.2, 0.4], 42), index=3600.0 * np.arange(168))
    scenario = read_scenario(
        station(8, 240.0, 150.0, battery=battery), sessions, horizon_s=7.0 * DAY_S, price_per_kwh=prices
    )
    benchmark.pedantic(hindsight, (scenario,), rounds=2, warmup_rounds=1)
