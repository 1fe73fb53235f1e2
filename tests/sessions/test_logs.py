"""Loaders of real logs: what they read, what they refuse with its line, and what they leave out."""

from __future__ import annotations

import gzip
import json
import pickle
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stations import ROOT, shared_file

from electra_core import StationConfig, catalogue, load_config
from electra_core.sessions import (
    SessionsError,
    SessionsWarning,
    day_sessions,
    read_acn,
    read_epfl,
    read_session_table,
    read_sessions,
)
from electra_core.sessions.days import day_names, load_day, logged_car

Loader = Callable[..., pd.DataFrame]

EPFL_HEADER = (
    "session,ccs,arrival,departure,stay_min,energy_wh,pmax_w,preq_max_w,controlled,total_capacity,bulk_capacity,"
    "soc_arrival,soc_departure,energy_capacity_wh"
)
# A car that the station limited, then one that it did not.
EPFL_ROWS = (
    "7,CCS1,2022-10-18 10:45:00,2022-10-18 11:15:00,31,43541,122856,137406,1,10000,8000,26,80,76600",
    "x8,CCS2,2022-10-19 00:10:00,2022-10-19 00:30:00,21,9000,45000,60000,0,10000,8000,50.5,70.5,45000",
)
ACN_HEADER = (
    "arrival,departure,requested_energy (kWh),delivered_energy (kWh),station_id,session_id,"
    "estimated_departure,claimed"
)
ACN_ROWS = (
    "2019-09-01 09:56:18-07:00,2019-09-01 10:35:38-07:00,0.747,0.747,CA-311,a,2019-09-01 10:35:38-07:00,",
    "2019-09-01 10:18:44-07:00,2019-09-01 11:51:16-07:00,10.0,1.983,CA-305,b,2019-09-01 15:22:44-07:00,True",
)
# The same two sessions as the public interface gives them; the second driver changed the wish.
ACN_ITEMS: tuple[dict[str, Any], ...] = (
    {
        "_id": "5d6b",
        "connectionTime": "Sun, 01 Sep 2019 16:56:18 GMT",
        "disconnectTime": "Sun, 01 Sep 2019 17:35:38 GMT",
        "doneChargingTime": None,
        "kWhDelivered": 0.747,
        "sessionID": "a",
        "siteID": "0002",
        "spaceID": "CA-311",
        "stationID": "2-39-125-21",
        "timezone": "America/Los_Angeles",
        "userID": None,
        "userInputs": None,
    },
    {
        "_id": "5d6c",
        "connectionTime": "Sun, 01 Sep 2019 17:18:44 GMT",
        "disconnectTime": "Sun, 01 Sep 2019 18:51:16 GMT",
        "doneChargingTime": "Sun, 01 Sep 2019 18:40:00 GMT",
        "kWhDelivered": 1.983,
        "sessionID": "b",
        "siteID": "0002",
        "spaceID": "CA-305",
        "stationID": "2-39-131-30",
        "timezone": "America/Los_Angeles",
        "userID": "000000613",
        "userInputs": [
            {"kWhRequested": 30.0, "requestedDeparture": "Sun, 01 Sep 2019 20:00:00 GMT"},
            {"kWhRequested": 10.0, "requestedDeparture": "Sun, 01 Sep 2019 22:22:44 GMT"},
        ],
    },
)


def lines(*rows: str) -> str:
    return "\n".join([*rows, ""])


