"""The optimum of a run in hindsight: small cases, a published table, and feasible schedules below it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optimization_cases import HOUR_S, TINY, Ran, battery, greedy_kwh, log, run
from stations import curves, shared_file

from electra_core import Vehicle
from electra_core.optimization import (
    HindsightOptimum,
    OptimizationError,
    hindsight,
    program_size,
    regret,
)
from electra_core.sessions import Scenario


def test_single_car_gets_its_energy_or_its_power() -> None:
    assert hindsight(run(log((0, 1, 10, 11)))).total_kwh == pytest.approx(10.0)
    assert hindsight(run(log((0, 0.5, 10, 11)))).total_kwh == pytest.approx(5.5)
    best = hindsight(run(log((0, 0.5, 10, 11), (0, 1, 0, 11))))
    assert best.by_session == pytest.approx({"v0": 5.5, "v1": 0.0})
    assert best.delivered_share == pytest.approx(0.55)
    assert best.cost is best.final_soc is None
    assert hindsight(run(log(), horizon_s=60.0)).delivered_share == 1.0


def test_car_that_leaves_first_is_charged_first() -> None:
    """The first to leave must get all of its energy in its hour, or 2 kWh are lost."""
    best = hindsight(run(log((0, 2, 8, 8), (0, 1, 10, 10)), site_kw=10.0))
    assert best.delivered_kwh == pytest.approx([8.0, 10.0])
    assert hindsight(run(log((0, 2, 12, 12), (0, 1, 10, 10)), site_kw=10.0)).total_kwh == pytest.approx(20.0)


def test_times_between_steps_are_exact() -> None:
    """15 minutes and a second at 36 kW in steps of 5 minutes; the limit falls in the middle."""
    sessions = log((100.5 / HOUR_S, 1001.5 / HOUR_S, 100, 36))
    assert hindsight(run(sessions)).total_kwh == pytest.approx(36 * 901 / 3600)
    limited = run(sessions, site_limit_kw=[36.0, 18.0, 18.0, 0.0], step_s=300.0)
    assert hindsight(limited).total_kwh == pytest.approx((36 * 199.5 + 18 * 600) / 3600)
    assert hindsight(limited, end_s=300.0).total_kwh == pytest.approx(36 * 199.5 / 3600)


@pytest.mark.parametrize(
    ("options", "kwh", "kept_kwh"),
    [({}, 20.0, 12.5), ({"dischargeEfficiency": 0.8}, 18.0, 12.0), ({"power": 4}, 14.0, 12.5)],
)
def test_battery_adds_to_the_site_limit(options: dict[str, Any], kwh: float, kept_kwh: float) -> None:
    scenario = run(log((0, 1, 30, 30)), site_kw=10.0, battery=battery(**options))
    best = hindsight(scenario)
    assert best.total_kwh == pytest.approx(kwh)
    assert best.timeline["battery_kw"].tolist() == pytest.approx([10.0 - kwh])
    kept = hindsight(scenario, final_soc_at_least=0.75)
    assert (kept.final_soc, kept.total_kwh) == pytest.approx((0.75, kept_kwh))


def test_battery_charges_before_the_car_arrives() -> None:
    """An hour at 8 kW is 7.2 kWh in the battery, above its floor."""
    half = battery(initialSoc=0.1, minSoc=0.1, chargeEfficiency=0.9, rechargeShare=0.8)
    best = hindsight(run(log((1, 2, 30, 30)), site_kw=10.0, battery=half))
    assert best.total_kwh == pytest.approx(17.2)
    assert best.timeline["battery_soc"].tolist() == pytest.approx([0.1, 0.82])


def test_battery_shifts_import_to_cheap_hours() -> None:
    """Prices 10, 50, 10, 5000, 10; a battery of 4 kWh and 4 kW, and a load of 4 kW."""
    hours = run(
        log(),
        step_s=HOUR_S,
        horizon_s=5 * HOUR_S,
        static_load_kw=4.0,
        price_per_kwh=[10.0, 50.0, 10.0, 5000.0, 10.0],
        battery=battery(initialCapacity=4, power=4, initialSoc=0),
    )
    best = hindsight(hours)
    assert best.timeline["battery_kw"].tolist() == pytest.approx([4.0, -4.0, 4.0, -4.0, 0.0], abs=TINY)
    assert best.timeline["import_kw"].tolist() == pytest.approx([8.0, 0.0, 8.0, 0.0, 4.0], abs=TINY)
    assert best.cost == pytest.approx(200.0)
    assert best.peak_kw == pytest.approx(8.0)


def test_energy_comes_before_cost() -> None:
    """Cheap hours carry as much as they can, dear ones the rest; no import is without use."""
    prices = run(log((0, 3, 20, 10)), site_kw=10.0, step_s=HOUR_S, price_per_kwh=[3.0, 1.0, 2.0])
    best = hindsight(prices)
    assert (best.total_kwh, best.cost) == pytest.approx((20.0, 30.0))
    assert best.timeline["import_kw"].tolist() == pytest.approx([0.0, 10.0, 10.0])
    paid = run(log((0, 1, 5, 10)), site_kw=10.0, static_load_kw=1.0, price_per_kwh=-1.0)
    assert hindsight(paid).cost == pytest.approx(-6.0)


def test_surplus_of_the_plant_is_curtailed() -> None:
    sunny = run(log((0, 2, 6, 3)), pv_kw=[10.0, 0.0], static_load_kw=2.0, step_s=HOUR_S, price_per_kwh=1.0)
    best = hindsight(sunny)
    assert best.timeline["import_kw"].tolist() == pytest.approx([0.0, 5.0])
    assert best.cost == pytest.approx(5.0)


def test_own_load_of_the_site_comes_first() -> None:
    """Own load is imported even above the limit; losses count on the grid's side."""
    lossy = [{"id": "CP1", "maxPower": 9, "connectors": 9, "efficiency": 0.5, "standbyPower": 1}]
    best = hindsight(run(log((0, 1, 20, 10)), site_kw=10.0, static_load_kw=3.0, chargers=lossy))
    assert (best.total_kwh, best.peak_kw) == pytest.approx((3.0, 10.0))
    over = hindsight(run(log((0, 1, 20, 10)), site_kw=10.0, static_load_kw=12.0, battery=battery()))
    assert (over.total_kwh, over.peak_kw) == pytest.approx((10.0, 12.0))


