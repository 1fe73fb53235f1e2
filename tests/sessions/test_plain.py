"""Plain CSV and shipped days as tables of sessions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from session_logs import PLAIN, lines, station_of, written
from stations import ROOT, shared_file

from electra_core import catalogue, load_config
from electra_core.sessions import (
    SessionsWarning,
    day_names,
    day_sessions,
    load_day,
    read_epfl,
    read_session_table,
    read_sessions,
)


def test_plain_csv_is_read_with_its_other_columns_as_text(tmp_path: Path) -> None:
    frame = read_sessions(written(tmp_path, PLAIN))
    assert frame["session_id"].tolist() == ["007", "=1+1"]
    assert frame["note"].tolist() == ["by hand", "<b>bold</b>"]
    assert frame["arrival_s"].tolist() == [60, 0]
    assert frame.attrs["skipped"] == ()
    table = read_session_table(frame, station_of(frame))
    assert table.session_id.tolist() == ["=1+1", "007"]
    assert table.departure_s.tolist() == [np.inf, 3600.0]
    assert table.connector.tolist() == [-1, 1]
    battery_kwh = catalogue()["Hyundai Ioniq 5 73 kWh"].battery_kwh
    assert battery_kwh
    np.testing.assert_allclose(table.requested_kwh, [0.7 * battery_kwh, 20.0])
    np.testing.assert_array_equal(table.max_kw[1], 50.0)


def test_number_columns_of_a_plain_csv_are_numbers(tmp_path: Path) -> None:
    frame = read_sessions(written(tmp_path, PLAIN))
    for name in ("arrival_s", "departure_s", "energy_kwh", "max_power_kw", "arrival_soc", "connector"):
        assert frame[name].dtype.kind in "if", name


def test_session_without_an_id_gets_its_row_number(tmp_path: Path) -> None:
    path = written(tmp_path, lines("arrival_s,energy_kwh,max_power_kw", "0,1,5", "0,-1,5", "0,3,5"))
    with pytest.warns(SessionsWarning):
        frame = read_sessions(path, on_error="skip")
    assert frame["session_id"].tolist() == ["1", "3"]


@pytest.mark.parametrize("name", day_names())
def test_shipped_day_becomes_a_table_that_its_station_takes(name: str) -> None:
    config = "electra_paris_15" if name == "paris_evening" else "epfl_level3"
    frame, day = day_sessions(name), load_day(name)
    pd.testing.assert_frame_equal(frame, day_sessions(day))
    table = read_session_table(frame, load_config(ROOT / f"configs/{config}.json"))
    assert table.session_id.tolist() == [arrival.name for arrival in day.arrivals]
    assert frame["measured_kwh"].isna().all() == (name == "paris_evening")


def test_unknown_day_is_a_key_error() -> None:
    with pytest.raises(KeyError, match="there is no day 'doomsday'"):
        day_sessions("doomsday")


def test_shipped_day_equals_the_real_log() -> None:
    log = read_epfl(shared_file("data/sessions/epfl_level3_2022.csv"), from_time="2022-10-18")
    day = day_sessions("epfl_2022-10-18")
    same = log[log["session_id"].isin(day["session_id"])].reset_index(drop=True)
    assert same["session_id"].tolist() == day["session_id"].tolist()
    for name in ("connector", "arrival_s", "departure_s"):
        assert same[name].tolist() == day[name].tolist(), name
    # The shipped day is rounded to watt-hours and to a hundredth of the SoC.
    for name in ("arrival_soc", "target_soc"):
        np.testing.assert_allclose(same[name], day[name], atol=0.01)
    np.testing.assert_allclose(same["measured_kwh"], day["measured_kwh"], atol=0.001)
    # The shipped day bounds each car by the power of the station.
    peaks = [min(car.max_power_kw, 172.5) for car in same["vehicle"]]
    assert peaks == [car.max_power_kw for car in day["vehicle"]]
