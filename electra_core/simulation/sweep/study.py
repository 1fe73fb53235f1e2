"""The parts of a sweep, and one run of it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import pandas as pd

from electra_core.allocation import Planner, Strategy
from electra_core.errors import ElectraError
from electra_core.sessions import Scenario, read_scenario
from electra_core.simulation.simulate import run
from electra_core.station import StationConfig

# The names of a run's station, sessions and strategy; its metrics, or its error.
Names: TypeAlias = tuple[Hashable, Hashable, Hashable]
Row: TypeAlias = dict[str, Any]


class StudyError(ElectraError):
    """A sweep that cannot be run as a whole."""


@dataclass(frozen=True, eq=False)
class Study:
    """The parts of which the runs of a sweep are made, by name; a bad station is its error's text."""

    configs: Mapping[Hashable, StationConfig | str]
    tables: Mapping[Hashable, Any]
    strategies: Mapping[Hashable, Strategy]
    generate: Callable[..., pd.DataFrame] | None
    compare_unlimited: bool
    options: Mapping[str, Any]

    def table(self, name: Hashable) -> pd.DataFrame:
        """Return a table of sessions; a generated one by its seed."""
        return self.tables[name] if self.generate is None else self.generate(seed=name)

    @functools.lru_cache(maxsize=1)  # noqa: B019 - strategies for the same scenario come one after the other
    def scenario(self, config: Hashable, sessions: Hashable) -> Scenario:
        """Return the scenario of a station and a table, or raise the reason why there is none."""
        station = self.configs[config]
        if isinstance(station, str):
            raise StudyError(station)
        return read_scenario(station, self.table(sessions), **self.options)

    def row(self, names: Names) -> Row:
        """Return the metrics of a run, or its error."""
        try:
            scenario, strategy = self.scenario(*names[:2]), self.strategies[names[2]]
            options = {"keep_timeline": False, "compare_unlimited": self.compare_unlimited, "progress": False}
            return run(scenario, strategy, **options).metrics()
        except Exception as error:  # of any kind: it concerns this run alone
            return {"error": sentence(error)}


def sentence(error: BaseException) -> str:
    """Return an error as a sentence; those of this package are sentences already."""
    return str(error) if isinstance(error, ElectraError) else f"{type(error).__name__}: {error}"


def home_of(function: Any) -> str:
    """Return the module of a function, which may be a part of something."""
    while isinstance(function, Planner | functools.partial):
        function = function.plan if isinstance(function, Planner) else function.func
    return str(getattr(function, "__module__", ""))
