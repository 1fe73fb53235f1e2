"""The public mode of Voila, tested by a client that may send anything."""

from __future__ import annotations

import itertools
import json
import re
import socket
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import psutil
import pytest
from browser import QUIET, ROOT, find_browser, kernels, serve_page, wait_until
from playwright.sync_api import Browser
from websocket import (
    WebSocket,
    WebSocketBadStatusException,
    WebSocketConnectionClosedException,
    create_connection,
)

from electra_core.dashboard.voila.kernels import PROTOCOL, VisitorKernels, well_formed

pytestmark = pytest.mark.browser

MAX_VISITORS = 3
POOL = 2
# A kernel without a page ends after so many seconds; the default of 10 s would make the tests wait.
RECONNECT_WITHIN_S = 3.0
# Values that no widget of the page can use.
ABSURD = (1e308, float("nan"), 10**400, -1, None, {}, "<script>alert(1)</script>")
SYNCED = {"value", "index", "min", "max", "step", "ticks", "answered", "query", "columns", "items"}

Message = dict[str, Any]


def packed(parts: list[bytes]) -> bytes:
    """Return a message of the websocket: the number of offsets, the offsets, the parts."""
    offsets = [8 * (len(parts) + 2)]
    for part in parts:
        offsets.append(offsets[-1] + len(part))
    numbers = [len(offsets), *offsets]
    return b"".join([number.to_bytes(8, "little") for number in numbers] + parts)


def unpacked(message: bytes) -> Message:
    count = int.from_bytes(message[:8], "little")
    offsets = [int.from_bytes(message[8 * at : 8 * at + 8], "little") for at in range(1, count + 1)]
    parts = [message[start:end] for start, end in itertools.pairwise(offsets)]
    header, parent, _, content = (json.loads(part) for part in parts[1:5])
    return {"type": header["msg_type"], "parent": parent.get("msg_id"), "content": content}


