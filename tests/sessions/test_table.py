"""Checks of a table of sessions."""

from __future__ import annotations

import warnings
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from session_logs import faults_of, lines, station_of, written
from stations import ROOT

from electra_core import catalogue, load_config
from electra_core.sessions import SessionsWarning, read_session_table, read_sessions

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
def test_row_that_no_station_takes_is_refused_with_its_line(
    tmp_path: Path, header: str, row: str, reason: str
) -> None:
    """The checks of `read_session_table`, with the line in the file."""
    (fault,) = faults_of(read_sessions, written(tmp_path, lines(header, row)))
    assert fault.startswith("line 2 (session '1'): ")
    assert reason in fault


def test_target_without_arrival_soc_starts_at_the_typical_soc(tmp_path: Path) -> None:
    text = lines("arrival_s,vehicle,target_soc", "0,Peugeot e-208,0.8", "0,Peugeot e-208,0.2")
    table = read_session_table(
        read_sessions(written(tmp_path, text)), load_config(ROOT / "configs/epfl_level3.json")
    )
    battery_kwh = catalogue()["Peugeot e-208"].battery_kwh
    assert battery_kwh is not None
    assert table.arrival_soc.tolist() == [0.29, 0.2]
    assert table.requested_kwh == pytest.approx([0.51 * battery_kwh, 0.0])
    assert (table.curve >= 0).all()


def test_repeated_and_empty_ids_are_refused(tmp_path: Path) -> None:
    text = lines("session_id,arrival_s,energy_kwh,max_power_kw", "a,0,1,5", "b,0,1,5", "a,0,1,5", ",0,1,5")
    assert faults_of(read_sessions, written(tmp_path, text)) == (
        "line 4 (session 'a'): line 2 has the same session_id",
        "line 5 (session None): session_id is empty",
    )


def test_only_overlaps_with_sound_sessions_are_refused(tmp_path: Path) -> None:
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


def test_session_that_leaves_when_done_blocks_no_later_one(tmp_path: Path) -> None:
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


cells = st.sampled_from(
    ["", "0", "1", "30", "0.5", "-1", "inf", "x", "=1+1", "<i>", '"', "1e400", "CP1", "Peugeot e-208"]
)


@given(
    rows=st.lists(st.lists(cells, min_size=10, max_size=10), max_size=8),
    sound=st.booleans(),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_station_takes_every_row_that_a_loader_returns(
    tmp_path: Path, rows: list[list[str]], sound: bool
) -> None:
    """For any file: a station takes every row that a loader returns."""
    names = [
        *("session_id", "arrival_s", "departure_s", "energy_kwh", "max_power_kw"),
        *("vehicle", "arrival_soc", "target_soc", "charger_id", "connector"),
    ]
    if sound:  # few random rows are sound; these differ in connectors and times only
        random = (1, 2, 8, 9)
        fixed = ["", "0", "50", "20", "50", "", "", "", "CP1", "1"]
        rows = [
            [
                cell if column in random else str(row) if column == 0 else fixed[column]
                for column, cell in enumerate(line)
            ]
            for row, line in enumerate(rows)
        ]
    path = tmp_path / "any.csv"
    pd.DataFrame(rows, columns=names).to_csv(path, index=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SessionsWarning)
        frame = read_sessions(path, on_error="skip")
    not_empty = [line for line in rows if any(line)]
    assert len(frame) + len(frame.attrs["skipped"]) == len(not_empty)
    read_session_table(frame, station_of(frame))
