"""Scenario of a run: everything that it depends on but the strategy."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from electra_core.errors import ElectraError, is_finite, shortened
from electra_core.sessions.columns import Floats
from electra_core.sessions.table import SessionTable, read_session_table
from electra_core.sessions.timestamps import DAY_S
from electra_core.station import MAX_AMOUNT, StationConfig

# One value for the whole run, one a step, or values by the second from which they hold.
Profile: TypeAlias = float | Sequence[float] | Floats | pd.Series

# A run waits at most so long after its last known event for cars that leave when done.
MAX_WAIT_S = 7 * DAY_S
# Upper bound against typing errors: more than a decade of minutes.
MAX_STEPS = 6_000_000

# Rounding of a time, as a share of a step or of a profile's spacing.
STEP_ROUNDING = 1e-9


class ScenarioError(ElectraError):
    """A run that cannot be played; nothing has run."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """A station, its sessions, and the site around it, for a time.

    Attributes
    ----------
    config : the station
    sessions : the sessions, in the order of arrival
    step_s : s; the profiles have one value a step
    horizon_s : the end, s; with ``until_empty`` the latest one
    until_empty : True: the run ends when the last car has left
    static_load_kw : power of the site before any car, kW, one value a step
    pv_kw : available power of a photovoltaic plant behind the meter, kW
    site_limit_kw : import limit, kW; never above the grid connection
    price_per_kwh : of import, in any currency; None: unknown
    """

    config: StationConfig
    sessions: SessionTable
    step_s: float
    horizon_s: float
    until_empty: bool
    static_load_kw: Floats
    pv_kw: Floats
    site_limit_kw: Floats
    price_per_kwh: Floats | None

    @property
    def steps(self) -> int:
        """Number of steps; the last one may be shorter."""
        return len(self.static_load_kw)


def read_scenario(
    config: StationConfig,
    sessions: pd.DataFrame,
    *,
    step_s: float = 60.0,
    horizon_s: float | None = None,
    static_load_kw: Profile | None = None,
    pv_kw: Profile = 0.0,
    site_limit_kw: Profile | None = None,
    price_per_kwh: Profile | None = None,
) -> Scenario:
    """Check everything that a run depends on.

    A profile is a number for the whole run, a value for each step, or a pandas Series by the second from
    which its values hold: evenly spaced, a whole number of steps apart, from 0 to the end of the run.

    Parameters
    ----------
    config : the station
    sessions : see `electra_core.sessions.read_session_table`
    step_s : s, from a hundredth of a second to a day
    horizon_s : s; None: to the end of the step in which the last car leaves; cars that leave when done have a
        week after everything else
    static_load_kw : profile of the site's power before any car, kW; None: the configuration's
    pv_kw : profile of the available power of a photovoltaic plant behind the meter, kW
    site_limit_kw : profile of the import limit, kW; None: the grid connection's
    price_per_kwh : profile of the price of import; may be negative

    Raises
    ------
    ScenarioError
        On a step, horizon or profile out of range.
    SessionsError
        On sessions that cannot be used.

    Examples
    --------
    >>> from electra_core import load_config
    >>> from electra_core.sessions import day_sessions
    >>> chargers = [{"id": "L3", "maxPower": 345, "connectors": 2}]
    >>> config = load_config({"stationId": "ST", "gridCapacity": 172.5, "chargers": chargers})
    >>> scenario = read_scenario(config, day_sessions("epfl_2022-10-18"), pv_kw=20.0)
    >>> scenario.steps, len(scenario.sessions), scenario.until_empty
    (1161, 10, False)
    """
    if not isinstance(config, StationConfig):
        raise ScenarioError(f"config must be a StationConfig (see load_config), got {type(config).__name__}")
    if not is_finite(step_s) or not 0.01 <= step_s <= 86_400.0:
        raise ScenarioError(f"step_s must be from 0.01 to 86400 s, got {shortened(step_s)}")
    if horizon_s is not None and not (is_finite(horizon_s) and horizon_s > 0.0):
        raise ScenarioError(f"horizon_s must be a number of seconds above 0, got {shortened(horizon_s)}")
    step_s = float(step_s)
    table = read_session_table(sessions, config)
    given = {
        "static_load_kw": config.static_load_kw if static_load_kw is None else static_load_kw,
        "pv_kw": pv_kw,
        "site_limit_kw": config.grid_capacity_kw if site_limit_kw is None else site_limit_kw,
    }
    priced: dict[str, Profile] = {} if price_per_kwh is None else {"price_per_kwh": price_per_kwh}
    known = {name: _read_profile(name, profile, step_s) for name, profile in {**given, **priced}.items()}
    known["site_limit_kw"] = np.minimum(known["site_limit_kw"], config.grid_capacity_kw)
    until_empty = horizon_s is None and bool(np.isinf(table.departure_s).any())
    end_s = _horizon_s(table, step_s, until_empty, known) if horizon_s is None else float(horizon_s)
    steps = max(1, math.ceil(end_s / step_s - STEP_ROUNDING))
    if steps > MAX_STEPS:
        raise ScenarioError(f"{end_s:g} s are {steps:,} steps of {step_s:g} s; {MAX_STEPS:,} at most")
    values: dict[str, Any] = {name: _one_a_step(name, profile, steps) for name, profile in known.items()}
    return Scenario(config, table, step_s, end_s, until_empty, **{"price_per_kwh": None, **values})


def _horizon_s(
    table: SessionTable, step_s: float, until_empty: bool, known: Mapping[str, float | Floats]
) -> float:
    """Return the end of the step in which the last car leaves; or, where that is unknown, the latest end."""
    times_s = np.concatenate([table.arrival_s, table.departure_s[np.isfinite(table.departure_s)]])
    last_s = float(times_s.max(initial=0.0))
    known_steps = max(1, math.ceil(last_s / step_s - STEP_ROUNDING))
    if not until_empty:
        return known_steps * step_s
    lengths = [len(values) for values in known.values() if not isinstance(values, float)]
    steps = min([math.ceil((last_s + MAX_WAIT_S) / step_s), *lengths])
    return max(steps, known_steps) * step_s


def _read_profile(name: str, profile: Any, step_s: float) -> float | Floats:
    """Return one number, or one a step."""
    if is_finite(profile):
        _check_amounts(name, np.array([float(profile)]), "")
        return float(profile)
    if isinstance(profile, str | Mapping) or not hasattr(profile, "__len__"):
        raise ScenarioError(
            f"{name} must be a number, one a step, or a Series by the second, got {shortened(profile)}"
        )
    try:
        values = np.asarray(profile, dtype=np.float64)
    except (TypeError, ValueError):
        raise ScenarioError(f"{name} holds something that is not a number") from None
    if values.ndim != 1 or len(values) == 0:
        raise ScenarioError(f"{name} must be a row of numbers, got shape {values.shape}")
    if not isinstance(profile, pd.Series):
        _check_amounts(name, values, "at step")
        return values
    _check_amounts(name, values, "at entry")
    return np.repeat(values, _steps_an_entry(name, profile.index, step_s))


def _steps_an_entry(name: str, index: pd.Index, step_s: float) -> int:
    """Return the number of steps for which each entry of a Series holds."""
    if index.dtype.kind not in "fiu":
        raise ScenarioError(
            f"{name} must be indexed by seconds from the start, got an index of {index.dtype}"
        )
    at_s = index.to_numpy(dtype=np.float64)
    if at_s[0] != 0.0:
        raise ScenarioError(f"{name} must begin at 0 s, got {at_s[0]:g}")
    if len(at_s) == 1:
        raise ScenarioError(f"{name} has a single entry: write a number for the whole run")
    apart_s = np.diff(at_s)
    spacing_s = float(apart_s[0])
    uneven = np.flatnonzero(~(np.abs(apart_s - spacing_s) <= STEP_ROUNDING * abs(spacing_s)))
    if len(uneven):
        before_s, after_s = at_s[uneven[0]], at_s[uneven[0] + 1]
        raise ScenarioError(
            f"{name} has a gap or a jump back: after {before_s:g} s comes {after_s:g} s,"
            f" but the entries before are {spacing_s:g} s apart"
        )
    steps = round(spacing_s / step_s)
    if steps < 1 or abs(spacing_s - steps * step_s) > STEP_ROUNDING * spacing_s:
        raise ScenarioError(
            f"{name} has an entry each {spacing_s:g} s, which is no whole number of steps of {step_s:g} s"
        )
    return steps


def _check_amounts(name: str, values: Floats, entry: str) -> None:
    """Raise a `ScenarioError` on the first value out of range; only a price may be negative."""
    minimum = -MAX_AMOUNT if name == "price_per_kwh" else 0.0
    bad = np.flatnonzero(~((values >= minimum) & (values <= MAX_AMOUNT)))
    if len(bad):
        subject = f"{name} {entry} {bad[0]}" if entry else name
        raise ScenarioError(
            f"{subject} must be a number from {minimum:g} to {MAX_AMOUNT:g}, got {values[bad[0]]:g}"
        )


def constant(value: float, steps: int) -> Floats:
    """Return the same value for each step, in the memory of one."""
    return np.broadcast_to(np.float64(value), steps)


def _one_a_step(name: str, values: float | Floats, steps: int) -> Floats:
    """Return exactly one value for each step."""
    if isinstance(values, float):
        return constant(values, steps)
    if len(values) < steps:
        raise ScenarioError(f"{name} ends after {len(values)} steps, but the run has {steps}")
    return values[:steps]
