"""What a station is made of: the configuration file, checked.

The file is the one that the exercise came with (camelCase keys, kW and kWh), with comments and trailing
commas allowed. In Python the attributes are snake_case with their units; files may use either spelling.
"""

from __future__ import annotations

import functools
import math
import numbers
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from electra_core.allocation import BATTERY, MAX_MODULES, MIN_EFFICIENCY, MIN_MODULE_KW
from electra_core.errors import UnknownChargerError, UnknownConnectorError, is_finite, shortened
from electra_core.station.config_errors import ConfigError, Fault, camel, fault_of, keys_given_twice
from electra_core.station.json_file import read_json
from electra_core.station.shipped import shipped_configs

MAX_CONNECTORS = 1000
MAX_AMOUNT = 1e9
MAX_SECONDS = 366 * 86_400.0

# A share of a limit that rounding may take, and in kW for a number of modules.
ROUNDING = 1e-12
MODULE_ROUNDING = 1e-9


Name = Annotated[str, StringConstraints(strict=True, strip_whitespace=True, min_length=1, max_length=200)]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Power = Annotated[Number, Field(gt=0, le=MAX_AMOUNT)]
Amount = Annotated[Number, Field(ge=0, le=MAX_AMOUNT)]
Share = Annotated[Number, Field(ge=0, le=1)]
Efficiency = Annotated[Number, Field(gt=0, le=1)]
Seconds = Annotated[Number, Field(ge=1, le=MAX_SECONDS)]


class _Part(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=camel, populate_by_name=True, hide_input_in_errors=True
    )


class ConnectorConfig(_Part):
    """One plug.

    Attributes
    ----------
    max_power_kw : kW; None: no limit but the charger's
    min_power_kw : least useful power, kW; a car that cannot have it waits
    fallback_power_kw : what the plug gives by itself when it hears nothing from the station, kW
    """

    max_power_kw: Power | None = None
    min_power_kw: Amount = 0.0
    fallback_power_kw: Amount = 0.0

    @field_validator("min_power_kw", "fallback_power_kw")
    @classmethod
    def _fits(cls, value: float, info: ValidationInfo) -> float:
        return _at_most(value, "maxPower", info.data.get("max_power_kw"))


def _at_most(value: float, name: str, highest: float | None) -> float:
    if highest is not None and value > highest:
        raise ValueError(f"must not be above {name} {highest:g}, got {value:g}")
    return value


