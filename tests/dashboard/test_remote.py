"""The page of a station that is served elsewhere: it shows, steers, waits, and checks every answer."""

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
from contextlib import contextmanager, suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from browser import ROOT, open_browser, serious_faults, serve_page, wait_until
from pages import button, parts
from playwright.sync_api import expect
from plotly.basedatatypes import BaseFigure

from electra_core import Station, StationConfig, load_config
from electra_core.dashboard import read_configs
from electra_core.dashboard.station_page.day_choice import NO_DAY
from electra_core.dashboard.station_page.model import StationModel
from electra_core.dashboard.station_page.playback_model import CUSTOM_CAR
from electra_core.dashboard.station_page.remote import RemotePlayback
from electra_core.dashboard.station_page.remote_client import RemoteClient, allowed_origin
from electra_core.dashboard.station_page.view import StationPage
from electra_core.errors import BadValueError
from electra_core.service import Journal, LiveStation, create_app

pytestmark = pytest.mark.service

CONFIGS = ROOT / "configs"
PARIS = CONFIGS / "electra_paris_15.json"
ZOE = {"vehicle": "Renault Zoe 50", "arrival_soc": 0.2}


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def json_of(config: StationConfig) -> dict[str, Any]:
    return config.model_dump(mode="json", by_alias=True, exclude_none=True)


class Server:
    """A served station in a thread of the tests, which may stop and come back."""

    def __init__(self, journal: Path, *, simulated: bool = True, token: str = "", **config: Any) -> None:
        self.port, self.journal, self.simulated, self.token = free_port(), journal, simulated, token
        self.config = load_config({**json_of(load_config(PARIS)), **config})
        self.url = f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        journal = Journal(self.journal, self.config)
        app = create_app(LiveStation(self.config, journal, simulated=self.simulated), self.token or None)
        self.server = uvicorn.Server(
            uvicorn.Config(app, port=self.port, log_level="error", timeout_graceful_shutdown=1)
        )
        self.thread = threading.Thread(target=self.server.run, daemon=True)
        self.thread.start()
        wait_until(lambda: self.server.started, 10, "the service does not start")

    def stop(self) -> None:
        self.server.should_exit = True
        self.thread.join(10)

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self.token}"}
        content = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, content, headers, method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read())

    def plug_in(self, charger_id: str, connector: int, **car: Any) -> None:
        self.ask("POST", "/v1/sessions", {"charger_id": charger_id, "connector": connector, **(car or ZOE)})


class ServerProcess(Server):
    """`electra serve` in a process of its own, which may be killed and come again."""

    def start(self) -> None:
        command = [sys.executable, "-m", "electra_core.cli", "serve", str(PARIS), f"--port={self.port}"]
        command += [f"--journal={self.journal}", "--simulated"]
        self.process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "ELECTRA_TOKEN": self.token})
        wait_until(self._answers, 30, "electra serve does not answer")

    def _answers(self) -> bool:
        with suppress(OSError):
            return bool(self.ask("GET", "/v1/clock"))
        return False

    def stop(self) -> None:
        self.process.kill()
        self.process.wait(timeout=30)


@contextmanager
def running(server: Server) -> Iterator[Server]:
    server.start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with running(Server(tmp_path / "paris.journal")) as server:
        yield server


def quiet_model() -> StationModel:
    """Return the model of a page on a day without cars, which opens quickly."""
    return StationModel(read_configs(CONFIGS), "ELECTRA_PARIS_15", NO_DAY)


@pytest.fixture
def model() -> StationModel:
    return quiet_model()


@pytest.fixture(scope="module")
def unchanged() -> StationModel:
    """A model for links that are refused and must leave it as it was."""
    return quiet_model()


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
    return model.status.model_dump(mode="json") == server.ask("GET", "/v1/status")


def words_of(model: StationModel) -> list[str]:
    return [entry.words for entry in model.log]


# --- reading and steering ----------------------------------------------------------------------------


