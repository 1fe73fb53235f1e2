"""Shared helpers of the tests: stations made by hand and at random, and a second check of every limit.

The check does not use `electra_core.violations`: limits are added up again from the plain numbers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st

from electra_core import (
    Allocation,
    ChargingCurve,
    Demand,
    Snapshot,
    Station,
    StationConfig,
    StationError,
    Vehicle,
    catalogue,
    load_config,
)
from electra_core.allocation import Strategy
from electra_core.station.config_errors import camel

ROOT = Path(__file__).resolve().parents[1]

NAMED = ("max_min", "proportional", "first_come", "earliest_deadline", "least_laxity", "priority", "uniform")

# Rounding in sums of some hundred kW; a real error is never this small.
TINY_KW = 1e-6


# Two chargers behind 400 kW.
BASE = {
    "stationId": "ST",
    "gridCapacity": 400,
    "chargers": [
        {"id": "CP1", "maxPower": 200, "connectors": 2},
        {"id": "CP2", "maxPower": 300, "connectors": 2},
    ],
}


def make_config(**keys: Any) -> StationConfig:
    """Return the configuration `BASE` with some keys changed.

    Parameters
    ----------
    keys : keys of a configuration file, spelt as in the file (``staticLoad``) or as in Python
        (``static_load_kw``); ``grid_kw`` stands for ``gridCapacity``. ``chargers`` is a number of chargers,
        or a list of mappings; a charger is named CP1, CP2, … in the order of the list and shares 200 kW
        between two connectors, unless its mapping says otherwise

    Examples
    --------
    >>> make_config(grid_kw=50, chargers=[{"id": "A", "connectors": 4}], staticLoad=3).charger_kw
    {'A': 200.0}
    """
    changes = in_file_spelling(keys)
    if "grid" in changes:
        changes["gridCapacity"] = changes.pop("grid")
    given = changes.get("chargers", BASE["chargers"])
    changes["chargers"] = [
        {"id": f"CP{number}", "maxPower": 200, "connectors": 2, **in_file_spelling(charger)}
        for number, charger in enumerate([{}] * given if isinstance(given, int) else given, start=1)
    ]
    return load_config({**BASE, **changes})


def in_file_spelling(keys: Mapping[str, Any]) -> dict[str, Any]:
    """Return a mapping with its keys spelt as in a file: ``max_power_kw`` becomes ``maxPower``."""
    return {camel(name): value for name, value in keys.items()}


def make_station(strategy: str | Strategy = "max_min", **keys: Any) -> Station:
    """Return a station without cars; the keys are those of `make_config`.

    Examples
    --------
    >>> make_station("uniform", chargers=3, rotation_s=90).config.rotation_s
    90.0
    """
    return Station(make_config(**keys), strategy)


def station(strategy: Any = "max_min", **changes: Any) -> Station:
    """Return the station of `make_station`."""
    return make_station(strategy, **changes)


def modules_of_the_package() -> list[str]:
    """Return the names of the package's modules but those that are programs: Voila's configuration is one."""
    files = sorted((ROOT / "electra_core").rglob("*.py"))
    names = (".".join(file.relative_to(ROOT).with_suffix("").parts) for file in files)
    modules = [name.removesuffix(".__init__") for name in names]
    return [name for name in modules if not name.endswith((".voila.server_config", ".__main__"))]


def shared_file(path: str) -> Path:
    """Return a file of real data beside the project; without it the test is skipped with a message."""
    found = ROOT.parent / "shared" / path
    if not found.exists():
        pytest.skip(f"there is no ../shared/{path} beside this project")
    return found


# Round powers make ties and exact fits, which need most tests; the others make everything else.
powers = st.sampled_from([0.0, 50.0, 100.0, 150.0, 300.0]) | st.floats(0.0, 500.0)
powers_above_0 = st.sampled_from([11.0, 50.0, 100.0, 150.0, 300.0]) | st.floats(0.5, 500.0)


@st.composite
def snapshots(
    draw: st.DrawFn, *, minima: bool = False, battery: bool = True, carried: bool = False, most: int = 8
) -> Snapshot:
    """Draw a random station at a random moment; ``carried``: some sessions on the battery alone."""
    chargers = {f"C{i}": draw(st.none() | powers) for i in range(draw(st.integers(1, 4)))}
    demands = []
    for i in range(draw(st.integers(0, most))):
        max_kw = draw(powers)
        demands.append(
            Demand(
                session_id=f"s{i}",
                charger_id=draw(st.sampled_from(sorted(chargers))),
                max_kw=max_kw,
                min_kw=draw(st.sampled_from([0.0, 0.0, 0.2, 0.5, 1.0, 1.5])) * max_kw if minima else 0.0,
                arrived_s=draw(st.sampled_from([0.0, 60.0, 120.0])),
                departs_s=draw(st.none() | st.sampled_from([1800.0, 3600.0, 7200.0])),
                remaining_kwh=draw(st.none() | st.floats(0.0, 100.0)),
                priority=draw(st.integers(-1, 2)),
                on_battery=carried and draw(st.booleans()),
            )
        )
    return Snapshot(
        grid_kw=draw(st.none() | powers),
        charger_kw=chargers,
        demands=demands,
        boost_kw=draw(powers) if battery else 0.0,
        charge_kw=draw(powers) if battery else 0.0,
        now_s=120.0,
    )


def assert_within_limits(snapshot: Snapshot, allocation: Allocation) -> None:
    """Check every limit from the plain numbers: chargers on the cars' side, site on the grid's."""
    offered, boost = allocation.offered_kw, allocation.boost_kw
    assert set(offered) == set(boost) == {demand.session_id for demand in snapshot.demands}
    cost = {name: 1.0 / snapshot.efficiency.get(name, 1.0) for name in snapshot.charger_kw}
    used_kw = dict.fromkeys(snapshot.charger_kw, 0.0)
    cars_kw = from_battery_kw = 0.0
    for demand in snapshot.demands:
        name, charger_id = demand.session_id, demand.charger_id
        assert_session_within_limits(snapshot, allocation, demand)
        size_kw = snapshot.module_kw.get(charger_id)
        used_kw[charger_id] += offered[name] if size_kw is None else allocation.modules[name] * size_kw
        cars_kw += offered[name] * cost[charger_id]
        from_battery_kw += boost[name] * cost[charger_id]
    for charger_id, limit_kw in snapshot.charger_kw.items():
        assert used_kw[charger_id] <= (math.inf if limit_kw is None else limit_kw) + TINY_KW
    site_kw = math.inf if snapshot.grid_kw is None else snapshot.grid_kw
    to_battery_kw = allocation.battery_kw + from_battery_kw
    from_grid_kw = cars_kw - from_battery_kw + to_battery_kw
    assert -TINY_KW <= to_battery_kw <= snapshot.charge_kw + TINY_KW
    assert from_battery_kw <= snapshot.boost_kw + TINY_KW
    assert to_battery_kw <= TINY_KW or from_battery_kw <= TINY_KW
    assert allocation.grid_kw == pytest.approx(from_grid_kw, abs=TINY_KW)
    assert 0.0 <= allocation.grid_kw <= site_kw + TINY_KW
    if math.isfinite(site_kw):
        assert allocation.unused_kw == pytest.approx(site_kw - from_grid_kw, abs=TINY_KW)


def assert_session_within_limits(snapshot: Snapshot, allocation: Allocation, demand: Demand) -> None:
    """Check one car's power: its own limits, its modules, and the comfort that the battery may lift it to."""
    name = demand.session_id
    kw, boost_kw = allocation.offered_kw[name], allocation.boost_kw[name]
    assert 0.0 <= kw <= demand.max_kw + TINY_KW
    assert kw == 0.0 or kw >= demand.min_kw - TINY_KW
    assert 0.0 <= boost_kw <= kw + TINY_KW
    if demand.on_battery:
        assert boost_kw == pytest.approx(kw, abs=TINY_KW)
    if demand.charger_id in snapshot.module_kw:
        assert kw <= allocation.modules[name] * snapshot.module_kw[demand.charger_id] + TINY_KW
    if snapshot.comfort_kw is not None and boost_kw > 0.0:
        assert kw <= max(snapshot.comfort_kw, demand.min_kw) + TINY_KW


