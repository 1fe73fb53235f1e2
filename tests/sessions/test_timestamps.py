"""Timestamps of logs: the start of counting, time zones, and clock changes."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from session_logs import (
    ACN_HEADER,
    ACN_ITEMS,
    ACN_ROWS,
    EPFL_HEADER,
    EPFL_ROWS,
    Loader,
    export,
    faults_of,
    lines,
    written,
)

from electra_core.sessions import SessionsWarning, read_acn, read_epfl


def test_start_is_midnight_before_the_first_sound_arrival(tmp_path: Path) -> None:
    slip = EPFL_ROWS[0].replace("2022-10-18", "1999-10-18").replace("43541", "0").replace("7,", "6,", 1)
    with pytest.warns(SessionsWarning):
        frame = read_epfl(written(tmp_path, lines(EPFL_HEADER, slip, *EPFL_ROWS)), on_error="skip")
    assert frame.attrs["start"] == "2022-10-18T00:00:00"
    assert frame["arrival_s"].tolist() == [38_700.0, 87_000.0]


def test_from_time_leaves_out_earlier_sessions_of_the_epfl_log(tmp_path: Path) -> None:
    """Earlier sessions are left out even if their rows have faults."""
    spoiled = EPFL_ROWS[0].replace("43541", "0")
    path = written(tmp_path, lines(EPFL_HEADER, spoiled, EPFL_ROWS[1]))
    for from_time in ("2022-10-18 23:00", "2022-10-18T23:00:00", pd.Timestamp("2022-10-18 23:00")):
        frame = read_epfl(path, from_time=from_time)
        assert frame.attrs == {"skipped": (), "start": "2022-10-18T23:00:00"}
        assert frame["arrival_s"].tolist() == [4200.0]
        assert frame["departure_s"].tolist() == [5400.0]


def test_unreadable_arrival_is_refused_with_any_from_time(tmp_path: Path) -> None:
    rows = (EPFL_ROWS[0].replace("2022-10-18 10:45", "in the morning"), EPFL_ROWS[1])
    (fault,) = faults_of(
        read_epfl, written(tmp_path, lines(EPFL_HEADER, *rows)), from_time="2022-10-18 23:00"
    )
    assert fault.startswith("line 2 (session '7'): arrival must be a date")


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="this system's time zone cannot be changed for a test")
def test_time_zone_of_the_computer_does_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
def test_from_time_that_is_no_date_is_refused(loader: Loader, from_time: Any) -> None:
    with pytest.raises(ValueError, match="from_time must be a date and time"):
        loader("nowhere.csv", from_time=from_time)


def test_night_in_which_clocks_are_put_back_is_longer(tmp_path: Path) -> None:
    """From 23:30 to 02:30 on the clock is four hours, because the hour from 1 to 2 comes twice."""
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
    # The day begins in summer time: at nine o'clock ten hours have passed.
    alone = read_acn(written(tmp_path, lines(ACN_HEADER, day)))
    assert alone.attrs["start"] == "2019-11-03T00:00:00-07:00"
    assert alone["arrival_s"].tolist() == [10 * 3600.0]


def test_days_begin_at_local_midnight_of_the_station(tmp_path: Path) -> None:
    """The JSON names its zone; a CSV may have an offset that is not California's."""
    item = {**ACN_ITEMS[0], "timezone": "Asia/Kolkata"}
    by_json = read_acn(written(tmp_path, export(item), "log.json"))
    assert by_json.attrs["start"] == "2019-09-01T00:00:00+05:30"
    by_csv = read_acn(written(tmp_path, lines(ACN_HEADER, ACN_ROWS[0].replace("-07:00", "+02:00"))))
    assert by_csv.attrs["start"] == "2019-09-01T00:00:00+02:00"
    assert by_csv["arrival_s"].tolist() == [35_778.0]


def test_day_with_two_midnights_begins_at_the_first(tmp_path: Path) -> None:
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


def test_from_time_leaves_out_earlier_sessions_of_acn_data(tmp_path: Path) -> None:
    path = written(tmp_path, lines(ACN_HEADER, *ACN_ROWS))
    for from_time in ("2019-09-01 10:00", "2019-09-01T17:00:00+00:00"):
        frame = read_acn(path, from_time=from_time)
        assert frame["session_id"].tolist() == ["b"]
        assert frame["arrival_s"].tolist() == [18 * 60 + 44]
        assert frame["stated_departure_s"].tolist() == [5 * 3600 + 22 * 60 + 44]
    assert read_acn(path, from_time="2019-09-01 10:00").attrs["start"] == "2019-09-01T10:00:00-07:00"
    assert len(read_acn(path, from_time="2020-01-01")) == 0
