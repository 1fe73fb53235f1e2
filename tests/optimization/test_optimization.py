"""The best possible: cases that a person can check, a published table, and never below what is feasible."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stations import NAMED, curves, shared_file, snapshots

from electra_core import Allocation, ChargingCurve, Demand, Snapshot, Vehicle, allocate, load_config
from electra_core.optimization import (
    HindsightOptimum,
    Mpc,
    OptimizationError,
    best_instant,
    hindsight,
    plan_instant,
    regret,
)
from electra_core.sessions.scenario import Scenario, read_scenario

HOUR_S = 3600.0

# Rounding of a solver in sums of some hundred kWh or kW.
TINY = 1e-6


def log(*rows: tuple[float, float, float, float], **columns: Any) -> pd.DataFrame:
    """Drivers as rows: arrival and departure (h), energy (kWh), the most that the car takes (kW)."""
    arrival_h, departure_h, energy_kwh, max_kw = np.array(rows, dtype=float).reshape(-1, 4).T
    return pd.DataFrame(
        {
            "session_id": [f"v{number}" for number in range(len(rows))],
            "arrival_s": arrival_h * HOUR_S,
            "departure_s": departure_h * HOUR_S,
            "energy_kwh": energy_kwh,
            "max_power_kw": max_kw,
            **columns,
        }
    )


def run(sessions: pd.DataFrame, site_kw: float = 1000.0, step_s: float = 300.0, **changes: Any) -> Scenario:
    """Those drivers at one big charger; ``changes`` are of the configuration or of the scenario."""
    series = ("horizon_s", "static_load_kw", "pv_kw", "site_limit_kw", "price_per_kwh")
    profiles = {name: changes.pop(name) for name in series if name in changes}
    chargers = [{"id": "CP1", "maxPower": 1000, "connectors": 100}]
    config = load_config({"stationId": "ST", "gridCapacity": site_kw, "chargers": chargers, **changes})
    return read_scenario(config, sessions, step_s=step_s, **profiles)


def battery(**changes: Any) -> dict[str, Any]:
    return {"initialCapacity": 10, "power": 100, "initialSoc": 1, **changes}


@dataclass
class Ran:
    """A run as `regret` sees it."""

    scenario: Scenario
    delivered_kwh: np.ndarray
    cost: float | None = None


# One instant


@given(snapshots())
def test_sharing_equally_costs_no_power(snapshot: Snapshot) -> None:
    total_kw = sum(allocate(snapshot).offered_kw.values())
    assert best_instant(snapshot).total_kw == pytest.approx(total_kw, rel=TINY, abs=TINY)


@st.composite
def hard_snapshots(draw: st.DrawFn) -> Snapshot:
    """Random stations with minima, losses, modules, a reserve, and sessions on the battery alone."""
    plain = draw(snapshots(minima=True, carried=draw(st.booleans()), most=5))
    limited = [name for name, kw in sorted(plain.charger_kw.items()) if kw is not None]
    return replace(
        plain,
        efficiency={name: draw(st.sampled_from([1.0, 0.9, 0.5])) for name in plain.charger_kw},
        module_kw={
            name: draw(st.sampled_from([20.0, 75.0, 110.5])) for name in limited if draw(st.booleans())
        },
        comfort_kw=draw(st.none() | st.sampled_from([10.0, 50.0, 120.0])),
    )


@given(hard_snapshots())
def test_no_strategy_beats_the_best_instant(snapshot: Snapshot) -> None:
    best = best_instant(snapshot)
    for name in NAMED:
        assert sum(allocate(snapshot, name).offered_kw.values()) <= best.total_kw + TINY


@given(hard_snapshots())
def test_the_best_instant_can_be_had(snapshot: Snapshot) -> None:
    """As ceilings of an allocation it keeps every limit, and all of it arrives."""
    snapshot = replace(snapshot, comfort_kw=None)
    plan = plan_instant(snapshot)
    found = allocate(with_ceilings(snapshot, plan))
    assert sum(found.offered_kw.values()) == pytest.approx(sum(plan.values()), rel=TINY, abs=TINY)


def with_ceilings(snapshot: Snapshot, ceilings_kw: dict[str, float]) -> Snapshot:
    """The same moment, in which nobody asks for more than a plan gives."""
    assert set(ceilings_kw) == {demand.session_id for demand in snapshot.demands}
    capped = [replace(one, max_kw=min(one.max_kw, ceilings_kw[one.session_id])) for one in snapshot.demands]
    return replace(snapshot, demands=capped)


def test_the_best_instant_by_hand() -> None:
    """Who came first holds back two others; a good charger is worth more than a bad one."""
    least = [Demand("a", "C", 60.0, 60.0), Demand("b", "C", 50.0, 50.0), Demand("c", "C", 50.0, 50.0)]
    assert sum(allocate(Snapshot(100.0, {"C": None}, least)).offered_kw.values()) == 60.0
    assert best_instant(Snapshot(100.0, {"C": None}, least)).offered_kw == {"a": 0.0, "b": 50.0, "c": 50.0}
    pair = [Demand("a", "C", 80.0), Demand("b", "D", 80.0)]
    lossy = Snapshot(100.0, {"C": None, "D": None}, pair, efficiency={"C": 0.5})
    assert best_instant(lossy).offered_kw == pytest.approx({"a": 10.0, "b": 80.0})
    assert best_instant(Snapshot(None, {"C": 140.0}, pair[:1], module_kw={"C": 75.0})).total_kw == 75.0
    below_reserve = Snapshot(50.0, {"C": None, "D": None}, pair, boost_kw=50.0, comfort_kw=10.0)
    assert best_instant(below_reserve).total_kw == pytest.approx(60.0)
    assert best_instant(Snapshot(None, {}, [])).total_kw == 0.0


# A whole run


def test_one_car_alone() -> None:
    assert hindsight(run(log((0, 1, 10, 11)))).total_kwh == pytest.approx(10.0)
    assert hindsight(run(log((0, 0.5, 10, 11)))).total_kwh == pytest.approx(5.5)
    best = hindsight(run(log((0, 0.5, 10, 11), (0, 1, 0, 11))))
    assert best.by_session == pytest.approx({"v0": 5.5, "v1": 0.0})
    assert best.delivered_share == pytest.approx(0.55)
    assert best.cost is best.final_soc is None
    assert hindsight(run(log(), horizon_s=60.0)).delivered_share == 1.0


def test_two_cars_and_a_limit() -> None:
    """The one that leaves first must have all in its hour, or 2 kWh are lost."""
    best = hindsight(run(log((0, 2, 8, 8), (0, 1, 10, 10)), site_kw=10.0))
    assert best.delivered_kwh == pytest.approx([8.0, 10.0])
    assert hindsight(run(log((0, 2, 12, 12), (0, 1, 10, 10)), site_kw=10.0)).total_kwh == pytest.approx(20.0)


def test_times_between_steps_are_kept() -> None:
    """15 minutes and a second at 36 kW, whatever the steps; the limit falls in the middle."""
    sessions = log((100.5 / HOUR_S, 1001.5 / HOUR_S, 100, 36))
    assert hindsight(run(sessions)).total_kwh == pytest.approx(36 * 901 / 3600)
    limited = run(sessions, site_limit_kw=[36.0, 18.0, 18.0, 0.0], step_s=300.0)
    assert hindsight(limited).total_kwh == pytest.approx((36 * 199.5 + 18 * 600) / 3600)
    assert hindsight(limited, end_s=300.0).total_kwh == pytest.approx(36 * 199.5 / 3600)


@pytest.mark.parametrize(
    ("options", "kwh", "kept_kwh"),
    [({}, 20.0, 12.5), ({"dischargeEfficiency": 0.8}, 18.0, 12.0), ({"power": 4}, 14.0, 12.5)],
)
def test_a_battery_carries_a_car_over_the_limit(options: dict[str, Any], kwh: float, kept_kwh: float) -> None:
    scenario = run(log((0, 1, 30, 30)), site_kw=10.0, battery=battery(**options))
    best = hindsight(scenario)
    assert best.total_kwh == pytest.approx(kwh)
    assert best.timeline["battery_kw"].tolist() == pytest.approx([10.0 - kwh])
    kept = hindsight(scenario, final_soc_at_least=0.75)
    assert (kept.final_soc, kept.total_kwh) == pytest.approx((0.75, kept_kwh))


def test_a_battery_fills_before_the_car_comes() -> None:
    """An hour at 8 kW is 7.2 kWh in the store, above its floor."""
    half = battery(initialSoc=0.1, minSoc=0.1, chargeEfficiency=0.9, rechargeShare=0.8)
    best = hindsight(run(log((1, 2, 30, 30)), site_kw=10.0, battery=half))
    assert best.total_kwh == pytest.approx(17.2)
    assert best.timeline["battery_soc"].tolist() == pytest.approx([0.1, 0.82])


def test_a_battery_buys_when_it_is_cheap() -> None:
    """Prices 10, 50, 10, 5000, 10; a store of 4 kWh and 4 kW, and a load of 4 kW."""
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
    """Cheap hours carry what they can, dear ones only what is missing; nobody imports for nothing."""
    prices = run(log((0, 3, 20, 10)), site_kw=10.0, step_s=HOUR_S, price_per_kwh=[3.0, 1.0, 2.0])
    best = hindsight(prices)
    assert (best.total_kwh, best.cost) == pytest.approx((20.0, 30.0))
    assert best.timeline["import_kw"].tolist() == pytest.approx([0.0, 10.0, 10.0])
    paid = run(log((0, 1, 5, 10)), site_kw=10.0, static_load_kw=1.0, price_per_kwh=-1.0)
    assert hindsight(paid).cost == pytest.approx(-6.0)


def test_a_surplus_is_curtailed() -> None:
    sunny = run(log((0, 2, 6, 3)), pv_kw=[10.0, 0.0], static_load_kw=2.0, step_s=HOUR_S, price_per_kwh=1.0)
    best = hindsight(sunny)
    assert best.timeline["import_kw"].tolist() == pytest.approx([0.0, 5.0])
    assert best.cost == pytest.approx(5.0)


def test_the_sites_own_load() -> None:
    """It comes first, and is imported even above the limit; losses count on the grid's side."""
    lossy = [{"id": "CP1", "maxPower": 9, "connectors": 9, "efficiency": 0.5, "standbyPower": 1}]
    best = hindsight(run(log((0, 1, 20, 10)), site_kw=10.0, static_load_kw=3.0, chargers=lossy))
    assert (best.total_kwh, best.peak_kw) == pytest.approx((3.0, 10.0))
    over = hindsight(run(log((0, 1, 20, 10)), site_kw=10.0, static_load_kw=12.0, battery=battery()))
    assert (over.total_kwh, over.peak_kw) == pytest.approx((10.0, 12.0))


