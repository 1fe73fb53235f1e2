"""The exercise as baseline: strategy ``uniform`` with the battery rule ``whole_session``, as it states them.

Cars have no SoC, as in the exercise, unless a test says otherwise.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stations import TINY_KW, configs, make_station

from electra_core import Station, StationError, Vehicle, load_config


def exercise_station(
    *, grid_kw: float = 400, chargers: int = 3, strategy: str = "uniform", **battery: Any
) -> Station:
    """Return chargers of 200 kW with two connectors each, and a full battery of 200 kWh and 150 kW."""
    whole = {"initialCapacity": 200, "power": 150, "initialSoc": 1.0, "rule": "whole_session", **battery}
    return make_station(strategy, grid_kw=grid_kw, chargers=chargers, battery=whole)


def soc(station: Station) -> float:
    battery = station.status().battery
    assert battery is not None
    return battery.state_of_charge


# Sharing


def test_uniform_divides_the_grid_in_equal_parts_when_demand_exceeds_it() -> None:
    station = exercise_station(grid_kw=200, power=0)
    names = [station.plug_in("CP1", 1, Vehicle(150)), station.plug_in("CP2", 1, Vehicle(30))]
    assert [station.allocation.offered_kw[name] for name in names] == [150, 30]
    names.append(station.plug_in("CP3", 1, Vehicle(150)))
    # 330 kW are asked of 200: a third each, and what the small car cannot use is not handed on.
    assert [station.allocation.offered_kw[name] for name in names] == pytest.approx([200 / 3, 30, 200 / 3])


def test_chargers_limit_cars_when_the_grid_has_enough() -> None:
    station = exercise_station(grid_kw=1000, power=0)
    connector_ids = (("CP1", 1), ("CP1", 2), ("CP2", 1))
    names = [station.plug_in(*connector_id, Vehicle(150)) for connector_id in connector_ids]
    assert [station.allocation.offered_kw[name] for name in names] == [100, 100, 150]


def test_departure_divides_the_power_among_the_others() -> None:
    station = exercise_station(grid_kw=300, power=0)
    names = [station.plug_in(f"CP{i}", 1, Vehicle(150)) for i in (1, 2, 3)]
    assert [station.allocation.offered_kw[name] for name in names] == [100, 100, 100]
    station.unplug("CP2", 1)
    assert station.allocation.offered_kw == {names[0]: 150, names[2]: 150}


@given(
    config=configs(rule="whole_session"),
    cars=st.lists(st.sampled_from([7.0, 50.0, 150.0, 350.0]), max_size=9),
)
def test_no_car_is_offered_more_than_it_can_take(config: dict[str, Any], cars: list[float]) -> None:
    """The exercise's own rule has that flaw; this baseline does not."""
    station = Station(load_config(config), "uniform")
    for connector_id, max_kw in zip(station.config.connectors, cars, strict=False):
        station.plug_in(*connector_id, Vehicle(max_kw))
        for _, _, session in station.status().sessions:
            assert session.allocated_power <= session.vehicle_max_power


# Boost: wholly from the battery, or not at all


def test_newcomer_within_the_grid_limit_is_not_boosted() -> None:
    station = exercise_station()
    name = station.plug_in("CP1", 1, Vehicle(150))
    assert station.allocation.boost_kw[name] == 0.0


def test_newcomer_above_the_grid_limit_is_wholly_on_the_battery() -> None:
    station = exercise_station(grid_kw=200)
    first = station.plug_in("CP1", 1, Vehicle(150))
    second = station.plug_in("CP2", 1, Vehicle(100))
    assert station.allocation.offered_kw == {first: 150, second: 100}
    assert station.allocation.boost_kw == {first: 0, second: 100}
    assert (station.allocation.grid_kw, station.allocation.battery_kw) == (150, -100)


def test_boosted_sessions_take_no_part_in_sharing_the_grid() -> None:
    station = exercise_station(grid_kw=200)
    first = station.plug_in("CP1", 1, Vehicle(150))
    boosted = station.plug_in("CP2", 1, Vehicle(150))
    # The battery has no more power: the third shares the grid with the first, in halves and not in thirds.
    third = station.plug_in("CP3", 1, Vehicle(150))
    assert station.allocation.offered_kw == {first: 100, boosted: 150, third: 100}
    assert station.allocation.boost_kw == {first: 0, boosted: 150, third: 0}