def written(folder: Path, content: str | bytes, name: str = "log.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def export(*items: Any) -> str:
    return json.dumps({"_meta": {"page": 1, "max_results": 25, "total": len(items)}, "_items": items})


def faults_of(loader: Loader, path: Path, **options: Any) -> tuple[str, ...]:
    """What a loader refuses. Leaving it out instead must tell the same, and leave what a station takes."""
    with pytest.raises(SessionsError) as caught:
        loader(path, **options)
    assert caught.value.source == path.name
    assert str(path.parent) not in str(caught.value)
    with pytest.warns(SessionsWarning) as told:
        frame = loader(path, on_error="skip", **options)
    assert len(told) == 1
    assert frame.attrs["skipped"] == caught.value.faults
    read_session_table(frame, station_of(frame))
    return caught.value.faults


def station_of(frame: pd.DataFrame) -> StationConfig:
    """A station that has the chargers of a table."""
    ids = sorted(set(frame["charger_id"].dropna())) if "charger_id" in frame.columns else []
    chargers = [{"id": name, "maxPower": 200, "connectors": 9} for name in ids or ["CP1"]]
    return load_config({"stationId": "ST", "gridCapacity": 400, "chargers": chargers})


# The plain table

PLAIN = lines(
    "session_id,arrival_s,departure_s,energy_kwh,max_power_kw,vehicle,arrival_soc,target_soc,charger_id,connector,note",
    "007,60,3600,20,50,,,,CP1,2,by hand",
    "=1+1,0,,,,Hyundai Ioniq 5 73 kWh,0.1,0.8,,,<b>bold</b>",
)


def test_a_plain_table_is_read(tmp_path: Path) -> None:
    frame = read_sessions(written(tmp_path, PLAIN))
    assert frame["session_id"].tolist() == ["007", "=1+1"]
    assert frame["note"].tolist() == ["by hand", "<b>bold</b>"]
    assert frame["arrival_s"].tolist() == [60, 0]
    assert frame.attrs["skipped"] == ()
    visits = read_session_table(frame, station_of(frame))
    assert visits.session_id.tolist() == ["=1+1", "007"]
    assert visits.departure_s.tolist() == [np.inf, 3600.0]
    assert visits.slot.tolist() == [-1, 1]
    battery_kwh = catalogue()["Hyundai Ioniq 5 73 kWh"].battery_kwh
    assert battery_kwh
    np.testing.assert_allclose(visits.requested_kwh, [0.7 * battery_kwh, 20.0])
    np.testing.assert_array_equal(visits.max_kw[1], 50.0)


def test_numbers_are_numbers(tmp_path: Path) -> None:
    frame = read_sessions(written(tmp_path, PLAIN))
    for name in ("arrival_s", "departure_s", "energy_kwh", "max_power_kw", "arrival_soc", "connector"):
        assert frame[name].dtype.kind in "if", name


def test_a_session_without_a_name_gets_its_number(tmp_path: Path) -> None:
    path = written(tmp_path, lines("arrival_s,energy_kwh,max_power_kw", "0,1,5", "0,-1,5", "0,3,5"))
    with pytest.warns(SessionsWarning):
        frame = read_sessions(path, on_error="skip")
    assert frame["session_id"].tolist() == ["1", "3"]


def test_a_packed_table_is_read(tmp_path: Path) -> None:
    plain, packed = written(tmp_path, PLAIN), written(tmp_path, gzip.compress(PLAIN.encode()), "log.csv.gz")
    pd.testing.assert_frame_equal(read_sessions(packed), read_sessions(plain))


def test_a_table_with_windows_line_ends_and_a_mark_is_read(tmp_path: Path) -> None:
    path = written(tmp_path, b"\xef\xbb\xbf" + PLAIN.replace("\n", "\r\n").encode(), "windows.csv")
    pd.testing.assert_frame_equal(read_sessions(path), read_sessions(written(tmp_path, PLAIN)))


def test_nobody_came(tmp_path: Path) -> None:
    for loader, header in (
        (read_sessions, "session_id,arrival_s,energy_kwh,max_power_kw"),
        (read_epfl, EPFL_HEADER),
        (read_acn, ACN_HEADER),
    ):
        frame = loader(written(tmp_path, lines(header)))
        assert len(frame) == 0
        assert len(read_session_table(frame, station_of(frame))) == 0


def test_faults_have_the_lines_of_the_file(tmp_path: Path) -> None:
    """Empty lines count, and so do line breaks in a quoted cell."""
    text = lines(
        "session_id,arrival_s,energy_kwh,max_power_kw,note",
        "a,0,1,5,",
        "",
        'b,-1,1,5,"over',
        'two lines"',
        "c,0,1,5",
        ",,,,",
        "c,0,x,5,",
        "d,0,1,5,",
    )
    faults = faults_of(read_sessions, written(tmp_path, text))
    assert faults == (
        "line 4 (session 'b'): arrival_s must be 0 s or more, got -1.0",
        "line 6 (session 'c'): it has 4 cells, the header has 5",
        "line 8 (session 'c'): energy_kwh must be a number, got 'x'",
    )


BAD_CELLS = {
    "arrival_s,energy_kwh,max_power_kw": {
        ",1,5": "arrival_s must be 0 s or more",
        "nan,1,5": "arrival_s must be a number",
        "inf,1,5": "arrival_s must be 0 s or more",
        "0,-1,5": "energy_kwh must be from 0",
        "0,,5": "neither energy_kwh nor target_soc",
        "0,1,0": "max_power_kw must be above 0",
        "0,1,True": "max_power_kw must be a number",
    },
    "arrival_s,energy_kwh,max_power_kw,departure_s,patience_s,weight,min_power_kw": {
        "9,1,5,3,,,": "it ends at departure_s 3.0 before it begins at arrival_s 9.0",
        "0,1,5,9,-1,,": "patience_s must be 0 s or more",
        "0,1,5,9,,0,": "weight must be from",
        "0,1,5,9,,,6": "min_power_kw must be from 0",
    },
    "arrival_s,vehicle,arrival_soc,target_soc": {
        "0,Batmobile,0.1,0.8": "there is no vehicle 'Batmobile' in the catalogue",
        "0,Peugeot e-208,10,80": "arrival_soc must be from 0 to 1, got 10.0",
    },
    "arrival_s,energy_kwh,max_power_kw,charger_id,connector": {
        "0,1,5,,1": "connector 1 of which charger?",
        "0,1,5,CP1,0": "a connector is a whole number from 1, got 0",
        "0,1,5,CP1,1.5": "a connector is a whole number from 1, got 1.5",
    },
}


@pytest.mark.parametrize(
    ("header", "row", "reason"),
    [(header, row, reason) for header, rows in BAD_CELLS.items() for row, reason in rows.items()],
)
def test_what_no_station_would_take_has_its_line(tmp_path: Path, header: str, row: str, reason: str) -> None:
    """The checks of `read_session_table`, told with the line."""
    (fault,) = faults_of(read_sessions, written(tmp_path, lines(header, row)))
    assert fault.startswith("line 2 (session '1'): ")
    assert reason in fault


def test_a_target_alone_begins_at_the_typical_soc(tmp_path: Path) -> None:
    text = lines("arrival_s,vehicle,target_soc", "0,Peugeot e-208,0.8", "0,Peugeot e-208,0.2")
    visits = read_session_table(
        read_sessions(written(tmp_path, text)), load_config(ROOT / "configs/epfl_level3.json")
    )
    battery_kwh = catalogue()["Peugeot e-208"].battery_kwh
    assert battery_kwh is not None
    assert visits.arrival_soc.tolist() == [0.29, 0.2]
    assert visits.requested_kwh == pytest.approx([0.51 * battery_kwh, 0.0])
    assert (visits.curve >= 0).all()


def test_a_name_given_twice(tmp_path: Path) -> None:
    text = lines("session_id,arrival_s,energy_kwh,max_power_kw", "a,0,1,5", "b,0,1,5", "a,0,1,5", ",0,1,5")
    assert faults_of(read_sessions, written(tmp_path, text)) == (
        "line 4 (session 'a'): line 2 has the same session_id",
        "line 5 (session None): session_id is empty",
    )


def test_only_who_stands_in_the_way_of_a_sound_session_is_refused(tmp_path: Path) -> None:
    """Of three at one connector the second overlaps the first, and the third only the second."""
    text = lines(
        "session_id,arrival_s,departure_s,energy_kwh,max_power_kw,charger_id,connector",
        "third,150,250,1,5,CP1,1",
        "first,0,100,1,5,CP1,1",
        "second,50,200,1,5,CP1,1",
        "inside,60,70,1,5,CP1,1",
        "elsewhere,60,70,1,5,CP1,2",
        "broken,90,300,-1,5,CP1,1",
        "next,250,260,1,5,CP1,1",
        "late,255,270,1,5,CP1,1",
    )
    still = "line 3 (session 'first') still stands at the same connector when it begins"
    assert faults_of(read_sessions, written(tmp_path, text)) == (
        f"line 4 (session 'second'): {still}",
        f"line 5 (session 'inside'): {still}",
        "line 7 (session 'broken'): energy_kwh must be from 0 to 1e+12, got -1.0",
        "line 9 (session 'late'): line 8 (session 'next') still stands at the same connector when it begins",
    )


def test_who_leaves_when_done_may_be_gone_by_then(tmp_path: Path) -> None:
    header = "session_id,arrival_s,departure_s,energy_kwh,max_power_kw,charger_id,connector"
    rows = (
        "a,0,100,1,5,CP1,1",
        "b,100,,1,5,CP1,1",
        "c,110,150,1,5,CP1,1",
        "d,140,,1,5,CP1,1",
        "e,150,,1,5,CP1,1",
    )
    faults = faults_of(read_sessions, written(tmp_path, lines(header, *rows)))
    assert faults == (
        "line 5 (session 'd'): line 4 (session 'c') still stands at the same connector when it begins",
    )


def test_a_warning_names_a_few_and_counts_the_others(tmp_path: Path) -> None:
    path = written(
        tmp_path, lines("arrival_s,energy_kwh,max_power_kw", "0,1,5", *["0,-1,5"] * 30), "many.csv"
    )
    with pytest.warns(SessionsWarning) as told:
        frame = read_sessions(path, on_error="skip")
    assert told[0].filename == __file__
    words = str(told[0].message).split("\n")
    assert words[0] == "many.csv: 30 of 31 rows are left out"
    assert words[1].startswith("line 3 ")
    assert words[-1] == "and 25 more"
    assert len(words) == 7
    assert len(frame) == 1
    assert len(frame.attrs["skipped"]) == 30
    with pytest.raises(SessionsError) as caught:
        read_sessions(path)
    assert len(caught.value.faults) == 30
    assert str(caught.value).endswith("and 10 more")


def test_a_sound_file_is_skipped_in_silence(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        frame = read_sessions(written(tmp_path, PLAIN), on_error="skip")
    assert frame.attrs["skipped"] == ()


@pytest.mark.parametrize("loader", [read_sessions, read_epfl, read_acn])
@pytest.mark.parametrize("on_error", ["ignore", None, "", ["skip"]])
def test_another_on_error_is_refused(loader: Loader, on_error: Any) -> None:
    with pytest.raises(ValueError, match="on_error must be 'raise' or 'skip', got"):
        loader("nowhere.csv", on_error=on_error)


DAMAGED: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "the file is empty"),
    "blank": (b" \n\n", "the file is empty"),
    "packed nothing": (gzip.compress(b""), "the file is empty"),
    "zeros": (b"arrival_s,\0\0\n", "the file is not text"),
    "latin": ("arrival_s,n\xe4me\n".encode("latin-1"), "the file is not UTF-8 text"),
    "picture": (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "the file is not UTF-8 text"),
    "cut gzip": (gzip.compress(PLAIN.encode())[:-20], "begins like gzip and cannot be unpacked"),
    "spoiled gzip": (
        gzip.compress(PLAIN.encode())[:12] + b"spoiled",
        "begins like gzip and cannot be unpacked",
    ),
    "page": (b"<!DOCTYPE html>\n<html><body>Not found</body></html>\n", "there is no column"),
    "other": (b"a;b;c\n1;2;3\n", "there is no column"),
    "open quote": ((ACN_HEADER + '\n"never,closed\n').encode(), "there is no column"),
}


