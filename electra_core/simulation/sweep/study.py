"""What the runs of a sweep are made of, what comes of them, and what goes wrong."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import pandas as pd

from electra_core.allocation import Strategy
from electra_core.errors import ElectraError
from electra_core.sessions import Scenario, read_scenario
from electra_core.station import StationConfig

# The names of a run's station, sessions and strategy; its metrics, or its error.
Names: TypeAlias = tuple[Hashable, Hashable, Hashable]
Row: TypeAlias = dict[str, Any]
Played: TypeAlias = list[tuple[Names, Row]]


class StudyError(ElectraError):
    """A sweep that cannot be meant, or that has nobody to play it."""


@dataclass(frozen=True, eq=False)
class Study:
    """What the runs of a sweep are made of, by name. In place of a station may be what is wrong with it."""

    configs: Mapping[Hashable, StationConfig | str]
    tables: Mapping[Hashable, Any]
    strategies: Mapping[Hashable, Strategy]
    generate: Callable[..., pd.DataFrame] | None
    options: Mapping[str, Any]

    def table(self, name: Hashable) -> pd.DataFrame:
        """Sessions; where they are generated their name is the seed."""
        return self.tables[name] if self.generate is None else self.generate(seed=name)

    def scenario(self, config: Hashable, sessions: Hashable) -> Scenario:
        """What is run, or the reason why nothing can be."""
        station = self.configs[config]
        if isinstance(station, str):
            raise StudyError(station)
        return read_scenario(station, self.table(sessions), **self.options)


def sentence(error: BaseException) -> str:
    """What happened; our own errors are sentences already."""
    ours = type(error).__module__.startswith("electra_core.")
    return str(error) if ours else f"{type(error).__name__}: {error}"
