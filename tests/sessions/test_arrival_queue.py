"""Arrivals wait, give up and leave alike at the page's live station and in a simulation."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stations import ROOT

from electra_core import Station, StationConfig, Vehicle, catalogue, load_config, simulate
from electra_core.dashboard.station_page.traffic import Traffic
from electra_core.dashboard.uploads import arrivals_of_table
from electra_core.sessions import (
    ABSENT,
    Arrival,
    ArrivalQueue,
    ConnectorUse,
    QueuedArrival,
    QueuePosition,
    arrival_queue,
    day_names,
    day_sessions,
    load_day,
    read_session_table,
)
from electra_core.station import Session

STEP_S = 60.0


@dataclass
class Outcome:
    """What became of an arrival: its connector, times and energy; times that did not come are NaN."""

    connector: tuple[str, int] | None = None
    plugged_s: float = math.nan
    left_s: float = math.nan
    energy_kwh: float = 0.0
    gave_up: bool = False


class RecordingStation(Station):
    """A station that records the outcome of each car, by its name."""

    def __init__(self, config: StationConfig, strategy: str) -> None:
        self.outcomes: dict[str, Outcome] = {}
        super().__init__(config, strategy)

    def plug_in(self, charger_id: str, connector: int, vehicle: Any, **more: Any) -> str:
        self.outcomes[vehicle.name] = Outcome((charger_id, connector), self.now_s)
        return super().plug_in(charger_id, connector, vehicle, **more)

    def unplug(self, charger_id: str, connector: int) -> Session:
        session = super().unplug(charger_id, connector)
        outcome = self.outcomes[session.vehicle.name]
        outcome.left_s, outcome.energy_kwh = self.now_s, session.energy_kwh
        return session


def played_on_page(
    config: StationConfig, arrivals: Iterable[Arrival], strategy: str, end_s: float
) -> dict[str, Outcome]:
    """Play arrivals as the page does, with a sample a minute."""
    named = [replace(each, vehicle=replace(each.vehicle, name=each.name)) for each in arrivals]
    station, traffic = RecordingStation(config, strategy), Traffic(named, config)
    while True:
        for words in traffic.play(station):
            if words.endswith("drives on"):
                name = words.split(" finds ")[0].split(" gives up ")[0]
                station.outcomes[name] = Outcome(left_s=station.now_s, gave_up=True)
        if station.now_s >= end_s:
            return station.outcomes
        sample_s = STEP_S * (station.now_s // STEP_S + 1.0)
        station.advance(min(end_s, sample_s, traffic.next_s(station)) - station.now_s)


def simulated(config: StationConfig, table: pd.DataFrame, strategy: str) -> tuple[dict[str, Outcome], float]:
    """Simulate a table, and return the outcomes that came before the end, and the end."""
    result = simulate(config, table, strategy, step_s=STEP_S, compare_unlimited=False)
    found = {}
    for name, row in result.sessions.iterrows():
        if row.balked:
            found[str(name)] = Outcome(left_s=row.left_s, gave_up=True)
        elif row.plugged_s < result.end_s:
            found[str(name)] = Outcome(
                (row.charger_id, int(row.connector)), row.plugged_s, row.left_s, row.energy_kwh
            )
    return found, result.end_s


def assert_same(
    config: StationConfig, table: pd.DataFrame, arrivals: Iterable[Arrival], strategy: str
) -> None:
    expected, end_s = simulated(config, table, strategy)
    found = played_on_page(config, arrivals, strategy, end_s)
    assert {name for name, outcome in found.items() if outcome.plugged_s != end_s} == set(expected)
    for name, outcome in expected.items():
        page = found[name]
        assert (page.connector, page.gave_up) == (outcome.connector, outcome.gave_up), name
        # The clock of a station is a sum of steps.
        times_s = (page.plugged_s, page.left_s)
        assert times_s == pytest.approx((outcome.plugged_s, outcome.left_s), abs=1e-6, nan_ok=True), name
        if not math.isnan(outcome.left_s):
            assert page.energy_kwh == pytest.approx(outcome.energy_kwh, abs=1e-6), name


@pytest.mark.parametrize("name", day_names())
def test_shipped_day_is_the_same_on_the_page_and_in_a_simulation(name: str) -> None:
    file = "electra_paris_15.json" if name.startswith("paris") else "epfl_level3.json"
    config = load_config(ROOT / "configs" / file)
    assert_same(config, day_sessions(name), load_day(name).arrivals, "max_min")


CHARGERS = [{"id": "A", "maxPower": 80, "connectors": 2}, {"id": "B", "maxPower": 50, "connectors": 1}]
SCARCE = load_config({"stationId": "Scarce", "gridCapacity": 90, "chargers": CHARGERS})
CARS = [car for car in catalogue().values() if car.curve_source == "published"][:3]


@st.composite
def tables(draw: st.DrawFn) -> pd.DataFrame:
    """Draw many drivers for three connectors, with little patience."""
    rows = []
    for number in range(draw(st.integers(1, 9))):
        arrival_s = draw(st.sampled_from([0.0, 10.0, 45.0, 60.0, 600.0]) | st.floats(0.0, 1800.0))
        row = {
            "session_id": f"driver {number}",
            "arrival_s": arrival_s,
            "departure_s": arrival_s + draw(st.sampled_from([math.nan, math.nan, 0.0, 40.0, 900.0, 1805.5])),
            "patience_s": draw(st.sampled_from([math.nan, 0.0, 30.0, 100.0, 700.0])),
            "charger_id": draw(st.sampled_from([None, None, "A", "B"])),
            "priority": draw(st.sampled_from([0.0, 1.0])),
        }
        if draw(st.booleans()):
            car: dict[str, Any] = {"energy_kwh": draw(st.sampled_from([0.0, 0.4, 7.0])), "max_power_kw": 50.0}
        else:
            car = {"vehicle": draw(st.sampled_from(CARS)), "arrival_soc": 0.7, "target_soc": 0.75}
        rows.append({**row, **car})
    return pd.DataFrame(rows)


@given(tables(), st.sampled_from(["max_min", "priority", "least_laxity"]))
def test_scarce_day_is_the_same_on_the_page_and_in_a_simulation(table: pd.DataFrame, strategy: str) -> None:
    arrivals = arrivals_of_table(read_session_table(table, SCARCE), SCARCE)
    assert_same(SCARCE, table, arrivals, strategy)


ONE = load_config(
    {"stationId": "One", "gridCapacity": 50, "chargers": [{"id": "A", "maxPower": 50, "connectors": 1}]}
)


def driver(name: str, arrival_s: float, departure_s: float, **more: Any) -> Arrival:
    return Arrival(name, Vehicle(50.0, 60.0), arrival_s, departure_s, 0.5, 0.9, **more)


def test_patience_ends_exactly_between_two_samples() -> None:
    arrivals = [
        driver("first", 0.0, 45.0),
        driver("leaves at 40", 10.0, 900.0, patience_s=30.0),
        driver("is served at 45", 10.0, 900.0, patience_s=35.5),
        driver("leaves at 70", 20.0, 70.0),
    ]
    found = played_on_page(ONE, arrivals, "max_min", 120.0)
    assert (found["leaves at 40"].gave_up, found["leaves at 40"].left_s) == (True, 40.0)
    assert found["is served at 45"].plugged_s == 45.0
    assert (found["leaves at 70"].gave_up, found["leaves at 70"].left_s) == (True, 70.0)


def test_driver_is_served_at_the_second_at_which_a_car_is_done() -> None:
    arrivals = [driver("first", 0.0, math.inf), driver("second", 1.0, math.inf)]
    found = played_on_page(ONE, arrivals, "max_min", 2000.0)
    done_s = 0.4 * 60.0 / 50.0 * 3600.0
    assert found["second"].plugged_s == found["first"].left_s == pytest.approx(done_s)


def test_car_of_a_visitor_and_a_fault_keep_drivers_waiting() -> None:
    station, traffic = Station(SCARCE), Traffic([driver("late", 0.0, 900.0, charger_id="A")], SCARCE)
    station.set_available("A", 1, False)
    station.plug_in("A", 2, Vehicle(50.0, 60.0), arrival_soc=0.9, target_soc=0.9)
    assert len(list(traffic.play(station))) == 1
    assert traffic.next_s(station) == 900.0
    station.set_available("A", 1, True)
    assert len(list(traffic.play(station))) == 1
    assert ("A", 1) in station.state.sessions
    station.unplug("A", 1)
    assert list(traffic.play(station)) == []
    assert traffic.over


def test_day_that_is_begun_late_leaves_out_stays_that_have_ended() -> None:
    station = Station(ONE)
    station.advance(1000.0)
    traffic = Traffic([driver("gone", 0.0, 900.0), driver("there", 0.0, 1900.0)], ONE)
    assert len(list(traffic.play(station))) == 1
    assert next(iter(station.state.sessions.values())).departs_s == 1900.0


def test_waiting_driver_does_not_block_others_that_can_use_another_connector() -> None:
    uses = [
        ConnectorUse(departs_s=100.0, remaining_kwh=1.0, charger=0, arrival=0, number=1),
        ConnectorUse(departs_s=math.inf, remaining_kwh=math.inf, charger=1, arrival=ABSENT, number=0),
    ]
    arrivals = [
        QueuedArrival(arrival_s=0.0, departure_s=100.0, patience_s=0.0, charger=0, connector=ABSENT),
        QueuedArrival(arrival_s=1.0, departure_s=math.inf, patience_s=math.inf, charger=0, connector=ABSENT),
        QueuedArrival(arrival_s=1.0, departure_s=math.inf, patience_s=math.inf, charger=ABSENT, connector=1),
    ]
    queue = ArrivalQueue(arrivals, [ABSENT] * 3, QueuePosition(1, 0))
    assert arrival_queue.next_to_leave(uses, 99.0) == ABSENT
    assert arrival_queue.next_to_act(queue, uses, 1.0) == (arrival_queue.WAITS, 1, ABSENT)
    assert arrival_queue.next_to_act(queue, uses, 1.0) == (arrival_queue.PLUGS_IN, 2, 1)
    assert arrival_queue.next_to_leave(uses, 100.0) == 0