@st.composite
def curves(draw: st.DrawFn) -> ChargingCurve:
    """Draw a charging curve of any shape, with points at least 1 % apart."""
    percents = sorted(draw(st.sets(st.integers(0, 100), min_size=2, max_size=6)))
    return ChargingCurve([(percent / 100, draw(st.floats(1.0, 300.0))) for percent in percents])


def straight_line(points: Sequence[tuple[float, float]], soc: float) -> float:
    """Return the power between the points of a curve, kW, computed in a second way."""
    for (left, left_kw), (right, right_kw) in pairwise(points):
        if left <= soc <= right:
            return left_kw + (right_kw - left_kw) * (soc - left) / (right - left)
    return points[0][1] if soc < points[0][0] else points[-1][1]


CARS = (
    Vehicle(150.0),
    Vehicle(50.0, min_power_kw=20.0),
    Vehicle(100.0, battery_kwh=5.0),
    Vehicle(
        80.0, battery_kwh=60.0, curve=ChargingCurve([(0.0, 40.0), (0.3, 80.0), (1.0, 5.0)]), min_power_kw=5.0
    ),
    catalogue()["Volkswagen ID.3 58 kWh"],
    catalogue()["Hyundai Ioniq 5 73 kWh"],
)


# Optional keys of a file. All fit each other, whichever are drawn: the smallest charger has two modules, and
# the fallback power of six connectors is no more than the fail-safe limit.
CONNECTOR_OPTIONS = {
    "maxPower": st.sampled_from([50, 150.5]),
    "minPower": st.just(6),
    "fallbackPower": st.just(5),
}
CHARGER_OPTIONS = {
    "efficiency": st.sampled_from([0.95, 0.5]),
    "standbyPower": st.sampled_from([0.25, 4]),
    "moduleSize": st.sampled_from([25, 18.75]),
    "moduleHold": st.sampled_from([1, 45]),
}
BATTERY_OPTIONS = {
    "reserveSoc": st.sampled_from([0.05, 0.3, 0.9]),
    "comfortPower": st.sampled_from([10, 45.5]),
    "rechargeShare": st.sampled_from([0, 0.2]),
    "standbyPower": st.just(1),
}
STATION_OPTIONS = {
    "rotation": st.sampled_from([90, 1800]),
    "moduleHold": st.sampled_from([0, 45]),
    "reclaimMargin": st.just(5),
    "reclaimAfter": st.sampled_from([0, 45]),
    "failSafeLimit": st.sampled_from([30, 62.5]),
}


