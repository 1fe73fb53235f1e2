"""Loaders of real logs: published formats as they are, in the columns of `read_session_table`.

A loader looks at each row before it gives any back. Whatever it gives back, `read_session_table` takes at a station
that has the log's chargers.
"""

from __future__ import annotations

import math
import os
from datetime import UTC, datetime

import numpy as np
import pandas as pd

from electra_core.errors import BadValueError
from electra_core.sessions.columns import Reader, SessionsError
from electra_core.sessions.csv_files import OnError, check_choice, read_csv, read_text, usable
from electra_core.sessions.days import Day, load_day, logged_car
from electra_core.sessions.timestamps import begun, count_from_start, moment_given, seconds, stays
from electra_core.station import Vehicle, VehicleError

# What the EPFL log calls its only charger's plugs.
EPFL_PLUGS = {"CCS1": 1, "CCS2": 2}

# Its columns of numbers: W, Wh and %.
EPFL_FIGURES = (
    "energy_wh",
    "pmax_w",
    "preq_max_w",
    "controlled",
    "soc_arrival",
    "soc_departure",
    "energy_capacity_wh",
)

# Columns of `read_session_table` that are numbers.
NUMBERS = (
    "arrival_s",
    "departure_s",
    "energy_kwh",
    "max_power_kw",
    "min_power_kw",
    "arrival_soc",
    "target_soc",
    "connector",
    "priority",
    "weight",
    "patience_s",
)


def read_sessions(path: str | os.PathLike[str], *, on_error: OnError = "raise") -> pd.DataFrame:
    """Read a plain CSV of sessions.

    The first line names the columns, in any order; an empty cell counts as a missing column.

    ==================  =====================================================================================
    column              what it says
    ==================  =====================================================================================
    ``session_id``      a name, each once; without the column: 1, 2, 3 ...
    ``arrival_s``       s from the beginning; must be there
    ``departure_s``     s from the beginning; empty: leaves when done
    ``energy_kwh``      wanted energy; or ``target_soc`` with ``vehicle``
    ``arrival_soc``     0 to 1; empty, with a target: the typical one, 0.29
    ``target_soc``      0 to 1
    ``max_power_kw``    the most that the car takes; or ``vehicle``. Both: the lower counts
    ``min_power_kw``    least useful power; empty: the vehicle's, or 0
    ``vehicle``         the car's name in the catalogue
    ``charger_id``      where; empty: the first connector that is free
    ``connector``       from 1; empty: the first one of the charger that is free
    ``priority``        default 0; the higher comes first under strategy ``priority``
    ``weight``          default 1; with 2 a session gets twice the share
    ``patience_s``      s that the driver waits for a connector; empty: until the departure
    ==================  =====================================================================================

    Other columns stay in the frame as text.

    Parameters
    ----------
    path : CSV in UTF-8 with commas; also packed with gzip
    on_error : ``raise``, or ``skip``: leave bad rows out, with a `SessionsWarning`

    Returns
    -------
    pandas.DataFrame
        The columns of the file; ``attrs["skipped"]`` has what was left out, and why.

    Raises
    ------
    SessionsError
        With every bad row, by its line in the file; also when the file is missing, damaged or lacks columns.
    ValueError
        On another ``on_error``.
    """
    check_choice("on_error", on_error, "raise", "skip")
    read = read_csv(*read_text(path), ["arrival_s"])
    for one, other in (("energy_kwh", "target_soc"), ("max_power_kw", "vehicle")):
        if one not in read.table.columns and other not in read.table.columns:
            raise SessionsError(read.source, [f"there is neither a column {one} nor a column {other}"])
    frame = usable(read, read.table, on_error)
    for name in NUMBERS:
        if name in frame.columns:
            frame[name] = pd.to_numeric(frame[name])
    return frame


