"""The page of a station that is served elsewhere: it mirrors, steers, waits, and believes nothing unseen."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from browser import ROOT, open_browser, serious_faults, serve_page, wait_until
from pages import button, parts
from playwright.sync_api import expect
from plotly.basedatatypes import BaseFigure

from electra_core import StationConfig, load_config
from electra_core.dashboard import open_station
from electra_core.dashboard.station_page import remote as served
from electra_core.dashboard.station_page import remote_client as wire
from electra_core.dashboard.station_page import remote_stream as follow
from electra_core.dashboard.station_page.model import StationModel
from electra_core.dashboard.station_page.playback_model import CUSTOM_CAR
from electra_core.dashboard.station_page.view import StationPage
from electra_core.errors import BadValueError

pytestmark = pytest.mark.service

CONFIGS = ROOT / "configs"
PARIS = CONFIGS / "electra_paris_15.json"


class Server:
    """`electra serve` in a process of its own, which may die and come again."""

    def __init__(self, journal: Path, *more: str, token: str = "") -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.more, self.journal, self.token = more, journal, token

    def start(self) -> None:
        command = [sys.executable, "-m", "electra_core.cli", "serve", str(PARIS), f"--port={self.port}"]
        command += [f"--journal={self.journal}", *self.more]
        self.process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "ELECTRA_TOKEN": self.token})
        wait_until(self._answers, 30, "electra serve does not answer")

    def _answers(self) -> bool:
        try:
            self.ask("GET", "/v1/clock")
        except OSError:
            return False
        return True

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(timeout=30)

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self.token}"}
        content = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, content, headers, method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read())


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path / "paris.journal", "--simulated")
    server.start()
    yield server
    server.kill()


@pytest.fixture
def model() -> Iterator[StationModel]:
    model = open_station(CONFIGS, playing=False)
    yield model
    model.playback.close()


@pytest.fixture
def live(model: StationModel, server: Server) -> StationModel:
    assert model.follow_link({"station": server.url}), model.refusal
    return model


def ticks_until(model: StationModel, condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Tick as the browser does, only faster."""

    def tick() -> bool:
        model.tick()
        return condition()

    wait_until(tick, seconds, f"it did not come: {model.notice or model.log[:3]}")


def same(model: StationModel, server: Server) -> bool:
    return model.station.status().model_dump(mode="json") == server.ask("GET", "/v1/status")


# --- a mirror ----------------------------------------------------------------------------------------


def test_shows_what_is_there_to_the_last_bit(model: StationModel, server: Server) -> None:
    for connector in (1, 2):
        car = {"vehicle": "Renault Zoe 50", "arrival_soc": 0.1 * connector}
        server.ask("POST", "/v1/sessions", {"charger_id": "CP001", "connector": connector, **car})
    server.ask("POST", "/v1/clock/advance", {"seconds": 1234.5})
    assert model.follow_link({"station": server.url, "strategy": "first_come", "day": "never"})
    assert model.stations == ["ELECTRA_PARIS_15"]
    assert list(model.days) == [f"Live from {server.url}"]
    assert same(model, server)
    # A link shows; it changes nothing at a station that is somebody else's too.
    assert model.strategy == "max_min"
    assert model.station.explain("S0001")
    assert [entry.words for entry in model.log] == [
        "Renault Zoe 50 arrives at CP001·2 with 20%",
        "Renault Zoe 50 arrives at CP001·1 with 10%",
    ]
    model.what_if = "no battery"
    assert model.playback.shadow is not None
    kept = model.export("events")
    assert kept is not None
    assert kept[2].count(b"\n") == 3


def test_a_hand_reaches_the_station(live: StationModel, server: Server) -> None:
    assert live.arrive("CP001", 1, "Renault Zoe 50", arrival_soc=0.3)
    assert live.arrive("CP002", 1, CUSTOM_CAR, custom_kw=120.0)
    assert [each["vehicle"] for each in server.ask("GET", "/v1/sessions")] == ["Renault Zoe 50", ""]
    assert live.step(15)
    assert live.station.now_s == 900.0 == server.ask("GET", "/v1/clock")["now_s"]
    live.site_limit_kw, live.static_load_kw = 100.0, 20.0
    live.strategy = "first_come"
    assert live.set_available("CP003", None, False)
    assert live.set_available("battery", None, False)
    status = server.ask("GET", "/v1/status")
    assert (status["site_limit_kw"], status["static_load_kw"], status["strategy"]) == (100, 20, "first_come")
    assert live.depart("CP001", 1)
    assert len(server.ask("GET", "/v1/sessions")) == 1
    assert same(live, server)
    assert live.refusal == ""
    # Each deed is said once, by the hand.
    assert len([line for line in live.log if "Renault Zoe 50 leaves" in line.words]) == 1
    assert len([line for line in live.log if "Grid limit" in line.words]) == 1