def ask(url: str, method: str = "GET", origin: str | None = None) -> tuple[int, str]:
    headers = {"Origin": origin} if origin else {}
    request = Request(url, method=method, headers=headers, data=b"" if method == "POST" else None)
    try:
        with urlopen(request, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as error:
        return error.code, error.read().decode()


class Visitor:
    """A visitor without a browser, with a kernel and a websocket to it."""

    def __init__(self, url: str, query: str = "") -> None:
        self.url = url
        self.status, self.html = ask(url + query)
        found = re.search(r'"kernelId": ?"([^"]+)"', self.html)
        assert found, f"{self.status}: no station"
        self.kernel_id = found[1]
        self.session = uuid.uuid4().hex
        self.socket = self.connect()

    def connect(self, **options: Any) -> WebSocket:
        """Open a websocket to the kernel."""
        session = options.pop("session", self.session)
        where = f"api/kernels/{self.kernel_id}/channels?session_id={session}"
        options = {"subprotocols": [PROTOCOL], "timeout": 20, **options}
        return create_connection(self.url.replace("http", "ws") + where, **options)

    def send(self, kind: str, content: object, channel: str = "shell") -> str:
        """Send a message and return its id."""
        number = uuid.uuid4().hex
        header = {"msg_id": number, "msg_type": kind, "username": "", "session": self.session}
        header |= {"version": "5.4", "date": "2026-01-01T00:00:00Z"}
        parts: list[object] = [header, {}, {}, content]
        self.socket.send_binary(packed([channel.encode(), *(json.dumps(part).encode() for part in parts)]))
        return number

    def receive_until(self, number: str, kind: str, seconds: float = 20) -> list[Message]:
        """Return all messages up to the one of a kind that answers a message.

        Raises
        ------
        WebSocketTimeoutException
            When it does not come within so many seconds.
        """
        received: list[Message] = []
        end = time.monotonic() + seconds
        while not received or (received[-1]["parent"], received[-1]["type"]) != (number, kind):
            self.socket.settimeout(max(0.001, end - time.monotonic()))
            received.append(unpacked(self.socket.recv()))
        return received

    def send_until_closed(self, message: bytes) -> None:
        """Send a message, and receive until the server closes the connection."""
        self.socket.send_binary(message)
        while self.socket.recv():
            pass
        raise WebSocketConnectionClosedException

    def ask_kernel(self, channel: str = "shell", seconds: float = 20) -> list[Message]:
        """Ask the kernel for its version, and return all messages up to its answer."""
        number = self.send("kernel_info_request", {}, channel)
        return self.receive_until(number, "kernel_info_reply", seconds)

    def widgets(self) -> dict[str, dict[str, Any]]:
        """Return every widget's values, by its id."""
        number = self.send("comm_info_request", {"target_name": "jupyter.widget"})
        names = self.receive_until(number, "comm_info_reply")[-1]["content"]["comms"]
        return self.values(names)

    def values(self, widgets: Iterable[str]) -> dict[str, dict[str, Any]]:
        data = {"method": "request_state"}
        asked = {self.send("comm_msg", {"comm_id": each, "data": data}): each for each in widgets}
        found: dict[str, dict[str, Any]] = {}
        while len(found) < len(asked):
            message = unpacked(self.socket.recv())
            if message["type"] == "comm_msg" and message["parent"] in asked:
                found[asked[message["parent"]]] = message["content"]["data"]["state"]
        return found

    def set(self, widget: str, values: dict[str, object]) -> None:
        data = {"method": "update", "state": values, "buffer_paths": []}
        self.send("comm_msg", {"comm_id": widget, "data": data})

    def leave(self) -> None:
        """End the kernel, as a page does that is closed."""
        ask(self.url + f"voila/api/shutdown/{self.kernel_id}", "POST")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    """The public mode for three visitors: its address, and the process id of the server."""
    folder = tmp_path_factory.mktemp("voila")
    settings = json.loads((ROOT / "voila_public.json").read_text("utf-8"))
    settings["VisitorKernels"] = {"max_kernels": MAX_VISITORS, "reconnect_within_s": RECONNECT_WITHIN_S}
    (folder / "few.json").write_text(json.dumps(settings), "utf-8")
    pool = f"--pool_size={POOL}"
    with serve_page(folder / "voila.log", "station.ipynb", pool, settings=folder / "few.json") as (
        url,
        server,
    ):
        wait_until(lambda: kernels(server.pid) == POOL, 60, "the pool does not fill")
        yield url, server.pid


@pytest.fixture
def come(served: tuple[str, int]) -> Iterator[Callable[[], Visitor]]:
    """A function that lets a visitor come; all leave after the test."""
    visitors: list[Visitor] = []

    def enter() -> Visitor:
        visitors.append(Visitor(served[0]))
        return visitors[-1]

    yield enter
    for visitor in visitors:
        visitor.leave()


@pytest.mark.parametrize("channel", ["shell", "control"])
def test_visitor_cannot_execute_code(come: Callable[[], Visitor], tmp_path: Path, channel: str) -> None:
    """After each forbidden message the kernel answers an allowed one, and has not heard of the first."""
    visitor, trace = come(), tmp_path / "executed"
    assert "open_station" not in visitor.html
    for kind, content in (
        ("execute_request", {"code": f"open({str(trace)!r}, 'w')", "silent": False}),
        ("complete_request", {"code": "im", "cursor_pos": 2}),
        ("inspect_request", {"code": "model", "cursor_pos": 5, "detail_level": 0}),
        ("history_request", {"hist_access_type": "tail", "n": 9}),
        ("debug_request", {"command": "initialize"}),
        ("interrupt_request", {}),
    ):
        forbidden = visitor.send(kind, content, channel)
        received = visitor.ask_kernel(channel)
        assert forbidden not in [message["parent"] for message in received]
    # The kernel has worked through everything on this channel.
    assert not trace.exists()


def test_visitor_cannot_interrupt_restart_or_shut_down_from_elsewhere(come: Callable[[], Visitor]) -> None:
    visitor = come()
    for path in ("", f"/{visitor.kernel_id}/interrupt", f"/{visitor.kernel_id}/restart"):
        assert ask(f"{visitor.url}api/kernels{path}", "POST")[0] == 405
    with pytest.raises(WebSocketBadStatusException, match="403"):
        visitor.connect(session="another", origin="http://elsewhere.example")
    shutdown = f"{visitor.url}voila/api/shutdown/{visitor.kernel_id}"
    assert ask(shutdown, "POST", origin="http://elsewhere.example")[0] == 404
    assert visitor.ask_kernel()


@pytest.mark.parametrize(
    "path",
    [
        "voila/files/station.ipynb",
        "voila/files/..%2fvoila.json",
        "voila/files/%2e%2e/electra_core/station/station.py",
        "voila/static/..%2f..%2fapp.py",
        "voila/labextensions/..%2f..%2f..%2fetc/jupyter/voila.py",
        "voila/templates/electra/static/..%2f..%2f..%2f..%2fetc/passwd",
        "station.ipynb",
        "api/kernels",
        "api/contents",
    ],
)
def test_files_and_lists_are_refused(served: tuple[str, int], path: str) -> None:
    status, text = ask(served[0] + path)
    assert status in (403, 404, 500)
    assert len(text) < 9000
    assert "import" not in re.sub(r"<style>.*?</style>", "", text, flags=re.DOTALL)


def test_broken_message_closes_only_its_connection(come: Callable[[], Visitor]) -> None:
    visitor = come()
    with pytest.raises(WebSocketBadStatusException, match="400"):
        visitor.connect(subprotocols=[])
    endless = (2**63).to_bytes(8, "little")
    for message in (endless, b"", b"x" * 100, packed([b"shell", *[b"{}"] * 4, b"x" * 7_000_000])):
        with pytest.raises((WebSocketConnectionClosedException, OSError)):
            visitor.send_until_closed(message)
        visitor.socket = visitor.connect()
    assert visitor.ask_kernel()


def test_parts_of_a_message_must_lie_inside_it() -> None:
    good = packed([b"shell", b"{}", b"{}", b"{}", b"{}"])
    assert well_formed(good)
    assert well_formed(packed([b"shell", *[b"{}"] * 4, b"buffer"]))
    assert not well_formed(good[:-1])
    backwards = good[:16] + good[24:32] + good[16:24] + good[32:]
    assert not well_formed(backwards)
    assert not well_formed(packed([b"shell"] * 2000))


def test_absurd_values_leave_a_station_that_answers(come: Callable[[], Visitor]) -> None:
    visitor = come()
    widgets = visitor.widgets()
    texts = [each for each, values in widgets.items() if "el-headline" in str(values.get("value"))]
    assert texts
    for widget in widgets.keys() - texts:
        for name, value in itertools.product(SYNCED & widgets[widget].keys(), ABSURD):
            visitor.set(widget, {name: value})
    # It works through hundreds of them first.
    assert visitor.ask_kernel(seconds=120)
    assert all("el-headline" in values["value"] for values in visitor.values(texts).values())


def test_link_reaches_no_other_server(come: Callable[[], Visitor]) -> None:
    visitor = come()
    ticker = next(each for each, values in visitor.widgets().items() if {"query", "ticks"} <= values.keys())
    with socket.create_server(("127.0.0.1", 0)) as other:
        visitor.set(ticker, {"query": f"station=http://127.0.0.1:{other.getsockname()[1]}"})
        assert visitor.ask_kernel()
        other.settimeout(0.5)
        with pytest.raises(TimeoutError):
            other.accept()
    assert any("may not ask it" in str(values.get("value")) for values in visitor.widgets().values())


def test_visitor_beyond_the_bound_is_told_so(come: Callable[[], Visitor], served: tuple[str, int]) -> None:
    overridden = Visitor(served[0], "?template=lab&theme=dark")  # both are ignored
    try:
        assert "electra-wait" in overridden.html
        for _ in range(MAX_VISITORS - 1):
            come()
        status, text = ask(served[0])
        assert status == 503
        assert f"All {MAX_VISITORS} stations are taken; try again in a minute." in text
        assert "Traceback" not in text
    finally:
        overridden.leave()
    assert come().status == 200


def test_short_loss_of_the_network_loses_nothing(come: Callable[[], Visitor]) -> None:
    visitor = come()
    visitor.socket.shutdown()
    time.sleep(RECONNECT_WITHIN_S / 3)
    visitor.socket = visitor.connect()
    time.sleep(RECONNECT_WITHIN_S)  # past the moment at which the kernel would have ended
    assert visitor.ask_kernel()


def test_killed_browser_leaves_no_kernel(served: tuple[str, int], browser: Browser) -> None:
    url, server_pid = served
    wait_until(lambda: kernels(server_pid) == POOL, 30, "the pool is not as before")
    before = set(psutil.Process().children(recursive=True))
    other = browser.browser_type.launch(executable_path=find_browser(), args=list(QUIET))
    page = other.new_page()
    page.goto(url, wait_until="commit")
    page.wait_for_selector(".el-headline", timeout=60_000)
    wait_until(lambda: kernels(server_pid) == POOL + 1, 30, "the pool does not fill again")
    for process in set(psutil.Process().children(recursive=True)) - before:
        if "chrom" in process.name():
            process.kill()
    wait_until(lambda: kernels(server_pid) == POOL, 15, "the kernel outlives its browser")


def test_defaults_of_the_bounds_are_those_of_the_documentation() -> None:
    found = {name: trait.default() for name, trait in VisitorKernels.class_traits(config=True).items()}
    assert (found["max_kernels"], found["connect_within_s"], found["reconnect_within_s"]) == (0, 120.0, 10.0)
