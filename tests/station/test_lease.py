"""Readings that fall silent, limits that move, and parts that fail."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stations import CARS, TINY_KW, assert_within_limits, configs, make_station

from electra_core import ConfigError, Limit, Station, Vehicle, load_config
from electra_core.errors import ReplayError
from electra_core.station.events import FAIL_SAFE, Event

HOUR_S = 3600.0
LEASE_S = 900.0


def leased_station(**keys: Any) -> Station:
    """Return two chargers of 200 kW; readings last a quarter of an hour, and 60 kW are safe without them."""
    return make_station(**{"limit_lease_s": LEASE_S, "fail_safe_limit_kw": 60, "chargers": 2, **keys})


def with_a_car(**keys: Any) -> Station:
    station = leased_station(**keys)
    station.plug_in("CP1", 1, Vehicle(150))
    return station


def offered_kw(station: Station) -> list[float]:
    return [kw for _, kw in sorted(station.allocation.offered_kw.items())]


def notes(station: Station) -> list[tuple[float, dict[str, Any]]]:
    """Return the time and content of each note of a fall to the fail-safe limit, or of a recovery."""
    return [(event.at_s, event.arguments) for event in station.events if event.call == FAIL_SAFE]


def note(active: bool, silent: list[str], limit_kw: float) -> dict[str, Any]:
    return {"active": active, "silent": silent, "limit_kw": limit_kw}


# Silence


def test_silence_counts_from_the_start() -> None:
    """A quarter of an hour at 150 kW and three at 60, in one call: 37.5 + 45 kWh."""
    station = with_a_car()
    station.advance(HOUR_S)
    assert station.ledger.delivered_kwh == pytest.approx(82.5)
    assert offered_kw(station) == [60]
    assert station.allocation.limited_by["S0001"] is Limit.SITE
    status = station.status()
    assert (status.fail_safe, status.silent, status.site_limit_kw) == (True, ("start",), 60)
    assert notes(station) == [(900.0, note(True, ["start"], 60))]


def test_station_falls_back_exactly_at_the_end_of_the_lease() -> None:
    station = with_a_car()
    station.advance(LEASE_S - 0.001)
    assert (offered_kw(station), station.status().fail_safe) == ([150], False)
    station.advance(0.001)
    assert station.now_s == LEASE_S
    assert (offered_kw(station), station.status().fail_safe) == ([60], True)


def test_station_falls_back_exactly_inside_a_long_advance() -> None:
    """200 kW at most until 1300 s, 60 from there on, whatever else happens on the way."""
    station = with_a_car()
    station.advance(400)
    station.set_site_limit(100)
    station.advance(10_000)
    assert notes(station) == [(1300.0, note(True, ["site limit"], 60))]
    kwh = (400 * 150 + 900 * 100 + 9100 * 60) / HOUR_S
    assert station.ledger.delivered_kwh == pytest.approx(kwh)


def test_station_recovers_with_the_next_reading() -> None:
    station = with_a_car()
    station.advance(HOUR_S)
    station.set_site_limit(200)
    assert offered_kw(station) == [150]
    status = station.status()
    assert (status.fail_safe, status.silent, status.site_limit_kw) == (False, (), 200)
    assert notes(station)[1:] == [(HOUR_S, note(False, [], 200))]
    station.advance(LEASE_S)
    assert notes(station)[2:] == [(HOUR_S + LEASE_S, note(True, ["site limit"], 60))]


def test_site_limit_of_none_renews_the_lease() -> None:
    """The connection's capacity, set again, is a reading too."""
    station = with_a_car()
    station.advance(HOUR_S)
    station.set_site_limit(None)
    assert (offered_kw(station), station.status().site_limit_kw) == ([150], 400)


def test_each_reading_has_its_own_lease() -> None:
    station = with_a_car()
    station.set_site_limit(300)
    station.advance(600)
    station.set_static_load(10)
    station.advance(400)
    assert station.status().silent == ("site limit",)
    station.set_site_limit(300)
    assert (station.status().silent, offered_kw(station)) == ((), [150])
    station.advance(500)
    assert station.status().silent == ("static load",)
    # 60 kW less the last static load that was set.
    assert offered_kw(station) == [50]
    station.advance(400)
    assert station.status().silent == ("site limit", "static load")
    station.set_static_load(10)
    assert (station.status().silent, offered_kw(station)) == (("site limit",), [50])
    assert [at_s for at_s, _ in notes(station)] == [900, 1000, 1500, 1900, 1900]


