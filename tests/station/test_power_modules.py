"""Power modules: the assignment is the best of all, and changes only for a lasting gain.

A charger of three modules of 75 kW gives two hungry cars 150 + 75: that and other numbers to check by hand
are the golden cases ``modules_*``.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stations import TINY_KW, make_station

from electra_core import (
    ChargingCurve,
    ConfigError,
    Demand,
    Limit,
    Snapshot,
    Station,
    Vehicle,
    allocate,
    violations,
)

HUNGRY = Vehicle(300.0)


# The best assignment, compared with all others


@st.composite
def small_chargers(draw: st.DrawFn) -> Snapshot:
    """Draw up to three chargers with up to five modules each, up to four cars, a site that binds or not."""
    sizes, limits = {}, {}
    for name in draw(st.sampled_from([["A"], ["A", "B"], ["A", "B", "C"]])):
        sizes[name] = draw(st.sampled_from([10.0, 25.0, 75.0]) | st.floats(1.0, 100.0))
        # The rest beside the whole modules is of no use.
        limits[name] = (draw(st.integers(1, 5)) + draw(st.sampled_from([0.0, 0.0, 0.4]))) * sizes[name]
    demands = []
    for i in range(draw(st.integers(1, 4))):
        at = draw(st.sampled_from(sorted(sizes)))
        wanted = draw(st.sampled_from([0.0, 0.5, 1.0, 1.2, 2.0, 3.0]) | st.floats(0.01, 6.0))
        held = draw(st.integers(0, 3))
        arrived_s = draw(st.sampled_from([0.0, 60.0]))
        demands.append(Demand(f"s{i}", at, wanted * sizes[at], modules=held, arrived_s=arrived_s))
    part = draw(st.none() | st.sampled_from([0.3, 0.6]) | st.floats(0.0, 1.2))
    grid_kw = None if part is None else part * sum(demand.max_kw for demand in demands)
    return Snapshot(grid_kw, limits, demands, module_kw=sizes)


def whole_assignments(snapshot: Snapshot) -> Iterator[tuple[int, ...]]:
    """Yield every way to give each car whole modules of its charger, as many as it can use at most."""
    modules = {
        name: math.floor(limit_kw / snapshot.module_kw[name] + 1e-9)
        for name, limit_kw in snapshot.charger_kw.items()
        if limit_kw is not None
    }
    places = [demand.charger_id for demand in snapshot.demands]
    useful = [
        min(modules[demand.charger_id], math.ceil(demand.max_kw / snapshot.module_kw[demand.charger_id]))
        for demand in snapshot.demands
    ]
    for counts in itertools.product(*(range(most + 1) for most in useful)):
        used = dict.fromkeys(modules, 0)
        for at, count in zip(places, counts, strict=True):
            used[at] += count
        if all(used[name] <= modules[name] for name in modules):
            yield counts


def filled(caps_kw: Sequence[float], site_kw: float) -> list[float]:
    """Return the site's power among cars from the smallest cap up, sorted: max-min in a second way."""
    left_kw, answer = site_kw, []
    for place, cap_kw in enumerate(sorted(caps_kw)):
        kw = min(cap_kw, left_kw / (len(caps_kw) - place))
        left_kw -= kw
        answer.append(kw)
    return answer


def is_above(one: Sequence[float], other: Sequence[float]) -> bool:
    """Return whether the first difference of two sorted answers is in favour of the one."""
    for one_kw, other_kw in zip(one, other, strict=True):
        if abs(one_kw - other_kw) > TINY_KW:
            return one_kw > other_kw
    return False


@given(snapshot=small_chargers())
def test_no_other_assignment_of_modules_is_better(snapshot: Snapshot) -> None:
    """It is better neither for the car with least, nor for the next one without lowering that, and so on."""
    allocation = allocate(snapshot)
    assert violations(snapshot, allocation) == []
    found = sorted(allocation.offered_kw.values())
    for counts in whole_assignments(snapshot):
        caps_kw = [
            min(demand.max_kw, count * snapshot.module_kw[demand.charger_id])
            for demand, count in zip(snapshot.demands, counts, strict=True)
        ]
        assert not is_above(filled(caps_kw, snapshot.site_limit_kw), found), counts


