"""What the page of comparisons knows: a log, a station, strategies, and what came of them. No widgets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from traitlets import Bool, Float, HasTraits, Int, List, TraitError, Unicode, observe, validate

from electra_core.config import StationConfig
from electra_core.dashboard.model import read_configs
from electra_core.days import day_names, load_day
from electra_core.faults import ConfigError
from electra_core.figures.comparison import Curve, curve_of
from electra_core.metrics import MetricsError
from electra_core.optimum import PLANNERS, OptimumError, regret
from electra_core.refusals import BadValueError, StationError, clipped, shortened
from electra_core.scenario import Scenario, ScenarioError, read_scenario
from electra_core.sessions import (
    SessionsError,
    day_sessions,
    generate,
    read_acn,
    read_epfl,
    read_sessions,
    read_visits,
)
from electra_core.simulation.result import Result, ResultError
from electra_core.simulation.run import run
from electra_core.strategies import STRATEGIES, StrategyError
from electra_core.vehicles import VehicleError

CHOICES = (*STRATEGIES, *PLANNERS)
OPENING = ("ELECTRA_PARIS_15", "paris_evening", ("max_min", "uniform", "first_come"))

DAY_S = 86_400.0
# Made-up logs: so many drivers a day at each connector, who stay as long as those of EPFL's log.
SEED, PER_CONNECTOR, DWELL_S, PATIENCE_S = 2026, 13.0, (1740.0, 0.56), 900.0
MADE_UP = MappingProxyType({"A generated week (made up)": 7, "A generated month (made up)": 30})

# Minutes up to so many days; a longer log is played in steps of five.
MINUTE_DAYS, MOST_DAYS = 62, 400
# A planner solves a program at every step; and so many stays in intervals the best in hindsight may have.
PLANNER_DAYS, PLANNER_SESSIONS = 2, 60
MOST_STAYS, SOLVE_S, CURVE_S = 60_000, 4.0, 900.0
# What a visitor may bring.
MOST_BYTES, MOST_SESSIONS, MOST_LOGS = 5_000_000, 10_000, 5
MOST_LINES = 6

REFUSALS = (
    ConfigError,
    SessionsError,
    ScenarioError,
    StrategyError,
    OptimumError,
    StationError,
    MetricsError,
    ResultError,
    VehicleError,
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one strategy: the metrics of its run, and its curves."""

    strategy: str
    metrics: Mapping[str, float]
    curve: Curve


@dataclass(frozen=True, slots=True)
class Comparison:
    """Runs of one scenario side by side; ``best_kwh`` in hindsight, None where it was too long to find."""

    station_name: str
    log_title: str
    outcomes: tuple[Outcome, ...]
    best_kwh: float | None
    notes: tuple[str, ...] = ()


@dataclass(slots=True)
class _Runs:
    """What has been run of one log at one station, so that nothing runs twice."""

    scenario: Scenario
    outcomes: dict[str, Outcome]
    longest: Result | None = None
    solved_to_s: float = -1.0
    best_kwh: float | None = None
    why_not: str = ""