def test_reading_that_never_came_is_not_silent() -> None:
    """A site without a meter has only its limit to renew."""
    station = with_a_car()
    for _ in range(20):
        station.set_site_limit(100)
        station.advance(800)
    assert notes(station) == []


def test_readings_renewed_in_time_never_fall_silent() -> None:
    station = with_a_car()
    for _ in range(0, 24 * 3600, 600):
        station.set_site_limit(120)
        station.advance(600)
    assert notes(station) == []
    assert station.ledger.delivered_kwh == pytest.approx(24 * 120)


@given(gaps=st.lists(st.sampled_from([1.0, 450.0, 899.5, 900.0, 900.5, 2000.0]), max_size=8))
def test_station_is_silent_from_the_end_of_a_lease_to_the_next_reading(gaps: list[float]) -> None:
    """The energy of one car, from the times alone."""
    station = with_a_car()
    for gap_s in gaps:
        station.set_site_limit(100)
        station.advance(gap_s)
    valid_s = sum(min(gap_s, LEASE_S) for gap_s in gaps)
    kwh = (valid_s * 100 + (sum(gaps) - valid_s) * 60) / HOUR_S
    assert station.ledger.delivered_kwh == pytest.approx(kwh, abs=1e-6)
    assert station.status().fail_safe == (bool(gaps) and gaps[-1] >= LEASE_S)
    active = [arguments["active"] for _, arguments in notes(station)]
    assert all(before != after for before, after in itertools.pairwise(active))


def test_silence_never_raises_a_limit() -> None:
    station = with_a_car()
    station.set_site_limit(20)
    station.advance(HOUR_S)
    assert station.status().fail_safe
    assert (offered_kw(station), station.status().site_limit_kw) == ([20], 20)
    assert notes(station) == [(900.0, note(True, ["site limit"], 20))]


def test_fail_safe_limit_below_the_static_load_leaves_nothing() -> None:
    station = with_a_car(staticLoad=70)
    station.advance(HOUR_S)
    assert (offered_kw(station), station.allocation.grid_kw) == ([0], 0)


def test_fail_safe_limit_of_0_stops_all_cars() -> None:
    station = with_a_car(fail_safe_limit_kw=0)
    station.advance(HOUR_S)
    assert offered_kw(station) == [0]
    assert station.ledger.delivered_kwh == pytest.approx(150 / 4)


def test_battery_helps_during_silence() -> None:
    """Its power is the station's own: 60 kW from the grid and 50 from the battery."""
    station = with_a_car(battery={"initialCapacity": 1000, "power": 50, "initialSoc": 1.0})
    station.advance(HOUR_S)
    assert (offered_kw(station), station.allocation.battery_kw) == ([110], -50)


def test_readings_without_a_lease_never_fall_silent() -> None:
    station = with_a_car(limit_lease_s=None)
    station.advance(30 * 86_400)
    assert (offered_kw(station), station.status().fail_safe, notes(station)) == ([150], False, [])


# Notes in the record


def noted() -> Station:
    """Return a station that fell back and recovered, twice."""
    station = with_a_car()
    for kw in (100, 80):
        station.advance(2000)
        station.set_site_limit(kw)
    station.advance(10)
    return station


def record_of(station: Station) -> list[dict[str, Any]]:
    return json.loads(json.dumps([event.model_dump() for event in station.events]))


def test_replay_makes_the_same_notes() -> None:
    station = noted()
    again = Station.replay(station.config, record_of(station))
    assert [arguments["active"] for _, arguments in notes(station)] == [True, False, True, False]
    assert again.events == station.events
    assert (again.state, again.allocation, again.status()) == (
        station.state,
        station.allocation,
        station.status(),
    )


