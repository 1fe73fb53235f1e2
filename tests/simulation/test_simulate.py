"""A simulation decides as the station does, and its energies add up."""

from __future__ import annotations

import functools
import importlib
import itertools
import math
import sys
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stations import CARS, NAMED, configs

from electra_core import ChargingCurve, ConfigError, Snapshot, Station, StrategyError, Vehicle, load_config
from electra_core.allocation.strategies import STRATEGIES, Planner, uniform
from electra_core.sessions import SessionsError
from electra_core.sessions.scenario import ScenarioError
from electra_core.simulation import Result, ResultError, SimulationWarning, run, simulate

HOUR_S = 3600.0
DAY_S = 86_400.0

# The same arithmetic in the same order differs by rounding alone.
TINY = 1e-9


# A station and a simulation


@dataclass(frozen=True)
class Driver:
    """A driver twice: as a row of the table, and as the car that a station would be told of."""

    row: dict[str, Any]
    car: Vehicle
    arrival_soc: float
    target_soc: float


def odd_rank(demand: Any, now_s: float) -> tuple[float, float]:
    """A rank of one's own that changes with time and that a compiler understands."""
    late = 1.0 if demand.departs_s is None or demand.departs_s < now_s + 1800.0 else 0.0
    return late + demand.priority, demand.weight * (1.0 + demand.remaining_kwh)


def wrapped_uniform(demand: Any, now_s: float) -> tuple[float, float]:
    """Divide in equal parts by handing on the answer of a shipped rank."""
    return uniform(demand, now_s)


RANKS: tuple[Any, ...] = (*NAMED, odd_rank, wrapped_uniform)

# Multiples of every step below, and moments between them.
MOMENTS_S = (0.0, 60.0, 300.0, 900.0, 1800.0, 3600.0)
moments_s = st.sampled_from(MOMENTS_S) | st.integers(0, 64 * 5400).map(lambda part: part / 64)
stays_s = st.just(math.nan) | st.sampled_from([3600.0, 900.0, 60.0, 0.0]) | st.floats(1.0, 7200.0)


@st.composite
def drivers(draw: st.DrawFn, config: dict[str, Any]) -> Driver:
    """Draw a driver for a station."""
    arrival_s, stay_s = draw(moments_s), draw(stays_s)
    row: dict[str, Any] = {
        "arrival_s": arrival_s,
        "departure_s": arrival_s + stay_s,
        "priority": draw(st.integers(-1, 2)),
        "weight": draw(st.sampled_from([1.0, 1.0, 0.5, 3.7])),
        "patience_s": draw(st.sampled_from([math.nan, 600.0, 0.0])),
        **draw(places(config)),
    }
    return draw(with_curve(row) | with_energy(row))


@st.composite
def places(draw: st.DrawFn, config: dict[str, Any]) -> dict[str, Any]:
    """Where a driver wants to stand: anywhere, at a charger, or at a connector."""
    charger = draw(st.none() | st.sampled_from(config["chargers"]))
    if charger is None:
        return {"charger_id": None, "connector": None}
    plugs = charger["connectors"]
    connector = draw(st.none() | st.integers(1, plugs if isinstance(plugs, int) else len(plugs)))
    return {"charger_id": charger["id"], "connector": connector}


@st.composite
def with_curve(draw: st.DrawFn, row: dict[str, Any]) -> Driver:
    """Draw a driver with a known car."""
    car = draw(st.sampled_from([car for car in CARS if car.battery_kwh is not None]))
    arrival_soc, target_soc = draw(st.sampled_from([0.0, 0.1, 0.55])), draw(st.sampled_from([0.3, 0.8, 1.0]))
    row = {**row, "vehicle": car, "arrival_soc": arrival_soc, "target_soc": target_soc}
    most_kw = draw(st.none() | st.sampled_from([22.0, 50.0]))
    if most_kw is not None:
        row["max_power_kw"] = most_kw
        car = replace(car, max_power_kw=min(most_kw, car.max_power_kw))
    return Driver(row, car, arrival_soc, target_soc)


@st.composite
def with_energy(draw: st.DrawFn, row: dict[str, Any]) -> Driver:
    """Draw a driver with a known energy: a battery of that size, from empty to full."""
    energy_kwh = draw(st.sampled_from([45.0, 20.0, 3.3, 0.0]))
    most_kw = draw(st.sampled_from([150.0, 50.0, 11.0]))
    least_kw = draw(st.sampled_from([0.0, 0.0, 6.0]))
    car = Vehicle(most_kw, battery_kwh=energy_kwh or 1.0, min_power_kw=least_kw)
    row = {**row, "energy_kwh": energy_kwh, "max_power_kw": most_kw, "min_power_kw": least_kw}
    return Driver(row, car, 0.0 if energy_kwh else 1.0, 1.0)


@dataclass(frozen=True)
class Case:
    """A run that a station can make as well."""

    config: dict[str, Any]
    drivers: list[Driver]
    strategy: Any
    step_s: float
    horizon_s: float
    loads_kw: list[float]
    limits_kw: list[float]

    @property
    def static_load_kw(self) -> list[float]:
        return stretched(self.loads_kw, self.steps, first=0)

    @property
    def site_limit_kw(self) -> list[float]:
        # A station hears of the two one after the other, and decides in between, which leaves traces.
        return stretched(self.limits_kw, self.steps, first=1)

    @property
    def steps(self) -> int:
        return math.ceil(self.horizon_s / self.step_s)

    def simulated(self, strategy: Any = None, **more: Any) -> Result:
        return simulate(
            self.config,
            pd.DataFrame([driver.row for driver in self.drivers]),
            strategy or self.strategy,
            step_s=self.step_s,
            horizon_s=self.horizon_s,
            static_load_kw=self.static_load_kw,
            site_limit_kw=self.site_limit_kw,
            **more,
        )


battery_socs = st.sampled_from([0.9, 1.0, 0.5, 0.2, 0.0])


@st.composite
def random_plants(draw: st.DrawFn) -> dict[str, Any]:
    """Stations that no lease falls silent at, with everything else that a file can ask for."""
    drawn = draw(configs() | configs("hybrid") | configs("whole_session"))
    config = {name: value for name, value in drawn.items() if name != "limitLease"}
    # So little of the grid, and so much of the battery, that they matter.
    config["gridCapacity"] = draw(st.sampled_from([100, 60, 172.5, 400]))
    if "battery" in config:
        config["battery"] |= {"power": draw(st.sampled_from([100, 30])), "initialSoc": draw(battery_socs)}
    return config