@pytest.mark.parametrize("loader", [read_sessions, read_epfl, read_acn])
@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_file_is_refused(tmp_path: Path, loader: Loader, name: str) -> None:
    content, words = DAMAGED[name]
    if name == "open quote" and loader is read_acn:
        words = "line 2: not CSV"
    path = written(tmp_path, content)
    for on_error in ("raise", "skip"):
        with pytest.raises(SessionsError, match=words) as caught:
            loader(path, on_error=on_error)
        assert caught.value.source == "log.csv"
        assert str(tmp_path) not in str(caught.value)
        assert caught.value.__cause__ is None


@pytest.mark.parametrize("loader", [read_sessions, read_epfl, read_acn])
def test_no_file_at_all(tmp_path: Path, loader: Loader) -> None:
    with pytest.raises(SessionsError, match=r"^none\.csv: 1 fault\nthere is no such file$"):
        loader(tmp_path / "none.csv")
    with pytest.raises(SessionsError, match="the file cannot be read"):
        loader(tmp_path)
    for path in (None, 5, "a\0b"):
        with pytest.raises(SessionsError):
            loader(path)


def test_an_error_travels_between_processes() -> None:
    error = SessionsError("log.csv", ["line 2: wrong", "line 3: wrong"])
    copy = pickle.loads(pickle.dumps(error))
    assert (copy.source, copy.faults, str(copy)) == (error.source, error.faults, str(error))


