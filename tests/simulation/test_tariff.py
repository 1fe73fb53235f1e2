"""Tariffs: months by hand, the real tariff file, the laws of a bill, and refusals."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stations import shared_file

from electra_core.simulation.tariff import Schedule, Tariff, TariffError, read_tariff

# Southern California Edison's TOU-EV-4 of March 2019 in winter, per kWh and per kW.
SUPER_OFF, MID, PEAK, CHARGE = 0.06087, 0.07492, 0.0869, 15.51

WINTER_WEEKDAY = Schedule(
    hours=(0, 8, 12, 18, 23),
    price_per_kwh=(SUPER_OFF, MID, PEAK, MID, SUPER_OFF),
    demand_charge_per_kw=CHARGE,
    first_day="10-01",
    last_day="05-31",
    days="WEEKDAYS",
    name="Winter-Weekday",
)
WINTER_WEEKEND = Schedule((0,), (SUPER_OFF,), CHARGE, "10-01", "05-31", "WEEKENDS", "Winter-Weekend")
SUMMER = Schedule((0, 12, 18), (0.05, 0.25, 0.05), 20.0, "06-01", "09-30", name="Summer")
SEASONS = Tariff("seasons", (WINTER_WEEKDAY, WINTER_WEEKEND, SUMMER))

FLAT = Tariff("flat", (Schedule((0,), (0.3,), 12.0),))


def real_tariff() -> Tariff:
    return read_tariff(shared_file("data/site/sce_tou_ev_4_march_2019.json"))


def month_by_hand(kw: float) -> float:
    """Return the bill of March 2019 at a constant power: 21 weekdays, 10 days of weekends."""
    weekday = (8 + 1) * SUPER_OFF + (4 + 5) * MID + 6 * PEAK
    weekend = 24 * SUPER_OFF
    return kw * (21 * weekday + 10 * weekend + CHARGE)


@pytest.mark.parametrize("step_s", [60.0, 300.0, 3600.0])
def test_month_at_constant_power_costs_the_sum_by_hand(step_s: float) -> None:
    steps = round(31 * 86_400 / step_s)
    assert month_by_hand(10.0) == pytest.approx(512.2251 + 155.1)
    assert SEASONS.cost("2019-03-01", np.full(steps, 10.0), step_s) == pytest.approx(month_by_hand(10.0))


def test_real_tariff_charges_the_month_by_hand() -> None:
    tariff = real_tariff()
    assert tariff.name == "SCE TOU-EV-4"
    assert tariff.source.startswith("https://")
    assert len(tariff.schedules) == 4
    assert tariff.cost("2019-03-01", np.full(31 * 96, 10.0), 900.0) == pytest.approx(month_by_hand(10.0))


def test_real_tariff_has_prices_by_season_weekday_and_hour() -> None:
    expected = {
        "2019-07-01 09:30": 0.0925,  # a Monday in summer
        "2019-07-01 08:00": 0.0925,
        "2019-07-01 07:59": 0.05623,
        "2019-07-01 12:00": 0.26668,
        "2019-07-06 12:00": 0.05623,  # a Saturday
        "2019-09-30 23:59": 0.05623,  # the last day of summer, a Monday
        "2019-10-01 00:00": 0.06087,
        "2019-12-31 13:00": 0.0869,  # winter goes over the end of the year
        "2020-01-01 13:00": 0.0869,
        "2020-02-29 13:00": 0.06087,  # a Saturday
        "2019-05-31 13:00": 0.0869,
    }
    tariff = real_tariff()
    assert {start: tariff.prices(start, 1, 60.0)[0] for start in expected} == expected


def test_prices_change_at_midnight_and_with_the_season() -> None:
    prices = SEASONS.prices(pd.Timestamp("2019-05-31 22:30"), 6, 1800.0)
    assert prices.tolist() == [MID, SUPER_OFF, SUPER_OFF, 0.05, 0.05, 0.05]


def test_step_across_a_change_has_the_earlier_price() -> None:
    assert SEASONS.prices("2019-07-01 11:00", 2, 7200.0).tolist() == [0.05, 0.25]


def test_rounded_step_on_the_hour_has_the_price_of_that_hour() -> None:
    """Steps of 0.1 s: the one that begins at 8 has the price from 8 on."""
    prices = SEASONS.prices("2019-03-01", 8 * 36_000 + 1, 0.1)
    assert (prices[:-1] == SUPER_OFF).all()
    assert prices[-1] == MID


def test_prices_of_a_leap_year_agree_with_the_calendar() -> None:
    """Each hour of 2020 is looked up by itself."""
    hours = pd.date_range("2020-01-01", "2021-01-01", freq="h", inclusive="left")

    def price(hour: pd.Timestamp) -> float:
        if 6 <= hour.month <= 9:
            return 0.25 if 12 <= hour.hour < 18 else 0.05
        if hour.weekday() >= 5 or hour.hour < 8 or hour.hour == 23:
            return SUPER_OFF
        return PEAK if 12 <= hour.hour < 18 else MID

    assert SEASONS.prices("2020-01-01", len(hours), 3600.0).tolist() == [price(hour) for hour in hours]


def test_each_calendar_month_pays_its_own_quarter_hour() -> None:
    """31 May in winter, 1 June in summer: 30 kW at 15.51 and 50 kW at 20."""
    import_kw = np.zeros(2 * 96)
    import_kw[[10, 100]] = 30.0, 50.0
    assert SEASONS.demand_charges("2019-05-31", import_kw, 900.0) == pytest.approx(30 * CHARGE + 50 * 20.0)


def test_peak_of_a_run_begun_off_the_quarter_hour_is_measured_by_the_clock() -> None:
    """100 kW from 06:10 to 06:20: 5 minutes in each of two quarter-hours, the first covered in part."""
    import_kw = [0.0] * 10 + [100.0] * 10 + [0.0] * 25
    assert FLAT.demand_charges("2019-03-01 06:00", import_kw, 60.0) == pytest.approx(12 * 100 / 3)
    assert FLAT.demand_charges("2019-03-01 06:10", import_kw[10:], 60.0) == pytest.approx(12 * 100)


def test_quarter_hour_before_midnight_counts_in_its_own_month() -> None:
    import_kw = [90.0] * 15 + [60.0] * 15
    assert FLAT.demand_charges("2019-03-31 23:45", import_kw, 60.0) == pytest.approx(12 * (90 + 60))


def test_month_with_different_charges_pays_the_dearest_quarter_hour() -> None:
    weekend = Schedule((0,), (0.1,), 1.0, days="WEEKENDS")
    tariff = Tariff("", (Schedule((0,), (0.2,), 10.0, days="WEEKDAYS"), weekend))
    friday_kw, saturday_kw = np.full(24, 50.0), np.full(24, 400.0)
    assert tariff.demand_charges("2019-03-01", np.append(friday_kw, saturday_kw), 3600.0) == 500.0


def test_shorter_last_step_is_paid_by_its_length() -> None:
    cost = FLAT.cost("2019-03-01", [60.0, 60.0], 3600.0, lengths_s=[3600.0, 1800.0])
    assert cost == pytest.approx(0.3 * 90 + 12 * 60)


def test_run_without_import_costs_nothing() -> None:
    assert FLAT.cost("2019-03-01", [], 60.0) == 0.0
    assert FLAT.cost("2019-03-01", [0.0] * 10, 60.0) == 0.0
    assert FLAT.prices("2019-03-01", 0, 60.0).tolist() == []


starts = st.datetimes(pd.Timestamp("2018-01-01").to_pydatetime(), pd.Timestamp("2028-12-31").to_pydatetime())
imports = st.lists(st.floats(0.0, 500.0), min_size=1, max_size=60)


@given(starts, imports, st.sampled_from([60.0, 420.0, 900.0, 3600.0, 86_400.0]), st.floats(0.0, 10.0))
def test_bill_of_any_run_lies_within_its_prices_and_scales(
    start: Any, import_kw: list[float], step_s: float, factor: float
) -> None:
    cost = SEASONS.cost(start, import_kw, step_s)
    peaks = SEASONS.demand_charges(start, import_kw, step_s)
    kwh = sum(import_kw) * step_s / 3600
    prices = SEASONS.prices(start, len(import_kw), step_s)
    assert set(prices) <= {SUPER_OFF, MID, PEAK, 0.05, 0.25}
    # Bounds: all energy at the lowest and the highest price, peaks at the lowest and the highest charge.
    assert 0.05 * kwh - 1e-6 <= cost - peaks <= 0.25 * kwh + 1e-6
    months = len(
        pd.period_range(start, pd.Timestamp(start) + pd.Timedelta(len(import_kw) * step_s, "s"), freq="M")
    )
    assert 0.0 <= peaks <= 20.0 * max(import_kw) * months * (1 + 1e-9)
    assert peaks >= CHARGE * kwh * 3600 / (step_s * len(import_kw)) * (1 - 1e-6)
    scaled = SEASONS.cost(start, factor * np.array(import_kw), step_s)
    assert scaled == pytest.approx(factor * cost, rel=1e-9, abs=1e-9)
    assert SEASONS.cost(start, np.array(import_kw) + 1.0, step_s) > cost


ENTRY: dict[str, Any] = {
    "id": "All-Year",
    "effective_start": "01-01",
    "effective_end": "12-31",
    "dow_mask": "ALL",
    "times": [0, 8.5, 20],
    "tariffs": [0.1, 0.2, 0.1],
    "demand_charge": 15,
}


@pytest.fixture
def written(tmp_path: Path) -> Callable[[Any], Path]:
    def write(content: Any) -> Path:
        path = tmp_path / "tariff.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        return path

    return write


def test_file_without_a_name_takes_the_name_of_the_file(written: Callable[[Any], Path]) -> None:
    tariff = read_tariff(
        written({"schedule": [{**ENTRY, "effective_start": "3-1", "effective_end": "2-29"}]})
    )
    assert tariff.name == "tariff"
    assert tariff.prices("2019-03-01 08:00", 3, 1800.0).tolist() == [0.1, 0.2, 0.2]
    assert read_tariff(str(written({"schedule": [ENTRY]}))).schedules[0].demand_charge_per_kw == 15


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"times": [0, 12, 8]},
            r"schedule\[0\] 'All-Year': hours must rise and stay below 24, got 8 after 12",
        ),
        ({"times": [0, 8, 24]}, "hours must rise and stay below 24, got 24 after 24"),
        ({"times": [8, 12, 18]}, r"the first of the hours must be 0, got \[8.0, 12.0, 18.0\]"),
        ({"times": [-1, 0, 8]}, "the first of the hours must be 0"),
        ({"times": [0, 8]}, "there are 2 hours but 3 prices"),
        ({"times": [], "tariffs": []}, "the first of the hours must be 0"),
        ({"times": "0, 8, 20"}, "the hours must be a list of numbers, got '0, 8, 20'"),
        ({"tariffs": [0.1, None, 0.1]}, "the prices must be a list of numbers"),
        ({"tariffs": 0.1}, "the prices must be a list of numbers, got 0.1"),
        ({"demand_charge": -1}, "the demand charge must be at least 0, got -1"),
        ({"demand_charge": "15"}, "the demand charge must be a finite number, got '15'"),
        ({"dow_mask": "WEEKDAY"}, "the days must be one of ALL, WEEKDAYS, WEEKENDS, got 'WEEKDAY'"),
        ({"dow_mask": [1]}, "the days must be one of"),
        ({"effective_start": "13-01"}, "a day must be written MM-DD, such as 06-01, got '13-01'"),
        ({"effective_end": "02-30"}, "a day must be written MM-DD, such as 06-01, got '02-30'"),
        ({"effective_end": 1231}, "a day must be written MM-DD, such as 06-01, got 1231"),
        ({"effective_end": "11-30"}, "no schedule holds on 12-01, when that is a Monday"),
        ({"effective_end": "02-28", "effective_start": "03-01"}, "no schedule holds on 02-29"),
        ({"dow_mask": "WEEKDAYS"}, "no schedule holds on 01-01, when that is a Saturday"),
    ],
)
def test_file_with_a_bad_schedule_is_refused(written: Callable[[Any], Path], change: Any, words: str) -> None:
    with pytest.raises(TariffError, match=f"^tariff.json: .*{words}"):
        read_tariff(written({"name": "T", "schedule": [{**ENTRY, **change}]}))


@pytest.mark.parametrize("key", [key for key in ENTRY if key != "id"])
def test_missing_key_is_named(written: Callable[[Any], Path], key: str) -> None:
    entry = {name: value for name, value in ENTRY.items() if name != key}
    with pytest.raises(TariffError, match=rf"^tariff.json: schedule\[0\] 'All-Year': {key} is missing$"):
        read_tariff(written({"schedule": [entry]}))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "the file is empty"),
        ('{"schedule": [}', "line 1, column 15: not JSON: "),
        ('{"name": "a", "name": "b"}', "name: is given twice"),
        ("[]", "a tariff is an object with a list named schedule"),
        ({"name": "T"}, "a tariff is an object with a list named schedule"),
        ({"schedule": {}}, "a tariff is an object with a list named schedule"),
        ({"schedule": []}, "no schedule holds on 01-01, when that is a Monday"),
        ({"schedule": [7]}, r"schedule\[0\] must be an object in braces, got 7"),
        (
            {"schedule": [ENTRY, {**ENTRY, "id": "Again", "dow_mask": "WEEKENDS"}]},
            r"schedule\[0\] 'All-Year' and schedule\[1\] 'Again' hold at once on 01-01, when that is a Sat",
        ),
    ],
)
def test_file_of_another_form_is_refused(written: Callable[[Any], Path], content: Any, words: str) -> None:
    with pytest.raises(TariffError, match=f"^tariff.json: {words}"):
        read_tariff(written(content))


def test_missing_or_unreadable_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TariffError, match=r"^none.json: there is no file '.*none.json'"):
        read_tariff(tmp_path / "none.json")
    with pytest.raises(TariffError, match="the file cannot be read"):
        read_tariff(tmp_path)


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda: FLAT.cost("2019-03-01", [1.0, -2.0], 60.0), r"import_kw\[1\] must be 0 kW or more, got -2"),
        (lambda: FLAT.cost(pd.Timestamp("2019-03-01", tz="UTC"), [1.0], 60.0), "without a time zone"),
        (lambda: FLAT.cost("soon", [1.0], 60.0), "start must be a date and time, got 'soon'"),
        (lambda: FLAT.cost(0, [1.0], 60.0), "start must be a date and time, got 0"),  # type: ignore[arg-type]
        (lambda: FLAT.cost(pd.NaT, [1.0], 60.0), "start must be a date and time, got NaT"),
        (lambda: FLAT.cost("2019-03-01", [1.0], 0.0), "step_s must be at least 0.001, got 0.0"),
        (lambda: FLAT.prices("2019-03-01", -1, 60.0), "steps must be a whole number, 0 or more, got -1"),
        (lambda: FLAT.prices("2019-03-01", 2.5, 60.0), "steps must be a whole number, 0 or more, got 2.5"),
        (
            lambda: FLAT.cost("2019-03-01", [1.0, 1.0], 60.0, lengths_s=[30.0, 60.0]),
            "lengths_s must be 60 s for each step but the last",
        ),
        (lambda: Tariff("T", ("flat",)), "schedules must be of the class Schedule, got 'flat'"),
    ],
)
def test_argument_out_of_range_is_refused(ask: Any, words: str) -> None:
    with pytest.raises(TariffError, match=words):
        ask()
