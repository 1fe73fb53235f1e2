"""Measure the table of docs/performance.md: ``python -m benchmarks`` prints it, ``--write`` puts it there.

It takes some minutes. The peer, acnportal, is measured in the same run, in an environment of its own that is
made on the first run; where that cannot be made it is left out, and the table says so.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from benchmarks import test_speed as speed
from benchmarks.peer.compare import run_peer
from benchmarks.peer.environment import PeerUnavailableError
from electra_core import load_config
from electra_core.simulation import simulate

ROOT = Path(__file__).parents[1]
MARK = "<!-- benchmarks -->"
LOG = speed.SHARED / "data/sessions/caltech_2019-03.csv"
# The peer's names of the same orders.
PEER = {"first_come": "fcfs", "earliest_deadline": "edf", "least_laxity": "llf"}
STEP_S = 300.0

Row = tuple[str, str, str]


def measured() -> dict[str, dict[str, Any]]:
    """Every benchmark's figures by its name, s."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "speed.json"
        words = ["-q", "-n0", "--benchmark-only", f"--benchmark-json={path}", str(Path(speed.__file__))]
        if pytest.main(words) != 0:
            sys.exit("the benchmarks did not finish")
        found = json.loads(path.read_text("utf-8"))["benchmarks"]
    return {each["name"]: {**each["stats"], **each["extra_info"]} for each in found}


def rows() -> Iterator[Row]:
    """What was measured, the figure, and a remark."""
    found = measured()
    for connectors in (8, 100, 1000, 10_000):
        median_s = found[f"test_allocation[{connectors}]"]["median"]
        yield f"one decision, {connectors:,} cars", seconds(median_s), "compiled, on two-plug chargers"
    for connectors in (20, 200):
        name = f"test_day[{connectors}]"
        if name in found:
            rate = found[name]["session_steps"] / found[name]["median"]
            words = f"{rate / 1e6:.1f} million session-steps a second, one core"
            yield f"a day of {connectors} connectors at 1-minute steps", seconds(found[name]["median"]), words
    for connectors in (2, 8, 200):
        median_s = found[f"test_year[{connectors}]"]["median"]
        words = f"{1.0 / median_s:.2g} station-years a second; cars move along their curves"
        yield f"a year of {connectors} connectors at 1-minute steps", seconds(median_s), words
    yield (
        "the best possible for a week",
        seconds(found["test_hindsight_of_a_week"]["median"]),
        ("8 connectors, battery, hourly prices"),
    )
    for keeps, what in ((True, "with its timeline"), (False, "sessions and metrics alone")):
        yield (
            f"memory of a year of 8 connectors, {what}",
            f"{memory_mb(keeps):.0f} MB",
            ("peak of what Python and numpy hold"),
        )
    yield "the first simulation of a process", seconds(first_s()), "compiled before; import included"
    yield from beside_the_peer()


def memory_mb(keep_timeline: bool) -> float:
    """The most memory that Python and numpy hold during a year of 8 connectors, MB."""
    config, sessions = speed.year(8)
    simulate(config, sessions, horizon_s=speed.DAY_S, compare_unlimited=False)
    tracemalloc.start()
    simulate(config, sessions, horizon_s=speed.YEAR_S, keep_timeline=keep_timeline, compare_unlimited=False)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most / 1e6


def first_s() -> float:
    """From the start of a process to its first result, imports included, s."""
    return float(
        in_a_process("""
import time
start = time.perf_counter()
import pandas
from electra_core import simulate
station = {"stationId": "ST", "gridCapacity": 40, "chargers": [{"id": "A", "maxPower": 50, "connectors": 1}]}
simulate(station, pandas.DataFrame({"arrival_s": [0.0], "energy_kwh": [10.0], "max_power_kw": [50.0]}))
print(time.perf_counter() - start)
""")
    )


def in_a_process(code: str) -> str:
    """What some lines print in a process of their own."""
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return run.stdout.splitlines()[-1]


def beside_the_peer() -> Iterator[Row]:
    """The published comparison of March 2019: our seconds and the peer's, on the same sessions and steps."""
    if not LOG.exists():
        yield "the published log of March 2019", "left out", "there is no log beside this project"
        return
    log = pd.read_csv(LOG)
    sessions = pd.DataFrame(
        {
            "session_id": log.session_id,
            "charger_id": log.station_id,
            "connector": 1,
            "arrival_s": STEP_S * log.arrival_step,
            "departure_s": STEP_S * log.departure_step,
            "energy_kwh": log.requested_kwh,
            "max_power_kw": 6.6,
        }
    )
    for strategy, algorithm in PEER.items():
        for limit_kw in (10, 40):
            best_s, share = ours(sessions, strategy, limit_kw)
            try:
                peer = run_peer(LOG, limit_kw, algorithm)
            except PeerUnavailableError as error:
                yield f"March 2019, {strategy}, {limit_kw} kW", seconds(best_s), f"no peer: {error}"
                return
            words = (
                f"acnportal {peer['run_s']:.1f} s: {peer['run_s'] / best_s:,.0f} times as long;"
                f" delivered {share:.2%}, acnportal {peer['delivered_share']:.2%}"
            )
            yield f"March 2019 of Caltech, `{strategy}`, {limit_kw} kW", seconds(best_s), words


def ours(sessions: pd.DataFrame, strategy: str, limit_kw: float) -> tuple[float, float]:
    """The median of our runs, s, reading the table included; and the share of energy delivered."""
    chargers = [{"id": name, "maxPower": 6.6, "connectors": 1} for name in sorted(set(sessions.charger_id))]
    config = load_config(
        {"stationId": "Caltech", "gridCapacity": limit_kw, "controlInterval": STEP_S, "chargers": chargers}
    )
    times_s = []
    for _ in range(15):
        start = time.perf_counter()
        result = simulate(config, sessions, strategy, step_s=STEP_S, compare_unlimited=False)
        times_s.append(time.perf_counter() - start)
    return sorted(times_s)[len(times_s) // 2], result.metrics()["delivered_share"]


def seconds(value_s: float) -> str:
    """A time that a person can read."""
    for unit, size in (("µs", 1e-6), ("ms", 1e-3)):
        if value_s < 1000.0 * size:
            return f"{value_s / size:.3g} {unit}"
    return f"{value_s:.2g} s"


def table() -> str:
    """The table as Markdown, with the machine that it was measured on."""
    lines = ["| what | median | |", "|---|---|---|"]
    lines += [f"| {what} | {figure} | {remark} |" for what, figure, remark in rows()]
    machine = (
        f"Python {platform.python_version()}, {os.cpu_count()} shared cores of a {platform.machine()} machine"
    )
    return "\n".join([*lines, "", f"Measured on {machine} by `python -m benchmarks --write`."])


def main() -> None:
    """Print the table, and write it into docs/performance.md if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write the table into docs/performance.md")
    options, text = parser.parse_args(), table()
    print(text)
    if options.write:
        document = ROOT / "docs" / "performance.md"
        before, _, after = document.read_text("utf-8").split(MARK)
        document.write_text(f"{before}{MARK}\n{text}\n{MARK}{after}", "utf-8")


if __name__ == "__main__":
    main()
