"""The modern routes: amounts with units in their names, keys for calls that may come twice, a stream."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any

from fastapi import APIRouter, Body, Header, Query, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from electra_core.allocation import STRATEGIES
from electra_core.errors import BadValueError, UnknownSessionError, shortened
from electra_core.service.dependencies import Key, Live
from electra_core.service.live_station import LiveStation
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

PULSE_S = 15.0  # a stream in which nothing happens says so, so that a lost connection is noticed
GATHER_S = 0.1  # between two words of a stream: what happens meanwhile is told as one

Soc = Annotated[float, Field(ge=0.0, le=1.0)]
Kw = Annotated[float, Field(ge=0.0, le=1e9)]
# An integer of this size is one in every database and language. In JSON 2.0 is one too.
Number = Annotated[
    int,
    Field(ge=0, lt=2**31),
    BeforeValidator(lambda said: int(said) if isinstance(said, float) and said.is_integer() else said),
]


class _Asked(BaseModel):
    # Strict: true is no power, and "5" is no number.
    model_config = ConfigDict(extra="forbid", strict=True)


class NewSession(_Asked):
    """A car arrives: one of the catalogue by its name, or one that is only its power."""

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
        """The car that is meant."""
        if (self.vehicle is None) == (self.max_power_kw is None):
            raise BadValueError("say either vehicle, a name of the catalogue, or max_power_kw")
        if self.vehicle is None:
            return Vehicle(self.max_power_kw or 0.0, battery_kwh=self.battery_kwh)
        if self.vehicle not in catalogue():
            raise BadValueError(
                f"there is no car {shortened(self.vehicle)} in the catalogue: see /v1/vehicles"
            )
        return catalogue()[self.vehicle]


class Drawn(_Asked):
    """What a car takes, as its meter says."""

    drawn_kw: Kw


class SiteLimit(_Asked):
    """The most that the site may import; none: what the grid connection has."""

    limit_kw: Kw | None


class StaticLoad(_Asked):
    """What the site itself takes."""

    load_kw: Kw


class ChosenStrategy(_Asked):
    """Who comes first."""

    strategy: Annotated[str, Field(json_schema_extra={"enum": list(STRATEGIES)})]


class Availability(_Asked):
    """A connector, a whole charger (no connector), or ``battery``."""

    charger_id: str
    connector: Number | None = None
    available: bool


class Passing(_Asked):
    """Time that passes at a station whose clock is simulated: a day at most, for others wait meanwhile."""

    seconds: Annotated[float, Field(ge=0.0, le=86_400.0)]


# --- reading -----------------------------------------------------------------------------------------


@router.get("/status", response_model=StationStatus, responses={304: {"description": "As you know it"}})
async def status(
    live: Live, if_none_match: Annotated[str | None, Header(max_length=1000)] = None
) -> Response:
    """The station at one moment; its ETag changes when anything does."""
    view = live.view
    headers = {"ETag": view.etag, "Cache-Control": "no-cache"}
    known = {each.strip().removeprefix("W/") for each in (if_none_match or "").split(",")}
    if known & {view.etag, "*"}:
        return Response(status_code=304, headers=headers)
    return Response(view.text, headers=headers, media_type="application/json")


@router.get("/sessions")
async def sessions(live: Live) -> list[dict[str, Any]]:
    """Every car that is there."""
    return [_session(*each) for each in live.view.status.sessions]


@router.get("/sessions/{session_id}")
async def session(live: Live, session_id: str) -> dict[str, Any]:
    """One car that is there."""
    return _one(live.view.decision, session_id)


@router.get("/sessions/{session_id}/explanation")
def explanation(live: Live, session_id: str) -> dict[str, Any]:
    """Why a session gets what it gets, and what one more kW of each used-up limit would give."""
    why = live.view.explain(session_id)
    return {"session_id": session_id, "explanation": str(why), "gain_per_kw": dict(why.gain_per_kw)}


@router.get("/config")
async def config(live: Live) -> dict[str, Any]:
    """What the station is made of, as in its file."""
    return live.config.model_dump(mode="json", by_alias=True, exclude_none=True)


@router.get("/clock")
async def clock(live: Live) -> dict[str, Any]:
    """The station's clock, s since it began; and when that was, where it follows the time of day."""
    began = None if live.simulated else live.began_unix_s
    return {"now_s": live.view.decision.state.now_s, "simulated": live.simulated, "began_unix_s": began}


@router.get("/vehicles")
async def vehicles() -> list[str]:
    """The names of the catalogue's cars."""
    return list(catalogue())


@router.get("/strategies")
async def strategies() -> list[str]:
    """The names of the strategies."""
    return list(STRATEGIES)


@router.get("/events", response_model=list[dict[str, Any]])
def events(
    live: Live,
    since: Annotated[int, Query(ge=0, lt=2**63)] = 0,
    most: Annotated[int, Query(ge=1, le=10_000)] = 1000,
) -> Response:
    """What happened after an event, by its number: the journal, in order."""
    # Written in this thread: ten thousand events would keep everybody else waiting.
    return Response(json.dumps(live.events(since, most)), media_type="application/json")


