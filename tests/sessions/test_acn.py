"""The loader of ACN-Data, as CSV and as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from session_logs import ACN_HEADER, ACN_ITEMS, ACN_ROWS, export, faults_of, lines, station_of, written
from stations import shared_file

from electra_core.sessions import SessionsError, read_acn, read_session_table


def test_csv_and_json_of_acn_data_are_equal(tmp_path: Path) -> None:
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


def test_json_may_be_a_bare_list(tmp_path: Path) -> None:
    whole, bare = written(tmp_path, export(*ACN_ITEMS)), written(tmp_path, json.dumps(ACN_ITEMS), "bare.json")
    pd.testing.assert_frame_equal(read_acn(whole), read_acn(bare))


def test_json_may_have_a_byte_order_mark_and_comments(tmp_path: Path) -> None:
    plain = written(tmp_path, export(*ACN_ITEMS), "log.json")
    edited = written(tmp_path, "\ufeff" + export(*ACN_ITEMS).replace("[", "[ // by hand\n"), "edited.json")
    pd.testing.assert_frame_equal(read_acn(edited), read_acn(plain))


def test_energy_and_power_are_options(tmp_path: Path) -> None:
    path = written(tmp_path, lines(ACN_HEADER, *ACN_ROWS))
    frame = read_acn(path, energy="delivered", max_power_kw=7)
    assert frame["energy_kwh"].tolist() == [0.747, 1.983]
    assert frame["max_power_kw"].tolist() == [7.0, 7.0]
    with pytest.raises(ValueError, match="energy must be 'requested' or 'delivered', got 'both'"):
        read_acn(path, energy="both")  # type: ignore[arg-type]
    for power in (0, -1, np.nan, np.inf, "6.6", None, True):
        with pytest.raises(ValueError, match="max_power_kw must be above 0"):
            read_acn(path, max_power_kw=power)  # type: ignore[arg-type]


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
def test_bad_item_of_json_is_refused_with_its_number(tmp_path: Path, change: str) -> None:
    changes, reason = ACN_CHANGES[change]
    third = {**ACN_ITEMS[1], "sessionID": "c", "stationID": "other"}
    path = written(tmp_path, export(ACN_ITEMS[0], {**ACN_ITEMS[1], **changes}, third), "log.json")
    (fault,) = faults_of(read_acn, path)
    with pytest.raises(SessionsError, match=reason):
        read_acn(path)
    assert fault.startswith("item 2 (session ")


def test_item_that_is_no_object_is_refused(tmp_path: Path) -> None:
    faults = faults_of(read_acn, written(tmp_path, export(5, ACN_ITEMS[0], None, []), "log.json"))
    assert [fault.split(" (")[0] for fault in faults] == ["item 1", "item 3", "item 4"]
    assert "a session is an object in braces, got 5" in faults[0]


def test_missing_user_input_is_filled_in(tmp_path: Path) -> None:
    item = {**ACN_ITEMS[1], "userInputs": [{"kWhRequested": None}]}
    frame = read_acn(written(tmp_path, export(item, {**ACN_ITEMS[0], "userInputs": []}), "log.json"))
    assert frame["requested_kwh"].tolist() == [1.983, 0.747]
    assert frame["stated_departure_s"].tolist() == frame["departure_s"].tolist()


def test_bad_row_of_acn_csv_is_refused_with_its_line(tmp_path: Path) -> None:
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
        ("[1, 2", "line 1, column 6: not JSON: unexpected end of input"),
        ("{\n  broken", "line 2, column 9: not JSON: unexpected end of input"),
        ("[" * 200_000, "not JSON: nested too deeply"),
        ('{"_items": [' + "9" * 5000 + "]}", "not JSON: a number has thousands of digits"),
        ('[{"sessionID": "a", "sessionID": "b"}]', r"\[0\]\.sessionID: is given twice"),
        ('{"error": "no token"}', "there is no list of sessions named _items"),
        ('{"_items": 5}', "there is no list of sessions named _items"),
    ],
)
def test_damaged_json_is_refused_with_line_and_column(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(SessionsError, match=words) as caught:
        read_acn(written(tmp_path, text, "log.json"))
    assert caught.value.__cause__ is None


def test_real_acn_log_is_usable_in_full() -> None:
    """None of the 3177 sessions is refused; 110 took more on average than 6.6 kW."""
    frame = read_acn(shared_file("data/sessions/caltech_2019-09-01_2019-12-31.csv.gz"))
    assert len(frame) == 3177
    assert frame.attrs == {"skipped": (), "start": "2019-09-01T00:00:00-07:00"}
    assert frame["charger_id"].nunique() == 51
    assert frame["energy_kwh"].sum() == pytest.approx(52_595.55, abs=0.01)
    assert frame["delivered_kwh"].sum() == pytest.approx(27_974.34, abs=0.01)
    hours = (frame["departure_s"] - frame["arrival_s"]) / 3600
    assert (frame["delivered_kwh"] / hours > 6.6).sum() == 110
    assert len(read_session_table(frame, station_of(frame))) == 3177