def test_link_shows_status_and_recent_events_of_a_served_station(model: StationModel, server: Server) -> None:
    for connector in (1, 2):
        server.plug_in("CP001", connector, vehicle="Renault Zoe 50", arrival_soc=0.1 * connector)
    server.ask("POST", "/v1/clock/advance", {"seconds": 1234.5})
    assert model.follow_link({"station": server.url, "strategy": "first_come", "day": "never"})
    assert model.stations == ["ELECTRA_PARIS_15"]
    assert list(model.days) == [f"Live from {server.url}"]
    assert same(model, server)
    # A link shows; it changes nothing at a station that other clients steer too.
    assert model.strategy == "max_min"
    assert words_of(model) == [
        "Renault Zoe 50 arrives at CP001·2 with 20%",
        "Renault Zoe 50 arrives at CP001·1 with 10%",
    ]


def test_selected_car_is_explained_by_the_station(live: StationModel, server: Server) -> None:
    live.site_limit_kw = 20.0
    assert live.set_available("battery", None, False)
    assert live.arrive("CP001", 1, "Renault Zoe 50")
    live.select(("CP001", 1))
    said = server.ask("GET", "/v1/sessions/S0001/explanation")
    why = live.frame.around.explanation
    assert why == said["explanation"]
    assert why.gain_per_kw == said["gain_per_kw"]
    assert "site limit would give it" in why.what_if, why


def test_commands_of_the_page_reach_the_station(live: StationModel, server: Server) -> None:
    assert live.arrive("CP001", 1, "Renault Zoe 50", arrival_soc=0.3)
    assert live.arrive("CP002", 1, CUSTOM_CAR, custom_kw=120.0)
    assert [each["vehicle"] for each in server.ask("GET", "/v1/sessions")] == ["Renault Zoe 50", ""]
    assert live.step(15)
    assert live.status.now_s == 900.0 == server.ask("GET", "/v1/clock")["now_s"]
    live.site_limit_kw, live.static_load_kw = 100.0, 20.0
    live.strategy = "first_come"
    assert live.set_available("CP003", None, False)
    assert live.set_available("battery", None, False)
    assert {("CP003", 0), ("battery", 0)} <= live.playback.out_of_service
    status = server.ask("GET", "/v1/status")
    assert (status["site_limit_kw"], status["static_load_kw"], status["strategy"]) == (100, 20, "first_come")
    energy_kwh = status["chargers"][0]["connectors"][0]["session"]["energy_kwh"]
    assert live.depart("CP001", 1)
    assert len(server.ask("GET", "/v1/sessions")) == 1
    assert same(live, server)
    assert live.refusal == ""
    # The page says each of its commands once, and the departure with its energy.
    said = words_of(live)
    assert said[0] == f"Renault Zoe 50 leaves CP001·1 with {energy_kwh:.1f} kWh"
    assert len(said) == len(set(said)) == 8


def test_refusal_is_the_stations_own_sentence(live: StationModel, server: Server) -> None:
    live.arrive("CP001", 1, "Renault Zoe 50")
    assert not live.arrive("CP001", 1, "Renault Zoe 50")
    assert live.refusal == "Refused: connector 1 of CP001 is taken by session S0001."
    assert not live.depart("CP001", 2)
    assert live.refusal == "Refused: connector 2 of CP001 is free: no car can leave it."
    live.site_limit_kw = -5.0
    assert live.refusal.startswith("Refused: limit_kw")
    assert live.site_limit_kw == 400.0
    assert same(live, server)


