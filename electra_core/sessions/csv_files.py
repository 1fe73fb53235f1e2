"""Files of sessions as rows of cells, each with its place in the file, and what becomes of bad rows."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import warnings
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias

import pandas as pd

from electra_core.errors import BadValueError, cause_of, shortened
from electra_core.sessions.columns import Reader, SessionsError, shown
from electra_core.sessions.table import row_faults

OnError: TypeAlias = Literal["raise", "skip"]

# A warning names so many faults, and counts the others; ``frame.attrs["skipped"]`` has all.
FEW_FAULTS = 5

GZIP = b"\x1f\x8b"

# A message shows so many of a file's columns.
MAX_COLUMNS = 30


class SessionsWarning(UserWarning):
    """Rows of a log that were left out, and why."""


def read_text(path: str | os.PathLike[str]) -> tuple[str, str]:
    """The name of a file, without its folder, and its text; gzip is unpacked.

    Raises
    ------
    SessionsError
        When it is missing, unreadable, empty or not text.
    """
    if not isinstance(path, str | os.PathLike):
        raise SessionsError("sessions", [f"expected the path of a file, got {shortened(path)}"])
    name = Path(path).name or "sessions"
    try:
        data = Path(path).read_bytes()
        text = (gzip.decompress(data) if data.startswith(GZIP) else data).decode("utf-8-sig")
    except FileNotFoundError:
        raise SessionsError(name, ["there is no such file"]) from None
    except UnicodeDecodeError:
        raise SessionsError(name, ["the file is not UTF-8 text"]) from None
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise SessionsError(
            name, ["the file is damaged: it begins like gzip and cannot be unpacked"]
        ) from None
    except (OSError, ValueError) as error:
        raise SessionsError(name, [f"the file cannot be read: {cause_of(error)}"]) from None
    if not text.strip():
        raise SessionsError(name, ["the file is empty"])
    if "\0" in text:
        raise SessionsError(name, ["the file is not text"])
    return name, text


def read_csv(name: str, text: str, needed: Sequence[str], *, ids: str = "session_id") -> Reader:
    """The rows of a CSV as text, None where a cell is empty; empty lines say nothing.

    Parameters
    ----------
    name, text : of the file
    needed : columns that must be there
    ids : the column of the sessions' names; here it becomes ``session_id``. Without it they are numbered

    Raises
    ------
    SessionsError
        When it is no CSV, or lacks a column.
    """
    records = _records(name, text)
    header = [cell.strip() for cell in next(records, (1, [""]))[1]]
    _check_columns(name, header, needed)
    rows: list[list[str | None]] = []
    where, faults = [], {}
    for line, cells in records:
        if len(cells) != len(header):
            faults[len(rows)] = f"it has {len(cells)} cells, the header has {len(header)}"
        rows.append([cell or None for cell in [*cells, *[""] * len(header)][: len(header)]])
        where.append(f"line {line}")
    names = ["session_id" if column == ids else column for column in header]
    table = pd.DataFrame(rows, columns=names, dtype=object)
    if "session_id" not in names:
        table.insert(0, "session_id", [str(number) for number in range(1, len(rows) + 1)])
    read = Reader(table, name, where)
    read.faults.update(faults)
    return read


def _records(name: str, text: str) -> Iterator[tuple[int, list[str]]]:
    """Each record that says anything, with the line that it begins on; a quoted cell may have many lines."""
    reader, line = csv.reader(io.StringIO(text, newline=""), strict=True), 1
    try:
        for cells in reader:
            if any(cells):
                yield line, cells
            line = reader.line_num + 1
    except csv.Error as error:
        raise SessionsError(name, [f"line {line}: not CSV: {error}"]) from None


def _check_columns(name: str, header: Sequence[str], needed: Sequence[str]) -> None:
    """Each column that is needed is there, and none twice."""
    missing = [column for column in needed if column not in header]
    if missing:
        known = ", ".join(shortened(column) for column in header[:MAX_COLUMNS])
        more = f" and {len(header) - MAX_COLUMNS} more" if len(header) > MAX_COLUMNS else ""
        words = f"there is no column {', '.join(missing)}; there are {known}{more}"
        raise SessionsError(name, [words])
    twice = sorted({column for column in header if column and header.count(column) > 1})
    if twice:
        raise SessionsError(name, [f"the column {shortened(column)} is there twice" for column in twice])


def read_acn_json(name: str, text: str, keys: Sequence[str]) -> Reader:
    """The sessions of an export of ACN-Data, each with its last user input, as rows of JSON values.

    Parameters
    ----------
    name, text : of the file
    keys : what is read of a session or of its user input; ``sessionID`` becomes ``session_id``

    Raises
    ------
    SessionsError
        When it is no JSON, or no list of sessions.
    """
    items = _items(name, text)
    rows, faults = [], {}
    for row, item in enumerate(items):
        try:
            rows.append(_with_last_input(item))
        except TypeError as error:
            rows.append({})
            faults[row] = str(error)
    columns = {key: [row.get(key) for row in rows] for key in keys}
    columns["session_id"] = [None if row.get("sessionID") is None else str(row["sessionID"]) for row in rows]
    table = pd.DataFrame(columns, index=range(len(rows)), dtype=object)
    read = Reader(table, name, [f"item {number}" for number in range(1, len(rows) + 1)])
    read.faults.update(faults)
    return read


def _items(name: str, text: str) -> list[Any]:
    """The sessions of the file: the list in ``_items``, or the file itself is the list."""
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        words = f"line {error.lineno}, column {error.colno}: not JSON: {error.msg}"
        raise SessionsError(name, [words]) from None
    except RecursionError:
        raise SessionsError(name, ["not JSON: nested too deeply"]) from None
    except ValueError:
        raise SessionsError(name, ["not JSON: a number has thousands of digits"]) from None
    items = data.get("_items") if isinstance(data, Mapping) else data
    if not isinstance(items, list):
        raise SessionsError(name, ["there is no list of sessions named _items"])
    return items


def _with_last_input(item: Any) -> dict[str, Any]:
    """A session together with what its driver said last; a driver may change the wish, or say nothing."""
    if not isinstance(item, Mapping):
        raise TypeError(f"a session is an object in braces, got {shortened(item)}")
    inputs = item.get("userInputs") or [{}]
    if not isinstance(inputs, list) or not isinstance(inputs[-1], Mapping):
        raise TypeError(f"userInputs must be a list of objects in braces, got {shortened(inputs)}")
    return {**inputs[-1], **item}


def usable(read: Reader, frame: pd.DataFrame, on_error: OnError) -> pd.DataFrame:
    """The sound rows of a frame, whose index is their number in the file; the others are told."""
    read.faults = {row: words for row, words in read.faults.items() if row in frame.index}
    sound = frame.drop(index=list(read.faults))
    rows = sound.index.tolist()
    for number, words in row_faults(sound, [read.place(row) for row in rows]).items():
        read.faults[rows[number]] = words
    if on_error == "raise":
        read.refuse()
    skipped = read.told()
    if skipped:
        lines = [
            f"{read.source}: {len(skipped)} of {len(frame)} rows are left out",
            *shown(skipped, FEW_FAULTS),
        ]
        warnings.warn(SessionsWarning("\n".join(lines)), stacklevel=3)
    sound = frame.drop(index=list(read.faults)).reset_index(drop=True)
    sound.attrs["skipped"] = skipped
    return sound


def check_choice(name: str, value: object, *choices: str) -> None:
    if value not in choices:
        raise BadValueError(f"{name} must be {' or '.join(map(repr, choices))}, got {shortened(value)}")
