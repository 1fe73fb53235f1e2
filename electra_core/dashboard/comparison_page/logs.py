"""The logs of the comparison page: shipped days, generated ones, and uploaded ones."""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType

import numpy as np
import pandas as pd

from electra_core.dashboard.uploads import checked_table, from_today, plain_name, uploaded_sessions
from electra_core.errors import BadValueError
from electra_core.sessions import (
    Scenario,
    SessionsError,
    day_names,
    day_sessions,
    generate,
    load_day,
    read_scenario,
    read_session_table,
)
from electra_core.station import StationConfig

DAY_S = 86_400.0
# Generated logs: arrivals a day at each connector; dwell times are those of EPFL's log.
SEED, PER_CONNECTOR, DWELL_S, PATIENCE_S = 2026, 13.0, (1740.0, 0.56), 900.0
MADE_UP = MappingProxyType({"A generated week (made up)": 7, "A generated month (made up)": 30})

# Longest log that is played in steps of a minute, and longest of all.
MINUTE_DAYS, MAX_DAYS = 62, 400
# Bounds of a planner, which solves a program at every step.
PLANNER_DAYS, PLANNER_SESSIONS = 2, 60
# Bounds of what a visitor may upload.
MAX_SESSIONS, MAX_LOGS = 10_000, 5


class Logs:
    """All logs by their titles; a visitor's own come first."""

    def __init__(self) -> None:
        self._own: dict[str, pd.DataFrame] = {}

    def that_fit(self, config: StationConfig) -> list[str]:
        """Return the titles of the logs whose chargers a station has."""
        days = [load_day(name).title for name in day_names() if _fits(day_sessions(name), config)]
        own = [title for title, table in self._own.items() if _fits(table, config)]
        return [*own, *days, *MADE_UP]

    def table(self, title: str, config: StationConfig) -> pd.DataFrame:
        """Return the sessions of a log; a generated one has as many as suit the station's connectors."""
        if title in self._own:
            return self._own[title]
        if title in MADE_UP:
            return generate(
                MADE_UP[title],
                seed=SEED,
                arrivals_per_day=PER_CONNECTOR * len(config.connectors),
                dwell_s=DWELL_S,
                patience_s=PATIENCE_S,
            )
        return day_sessions(next(name for name in day_names() if load_day(name).title == title))

    def add(self, name: str, content: bytes, config: StationConfig) -> tuple[str, int]:
        """Add a visitor's log and return its title and its number of sessions.

        Raises
        ------
        BadValueError, SessionsError, ScenarioError
            When the content is not a log, does not fit the station, or is more than this page plays.
        """
        table = from_today(uploaded_sessions(name, content))
        count = len(checked_table(name, table, config))
        if not 1 <= count <= MAX_SESSIONS:
            number = f"{count:,}" if count else "no"
            words = f"{plain_name(name)} has {number} sessions; this page takes 1 to {MAX_SESSIONS:,}"
            raise BadValueError(words)
        scenario_of(config, table)
        title = f"Yours: {plain_name(name)}"
        others = [(old, rows) for old, rows in self._own.items() if old != title]
        self._own = dict([*others, (title, table)][-MAX_LOGS:])
        return title, count


def scenario_of(config: StationConfig, table: pd.DataFrame) -> Scenario:
    """Return the scenario of a log, in steps of a minute, or of five where it is long.

    Raises
    ------
    BadValueError, SessionsError, ScenarioError
        When the log has faults, or is longer than this page plays.
    """
    sessions = read_session_table(table, config)
    ends = np.concatenate([sessions.arrival_s, sessions.departure_s[np.isfinite(sessions.departure_s)]])
    days = float(ends.max(initial=0.0)) / DAY_S
    if days > MAX_DAYS:
        raise BadValueError(f"the log lasts {days:,.0f} days; this page plays {MAX_DAYS} at most")
    return read_scenario(config, table, step_s=60.0 if days <= MINUTE_DAYS else 300.0)


def _fits(table: pd.DataFrame, config: StationConfig) -> bool:
    try:
        read_session_table(table, config)
    except SessionsError:
        return False
    return True


def is_plannable(scenario: Scenario) -> bool:
    """Return whether a planner finishes a scenario while a visitor waits."""
    days = float(scenario.sessions.arrival_s.max(initial=0.0)) / DAY_S
    return days <= PLANNER_DAYS and len(scenario.sessions) <= PLANNER_SESSIONS


def too_long_to_plan(names: Sequence[str]) -> str:
    """Return a sentence that names the planners left out, and says why."""
    return (
        f"Left out: {' and '.join(names)}, because a planner solves a program at every step; this page lets"
        f" it for at most {PLANNER_DAYS} days and {PLANNER_SESSIONS} sessions."
    )
