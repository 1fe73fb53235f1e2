"""The station: refused calls change nothing, time moves cars and battery, and records replay."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import json
import math
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stations import (
    BASE,
    CARS,
    TINY_KW,
    Call,
    accepted,
    assert_within_limits,
    call,
    charger_ids,
    configs,
    connectors,
    make_station,
    plug_in,
    sane_calls,
    straight_line,
)

from electra_core import (
    STRATEGIES,
    BatteryConfig,
    ChargingCurve,
    Demand,
    Limit,
    Station,
    StationError,
    Vehicle,
    catalogue,
    load_config,
)
from electra_core.errors import LimitBrokenError, ReplayError
from electra_core.station import Event, ledger_by_hour, read_session
from electra_core.station.state import Session
from electra_core.station.status import ConnectorStatus, SessionStatus

BATTERY = {"initialCapacity": 100, "power": 100, "initialSoc": 0.5, "minSoc": 0.1, "maxSoc": 0.9}


def fingerprint(station: Station) -> tuple[str, ...]:
    """Return everything that a station shows, to the last bit: repr of a float is exact."""
    return (
        repr(station.state),
        repr(station.allocation),
        repr(station.snapshot()),
        station.status().model_dump_json(),
        json.dumps([event.model_dump() for event in station.events]),
    )


def session_of(station: Station, session_id: str) -> SessionStatus:
    return next(session for _, _, session in station.status().sessions if session.session_id == session_id)


# Random calls, a third of them nonsense

junk = st.sampled_from(
    [
        None,
        True,
        -1,
        0,
        -0.5,
        math.nan,
        math.inf,
        -math.inf,
        10**400,
        "",
        "CP9",
        "5",
        b"1",
        (),
        [1],
        {},
        1j,
        object(),
    ]
)
nonsense = st.one_of(
    call("plug_in", junk, connectors, st.just(CARS[0])),
    call("plug_in", charger_ids, junk, st.just(CARS[0])),
    call("plug_in", charger_ids, connectors, junk),
    call(
        "plug_in",
        charger_ids,
        connectors,
        st.sampled_from(CARS),
        arrival_soc=junk,
        target_soc=junk,
        priority=junk,
    ),
    call("plug_in", charger_ids, connectors, st.sampled_from(CARS), departs_s=junk),
    call("plug_in", charger_ids, connectors, st.sampled_from(CARS), weight=junk),
    call("unplug", junk, connectors),
    call("unplug", charger_ids, junk),
    call("advance", junk),
    call("report_draw", charger_ids, connectors, junk),
    call("report_draw", junk, junk, st.just(5)),
    call("set_site_limit", junk),
    call("set_static_load", junk),
    call("set_available", charger_ids, junk, junk),
    call("set_available", st.just("battery"), junk, junk),
    call("set_strategy", junk),
)
many_calls = st.lists(st.one_of(sane_calls, sane_calls, nonsense), min_size=1, max_size=25)


def assert_sound(station: Station, departed: Sequence[Session]) -> None:
    """Check limits, energy and the battery's bounds, from the plain numbers of the configuration."""
    assert_within_limits(station.snapshot(), station.allocation)
    assert_site_within_limits(station)
    for charger in station.status().chargers:
        assert charger.offered_kw <= charger.max_power + TINY_KW
        for connector in charger.connectors:
            assert_connector_within_limits(station, charger.charger_id, connector)
    assert_ledger_sound(station, [*departed, *station.state.sessions.values()])
    if station.config.battery is not None:
        assert_battery_sound(station, station.config.battery)


def assert_site_within_limits(station: Station) -> None:
    """Check the import from the offers, and the silence from the time of each reading."""
    config, status, state = station.config, station.status(), station.state
    lease_s = config.limit_lease_s
    silent = lease_s is not None and any(status.now_s >= at_s + lease_s for at_s in state.readings.values())
    assert status.fail_safe == silent == bool(status.silent)
    limits_kw = [config.grid_capacity_kw, state.site_limit_kw, config.fail_safe_limit_kw if silent else None]
    limit_kw = min(kw for kw in limits_kw if kw is not None)
    assert status.site_limit_kw == limit_kw
    standby_kw = sum(charger.standby_power_kw for charger in config.chargers)
    standby_kw += config.battery.standby_power_kw if config.battery else 0.0
    room_kw = max(0.0, limit_kw - status.static_load_kw - standby_kw)
    shares = {charger.id: charger.efficiency for charger in config.chargers}
    offered_kw = station.allocation.offered_kw
    cars_kw = sum(offered_kw[each.session_id] / shares[each.charger_id] for each in state.sessions.values())
    assert cars_kw + station.allocation.battery_kw <= room_kw + TINY_KW
    assert status.grid_kw == pytest.approx(cars_kw + station.allocation.battery_kw, abs=TINY_KW)