def test_chargers_and_connectors_limit_sessions() -> None:
    two = [
        {"id": "CP1", "maxPower": 20, "connectors": [{"maxPower": 12}, {}]},
        {"id": "CP2", "maxPower": 40, "connectors": 1, "moduleSize": 15},
    ]
    rows = [(0.0, 1.0, 99.0, 50.0)] * 4
    places = {"charger_id": ["CP1", "CP1", "CP2", None], "connector": [1, 2, None, None]}
    best = hindsight(run(log(*rows, **places), chargers=two))
    assert best.total_kwh == pytest.approx(50.0)
    assert best.by_session["v0"] <= 12.0 + TINY
    alone = [hindsight(run(log(rows[0], charger_id=["CP2"]), chargers=two)).total_kwh]
    alone += [
        hindsight(run(log(rows[0], charger_id=["CP1"], connector=[plug]), chargers=two)).total_kwh
        for plug in (1, 2)
    ]
    assert alone == pytest.approx([30.0, 12.0, 20.0])


def test_demand_charge_flattens_import() -> None:
    spread = run(log((0, 4, 20, 20)), price_per_kwh=1.0)
    best = hindsight(spread, demand_charge_per_kw=2.0)
    assert (best.cost, best.peak_kw) == pytest.approx((30.0, 5.0))
    assert hindsight(spread).cost == pytest.approx(20.0)
    # From minute 10 to minute 25: in windows of half an hour, 12 kW are a mean of 6.
    short = run(log((1 / 6, 5 / 12, 3, 20)), horizon_s=HOUR_S)
    half_hours = hindsight(short, demand_charge_per_kw=1.0, demand_window_s=1800.0)
    assert (half_hours.peak_kw, half_hours.cost) == pytest.approx((6.0, 6.0))
    assert hindsight(short, demand_charge_per_kw=1.0).peak_kw == pytest.approx(12.0)


def test_session_without_departure_charges_until_the_end() -> None:
    scenario = run(log((0, math.inf, 30, 11), (1, 2, 10, 10)), site_kw=10.0, price_per_kwh=1.0)
    assert scenario.until_empty
    assert hindsight(scenario).delivered_share == pytest.approx(1.0)
    assert hindsight(scenario, end_s=3 * HOUR_S).total_kwh == pytest.approx(30.0)


def test_sessions_beyond_the_connectors_are_still_bounded() -> None:
    one = [{"id": "CP1", "maxPower": 20, "connectors": 1}]
    best = hindsight(run(log((0, 1, 10, 20), (0, 1, 10, 20)), chargers=one))
    assert best.delivered_share == pytest.approx(1.0)


