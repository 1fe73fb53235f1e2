"""Losses of chargers, their standby and the battery, in a ledger that closes.

Cars and chargers are limited on the car's side, the site on the grid's.
"""

from __future__ import annotations

import dataclasses
import math
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stations import CARS, TINY_KW, Call, accepted, call, configs, make_station, sane_calls

from electra_core import Demand, Limit, Station, Vehicle, load_config
from electra_core.errors import ReplayError
from electra_core.station import ledger_by_hour
from electra_core.station.engine import HOUR_S, decide, decisions
from electra_core.station.state import Ledger

DAY_S = 86_400.0
BOOKS = [field.name for field in dataclasses.fields(Ledger)]


def one_charger(*, grid_kw: float = 400, battery: dict[str, Any] | None = None, **charger: Any) -> Station:
    """Return one charger of 200 kW with two connectors; keys are the charger's."""
    return make_station(grid_kw=grid_kw, chargers=[charger], battery=battery)


def hours_of(station: Station) -> tuple[Ledger, ...]:
    """Return the energy of each hour so far."""
    return ledger_by_hour(station.config, station.events)


def booked(ledger: Ledger) -> dict[str, float]:
    """Return the entries that are not 0 within rounding, kWh."""
    entries = {name: getattr(ledger, name) for name in BOOKS}
    return {name.removesuffix("_kwh"): kwh for name, kwh in entries.items() if abs(kwh) > 1e-9}


# One hour by hand


def test_ledger_of_a_car_with_losses_standby_and_static_load() -> None:
    """95 kW to the car are 100 kW from the site; 0.5 kW of standby and 3 kW of static load beside it."""
    station = one_charger(efficiency=0.95, standbyPower=0.5)
    station.set_static_load(3)
    station.plug_in("CP1", 1, Vehicle(95))
    assert station.allocation.grid_kw == pytest.approx(100)
    station.advance(HOUR_S)
    assert booked(station.ledger) == pytest.approx(
        {"imported": 103.5, "static": 3, "standby": 0.5, "delivered": 95, "charger_loss": 5}
    )
    assert station.ledger.lost_kwh == pytest.approx(5.5)
    status = station.status()
    energies = (status.imported_kwh, status.delivered_kwh, status.lost_kwh, status.standby_kw)
    assert energies == pytest.approx((103.5, 95, 5.5, 0.5))


def test_ledger_of_a_charging_battery() -> None:
    """20 kW at 0.9 are 18 kWh in an hour; its own 1 kW comes on top."""
    station = one_charger(
        battery={"initialCapacity": 100, "power": 20, "chargeEfficiency": 0.9, "standbyPower": 1}
    )
    station.advance(HOUR_S)
    assert booked(station.ledger) == pytest.approx(
        {"imported": 21, "standby": 1, "battery_in": 20, "battery_loss": 2}
    )
    assert (station.state.battery_kwh, station.ledger.stored_kwh) == pytest.approx((18, 18))
    assert station.ledger.lost_kwh == pytest.approx(3)


def test_ledger_of_a_discharging_battery() -> None:
    """The grid's 51 kW less 1 of standby leave 50; the other 40 of the car's 90 cost the battery 50 kWh."""
    battery = {"initialCapacity": 100, "power": 80, "initialSoc": 1.0}
    station = one_charger(grid_kw=51, battery={**battery, "dischargeEfficiency": 0.8, "standbyPower": 1})
    station.plug_in("CP1", 1, Vehicle(90))
    assert (station.allocation.grid_kw, station.allocation.battery_kw) == pytest.approx((50, -40))
    station.advance(HOUR_S)
    assert booked(station.ledger) == pytest.approx(
        {"imported": 51, "standby": 1, "delivered": 90, "battery_out": 40, "battery_loss": 10}
    )
    assert (station.state.battery_kwh, station.ledger.stored_kwh) == pytest.approx((50, -50))