def assert_connector_within_limits(station: Station, charger_id: str, connector: ConnectorStatus) -> None:
    """Check that no car gets more than car, connector and modules allow, or passes its target."""
    session, connector_id = connector.session, (charger_id, connector.connector_id)
    if session is None:
        return
    offered_kw, limits = session.allocated_power, station.config.connectors[connector_id]
    assert offered_kw <= session.vehicle_max_power + TINY_KW
    assert offered_kw <= (limits.max_power_kw or math.inf) + TINY_KW
    assert offered_kw == 0.0 or offered_kw >= min(limits.min_power_kw, session.ceiling_kw) - TINY_KW
    size_kw = station.config.module_kw.get(charger_id)
    if size_kw is not None:
        assert offered_kw <= session.modules * size_kw + TINY_KW
    arrival_soc = station.state.sessions[connector_id].arrival_soc
    if session.soc is not None and arrival_soc is not None:
        assert arrival_soc <= session.soc <= max(arrival_soc, session.target_soc) + 1e-9
    assert connector.available or offered_kw == 0.0


def assert_ledger_sound(station: Station, sessions: Sequence[Session]) -> None:
    """Check the ledger against the cars' own energy and the clock, and its hours against it."""
    config, book = station.config, station.ledger
    efficiency = {charger.id: charger.efficiency for charger in config.chargers}
    cars_kwh = sum(session.energy_kwh for session in sessions)
    site_kwh = sum(session.energy_kwh / efficiency[session.charger_id] for session in sessions)
    boost_kwh = sum(session.boost_kwh / efficiency[session.charger_id] for session in sessions)
    standby_kw = sum(charger.standby_power_kw for charger in config.chargers)
    standby_kw += config.battery.standby_power_kw if config.battery else 0.0
    assert book.delivered_kwh == pytest.approx(cars_kwh, abs=1e-6)
    assert book.charger_loss_kwh == pytest.approx(site_kwh - cars_kwh, abs=1e-6)
    assert book.battery_out_kwh == pytest.approx(boost_kwh, abs=1e-6)
    assert book.standby_kwh == pytest.approx(standby_kw * station.now_s / 3600, abs=1e-6)
    grid_kwh = book.static_kwh + book.standby_kwh + site_kwh + book.battery_in_kwh - boost_kwh
    assert book.imported_kwh == pytest.approx(grid_kwh, abs=1e-6)
    assert abs(book.residual_kwh) < 1e-6
    hours = ledger_by_hour(station.config, station.events)
    assert len(hours) == math.floor(station.now_s / 3600) + 1
    for name in (field.name for field in dataclasses.fields(book)):
        total_kwh = math.fsum(getattr(hour, name) for hour in hours)
        assert getattr(book, name) == pytest.approx(total_kwh, abs=1e-6)


def assert_battery_sound(station: Station, battery: BatteryConfig) -> None:
    """Check the stored energy from the flows, and that none leaves at the floor or enters at the top."""
    state, book, battery_kw = station.state, station.ledger, station.allocation.battery_kw
    capacity_kwh = battery.initial_capacity_kwh
    into_kwh = book.battery_in_kwh * battery.charge_efficiency
    out_kwh = book.battery_out_kwh / battery.discharge_efficiency
    stored_kwh = battery.initial_soc * capacity_kwh + into_kwh - out_kwh + book.exercise_gain_kwh
    assert state.battery_kwh == pytest.approx(stored_kwh, abs=1e-6)
    loss_kwh = book.battery_in_kwh - into_kwh + out_kwh - book.battery_out_kwh
    assert book.battery_loss_kwh == pytest.approx(loss_kwh, abs=1e-6)
    soc = state.battery_kwh / capacity_kwh
    assert min(battery.initial_soc, battery.min_soc) - 1e-9 <= soc <= battery.max_soc + 1e-9
    assert battery_kw >= 0.0 or soc > battery.min_soc
    assert battery_kw <= 0.0 or soc < battery.max_soc
    assert -battery.discharge_power_kw - TINY_KW <= battery_kw <= battery.charge_power_kw + TINY_KW
    assert battery_kw <= battery.recharge_share * station.status().site_limit_kw + TINY_KW
    assert battery_kw == 0.0 or station.status().battery.available


