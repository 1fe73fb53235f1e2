"""A result as one Parquet file, and back.

The file has one row; each part of the result is a column that holds a list of records, so that any reader
of Parquet can unnest the one it wants. What is one number or text stands in the file's metadata as JSON.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from electra_core.allocation import Limit
from electra_core.sessions import Scenario, SessionTable
from electra_core.simulation.records import Import, ResultError, SessionRecord, Step, blank, record_type
from electra_core.station import StationConfig

if TYPE_CHECKING:
    from electra_core.simulation.result import Result

FORMAT = "electra result 1"
KEY = b"electra"
CURVES = ("curve_start", "curve_soc", "curve_kw")


def write_result(result: Result, path: Path) -> None:
    """Write a result; an existing file is replaced only by a whole one."""
    scenario, sessions = result.scenario, result.scenario.sessions
    columns = {name: getattr(sessions, name) for name in SessionTable.__slots__ if name not in CURVES}
    columns["session_id"] = np.array([json.dumps(_plain(name)) for name in sessions.session_id], dtype=object)
    records = {name: result.records[name] for name in result.records.dtype.names}
    limits = {f"limited_by_{limit}_s": result.limited_s[:, number] for number, limit in enumerate(Limit)}
    profile = {
        "static_load_kw": scenario.static_load_kw,
        "pv_kw": scenario.pv_kw,
        "site_limit_kw": scenario.site_limit_kw,
    }
    if scenario.price_per_kwh is not None:
        profile["price_per_kwh"] = scenario.price_per_kwh
    parts = {
        "sessions": {**columns, **{f"record_{name}": column for name, column in records.items()}, **limits}
        | ({} if result.added_s is None else {"added_s": result.added_s}),
        "curve_starts": {"start": sessions.curve_start},
        "curves": {"soc": sessions.curve_soc, "kw": sessions.curve_kw},
        "site": profile,
        "imports": {name: result.imports[name] for name in result.imports.dtype.names},
        "steps": {name: result.steps[name] for name in result.steps.dtype.names},
        "connectors": _matrix(result.connector_kwh),
        "connectors_boost": _matrix(result.connector_boost_kwh),
    }
    about = {
        "format": FORMAT,
        "config": scenario.config.model_dump_json(by_alias=True),
        "strategy": result.strategy,
        "step_s": scenario.step_s,
        "horizon_s": scenario.horizon_s,
        "until_empty": scenario.until_empty,
        "end_s": result.end_s,
        "totals": result.totals,
    }
    table = pa.table({name: _cell(part) for name, part in parts.items()})
    table = table.replace_schema_metadata({KEY: json.dumps(about).encode()})
    draft = path.with_name(path.name + ".part")
    try:
        pq.write_table(table, draft)
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise ResultError(f"{path.name} cannot be written: {_cause_of(error)}") from None


def read_result(path: Path) -> dict[str, Any]:
    """Return the fields of the `Result` in a file that `write_result` wrote."""
    try:
        table = pq.read_table(path)
        about = json.loads((table.schema.metadata or {})[KEY])
        if about["format"] != FORMAT:
            raise ResultError(f"{path.name} was written by another version: {about['format']}")
        return _fields(about, {name: _columns(table[name]) for name in table.column_names})
    except FileNotFoundError:
        raise ResultError(f"there is no file {path.name!r}") from None
    except ResultError:
        raise
    except (OSError, pa.ArrowException, KeyError, ValueError, TypeError) as error:
        words = f"{path.name} holds no result of a simulation: {_cause_of(error)}"
        raise ResultError(words) from None


def _cause_of(error: Exception) -> str:
    """Return why a file cannot be used, without its path, which the library's message contains."""
    code = getattr(error, "errno", None)
    return os.strerror(code) if code else f"{type(error).__name__} in it"


def _fields(about: dict[str, Any], parts: dict[str, dict[str, Any]]) -> dict[str, Any]:
    rows, site = parts["sessions"], parts["site"]
    names = np.empty(len(rows["row"]), dtype=object)
    names[:] = [json.loads(name) for name in rows["session_id"]]
    columns = {name: rows[name] for name in SessionTable.__slots__ if name not in (*CURVES, "session_id")}
    curves = {"curve_soc": parts["curves"]["soc"], "curve_kw": parts["curves"]["kw"]}
    sessions = SessionTable(session_id=names, curve_start=parts["curve_starts"]["start"], **curves, **columns)
    scenario = Scenario(
        config=StationConfig.model_validate_json(about["config"]),
        sessions=sessions,
        step_s=about["step_s"],
        horizon_s=about["horizon_s"],
        until_empty=about["until_empty"],
        static_load_kw=site["static_load_kw"],
        pv_kw=site["pv_kw"],
        site_limit_kw=site["site_limit_kw"],
        price_per_kwh=site.get("price_per_kwh"),
    )
    outcomes = {name: rows[f"record_{name}"] for name in record_type(SessionRecord).names or ()}
    return {
        "scenario": scenario,
        "strategy": about["strategy"],
        "end_s": about["end_s"],
        "records": _records(SessionRecord, outcomes),
        "limited_s": np.column_stack([rows[f"limited_by_{limit}_s"] for limit in Limit]),
        "totals": about["totals"],
        "imports": _records(Import, parts["imports"]),
        "steps": _records(Step, parts["steps"]),
        "connector_kwh": _of_matrix(parts["connectors"], len(scenario.config.connectors)),
        "connector_boost_kwh": _of_matrix(parts["connectors_boost"], len(scenario.config.connectors)),
        "added_s": rows.get("added_s"),
    }


def _plain(name: object) -> object:
    """Return a session's name as JSON can hold it."""
    return (
        name.item() if isinstance(name, np.generic) else name if isinstance(name, int | float) else str(name)
    )


def _cell(columns: dict[str, Any]) -> pa.Array:
    """Return one cell that holds a list of records."""
    arrays = [pa.array(np.ascontiguousarray(column)) for column in columns.values()]
    records = pa.StructArray.from_arrays(arrays, names=list(columns))
    return pa.ListArray.from_arrays([0, len(records)], records)


def _columns(cell: pa.ChunkedArray) -> dict[str, Any]:
    records = cell.combine_chunks().values
    return {
        field.name: records.field(field.name).to_numpy(zero_copy_only=False).copy() for field in records.type
    }


def _records(kind: type, columns: dict[str, Any]) -> Any:
    records = blank(kind, len(next(iter(columns.values()))))
    for name, column in columns.items():
        records[name] = column
    return records


def _matrix(matrix: Any) -> dict[str, Any]:
    return {str(number): matrix[:, number] for number in range(matrix.shape[1])}


def _of_matrix(columns: dict[str, Any], width: int) -> Any:
    return np.column_stack([columns[str(number)] for number in range(width)]).astype(np.float32)