def test_changes_by_other_clients_show_at_the_next_tick(live: StationModel, server: Server) -> None:
    version = live.version
    live.tick()
    assert live.version == version, "nothing happened, and the page was drawn again"
    server.ask("PUT", "/v1/site-limit", {"limit_kw": 77.0})
    live.tick()
    assert live.site_limit_kw == 77.0
    assert live.version > version
    assert str(live.log[0]) == "00:00 Grid limit set to 77 kW"
    server.ask("POST", "/start_session/?chargerId=CP002&connectorId=1&powerCapacity=150")
    live.tick()
    assert len(live.status.sessions) == 1
    assert str(live.log[0]) == "00:00 A car arrives at CP002·1"
    server.ask("POST", "/v1/clock/advance", {"seconds": 60.0})
    for path, body in (
        ("static-load", {"load_kw": 12.5}),
        ("strategy", {"strategy": "least_laxity"}),
        ("availability", {"charger_id": "CP001", "connector": 2, "available": False}),
        ("availability", {"charger_id": "battery", "available": False}),
        ("availability", {"charger_id": "CP001", "connector": 2, "available": True}),
        ("site-limit", {"limit_kw": None}),
    ):
        server.ask("PUT", f"/v1/{path}", body)
    server.ask("DELETE", "/v1/sessions/S0001")
    live.tick()
    assert [str(entry) for entry in live.log[:7]] == [
        "00:01 A car leaves CP002·1",
        "00:01 Grid limit set to its most",
        "00:01 CP001·2 works again",
        "00:01 The battery is out of service",
        "00:01 CP001·2 is out of service",
        "00:01 Strategy is now least laxity",
        "00:01 Static load set to 12.5 kW",
    ]
    assert same(live, server)


def test_code_of_a_cell_steers_the_station_too(live: StationModel, server: Server) -> None:
    live.station.set_site_limit(50.0)
    live.refresh_if_changed()
    assert live.site_limit_kw == 50.0 == server.ask("GET", "/v1/status")["site_limit_kw"]


def test_page_plays_a_simulated_clock(live: StationModel, server: Server) -> None:
    live.playing = True
    live.tick()
    assert live.status.now_s == 60.0 == server.ask("GET", "/v1/clock")["now_s"]


def test_history_has_one_sample_a_minute_and_the_last_one(live: StationModel, server: Server) -> None:
    for _ in range(90):
        server.ask("POST", "/v1/clock/advance", {"seconds": 4.0})
        live.tick()
    assert live.playback.history[-1].now_s == 360.0
    assert len(live.playback.history) <= 9
    live.site_limit_kw = 33.0
    assert live.playback.history[-1].limit_kw == 33.0


def test_what_belongs_to_the_server_is_refused(live: StationModel, server: Server) -> None:
    live.begin()
    assert "this station is served" in live.refusal
    for kind in ("station", "day", "events"):
        assert not live.upload(kind, "mine.json", b"{}")
    live.meter_silent = True
    assert not live.meter_silent
    assert not live.follow_link({"station": "EPFL Level-3"})
    assert live.station_name == "ELECTRA_PARIS_15"
    live.what_if = "no battery"
    assert live.what_if == ""
    assert live.refusal.startswith("Refused: a served station has no second one beside it: save its events")
    assert same(live, server)


def test_journal_is_exported_as_of_a_station_of_the_page(live: StationModel, server: Server) -> None:
    assert live.arrive("CP001", 1, "Renault Zoe 50", arrival_soc=0.3)
    assert live.step(30)
    assert live.depart("CP001", 1)
    name, _, content = live.export("events") or ("", "", b"")
    assert name == "ELECTRA_PARIS_15_events.jsonl"
    events = [json.loads(line) for line in content.splitlines()]
    assert len(events) == 32
    station = Station.replay(load_config(PARIS), events)
    assert station.status().model_dump(mode="json") == server.ask("GET", "/v1/status")
    _, _, table = live.export("sessions") or ("", "", b"")
    assert table.count(b"\n") == 2
    assert b"Renault Zoe 50" in table
    _, _, program = live.export("python") or ("", "", b"")
    assert b"station.unplug(" in program
    # The events lead to the same station at one of the page, and there another one can play beside it.
    local = quiet_model()
    assert local.upload("events", name, content)
    assert local.status == live.status
    local.what_if = "no battery"
    assert local.what_if == "no battery"


