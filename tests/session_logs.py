"""Small logs of sessions for tests, and helpers that write and refuse them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from electra_core import StationConfig, load_config
from electra_core.sessions import SessionsError, SessionsWarning, read_session_table

Loader = Callable[..., pd.DataFrame]


EPFL_HEADER = (
    "session,ccs,arrival,departure,stay_min,energy_wh,pmax_w,preq_max_w,controlled,total_capacity,bulk_capacity,"
    "soc_arrival,soc_departure,energy_capacity_wh"
)


# A car that the station limited, and one that it did not.
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


# The same two sessions as the public interface exports them; the second driver changed the input.
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


PLAIN = lines(
    "session_id,arrival_s,departure_s,energy_kwh,max_power_kw,vehicle,arrival_soc,target_soc,charger_id,connector,note",
    "007,60,3600,20,50,,,,CP1,2,by hand",
    "=1+1,0,,,,Hyundai Ioniq 5 73 kWh,0.1,0.8,,,<b>bold</b>",
)


def written(folder: Path, content: str | bytes, name: str = "log.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def export(*items: Any) -> str:
    return json.dumps({"_meta": {"page": 1, "max_results": 25, "total": len(items)}, "_items": items})


def faults_of(loader: Loader, path: Path, **options: Any) -> tuple[str, ...]:
    """Return the faults that a loader refuses; check that skipping reports the same and leaves sound rows."""
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
    """Return a station that has the chargers and connectors of a table."""
    ids = sorted(set(frame["charger_id"].dropna())) if "charger_id" in frame.columns else []
    numbers = frame["connector"].dropna() if "connector" in frame.columns else []
    count = int(max([9, *numbers]))
    chargers = [{"id": name, "maxPower": 200, "connectors": count} for name in ids or ["CP1"]]
    return load_config({"stationId": "ST", "gridCapacity": 400, "chargers": chargers})