def test_columns_that_are_missing_or_there_twice(tmp_path: Path) -> None:
    with pytest.raises(SessionsError, match="there is no column arrival_s; there are 'session_id', 'energy'"):
        read_sessions(written(tmp_path, lines("session_id,energy", "a,1")))
    with pytest.raises(SessionsError, match="neither a column energy_kwh nor a column target_soc"):
        read_sessions(written(tmp_path, lines("arrival_s,max_power_kw", "0,1")))
    with pytest.raises(SessionsError, match="neither a column max_power_kw nor a column vehicle"):
        read_sessions(written(tmp_path, lines("arrival_s,energy_kwh", "0,1")))
    with pytest.raises(SessionsError, match="the column 'arrival_s' is there twice"):
        read_sessions(written(tmp_path, lines("arrival_s,energy_kwh,max_power_kw,arrival_s", "0,1,1,0")))
    with pytest.raises(SessionsError, match="there is no column pmax_w, soc_departure; there are"):
        read_epfl(written(tmp_path, EPFL_HEADER.replace("pmax_w", "p").replace("soc_departure", "soc")))


cells = st.sampled_from(
    ["", "0", "1", "30", "0.5", "-1", "inf", "x", "=1+1", "<i>", '"', "1e400", "CP1", "Peugeot e-208"]
)


