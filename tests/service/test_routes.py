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
from electra_core.cli import main
from electra_core.service import Journal, JournalError, LiveStation, create_app
from electra_core.service import app as application
from electra_core.service import routes_v1 as modern

BATTERY = {"initialCapacity": 100, "power": 100}
HERE = {"charger_id": "CP1", "connector": 1}
CAR = {**HERE, "max_power_kw": 50.0}
TOKEN = "a token that nobody guesses"
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
    """What a caller can see: the status, its number, and every event."""
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


def test_the_root_says_what_this_is(client: TestClient) -> None:
    assert client.get("/").json() == {
        "message": "Station ST",
        "docs": "/docs",
        "status": "/station/station_status",
    }
    assert client.get("/docs").status_code == 200


@pytest.mark.parametrize("way", ["params", "json"])
def test_a_client_of_the_exercise(client: TestClient, way: str) -> None:
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
def test_what_the_exercise_refuses(
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
def test_a_body_that_is_nothing(client: TestClient, path: str, body: bytes) -> None:
    before = everything(client)
    answer = client.post(path, content=body, headers=JSON)
    assert answer.status_code in (400, 422)
    assert_problem(answer, answer.status_code)
    assert everything(client) == before


# The modern routes: reading


def test_status_has_a_tag_that_changes_with_every_event(client: TestClient) -> None:
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


def test_tags_of_another_start_are_not_known(tmp_path: Path) -> None:
    """A journal that was put back from a copy comes to the same numbers by another way."""
    tags = set()
    for _ in range(2):
        with TestClient(create_app(live_station(tmp_path))) as client:
            tags.add(client.get("/v1/status").headers["ETag"])
            assert client.get("/v1/status", headers={"If-None-Match": "*"}).status_code == 304
    assert len(tags) == 2


def test_what_can_be_read(client: TestClient) -> None:
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
    }
    assert client.get("/v1/vehicles").json() == list(catalogue())
    assert "max_min" in client.get("/v1/strategies").json()
    config = client.get("/v1/config").json()
    assert load_config(config) == load_config({**BASE, "battery": BATTERY})
    assert_problem(client.get("/v1/sessions/S9"), 404, "no session")
    assert_problem(client.get("/v1/sessions/S9/explanation"), 404, "no session")
    assert_problem(client.get("/v1/nothing"), 404)
    assert_problem(client.put("/v1/status"), 405)


def test_an_explanation_says_why(client: TestClient) -> None:
    client.put("/v1/site-limit", json={"limit_kw": 20.0})
    client.put("/v1/availability", json={"charger_id": "battery", "available": False})
    client.post("/v1/sessions", json=CAR)
    why = client.get("/v1/sessions/S0001/explanation").json()
    assert why["session_id"] == "S0001"
    assert "20" in why["explanation"]
    assert any(gain == pytest.approx(1.0) for gain in why["gain_per_kw"].values())


def test_events_since_a_number(client: TestClient) -> None:
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


def test_a_session_from_its_beginning_to_its_end(client: TestClient) -> None:
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


def test_what_can_be_set(client: TestClient) -> None:
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
def test_what_is_refused_changes_nothing(
    client: TestClient, method: str, path: str, body: Any, status: int
) -> None:
    client.post("/v1/sessions", json=CAR)
    client.put("/v1/availability", json={"charger_id": "CP2", "connector": 1, "available": False})
    before = everything(client)
    # Written here: the client would not send half a character.
    headers = {"Idempotency-Key": "once", **JSON}
    answer = client.request(method, path, content=json.dumps(body), headers=headers)
    assert_problem(answer, status)
    assert everything(client) == before
    # A key of a refused call is free: whoever corrects the call may use it again.
    assert client.put("/v1/static-load", json={"load_kw": 1}, headers={"Idempotency-Key": "once"}).is_success


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_that_are_none(client: TestClient, number: str) -> None:
    before = everything(client)
    assert_problem(client.put("/v1/static-load", content=f'{{"load_kw": {number}}}', headers=JSON), 422)
    passing = f'{{"seconds": {number}}}'
    assert_problem(client.post("/v1/clock/advance", content=passing, headers=JSON), 422)
    assert everything(client) == before


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
    """From the application itself, so that a new route cannot be forgotten."""
    return {
        (method.upper(), path)
        for path, methods in app.openapi()["paths"].items()
        for method in methods
        if method.upper() not in READING
    }


def test_every_changing_route_is_asked_twice_below(client: TestClient) -> None:
    asked = {(method, path.replace("S0001", "{session_id}")) for method, path, _, _ in CALLS}
    assert isinstance(client.app, FastAPI)
    assert asked == changing_routes(client.app)


