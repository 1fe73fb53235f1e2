"""The dates of a log, and seconds from its beginning."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from email.utils import parsedate_to_datetime

import numpy as np
import pandas as pd

from electra_core.errors import BadValueError, shortened
from electra_core.sessions.columns import Floats, Reader

# Logs of charging stations are of these years; others are slips, and the ends of the calendar have no zones.
FIRST_YEAR, LAST_YEAR = 1971, 2199


def moments(read: Reader, name: str, *, zoned: bool) -> list[datetime | None]:
    """A column of dates; where one cannot be meant, a fault and None.

    Parameters
    ----------
    read : the log
    name : of the column; ISO 8601, or as mail and HTTP write dates: ``Wed, 25 Apr 2018 11:08:04 GMT``
    zoned : whether each date must have an offset from UTC; otherwise none may have one, and the log's own
        clock is read as if it were UTC
    """
    found: list[datetime | None] = []
    for row, cell in enumerate(read.table[name]):
        moment = _moment(cell)
        if moment is None:
            what = f"must be a date and time of the years {FIRST_YEAR} to {LAST_YEAR}, got {shortened(cell)}"
            read.faults.setdefault(row, f"{name} is empty" if pd.isna(cell) is True else f"{name} {what}")
        elif (moment.tzinfo is not None) != zoned:
            must = "must" if zoned else "must not"
            read.faults.setdefault(row, f"{name} {must} have an offset from UTC, got {shortened(cell)}")
            moment = None
        found.append(moment if moment is None or zoned else moment.replace(tzinfo=UTC))
    return found


def _moment(cell: object) -> datetime | None:
    """A date in one of the two spellings, or None."""
    if not isinstance(cell, str):
        return None
    try:
        moment = datetime.fromisoformat(cell.strip())
    except ValueError:
        try:
            moment = parsedate_to_datetime(cell)
        except (ValueError, TypeError, IndexError, OverflowError):
            return None
    return moment if FIRST_YEAR <= moment.year <= LAST_YEAR else None


def seconds(found: list[datetime | None]) -> Floats:
    """Dates as s since 1970; not a number where there is none."""
    return np.array([np.nan if moment is None else moment.timestamp() for moment in found], dtype=np.float64)


def stays(
    read: Reader, arrival: str, departure: str, *, zoned: bool
) -> tuple[list[datetime | None], list[datetime | None]]:
    """When each session begins and ends."""
    arrivals, departures = moments(read, arrival, zoned=zoned), moments(read, departure, zoned=zoned)
    for row, (begins, ends) in enumerate(zip(arrivals, departures, strict=True)):
        if begins is not None and ends is not None and ends < begins:
            early, late = (shortened(read.table[name].iloc[row]) for name in (departure, arrival))
            read.faults.setdefault(row, f"{departure} {early} is before {arrival} {late}")
    return arrivals, departures


def moment_given(from_time: str | datetime | None) -> datetime | None:
    """The user's own date, or a `BadValueError`."""
    if from_time is None:
        return None
    moment = from_time if isinstance(from_time, datetime) else _moment(from_time)
    if moment is None or pd.isna(moment) or not FIRST_YEAR <= moment.year <= LAST_YEAR:
        raise BadValueError(
            f"from_time must be a date and time of the years {FIRST_YEAR} to {LAST_YEAR}, like"
            f" '2022-10-18 06:00', got {shortened(from_time)}"
        )
    return moment


def begun(frame: pd.DataFrame, since: datetime | None) -> pd.DataFrame:
    """The rows but those that began before; a row whose arrival nobody can read stays."""
    return frame if since is None else frame[~(frame["arrival_s"] < since.timestamp())]


def count_from_start(frame: pd.DataFrame, zone: tzinfo, since: datetime | None) -> datetime | None:
    """Turn s since 1970 into s from the beginning: ``since``, or midnight before the first arrival.

    Returns
    -------
    datetime or None
        The beginning; None where nobody arrives and nobody said.
    """
    if since is None and len(frame):
        first = datetime.fromtimestamp(frame["arrival_s"].min(), zone)
        since = first.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    for name in ("arrival_s", "departure_s", "stated_departure_s"):
        if name in frame.columns and since is not None:
            frame[name] -= since.timestamp()
    return since
