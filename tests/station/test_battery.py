"""The battery's reserve, its recharging, and its ends: it promises no power that its energy cannot carry."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stations import TINY_KW, Call, accepted, configs, sane_calls

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


def station(grid_kw: float = 100, *, battery: dict[str, Any] = BATTERY, **changes: Any) -> Station:
    """Three chargers of 200 kW with a connector each."""
    chargers = [{"id": f"CP{i}", "maxPower": 200, "connectors": 1} for i in (1, 2, 3)]
    config = {"stationId": "ST", "gridCapacity": grid_kw, "chargers": chargers, "battery": battery, **changes}
    return Station(load_config(config))


def parked(here: Station, *cars: Vehicle, weights: tuple[float, ...] = (1.0, 1.0, 1.0)) -> list[str]:
    """A car at each charger in turn."""
    pairs = zip(cars, weights, strict=False)
    return [here.plug_in(f"CP{i}", 1, car, weight=weight) for i, (car, weight) in enumerate(pairs, start=1)]


def offers(here: Station) -> list[float]:
    return [kw for _, kw in sorted(here.allocation.offered_kw.items())]


def boosts(here: Station) -> list[float]:
    return [kw for _, kw in sorted(here.allocation.boost_kw.items())]


# The reserve


def test_above_its_reserve_the_battery_lifts_to_any_power() -> None:
    here = station()
    parked(here, Vehicle(150), Vehicle(150))
    assert (offers(here), here.allocation.battery_kw) == (pytest.approx([100, 100]), -100)


def test_below_its_reserve_it_lifts_up_to_comfort() -> None:
    """The grid gives 50 each; the battery adds 10 each and keeps the rest."""
    here = station(battery=LOW)
    parked(here, Vehicle(150), Vehicle(150))
    assert offers(here) == pytest.approx([60, 60])
    assert boosts(here) == pytest.approx([10, 10])
    assert here.allocation.battery_kw == pytest.approx(-20)
    assert set(here.allocation.limited_by.values()) == {Limit.SITE}


def test_below_its_reserve_those_above_comfort_get_nothing_from_it() -> None:
    """Shares of 3 to 1 are 75 and 25 kW: only the second is below 60, and is lifted by 35."""
    here = station(battery=LOW)
    parked(here, Vehicle(150), Vehicle(150), weights=(3.0, 1.0))
    assert offers(here) == pytest.approx([75, 60])
    assert boosts(here) == pytest.approx([0, 35])


def test_below_its_reserve_a_lone_car_above_comfort_has_the_grid() -> None:
    here = station(battery=LOW)
    parked(here, Vehicle(150))
    assert (offers(here), here.allocation.battery_kw) == ([100], 0)


def test_a_car_that_can_take_less_than_comfort_gets_that() -> None:
    here = station(40, battery=LOW)
    parked(here, Vehicle(150), Vehicle(30))
    assert offers(here) == pytest.approx([60, 30])
    assert here.allocation.battery_kw == pytest.approx(-50)


def test_a_reserve_without_comfort_is_kept_whole() -> None:
    here = station(0, battery={**LOW, "comfortPower": 0})
    parked(here, Vehicle(150))
    assert (offers(here), here.allocation.battery_kw) == ([0], 0)


def test_a_reserve_at_the_floor_is_none() -> None:
    here = station(0, battery={**LOW, "reserveSoc": 0.1, "minSoc": 0.1})
    parked(here, Vehicle(150))
    assert (offers(here), here.allocation.battery_kw) == ([100], -100)


@given(
    grid_kw=st.sampled_from([0.0, 60.0, 100.0, 250.0]),
    cars=st.lists(st.sampled_from([20.0, 60.0, 150.0, 200.0]), min_size=1, max_size=3),
    weights=st.tuples(*[st.sampled_from([0.5, 1.0, 4.0])] * 3),
    comfort_kw=st.sampled_from([0, 25, 60, 500]),
)
def test_below_its_reserve_nobody_is_boosted_above_comfort_nor_left_below_it_for_nothing(
    grid_kw: float, cars: list[float], weights: tuple[float, ...], comfort_kw: float
) -> None:
    here = station(grid_kw, battery={**LOW, "comfortPower": comfort_kw})
    parked(here, *map(Vehicle, cars), weights=weights)
    for kw, boost_kw, most_kw in zip(offers(here), boosts(here), cars, strict=True):
        assert boost_kw <= TINY_KW or kw <= comfort_kw + TINY_KW
        if -here.allocation.battery_kw < 100 - TINY_KW:
            assert kw >= min(most_kw, comfort_kw) - TINY_KW


# Marks are crossed exactly


def test_the_reserve_is_crossed_exactly() -> None:
    """20 kWh above it at 100 kW are 12 minutes; then 20 kW for an hour."""
    here = station()
    parked(here, Vehicle(150), Vehicle(150))
    here.advance(719.9)
    assert here.allocation.battery_kw == -100
    here.advance(0.1)
    assert (here.state.battery_kwh, here.allocation.battery_kw) == pytest.approx((30, -20))
    here.advance(HOUR_S)
    assert here.state.battery_kwh == pytest.approx(10)


def test_the_reserve_is_crossed_exactly_inside_one_long_advance() -> None:
    """200 kW for 12 minutes and 120 kW for an hour: 160 kWh, 40 of them from the battery."""
    here = station()
    parked(here, Vehicle(150), Vehicle(150))
    here.advance(720 + HOUR_S)
    assert (here.ledger.delivered_kwh, here.ledger.battery_out_kwh) == pytest.approx((160, 40))
    assert here.allocation.battery_kw == pytest.approx(-20)


def test_the_floor_hands_over_smoothly() -> None:
    """10 kWh at 100 kW and efficiency 1 are 6 minutes with 150 kW; then the grid's 50 kW."""
    here = station(50, battery={"initialCapacity": 100, "power": 100, "initialSoc": 0.2, "minSoc": 0.1})
    parked(here, Vehicle(150))
    here.advance(359.9)
    assert offers(here) == [150]
    here.advance(0.1)
    assert (offers(here), here.allocation.battery_kw) == ([50], 0)
    assert here.status().battery.state_of_charge == pytest.approx(0.1)
    here.advance(3240)
    assert here.ledger.delivered_kwh == pytest.approx(150 * 0.1 + 50 * 0.9)