class ComparisonModel(HasTraits):
    """A log, a station and strategies; `run` compares them. Traits that a page links to.

    Parameters
    ----------
    configs : station configurations by the name that the page shows
    """

    station_name = Unicode()
    log_name = Unicode()
    strategies = List(Unicode())
    progress = Float(0.0)
    # One sentence for the visitor; ``refused``: it says why something was not done.
    message = Unicode("")
    refused = Bool(False)
    running = Bool(False)
    # The names of the logs that fit the station.
    logs = List(Unicode())
    # Rises by one when there is another comparison to draw.
    version = Int(0)

    def __init__(self, configs: Mapping[str, StationConfig]) -> None:
        super().__init__()
        self.configs = dict(configs)
        self.comparison: Comparison | None = None
        self._uploads: dict[str, pd.DataFrame] = {}
        self._runs: tuple[tuple[str, str], _Runs] | None = None
        self.station_name = next(iter(self.configs))

    # --- what is chosen ------------------------------------------------------------------------------

    @validate("station_name")
    def _known_station(self, proposal: Any) -> str:
        if proposal["value"] not in self.configs:
            raise TraitError(f"there is no station {shortened(proposal['value'])}")
        return str(proposal["value"])

    @validate("log_name")
    def _known_log(self, proposal: Any) -> str:
        if proposal["value"] not in self.logs:
            raise TraitError(f"there is no log {shortened(proposal['value'])} that fits {self.station_name}")
        return str(proposal["value"])

    @validate("strategies")
    def _known_strategies(self, proposal: Any) -> list[str]:
        """Each once, and always in the same order."""
        unknown = [name for name in proposal["value"] if name not in CHOICES]
        if unknown:
            raise TraitError(f"there is no strategy {shortened(unknown[0])}")
        return [name for name in CHOICES if name in proposal["value"]]

    @validate("progress")
    def _share(self, proposal: Any) -> float:
        return min(1.0, max(0.0, float(proposal["value"]))) if proposal["value"] == proposal["value"] else 0.0

    @observe("station_name")
    def _find_logs(self, _: object) -> None:
        config = self.configs[self.station_name]
        days = [load_day(name).title for name in day_names() if _fits(day_sessions(name), config)]
        own = [name for name, table in self._uploads.items() if _fits(table, config)]
        self.logs = [*own, *days, *MADE_UP]
        if self.log_name not in self.logs:
            self.log_name = self.logs[0]

    @observe("station_name", "log_name", "strategies")
    def _say_what_is_next(self, _: object) -> None:
        if not self.strategies:
            self._say("Choose at least one strategy.")
        elif self.comparison is not None:
            self._say("Press Run to compare what is chosen now; the results shown are those of the last run.")

    def _say(self, words: str, *, refused: bool = False) -> None:
        with self.hold_trait_notifications():
            self.message, self.refused = words, refused

    # --- logs ----------------------------------------------------------------------------------------

    def add_log(self, name: str, content: bytes) -> bool:
        """Take a visitor's log and choose it; where it cannot be used, say why and change nothing."""
        config = self.configs[self.station_name]
        try:
            table = _from_today(uploaded_table(name, content))
            count = len(read_visits(table, config))
            if not 1 <= count <= MOST_SESSIONS:
                raise BadValueError(f"it has {count:,} sessions; this page takes 1 to {MOST_SESSIONS:,}")
            read_scenario_of(config, table)
        except REFUSALS as error:
            self._say(f"{_plain(name)} was not taken: {_sentence(error)}", refused=True)
            return False
        title = f"Yours: {_plain(name)}"
        kept = {old: rows for old, rows in self._uploads.items() if old != title}
        self._uploads = dict([*kept.items(), (title, table)][-MOST_LOGS:])
        self._runs = None
        with self.hold_trait_notifications():
            self._find_logs(None)
            self.log_name = title
        self._say(f"{_plain(name)} has {count:,} sessions. Press Run to compare.")
        return True

    def _table(self) -> pd.DataFrame:
        """The sessions of the chosen log."""
        if self.log_name in self._uploads:
            return self._uploads[self.log_name]
        if self.log_name in MADE_UP:
            drivers = PER_CONNECTOR * len(self.configs[self.station_name].plugs)
            return generate(
                MADE_UP[self.log_name],
                seed=SEED,
                arrivals_per_day=drivers,
                dwell_s=DWELL_S,
                patience_s=PATIENCE_S,
            )
        return day_sessions(next(name for name in day_names() if load_day(name).title == self.log_name))

    # --- running -------------------------------------------------------------------------------------

    def run(self) -> bool:
        """Run each chosen strategy and measure it against the best; False where that was refused."""
        if self.running:
            return False
        if not self.strategies:
            self._say("Nothing was run: choose at least one strategy.", refused=True)
            return False
        self.running, self.progress = True, 0.0
        try:
            self.comparison = self._compare()
        except REFUSALS as error:
            self.progress = 0.0
            self._say(f"Nothing was run: {_sentence(error)}", refused=True)
            return False
        finally:
            self.running = False
        self.progress = 1.0
        count = len(self.comparison.outcomes)
        self._say(" ".join([f"Done: {_counted(count, 'strategy', 'strategies')}.", *self.comparison.notes]))
        self.version += 1
        return True

    def _compare(self) -> Comparison:
        runs, notes = self._runs_of_choice(), []
        chosen = list(self.strategies)
        left_out = [name for name in chosen if name in PLANNERS and not _plannable(runs.scenario)]
        if left_out:
            chosen = [name for name in chosen if name not in left_out]
            notes.append(_too_long_to_plan(left_out))
        if not chosen:
            raise BadValueError(notes[0])
        for number, name in enumerate(chosen):
            self._say(f"{number + 1} of {len(chosen)}: {name.replace('_', ' ')}")
            self._play(runs, name)
            self.progress = (number + 1) / (len(chosen) + 1)
        self._say("Looking for the best in hindsight")
        _find_best(runs)
        notes += [runs.why_not] if runs.why_not else []
        if runs.scenario.step_s > 60.0:
            notes.append(f"Played in steps of {runs.scenario.step_s / 60.0:g} minutes, because it is long.")
        outcomes = tuple(runs.outcomes[name] for name in chosen)
        return Comparison(self.station_name, self.log_name, outcomes, runs.best_kwh, tuple(notes))

    def _runs_of_choice(self) -> _Runs:
        choice = (self.station_name, self.log_name)
        if self._runs is None or self._runs[0] != choice:
            self._runs = choice, _Runs(read_scenario_of(self.configs[self.station_name], self._table()), {})
        return self._runs[1]

    def _play(self, runs: _Runs, name: str) -> None:
        if name in runs.outcomes:
            return
        result = run(runs.scenario, name)
        runs.outcomes[name] = Outcome(name, result.metrics(), curve_of(result))
        if runs.longest is None or result.end_s > runs.longest.end_s:
            runs.longest = result


