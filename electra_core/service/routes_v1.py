"""The modern routes: units in every name, idempotency keys, the journal's events, and a stream."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any

from fastapi import APIRouter, Body, Header, Query, Response
from fastapi.responses import JSONResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from electra_core.allocation import STRATEGIES
from electra_core.errors import BadValueError, UnknownSessionError, shortened
from electra_core.service.dependencies import Key, Live
from electra_core.service.live_station import Command, LiveStation
from electra_core.station import (
    Decision,
    Session,
    SessionStatus,
    Station,
    StationStatus,
    Vehicle,
    catalogue,
    read_session,
)

router = APIRouter(prefix="/v1")

# Shortest time between two messages of a stream, s: changes meanwhile are sent as one.
GATHER_S = 0.1

Soc = Annotated[float, Field(ge=0.0, le=1.0)]
Kw = Annotated[float, Field(ge=0.0, le=1e9)]
# The bound is an integer in every database and language; in JSON, 2.0 is an integer too.
Number = Annotated[
    int,
    Field(ge=0, lt=2**31),
    BeforeValidator(lambda said: int(said) if isinstance(said, float) and said.is_integer() else said),
]


class _Body(BaseModel):
    # Strict: true is not a power, and "5" is not a number.
    model_config = ConfigDict(extra="forbid", strict=True)


class NewSession(_Body):
    """A car that arrives: a name of the catalogue, or its highest power and the size of its battery."""

    charger_id: str
    connector: Number
    vehicle: str | None = None
    max_power_kw: Annotated[float, Field(gt=0.0, le=1e9)] | None = None
    battery_kwh: Annotated[float, Field(gt=0.0, le=1e6)] | None = None
    arrival_soc: Soc | None = None
    target_soc: Soc | None = None
    departs_s: Annotated[float, Field(ge=0.0, le=1e12)] | None = None
    priority: Annotated[float, Field(ge=-1e9, le=1e9)] = 0.0
    weight: Annotated[float, Field(gt=0.0, le=1e6)] = 1.0

    def car(self) -> Vehicle:
        """Return the vehicle."""
        if self.vehicle is None:
            if self.max_power_kw is None:
                raise BadValueError("a car needs vehicle, a name of the catalogue, or max_power_kw")
            return Vehicle(self.max_power_kw, battery_kwh=self.battery_kwh)
        given = [name for name in ("max_power_kw", "battery_kwh") if getattr(self, name) is not None]
        if given:
            fixed = " and ".join(given)
            raise BadValueError(f"vehicle names a car of the catalogue, which fixes {fixed}: leave one out")
        if self.vehicle not in catalogue():
            raise BadValueError(
                f"there is no car {shortened(self.vehicle)} in the catalogue: see /v1/vehicles"
            )
        return catalogue()[self.vehicle]


class Drawn(_Body):
    """Power that a car draws, a meter's reading."""

    drawn_kw: Kw


class SiteLimit(_Body):
    """Highest import of the site; null: the capacity of its grid connection."""

    limit_kw: Kw | None


class StaticLoad(_Body):
    """Power that the site itself takes."""

    load_kw: Kw


class ChosenStrategy(_Body):
    """Strategy of the station: a name of ``GET /v1/strategies``."""

    strategy: Annotated[str, Field(json_schema_extra={"enum": list(STRATEGIES)})]


class Availability(_Body):
    """Availability of a connector, of a whole charger (without ``connector``), or of ``battery``."""

    charger_id: str
    connector: Number | None = None
    available: bool


class Passing(_Body):
    """Time that passes at a station with a simulated clock; a day at most, because other calls wait."""

    seconds: Annotated[float, Field(ge=0.0, le=86_400.0)]


# --- reading -----------------------------------------------------------------------------------------


