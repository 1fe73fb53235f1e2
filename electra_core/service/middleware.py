"""Checks before every route: the size of the body, and the right to change something."""

from __future__ import annotations

import hmac
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from ipaddress import ip_address
from urllib.parse import quote, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from electra_core.errors import BadValueError
from electra_core.service.problems import problem

LOG = logging.getLogger("electra")

MAX_BYTES = 65_536
READING = ("GET", "HEAD", "OPTIONS")


class RequestChecks:
    """Middleware: bounds bodies, asks for the token where something changes, and times each call.

    A body is read before its route runs. FastAPI's own ``max_body_size`` counts only what a route reads, so
    that a route without a body would do its work first, and answers with plain text.

    Parameters
    ----------
    app : the application behind it
    token : text that a change needs, as ``Authorization: Bearer ...``; None: no change needs one
    """

    def __init__(self, app: ASGIApp, token: str | None = None) -> None:
        self.app, self.token = app, token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start, headers = time.perf_counter(), Headers(scope=scope)
        status = 0

        async def timed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Process-Time"] = f"{time.perf_counter() - start:.6f}"
            await send(message)

        refusal = self._refusal(scope["method"], headers)
        if refusal is not None:
            await refusal(scope, receive, timed)
        else:
            await self._inside(scope, receive, timed, lambda: status)
        took_ms = 1000.0 * (time.perf_counter() - start)
        # Quoted again: a path with a line break must not write a line of its own into the log.
        LOG.info("%s %s %d %.1f ms", scope["method"], quote(scope["path"]), status, took_ms)

    async def _inside(self, scope: Scope, receive: Receive, send: Send, status: Callable[[], int]) -> None:
        try:
            if scope["method"] not in READING:
                body = await _whole(receive)
                if len(body) > MAX_BYTES:
                    await _too_long()(scope, receive, send)
                    return
                receive = _again(body, receive)
            await self.app(scope, receive, send)
        except ClientDisconnect:
            return  # the client left before its call was complete: nothing was asked
        except Exception as error:
            LOG.error("a fault of this program", exc_info=error)
            if not status():
                await problem(500, "a fault of this program; its log says more")(scope, receive, send)

    def _refusal(self, method: str, headers: Headers) -> JSONResponse | None:
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > MAX_BYTES:
            return _too_long()
        if method in READING:
            return None
        if self.token is None:
            return (
                None if _from_here(headers) else problem(403, "a page from elsewhere may change nothing here")
            )
        kind, _, said = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer" and hmac.compare_digest(said.strip().encode(), self.token.encode()):
            return None
        return problem(401, "this changes something: it needs the token", {"WWW-Authenticate": "Bearer"})


def checked_token(token: str | None) -> str | None:
    """Return the token without blanks around it.

    Raises
    ------
    BadValueError
        When it would not arrive as it was sent: a header is ASCII, on one line.
    """
    if token is not None and not (token.isascii() and token.isprintable() and token.strip()):
        raise BadValueError("the token must be of printable ASCII letters: others arrive changed")
    return token and token.strip()


def _from_here(headers: Headers) -> bool:
    """Return False for a call of a browser's page from another origin, or from a name that others may own."""
    origin, host = headers.get("origin"), headers.get("host", "")
    if origin is None:
        return True
    with suppress(ValueError):
        name = urlsplit(f"//{host}").hostname or ""
        return urlsplit(origin).netloc == host and (name == "localhost" or bool(ip_address(name)))
    return False


def _too_long() -> JSONResponse:
    return problem(413, f"a body has {MAX_BYTES} bytes at most")


async def _whole(receive: Receive) -> bytes:
    """Return the body; of one that is too long, no more than shows that it is."""
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        body += message.get("body", b"")
        more = message.get("more_body", False) and len(body) <= MAX_BYTES
    return body


def _again(body: bytes, receive: Receive) -> Receive:
    """Return a ``receive`` that gives a body that was read once more."""
    given = False

    async def read() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return read
