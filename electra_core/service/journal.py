"""The journal on disk: SQLite, one transaction a call, durable before it is answered.

A power cut can take only what was not yet acknowledged: the write-ahead log is flushed to the disk at every
commit. One process at a time holds the file; the system frees it when that process dies.
"""

from __future__ import annotations

import hashlib
import json
import logging
import pickle
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from electra_core.errors import ElectraError, cause_of
from electra_core.service.saved_decision import digest_of, is_sound, loads
from electra_core.station import Decision, Event, StationConfig

LOG = logging.getLogger("electra")

# Version of the tables.
FORMAT = 3

# Events that are read, or deleted, at a time: another thread waits for the file no longer than that takes.
PAGE = 1000
SLICE = 10_000

EVENTS = """
CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE event (number INTEGER PRIMARY KEY, at_s REAL NOT NULL, call TEXT NOT NULL,
    arguments TEXT NOT NULL, digest TEXT NOT NULL);
CREATE TABLE answer (number INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, asked TEXT NOT NULL,
    status INTEGER NOT NULL, body TEXT NOT NULL);
"""
DECISIONS = "CREATE TABLE decision (number INTEGER PRIMARY KEY, digest TEXT NOT NULL, content BLOB NOT NULL);"


class JournalError(ElectraError):
    """The journal cannot be opened or written: a sentence that says what to do."""


class EventsGoneError(JournalError):
    """Events that are asked for are no longer kept."""


class Answer(NamedTuple):
    """The answer to a call with an idempotency key, for when the call is repeated."""

    asked: str
    status: int
    body: str


