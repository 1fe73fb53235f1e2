"""Explanations: the sentence with its numbers, and the gain of one more kilowatt of each limit."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stations import NAMED, Call, accepted, configs, make_station, plug_in, sane_calls

from electra_core import ChargingCurve, Limit, Station, StationError, Vehicle, load_config
from electra_core.station.explain import Explanation

HUNGRY = Vehicle(150.0)


def one_charger(kw: float, *connectors: dict[str, float], **keys: Any) -> list[dict[str, Any]]:
    return [{"maxPower": kw, "connectors": list(connectors), **keys}]


# A sentence for each reason


def test_charger_limit_is_explained() -> None:
    station = make_station(chargers=[{"id": "CP001", "maxPower": 200, "connectors": 2}])
    station.plug_in("CP001", 1, HUNGRY)
    station.plug_in("CP001", 2, HUNGRY)
    said = station.explain("S0001")
    assert said == "offered 100 of 150 kW: CP001 shares 200 kW between 2 cars; the site could give 100 more"
    assert said.limited_by is Limit.CHARGER


def test_charger_limit_is_explained_when_the_site_is_used_up_too() -> None:
    station = make_station(grid_kw=200)
    station.plug_in("CP1", 1, HUNGRY)
    station.plug_in("CP1", 2, HUNGRY)
    assert station.explain("S0001").endswith("between 2 cars; the site has no more either")


def test_vehicle_limit_is_explained() -> None:
    """A straight line from 100 kW when empty to 20 when full: 60 kW at a half."""
    station = make_station()
    car = Vehicle(100, 60, ChargingCurve([(0, 100), (1, 20)]))
    station.plug_in("CP1", 1, car, arrival_soc=0.5)
    assert station.explain("S0001") == "offered 60 of 60 kW: the car takes no more at 50% of its battery"
    station.plug_in("CP1", 2, Vehicle(50))
    assert station.explain("S0002") == "offered 50 of 50 kW: the car takes no more"


def test_freed_power_is_explained() -> None:
    """The car draws 40 kW and keeps the margin of 2; then it draws up, and gets 15 back at a time."""
    station = make_station()
    station.plug_in("CP1", 1, HUNGRY)
    station.report_draw("CP1", 1, 40)
    station.advance(60)
    said = station.explain("S0001")
    assert said == ("offered 42 of 150 kW: the car was seen to take only 40 kW, and what it leaves is freed")
    assert said.limited_by is Limit.VEHICLE
    station.report_draw("CP1", 1, 42)
    assert station.explain("S0001") == (
        "offered 57 of 150 kW: the car took less before and gets its 150 kW back step by step"
    )


def test_connector_limit_is_explained() -> None:
    station = make_station(chargers=one_charger(200, {"maxPower": 50}))
    station.plug_in("CP1", 1, HUNGRY)
    said = station.explain("S0001")
    assert said == "offered 50 of 50 kW: connector 1 gives no more, and the car could take 150 kW"
    assert said.limited_by is Limit.CONNECTOR
    assert said.gain_per_kw == {"connector": 1.0}


def test_module_limit_is_explained() -> None:
    """Three of 75 kW: 150 for the first and 75 for the second; the site has 175 left, and they want 75."""
    station = make_station(chargers=one_charger(225, {}, {}, moduleSize=75))
    station.plug_in("CP1", 1, HUNGRY)
    station.plug_in("CP1", 2, HUNGRY)
    said = station.explain("S0002")
    assert said == (
        "offered 75 of 150 kW: CP1 has 3 modules of 75 kW between 2 cars, and 1 of them for this one;"
        " the site could give 75 more"
    )
    assert said.limited_by is Limit.MODULE
    # A part of a module cannot be used.
    assert said.gain_per_kw == {"charger": 0.0}


def test_wait_for_a_module_is_explained() -> None:
    station = make_station(chargers=one_charger(150, {}, {}, {}, moduleSize=75))
    for connector in (1, 2, 3):
        station.plug_in("CP1", connector, HUNGRY)
    said = station.explain("S0003")
    assert said == (
        "waiting, offered 0 of 150 kW: CP1 has 2 modules of 75 kW between 3 cars, and none of them for this"
        " one; the site could give 250 more"
    )


def test_site_limit_is_explained() -> None:
    """400 kW less 4 of static load, for three cars of 150."""
    station = make_station(staticLoad=4)
    for connector_id in (("CP1", 1), ("CP2", 1), ("CP2", 2)):
        station.plug_in(*connector_id, HUNGRY)
    said = station.explain("S0002")
    assert said == "offered 132 of 150 kW: the site has 396 kW left for 3 cars"
    assert said.limited_by is Limit.SITE
    assert said.gain_per_kw == {"site": pytest.approx(1 / 3, abs=1e-6)}
    assert said.station_gain_per_kw == {"site": pytest.approx(1, abs=1e-6)}
    assert said.what_if == "1 kW more of the site limit would give it 0.33 kW"


def test_site_limit_with_a_battery_is_explained() -> None:
    """60 kW of grid and 40 of battery for two cars of 150."""
    battery = {"initialCapacity": 100, "power": 40, "initialSoc": 0.5}
    station = make_station(grid_kw=60, battery=battery)
    station.plug_in("CP1", 1, HUNGRY)
    station.plug_in("CP2", 1, HUNGRY)
    said = station.explain("S0001")
    assert said == ("offered 50 of 150 kW: the site has 60 kW left for 2 cars, and the battery adds 40 kW")
    assert said.gain_per_kw == pytest.approx({"site": 0.5, "battery": 0.5}, abs=1e-6)
    assert said.what_if == (
        "1 kW more of the site limit would give it 0.5 kW;"
        " 1 kW more of the battery limit would give it 0.5 kW"
    )


def test_reserve_is_explained() -> None:
    """60 kW are more than the comfort power of 30."""
    battery = {"initialCapacity": 100, "power": 40, "initialSoc": 0.2, "reserveSoc": 0.5, "comfortPower": 30}
    station = make_station(grid_kw=60, battery=battery)
    station.plug_in("CP1", 1, HUNGRY)
    assert station.explain("S0001") == (
        "offered 60 of 150 kW: the site has 60 kW left for 1 car,"
        " and the battery keeps its reserve for those below 30 kW"
    )


def test_fail_safe_limit_is_explained() -> None:
    station = make_station(limitLease=120, failSafeLimit=50)
    station.plug_in("CP1", 1, HUNGRY)
    station.advance(120)
    assert station.explain("S0001") == (
        "offered 50 of 150 kW: the site has 50 kW left for 1 car;"
        " it is at its fail-safe limit, no reading since the start"
    )
    station.set_site_limit(300)
    assert station.explain("S0001") == "offered 150 of 150 kW: the car takes no more"
    station.advance(120)
    assert station.explain("S0001").endswith("it is at its fail-safe limit, no news of the site limit")


def test_minimum_is_explained() -> None:
    """70 kW are one minimum of 50 and 20 beside it."""
    station = make_station(grid_kw=70, chargers=one_charger(200, {"minPower": 50}, {"minPower": 50}))
    station.plug_in("CP1", 1, Vehicle(50))
    station.plug_in("CP1", 2, HUNGRY)
    said = station.explain("S0002")
    assert said == (
        "waiting, offered 0 of 150 kW: it needs at least 50 kW,"
        " and the site has 20 kW left beside those before it"
    )
    assert said.limited_by is Limit.MINIMUM
    assert said.what_if == ""


def test_minimum_above_what_the_charger_has_left_is_explained() -> None:
    station = make_station(chargers=one_charger(80, {"minPower": 50}, {"minPower": 50}))
    station.plug_in("CP1", 1, Vehicle(50))
    station.plug_in("CP1", 2, HUNGRY)
    assert "and CP1 has 30 kW left beside those before it" in station.explain("S0002")


def test_minimum_with_nothing_left_is_explained() -> None:
    """The first car has all 70 kW: nothing is left at all."""
    station = make_station(grid_kw=70, chargers=one_charger(200, {"minPower": 50}, {"minPower": 50}))
    station.plug_in("CP1", 1, HUNGRY)
    station.plug_in("CP1", 2, HUNGRY)
    assert "needs at least 50 kW, and the site has 0 kW left beside those before it" in station.explain(
        "S0002"
    )


@pytest.mark.parametrize(("connector", "what"), [(1, "connector 1 of CP1"), (None, "CP1")])
def test_fault_is_explained(connector: int | None, what: str) -> None:
    station = make_station()
    station.plug_in("CP1", 1, HUNGRY)
    station.set_available("CP1", connector, False)
    said = station.explain("S0001")
    assert said == f"suspended: {what} is out of service"
    assert (said.limited_by, said.gain_per_kw) == (Limit.FAULT, {})


def test_finished_session_is_explained() -> None:
    station = make_station()
    station.plug_in("CP1", 1, Vehicle(100, 50), arrival_soc=0.5, target_soc=0.8)
    station.advance(3600)
    said = station.explain("S0001")
    assert said == "done: the car is at its target of 80%"
    assert said.limited_by is Limit.FINISHED


def test_gain_of_the_site_counts_losses() -> None:
    """100 kW of grid are 50 at the car behind a charger of 50 %, and one more is a half."""
    station = make_station(grid_kw=100, chargers=one_charger(200, {}, efficiency=0.5))
    station.plug_in("CP1", 1, HUNGRY)
    said = station.explain("S0001")
    assert said == "offered 50 of 150 kW: the site has 100 kW left for 1 car"
    assert said.gain_per_kw == {"site": pytest.approx(0.5, abs=1e-6)}


# What-if: two cars on one charger, a third beside it


def test_gain_of_a_session_differs_from_gain_of_all() -> None:
    """CP1 shares 200 kW between two; of 300 kW of grid the third has 100, and as much as they."""
    station = make_station(grid_kw=300)
    for connector_id in (("CP1", 1), ("CP1", 2), ("CP2", 1)):
        station.plug_in(*connector_id, HUNGRY)
    # More of the charger gives nothing without the site: both bind.
    first, third = station.explain("S0001"), station.explain("S0003")
    assert third.gain_per_kw == pytest.approx({"site": 1.0}, abs=1e-6)
    assert first.gain_per_kw == pytest.approx({"charger": 0.0, "site": 0.0}, abs=1e-6)
    assert first.station_gain_per_kw == pytest.approx({"charger": 0.0, "site": 1.0}, abs=1e-6)


def test_session_of_double_weight_gains_double() -> None:
    station = make_station(grid_kw=90)
    station.plug_in("CP1", 1, HUNGRY, weight=2)
    station.plug_in("CP2", 1, HUNGRY)
    assert station.explain("S0001").gain_per_kw == {"site": pytest.approx(2 / 3, abs=1e-6)}
    assert station.explain("S0002").gain_per_kw == {"site": pytest.approx(1 / 3, abs=1e-6)}


# What-if: the finite difference, over random stations

# One size below and one above the nudge of `explain`: if they do not agree there is a kink in between.
SMALL_KW, LARGE_KW = 2.0**-11, 2.0**-8

Offers = dict[str, float]


def difference(offers: Callable[[float], Offers]) -> Offers | None:
    """Return the gain of each session for one more kW, from offers with some kW more; None at a kink."""
    now = offers(0.0)
    small, large = (
        {name: (kw - now[name]) / more for name, kw in offers(more).items()} for more in (SMALL_KW, LARGE_KW)
    )
    return small if all(abs(small[name] - large[name]) < 1e-7 for name in now) else None


def assert_gains(said: Explanation, limit: str, name: str, difference: Offers) -> None:
    """Check the gains of one limit; a limit that is not named would give nothing."""
    assert said.gain_per_kw.get(limit, 0.0) == pytest.approx(difference[name], abs=1e-6)
    assert said.station_gain_per_kw.get(limit, 0.0) == pytest.approx(sum(difference.values()), abs=1e-6)


every_strategy = st.sampled_from(NAMED)


@given(
    config=configs(),
    strategy=every_strategy,
    calls=st.lists(sane_calls.filter(lambda call: call[0] != "set_strategy"), min_size=3, max_size=15),
    limit_kw=st.sampled_from([30.0, 100.0, 172.5, 390.0]),
)
def test_gain_of_the_site_is_the_finite_difference(
    config: dict[str, Any], strategy: str, calls: list[Call], limit_kw: float
) -> None:
    station = Station(load_config({**config, "gridCapacity": 400}), strategy)
    list(accepted(station, calls))
    station.set_site_limit(limit_kw)
    said = {name: station.explain(name) for name in station.allocation.offered_kw}

    def offers(more_kw: float) -> Offers:
        station.set_site_limit(limit_kw + more_kw)
        return dict(station.allocation.offered_kw)

    gains = difference(offers)
    if gains is not None:
        for name in gains:
            assert_gains(said[name], "site", name, gains)


def with_more(config: dict[str, Any], limit: str, connector_id: tuple[str, int], kw: float) -> dict[str, Any]:
    """Return the configuration with a little more of a charger, a connector, or the battery."""
    if limit == "battery":
        return {**config, "battery": {**config["battery"], "power": config["battery"]["power"] + kw}}
    chargers = copy.deepcopy(config["chargers"])
    charger = next(each for each in chargers if each["id"] == connector_id[0])
    part = charger if limit == "charger" else charger["connectors"][connector_id[1] - 1]
    part["maxPower"] += kw
    return {**config, "chargers": chargers}


@pytest.mark.parametrize("limit", ["charger", "connector", "battery"])
@given(
    config=configs(rule="hybrid"),
    strategy=every_strategy,
    calls=st.lists(plug_in, min_size=2, max_size=8),
    limit_kw=st.none() | st.sampled_from([30.0, 100.0, 172.5]),
)
@settings(max_examples=max(40, settings().max_examples // 2))
def test_gain_of_a_part_is_the_finite_difference(
    limit: str, config: dict[str, Any], strategy: str, calls: list[Call], limit_kw: float | None
) -> None:
    """The same cars are at a station of which one part is a little larger; the battery has at least 30 kW."""
    config = {**config, "battery": {**config["battery"], "power": config["battery"]["power"] or 30}}

    def larger_station(more_kw: float, connector_id: tuple[str, int]) -> Station:
        larger = with_more(config, limit, connector_id, more_kw) if more_kw else config
        there = Station(load_config(larger), strategy)
        list(accepted(there, calls))
        there.set_site_limit(limit_kw)
        return there

    station = larger_station(0.0, ("", 0))
    for connector_id, session in station.state.sessions.items():
        said = station.explain(session.session_id)
        if limit == "connector" and "connector" not in said.gain_per_kw:
            continue
        gains = difference(
            lambda more_kw, at=connector_id: dict(larger_station(more_kw, at).allocation.offered_kw)
        )
        if gains is not None:
            assert_gains(said, limit, session.session_id, gains)


# Refusals


@pytest.mark.parametrize("name", ["S0002", "", None, 1, ["S0001"]])
def test_unknown_session_is_refused(name: Any) -> None:
    station = make_station()
    station.plug_in("CP1", 1, HUNGRY)
    with pytest.raises(StationError, match=r"there is no session .*; connected are S0001"):
        station.explain(name)


def test_session_that_left_is_refused() -> None:
    station = make_station()
    station.plug_in("CP1", 1, HUNGRY)
    station.unplug("CP1", 1)
    with pytest.raises(StationError, match="connected are none"):
        station.explain("S0001")


@given(config=configs(), calls=st.lists(sane_calls, max_size=15))
def test_every_session_has_a_sentence_and_explaining_changes_nothing(
    config: dict[str, Any], calls: list[Call]
) -> None:
    station = Station(load_config(config))
    list(accepted(station, calls))
    before = station.state, station.allocation, station.snapshot(), station.events
    for session in station.state.sessions.values():
        said = station.explain(session.session_id)
        assert len(said.split()) > 3
        assert said.limited_by is station.allocation.limited_by[session.session_id]
        waits = session.session_id in station.allocation.waiting
        assert said.startswith("waiting, offered 0 of") == waits
    assert (station.state, station.allocation, station.snapshot(), station.events) == before


def test_rank_function_that_fails_in_an_explanation_is_named() -> None:
    """An explanation asks the rank function again, and its failure is a refusal like any other."""
    asked = []

    def tired(demand: Any, now_s: float) -> tuple[float, float]:
        asked.append(demand)
        return (0.0, 1.0) if len(asked) < 3 else (0.0, float("nan"))

    station = make_station(tired, grid_kw=50)
    station.plug_in("CP1", 1, HUNGRY)
    asked.extend([None, None])
    with pytest.raises(StationError, match="strategy tired ranked session S0001"):
        station.explain("S0001")


def test_explanation_without_gains_is_a_plain_sentence() -> None:
    said = Explanation("no more")
    assert (said, said.what_if, said.limited_by, said.gain_per_kw) == ("no more", "", None, {})


def test_explanation_survives_pickle() -> None:
    station = make_station(grid_kw=60)
    said = station.explain(station.plug_in("CP1", 1, HUNGRY))
    again = pickle.loads(pickle.dumps(said))
    assert (again, again.what_if, again.limited_by) == (said, said.what_if, Limit.SITE)
    assert (again.gain_per_kw, again.station_gain_per_kw) == (said.gain_per_kw, said.station_gain_per_kw)