@given(
    rows=st.lists(st.lists(cells, min_size=10, max_size=10), max_size=8),
    sound=st.booleans(),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_left_is_taken(tmp_path: Path, rows: list[list[str]], sound: bool) -> None:
    """Whatever stands in a file: a station takes what a loader gives back."""
    names = [
        *("session_id", "arrival_s", "departure_s", "energy_kwh", "max_power_kw"),
        *("vehicle", "arrival_soc", "target_soc", "charger_id", "connector"),
    ]
    if sound:  # few random rows are; these differ in places and times only
        keep = (1, 2, 8, 9)
        fixed = ["", "0", "50", "20", "50", "", "", "", "CP1", "1"]
        rows = [
            [
                cell if place in keep else str(row) if place == 0 else fixed[place]
                for place, cell in enumerate(line)
            ]
            for row, line in enumerate(rows)
        ]
    path = tmp_path / "any.csv"
    pd.DataFrame(rows, columns=names).to_csv(path, index=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SessionsWarning)
        frame = read_sessions(path, on_error="skip")
    said = [line for line in rows if any(line)]
    assert len(frame) + len(frame.attrs["skipped"]) == len(said)
    read_session_table(frame, station_of(frame))


# EPFL's log


def test_a_row_of_the_epfl_log(tmp_path: Path) -> None:
    frame = read_epfl(written(tmp_path, lines(EPFL_HEADER, *EPFL_ROWS)))
    assert frame.attrs == {"skipped": (), "start": "2022-10-18T00:00:00"}
    assert frame["session_id"].tolist() == ["7", "x8"]
    assert frame["charger_id"].tolist() == ["L3", "L3"]
    assert frame["connector"].tolist() == [1, 2]
    assert frame["arrival_s"].tolist() == [10.75 * 3600, 86_400 + 600]
    assert frame["departure_s"].tolist() == [11.25 * 3600, 86_400 + 1800]
    assert frame["arrival_soc"].tolist() == [0.26, 0.505]
    assert frame["target_soc"].tolist() == [0.80, 0.705]
    assert frame["measured_kwh"].tolist() == [43.541, 9.0]
    assert frame["measured_kw"].tolist() == [122.856, 45.0]
    assert frame["requested_kw"].tolist() == [137.406, 60.0]
    assert frame["limited"].tolist() == [True, False]
    limited, free = frame["vehicle"]
    assert (limited.max_power_kw, free.max_power_kw) == (137.406, 45.0)
    assert limited.name == "Car 7 (77 kWh)"
    assert free.curve_source == "typical"
    visits = read_session_table(frame, load_config(ROOT / "configs/epfl_level3.json"))
    np.testing.assert_allclose(visits.requested_kwh, frame["measured_kwh"])


def test_a_limited_car_takes_no_more_than_the_station_has() -> None:
    row = {
        "session": "1",
        "energy_kwh": 40.0,
        "soc_arrival": 0.2,
        "soc_departure": 0.7,
        "battery_kwh": 76.0,
        "measured_kw": 120.0,
        "requested_kw": 350.0,
        "limited": True,
    }
    assert logged_car(172.5, row).max_power_kw == 172.5
    assert logged_car(172.5, {**row, "limited": False}).max_power_kw == 120.0
    assert logged_car(172.5, row).battery_kwh == pytest.approx(80.0)


THIRD_ROW = "9,CCS1,2022-10-20 10:00:00,2022-10-20 10:30:00,31,9000,45000,60000,0,1,1,50,80,45000"
EPFL_SOUND = dict(zip(EPFL_HEADER.split(","), THIRD_ROW.split(","), strict=True))
NO_DATE = "arrival must be a date and time of the years 1971 to 2199, got "
EPFL_BAD: dict[str, tuple[dict[str, str], str]] = {
    "nothing gained": ({"soc_arrival": "80"}, "soc_departure 80.0 is not above soc_arrival 80.0"),
    "no energy": ({"energy_wh": "0"}, "energy_wh must be a finite number above 0, got 0.0"),
    "energy as words": ({"energy_wh": "9 kWh"}, "energy_wh must be a number, got '9 kWh'"),
    "no peak said": ({"pmax_w": ""}, "pmax_w is empty"),
    "no peak": ({"pmax_w": "0"}, "pmax_w must be a finite number above 0, got 0.0"),
    "endless peak": ({"pmax_w": "inf"}, "pmax_w must be a finite number above 0, got inf"),
    "overfull": ({"soc_departure": "120"}, "target_soc must be from 0 to 1, got 1.2"),
    "maybe": ({"controlled": "maybe"}, "controlled must be a number, got 'maybe'"),
    "twice": ({"controlled": "2"}, "controlled must be 0 or 1, got 2.0"),
    "another plug": ({"ccs": "CHAdeMO"}, "ccs must be CCS1 or CCS2, got 'CHAdeMO'"),
    "no plug": ({"ccs": ""}, "ccs must be CCS1 or CCS2, got None"),
    "backwards": (
        {"departure": "2022-10-20 09:30:00"},
        "departure '2022-10-20 09:30:00' is before arrival '2022-10-20 10:00:00'",
    ),
    "no date": ({"arrival": "20 Oct 10 h"}, f"{NO_DATE}'20 Oct 10 h'"),
    "no such date": ({"arrival": "2022-02-30 10:00:00"}, f"{NO_DATE}'2022-02-30 10:00:00'"),
    "another century": ({"arrival": "0202-10-20 10:00:00"}, f"{NO_DATE}'0202-10-20 10:00:00'"),
    "open end": ({"departure": ""}, "departure is empty"),
    "zone": (
        {"departure": "2022-10-20 10:30:00+02:00"},
        "departure must not have an offset from UTC, got '2022-10-20 10:30:00+02:00'",
    ),
    "overlap": (
        {"arrival": "2022-10-18 11:00:00"},
        "line 2 (session '7') still stands at the same connector when it begins",
    ),
    "no name": ({"session": ""}, "session_id is empty"),
    "a name given twice": ({"session": "7"}, "line 2 has the same session_id"),
}


@pytest.mark.parametrize("what", EPFL_BAD)
def test_a_row_of_the_epfl_log_that_cannot_be_used(tmp_path: Path, what: str) -> None:
    changes, reason = EPFL_BAD[what]
    row = {**EPFL_SOUND, **changes}
    path = written(tmp_path, lines(EPFL_HEADER, EPFL_ROWS[0], ",".join(row.values()), EPFL_ROWS[1]))
    assert faults_of(read_epfl, path) == (f"line 3 (session {row['session'] or None!r}): {reason}",)


def test_all_bad_rows_of_the_epfl_log_at_once(tmp_path: Path) -> None:
    rows = [
        ",".join({**EPFL_SOUND, "session": f"bad {place}", **changes}.values())
        for place, (changes, _) in enumerate(EPFL_BAD.values())
    ]
    faults = faults_of(read_epfl, written(tmp_path, lines(EPFL_HEADER, *EPFL_ROWS, *rows)))
    assert [fault.split(" (")[0] for fault in faults] == [f"line {line}" for line in range(4, 4 + len(rows))]


def test_the_beginning_is_the_first_sound_arrival_s_midnight(tmp_path: Path) -> None:
    slip = EPFL_ROWS[0].replace("2022-10-18", "1999-10-18").replace("43541", "0").replace("7,", "6,", 1)
    with pytest.warns(SessionsWarning):
        frame = read_epfl(written(tmp_path, lines(EPFL_HEADER, slip, *EPFL_ROWS)), on_error="skip")
    assert frame.attrs["start"] == "2022-10-18T00:00:00"
    assert frame["arrival_s"].tolist() == [38_700.0, 87_000.0]


def test_the_epfl_log_from_a_time_on(tmp_path: Path) -> None:
    """Who began before is left out, whatever else is wrong with the row."""
    spoiled = EPFL_ROWS[0].replace("43541", "0")
    path = written(tmp_path, lines(EPFL_HEADER, spoiled, EPFL_ROWS[1]))
    for from_time in ("2022-10-18 23:00", "2022-10-18T23:00:00", pd.Timestamp("2022-10-18 23:00")):
        frame = read_epfl(path, from_time=from_time)
        assert frame.attrs == {"skipped": (), "start": "2022-10-18T23:00:00"}
        assert frame["arrival_s"].tolist() == [4200.0]
        assert frame["departure_s"].tolist() == [5400.0]


def test_a_date_that_nobody_can_read_is_told_from_any_time_on(tmp_path: Path) -> None:
    rows = (EPFL_ROWS[0].replace("2022-10-18 10:45", "in the morning"), EPFL_ROWS[1])
    (fault,) = faults_of(
        read_epfl, written(tmp_path, lines(EPFL_HEADER, *rows)), from_time="2022-10-18 23:00"
    )
    assert fault.startswith("line 2 (session '7'): arrival must be a date")


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="this system's time zone cannot be changed for a test")
def test_the_reader_s_own_zone_does_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, lines(EPFL_HEADER, *EPFL_ROWS))
    here = read_epfl(path, from_time="2022-10-18 09:00")
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        pd.testing.assert_frame_equal(read_epfl(path, from_time="2022-10-18 09:00"), here)
        assert read_epfl(path).attrs["start"] == "2022-10-18T00:00:00"
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize("from_time", ["yesterday", 5, "2022-13-01", pd.NaT, ""])
@pytest.mark.parametrize("loader", [read_epfl, read_acn])
def test_a_from_time_that_is_no_date(loader: Loader, from_time: Any) -> None:
    with pytest.raises(ValueError, match="from_time must be a date and time"):
        loader("nowhere.csv", from_time=from_time)


