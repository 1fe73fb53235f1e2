"""The served station under load: ``python -m benchmarks.service``.

Prints latencies with the journal on disk and 200 connectors, changes a second, memory before and after many
events, and the time to open a long journal. The server runs in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import psutil

from electra_core import StationConfig, load_config
from electra_core.service import Journal, LiveStation
from electra_core.service.journal import signed
from electra_core.service.saved_decision import digest_of

ROOT = Path(__file__).parents[1]
STATION = {
    "stationId": "BIG",
    "gridCapacity": 4000,
    "chargers": [{"id": f"C{count:03d}", "maxPower": 200, "connectors": 2} for count in range(100)],
    "battery": {"initialCapacity": 1000, "power": 500},
}
PLACES = [(f"C{count // 2:03d}", count % 2 + 1) for count in range(200)]
MB = 1e6


class Client:
    """A client with one open connection, and how long each of its calls took, s."""

    def __init__(self, port: int) -> None:
        self.line = HTTPConnection("127.0.0.1", port, timeout=60.0)
        self.times_s: list[float] = []

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Send a call; anything but success ends the measurement."""
        start = time.perf_counter()
        headers = {"Content-Type": "application/json"}
        self.line.request(method, path, None if body is None else json.dumps(body), headers)
        answer = self.line.getresponse()
        text = answer.read()
        self.times_s.append(time.perf_counter() - start)
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path}: {answer.status} {text[:200]!r}")
        return json.loads(text)

    def start(self, place: tuple[str, int]) -> None:
        """Start a session."""
        where = {"chargerId": place[0], "connectorId": place[1]}
        self.ask("POST", "/start_session/", {**where, "powerCapacity": 50.0})

    def stop(self, place: tuple[str, int]) -> None:
        """End a session."""
        self.ask("POST", "/stop_session/", {"chargerId": place[0], "connectorId": place[1]})


@contextmanager
def served(folder: Path) -> Iterator[tuple[int, psutil.Process]]:
    """Serve a station; yield its port and its process."""
    config = folder / "station.json"
    config.write_text(json.dumps(STATION), "utf-8")
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = int(found.getsockname()[1])
    words = ["serve", str(config), "--simulated", "--quiet", f"--journal={folder / 'a.journal'}"]
    words += [f"--port={port}"]
    process = subprocess.Popen([sys.executable, "-m", "electra_core", *words], cwd=ROOT)
    try:
        while True:
            if process.poll() is not None:
                sys.exit("the server did not start")
            try:
                Client(port).ask("GET", "/")
                break
            except OSError:
                time.sleep(0.05)
        yield port, psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait()


def latencies(port: int, rounds: int) -> Iterator[tuple[str, list[float]]]:
    """Measure start, stop and status, one by one, at a station that is full but for one connector."""
    full, starts, stops, status = Client(port), Client(port), Client(port), Client(port)
    for place in PLACES[1:]:
        full.start(place)
    for _ in range(rounds):
        starts.start(PLACES[0])
        status.ask("GET", "/v1/status")
        stops.stop(PLACES[0])
    empty = Client(port)  # the server has closed the first connection, which was idle for long
    for place in PLACES[1:]:
        empty.stop(place)
    yield "start, 199 cars there", starts.times_s
    yield "stop, 199 cars there", stops.times_s
    yield "status right after a change", status.times_s


def sustained(port: int, clients: int, seconds: float) -> list[float]:
    """Let many clients start and stop, each at connectors of its own; return how long each call took, s."""
    end = time.perf_counter() + seconds

    def work(number: int) -> list[float]:
        client, places = Client(port), PLACES[number::clients]
        while time.perf_counter() < end:
            for place in places:
                client.start(place)
            for place in places:
                client.stop(place)
        return client.times_s

    with ThreadPoolExecutor(clients) as threads:
        return [each for found in threads.map(work, range(clients)) for each in found]


def memory_mb(port: int, process: psutil.Process, events: int) -> tuple[float, float]:
    """Return the server's memory before and after so many events, MB."""
    client = Client(port)
    before = process.memory_info().rss / MB
    for count in range(events // 2):
        client.start(PLACES[count % len(PLACES)])
        client.stop(PLACES[count % len(PLACES)])
    return before, process.memory_info().rss / MB


def start_s(folder: Path, events: int) -> tuple[float, float]:
    """Return the time to open a journal, saved 500 events before its end, and for one more event, s."""
    config: StationConfig = load_config(STATION)
    path = folder / "long.journal"
    live = LiveStation(config, Journal(path, config, max_events=2 * events), simulated=True)
    live.execute(lambda station: (200, station.set_static_load(1.0)))
    live.close()
    base = sqlite3.connect(path)
    row = (0.0, "set_static_load", json.dumps({"kw": 1.0}))
    rows = (signed(number, *row) for number in range(2, events + 1))
    base.executemany("INSERT INTO event VALUES (?, ?, ?, ?, ?)", rows)
    (content,) = base.execute("SELECT content FROM decision ORDER BY number DESC").fetchone()
    number = events - 500
    base.execute("INSERT INTO decision VALUES (?, ?, ?)", (number, digest_of(number, content), content))
    base.commit()
    base.close()
    start = time.perf_counter()
    live = LiveStation(config, Journal(path, config, max_events=2 * events), simulated=True)
    took_s = time.perf_counter() - start
    if live.view.number != events:
        sys.exit("the long journal was not read to its end")
    start = time.perf_counter()
    live.execute(lambda station: (200, station.set_static_load(1.0)))
    once_s = time.perf_counter() - start
    live.close()
    return took_s, once_s


def row(what: str, times_s: list[float]) -> str:
    """Return a row of the table: median and 99th percentile, ms."""
    p99 = statistics.quantiles(times_s, n=100)[98]
    return f"| {what} | {1e3 * statistics.median(times_s):.1f} ms | {1e3 * p99:.1f} ms |"


def main() -> None:
    """Measure, and print a small table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=300, help="starts and stops whose latency is measured")
    parser.add_argument("--events", type=int, default=20_000, help="between the two looks at the memory")
    parser.add_argument("--journal-events", type=int, default=1_000_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=os.environ.get("ELECTRA_BENCHMARK_FOLDER")) as name:
        folder = Path(name)
        print("| what | median | p99 |\n|---|---|---|", flush=True)
        with served(folder) as (port, process):
            for what, times_s in latencies(port, options.rounds):
                print(row(what, times_s), flush=True)
            start, used_s = time.perf_counter(), sum(process.cpu_times()[:2])
            times_s = sustained(port, options.clients, options.seconds)
            took_s, used_s = time.perf_counter() - start, sum(process.cpu_times()[:2]) - used_s
            rate = len(times_s) / took_s
            print(row(f"{options.clients} clients: {rate:.0f} changes a second", times_s), flush=True)
            print(f"| processor time of one change | {1e3 * used_s / len(times_s):.2f} ms | |", flush=True)
            before, after = memory_mb(port, process, options.events)
            words = f"memory before and after {options.events:,} events"
            print(f"| {words} | {before:.1f} MB | {after:.1f} MB |", flush=True)
        took_s, once_s = start_s(folder, options.journal_events)
        words = f"opening {options.journal_events:,} events, 500 of them after the saved state"
        print(f"| {words} | {took_s:.2f} s | (one more event: {1e3 * once_s:.1f} ms) |")
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")


if __name__ == "__main__":
    main()