@pytest.mark.parametrize(
    "damage",
    [
        {"at_s": 901.0},
        {"arguments": note(True, ["start"], 61)},
        {"arguments": note(True, ["site limit"], 60)},
        {"arguments": note(False, [], 60)},
        {"arguments": {}},
    ],
)
def test_changed_note_is_refused(damage: dict[str, Any]) -> None:
    station = noted()
    record = record_of(station)
    at = next(number for number, event in enumerate(record) if event["call"] == FAIL_SAFE)
    record[at] |= damage
    with pytest.raises(ReplayError, match=f"event {at + 1} cannot have happened: the station did not note"):
        Station.replay(station.config, record)


@pytest.mark.parametrize("index", [0, 1, -1])
def test_invented_note_is_refused(index: int) -> None:
    station = with_a_car()
    station.advance(60)
    record = record_of(station)
    fake = Event(at_s=60.0, call=FAIL_SAFE, arguments=note(True, ["start"], 60))
    record.insert(index, fake.model_dump())
    with pytest.raises(ReplayError, match="the station did not note that"):
        Station.replay(station.config, record)


def test_notes_are_refused_by_a_station_without_a_lease() -> None:
    station = noted()
    with pytest.raises(ReplayError, match="the station did not note that"):
        Station.replay(leased_station(limit_lease_s=None).config, record_of(station))


# The configuration


def charger_of(*connectors: dict[str, float]) -> list[dict[str, Any]]:
    return [{"id": "CP1", "maxPower": 200, "connectors": list(connectors)}]


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"fail_safe_limit_kw": None}, "failSafeLimit: must be given where limitLease is, got nothing"),
        (
            {"chargers": charger_of({"fallbackPower": 40}, {"fallbackPower": 40})},
            "failSafeLimit: must carry the connectors' fallbackPower, 80 together, got 60",
        ),
        (
            {"chargers": charger_of({"fallbackPower": 40}, {"fallbackPower": 40}), "limit_lease_s": None},
            "failSafeLimit: must carry the connectors' fallbackPower, 80 together, got 60",
        ),
        (
            {"chargers": charger_of({}, {"fallbackPower": 40, "maxPower": 30})},
            "chargers[0].connectors[1].fallbackPower: must not be above maxPower 30, got 40",
        ),
        (
            {"chargers": charger_of({"fallbackPower": 201}), "fail_safe_limit_kw": 300},
            "chargers[0].connectors: must not",
        ),
    ],
)
def test_unsafe_fail_safe_limit_is_refused(changes: dict[str, Any], fault: str) -> None:
    with pytest.raises(ConfigError) as caught:
        leased_station(**changes)
    assert len(caught.value.faults) == 1
    assert caught.value.faults[0].startswith(fault)


def test_missing_fail_safe_limit_is_refused() -> None:
    data = {"stationId": "ST", "gridCapacity": 9, "limitLease": 60, "chargers": charger_of({})}
    with pytest.raises(ConfigError) as caught:
        load_config(data)
    assert caught.value.faults == ("failSafeLimit: must be given where limitLease is, got nothing",)


def test_fallback_powers_may_equal_the_fail_safe_limit() -> None:
    """Three times 0.1 is a bit more than 0.3 in binary numbers, and not in kilowatts."""
    station = leased_station(chargers=charger_of(*[{"fallbackPower": 0.1}] * 3), fail_safe_limit_kw=0.3)
    assert station.config.fail_safe_limit_kw == 0.3


# Moving limits


def test_offers_follow_a_limit_that_falls_and_rises() -> None:
    """Two cars have their halves at once; a static load above the limit leaves nothing."""
    station = leased_station(limit_lease_s=None)
    for charger_id in ("CP1", "CP2"):
        station.plug_in(charger_id, 1, Vehicle(150))
    for limit_kw, static_kw, each_kw in [
        (400, 0, 150),
        (200, 0, 100),
        (200, 50, 75),
        (40, 50, 0),
        (0, 0, 0),
        (0, 500, 0),
        (None, 500, 0),
        (None, 100, 150),
    ]:
        station.set_site_limit(limit_kw)
        station.set_static_load(static_kw)
        assert offered_kw(station) == [each_kw, each_kw]
        station.advance(60)
        assert station.allocation.grid_kw == 2 * each_kw
    assert station.ledger.delivered_kwh == pytest.approx(2 * (150 + 100 + 75 + 150) / 60)


