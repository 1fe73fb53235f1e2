"""The battery's reserve, recharging, floor and top: it offers no power that its energy cannot carry."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stations import TINY_KW, Call, accepted, configs, make_station, sane_calls

from electra_core import Limit, Station, Vehicle, allocate, load_config
from electra_core.station.engine import HOUR_S, Decision, decide, decisions

# 20 kWh above the reserve, 30 kWh in it.
BATTERY = {
    "initialCapacity": 100,
    "power": 100,
    "initialSoc": 0.5,
    "reserveSoc": 0.3,
    "comfortPower": 60,
}
LOW = {**BATTERY, "initialSoc": 0.2}


def battery_station(grid_kw: float = 100, battery: Any = BATTERY, **keys: Any) -> Station:
    """Return three chargers of 200 kW with a connector each, and a battery."""
    return make_station(
        **{"grid_kw": grid_kw, "battery": battery, "chargers": [{"connectors": 1}] * 3, **keys}
    )


def parked(station: Station, *cars: Vehicle, weights: tuple[float, ...] = (1.0, 1.0, 1.0)) -> list[str]:
    """Plug a car in at each charger in turn."""
    pairs = zip(cars, weights, strict=False)
    return [
        station.plug_in(f"CP{i}", 1, car, weight=weight) for i, (car, weight) in enumerate(pairs, start=1)
    ]


def offers(station: Station) -> list[float]:
    return [kw for _, kw in sorted(station.allocation.offered_kw.items())]


def boosts(station: Station) -> list[float]:
    return [kw for _, kw in sorted(station.allocation.boost_kw.items())]


# The reserve


def test_battery_above_its_reserve_lifts_cars_to_any_power() -> None:
    station = battery_station()
    parked(station, Vehicle(150), Vehicle(150))
    assert (offers(station), station.allocation.battery_kw) == (pytest.approx([100, 100]), -100)


def test_battery_below_its_reserve_lifts_cars_up_to_comfort_power() -> None:
    """The grid gives 50 each; the battery adds 10 each and keeps the rest."""
    station = battery_station(battery=LOW)
    parked(station, Vehicle(150), Vehicle(150))
    assert offers(station) == pytest.approx([60, 60])
    assert boosts(station) == pytest.approx([10, 10])
    assert station.allocation.battery_kw == pytest.approx(-20)
    assert set(station.allocation.limited_by.values()) == {Limit.SITE}


def test_car_above_comfort_power_gets_nothing_from_the_reserve() -> None:
    """Shares of 3 to 1 are 75 and 25 kW: only the second is below 60, and is lifted by 35."""
    station = battery_station(battery=LOW)
    parked(station, Vehicle(150), Vehicle(150), weights=(3.0, 1.0))
    assert offers(station) == pytest.approx([75, 60])
    assert boosts(station) == pytest.approx([0, 35])


def test_lone_car_above_comfort_power_has_the_grid_alone() -> None:
    station = battery_station(battery=LOW)
    parked(station, Vehicle(150))
    assert (offers(station), station.allocation.battery_kw) == ([100], 0)


def test_car_that_takes_less_than_comfort_power_gets_its_maximum() -> None:
    station = battery_station(40, battery=LOW)
    parked(station, Vehicle(150), Vehicle(30))
    assert offers(station) == pytest.approx([60, 30])
    assert station.allocation.battery_kw == pytest.approx(-50)


def test_reserve_without_comfort_power_is_never_used() -> None:
    station = battery_station(0, battery={**LOW, "comfortPower": 0})
    parked(station, Vehicle(150))
    assert (offers(station), station.allocation.battery_kw) == ([0], 0)


def test_reserve_at_the_floor_limits_nothing() -> None:
    station = battery_station(0, battery={**LOW, "reserveSoc": 0.1, "minSoc": 0.1})
    parked(station, Vehicle(150))
    assert (offers(station), station.allocation.battery_kw) == ([100], -100)


@given(
    grid_kw=st.sampled_from([0.0, 60.0, 100.0, 250.0]),
    cars=st.lists(st.sampled_from([20.0, 60.0, 150.0, 200.0]), min_size=1, max_size=3),
    weights=st.tuples(*[st.sampled_from([0.5, 1.0, 4.0])] * 3),
    comfort_kw=st.sampled_from([0, 25, 60, 500]),
)
def test_reserve_lifts_no_car_above_comfort_power_and_leaves_none_below_it_needlessly(
    grid_kw: float, cars: list[float], weights: tuple[float, ...], comfort_kw: float
) -> None:
    station = battery_station(grid_kw, battery={**LOW, "comfortPower": comfort_kw})
    parked(station, *map(Vehicle, cars), weights=weights)
    for kw, boost_kw, most_kw in zip(offers(station), boosts(station), cars, strict=True):
        assert boost_kw <= TINY_KW or kw <= comfort_kw + TINY_KW
        if -station.allocation.battery_kw < 100 - TINY_KW:
            assert kw >= min(most_kw, comfort_kw) - TINY_KW


# Reserve, floor and top are met exactly


def test_battery_stops_exactly_at_its_reserve() -> None:
    """20 kWh above it at 100 kW are 12 minutes; then 20 kW for an hour."""
    station = battery_station()
    parked(station, Vehicle(150), Vehicle(150))
    station.advance(719.9)
    assert station.allocation.battery_kw == -100
    station.advance(0.1)
    assert (station.state.battery_kwh, station.allocation.battery_kw) == pytest.approx((30, -20))
    station.advance(HOUR_S)
    assert station.state.battery_kwh == pytest.approx(10)


def test_battery_stops_exactly_at_its_reserve_inside_a_long_advance() -> None:
    """200 kW for 12 minutes and 120 kW for an hour: 160 kWh, 40 of them from the battery."""
    station = battery_station()
    parked(station, Vehicle(150), Vehicle(150))
    station.advance(720 + HOUR_S)
    assert (station.ledger.delivered_kwh, station.ledger.battery_out_kwh) == pytest.approx((160, 40))
    assert station.allocation.battery_kw == pytest.approx(-20)


def test_car_goes_on_with_the_grid_when_the_battery_is_at_its_floor() -> None:
    """10 kWh at 100 kW and efficiency 1 are 6 minutes with 150 kW; then the grid's 50 kW."""
    station = battery_station(
        50, battery={"initialCapacity": 100, "power": 100, "initialSoc": 0.2, "minSoc": 0.1}
    )
    parked(station, Vehicle(150))
    station.advance(359.9)
    assert offers(station) == [150]
    station.advance(0.1)
    assert (offers(station), station.allocation.battery_kw) == ([50], 0)
    assert station.status().battery.state_of_charge == pytest.approx(0.1)
    station.advance(3240)
    assert station.ledger.delivered_kwh == pytest.approx(150 * 0.1 + 50 * 0.9)


