"""The stationary battery: power and energy on plain numbers, in functions that the simulation compiles."""

from __future__ import annotations

import math
from typing import Protocol

HOUR_S = 3600.0

# The battery is at its floor or top when it is this close: kWh, and as a share of its capacity. Without it,
# rounding would keep it charging for ever.
EMPTY_KWH = 1e-9
EMPTY_SHARE = 1e-12


class BatteryFigures(Protocol):
    """The figures of a battery, as `BatteryConfig` has them."""

    @property
    def initial_capacity_kwh(self) -> float: ...
    @property
    def charge_power_kw(self) -> float: ...
    @property
    def discharge_power_kw(self) -> float: ...
    @property
    def min_soc(self) -> float: ...
    @property
    def max_soc(self) -> float: ...
    @property
    def reserve_soc(self) -> float: ...
    @property
    def recharge_share(self) -> float: ...
    @property
    def charge_efficiency(self) -> float: ...
    @property
    def discharge_efficiency(self) -> float: ...


def significant_kwh(battery: BatteryFigures, kwh: float) -> float:
    """Return an energy, or 0 if it is within rounding, kWh."""
    return kwh if kwh > max(EMPTY_KWH, EMPTY_SHARE * battery.initial_capacity_kwh) else 0.0


def energy_above_kwh(battery: BatteryFigures, stored_kwh: float, soc: float) -> float:
    """Return the energy of the battery above a SoC, kWh; 0 within rounding."""
    return significant_kwh(battery, stored_kwh - soc * battery.initial_capacity_kwh)


def room_below_kwh(battery: BatteryFigures, stored_kwh: float, soc: float) -> float:
    """Return the energy that the battery can take up to a SoC, kWh; 0 within rounding."""
    return significant_kwh(battery, soc * battery.initial_capacity_kwh - stored_kwh)


def max_discharge_kw(battery: BatteryFigures, stored_kwh: float, rests: bool) -> float:
    """Return what the battery can give now, kW; nothing while it rests."""
    gives = energy_above_kwh(battery, stored_kwh, battery.min_soc) > 0.0 and not rests
    return battery.discharge_power_kw if gives else 0.0


def max_charge_kw(battery: BatteryFigures, stored_kwh: float, site_limit_kw: float) -> float:
    """Return what the battery can take now, kW."""
    room_kwh = room_below_kwh(battery, stored_kwh, battery.max_soc)
    most_kw = min(battery.charge_power_kw, battery.recharge_share * site_limit_kw)
    return most_kw if room_kwh > 0.0 else 0.0


def has_reserve(battery: BatteryFigures) -> bool:
    """Return whether the battery has a reserve, from which it helps only sessions with little power."""
    return battery.reserve_soc > battery.min_soc


def lasts_s(battery: BatteryFigures, stored_kwh: float, battery_kw: float) -> float:
    """Return how long a power, positive into the battery, can go on before its floor, reserve or top, s."""
    if battery_kw == 0.0:
        return math.inf
    nearest_kwh = math.inf
    for soc in (battery.min_soc, battery.reserve_soc, battery.max_soc):
        if battery_kw < 0.0:
            room_kwh = energy_above_kwh(battery, stored_kwh, soc)
        else:
            room_kwh = room_below_kwh(battery, stored_kwh, soc)
        if room_kwh > 0.0:
            nearest_kwh = min(nearest_kwh, room_kwh)
    if nearest_kwh == math.inf:
        return 0.0
    if battery_kw < 0.0:
        return HOUR_S * nearest_kwh / (-battery_kw / battery.discharge_efficiency)
    return HOUR_S * nearest_kwh / (battery_kw * battery.charge_efficiency)


def conversion_loss_kwh(battery: BatteryFigures, charged_kwh: float, given_kwh: float) -> float:
    """Return what is lost by charging, and by giving, energies on the station's side, kWh."""
    into_kwh = charged_kwh * (1.0 - battery.charge_efficiency)
    return into_kwh + given_kwh * (1.0 / battery.discharge_efficiency - 1.0)


def stored_after_kwh(
    battery: BatteryFigures, stored_kwh: float, charged_kwh: float, given_kwh: float
) -> float:
    """Return what the battery holds after charging and giving such energies, kWh."""
    after_kwh = stored_kwh + charged_kwh - given_kwh - conversion_loss_kwh(battery, charged_kwh, given_kwh)
    return min(battery.initial_capacity_kwh, max(0.0, after_kwh))