@st.composite
def scenarios(draw: st.DrawFn) -> Scenario:
    """Some drivers within three hours, odd times, with and without curves, battery, plant and prices."""
    rows = []
    for _ in range(draw(st.integers(1, 6))):
        arrival_s = draw(st.floats(0.0, 9000.0))
        row = {
            "arrival_s": arrival_s,
            "departure_s": arrival_s + draw(st.floats(1.0, 6000.0)),
            "max_power_kw": 60.0,
        }
        if draw(st.booleans()):
            car = Vehicle(draw(st.sampled_from([30.0, 80.0])), battery_kwh=40.0, curve=draw(curves()))
            row |= {"vehicle": car, "arrival_soc": draw(st.floats(0.0, 0.5)), "target_soc": 0.8}
        else:
            row["energy_kwh"] = draw(st.floats(0.0, 40.0))
        rows.append(row)
    own = battery(initialSoc=0.6, minSoc=0.2, power=draw(st.sampled_from([5, 40])), dischargeEfficiency=0.9)
    charger = {"id": "CP1", "maxPower": draw(st.sampled_from([40, 500])), "connectors": 6, "efficiency": 0.95}
    steps = 60
    drawn = st.lists(st.floats(0.0, 60.0), min_size=steps, max_size=steps)
    return run(
        pd.DataFrame(rows),
        site_kw=60.0,
        horizon_s=draw(st.sampled_from([15000.0, 9100.0])),
        chargers=[charger],
        site_limit_kw=draw(st.just(50.0) | drawn),
        static_load_kw=draw(st.just(5.0) | drawn),
        pv_kw=draw(st.just(0.0) | drawn),
        **({"battery": own} if draw(st.booleans()) else {}),
        **({"price_per_kwh": draw(st.just(0.2) | drawn)} if draw(st.booleans()) else {}),
    )


@given(scenarios())
def test_optimum_is_never_below_a_feasible_schedule(scenario: Scenario) -> None:
    got_kwh = greedy_kwh(scenario)
    best = hindsight(scenario)
    assert got_kwh.sum() <= best.total_kwh + TINY
    assert (best.delivered_kwh <= scenario.sessions.requested_kwh).all()
    assert_balanced(best)
    behind = regret(Ran(scenario, got_kwh))
    assert behind.energy_kwh == pytest.approx(best.total_kwh - got_kwh.sum(), abs=TINY)
    assert behind.cost is None
    if best.cost is not None:
        paid = regret(Ran(scenario, best.delivered_kwh, best.cost))
        assert (paid.energy_kwh, paid.cost) == pytest.approx((0.0, 0.0), abs=1e-5)


def assert_balanced(best: HindsightOptimum) -> None:
    """Check that the schedule keeps the site's limit, and that import covers use."""
    scenario, timeline = best.scenario, best.timeline
    lasts_s = np.diff(timeline.index, append=scenario.horizon_s)
    step = ((timeline.index.to_numpy() + 0.5 * lasts_s) / scenario.step_s).astype(int)
    own_kw = scenario.static_load_kw[step] + scenario.config.standing_kw
    pv_kw, limit_kw = scenario.pv_kw[step], scenario.site_limit_kw[step]
    cars_kw = timeline["cars_kw"] / scenario.config.chargers[0].efficiency
    used_kw = own_kw + cars_kw + timeline["battery_kw"]
    assert timeline["import_kw"].min() >= 0.0
    # Rounding of an energy is much power in an interval of nearly no time.
    tiny_kw = TINY + 1e-3 / lasts_s
    assert (timeline["import_kw"] <= np.maximum(limit_kw, own_kw - pv_kw) + tiny_kw).all()
    assert (timeline["import_kw"] >= used_kw - pv_kw - tiny_kw).all()
    assert (timeline["import_kw"] <= used_kw + tiny_kw).all()


@given(st.lists(st.tuples(*[st.floats(0.0, 2.0)] * 2, *[st.floats(0.0, 20.0)] * 2), max_size=6), st.data())
def test_optimum_is_the_same_later_and_in_more_intervals(
    drawn: list[tuple[float, ...]], data: st.DataObject
) -> None:
    """The same sessions later, and with prices that make every step an interval."""
    rows = [(start_h, start_h + stay_h, kwh, kw + 0.1) for start_h, stay_h, kwh, kw in drawn]
    later = [(start_h + 0.3, end_h + 0.3, kwh, kw) for start_h, end_h, kwh, kw in rows]
    prices = data.draw(st.lists(st.floats(-1.0, 1.0), min_size=60, max_size=60))
    kwh = hindsight(run(log(*rows), site_kw=15.0, horizon_s=18_000.0)).total_kwh
    assert hindsight(run(log(*later), site_kw=15.0, horizon_s=18_000.0)).total_kwh == pytest.approx(
        kwh, abs=TINY
    )
    priced = run(log(*rows), site_kw=15.0, horizon_s=18_000.0, price_per_kwh=prices)
    assert hindsight(priced).total_kwh == pytest.approx(kwh, abs=TINY)


