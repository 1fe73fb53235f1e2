"""Refusals over HTTP: status and sentence, as problem+json (RFC 9457), without paths or traces."""

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
from electra_core.service.journal import EventsGoneError, JournalError
from electra_core.service.live_station import ClockError, KeyUsedError

# Any other refusal is 422: a value that cannot be meant.
STATUS: dict[type[Exception], int] = {
    errors.UnknownChargerError: 404,
    errors.UnknownConnectorError: 404,
    errors.UnknownSessionError: 404,
    errors.ConnectorTakenError: 409,
    errors.ConnectorFreeError: 409,
    errors.OutOfServiceError: 409,
    KeyUsedError: 409,
    ClockError: 409,
    EventsGoneError: 410,
    JournalError: 503,
    errors.LimitBrokenError: 500,
}

# Faults that one refusal names, and letters that it has at most.
MAX_FAULTS = 5
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

# Refusals of a route in the page of the interface: all have the same form.
REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"description": words, "content": {"application/problem+json": {"schema": _PROBLEM}}}
    for status, words in {
        400: "The body is not JSON",
        401: "The call changes something, and the token is missing or wrong",
        403: "A browser's page of another origin calls, and the service has no token",
        404: "There is no such charger, connector, session or page",
        409: "The station is in no state for the call, or the key was used for another one",
        410: "Events that are no longer kept",
        413: "The body is too long",
        422: "A value that cannot be meant",
        503: "The journal cannot be written: nothing has changed",
    }.items()
}


def problem(status: int, detail: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """Return an answer that says what is wrong."""
    # The words may quote the caller: half a surrogate pair cannot be sent, and a long text need not be.
    words = detail[:MAX_LETTERS].encode("utf-8", "backslashreplace").decode()
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": words}
    return JSONResponse(body, status, headers, media_type="application/problem+json")


def answer_problems(app: FastAPI, routes: Sequence[BaseRoute]) -> None:
    """Give every error of an application its answer.

    Parameters
    ----------
    app : the application
    routes : its routes, for the methods of a path
    """

    async def refused(_: Request, error: Exception) -> JSONResponse:
        status = next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), 422)
        return problem(status, str(error))

    async def malformed(_: Request, error: Exception) -> JSONResponse:
        faults = error.errors() if isinstance(error, RequestValidationError) else []
        words = [
            f"{'.'.join(map(str, each['loc'][1:])) or 'the body'}: {each['msg']}"
            for each in faults[:MAX_FAULTS]
        ]
        return problem(422, "; ".join(words))

    async def http(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        headers = dict(error.headers or {})
        if error.status_code == 405:  # Starlette names the methods of one route, and a path may have several
            headers["Allow"] = ", ".join(_methods(routes, request))
        return problem(error.status_code, str(error.detail), headers)

    app.add_exception_handler(errors.ElectraError, refused)
    app.add_exception_handler(RequestValidationError, malformed)
    app.add_exception_handler(HTTPException, http)


def _methods(routes: Sequence[BaseRoute], request: Request) -> list[str]:
    """Return the methods of a path."""
    here = [each for each in routes if each.matches(request.scope)[0] is not Match.NONE]
    return sorted({method for each in here if isinstance(each, Route) for method in each.methods or ()})