@given(config=configs(), calls=many_calls)
@settings(max_examples=max(300, settings().max_examples))
def test_refused_calls_change_nothing_and_accepted_calls_break_nothing(
    config: dict[str, Any], calls: list[Call]
) -> None:
    """The record of the accepted calls leads to the same station."""
    station = Station(load_config(config))
    departed = []
    refusals = []
    for name, positions, names in calls:
        before = fingerprint(station)
        try:
            answer = getattr(station, name)(*positions, **names)
        except StationError as error:
            assert fingerprint(station) == before
            refusals.append(error)
            continue
        if name == "unplug":
            departed.append(answer)
        assert_sound(station, departed)
    assert all(len(str(error).split()) > 3 for error in refusals), "a refusal is a sentence"
    assert not any(isinstance(error, LimitBrokenError) for error in refusals), "that would be our own fault"
    record = json.loads(json.dumps([event.model_dump() for event in station.events]))
    assert fingerprint(Station.replay(station.config, record)) == fingerprint(station)


@given(config=configs(), calls=st.lists(plug_in, max_size=5), seconds=st.floats(0.0, 7200.0))
@settings(max_examples=50)
def test_failing_rank_function_changes_nothing(
    config: dict[str, Any], calls: list[Call], seconds: float
) -> None:
    """It fails in the middle of an advance, after steps that were already computed."""

    def fails_later(demand: Any, now_s: float) -> tuple[float, float]:
        if now_s > 600.0:
            raise RuntimeError("late")
        return 0.0, 1.0

    station = Station(load_config(config), fails_later)
    list(accepted(station, calls))
    before = fingerprint(station)
    try:
        station.advance(seconds)
    except StationError:
        assert fingerprint(station) == before
        assert seconds > 600.0
    else:
        assert station.now_s == seconds


# Refusals


@pytest.mark.parametrize(
    ("name", "positions", "names", "words"),
    [
        ("plug_in", ("CP9", 1, Vehicle(50)), {}, "no charger 'CP9' at ST; it has CP1, CP2"),
        ("plug_in", ("CP1", 0, Vehicle(50)), {}, "CP1 has connectors 1 to 2, not 0"),
        ("plug_in", ("CP1", 3, Vehicle(50)), {}, "CP1 has connectors 1 to 2, not 3"),
        ("plug_in", ("CP1", True, Vehicle(50)), {}, "whole number, got True"),
        ("plug_in", ("CP1", 1.0, Vehicle(50)), {}, "whole number, got 1.0"),
        ("plug_in", ("CP1", 1, Vehicle(50)), {}, "connector 1 of CP1 is taken by session S0001"),
        ("plug_in", ("CP2", 2, Vehicle(50)), {}, "connector 2 of CP2 is out of service"),
        ("plug_in", ("CP1", 2, 150), {}, "vehicle must be a Vehicle, got int"),
        ("plug_in", ("CP1", 2, Vehicle(50)), {"arrival_soc": 0.5}, "needs a vehicle with battery_kwh"),
        ("plug_in", ("CP1", 2, Vehicle(50, 60)), {"target_soc": 0.5}, "target_soc needs arrival_soc"),
        (
            "plug_in",
            ("CP1", 2, Vehicle(50, 60)),
            {"arrival_soc": 80},
            "arrival_soc must be from 0 to 1, got 80",
        ),
        ("plug_in", ("CP1", 2, Vehicle(50)), {"departs_s": -5}, "departs_s must be at least 0, got -5"),
        (
            "plug_in",
            ("CP1", 2, Vehicle(50)),
            {"priority": "high"},
            "priority must be a finite number, got 'high'",
        ),
        ("unplug", ("CP1", 2), {}, "connector 2 of CP1 is free"),
        ("advance", (-1,), {}, "seconds must be from 0 to .*, got -1"),
        ("advance", (math.nan,), {}, "seconds must be a finite number, got nan"),
        ("advance", (1e9,), {}, "seconds must be from 0 to .*, got 1000000000"),
        ("set_site_limit", (-3,), {}, "site limit must be at least 0, got -3"),
        ("set_static_load", ("3",), {}, "static load must be a finite number, got '3'"),
        ("set_available", ("CP1", 1, "yes"), {}, "available must be True or False, got 'yes'"),
        ("set_strategy", ("max_mim",), {}, "unknown strategy 'max_mim'; did you mean 'max_min'"),
    ],
)
def test_refusal_names_the_value(
    name: str, positions: tuple[Any, ...], names: dict[str, Any], words: str
) -> None:
    occupied = make_station()
    occupied.plug_in("CP1", 1, Vehicle(50))
    occupied.set_available("CP2", 2, False)
    before = fingerprint(occupied)
    with pytest.raises(StationError, match=words):
        getattr(occupied, name)(*positions, **names)
    assert fingerprint(occupied) == before


