"""What a station cannot rely on: readings that fall silent, limits that move, parts that fail."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stations import CARS, TINY_KW, assert_within_limits, configs

from electra_core import ConfigError, Limit, Station, Vehicle, load_config
from electra_core.errors import ReplayError
from electra_core.station.events import FAIL_SAFE, Event

HOUR_S = 3600.0
LEASE_S = 900.0


def station(**changes: Any) -> Station:
    """Two chargers of 200 kW; readings last a quarter of an hour, and 60 kW are safe without them."""
    config = {
        "stationId": "ST",
        "gridCapacity": 400,
        "limitLease": LEASE_S,
        "failSafeLimit": 60,
        "chargers": [{"id": f"CP{i}", "maxPower": 200, "connectors": 2} for i in (1, 2)],
    }
    return Station(load_config({**config, **changes}))


def with_a_car(**changes: Any) -> Station:
    here = station(**changes)
    here.plug_in("CP1", 1, Vehicle(150))
    return here


def offered_kw(here: Station) -> list[float]:
    return [kw for _, kw in sorted(here.allocation.offered_kw.items())]


def notes(here: Station) -> list[tuple[float, dict[str, Any]]]:
    """When the station fell back or recovered, and what it wrote down."""
    return [(event.at_s, event.arguments) for event in here.events if event.call == FAIL_SAFE]


def note(active: bool, silent: list[str], limit_kw: float) -> dict[str, Any]:
    return {"active": active, "silent": silent, "limit_kw": limit_kw}


# Silence


def test_silence_counts_from_the_start() -> None:
    """A quarter of an hour at 150 kW and three at 60, in one call: 37.5 + 45 kWh."""
    here = with_a_car()
    here.advance(HOUR_S)
    assert here.ledger.delivered_kwh == pytest.approx(82.5)
    assert offered_kw(here) == [60]
    assert here.allocation.limited_by["S0001"] is Limit.SITE
    status = here.status()
    assert (status.fail_safe, status.silent, status.site_limit_kw) == (True, ("start",), 60)
    assert notes(here) == [(900.0, note(True, ["start"], 60))]


def test_it_falls_back_exactly_at_the_end_of_the_lease() -> None:
    here = with_a_car()
    here.advance(LEASE_S - 0.001)
    assert (offered_kw(here), here.status().fail_safe) == ([150], False)
    here.advance(0.001)
    assert here.now_s == LEASE_S
    assert (offered_kw(here), here.status().fail_safe) == ([60], True)


def test_it_falls_back_exactly_in_the_middle_of_a_long_advance() -> None:
    """200 kW at most until 1300 s, 60 from there on, whatever else happens on the way."""
    here = with_a_car()
    here.advance(400)
    here.set_site_limit(100)
    here.advance(10_000)
    assert notes(here) == [(1300.0, note(True, ["site limit"], 60))]
    kwh = (400 * 150 + 900 * 100 + 9100 * 60) / HOUR_S
    assert here.ledger.delivered_kwh == pytest.approx(kwh)


def test_it_recovers_with_the_next_reading() -> None:
    here = with_a_car()
    here.advance(HOUR_S)
    here.set_site_limit(200)
    assert offered_kw(here) == [150]
    status = here.status()
    assert (status.fail_safe, status.silent, status.site_limit_kw) == (False, (), 200)
    assert notes(here)[1:] == [(HOUR_S, note(False, [], 200))]
    here.advance(LEASE_S)
    assert notes(here)[2:] == [(HOUR_S + LEASE_S, note(True, ["site limit"], 60))]


def test_no_limit_is_a_reading_too() -> None:
    """The connection's capacity, said again, is news as well."""
    here = with_a_car()
    here.advance(HOUR_S)
    here.set_site_limit(None)
    assert (offered_kw(here), here.status().site_limit_kw) == ([150], 400)


