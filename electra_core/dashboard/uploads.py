"""What a visitor brings: a station's file, sessions, a record of events. Nothing of it is trusted."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import TypeVar

import pandas as pd

from electra_core.config import StationConfig, load_config
from electra_core.dashboard.files import MOST_BYTES
from electra_core.dashboard.script import Guest
from electra_core.refusals import BadValueError, shortened
from electra_core.sessions import SessionsWarning, read_acn, read_epfl, read_sessions, read_visits
from electra_core.sessions.table import ANY, Visits
from electra_core.station import Station
from electra_core.strategies import Strategy
from electra_core.vehicles import ChargingCurve, Vehicle

# What the page can draw and a person can read.
MOST_CONNECTORS = 60
MOST_GUESTS = 2_000

Read = TypeVar("Read")


def uploaded_config(name: str, content: bytes) -> StationConfig:
    """A station of a file in the exercise's format.

    Raises
    ------
    ConfigError, BadValueError
        When it is none, or has more connectors than the page can draw.
    """
    config = _from_file(name, content, load_config)
    if len(config.plugs) > MOST_CONNECTORS:
        raise BadValueError(
            f"{shortened(name)} has {len(config.plugs)} connectors, and this page draws {MOST_CONNECTORS} at"
            " most; simulate has no such limit"
        )
    return config


def uploaded_sessions(name: str, content: bytes) -> pd.DataFrame:
    """A log: a plain CSV, EPFL's, or one of ACN-Data; which one it is, its beginning tells.

    Raises
    ------
    SessionsError, BadValueError
        When it is none of them, with the lines that are wrong.
    """
    start = content[:2000]
    if start.lstrip()[:1] in (b"{", b"["):
        read: Callable[[Path], pd.DataFrame] = read_acn
    elif b"connectionTime" in start:
        read = read_acn
    elif b"energy_wh" in start.lower():
        read = read_epfl
    else:
        read = read_sessions
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SessionsWarning)
        return _from_file(name, content, read)


def uploaded_guests(name: str, content: bytes, config: StationConfig) -> tuple[Guest, ...]:
    """The cars of a table of sessions, as they come to a station.

    Raises
    ------
    SessionsError, BadValueError
        When the table is wrong, does not fit the station, or is too long for the page.
    """
    visits = read_visits(uploaded_sessions(name, content), config)
    if not 1 <= len(visits) <= MOST_GUESTS:
        count = f"{len(visits):,} sessions" if len(visits) else "no sessions"
        raise BadValueError(
            f"{shortened(name)} has {count}; this page plays 1 to {MOST_GUESTS:,}, and the page"
            " compare.ipynb any number"
        )
    return guests_of_table(visits, config)


def uploaded_station(
    name: str,
    content: bytes,
    config: StationConfig,
    strategies: Mapping[str, Strategy] = MappingProxyType({}),
) -> Station:
    """The station that a record of events leads to.

    Raises
    ------
    ReplayError
        When the record is damaged or belongs to another station.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a last line that is cut off is left out
        return _from_file(name, content, lambda path: Station.replay(config, path, strategies))


def _from_file(name: str, content: bytes, read: Callable[[Path], Read]) -> Read:
    """Read content as the file that it was: messages then carry its name."""
    if not isinstance(content, bytes) or not content.strip():
        raise BadValueError(f"{shortened(name)} is empty")
    if len(content) > MOST_BYTES:
        size, most = len(content) / 1e6, MOST_BYTES / 1e6
        raise BadValueError(f"{shortened(name)} has {size:.0f} MB; this page takes {most:.0f} MB at most")
    # A name is only for people: no folder of it is followed, and no strange letter of it is used.
    plain = "".join(letter for letter in Path(str(name)).name if letter.isalnum() or letter in "._- ")[-60:]
    with TemporaryDirectory() as folder:
        path = Path(folder) / (plain.strip(". ") or "upload")
        path.write_bytes(content)
        return read(path)


def guests_of_table(visits: Visits, config: StationConfig) -> tuple[Guest, ...]:
    """The cars of a checked table, in the order of their arrival; a log that begins later begins here."""
    days_s = 86_400.0 * (float(visits.arrival_s[0]) // 86_400.0)
    places, chargers = list(config.plugs), [charger.id for charger in config.chargers]
    guests = []
    for row in range(len(visits)):
        slot, charger = int(visits.slot[row]), int(visits.charger[row])
        place = places[slot] if slot != ANY else (None if charger == ANY else chargers[charger], None)
        guests.append(
            Guest(
                name=str(visits.session_id[row]),
                vehicle=_vehicle(visits, row),
                arrival_s=float(visits.arrival_s[row]) - days_s,
                departure_s=float(visits.departure_s[row]) - days_s,
                arrival_soc=float(visits.arrival_soc[row]),
                target_soc=float(visits.target_soc[row]),
                charger_id=place[0],
                connector=place[1],
                patience_s=float(visits.patience_s[row]),
                priority=float(visits.priority[row]),
                weight=float(visits.weight[row]),
            )
        )
    return tuple(guests)


def _vehicle(visits: Visits, row: int) -> Vehicle:
    number, curve = int(visits.curve[row]), None
    if number >= 0:
        points = slice(visits.curve_start[number], visits.curve_start[number + 1])
        curve = ChargingCurve(
            [
                (float(soc), float(kw))
                for soc, kw in zip(visits.curve_soc[points], visits.curve_kw[points], strict=True)
            ]
        )
    name = "".join(letter for letter in str(visits.session_id[row]) if letter.isprintable())
    return Vehicle(
        max_power_kw=float(visits.max_kw[row]),
        battery_kwh=float(visits.battery_kwh[row]),
        curve=curve,
        min_power_kw=float(visits.min_kw[row]),
        name=f"Car {name}",
    )
