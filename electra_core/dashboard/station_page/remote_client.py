"""The wire to a served station: few addresses, bounded answers, no redirects, everything checked."""

from __future__ import annotations

import http.client
import json
import os
import socket
import threading
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from electra_core.errors import BadValueError, shortened
from electra_core.station import ConfigError, Event, StationConfig, load_config

LOOPBACK = ("127.0.0.1", "::1", "localhost")
PORTS = {"http": 80, "https": 443}

# For a whole answer, s; and between two words of a stream, which says something every 15 s.
ANSWER_S = 5.0
SILENCE_S = 20.0

MAX_BYTES = 20_000_000
MAX_LINE = 1_000_000
# Of a sentence that somebody else wrote.
MAX_LETTERS = 300
# Events of one answer.
PAGE = 1000


class WireError(BadValueError):
    """The station does not answer, or answers nonsense."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a station is served."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"


class Told(BaseModel):
    """A word of the stream: the number of the last event, and what it led to, kW by session."""

    number: int = Field(ge=0, lt=2**63)
    offered_kw: dict[str, float]


class _Clock(BaseModel):
    simulated: bool
    # Of a year that every system's calendar knows.
    began_unix_s: float | None = Field(None, ge=0.0, lt=2**32)


class _Numbered(Event):
    number: int


_EVENTS = TypeAdapter(list[_Numbered])


def is_address(name: str) -> bool:
    """Whether a link means a served station by this, and none of the folder."""
    return "://" in name


def allowed(address: str) -> Origin:
    """The origin that an address names, if this page may speak to it.

    A link may name what stands in the environment variable ``ELECTRA_STATIONS``, origins with commas between
    them, and this machine only where there is no such variable (where many come, there is one): a page must
    not make its server fetch what a visitor likes.

    Raises
    ------
    BadValueError
        When it may not, or the address is none.
    """
    origin = _origin(address)
    listed = _listed()
    if listed is None and origin.scheme == "http" and origin.host in LOOPBACK:
        return origin
    if listed and origin in listed:
        return origin
    where = "on this machine" if listed is None else "among those that ELECTRA_STATIONS names"
    raise BadValueError(
        f"the link's station {shortened(address)} is not {where}, so this page may not ask it"
    )


def _origin(address: str) -> Origin:
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        raise BadValueError(f"the link's station {shortened(address)} is no address") from None
    more = parts.username is not None or parts.password is not None or parts.query or parts.fragment
    if parts.scheme not in PORTS or not parts.hostname or more or parts.path not in ("", "/") or port == 0:
        raise BadValueError(
            f"the link's station {shortened(address)} is no address like http://127.0.0.1:8000"
        )
    return Origin(parts.scheme, parts.hostname, port or PORTS[parts.scheme])


def _listed() -> list[Origin] | None:
    names = os.environ.get("ELECTRA_STATIONS")
    return None if names is None else [_origin(name.strip()) for name in names.split(",") if name.strip()]


class Wire:
    """Calls to one served station.

    Parameters
    ----------
    origin : where it is served
    token : that goes with every call that changes something

    Raises
    ------
    WireError
        From every method, when there is no answer, or none that makes sense.
    StationError
        When the station refuses: its sentence.
    """

    def __init__(self, origin: Origin, token: str | None = None) -> None:
        self.origin, self._token = origin, token
        self._streams: set[socket.socket] = set()

    # --- reading -------------------------------------------------------------------------------------

    def config(self) -> StationConfig:
        """What the station is made of."""
        try:
            return load_config(_plain(self._call("GET", "/v1/config")[1]))
        except ConfigError as error:
            raise WireError(f"it has no station: {_words(error)}") from None

    def clock(self) -> tuple[bool, float | None]:
        """Whether the station's clock waits to be told; and if not, when it showed 0, s (Unix)."""
        content = self._call("GET", "/v1/clock")[1]
        with self._sense("its clock"):
            found = _Clock.model_validate_json(content)
        return found.simulated, found.began_unix_s

    def events(self, since: int, most: int = PAGE) -> list[tuple[int, Event]]:
        """Events after a number, with theirs, without a gap."""
        content = self._call("GET", f"/v1/events?since={since}&most={most}")[1]
        with self._sense("its journal"):
            found = _EVENTS.validate_json(content)
        if [each.number for each in found] != list(range(since + 1, since + 1 + len(found))):
            raise WireError("its journal has gaps")
        return [
            (each.number, Event(at_s=each.at_s, call=each.call, arguments=each.arguments)) for each in found
        ]

    def last(self) -> int:
        """The number of the station's last event."""
        tag = self._call("GET", "/v1/status")[0].get("ETag", "").strip('"').partition("-")[0]
        if not tag.isascii() or not tag.isdecimal() or len(tag) > 19:
            raise WireError("its status has no number")
        return int(tag)

    def stream(self) -> Generator[Told | None, None, None]:
        """What the stream says, word by word, until it ends; None: it is still there."""
        connection, link = self._connection(SILENCE_S), None
        try:
            with self._answers():
                connection.connect()
                link = connection.sock
                self._streams.add(link)
                connection.request("GET", "/v1/stream", headers={"Accept": "text/event-stream"})
                response = connection.getresponse()
            if response.status != 200:
                raise WireError("it has no stream")
            while line := self._line(response):
                if line.startswith(b":"):
                    yield None
                elif line.startswith(b"data:"):
                    with self._sense("its stream"):
                        told = Told.model_validate_json(line[5:])
                    yield told
        finally:
            self._streams.discard(link)
            connection.close()

    def _line(self, response: http.client.HTTPResponse) -> bytes:
        with self._answers():
            line = response.readline(MAX_LINE + 1)
        if len(line) > MAX_LINE:
            raise WireError("its stream has no lines")
        return line

    def close(self) -> None:
        """End the streams that are open."""
        for each in list(self._streams):
            _cut(each)

    # --- changing ------------------------------------------------------------------------------------

    def change(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Do something at the station; what it answers."""
        return _plain(self._call(method, path, body)[1])

    # --- inside --------------------------------------------------------------------------------------

    def _call(
        self, method: str, path: str, body: Mapping[str, Any] | None = None
    ) -> tuple[http.client.HTTPMessage, bytes]:
        headers = {"Accept": "application/json"}
        if method != "GET" and self._token is not None:
            headers["Authorization"] = f"Bearer {self._token}"
        if body is not None:
            headers["Content-Type"] = "application/json"
        content = None if body is None else json.dumps(body)
        connection = self._connection(ANSWER_S)
        try:
            with self._answers():
                connection.connect()
                with _within(connection.sock, ANSWER_S):
                    connection.request(method, path, content, headers)
                    response = connection.getresponse()
                    answer = response.read(MAX_BYTES + 1)
        finally:
            connection.close()
        if len(answer) > MAX_BYTES:
            raise WireError("its answer has no end")
        if response.status not in (200, 201):
            raise self._refusal(response.status, answer)
        return response.headers, answer

    def _refusal(self, status: int, answer: bytes) -> BadValueError:
        """The station's own sentence, where there is one."""
        with suppress(WireError):
            detail = _plain(answer).get("detail")
            if isinstance(detail, str) and detail.strip() and 400 <= status < 600:
                return BadValueError(_words(detail))
        return WireError(f"it answers {status}, as no station would")

    def _connection(self, seconds: float) -> http.client.HTTPConnection:
        secure = self.origin.scheme == "https"
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        return kind(self.origin.host, self.origin.port, timeout=seconds)

    @contextmanager
    def _answers(self) -> Iterator[None]:
        try:
            yield
        # A proxy of strange letters in a header is a ValueError of http.client.
        except (OSError, http.client.HTTPException, ValueError):
            raise WireError("it does not answer") from None

    @contextmanager
    def _sense(self, what: str) -> Iterator[None]:
        try:
            yield
        except ValidationError:
            raise WireError(f"{what} cannot be read") from None


@contextmanager
def _within(link: socket.socket, seconds: float) -> Iterator[None]:
    """A time-out for all of it: one that each byte begins anew would be none."""
    timer = threading.Timer(seconds, _cut, [link])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _cut(link: socket.socket) -> None:
    with suppress(OSError):
        link.shutdown(socket.SHUT_RDWR)


def _plain(content: bytes) -> dict[str, Any]:
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise WireError("the answer is no JSON object")
    return found


def _words(said: object) -> str:
    """A sentence of somebody else: bounded, and on one line."""
    words = " ".join(str(said).split())
    plain = "".join(letter for letter in words if letter.isprintable())
    return plain if len(plain) <= MAX_LETTERS else f"{plain[: MAX_LETTERS - 3]}..."