class Journal:
    """The journal of one station.

    Parameters
    ----------
    path : the file; it is created where there is none
    config : configuration of the station; the journal of another one is refused
    max_events : number of events above which the oldest are deleted
    keep_events : number of events that are kept in any case, the last ones
    max_keys : number of answers to calls with an idempotency key that are kept, the last ones
    connect : opens the file, as `sqlite3.connect` does

    Attributes
    ----------
    name : of the file
    first, last : numbers of the oldest and the newest event that is kept
    began_unix_s : time of day when the station's clock showed 0, s; None before `begin`

    Raises
    ------
    JournalError
        When another process holds the file, the folder cannot be written, or the file is damaged.
    """

    def __init__(
        self,
        path: Path,
        config: StationConfig,
        *,
        max_events: int = 1_000_000,
        keep_events: int = 100_000,
        max_keys: int = 100_000,
        connect: Callable[..., sqlite3.Connection] = sqlite3.connect,
    ) -> None:
        self.name = path.name
        self._max_events, self._keep_events, self._max_keys = max_events, keep_events, max_keys
        # Events up to this number are being deleted, slice by slice.
        self._delete_to = 0
        # Two threads on one connection at once get each other's errors from sqlite3.
        self._lock = threading.Lock()
        try:
            self._base = connect(path, timeout=0.0, isolation_level=None, check_same_thread=False)
            self._open(config)
        except sqlite3.Error as error:
            raise JournalError(self._words(error)) from None

    def _open(self, config: StationConfig) -> None:
        # Held from the first transaction until this process ends, however it ends.
        self._base.execute("PRAGMA locking_mode = EXCLUSIVE")
        self._tables()  # another program's file is left as it is
        self._base.execute("PRAGMA journal_mode = WAL")
        self._base.execute("PRAGMA synchronous = FULL")
        self._base.execute("BEGIN IMMEDIATE")
        described = json.dumps(config.model_dump(mode="json"), sort_keys=True)
        if not self._tables():
            self._create(EVENTS + DECISIONS)
            about = [("format", str(FORMAT)), ("config", described)]
            self._base.executemany("INSERT INTO about VALUES (?, ?)", about)
        elif self._about("format") == "2":  # its saved state only saves time: the events lead there
            self._create("DROP TABLE moment;" + DECISIONS)
            self._base.execute("UPDATE about SET value = ? WHERE name = 'format'", (str(FORMAT),))
            self._base.execute("UPDATE about SET name = 'began_unix_s' WHERE name = 'begun_at'")
        self._base.execute("COMMIT")
        if self._about("format") != str(FORMAT):
            raise JournalError(f"{self.name} was written by another version of this program")
        if self._about("config") != described:
            raise JournalError(
                f"{self.name} is the journal of a station with another configuration: "
                "start it with that one, or give this one a journal of its own"
            )
        began = self._about("began_unix_s")
        self.began_unix_s = float(began) if began else None
        bounds = self._base.execute("SELECT coalesce(min(number), 1), coalesce(max(number), 0) FROM event")
        self.first, self.last = bounds.fetchone()

    def _create(self, statements: str) -> None:
        for statement in statements.split(";")[:-1]:
            self._base.execute(statement)

    def _tables(self) -> set[str]:
        found = {
            name for (name,) in self._base.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        }
        if found and not found >= {"about", "event", "answer"}:
            raise JournalError(f"{self.name} is a database, but not a journal of a station")
        return found

    def begin(self, unix_s: float) -> None:
        """Write down at which time of day, s (Unix), the station's clock showed 0."""
        if self.began_unix_s != unix_s:
            with self._written():
                self._base.execute("INSERT OR REPLACE INTO about VALUES ('began_unix_s', ?)", (repr(unix_s),))
            self.began_unix_s = unix_s

    def append(self, events: Sequence[Event], key: str | None = None, answer: Answer | None = None) -> None:
        """Add the events of one call, and its answer where it has a key; afterwards they are on the disk.

        Raises
        ------
        JournalError
            When they cannot be written: none of them is in the journal then.
        """
        rows = [
            signed(self.last + count, event.at_s, event.call, json.dumps(event.arguments))
            for count, event in enumerate(events, start=1)
        ]
        with self._written():
            self._base.executemany("INSERT INTO event VALUES (?, ?, ?, ?, ?)", rows)
            if key is not None and answer is not None:
                self._save_answer(key, answer)
        self.last += len(rows)

    def _save_answer(self, key: str, answer: Answer) -> None:
        self._base.execute(
            "INSERT INTO answer (key, asked, status, body) VALUES (?, ?, ?, ?)", (key, *answer)
        )
        self._base.execute(
            "DELETE FROM answer WHERE number <= (SELECT max(number) FROM answer) - ?", (self._max_keys,)
        )

    def answer(self, key: str) -> Answer | None:
        """Return the answer to the call with a key; None where there was none."""
        for row in self._read("SELECT asked, status, body FROM answer WHERE key = ?", key):
            return Answer(*row)
        return None

    def events(self, since: int = 0, most: int = -1) -> Iterator[tuple[int, Event]]:
        """Yield the events after a number, with their numbers, in their order.

        Raises
        ------
        EventsGoneError
            When the first of them is no longer kept.
        JournalError
            When one of them is missing, or is not as it was written.
        """
        asked = "SELECT * FROM event WHERE number > ? ORDER BY number LIMIT ?"
        while rows := self._read(asked, since, PAGE if most < 0 else min(most, PAGE)):
            if since + 1 < self.first:
                raise EventsGoneError(
                    f"events before {self.first} are no longer kept; the oldest is {self.first}: "
                    f"ask for those since {self.first - 1}"
                )
            for row in rows:
                number, at_s, call, arguments, _ = row
                if number != since + 1:
                    raise self._damaged(f"event {since + 1} is missing")
                if row != signed(number, at_s, call, arguments):
                    raise self._damaged(f"event {number} is not as it was written")
                yield number, Event(at_s=at_s, call=call, arguments=json.loads(arguments))
                since, most = number, most - 1

    def save_decision(self, decision: Decision) -> None:
        """Save the state after the last event, so that the next start replays only the events after it.

        Of those saved before, the first of each ``keep_events`` events stays, for when the last is damaged.
        """
        content = pickle.dumps(decision)
        row = (self.last, digest_of(self.last, content), content)
        with self._written():
            self._base.execute("INSERT OR REPLACE INTO decision VALUES (?, ?, ?)", row)
            self._base.execute(
                "DELETE FROM decision WHERE number < ? AND number NOT IN"
                " (SELECT min(number) FROM decision GROUP BY number / ?)",
                (self.last, self._keep_events),
            )

    def load_decision(self) -> tuple[int, Decision] | None:
        """Return the newest sound decision with the number of its last event; None: replay all events.

        A damaged one is left out, with a warning in the log.

        Raises
        ------
        JournalError
            When events before it are missing, or the state cannot be found without those that were deleted.
        """
        for row in self._read("SELECT * FROM decision ORDER BY number DESC"):
            number, fault = row[0], "is not as it was written"
            if is_sound(row):
                if number > self.last:
                    raise self._damaged(f"events {self.last + 1} to {number} are missing")
                try:
                    return number, loads(row[2])
                except Exception as error:  # saved by another version: the events lead there as well
                    fault = f"cannot be read ({error})"
            LOG.warning(
                "%s: the state saved after event %d %s: it is replayed from an earlier one, or the beginning",
                self.name,
                number,
                fault,
            )
        if self.first > 1:
            raise self._damaged(
                f"no saved state can be read, and events before {self.first} are no longer kept"
            )
        return None

    def compact(self) -> None:
        """Delete some of the oldest events, where there are more than ``max_events``.

        The last ``keep_events`` stay, and a saved decision from which they can be replayed. A call deletes
        no more than `SLICE`, in one transaction; the next calls go on.
        """
        if self.first > self._delete_to and self.last - self.first >= self._max_events:
            asked = "SELECT * FROM decision WHERE number <= ? ORDER BY number DESC"
            rows = self._read(asked, self.last - self._keep_events)
            self._delete_to = next((row[0] for row in rows if is_sound(row)), 0)
        if self.first > self._delete_to:
            return
        end = min(self.first + SLICE - 1, self._delete_to)
        # Before they go, so that a reader whose events vanish gets the error that they are no longer kept.
        self.first = end + 1
        with self._written():
            self._base.execute("DELETE FROM event WHERE number <= ?", (end,))
            self._base.execute("DELETE FROM decision WHERE number < ?", (end,))

    def close(self) -> None:
        """Release the file."""
        with self._lock:
            self._base.close()

    def _about(self, name: str) -> str:
        row = self._base.execute("SELECT value FROM about WHERE name = ?", (name,)).fetchone()
        return "" if row is None else str(row[0])

    def _read(self, asked: str, *values: object) -> list[Any]:
        try:
            with self._lock:
                return self._base.execute(asked, values).fetchall()
        except sqlite3.Error as error:
            raise JournalError(self._words(error)) from None

    @contextmanager
    def _written(self) -> Iterator[None]:
        """Run statements as one transaction; an error of SQLite becomes a sentence."""
        with self._lock:
            try:
                self._base.execute("BEGIN IMMEDIATE")
                yield
                self._base.execute("COMMIT")
            except BaseException as error:
                with suppress(sqlite3.Error):
                    if self._base.in_transaction:
                        self._base.execute("ROLLBACK")
                if isinstance(error, sqlite3.Error):
                    raise JournalError(self._words(error)) from None
                raise

    def _damaged(self, how: str) -> JournalError:
        return JournalError(f"{self.name} is damaged: {how}; restore it from a copy")

    def _words(self, error: sqlite3.Error) -> str:
        words = str(error)
        if "locked" in words:
            return f"{self.name} is held by another process: stop that one, or use another journal"
        if "unable to open" in words or "readonly" in words:
            return f"{self.name} cannot be written: does its folder exist, and may this program write there?"
        if "full" in words or "disk I/O" in words:
            return f"{self.name} cannot be written: the disk is full or broken"
        if "not a database" in words or "malformed" in words:
            return f"{self.name} is damaged, or no journal: restore it from a copy"
        return f"{self.name}: {cause_of(error)}"


def signed(number: int, at_s: float, call: str, arguments: str) -> tuple[int, float, str, str, str]:
    """Return an event's row with its digest, which shows a flipped bit when the row is read."""
    row = (number, at_s, call, arguments)
    return *row, hashlib.blake2b(repr(row).encode("utf-8", "backslashreplace"), digest_size=8).hexdigest()