def test_a_refusal_is_the_stations_own_sentence(live: StationModel, server: Server) -> None:
    live.arrive("CP001", 1, "Renault Zoe 50")
    assert not live.arrive("CP001", 1, "Renault Zoe 50")
    assert live.refusal == "Refused: connector 1 of CP001 is taken by session S0001."
    assert not live.depart("CP001", 2)
    assert live.refusal == "Refused: connector 2 of CP001 is free: no car can leave it."
    live.site_limit_kw = -5.0
    assert live.refusal.startswith("Refused: limit_kw")
    assert live.site_limit_kw == 400.0
    assert same(live, server)


def test_what_others_do_shows_at_the_next_tick(live: StationModel, server: Server) -> None:
    version = live.version
    live.tick()
    assert live.version == version, "nothing happened, and the page was drawn anew"
    server.ask("PUT", "/v1/site-limit", {"limit_kw": 77.0})
    ticks_until(live, lambda: live.site_limit_kw == 77.0)
    assert live.version > version
    assert str(live.log[0]) == "00:00 Grid limit set to 77 kW"
    server.ask("POST", "/start_session/?chargerId=CP002&connectorId=1&powerCapacity=150")
    ticks_until(live, lambda: len(live.status.sessions) == 1)
    assert str(live.log[0]) == "00:00 A car arrives at CP002·1"
    assert same(live, server)


def test_plays_a_simulated_clock(live: StationModel, server: Server) -> None:
    live.playing = True
    live.tick()
    assert live.station.now_s == 60.0 == server.ask("GET", "/v1/clock")["now_s"]


def test_what_belongs_to_the_server_is_refused(live: StationModel, server: Server) -> None:
    live.begin()
    assert "this station is served" in live.refusal
    for kind in ("station", "day", "events"):
        assert not live.upload(kind, "mine.json", b"{}")
    live.meter_silent = True
    assert not live.meter_silent
    assert not live.follow_link({"station": "EPFL Level-3"})
    assert live.station_name == "ELECTRA_PARIS_15"
    assert same(live, server)


def test_a_real_clock_cannot_be_moved(model: StationModel, tmp_path: Path) -> None:
    server = Server(tmp_path / "real.journal")
    server.start()
    try:
        assert model.follow_link({"station": server.url})
        page = StationPage(model)
        for name in ("▶ Play", "+5 min", "↺ Start"):
            assert button(page, name).disabled
        assert not model.step(5)
        assert "follows the time of day" in model.refusal
        ticks_until(model, lambda: model.station.now_s > 0.0, 20)
        # Its clock shows the time of day, in the words and below the curves.
        shown = {time.strftime("%H:%M", time.localtime(time.time() - back_s)) for back_s in (0, 60)}
        assert model.clock(model.station.now_s) in shown
        (figure,) = [part for part in parts(page) if isinstance(part, BaseFigure)]
        begin_s, axis = model.playback.history[0].now_s, figure.layout.xaxis2
        assert len(axis.tickvals) >= 4
        for hour_s, name in zip(axis.tickvals, axis.ticktext, strict=True):
            assert model.clock(round(begin_s + hour_s)) == name
    finally:
        server.kill()


