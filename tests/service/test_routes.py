"""The station over HTTP: what each route promises, and that a refused call leaves nothing behind."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from stations import BASE

from electra_core import Station, catalogue, load_config
from electra_core.allocation import violations
from electra_core.errors import BadValueError
from electra_core.service import Journal, JournalError, LiveStation, create_app

BATTERY = {"initialCapacity": 100, "power": 100}
HERE = {"charger_id": "CP1", "connector": 1}
CAR = {**HERE, "max_power_kw": 50.0}
TOKEN = "a token that is hard to guess"
JSON = {"Content-Type": "application/json"}
READING = {"GET", "HEAD", "OPTIONS"}


def live_station(folder: Path, **options: Any) -> LiveStation:
    config = load_config({**BASE, "battery": BATTERY})
    return LiveStation(config, Journal(folder / "a.journal", config), **{"simulated": True, **options})


@pytest.fixture
def live(tmp_path: Path) -> LiveStation:
    return live_station(tmp_path)


@pytest.fixture
def client(live: LiveStation) -> Iterator[TestClient]:
    with TestClient(create_app(live)) as client:
        yield client


def everything(client: TestClient) -> tuple[str, str, list[Any]]:
    """Return what a caller can see: the status, its tag, and every event."""
    status = client.get("/v1/status")
    return status.text, status.headers["ETag"], client.get("/v1/events").json()


def assert_problem(answer: httpx.Response, status: int, words: str = "") -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == status
    assert body["title"]
    assert body["detail"]
    assert words in body["detail"]
    assert not any(trace in answer.text for trace in ("Traceback", ".py", "/tmp", "site-packages"))


# The exercise's interface


def test_root_names_the_station_and_its_documentation(client: TestClient) -> None:
    assert client.get("/").json() == {
        "message": "Station ST",
        "docs": "/docs",
        "status": "/station/station_status",
    }
    assert client.get("/docs").status_code == 200


@pytest.mark.parametrize("way", ["params", "json"])
def test_client_of_the_exercise_starts_and_stops_a_session(client: TestClient, way: str) -> None:
    car = {"chargerId": "CP1", "connectorId": 1, "powerCapacity": 150}
    started = client.post("/start_session/", **{way: car})
    assert started.status_code == 200
    assert started.json() == {
        "message": "session S0001 started",
        "session_id": "S0001",
        "allocated_power": 150.0,
    }
    status = client.get("/station/station_status").json()
    assert status["station_id"] == "ST"
    session = status["chargers"][0]["connectors"][0]["session"]
    assert (session["allocated_power"], session["vehicle_max_power"]) == (150.0, 150.0)
    assert_problem(client.post("/start_session/", **{way: car}), 409, "taken")
    place = {"chargerId": "CP1", "connectorId": 1}
    stopped = client.post("/stop_session/", **{way: place})
    assert stopped.json() == {"message": "session S0001 stopped", "session_id": "S0001", "energy_kwh": 0.0}
    assert_problem(client.post("/stop_session/", **{way: place}), 409, "free")


@pytest.mark.parametrize("way", ["params", "json"])
@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"chargerId": "CP9"}, 404),
        ({"connectorId": 9}, 404),
        ({"connectorId": 0}, 404),
        ({"connectorId": "one"}, 422),
        ({"powerCapacity": -1}, 422),
        ({"powerCapacity": 0}, 422),
        ({"powerCapacity": "nan"}, 422),
        ({"powerCapacity": "much"}, 422),
    ],
)
def test_refused_call_of_the_exercise_changes_nothing(
    client: TestClient, way: str, changes: dict[str, Any], status: int
) -> None:
    before = everything(client)
    car = {"chargerId": "CP1", "connectorId": 1, "powerCapacity": 150, **changes}
    assert_problem(client.post("/start_session/", **{way: car}), status)
    assert everything(client) == before


@pytest.mark.parametrize("path", ["/start_session/", "/stop_session/", "/v1/sessions"])
@pytest.mark.parametrize(
    "body", [b"", b"[", b"[1]", b"\xff", b"null", b'"a"', b"[" * 60_000, b'{"\\ud800": 1}', b"9" * 10_000]
)
def test_body_without_a_call_is_refused(client: TestClient, path: str, body: bytes) -> None:
    before = everything(client)
    answer = client.post(path, content=body, headers=JSON)
    assert answer.status_code in (400, 422)
    assert_problem(answer, answer.status_code)
    assert everything(client) == before


# The modern routes: reading


def test_tag_of_the_status_changes_with_every_event(client: TestClient) -> None:
    first = client.get("/v1/status")
    tag = first.headers["ETag"]
    for known in (tag, f"W/{tag}", f'"x", {tag}'):
        same = client.get("/v1/status", headers={"If-None-Match": known})
        assert (same.status_code, same.content, same.headers["ETag"]) == (304, b"", tag)
    client.post("/v1/sessions", json=CAR)
    then = client.get("/v1/status", headers={"If-None-Match": tag})
    assert then.status_code == 200
    assert then.headers["ETag"] != tag
    assert then.json() == client.get("/station/station_status").json()


def test_tag_differs_after_another_start(tmp_path: Path) -> None:
    """A journal that was put back from a copy comes to the same numbers by another way."""
    tags = set()
    for _ in range(2):
        with TestClient(create_app(live_station(tmp_path))) as client:
            tags.add(client.get("/v1/status").headers["ETag"])
            assert client.get("/v1/status", headers={"If-None-Match": "*"}).status_code == 304
    assert len(tags) == 2


def test_routes_answer_what_there_is(client: TestClient) -> None:
    client.post("/v1/sessions", json=CAR)
    sessions = client.get("/v1/sessions").json()
    assert [(each["session_id"], each["charger_id"], each["connector"]) for each in sessions] == [
        ("S0001", "CP1", 1)
    ]
    assert client.get("/v1/sessions/S0001").json() == sessions[0]
    assert client.get("/v1/clock").json() == {
        "now_s": 0.0,
        "simulated": True,
        "began_unix_s": None,
        "notice": None,
    }
    assert client.get("/v1/vehicles").json() == list(catalogue())
    assert "max_min" in client.get("/v1/strategies").json()
    config = client.get("/v1/config").json()
    assert load_config(config) == load_config({**BASE, "battery": BATTERY})
    assert_problem(client.get("/v1/sessions/S9"), 404, "no session")
    assert_problem(client.get("/v1/sessions/S9/explanation"), 404, "no session")
    assert_problem(client.get("/v1/nothing"), 404)
    assert_problem(client.put("/v1/status"), 405)


def test_explanation_names_the_limit_and_its_gain(client: TestClient) -> None:
    client.put("/v1/site-limit", json={"limit_kw": 20.0})
    client.put("/v1/availability", json={"charger_id": "battery", "available": False})
    client.post("/v1/sessions", json=CAR)
    why = client.get("/v1/sessions/S0001/explanation").json()
    assert why["session_id"] == "S0001"
    assert "20" in why["explanation"]
    assert any(gain == pytest.approx(1.0) for gain in why["gain_per_kw"].values())


def test_events_are_those_after_a_number(client: TestClient) -> None:
    for connector in (1, 2):
        client.post("/v1/sessions", json={**CAR, "connector": connector})
    client.delete("/v1/sessions/S0001")
    events = client.get("/v1/events").json()
    assert [event["number"] for event in events] == [1, 2, 3]
    assert [event["call"] for event in events] == ["plug_in", "plug_in", "unplug"]
    assert client.get("/v1/events", params={"since": 1, "most": 1}).json() == events[1:2]
    assert client.get("/v1/events", params={"since": 3}).json() == []
    for nonsense in ({"since": -1}, {"most": 0}, {"most": 10_001}, {"since": 2**63}, {"since": "x"}):
        assert_problem(client.get("/v1/events", params=nonsense), 422)


# The modern routes: changing


def test_session_is_started_reported_and_ended(client: TestClient) -> None:
    name = client.get("/v1/vehicles").json()[0]
    wanted = {**HERE, "vehicle": name, "arrival_soc": 0.2, "target_soc": 0.8, "departs_s": 3600, "weight": 2}
    created = client.post("/v1/sessions", json=wanted)
    assert created.status_code == 201
    session = created.json()
    assert (session["session_id"], session["vehicle"], session["soc"]) == ("S0001", name, 0.2)
    assert client.post("/v1/clock/advance", json={"seconds": 60}).json() == {"now_s": 60.0}
    drawn = client.patch("/v1/sessions/S0001", json={"drawn_kw": 1.5})
    assert (drawn.status_code, drawn.json()["drawn_kw"]) == (200, 1.5)
    ended = client.delete("/v1/sessions/S0001")
    assert ended.status_code == 200
    assert ended.json()["energy_kwh"] > 0.0
    assert client.get("/v1/sessions").json() == []


def test_limits_strategy_and_availability_are_set(client: TestClient) -> None:
    client.post("/v1/sessions", json=CAR)
    assert client.put("/v1/site-limit", json={"limit_kw": 100.0}).json()["offered_kw"] == {"S0001": 50.0}
    client.put("/v1/static-load", json={"load_kw": 30})
    client.put("/v1/strategy", json={"strategy": "first_come"})
    out = client.put("/v1/availability", json={**HERE, "available": False})
    assert out.json()["offered_kw"] == {"S0001": 0.0}
    status = client.get("/v1/status").json()
    assert (status["site_limit_kw"], status["static_load_kw"], status["strategy"]) == (
        100.0,
        30.0,
        "first_come",
    )
    assert not status["chargers"][0]["connectors"][0]["available"]
    client.put("/v1/site-limit", json={"limit_kw": None})
    assert client.get("/v1/status").json()["site_limit_kw"] == 400.0


REFUSED: list[tuple[str, str, Any, int]] = [
    ("POST", "/v1/sessions", CAR, 409),
    ("POST", "/v1/sessions", {**CAR, "charger_id": "CP9"}, 404),
    ("POST", "/v1/sessions", {**CAR, "connector": 9}, 404),
    ("POST", "/v1/sessions", {**CAR, "connector": 10**400}, 422),
    ("POST", "/v1/sessions", {**CAR, "connector": True}, 422),
    ("POST", "/v1/sessions", {**CAR, "charger_id": "\ud800"}, 404),
    ("POST", "/v1/sessions", {**CAR, "max_power_kw": "50"}, 422),
    ("POST", "/v1/sessions", {**CAR, "connector": 2, "vehicle": "Zoe"}, 422),
    ("POST", "/v1/sessions", {**HERE, "connector": 2}, 422),
    ("POST", "/v1/sessions", {**HERE, "connector": 2, "vehicle": "no such car"}, 422),
    ("POST", "/v1/sessions", {**HERE, "connector": 2, "vehicle": "Renault Zoe 50", "battery_kwh": 9}, 422),
    ("POST", "/v1/sessions", {**CAR, "connector": 2, "vehicle": "Renault Zoe 50", "battery_kwh": 9}, 422),
    ("POST", "/v1/sessions", {**CAR, "connector": 2, "arrival_soc": 0.5}, 422),
    ("POST", "/v1/sessions", {**CAR, "connector": 2, "colour": "red"}, 422),
    ("POST", "/v1/sessions", {**CAR, "charger_id": "CP2"}, 409),
    ("PATCH", "/v1/sessions/S9", {"drawn_kw": 1.0}, 404),
    ("PATCH", "/v1/sessions/S0001", {"drawn_kw": -1.0}, 422),
    ("PATCH", "/v1/sessions/S0001", {"drawn_kw": True}, 422),
    ("DELETE", "/v1/sessions/S9", None, 404),
    ("PUT", "/v1/site-limit", {}, 422),
    ("PUT", "/v1/site-limit", {"limit_kw": -1}, 422),
    ("PUT", "/v1/static-load", {"load_kw": 1e10}, 422),
    ("PUT", "/v1/strategy", {"strategy": "fastest"}, 422),
    ("PUT", "/v1/availability", {"charger_id": "CP9", "available": True}, 404),
    ("PUT", "/v1/availability", {"charger_id": "CP1", "connector": 9, "available": True}, 404),
    ("PUT", "/v1/availability", {"charger_id": "battery", "connector": 1, "available": True}, 422),
    ("PUT", "/v1/availability", {"charger_id": "CP1", "available": 1}, 422),
    ("POST", "/v1/clock/advance", {"seconds": -1}, 422),
    ("POST", "/v1/clock/advance", {"seconds": 1e9}, 422),
]


@pytest.mark.parametrize(("method", "path", "body", "status"), REFUSED)
def test_refused_call_changes_nothing(
    client: TestClient, method: str, path: str, body: Any, status: int
) -> None:
    client.post("/v1/sessions", json=CAR)
    client.put("/v1/availability", json={"charger_id": "CP2", "connector": 1, "available": False})
    before = everything(client)
    # Serialised here: the client would not send half a surrogate pair.
    headers = {"Idempotency-Key": "once", **JSON}
    answer = client.request(method, path, content=json.dumps(body), headers=headers)
    assert_problem(answer, status)
    assert everything(client) == before
    # The key of a refused call is free: the corrected call may use it again.
    assert client.put("/v1/static-load", json={"load_kw": 1}, headers={"Idempotency-Key": "once"}).is_success


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_number_that_is_not_finite_is_refused(client: TestClient, number: str) -> None:
    before = everything(client)
    assert_problem(client.put("/v1/static-load", content=f'{{"load_kw": {number}}}', headers=JSON), 422)
    passing = f'{{"seconds": {number}}}'
    assert_problem(client.post("/v1/clock/advance", content=passing, headers=JSON), 422)
    assert everything(client) == before


@pytest.mark.parametrize(
    ("fixed", "words"),
    [
        ({"battery_kwh": 100.0}, "which fixes battery_kwh:"),
        ({"max_power_kw": 50.0}, "which fixes max_power_kw:"),
        ({"max_power_kw": 50.0, "battery_kwh": 100.0}, "which fixes max_power_kw and battery_kwh:"),
    ],
)
def test_named_vehicle_with_a_field_that_it_fixes_is_refused(
    client: TestClient, fixed: dict[str, float], words: str
) -> None:
    car = {**HERE, "vehicle": "Renault Zoe 50", "arrival_soc": 0.3}
    assert_problem(client.post("/v1/sessions", json={**car, **fixed}), 422, words)
    assert client.post("/v1/sessions", json={**car, **dict.fromkeys(fixed)}).status_code == 201


# Calls that come twice


CALLS: list[tuple[str, str, Any, Any]] = [
    ("POST", "/v1/sessions", {**CAR, "connector": 2}, {**CAR, "charger_id": "CP2"}),
    ("PATCH", "/v1/sessions/S0001", {"drawn_kw": 5.0}, {"drawn_kw": 6.0}),
    ("PUT", "/v1/site-limit", {"limit_kw": 60.0}, {"limit_kw": None}),
    ("PUT", "/v1/static-load", {"load_kw": 6.0}, {"load_kw": 7.0}),
    ("PUT", "/v1/strategy", {"strategy": "uniform"}, {"strategy": "max_min"}),
    (
        "PUT",
        "/v1/availability",
        {"charger_id": "CP1", "available": False},
        {"charger_id": "CP2", "available": False},
    ),
    ("POST", "/v1/clock/advance", {"seconds": 60}, {"seconds": 61}),
    (
        "POST",
        "/start_session/",
        {"chargerId": "CP2", "connectorId": 1, "powerCapacity": 9},
        {"chargerId": "CP2", "connectorId": 2, "powerCapacity": 9},
    ),
    (
        "POST",
        "/stop_session/",
        {"chargerId": "CP1", "connectorId": 1},
        {"chargerId": "CP1", "connectorId": 2},
    ),
    ("DELETE", "/v1/sessions/S0001", None, None),
]


def changing_routes(app: FastAPI) -> set[tuple[str, str]]:
    """Return the changing routes from the application itself, so that none can be forgotten."""
    return {
        (method.upper(), path)
        for path, methods in app.openapi()["paths"].items()
        for method in methods
        if method.upper() not in READING
    }


def test_every_changing_route_is_called_twice_below(client: TestClient) -> None:
    asked = {(method, path.replace("S0001", "{session_id}")) for method, path, _, _ in CALLS}
    assert isinstance(client.app, FastAPI)
    assert asked == changing_routes(client.app)


@pytest.mark.parametrize(("method", "path", "body", "other"), CALLS)
def test_call_with_a_key_is_executed_once(
    client: TestClient, method: str, path: str, body: Any, other: Any
) -> None:
    client.post("/v1/sessions", json=CAR)
    key = {"Idempotency-Key": "k1"}
    first = client.request(method, path, json=body, headers=key)
    assert first.is_success, first.text
    after = everything(client)
    again = client.request(method, path, json=body, headers=key)
    assert (again.status_code, again.json()) == (first.status_code, first.json())
    assert everything(client) == after
    if body != other:
        assert_problem(client.request(method, path, json=other, headers=key), 409, "another call")
    assert_problem(client.put("/v1/static-load", json={"load_kw": 99}, headers=key), 409, "another call")
    assert everything(client) == after


# The stream

STREAM = {
    "type": "http",
    "method": "GET",
    "path": "/v1/stream",
    "raw_path": b"/v1/stream",
    "query_string": b"",
    "headers": [],
    "http_version": "1.1",
    "scheme": "http",
    "server": ("here", 80),
    "asgi": {"version": "3.0"},
}


async def streamed(app: FastAPI, change: Any) -> list[dict[str, Any]]:
    """Return the first allocation of a stream and, after a change, the next."""
    sent: asyncio.Queue[str] = asyncio.Queue()
    leaving = asyncio.Event()
    asked = False

    async def receive() -> dict[str, Any]:
        nonlocal asked
        if asked:
            await leaving.wait()
            return {"type": "http.disconnect"}
        asked = True
        return {"type": "http.request", "body": b""}

    async def send(message: Any) -> None:
        for part in message.get("body", b"").decode().split("\n\n"):
            if part:
                await sent.put(part)

    listening = asyncio.create_task(app(STREAM, receive, send))
    messages = [await asyncio.wait_for(sent.get(), 10)]
    await asyncio.to_thread(change)
    messages.append(await asyncio.wait_for(sent.get(), 10))
    leaving.set()
    await asyncio.wait_for(listening, 10)
    lines = [dict(line.split(": ", 1) for line in part.splitlines()) for part in messages]
    assert {line["event"] for line in lines} == {"allocation"}
    found = [json.loads(line["data"]) for line in lines]
    assert [int(line["id"]) for line in lines] == [each["number"] for each in found]
    return found


def test_stream_sends_the_allocation_at_once_and_after_a_change(live: LiveStation) -> None:
    def change() -> None:
        live.execute(lambda station: (200, station.set_static_load(30.0)))

    app = create_app(live)
    before, after = asyncio.run(streamed(app, change))
    assert (before["number"], after["number"]) == (0, 1)
    assert before["offered_kw"] == {}
    assert not live.listeners, "a client that has left is sent nothing more"
    live.close()


def test_stream_sends_the_allocation_as_time_passes(tmp_path: Path) -> None:
    clock_s = [0.0]
    clocks = {"time_of_day_s": lambda: clock_s[0], "uptime_s": lambda: clock_s[0]}
    live = live_station(tmp_path, simulated=False, **clocks)

    def pass_time() -> None:
        clock_s[0] += 6.0
        live.tick()

    before, after = asyncio.run(streamed(create_app(live), pass_time))
    assert (before["number"], before["now_s"]) == (0, 0.0)
    assert (after["number"], after["now_s"]) == (0, 6.0)
    live.close()


def test_stream_without_changes_sends_comments(live: LiveStation, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a lost connection is noticed."""
    monkeypatch.setattr("fastapi.routing._PING_INTERVAL", 0.01)  # FastAPI keeps it for tests to set

    async def comment() -> str:
        sent: asyncio.Queue[Any] = asyncio.Queue()
        streaming = asyncio.create_task(create_app(live)(STREAM, forever, sent.put))
        while True:
            body = (await asyncio.wait_for(sent.get(), 10)).get("body", b"").decode()
            if body.startswith(":"):
                streaming.cancel()
                return body

    async def forever() -> Any:
        await asyncio.Event().wait()

    assert asyncio.run(comment()).endswith("\n\n")
    live.close()