@st.composite
def small_plants(draw: st.DrawFn) -> dict[str, Any]:
    """Draw stations with turns and modules, at which three cars share what is enough for one."""
    config = draw(random_plants())
    modules = st.sampled_from([{"moduleSize": 25, "moduleHold": 45}, {}])
    small = {"maxPower": 50, "connectors": 3}
    chargers = [{**charger, **small, **draw(modules)} for charger in config["chargers"][:2]]
    rotation_s = draw(st.sampled_from([90, 400]))
    return {**config, "gridCapacity": 80, "rotation": rotation_s, "chargers": chargers}


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Draw a station and its drivers; at a small one, with cars that need much."""
    small = draw(st.booleans())
    config = draw(small_plants() if small else random_plants())
    coming = draw(st.lists(drivers(config), min_size=3, max_size=8))
    if small:
        coming = [with_least(driver, draw(st.sampled_from([25.0, 40.0, 10.0]))) for driver in coming]
    return Case(
        config=config,
        drivers=without_clashes(coming),
        strategy=draw(st.sampled_from(RANKS)),
        step_s=draw(st.sampled_from([60.0, 60.0, 300.0, 17.3, 130.0])),
        horizon_s=draw(st.sampled_from([3600.0, 7200.0, 4321.0])),
        loads_kw=draw(st.lists(st.sampled_from([3.0, 0.0, 20.0, 0.0, 70.0, 500.0]), min_size=1, max_size=4)),
        limits_kw=draw(st.lists(st.sampled_from([1000.0, 100.5, 40.0, 70.0, 0.0]), min_size=1, max_size=4)),
    )


def with_least(driver: Driver, least_kw: float) -> Driver:
    """Return the driver with that minimum power, or all that the car can take."""
    least_kw = min(least_kw, driver.car.max_power_kw)
    car = replace(driver.car, min_power_kw=least_kw)
    return replace(driver, row={**driver.row, "min_power_kw": least_kw}, car=car)


def without_clashes(coming: list[Driver]) -> list[Driver]:
    """Return the drivers whose stays at one connector do not overlap."""
    found: list[Driver] = []
    for driver in coming:
        if not any(clash(driver.row, other.row) for other in found):
            found.append(driver)
    return found


def clash(row: dict[str, Any], other: dict[str, Any]) -> bool:
    if row["connector"] is None or any(row[name] != other[name] for name in ("charger_id", "connector")):
        return False
    first, second = sorted((other, row), key=lambda each: each["arrival_s"])
    return bool(second["arrival_s"] < first["departure_s"])


def stretched(parts: list[float], steps: int, first: int) -> list[float]:
    """One value a step; two profiles with another ``first`` never change at the same step."""
    each = 2 * math.ceil(steps / len(parts) / 2)
    return ([parts[0]] * first + [part for part in parts for _ in range(each)])[:steps]


class Follower:
    """A station that follows a simulation: its arrivals, departures and site profiles.

    It refuses whoever plugs in at a connector that is taken.
    """

    def __init__(self, case: Case, result: Result) -> None:
        self.case, self.result = case, result
        self.station = Station(load_config(case.config), case.strategy)
        self.sessions = result.sessions.reset_index(drop=True)
        self.energies_kwh: dict[int, tuple[float, float]] = {}
        # Rows of the table: who stands there, in the order of plugging in; and who will come, in the order
        # of arrival, and of the table where several come at once.
        self.standing: list[int] = []
        order = np.argsort(self.sessions.arrival_s, kind="stable")
        self.coming = [row for row in order if not math.isnan(self.sessions.plugged_s[row])]
        self.offered_kw: list[float] = []
        self.battery_kwh: list[float] = []

    def follow(self) -> None:
        """From the beginning to the end."""
        sessions, steps = self.sessions, list(self.result.starts_s)
        # Also those at which a driver begins or ends to wait for a connector: each is looked at.
        happens_s = pd.concat([sessions.arrival_s, sessions.plugged_s, sessions.left_s]).dropna()
        moments_s = {*steps, self.case.horizon_s, *happens_s[happens_s <= self.case.horizon_s]}
        for at_s in sorted(moments_s):
            self.station.advance(max(0.0, at_s - self.station.now_s))
            if at_s < self.case.horizon_s:
                self.site_changes(steps.index(at_s) if at_s in steps else None)
                self.come_and_go(at_s)
            if at_s in steps:
                self.offered_kw.append(sum(self.station.allocation.offered_kw.values()))
                self.battery_kwh.append(self.station.state.battery_kwh)
        for row in self.standing:
            self.note(row)

    def site_changes(self, step: int | None) -> None:
        """Set the site to the profiles of this step."""
        for profile, tell in (
            (self.case.static_load_kw, self.station.set_static_load),
            (self.case.site_limit_kw, self.station.set_site_limit),
        ):
            if step is not None and (step == 0 or profile[step] != profile[step - 1]):
                tell(profile[step])

    def come_and_go(self, at_s: float) -> None:
        """Let cars leave whose stay is over, and others plug in; also those that leave at once."""
        changed = True
        while changed:
            changed = False
            for row in [row for row in self.standing if self.sessions.left_s[row] <= at_s]:
                self.note(row)
                self.station.unplug(*self.place(row))
                self.standing.remove(row)
            for row in [row for row in self.coming if self.sessions.plugged_s[row] <= at_s]:
                if self.place(row) not in map(self.place, self.standing):
                    self.plug_in(row)
                    changed = True

    def place(self, row: int) -> tuple[str, int]:
        return self.sessions.charger_id[row], int(self.sessions.connector[row])

    def plug_in(self, row: int) -> None:
        driver = self.case.drivers[row]
        departs_s = driver.row["departure_s"]
        self.station.plug_in(
            *self.place(row),
            driver.car,
            arrival_soc=driver.arrival_soc,
            target_soc=driver.target_soc,
            departs_s=None if math.isnan(departs_s) else max(departs_s, self.station.now_s),
            priority=driver.row["priority"],
            weight=driver.row["weight"],
        )
        self.coming.remove(row)
        self.standing.append(row)

    def note(self, row: int) -> None:
        """Note the energies of a car."""
        session = self.station.state.sessions[self.place(row)]
        self.energies_kwh[row] = (session.energy_kwh, session.boost_kwh)


# What is added up in a run as in a station's ledger.
LEDGER = (
    "imported_kwh",
    "static_kwh",
    "standby_kwh",
    "delivered_kwh",
    "charger_loss_kwh",
    "battery_in_kwh",
    "battery_out_kwh",
    "battery_loss_kwh",
)


def near(expected: Any) -> Any:
    """The same but for rounding."""
    return pytest.approx(expected, rel=TINY, abs=TINY)


@settings(max_examples=max(150, settings().max_examples))
@given(cases())
def test_simulation_decides_as_a_station_does(case: Case) -> None:
    assert_as_a_station(case)


def assert_same_offers(result: Result, offered_kw: np.ndarray) -> None:
    """The same at the beginning of every step.

    A car that is done within rounding of that moment may still be offered something, and draws nothing of it.
    """
    steps = result.timeline[:-1]
    said_kw, drawn_kw = steps.offered_kw.to_numpy(), steps.drawn_kw.to_numpy()
    done = np.abs(said_kw - offered_kw) > 1e-9
    assert np.where(done, drawn_kw, said_kw) == near(offered_kw)


def assert_as_a_station(case: Case) -> None:
    """A station gives the same to every session, at every step, and in all."""
    result = case.simulated()
    follower = Follower(case, result)
    follower.follow()
    sessions, ledger = result.sessions.reset_index(drop=True), follower.station.ledger
    assert len(follower.energies_kwh) == sessions.plugged_s.notna().sum()
    for row, energies_kwh in follower.energies_kwh.items():
        assert (sessions.energy_kwh[row], sessions.boost_kwh[row]) == near(energies_kwh)
    assert_same_offers(result, np.array(follower.offered_kw))
    assert stored_kwh(result)[:-1] == near(follower.battery_kwh)
    metrics = result.metrics()
    for name in LEDGER:
        assert metrics[name] == near(getattr(ledger, name)), name
    assert result.totals["exercise_gain_kwh"] == near(ledger.exercise_gain_kwh)


def stored_kwh(result: Result) -> Any:
    """Return the battery's energy at the beginning of each step, and at the end."""
    battery = result.scenario.config.battery
    return result.timeline.battery_soc.to_numpy() * (battery.initial_capacity_kwh if battery else 0.0)


def test_interrupted_turns_are_added_up_as_a_station_does() -> None:
    """A battery that helps now and then interrupts turns: a last bit decides the next turn."""
    config = {
        "stationId": "ST",
        "gridCapacity": 33,
        "chargers": [{"id": "A", "maxPower": 300, "connectors": 3}],
        "battery": {"initialCapacity": 10, "power": 100, "initialSoc": 0.2, "minSoc": 0.1},
        "controlInterval": 10,
        "rotation": 90,
    }
    here = {"arrival_s": 0.0, "departure_s": math.nan, "priority": 0, "weight": 1.0, "energy_kwh": 45.0}
    crowd = [
        Driver(
            {**here, "max_power_kw": most_kw, "min_power_kw": least_kw},
            Vehicle(most_kw, battery_kwh=45.0, min_power_kw=least_kw),
            arrival_soc=0.0,
            target_soc=1.0,
        )
        for most_kw, least_kw in ((150.0, 25.0), (50.0, 40.0), (22.0, 22.0))
    ]
    assert_as_a_station(Case(config, crowd, "first_come", 60.0, 3600.0, [0.0], [33.0]))


