"""The record of a station: accepted calls as events, one a line of plain JSON, and back to calls."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeAlias

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from electra_core.allocation import Strategy
from electra_core.errors import BadValueError, ReplayError, cause_of, shortened
from electra_core.station.vehicles import Vehicle

CALLS: tuple[str, ...] = ("plug_in", "unplug", "advance", "report_draw")
CALLS += ("set_site_limit", "set_static_load", "set_available", "set_strategy")

# Not a call: the station notes by itself when it falls back to its fail-safe limit, and when it recovers.
FAIL_SAFE = "fail_safe"


class JournalWarning(UserWarning):
    """A warning: the last line of a journal is cut off or damaged, and is left out."""


class Event(BaseModel):
    """An event: an accepted call with its time (s on the station's clock) and arguments, as plain JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    at_s: float
    call: str
    arguments: dict[str, JsonValue]


# A file, or events as they are or as plain JSON; and a user's own strategies by name.
EventSource: TypeAlias = str | os.PathLike[str] | Iterable[Event | Mapping[str, Any]]
Strategies: TypeAlias = Mapping[str, Strategy]
NO_STRATEGIES: Strategies = MappingProxyType({})


def call_of(event: Event, strategies: Strategies) -> tuple[str, dict[str, Any]]:
    """Return name and arguments of a recorded call; ``strategies`` holds the user's own functions by name."""
    if event.call not in CALLS:
        raise BadValueError(f"there is no call {event.call!r}")
    arguments: dict[str, Any] = dict(event.arguments)
    if event.call == "plug_in":
        arguments["vehicle"] = Vehicle.from_json(arguments.get("vehicle"))
    if event.call == "set_strategy":
        name = str(arguments.get("strategy"))
        arguments["strategy"] = strategies.get(name, name)
    return event.call, arguments


def write_journal(events: Iterable[Event], path: str | os.PathLike[str]) -> None:
    """Write events to a file, one a line; an existing file is replaced in one step."""
    text = "".join(f"{event.model_dump_json()}\n" for event in events)
    target = Path(path)
    try:
        draft = target.with_name(f"{target.name}.draft")
        draft.write_text(text, encoding="utf-8")
        draft.replace(target)
    except (OSError, ValueError) as error:
        raise BadValueError(f"{target.name or 'the journal'} cannot be written: {cause_of(error)}") from None


def read_events(source: EventSource) -> Iterator[tuple[str, Event]]:
    """Yield the events of a file or a list, each with the words that name its place.

    A damaged event is a `ReplayError`, but the last line of a file gives a `JournalWarning` and is left out:
    a machine that stops while writing leaves half of it.
    """
    if isinstance(source, str | os.PathLike):
        yield from _lines_of(Path(source))
    elif isinstance(source, bytes) or not isinstance(source, Iterable):
        raise ReplayError(f"events must be a list of records or a file, got {shortened(source)}")
    else:
        for count, record in enumerate(source, start=1):
            try:
                yield f"event {count}", Event.model_validate(record)
            except ValidationError as error:
                raise ReplayError(f"event {count} is damaged: {_words(error)}") from None


def _lines_of(path: Path) -> Iterator[tuple[str, Event]]:
    try:
        content = path.read_bytes()
    except (OSError, ValueError) as error:
        raise ReplayError(f"{path.name} cannot be read: {cause_of(error)}") from None
    # Split at line feeds only: names may hold other characters that end a line.
    lines = [(number, line) for number, line in enumerate(content.split(b"\n"), start=1) if line.strip()]
    for number, line in lines:
        try:
            yield f"line {number} of {path.name}", Event.model_validate_json(line)
        except ValidationError as error:
            if number == lines[-1][0]:
                said = f"line {number} of {path.name}, the last one, is cut off or damaged and is left out"
                warnings.warn(f"{said}: {_words(error)}", JournalWarning, stacklevel=2)
                return
            raise ReplayError(f"line {number} of {path.name} is damaged: {_words(error)}") from None


def _words(error: ValidationError) -> str:
    first = error.errors()[0]
    place = ".".join(str(step) for step in first["loc"])
    return f"{place}: {first['msg']}" if place else first["msg"]