def test_each_reading_has_its_own_lease() -> None:
    here = with_a_car()
    here.set_site_limit(300)
    here.advance(600)
    here.set_static_load(10)
    here.advance(400)
    assert here.status().silent == ("site limit",)
    here.set_site_limit(300)
    assert (here.status().silent, offered_kw(here)) == ((), [150])
    here.advance(500)
    assert here.status().silent == ("static load",)
    # What is left of 60 kW after the last static load that was heard.
    assert offered_kw(here) == [50]
    here.advance(400)
    assert here.status().silent == ("site limit", "static load")
    here.set_static_load(10)
    assert (here.status().silent, offered_kw(here)) == (("site limit",), [50])
    assert [at_s for at_s, _ in notes(here)] == [900, 1000, 1500, 1900, 1900]


def test_a_reading_that_never_came_is_not_missed() -> None:
    """A site whose meter says nothing lives by its limit alone."""
    here = with_a_car()
    for _ in range(20):
        here.set_site_limit(100)
        here.advance(800)
    assert notes(here) == []


def test_renewed_in_time_it_never_falls_back() -> None:
    here = with_a_car()
    for _ in range(0, 24 * 3600, 600):
        here.set_site_limit(120)
        here.advance(600)
    assert notes(here) == []
    assert here.ledger.delivered_kwh == pytest.approx(24 * 120)


@given(gaps=st.lists(st.sampled_from([1.0, 450.0, 899.5, 900.0, 900.5, 2000.0]), max_size=8))
def test_it_is_silent_between_a_lease_and_the_next_reading(gaps: list[float]) -> None:
    """The energy of one car, from the times alone."""
    here = with_a_car()
    for gap_s in gaps:
        here.set_site_limit(100)
        here.advance(gap_s)
    heard_s = sum(min(gap_s, LEASE_S) for gap_s in gaps)
    kwh = (heard_s * 100 + (sum(gaps) - heard_s) * 60) / HOUR_S
    assert here.ledger.delivered_kwh == pytest.approx(kwh, abs=1e-6)
    assert here.status().fail_safe == (bool(gaps) and gaps[-1] >= LEASE_S)
    active = [arguments["active"] for _, arguments in notes(here)]
    assert all(before != after for before, after in itertools.pairwise(active))


def test_silence_never_widens_a_limit() -> None:
    here = with_a_car()
    here.set_site_limit(20)
    here.advance(HOUR_S)
    assert here.status().fail_safe
    assert (offered_kw(here), here.status().site_limit_kw) == ([20], 20)
    assert notes(here) == [(900.0, note(True, ["site limit"], 20))]


def test_a_fail_safe_limit_below_the_static_load() -> None:
    here = with_a_car(staticLoad=70)
    here.advance(HOUR_S)
    assert (offered_kw(here), here.allocation.grid_kw) == ([0], 0)


def test_a_fail_safe_limit_of_0_stops_all() -> None:
    here = with_a_car(failSafeLimit=0)
    here.advance(HOUR_S)
    assert offered_kw(here) == [0]
    assert here.ledger.delivered_kwh == pytest.approx(150 / 4)


def test_the_battery_goes_on_helping() -> None:
    """Its power is the station's own: 60 kW from the grid and 50 from the battery."""
    here = with_a_car(battery={"initialCapacity": 1000, "power": 50, "initialSoc": 1.0})
    here.advance(HOUR_S)
    assert (offered_kw(here), here.allocation.battery_kw) == ([110], -50)


def test_without_a_lease_a_reading_lasts() -> None:
    here = with_a_car(limitLease=None)
    here.advance(30 * 86_400)
    assert (offered_kw(here), here.status().fail_safe, notes(here)) == ([150], False, [])


# Notes in the record


def noted() -> Station:
    """A station that fell back and recovered, twice."""
    here = with_a_car()
    for kw in (100, 80):
        here.advance(2000)
        here.set_site_limit(kw)
    here.advance(10)
    return here


def record_of(here: Station) -> list[dict[str, Any]]:
    return json.loads(json.dumps([event.model_dump() for event in here.events]))