@settings(max_examples=8)
@given(cases())
def test_it_is_the_same_in_python(case: Case) -> None:
    """A rank that keeps a record by names is none that a compiler understands."""
    seen: dict[str, float] = {}

    def noted(demand: Any, now_s: float) -> tuple[float, float]:
        seen[demand.session_id] = now_s
        return odd_rank(demand, now_s)

    case = replace(case, horizon_s=min(case.horizon_s, 2000.0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SimulationWarning)
        slow, fast = case.simulated(noted), case.simulated(odd_rank)
        assert_same(slow, fast)
    assert set(seen) <= {str(name) for name in slow.sessions.index}


FRAMES = ("sessions", "timeline", "connectors", "connectors_boost", "events")


def assert_same(one: Result, other: Result, frames: tuple[str, ...] = FRAMES) -> None:
    """Two results with the same numbers."""
    for name in frames:
        pd.testing.assert_frame_equal(getattr(one, name), getattr(other, name), rtol=TINY, atol=TINY)
    assert one.metrics() == near(other.metrics())


# Energy


@given(cases(), st.lists(st.sampled_from([0.0, 20.0, 300.0]), min_size=1, max_size=4))
def test_energy_adds_up_in_every_step_and_in_all(case: Case, pv_kw: list[float]) -> None:
    result = case.simulated(pv_kw=stretched(pv_kw, case.steps, first=0))
    steps, hours = result.timeline.iloc[:-1], np.diff(result.timeline.index) / HOUR_S
    standing_kw = result.scenario.config.standing_kw
    came_kw = steps.import_kw + steps.pv_kw - steps.curtailed_kw
    assert came_kw.to_numpy() == near(standing_kw + (steps.static_load_kw + steps.grid_kw).to_numpy())
    metrics, totals = result.metrics(), result.totals
    for column, name in (("import_kw", "imported_kwh"), ("drawn_kw", "delivered_kwh")):
        assert (steps[column] * hours).sum() == near(metrics[name])
    assert ((steps.pv_kw - steps.curtailed_kw) * hours).sum() == near(metrics["pv_kwh"])
    assert (steps.battery_kw * hours).sum() == near(metrics["battery_in_kwh"] - metrics["battery_out_kwh"])
    came_kwh = metrics["imported_kwh"] + metrics["pv_kwh"] + metrics["battery_out_kwh"]
    went = ("static_kwh", "standby_kwh", "delivered_kwh", "charger_loss_kwh", "battery_in_kwh")
    assert came_kwh == near(math.fsum(metrics[name] for name in went))
    gained_kwh = metrics["battery_in_kwh"] - metrics["battery_out_kwh"] - metrics["battery_loss_kwh"]
    assert stored_kwh(result)[-1] - first_kwh(result) == near(gained_kwh + totals["exercise_gain_kwh"])


def first_kwh(result: Result) -> float:
    """Return the battery's energy at the beginning."""
    battery = result.scenario.config.battery
    return battery.initial_soc * battery.initial_capacity_kwh if battery else 0.0


@given(cases(), st.sampled_from([0.0, 20.0, 300.0]))
def test_no_limit_is_broken(case: Case, pv_kw: float) -> None:
    result = case.simulated(pv_kw=pv_kw)
    config, steps = result.scenario.config, result.timeline.iloc[:-1]
    assert_within_site(result)
    assert (steps.curtailed_kw >= 0.0).all()
    assert (steps.curtailed_kw <= pv_kw + TINY).all()
    assert (steps.drawn_kw >= 0.0).all()
    assert result.timeline.battery_soc.between(0.0, 1.0).all()
    for charger in config.chargers:
        # These are kept in single precision.
        assert (result.connectors[charger.id].sum(axis=1) <= charger.max_power_kw * (1 + 1e-6)).all()
    sessions = result.sessions
    assert (sessions.energy_kwh <= sessions.requested_kwh + 1e-6).all()
    assert (sessions.boost_kwh <= sessions.energy_kwh + TINY).all()


def assert_within_site(result: Result) -> None:
    """The import is never above the limit, but for the site's own load, and never below 0."""
    steps, standing_kw = result.timeline.iloc[:-1], result.scenario.config.standing_kw
    own_kw = steps.static_load_kw + standing_kw - steps.pv_kw
    assert (steps.import_kw >= 0.0).all()
    assert (steps.import_kw <= np.maximum(steps.site_limit_kw, own_kw) + 1e-6).all()


@given(cases())
def test_energy_of_connectors_is_energy_of_sessions(case: Case) -> None:
    """Connectors are kept in single precision."""
    result = case.simulated()
    hours, losses_kwh = np.diff(result.timeline.index) / HOUR_S, 0.0
    for (charger_id, connector), column in result.connectors.items():
        gave_kwh = float((column.to_numpy(np.float64)[:-1] * hours).sum())
        stood = (result.sessions.charger_id == charger_id) & (result.sessions.connector == connector)
        got_kwh = float(result.sessions.energy_kwh[stood.fillna(False)].sum())
        assert gave_kwh == pytest.approx(got_kwh, rel=1e-5, abs=1e-6)
        losses_kwh += got_kwh / result.scenario.config.efficiency[charger_id] - got_kwh
    assert result.metrics()["charger_loss_kwh"] == near(losses_kwh)


# Cases by hand


def plant(*chargers: tuple[str, float, int], grid_kw: float = 400.0, **more: Any) -> dict[str, Any]:
    """A station of chargers: id, kW and number of connectors."""
    made = [{"id": name, "maxPower": kw, "connectors": count} for name, kw, count in chargers]
    return {"stationId": "ST", "gridCapacity": grid_kw, "chargers": made, **more}


TWO = plant(("A", 200.0, 2))
ONE = plant(("A", 50.0, 1))


def came(**columns: Any) -> pd.DataFrame:
    """Return drivers of 10 kWh at 50 kW, which takes 720 s, that leave when done; with other columns."""
    return pd.DataFrame({"energy_kwh": 10.0, "max_power_kw": 50.0, **columns})


def test_two_cars_share_a_charger() -> None:
    result = simulate(TWO, came(arrival_s=[0, 0], energy_kwh=50, max_power_kw=150, departure_s=3600))
    assert result.sessions.done_s.tolist() == near([1800, 1800])
    assert result.sessions.energy_kwh.tolist() == near([50, 50])
    assert result.sessions.limited_by_charger_s.tolist() == near([1800, 1800])
    assert result.sessions.limited_by_finished_s.tolist() == near([1800, 1800])
    assert result.timeline.offered_kw.loc[:1740].tolist() == near([200] * 30)
    assert result.timeline.drawn_kw.loc[1800:].tolist() == near([0] * 31)
    # It is the charger that is slow: an unlimited grid would give the same.
    assert result.sessions.added_s.tolist() == [0, 0]


def test_limit_of_the_site_adds_time() -> None:
    """11 kW each without the limit: 10 kWh take 3272.7 s."""
    sessions = came(session_id=["early", "late"], arrival_s=[0, 60], max_power_kw=11)
    result = simulate(plant(("A", 200, 2), grid_kw=10), sessions, "first_come")
    early, late = result.sessions.loc["early"], result.sessions.loc["late"]
    assert (early.done_s, late.done_s) == near((3600, 7200))
    alone_s = 10 / 11 * HOUR_S
    assert (early.added_s, late.added_s) == near((3600 - alone_s, 7140 - alone_s))
    assert (early.limited_by_site_s, late.limited_by_site_s) == near((3600, 7140))
    assert (early.without_power_s, late.without_power_s) == near((0, 3540))
    metrics = result.metrics()
    assert metrics["delivered_share"] == near(1.0)
    assert metrics["added_p50_min"] == near((3600 + 7140 - 2 * alone_s) / 120)
    assert metrics["load_factor"] == near(1.0)


def test_run_without_comparison_has_no_added_time(tmp_path: Path) -> None:
    sessions = came(arrival_s=[0, 60], max_power_kw=11)
    config = plant(("A", 200, 2), grid_kw=10)
    short, full = simulate(config, sessions, compare_unlimited=False), simulate(config, sessions)
    pd.testing.assert_frame_equal(short.sessions, full.sessions.drop(columns="added_s"))
    added = {"added_p50_min", "added_p95_min"}
    assert short.metrics() == {name: value for name, value in full.metrics().items() if name not in added}
    assert added <= set(full.metrics())
    short.save(tmp_path / "short.parquet")
    pd.testing.assert_frame_equal(Result.load(tmp_path / "short.parquet").sessions, short.sessions)


def test_added_time_of_session_without_target_counts_to_departure() -> None:
    """A stay that ends before the target counts to its end: 3600 s instead of the 720 s of full power."""
    result = simulate(ONE, came(arrival_s=[0], departure_s=3600), site_limit_kw=5)
    session = result.sessions.iloc[0]
    assert (session.energy_kwh, session.lacked_kwh, session.delivered_share) == near((5, 5, 0.5))
    assert session.added_s == near(2880)


def test_sunshine_charges_the_battery_first_and_is_lost_then() -> None:
    """50 kW of PV: 10 to the car for 1800 s, 30 to the battery for 1200 s."""
    battery = {"initialCapacity": 10, "power": 30}
    config = plant(("A", 50, 1), grid_kw=100, battery=battery)
    result = simulate(config, came(arrival_s=[0], energy_kwh=5, max_power_kw=10, departure_s=3600), pv_kw=50)
    steps = result.timeline
    assert steps.battery_soc.loc[[0, 600, 1200, 3600]].tolist() == near([0, 0.5, 1, 1])
    assert steps.battery_kw.loc[[0, 1140, 1200]].tolist() == near([30, 30, 0])
    assert steps.curtailed_kw.loc[[0, 1200, 1800]].tolist() == near([10, 40, 50])
    metrics = result.metrics()
    assert (metrics["imported_kwh"], metrics["peak_kw"]) == (0.0, 0.0)
    assert (metrics["pv_kwh"], metrics["curtailed_kwh"], metrics["battery_cycles"]) == near((15, 35, 0.5))


def test_sunshine_comes_on_top_of_the_limit() -> None:
    result = simulate(ONE, came(arrival_s=[0]), site_limit_kw=10, pv_kw=25, static_load_kw=5)
    first = result.timeline.iloc[0]
    assert (first.offered_kw, first.import_kw, first.curtailed_kw) == near((30, 10, 0))


def test_battery_lifts_a_car_until_it_is_empty() -> None:
    """50 kW of the grid and 30 of the battery for 20 minutes, 50 kW then: 40 kWh in 2160 s."""
    config = plant(("A", 100, 1), grid_kw=50, battery={"initialCapacity": 10, "power": 30, "initialSoc": 1})
    result = simulate(config, came(arrival_s=[0], energy_kwh=40, max_power_kw=80))
    session, metrics = result.sessions.iloc[0], result.metrics()
    assert (session.done_s, session.boost_kwh) == near((2160, 10))
    assert result.timeline.offered_kw.loc[[0, 1140, 1200]].tolist() == near([80, 80, 50])
    assert result.timeline.battery_kw.loc[[0, 1140, 1200]].tolist() == near([-30, -30, 0])
    assert result.connectors_boost["A", 1].loc[[0, 1140, 1200]].tolist() == pytest.approx(
        [30, 30, 0], rel=1e-6
    )
    assert (metrics["battery_out_kwh"], metrics["battery_cycles"], metrics["peak_kw"]) == near((10, 0.5, 50))


def test_jain_is_of_the_time_in_which_two_want_power() -> None:
    """One after the other: all to one of two while both want; then there is no contest."""
    sessions = came(arrival_s=[0, 0], energy_kwh=5, max_power_kw=11, priority=[1, 0])
    metrics = simulate(plant(("A", 200, 2), grid_kw=10), sessions, "priority").metrics()
    assert (metrics["jain"], metrics["jain_share"]) == near((0.5, 0.5))


def test_jain_of_power_and_of_power_over_demand() -> None:
    """30 of 30 kW, and 70 of 150."""
    sessions = came(arrival_s=[0, 0], energy_kwh=500, max_power_kw=[30, 150], departure_s=3600)
    metrics = simulate(plant(("A", 100, 2)), sessions).metrics()
    assert metrics["jain"] == near(100**2 / (2 * (30**2 + 70**2)))
    assert metrics["jain_share"] == near((1 + 70 / 150) ** 2 / (2 * (1 + (70 / 150) ** 2)))


@pytest.mark.parametrize(("arrival_s", "peak_15min_kw"), [(0, 25.0), (675, 12.5)])
def test_peak_is_mean_of_a_quarter_hour_of_the_clock(arrival_s: float, peak_15min_kw: float) -> None:
    """450 s of 50 kW, in one quarter-hour or half in each of two."""
    result = simulate(ONE, came(arrival_s=[arrival_s], energy_kwh=6.25), step_s=45, horizon_s=1800)
    metrics = result.metrics()
    assert (metrics["peak_kw"], metrics["peak_15min_kw"]) == near((50, peak_15min_kw))
    assert metrics["load_factor"] == near(0.25)


def test_cost_is_sum_over_steps() -> None:
    result = simulate(
        ONE, came(arrival_s=[0, 720]), step_s=360, price_per_kwh=[0.1, 0.1, 0.5, -0.2], horizon_s=1440
    )
    assert result.metrics()["energy_cost"] == near(10 * 0.1 + 5 * 0.5 - 5 * 0.2)
    assert "energy_cost" not in simulate(ONE, came(arrival_s=[0])).metrics()


def test_car_moves_along_its_curve() -> None:
    """A curve that falls from 60 to 30 kW: the time is the energy over the logarithmic mean."""
    car = Vehicle(60.0, battery_kwh=50.0, curve=ChargingCurve([(0.0, 60.0), (1.0, 30.0)]))
    sessions = pd.DataFrame({"arrival_s": [0.0], "vehicle": [car], "arrival_soc": 0.2, "target_soc": 1.0})
    start_kw = 54.0
    mean_kw = (start_kw - 30) / math.log(start_kw / 30)
    session = simulate(plant(("A", 200, 1)), sessions).sessions.iloc[0]
    assert (session.energy_kwh, session.done_s) == near((40, 40 / mean_kw * HOUR_S))


# Steps, horizons, profiles


def test_last_step_may_be_shorter() -> None:
    """50 kW until 1440 s, in steps of 700 s, to 1500 s."""
    result = simulate(ONE, came(arrival_s=[0], energy_kwh=20, departure_s=3600), step_s=700, horizon_s=1500)
    steps = result.timeline
    assert steps.index.tolist() == [0, 700, 1400, 1500]
    assert steps.index.name == "time_s"
    assert steps.drawn_kw.tolist() == near([50, 50, 50 * 40 / 100, 0])
    assert steps.grid_kw.tolist() == near([50, 50, 20, 0])
    assert result.connectors["A", 1].tolist() == pytest.approx([50, 50, 20, 0], rel=1e-6)


def test_last_row_closes_the_timeline() -> None:
    config = plant(("A", 50, 1), battery={"initialCapacity": 10, "power": 30, "initialSoc": 0.25})
    result = simulate(config, pd.DataFrame(), horizon_s=90, static_load_kw=4)
    steps = result.timeline
    assert steps.index.tolist() == [0, 60, 90]
    assert steps.battery_soc.tolist() == near([0.25, 0.3, 0.325])
    powers = [name for name in steps.columns if name.endswith("_kw") and name != "site_limit_kw"]
    assert (steps[powers].iloc[-1] == 0.0).all()


@pytest.mark.parametrize("step_s", [7.0, 60.0, 77.7, 900.0])
def test_length_of_steps_changes_no_outcome(step_s: float) -> None:
    """Arrivals, departures and reached targets count at their exact times."""
    sessions = came(arrival_s=[0.5, 100.25, 333.0], departure_s=[math.nan, 2000.125, math.nan])
    result = simulate(plant(("A", 80, 3), grid_kw=70), sessions, step_s=step_s)
    finest = simulate(plant(("A", 80, 3), grid_kw=70), sessions, step_s=1.0)
    pd.testing.assert_frame_equal(result.sessions, finest.sessions, rtol=TINY, atol=1e-6)


def test_profiles_may_be_numbers_steps_or_seconds() -> None:
    sessions = came(arrival_s=[0], departure_s=3600)
    by_step = simulate(ONE, sessions, static_load_kw=[10.0] * 30 + [60.0] * 30, pv_kw=[8.0] * 60)
    by_second = simulate(ONE, sessions, static_load_kw=pd.Series([10.0, 60.0], index=[0, 1800]), pv_kw=8)
    assert_same(by_step, by_second)
    assert by_step.timeline.static_load_kw.loc[[0, 1740, 1800]].tolist() == [10, 10, 60]


def test_no_limit_is_above_the_grid_connection() -> None:
    result = simulate(plant(("A", 50, 1), grid_kw=20), came(arrival_s=[0]), site_limit_kw=1000)
    assert result.timeline.site_limit_kw.iloc[0] == result.timeline.offered_kw.iloc[0] == 20


def test_no_lease_runs_out() -> None:
    """Readings come at every step, however long it is."""
    sessions = came(arrival_s=[0, 30], energy_kwh=[20, 30])
    lease = {"limitLease": 45, "failSafeLimit": 5}
    leased = simulate({**TWO, **lease}, sessions, step_s=300, site_limit_kw=60)
    assert_same(leased, simulate(TWO, sessions, step_s=300, site_limit_kw=60))


def test_long_run_in_parts_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """A progress bar is drawn between the parts of a long run."""
    config = plant(("A", 60, 2), grid_kw=70, battery={"initialCapacity": 10, "power": 30}, rotation=600)
    sessions = came(arrival_s=np.arange(0, 30_000, 500.0), min_power_kw=20)
    whole = simulate(config, sessions, pv_kw=20, step_s=50)
    monkeypatch.setattr(importlib.import_module("electra_core.simulation.simulate"), "UNWATCHED", 0)
    assert_same(simulate(config, sessions, pv_kw=20, step_s=50), whole)


def test_without_a_timeline_the_rest_is_the_same() -> None:
    sessions = came(arrival_s=[0, 30], departure_s=[900, math.nan])
    full, short = simulate(TWO, sessions), simulate(TWO, sessions, keep_timeline=False)
    assert_same(full, short, ("sessions", "events"))
    for name in ("timeline", "connectors", "connectors_boost"):
        with pytest.raises(ResultError, match="kept no timeline"):
            getattr(short, name)


def test_table_is_left_as_it_was() -> None:
    sessions = came(session_id=["b", "a"], arrival_s=[30, 0])
    before = sessions.copy(deep=True)
    result = simulate(TWO, sessions)
    pd.testing.assert_frame_equal(sessions, before)
    assert result.sessions.index.tolist() == ["b", "a"]
    assert result.sessions.arrival_s.tolist() == [30, 0]


def test_run_without_arrivals() -> None:
    result = simulate(TWO, pd.DataFrame(), horizon_s=3600, static_load_kw=7)
    assert len(result.sessions) == len(result.events) == 0
    assert result.timeline.import_kw.iloc[:-1].tolist() == near([7] * 60)
    assert result.metrics()["delivered_share"] == 1.0


# Waiting for a connector

ANYWHERE = ""


@st.composite
def queues(draw: st.DrawFn) -> pd.DataFrame:
    """Draw drivers for three connectors, many at the same moment."""
    rows = []
    for _ in range(draw(st.integers(1, 12))):
        arrival_s = draw(st.integers(0, 8)) * 300.0
        rows.append(
            {
                "arrival_s": arrival_s,
                "departure_s": arrival_s + draw(st.sampled_from([300.0, 900.0, 3000.0, math.nan])),
                "patience_s": draw(st.sampled_from([math.nan, 0.0, 450.0, 600.0])),
                "energy_kwh": draw(st.sampled_from([5.0, 12.5])),
                "charger_id": draw(st.sampled_from([ANYWHERE, ANYWHERE, "A", "B"])),
            }
        )
    return came(**pd.DataFrame(rows))


PLACES = (("A", 1), ("A", 2), ("B", 1))


@given(queues())
def test_drivers_wait_only_for_taken_connectors_in_order_of_arrival(sessions: pd.DataFrame) -> None:
    config = plant(("A", 100, 2), ("B", 50, 1))
    frame = simulate(
        config, sessions.replace({"charger_id": {ANYWHERE: None}}), horizon_s=DAY_S
    ).sessions.reset_index(drop=True)
    order = np.argsort(frame.arrival_s, kind="stable")
    for place in PLACES:
        here = (frame.charger_id == place[0]) & (frame.connector == place[1]).fillna(False)
        stays = sorted(zip(frame.plugged_s[here], frame.left_s[here], strict=True))
        assert all(left_s <= next_s for (_, left_s), (next_s, _) in itertools.pairwise(stays))
        for row in order:
            if sessions.charger_id[row] not in (ANYWHERE, place[0]):
                assert not here[row]
                continue
            until_s = frame.left_s[row] if frame.balked[row] else frame.plugged_s[row]
            assert occupied(stays, frame.arrival_s[row], until_s)
            # Who came later may not have taken a place that this one waited for.
            later = order[list(order).index(row) + 1 :]
            assert not any(here[other] and frame.plugged_s[other] < until_s for other in later)


def occupied(stays: list[tuple[float, float]], from_s: float, until_s: float) -> bool:
    """Return whether a connector is taken all that time."""
    for plugged_s, left_s in stays:
        if plugged_s <= from_s < left_s:
            from_s = left_s
    return from_s >= until_s


def test_first_free_connector_is_taken() -> None:
    config = plant(("B", 100, 1), ("A", 100, 2))
    frame = simulate(config, came(arrival_s=[0, 10, 20])).sessions
    assert list(zip(frame.charger_id, frame.connector, strict=True)) == [("B", 1), ("A", 1), ("A", 2)]
    assert frame.waited_s.tolist() == [0, 0, 0]


def test_waiting_drivers_are_served_in_order_of_arrival() -> None:
    result = simulate(ONE, came(arrival_s=[0, 20, 10]))
    assert result.sessions.plugged_s.tolist() == near([0, 1440, 720])
    assert result.sessions.waited_s.tolist() == near([0, 1420, 710])
    assert result.metrics()["waited_mean_min"] == near(2130 / 3 / 60)


def test_driver_waiting_for_a_charger_does_not_block_others() -> None:
    config = plant(("A", 100, 1), ("B", 100, 1))
    sessions = came(
        arrival_s=[0, 0, 10, 20],
        charger_id=["A", "B", "A", None],
        departure_s=[900, 600, math.nan, math.nan],
    )
    frame = simulate(config, sessions).sessions
    assert frame.charger_id.tolist() == ["A", "B", "A", "B"]
    assert frame.plugged_s.tolist() == near([0, 0, 900, 600])


def test_driver_with_a_wanted_connector_waits_for_it() -> None:
    sessions = came(arrival_s=[0, 10], charger_id="A", connector=2)
    frame = simulate(TWO, sessions).sessions
    assert frame.connector.tolist() == [2, 2]
    assert frame.plugged_s.tolist() == near([0, 720])


def test_patience_ends() -> None:
    sessions = came(
        arrival_s=[0, 10, 20, 30], departure_s=[3600, 3600, 3600, 500], patience_s=[0, 100, 0, math.nan]
    )
    result = simulate(ONE, sessions)
    frame = result.sessions
    assert frame.balked.tolist() == [False, True, True, True]
    assert frame.left_s.tolist()[1:] == [110, 20, 500]
    assert frame.waited_s.tolist() == [0, 100, 0, 470]
    assert frame.energy_kwh.tolist() == near([10, 0, 0, 0])
    assert frame.charger_id.isna().tolist() == [False, True, True, True]
    assert frame.added_s.isna().tolist() == [False, True, True, True]
    metrics = result.metrics()
    assert (metrics["sessions"], metrics["served"], metrics["balked"]) == (4, 1, 3)
    assert metrics["delivered_share"] == near(0.25)


def test_waiting_does_not_postpone_the_departure() -> None:
    """A stay is not longer after a wait."""
    frame = simulate(ONE, came(arrival_s=[0, 0], departure_s=[600, 900])).sessions
    assert frame.plugged_s.tolist() == [0, 600]
    assert frame.left_s.tolist()[0] == 600
    assert frame.energy_kwh.tolist() == near([50 / 6, 50 / 12])


def test_car_without_departure_leaves_when_done() -> None:
    frame = simulate(ONE, came(arrival_s=[7.25, 8], energy_kwh=[10, 0.01])).sessions
    assert frame.done_s.tolist() == near([727.25, 727.97])
    assert frame.left_s.tolist() == frame.done_s.tolist()
    assert frame.plugged_s.iloc[1] == frame.left_s.iloc[0]


def test_full_car_without_departure_leaves_at_once() -> None:
    result = simulate(ONE, came(arrival_s=[0, 30], energy_kwh=0))
    assert result.sessions.done_s.tolist() == [0, 30]
    assert result.sessions.left_s.tolist() == [0, 30]
    assert result.end_s == 60


def test_stay_may_have_no_length() -> None:
    frame = simulate(ONE, came(arrival_s=[0, 60, 60], departure_s=[60, 60, 780])).sessions
    assert frame.left_s.tolist()[:2] == [60, 60]
    assert frame.energy_kwh.tolist() == near([50 / 60, 0, 10])


def test_arrival_after_the_end_has_no_outcome() -> None:
    result = simulate(ONE, came(arrival_s=[0, 5000]), horizon_s=1000)
    late = result.sessions.iloc[1]
    assert math.isnan(late.plugged_s)
    assert math.isnan(late.left_s)
    assert (late.energy_kwh, late.waited_s, late.balked) == (0, 0, False)
    assert set(result.events.session_id) == {1}


def test_run_ends_with_the_step_of_the_last_departure() -> None:
    assert simulate(ONE, came(arrival_s=[0])).end_s == 720
    assert simulate(ONE, came(arrival_s=[1])).end_s == 780
    assert simulate(ONE, came(arrival_s=[0], departure_s=800)).end_s == 840


def test_departure_at_the_end_counts() -> None:
    """The end of a run is part of it."""
    sessions = came(
        arrival_s=[0, 0, 0], departure_s=[600, 600, 600], charger_id="A", patience_s=[0, 600, math.nan]
    )
    result = simulate(ONE, sessions)
    assert result.end_s == 600
    assert result.sessions.left_s.tolist() == [600, 600, 600]
    assert result.sessions.balked.tolist() == [False, True, True]


def test_run_with_a_car_that_is_never_done_ends_after_a_week() -> None:
    result = simulate(ONE, came(arrival_s=[60]), site_limit_kw=0, keep_timeline=False)
    assert result.end_s == 7 * DAY_S + 60
    assert math.isnan(result.sessions.left_s.iloc[0])
    assert result.sessions.without_power_s.iloc[0] == near(7 * DAY_S)


def test_events_are_in_order_of_time() -> None:
    sessions = came(
        session_id=["a", "b", "c"],
        arrival_s=[0, 10, 20],
        departure_s=[900, math.nan, math.nan],
        patience_s=[0, 999, 30],
    )
    events = simulate(ONE, sessions).events
    assert list(zip(events.at_s.round(6), events.event, events.session_id, strict=True)) == [
        (0, "arrives", "a"),
        (0, "plugs in", "a"),
        (10, "arrives", "b"),
        (20, "arrives", "c"),
        (50, "gives up", "c"),
        (720, "is done", "a"),
        # At one moment a connector is left before it is taken.
        (900, "leaves", "a"),
        (900, "plugs in", "b"),
        (1620, "is done", "b"),
        (1620, "leaves", "b"),
    ]
    assert events.connector.tolist()[-1] == 1


# Strategies of one's own


def by_name(demand: Any, now_s: float) -> tuple[float, float]:
    """Read the session's id, which compiled code has not."""
    return {"late": 0.0}.get(demand.session_id, 1.0), demand.weight


def by_departure(demand: Any, now_s: float) -> tuple[float, float]:
    return (1e9 if demand.departs_s is None else demand.departs_s), 1.0


EARLY_LATE = came(session_id=["early", "late"], arrival_s=[0, 0])
TIGHT = plant(("A", 200, 2), grid_kw=50)


def test_rank_that_cannot_be_compiled_is_asked_in_python() -> None:
    with pytest.warns(SimulationWarning, match="by_name cannot be compiled"):
        result = simulate(TIGHT, EARLY_LATE, by_name)
    assert result.strategy == "by_name"
    assert result.sessions.done_s.tolist() == near([1440, 720])


def test_it_warns_once_and_shows_the_caller_s_line() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        _ = simulate(TIGHT, EARLY_LATE, by_name).sessions
    assert [warning.filename for warning in caught] == [__file__]


SHARE = 1.0


def test_compiled_rank_follows_the_globals_that_it_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    factor = 1.0

    def ranked(demand: Any, now_s: float) -> tuple[float, float]:
        return 0.0, SHARE * factor if demand.priority > 0 else 1.0

    def delivered_kwh() -> list[float]:
        sessions = came(arrival_s=[0, 0], departure_s=300, priority=[1, 0])
        return simulate(plant(("A", 100, 2), grid_kw=60), sessions, ranked).sessions.energy_kwh.tolist()

    with warnings.catch_warnings():
        warnings.simplefilter("error", SimulationWarning)  # it is compiled
        assert delivered_kwh() == near([2.5, 2.5])
        monkeypatch.setattr(sys.modules[__name__], "SHARE", 3.0)
        assert delivered_kwh() == near([3.75, 1.25])
        factor = 1 / 9
        assert delivered_kwh() == near([1.25, 3.75])


def uncompiled_uniform(demand: Any, now_s: float) -> tuple[float, float]:
    """Divide in equal parts in a way that numba does not compile."""
    return STRATEGIES["uniform"](demand, now_s)


@pytest.mark.filterwarnings("ignore:strategy uncompiled_uniform cannot be compiled")
def test_rank_that_wraps_uniform_divides_in_equal_parts() -> None:
    sessions = came(arrival_s=[0, 0], departure_s=600, max_power_kw=[10, 50])
    config = plant(("A", 100, 2), grid_kw=50)
    shares = {
        strategy: simulate(config, sessions, strategy).sessions.energy_kwh.tolist()
        for strategy in ("max_min", "uniform", wrapped_uniform, uncompiled_uniform)
    }
    assert shares["max_min"] == near([10 / 6, 40 / 6])
    assert shares["uniform"] == near([10 / 6, 25 / 6])
    assert shares[wrapped_uniform] == shares[uncompiled_uniform] == near(shares["uniform"])


def test_rank_that_divides_in_equal_parts_for_some_is_refused() -> None:
    def mixed(demand: Any, now_s: float) -> tuple[float, float]:
        return uniform(demand, now_s) if demand.priority else (0.0, 1.0)

    sessions = came(arrival_s=[0, 0], priority=[1, 0])
    with (
        pytest.warns(SimulationWarning, match="cannot be compiled"),
        pytest.raises(StrategyError, match="strategy mixed divides in equal parts for some"),
    ):
        simulate(TWO, sessions, mixed)


def test_compiled_rank_reads_unknown_departure_as_none() -> None:
    sessions = EARLY_LATE.assign(departure_s=[math.nan, 3600])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = simulate(TIGHT, sessions, by_departure)
    assert result.sessions.done_s.tolist() == near([1440, 720])


@pytest.mark.parametrize("name", STRATEGIES)
def test_shipped_function_is_its_name(name: str) -> None:
    sessions = came(arrival_s=[0, 60, 120], departure_s=[3000, 2000, 1000], energy_kwh=30, priority=[0, 1, 2])
    assert_same(simulate(TIGHT, sessions, STRATEGIES[name]), simulate(TIGHT, sessions, name), ("sessions",))


class Favourite:
    """A rank function with a memory of its own."""

    def __call__(self, demand: Any, now_s: float) -> tuple[float, float]:
        return by_name(demand, now_s)

    def rank(self, demand: Any, now_s: float) -> tuple[float, float]:
        return by_name(demand, now_s)


@dataclass
class Weighing:
    """One that cannot be hashed."""

    favourite: str

    def __call__(self, demand: Any, now_s: float) -> tuple[float, float]:
        return (0.0 if demand.session_id == self.favourite else 1.0), 1.0


@pytest.mark.filterwarnings("ignore::electra_core.simulation.SimulationWarning")
@pytest.mark.parametrize(
    "rank",
    [Favourite(), Favourite().rank, functools.partial(by_name), Weighing("late")],
    ids=["object", "method", "partial", "not hashable"],
)
def test_any_callable_is_a_rank(rank: Any) -> None:
    assert simulate(TIGHT, EARLY_LATE, rank).sessions.done_s.tolist() == near([1440, 720])


def raises_value(demand: Any, now_s: float) -> tuple[float, float]:
    raise ValueError("no idea")


def raises_for_late(demand: Any, now_s: float) -> tuple[float, float]:
    return {"early": 1.0}[demand.session_id], 1.0


def divides_by_0(demand: Any, now_s: float) -> tuple[float, float]:
    return 1.0 / (demand.max_kw - demand.max_kw), 1.0


def asserts(demand: Any, now_s: float) -> tuple[float, float]:
    if demand.max_kw > 0.0:
        raise AssertionError("no idea")
    return 0.0, 1.0


def raises_runtime(demand: Any, now_s: float) -> tuple[float, float]:
    if demand.max_kw > 0.0:
        raise RuntimeError("no idea")
    return 0.0, 1.0


def forgets_none(demand: Any, now_s: float) -> tuple[float, float]:
    return demand.departs_s, 1.0


def answers_nan(demand: Any, now_s: float) -> tuple[float, float]:
    return math.nan, 1.0


def answers_infinity(demand: Any, now_s: float) -> tuple[float, float]:
    return math.inf, 1.0


def answers_weight_0(demand: Any, now_s: float) -> tuple[float, float]:
    return 0.0, 0.0


def answers_nothing(demand: Any, now_s: float) -> Any:
    return None


def answers_nan_in_python(demand: Any, now_s: float) -> tuple[float, float]:
    return {"early": 0.0}.get(demand.session_id, math.nan), 1.0


@pytest.mark.filterwarnings("ignore::electra_core.simulation.SimulationWarning")
@pytest.mark.parametrize(
    ("rank", "words"),
    [
        (raises_value, "raises_value failed for session early: ValueError: no idea"),
        (raises_for_late, "raises_for_late failed for session late: KeyError: 'late'"),
        (divides_by_0, "divides_by_0 failed: ZeroDivisionError: division by zero"),
        (asserts, "asserts failed: AssertionError: no idea"),
        (raises_runtime, "raises_runtime failed: RuntimeError: no idea"),
        (forgets_none, "forgets_none failed: TypeError: expected float64, got None"),
        (answers_nan, "answers_nan ranked session early as tier nan, weight 1; the tier must be finite"),
        (answers_infinity, "answers_infinity ranked session early as tier inf, weight 1; the tier must be"),
        (answers_weight_0, "answers_weight_0 ranked session early as tier 0, weight 0; the tier must be"),
        (answers_nothing, "answers_nothing failed for session early: TypeError"),
        (answers_nan_in_python, "answers_nan_in_python ranked session late as tier nan, weight 1.0"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_rank_that_fails_says_so(rank: Any, words: str) -> None:
    with pytest.raises(StrategyError) as caught:
        simulate(TIGHT, EARLY_LATE, rank)
    assert words in str(caught.value)


# Planners


def test_planner_holds_sessions_back() -> None:
    def plan(snapshot: Snapshot) -> dict[str, float]:
        return {demand.session_id: 10.0 for demand in snapshot.demands if demand.session_id == "early"}

    result = simulate(TIGHT, EARLY_LATE, Planner(plan, "slow"))
    assert result.strategy == "slow"
    assert result.sessions.limited_by_plan_s.tolist() == near([3600, 0])
    assert result.sessions.done_s.tolist() == near([3600, 900])


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"early": -1.0}, "strategy odd planned -1.0 kW for session 'early'"),
        ({"early": math.nan}, "strategy odd planned nan kW for session 'early'"),
        ({"nobody": 1.0}, "strategy odd planned 1.0 kW for session 'nobody'"),
        (7, "strategy odd failed: TypeError"),
    ],
)
def test_plan_that_cannot_be_meant_is_refused(answer: Any, words: str) -> None:
    with pytest.raises(StrategyError) as caught:
        simulate(TIGHT, EARLY_LATE, Planner(lambda snapshot: answer, "odd"))
    assert words in str(caught.value)


