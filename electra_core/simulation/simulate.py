"""Simulate a scenario under a strategy."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from electra_core.allocation import (
    MAX_RANK_WEIGHT,
    MIN_RANK_WEIGHT,
    STRATEGIES,
    Limit,
    Planner,
    Strategy,
    StrategyError,
    find_strategy,
    is_timeless,
    name_of,
)
from electra_core.sessions import Profile, Scenario, constant, read_scenario
from electra_core.simulation.loop import play
from electra_core.simulation.numba_engine import compiled_play, compiled_rank
from electra_core.simulation.python_strategies import interpreted
from electra_core.simulation.records import FINE, SimulationState
from electra_core.simulation.result import Result, result_of
from electra_core.simulation.setup import build
from electra_core.station import MAX_AMOUNT, StationConfig, load_config

# Work, in steps and arrivals at a station of twenty connectors, that is done without a bar.
UNWATCHED = 50_000
PARTS = 200
# A progress bar comes after so many seconds.
BAR_AFTER_S = 2.0
# Limits that an unlimited grid would not have.
OF_THE_SITE = (Limit.SITE, Limit.MINIMUM, Limit.MODULE, Limit.PLAN)
BAR = "{desc}: {percentage:3.0f} %|{bar}| {elapsed}, {remaining} left"


class SimulationWarning(UserWarning):
    """A run that is right, but slower than it could be."""


def simulate(
    config: StationConfig | str | Path | Mapping[str, Any],
    sessions: pd.DataFrame,
    strategy: str | Strategy = "max_min",
    *,
    step_s: float = 60.0,
    horizon_s: float | None = None,
    static_load_kw: Profile | None = None,
    pv_kw: Profile = 0.0,
    site_limit_kw: Profile | None = None,
    price_per_kwh: Profile | None = None,
    keep_timeline: bool = True,
    compare_unlimited: bool = True,
) -> Result:
    """Simulate a station and its sessions for days or years: the decisions of a `Station`, compiled.

    Drivers come, wait for a connector where none is free, plug in, and leave. Arrivals, departures and
    cars that are done count at their exact times. A step is what a `Station` would be advanced by: at its
    end the site's profiles change, and cars that move along their curves are looked at again, which the
    configuration's control interval asks for within a step too. Readings come at every step, so that no
    lease runs out, and cars take what they are offered.

    Parameters
    ----------
    config : the station, or what `load_config` makes one of
    sessions : one row a driver: see `electra_core.sessions.read_session_table` for the columns
    strategy : a name of `STRATEGIES` or of `electra_core.optimization.PLANNERS`, a rank function, or a
        `Planner`. A rank function is compiled where that is possible; it then reads the numbers of a
        demand: ``max_kw``, ``min_kw``, ``arrived_s``, ``departs_s``, ``remaining_kwh``, ``priority`` and
        ``weight``. Globals that it reads count as they are when the run begins; those of functions that it
        calls, which must be compiled by ``numba.njit``, as they were when numba compiled these
    step_s, horizon_s, static_load_kw, pv_kw, site_limit_kw, price_per_kwh : see
        `electra_core.sessions.scenario.read_scenario`
    keep_timeline : whether the result has a timeline; sessions and metrics alone need little memory
    compare_unlimited : whether the same drivers are played a second time, behind an unlimited grid, where
        the site held any of them back. It gives ``added_s`` of the sessions and ``added_..._min`` of the
        metrics, which a result has not without it, and takes as long as the run itself

    Returns
    -------
    Result

    Raises
    ------
    ConfigError, SessionsError, ScenarioError
        When something cannot be meant, before anything runs.
    StrategyError
        When the strategy is unknown, fails, or answers nonsense.

    Examples
    --------
    >>> import pandas as pd
    >>> charger = {"id": "C", "maxPower": 50, "connectors": 2}
    >>> station = {"stationId": "S", "gridCapacity": 30, "chargers": [charger]}
    >>> cars = pd.DataFrame({"arrival_s": [0, 600], "energy_kwh": [5, 10], "max_power_kw": 22})
    >>> result = simulate(station, cars)
    >>> (result.sessions[["done_s", "added_s"]] / 60).round(1).values.tolist()
    [[15.3, 1.7], [39.0, 1.7]]
    >>> result.metrics()["peak_kw"]
    30.0
    """
    scenario = read_scenario(
        load_config(config),
        sessions,
        step_s=step_s,
        horizon_s=horizon_s,
        static_load_kw=static_load_kw,
        pv_kw=pv_kw,
        site_limit_kw=site_limit_kw,
        price_per_kwh=price_per_kwh,
    )
    return _run(scenario, strategy, keep_timeline, compare_unlimited, progress=True)


def run(
    scenario: Scenario,
    strategy: str | Strategy = "max_min",
    *,
    keep_timeline: bool = True,
    compare_unlimited: bool = True,
    progress: bool = True,
) -> Result:
    """Play a scenario that was read before: see `simulate`; ``progress``: whether a long run has a bar."""
    return _run(scenario, strategy, keep_timeline, compare_unlimited, progress)


def _run(
    scenario: Scenario,
    strategy: str | Strategy,
    keep_timeline: bool,
    compare_unlimited: bool,
    progress: bool,
) -> Result:
    found = _found(strategy)
    if not isinstance(found, Planner) and compiled_rank(found) is None:
        warnings.warn(
            f"strategy {name_of(found)} cannot be compiled, so decisions are made in Python: the answers"
            " are the same, but it may take a hundred times as long",
            SimulationWarning,
            stacklevel=3,
        )
    state = play_scenario(scenario, found, keep_timeline=keep_timeline, progress=progress)
    result = result_of(scenario, name_of(found), state)
    if not compare_unlimited:
        return result
    needed_s = ideal_s = _needed_s(result)
    limits = list(Limit)
    # Otherwise an unlimited grid would have given the same.
    if any(result.limited_s[:, limits.index(limit)].any() for limit in OF_THE_SITE):
        endless = _with_unlimited_grid(scenario, result.end_s)
        state = play_scenario(endless, found, keep_timeline=False, progress=progress)
        ideal_s = _needed_s(result_of(endless, "", state))
    return replace(result, added_s=needed_s - ideal_s)


def _needed_s(result: Result) -> Any:
    """Return the seconds from arrival to the target, or the end of the stay; NaN without a connector."""
    records = result.records
    until = np.where(np.isnan(records.done_s), records.left_s, records.done_s)
    until = np.where(np.isnan(until), result.end_s, until)
    return np.where(np.isnan(records.plugged_s), np.nan, until - result.scenario.sessions.arrival_s)


def _found(strategy: str | Strategy) -> Strategy:
    """Return the strategy of a name; planners are known here by name, a station has to be given them."""
    if isinstance(strategy, str) and strategy not in STRATEGIES:
        # Its solver is loaded only where waiting asks for it.
        from electra_core.optimization import PLANNERS

        return find_strategy(strategy, PLANNERS)
    return find_strategy(strategy)


def _with_unlimited_grid(scenario: Scenario, end_s: float) -> Scenario:
    """Return the scenario behind a grid that carries everything, up to a time."""
    config = scenario.config.model_copy(update={"grid_capacity_kw": MAX_AMOUNT})
    limit_kw = constant(MAX_AMOUNT, scenario.steps)
    return replace(scenario, config=config, horizon_s=end_s, until_empty=False, site_limit_kw=limit_kw)


def play_scenario(
    scenario: Scenario, strategy: Strategy, *, keep_timeline: bool, progress: bool
) -> SimulationState:
    """Play a scenario from its beginning to its end.

    Raises
    ------
    StrategyError
        On an unknown strategy, or one that fails or answers nonsense.
    """
    compiled = None if isinstance(strategy, Planner) else compiled_rank(strategy)
    state = build(
        scenario,
        in_equal_parts=compiled is not None and compiled.in_equal_parts,
        timeless=is_timeless(strategy),
        keep_timeline=keep_timeline,
    )
    if compiled is not None:
        _play_in_parts(scenario, state, compiled_play(), compiled.answer, None, strategy, progress)
        return state
    rank, plan = interpreted(scenario, state, strategy)
    # An infinite level times a weight of 0 is no number, and loses every comparison as it should.
    with np.errstate(invalid="ignore"):
        _play_in_parts(scenario, state, play, rank, plan, strategy, progress)
    return state


def _play_in_parts(
    scenario: Scenario,
    state: SimulationState,
    play: Any,
    rank: Any,
    plan: Any,
    strategy: Strategy,
    progress: bool,
) -> None:
    """Play a long run in parts, so that a progress bar can be drawn between them."""
    site: Any = state.station.site
    size = (1.0 + len(state.station.connectors) / 20.0) * (1000.0 if isinstance(strategy, Planner) else 1.0)
    work = (scenario.steps + 3 * len(scenario.sessions)) * size
    parts = 1 if work <= UNWATCHED else PARTS
    steps = math.ceil(scenario.steps / parts)
    hidden = parts == 1 or not progress
    with tqdm(total=1.0, desc="simulating", bar_format=BAR, delay=BAR_AFTER_S, disable=hidden) as bar:
        over = False
        while not over and site.error == FINE:
            stop_s = scenario.horizon_s if parts == 1 else (site.step + steps) * scenario.step_s
            try:
                over = play(state, rank, plan, min(stop_s, scenario.horizon_s))
            except Exception as error:
                # Compiled, nothing but the strategy can fail; in Python it has said so by itself.
                if play is not compiled_play():
                    raise
                words = f"{type(error).__name__}: {error}"
                raise StrategyError(f"strategy {name_of(strategy)} failed: {words}") from error
            bar.update(site.now_s / scenario.horizon_s - bar.n)
    if site.error != FINE:
        name = scenario.sessions.session_id[site.error_arrival]
        raise StrategyError(
            f"strategy {name_of(strategy)} ranked session {name} as tier {site.error_tier:g}, weight"
            f" {site.error_weight:g}; the tier must be finite, the weight from {MIN_RANK_WEIGHT:g} to"
            f" {MAX_RANK_WEIGHT:g}"
        )
