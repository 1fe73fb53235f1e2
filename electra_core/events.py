"""The record of a station: one accepted call an event, as plain JSON, and back to a call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, JsonValue

from electra_core.refusals import BadValueError
from electra_core.strategies import Rank
from electra_core.vehicles import Vehicle

CALLS = (
    "plug_in",
    "unplug",
    "advance",
    "set_site_limit",
    "set_static_load",
    "set_available",
    "set_strategy",
)


class Event(BaseModel):
    """One accepted call: when (s on the station's clock), which, and with what, as plain JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    at_s: float
    call: str
    arguments: dict[str, JsonValue]


def call_of(event: Event, strategies: Mapping[str, Rank]) -> tuple[str, dict[str, Any]]:
    """Name and arguments of the recorded call; ``strategies`` holds the user's own functions by name.

    Raises
    ------
    BadValueError, VehicleError
        When no station has such a call, or the record does not describe its car.
    """
    if event.call not in CALLS:
        raise BadValueError(f"there is no call {event.call!r}")
    arguments: dict[str, Any] = dict(event.arguments)
    if event.call == "plug_in":
        arguments["vehicle"] = Vehicle.from_json(arguments.get("vehicle"))
    if event.call == "set_strategy":
        name = str(arguments.get("strategy"))
        arguments["strategy"] = strategies.get(name, name)
    return event.call, arguments
