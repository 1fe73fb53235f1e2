"""The journal: a file of calls leads to the same station, and damage is reported with its line.

Own rank functions and weights are tested here as well: a record has to bring them back.
"""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stations import Call, accepted, configs, sane_calls

from electra_core import (
    ChargingCurve,
    Demand,
    Event,
    Station,
    StationError,
    Vehicle,
    catalogue,
    load_config,
)
from electra_core.allocation.strategies import MAX_RANK_WEIGHT, MIN_RANK_WEIGHT
from electra_core.errors import ReplayError
from electra_core.station.events import CALLS, FAIL_SAFE, JournalWarning

HUNGRY = Vehicle(150.0)

BASE = {
    "stationId": "ST",
    "gridCapacity": 200,
    "chargers": [
        {"id": "CP1", "maxPower": 150, "connectors": 2},
        {"id": "CP2", "maxPower": 225, "connectors": 2, "moduleSize": 75, "efficiency": 0.95},
    ],
    "battery": {"initialCapacity": 100, "power": 50, "initialSoc": 0.5, "chargeEfficiency": 0.9},
    "rotation": 600,
    "limitLease": 900,
    "failSafeLimit": 60,
}
CONFIG = load_config(BASE)

Answer = tuple[float, float]


def fingerprint(station: Station) -> tuple[str, ...]:
    """Return everything that a station shows, to the last bit: repr of a float is exact."""
    return repr(station.state), repr(station.allocation), repr(station.snapshot()), repr(station.events)


def scene() -> Station:
    """Return a station after every kind of call, some at odd moments, and a fall to the fail-safe limit."""
    station = Station(CONFIG)
    station.plug_in("CP1", 1, catalogue()["Hyundai Ioniq 5 73 kWh"], arrival_soc=0.1, target_soc=0.8)
    station.plug_in("CP1", 2, HUNGRY, weight=2, priority=1, departs_s=7200)
    station.advance(100 / 3)
    station.plug_in(
        "CP2", 1, Vehicle(80, 60, ChargingCurve([(0, 80), (1, 5)]), min_power_kw=5), arrival_soc=0.3
    )
    station.set_site_limit(170.5)
    station.set_static_load(math.pi)
    station.report_draw("CP1", 2, 12.5)
    station.advance(901)
    station.set_available("CP2", 1, False)
    station.set_available("battery", available=False)
    station.set_strategy("least_laxity")
    station.set_site_limit(None)
    station.set_static_load(0)
    station.advance(0)
    station.unplug("CP1", 2)
    station.set_available("CP2", None, True)
    return station


def saved(station: Station, folder: Path) -> Path:
    path = folder / "journal.jsonl"
    station.save_events(path)
    return path


def replayed(path: str | Path, **strategies: Any) -> Station:
    """Return the station that an undamaged file leads to: a warning is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return Station.replay(CONFIG, path, strategies)


# There and back


def test_journal_brings_back_every_kind_of_call(tmp_path: Path) -> None:
    station = scene()
    assert {event.call for event in station.events} == {*CALLS, FAIL_SAFE}
    assert fingerprint(replayed(saved(station, tmp_path))) == fingerprint(station)
    assert fingerprint(replayed(str(tmp_path / "journal.jsonl"))) == fingerprint(station)


@given(config=configs(), calls=st.lists(sane_calls, max_size=20))
@settings(max_examples=40)
def test_journal_brings_back_any_station(
    tmp_path_factory: pytest.TempPathFactory, config: dict[str, Any], calls: list[Call]
) -> None:
    station = Station(load_config(config))
    list(accepted(station, calls))
    path = saved(station, tmp_path_factory.mktemp("journal"))
    assert fingerprint(Station.replay(station.config, path)) == fingerprint(station)


def test_journal_holds_one_call_a_line_as_plain_json(tmp_path: Path) -> None:
    station = scene()
    lines = saved(station, tmp_path).read_text(encoding="utf-8").split("\n")
    assert lines.pop() == ""
    assert [Event.model_validate(json.loads(line)) for line in lines] == list(station.events)
    assert json.loads(lines[3])["arguments"]["departs_s"] is None
    assert json.loads(lines[2]) == {"at_s": 0.0, "call": "advance", "arguments": {"seconds": 100 / 3}}


def test_replayed_station_goes_on_like_the_original(tmp_path: Path) -> None:
    first = scene()
    again = replayed(saved(first, tmp_path))
    for each in (first, again):
        each.set_available("battery", available=True)
        each.advance(1000.1)
        each.plug_in("CP2", 2, HUNGRY)
    assert fingerprint(again) == fingerprint(first)


def test_saved_journal_replaces_the_old_one_and_leaves_no_other_file(tmp_path: Path) -> None:
    station = scene()
    saved(station, tmp_path)
    station.advance(5)
    assert fingerprint(replayed(saved(station, tmp_path))) == fingerprint(station)
    assert [path.name for path in tmp_path.iterdir()] == ["journal.jsonl"]


def test_refused_call_is_not_in_the_journal(tmp_path: Path) -> None:
    station = scene()
    before = saved(station, tmp_path).read_bytes()
    with pytest.raises(StationError):
        station.unplug("CP1", 2)
    assert saved(station, tmp_path).read_bytes() == before


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\x85", "\x0b", "\n", "\r\n", "\x00"], ids=repr)
def test_name_with_a_line_separator_survives_the_journal(separator: str, tmp_path: Path) -> None:
    """Names of chargers and functions may hold any such character; a car's name may not."""

    def rank(demand: Demand, now_s: float) -> Answer:
        return 0.0, 1.0

    rank.__name__ = name = f"two{separator}lines"
    config = load_config({**BASE, "chargers": [{"id": name, "maxPower": 150, "connectors": 2}]})
    station = Station(config, rank)
    station.plug_in(name, 1, HUNGRY)
    path = saved(station, tmp_path)
    assert path.read_bytes().count(b"\n") == 2
    assert fingerprint(Station.replay(config, path, {name: rank})) == fingerprint(station)


