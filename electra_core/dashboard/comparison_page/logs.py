"""The logs that the page of comparisons plays: shipped days, made-up ones, and what a visitor brings."""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType

import numpy as np
import pandas as pd

from electra_core.dashboard.uploads import from_today, plain_name, uploaded_sessions, visits_of
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
# Made-up logs: so many drivers a day at each connector, who stay as long as those of EPFL's log.
SEED, PER_CONNECTOR, DWELL_S, PATIENCE_S = 2026, 13.0, (1740.0, 0.56), 900.0
MADE_UP = MappingProxyType({"A generated week (made up)": 7, "A generated month (made up)": 30})

# Minutes up to so many days; a longer log is played in steps of five.
MINUTE_DAYS, MAX_DAYS = 62, 400
# A planner solves a program at every step; and so many stays in intervals the best in hindsight may have.
PLANNER_DAYS, PLANNER_SESSIONS = 2, 60
MAX_STAYS, CURVE_S = 60_000, 900.0
# What a visitor may bring.
MAX_SESSIONS, MAX_LOGS = 10_000, 5


class Logs:
    """Every log that there is, by its title; a visitor's own come first."""

    def __init__(self) -> None:
        self._own: dict[str, pd.DataFrame] = {}

    def that_fit(self, config: StationConfig) -> list[str]:
        """Titles of the logs whose chargers a station has."""
        days = [load_day(name).title for name in day_names() if _fits(day_sessions(name), config)]
        own = [title for title, table in self._own.items() if _fits(table, config)]
        return [*own, *days, *MADE_UP]

    def table(self, title: str, config: StationConfig) -> pd.DataFrame:
        """The sessions of a log; made-up ones are as many as a station has connectors for."""
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
        """Take a visitor's log: its title, and how many sessions it has.

        Raises
        ------
        BadValueError, SessionsError, ScenarioError
            When it is no log, does not fit the station, or is more than this page plays.
        """
        table = from_today(uploaded_sessions(name, content))
        count = len(visits_of(name, table, config))
        if not 1 <= count <= MAX_SESSIONS:
            number = f"{count:,}" if count else "no"
            words = f"{plain_name(name)} has {number} sessions; this page takes 1 to {MAX_SESSIONS:,}"
            raise BadValueError(words)
        scenario_of(config, table)
        title = f"Yours: {plain_name(name)}"
        kept = {old: rows for old, rows in self._own.items() if old != title}
        self._own = dict([*kept.items(), (title, table)][-MAX_LOGS:])
        return title, count


def scenario_of(config: StationConfig, table: pd.DataFrame) -> Scenario:
    """The scenario of a log: steps of a minute, or of five where it is long.

    Raises
    ------
    BadValueError, SessionsError, ScenarioError
        When it cannot be meant, or is longer than this page plays.
    """
    visits = read_session_table(table, config)
    ends = np.concatenate([visits.arrival_s, visits.departure_s[np.isfinite(visits.departure_s)]])
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


def plannable(scenario: Scenario) -> bool:
    """Whether a planner is done with it while somebody waits."""
    days = float(scenario.sessions.arrival_s.max(initial=0.0)) / DAY_S
    return days <= PLANNER_DAYS and len(scenario.sessions) <= PLANNER_SESSIONS


def too_long_to_plan(names: Sequence[str]) -> str:
    """Says which planners were left out, and why."""
    return (
        f"Left out: {' and '.join(names)}, because a planner solves a program at every step; this page lets"
        f" it for at most {PLANNER_DAYS} days and {PLANNER_SESSIONS} sessions."
    )


def stays(scenario: Scenario, end_s: float) -> int:
    """How large the program of the best in hindsight is: visitors in intervals."""
    visits = scenario.sessions
    leaves_s = np.minimum(visits.departure_s, end_s)
    edges_s = np.unique(np.concatenate([visits.arrival_s, leaves_s, np.arange(0.0, end_s, CURVE_S)]))
    return int((np.searchsorted(edges_s, leaves_s) - np.searchsorted(edges_s, visits.arrival_s)).sum())
