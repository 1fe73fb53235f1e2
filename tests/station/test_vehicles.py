"""Cars, their charging curves, and the real figures that are shipped with the package."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stations import curves, shared_file, straight_line

from electra_core import ChargingCurve, Vehicle, VehicleError, catalogue, day_names, load_day
from electra_core.station import typical_curve

socs = st.floats(0.0, 1.0)
offers = st.sampled_from([0.0, 7.4, 50.0, 150.0]) | st.floats(0.0, 400.0)


def energy_kwh(car: Vehicle, soc: float, offered_kw: float, seconds: float) -> float:
    return car.climb(soc, 1.0, offered_kw, seconds)[0]


# Curves


@pytest.mark.parametrize(
    ("points", "words"),
    [
        ([], "at least 2 points, got 0"),
        ([(0, 50)], "at least 2 points, got 1"),
        ([(0, 50), (0, 40)], "SoC must rise"),
        ([(0.5, 50), (0.2, 40)], "SoC must rise"),
        ([(0, 50), (1.1, 40)], "SoC must be from 0 to 1, got 1.1"),
        ([(-0.1, 50), (1, 40)], "SoC must be from 0 to 1, got -0.1"),
        ([(0, 50), (80, 40)], "SoC must be from 0 to 1, got 80"),
        ([(0, -5), (1, 40)], "kW must be greater than 0, got -5 at SoC 0"),
        ([(0, 0), (1, 40)], "kW must be greater than 0, got 0 at SoC 0"),
        ([(0, 50), (0.9, 0)], "kW must be greater than 0, got 0 at SoC 0.9"),
        ([(0, math.nan), (1, 40)], "kW must be greater than 0, got nan"),
        ([(0, math.inf), (1, 40)], "kW must be greater than 0, got inf"),
        ([(math.nan, 5), (1, 40)], "SoC must be from 0 to 1, got nan"),
        ([(0, 10**400), (1, 40)], "charging curve"),
        ([(0, 50, 3), (1, 40)], "list of pairs"),
        ([1, 2], "list of pairs"),
        ("curve", "list of pairs"),
        (None, "list of pairs"),
        ([("a", "b"), (1, 40)], "list of pairs"),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_nonsense_curve_is_refused(points: Any, words: str) -> None:
    with pytest.raises(VehicleError, match=words):
        ChargingCurve(points)


@given(curve=curves(), soc=socs)
def test_curve_is_straight_between_its_points(curve: ChargingCurve, soc: float) -> None:
    assert curve(soc) == pytest.approx(straight_line(curve.points, soc), rel=1e-9)


def test_curve_may_end_at_0() -> None:
    car = Vehicle(50, 50, ChargingCurve([(0, 50), (1, 0)]))
    # dp/dt = -p / 1 h: after an hour 1 - 1/e of the way is done, and the end is never reached.
    assert energy_kwh(car, 0.0, 100, 3600) == pytest.approx(50 * (1 - math.exp(-1)))
    assert energy_kwh(car, 0.0, 100, 1e6) == pytest.approx(50)
    assert energy_kwh(car, 1.0, 100, 3600) == 0.0


# Cars


@pytest.mark.parametrize(
    ("figures", "words"),
    [
        ({"max_power_kw": 0}, "max_power_kw must be a number greater than 0, got 0"),
        ({"max_power_kw": -1}, "max_power_kw must be a number greater than 0, got -1"),
        ({"max_power_kw": math.nan}, "got nan"),
        ({"max_power_kw": math.inf}, "got inf"),
        ({"max_power_kw": 10**400}, "max_power_kw"),
        ({"max_power_kw": "150"}, "got '150'"),
        ({"max_power_kw": True}, "got True"),
        ({"max_power_kw": None}, "got None"),
        ({"battery_kwh": 0}, "battery_kwh must be a number greater than 0, got 0"),
        ({"min_power_kw": -1}, "min_power_kw must be a number 0 or more, got -1"),
        ({"min_power_kw": 151}, "min_power_kw 151 is above max_power_kw 150"),
        ({"curve": [(0, 1), (1, 1)], "battery_kwh": 50}, "must be a ChargingCurve"),
        ({"curve": ChargingCurve([(0, 50), (1, 5)])}, "needs battery_kwh"),
        ({"name": 5}, "name must be text on one line, got 5"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_nonsense_car_is_refused(figures: dict[str, Any], words: str) -> None:
    with pytest.raises(VehicleError, match=words):
        Vehicle(**{"max_power_kw": 150, **figures})


def test_car_needs_no_more_than_a_power() -> None:
    car = Vehicle(max_power_kw=150)
    assert car.ceiling_kw(None) == 150
    with pytest.raises(VehicleError, match="battery_kwh"):
        energy_kwh(car, 0.5, 50, 60)


@given(curve=curves(), soc=socs, max_kw=st.floats(1.0, 300.0))
def test_ceiling_is_the_curve_up_to_the_cars_power(curve: ChargingCurve, soc: float, max_kw: float) -> None:
    car = Vehicle(max_kw, 60, curve)
    assert car.ceiling_kw(soc) == min(max_kw, curve(soc))
    assert car.ceiling_kw(None) == max_kw


# Energy over time

cars = st.builds(
    Vehicle, max_power_kw=st.floats(1.0, 300.0), battery_kwh=st.floats(5.0, 120.0), curve=st.none() | curves()
)


@given(car=cars, soc=socs, offer=offers, first=st.floats(0.0, 3600.0), second=st.floats(0.0, 3600.0))
def test_energy_adds_up_in_time(car: Vehicle, soc: float, offer: float, first: float, second: float) -> None:
    assert car.battery_kwh is not None
    whole = energy_kwh(car, soc, offer, first + second)
    part = energy_kwh(car, soc, offer, first)
    rest = energy_kwh(car, min(1.0, soc + part / car.battery_kwh), offer, second)
    assert part + rest == pytest.approx(whole, abs=1e-6)


@given(car=cars, soc=socs, offer=offers, seconds=st.floats(0.0, 7200.0))
def test_energy_stays_below_offer_curve_and_battery(
    car: Vehicle, soc: float, offer: float, seconds: float
) -> None:
    assert car.battery_kwh is not None
    taken_kwh = energy_kwh(car, soc, offer, seconds)
    peak_kw = max(car.curve.kw) if car.curve else car.max_power_kw
    assert 0.0 <= taken_kwh <= min(offer, car.max_power_kw, peak_kw) * seconds / 3600 + 1e-9
    assert taken_kwh <= (1.0 - soc) * car.battery_kwh + 1e-9
    # On the way the power is never above the highest of the curve between the two SoC.
    if car.curve:
        end = soc + taken_kwh / car.battery_kwh
        on_the_way = [
            car.curve(soc),
            car.curve(end),
            *(kw for at, kw in car.curve.points if soc <= at <= end),
        ]
        assert taken_kwh <= max(on_the_way) * seconds / 3600 + 1e-9


@given(car=cars, soc=st.floats(0.0, 0.95), offer=st.floats(5.0, 400.0))
@settings(max_examples=30)
def test_energy_equals_many_small_steps(car: Vehicle, soc: float, offer: float) -> None:
    assert car.battery_kwh is not None
    now = soc
    for _ in range(6000):  # tenths of a second, each at the power in its middle
        limit_kw = min(offer, car.max_power_kw)
        step = min(limit_kw, straight_line(car.curve.points, now) if car.curve else limit_kw) / 36_000
        middle = min(1.0, now + step / 2 / car.battery_kwh)
        step = min(limit_kw, straight_line(car.curve.points, middle) if car.curve else limit_kw) / 36_000
        now = min(1.0, now + step / car.battery_kwh)
    assert energy_kwh(car, soc, offer, 600) == pytest.approx((now - soc) * car.battery_kwh, abs=1e-3)


@given(car=cars)
def test_car_survives_json(car: Vehicle) -> None:
    assert Vehicle.from_json(json.loads(json.dumps(car.to_json()))) == car


# The shipped cars and days


def test_catalogue_holds_real_cars() -> None:
    cars = catalogue()
    published = [car for car in cars.values() if car.curve_source == "published"]
    assert len(published) >= 25
    assert all(car.curve_source in ("published", "typical") for car in cars.values())
    for name, car in cars.items():
        assert car.name == name
        assert car.curve is not None
        assert car.battery_kwh is not None
        assert 15 <= car.battery_kwh <= 130
        assert max(car.curve.kw) == pytest.approx(car.max_power_kw, rel=0.02)
        # From 10 to 80 % every one of them needs between ten minutes and two hours.
        wanted_kwh = 0.7 * car.battery_kwh
        assert energy_kwh(car, 0.1, 1000, 600) < wanted_kwh < energy_kwh(car, 0.1, 1000, 7200)


def test_car_without_a_published_curve_says_so() -> None:
    typical = [car for car in catalogue().values() if car.curve_source == "typical"]
    assert typical
    for car in typical:
        assert car.curve == typical_curve(car.max_power_kw)


def test_curves_are_the_published_ones() -> None:
    rows = json.loads(shared_file("data/vehicles/dc_charging_curves.json").read_text(encoding="utf-8"))[
        "vehicles"
    ]
    published = {
        (row["usable_kwh"], row["dc_max_kw"], tuple((soc / 100, kw) for soc, kw in row["dc_curve_soc_kw"]))
        for row in rows
    }
    for car in catalogue().values():
        if car.curve_source == "published":
            assert car.curve is not None
            points = tuple((round(soc, 6), kw) for soc, kw in car.curve.points)
            assert (car.battery_kwh, car.max_power_kw, points) in published, car.name


def test_typical_curve_is_the_median_of_the_published_ones() -> None:
    rows = json.loads(shared_file("data/vehicles/dc_charging_curves.json").read_text(encoding="utf-8"))[
        "vehicles"
    ]
    shapes = []
    for row in rows:
        points = [(soc / 100, kw) for soc, kw in row["dc_curve_soc_kw"]]
        shapes.append((points, max(kw for _, kw in points)))
    ours = typical_curve(1.0).points
    medians = [median([straight_line(points, soc) / peak for points, peak in shapes]) for soc, _ in ours]
    assert [kw for _, kw in ours] == pytest.approx([value / max(medians) for value in medians], abs=1e-3)


def median(values: list[float]) -> float:
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def test_shipped_days_load() -> None:
    assert "epfl_2022-10-18" in day_names()
    for name in day_names():
        day = load_day(name)
        assert day.title
        assert day.source
        assert day.licence
        arrivals = [visit.arrival_s for visit in day.arrivals]
        assert arrivals == sorted(arrivals)
        for visit in day.arrivals:
            assert visit.arrival_s < visit.departure_s
            assert 0.0 <= visit.arrival_soc < visit.target_soc <= 1.0
    assert len(load_day("epfl_2022-10-18").arrivals) == 10


def test_unknown_day_is_refused() -> None:
    with pytest.raises(KeyError, match="epfl_2022-10-18"):
        load_day("yesterday")


@pytest.mark.parametrize("name", [name for name in day_names() if name.startswith("epfl_")])
def test_shipped_day_equals_the_measured_one(name: str) -> None:
    days = json.loads(shared_file("cases/epfl_busiest_days_2022.json").read_text(encoding="utf-8"))["days"]
    rows = next(day for day in days if f"epfl_{day['date']}" == name)["sessions"]
    visits = {visit.name: visit for visit in load_day(name).arrivals}
    assert set(visits) == {row["id"] for row in rows}
    for row in rows:
        visit = visits[row["id"]]
        assert (visit.charger_id, visit.connector) == (row["charger"], row["connector"])
        assert (visit.arrival_s, visit.departure_s) == (60 * row["arrival_min"], 60 * row["departure_min"])
        assert (visit.arrival_soc, visit.target_soc) == pytest.approx(
            (row["soc_arrival"] / 100, row["soc_departure"] / 100)
        )
        assert visit.measured_kwh == row["energy_kwh"]
        # Between its two SoC lies exactly the measured energy.
        wanted_kwh = (visit.target_soc - visit.arrival_soc) * (visit.vehicle.battery_kwh or 0.0)
        assert wanted_kwh == pytest.approx(row["energy_kwh"])
        limited_kw = min(row["vehicleMaxPower"], 172.5)
        assert visit.vehicle.max_power_kw == (limited_kw if row["was_limited"] else row["measured_pmax_kw"])
