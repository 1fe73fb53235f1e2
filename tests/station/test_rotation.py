"""Minima and turns: a session without its least useful power waits at exactly 0, and not for ever.

The golden cases ``minima_*`` show the admission at one moment; here time passes.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stations import TINY_KW, make_station

from electra_core import ConfigError, Limit, Station, Vehicle
from electra_core.station.state import Session
from electra_core.station.status import SessionStatus

# A site of 50 kW admits one of these.
PICKY = Vehicle(100.0, min_power_kw=40.0)


def scarce_station(strategy: str = "max_min", **keys: Any) -> Station:
    """Return a station with 50 kW for eight connectors."""
    chargers = [{"id": name, "maxPower": 300, "connectors": 4} for name in ("A", "B")]
    return make_station(strategy, **{"grid_capacity_kw": 50, "chargers": chargers, **keys})


def session_of(station: Station, session_id: str) -> SessionStatus:
    return next(session for _, _, session in station.status().sessions if session.session_id == session_id)


def energies(station: Station) -> dict[str, float]:
    return {session.session_id: session.energy_kwh for _, _, session in station.status().sessions}


def plugged_in(station: Station, count: int, vehicle: Vehicle = PICKY) -> list[str]:
    return [station.plug_in("A", connector, vehicle) for connector in range(1, count + 1)]


# One moment


def test_waiting_session_gets_exactly_0_and_says_so() -> None:
    station = scarce_station()
    first, second = plugged_in(station, 2)
    allocation = station.allocation
    assert allocation.offered_kw == {first: 50.0, second: 0.0}
    assert allocation.boost_kw[second] == 0.0
    assert allocation.limited_by == {first: Limit.SITE, second: Limit.MINIMUM}
    assert allocation.waiting == (second,)
    waiting, charging = session_of(station, second), session_of(station, first)
    assert (waiting.condition, waiting.waiting, waiting.limited_by) == ("waiting", True, Limit.MINIMUM)
    assert (charging.condition, charging.waiting, charging.limited_by) == ("charging", False, Limit.SITE)
    assert waiting.allocated_power == waiting.drawn_kw == 0.0


def test_waiting_session_charges_as_soon_as_power_is_free() -> None:
    station = scarce_station()
    first, second = plugged_in(station, 2)
    station.set_static_load(3)
    station.advance(100.5)
    assert energies(station)[second] == 0.0
    station.unplug("A", 1)
    assert station.allocation.offered_kw == {second: 47.0}
    assert station.allocation.waiting == ()
    assert first not in energies(station)


def test_finished_and_suspended_sessions_do_not_wait() -> None:
    """A waiting session wants power; a full or suspended one does not."""
    station = scarce_station()
    full = station.plug_in("A", 1, Vehicle(100.0, 50.0, min_power_kw=40.0), arrival_soc=1.0)
    out = station.plug_in("A", 2, PICKY)
    station.set_available("A", 2, available=False)
    third = station.plug_in("A", 3, PICKY)
    assert station.allocation.offered_kw == {full: 0.0, out: 0.0, third: 50.0}
    assert station.allocation.waiting == ()
    assert [session.condition for _, _, session in station.status().sessions] == [
        "finished",
        "suspended",
        "charging",
    ]


@pytest.mark.parametrize("holder", ["car", "connector"])
def test_larger_minimum_of_car_and_connector_counts(holder: str) -> None:
    connectors = [{"minPower": 30}] * 2 if holder == "connector" else 2
    station = scarce_station(chargers=[{"id": "A", "maxPower": 300, "connectors": connectors}])
    first, second = plugged_in(station, 2, Vehicle(100.0, min_power_kw=30.0 if holder == "car" else 20.0))
    assert station.allocation.offered_kw == {first: 50.0, second: 0.0}


def test_latest_session_waits_without_rotation() -> None:
    station = scarce_station()
    plugged_in(station, 3)
    for _ in range(20):
        station.advance(977.0)
        assert station.allocation.offered_kw == {"S0001": 50.0, "S0002": 0.0, "S0003": 0.0}
    # 50 kW for 20 x 977 s, all of it for the first.
    assert energies(station) == pytest.approx({"S0001": 50 * 20 * 977 / 3600, "S0002": 0, "S0003": 0})


# Turns


@pytest.mark.parametrize("strategy", ["max_min", "first_come", "priority", "proportional"])
@pytest.mark.parametrize("step_s", [60.0, 7.0, 180.0])
def test_each_of_three_charges_a_third_of_the_time_when_one_fits(strategy: str, step_s: float) -> None:
    """Three turns of a minute at 50 kW, whatever the strategy and however time is cut: 50 / 60 kWh each."""
    station = scarce_station(strategy, rotation=60)
    for connector in (1, 2, 3):
        station.plug_in("A", connector, PICKY, priority=connector)
    while station.now_s < 180.0:
        station.advance(min(step_s, 180.0 - station.now_s))
    assert list(energies(station).values()) == pytest.approx([50 / 60] * 3)


def test_turns_follow_the_order_of_arrival() -> None:
    station = scarce_station(rotation=60)
    plugged_in(station, 3)
    charging = []
    for _ in range(6):
        charging.append([name for name, kw in station.allocation.offered_kw.items() if kw > 0.0])
        station.advance(59.999)
        assert [name for name, kw in station.allocation.offered_kw.items() if kw > 0.0] == charging[-1]
        station.advance(0.001)
    assert charging == [["S0001"], ["S0002"], ["S0003"]] * 2


def test_each_of_three_waits_a_third_of_the_time_when_two_fit() -> None:
    station = scarce_station(rotation=60, grid_capacity_kw=90)
    plugged_in(station, 3)
    waiting = []
    for _ in range(3):
        assert sorted(station.allocation.offered_kw.values()) == [0.0, 45.0, 45.0]
        waiting += station.allocation.waiting
        station.advance(60)
    assert sorted(waiting) == ["S0001", "S0002", "S0003"]
    assert list(energies(station).values()) == pytest.approx([2 * 45 / 60] * 3)


def test_turn_does_not_end_while_no_session_waits() -> None:
    """Turns begin to count when a session waits, not when a car arrives."""
    station = scarce_station(rotation=60)
    plugged_in(station, 1)
    station.advance(1000)
    station.plug_in("A", 2, PICKY)
    station.advance(59.9)
    assert station.allocation.waiting == ("S0002",)
    station.advance(0.1)
    assert station.allocation.waiting == ("S0001",)


def test_newcomer_queues_behind_waiting_sessions() -> None:
    station = scarce_station("first_come", rotation=60)
    plugged_in(station, 2)
    station.advance(59)
    station.plug_in("B", 1, PICKY)
    station.advance(1)
    assert station.allocation.waiting == ("S0001", "S0003")
    station.advance(60)
    assert station.allocation.waiting == ("S0001", "S0002")


def test_session_that_never_fits_does_not_hold_up_others() -> None:
    """A minimum above the site's limit has no turn to take: the two others take theirs."""
    station = scarce_station(rotation=60)
    station.plug_in("A", 1, Vehicle(100.0, min_power_kw=60.0))
    station.plug_in("A", 2, PICKY)
    station.plug_in("A", 3, PICKY)
    station.advance(240)
    assert energies(station) == pytest.approx({"S0001": 0.0, "S0002": 100 / 60, "S0003": 100 / 60})