# Records


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ({"at_s": 5.0}, "event 1 cannot have happened: it was recorded at 5.0 s, but the clock shows 0"),
        ({"call": "explode"}, "event 1 cannot have happened: there is no call 'explode'"),
        ({"arguments": {}}, "event 1 cannot have happened"),
        (
            {"arguments": {"charger_id": "CP1", "connector": 1, "vehicle": {"max_power_kw": -1}}},
            "max_power_kw",
        ),
        ({"arguments": {"charger_id": "CP1", "connector": 1, "vehicle": [1]}}, "event 1"),
        ({"arguments": {"charger_id": "CP1", "connector": 1, "vehicle": "car"}}, "event 1"),
        (
            {"arguments": {"charger_id": "CP1", "connector": 1, "vehicle": {"max_power_kw": 10**400}}},
            "event 1",
        ),
        (
            {"arguments": {"charger_id": "CP1", "connector": 1, "vehicle": {"max_power_kw": 9, "wings": 2}}},
            "wings",
        ),
        ({"at_s": "noon"}, "event 1 is damaged: at_s"),
        ({"extra": 1}, "event 1 is damaged: extra"),
    ],
)
def test_damaged_record_is_refused(damage: dict[str, Any], words: str) -> None:
    first = make_station()
    first.plug_in("CP1", 1, Vehicle(50))
    record = {**first.events[0].model_dump(), **damage}
    with pytest.raises(ReplayError, match=words):
        Station.replay(first.config, [record])


def test_record_with_own_rank_function_replays() -> None:
    def big_first(demand: Any, now_s: float) -> tuple[float, float]:
        return -demand.max_kw, 1.0

    first = make_station(big_first)
    first.plug_in("CP2", 1, Vehicle(350))
    first.plug_in("CP1", 1, Vehicle(150))
    again = Station.replay(first.config, first.events, {"big_first": big_first})
    assert fingerprint(again) == fingerprint(first)
    with pytest.raises(ReplayError, match="unknown strategy 'big_first'"):
        Station.replay(first.config, first.events)


@pytest.mark.parametrize(
    "rank", [functools.partial(STRATEGIES["max_min"]), type("Rank", (), {"__call__": lambda *_: (0, 1)})()]
)
def test_rank_function_without_a_name_is_accepted(rank: Any) -> None:
    """A partial function or a callable object is a rank function too."""
    assert make_station(rank).status().strategy


def test_shipped_rank_function_equals_its_name() -> None:
    """The function and the name of one strategy must lead to one station, to the last bit."""
    by_name, by_function = make_station("max_min"), make_station(STRATEGIES["max_min"])
    for each in (by_name, by_function):
        each.plug_in("CP1", 1, Vehicle(33.3))
        each.advance(1000.1)
    assert by_function.state.sessions == by_name.state.sessions
    assert Station.replay(by_function.config, by_function.events).state.sessions == by_function.state.sessions


def test_accepted_car_name_can_be_written_as_json() -> None:
    """An accepted name survives JSON; text with broken characters is refused with the call."""
    station = make_station()
    try:
        station.plug_in("CP1", 1, Vehicle(50, name="\ud800"))
    except ValueError:
        return
    station.status().model_dump_json()