@given(snapshot=small_chargers())
def test_power_comes_from_whole_modules_within_the_charger(snapshot: Snapshot) -> None:
    allocation = allocate(snapshot)
    reserved_kw = dict.fromkeys(snapshot.charger_kw, 0.0)
    for demand in snapshot.demands:
        name, size_kw = demand.session_id, snapshot.module_kw[demand.charger_id]
        own_kw = allocation.modules[name] * size_kw
        assert allocation.offered_kw[name] <= own_kw + TINY_KW
        # A module of which the car uses nothing is not reserved for it.
        assert allocation.offered_kw[name] > own_kw - size_kw - TINY_KW
        assert allocation.reserved_kw[name] == pytest.approx(own_kw)
        reserved_kw[demand.charger_id] += own_kw
    for charger_id, limit_kw in snapshot.charger_kw.items():
        assert limit_kw is not None
        assert reserved_kw[charger_id] <= limit_kw + TINY_KW
    assert sum(allocation.offered_kw.values()) <= snapshot.site_limit_kw + TINY_KW
    # The unused part of a car's modules is free on the site.
    if snapshot.grid_kw is not None:
        assert allocation.unused_kw == pytest.approx(
            snapshot.grid_kw - sum(allocation.offered_kw.values()), abs=TINY_KW
        )


@given(snapshot=small_chargers(), shuffle=st.randoms(use_true_random=False))
def test_equal_claims_favour_the_holder_of_modules(snapshot: Snapshot, shuffle: Any) -> None:
    """A car that holds modules after a decision holds them after the next, in any order of arrival."""
    held = allocate(snapshot).modules
    arrivals_s = [demand.arrived_s for demand in snapshot.demands]
    shuffle.shuffle(arrivals_s)
    demands = [
        replace(demand, modules=held[demand.session_id], arrived_s=arrived_s)
        for demand, arrived_s in zip(snapshot.demands, arrivals_s, strict=True)
    ]
    assert allocate(replace(snapshot, demands=demands)).modules == held


def test_kept_modules_stay_assigned() -> None:
    """Car a cannot use all of its second module, b could: it moves only when it need not be kept."""

    def offered(keeps: bool) -> dict[str, float]:
        cars = [
            Demand("a", "C", 140, modules=2, keeps_modules=keeps),
            Demand("b", "C", 300, modules=1, keeps_modules=keeps),
        ]
        return dict(allocate(Snapshot(400, {"C": 225}, cars, module_kw={"C": 75})).offered_kw)

    assert offered(keeps=True) == {"a": 140, "b": 75}
    assert offered(keeps=False) == {"a": 75, "b": 150}


def test_free_module_goes_to_a_car_that_can_use_it_while_others_are_kept() -> None:
    cars = [
        Demand("a", "C", 75, modules=1, keeps_modules=True),
        Demand("b", "C", 300, modules=1, keeps_modules=True),
    ]
    allocation = allocate(Snapshot(400, {"C": 225}, cars, module_kw={"C": 75}))
    assert allocation.modules == {"a": 1, "b": 2}


# A station as time passes


def module_station(modules: int = 3, **keys: Any) -> Station:
    """Return one charger of 75 kW modules with three connectors, on a site that does not bind."""
    charger = {"id": "C", "maxPower": 75 * modules, "connectors": 3, "moduleSize": 75}
    return make_station(**{"gridCapacity": 1000, "chargers": [charger], "controlInterval": 1, **keys})


def modules_of(station: Station) -> dict[str, int]:
    return dict(station.allocation.modules)


def a_dip(charged_soc: float) -> ChargingCurve:
    """Return a curve from 160 kW, more than two modules give, down to 140, less than they give."""
    return ChargingCurve([(0.0, 160.0), (charged_soc, 160.0), (charged_soc + 0.01, 140.0), (1.0, 140.0)])


# Twice 2 % of 40 kWh at about 150 kW: 19 s above the boundary of two modules, 19 s below.
WAVES = ChargingCurve([(percent / 100, 140.0 + 20.0 * (percent % 4 == 0)) for percent in range(0, 101, 2)])


