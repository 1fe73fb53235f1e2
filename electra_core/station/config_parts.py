"""The parts of a station's configuration: connectors, chargers and the battery, each checked by itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    field_validator,
    model_validator,
)

from electra_core.allocation import BATTERY, MAX_MODULES, MIN_EFFICIENCY, MIN_MODULE_KW
from electra_core.errors import is_finite
from electra_core.station.config_errors import camel

MAX_CONNECTORS = 1000
MAX_AMOUNT = 1e9
MAX_SECONDS = 366 * 86_400.0

# kW that rounding may take from a number of whole modules.
MODULE_ROUNDING_KW = 1e-9

Name = Annotated[str, StringConstraints(strict=True, strip_whitespace=True, min_length=1, max_length=200)]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Power = Annotated[Number, Field(gt=0, le=MAX_AMOUNT)]
Amount = Annotated[Number, Field(ge=0, le=MAX_AMOUNT)]
Share = Annotated[Number, Field(ge=0, le=1)]
Efficiency = Annotated[Number, Field(gt=0, le=1)]
Seconds = Annotated[Number, Field(ge=1, le=MAX_SECONDS)]
HoldSeconds = Annotated[Number, Field(ge=0, le=MAX_SECONDS)]


class ConfigPart(BaseModel):
    """A part of a configuration: frozen, without unknown keys, in either spelling."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=camel, populate_by_name=True, hide_input_in_errors=True
    )


class ConnectorConfig(ConfigPart):
    """A connector.

    Attributes
    ----------
    max_power_kw : kW; None: no limit but the charger's
    min_power_kw : least useful power, kW; a car that cannot have it waits
    fallback_power_kw : kW that the connector gives by itself while it has no command of the station
    """

    max_power_kw: Power | None = None
    min_power_kw: Amount = 0.0
    fallback_power_kw: Amount = 0.0

    @field_validator("min_power_kw", "fallback_power_kw")
    @classmethod
    def _check_against_max(cls, value: float, info: ValidationInfo) -> float:
        return _at_most(value, "maxPower", info.data.get("max_power_kw"))


def _at_most(value: float, name: str, maximum: float | None) -> float:
    if maximum is not None and value > maximum:
        raise ValueError(f"must not be above {name} {maximum:g}, got {value:g}")
    return value


def _as_connectors(value: object) -> object:
    """Turn a number of connectors into so many without limits of their own."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        if not 1 <= value <= MAX_CONNECTORS:
            raise ValueError(f"must be from 1 to {MAX_CONNECTORS}")
        return [ConnectorConfig()] * value
    if isinstance(value, list | tuple):
        return value
    raise ValueError("must be a number of connectors or a list of them")


_COUNT = Field(min_length=1, max_length=MAX_CONNECTORS)
Connectors = Annotated[tuple[ConnectorConfig, ...], BeforeValidator(_as_connectors), _COUNT]


class ChargerConfig(ConfigPart):
    """A charger, whose connectors share its power.

    Attributes
    ----------
    id : name of the charger, unique at the station
    max_power_kw : kW that its connectors share, on the cars' side
    connectors : in the order of their numbers, which count from 1
    efficiency : power to the cars for power from the site, 0 to 1
    standby_power_kw : kW that the charger itself takes from the site at all times
    module_size_kw : kW of one power module; each connector gets whole modules. None: any power
    module_hold_s : s that a better assignment of modules must last; None: the station's
    """

    id: Name
    max_power_kw: Power
    connectors: Connectors
    efficiency: Annotated[Number, Field(ge=MIN_EFFICIENCY, le=1)] = 1.0
    standby_power_kw: Amount = 0.0
    module_size_kw: Annotated[Number, Field(ge=MIN_MODULE_KW, le=MAX_AMOUNT)] | None = None
    module_hold_s: HoldSeconds | None = None

    @field_validator("id")
    @classmethod
    def _refuse_the_batterys_name(cls, name: str) -> str:
        if name == BATTERY:
            raise ValueError(f"must not be {BATTERY!r}, which is what the station's battery is called")
        return name

    @field_validator("connectors")
    @classmethod
    def _check_connectors(cls, connectors: Connectors, info: ValidationInfo) -> Connectors:
        charger_kw = info.data.get("max_power_kw")
        for number, each in enumerate(connectors, start=1):
            for name, kw in (("minPower", each.min_power_kw), ("fallbackPower", each.fallback_power_kw)):
                _at_most(kw, f"({name} of connector {number}) the charger's maxPower", charger_kw)
        return connectors

    @field_validator("module_size_kw")
    @classmethod
    def _check_modules(cls, size_kw: float | None, info: ValidationInfo) -> float | None:
        charger_kw = info.data.get("max_power_kw")
        if size_kw is None or charger_kw is None:
            return size_kw
        _at_most(size_kw, "maxPower", charger_kw)
        if charger_kw / size_kw > MAX_MODULES:
            raise ValueError(f"must leave at most {MAX_MODULES} modules, got {charger_kw / size_kw:g}")
        whole_kw = MODULE_ROUNDING_KW + charger_kw // size_kw * size_kw
        for number, connector in enumerate(info.data.get("connectors", ()), start=1):
            if connector.min_power_kw > whole_kw:
                words = f"leaves whole modules for {whole_kw:g} kW"
                raise ValueError(f"{words}, less than minPower of connector {number}")
        return size_kw


class BatteryConfig(ConfigPart):
    """The station's battery.

    Attributes
    ----------
    initial_capacity_kwh : energy of the full battery, kWh; ``initialCapacity`` in the file
    power_kw : kW in both directions, unless one is given by itself
    charge_power_kw, discharge_power_kw : kW on the station's side
    standby_power_kw : kW that the battery itself takes from the site at all times
    max_soc, min_soc, initial_soc : 0 to 1; the battery may start below its floor, and fills first
    reserve_soc : 0 to 1; below it the battery lifts sessions only up to comfort_power_kw
    comfort_power_kw : kW up to which the battery lifts a session from its reserve
    recharge_share : 0 to 1; the battery takes at most this share of the site limit
    charge_efficiency, discharge_efficiency : energy that arrives for energy sent, 0 to 1
    rule : ``hybrid``: grid and battery feed sessions together; ``whole_session``: the exercise's rule
    boost_from_soc : exercise's rule: the battery carries a newcomer only from this SoC on
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
    def _fill_both_directions(cls, data: object) -> object:
        if not isinstance(data, Mapping):
            return data
        both = data.get("power", data.get("power_kw"))
        filled = dict(data)
        for alias, name in (("chargePower", "charge_power_kw"), ("dischargePower", "discharge_power_kw")):
            # A mistake in `power` itself is reported once, not for each direction.
            if alias not in filled and name not in filled:
                filled[alias] = both if is_finite(both) and 0.0 <= both <= MAX_AMOUNT else 0.0
        return filled

    @field_validator("min_soc", "initial_soc", "reserve_soc")
    @classmethod
    def _check_against_max(cls, value: float, info: ValidationInfo) -> float:
        return _at_most(value, "maxSoc", info.data.get("max_soc"))