def test_chargers_and_connectors_limit() -> None:
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


def test_a_demand_charge_flattens() -> None:
    spread = run(log((0, 4, 20, 20)), price_per_kwh=1.0)
    best = hindsight(spread, demand_charge_per_kw=2.0)
    assert (best.cost, best.peak_kw) == pytest.approx((30.0, 5.0))
    assert hindsight(spread).cost == pytest.approx(20.0)
    # From minute 10 to minute 25: in windows of half an hour, 12 kW are a mean of 6.
    short = run(log((1 / 6, 5 / 12, 3, 20)), horizon_s=HOUR_S)
    half_hours = hindsight(short, demand_charge_per_kw=1.0, demand_window_s=1800.0)
    assert (half_hours.peak_kw, half_hours.cost) == pytest.approx((6.0, 6.0))
    assert hindsight(short, demand_charge_per_kw=1.0).peak_kw == pytest.approx(12.0)


def test_who_leaves_when_done_has_until_the_end() -> None:
    scenario = run(log((0, math.inf, 30, 11), (1, 2, 10, 10)), site_kw=10.0, price_per_kwh=1.0)
    assert scenario.until_empty
    assert hindsight(scenario).delivered_share == pytest.approx(1.0)
    assert hindsight(scenario, end_s=3 * HOUR_S).total_kwh == pytest.approx(30.0)


