"""The optimum of cars on charging curves."""

from __future__ import annotations

import math

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optimization_cases import HOUR_S, TINY, greedy_kwh, run
from stations import curves

from electra_core import ChargingCurve, Vehicle
from electra_core.optimization import hindsight
from electra_core.sessions import Scenario


def curved(
    curve: ChargingCurve, arrival_soc: float, target_soc: float, hours: float, start_h: float = 0.0
) -> Scenario:
    car = Vehicle(100.0, battery_kwh=50.0, curve=curve)
    row = {"arrival_s": start_h * HOUR_S, "departure_s": (start_h + hours) * HOUR_S}
    row |= {"vehicle": car, "arrival_soc": arrival_soc, "target_soc": target_soc}
    return run(pd.DataFrame([row]))


@pytest.mark.parametrize("points", [[(0, 100), (1, 0)], [(0, 20), (1, 90)], [(0, 40), (1, 40)]])
@pytest.mark.parametrize("hours", [0.1, 0.25, 0.3, 1.0])
def test_optimum_on_one_straight_line_is_exact(points: list[tuple[float, float]], hours: float) -> None:
    curve = ChargingCurve(points)
    expected_kwh, _ = Vehicle(100.0, 50.0, curve).climb(0.1, 0.9, math.inf, hours * HOUR_S)
    assert hindsight(curved(curve, 0.1, 0.9, hours, start_h=0.05)).total_kwh == pytest.approx(expected_kwh)


@given(curves(), st.floats(0.0, 0.6), st.floats(0.0, 0.4), st.floats(0.02, 3.0), st.floats(0.0, 1.0))
def test_optimum_is_at_least_the_energy_of_a_full_power_charge(
    curve: ChargingCurve, arrival_soc: float, rise: float, hours: float, start_h: float
) -> None:
    expected_kwh, _ = Vehicle(100.0, 50.0, curve).climb(
        arrival_soc, arrival_soc + rise, math.inf, hours * HOUR_S
    )
    best = hindsight(curved(curve, arrival_soc, arrival_soc + rise, hours, start_h))
    assert expected_kwh <= best.total_kwh + TINY
    assert best.total_kwh <= 50.0 * rise + TINY


def test_optimum_on_a_real_curve_is_exact() -> None:
    car = "Hyundai Ioniq 5 73 kWh"
    sessions = pd.DataFrame(
        [{"arrival_s": 0, "departure_s": 1200, "vehicle": car, "arrival_soc": 0.1, "target_soc": 1}]
    )
    scenario = run(sessions)
    real_kwh = greedy_kwh(scenario).sum()
    assert hindsight(scenario).total_kwh == pytest.approx(real_kwh, rel=1e-9)