def test_battery_stops_charging_exactly_at_its_top() -> None:
    """10 kWh of room at 20 kW and efficiency 0.8 are 37.5 minutes."""
    battery = {"initialCapacity": 100, "power": 20, "initialSoc": 0.8, "maxSoc": 0.9}
    station = battery_station(battery={**battery, "chargeEfficiency": 0.8})
    station.advance(2249.9)
    assert station.allocation.battery_kw == 20
    station.advance(0.1)
    assert (station.allocation.battery_kw, station.state.battery_kwh) == pytest.approx((0, 90))
    station.advance(HOUR_S)
    assert station.ledger.imported_kwh == pytest.approx(12.5)


batteries = st.fixed_dictionaries(
    {
        "initialCapacity": st.sampled_from([3, 20, 100]),
        "power": st.sampled_from([10, 60.5, 200]),
        "initialSoc": st.sampled_from([0.0, 0.1, 0.3, 0.45, 1.0]),
        "minSoc": st.sampled_from([0.0, 0.1]),
        "maxSoc": st.just(1.0),
        "reserveSoc": st.sampled_from([0.0, 0.1, 0.3, 0.9]),
        "comfortPower": st.sampled_from([0, 20, 75]),
        "rechargeShare": st.sampled_from([0.1, 1.0]),
        "chargeEfficiency": st.sampled_from([1.0, 0.9]),
        "dischargeEfficiency": st.sampled_from([1.0, 0.8]),
    }
)
steady_cars = st.lists(
    st.sampled_from([Vehicle(150.0), Vehicle(33.3), Vehicle(110.0, battery_kwh=20.0)]), min_size=1, max_size=3
)