def test_more_drivers_than_connectors_is_still_a_bound() -> None:
    one = [{"id": "CP1", "maxPower": 20, "connectors": 1}]
    best = hindsight(run(log((0, 1, 10, 20), (0, 1, 10, 20)), chargers=one))
    assert best.delivered_share == pytest.approx(1.0)


# Charging curves


def curved(
    curve: ChargingCurve, arrival_soc: float, target_soc: float, hours: float, start_h: float = 0.0
) -> Scenario:
    car = Vehicle(100.0, battery_kwh=50.0, curve=curve)
    row = {"arrival_s": start_h * HOUR_S, "departure_s": (start_h + hours) * HOUR_S}
    row |= {"vehicle": car, "arrival_soc": arrival_soc, "target_soc": target_soc}
    return run(pd.DataFrame([row]))


@pytest.mark.parametrize("points", [[(0, 100), (1, 0)], [(0, 20), (1, 90)], [(0, 40), (1, 40)]])
@pytest.mark.parametrize("hours", [0.1, 0.25, 0.3, 1.0])
def test_on_one_straight_line_it_is_exact(points: list[tuple[float, float]], hours: float) -> None:
    curve = ChargingCurve(points)
    expected_kwh, _ = Vehicle(100.0, 50.0, curve).climb(0.1, 0.9, math.inf, hours * HOUR_S)
    assert hindsight(curved(curve, 0.1, 0.9, hours, start_h=0.05)).total_kwh == pytest.approx(expected_kwh)