def test_with_a_token(model: StationModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(tmp_path / "token.journal", "--simulated", token="secret")
    server.start()
    try:
        monkeypatch.delenv("ELECTRA_TOKEN", raising=False)
        assert model.follow_link({"station": server.url})
        assert not model.arrive("CP001", 1, CUSTOM_CAR)
        assert model.refusal == "Refused: this changes something: it needs the token."
        monkeypatch.setenv("ELECTRA_TOKEN", "secret")
        assert model.follow_link({"station": server.url})
        assert model.arrive("CP001", 1, CUSTOM_CAR)
        # Where stations are listed, no other program on this machine is asked, or hears the token.
        monkeypatch.setenv("ELECTRA_STATIONS", "https://depot.example:8443")
        assert not model.follow_link({"station": server.url})
    finally:
        server.kill()


# --- when the wire is cut ----------------------------------------------------------------------------


def test_says_that_it_is_stale_and_goes_on_by_itself(live: StationModel, server: Server) -> None:
    assert live.arrive("CP001", 1, CUSTOM_CAR)
    server.kill()
    ticks_until(live, lambda: live.notice != "")
    assert live.notice.startswith("stale: no word from the station since ")
    state = live.station.state
    assert not live.arrive("CP001", 2, CUSTOM_CAR)
    assert live.refusal.startswith("Refused: nothing was sent, the page is stale: no word")
    assert live.station.state == state
    server.start()
    ticks_until(live, lambda: live.notice == "")
    assert live.arrive("CP001", 2, CUSTOM_CAR)
    assert same(live, server)
    assert len(live.station.events) == 2, "it began anew, although it knew the journal"


def test_another_journal_is_shown_from_its_beginning(live: StationModel, server: Server) -> None:
    assert live.arrive("CP001", 1, CUSTOM_CAR)
    live.what_if = "no battery"
    server.kill()
    server.journal = server.journal.with_name("other.journal")
    server.start()
    server.ask("POST", "/start_session/?chargerId=CP003&connectorId=1&powerCapacity=70")
    ticks_until(live, lambda: live.notice == "" and "CP003" in str(list(live.station.state.sessions)))
    assert same(live, server)
    assert live.playback.shadow is None
    assert live.what_if == ""


def test_a_station_that_hangs_is_stale(
    live: StationModel, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "ANSWER_S", 0.5)
    server.process.send_signal(signal.SIGSTOP)
    try:
        begun_s = time.monotonic()
        assert not live.arrive("CP001", 1, CUSTOM_CAR)
        assert time.monotonic() - begun_s < 3.0
        assert "the station's word is missing, it does not answer" in live.refusal
        monkeypatch.setattr(follow, "SILENCE_S", 0.5)
        ticks_until(live, lambda: live.notice.startswith("stale"))
    finally:
        server.process.send_signal(signal.SIGCONT)
    monkeypatch.undo()
    ticks_until(live, lambda: live.notice == "", 30)
    # Nobody knew whether the car was let in; now the page shows what is so.
    ticks_until(live, lambda: same(live, server))


def test_a_mirror_that_was_changed_in_code_mirrors_again(live: StationModel, server: Server) -> None:
    assert live.arrive("CP001", 1, CUSTOM_CAR)
    live.station.set_site_limit(1.0)
    live.tick()
    ticks_until(live, lambda: live.notice == "" and same(live, server))
    assert live.site_limit_kw == 400.0


# --- what a link may name ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    [
        "http://example.com",
        "http://10.0.0.1:8000",
        "http://169.254.169.254/",
        "http://127.0.0.2:8000",
        "http://127.1:8000",
        "http://0:8000",
        "http://2130706433:8000",
        "http://127.0.0.1@example.com",
        "http://me:word@127.0.0.1:8000",
        "http://127.0.0.1:8000/other/path",
        "http://127.0.0.1:8000?x=1",
        "http://127.0.0.1.example.com:8000",
        "http://127.0.0.1:99999",
        "http://127.0.0.1:0",
        "http://[::1",
        "https://127.0.0.1:8000",
        "ftp://127.0.0.1",
        "file:///etc/passwd",
        "http://",
        "://",
    ],
)
def test_a_foreign_address_is_a_sentence(
    model: StationModel, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody(*_: object) -> None:
        raise AssertionError("it was called")

    monkeypatch.setattr(wire.Wire, "_connection", nobody)
    play, threads = model.playback, threading.active_count()
    assert not model.follow_link({"station": address})
    assert model.refusal.startswith("Refused: the link's station ")
    assert model.playback is play
    assert threading.active_count() == threads


def test_listed_stations_may_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ELECTRA_STATIONS", "http://api:8000, https://Depot.example")
    assert str(wire.allowed("http://api:8000/")) == "http://api:8000"
    assert str(wire.allowed("https://depot.example:443")) == "https://depot.example:443"
    for other in ("http://api:8001", "https://api:8000", "http://depot.example", "http://127.0.0.1:8000"):
        with pytest.raises(BadValueError, match="ELECTRA_STATIONS"):
            wire.allowed(other)


def test_this_machine_may_be_named_where_nobody_lists_stations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ELECTRA_STATIONS", raising=False)
    assert str(wire.allowed("http://[::1]:8000")) == "http://[::1]:8000"
    monkeypatch.setenv("ELECTRA_STATIONS", "")  # as the public mode does
    with pytest.raises(BadValueError, match="may not ask"):
        wire.allowed("http://[::1]:8000")


def test_nobody_is_there(model: StationModel) -> None:
    play, log = model.playback, model.log
    assert not model.follow_link({"station": "http://127.0.0.1:9"})
    assert model.refusal == ("Refused: no station can be shown from http://127.0.0.1:9: it does not answer.")
    assert model.playback is play
    assert model.log == log
    assert model.step(1)


# --- forged answers ----------------------------------------------------------------------------------


def told(number: int = 0, **offered_kw: float) -> bytes:
    data = json.dumps({"number": number, "offered_kw": offered_kw})
    return f"id: {number}\nevent: allocation\ndata: {data}\n\n".encode()


def event(number: int, call: str, at_s: float = 0.0, **arguments: object) -> dict[str, object]:
    return {"number": number, "at_s": at_s, "call": call, "arguments": arguments}


def honest() -> dict[str, Any]:
    config: StationConfig = load_config(PARIS)
    return {
        "/v1/config": config.model_dump(mode="json", by_alias=True, exclude_none=True),
        "/v1/clock": {"now_s": 0.0, "simulated": True},
        "/v1/events": [],
        "/v1/status": {},
        "/v1/stream": told(),
    }


@contextmanager
def forger(answers: dict[str, Any]) -> Iterator[str]:
    """A server that says what it is told to say."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = answers.get(self.path.partition("?")[0], {})
            if callable(answer):
                answer(self)
                return
            self.send_response(200)
            self.send_header("ETag", answers.get("etag", '"0"'))
            self.end_headers()
            self.wfile.write(answer if isinstance(answer, bytes) else json.dumps(answer).encode())
            self.wfile.flush()
            if self.path == "/v1/stream":
                over.wait(20)

        do_POST = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    over = threading.Event()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    over.set()
    server.shutdown()
    server.server_close()


def redirect(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(302)
    handler.send_header("Location", "http://127.0.0.1:9/secret")
    handler.end_headers()


def drip(handler: BaseHTTPRequestHandler) -> None:
    """A byte now and then, for ever."""
    for _ in range(100):
        try:
            handler.wfile.write(b"x")
            handler.wfile.flush()
        except OSError:
            return
        time.sleep(0.05)


def large() -> dict[str, Any]:
    charger = {"id": "A", "maxPower": 100, "connectors": 61}
    return {"stationId": "large", "gridCapacity": 100, "chargers": [charger]}


NONSENSE: dict[str, tuple[dict[str, Any], str]] = {
    "no JSON": ({"/v1/config": b"<html>"}, "no JSON object"),
    "a list": ({"/v1/config": []}, "no JSON object"),
    "deep": ({"/v1/config": b"[" * 100_000}, "no JSON object"),
    "no station": ({"/v1/config": {"stationId": "<b>"}}, "it has no station"),
    "too large": ({"/v1/config": large()}, "61 connectors, and this page draws 60"),
    "no end": ({"/v1/config": b" " * 400_000}, "its answer has no end"),
    "elsewhere": ({"/v1/config": redirect}, "it answers 302, as no station would"),
    "drips": ({"/v1/config": drip}, "it does not answer"),
    "clock": ({"/v1/clock": {"simulated": "perhaps"}}, "its clock cannot be read"),
    "stream": ({"/v1/stream": b"data: {}\n\n"}, "its stream cannot be read"),
    "no stream": ({"/v1/stream": redirect}, "it has no stream"),
    "no lines": ({"/v1/stream": b"x" * 400_000}, "its stream has no lines"),
    "number": ({"/v1/stream": told(2**62)}, "at most"),
    "short": ({"/v1/stream": told(3)}, "the journal ends before its last event"),
    "gaps": (
        {"/v1/stream": told(3), "/v1/events": [event(2, "advance", seconds=1.0)]},
        "its journal has gaps",
    ),
    "events": ({"/v1/stream": told(1), "/v1/events": [{"number": 1}]}, "its journal cannot be read"),
    "call": (
        {"/v1/stream": told(1), "/v1/events": [event(1, "save_events", path="/tmp/x")]},
        "its event 1 cannot have happened: there is no call 'save_events'",
    ),
    "past": (
        {"/v1/stream": told(1), "/v1/events": [event(1, "advance", 7.0, seconds=1.0)]},
        "its event 1 cannot have happened",
    ),
    "arguments": (
        {"/v1/stream": told(1), "/v1/events": [event(1, "advance", minutes=1.0)]},
        "its event 1 cannot have happened",
    ),
    "types": (
        {"/v1/stream": told(1), "/v1/events": [event(1, "plug_in", charger_id=[], connector={}, vehicle={})]},
        "its event 1 cannot have happened",
    ),
    "other version": ({"/v1/stream": told(0, S0001=50.0)}, "this page decides differently"),
}


@pytest.mark.parametrize("kind", NONSENSE)
def test_nonsense_is_refused_in_a_sentence(
    model: StationModel, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "ANSWER_S", 0.5)
    monkeypatch.setattr(wire, "MAX_BYTES", 300_000)
    monkeypatch.setattr(wire, "MAX_LINE", 300_000)
    answers, words = NONSENSE[kind]
    play = model.playback
    with forger({**honest(), **answers}) as url:
        begun_s = time.monotonic()
        assert not model.follow_link({"station": url})
        assert time.monotonic() - begun_s < 6.0
    assert model.refusal.startswith("Refused: ")
    assert words in model.refusal
    assert len(model.refusal) < 600
    assert model.playback is play


def test_an_answer_to_a_deed_is_checked_too(model: StationModel) -> None:
    answers = honest()
    with forger(answers) as url:
        assert model.follow_link({"station": url}), model.refusal
        for path, answer in (("/v1/sessions", b"<html>"), ("/v1/sessions", redirect)):
            answers[path] = answer
            assert not model.arrive("CP001", 1, CUSTOM_CAR)
            assert "the station's word is missing" in model.refusal
        answers |= {"/v1/sessions": {}, "etag": "W/nothing"}
        assert not model.arrive("CP001", 1, CUSTOM_CAR)
        assert model.station.status().sessions == ()


def test_a_long_journal_is_caught_up_in_slices(model: StationModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(served, "PATIENCE_S", 0.0)
    monkeypatch.setattr(served, "SLICE_S", 0.01)
    count = 3000
    pages = [event(number, "advance", float(number - 1), seconds=1.0) for number in range(1, count + 1)]

    def page(handler: BaseHTTPRequestHandler) -> None:
        since = int(handler.path.partition("since=")[2].partition("&")[0])
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(json.dumps(pages[since : since + 1000]).encode())

    with forger({**honest(), "/v1/events": page, "/v1/stream": told(count)}) as url:
        assert model.follow_link({"station": url}), model.refusal
        model.playback.poll(0.01)
        model.tick()
        assert model.notice.startswith("catching up: ")
        assert not model.arrive("CP001", 1, CUSTOM_CAR)
        ticks_until(model, lambda: model.station.now_s == count and model.notice == "", 60)
        assert len(model.playback.history) < 10 + count / 60


# --- in a browser ------------------------------------------------------------------------------------


@pytest.mark.browser
def test_the_page_shows_and_steers_a_served_station(server: Server, tmp_path: Path) -> None:
    car = {"charger_id": "CP001", "connector": 1, "vehicle": "Renault Zoe 50", "arrival_soc": 0.2}
    server.ask("POST", "/v1/sessions", car)
    with open_browser() as browser, serve_page(tmp_path / "voila.log") as (url, _):
        page = browser.new_context(viewport={"width": 1440, "height": 1000}).new_page()
        page.goto(f"{url}?station={server.url}", wait_until="commit")
        expect(page.locator("h1")).to_have_text("ELECTRA_PARIS_15", timeout=60_000)
        expect(page.locator(".el-header")).to_contain_text(f"Live from {server.url}")
        expect(page.locator(".el-headline")).to_contain_text("1 car,")
        # What somebody else does appears, although nothing plays.
        server.ask("POST", "/start_session/?chargerId=CP002&connectorId=1&powerCapacity=150")
        expect(page.locator(".el-headline")).to_contain_text("2 cars,", timeout=10_000)
        # What a hand does is done there.
        page.get_by_role("button", name="A car arrives", exact=True).click()
        expect(page.locator(".el-headline")).to_contain_text("3 cars,", timeout=10_000)
        assert len(server.ask("GET", "/v1/sessions")) == 3
        page.get_by_role("button", name="+5 min").click()
        expect(page.locator(".el-time")).to_contain_text("00:05")
        expect(page.get_by_role("button", name="↺ Start")).to_be_disabled()
        if folder := os.environ.get("ELECTRA_SHOTS"):
            page.screenshot(path=f"{folder}/served.png", full_page=True)
        server.kill()
        stale = page.locator(".el-stale")
        expect(stale).to_contain_text("stale: no word from the station since", timeout=10_000)
        page.get_by_role("button", name="A car arrives", exact=True).click()
        expect(page.locator(".el-refusal")).to_contain_text("nothing was sent")
        if folder:
            page.screenshot(path=f"{folder}/stale.png", full_page=True)
        server.start()
        expect(stale).to_have_count(0, timeout=20_000)
        page.get_by_role("button", name="A car arrives", exact=True).click()
        expect(page.locator(".el-headline")).to_contain_text("4 cars,", timeout=10_000)
        assert len(server.ask("GET", "/v1/sessions")) == 4
        # A station that dies is said in words that everybody can read.
        server.kill()
        expect(stale).to_contain_text("stale", timeout=10_000)
        assert serious_faults(page) == []