def watched(station: Station, seconds: int) -> list[tuple[float, float, int]]:
    """Return for each second the time, the maximum of the first car, and its modules."""
    seen = []
    for _ in range(seconds):
        demand = station.snapshot().demands[0]
        seen.append((station.now_s, demand.max_kw, station.allocation.modules[demand.session_id]))
        station.advance(1)
    return seen


def test_demand_around_a_module_boundary_moves_no_module() -> None:
    station = module_station()
    station.plug_in("C", 1, Vehicle(200.0, 40.0, curve=WAVES), arrival_soc=0.12)
    station.plug_in("C", 2, HUNGRY)
    seen = watched(station, 300)
    below = [kw < 150.0 for _, kw, _ in seen]
    assert sum(one and not other for one, other in itertools.pairwise(below)) >= 4
    assert {modules for _, _, modules in seen} == {2}


@pytest.mark.parametrize(
    ("place", "hold_s"), [("default", 30), ("station", 0), ("station", 5), ("station", 47.0), ("charger", 8)]
)
def test_lasting_gain_moves_a_module_after_the_hold(place: str, hold_s: float) -> None:
    changes: dict[str, Any] = {}
    if place == "station":
        changes = {"moduleHold": hold_s}
    if place == "charger":
        charger = {"id": "C", "maxPower": 225, "connectors": 2, "moduleSize": 75, "moduleHold": hold_s}
        changes = {"moduleHold": 1000, "chargers": [charger]}
    station = module_station(**changes)
    station.plug_in("C", 1, Vehicle(200.0, 40.0, curve=a_dip(0.2)), arrival_soc=0.15)
    station.plug_in("C", 2, HUNGRY)
    seen = watched(station, 150)
    known_s = next(at_s for at_s, kw, _ in seen if kw < 150.0)
    moved_s = next(at_s for at_s, _, modules in seen if modules < 2)
    assert moved_s == pytest.approx(known_s + hold_s)
    # It moves once only: the other car holds it now, and can use it as well as the first.
    assert all(modules == (2 if at_s < moved_s else 1) for at_s, _, modules in seen)
    assert modules_of(station) == {"S0001": 1, "S0002": 2}


def test_waves_longer_than_the_hold_move_one_module_once() -> None:
    station = module_station(moduleHold=10)
    station.plug_in("C", 1, Vehicle(200.0, 40.0, curve=WAVES), arrival_soc=0.12)
    station.plug_in("C", 2, HUNGRY)
    modules = [modules for _, _, modules in watched(station, 300)]
    assert [one for one, _ in itertools.groupby(modules)] == [2, 1]


def test_free_module_is_assigned_at_once() -> None:
    """No car loses it, so there is nothing to wait for."""
    station = module_station()
    curve = ChargingCurve([(0.0, 70.0), (0.1, 70.0), (0.2, 140.0), (1.0, 140.0)])
    station.plug_in("C", 1, Vehicle(200.0, 40.0, curve=curve), arrival_soc=0.05)
    assert all(modules == math.ceil(kw / 75.0) for _, kw, modules in watched(station, 300))
    assert modules_of(station) == {"S0001": 2}


def test_hold_restarts_when_the_gain_was_gone() -> None:
    """Freed power comes back to the first car before the hold is over, and goes again."""
    station = module_station(reclaimAfter=0, reclaimMargin=10)
    station.plug_in("C", 1, Vehicle(150.0))
    station.plug_in("C", 2, HUNGRY)
    for _ in range(3):
        station.report_draw("C", 1, 125.0)
        assert station.allocation.offered_kw == {"S0001": 135, "S0002": 75}
        station.advance(29)
        station.report_draw("C", 1, 135.0)
        station.advance(2)
        assert station.allocation.offered_kw == {"S0001": 150, "S0002": 75}
    station.report_draw("C", 1, 125.0)
    station.advance(29.9)
    assert modules_of(station) == {"S0001": 2, "S0002": 1}
    station.advance(0.1)
    assert modules_of(station) == {"S0001": 1, "S0002": 2}