@pytest.mark.parametrize(("initial_soc", "boosted"), [(0.2, True), (0.19, False), (0.0, False), (1.0, True)])
def test_battery_boosts_from_20_percent_on(initial_soc: float, boosted: bool) -> None:
    # At most 10 kW of 150 are free before the newcomer, so the battery does not gain at the first event.
    station = exercise_station(grid_kw=150, initialSoc=initial_soc)
    station.plug_in("CP1", 1, Vehicle(140))
    second = station.plug_in("CP2", 1, Vehicle(100))
    assert (station.allocation.boost_kw[second] > 0.0) is boosted


def test_boost_threshold_is_configurable() -> None:
    for threshold, boosted in ((0.5, True), (0.6, False)):
        station = exercise_station(grid_kw=150, initialSoc=0.5, boostFromSoc=threshold)
        station.plug_in("CP1", 1, Vehicle(140))
        second = station.plug_in("CP2", 1, Vehicle(100))
        assert (station.allocation.boost_kw[second] > 0.0) is boosted


def test_battery_too_weak_for_a_whole_session_does_not_help() -> None:
    """The hybrid rule helps on the same evening."""
    answers = {}
    for rule in ("whole_session", "hybrid"):
        station = exercise_station(grid_kw=200, power=100, rule=rule)
        for charger in ("CP1", "CP2", "CP3"):
            station.plug_in(charger, 1, Vehicle(150))
        answers[rule] = (sum(station.allocation.offered_kw.values()), station.allocation.battery_kw)
    assert answers["whole_session"] == (pytest.approx(200), 0)
    assert answers["hybrid"] == (pytest.approx(300), pytest.approx(-100))