def read_epfl(
    path: str | os.PathLike[str], *, on_error: OnError = "raise", from_time: str | datetime | None = None
) -> pd.DataFrame:
    """Read the log of EPFL's Level-3 station (github.com/DESL-EPFL/Level-3-EV-charging-dataset, MIT) as CSV.

    Its columns are ``session``, ``ccs``, ``arrival``, ``departure``, ``energy_wh``, ``pmax_w``,
    ``preq_max_w``, ``controlled``, ``soc_arrival`` and ``soc_departure`` (%), ``energy_capacity_wh``; others
    are not read. Each car has the typical curve, scaled to its peak: see `load_day`.
    Its charger is ``L3``. The log's dates have no zone: seconds are those of a clock that is never changed.

    Parameters
    ----------
    path : CSV; also packed with gzip
    on_error : ``raise``, or ``skip``: leave bad rows out, with a `SessionsWarning`
    from_time : from when seconds count, as the log writes dates; sessions that began before it are left out.
        Default: midnight before the first arrival

    Returns
    -------
    pandas.DataFrame
        Columns of `read_session_table`, and of the log ``measured_kwh`` and ``measured_kw`` (highest), at the
        charger, ``requested_kw`` (highest), ``limited`` (by the station). ``attrs``: ``start``, when second 0
        is, as ISO text; ``skipped``.

    Raises
    ------
    SessionsError
        With every bad row, by its line in the file; also when the file is missing, damaged or lacks columns.
    ValueError
        On another ``on_error``, or a ``from_time`` that is no date.
    """
    check_choice("on_error", on_error, "raise", "skip")
    since = moment_given(from_time)
    if since is not None and since.tzinfo is not None:
        raise BadValueError(f"from_time must have no offset from UTC, as the log's dates, got {since}")
    needed = ["session", "ccs", "arrival", "departure", *EPFL_FIGURES]
    read = read_csv(*read_text(path), needed, ids="session")
    arrivals, departures = stays(read, "arrival", "departure", zoned=False)
    log = _epfl_log(read)
    frame = pd.DataFrame(
        {
            "session_id": log["session"],
            "charger_id": "L3",
            "connector": [EPFL_PLUGS.get(plug, 0) for plug in read.table["ccs"]],
            "arrival_s": seconds(arrivals),
            "departure_s": seconds(departures),
            "vehicle": _epfl_cars(read, log),
            "arrival_soc": log["soc_arrival"],
            "target_soc": log["soc_departure"],
            "measured_kwh": log["energy_kwh"],
            "measured_kw": log["measured_kw"],
            "requested_kw": log["requested_kw"],
            "limited": log["limited"],
        }
    )
    since = None if since is None else since.replace(tzinfo=UTC)
    frame = usable(read, begun(frame, since), on_error)
    start = count_from_start(frame, UTC, since)
    frame.attrs["start"] = None if start is None else start.replace(tzinfo=None).isoformat()
    return frame


def _epfl_log(read: Reader) -> pd.DataFrame:
    """The log in the units and under the names that `logged_car` knows."""
    figures = {name: read.numbers(name, np.nan) for name in EPFL_FIGURES}
    for name, column in figures.items():
        read.fault(np.isnan(column), f"{name} is empty")
    for name in ("energy_wh", "pmax_w", "preq_max_w"):
        bad = ~((figures[name] > 0.0) & (figures[name] < np.inf))
        read.fault(bad, f"{name} must be a finite number above 0, got {{}}", figures[name])
    energy, limited = figures["energy_wh"], figures["controlled"]
    arrival, departure = figures["soc_arrival"], figures["soc_departure"]
    plugs = read.table["ccs"]
    read.fault(~plugs.isin(list(EPFL_PLUGS)).to_numpy(), "ccs must be CCS1 or CCS2, got {}", plugs.to_numpy())
    read.fault(~np.isin(limited, (0.0, 1.0)), "controlled must be 0 or 1, got {}", limited)
    read.fault(~(departure > arrival), "soc_departure {} is not above soc_arrival {}", departure, arrival)
    return pd.DataFrame(
        {
            "session": read.table["session_id"],
            "energy_kwh": energy / 1000.0,
            "soc_arrival": arrival / 100.0,
            "soc_departure": departure / 100.0,
            "battery_kwh": figures["energy_capacity_wh"] / 1000.0,
            "measured_kw": figures["pmax_w"] / 1000.0,
            "requested_kw": figures["preq_max_w"] / 1000.0,
            "limited": limited == 1.0,
        }
    )


def _epfl_cars(read: Reader, log: pd.DataFrame) -> list[Vehicle | None]:
    """The car of each row; None where the row has a fault."""
    cars: list[Vehicle | None] = []
    for row, figures in enumerate(log.to_dict("records")):
        car = None
        if row not in read.faults:
            try:
                # As much as the car asked for, if the station limited it: the station is to do so again.
                car = logged_car(math.inf, figures)
            except VehicleError as error:
                read.faults[row] = str(error)
        cars.append(car)
    return cars


def day_sessions(day: str | Day) -> pd.DataFrame:
    """A shipped day as a table of sessions.

    Parameters
    ----------
    day : its name, one of `electra_core.sessions.days.day_names`, or the day

    Returns
    -------
    pandas.DataFrame
        Columns of `read_session_table`, and ``measured_kwh`` at the charger, where the day was measured. Seconds
        from midnight.

    Raises
    ------
    KeyError
        On an unknown name.
    """
    visits = (load_day(day) if isinstance(day, str) else day).arrivals
    return pd.DataFrame(
        {
            "session_id": [visit.name for visit in visits],
            "charger_id": [visit.charger_id for visit in visits],
            "connector": [visit.connector for visit in visits],
            "arrival_s": [visit.arrival_s for visit in visits],
            "departure_s": [visit.departure_s for visit in visits],
            "vehicle": [visit.vehicle for visit in visits],
            "arrival_soc": [visit.arrival_soc for visit in visits],
            "target_soc": [visit.target_soc for visit in visits],
            "measured_kwh": np.array([visit.measured_kwh for visit in visits], dtype=np.float64),
        }
    )
