"""Configuration files: sound ones load, and each mistake is reported with its place."""

from __future__ import annotations

import copy
import json
import math
import pickle
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stations import ROOT, configs

from electra_core import BatteryConfig, ConfigError, ConnectorConfig, StationConfig, load_config

# The exercise's file with comments, which the exercise's own reader refuses.
EXERCISE = """
{
  "stationId": "ELECTRA_PARIS_15",
  "gridCapacity": 400, // kW
  /* three chargers */
  "chargers": [
    {"id": "CP001", "maxPower": 200, "connectors": 2},
    {"id": "CP002", "maxPower": 200, "connectors": 2},
    {"id": "CP003", "maxPower": 300, "connectors": 2},
  ],
  "battery": {"initialCapacity": 200, "power": 100},
}
"""
PLAIN: dict[str, Any] = {
    "stationId": "ELECTRA_PARIS_15",
    "gridCapacity": 400,
    "chargers": [
        {"id": "CP001", "maxPower": 200, "connectors": 2},
        {"id": "CP002", "maxPower": 200, "connectors": 2},
        {"id": "CP003", "maxPower": 300, "connectors": 2},
    ],
    "battery": {"initialCapacity": 200, "power": 100},
}


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "station.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def faults(source: Any) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_config(source)
    assert all(fault in str(caught.value) for fault in caught.value.faults)
    return list(caught.value.faults)


# Sound files


def test_exercise_file_with_comments_loads(tmp_path: Path) -> None:
    config = load_config(written(tmp_path, EXERCISE))
    assert config == load_config(PLAIN) == load_config(str(written(tmp_path, json.dumps(PLAIN))))
    assert config.station_id == "ELECTRA_PARIS_15"
    assert config.grid_capacity_kw == 400
    assert config.charger_kw == {"CP001": 200, "CP002": 200, "CP003": 300}
    assert list(config.connectors)[:3] == [("CP001", 1), ("CP001", 2), ("CP002", 1)]


def test_defaults_reproduce_the_exercise() -> None:
    config = load_config(PLAIN)
    assert config.static_load_kw == 0.0
    assert config.chargers[0].connectors == (ConnectorConfig(), ConnectorConfig())
    assert config.connectors["CP001", 1].max_power_kw is None
    battery = config.battery
    assert isinstance(battery, BatteryConfig)
    assert (battery.initial_capacity_kwh, battery.power_kw) == (200, 100)
    assert (battery.initial_soc, battery.min_soc, battery.max_soc) == (0, 0, 1)
    assert (battery.charge_power_kw, battery.discharge_power_kw) == (100, 100)
    assert (battery.charge_efficiency, battery.discharge_efficiency) == (1, 1)
    assert battery.rule == "hybrid"
    assert (battery.boost_from_soc, battery.recharge_free_share, battery.recharge_step_soc) == (0.2, 0.5, 0.1)


def test_defaults_have_no_losses_turns_modules_or_leases() -> None:
    config = load_config(PLAIN)
    assert (config.standing_kw, config.module_kw, config.module_hold) == (0, {}, {})
    assert set(config.efficiency.values()) == {1}
    assert (config.rotation_s, config.limit_lease_s, config.fail_safe_limit_kw) == (None, None, None)
    assert config.connectors["CP001", 1].fallback_power_kw == 0
    battery = config.battery
    assert isinstance(battery, BatteryConfig)
    assert (battery.reserve_soc, battery.comfort_power_kw, battery.recharge_share) == (0, 0, 1)


def test_optional_keys_written_out_at_their_defaults_change_nothing() -> None:
    station = {"staticLoad": 0, "controlInterval": 60, "rotation": None, "moduleHold": 30, "reclaimMargin": 2}
    leases = {"reclaimAfter": 60, "limitLease": None, "failSafeLimit": None}
    charger = {"efficiency": 1, "standbyPower": 0, "moduleSize": None, "moduleHold": None}
    battery = {"standbyPower": 0, "reserveSoc": 0, "comfortPower": 0, "rechargeShare": 1}
    chargers = [{**each, **charger} for each in PLAIN["chargers"]]
    written_out = {"chargers": chargers, "battery": {**PLAIN["battery"], **battery}}
    assert load_config({**PLAIN, **station, **leases, **written_out}) == load_config(PLAIN)


def test_module_hold_of_a_charger_overrides_the_stations() -> None:
    modules = [{**each, "moduleSize": 50} for each in PLAIN["chargers"]]
    modules[1]["moduleHold"] = 90
    config = load_config({**PLAIN, "moduleHold": 5, "chargers": modules})
    assert config.module_hold == {"CP001": 5, "CP002": 90, "CP003": 5}