def test_station_that_follows_the_time_of_day_cannot_be_moved(model: StationModel, tmp_path: Path) -> None:
    with running(Server(tmp_path / "real.journal", simulated=False, controlInterval=10.0)) as server:
        assert model.follow_link({"station": server.url})
        page = StationPage(model)
        for name in ("▶ Play", "+5 min", "↺ Start"):
            assert button(page, name).disabled
        assert not model.step(5)
        assert "follows the time of day" in model.refusal
        ticks_until(model, lambda: model.status.now_s > 0.0, 20)
        # Its clock shows the time of day, in the words and below the curves.
        shown = {time.strftime("%H:%M", time.localtime(time.time() - back_s)) for back_s in (0, 60)}
        assert model.clock(model.status.now_s) in shown
        (figure,) = [part for part in parts(page) if isinstance(part, BaseFigure)]
        begin_s, axis = model.playback.history[0].now_s, figure.layout.xaxis2
        assert len(axis.tickvals) >= 4
        for hour_s, name in zip(axis.tickvals, axis.ticktext, strict=True):
            assert model.clock(round(begin_s + hour_s)) == name


def test_changes_need_the_token_of_the_service(
    model: StationModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(Server(tmp_path / "token.journal", token="secret")) as server:
        monkeypatch.delenv("ELECTRA_TOKEN", raising=False)
        assert model.follow_link({"station": server.url})
        assert not model.arrive("CP001", 1, CUSTOM_CAR)
        assert model.refusal == "Refused: this changes something: it needs the token."
        monkeypatch.setenv("ELECTRA_TOKEN", "secret")
        assert model.follow_link({"station": server.url})
        assert model.arrive("CP001", 1, CUSTOM_CAR)
        # Where stations are listed, no other program on this machine is called, or gets the token.
        monkeypatch.setenv("ELECTRA_STATIONS", "https://depot.example:8443")
        assert not model.follow_link({"station": server.url})


# --- interruptions -----------------------------------------------------------------------------------


def test_killed_station_is_stale_until_it_comes_back(model: StationModel, tmp_path: Path) -> None:
    with running(ServerProcess(tmp_path / "killed.journal")) as server:
        assert model.follow_link({"station": server.url})
        assert model.arrive("CP001", 1, CUSTOM_CAR)
        server.stop()
        ticks_until(model, lambda: model.notice != "")
        assert model.notice.startswith("stale: no answer since ")
        assert model.notice.endswith("(it does not answer); the page asks again")
        status, samples = model.status, len(model.playback.history)
        assert not model.arrive("CP001", 2, CUSTOM_CAR)
        assert model.refusal.startswith("Refused: nothing was sent, the page is stale: no answer")
        assert model.status == status
        server.start()
        ticks_until(model, lambda: model.notice == "")
        assert model.arrive("CP001", 2, CUSTOM_CAR)
        assert same(model, server)
        assert len(model.playback.history) >= samples, "it began again, although it knew the journal"
        assert len(model.log) == 2


def test_another_journal_begins_another_history(live: StationModel, server: Server) -> None:
    assert live.step(15)
    assert len(live.playback.history) > 10
    server.stop()
    server.journal = server.journal.with_name("other.journal")
    server.start()
    server.plug_in("CP003", 1, max_power_kw=70.0)
    ticks_until(live, lambda: live.notice == "" and len(live.status.sessions) == 1)
    assert same(live, server)
    assert len(live.playback.history) == 1
    assert words_of(live)[0] == "A car arrives at CP003·1"


def test_hanging_station_is_stale_and_its_command_shows_later(model: StationModel, tmp_path: Path) -> None:
    with running(ServerProcess(tmp_path / "hanging.journal")) as server:
        connect = partial(RemoteClient, answer_s=0.5)
        model.attach(RemotePlayback(server.url, lambda words, time_of_day_s: None, connect))
        model.refresh_if_changed()
        server.process.send_signal(signal.SIGSTOP)
        try:
            begun_s = time.monotonic()
            assert not model.arrive("CP001", 1, CUSTOM_CAR)
            assert time.monotonic() - begun_s < 3.0
            assert "the station's answer is missing, it does not answer" in model.refusal
            ticks_until(model, lambda: model.notice.startswith("stale"))
        finally:
            server.process.send_signal(signal.SIGCONT)
        ticks_until(model, lambda: model.notice == "", 30)
        # Whether the car was let in was not known; now the page shows it.
        ticks_until(model, lambda: same(model, server))


# --- what a link may name ----------------------------------------------------------------------------


FOREIGN = [
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
]


@pytest.mark.parametrize("address", FOREIGN)
def test_foreign_address_is_refused_before_it_is_called(
    unchanged: StationModel, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = unchanged

    def called(*_: object, **__: object) -> None:
        raise AssertionError("it was called")

    monkeypatch.setattr(httpx, "AsyncClient", called)
    playback, threads = model.playback, threading.active_count()
    assert not model.follow_link({"station": address})
    assert model.refusal.startswith("Refused: the link's station ")
    assert model.playback is playback
    assert threading.active_count() == threads


def test_listed_stations_may_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ELECTRA_STATIONS", "http://api:8000, https://Depot.example")
    assert allowed_origin("http://api:8000/") == "http://api:8000"
    assert allowed_origin("https://depot.example:443") == "https://depot.example:443"
    for other in ("http://api:8001", "https://api:8000", "http://depot.example", "http://127.0.0.1:8000"):
        with pytest.raises(BadValueError, match="ELECTRA_STATIONS"):
            allowed_origin(other)


def test_this_machine_may_be_named_where_no_stations_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ELECTRA_STATIONS", raising=False)
    assert allowed_origin("http://[::1]:8000") == "http://[::1]:8000"
    monkeypatch.setenv("ELECTRA_STATIONS", "")  # as the public mode does
    with pytest.raises(BadValueError, match="may not ask"):
        allowed_origin("http://[::1]:8000")


def test_address_without_a_service_leaves_the_page_as_it_was(model: StationModel) -> None:
    playback, log = model.playback, model.log
    assert not model.follow_link({"station": "http://127.0.0.1:9"})
    assert model.refusal == "Refused: no station can be shown from http://127.0.0.1:9: it does not answer."
    assert model.playback is playback
    assert model.log == log
    assert model.step(1)


# --- forged answers ----------------------------------------------------------------------------------


def event(number: int, call: str, at_s: float = 0.0, **arguments: object) -> dict[str, object]:
    return {"number": number, "at_s": at_s, "call": call, "arguments": arguments}


def honest(**status: Any) -> dict[str, Any]:
    """Answers of a station without cars, whose last event is ``number`` 0."""
    config: StationConfig = load_config(PARIS)
    return {
        "/v1/config": json_of(config),
        "/v1/clock": {"now_s": 0.0, "simulated": True},
        "/v1/events": [],
        "/v1/status": {**Station(config).status().model_dump(mode="json"), **status},
        "etag": '"0-a"',
    }


Handler = BaseHTTPRequestHandler


@contextmanager
def forger(answers: dict[str, Any]) -> Iterator[str]:
    """A server that answers as it is told to: with JSON, with bytes, or by a function."""

    class ForgedHandler(Handler):
        def do_GET(self) -> None:  # noqa: N802
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            answer = answers.get(self.path.partition("?")[0], {})
            if callable(answer):
                answer(self)
            else:
                send(self, answer, answers["etag"])

        do_POST = do_PUT = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), ForgedHandler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=[0.02], daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def send(handler: Handler, answer: Any, tag: str = "") -> None:
    handler.send_response(200)
    handler.send_header("ETag", tag)
    handler.end_headers()
    handler.wfile.write(answer if isinstance(answer, bytes) else json.dumps(answer).encode())


def redirect(handler: Handler) -> None:
    handler.send_response(302)
    handler.send_header("Location", "http://127.0.0.1:9/secret")
    handler.end_headers()


def gone(handler: Handler) -> None:
    handler.send_response(410)
    handler.end_headers()
    handler.wfile.write(json.dumps({"detail": "events before 7 are no longer kept <b>"}).encode())


def drip(handler: Handler, begin: bytes = b"") -> None:
    """Send a byte now and then, for ever; in the header, or after ``begin``."""
    with suppress(OSError):
        handler.wfile.write(begin)
        for _ in range(200):
            handler.wfile.write(b"x")
            handler.wfile.flush()
            time.sleep(0.02)


def large() -> dict[str, Any]:
    charger = {"id": "A", "maxPower": 100, "connectors": 61}
    return {"stationId": "large", "gridCapacity": 100, "chargers": [charger]}


ENDLESS = b"[" + b"0," * 200_000
SURROGATE = json.dumps({**honest()["/v1/status"], "strategy": "\ud800"}).encode()

NONSENSE: dict[str, tuple[dict[str, Any], str]] = {
    "no JSON": ({"/v1/config": b"<html>"}, "its config cannot be read"),
    "a list": ({"/v1/config": []}, "its config cannot be read"),
    "deep": ({"/v1/config": b"[" * 100_000}, "its config cannot be read"),
    "no station": ({"/v1/config": {"stationId": "<b>"}}, "gridCapacity"),
    "too large": ({"/v1/config": large()}, "61 connectors, and this page draws 60"),
    "no end": ({"/v1/config": ENDLESS}, "its answer has no end"),
    "elsewhere": ({"/v1/config": redirect}, "it answers 302, as no station would"),
    "gone": ({"/v1/config": gone}, "events before 7 are no longer kept"),
    "drips in the header": ({"/v1/config": drip}, "it does not answer"),
    "drips": ({"/v1/config": partial(drip, begin=b"HTTP/1.1 200 OK\r\n\r\n")}, "it does not answer"),
    "no HTTP": ({"/v1/config": partial(drip, begin=b"\0\0\r\n\r\n")}, "it does not answer"),
    "clock": ({"/v1/clock": {"simulated": "perhaps"}}, "its clock cannot be read"),
    "year": ({"/v1/clock": {"simulated": False, "began_unix_s": 1e300}}, "its clock cannot be read"),
    "status": ({"/v1/status": {}}, "its status cannot be read"),
    "infinite": (honest(grid_kw=float("inf")), "its status cannot be read"),
    "too much": ({"/v1/status": b'{"now_s": 1e999}'}, "its status cannot be read"),
    "digits": ({"/v1/status": b'{"now_s": ' + b"9" * 5000 + b"}"}, "its status cannot be read"),
    "half a letter": ({"/v1/status": SURROGATE}, "its status cannot be read"),
    "other station": (honest(station_id="other"), "another station answers there"),
    "other connectors": (honest(chargers=[]), "another station answers there"),
    "no number": ({"etag": "W/nothing"}, "its status has no number"),
    "long number": ({"etag": f'"{10**30}"'}, "its status has no number"),
    "events": ({"etag": '"1"', "/v1/events": [{"number": 1}]}, "its events cannot be read"),
    "short": ({"etag": '"3"'}, "its journal has gaps"),
    "gaps": ({"etag": '"2"', "/v1/events": [event(2, "advance"), event(1, "advance")]}, "journal has gaps"),
}


@pytest.mark.parametrize("kind", NONSENSE)
def test_nonsense_is_refused_in_a_sentence(kind: str) -> None:
    answers, words = NONSENSE[kind]
    connect = partial(RemoteClient, answer_s=0.5, max_bytes=300_000)
    with forger({**honest(), **answers}) as url:
        begun_s = time.monotonic()
        with pytest.raises(BadValueError) as refused:
            RemotePlayback(url, lambda words, time_of_day_s: None, connect)
        assert time.monotonic() - begun_s < 2.0
    said = str(refused.value)
    assert said.startswith(f"no station can be shown from {url}: ")
    assert words in said
    assert len(said) < 600
    assert "\n" not in said


def test_answer_to_a_command_is_checked_too(model: StationModel) -> None:
    answers = honest()
    with forger(answers) as url:
        assert model.follow_link({"station": url}), model.refusal
        for answer in (b"<html>", redirect):
            answers["/v1/sessions"] = answer
            assert not model.arrive("CP001", 1, CUSTOM_CAR)
            assert "the station's answer is missing" in model.refusal
        answers |= {"/v1/sessions": {}, "etag": "W/nothing"}
        assert not model.arrive("CP001", 1, CUSTOM_CAR)
        assert model.status.sessions == ()


def test_clock_that_does_not_follow_the_time_of_day_says_so(model: StationModel) -> None:
    notice = "the time of day is 7,200 s ahead of this station's clock\n"
    clock = {"now_s": 0.0, "simulated": False, "began_unix_s": 1.7e9, "notice": notice}
    answers = {**honest(), "/v1/clock": clock, "/v1/static-load": {}}
    with forger(answers) as url:
        assert model.follow_link({"station": url}), model.refusal
        assert model.notice == notice.strip()
        model.static_load_kw = 5.0
        assert model.refusal == ""


def test_events_of_another_version_are_left_out(model: StationModel) -> None:
    strange = [
        ("save_events", {"path": "/tmp/x"}),
        ("plug_in", {"charger_id": [], "connector": {}, "vehicle": {}}),
        (
            "plug_in",
            {"charger_id": "A", "connector": 1, "vehicle": {"max_power_kw": 9.0}, "arrival_soc": "x"},
        ),
        ("unplug", {}),
        ("set_available", {}),
        ("set_site_limit", {"kw": "much"}),
        ("set_strategy", {"strategy": "x\n" * 1000}),
        ("fail_safe", {}),
    ]
    events = [event(at, call, **said) for at, (call, said) in enumerate(strange, start=1)]
    with forger({**honest(), "/v1/events": events, "etag": f'"{len(events)}"'}) as url:
        assert model.follow_link({"station": url}), model.refusal
    said = words_of(model)
    assert said[-1] == "A car arrives at A·1"
    assert all(len(words) <= 300 and words.isprintable() for words in said)


# --- long journals, threads, other clients -----------------------------------------------------------


def test_station_of_a_million_events_opens_as_quickly_as_a_new_one(model: StationModel) -> None:
    requests: list[str] = []
    last = 10**6

    def page(handler: Handler) -> None:
        requests.append(handler.path)
        query = dict(part.split("=") for part in handler.path.partition("?")[2].split("&"))
        numbers = range(int(query["since"]) + 1, min(int(query["since"]) + int(query["most"]), last) + 1)
        send(handler, [event(number, "advance", 3600.0 * number, seconds=3600.0) for number in numbers])

    answers = {**honest(now_s=3600.0 * last), "etag": f'"{last}-a"', "/v1/events": page}
    with forger(honest()) as url:
        begun_s = time.monotonic()
        assert model.follow_link({"station": url})
        new_s = time.monotonic() - begun_s
    with forger(answers) as url:
        begun_s = time.monotonic()
        assert model.follow_link({"station": url}), model.refusal
        assert time.monotonic() - begun_s < new_s + 0.5
        assert model.status.now_s == 3600.0 * last
        assert requests == ["/v1/events?since=999800&most=200"]
        assert model.export("events") is None
        assert "its journal has 1,000,000 events, and this page loads 20,000 at most" in model.refusal
        assert len(requests) == 1


def test_journal_of_many_years_is_not_played_again(model: StationModel) -> None:
    years = [event(1, "advance", 0.0, seconds=3e7), event(2, "advance", 3e7, seconds=3e7)]
    with forger({**honest(), "etag": '"2"', "/v1/events": years}) as url:
        assert model.follow_link({"station": url})
        assert model.export("sessions") is None
        assert "its journal lasts 694 days, and this page plays 60 at most" in model.refusal


def remote_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("electra-remote")]