def open_comparison(configs: str | Path) -> ComparisonModel:
    """The model of the page: the stations of a folder, with a comparison that has been run already."""
    model = ComparisonModel(read_configs(configs))
    station_name, day_name, strategies = OPENING
    if station_name in model.configs:
        model.station_name, title = station_name, load_day(day_name).title
        model.log_name = title if title in model.logs else model.logs[0]
    model.strategies = list(strategies)
    model.run()
    return model


def read_scenario_of(config: StationConfig, table: pd.DataFrame) -> Scenario:
    """The scenario of a log: steps of a minute, or of five where it is long.

    Raises
    ------
    BadValueError, SessionsError, ScenarioError
        When it cannot be meant, or is longer than this page plays.
    """
    visits = read_visits(table, config)
    ends = np.concatenate([visits.arrival_s, visits.departure_s[np.isfinite(visits.departure_s)]])
    days = float(ends.max(initial=0.0)) / DAY_S
    if days > MOST_DAYS:
        raise BadValueError(f"it lasts {days:,.0f} days; this page plays {MOST_DAYS} at most")
    return read_scenario(config, table, step_s=60.0 if days <= MINUTE_DAYS else 300.0)


def uploaded_table(name: str, content: bytes) -> pd.DataFrame:
    """The sessions of a file that a visitor sent: a plain CSV, EPFL's log, or ACN-Data's CSV or JSON.

    Raises
    ------
    SessionsError, BadValueError
        When it is none of them, with the lines that are wrong.
    """
    if not isinstance(content, bytes) or not content.strip():
        raise BadValueError("the file is empty")
    if len(content) > MOST_BYTES:
        size, most = len(content) / 1e6, MOST_BYTES / 1e6
        raise BadValueError(f"it has {size:.1f} MB; this page takes {most:.0f} MB at most")
    if content.startswith(b"\x1f\x8b"):  # a few packed bytes may become gigabytes
        raise BadValueError("it is packed; unpack it first")
    with TemporaryDirectory() as folder:
        path = Path(folder) / "log"
        path.write_bytes(content)
        return _reader_of(content)(path)


