"""What is asked at one moment, and what is answered."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from electra_core.refusals import is_finite, shortened

# Limits are sums of up to thousands of floats: a share of each limit that rounding may take.
ROUNDING = 1e-9

# No demand of a station is larger, kW or kWh; sums of larger floats would overflow.
MAX_AMOUNT = 1e12


class Limit(StrEnum):
    """The one constraint that stopped a session from rising."""

    VEHICLE = "vehicle"
    CONNECTOR = "connector"
    CHARGER = "charger"
    SITE = "site"
    MINIMUM = "minimum"
    FAULT = "fault"
    FINISHED = "finished"


class SnapshotError(ValueError):
    """A demand or snapshot that cannot be meant, with a sentence that says why."""


@dataclass(frozen=True, slots=True)
class Demand:
    """What one session asks for now.

    Parameters
    ----------
    session_id, charger_id : names
    max_kw : what car, curve, connector and remaining energy allow now, kW
    min_kw : below this the car cannot charge at all, kW
    arrived_s, departs_s : s on the station's clock; None when the departure is not known
    remaining_kwh : energy still wanted; None when not known
    priority : higher comes first under the strategy ``priority``
    ceiling_by : which limit set ``max_kw``
    on_battery : carried by the station's battery alone, outside the sharing (the seed's rule)

    Raises
    ------
    SnapshotError
        On numbers that are negative, infinite or not numbers.
    """

    session_id: str
    charger_id: str
    max_kw: float
    min_kw: float = 0.0
    arrived_s: float = 0.0
    departs_s: float | None = None
    remaining_kwh: float | None = None
    priority: float = 0
    ceiling_by: Limit = Limit.VEHICLE
    on_battery: bool = False

    def __post_init__(self) -> None:
        for name, text in (("session_id", self.session_id), ("charger_id", self.charger_id)):
            if not isinstance(text, str):
                raise SnapshotError(f"demand: {name} must be text, got {shortened(text)}")
        where = f"demand {self.session_id!r}"
        _check_amount(where, "max_kw", self.max_kw)
        _check_amount(where, "min_kw", self.min_kw)
        if self.remaining_kwh is not None:
            _check_amount(where, "remaining_kwh", self.remaining_kwh)
        for name, moment in (("arrived_s", self.arrived_s), ("departs_s", self.departs_s)):
            if moment is not None and not is_finite(moment):
                raise SnapshotError(
                    f"{where}: {name} must be a finite number of seconds, got {shortened(moment)}"
                )
        if not is_finite(self.priority):
            raise SnapshotError(f"{where}: priority must be a finite number, got {shortened(self.priority)}")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that an allocation depends on.

    Parameters
    ----------
    grid_kw : import left for cars and battery after the static load, kW; None is unlimited
    charger_kw : limit of each charger, kW; None is unlimited
    demands : one a session
    boost_kw, charge_kw : what the battery can give and take now, kW
    now_s : s on the station's clock

    Raises
    ------
    SnapshotError
        On negative or undefined numbers, a demand on an unknown charger, two demands of one session.
    """

    grid_kw: float | None
    charger_kw: Mapping[str, float | None]
    demands: Sequence[Demand]
    boost_kw: float = 0.0
    charge_kw: float = 0.0
    now_s: float = 0.0

    def __post_init__(self) -> None:
        if self.grid_kw is not None:
            _check_amount("snapshot", "grid_kw", self.grid_kw, most=math.inf)
        _check_amount("snapshot", "boost_kw", self.boost_kw)
        _check_amount("snapshot", "charge_kw", self.charge_kw)
        if not is_finite(self.now_s):
            raise SnapshotError(
                f"snapshot: now_s must be a finite number of seconds, got {shortened(self.now_s)}"
            )
        if not isinstance(self.charger_kw, Mapping):
            raise SnapshotError(f"snapshot: charger_kw must be a mapping, got {shortened(self.charger_kw)}")
        for charger_id, limit_kw in self.charger_kw.items():
            if limit_kw is not None:
                _check_amount("snapshot", f"charger_kw[{charger_id!r}]", limit_kw, most=math.inf)
        seen: set[str] = set()
        for demand in self.demands:
            if demand.charger_id not in self.charger_kw:
                known = ", ".join(self.charger_kw) or "none"
                raise SnapshotError(
                    f"demand {demand.session_id!r}: unknown charger {demand.charger_id!r}; known are {known}"
                )
            if demand.session_id in seen:
                raise SnapshotError(f"two demands for one session {demand.session_id!r}")
            seen.add(demand.session_id)

    @property
    def site_limit_kw(self) -> float:
        """Import limit for cars and battery, kW; infinite when unlimited."""
        return math.inf if self.grid_kw is None else self.grid_kw

    def charger_limit_kw(self, charger_id: str) -> float:
        """Limit of one charger, kW; infinite when unlimited."""
        limit_kw = self.charger_kw[charger_id]
        return math.inf if limit_kw is None else limit_kw