# The last line is cut off


def short_scene() -> Station:
    """Return a station whose last call holds letters of two and three bytes, which a cut may go through."""
    station = Station(CONFIG)
    station.plug_in("CP1", 1, HUNGRY)
    station.advance(60)
    station.plug_in("CP2", 1, Vehicle(50, name="Zoé → €"))
    return station


def test_last_line_cut_off_at_any_byte_is_left_out_with_a_warning(tmp_path: Path) -> None:
    """The warning names the line, and the station is the one that the line before it leads to."""
    station = short_scene()
    path = saved(station, tmp_path)
    content = path.read_bytes()
    before = fingerprint(Station.replay(CONFIG, station.events[:-1]))
    start = content.rindex(b"\n", 0, -1) + 1
    for end in range(start + 1, len(content) - 1):
        path.write_bytes(content[:end])
        with pytest.warns(JournalWarning, match=r"line 3 of journal.jsonl, the last one, is cut off"):
            assert fingerprint(Station.replay(CONFIG, path)) == before


def test_journal_cut_between_two_lines_replays_without_a_warning(tmp_path: Path) -> None:
    station = short_scene()
    path = saved(station, tmp_path)
    content = path.read_bytes()
    # The line is whole, and only its end is missing.
    path.write_bytes(content[:-1])
    assert fingerprint(replayed(path)) == fingerprint(station)
    # The line is missing altogether.
    path.write_bytes(content[: content.rindex(b"\n", 0, -1) + 1])
    assert fingerprint(replayed(path)) == fingerprint(Station.replay(CONFIG, station.events[:-1]))


@pytest.mark.parametrize("junk", [b"\x00\xff\xfe\x80", b"{}", b"[1, 2]", b"null", b"0" * 100])
def test_damaged_last_line_is_left_out_with_a_warning(junk: bytes, tmp_path: Path) -> None:
    station = short_scene()
    path = saved(station, tmp_path)
    path.write_bytes(path.read_bytes() + junk + b"\n")
    with pytest.warns(JournalWarning, match=r"line 4 of journal.jsonl"):
        assert fingerprint(Station.replay(CONFIG, path)) == fingerprint(station)


def test_empty_lines_are_ignored_and_counted(tmp_path: Path) -> None:
    station = short_scene()
    path = saved(station, tmp_path)
    content = path.read_bytes().replace(b"\n", b"\r\n\n")
    path.write_bytes(content)
    assert fingerprint(replayed(path)) == fingerprint(station)
    path.write_bytes(content + b'{"at_s":')
    with pytest.warns(JournalWarning, match="line 7 of"):
        Station.replay(CONFIG, path)


# Damage that is refused


def with_line(path: Path, number: int, line: bytes) -> None:
    lines = path.read_bytes().split(b"\n")
    lines[number - 1] = line
    path.write_bytes(b"\n".join(lines))


