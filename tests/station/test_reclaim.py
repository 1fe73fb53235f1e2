"""Reclaimed power: unused power goes to others, and comes back when the car wants it."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stations import TINY_KW, assert_within_limits, configs, make_station

from electra_core import Limit, Station, StationError, Vehicle, load_config

HUNGRY = Vehicle(150.0)


def two_cars(**keys: Any) -> Station:
    """Return a station with S0001 and S0002 at one charger of 200 kW; each could take 150 kW.

    The margin is 2 kW, and power is freed after a minute.
    """
    station = make_station(**{"chargers": 1, **keys})
    station.plug_in("CP1", 1, HUNGRY)
    station.plug_in("CP1", 2, HUNGRY)
    return station


def offers(station: Station) -> list[float]:
    return list(station.allocation.offered_kw.values())


def energy_kwh(station: Station, connector: int) -> float:
    return station.state.sessions["CP1", connector].energy_kwh


# Freeing


def test_unused_power_goes_to_the_neighbour_after_a_minute() -> None:
    """It takes 40 of 100 kW: it keeps 42, and 158 would be more than the other car can use."""
    station = two_cars()
    station.report_draw("CP1", 1, 40)
    station.advance(59.5)
    assert offers(station) == [100, 100]
    station.advance(0.5)
    assert offers(station) == [42, 150]
    assert station.allocation.limited_by == {"S0001": Limit.VEHICLE, "S0002": Limit.VEHICLE}


def test_unused_power_is_freed_inside_a_long_advance() -> None:
    """An hour at once: a minute at 100 kW for the neighbour, and 59 at 150."""
    station = two_cars()
    station.report_draw("CP1", 1, 40)
    station.advance(3600)
    assert energy_kwh(station, 2) == pytest.approx((1 * 100 + 59 * 150) / 60)


def test_unused_power_is_freed_at_once_without_a_delay() -> None:
    station = two_cars(reclaim_after_s=0)
    station.report_draw("CP1", 1, 40)
    assert offers(station) == [42, 150]


def test_reclaim_margin_and_delay_are_configurable() -> None:
    station = two_cars(reclaim_margin_kw=10, reclaim_after_s=300)
    station.report_draw("CP1", 1, 91)
    station.advance(3600)
    assert offers(station) == [100, 100]
    station.report_draw("CP1", 1, 40)
    station.advance(299)
    assert offers(station) == [100, 100]
    station.advance(1)
    assert offers(station) == [50, 150]


def test_car_that_draws_nothing_keeps_the_margin() -> None:
    station = two_cars()
    station.report_draw("CP1", 1, 0)
    station.advance(60)
    assert offers(station) == [2, 150]


def test_repeated_reading_does_not_restart_the_clock() -> None:
    """Meters repeat a reading every few seconds; the minute counts from the first of them."""
    station = two_cars()
    for _ in range(6):
        station.report_draw("CP1", 1, 40)
        station.advance(10)
    assert offers(station) == [42, 150]


def test_car_that_catches_up_in_time_keeps_its_offer() -> None:
    station = two_cars()
    station.report_draw("CP1", 1, 40)
    station.advance(50)
    station.report_draw("CP1", 1, 100)
    station.advance(50)
    station.report_draw("CP1", 1, 40)
    station.advance(50)
    assert offers(station) == [100, 100]
    station.advance(10)
    assert offers(station) == [42, 150]


def test_car_that_draws_still_less_is_lowered_again() -> None:
    station = two_cars()
    station.report_draw("CP1", 1, 40)
    station.advance(60)
    station.report_draw("CP1", 1, 20)
    station.advance(60)
    assert offers(station) == [22, 150]


# Coming back


def test_freed_power_comes_back_in_steps_of_a_tenth() -> None:
    """A tenth of 150 kW is 15: at once, then once a minute; from 100 kW on the neighbour has as much."""
    station = two_cars()
    station.report_draw("CP1", 1, 40)
    station.advance(60)
    station.report_draw("CP1", 1, 42)
    assert offers(station) == [57, 143]
    for expected in ([72, 128], [87, 113], [100, 100]):
        station.report_draw("CP1", 1, offers(station)[0])
        station.advance(59)
        assert offers(station) != expected
        station.advance(1)
        assert offers(station) == expected


def test_freed_power_comes_back_wholly() -> None:
    """42 and 8 steps of 15 are 162 kW, more than the 150 that the car takes: nothing is held back."""
    station = two_cars()
    station.report_draw("CP1", 1, 40)
    station.advance(60)
    station.unplug("CP1", 2)
    station.report_draw("CP1", 1, 42)
    station.advance(6 * 60)
    assert offers(station) == [147]
    station.advance(60)
    assert offers(station) == [150]
    assert station.state.sessions["CP1", 1].meter.ceiling_kw is None


def test_freed_power_stops_coming_back_when_the_car_no_longer_follows() -> None:
    """From 42 to 57 and 72 kW; there the car takes 60, and keeps 62."""
    station = two_cars()
    station.report_draw("CP1", 1, 40)
    station.advance(60)
    station.report_draw("CP1", 1, 42)
    station.report_draw("CP1", 1, 57)
    station.advance(60)
    assert offers(station) == [72, 128]
    station.report_draw("CP1", 1, 60)
    station.advance(60)
    assert offers(station) == [62, 138]
    station.report_draw("CP1", 1, 60)
    station.advance(3600)
    assert offers(station) == [62, 138]


def test_margin_above_a_tenth_is_the_step() -> None:
    station = two_cars(reclaim_margin_kw=20)
    station.report_draw("CP1", 1, 40)
    station.advance(60)
    assert offers(station) == [60, 140]
    station.report_draw("CP1", 1, 60)
    assert offers(station) == [80, 120]


def test_new_car_does_not_inherit_a_lowered_ceiling() -> None:
    station = two_cars()
    station.report_draw("CP1", 1, 40)
    station.advance(60)
    station.unplug("CP1", 1)
    station.plug_in("CP1", 1, HUNGRY)
    assert station.allocation.offered_kw == {"S0002": 100, "S0003": 100}


# Readings that change nothing


@pytest.mark.parametrize("drawn_kw", [99.01, 99.5, 100, 100.5, 1000])
def test_readings_near_the_offer_change_nothing(drawn_kw: float) -> None:
    """Below half the margin, and above the offer: it counts as the offer."""
    station = two_cars()
    before = offers(station), station.state.sessions
    station.report_draw("CP1", 1, drawn_kw)
    assert (offers(station), station.state.sessions) == before
    station.advance(3600)
    assert offers(station) == [100, 100]
    assert energy_kwh(station, 1) == pytest.approx(100)


@pytest.mark.parametrize("drawn_kw", [98, 98.5])
def test_car_less_than_the_margin_below_keeps_its_offer(drawn_kw: float) -> None:
    station = two_cars()
    station.report_draw("CP1", 1, drawn_kw)
    station.advance(3600)
    assert offers(station) == [100, 100]
    assert energy_kwh(station, 1) == pytest.approx(drawn_kw)


@given(noise=st.lists(st.floats(-0.99, 0.99), min_size=1, max_size=20))
@settings(max_examples=20)
def test_noise_below_half_the_margin_changes_nothing(noise: list[float]) -> None:
    """A car of 40 kW stands at 42: 41 and more would be up at its ceiling, 39 and less clearly below."""
    station = two_cars()
    station.report_draw("CP1", 1, 40)
    station.advance(60)
    for kw in noise:
        station.report_draw("CP1", 1, 40 + kw)
        station.advance(60)
        assert offers(station) == [42, 150]


def test_energy_follows_the_reported_draw() -> None:
    """100 kW for half an hour and 30 kW for another are 65 kWh, for the car and in the ledger."""
    station = make_station(chargers=1, reclaim_after_s=86_400)
    station.plug_in("CP1", 1, Vehicle(100))
    station.advance(1800)
    station.report_draw("CP1", 1, 30)
    station.advance(1800)
    assert offers(station) == [100]
    assert energy_kwh(station, 1) == pytest.approx(65)
    assert station.ledger.delivered_kwh == station.ledger.imported_kwh == pytest.approx(65)
    # A car that draws nothing for a while is not full earlier.
    station.report_draw("CP1", 1, 0)
    station.advance(1800)
    assert energy_kwh(station, 1) == pytest.approx(65)


def test_car_is_full_at_the_time_of_its_reported_draw() -> None:
    """10 kWh are missing: 6 minutes at 100 kW, and 20 at the 30 that it takes."""
    station = make_station(chargers=1)
    station.plug_in("CP1", 1, Vehicle(100, 50), arrival_soc=0.8)
    station.report_draw("CP1", 1, 30)
    station.advance(19 * 60)
    assert station.state.sessions["CP1", 1].soc == pytest.approx(0.8 + 9.5 / 50)
    station.advance(60)
    assert station.allocation.limited_by["S0001"] is Limit.FINISHED


def test_report_while_suspended_frees_nothing() -> None:
    """Nothing is offered and nothing is taken: that frees nothing, and the car comes back as it was."""
    station = two_cars()
    station.set_available("CP1", 1, False)
    station.report_draw("CP1", 1, 0)
    station.advance(600)
    station.set_available("CP1", 1, True)
    assert offers(station) == [100, 100]


# Constant cars settle


@st.composite
def constant_cars(draw: st.DrawFn) -> tuple[Station, dict[tuple[str, int], float]]:
    """Draw a station without battery and turns, which change by themselves, and each car's real draw."""
    config = {name: value for name, value in draw(configs()).items() if name not in ("battery", "rotation")}
    station = Station(
        load_config({**config, "limitLease": None}), draw(st.sampled_from(["max_min", "priority"]))
    )
    drawn_kw = {}
    for connector_id in station.config.connectors:
        max_kw = draw(st.sampled_from([50.0, 150.0, 300.0]))
        station.plug_in(*connector_id, Vehicle(max_kw), priority=draw(st.integers(0, 2)))
        drawn_kw[connector_id] = (
            draw(st.sampled_from([0.0, 0.03, 0.5, 0.995, 1.0]) | st.floats(0.0, 1.0)) * max_kw
        )
    return station, drawn_kw