def test_boost_counts_at_the_car_and_battery_power_at_the_site() -> None:
    """The car's 90 kW are 100 at the site: 90 from the grid, 10 from the battery, 9 of them to the car."""
    battery = {"initialCapacity": 100, "power": 80, "initialSoc": 1.0}
    station = one_charger(grid_kw=90, efficiency=0.9, battery=battery)
    name = station.plug_in("CP1", 1, Vehicle(90))
    assert station.allocation.offered_kw[name] == pytest.approx(90)
    assert (station.allocation.boost_kw[name], station.allocation.battery_kw) == pytest.approx((9, -10))
    station.advance(HOUR_S)
    session = station.state.sessions["CP1", 1]
    assert (session.energy_kwh, session.boost_kwh) == pytest.approx((90, 9))
    assert booked(station.ledger) == pytest.approx(
        {"imported": 90, "delivered": 90, "charger_loss": 10, "battery_out": 10}
    )


def test_ledger_of_a_car_that_finishes_on_the_way() -> None:
    """18 of 60 kWh at 90 kW take 12 minutes; standby goes on for the whole hour."""
    station = one_charger(efficiency=0.9, standbyPower=2)
    station.plug_in("CP1", 1, Vehicle(90, battery_kwh=60), arrival_soc=0.5, target_soc=0.8)
    station.advance(HOUR_S)
    assert booked(station.ledger) == pytest.approx(
        {"imported": 22, "standby": 2, "delivered": 18, "charger_loss": 2}
    )


# Limits


def test_site_limit_counts_power_before_charger_losses() -> None:
    """Two cars of 150 kW behind 170 kW: 72 each, which take 80 at efficiency 0.9 and 90 at 0.8."""
    station = make_station(grid_kw=170, chargers=[{"efficiency": 0.9}, {"efficiency": 0.8}])
    names = [station.plug_in(charger_id, 1, Vehicle(150)) for charger_id in ("CP1", "CP2")]
    assert [station.allocation.offered_kw[name] for name in names] == pytest.approx([72, 72])
    assert [station.allocation.site_kw[name] for name in names] == pytest.approx([80, 90])
    assert station.allocation.grid_kw == pytest.approx(170)
    assert set(station.allocation.limited_by.values()) == {Limit.SITE}


def test_charger_limit_counts_power_after_its_losses() -> None:
    station = one_charger(efficiency=0.8)
    names = [station.plug_in("CP1", connector, Vehicle(150)) for connector in (1, 2)]
    assert [station.allocation.offered_kw[name] for name in names] == pytest.approx([100, 100])
    assert station.allocation.grid_kw == pytest.approx(250)


def test_standby_power_comes_before_any_car() -> None:
    station = one_charger(
        grid_kw=100, standbyPower=10, battery={"initialCapacity": 9, "power": 0, "standbyPower": 5}
    )
    name = station.plug_in("CP1", 1, Vehicle(150))
    assert station.allocation.offered_kw[name] == pytest.approx(85)


def test_standby_power_above_the_limit_leaves_nothing() -> None:
    station = one_charger(grid_kw=5, standbyPower=10)
    name = station.plug_in("CP1", 1, Vehicle(150))
    assert (station.allocation.offered_kw[name], station.allocation.grid_kw) == (0.0, 0.0)
    station.advance(HOUR_S)
    assert booked(station.ledger) == pytest.approx({"imported": 10, "standby": 10})