@pytest.mark.parametrize("battery", [{}, {"battery": None}])
def test_station_without_a_battery_loads(battery: dict[str, None]) -> None:
    assert load_config({**{key: PLAIN[key] for key in PLAIN if key != "battery"}, **battery}).battery is None


def test_both_spellings_of_the_keys_load() -> None:
    snake = {
        "station_id": "ELECTRA_PARIS_15",
        "grid_capacity_kw": 400,
        "static_load_kw": 3,
        "chargers": [
            {"id": "CP001", "max_power_kw": 200, "connectors": [{"max_power_kw": 50, "min_power_kw": 5}]}
        ],
        "battery": {"initial_capacity_kwh": 200, "power_kw": 100, "charge_power_kw": 40, "min_soc": 0.1},
    }
    camel = {
        "stationId": "ELECTRA_PARIS_15",
        "gridCapacity": 400,
        "staticLoad": 3,
        "chargers": [{"id": "CP001", "maxPower": 200, "connectors": [{"maxPower": 50, "minPower": 5}]}],
        "battery": {"initialCapacity": 200, "power": 100, "chargePower": 40, "minSoc": 0.1},
    }
    assert load_config(snake) == load_config(camel)
    assert load_config(snake).battery.discharge_power_kw == 100


def test_file_with_byte_order_mark_and_accents_loads(tmp_path: Path) -> None:
    text = json.dumps({**PLAIN, "stationId": "Électra №15"}, ensure_ascii=False)
    assert load_config(written(tmp_path, b"\xef\xbb\xbf" + text.encode())).station_id == "Électra №15"


def test_configuration_is_frozen() -> None:
    config = load_config(PLAIN)
    with pytest.raises(ValueError, match="frozen"):
        config.grid_capacity_kw = 1  # type: ignore[misc]


@pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("*.json")), ids=lambda path: path.name)
def test_shipped_files_load(path: Path) -> None:
    assert load_config(path).connectors


# Mistakes and their exact places

MISSING = object()


def changed(place: tuple[str | int, ...], value: Any) -> dict[str, Any]:
    data = copy.deepcopy(PLAIN)
    part: Any = data
    for step in place[:-1]:
        part = part[step]
    if value is MISSING:
        del part[place[-1]]
    else:
        part[place[-1]] = value
    return data