def test_no_thread_and_no_request_outlives_the_last_tick(model: StationModel) -> None:
    requests: list[str] = []
    answers = honest()
    status = answers["/v1/status"]

    def answer(handler: Handler) -> None:
        requests.append(handler.path)
        send(handler, status, '"0-a"')

    with forger({**answers, "/v1/status": answer}) as url:
        assert model.follow_link({"station": url})
        for _ in range(3):
            model.tick()
        asked = len(requests)
        assert asked >= 4
        # As when the page is closed, its cell is run again, or the model opens another station.
        wait_until(lambda: not remote_threads(), 5, "a thread goes on")
        time.sleep(0.5)
        assert len(requests) == asked
        # A page that comes back to the foreground goes on.
        model.tick()
        assert len(requests) == asked + 1


def test_hanging_request_ends_with_its_bound(model: StationModel) -> None:
    over = threading.Event()
    answers = honest()
    with forger(answers) as url:
        model.attach(
            RemotePlayback(url, lambda words, time_of_day_s: None, partial(RemoteClient, answer_s=0.5))
        )
        answers["/v1/status"] = lambda _: over.wait(10)
        begun_s = time.monotonic()
        model.tick()
        assert time.monotonic() - begun_s < 0.45, "the page waits for a station that hangs"
        wait_until(lambda: not remote_threads(), 5, "a thread goes on")
        over.set()


