"""The clock of a served station, and how the time that passes is journaled."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from stations import BASE

from electra_core import Station, StationError, Vehicle, catalogue, load_config
from electra_core.service import Journal, LiveStation, create_app
from electra_core.station import StationConfig

CONFIG = load_config({**BASE, "battery": {"initialCapacity": 100, "power": 100}})
CAR = Vehicle(80.0, battery_kwh=60.0)
DAY_S = 86_400.0


class Machine:
    """A machine with two clocks: the time of day, which can be set, and the uptime, which cannot."""

    def __init__(self, day_s: float = 1_000_000.25) -> None:
        self.day_s, self.uptime_s = day_s, 50.0

    def open(self, path: Path, config: StationConfig = CONFIG, **options: Any) -> LiveStation:
        clocks: dict[str, Any] = {"time_of_day_s": lambda: self.day_s, "uptime_s": lambda: self.uptime_s}
        return LiveStation(config, Journal(path, config), **clocks, **options)

    def passes(self, seconds: float) -> None:
        self.day_s += seconds
        self.uptime_s += seconds


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.journal"


@pytest.fixture
def machine() -> Machine:
    return Machine()


def now_s(live: LiveStation) -> float:
    return live.view.decision.state.now_s


def passed_s(live: LiveStation, machine: Machine, seconds: float, set_by_s: float = 0.0) -> float:
    """Return by how much the station's clock moves while time passes and the time of day is set."""
    machine.passes(seconds)
    machine.day_s += set_by_s
    before_s = now_s(live)
    live.tick()
    return now_s(live) - before_s


# The time of day


def test_clock_follows_the_time_of_day_by_whole_seconds(path: Path, machine: Machine) -> None:
    live = machine.open(path)

    def shown_s(day_s: float) -> float:
        machine.day_s = day_s
        live.tick()
        return now_s(live)

    assert shown_s(1_000_001.20) == 0.0
    assert shown_s(1_000_001.30) == 1.0
    assert shown_s(1_000_012.00) == 11.0
    assert shown_s(1_000_005.00) == 11.0, "it never goes back"
    tag = live.view.etag
    assert shown_s(1_000_012.20) == 11.0
    assert live.view.etag == tag, "a second that is not over changes nothing"
    assert shown_s(1_000_012.25) == 12.0
    with pytest.raises(StationError, match="time of day"):
        live.advance(1.0)
    live.journal.close()
    # The time of day goes on while the service does not run.
    machine.day_s = 1_003_600.25
    assert now_s(machine.open(path)) == 3600.0


@pytest.mark.parametrize("stopped_s", [7200.0, 40 * DAY_S])
def test_stopped_service_catches_up_at_its_start(path: Path, machine: Machine, stopped_s: float) -> None:
    machine.open(path).close()
    machine.day_s += stopped_s
    machine.uptime_s = 3.0
    live = machine.open(path)
    assert (now_s(live), live.clock_notice) == (stopped_s, "")


def test_sleeping_machine_catches_up_at_once(path: Path, machine: Machine) -> None:
    """Its uptime counts while it sleeps."""
    live = machine.open(path)
    assert passed_s(live, machine, 8 * 3600.0) == 8 * 3600.0


def test_small_step_of_the_time_of_day_is_followed(path: Path, machine: Machine) -> None:
    live = machine.open(path)
    assert passed_s(live, machine, 10.0, set_by_s=60.0) == 70.0
    assert passed_s(live, machine, 10.0, set_by_s=-60.0) == 0.0, "it stands still, and does not go back"
    assert passed_s(live, machine, 40.0) == 0.0
    assert passed_s(live, machine, 20.0) == 10.0, "its lead is over"
    assert live.clock_notice == ""


def test_clock_that_is_set_back_goes_on(path: Path, machine: Machine) -> None:
    """As on a machine that learns the time of day only after its start: no lease may stand still for that."""
    live = machine.open(path)
    assert passed_s(live, machine, 10.0) == 10.0
    assert passed_s(live, machine, 10.0, set_by_s=-3600.0) == 10.0
    assert passed_s(live, machine, 10.0) == 10.0
    assert passed_s(live, machine, 10.0, set_by_s=3660.0) == 70.0, "set forward again: it follows"
    live.close()
    # The journal is ahead of the time of day, as one of a simulated clock may be.
    machine.day_s -= 3600.0
    live = machine.open(path)
    assert "3,600 s behind" in live.clock_notice
    assert passed_s(live, machine, 5.0) == 5.0