@router.get(
    "/status",
    response_model=StationStatus,
    responses={304: {"description": "Unchanged since the given ETag"}},
)
async def status(
    live: Live, if_none_match: Annotated[str | None, Header(max_length=1000)] = None
) -> Response:
    """Return the station's status, all of one time; its ETag changes when anything in it does."""
    view = live.view
    headers = {"ETag": view.etag, "Cache-Control": "no-cache"}
    known = {each.strip().removeprefix("W/") for each in (if_none_match or "").split(",")}
    if known & {view.etag, "*"}:
        return Response(status_code=304, headers=headers)
    return Response(view.status_json, headers=headers, media_type="application/json")


@router.get("/sessions")
async def sessions(live: Live) -> list[dict[str, Any]]:
    """List the sessions of all cars that are connected."""
    return [_session_json(*each) for each in live.view.status.sessions]


@router.get("/sessions/{session_id}")
async def session(live: Live, session_id: str) -> dict[str, Any]:
    """Return the session of one car that is connected."""
    return _session_of(live.view.decision, session_id)


@router.get("/sessions/{session_id}/explanation")
def explanation(live: Live, session_id: str) -> dict[str, Any]:
    """Explain a session's power, and return what one more kW of each exhausted limit would give."""
    why = live.view.explain(session_id)
    return {"session_id": session_id, "explanation": str(why), "gain_per_kw": dict(why.gain_per_kw)}


@router.get("/config")
async def config(live: Live) -> dict[str, Any]:
    """Return the station's configuration, as in its file."""
    return live.config.model_dump(mode="json", by_alias=True, exclude_none=True)


@router.get("/clock")
async def clock(live: Live) -> dict[str, Any]:
    """Return the station's clock, s since it began.

    ``began_unix_s`` is the time of day when it showed 0, s (Unix); null where the clock is simulated.
    ``notice`` is a sentence while the time of day has jumped and is not followed; otherwise null.
    """
    return {
        "now_s": live.view.decision.state.now_s,
        "simulated": live.simulated,
        "began_unix_s": live.began_unix_s,
        "notice": live.clock_notice or None,
    }


@router.get("/vehicles")
async def vehicles() -> list[str]:
    """List the names of the catalogue's cars."""
    return list(catalogue())


@router.get("/strategies")
async def strategies() -> list[str]:
    """List the names of the strategies."""
    return list(STRATEGIES)


@router.get("/events", response_model=list[dict[str, Any]])
def events(
    live: Live,
    since: Annotated[int, Query(ge=0, lt=2**63)] = 0,
    most: Annotated[int, Query(ge=1, le=10_000)] = 1000,
) -> Response:
    """Return the journal after an event, by its number, in order.

    At least the last 100,000 events are kept. For earlier ones the answer is 410, and names the oldest.
    """
    # Serialised in this thread: ten thousand events would keep other calls waiting.
    return Response(json.dumps(live.events(since, most)), media_type="application/json")


@router.get("/stream", response_class=EventSourceResponse)
async def stream(live: Live) -> AsyncIterator[ServerSentEvent]:
    """Send the allocation at once, after every change and as time passes (server-sent events).

    Each ``allocation`` is of one time. Its id is the number of the last event; time alone does not change it.
    """
    changed, loop = asyncio.Event(), asyncio.get_running_loop()
    unsubscribe = live.subscribe(lambda: loop.call_soon_threadsafe(changed.set))
    try:
        yield live.view.sse_message
        while not live.closed:
            await changed.wait()
            changed.clear()
            yield live.view.sse_message
            await asyncio.sleep(GATHER_S)
    finally:
        unsubscribe()


# --- changing ----------------------------------------------------------------------------------------


@router.post("/sessions", status_code=201)
async def create(live: Live, wanted: NewSession, key: Key = None) -> JSONResponse:
    """Start the session of a car that arrives."""

    def plug_in(station: Station) -> tuple[int, Any]:
        session_id = station.plug_in(
            wanted.charger_id,
            wanted.connector,
            wanted.car(),
            arrival_soc=wanted.arrival_soc,
            target_soc=wanted.target_soc,
            departs_s=wanted.departs_s,
            priority=wanted.priority,
            weight=wanted.weight,
        )
        return 201, _session_of(station.decision, session_id)

    return await _execute(live, "POST sessions", wanted, plug_in, key)


