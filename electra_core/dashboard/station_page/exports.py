"""Files to take along: sessions, events, a simulated result, Python lines that lead to the station."""

from __future__ import annotations

import json
import keyword
import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from operator import attrgetter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from electra_core.allocation import STRATEGIES
from electra_core.dashboard.files import csv_of
from electra_core.dashboard.station_page.record import RecordedStation
from electra_core.errors import BadValueError
from electra_core.station import FAIL_SAFE, Event, Session

STEP_S = 60.0

# Events of one file: some seconds of work, and more than the page loads again.
MAX_EVENTS = 500_000

# A custom car is never full: more than it can get in the time.
ENDLESS_KWH = 1e5


# Columns of the sessions, and the attributes of a session that they hold; None: computed.
COLUMNS = {
    "session_id": "session_id",
    "car": "vehicle.name",
    "charger_id": "charger_id",
    "connector": "connector",
    "arrival_s": "arrived_s",
    "departure_s": None,
    "max_power_kw": "vehicle.max_power_kw",
    "energy_kwh": None,
    "delivered_kwh": "energy_kwh",
    "from_battery_kwh": "boost_kwh",
    "soc_on_arrival": "arrival_soc",
    "soc_last": "soc",
    "soc_target": None,
}


def file_stem(station: RecordedStation) -> str:
    """Return a name for files: the station's, in letters that every system knows."""
    name = station.config.station_id
    return "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in name)[:40]


def sessions_csv(station: RecordedStation) -> bytes:
    """Return every session so far, a line each; `electra_core.sessions.read_sessions` reads it back.

    ``energy_kwh`` is what the car wanted, or where that is not known, what it got, as ``delivered_kwh``.
    """
    return csv_of(list(COLUMNS), [_row(session, left_s) for session, left_s in sessions_so_far(station)])


def _row(session: Session, left_s: float | None) -> list[object]:
    computed = {
        "departure_s": left_s,
        "energy_kwh": session.energy_kwh + (session.remaining_kwh or 0.0),
        "soc_target": _target(session),
    }
    return [attrgetter(path)(session) if path else computed[name] for name, path in COLUMNS.items()]


def sessions_so_far(station: RecordedStation) -> list[tuple[Session, float | None]]:
    """Return every session in the order of its arrival, and when it left, s; None: it is here."""
    here = [(session, None) for session in station.decision.state.sessions.values()]
    # S9999 is before S10000.
    return sorted([*station.ended, *here], key=lambda each: (len(each[0].session_id), each[0].session_id))


def events_json(station: RecordedStation) -> bytes:
    """Return the record, one event a line, as `Station.save_events` writes it."""
    if len(station.record) > MAX_EVENTS:
        count = f"the record has {len(station.record):,} events"
        raise BadValueError(f"{count}, and a file holds {MAX_EVENTS:,} at most: press ↺ Start first")
    return "".join(f"{event.model_dump_json()}\n" for event in station.events).encode()


def python_lines(station: RecordedStation) -> bytes:
    """Return a program that leads to the very same station, to the last bit."""
    config = json.loads(station.config.model_dump_json(by_alias=True, exclude_none=True))
    changes = (event for events, _ in station.runs() for event in events if event.call == "set_strategy")
    own = sorted({str(event.arguments["strategy"]) for event in changes} - set(STRATEGIES))
    lines = [
        f'"""{_quiet(station.config.station_id)}, as it was on the page."""',
        "",
        "from electra_core import Station, Vehicle, load_config",
        "",
        f"station = Station(load_config({config!r}))",
        *(f"# Define your own function {_variable(name)} before you use it." for name in own),
        *_calls(station, own),
        "print(station.status().delivered_kwh)",
        "",
    ]
    return "\n".join(lines).encode()


def _quiet(name: str) -> str:
    """Return a name inside a string of a program: nothing in it ends the string."""
    return "".join(letter if letter.isprintable() and letter not in '"\\' else " " for letter in name)


def _variable(name: str) -> str:
    """Return the name of a function in a program: a lambda has none."""
    return name if name.isidentifier() and not keyword.iskeyword(name) else "my_strategy"


def _calls(station: RecordedStation, own: Sequence[str]) -> Iterator[str]:
    for events, count in station.runs():
        lines = [_call(event, own) for event in events if event.call != FAIL_SAFE]
        if count > 1:
            yield f"for _ in range({count}):"
        yield from (f"    {line}" if count > 1 else line for line in lines)


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


def result_parquet(station: RecordedStation) -> bytes:
    """Return the same cars, limit and static load, played by `simulate`: a `Result` in one Parquet file.

    Faults, silences and measured draws are a live station's and not in it; the strategy is the last one,
    from the beginning.

    Raises
    ------
    BadValueError
        When there is nothing to play.
    """
    # pandas and the compiled engine are loaded only for this file.
    import pandas as pd

    from electra_core.simulation import simulate

    sessions = sessions_so_far(station)
    if not sessions:
        raise BadValueError("no car has come yet: there is no result to export")
    table = pd.DataFrame([_arrival(session, left_s) for session, left_s in sessions])
    horizon_s = max(station.now_s, STEP_S)
    steps = math.ceil(horizon_s / STEP_S)
    result = simulate(
        station.config,
        table,
        station.decision.state.strategy,
        step_s=STEP_S,
        horizon_s=horizon_s,
        site_limit_kw=_profile(station, "set_site_limit", station.config.grid_capacity_kw, steps),
        static_load_kw=_profile(station, "set_static_load", station.config.static_load_kw, steps),
    )
    with TemporaryDirectory() as folder:
        path = Path(folder) / "result.parquet"
        result.save(path)
        return path.read_bytes()


def _arrival(session: Session, left_s: float | None) -> dict[str, object]:
    return {
        "session_id": session.session_id,
        "arrival_s": session.arrived_s,
        "departure_s": left_s,
        "vehicle": session.vehicle,
        "arrival_soc": session.arrival_soc,
        "target_soc": _target(session),
        "energy_kwh": ENDLESS_KWH if session.soc is None else None,
        "charger_id": session.charger_id,
        "connector": session.connector,
        "priority": session.priority,
        "weight": session.weight,
    }


def _target(session: Session) -> float | None:
    return None if session.soc is None else session.target_soc


def _profile(station: RecordedStation, call: str, first_kw: float, steps: int) -> list[float]:
    """Return the value that was set last before each step began, kW."""
    values, kw = [], first_kw
    changes = deque(event for events, _ in station.runs() for event in events if event.call == call)
    for step in range(steps):
        while changes and changes[0].at_s <= step * STEP_S:
            set_kw = changes.popleft().arguments["kw"]
            kw = first_kw if set_kw is None else float(str(set_kw))
        values.append(kw)
    return values


# The end of the file's name, its type, and its maker.
KINDS: dict[str, tuple[str, str, Callable[[RecordedStation], bytes]]] = {
    "sessions": ("sessions.csv", "text/csv", sessions_csv),
    "events": ("events.jsonl", "application/json", events_json),
    "python": ("station.py", "text/x-python", python_lines),
    "result": ("result.parquet", "application/octet-stream", result_parquet),
}


def exported(kind: str, station: RecordedStation) -> tuple[str, str, bytes]:
    """Return name, type and content of a file.

    Raises
    ------
    BadValueError
        On an unknown kind, or where there is nothing to export.
    """
    if kind not in KINDS:
        raise BadValueError(f"there is no file {kind!r}")
    ending, mime, make = KINDS[kind]
    return f"{file_stem(station)}_{ending}", mime, make(station)