def test_turns_end_at_the_same_time_however_time_is_cut() -> None:
    whole, cut = scarce_station(rotation=60), scarce_station(rotation=60)
    for station in (whole, cut):
        plugged_in(station, 3)
    whole.advance(500)
    while cut.now_s < 500:
        cut.advance(min(0.7 + cut.now_s / 50, 500 - cut.now_s))
    assert cut.allocation == whole.allocation
    assert energies(cut) == pytest.approx(energies(whole))


# No session waits longer than (number of others × rotation) while others charge


@dataclass(frozen=True)
class Case:
    """A station with constant cars, and the steps of time between two looks at it."""

    station: Station
    steps_s: list[float]


strategies = st.sampled_from(["max_min", "first_come", "priority", "proportional", "earliest_deadline"])


@st.composite
def crowded(draw: st.DrawFn) -> Case:
    """Draw a station whose minima do not all fit into the site, their charger, or its modules."""
    chargers = [
        {
            "id": name,
            "maxPower": draw(st.sampled_from([60, 150, 225])),
            "connectors": 3,
            "efficiency": draw(st.sampled_from([1, 1, 0.9])),
            **draw(st.sampled_from([{}, {}, {"moduleSize": 30}])),
        }
        for name in draw(st.sampled_from([["A"], ["A", "B"]]))
    ]
    config = {
        "gridCapacity": draw(st.sampled_from([30, 60, 100, 400]) | st.floats(20, 200)),
        "chargers": chargers,
        "rotation": draw(st.sampled_from([30, 60, 97.3])),
        "moduleHold": draw(st.sampled_from([0, 30, 200])),
    }
    station = make_station(draw(strategies), **config)
    connector_ids = list(itertools.product([charger["id"] for charger in chargers], (1, 2, 3)))
    for charger_id, connector in draw(st.permutations(connector_ids)):
        if draw(st.integers(0, 3)):
            least_kw = draw(st.sampled_from([5.0, 20.0, 30.0, 50.0]) | st.floats(1.0, 100.0))
            station.plug_in(
                charger_id,
                connector,
                Vehicle(least_kw * draw(st.sampled_from([1.0, 1.5, 4.0])), min_power_kw=least_kw),
                priority=draw(st.integers(0, 2)),
                weight=draw(st.sampled_from([1.0, 2.0])),
                departs_s=draw(st.sampled_from([None, 7200.0])),
            )
            station.advance(draw(st.sampled_from([0.0, 0.0, 10.0, 45.0])))
    return Case(station, draw(st.lists(st.floats(0.5, 40.0), min_size=3, max_size=6)))


