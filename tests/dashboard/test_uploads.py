"""Uploads and what the page saves: logs of four formats, configurations, events; nothing is trusted."""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from stations import ROOT

from electra_core import Station, Vehicle, load_config
from electra_core.dashboard.files import FORMULA, safe_cell
from electra_core.dashboard.station_page import exports
from electra_core.dashboard.station_page.frame import Surroundings, frame_of
from electra_core.dashboard.station_page.html import header
from electra_core.dashboard.station_page.record import RecordedStation
from electra_core.dashboard.uploads import (
    MAX_ARRIVALS,
    plain_name,
    uploaded_arrivals,
    uploaded_config,
    uploaded_sessions,
    uploaded_station,
)
from electra_core.dashboard.widgets.file_transfer import MAX_BYTES
from electra_core.errors import BadValueError, ReplayError
from electra_core.sessions import SessionsError, read_acn, read_epfl
from electra_core.simulation.result import Result
from electra_core.station.config import ConfigError, StationConfig
from electra_core.station.vehicles import catalogue

LOGS = ROOT.parent / "shared" / "data" / "sessions"
CONFIG = ROOT / "configs" / "electra_paris_15.json"
PLAIN = b"arrival_s,departure_s,energy_kwh,max_power_kw\n"
XSS = "<img src=x onerror=alert(1)>"


@pytest.fixture
def config() -> StationConfig:
    return load_config(CONFIG)


def cut(name: str, lines: int = 6) -> bytes:
    """Return the first lines of a real log."""
    path = LOGS / name
    if not path.exists():
        pytest.skip(f"{path} is not on this machine")
    data = path.read_bytes()
    text = gzip.decompress(data) if name.endswith(".gz") else data
    return b"".join(text.splitlines(keepends=True)[:lines])


# --- logs ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"], ids=["plain", "with a byte order mark"])
@pytest.mark.parametrize(
    ("name", "read", "charger"),
    [
        ("epfl_level3_2022.csv", read_epfl, "L3"),
        ("caltech_2019-09-01_2019-12-31.csv.gz", read_acn, "CA-311"),
    ],
)
def test_real_log_is_recognised(
    tmp_path: Path, start: bytes, name: str, read: Callable[..., object], charger: str
) -> None:
    content = start + cut(name)
    (tmp_path / "log.csv").write_bytes(content)
    found = uploaded_sessions("log.csv", content)
    assert found["charger_id"][0] == charger
    assert found.equals(read(tmp_path / "log.csv"))


def test_quoted_header_is_recognised() -> None:
    header, rest = cut("caltech_2019-09-01_2019-12-31.csv.gz").split(b"\n", 1)
    quoted = b",".join(b'"' + cell + b'"' for cell in header.strip().split(b",")) + b"\r\n" + rest
    assert uploaded_sessions("log.csv", quoted)["charger_id"][0] == "CA-311"


@pytest.mark.parametrize("bare", [False, True])
def test_acn_json_is_recognised(bare: bool) -> None:
    item = {
        "sessionID": "s1",
        "stationID": "2-39-123-23",
        "connectionTime": "Wed, 25 Apr 2018 11:08:04 GMT",
        "disconnectTime": "Wed, 25 Apr 2018 13:20:10 GMT",
        "kWhDelivered": 7.9,
        "timezone": "America/Los_Angeles",
    }
    content = json.dumps([item] if bare else {"_items": [item]}).encode()
    assert uploaded_sessions("acn.json", b"\xef\xbb\xbf\n" + content)["energy_kwh"].tolist() == [7.9]


def test_names_of_another_format_in_a_cell_are_ignored() -> None:
    content = b"arrival_s,energy_kwh,max_power_kw,remark\n5,1,7,connectionTime energy_wh ccs\n"
    assert uploaded_sessions("log.csv", content)["arrival_s"].tolist() == [5]


def test_unknown_format_is_refused_with_its_columns() -> None:
    with pytest.raises(SessionsError, match=r"no column arrival_s; there are 'session_id', 'station_id'"):
        uploaded_sessions("caltech.csv", cut("caltech_2019-03.csv"))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b" \n\xef\xbb\xbf", "is empty"),
        (b"x" * (MAX_BYTES + 1), "takes 5 MB at most"),
        (gzip.compress(PLAIN, mtime=0), "packed with gzip; unpack it first"),
        (bytes(range(256)), "not UTF-8 text"),
        (b'{"_items": 5}', "no list of sessions"),
        (b"[" * 100_000, "nested too deeply"),
    ],
)
def test_content_that_is_no_log_is_refused_in_a_sentence(content: bytes, words: str) -> None:
    with pytest.raises((BadValueError, SessionsError), match=words):
        uploaded_sessions("log.csv", content)


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\logs\\day 1.csv", "day 1.csv"),
        ("<b>=x</b>", "b"),
        (XSS, "img srcx onerroralert1"),
        ("Ladevorgänge.csv", "Ladevorgänge.csv"),
        ("..", "the file"),
        ("\0\n", "the file"),
        ("ß" * 500, "ß" * 60),
    ],
)
def test_name_of_a_file_is_plain_text(name: str, plain: str) -> None:
    assert plain_name(name) == plain
    uploaded_sessions(name, PLAIN + b"0,60,1,7\n")  # the file system takes it as well


