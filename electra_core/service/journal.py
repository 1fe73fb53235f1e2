"""The journal on disk: SQLite, one transaction a call, durable before anybody is told.

What a power cut may take is only what nobody was told of: a write-ahead log is flushed to the disk at every
commit. One process at a time holds the file; the system frees it when that process dies.
"""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple

from electra_core.errors import ElectraError, cause_of
from electra_core.station import Decision, Event, StationConfig

# Of the tables; another number is another program's file.
FORMAT = 2

# Kept answers of calls with an idempotency key: the last ones only, so that the file of keys stays small.
MAX_KEYS = 100_000

# Events that are read at a time: whoever writes waits for no more than these.
PAGE = 1000

TABLES = """
CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE event (number INTEGER PRIMARY KEY, at_s REAL NOT NULL, call TEXT NOT NULL,
    arguments TEXT NOT NULL, digest TEXT NOT NULL);
CREATE TABLE moment (one INTEGER PRIMARY KEY CHECK (one = 1), number INTEGER NOT NULL, digest TEXT NOT NULL,
    content BLOB NOT NULL);
CREATE TABLE answer (number INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, asked TEXT NOT NULL,
    status INTEGER NOT NULL, body TEXT NOT NULL);
"""


class JournalError(ElectraError):
    """The journal cannot be opened or written: a sentence that says what to do."""


class Answer(NamedTuple):
    """What a call with a key was answered: a repeated call gets the same."""

    asked: str
    status: int
    body: str