# Time


@given(seconds=st.floats(0.0, 1e6), earlier=st.floats(0.0, 1e6))
@settings(max_examples=30)
def test_clock_shows_exactly_the_sum(seconds: float, earlier: float) -> None:
    station = make_station()
    station.plug_in("CP1", 1, Vehicle(50))
    station.advance(earlier)
    station.advance(seconds)
    assert station.now_s == earlier + seconds


@pytest.mark.parametrize("seconds", [0, 0.5, 59.999, 60, 61, 3600.1])
def test_clock_shows_exactly_the_sum_while_cars_charge(seconds: float) -> None:
    station = make_station(battery=BATTERY)
    station.plug_in("CP1", 1, catalogue()["Peugeot e-208"], arrival_soc=0.1)
    station.advance(1234.5)
    station.advance(seconds)
    assert station.now_s == 1234.5 + seconds


# A falling, a rising and a humped curve: on the rising parts an offer holds for one interval at most, and the
# car may take more only at the next one.
@pytest.mark.parametrize(
    "curve",
    [
        [(0, 100), (0.5, 80), (0.8, 30), (1, 10)],
        [(0, 20), (0.5, 100), (1, 120)],
        [(0.1, 40), (0.3, 120), (0.6, 120), (0.9, 20)],
    ],
)
@pytest.mark.parametrize("grid_kw", [400, 60])
def test_soc_follows_the_curve(curve: list[tuple[float, float]], grid_kw: float) -> None:
    station = make_station(grid_kw=grid_kw, controlInterval=1)
    name = station.plug_in("CP1", 1, Vehicle(150, 60, ChargingCurve(curve)), arrival_soc=0.05)
    station.advance(1800)
    soc = 0.05
    for _ in range(18_000):  # a tenth of a second at a time, with numbers only
        soc = min(1.0, soc + min(straight_line(curve, soc), grid_kw) * 0.1 / 3600 / 60)
    assert session_of(station, name).soc == pytest.approx(soc, abs=5e-4)


def test_car_at_its_target_draws_nothing() -> None:
    station = make_station()
    name = station.plug_in("CP1", 1, Vehicle(100, 50), arrival_soc=0.5, target_soc=0.8)
    station.advance(3600)
    session = session_of(station, name)
    assert session.soc == pytest.approx(0.8, abs=1e-9)
    assert (session.allocated_power, session.limited_by, session.active) == (0.0, Limit.FINISHED, False)
    assert session.remaining_kwh == 0.0
    assert station.state.ledger.delivered_kwh == pytest.approx(15.0, abs=1e-6)


def test_car_that_arrives_full_draws_nothing() -> None:
    station = make_station()
    name = station.plug_in("CP1", 1, Vehicle(100, 50), arrival_soc=0.9, target_soc=0.8)
    assert session_of(station, name).limited_by is Limit.FINISHED
    assert station.allocation.offered_kw[name] == 0.0


@pytest.mark.parametrize("tick_s", [1, 5, 60, 600])
def test_car_is_full_at_the_same_time_however_time_is_cut(tick_s: int) -> None:
    """18 kWh at 60 kW are 18 minutes. One control interval (60 s) more is what a decision may hold."""
    station = make_station()
    name = station.plug_in("CP1", 1, Vehicle(60, 60), arrival_soc=0.5, target_soc=0.8)
    for _ in range(0, 1200, tick_s):
        station.advance(tick_s)
    assert station.now_s == 1200
    assert session_of(station, name).soc == pytest.approx(0.8, abs=1e-6)


@pytest.mark.parametrize("tick_s", [1, 60])
def test_battery_gives_all_its_energy_however_time_is_cut(tick_s: int) -> None:
    """40 kWh above the floor at 100 kW are 24 minutes."""
    station = make_station(grid_kw=50, battery=BATTERY)
    station.plug_in("CP1", 1, Vehicle(150))
    for _ in range(0, 1560, tick_s):
        station.advance(tick_s)
    assert station.state.battery_kwh == pytest.approx(10.0, abs=0.01)