def test_the_epfl_log_has_no_zone() -> None:
    with pytest.raises(ValueError, match="from_time must have no offset from UTC"):
        read_epfl("nowhere.csv", from_time="2022-10-18T23:00:00+02:00")


def test_the_real_epfl_log() -> None:
    """All 992 sessions can be used: none is refused, and together they are what the log says."""
    frame = read_epfl(shared_file("data/sessions/epfl_level3_2022.csv"))
    assert len(frame) == 992
    assert frame.attrs == {"skipped": (), "start": "2022-04-12T00:00:00"}
    assert frame["connector"].value_counts().to_dict() == {1: 597, 2: 395}
    assert frame["limited"].sum() == 742
    visits = read_session_table(frame, load_config(ROOT / "configs/epfl_level3.json"))
    assert visits.requested_kwh.sum() == pytest.approx(33_034.75, abs=0.01)
    # Who was limited asked for more than the station has; who was not took what was measured.
    limited = frame["limited"].to_numpy()[visits.row]
    np.testing.assert_allclose(visits.max_kw[limited], frame["requested_kw"].to_numpy()[visits.row][limited])
    np.testing.assert_allclose(visits.max_kw[~limited], frame["measured_kw"].to_numpy()[visits.row][~limited])
    np.testing.assert_allclose(visits.requested_kwh, frame["measured_kwh"].to_numpy()[visits.row])


def test_the_shipped_days_are_the_real_log_s() -> None:
    log = read_epfl(shared_file("data/sessions/epfl_level3_2022.csv"), from_time="2022-10-18")
    day = day_sessions("epfl_2022-10-18")
    same = log[log["session_id"].isin(day["session_id"])].reset_index(drop=True)
    assert same["session_id"].tolist() == day["session_id"].tolist()
    for name in ("connector", "arrival_s", "departure_s"):
        assert same[name].tolist() == day[name].tolist(), name
    # The shipped day has whole watt-hours and a hundredth of the SoC.
    for name in ("arrival_soc", "target_soc"):
        np.testing.assert_allclose(same[name], day[name], atol=0.01)
    np.testing.assert_allclose(same["measured_kwh"], day["measured_kwh"], atol=0.001)
    # There no car takes more than the station has.
    peaks = [min(car.max_power_kw, 172.5) for car in same["vehicle"]]
    assert peaks == [car.max_power_kw for car in day["vehicle"]]


# ACN-Data


def test_the_two_forms_of_acn_data_say_the_same(tmp_path: Path) -> None:
    by_csv = read_acn(written(tmp_path, lines(ACN_HEADER, *ACN_ROWS)))
    by_json = read_acn(written(tmp_path, export(*ACN_ITEMS), "log.json"))
    assert by_csv.attrs == by_json.attrs == {"skipped": (), "start": "2019-09-01T00:00:00-07:00"}
    assert by_csv["charger_id"].tolist() == by_json["space_id"].tolist() == ["CA-311", "CA-305"]
    assert by_json["charger_id"].tolist() == ["2-39-125-21", "2-39-131-30"]
    assert by_csv["arrival_s"].tolist() == [9 * 3600 + 56 * 60 + 18, 10 * 3600 + 18 * 60 + 44]
    assert by_csv["departure_s"].tolist() == [10 * 3600 + 35 * 60 + 38, 11 * 3600 + 51 * 60 + 16]
    assert by_csv["requested_kwh"].tolist() == [0.747, 10.0]
    assert by_csv["delivered_kwh"].tolist() == [0.747, 1.983]
    assert by_csv["stated_departure_s"].tolist() == [38_138.0, 15 * 3600 + 22 * 60 + 44]
    assert by_csv["energy_kwh"].tolist() == [0.747, 10.0]
    assert by_csv["connector"].tolist() == [1, 1]
    assert by_csv["max_power_kw"].tolist() == [6.6, 6.6]
    other = ["charger_id", "space_id"]
    pd.testing.assert_frame_equal(by_csv.drop(columns=other[0]), by_json.drop(columns=other))


def test_acn_data_as_a_bare_list(tmp_path: Path) -> None:
    whole, bare = written(tmp_path, export(*ACN_ITEMS)), written(tmp_path, json.dumps(ACN_ITEMS), "bare.json")
    pd.testing.assert_frame_equal(read_acn(whole), read_acn(bare))


