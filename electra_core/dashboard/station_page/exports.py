"""What a visitor can take along: sessions, events, a result, Python lines that lead to the station."""

from __future__ import annotations

import csv
import io
import itertools
import json
import keyword
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from electra_core.allocation import STRATEGIES, Strategy
from electra_core.errors import BadValueError
from electra_core.station import FAIL_SAFE, Event, Session, Station, call_of

# A spreadsheet takes a cell that begins so for a formula.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")

STEP_S = 60.0


def file_stem(station: Station) -> str:
    """A name for files: the station's, in letters that every system knows."""
    name = station.config.station_id
    return "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in name)[:40]


def sessions_csv(station: Station, own: Mapping[str, Strategy]) -> bytes:
    """Every session so far, a line each; `electra_core.sessions.read_sessions` reads it back as wishes.

    ``energy_kwh`` is what the car wanted, or where nobody knows, what it got, as ``delivered_kwh``.
    """
    rows = []
    for session, left_s in sessions_so_far(station, own):
        wanted_kwh = session.energy_kwh + (session.remaining_kwh or 0.0)
        row = (
            session.session_id,
            session.vehicle.name,
            session.charger_id,
            session.connector,
            session.arrived_s,
            left_s,
            session.vehicle.max_power_kw,
            wanted_kwh,
            session.energy_kwh,
            session.boost_kwh,
            session.arrival_soc,
            session.soc,
            session.target_soc if session.soc is not None else None,
        )
        rows.append(row)
    return csv_of(COLUMNS, rows)


COLUMNS = (
    "session_id",
    "car",
    "charger_id",
    "connector",
    "arrival_s",
    "departure_s",
    "max_power_kw",
    "energy_kwh",
    "delivered_kwh",
    "from_battery_kwh",
    "soc_on_arrival",
    "soc_last",
    "soc_target",
)