@pytest.mark.parametrize(
    ("place", "value", "fault"),
    [
        (("stationId",), MISSING, "stationId: is missing"),
        (("stationId",), "", "stationId: must not be empty"),
        (("stationId",), 15, "stationId: must be text in quotes, got 15"),
        (("gridCapacity",), MISSING, "gridCapacity: is missing"),
        (("gridCapacity",), "400", 'gridCapacity: must be a number, got "400"'),
        (("gridCapacity",), True, "gridCapacity: must be a number, got true"),
        (("gridCapacity",), None, "gridCapacity: must be a number, got null"),
        (("gridCapacity",), -1, "gridCapacity: must be 0 or more, got -1"),
        (("gridCapacity",), math.nan, "gridCapacity: must be a finite number, got nan"),
        (("gridCapacity",), math.inf, "gridCapacity: must be a finite number, got inf"),
        (("gridCapacity",), 10**400, "gridCapacity: must be a number, got 1000"),
        (("gridCapacity",), 10**5000, "gridCapacity: must be a number"),
        (("staticLoad",), -3, "staticLoad: must be 0 or more, got -3"),
        (("chargers",), MISSING, "chargers: is missing"),
        (("chargers",), [], "chargers: must have at least one charger, got []"),
        (("chargers",), {"id": "CP1"}, "chargers: must be a list"),
        (("chargers", 1), "CP002", 'chargers[1]: must be an object in braces, got "CP002"'),
        (("chargers", 1, "id"), "CP001", "chargers[1].id: 'CP001' is the id of chargers[0] too"),
        (("chargers", 1, "id"), MISSING, "chargers[1].id: is missing"),
        (("chargers", 1, "maxPower"), -5, "chargers[1].maxPower: must be greater than 0, got -5"),
        (("chargers", 1, "maxPower"), 0, "chargers[1].maxPower: must be greater than 0, got 0"),
        (("chargers", 1, "maxPower"), -math.inf, "chargers[1].maxPower: must be a finite number, got -inf"),
        (("chargers", 1, "connectors"), 0, "chargers[1].connectors: must be from 1 to 1000, got 0"),
        (("chargers", 1, "connectors"), [], "chargers[1].connectors: must have at least 1 entry, got []"),
        (
            ("chargers", 1, "connectors"),
            2.5,
            "chargers[1].connectors: must be a number of connectors or a list",
        ),
        (
            ("chargers", 1, "connectors"),
            True,
            "chargers[1].connectors: must be a number of connectors or a list",
        ),
        (("chargers", 1, "connectors"), 10**5000, "chargers[1].connectors: must be from 1 to 1000"),
        (
            ("chargers", 1, "connectors"),
            [{}, {"maxPower": 0}],
            "chargers[1].connectors[1].maxPower: must be greater than 0, got 0",
        ),
        (
            ("chargers", 1, "connectors"),
            [{"maxPower": 50, "minPower": 60}],
            "chargers[1].connectors[0].minPower: must not be above maxPower 50, got 60",
        ),
        (("chargers", 1, "connectors"), [{"minPower": 201}], "chargers[1].connectors"),
        (("chargers", 2, "maxpower"), 7, "chargers[2].maxpower: unknown key, did you mean 'maxPower'?"),
        (("gridCapcity",), 7, "gridCapcity: unknown key, did you mean 'gridCapacity'?"),
        (("zzz",), 7, "zzz: unknown key; known are stationId, gridCapacity, chargers"),
        (("grid_capacity_kw",), 7, "grid_capacity_kw: is the same as gridCapacity; give one of them"),
        (("battery",), 200, "battery: must be an object in braces, got 200"),
        (("battery", "initialCapacity"), 0, "battery.initialCapacity: must be greater than 0, got 0"),
        (("battery", "power"), MISSING, "battery.power: is missing"),
        (("battery", "power"), -1, "battery.power: must be 0 or more, got -1"),
        (("battery", "initialSoc"), 50, "battery.initialSoc: must be 1 or less, got 50"),
        (("battery", "minSoc"), -0.1, "battery.minSoc: must be 0 or more, got -0.1"),
        (("battery", "chargeEfficiency"), 0, "battery.chargeEfficiency: must be greater than 0, got 0"),
        (("battery", "rule"), "other", "battery.rule: must be 'hybrid' or 'whole_session', got \"other\""),
        (("rotation",), 0, "rotation: must be 1 or more, got 0"),
        (("rotation",), "90", 'rotation: must be a number, got "90"'),
        (("moduleHold",), -1, "moduleHold: must be 0 or more, got -1"),
        (("reclaimMargin",), 0, "reclaimMargin: must be greater than 0, got 0"),
        (("reclaimAfter",), -1, "reclaimAfter: must be 0 or more, got -1"),
        (("limitLease",), 0, "limitLease: must be 1 or more, got 0"),
        (("failSafeLimit",), -1, "failSafeLimit: must be 0 or more, got -1"),
        (("failSafeLimit",), math.nan, "failSafeLimit: must be a finite number, got nan"),
        (("chargers", 1, "id"), "battery", "chargers[1].id: must not be 'battery', which is what"),
        (("chargers", 1, "efficiency"), 0, "chargers[1].efficiency: must be 0.01 or more, got 0"),
        (("chargers", 1, "efficiency"), 1.5, "chargers[1].efficiency: must be 1 or less, got 1.5"),
        (("chargers", 1, "efficiency"), "high", 'chargers[1].efficiency: must be a number, got "high"'),
        (("chargers", 1, "standbyPower"), -1, "chargers[1].standbyPower: must be 0 or more, got -1"),
        (("chargers", 1, "moduleSize"), 0, "chargers[1].moduleSize: must be 0.001 or more, got 0"),
        (
            ("chargers", 1, "moduleSize"),
            201,
            "chargers[1].moduleSize: must not be above maxPower 200, got 201",
        ),
        (("chargers", 1, "moduleSize"), 0.1, "chargers[1].moduleSize: must leave at most 1000 modules"),
        (("chargers", 1, "moduleHold"), -1, "chargers[1].moduleHold: must be"),
        (
            ("chargers", 1),
            {"id": "CP2", "maxPower": 200, "moduleSize": 75, "connectors": [{}, {"minPower": 160}]},
            "chargers[1].moduleSize: leaves whole modules for 150 kW, less than minPower of connector 2",
        ),
        (
            ("chargers", 1, "connectors"),
            [{"fallbackPower": -1}],
            "chargers[1].connectors[0].fallbackPower: must be 0 or more, got -1",
        ),
        (("battery", "standbyPower"), -1, "battery.standbyPower: must be 0 or more, got -1"),
        (("battery", "reserveSoc"), 1.5, "battery.reserveSoc: must be 1 or less, got 1.5"),
        (("battery", "comfortPower"), -1, "battery.comfortPower: must be 0 or more, got -1"),
        (("battery", "rechargeShare"), 2, "battery.rechargeShare: must be 1 or less, got 2"),
        (("battery", "initialsoc"), 0.5, "battery.initialsoc: unknown key, did you mean 'initialSoc'?"),
    ],
    ids=lambda value: "-".join(map(str, value)) if isinstance(value, tuple) else "",
)
def test_mistake_is_reported_with_its_place(place: tuple[str | int, ...], value: Any, fault: str) -> None:
    found = faults(changed(place, value))
    assert len(found) == 1
    assert found[0].startswith(fault)