@given(curves(), st.floats(0.0, 0.6), st.floats(0.0, 0.4), st.floats(0.02, 3.0), st.floats(0.0, 1.0))
def test_no_car_climbs_above_it(
    curve: ChargingCurve, arrival_soc: float, rise: float, hours: float, start_h: float
) -> None:
    expected_kwh, _ = Vehicle(100.0, 50.0, curve).climb(
        arrival_soc, arrival_soc + rise, math.inf, hours * HOUR_S
    )
    best = hindsight(curved(curve, arrival_soc, arrival_soc + rise, hours, start_h))
    assert expected_kwh <= best.total_kwh + TINY
    assert best.total_kwh <= 50.0 * rise + TINY


def test_a_real_curve_is_followed_exactly() -> None:
    car = "Hyundai Ioniq 5 73 kWh"
    sessions = pd.DataFrame(
        [{"arrival_s": 0, "departure_s": 1200, "vehicle": car, "arrival_soc": 0.1, "target_soc": 1}]
    )
    scenario = run(sessions)
    real_kwh = greedy_kwh(scenario).sum()
    assert hindsight(scenario).total_kwh == pytest.approx(real_kwh, rel=1e-9)


# Never below what is feasible


def greedy_kwh(scenario: Scenario, slice_s: float = 60.0) -> np.ndarray:
    """Who came first takes all that car, site and battery give; nothing charges the battery."""
    visits, config = scenario.sessions, scenario.config
    store = config.battery
    left_kwh = 0.0
    if store is not None:
        left_kwh = (
            max(0.0, store.initial_soc - store.min_soc)
            * store.initial_capacity_kwh
            * store.discharge_efficiency
        )
    got_kwh = np.zeros(len(visits))
    ends_s = np.minimum(visits.departure_s, scenario.horizon_s)
    moments = {*np.arange(0.0, scenario.horizon_s, slice_s), scenario.horizon_s, *visits.arrival_s, *ends_s}
    for start_s, end_s in itertools.pairwise(sorted(moments)):
        hours, step = (end_s - start_s) / HOUR_S, int(start_s / scenario.step_s + 1e-9)
        if hours < 1e-9:
            continue
        own_kw = scenario.static_load_kw[step] + config.standing_kw - scenario.pv_kw[step]
        site_kwh = max(0.0, scenario.site_limit_kw[step] - own_kw) * hours
        if store is not None:
            boost_kwh = min(left_kwh, store.discharge_power_kw * hours)
            site_kwh, left_kwh = site_kwh + boost_kwh, left_kwh - boost_kwh
        charger_kwh = config.chargers[0].max_power_kw * hours
        for visit in np.flatnonzero((visits.arrival_s <= start_s) & (ends_s > start_s)):
            efficiency = config.chargers[0].efficiency
            offered_kwh = min(site_kwh * efficiency, charger_kwh, visits.max_kw[visit] * hours)
            taken_kwh = climbed_kwh(scenario, visit, got_kwh[visit], offered_kwh / hours, hours)
            got_kwh[visit] += taken_kwh
            site_kwh, charger_kwh = site_kwh - taken_kwh / efficiency, charger_kwh - taken_kwh
    return got_kwh