def _reader_of(content: bytes) -> Callable[[Path], pd.DataFrame]:
    """Who can read a log, by what stands in its first line."""
    start = content.lstrip(b"\xef\xbb\xbf \t\r\n")[:2_000]
    header = {cell.strip(b' "') for cell in start.split(b"\n", 1)[0].strip().split(b",")}
    if start[:1] in (b"{", b"[") or {b"arrival", b"departure", b"station_id"} <= header:
        return read_acn
    return read_epfl if {b"ccs", b"energy_wh"} <= header else read_sessions


def _from_today(table: pd.DataFrame) -> pd.DataFrame:
    """A log that begins later begins here: whole days before the first arrival are left out."""
    first_s = float(pd.to_numeric(table["arrival_s"]).min()) if len(table) else 0.0
    if not np.isfinite(first_s) or first_s < DAY_S:
        return table
    moved = {
        name: table[name] - DAY_S * (first_s // DAY_S)
        for name in ("arrival_s", "departure_s")
        if name in table.columns
    }
    return table.assign(**moved)


def _fits(table: pd.DataFrame, config: StationConfig) -> bool:
    try:
        read_visits(table, config)
    except REFUSALS:
        return False
    return True


def _plannable(scenario: Scenario) -> bool:
    days = float(scenario.visits.arrival_s.max(initial=0.0)) / DAY_S
    return days <= PLANNER_DAYS and len(scenario.visits) <= PLANNER_SESSIONS


def _too_long_to_plan(names: Sequence[str]) -> str:
    return (
        f"Left out: {' and '.join(names)}, because a planner solves a program at every step; this page lets"
        f" it for at most {PLANNER_DAYS} days and {PLANNER_SESSIONS} sessions."
    )


def _find_best(runs: _Runs) -> None:
    """The most energy that was possible, up to the end of the longest run; or why it is not known."""
    result = runs.longest
    if result is None or result.end_s <= runs.solved_to_s:
        return
    runs.solved_to_s, runs.best_kwh, runs.why_not = result.end_s, None, ""
    if _stays(runs.scenario, result.end_s) > MOST_STAYS:
        runs.why_not = "Regret is left out: the best in hindsight would take too long for this log."
        return
    try:
        lacking_kwh = regret(result, time_limit_s=SOLVE_S).energy_kwh
    except OptimumError as error:
        runs.why_not = f"Regret is left out: {error}."
        return
    runs.best_kwh = float(np.sum(result.delivered_kwh)) + lacking_kwh


def _stays(scenario: Scenario, end_s: float) -> int:
    """How large the program of the best in hindsight is: visitors in intervals."""
    visits = scenario.visits
    leaves_s = np.minimum(visits.departure_s, end_s)
    edges_s = np.unique(np.concatenate([visits.arrival_s, leaves_s, np.arange(0.0, end_s, CURVE_S)]))
    return int((np.searchsorted(edges_s, leaves_s) - np.searchsorted(edges_s, visits.arrival_s)).sum())


def _plain(name: object) -> str:
    """A file's name for people: no folder of it, no strange letter, not long."""
    text = name if isinstance(name, str) else ""
    last = text.replace("\\", "/").rsplit("/", 1)[-1]
    return clipped("".join(letter for letter in last if letter.isprintable()).strip()) or "the file"


def _sentence(error: Exception) -> str:
    """The first lines of an error."""
    lines = str(error).splitlines() or [type(error).__name__]
    more = len(lines) - MOST_LINES
    shown = [*lines[:MOST_LINES], *([f"and {more} more lines"] if more > 0 else [])]
    return "\n".join(clipped_line(line) for line in shown)


def clipped_line(line: str, most: int = 300) -> str:
    """A line that a page has room for."""
    return line if len(line) <= most else f"{line[: most - 3]}..."


def _counted(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"