def test_car_of_unknown_soc_is_never_full() -> None:
    station = make_station()
    name = station.plug_in("CP1", 1, Vehicle(150))
    station.advance(86_400)
    assert session_of(station, name).energy_kwh == pytest.approx(24 * 150)
    assert (session_of(station, name).soc, session_of(station, name).limited_by) == (None, Limit.VEHICLE)


def test_power_of_a_full_car_goes_to_others() -> None:
    station = make_station()
    first = station.plug_in("CP1", 1, Vehicle(150, 50), arrival_soc=0.9)
    second = station.plug_in("CP1", 2, Vehicle(150))
    assert station.allocation.offered_kw == pytest.approx({first: 100, second: 100})
    station.advance(600)
    assert station.allocation.offered_kw == pytest.approx({first: 0, second: 150})


# The battery


def test_battery_charges_by_itself_up_to_its_top() -> None:
    station = make_station(battery={**BATTERY, "chargeEfficiency": 0.8})
    station.advance(900)
    assert station.state.battery_kwh == pytest.approx(50 + 0.25 * 100 * 0.8)
    station.advance(36_000)
    assert station.status().battery.state_of_charge == pytest.approx(0.9, abs=1e-6)
    assert station.allocation.battery_kw == 0.0
    assert station.state.ledger.imported_kwh == pytest.approx(40 / 0.8, abs=1e-3)


def test_battery_discharges_down_to_its_floor_and_no_further() -> None:
    station = make_station(grid_kw=50, battery={**BATTERY, "dischargeEfficiency": 0.8})
    name = station.plug_in("CP1", 1, Vehicle(150))
    assert station.allocation.offered_kw[name] == pytest.approx(150)
    for _ in range(60):
        station.advance(60)
        assert station.status().battery.state_of_charge >= 0.1 - 1e-9
    assert station.allocation.offered_kw[name] == pytest.approx(50)
    assert station.allocation.boost_kw[name] == 0.0
    assert session_of(station, name).energy_from_battery_kwh == pytest.approx(40 * 0.8, abs=1e-3)


def test_battery_below_its_floor_charges_first() -> None:
    station = make_station(grid_kw=50, battery={**BATTERY, "initialSoc": 0.05})
    name = station.plug_in("CP1", 1, Vehicle(150))
    assert (station.allocation.offered_kw[name], station.allocation.battery_kw) == (50, 0)
    station.unplug("CP1", 1)
    station.advance(60)
    assert station.state.battery_kwh > 5.0


def test_battery_has_a_power_for_each_direction() -> None:
    station = make_station(grid_kw=50, battery={**BATTERY, "chargePower": 20, "dischargePower": 70})
    assert station.allocation.battery_kw == 20
    station.plug_in("CP1", 1, Vehicle(150))
    assert station.allocation.battery_kw == -70


# Moving limits


def test_site_limit_of_0_stops_all_cars_and_none_restores_them() -> None:
    station = make_station()
    name = station.plug_in("CP1", 1, Vehicle(150))
    station.set_site_limit(0)
    assert (station.allocation.offered_kw[name], station.allocation.limited_by[name]) == (0.0, Limit.SITE)
    station.set_site_limit(None)
    assert station.allocation.offered_kw[name] == 150


def test_site_limit_below_the_static_load_leaves_nothing() -> None:
    station = make_station(staticLoad=30)
    name = station.plug_in("CP1", 1, Vehicle(150))
    station.set_site_limit(20)
    assert (station.allocation.offered_kw[name], station.allocation.grid_kw) == (0.0, 0.0)
    station.set_site_limit(50)
    assert station.allocation.offered_kw[name] == 20
    station.set_static_load(45)
    assert station.allocation.offered_kw[name] == 5


def test_site_limit_above_the_connection_does_not_raise_it() -> None:
    station = make_station(grid_kw=100)
    name = station.plug_in("CP1", 1, Vehicle(150))
    station.set_site_limit(1000)
    assert station.allocation.offered_kw[name] == 100
    assert station.status().site_limit_kw == 100


def test_battery_alone_feeds_cars_behind_a_site_limit_of_0() -> None:
    station = make_station(battery=BATTERY)
    name = station.plug_in("CP1", 1, Vehicle(150))
    station.set_site_limit(0)
    assert (station.allocation.offered_kw[name], station.allocation.boost_kw[name]) == (100, 100)
    assert (station.allocation.grid_kw, station.allocation.battery_kw) == (0, -100)


