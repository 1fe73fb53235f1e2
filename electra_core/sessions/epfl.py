"""Log of EPFL's Level-3 fast-charging station of 2022.

Source: github.com/DESL-EPFL/Level-3-EV-charging-dataset (MIT).
"""

from __future__ import annotations

import math
import os
from datetime import UTC, datetime

import numpy as np
import pandas as pd

from electra_core.errors import BadValueError
from electra_core.sessions import timestamps
from electra_core.sessions.columns import ColumnReader
from electra_core.sessions.csv_files import OnError, check_choice, read_csv, read_text, usable
from electra_core.sessions.days import logged_car
from electra_core.station import Vehicle, VehicleError

CONNECTORS = {"CCS1": 1, "CCS2": 2}

# Columns of numbers: W, Wh and %.
POWERS_AND_ENERGY = ("energy_wh", "pmax_w", "preq_max_w")
NUMBER_COLUMNS = (*POWERS_AND_ENERGY, "controlled", "soc_arrival", "soc_departure", "energy_capacity_wh")


def read_epfl(
    path: str | os.PathLike[str], *, on_error: OnError = "raise", from_time: str | datetime | None = None
) -> pd.DataFrame:
    """Read the log of EPFL's Level-3 station as CSV.

    Its columns are ``session``, ``ccs``, ``arrival``, ``departure``, ``energy_wh``, ``pmax_w``,
    ``preq_max_w``, ``controlled``, ``soc_arrival`` and ``soc_departure`` (%), ``energy_capacity_wh``; others
    are not read. Each car has the typical curve, scaled to its peak: see `load_day`.
    Its charger is ``L3``. The log's dates have no zone: seconds are those of a clock that is never changed.

    Parameters
    ----------
    path : CSV; also packed with gzip
    on_error : ``raise``, or ``skip``: leave bad rows out, with a `SessionsWarning`
    from_time : time of second 0, as the log writes dates; sessions that began before it are left out.
        Default: midnight before the first arrival

    Returns
    -------
    pandas.DataFrame
        Columns of `read_session_table`, and of the log ``measured_kwh`` and ``measured_kw`` (highest), at the
        charger, ``requested_kw`` (highest), ``limited`` (by the station). ``attrs``: ``start``, the time of
        second 0 as ISO text; ``skipped``, the rows that were left out, and why.

    Raises
    ------
    SessionsError
        With every bad row, by its line in the file; also when the file is missing, damaged or lacks columns.
    BadValueError
        On another ``on_error``, or a ``from_time`` that is no date or has an offset from UTC.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> header = "session,ccs,arrival,departure,energy_wh,pmax_w,preq_max_w,controlled,"
    >>> header += "soc_arrival,soc_departure,energy_capacity_wh"
    >>> row = "7,CCS1,2022-10-18 10:45:00,2022-10-18 11:15:00,43541,122856,137406,1,26,80,76600"
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "log.csv")
    ...     _ = path.write_text(f"{header}\\n{row}\\n")
    ...     sessions = read_epfl(path)
    >>> sessions.attrs["start"]
    '2022-10-18T00:00:00'
    >>> sessions[["connector", "arrival_s", "arrival_soc", "measured_kwh", "limited"]]
       connector  arrival_s  arrival_soc  measured_kwh  limited
    0          1    38700.0         0.26        43.541     True
    """
    check_choice("on_error", on_error, "raise", "skip")
    since = timestamps.checked_from_time(from_time)
    if since is not None and since.tzinfo is not None:
        raise BadValueError(f"from_time must have no offset from UTC, as the log's dates, got {since}")
    required = ["session", "ccs", "arrival", "departure", *NUMBER_COLUMNS]
    read = read_csv(*read_text(path), required, ids="session")
    arrivals, departures = timestamps.read_presence(read, "arrival", "departure", zoned=False)
    log = _read_log(read)
    frame = pd.DataFrame(
        {
            "session_id": log["session"],
            "charger_id": "L3",
            "connector": [CONNECTORS.get(name, 0) for name in read.table["ccs"]],
            "arrival_s": timestamps.seconds(arrivals),
            "departure_s": timestamps.seconds(departures),
            "vehicle": _read_vehicles(read, log),
            "arrival_soc": log["soc_arrival"],
            "target_soc": log["soc_departure"],
            "measured_kwh": log["energy_kwh"],
            "measured_kw": log["measured_kw"],
            "requested_kw": log["requested_kw"],
            "limited": log["limited"],
        }
    )
    since = None if since is None else since.replace(tzinfo=UTC)
    frame = usable(read, timestamps.begun_since(frame, since), on_error)
    start = timestamps.count_from_start(frame, UTC, since)
    frame.attrs["start"] = None if start is None else start.replace(tzinfo=None).isoformat()
    return frame


def _read_log(read: ColumnReader) -> pd.DataFrame:
    """Return the log in the units and under the names that `logged_car` expects."""
    columns = {name: read.numbers(name) for name in NUMBER_COLUMNS}
    for name, values in columns.items():
        read.add_faults(np.isnan(values), f"{name} is empty")
    for name in POWERS_AND_ENERGY:
        bad = ~((columns[name] > 0.0) & (columns[name] < np.inf))
        read.add_faults(bad, f"{name} must be a finite number above 0, got {{}}", columns[name])
    energy_wh, limited = columns["energy_wh"], columns["controlled"]
    arrival, departure = columns["soc_arrival"], columns["soc_departure"]
    ccs = read.table["ccs"]
    read.add_faults(
        ~ccs.isin(list(CONNECTORS)).to_numpy(), "ccs must be CCS1 or CCS2, got {}", ccs.to_numpy()
    )
    read.add_faults(~np.isin(limited, (0.0, 1.0)), "controlled must be 0 or 1, got {}", limited)
    read.add_faults(
        ~(departure > arrival), "soc_departure {} is not above soc_arrival {}", departure, arrival
    )
    return pd.DataFrame(
        {
            "session": read.table["session_id"],
            "energy_kwh": energy_wh / 1000.0,
            "soc_arrival": arrival / 100.0,
            "soc_departure": departure / 100.0,
            "battery_kwh": columns["energy_capacity_wh"] / 1000.0,
            "measured_kw": columns["pmax_w"] / 1000.0,
            "requested_kw": columns["preq_max_w"] / 1000.0,
            "limited": limited == 1.0,
        }
    )


def _read_vehicles(read: ColumnReader, log: pd.DataFrame) -> list[Vehicle | None]:
    """Return the car of each row; None where the row has a fault."""
    vehicles: list[Vehicle | None] = [None] * read.rows
    for row, figures in enumerate(log.to_dict("records")):
        if row in read.faults:
            continue
        try:
            # A limited car gets the power that it requested, because a station model has to limit it itself.
            vehicles[row] = logged_car(math.inf, figures)
        except VehicleError as error:
            read.add_fault(row, str(error))
    return vehicles