def test_energy_and_power_are_the_user_s_choice(tmp_path: Path) -> None:
    path = written(tmp_path, lines(ACN_HEADER, *ACN_ROWS))
    frame = read_acn(path, energy="delivered", max_power_kw=7)
    assert frame["energy_kwh"].tolist() == [0.747, 1.983]
    assert frame["max_power_kw"].tolist() == [7.0, 7.0]
    with pytest.raises(ValueError, match="energy must be 'requested' or 'delivered', got 'both'"):
        read_acn(path, energy="both")  # type: ignore[arg-type]
    for power in (0, -1, np.nan, np.inf, "6.6", None, True):
        with pytest.raises(ValueError, match="max_power_kw must be above 0"):
            read_acn(path, max_power_kw=power)  # type: ignore[arg-type]


def test_a_night_in_which_clocks_are_put_back_is_longer(tmp_path: Path) -> None:
    """From 23:30 to 02:30 on the wall, but the hour from 1 to 2 comes twice."""
    night = "2019-11-02 23:30:00-07:00,2019-11-03 02:30:00-08:00,5,5,CA-1,n,2019-11-03 02:30:00-08:00,True"
    day = "2019-11-03 09:00:00-08:00,2019-11-03 10:00:00-08:00,5,5,CA-1,d,2019-11-03 10:00:00-08:00,True"
    both = read_acn(written(tmp_path, lines(ACN_HEADER, night, day)))
    assert (both["departure_s"] - both["arrival_s"]).tolist() == [4 * 3600.0, 3600.0]
    assert both["arrival_s"].tolist() == [23.5 * 3600, (24 + 10) * 3600.0]
    item = {
        **ACN_ITEMS[0],
        "connectionTime": "Sun, 03 Nov 2019 06:30:00 GMT",
        "disconnectTime": "Sun, 03 Nov 2019 10:30:00 GMT",
    }
    by_json = read_acn(written(tmp_path, export(item), "log.json"))
    assert by_json.attrs["start"] == "2019-11-02T00:00:00-07:00"
    assert (by_json["arrival_s"][0], by_json["departure_s"][0]) == (23.5 * 3600, 27.5 * 3600)
    # The day itself begins in summer time: at nine ten hours have passed.
    alone = read_acn(written(tmp_path, lines(ACN_HEADER, day)))
    assert alone.attrs["start"] == "2019-11-03T00:00:00-07:00"
    assert alone["arrival_s"].tolist() == [10 * 3600.0]


def test_days_begin_where_the_station_is(tmp_path: Path) -> None:
    """A zone that the JSON names; an offset of the CSV that is not California's."""
    item = {**ACN_ITEMS[0], "timezone": "Asia/Kolkata"}
    by_json = read_acn(written(tmp_path, export(item), "log.json"))
    assert by_json.attrs["start"] == "2019-09-01T00:00:00+05:30"
    by_csv = read_acn(written(tmp_path, lines(ACN_HEADER, ACN_ROWS[0].replace("-07:00", "+02:00"))))
    assert by_csv.attrs["start"] == "2019-09-01T00:00:00+02:00"
    assert by_csv["arrival_s"].tolist() == [35_778.0]


def test_a_day_with_two_midnights_begins_at_the_first(tmp_path: Path) -> None:
    """In Cuba clocks are put back from 1 to 0 o'clock: half past midnight comes twice."""
    item = {
        **ACN_ITEMS[0],
        "timezone": "America/Havana",
        "connectionTime": "Sun, 03 Nov 2019 05:30:00 GMT",
        "disconnectTime": "Sun, 03 Nov 2019 06:30:00 GMT",
    }
    frame = read_acn(written(tmp_path, export(item), "log.json"))
    assert frame.attrs["start"] == "2019-11-03T00:00:00-04:00"
    assert frame["arrival_s"].tolist() == [1.5 * 3600]


def test_acn_data_from_a_time_on(tmp_path: Path) -> None:
    path = written(tmp_path, lines(ACN_HEADER, *ACN_ROWS))
    for from_time in ("2019-09-01 10:00", "2019-09-01T17:00:00+00:00"):
        frame = read_acn(path, from_time=from_time)
        assert frame["session_id"].tolist() == ["b"]
        assert frame["arrival_s"].tolist() == [18 * 60 + 44]
        assert frame["stated_departure_s"].tolist() == [5 * 3600 + 22 * 60 + 44]
    assert read_acn(path, from_time="2019-09-01 10:00").attrs["start"] == "2019-09-01T10:00:00-07:00"
    assert len(read_acn(path, from_time="2020-01-01")) == 0


ACN_CHANGES: dict[str, tuple[dict[str, Any], str]] = {
    "no arrival": ({"connectionTime": None}, "connectionTime is empty"),
    "no date": ({"connectionTime": "soon"}, "connectionTime must be a date and time"),
    "a number": ({"connectionTime": 1567357000}, "connectionTime must be a date and time"),
    "no zone": ({"disconnectTime": "2019-09-01T18:51:16"}, "disconnectTime must have an offset from UTC"),
    "backwards": ({"disconnectTime": "Sun, 01 Sep 2019 16:00:00 GMT"}, "is before connectionTime"),
    "text": ({"kWhDelivered": "much"}, "kWhDelivered must be a number, got 'much'"),
    "true": ({"kWhDelivered": True}, "kWhDelivered must be a number, got True"),
    "list": ({"kWhDelivered": [1]}, r"kWhDelivered must be a number, got \[1\]"),
    "huge": ({"kWhDelivered": 10**400}, "kWhDelivered must be a number, got 1000"),
    "nothing": ({"kWhDelivered": None}, "kWhDelivered is empty"),
    "negative": ({"userInputs": [{"kWhRequested": -3}]}, "energy_kwh must be from 0"),
    "wish": ({"userInputs": [{"kWhRequested": "full"}]}, "kWhRequested must be a number, got 'full'"),
    "stated": (
        {"userInputs": [{"requestedDeparture": "late"}]},
        "requestedDeparture must be a date and time",
    ),
    "inputs": ({"userInputs": "none"}, "userInputs must be a list of objects"),
    "last input": ({"userInputs": [{}, 5]}, "userInputs must be a list of objects"),
    "station": ({"stationID": None}, "stationID is empty"),
    "station number": ({"stationID": 5}, "charger_id must be text, got 5"),
    "zone": ({"timezone": "Mars/Olympus"}, "there is no timezone 'Mars/Olympus'"),
    "zone list": ({"timezone": ["UTC"]}, "there is no timezone"),
    "name": ({"sessionID": None}, "session_id is empty"),
    "name twice": ({"sessionID": "a"}, "item 1 has the same session_id"),
    "same place": (
        {"stationID": "2-39-125-21"},
        r"item 1 \(session 'a'\) still stands at the same connector when it begins",
    ),
}