@given(config=configs(), cars=st.lists(st.sampled_from(CARS), min_size=1, max_size=6))
def test_site_limit_holds_on_the_grid_side(config: dict[str, Any], cars: list[Vehicle]) -> None:
    station = Station(load_config(config))
    for connector_id, car in zip(station.config.connectors, cars, strict=False):
        station.plug_in(*connector_id, car)
    efficiency = {charger.id: charger.efficiency for charger in station.config.chargers}
    offered_kw = station.allocation.offered_kw
    sessions = station.state.sessions.values()
    cars_kw = sum(offered_kw[each.session_id] / efficiency[each.charger_id] for each in sessions)
    assert cars_kw + station.allocation.battery_kw <= station.config.grid_capacity_kw + TINY_KW
    for charger in station.config.chargers:
        own_kw = sum(offered_kw[each.session_id] for each in sessions if each.charger_id == charger.id)
        assert own_kw <= charger.max_power_kw + TINY_KW


# Hours


def test_energy_around_midnight_is_booked_in_both_hours() -> None:
    """From half past eleven to half past twelve: half an hour on each side of midnight."""
    station = one_charger(efficiency=0.8)
    station.advance(DAY_S - 1800)
    station.plug_in("CP1", 1, Vehicle(80))
    station.advance(HOUR_S)
    station.unplug("CP1", 1)
    station.advance(HOUR_S)
    entries = {hour: booked(ledger) for hour, ledger in enumerate(hours_of(station)) if booked(ledger)}
    half = {"imported": 50, "delivered": 40, "charger_loss": 10}
    assert entries == {23: pytest.approx(half), 24: pytest.approx(half)}
    assert len(hours_of(station)) == 26


def test_hour_is_closed_exactly_at_its_end() -> None:
    station = one_charger()
    station.plug_in("CP1", 1, Vehicle(36))
    station.advance(HOUR_S - 1)
    assert len(hours_of(station)) == 1
    station.advance(1)
    assert [hour.delivered_kwh for hour in hours_of(station)] == pytest.approx([36, 0])


odd_steps = st.sampled_from([0.1, 7.7, 3599.9, 3600.0, 9000.5, DAY_S - 1.0, DAY_S])


@given(
    config=configs(),
    calls=st.lists(st.one_of(sane_calls, call("advance", odd_steps)), min_size=5, max_size=20),
)
@settings(max_examples=60)
def test_ledger_closes_after_every_call(config: dict[str, Any], calls: list[Call]) -> None:
    station = Station(load_config(config))
    begun_kwh = station.state.battery_kwh
    for _ in accepted(station, calls):
        book = station.ledger
        assert abs(book.residual_kwh) < 1e-6
        assert station.state.battery_kwh - begun_kwh == pytest.approx(book.stored_kwh, abs=1e-6)
        assert all(getattr(book, name) >= 0.0 for name in BOOKS)
        assert_hours_add_up(station)


def assert_hours_add_up(station: Station) -> None:
    hours = hours_of(station)
    assert len(hours) == math.floor(station.now_s / HOUR_S) + 1
    for name in BOOKS:
        total_kwh = math.fsum(getattr(hour, name) for hour in hours)
        assert total_kwh == pytest.approx(getattr(station.ledger, name), abs=1e-6)
    assert all(abs(hour.residual_kwh) < 1e-6 for hour in hours)


# Without curves: a car that moves along one is decided once a control interval, counted from each call.
STEADY_CARS = (Vehicle(150.0), Vehicle(110.0, battery_kwh=60.0), Vehicle(22.0, battery_kwh=40.0))
SMALL = {
    "initialCapacity": 20,
    "power": 60,
    "initialSoc": 0.6,
    "chargeEfficiency": 0.95,
    "dischargeEfficiency": 0.9,
}


