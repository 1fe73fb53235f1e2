"""Random sessions: repeatable, with the given rates, cars and SoC."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stations import ROOT, shared_file

from electra_core import catalogue, load_config
from electra_core.sessions import generate, read_epfl, read_session_table, read_sessions
from electra_core.sessions.generator import EPFL_HOURS, EPFL_WEEKDAYS

PARIS = load_config(ROOT / "configs/electra_paris_15.json")
HOUR_S, DAY_S = 3600.0, 86_400.0


def hour_of_day(table: pd.DataFrame) -> np.ndarray:
    return ((table["arrival_s"] % DAY_S) // HOUR_S).to_numpy(dtype=int)


def day_of(table: pd.DataFrame) -> np.ndarray:
    return (table["arrival_s"] // DAY_S).to_numpy(dtype=int)


def excess_chi_square(counts: np.ndarray, expected: np.ndarray) -> float:
    """Return how far chi-square is above its mean, in standard deviations; above 4 is wrong."""
    assert expected.min() > 5
    chi_square = float(((counts - expected) ** 2 / expected).sum())
    return (chi_square - len(counts)) / math.sqrt(2 * len(counts))


# Repeatability


def test_same_seed_gives_the_same_table() -> None:
    options: dict[str, Any] = {"arrivals_per_day": 50, "dwell_s": (1740, 0.56)}
    first = generate(30, seed=7, **options)
    pd.testing.assert_frame_equal(first, generate(30, seed=7, **options), check_exact=True)
    pd.testing.assert_frame_equal(
        first, generate(30, seed=np.random.default_rng(7), **options), check_exact=True
    )
    assert not first["arrival_s"].equals(generate(30, seed=8, **options)["arrival_s"])


def test_random_generator_continues_from_its_state() -> None:
    random = np.random.default_rng(7)
    first, second = generate(30, seed=random), generate(30, seed=random)
    assert not first["arrival_s"].equals(second["arrival_s"])


def test_global_random_state_of_numpy_is_unchanged() -> None:
    np.random.seed(1)
    before = np.random.random()
    np.random.seed(1)
    generate(5, seed=3)
    assert np.random.random() == before


# Arrivals


def test_arrivals_follow_the_rates_of_hours_and_weekdays() -> None:
    days = 7 * 200
    table = generate(days, seed=1, arrivals_per_day=40)
    shares = np.array(EPFL_HOURS) / sum(EPFL_HOURS)
    assert excess_chi_square(np.bincount(hour_of_day(table), minlength=24), 40 * days * shares) < 4
    factors = np.array(EPFL_WEEKDAYS)
    assert factors.sum() == pytest.approx(7.0)
    assert excess_chi_square(np.bincount(day_of(table) % 7, minlength=7), 40 * 200 * factors) < 4


def test_daily_count_is_poisson_distributed() -> None:
    counts = np.bincount(
        day_of(generate(5000, seed=2, arrivals_per_day=20, weekdays=[1] * 7)), minlength=5000
    )
    assert counts.mean() == pytest.approx(20, abs=4 * math.sqrt(20 / 5000))
    # The variance is the mean; its own spread over n days is about sqrt(2 / n).
    assert counts.var() / counts.mean() == pytest.approx(1.0, abs=4 * math.sqrt(2 / 5000))


def test_arrivals_are_uniform_within_an_hour() -> None:
    table = generate(2000, seed=3, arrivals_per_day=30)
    tenths = ((table["arrival_s"] % HOUR_S) // (HOUR_S / 10)).to_numpy(dtype=int)
    assert excess_chi_square(np.bincount(tenths, minlength=10), np.full(10, len(table) / 10)) < 4


def test_gaps_of_a_constant_rate_are_exponential() -> None:
    """With one rate all day the gaps are exponential: as much spread as mean, and no memory."""
    table = generate(2000, seed=4, arrivals_per_day=30, hours=[1] * 24, weekdays=[1] * 7)
    gaps = np.diff(table["arrival_s"])
    assert gaps.mean() == pytest.approx(DAY_S / 30, rel=0.02)
    assert gaps.std() == pytest.approx(gaps.mean(), rel=0.03)
    assert abs(np.corrcoef(gaps[:-1], gaps[1:])[0, 1]) < 4 / math.sqrt(len(gaps))


def test_rate_of_0_gives_no_arrivals() -> None:
    hours = [0.0] * 24
    hours[7], hours[18] = 1, 3
    table = generate(70, seed=5, arrivals_per_day=50, hours=hours, weekdays=[1, 1, 1, 1, 1, 0, 0])
    counts = np.bincount(hour_of_day(table), minlength=24)
    assert set(np.flatnonzero(counts)) == {7, 18}
    assert excess_chi_square(counts[[7, 18]], np.array([12.5, 37.5]) * 50) < 4
    assert set(day_of(table) % 7) == {0, 1, 2, 3, 4}


def test_first_weekday_sets_the_weekday_of_the_first_day() -> None:
    table = generate(3, seed=6, arrivals_per_day=50, weekdays=[0, 0, 0, 0, 0, 0, 1], first_weekday=5)
    assert set(day_of(table)) == {1}


def test_table_is_ordered_and_within_its_days() -> None:
    table = generate(10, seed=7, arrivals_per_day=100)
    assert table["arrival_s"].is_monotonic_increasing
    assert table["arrival_s"].between(0.0, 10 * DAY_S, inclusive="left").all()
    assert table["session_id"].tolist() == [f"G{place}" for place in range(1, len(table) + 1)]


# Cars


def test_cars_have_the_given_shares() -> None:
    cars = {"Peugeot e-208": 3, "Porsche Macan": 1, "Dacia Spring": 0}
    table = generate(500, seed=8, arrivals_per_day=20, cars=cars)
    counts = table["vehicle"].value_counts()
    assert set(counts.index) == {"Peugeot e-208", "Porsche Macan"}
    expected = np.array([0.75, 0.25]) * len(table)
    assert excess_chi_square(counts[["Peugeot e-208", "Porsche Macan"]].to_numpy(), expected) < 4


def test_all_cars_have_the_same_share_by_default() -> None:
    table = generate(1000, seed=9, arrivals_per_day=20)
    counts = table["vehicle"].value_counts()
    assert set(counts.index) == set(catalogue())
    assert excess_chi_square(counts.to_numpy(), np.full(len(counts), len(table) / len(counts))) < 4


def test_default_soc_follows_the_beta_distributions_of_the_log() -> None:
    table = generate(2000, seed=10, arrivals_per_day=20)
    arrival, target = table["arrival_soc"], table["target_soc"]
    assert (arrival.min() >= 0.0) & (target.max() <= 1.0) & (target >= arrival).all()
    a, b = 1.7, 3.4
    assert arrival.mean() == pytest.approx(a / (a + b), abs=0.005)
    assert arrival.var() == pytest.approx(a * b / (a + b) ** 2 / (a + b + 1), rel=0.05)
    filled = (target - arrival) / (1.0 - arrival)
    assert filled.mean() == pytest.approx(2.0 / 2.84, abs=0.005)
    assert abs(np.corrcoef(filled, arrival)[0, 1]) < 4 / math.sqrt(len(table))


def test_constant_soc_is_the_same_for_all_cars() -> None:
    """A car that arrives with the common target or more wants a full battery."""
    table = generate(20, seed=11, arrivals_per_day=50, target_soc=0.6)
    assert set(table["target_soc"]) == {0.6, 1.0}
    assert ((table["arrival_soc"] < 0.6) == (table["target_soc"] == 0.6)).all()
    assert set(generate(5, seed=1, arrival_soc=0.2)["arrival_soc"]) == {0.2}


def test_dwell_is_log_normal_or_missing() -> None:
    assert generate(5, seed=12)["departure_s"].isna().all()
    table = generate(1000, seed=12, arrivals_per_day=20, dwell_s=(1740, 0.56))
    dwell_s = table["departure_s"] - table["arrival_s"]
    assert dwell_s.min() > 0.0
    assert np.log(dwell_s).mean() == pytest.approx(math.log(1740), abs=0.02)
    assert np.log(dwell_s).std() == pytest.approx(0.56, abs=0.02)
    exact = generate(5, seed=12, dwell_s=(600, 0))
    np.testing.assert_allclose(exact["departure_s"] - exact["arrival_s"], 600.0)


def test_patience_is_constant_or_missing() -> None:
    assert generate(5, seed=13)["patience_s"].isna().all()
    assert set(generate(5, seed=13, patience_s=300)["patience_s"]) == {300.0}


# Tables


@given(
    days=st.integers(1, 20),
    seed=st.integers(0, 2**70),
    arrivals_per_day=st.floats(0.0, 60.0),
    arrival_soc=st.floats(0.0, 1.0) | st.tuples(st.floats(0.01, 50.0), st.floats(0.01, 50.0)),
    target_soc=st.floats(0.0, 1.0) | st.tuples(st.floats(0.01, 50.0), st.floats(0.01, 50.0)),
    dwell_s=st.none() | st.tuples(st.floats(0.0, 1e6), st.floats(0.0, 5.0)),
    patience_s=st.none() | st.floats(0.0, 1e6),
)
def test_station_takes_every_generated_table(**options: Any) -> None:
    table = generate(options.pop("days"), **options)
    checked = read_session_table(table, PARIS)
    assert len(checked) == len(table)
    assert np.isfinite(checked.requested_kwh).all()
    assert (checked.connector == -1).all()


def test_generated_table_survives_a_csv_file(tmp_path: Path) -> None:
    table = generate(3, seed=14, dwell_s=(1740, 0.56), patience_s=600)
    table.to_csv(tmp_path / "made_up.csv", index=False)
    back = read_sessions(tmp_path / "made_up.csv")
    pd.testing.assert_frame_equal(back, table, check_dtype=False, check_exact=True)


def test_default_rates_are_those_of_the_real_log() -> None:
    log = read_epfl(shared_file("data/sessions/epfl_level3_2022.csv"))
    counts = np.bincount(hour_of_day(log), minlength=24)
    np.testing.assert_allclose(EPFL_HOURS, 100 * counts / len(log), atol=0.051)
    # The log's first day, 12 April 2022, is a Tuesday.
    days = pd.Series(day_of(log)).drop_duplicates()
    weekdays = (day_of(log) + 1) % 7
    a_day = np.bincount(weekdays, minlength=7) / np.bincount((days + 1) % 7, minlength=7)
    np.testing.assert_allclose(EPFL_WEEKDAYS, a_day / a_day.mean(), atol=0.006)
    assert len(log) / len(days) == pytest.approx(9.3, abs=0.05)


# Refusals

REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no days": ({"days": 0}, "days must be a whole number from 1 to 36525, got 0"),
    "days before": ({"days": -3}, "days must be a whole number"),
    "half a day": ({"days": 1.5}, "days must be a whole number"),
    "true days": ({"days": True}, "days must be a whole number"),
    "for ever": ({"days": 10**9}, "days must be a whole number"),
    "negative rate": ({"arrivals_per_day": -1}, "arrivals_per_day must be from 0"),
    "no rate": ({"arrivals_per_day": math.nan}, "arrivals_per_day must be a finite number"),
    "endless rate": ({"arrivals_per_day": math.inf}, "arrivals_per_day must be a finite number"),
    "too many": ({"days": 36_525, "arrivals_per_day": 1e6}, "this would be about 3.7e.10 sessions"),
    "23 hours": ({"hours": [1] * 23}, "hours must be 24 numbers, got 23"),
    "one number": ({"hours": 1.0}, "hours must be 24 numbers, got 1.0"),
    "hours as words": ({"hours": "a" * 24}, "hours must be 24 numbers, got 'aaa"),
    "negative hour": ({"hours": [1] * 23 + [-1]}, "hours: each must be from 0"),
    "hour of words": ({"hours": ["1"] * 24}, "hours: each must be a finite number, got '1'"),
    "no hour": ({"hours": [0] * 24}, "hours are all 0: no driver would ever come"),
    "8 weekdays": ({"weekdays": [1] * 8}, "weekdays must be 7 numbers, got 8"),
    "negative weekday": ({"weekdays": [1] * 6 + [-0.1]}, "weekdays: each must be from 0"),
    "eighth weekday": ({"first_weekday": 7}, "first_weekday must be a whole number from 0 to 6, got 7"),
    "weekday by name": ({"first_weekday": "Monday"}, "first_weekday must be a whole number"),
    "unknown car": ({"cars": {"Batmobile": 1}}, "there is no vehicle 'Batmobile' in the catalogue"),
    "no cars": ({"cars": {}}, "cars must be names with their shares"),
    "a list of cars": ({"cars": ["Peugeot e-208"]}, "cars must be names with their shares"),
    "negative share": ({"cars": {"Peugeot e-208": -1}}, "cars: each must be from 0"),
    "no share": ({"cars": {"Peugeot e-208": 0}}, "cars are all 0"),
    "soc in percent": ({"arrival_soc": 20}, "arrival_soc must be from 0 to 1, got 20"),
    "three parameters": ({"arrival_soc": (1, 2, 3)}, "arrival_soc must be a number or the two parameters"),
    "no parameter": ({"target_soc": (0, 1)}, "target_soc: each parameter must be from 0.01"),
    "soc as words": ({"target_soc": "full"}, "target_soc must be a finite number"),
    "one dwell": ({"dwell_s": 1800}, "dwell_s must be a median, s, and a sigma, got 1800"),
    "negative dwell": ({"dwell_s": (-5, 1)}, "the median of dwell_s must be from 0"),
    "wide dwell": ({"dwell_s": (600, 50)}, "the sigma of dwell_s must be from 0 to 5"),
    "no patience": ({"patience_s": -1}, "patience_s must be at least 0"),
    "seed": ({"seed": "lucky"}, "seed must be a whole number of 0 or more, or a numpy Generator"),
    "no seed": ({"seed": None}, "seed must be a whole number of 0 or more"),
    "negative seed": ({"seed": -1}, "seed must be a whole number of 0 or more"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_arguments_are_refused_before_anything_is_drawn(case: str) -> None:
    changes, words = REFUSED[case]
    random = np.random.default_rng(1)
    before = random.bit_generator.state
    with pytest.raises(ValueError, match=words):
        generate(**{"days": 7, "seed": random, **changes})
    assert random.bit_generator.state == before