def passing(station: Station, seconds: float) -> Iterator[tuple[Decision, Decision]]:
    """Yield each decision and the one that follows it, as time passes."""
    first = decide(station.config, station.state)
    return itertools.pairwise([first, *decisions(station.config, first, first.state.now_s + seconds)])


@given(battery=batteries, cars=steady_cars, grid_kw=st.sampled_from([0, 50, 120]))
def test_battery_never_offers_power_that_its_energy_cannot_carry(
    battery: dict[str, Any], cars: list[Vehicle], grid_kw: float
) -> None:
    station = battery_station(grid_kw, battery=battery)
    parked(station, *cars)
    capacity_kwh = station.config.battery.initial_capacity_kwh
    floor_kwh, reserve_kwh = battery["minSoc"] * capacity_kwh, battery["reserveSoc"] * capacity_kwh
    for before, after in passing(station, 4 * HOUR_S):
        hours = (after.state.now_s - before.state.now_s) / HOUR_S
        kwh = before.allocation.battery_kw * hours
        moved_kwh = kwh * battery["chargeEfficiency"] if kwh > 0.0 else kwh / battery["dischargeEfficiency"]
        # All that was offered went in or out: nothing was cut off at a mark.
        assert after.state.battery_kwh == pytest.approx(before.state.battery_kwh + moved_kwh, abs=1e-9)
        assert after.state.battery_kwh <= capacity_kwh + 1e-9
        if kwh < 0.0:
            free = before.snapshot.comfort_kw is None
            assert after.state.battery_kwh >= (max(floor_kwh, reserve_kwh) if free else floor_kwh) - 1e-9


@given(battery=batteries, cars=steady_cars, grid_kw=st.sampled_from([0, 50, 120]))
def test_allocations_change_rarely_over_six_hours(
    battery: dict[str, Any], cars: list[Vehicle], grid_kw: float
) -> None:
    """Reserve, floor, top and three cars that may finish are few reasons for another allocation."""
    station = battery_station(grid_kw, battery=battery)
    parked(station, *cars)
    changes = [
        after.state.now_s
        for before, after in passing(station, 6 * HOUR_S)
        if after.allocation.battery_kw != pytest.approx(before.allocation.battery_kw, abs=TINY_KW)
        or after.allocation.offered_kw != pytest.approx(before.allocation.offered_kw, abs=TINY_KW)
    ]
    # Each mark of the battery may be met again after each car that is done.
    assert len(changes) <= 12, changes


def test_reserve_that_fills_again_helps_at_most_once_a_control_interval() -> None:
    """The grid's 50 kW fill the reserve while a car that needs 120 waits for the battery's help."""
    chargers = [{"connectors": [{"minPower": 120}]}]
    battery = {**BATTERY, "initialSoc": 0.3, "comfortPower": 0}
    station = battery_station(50, battery=battery, chargers=chargers)
    parked(station, Vehicle(150))
    offered_kw = []
    for _ in range(600):
        station.advance(1)
        offered_kw += offers(station)
    changes = sum(before != after for before, after in itertools.pairwise(offered_kw))
    # At most once on and once off a control interval of a minute.
    assert 2 <= changes <= 20
    assert station.state.battery_kwh >= 30 - 1e-9


# Recharging


@pytest.mark.parametrize(
    ("limit_kw", "static_kw", "battery_kw"), [(None, 0, 30), (50, 0, 15), (None, 95, 5), (0, 0, 0)]
)
def test_recharging_stays_within_its_share_of_the_site_limit(
    limit_kw: float | None, static_kw: float, battery_kw: float
) -> None:
    """30 % of the site limit, or what is left of it."""
    station = battery_station(battery={**LOW, "rechargeShare": 0.3})
    station.set_site_limit(limit_kw)
    station.set_static_load(static_kw)
    assert station.allocation.battery_kw == pytest.approx(battery_kw)


