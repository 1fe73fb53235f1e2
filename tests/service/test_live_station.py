"""The served station from outside: killed at any moment under load, and called by many clients at once."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from stations import ROOT

from electra_core import load_config
from electra_core.allocation import violations
from electra_core.cli import main
from electra_core.service import Journal, LiveStation

pytestmark = pytest.mark.service

CONFIG = ROOT / "configs/electra_paris_15.json"
PLACES = [(f"CP00{charger}", connector) for charger in (1, 2, 3) for connector in (1, 2)]
KILLS = int(os.environ.get("ELECTRA_KILLS", "10"))
START_S = 30.0

Acknowledged = dict[str, tuple[str, str]]  # by key: the call, and its session


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


# A fresh interpreter takes seconds to load everything; children of one that has loaded it start at once.
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["electra_core.cli", "electra_core.service", "uvicorn"])


def command(journal: Path, port: int) -> list[str]:
    return ["serve", str(CONFIG), "--simulated", "--quiet", "--journal", str(journal), "--port", str(port)]


@contextmanager
def served(journal: Path) -> Iterator[tuple[int, str]]:
    """Run ``electra serve`` in a process of its own, killed in the end; yield its number and address."""
    port = free_port()
    process = FORKS.Process(target=main, args=(command(journal, port),), daemon=True)
    process.start()
    try:
        yield process.pid or 0, answering(port, process.is_alive)
    finally:
        process.kill()
        process.join()


def answering(port: int, lives: Callable[[], bool]) -> str:
    """Return the address, as soon as the server answers there."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        assert lives(), "it did not start"
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1.0):
                return f"http://127.0.0.1:{port}"
        except OSError:
            time.sleep(0.02)
    raise AssertionError("it does not answer")


def load(
    url: str, name: str, place: tuple[str, int], acknowledged: Acknowledged, dead: threading.Event
) -> None:
    """Connect one car after the other at one connector, and note what was acknowledged."""
    with httpx.Client(base_url=url, timeout=5.0) as client:
        for count in range(10_000):
            try:
                here = {"charger_id": place[0], "connector": place[1]}
                key = f"{name}-{count}-start"
                wanted = {**here, "max_power_kw": 50.0 + count}
                answer = client.post("/v1/sessions", json=wanted, headers={"Idempotency-Key": key})
                if answer.status_code == 409:  # a session from before the kill, acknowledged or not
                    sessions = client.get("/v1/sessions").json()
                    session_id = next(
                        each["session_id"]
                        for each in sessions
                        if (each["charger_id"], each["connector"]) == place
                    )
                else:
                    assert answer.status_code == 201, answer.text
                    session_id = answer.json()["session_id"]
                    acknowledged[key] = ("plug_in", session_id)
                key = f"{name}-{count}-stop"
                answer = client.delete(f"/v1/sessions/{session_id}", headers={"Idempotency-Key": key})
                assert answer.status_code == 200, answer.text
                acknowledged[key] = ("unplug", session_id)
            except httpx.TransportError:
                assert dead.wait(5.0), "it hung up although it was not killed"
                return


def journal_of(url: str) -> list[dict[str, Any]]:
    """Return every event, page by page."""
    found: list[dict[str, Any]] = []
    with httpx.Client(base_url=url, timeout=10.0) as client:
        while True:
            since = found[-1]["number"] if found else 0
            page = client.get("/v1/events", params={"since": since, "most": 10_000}).json()
            if not page:
                return found
            found += page


def changes_of(events: list[dict[str, Any]]) -> set[tuple[str, str]]:
    """Return the starts and stops with their session's id, from the events alone."""
    here: dict[tuple[str, int], str] = {}
    found, count = set(), 0
    for event in events:
        arguments = event["arguments"]
        if event["call"] == "plug_in":
            count += 1
            here[arguments["charger_id"], arguments["connector"]] = f"S{count:04d}"
            found.add(("plug_in", f"S{count:04d}"))
        elif event["call"] == "unplug":
            found.add(("unplug", here.pop((arguments["charger_id"], arguments["connector"]))))
    return found