def test_stream_ends_with_the_station(live: LiveStation) -> None:
    async def stop() -> list[Any]:
        sent: asyncio.Queue[Any] = asyncio.Queue()
        streaming = asyncio.create_task(create_app(live)(STREAM, asyncio.Event().wait, sent.put))
        while not (await asyncio.wait_for(sent.get(), 10)).get("body"):
            pass
        await asyncio.to_thread(live.close)
        await asyncio.wait_for(streaming, 10)
        return [sent.get_nowait() for _ in range(sent.qsize())]

    assert asyncio.run(stop())[-1]["more_body"] is False
    assert not live.listeners


# Checks before every route


def test_every_change_needs_the_token(live: LiveStation) -> None:
    app = create_app(live, TOKEN)
    wrong = ["", "Bearer", "Bearer ", f"Bearer {TOKEN}x", f"Basic {TOKEN}", TOKEN, "Bearer \xe9"]
    with TestClient(app) as client:
        before = everything(client)
        changing = changing_routes(app)
        assert len(changing) >= len(CALLS)
        for method, path in changing:
            for said in wrong:
                headers = {b"Authorization": said.encode("latin-1")} if said else {}
                answer = client.request(method, path, headers=headers, content=b"{}")
                assert_problem(answer, 401, "token")
                assert answer.headers["WWW-Authenticate"] == "Bearer"
                assert TOKEN not in answer.text
        assert everything(client) == before
        for path in ("/", "/docs", "/openapi.json", "/v1/sessions", "/v1/config", "/v1/clock"):
            assert client.get(path).status_code == 200
        right = {"Authorization": f"bearer {TOKEN}"}
        assert client.post("/v1/sessions", json=CAR, headers=right).status_code == 201


