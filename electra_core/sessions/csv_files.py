"""CSV files of sessions: rows of cells with their lines in the file, and the treatment of bad rows."""

from __future__ import annotations

import csv
import gzip
import io
import os
import warnings
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, TypeAlias

import pandas as pd

from electra_core.errors import BadValueError, cause_of, shortened
from electra_core.sessions.columns import ColumnReader, SessionsError, first_faults
from electra_core.sessions.table import row_faults

OnError: TypeAlias = Literal["raise", "skip"]

# A warning lists at most this many faults and counts the others; ``frame.attrs["skipped"]`` has all.
MAX_WARNED_FAULTS = 5

GZIP = b"\x1f\x8b"

# A message lists at most this many of a file's columns.
MAX_COLUMNS = 30


class SessionsWarning(UserWarning):
    """Rows of a log that were left out, and why."""


def read_text(path: str | os.PathLike[str]) -> tuple[str, str]:
    """Return the name of a file, without its folder, and its text; unpack gzip.

    Raises
    ------
    SessionsError
        When the file is missing, unreadable, empty or not text.
    """
    if not isinstance(path, str | os.PathLike):
        raise SessionsError("sessions", [f"expected the path of a file, got {shortened(path)}"])
    name = Path(path).name or "sessions"
    try:
        data = Path(path).read_bytes()
        text = (gzip.decompress(data) if data.startswith(GZIP) else data).decode("utf-8-sig")
    except FileNotFoundError:
        fault = "there is no such file"
    except UnicodeDecodeError:
        fault = "the file is not UTF-8 text"
    except (EOFError, zlib.error, gzip.BadGzipFile):
        fault = "the file is damaged: it begins like gzip and cannot be unpacked"
    except (OSError, ValueError) as error:
        fault = f"the file cannot be read: {cause_of(error)}"
    else:
        fault = "" if text.strip() else "the file is empty"
        if "\0" in text:
            fault = "the file is not text"
    if fault:
        raise SessionsError(name, [fault])
    return name, text


def read_csv(name: str, text: str, required: Sequence[str], *, ids: str = "session_id") -> ColumnReader:
    """Read the rows of a CSV as text, with None for an empty cell; leave out empty lines.

    The csv module, not pandas, because pandas does not tell the line on which a row begins.

    Parameters
    ----------
    name, text : of the file
    required : columns that must be there
    ids : column of the session ids, renamed to ``session_id``; without it the rows are numbered from 1

    Raises
    ------
    SessionsError
        When the text is no CSV or lacks a column.
    """
    records = _records(name, text)
    header = [cell.strip() for cell in next(records, (1, [""]))[1]]
    _check_columns(name, header, required)
    rows: list[list[str | None]] = []
    lines, faults = [], {}
    for line, cells in records:
        if len(cells) != len(header):
            faults[len(rows)] = f"it has {len(cells)} cells, the header has {len(header)}"
        rows.append([cell or None for cell in [*cells, *[""] * len(header)][: len(header)]])
        lines.append(f"line {line}")
    table = pd.DataFrame(rows, columns=header, dtype=object).rename(columns={ids: "session_id"})
    if "session_id" not in table.columns:
        table.insert(0, "session_id", [str(number) for number in range(1, len(rows) + 1)])
    read = ColumnReader(table, name, lines)
    read.faults.update(faults)
    return read


def _records(name: str, text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield each record that is not empty, with the line on which it begins: a quoted cell may have many."""
    reader, line = csv.reader(io.StringIO(text, newline=""), strict=True), 1
    try:
        for cells in reader:
            if any(cells):
                yield line, cells
            line = reader.line_num + 1
    except csv.Error as error:
        raise SessionsError(name, [f"line {line}: not CSV: {error}"]) from None


def _check_columns(name: str, header: Sequence[str], required: Sequence[str]) -> None:
    """Raise a `SessionsError` when a required column is missing or any column is there twice."""
    missing = [column for column in required if column not in header]
    if missing:
        known = ", ".join(shortened(column) for column in header[:MAX_COLUMNS])
        more = f" and {len(header) - MAX_COLUMNS} more" if len(header) > MAX_COLUMNS else ""
        raise SessionsError(name, [f"there is no column {', '.join(missing)}; there are {known}{more}"])
    twice = sorted({column for column in header if column and header.count(column) > 1})
    if twice:
        raise SessionsError(name, [f"the column {shortened(column)} is there twice" for column in twice])


def usable(read: ColumnReader, frame: pd.DataFrame, on_error: OnError) -> pd.DataFrame:
    """Return the sound rows of a frame; refuse the others, or leave them out with a warning.

    Parameters
    ----------
    read : reader of the log, with the faults found so far
    frame : columns of `read_session_table`; its index is the row's number in the log, from 0
    on_error : ``raise`` or ``skip``
    """
    read.faults = {row: words for row, words in read.faults.items() if row in frame.index}
    sound = frame.drop(index=list(read.faults))
    rows = sound.index.tolist()
    for number, words in row_faults(sound, [read.position(row) for row in rows]).items():
        read.faults[rows[number]] = words
    if on_error == "raise":
        read.raise_faults()
    skipped = read.messages()
    if skipped:
        summary = f"{read.source}: {len(skipped)} of {len(frame)} rows are left out"
        lines = [summary, *first_faults(skipped, MAX_WARNED_FAULTS)]
        warnings.warn(SessionsWarning("\n".join(lines)), stacklevel=3)
    sound = frame.drop(index=list(read.faults)).reset_index(drop=True)
    sound.attrs["skipped"] = skipped
    return sound


def check_choice(name: str, value: object, *choices: str) -> None:
    """Raise a `BadValueError` when a value is not among the choices."""
    if value not in choices:
        raise BadValueError(f"{name} must be {' or '.join(map(repr, choices))}, got {shortened(value)}")
