"""What many visitors may do: the public mode, asked by a raw client that says whatever it likes."""

from __future__ import annotations

import itertools
import json
import re
import socket
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import psutil
import pytest
from browser import QUIET, ROOT, find_browser, kernels, serve_page, wait_until
from playwright.sync_api import sync_playwright
from websocket import (
    WebSocket,
    WebSocketBadStatusException,
    WebSocketConnectionClosedException,
    WebSocketTimeoutException,
    create_connection,
)

from electra_core.dashboard.voila.kernels import PROTOCOL, well_formed

pytestmark = pytest.mark.browser

MOST = 3
POOL = 2
# Numbers and other things that no widget of the page has a use for.
ABSURD = (1e308, float("nan"), 10**400, -1, None, {}, "<script>alert(1)</script>")
SYNCED = {"value", "index", "min", "max", "step", "ticks", "answered", "query", "columns", "items"}

Message = dict[str, Any]


def packed(parts: list[bytes]) -> bytes:
    """A message of the websocket: how many bounds, the bounds, the parts."""
    bounds = [8 * (len(parts) + 2)]
    for part in parts:
        bounds.append(bounds[-1] + len(part))
    numbers = [len(bounds), *bounds]
    return b"".join([number.to_bytes(8, "little") for number in numbers] + parts)


def unpacked(message: bytes) -> Message:
    count = int.from_bytes(message[:8], "little")
    bounds = [int.from_bytes(message[8 * at : 8 * at + 8], "little") for at in range(1, count + 1)]
    parts = [message[start:end] for start, end in itertools.pairwise(bounds)]
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
    """A page without a browser."""

    def __init__(self, url: str, query: str = "") -> None:
        self.url = url
        self.status, self.html = ask(url + query)
        found = re.search(r'"kernelId": ?"([^"]+)"', self.html)
        assert found, f"{self.status}: no station"
        self.kernel_id = found[1]
        self.session = uuid.uuid4().hex
        self.socket = self.connect()

    def connect(self, **words: Any) -> WebSocket:
        session = words.pop("session", self.session)
        words = {"subprotocols": [PROTOCOL], **words}
        where = f"api/kernels/{self.kernel_id}/channels?session_id={session}"
        return create_connection(self.url.replace("http", "ws") + where, timeout=20, **words)

    def say(self, kind: str, content: object, channel: str = "shell") -> str:
        number = uuid.uuid4().hex
        header = {"msg_id": number, "msg_type": kind, "username": "", "session": self.session}
        header |= {"version": "5.4", "date": "2026-01-01T00:00:00Z"}
        parts: list[object] = [header, {}, {}, content]
        self.socket.send_binary(packed([channel.encode(), *(json.dumps(part).encode() for part in parts)]))
        return number

    def hear(self, number: str, kind: str, seconds: float = 20) -> list[Message]:
        """What comes in answer to a message, until one of a kind has."""
        heard: list[Message] = []
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.socket.settimeout(left)
            try:
                message = unpacked(self.socket.recv())
            except WebSocketTimeoutException:
                break
            if message["parent"] == number:
                heard.append(message)
                if message["type"] == kind:
                    break
        return heard

    def insist(self, message: bytes) -> None:
        """Say it, and listen until the server hangs up."""
        self.socket.send_binary(message)
        while self.socket.recv():
            pass
        raise WebSocketConnectionClosedException

    def answers(self, seconds: float = 20) -> bool:
        return bool(self.hear(self.say("kernel_info_request", {}), "kernel_info_reply", seconds))

    def widgets(self) -> dict[str, dict[str, Any]]:
        """Every widget's values, by its id."""
        number = self.say("comm_info_request", {"target_name": "jupyter.widget"})
        names = self.hear(number, "comm_info_reply")[-1]["content"]["comms"]
        return self.values(names)

    def values(self, widgets: Iterable[str]) -> dict[str, dict[str, Any]]:
        data = {"method": "request_state"}
        asked = {self.say("comm_msg", {"comm_id": each, "data": data}): each for each in widgets}
        found: dict[str, dict[str, Any]] = {}
        while len(found) < len(asked):
            message = unpacked(self.socket.recv())
            if message["type"] == "comm_msg" and message["parent"] in asked:
                found[asked[message["parent"]]] = message["content"]["data"]["state"]
        return found

    def set(self, widget: str, values: dict[str, object]) -> None:
        data = {"method": "update", "state": values, "buffer_paths": []}
        self.say("comm_msg", {"comm_id": widget, "data": data})

    def bye(self) -> None:
        ask(self.url + f"voila/api/shutdown/{self.kernel_id}", "POST")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    """The public mode with room for three, and the id of its process."""
    folder = tmp_path_factory.mktemp("voila")
    settings = json.loads((ROOT / "voila_public.json").read_text("utf-8"))
    settings["VisitorKernels"]["max_kernels"] = MOST
    (folder / "few.json").write_text(json.dumps(settings), "utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ELECTRA_VOILA", str(folder / "few.json"))
        with serve_page(folder / "voila.log") as (url, server):
            wait_until(lambda: kernels(server.pid) == POOL, 60, "the pool does not fill")
            yield url, server.pid