@pytest.mark.parametrize("key", ["minSoc", "initialSoc", "reserveSoc"])
def test_soc_above_max_soc_is_refused(key: str) -> None:
    battery = {**PLAIN["battery"], key: 0.9, "maxSoc": 0.8}
    assert faults({**PLAIN, "battery": battery}) == [f"battery.{key}: must not be above maxSoc 0.8, got 0.9"]


def test_place_of_a_mistake_uses_the_spelling_of_the_file() -> None:
    data = {
        "station_id": "S",
        "grid_capacity_kw": -1,
        "chargers": [{"id": "C", "max_power_kw": 0, "connectors": 1}],
    }
    assert faults(data) == [
        "grid_capacity_kw: must be 0 or more, got -1",
        "chargers[0].max_power_kw: must be greater than 0, got 0",
    ]


def test_all_mistakes_are_reported_at_once() -> None:
    data = {
        "stationId": "",
        "gridCapacity": -1,
        "colour": "red",
        "chargers": [
            {"id": "A", "maxPower": 0, "connectors": 2},
            {"id": "A", "maxPower": 10, "connectors": [{"maxPower": -1}]},
            7,
        ],
        "battery": {"power": "big"},
    }
    places = {fault.partition(":")[0] for fault in faults(data)}
    assert places == {
        "stationId",
        "gridCapacity",
        "colour",
        "chargers[0].maxPower",
        "chargers[1].id",
        "chargers[1].connectors[0].maxPower",
        "chargers[2]",
        "battery.initialCapacity",
        "battery.power",
    }