def test_a_replay_comes_to_the_same_notes() -> None:
    here = noted()
    again = Station.replay(here.config, record_of(here))
    assert [arguments["active"] for _, arguments in notes(here)] == [True, False, True, False]
    assert again.events == here.events
    assert (again.state, again.allocation, again.status()) == (here.state, here.allocation, here.status())


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
def test_a_changed_note_is_refused(damage: dict[str, Any]) -> None:
    here = noted()
    record = record_of(here)
    at = next(place for place, event in enumerate(record) if event["call"] == FAIL_SAFE)
    record[at] |= damage
    with pytest.raises(ReplayError, match=f"event {at + 1} cannot have happened: the station did not note"):
        Station.replay(here.config, record)


@pytest.mark.parametrize("place", [0, 1, -1])
def test_a_note_of_something_that_did_not_happen_is_refused(place: int) -> None:
    here = with_a_car()
    here.advance(60)
    record = record_of(here)
    fake = Event(at_s=60.0, call=FAIL_SAFE, arguments=note(True, ["start"], 60))
    record.insert(place, fake.model_dump())
    with pytest.raises(ReplayError, match="the station did not note that"):
        Station.replay(here.config, record)


def test_a_record_of_notes_does_not_fit_another_lease() -> None:
    here = noted()
    with pytest.raises(ReplayError, match="the station did not note that"):
        Station.replay(station(limitLease=None).config, record_of(here))


# The configuration


def plugs(*options: dict[str, float]) -> list[dict[str, Any]]:
    return [{"id": "CP1", "maxPower": 200, "connectors": list(options)}]


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"failSafeLimit": None}, "failSafeLimit: must be given where limitLease is, got nothing"),
        (
            {"chargers": plugs({"fallbackPower": 40}, {"fallbackPower": 40})},
            "failSafeLimit: must carry the connectors' fallbackPower, 80 together, got 60",
        ),
        (
            {"chargers": plugs({"fallbackPower": 40}, {"fallbackPower": 40}), "limitLease": None},
            "failSafeLimit: must carry the connectors' fallbackPower, 80 together, got 60",
        ),
        (
            {"chargers": plugs({}, {"fallbackPower": 40, "maxPower": 30})},
            "chargers[0].connectors[1].fallbackPower: must not be above maxPower 30, got 40",
        ),
        (
            {"chargers": plugs({"fallbackPower": 201}), "failSafeLimit": 300},
            "chargers[0].connectors: must not",
        ),
    ],
)
def test_a_fail_safe_that_is_none_is_refused(changes: dict[str, Any], fault: str) -> None:
    with pytest.raises(ConfigError) as caught:
        station(**changes)
    assert len(caught.value.faults) == 1
    assert caught.value.faults[0].startswith(fault)


def test_a_missing_fail_safe_limit_is_a_fault_of_the_file() -> None:
    data = {"stationId": "ST", "gridCapacity": 9, "limitLease": 60, "chargers": plugs({})}
    with pytest.raises(ConfigError) as caught:
        load_config(data)
    assert caught.value.faults == ("failSafeLimit: must be given where limitLease is, got nothing",)


def test_fallback_powers_that_are_the_limit_exactly() -> None:
    """Three times 0.1 is a bit more than 0.3 in binary numbers, and not in kilowatts."""
    here = station(chargers=plugs(*[{"fallbackPower": 0.1}] * 3), failSafeLimit=0.3)
    assert here.config.fail_safe_limit_kw == 0.3


# Limits that move


def test_a_limit_that_falls_and_rises_while_cars_charge() -> None:
    """Two cars have their halves at once; a static load above the limit leaves nothing, and is no error."""
    here = station(limitLease=None)
    for charger_id in ("CP1", "CP2"):
        here.plug_in(charger_id, 1, Vehicle(150))
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
        here.set_site_limit(limit_kw)
        here.set_static_load(static_kw)
        assert offered_kw(here) == [each_kw, each_kw]
        here.advance(60)
        assert here.allocation.grid_kw == 2 * each_kw
    assert here.ledger.delivered_kwh == pytest.approx(2 * (150 + 100 + 75 + 150) / 60)