@pytest.fixture
def come(served: tuple[str, int]) -> Iterator[Callable[[], Visitor]]:
    """Come as a visitor; all say goodbye afterwards."""
    visitors: list[Visitor] = []

    def enter() -> Visitor:
        visitors.append(Visitor(served[0]))
        return visitors[-1]

    yield enter
    for visitor in visitors:
        visitor.bye()


def test_a_visitor_has_no_powers(come: Callable[[], Visitor]) -> None:
    visitor = come()
    assert "open_station" not in visitor.html
    for kind, content in (
        ("execute_request", {"code": "1", "silent": False}),
        ("complete_request", {"code": "im", "cursor_pos": 2}),
        ("inspect_request", {"code": "model", "cursor_pos": 5, "detail_level": 0}),
        ("history_request", {"hist_access_type": "tail", "n": 9}),
        ("debug_request", {"command": "initialize"}),
        ("interrupt_request", {}),
    ):
        for channel in ("shell", "control"):
            number = visitor.say(kind, content, channel)
            assert visitor.hear(number, "none", 0.05) == []
    assert visitor.answers()
    for path in ("", f"/{visitor.kernel_id}/interrupt", f"/{visitor.kernel_id}/restart"):
        assert ask(f"{visitor.url}api/kernels{path}", "POST")[0] == 405
    with pytest.raises(WebSocketBadStatusException, match="403"):
        visitor.connect(session="another", origin="http://elsewhere.example")
    shutdown = f"{visitor.url}voila/api/shutdown/{visitor.kernel_id}"
    assert ask(shutdown, "POST", origin="http://elsewhere.example")[0] == 404
    assert visitor.answers()


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


def test_broken_messages_harm_nobody(come: Callable[[], Visitor]) -> None:
    visitor = come()
    with pytest.raises(WebSocketBadStatusException, match="400"):
        visitor.connect(subprotocols=[])
    endless = (2**63).to_bytes(8, "little")
    for message in (endless, b"", b"x" * 100, packed([b"shell", *[b"{}"] * 4, b"x" * 7_000_000])):
        with pytest.raises((WebSocketConnectionClosedException, OSError)):
            visitor.insist(message)
        visitor.socket = visitor.connect()
    assert visitor.answers()


def test_bounds_of_a_message() -> None:
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
    assert visitor.answers(seconds=120)
    assert all("el-headline" in values["value"] for values in visitor.values(texts).values())


def test_a_link_reaches_no_other_server(come: Callable[[], Visitor]) -> None:
    visitor = come()
    pulse = next(each for each, values in visitor.widgets().items() if {"query", "ticks"} <= values.keys())
    with socket.create_server(("127.0.0.1", 0)) as other:
        visitor.set(pulse, {"query": f"station=http://127.0.0.1:{other.getsockname()[1]}"})
        assert visitor.answers()
        other.settimeout(0.5)
        with pytest.raises(TimeoutError):
            other.accept()
    assert any("may not ask it" in str(values.get("value")) for values in visitor.widgets().values())


def test_who_comes_too_late_is_told_so(come: Callable[[], Visitor], served: tuple[str, int]) -> None:
    overridden = Visitor(served[0], "?template=lab&theme=dark")  # neither heard
    try:
        assert "electra-wait" in overridden.html
        for _ in range(MOST - 1):
            come()
        status, text = ask(served[0])
        assert status == 503
        assert f"All {MOST} stations are taken; try again in a minute." in text
        assert "Traceback" not in text
    finally:
        overridden.bye()
    assert come().status == 200


def test_a_short_loss_of_the_network_loses_nothing(come: Callable[[], Visitor]) -> None:
    visitor = come()
    visitor.socket.shutdown()
    time.sleep(3)
    visitor.socket = visitor.connect()
    time.sleep(9)  # past the moment at which the kernel would have ended
    assert visitor.answers()


def test_a_killed_browser_leaves_no_kernel(served: tuple[str, int]) -> None:
    url, server_pid = served
    wait_until(lambda: kernels(server_pid) == POOL, 30, "the pool is not as before")
    with sync_playwright() as playwright:
        before = set(psutil.Process().children(recursive=True))
        browser = playwright.chromium.launch(executable_path=find_browser(), args=list(QUIET))
        page = browser.new_page()
        page.goto(url, wait_until="commit")
        page.wait_for_selector(".el-headline", timeout=60_000)
        wait_until(lambda: kernels(server_pid) == POOL + 1, 30, "the pool does not fill again")
        for process in set(psutil.Process().children(recursive=True)) - before:
            if "chrom" in process.name():
                process.kill()
        wait_until(lambda: kernels(server_pid) == POOL, 15, "the kernel outlives its browser")
