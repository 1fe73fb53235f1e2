"""Measure one decision at a station with 200 connectors, all of them taken.

Run ``python benchmarks/decision.py``. It prints CPU time, which other programs disturb less than wall time,
for arrivals and departures: at a plain station, and at one with every feature on.
"""

from __future__ import annotations

import random
import time
from typing import Any

from electra_core import Station, catalogue, load_config

CHARGERS = 100
CALLS = 1000
CARS = list(catalogue().values())

PLAIN: dict[str, Any] = {"maxPower": 225, "connectors": [{"minPower": 5}, {"minPower": 5}]}
BATTERY: dict[str, Any] = {"initialCapacity": 1000, "power": 500, "initialSoc": 0.9}

STATIONS: dict[str, dict[str, Any]] = {
    "plain": {"chargers": PLAIN, "battery": BATTERY},
    "everything": {
        "chargers": PLAIN | {"moduleSize": 75, "efficiency": 0.95, "standbyPower": 0.1},
        "battery": BATTERY | {"reserveSoc": 0.3, "comfortPower": 20, "rechargeShare": 0.5},
        "rotation": 300,
        "limitLease": 9000,
        "failSafeLimit": 1000,
    },
}


def full_station(parts: dict[str, Any], dice: random.Random) -> Station:
    """Return a station with a car at each connector."""
    chargers = [parts["chargers"] | {"id": f"C{number:03d}"} for number in range(CHARGERS)]
    station = Station(load_config({"stationId": "200", "gridCapacity": 6000, **parts, "chargers": chargers}))
    for charger in chargers:
        for connector in (1, 2):
            plug_in(station, charger["id"], connector, dice)
    return station


def plug_in(station: Station, charger_id: str, connector: int, dice: random.Random) -> None:
    """Plug in a car of the catalogue, rather empty."""
    station.plug_in(
        charger_id, connector, dice.choice(CARS), arrival_soc=dice.uniform(0.05, 0.5), target_soc=0.9
    )


def measure(name: str) -> None:
    """Unplug cars and plug in others, and advance time now and then."""
    dice = random.Random(1)
    station = full_station(STATIONS[name], dice)
    times_ms = []
    for call in range(CALLS // 2):
        connector_id = f"C{dice.randrange(CHARGERS):03d}", dice.choice((1, 2))
        start = time.process_time()
        station.unplug(*connector_id)
        middle = time.process_time()
        plug_in(station, *connector_id, dice)
        times_ms += [1e3 * (middle - start), 1e3 * (time.process_time() - middle)]
        if call % 10 == 0:
            station.advance(60)
    times_ms.sort()
    median_ms, late_ms = times_ms[CALLS // 2], times_ms[CALLS * 99 // 100]
    print(f"{name:>10}: median {median_ms:.2f} ms, 99th percentile {late_ms:.2f} ms")


if __name__ == "__main__":
    for station_name in STATIONS:
        measure(station_name)