@pytest.mark.parametrize("name", ["mpc", "best_instant"])
def test_planners_go_by_name_and_break_no_limit(name: str) -> None:
    battery = {"initialCapacity": 5, "power": 30, "initialSoc": 1}
    config = plant(("A", 60, 2), ("B", 50, 1), grid_kw=70, battery=battery)
    sessions = came(arrival_s=[0, 100, 200, 900], departure_s=[1500, 1200, 2400, 2400], energy_kwh=15)
    result = simulate(config, sessions, name, static_load_kw=[0.0] * 5 + [40.0] * 3, step_s=300, pv_kw=3)
    assert result.strategy == name
    assert_within_site(result)
    for charger_id, kw in (("A", 60), ("B", 50)):
        assert (result.connectors[charger_id].sum(axis=1) <= kw * (1 + 1e-6)).all()
    assert result.metrics()["delivered_kwh"] > 20.0


# Input that cannot be meant

BAD_ROWS: dict[str, tuple[dict[str, Any], str]] = {
    "ends before it begins": ({"departure_s": [900, 5]}, "ends at departure_s 5.0 before it begins"),
    "overlaps": ({"charger_id": "A", "connector": 1}, "row 0 (session 1) still stands at the same connector"),
    "unknown charger": ({"charger_id": ["A", "Z"]}, "there is no charger 'Z' at ST; it has A"),
    "unknown connector": ({"charger_id": "A", "connector": [1, 3]}, "A has connectors 1 to 2, not 3"),
    "connector of nothing": ({"connector": [math.nan, 1]}, "connector 1 of which charger?"),
    "unknown car": ({"vehicle": [None, "Cart"]}, "there is no vehicle 'Cart' in the catalogue"),
    "negative energy": ({"energy_kwh": [5, -1]}, "energy_kwh must be from 0 to 1e+12, got -1.0"),
    "no energy": ({"energy_kwh": [5, math.nan]}, "neither energy_kwh nor target_soc is given"),
    "endless energy": ({"energy_kwh": [5, math.inf]}, "energy_kwh must be from 0 to 1e+12, got inf"),
    "energy in words": ({"energy_kwh": [5, "much"]}, "energy_kwh must be a number, got 'much'"),
    "never comes": ({"arrival_s": [0, math.nan]}, "arrival_s must be 0 s or more, got nan"),
    "comes before the beginning": ({"arrival_s": [0, -5]}, "arrival_s must be 0 s or more, got -5.0"),
    "no power": ({"max_power_kw": [50, 0]}, "max_power_kw must be above 0"),
    "unknown power": ({"max_power_kw": [50, math.nan]}, "neither max_power_kw nor a vehicle is given"),
    "least above most": ({"min_power_kw": [0, 51]}, "min_power_kw must be from 0 to the most"),
    "no weight": ({"weight": [1, 0]}, "weight must be from 1e-06 to 1e+06, got 0.0"),
    "endless priority": ({"priority": [0, math.inf]}, "priority must be a finite number, got inf"),
    "negative patience": ({"patience_s": [0, -1]}, "patience_s must be 0 s or more, got -1.0"),
    "twice the same": ({"session_id": [1, 1]}, "row 0 has the same session_id"),
}