def test_jump_ahead_is_not_followed_and_is_over_with_it(
    path: Path, machine: Machine, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    live = machine.open(path)
    live.execute(lambda station: (201, station.plug_in("CP1", 1, CAR, arrival_soc=0.3)))
    assert passed_s(live, machine, 10.0, set_by_s=DAY_S) == 10.0
    assert passed_s(live, machine, 10.0) == 10.0
    assert caplog.messages == [live.clock_notice], "said once"
    assert live.clock_notice == (
        "the time of day is 86,400 s ahead of this station's clock, which runs on by the machine's uptime"
        " and believes the time of day if this lasts for 600 s"
    )
    with TestClient(create_app(live)) as client:
        clock = client.get("/v1/clock").json()
        assert (clock["now_s"], clock["notice"]) == (20.0, live.clock_notice)
        assert passed_s(live, machine, 10.0, set_by_s=-DAY_S) == 10.0
        assert client.get("/v1/clock").json()["notice"] is None
    assert caplog.messages[1:] == ["the station's clock agrees with the time of day again"]
    again = machine.open(path)
    assert now_s(again) == 30.0


def test_bounds_of_the_clock_are_arguments(path: Path, machine: Machine) -> None:
    live = machine.open(path, max_jump_s=5.0, trust_after_s=20.0)
    assert passed_s(live, machine, 10.0, set_by_s=6.0) == 10.0
    assert live.clock_notice
    assert passed_s(live, machine, 20.0) == 26.0


def test_jump_ahead_that_lasts_is_believed(path: Path, machine: Machine) -> None:
    """As after a pause of a virtual machine, whose uptime stands still meanwhile."""
    live = machine.open(path)
    assert passed_s(live, machine, 10.0, set_by_s=8 * 3600.0) == 10.0
    assert passed_s(live, machine, 590.0) == 590.0
    assert passed_s(live, machine, 10.0) == 10.0 + 8 * 3600.0
    assert live.clock_notice == ""
    assert passed_s(live, machine, 10.0) == 10.0


def test_second_jump_begins_the_wait_again(path: Path, machine: Machine) -> None:
    live = machine.open(path)
    assert passed_s(live, machine, 10.0, set_by_s=DAY_S) == 10.0
    assert passed_s(live, machine, 590.0, set_by_s=DAY_S) == 590.0
    assert passed_s(live, machine, 590.0) == 590.0
    assert "172,800 s ahead" in live.clock_notice


def test_lead_that_lasts_ends_without_going_back(
    path: Path, machine: Machine, caplog: pytest.LogCaptureFixture
) -> None:
    """Two slips of a day: one that was believed before it was mended."""
    live = machine.open(path)
    passed_s(live, machine, 10.0, set_by_s=DAY_S)
    assert passed_s(live, machine, 600.0) == 600.0 + DAY_S
    assert passed_s(live, machine, 10.0, set_by_s=-DAY_S) == 10.0
    assert "86,400 s behind" in live.clock_notice
    assert passed_s(live, machine, 600.0) == 600.0
    assert live.clock_notice == ""
    assert live.began_unix_s == 1_000_000.25 - DAY_S
    assert now_s(live) == machine.day_s - live.began_unix_s
    live.close()
    machine.passes(3600.0)
    again = machine.open(path)
    assert now_s(again) == machine.day_s - again.began_unix_s, "a stop is caught up again"
    assert (
        caplog.messages[-1]
        == "the station's clock has another beginning now, and agrees with the time of day"
    )


def test_station_ahead_at_its_start_says_so_and_follows_real_time(path: Path, machine: Machine) -> None:
    live = machine.open(path)
    live.execute(lambda station: (200, station.advance(DAY_S)))
    live.close()
    machine.passes(100.0)
    live = machine.open(path)
    assert now_s(live) == DAY_S
    assert "86,300 s behind this station's clock" in live.clock_notice
    assert [passed_s(live, machine, 10.0) for _ in range(70)] == [10.0] * 70
    assert live.clock_notice == ""
    assert passed_s(live, machine, 10.0) == 10.0
    live.close()
    live = machine.open(path)
    assert live.clock_notice == ""
    assert passed_s(live, machine, 10.0) == 10.0


def test_pause_of_more_than_a_year_is_not_caught_up(path: Path, machine: Machine) -> None:
    """As on a machine without a battery for its clock: it learns the time of day late."""
    machine.open(path).close()
    machine.day_s += 56 * 366 * DAY_S
    live = machine.open(path)
    assert passed_s(live, machine, 10.0) == 10.0
    assert "ahead" in live.clock_notice
    assert passed_s(live, machine, 600.0) == 600.0
    assert live.clock_notice == ""
    assert live.began_unix_s == pytest.approx(machine.day_s - now_s(live))


# Passing time in the journal


def test_refused_call_moves_no_clock(path: Path, machine: Machine) -> None:
    live = machine.open(path)
    machine.passes(100.0)
    before = live.view
    with pytest.raises(StationError):
        live.execute(lambda station: (200, station.unplug("CP1", 1)))
    assert live.view is before
    live.execute(lambda station: (200, station.set_static_load(1.0)))
    assert [event["call"] for event in live.events(0, 9)] == ["advance", "set_static_load"]


def test_idle_station_journals_one_event_an_hour(path: Path, machine: Machine) -> None:
    live = machine.open(path)
    seen_s, tags = [], set()
    for _ in range(1440):
        machine.passes(60.0)
        live.tick()
        seen_s.append(now_s(live))
        tags.add(live.view.etag)
    assert seen_s == [60.0 * count for count in range(1, 1441)], "readers see the time of now"
    assert len(tags) == 1440
    events = live.events(0, 100)
    assert [event["arguments"] for event in events] == [{"seconds": 3600.0}] * 24


def test_how_often_time_is_journaled_is_an_argument(path: Path, machine: Machine) -> None:
    live = machine.open(path, journal_every_s=10.0)
    for _ in range(60):
        assert passed_s(live, machine, 1.0) == 1.0
    assert len(live.events(0, 100)) == 6


def test_time_that_is_costly_to_compute_is_journaled_before(path: Path, machine: Machine) -> None:
    live = machine.open(path, max_compute_s=0.0)
    assert passed_s(live, machine, 60.0) == 60.0
    assert live.view.number == 1


def test_change_is_journaled_after_the_time_before_it(path: Path, machine: Machine) -> None:
    """Readers saw many times in between; the journal has one, and leads to the same state bit by bit."""
    live = machine.open(path)
    cars = list(catalogue().values())
    for count in range(12):
        place = f"CP{1 + count % 2}", 1 + count // 2 % 2
        if count >= 4:
            live.execute(lambda station, at=place: (200, repr(station.unplug(*at))))
        live.execute(
            lambda station, at=place, car=cars[count]: (201, station.plug_in(*at, car, arrival_soc=0.1))
        )
        energies = []
        for seconds in (7.0, 0.25, 61.5, 300.0, 6.0):
            passed_s(live, machine, seconds)
            energies.append(live.view.status.delivered_kwh)
        assert energies == sorted(energies)
    live.execute(lambda station: (200, station.set_static_load(1.0)))
    events = [{key: event[key] for key in ("at_s", "call", "arguments")} for event in live.events(0, 1000)]
    assert [event["call"] for event in events].count("advance") == 12
    state = live.view.decision.state
    assert repr(Station.replay(CONFIG, events).state) == repr(state)
    live.journal.close()
    again = machine.open(path)
    assert repr(again.view.decision.state) == repr(state)


def test_killed_station_catches_up_with_time_that_was_not_journaled(path: Path, machine: Machine) -> None:
    live = machine.open(path)
    live.execute(lambda station: (201, station.plug_in("CP1", 1, CAR, arrival_soc=0.3)))
    for _ in range(10):
        passed_s(live, machine, 60.0)
    before = live.view
    live.journal.close()
    again = machine.open(path)
    assert again.view.number == before.number == 1
    assert repr(again.view.decision.state) == repr(before.decision.state)


def test_view_never_goes_back_when_a_change_is_journaled(path: Path) -> None:
    """A station's clock that shows a part of a second is advanced by the same whole seconds again."""
    machine = Machine(0.1)
    live = machine.open(path)
    live.execute(lambda station: (200, station.advance(0.1)))
    for _ in range(300):
        machine.passes(0.7)
        before_s = now_s(live)
        live.tick()
        shown_s = now_s(live)
        assert shown_s >= before_s
        live.execute(lambda station: (200, station.set_static_load(1.0)))
        assert now_s(live) >= shown_s


def test_fall_to_the_fail_safe_limit_is_journaled_at_once(path: Path, machine: Machine) -> None:
    config = load_config({**BASE, "limitLease": 90, "failSafeLimit": 50})
    live = machine.open(path, config)
    live.execute(lambda station: (200, station.set_site_limit(300.0)))
    live.execute(lambda station: (200, station.set_static_load(1.0)))
    for _ in range(4):
        passed_s(live, machine, 30.0)
    calls = [event["call"] for event in live.events(0, 9)]
    assert calls == ["set_site_limit", "set_static_load", "advance", "fail_safe"]
    assert live.view.status.fail_safe


def test_listeners_are_called_as_time_passes(path: Path, machine: Machine) -> None:
    live = machine.open(path)
    times_s: list[float] = []
    unsubscribe = live.subscribe(lambda: times_s.append(now_s(live)))
    for _ in range(3):
        passed_s(live, machine, 6.0)
    unsubscribe()
    passed_s(live, machine, 6.0)
    assert times_s == [6.0, 12.0, 18.0]
    assert live.view.sse_message.id == "0"
