"""A table of sessions as columns, and what is found wrong in them, by the place of each row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from electra_core.errors import ElectraError, shortened

Floats: TypeAlias = npt.NDArray[np.float64]
Objects: TypeAlias = npt.NDArray[np.object_]

# A message names so many faults, and counts the others.
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
        super().__init__("\n".join([f"{source}: {count}", *shown(self.faults, MAX_FAULTS)]))

    def __reduce__(self) -> tuple[type[SessionsError], tuple[str, tuple[str, ...]]]:
        """So that another process can tell it: the message alone would not make it anew."""
        return type(self), (self.source, self.faults)


def shown(faults: Sequence[str], most: int) -> list[str]:
    """The first faults, and how many more there are."""
    return [*faults[:most], *([f"and {len(faults) - most} more"] if len(faults) > most else [])]


class Reader:
    """Columns of a table, and the faults that are found in them.

    Parameters
    ----------
    table : a session a row; ``session_id`` is what messages call it
    source : the file's name, or ``sessions``
    where : what messages call the place of each row, ``line 2``; default: ``row 0`` and so on
    """

    def __init__(
        self, table: pd.DataFrame, source: str = "sessions", where: Sequence[str] | None = None
    ) -> None:
        self.table = table
        self.source = source
        self.where = where
        self.rows = len(table)
        self.faults: dict[int, str] = {}
        ids = self.objects("session_id")
        self.ids: Objects = np.arange(1, self.rows + 1).astype(object) if ids is None else ids

    def place(self, row: int) -> str:
        """What messages call the place of a row."""
        return f"row {row}" if self.where is None else self.where[row]

    def fault(self, bad: npt.NDArray[np.bool_], words: str, *columns: Floats | Objects) -> None:
        """Note a fault of each bad row, the first one of each row only."""
        if not bad.any():
            return
        for row in np.flatnonzero(bad):
            got = [shortened(column[row : row + 1].tolist()[0]) for column in columns]
            self.faults.setdefault(int(row), words.format(*got))

    def _column(self, name: str) -> pd.Series[Any] | None:
        if name not in self.table.columns:
            return None
        column = self.table[name]
        if isinstance(column, pd.DataFrame):
            raise SessionsError(self.source, [f"the column {name} is there {column.shape[1]} times"])
        return column

    def numbers(self, name: str, otherwise: float) -> Floats:
        """A column as floats, with a default where it is missing or empty."""
        column = self._column(name)
        if column is None:
            return np.full(self.rows, otherwise)
        if column.dtype.kind not in "fiu":
            column = self._read(name, column)
        values: Floats = column.to_numpy(dtype=np.float64, na_value=np.nan, copy=True)
        if not np.isnan(otherwise):
            values[np.isnan(values)] = otherwise
        return values

    def _read(self, name: str, column: pd.Series[Any]) -> pd.Series[Any]:
        """Numbers that stand as text or objects; what is none is a fault."""
        no_number = column.dtype.kind in "mMb"
        read = pd.to_numeric(column.map(lambda cell: np.nan if no_number else _plain(cell)), errors="coerce")
        for row in np.flatnonzero(np.asarray(read.isna() & column.notna())):
            got = shortened(column.iloc[row])
            self.faults.setdefault(int(row), f"{name} must be a number, got {got}")
        return read

    def objects(self, name: str) -> Objects | None:
        """A column as objects, None where it is empty; None where there is none."""
        column = self._column(name)
        if column is None:
            return None
        values: Objects = column.to_numpy(dtype=object, copy=True)
        values[np.asarray(column.isna())] = None
        return values

    def texts(self, name: str) -> Objects | None:
        """Like `objects`, and None where nobody said anything."""
        values = self.objects(name)
        return None if values is None or all(value is None for value in values) else values

    def told(self) -> tuple[str, ...]:
        """Every fault as a sentence, in the order of the rows."""
        return tuple(
            f"{self.place(row)} (session {shortened(self.ids[row])}): {self.faults[row]}"
            for row in sorted(self.faults)
        )

    def refuse(self) -> None:
        """Raise what was found."""
        if self.faults:
            raise SessionsError(self.source, self.told())


def _plain(cell: object) -> object:
    """A cell that may be a number: pandas takes True for 1, and chokes on hundreds of digits."""
    too_long = isinstance(cell, int) and not -(2**63) <= cell < 2**63
    return np.nan if too_long or isinstance(cell, bool | np.bool_) else cell