@pytest.mark.parametrize(("columns", "words"), BAD_ROWS.values(), ids=BAD_ROWS)
def test_row_that_cannot_be_meant_is_named(columns: dict[str, Any], words: str) -> None:
    sessions = came(**{"arrival_s": [0, 10], "departure_s": [900, 1000], **columns})
    with pytest.raises(SessionsError) as caught:
        simulate(TWO, sessions)
    (fault,) = caught.value.faults
    assert fault.startswith("row 1 (session ")
    assert words in fault


@pytest.mark.parametrize("sessions", [None, [], {"arrival_s": [0]}, pd.DataFrame({"start": [0]})])
def test_argument_that_is_no_table_is_refused(sessions: Any) -> None:
    with pytest.raises(SessionsError, match=r"must be a pandas DataFrame|there is no column arrival_s"):
        simulate(TWO, sessions)


def of_seconds(*at_s: float) -> pd.Series[float]:
    return pd.Series(1.0, index=list(at_s))


BAD_RUNS: dict[str, tuple[dict[str, Any], str]] = {
    "step of nothing": ({"step_s": 0}, "step_s must be from 0.01 to 86400 s, got 0"),
    "negative step": ({"step_s": -60}, "step_s must be from 0.01 to 86400 s, got -60"),
    "no step": ({"step_s": math.nan}, "step_s must be from 0.01 to 86400 s, got nan"),
    "step in words": ({"step_s": "60"}, "step_s must be from 0.01 to 86400 s, got '60'"),
    "step of a truth": ({"step_s": True}, "step_s must be from 0.01 to 86400 s, got True"),
    "horizon of nothing": ({"horizon_s": 0}, "horizon_s must be a number of seconds above 0, got 0"),
    "negative horizon": ({"horizon_s": -1.0}, "horizon_s must be a number of seconds above 0, got -1.0"),
    "no horizon": ({"horizon_s": math.nan}, "horizon_s must be a number of seconds above 0, got nan"),
    "endless horizon": ({"horizon_s": math.inf}, "horizon_s must be a number of seconds above 0, got inf"),
    "horizon of ages": ({"horizon_s": 1e12}, "are 16,666,666,667 steps of 60 s; 6,000,000 at most"),
    "short": ({"static_load_kw": [1.0] * 14}, "static_load_kw ends after 14 steps, but the run has 15"),
    "short seconds": ({"pv_kw": of_seconds(0, 300)}, "pv_kw ends after 10 steps, but the run has 15"),
    "hole": ({"static_load_kw": [1.0, math.nan] * 9}, "static_load_kw at step 1 must be a number"),
    "hole in seconds": (
        {"pv_kw": of_seconds(0, 300, 600).where([True, False, True])},
        "pv_kw at entry 1 must be a number from 0 to 1e+09, got nan",
    ),
    "gap": ({"pv_kw": of_seconds(0, 300, 900)}, "pv_kw has a gap or a jump back: after 300 s comes 900 s"),
    "jump back": ({"pv_kw": of_seconds(0, 300, 60)}, "pv_kw has a gap or a jump back: after 300 s comes 60"),
    "late begin": ({"pv_kw": of_seconds(60, 120)}, "pv_kw must begin at 0 s, got 60"),
    "no whole steps": (
        {"pv_kw": of_seconds(0, 90)},
        "pv_kw has an entry each 90 s, which is no whole number",
    ),
    "dates": (
        {"pv_kw": pd.Series(1.0, pd.date_range("2024", periods=9))},
        "pv_kw must be indexed by seconds",
    ),
    "nothing": ({"pv_kw": []}, "pv_kw must be a row of numbers, got shape (0,)"),
    "words": ({"price_per_kwh": "cheap"}, "price_per_kwh must be a number, one a step, or a Series"),
    "negative load": ({"static_load_kw": -1}, "static_load_kw must be a number from 0 to 1e+09, got -1"),
    "no limit": ({"site_limit_kw": math.nan}, "site_limit_kw must be a number"),
    "no price": ({"price_per_kwh": [math.nan] * 15}, "price_per_kwh at step 0 must be a number from -1e+09"),
}


