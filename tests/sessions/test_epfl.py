"""The loader of EPFL's log."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from session_logs import EPFL_HEADER, EPFL_ROWS, faults_of, lines, written
from stations import ROOT, shared_file

from electra_core import load_config
from electra_core.sessions import read_epfl, read_session_table
from electra_core.sessions.days import logged_car


def test_row_of_the_epfl_log_is_read(tmp_path: Path) -> None:
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
    table = read_session_table(frame, load_config(ROOT / "configs/epfl_level3.json"))
    np.testing.assert_allclose(table.requested_kwh, frame["measured_kwh"])


def test_limited_car_takes_at_most_the_power_of_the_station() -> None:
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


@pytest.mark.parametrize("fault", EPFL_BAD)
def test_bad_row_of_the_epfl_log_is_refused_with_its_line(tmp_path: Path, fault: str) -> None:
    changes, reason = EPFL_BAD[fault]
    row = {**EPFL_SOUND, **changes}
    path = written(tmp_path, lines(EPFL_HEADER, EPFL_ROWS[0], ",".join(row.values()), EPFL_ROWS[1]))
    assert faults_of(read_epfl, path) == (f"line 3 (session {row['session'] or None!r}): {reason}",)


def test_all_bad_rows_of_the_epfl_log_are_refused_at_once(tmp_path: Path) -> None:
    rows = [
        ",".join({**EPFL_SOUND, "session": f"bad {place}", **changes}.values())
        for place, (changes, _) in enumerate(EPFL_BAD.values())
    ]
    faults = faults_of(read_epfl, written(tmp_path, lines(EPFL_HEADER, *EPFL_ROWS, *rows)))
    assert [fault.split(" (")[0] for fault in faults] == [f"line {line}" for line in range(4, 4 + len(rows))]


def test_from_time_with_an_offset_is_refused() -> None:
    with pytest.raises(ValueError, match="from_time must have no offset from UTC"):
        read_epfl("nowhere.csv", from_time="2022-10-18T23:00:00+02:00")


def test_real_epfl_log_is_usable_in_full() -> None:
    """None of the 992 sessions is refused, and their energies add up to the log's."""
    frame = read_epfl(shared_file("data/sessions/epfl_level3_2022.csv"))
    assert len(frame) == 992
    assert frame.attrs == {"skipped": (), "start": "2022-04-12T00:00:00"}
    assert frame["connector"].value_counts().to_dict() == {1: 597, 2: 395}
    assert frame["limited"].sum() == 742
    table = read_session_table(frame, load_config(ROOT / "configs/epfl_level3.json"))
    assert table.requested_kwh.sum() == pytest.approx(33_034.75, abs=0.01)
    # The peak of a limited car is its request, above the station's power; that of another one is measured.
    limited = frame["limited"].to_numpy()[table.row]
    np.testing.assert_allclose(table.max_kw[limited], frame["requested_kw"].to_numpy()[table.row][limited])
    np.testing.assert_allclose(table.max_kw[~limited], frame["measured_kw"].to_numpy()[table.row][~limited])
    np.testing.assert_allclose(table.requested_kwh, frame["measured_kwh"].to_numpy()[table.row])
