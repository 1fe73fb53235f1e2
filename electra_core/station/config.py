"""A station's configuration: the file, read and checked.

The format is the exercise's (camelCase keys, kW and kWh), with comments and trailing commas allowed. In
Python the attributes are snake_case with their units; files may use either spelling.
"""

from __future__ import annotations

import functools
import math
import numbers
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, ValidationError, ValidationInfo, field_validator, model_validator

from electra_core.errors import UnknownChargerError, UnknownConnectorError, shortened
from electra_core.station.config_errors import ConfigError, ConfigMistake, find_twin_spellings, mistake_of
from electra_core.station.config_parts import (
    Amount,
    BatteryConfig,
    ChargerConfig,
    ConfigPart,
    ConnectorConfig,
    HoldSeconds,
    Name,
    Number,
    Power,
    Seconds,
)
from electra_core.station.json_file import JsonFileError, read_json

PACKAGE = Path(__file__).parents[1]

# A share of a limit that rounding may take.
ROUNDING = 1e-12


def _not_empty(value: object) -> object:
    if isinstance(value, list | tuple) and not value:
        raise ValueError("must have at least one charger")
    return value


def _twin_ids(ids: Sequence[object]) -> Iterator[ConfigMistake]:
    first: dict[str, int] = {}
    for index, name in enumerate(ids):
        if isinstance(name, str) and first.setdefault(name, index) != index:
            yield ConfigMistake(f"chargers[{index}].id", f"{name!r} is the id of chargers[{first[name]}] too")


class StationConfig(ConfigPart):
    """A station: a grid connection, its chargers, and perhaps a battery.

    Attributes
    ----------
    station_id : name of the station
    grid_capacity_kw : kW that the grid connection can import
    static_load_kw : kW that the site itself takes, before any car
    chargers : at least one
    battery : None: the station has none
    control_interval_s : s; a decision holds at most this long while a car moves along its curve
    rotation_s : s of a turn, when some sessions must wait for their least useful power and all take turns;
        None: the sessions that came last wait
    module_hold_s : s that a better assignment of power modules must last before one changes hands
    reclaim_margin_kw : kW; a car that draws less than its offer by more than this frees the rest
    reclaim_after_s : s that it must have done so; and s from one step to the next when it gets it back
    limit_lease_s : s; a site limit or a meter reading that is older counts as silent; None: never
    fail_safe_limit_kw : import limit while one of them is silent, kW

    A connector's ``fallback_power_kw`` is meant for the same silence, on the charger's end of the line;
    together they must not exceed ``fail_safe_limit_kw``. The static load needs room in that limit too,
    which is not checked because this load changes.
    """

    station_id: Name
    grid_capacity_kw: Amount
    chargers: Annotated[tuple[ChargerConfig, ...], BeforeValidator(_not_empty)]
    battery: BatteryConfig | None = None
    static_load_kw: Amount = 0.0
    control_interval_s: Annotated[Number, Field(ge=1, le=3600)] = 60.0
    rotation_s: Seconds | None = None
    module_hold_s: HoldSeconds = 30.0
    reclaim_margin_kw: Power = 2.0
    reclaim_after_s: HoldSeconds = 60.0
    limit_lease_s: Seconds | None = None
    fail_safe_limit_kw: Annotated[Amount | None, Field(validate_default=True)] = None

    @field_validator("fail_safe_limit_kw")
    @classmethod
    def _check_fail_safe_limit(cls, limit_kw: float | None, info: ValidationInfo) -> float | None:
        if limit_kw is None and info.data.get("limit_lease_s") is not None:
            raise ValueError("must be given where limitLease is, got nothing")
        connectors = [each for charger in info.data.get("chargers", ()) for each in charger.connectors]
        fallback_kw = math.fsum(each.fallback_power_kw for each in connectors)
        if limit_kw is not None and fallback_kw > limit_kw * (1.0 + ROUNDING):
            words = f"must carry the connectors' fallbackPower, {fallback_kw:g} together"
            raise ValueError(f"{words}, got {limit_kw:g}")
        return limit_kw

    @functools.cached_property
    def standing_kw(self) -> float:
        """Return the power that chargers and battery take from the site at all times, kW."""
        battery_kw = self.battery.standby_power_kw if self.battery else 0.0
        return math.fsum([battery_kw, *(charger.standby_power_kw for charger in self.chargers)])

    @functools.cached_property
    def efficiency(self) -> Mapping[str, float]:
        """Return the efficiency of each charger, 0 to 1."""
        return {charger.id: charger.efficiency for charger in self.chargers}

    @functools.cached_property
    def module_kw(self) -> Mapping[str, float]:
        """Return the size of the power modules of each charger that has them, kW."""
        return {charger.id: charger.module_size_kw for charger in self.chargers if charger.module_size_kw}

    @functools.cached_property
    def module_hold(self) -> Mapping[str, float]:
        """Return how long a better assignment of modules must last at each charger that has them, s."""
        holds_s = {charger.id: charger.module_hold_s for charger in self.chargers if charger.module_size_kw}
        return {name: self.module_hold_s if own_s is None else own_s for name, own_s in holds_s.items()}

    @functools.cached_property
    def connectors(self) -> Mapping[tuple[str, int], ConnectorConfig]:
        """Return the connectors by charger id and number, which counts from 1."""
        return {
            (charger.id, number): connector
            for charger in self.chargers
            for number, connector in enumerate(charger.connectors, start=1)
        }

    @functools.cached_property
    def charger_kw(self) -> Mapping[str, float]:
        """Return the limit of each charger, kW."""
        return {charger.id: charger.max_power_kw for charger in self.chargers}

    def known_charger(self, charger_id: str) -> str:
        """Return a charger's id, or raise an `UnknownChargerError`."""
        if not isinstance(charger_id, str) or charger_id not in self.charger_kw:
            raise UnknownChargerError(
                f"there is no charger {shortened(charger_id)} at {self.station_id};"
                f" it has {', '.join(self.charger_kw)}"
            )
        return charger_id

    def known_connector(self, charger_id: str, connector: int) -> tuple[str, int]:
        """Return a charger's id and a number of its connectors, or raise an `UnknownConnectorError`."""
        charger_id = self.known_charger(charger_id)
        if isinstance(connector, bool) or not isinstance(connector, numbers.Integral):
            raise UnknownConnectorError(f"a connector is a whole number, got {shortened(connector)}")
        connector_id = (charger_id, int(connector))
        if connector_id not in self.connectors:
            count = sum(1 for each_id, _ in self.connectors if each_id == charger_id)
            words = f"{charger_id} has connectors 1 to {count}, not {shortened(connector)}"
            raise UnknownConnectorError(words)
        return connector_id

    @model_validator(mode="after")
    def _check_ids(self) -> Self:
        for twin in _twin_ids([charger.id for charger in self.chargers]):
            raise ValueError(str(twin))
        return self