@given(
    battery=st.sampled_from([None, SMALL, {**SMALL, "reserveSoc": 0.5, "comfortPower": 30}]),
    cars=st.lists(st.sampled_from(STEADY_CARS), min_size=1, max_size=2),
    cuts=st.lists(st.floats(0.5, 3 * HOUR_S), max_size=8),
)
@settings(max_examples=40)
def test_hours_are_the_same_however_time_is_cut(
    battery: dict[str, Any] | None, cars: list[Vehicle], cuts: list[float]
) -> None:
    end_s = 3 * HOUR_S
    whole, parts = (
        parked(one_charger(grid_kw=100, efficiency=0.9, standbyPower=1, battery=battery), cars)
        for _ in range(2)
    )
    whole.advance(end_s)
    for cut_s in sorted(cut_s for cut_s in cuts if cut_s < end_s):
        parts.advance(cut_s - parts.now_s)
    parts.advance(end_s - parts.now_s)
    assert whole.now_s == parts.now_s == end_s
    for one, other in zip(hours_of(whole), hours_of(parts), strict=True):
        assert dataclasses.astuple(one) == pytest.approx(dataclasses.astuple(other), abs=1e-6)


def parked(station: Station, cars: Sequence[Vehicle]) -> Station:
    """Plug cars in at CP1; those with a battery charge from 30 to 80 %."""
    for connector, car in enumerate(cars, start=1):
        socs = {} if car.battery_kwh is None else {"arrival_soc": 0.3, "target_soc": 0.8}
        station.plug_in("CP1", connector, car, **socs)
    return station


def test_year_at_rest_is_one_decision() -> None:
    """One decision holds for the whole year, and its energy is cut into one entry an hour."""
    station = one_charger(standbyPower=0.5)
    first = decide(station.config, station.state)
    assert len(list(decisions(station.config, first, 365 * DAY_S))) == 1
    station.advance(365 * DAY_S)
    *full, running = hours_of(station)
    assert len(full) == 8760
    assert booked(running) == {}
    assert all(hour.imported_kwh == pytest.approx(0.5) for hour in full)
    assert station.ledger.standby_kwh == pytest.approx(4380)


def test_year_with_a_finished_car_is_a_few_decisions() -> None:
    """A car at its target and a battery that fills on the way are a few decisions more."""
    station = one_charger(battery=SMALL)
    station.plug_in("CP1", 1, Vehicle(50, battery_kwh=60), arrival_soc=0.5)
    first = decide(station.config, station.state)
    assert len(list(decisions(station.config, first, 365 * DAY_S))) <= 4
    station.advance(365 * DAY_S)
    assert station.ledger.delivered_kwh == pytest.approx(30)
    assert len(hours_of(station)) == 8761


def test_size_of_a_saved_decision_does_not_grow_with_time() -> None:
    station = one_charger(battery=SMALL)
    station.plug_in("CP1", 1, Vehicle(50))
    station.advance(DAY_S)
    size = len(pickle.dumps(station.decision))
    station.advance(100 * DAY_S)
    assert len(pickle.dumps(station.decision)) == size


def test_hours_of_a_journal_with_an_own_rank_function(tmp_path: Path) -> None:
    def big_first(demand: Demand, now_s: float) -> tuple[float, float]:
        return -demand.max_kw, 1.0

    station = make_station(big_first, grid_kw=60)
    for connector, max_kw in ((1, 20), (2, 50)):
        station.plug_in("CP1", connector, Vehicle(max_kw))
    station.advance(1.5 * HOUR_S)
    station.save_events(tmp_path / "journal.jsonl")
    hours = ledger_by_hour(station.config, tmp_path / "journal.jsonl", {"big_first": big_first})
    assert [hour.delivered_kwh for hour in hours] == pytest.approx([60, 30])
    with pytest.raises(ReplayError, match=r"line 1 of journal\.jsonl cannot have happened: unknown strategy"):
        ledger_by_hour(station.config, tmp_path / "journal.jsonl")


def test_gain_of_the_exercise_battery_is_booked_in_its_hour() -> None:
    battery = {"initialCapacity": 200, "power": 100, "rule": "whole_session"}
    station = one_charger(battery=battery)
    station.advance(1.5 * HOUR_S)
    station.plug_in("CP1", 1, Vehicle(50))
    station.advance(HOUR_S)
    assert [hour.exercise_gain_kwh for hour in hours_of(station)] == pytest.approx([0, 20, 0])