def csv_of(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    """A CSV of rows, which no spreadsheet takes for formulas."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(columns)
    table.writerows([safe_cell(value) for value in row] for row in rows)
    return text.getvalue().encode()


def safe_cell(value: object) -> object:
    """A cell of a CSV that no spreadsheet takes for a formula; None is an empty one."""
    if isinstance(value, str) and (value.startswith(FORMULA) or value.lstrip().startswith(FORMULA)):
        return f"'{value}"
    return "" if value is None else value


def sessions_so_far(station: Station, own: Mapping[str, Strategy]) -> list[tuple[Session, float | None]]:
    """Every session in the order of its arrival, and when it left, s; None: it is here.

    The record is replayed: a station keeps no sessions that have ended.
    """
    ended: list[tuple[Session, float | None]] = []
    replayed = Station(station.config)
    for event in station.events:
        if event.call == FAIL_SAFE:
            continue
        call, arguments = call_of(event, own)
        result = getattr(replayed, call)(**arguments)
        if isinstance(result, Session):
            ended.append((result, replayed.now_s))
    here: list[tuple[Session, float | None]] = [
        (session, None) for session in station.state.sessions.values()
    ]
    # S9999 is before S10000.
    return sorted([*ended, *here], key=lambda entry: (len(entry[0].session_id), entry[0].session_id))


def events_json(station: Station) -> bytes:
    """The record, one event a line, as `Station.save_events` writes it."""
    return "".join(f"{event.model_dump_json()}\n" for event in station.events).encode()


def python_lines(station: Station) -> bytes:
    """A program that leads to the very same station, to the last bit."""
    config = json.loads(station.config.model_dump_json(by_alias=True, exclude_none=True))
    strategies = sorted(
        {str(event.arguments["strategy"]) for event in station.events if event.call == "set_strategy"}
        - set(STRATEGIES)
    )
    lines = [
        f'"""{_quiet(station.config.station_id)}, as it was on the page."""',
        "",
        "from electra_core import Station, Vehicle, load_config",
        "",
        f"station = Station(load_config({config!r}))",
        *(f"# Define your own function {_variable(name)} before you use it." for name in strategies),
        *_calls(station.events, strategies),
        "print(station.status().delivered_kwh)",
        "",
    ]
    return "\n".join(lines).encode()


def _quiet(name: str) -> str:
    """A name inside a string of a program: nothing in it ends the string."""
    return "".join(letter if letter.isprintable() and letter not in '"\\' else " " for letter in name)


def _variable(name: str) -> str:
    """What a program calls a function of this name: a lambda has none."""
    return name if name.isidentifier() and not keyword.iskeyword(name) else "my_strategy"


def _calls(events: Sequence[Event], own: Sequence[str]) -> list[str]:
    lines = []
    for line, repeated in itertools.groupby(_call(event, own) for event in events if event.call != FAIL_SAFE):
        count = sum(1 for _ in repeated)
        lines += [line] if count == 1 else [f"for _ in range({count}):", f"    {line}"]
    return lines


def _call(event: Event, own: Sequence[str]) -> str:
    arguments: dict[str, Any] = {name: value for name, value in event.arguments.items() if value is not None}
    if event.call == "set_site_limit" and not arguments:
        arguments = {"kw": None}
    shown = {name: repr(value) for name, value in arguments.items()}
    if event.call == "plug_in":
        shown["vehicle"] = f"Vehicle.from_json({arguments['vehicle']!r})"
    if event.call == "set_strategy" and arguments["strategy"] in own:
        shown["strategy"] = _variable(str(arguments["strategy"]))
    return f"station.{event.call}({', '.join(f'{name}={value}' for name, value in shown.items())})"


def result_parquet(station: Station, own: Mapping[str, Strategy]) -> bytes:
    """The same cars, limit and static load, played by `simulate`: a `Result` in one Parquet file.

    Faults, silences and measured draws are a live station's and not in it; the strategy is the last one,
    from the beginning.

    Raises
    ------
    BadValueError
        When there is nothing to play.
    """
    # pandas and the compiled clock are loaded only where somebody asks for them.
    import pandas as pd

    from electra_core.simulation import simulate

    sessions = sessions_so_far(station, own)
    if not sessions:
        raise BadValueError("no car has come yet: there is no result to keep")
    table = pd.DataFrame(
        {
            "session_id": [session.session_id for session, _ in sessions],
            "arrival_s": [session.arrived_s for session, _ in sessions],
            "departure_s": [left_s for _, left_s in sessions],
            "vehicle": [session.vehicle for session, _ in sessions],
            "arrival_soc": [session.arrival_soc for session, _ in sessions],
            "target_soc": [_target(session) for session, _ in sessions],
            "energy_kwh": [ENDLESS_KWH if session.soc is None else None for session, _ in sessions],
            "charger_id": [session.charger_id for session, _ in sessions],
            "connector": [session.connector for session, _ in sessions],
            "priority": [session.priority for session, _ in sessions],
            "weight": [session.weight for session, _ in sessions],
        }
    )
    horizon_s = max(station.now_s, STEP_S)
    steps = math.ceil(horizon_s / STEP_S)
    result = simulate(
        station.config,
        table,
        station.state.strategy,
        step_s=STEP_S,
        horizon_s=horizon_s,
        site_limit_kw=_profile(station, "set_site_limit", station.config.grid_capacity_kw, steps),
        static_load_kw=_profile(station, "set_static_load", station.config.static_load_kw, steps),
    )
    with TemporaryDirectory() as folder:
        path = Path(folder) / "result.parquet"
        result.save(path)
        return path.read_bytes()


# A custom car is never full: more than anybody can get in the time.
ENDLESS_KWH = 1e5


def _target(session: Session) -> float | None:
    return None if session.soc is None else session.target_soc


def _profile(station: Station, call: str, first_kw: float, steps: int) -> list[float]:
    """What was set last before each step began, kW."""
    values, kw = [], first_kw
    changes = [event for event in station.events if event.call == call]
    for step in range(steps):
        while changes and changes[0].at_s <= step * STEP_S:
            told_kw = changes.pop(0).arguments["kw"]
            kw = first_kw if told_kw is None else float(str(told_kw))
        values.append(kw)
    return values


# What can be kept: the end of the file's name, its kind, and who makes it.
KINDS: dict[str, tuple[str, str, Callable[[Station, Mapping[str, Strategy]], bytes]]] = {
    "sessions": ("sessions.csv", "text/csv", sessions_csv),
    "events": ("events.jsonl", "application/json", lambda station, _: events_json(station)),
    "python": ("station.py", "text/x-python", lambda station, _: python_lines(station)),
    "result": ("result.parquet", "application/octet-stream", result_parquet),
}


def kept(kind: str, station: Station, own: Mapping[str, Strategy]) -> tuple[str, str, bytes]:
    """Name, kind and content of a file to keep.

    Raises
    ------
    BadValueError
        On a kind that is none, or where there is nothing to keep.
    """
    if kind not in KINDS:
        raise BadValueError(f"there is no file {kind!r}")
    ending, mime, make = KINDS[kind]
    return f"{file_stem(station)}_{ending}", mime, make(station, own)