def climbed_kwh(scenario: Scenario, visit: int, before_kwh: float, kw: float, hours: float) -> float:
    visits = scenario.sessions
    points = None
    if visits.curve[visit] >= 0:
        part = slice(*visits.curve_start[visits.curve[visit] : visits.curve[visit] + 2])
        points = ChargingCurve(list(zip(visits.curve_soc[part], visits.curve_kw[part], strict=True)))
    car = Vehicle(visits.max_kw[visit], visits.battery_kwh[visit], points)
    soc = visits.arrival_soc[visit] + before_kwh / visits.battery_kwh[visit]
    return car.climb(soc, visits.target_soc[visit], kw, hours * HOUR_S)[0]


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
    store = battery(initialSoc=0.6, minSoc=0.2, power=draw(st.sampled_from([5, 40])), dischargeEfficiency=0.9)
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
        **({"battery": store} if draw(st.booleans()) else {}),
        **({"price_per_kwh": draw(st.just(0.2) | drawn)} if draw(st.booleans()) else {}),
    )


@given(scenarios())
def test_it_is_never_below_what_is_feasible(scenario: Scenario) -> None:
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
    """The schedule keeps the site's limit, and what is imported covers what is used."""
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
def test_neither_later_nor_finer_is_different(drawn: list[tuple[float, ...]], data: st.DataObject) -> None:
    """The same drivers at another time; and with prices that cut every step out."""
    rows = [(start_h, start_h + stay_h, kwh, kw + 0.1) for start_h, stay_h, kwh, kw in drawn]
    later = [(start_h + 0.3, end_h + 0.3, kwh, kw) for start_h, end_h, kwh, kw in rows]
    prices = data.draw(st.lists(st.floats(-1.0, 1.0), min_size=60, max_size=60))
    kwh = hindsight(run(log(*rows), site_kw=15.0, horizon_s=18_000.0)).total_kwh
    assert hindsight(run(log(*later), site_kw=15.0, horizon_s=18_000.0)).total_kwh == pytest.approx(
        kwh, abs=TINY
    )
    priced = run(log(*rows), site_kw=15.0, horizon_s=18_000.0, price_per_kwh=prices)
    assert hindsight(priced).total_kwh == pytest.approx(kwh, abs=TINY)


# Regret


def test_regret_by_hand() -> None:
    """Two of 20 kWh in the dear hour; 18 could have cost 18."""
    scenario = run(log((0, 3, 20, 10)), step_s=HOUR_S, price_per_kwh=[3.0, 1.0, 1.0])
    behind = regret(Ran(scenario, np.array([18.0]), 22.0))
    assert (behind.energy_kwh, behind.share, behind.cost) == pytest.approx((2.0, 0.1, 4.0))
    with pytest.raises(OptimizationError, match="1 visitors came, but delivered_kwh has the shape"):
        regret(Ran(scenario, np.zeros(3)))


# The published table


@pytest.mark.parametrize(("site_kw", "percent"), [(10, 59.11), (20, 88.57), (30, 99.26), (40, 99.88)])
def test_caltech_in_march(site_kw: float, percent: float) -> None:
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


# Looking ahead