def test_every_route_of_the_application_is_documented(live: LiveStation) -> None:
    """The tests here go by the document, and must not overlook one."""
    app = create_app(live)
    documented = set(app.openapi()["paths"])
    hidden = {"/openapi.json", "/docs", "/docs/oauth2-redirect", "/redoc"}
    for route in app.routes:
        if isinstance(route, APIRoute):
            assert route.path in documented | hidden
    assert {"/", "/v1/stream", "/v1/status", "/start_session/"} <= documented
    for methods in app.openapi()["paths"].values():
        for operation in methods.values():
            for status in ("401", "404", "409", "410", "413", "422", "503"):
                assert list(operation["responses"][status]["content"]) == ["application/problem+json"]
    live.close()


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/v1/sessions", "GET, POST"),
        ("/v1/sessions/S0001", "DELETE, GET, PATCH"),
        ("/v1/site-limit", "PUT"),
        ("/start_session/", "POST"),
    ],
)
def test_unknown_method_is_answered_with_the_known_ones(client: TestClient, path: str, methods: str) -> None:
    answer = client.options(path)
    assert_problem(answer, 405)
    assert answer.headers["Allow"] == methods


def test_integer_may_be_written_with_a_point(client: TestClient) -> None:
    assert client.post("/v1/sessions", json={**CAR, "connector": 1.0}).status_code == 201
    for number in (1.5, "1", True):
        assert_problem(client.post("/v1/sessions", json={**CAR, "connector": number}), 422, "connector")