@router.get("/stream", response_class=StreamingResponse)
async def stream(live: Live, request: Request) -> StreamingResponse:
    """Server-Sent Events: an ``allocation`` at once and then after every change, each of one moment."""
    headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
    return StreamingResponse(_moments(live, request), media_type="text/event-stream", headers=headers)


async def _moments(live: LiveStation, request: Request) -> AsyncIterator[str]:
    changed, loop = asyncio.Event(), asyncio.get_running_loop()
    deafen = live.listen(lambda: loop.call_soon_threadsafe(changed.set))
    try:
        yield live.view.told
        while not live.closed and not await request.is_disconnected():
            try:
                await asyncio.wait_for(changed.wait(), PULSE_S)
            except TimeoutError:
                yield ": still here\n\n"
                continue
            changed.clear()
            yield live.view.told
            await asyncio.sleep(GATHER_S)
    finally:
        deafen()


# --- changing ----------------------------------------------------------------------------------------


@router.post("/sessions", status_code=201)
async def create(live: Live, wanted: NewSession, key: Key = None) -> JSONResponse:
    """A car arrives."""

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
        return 201, _one(station.decision, session_id)

    return await _done(live, "POST sessions", wanted, plug_in, key)


@router.patch("/sessions/{session_id}")
async def update(live: Live, session_id: str, drawn: Drawn, key: Key = None) -> JSONResponse:
    """What the car draws, as its meter says: what it clearly does not take is freed for others."""

    def report(station: Station) -> tuple[int, Any]:
        here = _here(station.decision, session_id)
        station.report_draw(here.charger_id, here.connector, drawn.drawn_kw)
        return 200, _one(station.decision, session_id)

    return await _done(live, f"PATCH {session_id}", drawn, report, key)


@router.delete("/sessions/{session_id}")
async def end(live: Live, session_id: str, key: Key = None) -> JSONResponse:
    """The car departs."""

    def unplug(station: Station) -> tuple[int, Any]:
        here = _here(station.decision, session_id)
        ended = station.unplug(here.charger_id, here.connector)
        return 200, {"session_id": session_id, "energy_kwh": ended.energy_kwh, "soc": ended.soc}

    return await _done(live, f"DELETE {session_id}", None, unplug, key)


@router.put("/site-limit")
async def site_limit(live: Live, wanted: SiteLimit, key: Key = None) -> JSONResponse:
    """Limit the import; each call renews the limit's lease."""
    return await _set(
        live, "site-limit", wanted, lambda station: station.set_site_limit(wanted.limit_kw), key
    )


@router.put("/static-load")
async def static_load(live: Live, wanted: StaticLoad, key: Key = None) -> JSONResponse:
    """Say what the site itself takes; each call renews the reading's lease."""
    return await _set(
        live, "static-load", wanted, lambda station: station.set_static_load(wanted.load_kw), key
    )


@router.put("/strategy")
async def strategy(live: Live, wanted: ChosenStrategy, key: Key = None) -> JSONResponse:
    """Choose who comes first."""
    return await _set(live, "strategy", wanted, lambda station: station.set_strategy(wanted.strategy), key)


@router.put("/availability")
async def availability(live: Live, wanted: Availability, key: Key = None) -> JSONResponse:
    """Take something out of service, or bring it back."""

    def call(station: Station) -> None:
        station.set_available(wanted.charger_id, wanted.connector, available=wanted.available)

    return await _set(live, "availability", wanted, call, key)


@router.post("/clock/advance")
async def advance(live: Live, wanted: Annotated[Passing, Body()], key: Key = None) -> JSONResponse:
    """Let time pass, where the clock is simulated."""
    status, body = await live.in_turn(live.advance, wanted.seconds, key=key)
    return JSONResponse(body, status)


async def _set(
    live: LiveStation, what: str, wanted: BaseModel, call: Callable[[Station], None], key: str | None
) -> JSONResponse:
    def deed(station: Station) -> tuple[int, Any]:
        call(station)
        allocation = station.allocation
        return 200, {"grid_kw": allocation.grid_kw, "offered_kw": dict(allocation.offered_kw)}

    return await _done(live, f"PUT {what}", wanted, deed, key)


async def _done(
    live: LiveStation,
    what: str,
    wanted: BaseModel | None,
    deed: Callable[[Station], tuple[int, Any]],
    key: str | None,
) -> JSONResponse:
    asked = [what, wanted.model_dump() if wanted is not None else None]
    status, body = await live.in_turn(live.do, deed, key=key, asked=asked)
    return JSONResponse(body, status)


def _here(decision: Decision, session_id: str) -> Session:
    for each in decision.state.sessions.values():
        if each.session_id == session_id:
            return each
    raise UnknownSessionError(f"there is no session {shortened(session_id)}")


def _one(decision: Decision, session_id: str) -> dict[str, Any]:
    place = _here(decision, session_id).connector_id
    session = read_session(decision, place)
    assert session is not None, "it is here"
    return _session(*place, session)


def _session(charger_id: str, connector: int, session: SessionStatus) -> dict[str, Any]:
    return {"charger_id": charger_id, "connector": connector, **session.model_dump(mode="json")}
