"""The live station: its parts, its state, and its decisions on each call and as time passes.

``config`` and ``config_parts`` are the checked file, read by ``json_file``; ``vehicles`` the cars and
``charging_curve`` how they charge; ``battery`` the stationary battery, ``exercise_battery`` the exercise's
rule for it; ``state`` everything that changes; ``demand`` reads a state into a snapshot; ``timers`` act as
time passes; ``engine`` decides and advances; ``explain`` and ``status`` describe a decision; ``events`` is
the record, ``hourly_ledger`` its energy by the hour; ``calls`` checks calls; ``station`` is `Station`.
"""

from electra_core.station.battery import (
    HOUR_S,
    conversion_loss_kwh,
    energy_above_kwh,
    has_reserve,
    lasts_s,
    max_charge_kw,
    max_discharge_kw,
    room_below_kwh,
    stored_after_kwh,
)
from electra_core.station.charging_curve import (
    MAX_KW,
    MIN_OFFER_KW,
    SOC_ROUNDING,
    ChargingCurve,
    VehicleError,
    climb,
    power_at,
    typical_curve,
)
from electra_core.station.config import StationConfig, load_config, shipped
from electra_core.station.config_errors import ConfigError
from electra_core.station.config_parts import MAX_AMOUNT, BatteryConfig, ChargerConfig, ConnectorConfig
from electra_core.station.demand import site_limit_kw
from electra_core.station.engine import Decision, decisions, holds_s
from electra_core.station.events import FAIL_SAFE, Event, call_of, read_events
from electra_core.station.explain import Explanation
from electra_core.station.hourly_ledger import ledger_by_hour
from electra_core.station.json_file import JsonFileError, parse_json, read_json
from electra_core.station.state import BATTERY_ID, WHOLE_CHARGER, ConnectorId, Session, State
from electra_core.station.station import MAX_ADVANCE_S, Station
from electra_core.station.status import (
    BatteryStatus,
    ChargerStatus,
    ConnectorStatus,
    SessionStatus,
    StationStatus,
    read_session,
    read_status,
)
from electra_core.station.vehicles import Vehicle, catalogue

__all__ = ["BATTERY_ID", "FAIL_SAFE", "HOUR_S", "MAX_ADVANCE_S", "MAX_AMOUNT", "MAX_KW", "MIN_OFFER_KW"]
__all__ += ["SOC_ROUNDING", "WHOLE_CHARGER", "BatteryConfig", "BatteryStatus", "ChargerConfig"]
__all__ += ["ChargerStatus", "ChargingCurve", "ConfigError", "ConnectorConfig", "ConnectorId"]
__all__ += ["ConnectorStatus", "Decision", "Event", "Explanation", "JsonFileError", "Session"]
__all__ += ["SessionStatus", "State", "Station", "StationConfig", "StationStatus", "Vehicle", "VehicleError"]
__all__ += ["call_of", "catalogue", "climb", "conversion_loss_kwh", "decisions", "energy_above_kwh"]
__all__ += ["has_reserve"]
__all__ += ["holds_s", "lasts_s", "ledger_by_hour", "load_config", "max_charge_kw", "max_discharge_kw"]
__all__ += ["parse_json", "power_at", "read_events", "read_json", "read_session", "read_status"]
__all__ += ["room_below_kwh", "shipped", "site_limit_kw", "stored_after_kwh", "typical_curve"]
