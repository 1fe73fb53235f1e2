"""The routes of the exercise, with its parameters and field names: its clients work unchanged."""

from __future__ import annotations

import json
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from electra_core.service.dependencies import Key, Live
from electra_core.service.live_station import Command, LiveStation
from electra_core.station import Station, StationStatus, Vehicle

router = APIRouter(tags=["the exercise's interface"])


class Stop(BaseModel):
    """A connector, with the field names of the exercise."""

    model_config = ConfigDict(extra="ignore")

    chargerId: str  # noqa: N815
    connectorId: int  # noqa: N815


class Start(Stop):
    """A car at a connector: its highest power, kW."""

    powerCapacity: Annotated[float, Field(gt=0.0, le=1e9)]  # noqa: N815


Parameters = TypeVar("Parameters", bound=BaseModel)
Json = dict[str, Any]


async def _start(request: Request) -> Start:
    return await _read(Start, request)


async def _stop(request: Request) -> Stop:
    return await _read(Stop, request)


async def _read(kind: type[Parameters], request: Request) -> Parameters:
    """Read the parameters from the query, as the exercise's page sends them, or from a JSON body."""
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
    """Name the station, and the addresses of its documentation and status."""
    return {
        "message": f"Station {live.config.station_id}",
        "docs": "/docs",
        "status": "/station/station_status",
    }


@router.get("/station/station_status", response_model=StationStatus)
async def station_status(live: Live) -> Response:
    """Return the station's status, all of one time."""
    return Response(live.view.status_json, media_type="application/json")


@router.post("/start_session/", openapi_extra=_parameters(Start))
async def start_session(live: Live, wanted: Annotated[Start, Depends(_start)], key: Key = None) -> Json:
    """Start a session of a car of which only the highest power is known."""

    def plug_in(station: Station) -> tuple[int, Any]:
        car = Vehicle(wanted.powerCapacity)
        session_id = station.plug_in(wanted.chargerId, wanted.connectorId, car)
        return 200, {
            "message": f"session {session_id} started",
            "session_id": session_id,
            "allocated_power": station.allocation.offered_kw[session_id],
        }

    return await _execute(live, plug_in, key, ["start", wanted.model_dump()])


@router.post("/stop_session/", openapi_extra=_parameters(Stop))
async def stop_session(live: Live, wanted: Annotated[Stop, Depends(_stop)], key: Key = None) -> Json:
    """End the session at a connector."""

    def unplug(station: Station) -> tuple[int, Any]:
        session = station.unplug(wanted.chargerId, wanted.connectorId)
        return 200, {
            "message": f"session {session.session_id} stopped",
            "session_id": session.session_id,
            "energy_kwh": session.energy_kwh,
        }

    return await _execute(live, unplug, key, ["stop", wanted.model_dump()])


async def _execute(live: LiveStation, command: Command, key: str | None, asked: list[Any]) -> Json:
    _, body = await live.run_in_writer(live.execute, command, key=key, asked=asked)
    return body  # type: ignore[no-any-return]