def test_the_static_load_is_imported_whatever_the_limit() -> None:
    """The station cannot switch it off: the ledger says what happens, not what should."""
    here = station(limitLease=None)
    here.set_static_load(30)
    here.set_site_limit(20)
    here.advance(HOUR_S)
    assert here.ledger.imported_kwh == pytest.approx(30)


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
def test_limits_that_move_are_kept_at_once_and_without_an_exception(
    config: dict[str, Any], cars: list[Vehicle], calls: list[tuple[str, Any]]
) -> None:
    here = Station(load_config(config))
    for place, car in zip(here.config.plugs, cars, strict=False):
        here.plug_in(*place, car)
    for name, value in calls:
        getattr(here, name)(value)
        assert_within_limits(here.snapshot(), here.allocation)
        status = here.status()
        room_kw = status.site_limit_kw - status.static_load_kw - status.standby_kw
        assert status.grid_kw <= max(0.0, room_kw) + TINY_KW


# Parts that fail


@pytest.mark.parametrize("connector", [1, None], ids=["connector", "charger"])
def test_the_others_get_the_power_in_the_same_decision(connector: int | None) -> None:
    here = station(gridCapacity=200, limitLease=None)
    for charger_id in ("CP1", "CP2"):
        here.plug_in(charger_id, 1, Vehicle(150, battery_kwh=100), arrival_soc=0.2)
    here.advance(360)
    assert offered_kw(here) == [100, 100]
    here.set_available("CP1", connector, available=False)
    assert offered_kw(here) == [0, 150]
    here.advance(360)
    suspended, other = (session for _, _, session in here.status().sessions)
    assert (suspended.condition, suspended.limited_by, suspended.waiting) == ("suspended", Limit.FAULT, False)
    assert (suspended.energy_kwh, other.energy_kwh) == pytest.approx((10, 25))
    here.set_available("CP1", connector, available=True)
    assert offered_kw(here) == [100, 100]
    here.advance(360)
    resumed = here.status().sessions[0][2]
    assert (resumed.condition, resumed.energy_kwh) == ("charging", pytest.approx(20))


def test_who_waits_for_a_minimum_gets_the_power_of_one_that_fails() -> None:
    here = station(gridCapacity=60, limitLease=None)
    for connector in (1, 2):
        here.plug_in("CP1", connector, Vehicle(150, min_power_kw=50))
    assert offered_kw(here) == [60, 0]
    here.set_available("CP1", 1, available=False)
    assert offered_kw(here) == [0, 60]
    here.set_available("CP1", 1, available=True)
    assert offered_kw(here) == [60, 0]


def test_modules_of_a_connector_that_fails_go_to_the_other() -> None:
    """Three stacks of 75 kW: 150 + 75, and 150 for whoever is left."""
    chargers = [{"id": "CP1", "maxPower": 225, "moduleSize": 75, "connectors": 2}]
    here = station(chargers=chargers, limitLease=None)
    for connector in (1, 2):
        here.plug_in("CP1", connector, Vehicle(150))
    assert offered_kw(here) == [150, 75]
    here.set_available("CP1", 1, available=False)
    assert offered_kw(here) == [0, 150]
    here.set_available("CP1", 1, available=True)
    assert sorted(offered_kw(here)) == [75, 150]


def test_everything_may_fail_at_once() -> None:
    here = with_a_car(battery={"initialCapacity": 100, "power": 50, "initialSoc": 0.5})
    here.set_site_limit(0)
    for part in ("CP1", "CP2", "battery"):
        here.set_available(part, available=False)
    here.advance(HOUR_S)
    assert (offered_kw(here), here.allocation.grid_kw, here.allocation.battery_kw) == ([0], 0, 0)
    here.unplug("CP1", 1)
    assert here.ledger.delivered_kwh == 0
