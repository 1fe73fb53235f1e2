"""Electra: the energy of an electric-vehicle charging station, modelled and managed."""

from typing import TYPE_CHECKING, Any

from electra_core.allocation import (
    STRATEGIES,
    Allocation,
    Demand,
    Limit,
    Snapshot,
    StrategyError,
    allocate,
    violations,
)
from electra_core.allocation import SnapshotError as SnapshotError
from electra_core.errors import ElectraError as ElectraError
from electra_core.errors import StationError, load_on_demand
from electra_core.sessions import day_names, load_day
from electra_core.station import (
    BatteryConfig,
    ChargerConfig,
    ChargingCurve,
    ConfigError,
    ConnectorConfig,
    Station,
    StationConfig,
    StationStatus,
    Vehicle,
    catalogue,
    load_config,
)
from electra_core.station import Event as Event
from electra_core.station import VehicleError as VehicleError

if TYPE_CHECKING:
    from electra_core.simulation import Result, simulate, sweep

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

# These need numba and pandas, and are loaded on first use.
_ON_DEMAND = dict.fromkeys(("Result", "simulate", "sweep"), "simulation")


def __getattr__(name: str) -> Any:
    return load_on_demand(__name__, name, _ON_DEMAND)
