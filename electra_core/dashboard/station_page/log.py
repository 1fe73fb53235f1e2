"""The page's log: typed entries, newest first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from electra_core.dashboard.station_page.labels import clock

MAX_ENTRIES = 100


class LogEntry(NamedTuple):
    """An entry: a time of day, s, a sentence, and the setting that was changed, or nothing."""

    time_of_day_s: float
    words: str
    kind: str = ""

    @property
    def time(self) -> str:
        """The time of day as the page shows it."""
        return clock(self.time_of_day_s)

    def __str__(self) -> str:
        return f"{self.time} {self.words}"


def with_entry(log: Sequence[LogEntry], entry: LogEntry) -> list[LogEntry]:
    """Return the log with one more entry, and without the oldest ones where it is too long."""
    # A dragged slider sets one thing fifty times: of one minute the last value stays.
    repeated = bool(log and entry.kind) and (log[0].kind, log[0].time) == (entry.kind, entry.time)
    return [entry, *log[repeated:]][:MAX_ENTRIES]