@given(drawn=constant_cars(), every_s=st.sampled_from([20, 60, 100]))
@settings(max_examples=20)
def test_constant_cars_settle_and_stay(
    drawn: tuple[Station, dict[tuple[str, int], float]], every_s: float
) -> None:
    """Two rounds of ten steps up are more than enough; then no set-point moves again."""
    station, drawn_kw = drawn
    seen = []
    for _ in range(math.ceil(45 * 60 / every_s)):
        for connector_id, true_kw in drawn_kw.items():
            name = station.state.sessions[connector_id].session_id
            station.report_draw(*connector_id, min(true_kw, station.allocation.offered_kw[name]))
        station.advance(every_s)
        assert_within_limits(station.snapshot(), station.allocation)
        seen.append(offers(station))
    settled = seen[-1]
    for each in seen[-math.ceil(900 / every_s) :]:
        assert each == pytest.approx(settled, abs=TINY_KW)


# Modules and minima


def test_unused_module_goes_to_another_car() -> None:
    """Three of 75 kW as 150 + 75. The first takes 60 and keeps 62, which one module carries; half a minute
    later, as long as modules are held, the second car has two."""
    station = two_cars(chargers=[{"maxPower": 225, "moduleSize": 75}])
    assert offers(station) == [150, 75]
    station.report_draw("CP1", 1, 60)
    station.advance(60)
    assert offers(station) == [62, 75]
    station.advance(29)
    assert offers(station) == [62, 75]
    station.advance(1)
    assert offers(station) == [62, 150]
    assert station.allocation.modules == {"S0001": 1, "S0002": 2}


