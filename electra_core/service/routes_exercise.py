"""The routes of the exercise, with its parameters and field names: its clients work here unchanged."""

from __future__ import annotations

import json
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from electra_core.service.dependencies import Key, Live
from electra_core.service.live_station import Deed, LiveStation
from electra_core.station import Station, StationStatus, Vehicle

router = APIRouter(tags=["the exercise's interface"])


class Stop(BaseModel):
    """A connector, in the words of the exercise."""

    model_config = ConfigDict(extra="ignore")

    chargerId: str  # noqa: N815
    connectorId: int  # noqa: N815


class Start(Stop):
    """A car at a connector, kW."""

    powerCapacity: Annotated[float, Field(gt=0.0, le=1e9)]  # noqa: N815


Asked = TypeVar("Asked", bound=BaseModel)
Json = dict[str, Any]


async def _start(request: Request) -> Start:
    return await _read(Start, request)


async def _stop(request: Request) -> Stop:
    return await _read(Stop, request)


async def _read(kind: type[Asked], request: Request) -> Asked:
    """From the query, as the exercise's page sends it, or from a JSON body, as programs like to."""
    found: Any = dict(request.query_params)
    if not found and (body := await request.body()):
        try:
            found = json.loads(body)
        except (ValueError, RecursionError):
            found = {}
    try:
        return kind.model_validate(found)
    except ValidationError as error:
        faults = [{**each, "loc": ("query", *each["loc"])} for each in error.errors(include_url=False)]
        raise RequestValidationError(faults) from None


def _parameters(kind: type[BaseModel]) -> dict[str, Any]:
    schema = kind.model_json_schema()["properties"]
    return {
        "parameters": [
            {"name": name, "in": "query", "required": True, "schema": part} for name, part in schema.items()
        ]
    }


@router.get("/")
async def root(live: Live) -> dict[str, str]:
    """What this is, and where to read more."""
    return {
        "message": f"Station {live.config.station_id}",
        "docs": "/docs",
        "status": "/station/station_status",
    }


@router.get("/station/station_status", response_model=StationStatus)
async def station_status(live: Live) -> Response:
    """Everything, of one single moment."""
    return Response(live.view.text, media_type="application/json")


@router.post("/start_session/", openapi_extra=_parameters(Start))
async def start_session(live: Live, wanted: Annotated[Start, Depends(_start)], key: Key = None) -> Json:
    """A car that is only its power arrives."""

    def plug_in(station: Station) -> tuple[int, Any]:
        car = Vehicle(wanted.powerCapacity)
        session_id = station.plug_in(wanted.chargerId, wanted.connectorId, car)
        return 200, {
            "message": f"session {session_id} started",
            "session_id": session_id,
            "allocated_power": station.allocation.offered_kw[session_id],
        }

    return await _done(live, plug_in, key, ["start", wanted.model_dump()])


@router.post("/stop_session/", openapi_extra=_parameters(Stop))
async def stop_session(live: Live, wanted: Annotated[Stop, Depends(_stop)], key: Key = None) -> Json:
    """The car at a connector departs."""

    def unplug(station: Station) -> tuple[int, Any]:
        session = station.unplug(wanted.chargerId, wanted.connectorId)
        return 200, {
            "message": f"session {session.session_id} stopped",
            "session_id": session.session_id,
            "energy_kwh": session.energy_kwh,
        }

    return await _done(live, unplug, key, ["stop", wanted.model_dump()])


async def _done(live: LiveStation, deed: Deed, key: str | None, asked: list[Any]) -> Json:
    _, body = await live.in_turn(live.do, deed, key=key, asked=asked)
    return body  # type: ignore[no-any-return]