@st.composite
def configs(draw: st.DrawFn, rule: str | None = None) -> dict[str, Any]:
    """Draw the valid configuration file of a small station."""
    connector = st.fixed_dictionaries({}, optional=CONNECTOR_OPTIONS)
    chargers = [
        {
            "id": f"CP{i}",
            "maxPower": draw(st.sampled_from([50, 200, 300.25])),
            "connectors": draw(st.integers(1, 3) | st.lists(connector, min_size=1, max_size=2)),
            **draw(st.fixed_dictionaries({}, optional=CHARGER_OPTIONS)),
        }
        for i in range(draw(st.integers(1, 3)))
    ]
    share = st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0])
    battery = {
        "initialCapacity": draw(st.sampled_from([10, 200])),
        "power": draw(st.sampled_from([0, 30, 100])),
        "initialSoc": draw(share),
        "minSoc": draw(st.sampled_from([0.0, 0.1])),
        "chargeEfficiency": draw(st.sampled_from([1.0, 0.95])),
        "dischargeEfficiency": draw(st.sampled_from([1.0, 0.9])),
        "rule": rule or draw(st.sampled_from(["hybrid", "whole_session"])),
        **draw(st.fixed_dictionaries({}, optional=BATTERY_OPTIONS)),
    }
    config = {
        "stationId": "ST",
        "gridCapacity": draw(st.sampled_from([0, 60, 172.5, 400])),
        "chargers": chargers,
        "staticLoad": draw(st.sampled_from([0, 3])),
        "controlInterval": draw(st.sampled_from([60, 10])),
        **draw(st.fixed_dictionaries({}, optional=STATION_OPTIONS)),
    }
    if "failSafeLimit" in config and draw(st.booleans()):
        config["limitLease"] = draw(st.sampled_from([45, 900]))
    return {**config, "battery": battery} if draw(st.booleans()) or rule else config


# Random calls: the name, the positions, the names

Call = tuple[str, tuple[Any, ...], dict[str, Any]]


def call(
    name: str, *positions: st.SearchStrategy[Any], **names: st.SearchStrategy[Any]
) -> st.SearchStrategy[Call]:
    """Draw one call of a method, with each of its named arguments or without."""
    return st.tuples(st.just(name), st.tuples(*positions), st.fixed_dictionaries({}, optional=names))


charger_ids = st.sampled_from(["CP0", "CP1", "CP2"])
connectors = st.integers(1, 3)
socs = st.none() | st.sampled_from([0.0, 0.2, 0.8, 1.0])

plug_in = call(
    "plug_in",
    charger_ids,
    connectors,
    st.sampled_from(CARS),
    arrival_soc=socs,
    target_soc=socs,
    departs_s=st.sampled_from([1800.0, 86400.0]),
    priority=st.integers(-1, 2),
    weight=st.sampled_from([0.5, 2.0, 3.7]),
)
# Valid calls; some are refused all the same, because a connector is taken or does not exist.
sane_calls = st.one_of(
    plug_in,
    plug_in,
    call("unplug", charger_ids, connectors),
    call("advance", st.sampled_from([0, 1, 59.5, 60, 600, 3600.25])),
    call("report_draw", charger_ids, connectors, st.sampled_from([0, 5, 19.5, 48, 500])),
    call("set_site_limit", st.none() | st.sampled_from([0, 2, 50, 100.5, 1000])),
    call("set_static_load", st.sampled_from([0, 3, 70, 500])),
    call("set_available", charger_ids, st.none() | connectors, st.booleans()),
    call("set_available", st.just("battery"), available=st.booleans()),
    call("set_strategy", st.sampled_from(NAMED)),
)


def accepted(station: Station, calls: Sequence[Call]) -> Iterator[tuple[str, Any]]:
    """Make the calls; yield the name and the answer of each that the station did not refuse."""
    for name, positions, names in calls:
        try:
            answer = getattr(station, name)(*positions, **names)
        except StationError:
            continue
        yield name, answer
