"""Electra: the energy of an electric-vehicle charging station, modelled and managed."""

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
from electra_core.journal import Event
from electra_core.refusals import StationError
from electra_core.snapshot import Allocation, Demand, Limit, Snapshot, SnapshotError, violations
from electra_core.station import Station
from electra_core.status import StationStatus
from electra_core.strategies import STRATEGIES, StrategyError
from electra_core.vehicles import ChargingCurve, Vehicle, VehicleError, catalogue

__all__ = [
    "STRATEGIES",
    "Allocation",
    "BatteryConfig",
    "ChargerConfig",
    "ChargingCurve",
    "ConfigError",
    "ConnectorConfig",
    "Demand",
    "Event",
    "Limit",
    "Snapshot",
    "SnapshotError",
    "Station",
    "StationConfig",
    "StationError",
    "StationStatus",
    "StrategyError",
    "Vehicle",
    "VehicleError",
    "allocate",
    "catalogue",
    "day_names",
    "load_config",
    "load_day",
    "violations",
]