# --- configurations ---------------------------------------------------------------------------------------


def test_station_with_too_many_connectors_to_draw_is_refused() -> None:
    chargers = [{"id": f"C{number}", "maxPower": 200, "connectors": 2} for number in range(500)]
    data = {"stationId": "BIG", "gridCapacity": 400, "chargers": chargers}
    with pytest.raises(BadValueError, match="has 1000 connectors, and this page draws 60 at most"):
        uploaded_config("big.json", json.dumps(data).encode())


def test_html_in_the_name_of_a_station_stays_text() -> None:
    content = CONFIG.read_text().replace("ELECTRA_PARIS_15", XSS)
    config = uploaded_config("named.json", content.encode())
    assert config.station_id == XSS
    shown = header(frame_of(Station(config).status(), Surroundings(XSS, XSS)))
    assert "<img" not in shown
    assert "&lt;img" in shown
    assert "<" not in exports.file_stem(RecordedStation(config))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"not JSON", "JSON"),
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"[]", "mine.json"),
        (b"{" * 100_000, "mine.json"),
        (b"\xff\xfe", "mine.json"),
        (b" " * 5_999_999 + b"{", "has 6.0 MB; this page takes 5 MB at most"),
        (gzip.compress(b"{}", mtime=0), "packed with gzip"),
    ],
)
def test_content_that_is_no_station_is_refused_in_a_sentence(content: bytes, words: str) -> None:
    with pytest.raises((ConfigError, BadValueError), match=words):
        uploaded_config("mine.json", content)


# --- cars ------------------------------------------------------------------------------------------------


def test_formulas_and_html_in_names_stay_text(config: StationConfig) -> None:
    text = io.StringIO()
    rows = csv.writer(text)
    rows.writerow(["session_id", "arrival_s", "energy_kwh", "max_power_kw"])
    names = ['=HYPERLINK("http://evil")', XSS, "@x", "n" * 5_000]
    rows.writerows([name, 60 * number, 10, 100] for number, name in enumerate(names))
    arrivals = uploaded_arrivals("cars.csv", text.getvalue().encode(), config)
    assert [arrival.name for arrival in arrivals] == names
    assert all(len(arrival.vehicle.name) <= 60 for arrival in arrivals)
    station = RecordedStation(config)
    for number, arrival in enumerate(arrivals[:2]):
        station.plug_in(*list(config.connectors)[number], arrival.vehicle, arrival_soc=0.0)
    cells = [cell for row in csv.reader(exports.sessions_csv(station).decode().splitlines()) for cell in row]
    assert not [cell for cell in cells if cell.startswith(FORMULA)]


@pytest.mark.parametrize("value", ["=1", "+1", "-x", "@x", "\t=1", "\r", "\n=1", "  =1"])
def test_no_cell_is_a_formula(value: str) -> None:
    assert safe_cell(value) == f"'{value}"
    assert safe_cell(-5.0) == -5.0
    assert safe_cell(None) == ""


def test_bad_rows_are_refused_with_their_lines(config: StationConfig) -> None:
    content = PLAIN + b"soon,1,1,1\n0,60,5,50\n-5,60,1,1\n0,60,much,1\n"
    with pytest.raises(SessionsError) as caught:
        uploaded_arrivals("cars.csv", content, config)
    said = str(caught.value)
    assert said.startswith("cars.csv: 3 faults")
    assert [number for number in range(1, 7) if f"line {number} " in said] == [2, 4, 5]


def test_log_of_another_station_is_refused_in_a_sentence(config: StationConfig) -> None:
    words = r"^epfl\.csv is for other chargers \(L3\); ELECTRA_PARIS_15 has CP001, CP002, CP003$"
    with pytest.raises(BadValueError, match=words):
        uploaded_arrivals("epfl.csv", cut("epfl_level3_2022.csv"), config)


@pytest.mark.parametrize(
    ("rows", "words"), [(0, "has no sessions"), (MAX_ARRIVALS + 1, "has 2,001 sessions")]
)
def test_none_and_too_many(config: StationConfig, rows: int, words: str) -> None:
    with pytest.raises(BadValueError, match=words):
        uploaded_arrivals("cars.csv", PLAIN + b"0,60,1,7\n" * rows, config)


# --- files that the page saved ----------------------------------------------------------------------------


