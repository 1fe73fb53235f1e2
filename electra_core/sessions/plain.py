"""Sessions in the columns of `read_session_table`: of a plain CSV, and of a shipped day."""

from __future__ import annotations

import os
from typing import Any

import pandas as pd

from electra_core.sessions.columns import SessionsError
from electra_core.sessions.csv_files import OnError, check_choice, read_csv, read_text, usable
from electra_core.sessions.days import Day, load_day

# Columns that a file may have; its others stay text.
NUMBER_COLUMNS = (
    *("arrival_s", "departure_s", "patience_s", "energy_kwh", "arrival_soc", "target_soc"),
    *("max_power_kw", "min_power_kw", "connector", "priority", "weight"),
)


def read_sessions(path: str | os.PathLike[str], *, on_error: OnError = "raise") -> pd.DataFrame:
    """Read a plain CSV of sessions.

    The first line names the columns, in any order: those of `read_session_table`, where ``vehicle`` is a name
    in the catalogue. An empty cell counts as a missing column. There must be ``arrival_s``, ``energy_kwh`` or
    ``target_soc``, and ``max_power_kw`` or ``vehicle``. Other columns stay in the frame as text.

    Parameters
    ----------
    path : CSV in UTF-8 with commas; also packed with gzip
    on_error : ``raise``, or ``skip``: leave bad rows out, with a `SessionsWarning`

    Returns
    -------
    pandas.DataFrame
        The columns of the file; ``attrs["skipped"]`` lists the rows that were left out, and why.

    Raises
    ------
    SessionsError
        With every bad row, by its line in the file; also when the file is missing, damaged or lacks columns.
    BadValueError
        On another ``on_error``.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "sessions.csv")
    ...     _ = path.write_text("arrival_s,energy_kwh,max_power_kw\\n0,20,50\\n600,35.5,150\\n")
    ...     read_sessions(path)
      session_id  arrival_s  energy_kwh  max_power_kw
    0          1          0        20.0            50
    1          2        600        35.5           150
    """
    check_choice("on_error", on_error, "raise", "skip")
    read = read_csv(*read_text(path), ["arrival_s"])
    for one, other in (("energy_kwh", "target_soc"), ("max_power_kw", "vehicle")):
        if one not in read.table.columns and other not in read.table.columns:
            raise SessionsError(read.source, [f"there is neither a column {one} nor a column {other}"])
    frame = usable(read, read.table, on_error)
    for name in frame.columns.intersection(NUMBER_COLUMNS):
        frame[name] = pd.to_numeric(frame[name])
    return frame


def day_sessions(day: str | Day) -> pd.DataFrame:
    """Return a shipped day as a table of sessions.

    Parameters
    ----------
    day : the day, or its name among `day_names`

    Returns
    -------
    pandas.DataFrame
        Columns of `read_session_table`, seconds from midnight; and ``measured_kwh`` at the charger, where the
        day was measured.

    Raises
    ------
    KeyError
        On an unknown name.

    Examples
    --------
    >>> day_sessions("epfl_2022-10-18")[["session_id", "connector", "arrival_s", "measured_kwh"]].head(2)
      session_id  connector  arrival_s  measured_kwh
    0       1363          2    38700.0        43.541
    1        322          1    49380.0         7.458
    """
    arrivals = (load_day(day) if isinstance(day, str) else day).arrivals
    names = ("charger_id", "connector", "arrival_s", "departure_s", "vehicle", "arrival_soc", "target_soc")
    columns: dict[str, Any] = {"session_id": [arrival.name for arrival in arrivals]}
    columns |= {name: [getattr(arrival, name) for arrival in arrivals] for name in names}
    measured_kwh = pd.Series([arrival.measured_kwh for arrival in arrivals], dtype=float)
    return pd.DataFrame({**columns, "measured_kwh": measured_kwh})
