"""Refusals over HTTP: the right status and a sentence, as problem+json (RFC 9457); no path, no stack."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Match, Route

from electra_core import errors
from electra_core.service.journal import JournalError
from electra_core.service.live_station import ClockError, KeyUsedError
from electra_core.station import VehicleError

# What is not among them is nonsense: 422.
STATUS: dict[type[Exception], int] = {
    errors.UnknownChargerError: 404,
    errors.UnknownConnectorError: 404,
    errors.UnknownSessionError: 404,
    errors.ConnectorTakenError: 409,
    errors.ConnectorFreeError: 409,
    errors.OutOfServiceError: 409,
    KeyUsedError: 409,
    ClockError: 409,
    JournalError: 503,
    errors.LimitBrokenError: 500,
}

FAULTS = 5  # that a refusal names
MAX_LETTERS = 1000

_PROBLEM = {
    "type": "object",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
    },
    "required": ["type", "title", "status", "detail"],
}

# What a route may answer when it refuses, for its page: every refusal looks the same.
REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"description": words, "content": {"application/problem+json": {"schema": _PROBLEM}}}
    for status, words in {
        400: "No JSON at all",
        401: "It changes something, and the token is missing or wrong",
        403: "A page of another origin asks, and there is no token",
        404: "There is no such charger, connector, session or page",
        409: "The station is not in a state for that, or the key was used for another call",
        413: "The body is too long",
        422: "Nonsense",
        503: "It cannot be written down now: nothing has changed",
    }.items()
}


def problem(status: int, detail: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """An answer that says what is wrong."""
    # What a caller wrote may stand in the words: half a character cannot be sent, and a book need not be.
    words = detail[:MAX_LETTERS].encode("utf-8", "backslashreplace").decode()
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": words}
    return JSONResponse(body, status, headers, media_type="application/problem+json")


def answer_problems(app: FastAPI, routes: Sequence[BaseRoute]) -> None:
    """Give every error of an application its answer; its routes know which methods a path understands."""

    async def refused(_: Request, error: Exception) -> JSONResponse:
        status = next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), 422)
        return problem(status, str(error))

    async def nonsense(_: Request, error: Exception) -> JSONResponse:
        faults = error.errors() if isinstance(error, RequestValidationError) else []
        words = [
            f"{'.'.join(map(str, each['loc'][1:])) or 'the body'}: {each['msg']}" for each in faults[:FAULTS]
        ]
        return problem(422, "; ".join(words))

    async def http(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        headers = dict(error.headers or {})
        if error.status_code == 405:  # Starlette names the methods of one route, and a path may have several
            headers["Allow"] = ", ".join(_methods(routes, request))
        return problem(error.status_code, str(error.detail), headers)

    for kind in (errors.StationError, JournalError, VehicleError):
        app.add_exception_handler(kind, refused)
    app.add_exception_handler(RequestValidationError, nonsense)
    app.add_exception_handler(HTTPException, http)


def _methods(routes: Sequence[BaseRoute], request: Request) -> list[str]:
    """What a path understands."""
    here = [each for each in routes if each.matches(request.scope)[0] is not Match.NONE]
    return sorted({method for each in here if isinstance(each, Route) for method in each.methods or ()})
