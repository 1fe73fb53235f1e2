"""Timestamps of a log, and their conversion to seconds from the log's start."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from email.utils import parsedate_to_datetime

import numpy as np
import pandas as pd

from electra_core.errors import BadValueError, shortened
from electra_core.sessions.columns import ColumnReader, Floats
from electra_core.station import HOUR_S

DAY_S = 24 * HOUR_S

# Bounds against typing errors: logs of charging stations are of these years, and at the ends of the calendar
# a date has no offset from UTC.
MIN_YEAR, MAX_YEAR = 1971, 2199


def read_column(read: ColumnReader, name: str, *, zoned: bool) -> list[datetime | None]:
    """Return a column of timestamps, with a fault and None for each that cannot be read.

    Parameters
    ----------
    read : reader of the log
    name : of the column; ISO 8601, or as mail and HTTP write dates: ``Wed, 25 Apr 2018 11:08:04 GMT``
    zoned : True: each timestamp must have an offset from UTC; False: none may have one, and the log's own
        clock is read as if it were UTC
    """
    found: list[datetime | None] = []
    for row, cell in enumerate(read.table[name]):
        moment = _parse(cell)
        if moment is None:
            must = f"must be a date and time of the years {MIN_YEAR} to {MAX_YEAR}, got {shortened(cell)}"
            read.add_fault(row, f"{name} is empty" if pd.isna(cell) is True else f"{name} {must}")
        elif (moment.tzinfo is not None) != zoned:
            must = "must" if zoned else "must not"
            read.add_fault(row, f"{name} {must} have an offset from UTC, got {shortened(cell)}")
            moment = None
        found.append(moment if moment is None or zoned else moment.replace(tzinfo=UTC))
    return found


def _parse(cell: object) -> datetime | None:
    """Return a timestamp in one of the two spellings, or None."""
    if not isinstance(cell, str):
        return None
    try:
        moment = datetime.fromisoformat(cell.strip())
    except ValueError:
        try:
            moment = parsedate_to_datetime(cell)
        except (ValueError, TypeError, IndexError, OverflowError):
            return None
    return moment if MIN_YEAR <= moment.year <= MAX_YEAR else None


def seconds(timestamps: list[datetime | None]) -> Floats:
    """Convert timestamps to s since 1970; None becomes NaN."""
    return np.array([np.nan if moment is None else moment.timestamp() for moment in timestamps], np.float64)


def read_presence(
    read: ColumnReader, arrival: str, departure: str, *, zoned: bool
) -> tuple[list[datetime | None], list[datetime | None]]:
    """Return the columns of arrivals and departures, with a fault where a session ends before it begins."""
    arrivals = read_column(read, arrival, zoned=zoned)
    departures = read_column(read, departure, zoned=zoned)
    for row, (begin, end) in enumerate(zip(arrivals, departures, strict=True)):
        if begin is not None and end is not None and end < begin:
            early, late = (shortened(read.table[name].iloc[row]) for name in (departure, arrival))
            read.add_fault(row, f"{departure} {early} is before {arrival} {late}")
    return arrivals, departures


def checked_from_time(from_time: str | datetime | None) -> datetime | None:
    """Return the time from which a user wants a log, or raise a `BadValueError`."""
    if from_time is None:
        return None
    moment = from_time if isinstance(from_time, datetime) else _parse(from_time)
    if moment is None or pd.isna(moment) or not MIN_YEAR <= moment.year <= MAX_YEAR:
        raise BadValueError(
            f"from_time must be a date and time of the years {MIN_YEAR} to {MAX_YEAR}, like"
            f" '2022-10-18 06:00', got {shortened(from_time)}"
        )
    return moment


def begun_since(frame: pd.DataFrame, since: datetime | None) -> pd.DataFrame:
    """Leave out the rows that began earlier; keep those whose arrival could not be read."""
    return frame if since is None else frame[~(frame["arrival_s"] < since.timestamp())]


def count_from_start(frame: pd.DataFrame, zone: tzinfo, since: datetime | None) -> datetime | None:
    """Turn s since 1970 into s from the start, which is ``since`` or midnight before the first arrival.

    Returns
    -------
    datetime or None
        The start; None for an empty frame without ``since``.
    """
    if since is None and len(frame):
        first = datetime.fromtimestamp(frame["arrival_s"].min(), zone)
        since = first.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    for name in ("arrival_s", "departure_s", "stated_departure_s"):
        if name in frame.columns and since is not None:
            frame[name] -= since.timestamp()
    return since