@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize("line", [b'{"at_s":0.0,"call":"adv', b"\x00\xff", b"{}", b"word"])
def test_damaged_line_in_the_middle_is_refused(number: int, line: bytes, tmp_path: Path) -> None:
    path = saved(short_scene(), tmp_path)
    with_line(path, number, line)
    with pytest.raises(ReplayError, match=f"line {number} of journal.jsonl is damaged"):
        Station.replay(CONFIG, path)


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ({"call": "unplug", "arguments": {"charger_id": "CP1", "connector": 2}}, "is free"),
        ({"at_s": 59.0}, "recorded at 59.0 s, but the clock shows 60"),
        ({"call": "explode"}, "no call 'explode'"),
        ({"call": "explain", "arguments": {"session_id": "S0001"}}, "no call 'explain'"),
        ({"call": "advance", "arguments": {"minutes": 5}}, "minutes"),
        ({"call": FAIL_SAFE, "arguments": {}}, "did not note that"),
        ({"call": "plug_in", "arguments": {"charger_id": "CP1", "connector": 2}}, "vehicle"),
        ({"call": "set_strategy", "arguments": {"strategy": "mine"}}, "unknown strategy 'mine'"),
        ({"call": "set_strategy", "arguments": {}}, "strategy"),
    ],
    ids=repr,
)
def test_complete_last_line_that_cannot_have_happened_is_refused(
    record: dict[str, Any], words: str, tmp_path: Path
) -> None:
    """Such a line is no half of one: it was written by hand, or the configuration is another one."""
    path = saved(short_scene(), tmp_path)
    line = json.dumps({"at_s": 60.0, "call": "advance", "arguments": {"seconds": 5}, **record})
    with_line(path, 3, line.encode())
    with pytest.raises(ReplayError, match=f"line 3 of journal.jsonl cannot have happened: .*{words}"):
        Station.replay(CONFIG, path)


def test_journal_of_another_station_is_refused(tmp_path: Path) -> None:
    small = load_config({**BASE, "chargers": [{"id": "CP1", "maxPower": 9, "connectors": 1}]})
    path = saved(short_scene(), tmp_path)
    with pytest.raises(ReplayError, match=r"line 3 of .*: there is no charger 'CP2' at ST; it has CP1"):
        Station.replay(small, path)


# Files that are no journal


def test_missing_journal_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ReplayError, match=r"nowhere.jsonl cannot be read: No such file"):
        Station.replay(CONFIG, tmp_path / "nowhere.jsonl")


def test_folder_instead_of_a_journal_is_refused(tmp_path: Path) -> None:
    # On Windows a folder is a file without permission.
    with pytest.raises(ReplayError, match=f"{tmp_path.name} cannot be read"):
        Station.replay(CONFIG, tmp_path)