def test_battery_with_recharge_share_of_0_never_charges() -> None:
    station = battery_station(battery={**LOW, "rechargeShare": 0})
    station.advance(HOUR_S)
    assert (station.allocation.battery_kw, station.state.battery_kwh) == (0, 20)


def test_battery_charges_from_what_cars_leave() -> None:
    station = battery_station(battery=LOW)
    parked(station, Vehicle(70))
    assert (offers(station), station.allocation.battery_kw) == ([70], 30)
    station.plug_in("CP2", 1, Vehicle(150))
    assert offers(station) == pytest.approx([60, 60])
    assert station.allocation.battery_kw == pytest.approx(-20)


@given(config=configs("hybrid"), calls=st.lists(sane_calls, min_size=2, max_size=15))
def test_recharging_never_lowers_an_offer(config: dict[str, Any], calls: list[Call]) -> None:
    """At every moment the cars have what they would have if the battery could not charge at all."""
    station = Station(load_config(config))
    for _ in accepted(station, calls):
        snapshot = replace(station.snapshot(), charge_kw=0.0)
        assert allocate(snapshot, station.state.strategy).offered_kw == station.allocation.offered_kw


@given(config=configs("hybrid"), cars=st.lists(st.sampled_from([22.0, 75.0, 150.0]), min_size=1, max_size=6))
def test_battery_that_cannot_charge_leaves_cars_no_more(config: dict[str, Any], cars: list[float]) -> None:
    """Two stations are the same but for the charging of their batteries."""
    both = [Station(load_config({**config, "battery": battery})) for battery in pair(config["battery"])]
    for station in both:
        for connector_id, max_kw in zip(station.config.connectors, cars, strict=False):
            station.plug_in(*connector_id, Vehicle(max_kw))
    charging, not_charging = both
    assert charging.allocation.offered_kw == not_charging.allocation.offered_kw
    assert charging.allocation.battery_kw >= not_charging.allocation.battery_kw


def pair(battery: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a battery, and the same that cannot charge."""
    return battery, {**battery, "dischargePower": battery["power"], "chargePower": 0}


# A failing battery


def test_failed_battery_stops_and_resumes_its_help_in_the_same_decision() -> None:
    station = battery_station(50, battery={**BATTERY, "reserveSoc": 0})
    name = parked(station, Vehicle(150))[0]
    assert (offers(station), boosts(station)) == ([150], [100])
    station.set_available("battery", available=False)
    assert (offers(station), boosts(station), station.allocation.battery_kw) == ([50], [0], 0)
    assert station.allocation.limited_by[name] is Limit.SITE
    assert not station.status().battery.available
    station.advance(600)
    assert station.state.battery_kwh == 50
    station.set_available("battery", available=True)
    assert (offers(station), boosts(station)) == ([150], [100])
    assert station.status().battery.available


def test_battery_out_of_service_does_not_charge() -> None:
    station = battery_station(battery=LOW)
    assert station.allocation.battery_kw == 80 + 20
    station.set_available("battery", available=False)
    assert station.allocation.battery_kw == 0
    station.advance(HOUR_S)
    assert (station.state.battery_kwh, station.ledger.imported_kwh) == (20, 0)


def test_session_on_the_exercise_battery_falls_back_to_the_grid_when_it_fails() -> None:
    battery = {"initialCapacity": 200, "power": 150, "initialSoc": 1.0, "rule": "whole_session"}
    station = battery_station(battery=battery)
    parked(station, Vehicle(100), Vehicle(120))
    assert (offers(station), boosts(station)) == ([100, 120], [0, 120])
    station.set_available("battery", available=False)
    assert (offers(station), boosts(station)) == ([50, 50], [0, 0])
    assert not any(session.on_battery for session in station.state.sessions.values())
    # Back again, it carries a newcomer.
    station.set_available("battery", available=True)
    station.plug_in("CP3", 1, Vehicle(140))
    assert station.allocation.boost_kw["S0003"] == 140


def test_set_available_refuses_a_battery_that_the_station_does_not_have() -> None:
    station = battery_station(battery=None)
    with pytest.raises(ValueError, match="ST: it has no battery"):
        station.set_available("battery", available=False)
    with pytest.raises(ValueError, match="ST: the battery has no connectors"):
        battery_station().set_available("battery", 1, available=False)