def test_the_top_hands_over_smoothly() -> None:
    """10 kWh of room at 20 kW and efficiency 0.8 are 37.5 minutes."""
    battery = {"initialCapacity": 100, "power": 20, "initialSoc": 0.8, "maxSoc": 0.9}
    here = station(battery={**battery, "chargeEfficiency": 0.8})
    here.advance(2249.9)
    assert here.allocation.battery_kw == 20
    here.advance(0.1)
    assert (here.allocation.battery_kw, here.state.battery_kwh) == pytest.approx((0, 90))
    here.advance(HOUR_S)
    assert here.ledger.imported_kwh == pytest.approx(12.5)


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


def passing(here: Station, seconds: float) -> Iterator[tuple[Decision, Decision]]:
    """Each decision and the one that follows it, as time passes."""
    first = decide(here.config, here.state)
    return itertools.pairwise([first, *decisions(here.config, first, first.state.now_s + seconds)])


@given(battery=batteries, cars=steady_cars, grid_kw=st.sampled_from([0, 50, 120]))
def test_no_power_is_promised_that_the_energy_cannot_carry(
    battery: dict[str, Any], cars: list[Vehicle], grid_kw: float
) -> None:
    here = station(grid_kw, battery=battery)
    parked(here, *cars)
    capacity_kwh = here.config.battery.initial_capacity_kwh
    floor_kwh, reserve_kwh = battery["minSoc"] * capacity_kwh, battery["reserveSoc"] * capacity_kwh
    for before, after in passing(here, 4 * HOUR_S):
        hours = (after.state.now_s - before.state.now_s) / HOUR_S
        kwh = before.allocation.battery_kw * hours
        moved_kwh = kwh * battery["chargeEfficiency"] if kwh > 0.0 else kwh / battery["dischargeEfficiency"]
        # All that was promised went in or out: nothing was cut off at an end.
        assert after.state.battery_kwh == pytest.approx(before.state.battery_kwh + moved_kwh, abs=1e-9)
        assert after.state.battery_kwh <= capacity_kwh + 1e-9
        if kwh < 0.0:
            free = before.snapshot.comfort_kw is None
            assert after.state.battery_kwh >= (max(floor_kwh, reserve_kwh) if free else floor_kwh) - 1e-9


@given(battery=batteries, cars=steady_cars, grid_kw=st.sampled_from([0, 50, 120]))
def test_nothing_flutters(battery: dict[str, Any], cars: list[Vehicle], grid_kw: float) -> None:
    """Six hours: reserve, floor, top and three cars that may finish are few reasons to decide otherwise."""
    here = station(grid_kw, battery=battery)
    parked(here, *cars)
    changes = [
        after.state.now_s
        for before, after in passing(here, 6 * HOUR_S)
        if after.allocation.battery_kw != pytest.approx(before.allocation.battery_kw, abs=TINY_KW)
        or after.allocation.offered_kw != pytest.approx(before.allocation.offered_kw, abs=TINY_KW)
    ]
    # Each end of the battery may be met again after each car that is done.
    assert len(changes) <= 12, changes


def test_a_reserve_that_fills_again_does_not_flutter() -> None:
    """The grid's 50 kW fill the reserve while a car that needs 120 waits for the battery's help."""
    chargers = [{"id": "CP1", "maxPower": 200, "connectors": [{"minPower": 120}]}]
    battery = {**BATTERY, "initialSoc": 0.3, "comfortPower": 0}
    here = station(50, battery=battery, chargers=chargers)
    parked(here, Vehicle(150))
    offered_kw = []
    for _ in range(600):
        here.advance(1)
        offered_kw += offers(here)
    changes = sum(before != after for before, after in itertools.pairwise(offered_kw))
    # At most once on and once off a control interval of a minute.
    assert 2 <= changes <= 20
    assert here.state.battery_kwh >= 30 - 1e-9


