"""Drawn is not offered: what a car leaves goes to others, and comes back when it wants it."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stations import TINY_KW, assert_within_limits, configs

from electra_core import Limit, Station, StationError, Vehicle, load_config

HUNGRY = Vehicle(150.0)

CHARGER = {"id": "CP1", "maxPower": 200, "connectors": 2}


def station(*chargers: dict[str, Any], **keys: Any) -> Station:
    """Two connectors that share 200 kW, a margin of 2 kW and a minute, unless it is said otherwise."""
    return Station(
        load_config({"stationId": "ST", "gridCapacity": 400, "chargers": chargers or [CHARGER], **keys})
    )


def two_cars(*chargers: dict[str, Any], **keys: Any) -> Station:
    """S0001 and S0002 at connectors 1 and 2; each could take 150 kW."""
    here = station(*chargers, **keys)
    here.plug_in("CP1", 1, HUNGRY)
    here.plug_in("CP1", 2, HUNGRY)
    return here


def offers(here: Station) -> list[float]:
    return list(here.allocation.offered_kw.values())


def energy_kwh(here: Station, connector: int) -> float:
    return here.state.sessions["CP1", connector].energy_kwh


# Fast down


def test_what_a_car_leaves_goes_to_its_neighbour_after_a_minute() -> None:
    """It takes 40 of 100 kW: it keeps 42, and 158 would be more than the other car can use."""
    here = two_cars()
    here.report_draw("CP1", 1, 40)
    here.advance(59.5)
    assert offers(here) == [100, 100]
    here.advance(0.5)
    assert offers(here) == [42, 150]
    assert here.allocation.limited_by == {"S0001": Limit.VEHICLE, "S0002": Limit.VEHICLE}


def test_it_is_freed_in_the_middle_of_a_long_step() -> None:
    """An hour at once: a minute at 100 kW for the neighbour, and 59 at 150."""
    here = two_cars()
    here.report_draw("CP1", 1, 40)
    here.advance(3600)
    assert energy_kwh(here, 2) == pytest.approx((1 * 100 + 59 * 150) / 60)


def test_without_a_time_to_wait_it_is_freed_at_once() -> None:
    here = two_cars(reclaimAfter=0)
    here.report_draw("CP1", 1, 40)
    assert offers(here) == [42, 150]


def test_the_margin_and_the_time_are_the_configurations() -> None:
    here = two_cars(reclaimMargin=10, reclaimAfter=300)
    here.report_draw("CP1", 1, 91)
    here.advance(3600)
    assert offers(here) == [100, 100]
    here.report_draw("CP1", 1, 40)
    here.advance(299)
    assert offers(here) == [100, 100]
    here.advance(1)
    assert offers(here) == [50, 150]


def test_a_car_that_takes_nothing_keeps_the_margin_to_show_that_it_wants_more() -> None:
    here = two_cars()
    here.report_draw("CP1", 1, 0)
    here.advance(60)
    assert offers(here) == [2, 150]


def test_a_second_reading_does_not_start_the_clock_again() -> None:
    """Meters say the same every few seconds; a minute is a minute since the first time."""
    here = two_cars()
    for _ in range(6):
        here.report_draw("CP1", 1, 40)
        here.advance(10)
    assert offers(here) == [42, 150]


def test_a_car_that_catches_up_in_time_keeps_its_offer() -> None:
    here = two_cars()
    here.report_draw("CP1", 1, 40)
    here.advance(50)
    here.report_draw("CP1", 1, 100)
    here.advance(50)
    here.report_draw("CP1", 1, 40)
    here.advance(50)
    assert offers(here) == [100, 100]
    here.advance(10)
    assert offers(here) == [42, 150]


def test_a_car_that_takes_still_less_falls_again() -> None:
    here = two_cars()
    here.report_draw("CP1", 1, 40)
    here.advance(60)
    here.report_draw("CP1", 1, 20)
    here.advance(60)
    assert offers(here) == [22, 150]


# Slow up


def test_it_comes_back_in_steps_of_a_tenth_while_the_car_follows() -> None:
    """A tenth of 150 kW is 15: at once, then once a minute; from 100 kW on the neighbour has as much."""
    here = two_cars()
    here.report_draw("CP1", 1, 40)
    here.advance(60)
    here.report_draw("CP1", 1, 42)
    assert offers(here) == [57, 143]
    for expected in ([72, 128], [87, 113], [100, 100]):
        here.report_draw("CP1", 1, offers(here)[0])
        here.advance(59)
        assert offers(here) != expected
        here.advance(1)
        assert offers(here) == expected


def test_it_comes_back_wholly() -> None:
    """42 and 8 steps of 15 are 162 kW, more than the 150 that nature allows: nothing is held back."""
    here = two_cars()
    here.report_draw("CP1", 1, 40)
    here.advance(60)
    here.unplug("CP1", 2)
    here.report_draw("CP1", 1, 42)
    here.advance(6 * 60)
    assert offers(here) == [147]
    here.advance(60)
    assert offers(here) == [150]
    assert here.state.sessions["CP1", 1].meter.ceiling_kw is None


def test_it_stops_where_the_car_no_longer_follows() -> None:
    """From 42 to 57 and 72 kW; there the car takes 60, and keeps 62."""
    here = two_cars()
    here.report_draw("CP1", 1, 40)
    here.advance(60)
    here.report_draw("CP1", 1, 42)
    here.report_draw("CP1", 1, 57)
    here.advance(60)
    assert offers(here) == [72, 128]
    here.report_draw("CP1", 1, 60)
    here.advance(60)
    assert offers(here) == [62, 138]
    here.report_draw("CP1", 1, 60)
    here.advance(3600)
    assert offers(here) == [62, 138]


def test_a_margin_above_a_tenth_is_the_step() -> None:
    here = two_cars(reclaimMargin=20)
    here.report_draw("CP1", 1, 40)
    here.advance(60)
    assert offers(here) == [60, 140]
    here.report_draw("CP1", 1, 60)
    assert offers(here) == [80, 120]


def test_a_new_car_does_not_inherit_what_the_last_one_took() -> None:
    here = two_cars()
    here.report_draw("CP1", 1, 40)
    here.advance(60)
    here.unplug("CP1", 1)
    here.plug_in("CP1", 1, HUNGRY)
    assert here.allocation.offered_kw == {"S0002": 100, "S0003": 100}


# What moves nothing


@pytest.mark.parametrize("drawn_kw", [99.01, 99.5, 100, 100.5, 1000])
def test_noise_moves_nothing(drawn_kw: float) -> None:
    """Below half the margin, and above the offer: it counts as the offer."""
    here = two_cars()
    before = offers(here), here.state.sessions
    here.report_draw("CP1", 1, drawn_kw)
    assert (offers(here), here.state.sessions) == before
    here.advance(3600)
    assert offers(here) == [100, 100]
    assert energy_kwh(here, 1) == pytest.approx(100)


@pytest.mark.parametrize("drawn_kw", [98, 98.5])
def test_a_car_less_than_the_margin_below_keeps_its_offer(drawn_kw: float) -> None:
    here = two_cars()
    here.report_draw("CP1", 1, drawn_kw)
    here.advance(3600)
    assert offers(here) == [100, 100]
    assert energy_kwh(here, 1) == pytest.approx(drawn_kw)


@given(noise=st.lists(st.floats(-0.99, 0.99), min_size=1, max_size=20))
@settings(max_examples=20)
def test_noise_below_half_the_margin_moves_nothing(noise: list[float]) -> None:
    """A car of 40 kW stands at 42: 41 and more would be up at its ceiling, 39 and less clearly below."""
    here = two_cars()
    here.report_draw("CP1", 1, 40)
    here.advance(60)
    for kw in noise:
        here.report_draw("CP1", 1, 40 + kw)
        here.advance(60)
        assert offers(here) == [42, 150]


def test_energy_follows_the_report() -> None:
    """100 kW for half an hour, 30 for half of it; the ledger knows no other."""
    here = station(reclaimAfter=86_400)
    here.plug_in("CP1", 1, Vehicle(100))
    here.advance(1800)
    here.report_draw("CP1", 1, 30)
    here.advance(1800)
    assert offers(here) == [100]
    assert energy_kwh(here, 1) == pytest.approx(65)
    assert here.ledger.delivered_kwh == here.ledger.imported_kwh == pytest.approx(65)
    # Who takes nothing for a while is not full earlier.
    here.report_draw("CP1", 1, 0)
    here.advance(1800)
    assert energy_kwh(here, 1) == pytest.approx(65)


def test_a_car_is_full_when_its_report_says_so() -> None:
    """10 kWh are missing: 6 minutes at 100 kW, and 20 at the 30 that it takes."""
    here = station()
    here.plug_in("CP1", 1, Vehicle(100, 50), arrival_soc=0.8)
    here.report_draw("CP1", 1, 30)
    here.advance(19 * 60)
    assert here.state.sessions["CP1", 1].soc == pytest.approx(0.8 + 9.5 / 50)
    here.advance(60)
    assert here.allocation.limited_by["S0001"] is Limit.FINISHED


def test_a_report_while_suspended() -> None:
    """Nothing is offered and nothing is taken: that frees nothing, and the car comes back as it was."""
    here = two_cars()
    here.set_available("CP1", 1, False)
    here.report_draw("CP1", 1, 0)
    here.advance(600)
    here.set_available("CP1", 1, True)
    assert offers(here) == [100, 100]


# Constant cars settle


@st.composite
def constant_cars(draw: st.DrawFn) -> tuple[Station, dict[tuple[str, int], float]]:
    """A station without a battery and turns, which move by themselves, and what each car truly takes."""
    config = {name: value for name, value in draw(configs()).items() if name not in ("battery", "rotation")}
    here = Station(
        load_config({**config, "limitLease": None}), draw(st.sampled_from(["max_min", "priority"]))
    )
    takes = {}
    for place in here.config.plugs:
        highest_kw = draw(st.sampled_from([50.0, 150.0, 300.0]))
        here.plug_in(*place, Vehicle(highest_kw), priority=draw(st.integers(0, 2)))
        takes[place] = draw(st.sampled_from([0.0, 0.03, 0.5, 0.995, 1.0]) | st.floats(0.0, 1.0)) * highest_kw
    return here, takes


@given(drawn=constant_cars(), every_s=st.sampled_from([20, 60, 100]))
@settings(max_examples=20)
def test_constant_cars_settle_and_stay(
    drawn: tuple[Station, dict[tuple[str, int], float]], every_s: float
) -> None:
    """Two rounds of ten steps up are more than enough; then no set-point moves again."""
    here, takes = drawn
    seen = []
    for _ in range(math.ceil(45 * 60 / every_s)):
        for place, true_kw in takes.items():
            name = here.state.sessions[place].session_id
            here.report_draw(*place, min(true_kw, here.allocation.offered_kw[name]))
        here.advance(every_s)
        assert_within_limits(here.snapshot(), here.allocation)
        seen.append(offers(here))
    settled = seen[-1]
    for each in seen[-math.ceil(900 / every_s) :]:
        assert each == pytest.approx(settled, abs=TINY_KW)


# Modules and minima


def test_a_module_that_a_car_does_not_need_goes_to_another() -> None:
    """Three of 75 kW as 150 + 75. The first takes 60 and keeps 62, which one module carries; half a minute
    later, as long as modules are held, the second car has two."""
    here = two_cars({"id": "CP1", "maxPower": 225, "connectors": 2, "moduleSize": 75})
    assert offers(here) == [150, 75]
    here.report_draw("CP1", 1, 60)
    here.advance(60)
    assert offers(here) == [62, 75]
    here.advance(29)
    assert offers(here) == [62, 75]
    here.advance(1)
    assert offers(here) == [62, 150]
    assert here.allocation.modules == {"S0001": 1, "S0002": 2}


def test_a_module_is_no_margin() -> None:
    """A car that draws up to 62 kW has 77 next, of which its one module carries 75: that stays."""
    here = two_cars({"id": "CP1", "maxPower": 225, "connectors": 2, "moduleSize": 75})
    here.report_draw("CP1", 1, 60)
    here.advance(90)
    here.report_draw("CP1", 1, 62)
    here.advance(3600)
    assert offers(here) == [75, 150]


@pytest.mark.parametrize("drawn_kw", [0.0, 5.0, 17.0, 19.0])
def test_nobody_falls_below_the_least_useful_power(drawn_kw: float) -> None:
    """20 kW are the least: what is left is 20, and 21 where the car takes 19."""
    plugs = [{"minPower": 20}, {}]
    here = two_cars({"id": "CP1", "maxPower": 200, "connectors": plugs})
    here.report_draw("CP1", 1, drawn_kw)
    here.advance(60)
    assert offers(here) == [max(20.0, drawn_kw + 2.0), 150]
    here.report_draw("CP1", 1, drawn_kw)
    here.advance(3600)
    assert offers(here)[0] == max(20.0, drawn_kw + 2.0)


def test_a_car_that_waits_for_its_minimum_reports_nothing_new() -> None:
    """20 kW are too little for it; it takes 0 of 0, and is admitted as before when there is room."""
    here = station({"id": "CP1", "maxPower": 200, "connectors": [{"minPower": 50}]}, gridCapacity=400)
    here.plug_in("CP1", 1, HUNGRY)
    here.set_site_limit(20)
    here.report_draw("CP1", 1, 0)
    here.advance(600)
    assert offers(here) == [0]
    here.set_site_limit(None)
    assert offers(here) == [150]


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
def test_a_refused_report_changes_nothing(positions: tuple[Any, ...], words: str) -> None:
    here = station()
    here.plug_in("CP1", 1, HUNGRY)
    here.report_draw("CP1", 1, 40)
    before = here.state, here.allocation, here.snapshot(), here.events
    with pytest.raises(StationError, match=words):
        here.report_draw(*positions)
    assert (here.state, here.allocation, here.snapshot(), here.events) == before
