"""What a station is made of: the configuration file, checked.

The file is the one that the exercise came with (camelCase keys, kW and kWh), with comments and trailing
commas allowed. In Python the attributes are snake_case with their units; files may use either spelling.
"""

from __future__ import annotations

import functools
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

from electra_core.faults import ConfigError, Fault, camel, fault_of, keys_given_twice
from electra_core.jsonfile import read_json
from electra_core.refusals import UnknownChargerError, UnknownConnectorError, is_finite, shortened

MAX_CONNECTORS = 1000
MAX_AMOUNT = 1e9


Name = Annotated[str, StringConstraints(strict=True, strip_whitespace=True, min_length=1, max_length=200)]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Power = Annotated[Number, Field(gt=0, le=MAX_AMOUNT)]
Amount = Annotated[Number, Field(ge=0, le=MAX_AMOUNT)]
Share = Annotated[Number, Field(ge=0, le=1)]
Efficiency = Annotated[Number, Field(gt=0, le=1)]


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
    """

    max_power_kw: Power | None = None
    min_power_kw: Amount = 0.0

    @field_validator("min_power_kw")
    @classmethod
    def _minimum_fits(cls, value: float, info: ValidationInfo) -> float:
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
    max_power_kw : kW that its connectors share
    connectors : in the order of their numbers, the first is number 1
    """

    id: Name
    max_power_kw: Power
    connectors: Annotated[Connectors, BeforeValidator(_plugs), Field(min_length=1, max_length=MAX_CONNECTORS)]

    @field_validator("connectors")
    @classmethod
    def _minima_fit(cls, plugs: Connectors, info: ValidationInfo) -> Connectors:
        for number, plug in enumerate(plugs, start=1):
            name = f"(minPower of connector {number}) the charger's maxPower"
            _at_most(plug.min_power_kw, name, info.data.get("max_power_kw"))
        return plugs


class BatteryConfig(_Part):
    """The station's own storage.

    Attributes
    ----------
    initial_capacity_kwh : energy of the full battery, kWh (the file's word for it is ``initialCapacity``)
    power_kw : kW in both directions, unless one is given by itself
    charge_power_kw, discharge_power_kw : kW on the station's side
    max_soc, min_soc, initial_soc : 0 to 1; the battery may start below its floor, and fills first
    charge_efficiency, discharge_efficiency : energy that arrives for energy sent, 0 to 1
    rule : ``hybrid``: sessions are fed by grid and battery together; ``whole_session``: the seed's rule
    boost_from_soc : seed's rule: a newcomer is carried by the battery only from this SoC on
    recharge_free_share : seed's rule: the battery gains when at least this share of the grid is free
    recharge_step_soc : seed's rule: SoC gained at each arrival or departure
    """

    initial_capacity_kwh: Power
    power_kw: Amount
    charge_power_kw: Amount
    discharge_power_kw: Amount
    max_soc: Share = 1.0
    min_soc: Share = 0.0
    initial_soc: Share = 0.0
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

    @field_validator("min_soc", "initial_soc")
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
    """

    station_id: Name
    grid_capacity_kw: Amount
    chargers: Annotated[tuple[ChargerConfig, ...], BeforeValidator(_not_empty)]
    battery: BatteryConfig | None = None
    static_load_kw: Amount = 0.0
    control_interval_s: Annotated[Number, Field(ge=1, le=3600)] = 60.0

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

    def known_place(self, charger_id: str, connector: int) -> tuple[str, int]:
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
    source : path of a JSON file (comments and trailing commas allowed), or its content as a mapping; a
        configuration is given back as it is

    Returns
    -------
    StationConfig

    Raises
    ------
    ConfigError
        With every fault at once and its place; also when the file is missing, empty or not JSON.
    """
    if isinstance(source, StationConfig):
        return source
    name, data = "configuration", source
    if isinstance(source, str | os.PathLike):
        name, data = read_json(Path(source))
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


def _raw_ids(data: object) -> list[object]:
    """Ids as they stand in the data, sound or not: other faults must not hide twins."""
    chargers = data.get("chargers") if isinstance(data, Mapping) else None
    if not isinstance(chargers, list | tuple):
        return []
    return [charger.get("id") if isinstance(charger, Mapping) else None for charger in chargers]