@pytest.mark.parametrize(("method", "path", "body", "other"), CALLS)
def test_a_call_with_a_key_is_done_once(
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


async def streamed(app: FastAPI, change: Any) -> list[dict[str, Any]]:
    """The first allocation of a stream and, after a change, the next."""
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

    scope = {
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
    listening = asyncio.create_task(app(scope, receive, send))
    told = [await asyncio.wait_for(sent.get(), 10)]
    await asyncio.to_thread(change)
    told.append(await asyncio.wait_for(sent.get(), 10))
    leaving.set()
    await asyncio.wait_for(listening, 10)
    lines = [dict(line.split(": ", 1) for line in part.splitlines()) for part in told]
    assert {line["event"] for line in lines} == {"allocation"}
    found = [json.loads(line["data"]) for line in lines]
    assert [int(line["id"]) for line in lines] == [each["number"] for each in found]
    return found


def test_a_stream_tells_at_once_and_after_a_change(live: LiveStation) -> None:
    def change() -> None:
        live.do(lambda station: (200, station.set_static_load(30.0)))

    app = create_app(live)
    before, after = asyncio.run(streamed(app, change))
    assert (before["number"], after["number"]) == (0, 1)
    assert before["offered_kw"] == {}
    assert not live._listeners, "who has left is told no more"
    live.close()


def test_a_pulse_shows_that_a_stream_lives(live: LiveStation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(modern, "PULSE_S", 0.01)

    async def quiet() -> str:
        class Here:
            async def is_disconnected(self) -> bool:
                return False

        told = modern._moments(live, Here())  # type: ignore[arg-type]
        await anext(told)
        pulse = await anext(told)
        await told.aclose()
        return pulse

    assert asyncio.run(quiet()).startswith(":")


# What stands before every route


def test_with_a_token_whoever_changes_something_needs_it(live: LiveStation) -> None:
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
    """So that no test here, which goes by the document, overlooks one."""
    app = create_app(live)
    documented = set(app.openapi()["paths"])
    hidden = {"/openapi.json", "/docs", "/docs/oauth2-redirect", "/redoc"}
    for route in app.routes:
        if isinstance(route, APIRoute):
            assert route.path in documented | hidden
    assert {"/", "/v1/stream", "/v1/status", "/start_session/"} <= documented
    for methods in app.openapi()["paths"].values():
        for operation in methods.values():
            for status in ("401", "404", "409", "413", "422", "503"):
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
def test_what_a_path_does_not_understand(client: TestClient, path: str, methods: str) -> None:
    answer = client.options(path)
    assert_problem(answer, 405)
    assert answer.headers["Allow"] == methods


def test_an_integer_may_be_written_with_a_point(client: TestClient) -> None:
    assert client.post("/v1/sessions", json={**CAR, "connector": 1.0}).status_code == 201
    for number in (1.5, "1", True):
        assert_problem(client.post("/v1/sessions", json={**CAR, "connector": number}), 422, "connector")


def test_a_body_is_bounded(client: TestClient) -> None:
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


def test_no_other_page_may_call(client: TestClient) -> None:
    headers = {"Origin": "http://elsewhere.example", "Access-Control-Request-Method": "POST"}
    for answer in (
        client.get("/v1/status", headers=headers),
        client.options("/v1/sessions", headers=headers),
    ):
        assert not [name for name in answer.headers if name.lower().startswith("access-control")]


def test_a_foreign_page_changes_nothing(live: LiveStation) -> None:
    """A browser sends a simple call of any page, and only hides the answer."""
    query = {"chargerId": "CP1", "connectorId": 1, "powerCapacity": 9}
    foreign = [
        ("http://elsewhere.example", "127.0.0.1:8000"),
        ("http://127.0.0.1:9000", "127.0.0.1:8000"),
        ("null", "127.0.0.1:8000"),
        ("http://[", "["),
        # A name that its owner lets stand for this machine.
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


def test_who_knows_the_token_may_come_from_anywhere(live: LiveStation) -> None:
    headers = {"Origin": "https://operator.example", "Authorization": f"Bearer {TOKEN}"}
    with TestClient(create_app(live, TOKEN)) as client:
        assert client.post("/v1/sessions", json=CAR, headers=headers).status_code == 201


@pytest.mark.parametrize("token", ["", " ", "gehe\u00efm", "a\nb"])
def test_a_token_that_cannot_arrive_is_refused(live: LiveStation, token: str) -> None:
    with pytest.raises(ValueError, match="printable ASCII"):
        create_app(live, token)
    live.close()


@pytest.mark.parametrize("port", ["99999", "-1", "http", "\u0663"])
def test_a_port_that_is_none_is_refused(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["serve", "a.json", f"--port={port}"])
    assert "a port is a number up to 65535" in capsys.readouterr().err


def test_a_power_of_next_to_nothing_is_no_endless_time(client: TestClient) -> None:
    car = {**HERE, "vehicle": "Renault Zoe 50", "arrival_soc": 0.3}
    session_id = client.post("/v1/sessions", json=car).json()["session_id"]
    for _ in range(2):
        answer = client.patch(
            f"/v1/sessions/{session_id}", json={"drawn_kw": 1e-310}, headers={"Idempotency-Key": "k"}
        )
        assert answer.status_code == 200
        assert answer.json()["minutes_to_target"] is None


def test_readers_wait_for_no_writer(live: LiveStation) -> None:
    async def read_while_all_write() -> None:
        app = create_app(live)
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            with live._writes:
                loads = [client.put("/v1/static-load", json={"load_kw": kw}) for kw in range(100)]
                writers = [asyncio.create_task(each) for each in loads]
                await asyncio.sleep(0.2)
                for path in ("/", "/v1/status", "/v1/clock", "/v1/events", "/station/station_status"):
                    answer = await asyncio.wait_for(client.get(path), 10.0)
                    assert answer.status_code == 200
                assert not any(each.done() for each in writers)
            assert {answer.status_code for answer in await asyncio.gather(*writers)} == {200}

    asyncio.run(read_while_all_write())
    assert live.view.number == 100
    live.close()


def test_a_fault_of_ours_does_not_stop_the_clock(live: LiveStation, monkeypatch: pytest.MonkeyPatch) -> None:
    faults: list[Exception] = [ArithmeticError(), JournalError("full"), ValueError()]
    ticked = threading.Event()

    def tick() -> None:
        if faults:
            raise faults.pop()
        ticked.set()

    monkeypatch.setattr(application, "TICK_S", 0.01)
    monkeypatch.setattr(live, "rest_s", lambda: 0.0)
    monkeypatch.setattr(live, "tick", tick)
    with TestClient(create_app(live)):
        assert ticked.wait(10.0)


def test_the_clock_rests_no_longer_than_until_something_is_due(tmp_path: Path) -> None:
    slow = {"controlInterval": 3600, "limitLease": 90, "failSafeLimit": 50}
    config = load_config({**BASE, **slow})
    live = LiveStation(config, Journal(tmp_path / "b.journal", config), simulated=True)
    live.do(lambda station: (200, station.set_site_limit(300.0)))
    assert live.rest_s() == 90.0
    live.advance(60.0)
    assert live.rest_s() == 30.0
    live.close()


def test_a_fault_of_ours_shows_nothing_and_changes_nothing(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = everything(client)

    def broken(*_: Any, **__: Any) -> str:
        raise RuntimeError("at /tmp/secret.py")

    with monkeypatch.context() as patched:
        patched.setattr(Station, "plug_in", broken)
        answer = client.post("/v1/sessions", json=CAR)
    assert_problem(answer, 500, "fault")
    assert "secret" not in answer.text
    assert "X-Process-Time" in answer.headers
    assert everything(client) == before
    assert client.post("/v1/sessions", json=CAR).status_code == 201


def test_whoever_leaves_before_all_is_said_has_asked_for_nothing(live: LiveStation) -> None:
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


def test_a_clock_that_follows_the_day_is_not_moved(tmp_path: Path) -> None:
    with TestClient(create_app(live_station(tmp_path, simulated=False))) as client:
        clock = client.get("/v1/clock").json()
        assert clock["simulated"] is False
        assert abs(time.time() - clock["began_unix_s"]) < 3600.0
        assert_problem(client.post("/v1/clock/advance", json={"seconds": 1}), 409, "time of day")


def test_no_limit_is_broken_whatever_is_set(client: TestClient, live: LiveStation) -> None:
    for charger_id in ("CP1", "CP2"):
        for connector in (1, 2):
            wanted = {"charger_id": charger_id, "connector": connector, "max_power_kw": 300.0}
            client.post("/v1/sessions", json=wanted)
    for limit_kw in (0.0, 10.0, None, 1e9):
        client.put("/v1/site-limit", json={"limit_kw": limit_kw})
        decision = live.view.decision
        assert not violations(decision.snapshot, decision.allocation)
