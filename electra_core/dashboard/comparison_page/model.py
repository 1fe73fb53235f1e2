"""The model of the comparison page: a log, a station, strategies and their results. No widgets."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from traitlets import Bool, Float, HasTraits, Int, List, TraitError, Unicode, observe, validate

from electra_core.allocation import STRATEGIES
from electra_core.dashboard.comparison_page.logs import Logs, is_plannable, scenario_of, too_long_to_plan
from electra_core.dashboard.figures.comparison import Curve, curve_of
from electra_core.dashboard.files import read_configs
from electra_core.errors import BadValueError, ElectraError, shortened
from electra_core.optimization import PLANNERS, OptimizationError, program_size, regret
from electra_core.sessions import Scenario, SessionsError, load_day
from electra_core.simulation import Result, run
from electra_core.station import StationConfig

CHOICES = (*STRATEGIES, *PLANNERS)
OPENING = ("ELECTRA_PARIS_15", "paris_evening", ("max_min", "uniform", "first_come"))

# Bounds of the best in hindsight: time of a solve, and size of its program.
SOLVE_S, MAX_PROGRAM_SIZE = 4.0, 60_000
# How much of an error is shown.
MAX_LINES, MAX_LETTERS = 6, 300

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The results of one strategy: the metrics of its run, and its curves."""

    strategy: str
    metrics: Mapping[str, float]
    curve: Curve


@dataclass(frozen=True, slots=True)
class Comparison:
    """Runs of one scenario side by side; ``best_kwh`` is the most possible in hindsight, None: not known."""

    station_name: str
    log_title: str
    outcomes: tuple[Outcome, ...]
    best_kwh: float | None
    notes: tuple[str, ...] = ()


@dataclass(slots=True)
class _Runs:
    """The runs of one log at one station so far, so that nothing runs twice."""

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
    # One sentence for the visitor: ``refused`` when it is a refusal, ``failed`` when the program has a fault.
    message = Unicode("")
    refused = Bool(False)
    failed = Bool(False)
    running = Bool(False)
    # Titles of the logs that fit the station.
    logs = List(Unicode())
    # Rises by one with each new comparison.
    version = Int(0)

    def __init__(self, configs: Mapping[str, StationConfig]) -> None:
        super().__init__()
        self.configs = dict(configs)
        self.comparison: Comparison | None = None
        self._logs = Logs()
        self._runs: tuple[tuple[str, str], _Runs] | None = None
        self.station_name = next(iter(self.configs))

    # --- choices -------------------------------------------------------------------------------------

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
        """Keep each strategy once, always in the same order."""
        unknown = [name for name in proposal["value"] if name not in CHOICES]
        if unknown:
            raise TraitError(f"there is no strategy {shortened(unknown[0])}")
        return [name for name in CHOICES if name in proposal["value"]]

    @validate("progress")
    def _share(self, proposal: Any) -> float:
        return min(1.0, max(0.0, float(proposal["value"]))) if proposal["value"] == proposal["value"] else 0.0

    @observe("station_name")
    def _on_station_changed(self, _: object = None) -> None:
        self.logs = self._logs.that_fit(self.configs[self.station_name])
        if self.log_name not in self.logs:
            self.log_name = self.logs[0]

    @observe("station_name", "log_name", "strategies")
    def _on_choice_changed(self, _: object) -> None:
        if not self.strategies:
            self._say("Choose at least one strategy.")
        elif self.comparison is not None:
            self._say("Press Run to compare what is chosen now; the results shown are those of the last run.")

    def _say(self, words: str, *, refused: bool = False, failed: bool = False) -> None:
        with self.hold_trait_notifications():
            self.message, self.refused, self.failed = words, refused, failed

    def _attempt(self, action: Callable[[], None], undone: str) -> bool:
        """Do an action; on an error say that it is ``undone``, and why.

        Only an `ElectraError` is a refusal. Any other error is a fault of the program: it goes to the log
        with its traceback, and the visitor reads no more than that it happened.
        """
        try:
            action()
        except ElectraError as error:
            self._say(f"{undone}: {_sentence(error)}", refused=True)
            return False
        except Exception:
            _log.exception("%s", undone)
            self._say(f"{undone}: something went wrong inside. The log of the server has more.", failed=True)
            return False
        return True

    # --- logs ----------------------------------------------------------------------------------------

    def add_log(self, name: str, content: bytes) -> bool:
        """Add a visitor's log and choose it; return False, with nothing changed, where it cannot be used."""

        def add() -> None:
            title, count = self._logs.add(name, content, self.configs[self.station_name])
            self._runs = None
            with self.hold_trait_notifications():
                self._on_station_changed()
                self.log_name = title
            self._say(f"Your log has {_counted(count, 'session', 'sessions')}. Press Run to compare.")

        return self._attempt(add, "Your log was not taken")

    # --- runs ----------------------------------------------------------------------------------------

    def run(self) -> bool:
        """Run each chosen strategy and measure it against the best; return False where that was refused."""
        if self.running:
            return False
        self.running, self.progress = True, 0.0
        try:
            done = self._attempt(self._run, "Nothing was run")
        finally:
            self.running = False
        self.progress = 1.0 if done else 0.0
        return done

    def _run(self) -> None:
        if not self.strategies:
            raise BadValueError("choose at least one strategy")
        self.comparison = self._compare()
        count = len(self.comparison.outcomes)
        self._say(" ".join([f"Done: {_counted(count, 'strategy', 'strategies')}.", *self.comparison.notes]))
        self.version += 1

    def _compare(self) -> Comparison:
        runs, notes = self._runs_of_choice(), []
        chosen = list(self.strategies)
        left_out = [name for name in chosen if name in PLANNERS and not is_plannable(runs.scenario)]
        if left_out:
            chosen = [name for name in chosen if name not in left_out]
            notes.append(too_long_to_plan(left_out))
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
            config = self.configs[self.station_name]
            self._runs = choice, _Runs(scenario_of(config, self._logs.table(self.log_name, config)), {})
        return self._runs[1]

    def _play(self, runs: _Runs, name: str) -> None:
        if name in runs.outcomes:
            return
        result = run(runs.scenario, name)
        runs.outcomes[name] = Outcome(name, result.metrics(), curve_of(result))
        if runs.longest is None or result.end_s > runs.longest.end_s:
            runs.longest = result


