"""A year in a second decides as the station itself does, and what it leaves adds up."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stations import CARS, NAMED, configs

from electra_core import Station, Vehicle, load_config
from electra_core.simulation import Result, simulate

HOUR_S = 3600.0

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


STRATEGIES: tuple[Any, ...] = (*NAMED, odd_rank)

# Multiples of every step below, and moments between them.
MOMENTS_S = (0.0, 60.0, 300.0, 900.0, 1800.0, 3600.0)
moments_s = st.sampled_from(MOMENTS_S) | st.integers(0, 64 * 5400).map(lambda part: part / 64)
stays_s = st.just(math.nan) | st.sampled_from([0.0, 60.0, 900.0, 3600.0]) | st.floats(1.0, 7200.0)


@st.composite
def drivers(draw: st.DrawFn, config: dict[str, Any]) -> Driver:
    """A driver who comes to that station."""
    arrival_s, stay_s = draw(moments_s), draw(stays_s)
    row: dict[str, Any] = {
        "arrival_s": arrival_s,
        "departure_s": arrival_s + stay_s,
        "priority": draw(st.integers(-1, 2)),
        "weight": draw(st.sampled_from([1.0, 1.0, 0.5, 3.7])),
        "patience_s": draw(st.sampled_from([math.nan, 0.0, 600.0])),
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
    """A driver whose car is known."""
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
    """A driver of whose car only an energy is known: a battery of that size, from empty to full."""
    energy_kwh, most_kw = draw(st.sampled_from([0.0, 3.3, 20.0, 45.0])), draw(st.sampled_from([11.0, 50.0, 150.0]))
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

    def simulated(self) -> Result:
        return simulate(
            self.config,
            pd.DataFrame([driver.row for driver in self.drivers]),
            self.strategy,
            step_s=self.step_s,
            horizon_s=self.horizon_s,
            static_load_kw=self.static_load_kw,
            site_limit_kw=self.site_limit_kw,
        )


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Stations that no lease falls silent at, with everything else that a file can ask for."""
    config = {name: value for name, value in draw(configs()).items() if name != "limitLease"}
    return Case(
        config=config,
        drivers=without_clashes(draw(st.lists(drivers(config), min_size=1, max_size=8))),
        strategy=draw(st.sampled_from(STRATEGIES)),
        step_s=draw(st.sampled_from([60.0, 60.0, 300.0, 17.3, 130.0])),
        horizon_s=draw(st.sampled_from([3600.0, 7200.0, 4321.0])),
        loads_kw=draw(st.lists(st.sampled_from([0.0, 3.0, 70.0, 500.0]), min_size=1, max_size=4)),
        limits_kw=draw(st.lists(st.sampled_from([0.0, 40.0, 100.5, 1000.0]), min_size=1, max_size=4)),
    )


def without_clashes(coming: list[Driver]) -> list[Driver]:
    """Those who do not want a connector at which another one says to stand at that time."""
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
    """A station to which everything happens that happened in a simulation."""

    def __init__(self, case: Case, result: Result) -> None:
        self.case, self.result = case, result
        self.station = Station(load_config(case.config), case.strategy)
        self.sessions = result.sessions.reset_index(drop=True)
        self.energies_kwh: dict[int, tuple[float, float]] = {}
        self.standing: dict[int, str] = {}
        # In the order of arrival, and of the table where several come at once.
        self.coming = list(np.argsort(self.sessions.arrival_s, kind="stable"))
        self.coming = [row for row in self.coming if not math.isnan(self.sessions.plugged_s[row])]
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
        for row in list(self.standing):
            self.note(row)

    def site_changes(self, step: int | None) -> None:
        """What the profiles say from this step on."""
        for profile, tell in (
            (self.case.static_load_kw, self.station.set_static_load),
            (self.case.site_limit_kw, self.station.set_site_limit),
        ):
            if step is not None and (step == 0 or profile[step] != profile[step - 1]):
                tell(profile[step])

    def come_and_go(self, at_s: float) -> None:
        """Whose time is over leaves; others plug in; and whoever only looked in leaves again."""
        changed = True
        while changed:
            leaving = [row for row in self.standing if self.sessions.left_s[row] <= at_s]
            for row in leaving:
                self.note(row)
                self.station.unplug(*self.place(row))
                del self.standing[row]
            coming = [row for row in self.coming if self.sessions.plugged_s[row] <= at_s]
            coming = [row for row in coming if self.place(row) not in map(self.place, self.standing)]
            for row in coming:
                if self.place(row) not in map(self.place, self.standing):
                    self.plug_in(row)
            changed = bool(coming)

    def place(self, row: int) -> tuple[str, int]:
        return self.sessions.charger_id[row], int(self.sessions.connector[row])

    def plug_in(self, row: int) -> None:
        driver = self.case.drivers[row]
        departs_s = driver.row["departure_s"]
        self.standing[row] = self.station.plug_in(
            *self.place(row),
            driver.car,
            arrival_soc=driver.arrival_soc,
            target_soc=driver.target_soc,
            departs_s=None if math.isnan(departs_s) else max(departs_s, self.station.now_s),
            priority=driver.row["priority"],
            weight=driver.row["weight"],
        )
        self.coming.remove(row)

    def note(self, row: int) -> None:
        session = self.station.state.sessions[self.place(row)]
        self.energies_kwh[row] = (session.energy_kwh, session.boost_kwh)


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


@given(cases())
def test_a_simulation_decides_as_a_station_does(case: Case) -> None:
    result = case.simulated()
    follower = Follower(case, result)
    follower.follow()
    sessions, ledger = result.sessions.reset_index(drop=True), follower.station.ledger
    for row, (energy_kwh, boost_kwh) in follower.energies_kwh.items():
        assert sessions.energy_kwh[row] == pytest.approx(energy_kwh, rel=TINY, abs=TINY)
        assert sessions.boost_kwh[row] == pytest.approx(boost_kwh, rel=TINY, abs=TINY)
    timeline = result.timeline.iloc[:-1]
    assert timeline.offered_kw.to_numpy() == pytest.approx(follower.offered_kw, rel=TINY, abs=TINY)
    battery = result.scenario.config.battery
    stored_kwh = timeline.battery_soc * (battery.initial_capacity_kwh if battery else 0.0)
    assert stored_kwh.to_numpy() == pytest.approx(follower.battery_kwh, rel=TINY, abs=TINY)
    metrics = result.metrics()
    for name in LEDGER:
        assert metrics[name] == pytest.approx(getattr(ledger, name), rel=TINY, abs=TINY), name
    assert result.totals["seed_gain_kwh"] == pytest.approx(ledger.seed_gain_kwh, rel=TINY, abs=TINY)