def test_kill_at_any_moment_loses_nothing(tmp_path: Path) -> None:
    journal, acknowledged, luck = tmp_path / "a.journal", Acknowledged(), random.Random(7)
    before: list[dict[str, Any]] = []
    for kill in range(KILLS + 1):
        with served(journal) as (number, url):
            events = journal_of(url)
            assert [event["number"] for event in events] == list(range(1, len(events) + 1))
            assert events[: len(before)] == before
            assert set(acknowledged.values()) <= changes_of(events)
            status = httpx.get(f"{url}/v1/status").json()
            assert status["grid_kw"] <= status["site_limit_kw"] + 1e-6
            before = events
            if kill == KILLS:
                break
            dead, so_far = threading.Event(), len(acknowledged)
            with ThreadPoolExecutor(len(PLACES)) as threads:
                work = [
                    threads.submit(load, url, f"{kill}-{place}", place, acknowledged, dead)
                    for place in PLACES
                ]
                # Half of them die before their first answer may have come, half in the middle of it.
                while kill % 2 and len(acknowledged) == so_far and not any(each.done() for each in work):
                    time.sleep(0.01)
                time.sleep(luck.uniform(0.01, 0.3))
                os.kill(number, signal.SIGKILL)
                dead.set()
                for each in work:
                    each.result()
    assert len(acknowledged) >= KILLS // 2
    config = load_config(CONFIG)
    live = LiveStation(config, Journal(journal, config), simulated=True)
    decision = live.view.decision
    assert violations(decision.snapshot, decision.allocation) == []
    live.close()


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Yield the address of a server that the README's command started."""
    port = free_port()
    words = command(tmp_path_factory.mktemp("service") / "a.journal", port)
    process = subprocess.Popen([sys.executable, "-m", "electra_core", *words], cwd=ROOT)
    try:
        yield answering(port, lambda: process.poll() is None)
    finally:
        process.terminate()
        assert process.wait(20.0) in (0, -signal.SIGTERM)


def test_one_of_many_starts_at_a_connector_is_accepted(url: str) -> None:
    many = 200
    car = {"chargerId": "CP001", "connectorId": 1, "powerCapacity": 150}

    def together(path: str, params: dict[str, Any]) -> list[int]:
        gate = threading.Barrier(many)

        def one(_: int) -> int:
            with httpx.Client(base_url=url, timeout=30.0, verify=False) as client:
                gate.wait(30.0)
                return client.post(path, params=params).status_code

        with ThreadPoolExecutor(many) as threads:
            return sorted(threads.map(one, range(many)))

    assert together("/start_session/", car) == [200] + [409] * (many - 1)
    assert len(httpx.get(f"{url}/v1/sessions").json()) == 1
    car.pop("powerCapacity")
    assert together("/stop_session/", car) == [200] + [409] * (many - 1)
    assert httpx.get(f"{url}/v1/sessions").json() == []


def test_call_without_a_body_is_answered_at_once(url: str) -> None:
    for path in ("/v1/sessions", "/start_session/", "/stop_session/", "/v1/clock/advance"):
        assert httpx.post(f"{url}{path}", timeout=5.0).status_code == 422


def test_parts_of_a_status_add_up_during_changes(url: str) -> None:
    """Each is of one decision, while sessions start and end."""
    over = threading.Event()

    def come_and_go(place: tuple[str, int]) -> None:
        with httpx.Client(base_url=url, timeout=10.0) as client:
            while not over.is_set():
                where = {"chargerId": place[0], "connectorId": place[1]}
                assert client.post("/start_session/", json={**where, "powerCapacity": 200}).is_success
                assert client.post("/stop_session/", json=where).is_success

    with ThreadPoolExecutor(4) as threads, httpx.Client(base_url=url, timeout=10.0) as client:
        work = [threads.submit(come_and_go, place) for place in PLACES[2:]]
        seen = set()
        try:
            end = time.monotonic() + 2.0
            while time.monotonic() < end:
                answer = client.get("/v1/status")
                status = answer.json()
                seen.add(answer.headers["ETag"])
                sessions = [
                    connector["session"]
                    for charger in status["chargers"]
                    for connector in charger["connectors"]
                    if connector["session"]
                ]
                offered_kw = sum(session["allocated_power"] for session in sessions)
                assert offered_kw == pytest.approx(status["offered_kw"], abs=1e-6)
                grid_kw = sum(session["grid_kw"] for session in sessions)
                assert grid_kw + max(0.0, status["battery"]["power_kw"]) == pytest.approx(status["grid_kw"])
                assert status["grid_kw"] <= status["site_limit_kw"] + 1e-6
        finally:
            over.set()
        for each in work:
            each.result()
    assert len(seen) > 10