def _plugs(value: object) -> object:
    """A number of connectors is that many plugs without limits of their own."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        if not 1 <= value <= MAX_CONNECTORS:
            raise ValueError(f"must be from 1 to {MAX_CONNECTORS}")
        return [ConnectorConfig()] * value
    if isinstance(value, list | tuple):
        return value
    raise ValueError("must be a number of connectors or a list of them")


Connectors = tuple[ConnectorConfig, ...]


class ChargerConfig(_Part):
    """A charger whose connectors share its power.

    Attributes
    ----------
    id : name of the charger, unique at the station
    max_power_kw : kW that its connectors share, on the cars' side
    connectors : in the order of their numbers, the first is number 1
    efficiency : what reaches the cars for what the charger takes from the site, 0 to 1
    standby_power_kw : what the charger itself takes from the site at all times, kW
    module_size_kw : kW of one power module; each connector gets whole modules. None: any power
    module_hold_s : s that a better assignment of modules must last; None: the station's
    """

    id: Name
    max_power_kw: Power
    connectors: Annotated[Connectors, BeforeValidator(_plugs), Field(min_length=1, max_length=MAX_CONNECTORS)]
    efficiency: Annotated[Number, Field(ge=MIN_EFFICIENCY, le=1)] = 1.0
    standby_power_kw: Amount = 0.0
    module_size_kw: Annotated[Number, Field(ge=MIN_MODULE_KW, le=MAX_AMOUNT)] | None = None
    module_hold_s: Annotated[Number, Field(ge=0, le=MAX_SECONDS)] | None = None

    @field_validator("id")
    @classmethod
    def _is_not_the_battery(cls, name: str) -> str:
        if name == BATTERY:
            raise ValueError(f"must not be {BATTERY!r}, which is what the station's battery is called")
        return name

    @field_validator("connectors")
    @classmethod
    def _plugs_fit(cls, plugs: Connectors, info: ValidationInfo) -> Connectors:
        charger_kw = info.data.get("max_power_kw")
        for number, plug in enumerate(plugs, start=1):
            for name, kw in (("minPower", plug.min_power_kw), ("fallbackPower", plug.fallback_power_kw)):
                _at_most(kw, f"({name} of connector {number}) the charger's maxPower", charger_kw)
        return plugs

    @field_validator("module_size_kw")
    @classmethod
    def _modules_fit(cls, size_kw: float | None, info: ValidationInfo) -> float | None:
        charger_kw = info.data.get("max_power_kw")
        if size_kw is None or charger_kw is None:
            return size_kw
        _at_most(size_kw, "maxPower", charger_kw)
        if charger_kw / size_kw > MAX_MODULES:
            raise ValueError(f"must leave at most {MAX_MODULES} modules, got {charger_kw / size_kw:g}")
        whole_kw = MODULE_ROUNDING + charger_kw // size_kw * size_kw
        for number, plug in enumerate(info.data.get("connectors", ()), start=1):
            if plug.min_power_kw > whole_kw:
                raise ValueError(
                    f"leaves whole modules for {whole_kw:g} kW, less than minPower of connector {number}"
                )
        return size_kw


class BatteryConfig(_Part):
    """The station's own storage.

    Attributes
    ----------
    initial_capacity_kwh : energy of the full battery, kWh (the file's word for it is ``initialCapacity``)
    power_kw : kW in both directions, unless one is given by itself
    charge_power_kw, discharge_power_kw : kW on the station's side
    standby_power_kw : what the battery itself takes from the site at all times, kW
    max_soc, min_soc, initial_soc : 0 to 1; the battery may start below its floor, and fills first
    reserve_soc : 0 to 1; below it the battery is kept for those who would get less than comfort_power_kw
    comfort_power_kw : kW up to which the battery lifts a session from its reserve
    recharge_share : 0 to 1; the battery takes at most this share of the site limit
    charge_efficiency, discharge_efficiency : energy that arrives for energy sent, 0 to 1
    rule : ``hybrid``: sessions are fed by grid and battery together; ``whole_session``: the exercise's rule
    boost_from_soc : exercise's rule: a newcomer is carried by the battery only from this SoC on
    recharge_free_share : exercise's rule: the battery gains when at least this share of the grid is free
    recharge_step_soc : exercise's rule: SoC gained at each arrival or departure

    The reserve and the recharge share belong to the rule ``hybrid``.
    """

    initial_capacity_kwh: Power
    power_kw: Amount
    charge_power_kw: Amount
    discharge_power_kw: Amount
    max_soc: Share = 1.0
    min_soc: Share = 0.0
    initial_soc: Share = 0.0
    reserve_soc: Share = 0.0
    comfort_power_kw: Amount = 0.0
    recharge_share: Share = 1.0
    standby_power_kw: Amount = 0.0
    charge_efficiency: Efficiency = 1.0
    discharge_efficiency: Efficiency = 1.0
    rule: Literal["hybrid", "whole_session"] = "hybrid"
    boost_from_soc: Share = 0.2
    recharge_free_share: Share = 0.5
    recharge_step_soc: Share = 0.1

    @model_validator(mode="before")
    @classmethod
    def _power_in_both_directions(cls, data: object) -> object:
        if not isinstance(data, Mapping):
            return data
        both = data.get("power", data.get("power_kw"))
        filled = dict(data)
        for alias, name in (("chargePower", "charge_power_kw"), ("dischargePower", "discharge_power_kw")):
            # Where `power` itself is at fault one report of it is enough.
            if alias not in filled and name not in filled:
                filled[alias] = both if is_finite(both) and 0.0 <= both <= MAX_AMOUNT else 0.0
        return filled

    @field_validator("min_soc", "initial_soc", "reserve_soc")
    @classmethod
    def _below_the_top(cls, value: float, info: ValidationInfo) -> float:
        return _at_most(value, "maxSoc", info.data.get("max_soc"))


def _not_empty(value: object) -> object:
    if isinstance(value, list | tuple) and not value:
        raise ValueError("must have at least one charger")
    return value


def _twin_ids(ids: Sequence[object]) -> Iterator[Fault]:
    first: dict[str, int] = {}
    for index, name in enumerate(ids):
        if isinstance(name, str) and first.setdefault(name, index) != index:
            yield Fault(f"chargers[{index}].id", f"{name!r} is the id of chargers[{first[name]}] too")


class StationConfig(_Part):
    """A station: grid connection, chargers, and perhaps a battery.

    Attributes
    ----------
    station_id : name of the station
    grid_capacity_kw : what the grid connection can import, kW
    static_load_kw : kW that the site itself takes, before any car
    chargers : at least one
    battery : None where there is none
    control_interval_s : s; a decision holds at most this long while a car moves along its curve
    rotation_s : s; where some must wait for their least useful power, they take turns this long; None:
        who came later waits
    module_hold_s : s that a better assignment of power modules must last before one changes hands
    reclaim_margin_kw : kW; a car that takes less than its offer by more than this frees the rest
    reclaim_after_s : s that it must have done so; and s from one step to the next when it gets it back
    limit_lease_s : s; a site limit or a meter reading that is older counts as silent; None: never
    fail_safe_limit_kw : import limit while one of them is silent, kW

    A plug's ``fallback_power_kw`` is meant for the same silence, on its side of the wire; together they
    must not exceed ``fail_safe_limit_kw``. Leave room for the static load in it: that is not checked,
    because this load changes.
    """

    station_id: Name
    grid_capacity_kw: Amount
    chargers: Annotated[tuple[ChargerConfig, ...], BeforeValidator(_not_empty)]
    battery: BatteryConfig | None = None
    static_load_kw: Amount = 0.0
    control_interval_s: Annotated[Number, Field(ge=1, le=3600)] = 60.0
    rotation_s: Seconds | None = None
    module_hold_s: Annotated[Number, Field(ge=0, le=MAX_SECONDS)] = 30.0
    reclaim_margin_kw: Power = 2.0
    reclaim_after_s: Annotated[Number, Field(ge=0, le=MAX_SECONDS)] = 60.0
    limit_lease_s: Seconds | None = None
    fail_safe_limit_kw: Annotated[Amount | None, Field(validate_default=True)] = None

    @field_validator("fail_safe_limit_kw")
    @classmethod
    def _is_safe(cls, limit_kw: float | None, info: ValidationInfo) -> float | None:
        if limit_kw is None and info.data.get("limit_lease_s") is not None:
            raise ValueError("must be given where limitLease is, got nothing")
        chargers = info.data.get("chargers", ())
        plugs_kw = math.fsum(plug.fallback_power_kw for charger in chargers for plug in charger.connectors)
        if limit_kw is not None and plugs_kw > limit_kw * (1.0 + ROUNDING):
            raise ValueError(
                f"must carry the connectors' fallbackPower, {plugs_kw:g} together, got {limit_kw:g}"
            )
        return limit_kw

    @functools.cached_property
    def standing_kw(self) -> float:
        """What chargers and battery take from the site at all times, kW."""
        battery_kw = self.battery.standby_power_kw if self.battery else 0.0
        return math.fsum([battery_kw, *(charger.standby_power_kw for charger in self.chargers)])

    @functools.cached_property
    def efficiency(self) -> Mapping[str, float]:
        """Efficiency of each charger, 0 to 1."""
        return {charger.id: charger.efficiency for charger in self.chargers}

    @functools.cached_property
    def module_kw(self) -> Mapping[str, float]:
        """Size of the power modules of each charger that has them, kW."""
        return {charger.id: charger.module_size_kw for charger in self.chargers if charger.module_size_kw}

    @functools.cached_property
    def module_hold(self) -> Mapping[str, float]:
        """How long a better assignment of modules must last at each charger that has them, s."""
        return {
            charger.id: self.module_hold_s if charger.module_hold_s is None else charger.module_hold_s
            for charger in self.chargers
            if charger.module_size_kw
        }

    @functools.cached_property
    def plugs(self) -> Mapping[tuple[str, int], ConnectorConfig]:
        """Connectors by charger id and number, which counts from 1."""
        return {
            (charger.id, number): plug
            for charger in self.chargers
            for number, plug in enumerate(charger.connectors, start=1)
        }

    @functools.cached_property
    def charger_kw(self) -> Mapping[str, float]:
        """Limit of each charger, kW."""
        return {charger.id: charger.max_power_kw for charger in self.chargers}

    def known_charger(self, charger_id: str) -> str:
        """A charger's id, or an `UnknownChargerError`."""
        if not isinstance(charger_id, str) or charger_id not in self.charger_kw:
            raise UnknownChargerError(
                f"there is no charger {shortened(charger_id)} at {self.station_id};"
                f" it has {', '.join(self.charger_kw)}"
            )
        return charger_id

    def known_connector(self, charger_id: str, connector: int) -> tuple[str, int]:
        """Charger and connector number, or an `UnknownChargerError` or `UnknownConnectorError`."""
        charger_id = self.known_charger(charger_id)
        if isinstance(connector, bool) or not isinstance(connector, numbers.Integral):
            raise UnknownConnectorError(f"a connector is a whole number, got {shortened(connector)}")
        place = (charger_id, int(connector))
        if place not in self.plugs:
            count = sum(1 for plug in self.plugs if plug[0] == charger_id)
            raise UnknownConnectorError(
                f"{charger_id} has connectors 1 to {count}, not {shortened(connector)}"
            )
        return place

    @model_validator(mode="after")
    def _ids_differ(self) -> Self:
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

    Returns
    -------
    StationConfig

    Raises
    ------
    ConfigError
        With every fault at once and its place; also when the file is missing, empty or not JSON.

    Examples
    --------
    >>> config = load_config("electra_paris_15")
    >>> config.station_id, config.grid_capacity_kw
    ('ELECTRA_PARIS_15', 400.0)
    """
    if isinstance(source, StationConfig):
        return source
    name, data = "configuration", source
    if isinstance(source, str | os.PathLike):
        name, data = read_json(_path_of(source))
    elif not isinstance(source, Mapping):
        raise ConfigError(name, [Fault("", f"expected a path or a mapping, got {type(source).__name__}")])
    config, faults = None, []
    try:
        faults = [*keys_given_twice(data), *_twin_ids(_raw_ids(data))]
        config = StationConfig.model_validate(data)
    except ValidationError as error:
        faults += [fault_of(found, data, StationConfig) for found in error.errors()]
    except RecursionError:
        faults += [Fault("", "nested too deeply")]
    if config is None or faults:
        raise ConfigError(name, faults)
    return config


def _path_of(source: str | os.PathLike[str]) -> Path:
    """Return the file of a configuration that is given as a path, or by the name of a shipped one."""
    path, known = Path(source), shipped_configs()
    if os.path.exists(source) or path.suffix or len(path.parts) != 1 or not path.name.isprintable():
        return path
    if path.name not in known:
        words = f"there is no file {str(path)!r}, and no shipped configuration of this name"
        raise ConfigError(path.name, [Fault("", f"{words}; shipped are {', '.join(known)}")])
    return known[path.name]


def _raw_ids(data: object) -> list[object]:
    """Ids as they stand in the data, sound or not: other faults must not hide twins."""
    chargers = data.get("chargers") if isinstance(data, Mapping) else None
    if not isinstance(chargers, list | tuple):
        return []
    return [charger.get("id") if isinstance(charger, Mapping) else None for charger in chargers]