def test_arrivals_and_departures_assign_modules_at_once() -> None:
    station = module_station()
    station.plug_in("C", 1, HUNGRY)
    assert modules_of(station) == {"S0001": 3}
    station.plug_in("C", 2, HUNGRY)
    assert modules_of(station) == {"S0001": 2, "S0002": 1}
    station.plug_in("C", 3, HUNGRY)
    assert modules_of(station) == {"S0001": 1, "S0002": 1, "S0003": 1}
    station.unplug("C", 1)
    assert modules_of(station) == {"S0002": 2, "S0003": 1}


def test_finished_session_releases_modules_at_once() -> None:
    """5 kWh at 150 kW take 120 s."""
    station = module_station()
    station.plug_in("C", 1, Vehicle(150.0, 10.0), arrival_soc=0.5)
    station.plug_in("C", 2, HUNGRY)
    station.advance(119.9)
    assert modules_of(station) == {"S0001": 2, "S0002": 1}
    station.advance(0.2)
    assert modules_of(station) == {"S0001": 0, "S0002": 3}
    assert station.allocation.limited_by["S0001"] is Limit.FINISHED


def test_suspended_session_releases_modules_at_once_and_gets_its_part_back() -> None:
    station = module_station()
    station.plug_in("C", 1, HUNGRY)
    station.plug_in("C", 2, HUNGRY)
    station.set_available("C", 1, available=False)
    assert modules_of(station) == {"S0001": 0, "S0002": 3}
    station.set_available("C", 1, available=True)
    # Two and one as before; the last holder keeps the second module.
    assert modules_of(station) == {"S0001": 1, "S0002": 2}


def test_new_strategy_assigns_modules_at_once() -> None:
    station = module_station()
    station.plug_in("C", 1, HUNGRY)
    station.plug_in("C", 2, HUNGRY, priority=1)
    station.set_strategy("priority")
    assert modules_of(station) == {"S0001": 0, "S0002": 3}
    assert station.allocation.limited_by["S0001"] is Limit.MODULE


@st.composite
def constant_cars(draw: st.DrawFn) -> tuple[Station, float]:
    """Draw a station with constant cars, some on modules, and a step of time."""
    chargers = [
        {
            "id": f"C{i}",
            "maxPower": draw(st.sampled_from([150, 225, 260])),
            "connectors": 3,
            "efficiency": draw(st.sampled_from([1, 0.95])),
            **draw(st.sampled_from([{}, {"moduleSize": 75}, {"moduleSize": 25}])),
        }
        for i in range(draw(st.integers(1, 2)))
    ]
    config = {
        "gridCapacity": draw(st.sampled_from([60, 200, 333.3, 1000])),
        "chargers": chargers,
        "moduleHold": draw(st.sampled_from([0, 7, 30])),
    }
    station = make_station(draw(st.sampled_from(["max_min", "first_come", "priority"])), **config)
    for charger, connector in itertools.product(chargers, (1, 2, 3)):
        if draw(st.booleans()):
            max_kw = draw(st.sampled_from([20.0, 75.0, 100.0, 300.0]) | st.floats(5.0, 300.0))
            min_kw = draw(st.sampled_from([0.0, 0.0, 0.3])) * max_kw
            station.plug_in(
                charger["id"],
                connector,
                Vehicle(max_kw, min_power_kw=min_kw),
                priority=draw(st.integers(0, 1)),
                weight=draw(st.sampled_from([1.0, 2.0])),
            )
    return station, draw(st.sampled_from([1.0, 13.7, 40.0]))


@given(case=constant_cars())
def test_constant_demands_move_nothing(case: tuple[Station, float]) -> None:
    station, step_s = case
    before = station.allocation
    for _ in range(5):
        station.advance(step_s)
        assert station.allocation == before


# With the other features


def test_minimum_reserves_whole_modules() -> None:
    """80 kW need two of three modules: the second car waits, and the third module is the first one's."""
    station = module_station()
    station.plug_in("C", 1, Vehicle(300.0, min_power_kw=80.0))
    station.plug_in("C", 2, Vehicle(300.0, min_power_kw=80.0))
    assert station.allocation.offered_kw == {"S0001": 225, "S0002": 0}
    assert station.allocation.limited_by == {"S0001": Limit.MODULE, "S0002": Limit.MINIMUM}
    assert station.allocation.waiting == ("S0002",)