def load_config(source: str | os.PathLike[str] | Mapping[str, Any] | StationConfig) -> StationConfig:
    """Read and check a station's configuration.

    Parameters
    ----------
    source : path of a JSON file (comments and trailing commas allowed), name of a shipped configuration
        (``electra_paris_15``; a file of that name comes first), or the content as a mapping; a
        configuration is returned as it is

    Raises
    ------
    ConfigError
        With every mistake at once and its place; also when the file is missing, empty or not JSON.

    Examples
    --------
    >>> load_config("electra_paris_15").grid_capacity_kw
    400.0
    >>> charger = {"id": "CP1", "maxPower": 200, "connectors": 2}
    >>> config = load_config({"stationId": "Paris", "gridCapacity": 400, "chargers": [charger]})
    >>> config.chargers[0].max_power_kw
    200.0
    >>> load_config({"stationId": "Paris", "gridCapacity": -1, "chargers": [charger]})
    Traceback (most recent call last):
    ...
    electra_core.station.config_errors.ConfigError: configuration: 1 fault in the configuration
    gridCapacity: must be 0 or more, got -1
    """
    if isinstance(source, StationConfig):
        return source
    name, data = "configuration", source
    if isinstance(source, str | os.PathLike):
        path = _path_of(source)
        name = path.name or str(path)
        try:
            data = read_json(path)
        except JsonFileError as error:
            raise ConfigError(name, [ConfigMistake(error.place, error.sentence)]) from None
    elif not isinstance(source, Mapping):
        words = f"expected a path or a mapping, got {type(source).__name__}"
        raise ConfigError(name, [ConfigMistake("", words)])
    config, mistakes = None, []
    try:
        mistakes = [*find_twin_spellings(data), *_twin_ids(_raw_ids(data))]
        config = StationConfig.model_validate(data)
    except ValidationError as error:
        mistakes += [mistake_of(found, data, StationConfig) for found in error.errors()]
    except RecursionError:
        mistakes += [ConfigMistake("", "nested too deeply")]
    if config is None or mistakes:
        raise ConfigError(name, mistakes)
    return config


def shipped(name: str) -> Path:
    """Return the path of a shipped file or folder: ``configs``, ``notebooks/station.ipynb``, ``voila.json``.

    An installed package has it in its ``data``; in a checkout it lies at the top of the repository.
    """
    installed = PACKAGE / "data" / name
    return installed if installed.exists() else PACKAGE.parent / name


def _path_of(source: str | os.PathLike[str]) -> Path:
    """Return the file of a configuration that is given as a path, or by the name of a shipped one."""
    path, known = Path(source), {file.stem: file for file in sorted(shipped("configs").glob("*.json"))}
    if os.path.exists(source) or path.suffix or len(path.parts) != 1 or not path.name.isprintable():
        return path
    if path.name not in known:
        words = f"there is no file {str(path)!r}, and no shipped configuration of this name"
        raise ConfigError(path.name, [ConfigMistake("", f"{words}; shipped are {', '.join(known)}")])
    return known[path.name]


def _raw_ids(data: object) -> list[object]:
    """Return the ids as they stand in the data, sound or not: other mistakes must not hide twins."""
    chargers = data.get("chargers") if isinstance(data, Mapping) else None
    if not isinstance(chargers, list | tuple):
        return []
    return [charger.get("id") if isinstance(charger, Mapping) else None for charger in chargers]
