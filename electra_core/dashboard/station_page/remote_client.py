"""Calls to a served station over HTTP: allowed addresses, bounded and checked answers, no redirects."""

from __future__ import annotations

import asyncio
import json
import math
import os
import ssl
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import cache, partial
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
from pydantic import TypeAdapter

from electra_core.errors import BadValueError, shortened

PORTS = {"http": 80, "https": 443}
THIS_MACHINE = ("http://127.0.0.1:", "http://localhost:", "http://[::1]:")

Found = TypeVar("Found")

# Loading certificates takes a tenth of a second.
_tls = cache(ssl.create_default_context)


class RemoteError(BadValueError):
    """The station does not answer, or its answer makes no sense."""


def is_address(name: str) -> bool:
    """Tell if a link's station is an address, and not a name."""
    return "://" in name


def allowed_origin(address: str) -> str:
    """Return the origin of an address, if a page may call it: not every one that a link names.

    Allowed are the origins that the environment variable ``ELECTRA_STATIONS`` lists, separated by commas, and
    where it is not set (public pages set it), those of this machine.
    """
    origin, names = _origin(address), os.environ.get("ELECTRA_STATIONS")
    listed = [] if names is None else [_origin(name.strip()) for name in names.split(",") if name.strip()]
    if origin in listed or (names is None and origin.startswith(THIS_MACHINE)):
        return origin
    where = "on this machine" if names is None else "among those that ELECTRA_STATIONS names"
    raise BadValueError(f"the link's station {shortened(address)} is not {where}: this page may not ask it")


def _origin(address: str) -> str:
    with suppress(ValueError, KeyError):
        parts = urlsplit(address)
        port = PORTS[parts.scheme] if parts.port is None else parts.port
        more = parts.path.strip("/") + parts.query + parts.fragment
        if parts.hostname and port and "@" not in parts.netloc and not more:
            host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
            return f"{parts.scheme}://{host}:{port}"
    raise BadValueError(f"the link's station {shortened(address)} is no address like http://127.0.0.1:8000")


class Answer(NamedTuple):
    """An answer: the name of its content, its code, its ETag, and its content."""

    name: str
    code: int
    tag: str
    content: bytes

    def read(self, kind: type[Found]) -> Found:
        """Return the JSON as a checked object; infinite numbers and half characters are refused."""
        try:
            found = json.loads(self.content, parse_float=_finite, parse_constant=_finite)
            json.dumps(found, ensure_ascii=False).encode()
            return TypeAdapter(kind).validate_python(found)
        except (ValueError, RecursionError):
            raise RemoteError(f"its {self.name} cannot be read") from None


def _finite(text: str) -> float:
    if not math.isfinite(number := float(text)):
        raise ValueError(text)
    return number


# Asks by path, method, body and tag; see `RemoteClient`.
Ask = Callable[..., Coroutine[Any, Any, Answer]]


class RemoteClient:
    """A client of one served station. A request is a coroutine that gets `ask`, and may ask several times.

    Parameters
    ----------
    origin : of the station, see `allowed_origin`
    token : goes with every change, and only there; empty: none
    answer_s : longest time of a request, s
    max_bytes : of an answer
    """

    def __init__(self, origin: str, token: str, answer_s: float = 5.0, max_bytes: int = 1_000_000) -> None:
        self.origin, self._answer_s, self._max_bytes = origin, answer_s, max_bytes
        self._token = {"Authorization": f"Bearer {token}"} if token else {}

    def start(self, request: Callable[[Ask], Coroutine[Any, Any, Found]]) -> Future[Found]:
        """Start a request in a thread that ends with it: the kernel's own event loop is running already."""
        thread = ThreadPoolExecutor(1, "electra-remote")
        future = thread.submit(asyncio.run, self._bounded(request))
        thread.shutdown(wait=False)
        return future

    def run(self, request: Callable[[Ask], Coroutine[Any, Any, Found]]) -> Found:
        """Return the result of a request."""
        return self.start(request).result()

    async def _bounded(self, request: Callable[[Ask], Coroutine[Any, Any, Found]]) -> Found:
        # No proxy, redirect or compression: an answer is of this origin, and as long as it looks.
        plain = {"Accept-Encoding": "identity"}
        http = httpx.AsyncClient(base_url=self.origin, verify=_tls(), trust_env=False, headers=plain)
        try:
            async with asyncio.timeout(self._answer_s), http:
                return await request(partial(self._ask, http))
        except (httpx.HTTPError, TimeoutError):
            raise RemoteError("it does not answer") from None

    async def _ask(
        self, http: httpx.AsyncClient, path: str, method: str = "GET", body: object = None, tag: str = ""
    ) -> Answer:
        """Return the answer to a question or a change; its code is 304 where nothing changed since ``tag``.

        Raises
        ------
        RemoteError
            Without an answer that makes sense.
        BadValueError
            With the station's own sentence, where it refuses.
        """
        content, change = b"", {"Idempotency-Key": uuid4().hex, **self._token}
        headers = {"If-None-Match": tag} if method == "GET" else change
        async with http.stream(method, f"/v1/{path}", json=body, headers=headers) as response:
            async for chunk in response.aiter_raw():
                content += chunk
                if len(content) > self._max_bytes:
                    raise RemoteError("its answer has no end")
        code, tag = response.status_code, response.headers.get("ETag", "")
        answer = Answer(path.partition("?")[0], code, tag, content)
        if code in (200, 201, 304):
            return answer
        with suppress(RemoteError):
            if code >= 400 and (detail := answer.read(dict[str, Any]).get("detail")):
                raise BadValueError(one_line(detail))
        raise RemoteError(f"it answers {code}, as no station would")


def one_line(said: object, max_letters: int = 300) -> str:
    """Return a sentence of another program: bounded, and on one line."""
    words = "".join(letter for letter in " ".join(str(said).split()) if letter.isprintable())
    return words if len(words) <= max_letters else f"{words[: max_letters - 3]}..."