def test_long_body_is_refused(client: TestClient) -> None:
    before = everything(client)
    assert_problem(client.post("/v1/sessions", content=b" " * 65_537), 413)
    # Without a length, piece by piece.
    assert_problem(client.post("/v1/sessions", content=(b" " * 1000 for _ in range(100))), 413)
    assert_problem(client.post("/start_session/", content=b" " * 65_536), 422)
    assert everything(client) == before


def test_every_answer_says_how_long_it_took(client: TestClient) -> None:
    answers = [
        client.get("/"),
        client.get("/nothing"),
        client.post("/v1/sessions"),
        client.post("/v1/sessions", content=b" " * 65_537),
    ]
    for answer in answers:
        assert 0.0 < float(answer.headers["X-Process-Time"]) < 60.0


def test_answer_gives_no_right_to_other_pages(client: TestClient) -> None:
    headers = {"Origin": "http://elsewhere.example", "Access-Control-Request-Method": "POST"}
    for answer in (
        client.get("/v1/status", headers=headers),
        client.options("/v1/sessions", headers=headers),
    ):
        assert not [name for name in answer.headers if name.lower().startswith("access-control")]


def test_foreign_page_changes_nothing(live: LiveStation) -> None:
    """A browser sends a simple call of any page, and only hides its answer."""
    query = {"chargerId": "CP1", "connectorId": 1, "powerCapacity": 9}
    foreign = [
        ("http://elsewhere.example", "127.0.0.1:8000"),
        ("http://127.0.0.1:9000", "127.0.0.1:8000"),
        ("null", "127.0.0.1:8000"),
        ("http://[", "["),
        # A name that its owner can let point to this machine.
        ("http://rebound.example:8000", "rebound.example:8000"),
    ]
    app = create_app(live)
    with TestClient(app) as client:
        for origin, host in foreign:
            answer = client.post("/start_session/", params=query, headers={"Origin": origin, "Host": host})
            assert_problem(answer, 403, "a page from elsewhere")
        assert live.view.number == 0
        for count, host in enumerate(("127.0.0.1:8000", "localhost:8000", "[::1]:8000"), start=1):
            headers = {"Origin": f"http://{host}", "Host": host}
            answer = client.put("/v1/static-load", json={"load_kw": count}, headers=headers)
            assert answer.status_code == 200
            assert live.view.number == count


