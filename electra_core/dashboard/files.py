"""Files that both pages read and write: configurations, and tables as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from electra_core.station import StationConfig, load_config

# A spreadsheet takes a cell that begins so for a formula.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def read_configs(folder: str | Path) -> dict[str, StationConfig]:
    """Return every configuration of a folder by its station's name, sorted by file name.

    Examples
    --------
    >>> import tempfile
    >>> read_configs(tempfile.mkdtemp())
    {}
    """
    configs = [load_config(path) for path in sorted(Path(folder).glob("*.json"))]
    return {config.station_id: config for config in configs}


def csv_of(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    """Return rows as CSV that no spreadsheet takes for formulas."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(columns)
    table.writerows([safe_cell(value) for value in row] for row in rows)
    return text.getvalue().encode()


def safe_cell(value: object) -> object:
    """Return a value as a cell that no spreadsheet takes for a formula; None is an empty one."""
    if isinstance(value, str) and (value.startswith(FORMULA) or value.lstrip().startswith(FORMULA)):
        return f"'{value}"
    return "" if value is None else value