@pytest.mark.parametrize("connector", [1, None])
def test_fault_suspends_a_session_and_repair_resumes_it(connector: int | None) -> None:
    station = make_station()
    first = station.plug_in("CP1", 1, Vehicle(150, 100), arrival_soc=0.2)
    second = station.plug_in("CP2", 2, Vehicle(150))
    station.set_site_limit(200)
    assert station.allocation.offered_kw == {first: 100, second: 100}
    station.set_available("CP1", connector, False)
    assert station.allocation.offered_kw == {first: 0, second: 150}
    assert station.allocation.limited_by[first] is Limit.FAULT
    station.advance(600)
    assert session_of(station, first).soc == 0.2
    station.set_available("CP1", connector, True)
    assert station.allocation.offered_kw == {first: 100, second: 100}


def test_connector_stays_out_of_service_when_its_charger_comes_back() -> None:
    station = make_station()
    station.set_available("CP1", 1, False)
    station.set_available("CP1", None, False)
    station.set_available("CP1", None, True)
    with pytest.raises(StationError, match="out of service"):
        station.plug_in("CP1", 1, Vehicle(50))
    station.plug_in("CP1", 2, Vehicle(50))


def test_status_has_the_exercises_fields() -> None:
    station = make_station(grid_kw=100, battery=BATTERY)
    station.plug_in("CP1", 2, Vehicle(150))
    status = json.loads(station.status().model_dump_json())
    assert (status["station_id"], status["grid_capacity"], status["max_asked_power"]) == ("ST", 100, 150)
    charger = status["chargers"][0]
    assert (charger["charger_id"], charger["max_power"], charger["max_asked_power"]) == ("CP1", 200, 150)
    assert [connector["connector_id"] for connector in charger["connectors"]] == [1, 2]
    assert charger["connectors"][0]["session"] is None
    session = charger["connectors"][1]["session"]
    wanted = ("session_id", "allocated_power", "vehicle_max_power", "is_boosted")
    seen = {key: session[key] for key in wanted}
    assert seen == {
        "session_id": "S0001",
        "allocated_power": 150,
        "vehicle_max_power": 150,
        "is_boosted": True,
    }
    assert (session["boosted_power"], session["active"]) == (50, True)
    battery = status["battery"]
    assert (battery["max_power"], battery["state_of_charge"]) == (100, 0.5)
    assert battery["session_boosts"] == [
        {"charger_id": "CP1", "connector_id": 2, "session_id": "S0001", "boosted_power": 50}
    ]


def test_session_ids_are_never_used_again() -> None:
    station = make_station()
    assert [station.plug_in("CP1", 1, Vehicle(50)), station.plug_in("CP1", 2, Vehicle(50))] == [
        "S0001",
        "S0002",
    ]
    station.unplug("CP1", 1)
    assert station.plug_in("CP1", 1, Vehicle(50)) == "S0003"


def test_minima_are_admitted_in_the_order_of_arrival() -> None:
    """Ten cars, and power for one minimum: when the first leaves, the second is next, not the tenth."""
    chargers = [{"id": "CP1", "maxPower": 500, "connectors": 10}]
    station = make_station(grid_kw=50, chargers=chargers)
    for connector in range(1, 11):
        station.plug_in("CP1", connector, Vehicle(150, min_power_kw=50))
    station.unplug("CP1", 1)
    assert station.allocation.offered_kw["S0002"] == 50


def test_changing_a_copy_changes_nothing_in_the_station() -> None:
    station = make_station()
    name = station.plug_in("CP1", 1, Vehicle(50))
    before = station.state, station.allocation, station.snapshot()
    station.allocation.offered_kw[name] = 1e6  # type: ignore[index]
    station.state.sessions.clear()  # type: ignore[attr-defined]
    station.snapshot().charger_kw["CP1"] = 1e6  # type: ignore[index]
    assert (station.state, station.allocation, station.snapshot()) == before
    with pytest.raises(AttributeError):
        station.state.now_s = 5.0  # type: ignore[misc]


def test_station_refuses_a_mapping_as_its_configuration() -> None:
    with pytest.raises(StationError, match="must be a StationConfig"):
        Station(BASE)  # type: ignore[arg-type]


