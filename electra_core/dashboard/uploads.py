"""Readers of what a visitor uploads: a configuration, sessions, events. Nothing of it is trusted."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import TypeVar

import numpy as np
import pandas as pd

from electra_core.allocation import Strategy
from electra_core.dashboard.widgets.file_transfer import MAX_BYTES, MAX_DRAWN_CONNECTORS
from electra_core.errors import BadValueError, ReplayError, clipped, is_finite
from electra_core.sessions import (
    ANY,
    Arrival,
    SessionsError,
    SessionTable,
    read_acn,
    read_epfl,
    read_session_table,
    read_sessions,
)
from electra_core.station import ChargingCurve, Station, StationConfig, Vehicle, load_config, read_events

DAY_S = 86_400.0
MAX_ARRIVALS = 2_000
# Longest record of events.
MAX_DAYS = 60

# Most chargers that a message names.
MAX_NAMES = 4

# Columns that an arrival has under the same name.
NUMBERS = ("arrival_s", "departure_s", "arrival_soc", "target_soc", "patience_s", "priority", "weight")

GZIP = b"\x1f\x8b"
BLANK = b"\xef\xbb\xbf \t\r\n"

Read = TypeVar("Read")


def uploaded_config(name: str, content: bytes) -> StationConfig:
    """Return the station of a configuration file.

    Raises
    ------
    ConfigError, BadValueError
        When the file has mistakes, or more connectors than the page can draw.
    """
    config = _from_file(name, content, load_config)
    if len(config.connectors) > MAX_DRAWN_CONNECTORS:
        raise BadValueError(
            f"{plain_name(name)} has {len(config.connectors)} connectors, and this page draws"
            f" {MAX_DRAWN_CONNECTORS} at most; simulate has no such limit"
        )
    return config


def uploaded_sessions(name: str, content: bytes) -> pd.DataFrame:
    """Return the sessions of a log: a plain CSV, EPFL's, or ACN-Data as CSV or JSON, told apart by its start.

    Raises
    ------
    SessionsError, BadValueError
        When the file has another format, or faults; with the lines that are wrong.
    """
    return _from_file(name, content, _reader_of(content))


def _reader_of(content: bytes) -> Callable[[Path], pd.DataFrame]:
    """Return the reader of a log's format, which its first line tells."""
    start = content[:20_000].lstrip(BLANK)
    header = {cell.strip(b' "') for cell in (start.splitlines() or [b""])[0].split(b",")}
    if start[:1] in (b"{", b"[") or {b"arrival", b"departure", b"station_id"} <= header:
        return read_acn
    return read_epfl if {b"ccs", b"energy_wh"} <= header else read_sessions


def checked_table(name: str, table: pd.DataFrame, config: StationConfig) -> SessionTable:
    """Return the checked sessions of an uploaded table at a station; faults carry the file's name.

    Raises
    ------
    SessionsError, BadValueError
        When the table does not fit the station.
    """
    wanted = list(dict.fromkeys(table["charger_id"].dropna())) if "charger_id" in table.columns else []
    if wanted and not set(wanted) & set(config.charger_kw):
        raise BadValueError(
            f"{plain_name(name)} is for other chargers ({_few(wanted)}); {config.station_id} has"
            f" {_few(list(config.charger_kw))}"
        )
    try:
        return read_session_table(table, config)
    except SessionsError as error:
        raise SessionsError(plain_name(name), error.faults) from None


def _few(names: Sequence[object]) -> str:
    """Return the first names, and the number of the others."""
    more = f" and {len(names) - MAX_NAMES:,} more" if len(names) > MAX_NAMES else ""
    return ", ".join(clipped(str(name)) for name in names[:MAX_NAMES]) + more


