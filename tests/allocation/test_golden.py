"""Cases with known answers: one JSON file each, found by glob.

Each runs through `allocate` and, if its limits are finite, through `Station`. The files' battery is that of a
configuration: it can give its full power while it is above its floor, and take it while it is below its top;
below its reserve it lifts cars up to comfort.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from stations import make_station, shared_file

from electra_core import (
    Allocation,
    Demand,
    Limit,
    Snapshot,
    Station,
    Vehicle,
    allocate,
    violations,
)

FILES = sorted(Path(__file__).parents[1].joinpath("cases").glob("*.json"))


def read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


def as_snapshot(case: dict[str, Any]) -> Snapshot:
    battery = case["battery"] or {"power": 0}
    soc = battery.get("initialSoc", 0)
    demands = []
    for car in case["sessions"]:
        connectors = next(
            charger["connectors"] for charger in case["chargers"] if charger["id"] == car["charger"]
        )
        connector = connectors[car["connector"] - 1] if isinstance(connectors, list) else {}
        connector_kw = connector.get("maxPower")
        by_connector = connector_kw is not None and connector_kw < car["max_kw"]
        demands.append(
            Demand(
                session_id=car["id"],
                charger_id=car["charger"],
                max_kw=connector_kw if by_connector else car["max_kw"],
                min_kw=max(car.get("min_kw", 0), connector.get("minPower", 0)),
                arrived_s=car.get("arrived_s", 0),
                departs_s=car.get("departs_s"),
                remaining_kwh=car.get("remaining_kwh"),
                priority=car.get("priority", 0),
                weight=car.get("weight", 1),
                ceiling_by=Limit.CONNECTOR if by_connector else Limit.VEHICLE,
            )
        )
    return Snapshot(
        grid_kw=None if case["grid_kw"] is None else max(0, case["grid_kw"] - case["static_load_kw"]),
        charger_kw={charger["id"]: charger["maxPower"] for charger in case["chargers"]},
        demands=demands,
        boost_kw=battery["power"] if soc > battery.get("minSoc", 0) else 0,
        charge_kw=battery["power"] if soc < battery.get("maxSoc", 1) else 0,
        efficiency={charger["id"]: charger.get("efficiency", 1) for charger in case["chargers"]},
        module_kw={
            charger["id"]: charger["moduleSize"] for charger in case["chargers"] if "moduleSize" in charger
        },
        comfort_kw=battery["comfortPower"] if soc < battery.get("reserveSoc", 0) else None,
    )


def as_station(case: dict[str, Any]) -> tuple[Station, dict[str, str]]:
    """Return the station after all arrivals, and the case's name of each session."""
    station = make_station(
        case["strategy"],
        grid_kw=case["grid_kw"],
        chargers=case["chargers"],
        static_load_kw=case["static_load_kw"],
        battery=case["battery"],
    )
    names = {}
    for car in sorted(case["sessions"], key=lambda car: car.get("arrived_s", 0)):
        station.advance(car.get("arrived_s", 0) - station.now_s)
        # A car with remaining energy is one of 200 kWh with that much missing.
        remaining_kwh = car.get("remaining_kwh")
        vehicle = Vehicle(car["max_kw"], 200 if remaining_kwh else None, min_power_kw=car.get("min_kw", 0))
        session_id = station.plug_in(
            car["charger"],
            car["connector"],
            vehicle,
            arrival_soc=1 - remaining_kwh / 200 if remaining_kwh else None,
            departs_s=car.get("departs_s"),
            priority=car.get("priority", 0),
            weight=car.get("weight", 1),
        )
        names[session_id] = car["id"]
    return station, names


def check(case: dict[str, Any], allocation: Allocation, names: dict[str, str]) -> None:
    near = case["tolerance_kw"]
    found = {names[session_id]: kw for session_id, kw in allocation.offered_kw.items()}
    assert found == pytest.approx(case["expected_kw"], abs=near)
    if "expected_grid_kw" in case:
        assert allocation.grid_kw == pytest.approx(case["expected_grid_kw"], abs=near)
    if "expected_battery_kw" in case:
        assert allocation.battery_kw == pytest.approx(case["expected_battery_kw"], abs=near)
    if "expected_modules" in case:
        assert {names[key]: count for key, count in allocation.modules.items()} == case["expected_modules"]
    if "expected_limited_by" in case:
        assert {names[key]: limit for key, limit in allocation.limited_by.items()} == case[
            "expected_limited_by"
        ]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_allocation_of_case_is_the_known_answer(path: Path) -> None:
    case = read(path)
    snapshot = as_snapshot(case)
    allocation = allocate(snapshot, case["strategy"])
    check(case, allocation, {name: name for name in allocation.offered_kw})
    assert violations(snapshot, allocation) == []


def has_only_finite_limits(path: Path) -> bool:
    """Return whether a configuration can say the case: it has no word for "unlimited"."""
    case = read(path)
    return case["grid_kw"] is not None and all(charger["maxPower"] for charger in case["chargers"])


@pytest.mark.parametrize(
    "path", [path for path in FILES if has_only_finite_limits(path)], ids=lambda path: path.stem
)
def test_station_of_case_gives_the_known_answer(path: Path) -> None:
    case = read(path)
    station, names = as_station(case)
    check(case, station.allocation, names)


def test_cases_contain_every_step_of_the_exercise() -> None:
    source = json.loads(shared_file("cases/assignment_scenarios.json").read_text(encoding="utf-8"))
    ours = {path.stem: read(path) for path in FILES}
    assert len(source["cases"]) == 9
    for step in source["cases"]:
        copy = ours[f"exercise_{step['id']}"]
        assert copy["expected_kw"] == step["expected_kw"]
        assert copy["grid_kw"] == step["grid_kw"]
        assert copy["chargers"] == step["chargers"]
        assert copy["source"] == step["source"]