@pytest.fixture
def station(config: StationConfig) -> RecordedStation:
    """A station with cars of every kind, one of them gone, changed limits and a fault."""
    station, places = RecordedStation(config), list(config.connectors)
    cars = list(catalogue().values())
    station.plug_in(*places[0], cars[0], arrival_soc=0.2, target_soc=0.8, departs_s=9_000.0)
    station.advance(600.0)
    station.plug_in(*places[1], cars[5], arrival_soc=0.5, priority=2, weight=2.0)
    station.set_site_limit(120.0)
    station.set_static_load(10.0)
    for _ in range(5):
        station.advance(60.0)
    station.plug_in(*places[2], Vehicle(80.0, name='=custom "car"\\'))
    station.report_draw(*places[1], 20.0)
    station.set_strategy("first_come")
    station.advance(321.5)
    station.unplug(*places[0])
    station.plug_in(*places[0], cars[9], arrival_soc=0.1)
    station.set_available(*places[1], available=False)
    station.set_site_limit(None)
    station.advance(400.25)
    return station


def test_sessions_come_back_as_the_same_arrivals(station: Station) -> None:
    arrivals = uploaded_arrivals("kept.csv", exports.sessions_csv(station), station.config)
    sessions = exports.sessions_so_far(station)
    assert [
        (arrival.name, arrival.arrival_s, arrival.charger_id, arrival.connector, arrival.vehicle.max_power_kw)
        for arrival in arrivals
    ] == [
        (each.session_id, each.arrived_s, each.charger_id, each.connector, each.vehicle.max_power_kw)
        for each, _ in sessions
    ]
    left = [arrival.departure_s for arrival in arrivals if arrival.departure_s < float("inf")]
    assert left == [moment for _, moment in sessions if moment is not None] == [600.0 + 300.0 + 321.5]


def test_saved_events_are_loaded_as_an_equal_station(station: Station) -> None:
    again = uploaded_station("kept.jsonl", exports.events_json(station), station.config)
    assert again.state == station.state
    assert again.allocation == station.allocation
    assert again.events == station.events


def test_record_of_another_station_is_refused(station: Station) -> None:
    other = load_config(ROOT / "configs" / "epfl_level3.json")
    with pytest.raises(ReplayError, match="cannot have happened"):
        uploaded_station("kept.jsonl", exports.events_json(station), other)


@pytest.mark.parametrize(
    "content", [b"nonsense", b'{"_items": []}', XSS.encode(), b'{"at_s": 0, "call": "__init__"}']
)
def test_content_that_is_no_record_is_refused(config: StationConfig, content: bytes) -> None:
    with pytest.raises(ReplayError, match=r"mine\.jsonl is no record of events"):
        uploaded_station("mine.jsonl", content, config)


@pytest.mark.parametrize("call", ["__init__", "_accept", "save_events", "replay"])
def test_record_may_call_only_events(config: StationConfig, call: str) -> None:
    line = json.dumps({"at_s": 0.0, "call": call, "arguments": {}}).encode()
    with pytest.raises(ReplayError, match="there is no call"):
        uploaded_station("mine.jsonl", line + b"\n", config)


def test_record_of_years_is_refused(config: StationConfig) -> None:
    line = json.dumps({"at_s": 0.0, "call": "advance", "arguments": {"seconds": 31_536_000.0}})
    back = line.replace("31536000.0", "-1e12")
    with pytest.raises(ReplayError, match="lasts 7,300 days; this page plays 60 at most"):
        uploaded_station("mine.jsonl", "\n".join([*[line] * 20, back]).encode(), config)


def printed(program: bytes, **names: object) -> str:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(program.decode(), dict(names))
    return out.getvalue().strip()


def test_python_lines_deliver_the_same_energy(station: Station) -> None:
    assert printed(exports.python_lines(station)) == repr(station.status().delivered_kwh)


def test_python_lines_with_a_strategy_without_a_name(config: StationConfig) -> None:
    def first(demand: object, now_s: float) -> tuple[float, float]:
        return 0.0, 1.0

    first.__name__ = "<lambda>\nimport os"
    station = RecordedStation(config, first)
    station.plug_in(*next(iter(config.connectors)), next(iter(catalogue().values())), arrival_soc=0.2)
    station.advance(600.0)
    program = exports.python_lines(station)
    assert b"import os" not in program
    program = program.replace(b"# Define your own function", b"my_strategy = given #")
    assert printed(program, given=first) == repr(station.status().delivered_kwh)


def test_python_lines_of_a_hostile_name() -> None:
    name = json.dumps('""" + print("taken") + """\\\0\n\u2028x')
    content = CONFIG.read_text().replace('"ELECTRA_PARIS_15"', name)
    program = exports.python_lines(RecordedStation(uploaded_config("x.json", content.encode())))
    assert printed(program) == "0.0"


def test_saved_result_is_loaded_by_its_class(station: Station, tmp_path: Path) -> None:
    path = tmp_path / "kept.parquet"
    path.write_bytes(exports.result_parquet(station))
    result = Result.load(path)
    assert len(result.delivered_kwh) == len(exports.sessions_so_far(station))
    assert result.metrics()["delivered_kwh"] > 0.0
    with pytest.raises(BadValueError, match="no car has come yet"):
        exports.result_parquet(RecordedStation(station.config))