def from_today(table: pd.DataFrame) -> pd.DataFrame:
    """Return a log without the whole days before its first arrival."""
    first_s = float(pd.to_numeric(table["arrival_s"]).min()) if len(table) else 0.0
    if not np.isfinite(first_s) or first_s < DAY_S:
        return table
    moved = {
        name: table[name] - DAY_S * (first_s // DAY_S)
        for name in ("arrival_s", "departure_s")
        if name in table.columns
    }
    return table.assign(**moved)


def uploaded_arrivals(name: str, content: bytes, config: StationConfig) -> tuple[Arrival, ...]:
    """Return the arrivals of an uploaded log at a station.

    Raises
    ------
    SessionsError, BadValueError
        When the log has faults, does not fit the station, or is too long for the page.
    """
    table = checked_table(name, from_today(uploaded_sessions(name, content)), config)
    if not 1 <= len(table) <= MAX_ARRIVALS:
        count = f"{len(table):,} sessions" if len(table) else "no sessions"
        raise BadValueError(
            f"{plain_name(name)} has {count}; this page plays 1 to {MAX_ARRIVALS:,}, and the page of"
            " comparisons more"
        )
    return arrivals_of_table(table, config)


def uploaded_station(
    name: str,
    content: bytes,
    config: StationConfig,
    strategies: Mapping[str, Strategy] = MappingProxyType({}),
) -> Station:
    """Return the station to which a record of events leads.

    Raises
    ------
    ReplayError
        When the record is damaged, belongs to another station, or would take too long to play.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # replay leaves out a last line that is cut off, and warns
        station = _from_file(name, content, lambda path: _replayed(path, config, strategies))
    if not station.events:
        raise ReplayError(f"{plain_name(name)} is no record of events")
    return station


def _replayed(path: Path, config: StationConfig, strategies: Mapping[str, Strategy]) -> Station:
    """Return the station of a record. A few lines can be years, which would keep a kernel busy for hours."""
    waits = [event.arguments.get("seconds") for _, event in read_events(path) if event.call == "advance"]
    days = sum(max(0.0, float(str(seconds))) for seconds in waits if is_finite(seconds)) / DAY_S
    if days > MAX_DAYS:
        raise ReplayError(f"{path.name} lasts {days:,.0f} days; this page plays {MAX_DAYS} at most")
    return Station.replay(config, path, strategies)


def _from_file(name: str, content: bytes, read: Callable[[Path], Read]) -> Read:
    """Read content from a file of its own name, so that messages carry it."""
    plain = plain_name(name)
    if not content.strip(BLANK):
        raise BadValueError(f"{plain} is empty")
    if len(content) > MAX_BYTES:
        size, most = len(content) / 1e6, MAX_BYTES / 1e6
        raise BadValueError(f"{plain} has {size:.1f} MB; this page takes {most:.0f} MB at most")
    if content.startswith(GZIP):  # a few compressed bytes may become gigabytes
        raise BadValueError(f"{plain} is packed with gzip; unpack it first")
    with TemporaryDirectory() as folder:
        path = Path(folder) / plain
        path.write_bytes(content)
        return read(path)


def plain_name(name: str) -> str:
    """Return a file's name as plain text, without folders and without characters that HTML reads."""
    last = str(name).replace("\\", "/").rsplit("/", 1)[-1]
    plain = "".join(letter for letter in last if letter.isalnum() or letter in "._- ")
    return plain[-60:].strip(". ") or "the file"


def arrivals_of_table(table: SessionTable, config: StationConfig) -> tuple[Arrival, ...]:
    """Return the arrivals of a checked table, in order."""
    connectors, chargers = list(config.connectors), list(config.charger_kw)
    points = list(zip(table.curve_soc.tolist(), table.curve_kw.tolist(), strict=True))
    curves = [ChargingCurve(points[start:end]) for start, end in pairwise(table.curve_start)]
    numbers = zip(*(getattr(table, name).tolist() for name in NUMBERS), strict=True)
    arrivals = []
    for row, values in enumerate(numbers):
        charger, connector = int(table.charger[row]), int(table.connector[row])
        charger_id, number = (None if charger == ANY else chargers[charger]), None
        if connector != ANY:
            charger_id, number = connectors[connector]
        name = str(table.session_id[row])
        vehicle = Vehicle(
            max_power_kw=float(table.max_kw[row]),
            battery_kwh=float(table.battery_kwh[row]),
            curve=None if table.curve[row] < 0 else curves[table.curve[row]],
            min_power_kw=float(table.min_kw[row]),
            name=clipped(f"Car {''.join(filter(str.isprintable, name))}"),
        )
        known = dict(zip(NUMBERS, values, strict=True))
        arrivals.append(Arrival(name=name, vehicle=vehicle, charger_id=charger_id, connector=number, **known))
    return tuple(arrivals)