def test_module_limits_the_rise_of_a_ceiling() -> None:
    """A car that draws up to 62 kW has 77 next, of which its one module carries 75: that stays."""
    station = two_cars(chargers=[{"maxPower": 225, "moduleSize": 75}])
    station.report_draw("CP1", 1, 60)
    station.advance(90)
    station.report_draw("CP1", 1, 62)
    station.advance(3600)
    assert offers(station) == [75, 150]


@pytest.mark.parametrize("drawn_kw", [0.0, 5.0, 17.0, 19.0])
def test_ceiling_never_falls_below_the_least_useful_power(drawn_kw: float) -> None:
    """20 kW are the least: the car keeps 20, or 21 when it draws 19."""
    station = two_cars(chargers=[{"connectors": [{"minPower": 20}, {}]}])
    station.report_draw("CP1", 1, drawn_kw)
    station.advance(60)
    assert offers(station) == [max(20.0, drawn_kw + 2.0), 150]
    station.report_draw("CP1", 1, drawn_kw)
    station.advance(3600)
    assert offers(station)[0] == max(20.0, drawn_kw + 2.0)


def test_report_of_a_waiting_car_changes_nothing() -> None:
    """20 kW are too little for it; it draws 0 of 0, and is admitted as before when there is power."""
    station = make_station(chargers=[{"connectors": [{"minPower": 50}]}])
    station.plug_in("CP1", 1, HUNGRY)
    station.set_site_limit(20)
    station.report_draw("CP1", 1, 0)
    station.advance(600)
    assert offers(station) == [0]
    station.set_site_limit(None)
    assert offers(station) == [150]


# Refusals


@pytest.mark.parametrize(
    ("positions", "words"),
    [
        (("CP1", 2, 10), "connector 2 of CP1 is free: there is no draw to report"),
        (("CP1", 3, 10), "CP1 has connectors 1 to 2, not 3"),
        (("CP9", 1, 10), "no charger 'CP9'"),
        (("CP1", 1, -1), "drawn power must be from 0 to .*, got -1"),
        (("CP1", 1, math.nan), "drawn power must be a finite number, got nan"),
        (("CP1", 1, math.inf), "drawn power must be a finite number, got inf"),
        (("CP1", 1, "10"), "drawn power must be a finite number, got '10'"),
        (("CP1", 1, True), "drawn power must be a finite number, got True"),
        (("CP1", 1, None), "drawn power must be a finite number, got None"),
    ],
    ids=repr,
)
def test_refused_report_changes_nothing(positions: tuple[Any, ...], words: str) -> None:
    station = make_station(chargers=1)
    station.plug_in("CP1", 1, HUNGRY)
    station.report_draw("CP1", 1, 40)
    before = station.state, station.allocation, station.snapshot(), station.events
    with pytest.raises(StationError, match=words):
        station.report_draw(*positions)
    assert (station.state, station.allocation, station.snapshot(), station.events) == before