# Recharging


@pytest.mark.parametrize(
    ("limit_kw", "static_kw", "battery_kw"), [(None, 0, 30), (50, 0, 15), (None, 95, 5), (0, 0, 0)]
)
def test_recharging_stays_within_its_share(
    limit_kw: float | None, static_kw: float, battery_kw: float
) -> None:
    """30 % of the site limit, or what is left of it."""
    here = station(battery={**LOW, "rechargeShare": 0.3})
    here.set_site_limit(limit_kw)
    here.set_static_load(static_kw)
    assert here.allocation.battery_kw == pytest.approx(battery_kw)


def test_a_recharge_share_of_0_never_recharges() -> None:
    here = station(battery={**LOW, "rechargeShare": 0})
    here.advance(HOUR_S)
    assert (here.allocation.battery_kw, here.state.battery_kwh) == (0, 20)


def test_recharging_takes_what_cars_leave() -> None:
    here = station(battery=LOW)
    parked(here, Vehicle(70))
    assert (offers(here), here.allocation.battery_kw) == ([70], 30)
    here.plug_in("CP2", 1, Vehicle(150))
    assert offers(here) == pytest.approx([60, 60])
    assert here.allocation.battery_kw == pytest.approx(-20)


@given(config=configs("hybrid"), calls=st.lists(sane_calls, min_size=2, max_size=15))
def test_recharging_never_lowers_a_car(config: dict[str, Any], calls: list[Call]) -> None:
    """At every moment the cars have what they would have if the battery could not charge at all."""
    here = Station(load_config(config))
    for _ in accepted(here, calls):
        snapshot = replace(here.snapshot(), charge_kw=0.0)
        assert allocate(snapshot, here.state.strategy).offered_kw == here.allocation.offered_kw


@given(config=configs("hybrid"), cars=st.lists(st.sampled_from([22.0, 75.0, 150.0]), min_size=1, max_size=6))
def test_a_battery_that_cannot_charge_leaves_no_car_more(config: dict[str, Any], cars: list[float]) -> None:
    """Two stations from the start; what one of them has stored can only help."""
    both = [Station(load_config({**config, "battery": battery})) for battery in pair(config["battery"])]
    for here in both:
        for place, max_kw in zip(here.config.plugs, cars, strict=False):
            here.plug_in(*place, Vehicle(max_kw))
    charging, not_charging = both
    assert charging.allocation.offered_kw == not_charging.allocation.offered_kw
    assert charging.allocation.battery_kw >= not_charging.allocation.battery_kw


def pair(battery: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """A battery, and the same that cannot charge."""
    return battery, {**battery, "dischargePower": battery["power"], "chargePower": 0}


# A battery that fails


def test_the_batterys_help_goes_and_comes_in_the_same_decision() -> None:
    here = station(50, battery={**BATTERY, "reserveSoc": 0})
    name = parked(here, Vehicle(150))[0]
    assert (offers(here), boosts(here)) == ([150], [100])
    here.set_available("battery", available=False)
    assert (offers(here), boosts(here), here.allocation.battery_kw) == ([50], [0], 0)
    assert here.allocation.limited_by[name] is Limit.SITE
    assert not here.status().battery.available
    here.advance(600)
    assert here.state.battery_kwh == 50
    here.set_available("battery", available=True)
    assert (offers(here), boosts(here)) == ([150], [100])
    assert here.status().battery.available


def test_a_battery_out_of_service_does_not_charge() -> None:
    here = station(battery=LOW)
    assert here.allocation.battery_kw == 80 + 20
    here.set_available("battery", available=False)
    assert here.allocation.battery_kw == 0
    here.advance(HOUR_S)
    assert (here.state.battery_kwh, here.ledger.imported_kwh) == (20, 0)


def test_a_session_that_the_seeds_battery_carries_falls_back_to_the_grid() -> None:
    battery = {"initialCapacity": 200, "power": 150, "initialSoc": 1.0, "rule": "whole_session"}
    here = station(battery=battery)
    parked(here, Vehicle(100), Vehicle(120))
    assert (offers(here), boosts(here)) == ([100, 120], [0, 120])
    here.set_available("battery", available=False)
    assert (offers(here), boosts(here)) == ([50, 50], [0, 0])
    assert not any(session.on_battery for session in here.state.sessions.values())
    # Back again, it carries a newcomer.
    here.set_available("battery", available=True)
    here.plug_in("CP3", 1, Vehicle(140))
    assert here.allocation.boost_kw["S0003"] == 140


def test_a_station_without_a_battery_has_none_to_take_out() -> None:
    here = station(battery=None)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="ST: it has no battery"):
        here.set_available("battery", available=False)
    with pytest.raises(ValueError, match="ST: the battery has no connectors"):
        station().set_available("battery", 1, available=False)