def test_own_rank_function_with_a_shipped_name_is_refused() -> None:
    def max_min(demand: Demand, now_s: float) -> tuple[float, float]:
        return 0.0, demand.arrived_s + 1.0

    station = make_station()
    with pytest.raises(StationError, match="max_min is a shipped strategy"):
        station.set_strategy(max_min)
    assert station.events == ()


def test_emptied_battery_helps_at_most_once_a_control_interval() -> None:
    """40 kW for a car that needs 50: the battery fills for a while, helps for a while, and so on."""
    chargers = [{"connectors": [{"minPower": 50}]}]
    station = make_station(grid_kw=40, chargers=chargers, battery={"initialCapacity": 100, "power": 100})
    station.plug_in("CP1", 1, Vehicle(100))
    gives = []
    for _ in range(600):
        station.advance(1)
        gives.append(station.allocation.battery_kw < 0)
    changes = sum(before != after for before, after in itertools.pairwise(gives))
    # At most once on and once off a control interval of a minute.
    assert 2 <= changes <= 20


def test_car_whose_curve_falls_below_its_minimum_still_gets_full() -> None:
    chargers = [{"connectors": [{"minPower": 5}]}]
    station = make_station(chargers=chargers)
    station.plug_in("CP1", 1, Vehicle(100, 50, ChargingCurve([(0, 100), (0.8, 50), (1, 2)])), arrival_soc=0.5)
    station.advance(6 * 3600)
    assert station.allocation.limited_by["S0001"] is Limit.FINISHED


def test_record_that_is_no_list_is_refused() -> None:
    for nothing in (None, 5, b"[]"):
        with pytest.raises(StationError, match="must be a list of records"):
            Station.replay(load_config(BASE), nothing)  # type: ignore[arg-type]


def test_resting_battery_resumes_inside_a_long_advance() -> None:
    """One hour at once or second by second: the battery helps again when its rest is over."""
    delivered = []
    for step_s in (3600, 1):
        station = make_station(grid_kw=50, chargers=1, battery={"initialCapacity": 50, "power": 60})
        station.plug_in("CP1", 1, Vehicle(100, min_power_kw=60))
        for _ in range(3600 // step_s):
            station.advance(step_s)
        delivered.append(station.state.ledger.delivered_kwh)
    assert delivered[0] > 40
    assert delivered[0] == pytest.approx(delivered[1], rel=1e-3)


def test_site_limit_within_rounding_gives_nothing() -> None:
    station = make_station()
    station.plug_in("CP1", 1, catalogue()["Renault Zoe 50"], arrival_soc=0.2)
    for limit_kw in (5e-324, 1e-310, 1e-300, 1e-12):
        station.set_site_limit(limit_kw)
        station.advance(60)
    assert station.state.ledger.delivered_kwh == 0


def test_events_are_counted_and_taken() -> None:
    station = make_station()
    station.plug_in("CP1", 1, Vehicle(50))
    station.advance(60)
    assert station.event_count == len(station.events) == 2
    taken = station.take_events()
    assert [event.call for event in taken] == ["plug_in", "advance"]
    assert (station.event_count, station.events) == (0, ())


def test_read_session_equals_the_session_of_the_status() -> None:
    station = make_station(battery=BATTERY)
    station.plug_in("CP1", 2, Vehicle(50))
    session = station.status().chargers[0].connectors[1].session
    assert read_session(station.decision, ("CP1", 2)) == session
    assert read_session(station.decision, ("CP1", 1)) is None


def test_event_with_other_arguments_is_refused() -> None:
    station = make_station()
    with pytest.raises(StationError, match="advance needs other arguments than minutes"):
        station.apply_event(Event(at_s=0.0, call="advance", arguments={"minutes": 5}))
    with pytest.raises(StationError, match="advance needs other arguments than none"):
        station.apply_event(Event(at_s=0.0, call="advance", arguments={}))


def test_programming_error_inside_a_call_is_not_hidden_by_a_replay() -> None:
    """It is no refusal of the record."""
    station = make_station()
    event = Event(at_s=0.0, call="advance", arguments={"seconds": 5})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Station, "advance", lambda self, seconds: seconds + "s")
        with pytest.raises(TypeError):
            Station.replay(station.config, [event])