def fits_alone(station: Station, charger_id: str, least_kw: float) -> bool:
    """Return whether a least useful power alone fits every limit on its way."""
    charger = next(charger for charger in station.config.chargers if charger.id == charger_id)
    limit_kw, size_kw = charger.max_power_kw, charger.module_size_kw
    if size_kw is not None:
        limit_kw = math.floor(limit_kw / size_kw + 1e-9) * size_kw
    at_site_kw = least_kw / charger.efficiency
    return least_kw <= limit_kw + TINY_KW and at_site_kw <= station.config.grid_capacity_kw + TINY_KW


@given(case=crowded())
def test_no_session_waits_longer_than_one_turn_of_each_other(case: Case) -> None:
    """A session waits, from one look to the next, when its energy stands still while another's grows."""
    station, rotation_s = case.station, case.station.config.rotation_s
    assert rotation_s is not None
    counted = [
        session.session_id
        for session in station.state.sessions.values()
        if fits_alone(station, session.charger_id, session.vehicle.min_power_kw)
    ]
    waited_s = dict.fromkeys(counted, 0.0)
    before = energies(station)
    bound_s = (len(before) - 1) * rotation_s
    steps_s = itertools.cycle(case.steps_s)
    end_s = station.now_s + (len(before) + 1.5) * rotation_s
    while station.now_s < end_s:
        step_s = next(steps_s)
        station.advance(step_s)
        now = energies(station)
        others_charge = any(now[name] > before[name] for name in now)
        for name in counted:
            stood_still = now[name] == before[name] and others_charge
            waited_s[name] = waited_s[name] + step_s if stood_still else 0.0
            assert waited_s[name] <= bound_s + 1e-6, name
        before = now


def has_room(station: Station, waiting: Session) -> bool:
    """Return whether a minimum would fit beside the minima, or the modules, of the charging sessions."""
    charger = next(charger for charger in station.config.chargers if charger.id == waiting.charger_id)
    size_kw, offered_kw = charger.module_size_kw, station.allocation.offered_kw
    charging = [each for each in station.state.sessions.values() if offered_kw[each.session_id] > 0.0]
    at_site_kw = sum(
        each.vehicle.min_power_kw / station.config.efficiency[each.charger_id]
        for each in [*charging, waiting]
    )
    neighbours = [each for each in charging if each.charger_id == charger.id]
    if size_kw is None:
        used_kw = sum(each.vehicle.min_power_kw for each in [*neighbours, waiting])
    else:
        modules = sum(station.allocation.modules[each.session_id] for each in neighbours)
        used_kw = size_kw * (modules + math.ceil(waiting.vehicle.min_power_kw / size_kw - 1e-9))
    return (
        at_site_kw <= station.config.grid_capacity_kw - TINY_KW and used_kw <= charger.max_power_kw - TINY_KW
    )


@given(case=crowded())
def test_waiting_session_has_no_power_left_for_its_minimum(case: Case) -> None:
    """It waits at exactly 0 and says so; a charging session has its minimum."""
    station = case.station
    for step_s in itertools.islice(itertools.cycle(case.steps_s), 12):
        station.advance(step_s)
        allocation = station.allocation
        for session in station.state.sessions.values():
            kw = allocation.offered_kw[session.session_id]
            assert (kw == 0.0) == (session.session_id in allocation.waiting)
            if kw > 0.0:
                assert kw >= session.vehicle.min_power_kw - TINY_KW
            else:
                assert allocation.limited_by[session.session_id] is Limit.MINIMUM
                assert not has_room(station, session)


# Mistakes in the configuration


@pytest.mark.parametrize(
    ("rotation", "words"), [(0, "1 or more"), (-5, "1 or more"), ("90", "a number"), (math.inf, "number")]
)
def test_mistake_in_rotation_is_reported_with_the_others(rotation: Any, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        scarce_station(rotation=rotation, grid_capacity_kw=-1)
    assert [fault.split(":")[0] for fault in caught.value.faults] == ["gridCapacity", "rotation"]
    assert words in caught.value.faults[1]
