"""Metrics by hand, and the laws that hold for all of them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from electra_core.simulation.metrics import (
    MetricsError,
    battery_cycles,
    clock_means_kw,
    clock_peak_kw,
    demand_charge,
    energy_cost,
    energy_kwh,
    jain,
    load_factor,
    quantile,
)

# The precision of sums of some hundred numbers of some hundred kW.
TINY = 1e-9

powers = st.lists(st.sampled_from([0.0, 22.0, 150.0]) | st.floats(1e-6, 500.0), min_size=1, max_size=60)
# Divisors of a quarter-hour, multiples of it, and neither.
step_lengths = st.sampled_from([60.0, 300.0, 420.0, 900.0, 1200.0, 3600.0]) | st.floats(1.0, 5000.0)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([100, 100, 100], 1.0),
        ([1, 0, 0, 0], 0.25),
        ([1, 1, 0, 0], 0.5),
        ([1, 2, 3], 36 / (3 * 14)),
        ([1, 2, 3, math.nan], 36 / (3 * 14)),
        ([1e300, 1e300, 0], 2 / 3),
        ([5e-324, 0], 0.5),
        ([], 1.0),
        ([0, 0], 1.0),
        ([math.nan], 1.0),
    ],
)
def test_jain_of_few_values_is_the_value_by_hand(values: list[float], expected: float) -> None:
    assert jain(values) == pytest.approx(expected, rel=1e-12)


@given(powers, st.floats(1e-6, 1e6))
def test_jain_lies_between_one_nth_and_one_in_any_unit(values: list[float], factor: float) -> None:
    index = jain(values)
    assert 1 / len(values) - TINY <= index <= 1.0
    assert jain([factor * value for value in values]) == pytest.approx(index, rel=1e-9)
    assert jain(values[::-1]) == pytest.approx(index, rel=1e-12)
    assert jain(values + values) == pytest.approx(index, rel=1e-12)


@given(powers, st.integers(0, 59), st.integers(0, 59), st.floats(0.0, 1.0))
def test_jain_never_falls_when_a_higher_value_gives_to_a_lower_one(
    values: list[float], one: int, other: int, part: float
) -> None:
    poor, rich = sorted((one % len(values), other % len(values)), key=lambda number: values[number])
    gift = part * (values[rich] - values[poor]) / 2
    shared = list(values)
    shared[poor] += gift
    shared[rich] -= gift
    assert jain(shared) >= jain(values) - TINY


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [
        ([1, 2, 3, 4, 5], 0.5, 3),
        ([1, 2, 3, 4, 5], 0.95, 4.8),
        ([5, 1, math.nan, 3], 0.5, 3),
        ([7], 0.95, 7),
        ([1, 2], 0.0, 1),
        ([1, 2], 1.0, 2),
        ([], 0.5, 0),
        ([math.nan, math.nan], 0.5, 0),
        ([1, math.inf, math.inf], 0.95, math.inf),
        ([1, 2, 3, math.inf], 0.5, 2.5),
    ],
)
def test_quantile_of_few_values_is_the_value_by_hand(
    values: list[float], share: float, expected: float
) -> None:
    assert quantile(values, share) == pytest.approx(expected)


def test_energy_load_factor_and_cost_of_a_run_are_the_values_by_hand() -> None:
    """An hour at 100 kW, half an hour at 40 kW, ten minutes at 0 kW."""
    power_kw, lengths_s = [100, 40, 0], [3600, 1800, 600]
    assert energy_kwh(power_kw, lengths_s) == pytest.approx(120.0)
    assert load_factor(power_kw, lengths_s) == pytest.approx(120.0 / (100 * 6000 / 3600))
    assert energy_cost(power_kw, [0.2, 0.5, 9.0], lengths_s) == pytest.approx(100 * 0.2 + 20 * 0.5)
    assert energy_cost(power_kw, [-0.1, 0.0, 0.0], lengths_s) == pytest.approx(-10.0)


@pytest.mark.parametrize("lengths_s", [[], [60.0, 60.0], [0.0, 0.0]])
def test_run_without_energy_has_metrics_of_zero(lengths_s: list[float]) -> None:
    power_kw = [0.0] * len(lengths_s)
    assert energy_kwh(power_kw, lengths_s) == 0.0
    assert load_factor(power_kw, lengths_s) == 0.0
    assert clock_peak_kw(power_kw, 60.0, lengths_s=lengths_s) == 0.0
    assert energy_cost(power_kw, power_kw, lengths_s) == 0.0
    assert demand_charge([], [], []) == 0.0


def test_step_without_length_is_no_peak() -> None:
    assert load_factor([50.0, 900.0], [60.0, 0.0]) == 1.0
    assert clock_peak_kw([50.0, 900.0], 60.0, lengths_s=[60.0, 0.0]) == 50.0
    assert clock_peak_kw([900.0], 300.0, lengths_s=[0.0], clock_s=1.4216833613970437) == 0.0


def test_minutes_are_averaged_over_quarter_hours() -> None:
    power_kw = [150.0] * 10 + [0.0] * 5 + [60.0] * 15
    assert clock_means_kw(power_kw, 60.0).tolist() == [100.0, 60.0]
    assert clock_peak_kw(power_kw, 60.0) == 100.0


def test_burst_across_two_quarter_hours_counts_half_in_each() -> None:
    """Quarter-hours of the clock do not slide: a sliding one would see 100 kW."""
    power_kw = [0.0, 100.0, 100.0, 0.0]
    assert clock_means_kw(power_kw, 450.0).tolist() == [50.0, 50.0]


def test_step_of_an_hour_fills_four_quarter_hours() -> None:
    assert clock_means_kw([10.0, 30.0], 3600.0).tolist() == [10.0] * 4 + [30.0] * 4


def test_steps_of_twenty_minutes_are_split_by_time() -> None:
    """The second quarter-hour has 5 minutes of 30 kW, the third 5 minutes of 60 kW."""
    assert clock_means_kw([30.0, 0.0, 60.0], 1200.0) == pytest.approx([30.0, 10.0, 20.0, 60.0])


def test_steps_of_seven_minutes_are_split_by_time() -> None:
    assert clock_means_kw([15.0, 30.0, 45.0], 420.0) == pytest.approx([(105 + 210 + 45) / 15, 45.0])


def test_shorter_last_step_counts_by_its_length() -> None:
    """A quarter-hour that the run covers in part has the mean of that part."""
    assert clock_means_kw([60.0, 120.0], 600.0, lengths_s=[600.0, 300.0]) == pytest.approx([80.0])
    assert clock_means_kw([60.0, 120.0], 900.0, lengths_s=[900.0, 300.0]).tolist() == [60.0, 120.0]


def test_windows_of_a_run_begun_at_ten_past_follow_the_clock() -> None:
    """Five minutes are in the first quarter-hour, 15 in the second."""
    power_kw = [30.0] * 5 + [60.0] * 15
    assert clock_means_kw(power_kw, 60.0, clock_s=600.0).tolist() == [30.0, 60.0]
    assert clock_means_kw(power_kw, 60.0, clock_s=86_400.0 + 600.0).tolist() == [30.0, 60.0]
    assert clock_means_kw(power_kw, 60.0).tolist() == [50.0, 60.0]


@pytest.mark.parametrize("step_s", [0.1, 0.3, 1 / 3, 0.7])
def test_rounded_steps_of_a_day_make_no_extra_window(step_s: float) -> None:
    """The steps add up to a little more or less than a day, whose last quarter-hour stays the last."""
    steps = round(86_400 / step_s)
    power_kw = np.zeros(steps)
    power_kw[-1] = 900.0
    lengths_s = np.full(steps, step_s)
    lengths_s[-1] = 86_400 - step_s * (steps - 1)
    means_kw = clock_means_kw(power_kw, step_s, lengths_s=lengths_s)
    assert len(means_kw) == 96
    assert means_kw[-1] == pytest.approx(lengths_s[-1], rel=1e-6)


@given(powers, step_lengths, st.sampled_from([60.0, 900.0, 3600.0]), st.floats(0.0, 1e5), st.data())
def test_clock_means_keep_the_energy_and_their_peak_lies_between_mean_and_highest(
    power_kw: list[float], step_s: float, window_s: float, clock_s: float, data: st.DataObject
) -> None:
    lengths_s = np.full(len(power_kw), step_s)
    lengths_s[-1] = data.draw(st.floats(0.0, step_s))
    total_s = lengths_s.sum()
    means_kw = clock_means_kw(power_kw, step_s, window_s, lengths_s, clock_s=clock_s)
    assert total_s <= 2e-6 or len(means_kw)
    if total_s == 0.0 or not len(means_kw):
        assert not len(means_kw)
        return
    edges_s = window_s * np.arange(len(means_kw) + 1)
    edges_s[0] = clock_s % window_s
    edges_s[-1] = edges_s[0] + total_s
    kwh = energy_kwh(power_kw, lengths_s)
    # Edges within a microsecond count as the same moment.
    assert means_kw @ np.diff(edges_s) / 3600 == pytest.approx(kwh, rel=1e-6, abs=1e-6)
    peak_kw = clock_peak_kw(power_kw, step_s, lengths_s=lengths_s, window_s=window_s, clock_s=clock_s)
    assert peak_kw == means_kw.max()
    assert peak_kw <= max(power_kw) * (1 + TINY)
    assert peak_kw >= kwh * 3600 / total_s * (1 - 1e-6) - 1e-6


@given(st.floats(0.1, 500.0), st.integers(1, 50), step_lengths)
def test_flat_load_is_its_own_mean(kw: float, steps: int, step_s: float) -> None:
    power_kw, lengths_s = np.full(steps, kw), np.full(steps, step_s)
    assert load_factor(power_kw, lengths_s) == pytest.approx(1.0, rel=1e-12)
    assert clock_means_kw(power_kw, step_s) == pytest.approx(kw, rel=1e-12)


@given(powers, powers, st.floats(0.0, 100.0))
def test_cost_of_two_loads_is_the_sum_of_both(
    one_kw: list[float], other_kw: list[float], factor: float
) -> None:
    steps = min(len(one_kw), len(other_kw))
    one, other, lengths_s = np.array(one_kw[:steps]), np.array(other_kw[:steps]), np.full(steps, 300.0)
    prices = np.linspace(-0.1, 0.4, steps)
    apart = energy_cost(one, prices, lengths_s) + factor * energy_cost(other, prices, lengths_s)
    assert energy_cost(one + factor * other, prices, lengths_s) == pytest.approx(apart, rel=1e-9, abs=1e-9)
    in_time = energy_cost(np.append(one, other), np.append(prices, prices), np.append(lengths_s, lengths_s))
    assert in_time == pytest.approx(
        energy_cost(one, prices, lengths_s) + energy_cost(other, prices, lengths_s), abs=1e-9
    )


def test_battery_cycles_are_the_values_by_hand() -> None:
    assert battery_cycles(100.0, 100.0, 100.0) == 1.0
    assert battery_cycles(50.0, 50.0, 100.0) == 0.5  # from 50 to 100 % and back
    assert battery_cycles(30.0, 0.0, 100.0) == 0.15
    assert battery_cycles(0.0, 0.0, 0.0) == 0.0


def test_each_month_pays_its_peak() -> None:
    assert demand_charge([100, 40, 60], [1, 1, 2], [15, 15, 15]) == 15 * 100 + 15 * 60
    assert demand_charge([100, 40, 60], [1, 1, 1], [15, 15, 15]) == 15 * 100


def test_month_with_different_charges_pays_the_dearest_window() -> None:
    assert demand_charge([100, 40], [3, 3], [1, 15]) == 600


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda: jain([1.0, -2.0]), "values must be finite and 0 or more, got -2"),
        (lambda: jain([1.0, math.inf]), "values must be finite and 0 or more, got inf"),
        (lambda: jain("abc"), "values must be a row of numbers, got 'abc'"),
        (lambda: jain([[1.0]]), r"values must be a row of numbers, got shape \(1, 1\)"),
        (lambda: quantile([1.0], 1.5), "share must be from 0 to 1, got 1.5"),
        (lambda: quantile([1.0], math.nan), "share must be a finite number, got nan"),
        (lambda: energy_kwh([1.0, math.nan], [1, 1]), r"power_kw\[1\] must be a finite number, got nan"),
        (lambda: energy_kwh([1.0], [1, 1]), "lengths_s has 2 entries, but there are 1 powers"),
        (lambda: energy_kwh([1.0], [-1]), r"lengths_s\[0\] must be 0 s or more, got -1"),
        (lambda: energy_cost([1.0], [1, 2], [60]), "price_per_kwh has 2 entries, but there are 1 powers"),
        (lambda: clock_means_kw([1.0], 0.0), "step_s must be at least 0.001, got 0.0"),
        (lambda: clock_means_kw([1.0], 60.0, math.inf), "window_s must be a finite number, got inf"),
        (lambda: clock_peak_kw([1.0], 60.0, clock_s=-1.0), "clock_s must be at least 0, got -1.0"),
        (lambda: clock_peak_kw([1.0], 60.0, lengths_s=[60, 60]), "lengths_s has 2 entries"),
        (
            lambda: battery_cycles(1.0, -1.0, 10.0),
            "discharged_kwh must be at least 0, got -1",
        ),
    ],
)
def test_argument_out_of_range_is_refused(ask: Any, words: str) -> None:
    with pytest.raises(MetricsError, match=words):
        ask()