def test_program_size_counts_pairs_of_sessions_and_intervals() -> None:
    """Two sessions in hours 0 to 2 and 1 to 3; one without a request counts nowhere."""
    scenario = run(log((0, 2, 5, 5), (1, 3, 5, 5), (0, 3, 0, 5)))
    assert program_size(scenario) == 4
    assert program_size(scenario, end_s=1.5 * HOUR_S) == 3
    assert program_size(run(log((0, 3, 5, 5)), step_s=HOUR_S, price_per_kwh=[1.0, 2.0, 2.0])) == 2


def test_regret_of_a_small_run() -> None:
    """2 of 18 kWh were bought at 3, the others at 1; 18 kWh could have cost 18, and 20 were possible."""
    scenario = run(log((0, 3, 20, 10)), step_s=HOUR_S, price_per_kwh=[3.0, 1.0, 1.0])
    behind = regret(Ran(scenario, np.array([18.0]), 22.0))
    assert (behind.energy_kwh, behind.share, behind.cost) == pytest.approx((2.0, 0.1, 4.0))
    with pytest.raises(OptimizationError, match="has 1 sessions, but delivered_kwh has the shape"):
        regret(Ran(scenario, np.zeros(3)))


@pytest.mark.parametrize(("site_kw", "percent"), [(10, 59.11), (20, 88.57), (30, 99.26), (40, 99.88)])
def test_optimum_equals_the_published_one_of_caltech(site_kw: float, percent: float) -> None:
    table = pd.read_csv(shared_file("data/sessions/caltech_2019-03.csv"))
    sessions = table.rename(columns={"station_id": "charger_id", "requested_kwh": "energy_kwh"})
    sessions = sessions.assign(
        arrival_s=300.0 * table["arrival_step"], departure_s=300.0 * table["departure_step"], max_power_kw=6.6
    )
    chargers = [
        {"id": name, "maxPower": 6.6, "connectors": 1} for name in sorted(table["station_id"].unique())
    ]
    best = hindsight(run(sessions, site_kw=site_kw, chargers=chargers))
    assert 100.0 * best.delivered_share == pytest.approx(percent, abs=0.0101)


def test_bad_arguments_are_refused() -> None:
    scenario = run(log((0, 1, 10, 11)), battery=battery())
    for name, value, bounds in (
        ("demand_charge_per_kw", -1.0, "at least 0, got -1.0"),
        ("demand_window_s", 0.0, "at least 0.01, got 0.0"),
        ("final_soc_at_least", 1.5, "from 0 to 1, got 1.5"),
        ("end_s", 99_999.0, "from 0.001 to 3600, got 99999.0"),
        ("time_limit_s", math.nan, "a finite number, got nan"),
    ):
        with pytest.raises(OptimizationError, match=f"^{name} must be {bounds}$"):
            hindsight(scenario, **{name: value})
    with pytest.raises(OptimizationError, match="there is none"):
        hindsight(run(log((0, 1, 10, 11))), final_soc_at_least=0.5)
    with pytest.raises(OptimizationError, match="whole_session fills the battery from nowhere"):
        hindsight(run(log((0, 1, 10, 11)), battery=battery(rule="whole_session")))
    with pytest.raises(OptimizationError, match="there is no schedule that keeps all limits"):
        hindsight(run(log((0, 1, 10, 11)), battery=battery(power=1, initialSoc=0)), final_soc_at_least=0.5)
    many = run(log(*[(0, math.inf, 1, 1)] * 2500), step_s=60.0, price_per_kwh=list(range(2500)))
    with pytest.raises(
        OptimizationError, match="2,500 drivers in 2,500 intervals are too much for one solve"
    ):
        hindsight(many)
    with pytest.raises(OptimizationError, match="not found within the time limit"):
        hindsight(run(log(*[(i / 9, i / 9 + 1, 10, 11) for i in range(99)]), site_kw=30.0), time_limit_s=0.0)