@router.patch("/sessions/{session_id}")
async def update(live: Live, session_id: str, drawn: Drawn, key: Key = None) -> JSONResponse:
    """Report what a car draws: power that it clearly does not take is freed for others."""

    def report(station: Station) -> tuple[int, Any]:
        session = _connected(station.decision, session_id)
        station.report_draw(session.charger_id, session.connector, drawn.drawn_kw)
        return 200, _session_of(station.decision, session_id)

    return await _execute(live, f"PATCH {session_id}", drawn, report, key)


@router.delete("/sessions/{session_id}")
async def end(live: Live, session_id: str, key: Key = None) -> JSONResponse:
    """End a session: the car departs."""

    def unplug(station: Station) -> tuple[int, Any]:
        session = _connected(station.decision, session_id)
        ended = station.unplug(session.charger_id, session.connector)
        return 200, {"session_id": session_id, "energy_kwh": ended.energy_kwh, "soc": ended.soc}

    return await _execute(live, f"DELETE {session_id}", None, unplug, key)


@router.put("/site-limit")
async def site_limit(live: Live, wanted: SiteLimit, key: Key = None) -> JSONResponse:
    """Limit the site's import; each call renews the limit's lease."""
    return await _set(
        live, "site-limit", wanted, lambda station: station.set_site_limit(wanted.limit_kw), key
    )


@router.put("/static-load")
async def static_load(live: Live, wanted: StaticLoad, key: Key = None) -> JSONResponse:
    """Set the power that the site itself takes; each call renews the reading's lease."""
    return await _set(
        live, "static-load", wanted, lambda station: station.set_static_load(wanted.load_kw), key
    )


@router.put("/strategy")
async def strategy(live: Live, wanted: ChosenStrategy, key: Key = None) -> JSONResponse:
    """Choose the strategy: the order and the shares of the sessions."""
    return await _set(live, "strategy", wanted, lambda station: station.set_strategy(wanted.strategy), key)


@router.put("/availability")
async def availability(live: Live, wanted: Availability, key: Key = None) -> JSONResponse:
    """Take a connector, a charger or the battery out of service, or bring it back."""

    def call(station: Station) -> None:
        station.set_available(wanted.charger_id, wanted.connector, available=wanted.available)

    return await _set(live, "availability", wanted, call, key)


@router.post("/clock/advance")
async def advance(live: Live, wanted: Annotated[Passing, Body()], key: Key = None) -> JSONResponse:
    """Let time pass at a station with a simulated clock."""
    status, body = await live.run_in_writer(live.advance, wanted.seconds, key=key)
    return JSONResponse(body, status)


async def _set(
    live: LiveStation, what: str, wanted: BaseModel, call: Callable[[Station], None], key: str | None
) -> JSONResponse:
    def command(station: Station) -> tuple[int, Any]:
        call(station)
        allocation = station.allocation
        return 200, {"grid_kw": allocation.grid_kw, "offered_kw": dict(allocation.offered_kw)}

    return await _execute(live, f"PUT {what}", wanted, command, key)


async def _execute(
    live: LiveStation, what: str, wanted: BaseModel | None, command: Command, key: str | None
) -> JSONResponse:
    asked = [what, wanted.model_dump() if wanted is not None else None]
    status, body = await live.run_in_writer(live.execute, command, key=key, asked=asked)
    return JSONResponse(body, status)


def _connected(decision: Decision, session_id: str) -> Session:
    for each in decision.state.sessions.values():
        if each.session_id == session_id:
            return each
    raise UnknownSessionError(f"there is no session {shortened(session_id)}")


def _session_of(decision: Decision, session_id: str) -> dict[str, Any]:
    connector_id = _connected(decision, session_id).connector_id
    session = read_session(decision, connector_id)
    assert session is not None, "it is connected"
    return _session_json(*connector_id, session)


def _session_json(charger_id: str, connector: int, session: SessionStatus) -> dict[str, Any]:
    return {"charger_id": charger_id, "connector": connector, **session.model_dump(mode="json")}