def test_static_load_is_imported_whatever_the_limit() -> None:
    """The station cannot switch it off, and the ledger books what happens."""
    station = leased_station(limit_lease_s=None)
    station.set_static_load(30)
    station.set_site_limit(20)
    station.advance(HOUR_S)
    assert station.ledger.imported_kwh == pytest.approx(30)


changes = st.one_of(
    st.tuples(st.just("set_site_limit"), st.none() | st.sampled_from([0.0, 1.0, 30.5, 90.0, 1000.0])),
    st.tuples(st.just("set_static_load"), st.sampled_from([0.0, 2.0, 45.5, 1000.0])),
    st.tuples(st.just("advance"), st.sampled_from([0.0, 1.0, 45.0, 1200.0])),
)


@given(
    config=configs(),
    cars=st.lists(st.sampled_from(CARS), min_size=1, max_size=6),
    calls=st.lists(changes, min_size=1, max_size=12),
)
def test_moving_limits_are_kept_at_once(
    config: dict[str, Any], cars: list[Vehicle], calls: list[tuple[str, Any]]
) -> None:
    station = Station(load_config(config))
    for connector_id, car in zip(station.config.connectors, cars, strict=False):
        station.plug_in(*connector_id, car)
    for name, value in calls:
        getattr(station, name)(value)
        assert_within_limits(station.snapshot(), station.allocation)
        status = station.status()
        room_kw = status.site_limit_kw - status.static_load_kw - status.standby_kw
        assert status.grid_kw <= max(0.0, room_kw) + TINY_KW


# Failing parts


@pytest.mark.parametrize("connector", [1, None], ids=["connector", "charger"])
def test_fault_frees_the_power_for_others_in_the_same_decision(connector: int | None) -> None:
    station = leased_station(grid_kw=200, limit_lease_s=None)
    for charger_id in ("CP1", "CP2"):
        station.plug_in(charger_id, 1, Vehicle(150, battery_kwh=100), arrival_soc=0.2)
    station.advance(360)
    assert offered_kw(station) == [100, 100]
    station.set_available("CP1", connector, available=False)
    assert offered_kw(station) == [0, 150]
    station.advance(360)
    suspended, other = (session for _, _, session in station.status().sessions)
    assert (suspended.condition, suspended.limited_by, suspended.waiting) == ("suspended", Limit.FAULT, False)
    assert (suspended.energy_kwh, other.energy_kwh) == pytest.approx((10, 25))
    station.set_available("CP1", connector, available=True)
    assert offered_kw(station) == [100, 100]
    station.advance(360)
    resumed = station.status().sessions[0][2]
    assert (resumed.condition, resumed.energy_kwh) == ("charging", pytest.approx(20))


def test_waiting_session_is_admitted_when_another_is_suspended() -> None:
    station = leased_station(grid_kw=60, limit_lease_s=None)
    for connector in (1, 2):
        station.plug_in("CP1", connector, Vehicle(150, min_power_kw=50))
    assert offered_kw(station) == [60, 0]
    station.set_available("CP1", 1, available=False)
    assert offered_kw(station) == [0, 60]
    station.set_available("CP1", 1, available=True)
    assert offered_kw(station) == [60, 0]


def test_modules_of_a_failed_connector_go_to_the_other() -> None:
    """Three modules of 75 kW: 150 + 75, and 150 for the session that is left."""
    chargers = [{"id": "CP1", "maxPower": 225, "moduleSize": 75, "connectors": 2}]
    station = leased_station(chargers=chargers, limit_lease_s=None)
    for connector in (1, 2):
        station.plug_in("CP1", connector, Vehicle(150))
    assert offered_kw(station) == [150, 75]
    station.set_available("CP1", 1, available=False)
    assert offered_kw(station) == [0, 150]
    station.set_available("CP1", 1, available=True)
    assert sorted(offered_kw(station)) == [75, 150]


def test_all_parts_may_fail_at_once() -> None:
    station = with_a_car(battery={"initialCapacity": 100, "power": 50, "initialSoc": 0.5})
    station.set_site_limit(0)
    for part in ("CP1", "CP2", "battery"):
        station.set_available(part, available=False)
    station.advance(HOUR_S)
    assert (offered_kw(station), station.allocation.grid_kw, station.allocation.battery_kw) == ([0], 0, 0)
    station.unplug("CP1", 1)
    assert station.ledger.delivered_kwh == 0