def test_call_with_the_token_may_come_from_another_page(live: LiveStation) -> None:
    headers = {"Origin": "https://operator.example", "Authorization": f"Bearer {TOKEN}"}
    with TestClient(create_app(live, TOKEN)) as client:
        assert client.post("/v1/sessions", json=CAR, headers=headers).status_code == 201


@pytest.mark.parametrize("token", ["", " ", "gehe\u00efm", "a\nb"])
def test_token_that_cannot_arrive_is_refused(live: LiveStation, token: str) -> None:
    with pytest.raises(BadValueError, match="printable ASCII"):
        create_app(live, token)
    live.close()


def test_time_to_target_of_a_tiny_draw_is_unknown(client: TestClient) -> None:
    car = {**HERE, "vehicle": "Renault Zoe 50", "arrival_soc": 0.3}
    session_id = client.post("/v1/sessions", json=car).json()["session_id"]
    for _ in range(2):
        answer = client.patch(
            f"/v1/sessions/{session_id}", json={"drawn_kw": 1e-310}, headers={"Idempotency-Key": "k"}
        )
        assert answer.status_code == 200
        assert answer.json()["minutes_to_target"] is None


def test_readers_do_not_wait_for_the_writer(live: LiveStation) -> None:
    async def read_while_all_write() -> None:
        app, writing, written = create_app(live), threading.Event(), threading.Event()

        def wait(station: Station) -> tuple[int, Any]:
            writing.set()
            return 200, written.wait(10.0)

        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            slow = asyncio.create_task(live.run_in_writer(live.execute, wait))
            await asyncio.to_thread(writing.wait, 10.0)
            loads = [client.put("/v1/static-load", json={"load_kw": kw}) for kw in range(100)]
            writers = [asyncio.create_task(each) for each in loads]
            await asyncio.sleep(0.1)
            for path in ("/", "/v1/status", "/v1/clock", "/v1/events", "/station/station_status"):
                answer = await asyncio.wait_for(client.get(path), 10.0)
                assert answer.status_code == 200
            assert not any(each.done() for each in (slow, *writers))
            written.set()
            assert await slow == (200, True)
            assert {answer.status_code for answer in await asyncio.gather(*writers)} == {200}

    asyncio.run(read_while_all_write())
    assert live.view.number == 100
    live.close()


