"""Electra: the energy of an electric-vehicle charging station, modelled and managed."""

from typing import TYPE_CHECKING, Any

from electra_core.allocation.allocate import allocate
from electra_core.allocation.snapshot import Allocation, Demand, Limit, Snapshot, violations
from electra_core.allocation.snapshot import SnapshotError as SnapshotError
from electra_core.allocation.strategies import STRATEGIES, StrategyError
from electra_core.errors import StationError
from electra_core.sessions.days import day_names, load_day
from electra_core.station.config import (
    BatteryConfig,
    ChargerConfig,
    ConnectorConfig,
    StationConfig,
    load_config,
)
from electra_core.station.config_errors import ConfigError
from electra_core.station.events import Event as Event
from electra_core.station.station import Station
from electra_core.station.status import StationStatus
from electra_core.station.vehicles import ChargingCurve, Vehicle, catalogue
from electra_core.station.vehicles import VehicleError as VehicleError

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
    "sweep": "electra_core.simulation.sweep",
}

if TYPE_CHECKING:
    from electra_core.simulation import Result, simulate
    from electra_core.simulation.sweep.sweep import sweep


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