@pytest.mark.parametrize("change", ACN_CHANGES)
def test_an_item_of_acn_data_that_cannot_be_used(tmp_path: Path, change: str) -> None:
    changes, reason = ACN_CHANGES[change]
    third = {**ACN_ITEMS[1], "sessionID": "c", "stationID": "other"}
    path = written(tmp_path, export(ACN_ITEMS[0], {**ACN_ITEMS[1], **changes}, third), "log.json")
    (fault,) = faults_of(read_acn, path)
    with pytest.raises(SessionsError, match=reason):
        read_acn(path)
    assert fault.startswith("item 2 (session ")


def test_an_item_that_is_no_session(tmp_path: Path) -> None:
    faults = faults_of(read_acn, written(tmp_path, export(5, ACN_ITEMS[0], None, []), "log.json"))
    assert [fault.split(" (")[0] for fault in faults] == ["item 1", "item 3", "item 4"]
    assert "a session is an object in braces, got 5" in faults[0]


def test_a_driver_who_said_half(tmp_path: Path) -> None:
    item = {**ACN_ITEMS[1], "userInputs": [{"kWhRequested": None}]}
    frame = read_acn(written(tmp_path, export(item, {**ACN_ITEMS[0], "userInputs": []}), "log.json"))
    assert frame["requested_kwh"].tolist() == [1.983, 0.747]
    assert frame["stated_departure_s"].tolist() == frame["departure_s"].tolist()


def test_a_row_of_acn_data_that_cannot_be_used(tmp_path: Path) -> None:
    rows = [
        ACN_ROWS[0],
        ACN_ROWS[1].replace("10:18:44-07:00", "10:18:44", 1),
        ACN_ROWS[1].replace("1.983", "-1.983").replace(",b,", ",c,"),
        ACN_ROWS[1].replace(",10.0,", ",-10.0,").replace(",b,", ",d,"),
        ACN_ROWS[1].replace("CA-305", ""),
    ]
    path = written(tmp_path, lines(ACN_HEADER, *rows))
    assert faults_of(read_acn, path) == (
        "line 3 (session 'b'): arrival must have an offset from UTC, got '2019-09-01 10:18:44'",
        "line 5 (session 'd'): energy_kwh must be from 0 to 1e+12, got -10.0",
        "line 6 (session 'b'): station_id is empty",
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[1, 2", "line 1, column 6: not JSON: Expecting"),
        ("{\n  broken", "line 2, column 3: not JSON: Expecting"),
        ("[" * 200_000, "not JSON: nested too deeply"),
        ('{"_items": [' + "9" * 5000 + "]}", "not JSON: a number has thousands of digits"),
        ('{"error": "no token"}', "there is no list of sessions named _items"),
        ('{"_items": 5}', "there is no list of sessions named _items"),
    ],
)
def test_damaged_json(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(SessionsError, match=words) as caught:
        read_acn(written(tmp_path, text, "log.json"))
    assert caught.value.__cause__ is None


def test_the_real_acn_log() -> None:
    """All 3177 sessions can be used; 110 took more on average than 6.6 kW."""
    frame = read_acn(shared_file("data/sessions/caltech_2019-09-01_2019-12-31.csv.gz"))
    assert len(frame) == 3177
    assert frame.attrs == {"skipped": (), "start": "2019-09-01T00:00:00-07:00"}
    assert frame["charger_id"].nunique() == 51
    assert frame["energy_kwh"].sum() == pytest.approx(52_595.55, abs=0.01)
    assert frame["delivered_kwh"].sum() == pytest.approx(27_974.34, abs=0.01)
    hours = (frame["departure_s"] - frame["arrival_s"]) / 3600
    assert (frame["delivered_kwh"] / hours > 6.6).sum() == 110
    assert len(read_session_table(frame, station_of(frame))) == 3177


# Shipped days


@pytest.mark.parametrize("name", day_names())
def test_a_shipped_day_as_a_table(name: str) -> None:
    config = "electra_paris_15" if name == "paris_evening" else "epfl_level3"
    frame, day = day_sessions(name), load_day(name)
    pd.testing.assert_frame_equal(frame, day_sessions(day))
    visits = read_session_table(frame, load_config(ROOT / f"configs/{config}.json"))
    assert visits.session_id.tolist() == [visit.name for visit in day.arrivals]
    assert frame["measured_kwh"].isna().all() == (name == "paris_evening")


def test_a_day_that_is_not_shipped() -> None:
    with pytest.raises(KeyError, match="there is no day 'doomsday'"):
        day_sessions("doomsday")