def open_comparison(configs: str | Path) -> ComparisonModel:
    """Return the model of the page: the stations of a folder, with a comparison that has been run."""
    model = ComparisonModel(read_configs(configs))
    station_name, day_name, strategies = OPENING
    if station_name in model.configs:
        model.station_name, title = station_name, load_day(day_name).title
        model.log_name = title if title in model.logs else model.logs[0]
    model.strategies = list(strategies)
    model.run()
    return model


def _find_best(runs: _Runs) -> None:
    """Find the most energy that was possible up to the end of the longest run, or why it is not known."""
    result = runs.longest
    if result is None or result.end_s <= runs.solved_to_s:
        return
    runs.solved_to_s, runs.best_kwh, runs.why_not = result.end_s, None, ""
    try:
        if program_size(runs.scenario, end_s=result.end_s) > MAX_PROGRAM_SIZE:
            raise OptimizationError("the best in hindsight would take too long for this log")
        lacking_kwh = regret(result, time_limit_s=SOLVE_S).energy_kwh
    except OptimizationError as error:
        runs.why_not = f"Regret is left out: {error}."
        return
    runs.best_kwh = float(np.sum(result.delivered_kwh)) + lacking_kwh


def _sentence(error: Exception) -> str:
    """Return the first lines of an error, and the number of those left out."""
    lines = str(error).splitlines() or [type(error).__name__]
    if isinstance(error, SessionsError):
        # Its message is cut as well, and the count has to be right.
        lines = [lines[0], *error.faults]
    more = len(lines) - MAX_LINES
    shown = [*lines[:MAX_LINES], *([f"and {more} more"] if more > 0 else [])]
    return "\n".join(line if len(line) <= MAX_LETTERS else f"{line[:MAX_LETTERS]}..." for line in shown)


def _counted(count: int, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 else many}"