def test_simultaneous_plug_in_of_another_client_is_told_once(model: StationModel) -> None:
    answers = honest()
    car = {"vehicle": {"max_power_kw": 150.0}, "arrival_soc": None}

    def both(handler: Handler) -> None:
        """Let another client's car arrive just before the page's."""
        answers["/v1/events"] = [
            event(1, "plug_in", charger_id="CP002", connector=1, **car),
            event(2, "plug_in", charger_id="CP001", connector=1, **car),
        ]
        answers["etag"] = '"2-a"'
        send(handler, {"session_id": "S0002"})

    answers["/v1/sessions"] = both
    with forger(answers) as url:
        assert model.follow_link({"station": url})
        assert model.arrive("CP001", 1, CUSTOM_CAR, custom_kw=150.0)
    assert sorted(words_of(model)) == ["A car arrives at CP002·1", "Custom 150 kW arrives at CP001·1"]


# --- in a browser ------------------------------------------------------------------------------------


@pytest.mark.browser
def test_page_in_a_browser_shows_and_steers_a_served_station(tmp_path: Path) -> None:
    served, voila = running(ServerProcess(tmp_path / "paris.journal")), serve_page(tmp_path / "voila.log")
    with served as server, open_browser() as browser, voila as (url, _):
        server.plug_in("CP001", 1)
        page = browser.new_context(viewport={"width": 1440, "height": 1000}).new_page()
        page.goto(f"{url}?station={server.url}", wait_until="commit")
        expect(page.locator("h1")).to_have_text("ELECTRA_PARIS_15", timeout=60_000)
        expect(page.locator(".el-header")).to_contain_text(f"Live from {server.url}")
        expect(page.locator(".el-headline")).to_contain_text("1 car,")
        # A command of another client appears, although nothing plays.
        server.ask("POST", "/start_session/?chargerId=CP002&connectorId=1&powerCapacity=150")
        expect(page.locator(".el-headline")).to_contain_text("2 cars,", timeout=10_000)
        # A command of the page is done there.
        page.get_by_role("button", name="A car arrives", exact=True).click()
        expect(page.locator(".el-headline")).to_contain_text("3 cars,", timeout=10_000)
        assert len(server.ask("GET", "/v1/sessions")) == 3
        page.get_by_role("button", name="+5 min").click()
        expect(page.locator(".el-time")).to_contain_text("00:05")
        expect(page.get_by_role("button", name="↺ Start")).to_be_disabled()
        if folder := os.environ.get("ELECTRA_SHOTS"):
            page.screenshot(path=f"{folder}/served.png", full_page=True)
        server.stop()
        stale = page.locator(".el-stale")
        expect(stale).to_contain_text("stale: no answer since", timeout=10_000)
        page.get_by_role("button", name="A car arrives", exact=True).click()
        expect(page.locator(".el-refusal")).to_contain_text("nothing was sent")
        if folder:
            page.screenshot(path=f"{folder}/stale.png", full_page=True)
        server.start()
        expect(stale).to_have_count(0, timeout=20_000)
        page.get_by_role("button", name="A car arrives", exact=True).click()
        expect(page.locator(".el-headline")).to_contain_text("4 cars,", timeout=10_000)
        assert len(server.ask("GET", "/v1/sessions")) == 4
        # The page of a dead station stays accessible.
        server.stop()
        expect(stale).to_contain_text("stale", timeout=10_000)
        assert serious_faults(page) == []