def test_all_mistakes_in_optional_keys_are_reported_at_once() -> None:
    data = {
        **PLAIN,
        "rotation": 0,
        "moduleHold": -1,
        "reclaimMargin": 0,
        "reclaimAfter": -1,
        "limitLease": 0,
        "failSafeLimit": -1,
        "chargers": [
            {"id": "battery", "maxPower": 200, "connectors": [{"fallbackPower": -1}], "moduleSize": 0},
            {"id": "A", "maxPower": 200, "connectors": 2, "efficiency": 0, "standbyPower": -1},
            {"id": "B", "maxPower": 200, "connectors": 2, "efficiency": 1.5, "moduleSize": 201},
            {"id": "C", "maxPower": 200, "connectors": 2, "efficiency": "high", "moduleHold": -1},
            {"id": "D", "maxPower": 200, "connectors": [{"maxPower": 50, "fallbackPower": 60}]},
        ],
        "battery": {
            **PLAIN["battery"],
            "maxSoc": 0.8,
            "reserveSoc": 0.9,
            "comfortPower": -1,
            "rechargeShare": 2,
            "standbyPower": -1,
        },
    }
    assert sorted(fault.partition(":")[0] for fault in faults(data)) == [
        "battery.comfortPower",
        "battery.rechargeShare",
        "battery.reserveSoc",
        "battery.standbyPower",
        "chargers[0].connectors[0].fallbackPower",
        "chargers[0].id",
        "chargers[0].moduleSize",
        "chargers[1].efficiency",
        "chargers[1].standbyPower",
        "chargers[2].efficiency",
        "chargers[2].moduleSize",
        "chargers[3].efficiency",
        "chargers[3].moduleHold",
        "chargers[4].connectors[0].fallbackPower",
        "failSafeLimit",
        "limitLease",
        "moduleHold",
        "reclaimAfter",
        "reclaimMargin",
        "rotation",
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "the file is empty"),
        (" \n", "the file is empty"),
        ("{", "not JSON"),
        ("hello", "not JSON"),
        ("[1, 2", "not JSON"),
        ('{\n"stationId": }', "line 2, column"),
        ('{"stationId": "A", "stationId": "B"}', "stationId: is given twice"),
        (b"\xff\xfe\x00", "not UTF-8"),
        ("[" * 100_000, "not JSON"),
        ("[]", "the configuration: must be an object in braces"),
        ("null", "the configuration: must be an object in braces"),
        ('{"gridCapacity": 1e400}', "gridCapacity: must be a finite number"),
        ('{"gridCapacity": ' + "9" * 5000 + "}", "configuration"),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_file_that_is_no_configuration_is_refused(tmp_path: Path, text: str | bytes, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        load_config(written(tmp_path, text))


def test_unreadable_files_are_refused(tmp_path: Path) -> None:
    assert "there is no file" in faults(tmp_path / "none.json")[0]
    assert "cannot be read" in faults(tmp_path)[0]
    assert "cannot be read" in faults("a\0b")[0]


@pytest.mark.parametrize("source", [None, 5, [], b"{}", object()], ids=lambda value: type(value).__name__)
def test_source_of_another_type_is_refused(source: Any) -> None:
    assert "expected a path or a mapping" in faults(source)[0]


# Damaged files load or raise a ConfigError

FILES = [path.read_text(encoding="utf-8") for path in sorted((ROOT / "configs").glob("*.json"))] + [EXERCISE]


def assert_loads_or_says_why(source: Path | dict[str, Any]) -> None:
    try:
        assert isinstance(load_config(source), StationConfig)
    except ConfigError as error:
        found = error
    else:
        return
    assert found.faults
    assert str(found)


@given(data=st.data(), text=st.sampled_from(FILES))
@settings(max_examples=max(250, settings().max_examples))
def test_damaged_text_loads_or_raises_config_error(
    tmp_path_factory: Any, data: st.DataObject, text: str
) -> None:
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        end = start + data.draw(st.sampled_from([0, 0, 1, 2, 9, 40]))
        patch = st.sampled_from(
            [*'{}[]",:/*-\\', "0", "1e999", "NaN", "null", "true", "'", "\n", "é", "\0", "//", "id"]
        )
        text = text[:start] + data.draw(patch | st.text(max_size=3).filter(is_unicode)) + text[end:]
    path = written(tmp_path_factory.getbasetemp(), text)
    assert_loads_or_says_why(path)


def is_unicode(text: str) -> bool:
    return not any("\ud800" <= letter <= "\udfff" for letter in text)


strange: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.binary(max_size=3)
    | st.sampled_from([10**400, 1j, object(), Path("x"), 0, -1, 1e9, 1e308, "\ud800", {1, 2}])
    # Drawn, not listed: hypothesis shows its lists, and Python shows no number of 5,000 digits.
    | st.none().map(lambda _: -(10**5000)),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4) | st.integers(), inner, max_size=3)
    ),
    max_leaves=5,
)


def places_of(data: Any, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [place, *(found for key, value in inner for found in places_of(value, (*place, key)))]


@given(config=configs(), data=st.data())
@settings(max_examples=max(250, settings().max_examples))
def test_damaged_mapping_loads_or_raises_config_error(config: dict[str, Any], data: st.DataObject) -> None:
    assert isinstance(load_config(config), StationConfig)
    config = copy.deepcopy(config)
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.sampled_from(places_of(config)[1:] or [("x",)]))
        part: Any = config
        for step in place[:-1]:
            part = part[step]
        what = data.draw(st.sampled_from(["replace", "replace", "remove", "add"]))
        if what == "replace" or isinstance(part, list):
            part[place[-1]] = data.draw(strange)
        elif what == "remove":
            del part[place[-1]]
        else:
            part[data.draw(st.text(max_size=4) | st.integers() | st.none())] = data.draw(strange)
    assert_loads_or_says_why(config)


def test_config_error_survives_pickle_and_copy() -> None:
    with pytest.raises(ConfigError) as caught:
        load_config({**PLAIN, "gridCapacity": -1, "rotation": 0})
    error = caught.value
    assert str(error).startswith("configuration: 2 faults in the configuration\ngridCapacity: must be")
    for again in (pickle.loads(pickle.dumps(error)), copy.deepcopy(error)):
        assert (type(again), str(again)) == (ConfigError, str(error))
        assert (again.source, again.faults) == ("configuration", error.faults)


def test_repeated_keys_of_a_file_are_reported_by_place(tmp_path: Path) -> None:
    chargers = '"chargers": [{"id": "A", "id": "B", "maxPower": 1, "connectors": 1}]'
    text = '{"stationId": "S", "gridCapacity": 1, "gridCapacity": 2, ' + chargers + "}"
    assert faults(written(tmp_path, text)) == ["gridCapacity: is given twice, and so is chargers[0].id"]
