"""Columns of a table of sessions as arrays, and a collector of the errors in its rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from electra_core.errors import ElectraError, shortened

Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]
Objects: TypeAlias = npt.NDArray[np.object_]

# A message lists at most this many faults and counts the others.
MAX_FAULTS = 20


class SessionsError(ElectraError):
    """A table or a log of sessions that cannot be used.

    Attributes
    ----------
    source : the file's name, or ``sessions``
    faults : every fault, each with its row or line
    """

    def __init__(self, source: str, faults: Sequence[str]) -> None:
        self.source = source
        self.faults = tuple(faults)
        count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
        super().__init__("\n".join([f"{source}: {count}", *first_faults(self.faults, MAX_FAULTS)]))

    def __reduce__(self) -> tuple[type[SessionsError], tuple[str, tuple[str, ...]]]:
        """Pickle the arguments: another process cannot rebuild the error from its message alone."""
        return type(self), (self.source, self.faults)


def first_faults(faults: Sequence[str], maximum: int) -> list[str]:
    """Return the first faults, and a line that counts the others."""
    more = [f"and {len(faults) - maximum} more"] if len(faults) > maximum else []
    return [*faults[:maximum], *more]


class ColumnReader:
    """A reader of a table's columns that collects the first fault of each row.

    Parameters
    ----------
    table : one row a session; messages name a session by its ``session_id``, or else by its number from 1
    source : the file's name, or ``sessions``
    positions : position of each row in messages, such as ``line 2``; default: ``row 0``, ``row 1`` ...

    Attributes
    ----------
    ids : session id of each row
    faults : first fault of each bad row, by the row's number from 0
    """

    def __init__(
        self, table: pd.DataFrame, source: str = "sessions", positions: Sequence[str] | None = None
    ) -> None:
        self.table = table
        self.source = source
        self.positions = positions
        self.rows = len(table)
        self.faults: dict[int, str] = {}
        self.ids: Objects = np.arange(1, self.rows + 1).astype(object)
        if "session_id" in table.columns:
            self.ids = self.objects("session_id")

    def position(self, row: int) -> str:
        """Return the position of a row as messages state it."""
        return f"row {row}" if self.positions is None else self.positions[row]

    def add_fault(self, row: int, message: str) -> None:
        """Record a fault of a row, unless the row has one already."""
        self.faults.setdefault(row, message)

    def add_faults(self, bad: npt.NDArray[np.bool_], message: str, *columns: Floats | Objects) -> None:
        """Record a fault of each bad row; the values of ``columns`` there fill the message's fields."""
        for row in np.flatnonzero(bad).tolist():
            got = [shortened(column[row : row + 1].tolist()[0]) for column in columns]
            self.add_fault(row, message.format(*got))

    def _column(self, name: str) -> pd.Series[Any] | None:
        if name not in self.table.columns:
            return None
        column = self.table[name]
        if isinstance(column, pd.DataFrame):
            raise SessionsError(self.source, [f"the column {name} is there {column.shape[1]} times"])
        return column

    def numbers(self, name: str, default: float = np.nan) -> Floats:
        """Return a column as floats, with a default where it is missing or empty."""
        column = self._column(name)
        if column is None:
            return np.full(self.rows, default)
        if column.dtype.kind not in "fiu":
            column = self._parse(name, column)
        values: Floats = column.to_numpy(dtype=np.float64, na_value=np.nan, copy=True)
        values[np.isnan(values)] = default
        return values

    def _parse(self, name: str, column: pd.Series[Any]) -> pd.Series[Any]:
        """Turn text or objects into numbers, and record a fault where that is impossible."""
        never = column.dtype.kind in "mMb"  # durations, dates and booleans
        parsed = pd.to_numeric(column.map(lambda cell: np.nan if never else _plain(cell)), errors="coerce")
        for row in np.flatnonzero(np.asarray(parsed.isna() & column.notna())).tolist():
            self.add_fault(row, f"{name} must be a number, got {shortened(column.iloc[row])}")
        return parsed

    def objects(self, name: str) -> Objects:
        """Return a column as objects, with None where it is missing or empty."""
        column = self._column(name)
        if column is None:
            return np.full(self.rows, None)
        values: Objects = column.to_numpy(dtype=object, copy=True)
        values[np.asarray(column.isna())] = None
        return values

    def messages(self) -> tuple[str, ...]:
        """Return every fault as a sentence, in the order of the rows."""
        return tuple(
            f"{self.position(row)} (session {shortened(self.ids[row])}): {self.faults[row]}"
            for row in sorted(self.faults)
        )

    def raise_faults(self) -> None:
        """Raise a `SessionsError` with the faults that were recorded, if there are any."""
        if self.faults:
            raise SessionsError(self.source, self.messages())


def _plain(cell: object) -> object:
    """Replace by NaN what pandas misreads: booleans, and whole numbers of hundreds of digits."""
    too_long = isinstance(cell, int) and not -(2**63) <= cell < 2**63
    return np.nan if too_long or isinstance(cell, bool | np.bool_) else cell