@pytest.mark.parametrize(("arguments", "words"), BAD_RUNS.values(), ids=BAD_RUNS)
def test_run_that_cannot_be_meant_is_refused(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        simulate(TWO, came(arrival_s=[0], departure_s=900), **arguments)
    assert words in str(caught.value)


def test_profile_must_last_until_the_last_arrival() -> None:
    """The end of a stay without a departure is not known; the arrival is."""
    with pytest.raises(ScenarioError, match="pv_kw ends after 10 steps"):
        simulate(TWO, came(arrival_s=[0, 3600]), pv_kw=[1.0] * 10)


@pytest.mark.parametrize(
    ("strategy", "words"),
    [
        ("fist_come", "unknown strategy 'fist_come'; did you mean 'first_come'?"),
        ("mpcc", "unknown strategy 'mpcc'; did you mean 'mpc'?"),
        ("", "unknown strategy ''; known are max_min"),
        (None, "a strategy is a name or a rank function, got NoneType"),
        (3, "a strategy is a name or a rank function, got int"),
    ],
)
def test_strategy_that_is_unknown_is_refused(strategy: Any, words: str) -> None:
    with pytest.raises(StrategyError) as caught:
        simulate(TWO, came(arrival_s=[0]), strategy)
    assert words in str(caught.value)


def test_station_that_cannot_be_is_refused() -> None:
    with pytest.raises(ConfigError, match="gridCapacity: must be 0 or more, got -1"):
        simulate({**TWO, "gridCapacity": -1}, came(arrival_s=[0]))
    with pytest.raises(ConfigError, match=r"there is no file 'nowhere\.json'"):
        simulate("nowhere.json", came(arrival_s=[0]))


def test_nothing_runs_before_all_is_checked() -> None:
    asked: list[str] = []

    def rank(demand: Any, now_s: float) -> tuple[float, float]:
        asked.append(demand.session_id)
        return 0.0, 1.0

    with pytest.raises(SessionsError):
        simulate(TWO, came(arrival_s=[0, 1e6], energy_kwh=[5, -1]), rank)
    with pytest.raises(ScenarioError):
        simulate(TWO, came(arrival_s=[0, 1e6]), rank, pv_kw=[5.0, 5.0], horizon_s=3600)
    assert asked == []


# Files

FULL_STATION = plant(
    ("A", 60, 2), grid_kw=30, battery={"initialCapacity": 5, "power": 30, "initialSoc": 1}, rotation=900
)


@pytest.mark.parametrize(
    ("config", "columns", "arguments"),
    [
        (FULL_STATION, {"session_id": ["a", "ü", "c"]}, {"price_per_kwh": 0.3, "pv_kw": 4.0}),
        (FULL_STATION, {"session_id": [17, 4, 9]}, {"strategy": by_departure}),
        (FULL_STATION, {"session_id": [1.5, 2.5, 3.5]}, {"strategy": "least_laxity", "horizon_s": 1000.5}),
        (TWO, {}, {"static_load_kw": 12.5}),
        (TWO, {"vehicle": "Hyundai Ioniq 5 73 kWh", "arrival_soc": [0.1, 0.2, math.nan]}, {}),
        (TWO, {"charger_id": ["A", None, "A"], "connector": [2, math.nan, math.nan]}, {}),
    ],
    ids=["texts, prices", "whole numbers", "numbers", "no battery", "curves", "connectors"],
)
def test_file_brings_everything_back(
    tmp_path: Path, config: dict[str, Any], columns: dict[str, Any], arguments: dict[str, Any]
) -> None:
    sessions = came(**{"arrival_s": [60, 0, 30], "departure_s": [900, math.nan, 3000], **columns})
    result = simulate(config, sessions, **arguments)
    loaded = saved(result, tmp_path)
    for name in FRAMES:
        pd.testing.assert_frame_equal(getattr(loaded, name), getattr(result, name))
    assert loaded.metrics() == pytest.approx(result.metrics(), rel=1e-14)
    assert (loaded.strategy, loaded.end_s) == (result.strategy, result.end_s)
    assert loaded.scenario.config == result.scenario.config


def saved(result: Result, folder: Path) -> Result:
    """Return the result from its file, the only one in the folder."""
    result.save(folder / "run.parquet")
    assert [path.name for path in folder.iterdir()] == ["run.parquet"]
    return Result.load(folder / "run.parquet")


def test_file_without_a_timeline_has_the_rest(tmp_path: Path) -> None:
    result = simulate(FULL_STATION, came(arrival_s=[0, 10]), keep_timeline=False)
    loaded = saved(result, tmp_path)
    assert_same(loaded, result, ("sessions", "events"))
    with pytest.raises(ResultError, match="kept no timeline"):
        _ = loaded.timeline


def test_file_of_a_run_without_arrivals(tmp_path: Path) -> None:
    result = simulate(TWO, pd.DataFrame(), horizon_s=600)
    assert_same(saved(result, tmp_path), result)


def test_run_can_be_repeated_from_its_file(tmp_path: Path) -> None:
    result = simulate(FULL_STATION, came(arrival_s=[0, 10], session_id=["a", "b"]), "first_come", pv_kw=2)
    assert_same(run(saved(result, tmp_path).scenario, "first_come"), result)


def test_file_is_plain_parquet(tmp_path: Path) -> None:
    simulate(TWO, came(arrival_s=[0, 10])).save(tmp_path / "run.parquet")
    parts = pd.read_parquet(tmp_path / "run.parquet")
    assert len(parts) == 1
    energies = [record["record_energy_kwh"] for record in parts.sessions.iloc[0]]
    assert energies == near([10, 10])


def test_file_that_holds_no_result_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.parquet").write_text("nothing of the kind", encoding="utf-8")
    (tmp_path / "empty.parquet").touch()
    pd.DataFrame({"kw": [1.0]}).to_parquet(tmp_path / "other.parquet")
    simulate(TWO, came(arrival_s=[0])).save(tmp_path / "cut.parquet")
    whole = (tmp_path / "cut.parquet").read_bytes()
    (tmp_path / "cut.parquet").write_bytes(whole[: len(whole) // 2])
    for name in ("text", "empty", "other", "cut"):
        with pytest.raises(ResultError, match=f"{name}.parquet holds no result of a simulation") as caught:
            Result.load(tmp_path / f"{name}.parquet")
        assert str(tmp_path) not in str(caught.value)
    with pytest.raises(ResultError, match=r"there is no file 'none\.parquet'"):
        Result.load(tmp_path / "none.parquet")


def test_file_that_cannot_be_written_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    result = simulate(TWO, came(arrival_s=[0]))
    with pytest.raises(ResultError, match=r"run\.parquet cannot be written") as caught:
        result.save(tmp_path / "nowhere" / "run.parquet")
    assert str(tmp_path) not in str(caught.value)
    (tmp_path / "folder").mkdir()
    with pytest.raises(ResultError, match="folder cannot be written"):
        result.save(tmp_path / "folder")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]
