"""The page's log: typed entries, newest first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

MAX_ENTRIES = 100


class LogEntry(NamedTuple):
    """An entry: the time of day, 08:00, a sentence, and the setting that was changed, or nothing."""

    time: str
    words: str
    kind: str = ""

    def __str__(self) -> str:
        return f"{self.time} {self.words}"


def with_entry(log: Sequence[LogEntry], entry: LogEntry) -> list[LogEntry]:
    """Return the log with one more entry, and without the oldest ones where it is too long."""
    # A dragged slider sets one thing fifty times: of one minute the last value stays.
    repeated = bool(log and entry.kind) and (log[0].kind, log[0].time) == (entry.kind, entry.time)
    return [entry, *log[repeated:]][:MAX_ENTRIES]