def drive(snapshot: Snapshot, planner: Any, step_s: float = 60.0) -> dict[str, float]:
    """What each session has when the last one has left, kWh; a planner or the name of a strategy."""
    got_kwh = dict.fromkeys((demand.session_id for demand in snapshot.demands), 0.0)
    while snapshot.demands:
        ceilings = (
            planner(snapshot)
            if callable(planner)
            else {one.session_id: one.max_kw for one in snapshot.demands}
        )
        capped = with_ceilings(snapshot, ceilings)
        found: Allocation = allocate(capped, "max_min" if callable(planner) else planner)
        later = []
        for demand in snapshot.demands:
            kwh = min(demand.remaining_kwh or 0.0, found.offered_kw[demand.session_id] * step_s / HOUR_S)
            got_kwh[demand.session_id] += kwh
            if (demand.remaining_kwh or 0.0) - kwh > TINY:
                later.append(replace(demand, remaining_kwh=(demand.remaining_kwh or 0.0) - kwh))
        now_s = snapshot.now_s + step_s
        snapshot = replace(
            snapshot, now_s=now_s, demands=[one for one in later if (one.departs_s or 0.0) > now_s]
        )
    return got_kwh


def test_looking_ahead_beats_the_earliest_deadline() -> None:
    """The one who leaves later needs all of its two hours, and the other one has time to spare."""
    soon = Demand("soon", "C", 10.0, departs_s=HOUR_S, remaining_kwh=5.0)
    late = Demand("late", "C", 5.0, departs_s=2 * HOUR_S, remaining_kwh=10.0)
    moment = Snapshot(10.0, {"C": None}, [soon, late])
    assert drive(moment, "earliest_deadline") == pytest.approx({"soon": 5.0, "late": 7.5})
    assert drive(moment, Mpc()) == pytest.approx({"soon": 5.0, "late": 10.0})
    assert Mpc()(moment) == pytest.approx({"soon": 5.0, "late": 5.0})


def test_it_leaves_no_power_unused_and_first_serves_who_has_least_time() -> None:
    """Both can have all: b needs 2 of the 4 hours that it is thought to stay, a half an hour of 2."""
    b = Demand("b", "C", 10.0, remaining_kwh=20.0)
    a = Demand("a", "C", 10.0, departs_s=2 * HOUR_S, remaining_kwh=5.0)
    moment = Snapshot(10.0, {"C": None}, [b, a])
    assert Mpc()(moment) == pytest.approx({"a": 0.0, "b": 10.0})
    # Thought to stay for 16 hours, it can wait.
    assert Mpc(dwell_s=16 * HOUR_S)(moment) == pytest.approx({"a": 10.0, "b": 0.0})
    assert Mpc()(replace(moment, boost_kw=5.0)) == pytest.approx({"a": 5.0, "b": 10.0})


@given(hard_snapshots())
def test_plans_are_ceilings(snapshot: Snapshot) -> None:
    """For any moment: one ceiling a session, none above what it asks for, the same for any order."""
    planner = Mpc()
    plan = planner(snapshot)
    assert list(plan) == [demand.session_id for demand in snapshot.demands]
    for demand in snapshot.demands:
        assert 0.0 <= plan[demand.session_id] <= demand.max_kw
        assert plan[demand.session_id] == 0.0 or plan[demand.session_id] >= min(demand.min_kw, demand.max_kw)
    assert planner(replace(snapshot, demands=snapshot.demands[::-1])) == plan
    assert plan_instant(replace(snapshot, demands=snapshot.demands[::-1])) == plan_instant(snapshot)


# Errors


def test_refusals() -> None:
    scenario = run(log((0, 1, 10, 11)), battery=battery())
    for name, value in {
        "demand_charge_per_kw": -1.0,
        "demand_window_s": 0.0,
        "final_soc_at_least": 1.5,
        "end_s": 99_999.0,
        "time_limit_s": math.nan,
    }.items():
        with pytest.raises(OptimizationError, match=f"{name} must be a number"):
            hindsight(scenario, **{name: value})
    with pytest.raises(OptimizationError, match="dwell_s must be a number of seconds"):
        Mpc(dwell_s=0.0)
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