def test_weak_battery_gives_nothing_all_evening_under_the_exercise_rule() -> None:
    """Cars of 150 kW, a battery of 100 kW, and an hour: no energy under the exercise's rule."""
    given_kwh = {}
    for rule in ("whole_session", "hybrid"):
        station = exercise_station(grid_kw=200, power=100, rule=rule)
        for minute in range(6):
            charger = f"CP{minute % 3 + 1}"
            station.plug_in(charger, minute // 3 + 1, Vehicle(150))
            station.advance(600)
        given_kwh[rule] = station.state.ledger.battery_out_kwh
    assert given_kwh["whole_session"] == 0.0
    assert given_kwh["hybrid"] == pytest.approx(100 * 50 / 60, abs=0.01)


def test_battery_must_have_the_cars_energy_too() -> None:
    for arrival_soc, boosted in ((0.8, True), (0.1, False)):  # 20 and 90 kWh of the 60 that are stored
        station = exercise_station(grid_kw=100, initialSoc=0.3)
        station.plug_in("CP1", 1, Vehicle(100))
        second = station.plug_in("CP2", 1, Vehicle(100, 100), arrival_soc=arrival_soc)
        assert (station.allocation.boost_kw[second] > 0.0) is boosted


def test_sessions_on_the_battery_get_all_that_their_chargers_allow() -> None:
    """The battery feeds three cars: two share a charger of 200 kW, the third is alone and gets 150.

    The fourth, which the battery cannot feed, has nothing of it.
    """
    station = exercise_station(grid_kw=100, power=450, initialCapacity=10_000)
    connector_ids = (("CP1", 1), ("CP1", 2), ("CP2", 1), ("CP3", 1))
    names = [station.plug_in(*connector_id, Vehicle(150)) for connector_id in connector_ids]
    assert [station.state.sessions[connector_id].on_battery for connector_id in connector_ids] == [
        True,
        True,
        True,
        False,
    ]
    assert [station.allocation.boost_kw[name] for name in names] == pytest.approx([100, 100, 150, 0])
    assert [station.allocation.offered_kw[name] for name in names] == pytest.approx([100, 100, 150, 100])


cars = st.lists(st.sampled_from([7.0, 50.0, 110.0, 150.0]), min_size=1, max_size=9)


@pytest.mark.parametrize("strategy", ["uniform", "max_min", "priority"])
@given(config=configs(rule="whole_session"), cars=cars, minutes=st.integers(0, 60))
def test_session_is_wholly_on_the_battery_or_not_at_all(
    strategy: str, config: dict[str, Any], cars: list[float], minutes: int
) -> None:
    station = Station(load_config(config), strategy)
    for connector_id, max_kw in zip(station.config.connectors, cars, strict=False):
        station.plug_in(*connector_id, Vehicle(max_kw))
    station.advance(60.0 * minutes)
    for session in station.state.sessions.values():
        offered_kw = station.allocation.offered_kw[session.session_id]
        expected_kw = offered_kw if session.on_battery else 0.0
        assert station.allocation.boost_kw[session.session_id] == pytest.approx(expected_kw, abs=TINY_KW)


def test_session_falls_back_to_the_grid_when_the_battery_runs_down() -> None:
    station = exercise_station(grid_kw=100, initialSoc=0.3)
    station.plug_in("CP1", 1, Vehicle(100))
    second = station.plug_in("CP2", 1, Vehicle(100))
    assert station.allocation.boost_kw[second] == 100
    station.advance(3600)  # 60 kWh at 100 kW are 36 minutes
    assert station.allocation.boost_kw[second] == 0.0
    assert station.allocation.offered_kw[second] == 50
    assert soc(station) >= -1e-9


# The battery gains at events


def test_battery_gains_10_percent_an_event_while_half_the_grid_is_free() -> None:
    station = exercise_station(grid_kw=400, initialSoc=0.0)
    seen = []
    for charger, max_kw in (("CP1", 100), ("CP2", 100), ("CP3", 1)):
        station.plug_in(charger, 1, Vehicle(max_kw))
        seen.append(soc(station))
    # 300 free: yes. 200 free, exactly half: yes. 199 free: no.
    assert seen == pytest.approx([0.1, 0.2, 0.2])
    station.unplug("CP3", 1)
    assert soc(station) == pytest.approx(0.3)


def test_battery_gains_at_departures_and_never_above_full() -> None:
    station = exercise_station(initialSoc=0.95)
    station.plug_in("CP1", 1, Vehicle(10))
    assert soc(station) == 1.0
    station.unplug("CP1", 1)
    assert soc(station) == 1.0


def test_battery_does_not_gain_by_time_or_other_calls() -> None:
    station = exercise_station(initialSoc=0.5)
    station.advance(3600)
    station.set_site_limit(300)
    station.set_strategy("max_min")
    assert soc(station) == 0.5
    assert station.allocation.battery_kw == 0.0


def test_gain_threshold_and_step_are_configurable() -> None:
    station = exercise_station(initialSoc=0.0, rechargeFreeShare=0.8, rechargeStepSoc=0.25)
    station.plug_in("CP1", 1, Vehicle(80))
    assert soc(station) == 0.25
    station.plug_in("CP2", 1, Vehicle(80))
    assert soc(station) == 0.25


def test_ledger_shows_the_gain_without_import() -> None:
    station = exercise_station(initialSoc=0.0)
    station.plug_in("CP1", 1, Vehicle(10))
    assert station.state.ledger.exercise_gain_kwh == pytest.approx(20)
    assert station.state.ledger.imported_kwh == 0.0


# The rule is the battery's, not the strategy's


def test_uniform_works_with_the_hybrid_rule() -> None:
    station = exercise_station(grid_kw=200, rule="hybrid")
    names = [station.plug_in(f"CP{i}", 1, Vehicle(150)) for i in (1, 2, 3)]
    assert [station.allocation.offered_kw[name] for name in names] == pytest.approx([350 / 3] * 3)
    assert station.allocation.battery_kw == pytest.approx(-150)


def test_replay_repeats_the_exercise() -> None:
    station = exercise_station(grid_kw=200, initialSoc=0.15)
    for connector_id in (("CP1", 1), ("CP2", 1), ("CP3", 1), ("CP1", 2)):
        station.plug_in(*connector_id, Vehicle(90))
        station.advance(300)
    with pytest.raises(StationError):
        station.plug_in("CP1", 1, Vehicle(90))
    station.unplug("CP1", 1)
    record = json.loads(json.dumps([event.model_dump() for event in station.events]))
    again = Station.replay(station.config, record)
    assert (again.state, again.allocation, again.status()) == (
        station.state,
        station.allocation,
        station.status(),
    )


def test_battery_charged_by_events_alone_boosts_without_time_passing() -> None:
    """The exercise from its first state: the battery starts empty, and time stands still."""
    station = exercise_station(grid_kw=200, initialSoc=0.0)
    for _ in range(2):
        station.plug_in("CP1", 1, Vehicle(50))
        station.unplug("CP1", 1)
    assert soc(station) == pytest.approx(0.4)
    station.plug_in("CP1", 1, Vehicle(150))
    carried = station.plug_in("CP2", 1, Vehicle(150))
    assert station.allocation.boost_kw[carried] == 150
    assert station.now_s == 0
