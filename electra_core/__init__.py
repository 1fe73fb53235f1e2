"""Electra: the energy of an electric-vehicle charging station, modelled and managed."""

from typing import TYPE_CHECKING, Any

from electra_core.allocation import allocate
from electra_core.config import (
    BatteryConfig,
    ChargerConfig,
    ConnectorConfig,
    StationConfig,
    load_config,
)
from electra_core.days import day_names, load_day
from electra_core.faults import ConfigError
from electra_core.journal import Event as Event
from electra_core.refusals import StationError
from electra_core.snapshot import Allocation, Demand, Limit, Snapshot, violations
from electra_core.snapshot import SnapshotError as SnapshotError
from electra_core.station import Station
from electra_core.status import StationStatus
from electra_core.strategies import STRATEGIES, StrategyError
from electra_core.vehicles import ChargingCurve, Vehicle, catalogue
from electra_core.vehicles import VehicleError as VehicleError

__all__ = [
    "STRATEGIES",
    "Allocation",
    "BatteryConfig",
    "ChargerConfig",
    "ChargingCurve",
    "ConfigError",
    "ConnectorConfig",
    "Demand",
    "Limit",
    "Result",
    "Snapshot",
    "Station",
    "StationConfig",
    "StationError",
    "StationStatus",
    "StrategyError",
    "Vehicle",
    "allocate",
    "catalogue",
    "day_names",
    "load_config",
    "load_day",
    "simulate",
    "sweep",
    "violations",
]

# What needs numba and pandas is loaded only when somebody asks for it.
_LATER = {
    "Result": "electra_core.simulation",
    "simulate": "electra_core.simulation",
    "sweep": "electra_core.studies",
}

if TYPE_CHECKING:
    from electra_core.simulation import Result, simulate
    from electra_core.studies.sweep import sweep


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    try:
        room = importlib.import_module(_LATER[name])
    except ModuleNotFoundError as error:
        raise ImportError(
            f"electra_core.{name} needs {error.name}: install electra-core with its extra 'simulation'"
        ) from error
    return getattr(room, name)