@dataclass(frozen=True, slots=True)
class Allocation:
    """The answer to a snapshot.

    Attributes
    ----------
    offered_kw : ceiling of each session, kW
    boost_kw : the part of it that comes from the battery, kW
    grid_kw : import for cars and battery, kW
    battery_kw : positive charges the battery, negative discharges it, kW
    unused_kw : import limit that nobody took, kW
    limited_by : what stopped each session from rising
    """

    offered_kw: Mapping[str, float]
    boost_kw: Mapping[str, float]
    grid_kw: float
    battery_kw: float
    unused_kw: float
    limited_by: Mapping[str, Limit]


def violations(snapshot: Snapshot, allocation: Allocation) -> list[str]:
    """Every broken limit of an allocation, one sentence each; empty is the only acceptable answer."""
    asked = {demand.session_id for demand in snapshot.demands}
    for answer in (allocation.offered_kw, allocation.boost_kw, allocation.limited_by):
        if set(answer) != asked:
            return [f"sessions answered {sorted(answer)} are not the sessions asked {sorted(asked)}"]
    numbers = [*allocation.offered_kw.values(), *allocation.boost_kw.values()]
    if not all(map(math.isfinite, [*numbers, allocation.grid_kw, allocation.battery_kw])):
        return ["a power is not a finite number"]
    return [*_session_faults(snapshot, allocation), *_station_faults(snapshot, allocation)]


def _session_faults(snapshot: Snapshot, allocation: Allocation) -> list[str]:
    faults = []
    for demand in snapshot.demands:
        name = demand.session_id
        offered, boost = allocation.offered_kw[name], allocation.boost_kw[name]
        if offered < 0.0 or _above(offered, demand.max_kw):
            faults.append(f"session {name}: offered {offered} kW of at most {demand.max_kw} kW")
        if offered > 0.0 and _above(demand.min_kw, offered):
            faults.append(f"session {name}: offered {offered} kW, below its minimum of {demand.min_kw} kW")
        if boost < 0.0 or _above(boost, offered):
            faults.append(f"session {name}: boost of {boost} kW in an offer of {offered} kW")
    return faults


def _station_faults(snapshot: Snapshot, allocation: Allocation) -> list[str]:
    by_charger = dict.fromkeys(snapshot.charger_kw, 0.0)
    for demand in snapshot.demands:
        by_charger[demand.charger_id] += allocation.offered_kw[demand.session_id]
    boost = sum(allocation.boost_kw.values())
    discharge, charge = max(0.0, -allocation.battery_kw), max(0.0, allocation.battery_kw)
    to_cars = sum(by_charger.values())
    limits = [
        *((f"charger {name}", kw, snapshot.charger_limit_kw(name)) for name, kw in by_charger.items()),
        ("site", allocation.grid_kw, snapshot.site_limit_kw),
        ("battery discharge", discharge, snapshot.boost_kw),
        ("battery charge", charge, snapshot.charge_kw),
    ]
    faults = [f"{what}: {kw} kW of at most {limit} kW" for what, kw, limit in limits if _above(kw, limit)]
    if allocation.grid_kw < 0.0:
        faults.append(f"site: {allocation.grid_kw} kW would flow back to the grid")
    left_kw = max(0.0, snapshot.site_limit_kw - allocation.grid_kw)
    if math.isfinite(left_kw) and _differ(allocation.unused_kw, left_kw):
        faults.append(f"site: {allocation.unused_kw} kW are said to be unused, and {left_kw} kW are")
    if _differ(boost, discharge):
        faults.append(f"battery: gives {discharge} kW, but the sessions' boosts add up to {boost} kW")
    if _differ(allocation.grid_kw + discharge, to_cars + charge):
        faults.append(
            f"balance: {allocation.grid_kw} kW from the grid and {discharge} kW from the battery,"
            f" but {to_cars} kW to cars and {charge} kW to the battery"
        )
    return faults


def _above(kw: float, limit_kw: float) -> bool:
    return kw > limit_kw + ROUNDING * max(1.0, abs(limit_kw))


def _differ(one_kw: float, other_kw: float) -> bool:
    return abs(one_kw - other_kw) > ROUNDING * max(1.0, abs(one_kw))


def _check_amount(where: str, name: str, value: float, most: float = MAX_AMOUNT) -> None:
    if is_finite(value) and 0.0 <= value <= most:
        return
    # An unlimited site or charger; numbers that are not numbers never equal it.
    if most == math.inf and isinstance(value, float) and value == math.inf:
        return
    bounds = "0 or more" if most == math.inf else f"from 0 to {most:g}"
    raise SnapshotError(f"{where}: {name} must be a number {bounds}, got {shortened(value)}")