def test_kept_modules_do_not_keep_a_minimum_waiting() -> None:
    """The site had no room for the first car's 100 kW; now it has, and the other goes on with one module."""
    station = module_station()
    station.set_site_limit(90)
    station.plug_in("C", 1, Vehicle(300.0, min_power_kw=100.0))
    station.plug_in("C", 2, HUNGRY)
    assert station.allocation.offered_kw == {"S0001": 0, "S0002": 90}
    station.set_site_limit(400)
    assert station.allocation.offered_kw == {"S0001": 150, "S0002": 75}


def test_minimum_above_all_whole_modules_waits() -> None:
    """160 kW fit a charger of 225 but not two whole modules of 100."""
    cars = [Demand("a", "C", 300, min_kw=210), Demand("b", "C", 300, min_kw=160)]
    allocation = allocate(Snapshot(400, {"C": 225}, cars, module_kw={"C": 100}))
    assert allocation.offered_kw == {"a": 0, "b": 200}
    assert allocation.limited_by == {"a": Limit.MINIMUM, "b": Limit.MODULE}


def test_cars_take_turns_for_modules() -> None:
    """Two modules for three cars: of three turns of a minute each has two, 2 x 75 kW x 60 s = 2.5 kWh."""
    station = module_station(modules=2, rotation=60)
    for connector in (1, 2, 3):
        station.plug_in("C", connector, HUNGRY)
    waited = []
    for _ in range(3):
        waited.append(station.allocation.waiting)
        assert sorted(station.allocation.modules.values()) == [0, 1, 1]
        station.advance(60)
    assert len(set(waited)) == 3
    energies = [session.energy_kwh for _, _, session in station.status().sessions]
    assert energies == pytest.approx([2.5, 2.5, 2.5])


def test_battery_lifts_cars_within_their_modules() -> None:
    """The grid carries 100 of what the modules allow, 150 + 75; the battery the rest, and no more."""
    battery = {"initialCapacity": 200, "power": 200, "initialSoc": 1}
    station = module_station(gridCapacity=100, battery=battery)
    station.plug_in("C", 1, HUNGRY)
    station.plug_in("C", 2, HUNGRY)
    assert station.allocation.offered_kw == pytest.approx({"S0001": 150, "S0002": 75})
    assert station.allocation.battery_kw == pytest.approx(-125)


# Mistakes in the configuration


def test_all_mistakes_in_module_sizes_are_reported_at_once() -> None:
    chargers = [
        {"id": "A", "maxPower": 200, "connectors": 2, "moduleSize": 201},
        {"id": "B", "maxPower": 200, "connectors": 2, "moduleSize": 0.1},
        {"id": "D", "maxPower": 200, "connectors": [{}, {"minPower": 160}], "moduleSize": 75},
        {"id": "E", "maxPower": 200, "connectors": 2, "moduleSize": 75, "moduleHold": -1},
    ]
    with pytest.raises(ConfigError) as caught:
        module_station(chargers=chargers, moduleHold=-1)
    assert [fault.split(":")[0] for fault in caught.value.faults] == [
        "chargers[0].moduleSize",
        "chargers[1].moduleSize",
        "chargers[2].moduleSize",
        "chargers[3].moduleHold",
        "moduleHold",
    ]
    words = ("must not be above maxPower 200", "at most 1000 modules", "less than minPower of connector 2")
    assert all(text in str(caught.value) for text in words)


def test_finished_session_holds_no_module_in_its_turn() -> None:
    charger = {"maxPower": 50, "moduleSize": 50, "connectors": 2}
    station = make_station(grid_kw=100, rotation=60, chargers=[charger])
    station.plug_in("CP1", 1, Vehicle(50, battery_kwh=50), arrival_soc=0.8, target_soc=0.8)
    hungry = station.plug_in("CP1", 2, Vehicle(50))
    assert station.allocation.offered_kw[hungry] == 50