@pytest.mark.parametrize("content", [b"", b"\n", b"\r\n \n\n"])
def test_empty_journal_leads_to_a_new_station(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "empty.jsonl"
    path.write_bytes(content)
    assert fingerprint(replayed(path)) == fingerprint(Station(CONFIG))


def test_binary_file_is_refused(tmp_path: Path) -> None:
    """Several lines are damage; a single one may be half of the first."""
    path = tmp_path / "junk.bin"
    path.write_bytes(bytes(range(256)) * 2)
    with pytest.raises(ReplayError, match=r"line 1 of junk.bin is damaged"):
        Station.replay(CONFIG, path)
    path.write_bytes(bytes(range(128, 256)))
    with pytest.warns(JournalWarning, match=r"line 1 of junk.bin"):
        assert Station.replay(CONFIG, path).events == ()


# Weights


def two_cars(*weights: Any) -> Station:
    """Return a station with two cars at a charger of 150 kW."""
    station = Station(CONFIG)
    for connector, weight in enumerate(weights, start=1):
        station.plug_in("CP1", connector, HUNGRY, weight=weight)
    return station


def test_weight_of_2_is_a_double_share(tmp_path: Path) -> None:
    station = two_cars(2, 1)
    assert list(station.allocation.offered_kw.values()) == pytest.approx([100, 50])
    station.advance(60)
    assert fingerprint(replayed(saved(station, tmp_path))) == fingerprint(station)


def test_only_the_ratio_of_weights_counts() -> None:
    assert list(two_cars(1e6, 1e6).allocation.offered_kw.values()) == pytest.approx([75, 75])
    assert list(two_cars(1e-6, 2e-6).allocation.offered_kw.values()) == pytest.approx([50, 100])


@pytest.mark.parametrize(
    "weight", [0, -1, 1e-7, 1e7, math.nan, math.inf, -math.inf, "2", "", None, True, [2], 10**400], ids=repr
)
def test_nonsense_weight_is_refused(weight: Any) -> None:
    station = two_cars(2)
    before = fingerprint(station)
    with pytest.raises(StationError, match="weight must be"):
        station.plug_in("CP1", 2, HUNGRY, weight=weight)
    assert fingerprint(station) == before


# Own rank functions


def big_first(demand: Demand, now_s: float) -> Answer:
    return -demand.max_kw, 1.0


def test_replay_finds_own_rank_function_by_its_name(tmp_path: Path) -> None:
    station = Station(CONFIG, big_first)
    station.plug_in("CP1", 1, Vehicle(60))
    station.plug_in("CP1", 2, Vehicle(140))
    assert station.allocation.offered_kw == {"S0001": 10, "S0002": 140}
    station.advance(90)
    path = saved(station, tmp_path)
    assert fingerprint(replayed(path, big_first=big_first)) == fingerprint(station)
    with pytest.raises(ReplayError, match=r"line 1 of .* cannot have happened: unknown strategy 'big_first'"):
        Station.replay(CONFIG, path)


def raises(demand: Demand, now_s: float) -> Any:
    raise ZeroDivisionError("in a notebook cell")


NONSENSE: list[Callable[[Demand, float], Any]] = [
    raises,
    lambda demand, now_s: (0, math.nan),
    lambda demand, now_s: (math.nan, 1),
    lambda demand, now_s: (0, math.inf),
    lambda demand, now_s: (-math.inf, 1),
    lambda demand, now_s: (0, -1),
    lambda demand, now_s: (0, 0),
    lambda demand, now_s: 7,
    lambda demand, now_s: None,
    lambda demand, now_s: (1,),
    lambda demand, now_s: (1, 2, 3),
    lambda demand, now_s: "no",
    lambda demand, now_s: (0, "much"),
    lambda demand, now_s: (0, 1j),
    lambda demand: (0, 1),
]
every_nonsense = pytest.mark.parametrize("nonsense", NONSENSE)


@every_nonsense
def test_nonsense_rank_is_refused_when_the_strategy_is_set(nonsense: Any) -> None:
    station = two_cars(1, 1)
    before = fingerprint(station)
    with pytest.raises(StationError, match=r"strategy .* session S000[12]"):
        station.set_strategy(nonsense)
    assert fingerprint(station) == before


@every_nonsense
def test_nonsense_rank_is_refused_when_a_car_arrives(nonsense: Any) -> None:
    """The rank is sound for the first car only; without the second the station goes on."""

    def rank(demand: Demand, now_s: float) -> Any:
        return (0, 1) if demand.session_id == "S0001" else nonsense(demand, now_s)

    station = Station(CONFIG, rank)
    station.plug_in("CP1", 1, HUNGRY)
    before = fingerprint(station)
    with pytest.raises(StationError, match=r"strategy rank .* session S0002"):
        station.plug_in("CP1", 2, HUNGRY)
    assert fingerprint(station) == before
    station.advance(60)
    assert station.now_s == 60


@every_nonsense
def test_nonsense_rank_is_refused_in_the_middle_of_an_advance(nonsense: Any) -> None:
    """It fails after ten minutes, with a battery that runs empty on the way: not even the clock has moved."""

    def rank(demand: Demand, now_s: float) -> Any:
        return (0, 1) if now_s < 600 else nonsense(demand, now_s)

    station = Station(CONFIG, rank)
    station.plug_in("CP1", 1, catalogue()["Hyundai Ioniq 5 73 kWh"], arrival_soc=0.1)
    station.plug_in("CP2", 1, HUNGRY)
    station.advance(300)
    before = fingerprint(station)
    with pytest.raises(StationError, match=r"strategy rank .* session S000[12]"):
        station.advance(3600)
    assert fingerprint(station) == before
    station.set_strategy("max_min")
    station.advance(3600)
    assert station.now_s == 3900


@given(tier=st.floats(), weight=st.floats() | st.floats(1e-70, 1e70))
def test_rank_of_any_number_is_used_or_refused(tier: float, weight: float) -> None:
    """Either two equal cars have equal parts, or the refusal names the session."""
    station = two_cars(1, 1)
    before = fingerprint(station)
    if math.isfinite(tier) and MIN_RANK_WEIGHT <= weight <= MAX_RANK_WEIGHT:
        station.set_strategy(lambda demand, now_s: (tier, weight))
        assert list(station.allocation.offered_kw.values()) == pytest.approx([75, 75])
        return
    with pytest.raises(StationError, match="session S0001"):
        station.set_strategy(lambda demand, now_s: (tier, weight))
    assert fingerprint(station) == before


@pytest.mark.parametrize("name", ["", "nowhere/journal.jsonl", "a\0b"])
def test_save_events_refuses_an_unwritable_path(name: str, tmp_path: Path) -> None:
    station = Station(CONFIG)
    with pytest.raises(StationError, match="cannot be written"):
        station.save_events(tmp_path / name if name else "")


def test_replay_refuses_an_impossible_file_name() -> None:
    with pytest.raises(ReplayError, match="cannot be read"):
        Station.replay(CONFIG, "a\0b")