def test_fault_in_a_tick_does_not_stop_the_clock(
    live: LiveStation, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    faults: list[Exception] = [ArithmeticError(), JournalError("full"), ValueError()]
    ticked = threading.Event()

    def tick() -> None:
        if faults:
            raise faults.pop()
        ticked.set()

    monkeypatch.setattr(live, "rest_s", lambda: 0.0)
    monkeypatch.setattr(live, "tick", tick)
    with TestClient(create_app(live, tick_s=0.01)):
        assert ticked.wait(10.0)
    # A fault of this program leaves its trace in the log; a refusal is a sentence.
    assert [bool(record.exc_info) for record in caplog.records[:3]] == [True, False, True]


def test_clock_rests_until_something_is_due(tmp_path: Path) -> None:
    slow = {"controlInterval": 3600, "limitLease": 90, "failSafeLimit": 50}
    config = load_config({**BASE, **slow})
    live = LiveStation(config, Journal(tmp_path / "b.journal", config), simulated=True)
    live.execute(lambda station: (200, station.set_site_limit(300.0)))
    assert live.rest_s() == 90.0
    live.advance(60.0)
    assert live.rest_s() == 30.0
    live.close()


@pytest.mark.parametrize("kind", [RuntimeError, ValueError, TypeError])
def test_fault_of_this_program_shows_nothing_and_changes_nothing(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, kind: type[Exception]
) -> None:
    before = everything(client)

    def broken(*_: Any, **__: Any) -> str:
        raise kind("at /tmp/secret.py")

    with monkeypatch.context() as patched:
        patched.setattr(Station, "plug_in", broken)
        answer = client.post("/v1/sessions", json=CAR)
    assert_problem(answer, 500, "fault")
    assert "secret" not in answer.text
    assert "X-Process-Time" in answer.headers
    assert everything(client) == before
    assert client.post("/v1/sessions", json=CAR).status_code == 201


def test_client_that_leaves_before_its_call_is_complete_changes_nothing(live: LiveStation) -> None:
    async def leave() -> list[Any]:
        said = [{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}]
        sent: list[Any] = []

        async def receive() -> Any:
            return said.pop(0)

        async def send(message: Any) -> None:
            sent.append(message)

        query = b"chargerId=CP1&connectorId=1&powerCapacity=9"
        scope = {"type": "http", "method": "POST", "path": "/start_session/", "query_string": query}
        await create_app(live)({**scope, "headers": [], "asgi": {"version": "3.0"}}, receive, send)
        return sent

    assert asyncio.run(leave()) == []
    assert live.view.number == 0
    live.close()


def test_clock_that_follows_the_time_of_day_is_not_moved(tmp_path: Path) -> None:
    with TestClient(create_app(live_station(tmp_path, simulated=False))) as client:
        clock = client.get("/v1/clock").json()
        assert clock["simulated"] is False
        assert abs(time.time() - clock["began_unix_s"]) < 3600.0
        assert_problem(client.post("/v1/clock/advance", json={"seconds": 1}), 409, "time of day")


def test_no_site_limit_that_is_set_is_broken(client: TestClient, live: LiveStation) -> None:
    for charger_id in ("CP1", "CP2"):
        for connector in (1, 2):
            wanted = {"charger_id": charger_id, "connector": connector, "max_power_kw": 300.0}
            client.post("/v1/sessions", json=wanted)
    for limit_kw in (0.0, 10.0, None, 1e9):
        client.put("/v1/site-limit", json={"limit_kw": limit_kw})
        decision = live.view.decision
        assert not violations(decision.snapshot, decision.allocation)