class Journal:
    """The journal of one station.

    Parameters
    ----------
    path : the file; it is made where there is none
    config : of the station: a journal of another one is refused

    Raises
    ------
    JournalError
        When another process holds the file, the folder cannot be written, or the file is damaged.
    """

    def __init__(self, path: Path, config: StationConfig) -> None:
        self.name = path.name
        # sqlite3 tells a thread of another one's fault, or of none, where two use a connection at once.
        self._turn = threading.Lock()
        try:
            self._base = sqlite3.connect(path, timeout=0.0, isolation_level=None, check_same_thread=False)
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
        kept = self._tables()
        described = json.dumps(config.model_dump(mode="json"), sort_keys=True)
        if not kept:
            for statement in TABLES.split(";")[:-1]:
                self._base.execute(statement)
            about = [("format", str(FORMAT)), ("config", described)]
            self._base.executemany("INSERT INTO about VALUES (?, ?)", about)
        self._base.execute("COMMIT")
        if self._about("format") != str(FORMAT):
            raise JournalError(f"{self.name} was written by another version of this program")
        if self._about("config") != described:
            raise JournalError(
                f"{self.name} is the journal of a station with another configuration: "
                "start it with that one, or give this one a journal of its own"
            )
        begun_at = self._about("begun_at")
        self.begun_at = float(begun_at) if begun_at else None
        self.last = int(self._base.execute("SELECT coalesce(max(number), 0) FROM event").fetchone()[0])

    def _tables(self) -> set[str]:
        found = {
            name for (name,) in self._base.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        }
        if found and not found >= {"about", "event", "moment", "answer"}:
            raise JournalError(f"{self.name} is a database, but not a journal of a station")
        return found

    def begin(self, at: float) -> None:
        """Say at which time of day (s, Unix) the station's clock showed 0; said once for good."""
        if self.begun_at is None:
            with self._written():
                self._base.execute("INSERT INTO about VALUES ('begun_at', ?)", (repr(at),))
            self.begun_at = at

    def append(self, events: Sequence[Event], key: str | None = None, answer: Answer | None = None) -> None:
        """Add what one call did, and its answer where it has a key; afterwards it is on the disk.

        Raises
        ------
        JournalError
            When it cannot be written: nothing of it is in the journal then.
        """
        rows = [
            signed(self.last + count, event.at_s, event.call, json.dumps(event.arguments))
            for count, event in enumerate(events, start=1)
        ]
        with self._written():
            self._base.executemany("INSERT INTO event VALUES (?, ?, ?, ?, ?)", rows)
            if key is not None and answer is not None:
                self._keep(key, answer)
        self.last += len(rows)

    def _keep(self, key: str, answer: Answer) -> None:
        self._base.execute(
            "INSERT INTO answer (key, asked, status, body) VALUES (?, ?, ?, ?)", (key, *answer)
        )
        self._base.execute(
            "DELETE FROM answer WHERE number <= (SELECT max(number) FROM answer) - ?", (MAX_KEYS,)
        )

    def answer(self, key: str) -> Answer | None:
        """What the call with this key was answered."""
        for row in self._read("SELECT asked, status, body FROM answer WHERE key = ?", key):
            return Answer(*row)
        return None

    def events(self, since: int = 0, most: int = -1) -> Iterator[tuple[int, Event]]:
        """Events after a number, with theirs, in their order.

        Raises
        ------
        JournalError
            When one of them is not as it was written.
        """
        asked = "SELECT * FROM event WHERE number > ? ORDER BY number LIMIT ?"
        while rows := self._read(asked, since, PAGE if most < 0 else min(most, PAGE)):
            for row in rows:
                number, at_s, call, arguments, _ = row
                if row != signed(number, at_s, call, arguments):
                    raise self._damaged(f"event {number} is not as it was written")
                yield number, Event(at_s=at_s, call=call, arguments=json.loads(arguments))
            since, most = rows[-1][0], most - len(rows)

    def keep_moment(self, decision: Decision) -> None:
        """Keep the station as it is after the last event, so that the next start need not replay them all."""
        content = pickle.dumps(decision)
        row = (self.last, digest_of(self.last, content), content)
        with self._written():
            self._base.execute("INSERT OR REPLACE INTO moment VALUES (1, ?, ?, ?)", row)

    def decision(self) -> tuple[int, Decision] | None:
        """The kept moment and the number of the event that led to it; None where there is none to trust.

        Raises
        ------
        JournalError
            When events are missing that led to it.
        """
        for number, digest, content in self._read("SELECT number, digest, content FROM moment"):
            if digest != digest_of(number, content):
                return None
            if number > self.last:
                raise self._damaged(f"events {self.last + 1} to {number} are missing")
            try:
                found = _Careful(io.BytesIO(content)).load()
            except Exception:  # another version's moment: the events lead there as well
                return None
            return (number, found) if isinstance(found, Decision) else None
        return None

    def close(self) -> None:
        """Let others have the file."""
        with self._turn:
            self._base.close()

    def _about(self, name: str) -> str:
        row = self._base.execute("SELECT value FROM about WHERE name = ?", (name,)).fetchone()
        return "" if row is None else str(row[0])

    def _read(self, asked: str, *values: object) -> list[Any]:
        try:
            with self._turn:
                return self._base.execute(asked, values).fetchall()
        except sqlite3.Error as error:
            raise JournalError(self._words(error)) from None

    @contextmanager
    def _written(self) -> Iterator[None]:
        """All of it, or nothing, and a sentence."""
        with self._turn:
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
    """An event's row with its digest: a bit that has flipped must not pass for something that happened."""
    row = (number, at_s, call, arguments)
    return *row, hashlib.blake2b(repr(row).encode("utf-8", "backslashreplace"), digest_size=8).hexdigest()


def digest_of(number: int, content: bytes) -> str:
    """Of a kept moment and the number of the event that led to it."""
    return hashlib.sha256(b"%d " % number + content).hexdigest()


class _Careful(pickle.Unpickler):
    """Reads moments and nothing else: a file is no place for programs."""

    def find_class(self, module: str, name: str) -> Any:
        """Only what a moment is made of: a name with a dot, or a function, could be anything."""
        if (module, name) in PLAIN:
            return super().find_class(module, name)
        if module.startswith("electra_core.") and name.isidentifier():
            found = super().find_class(module, name)
            if isinstance(found, type) and (is_dataclass(found) or issubclass(found, Enum)):
                return found
        raise pickle.UnpicklingError(f"{module}.{name} is no part of a moment")


PLAIN = {("builtins", "frozenset"), ("builtins", "set"), ("types", "MappingProxyType")}
