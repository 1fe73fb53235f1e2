"""What is asked at one moment, and what is answered."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from electra_core.allocation.setpoints import BATTERY, Load, SetPoint, ordered
from electra_core.errors import ElectraError, is_finite, shortened

# Limits are sums of up to thousands of floats: a share of each limit that rounding may take.
ROUNDING = 1e-9

# Modules are given one by one: more of them are a slip of the finger.
MAX_MODULES = 1000

# Smaller ones than these are slips of the finger.
MIN_EFFICIENCY = 0.01
MIN_MODULE_KW = 1e-3

# A session's own share beside others: beyond these it is a slip of the finger.
MIN_WEIGHT, MAX_WEIGHT = 1e-6, 1e6

# No demand of a station is larger, kW or kWh; sums of larger floats would overflow.
MAX_DEMAND = 1e12


class Limit(StrEnum):
    """The one constraint that stopped a session from rising."""

    VEHICLE = "vehicle"
    CONNECTOR = "connector"
    CHARGER = "charger"
    SITE = "site"
    MINIMUM = "minimum"
    MODULE = "module"
    FAULT = "fault"
    FINISHED = "finished"
    # A strategy that plans for all sessions at once holds this one back.
    PLAN = "plan"


class SnapshotError(ElectraError):
    """A demand or snapshot that cannot be meant, with a sentence that says why."""


@dataclass(frozen=True, slots=True)
class Demand:
    """What one session asks for now.

    Parameters
    ----------
    session_id, charger_id : names
    max_kw : what car, curve and connector allow now, kW on the car's side
    min_kw : below this the car cannot charge at all, kW
    arrived_s, departs_s : s on the station's clock; None when the departure is not known
    remaining_kwh : energy still wanted; None when not known
    priority : higher comes first under the strategy ``priority``
    weight : the session's share beside others of its tier; 2 is a double share
    turn : place in the queue of those that take turns, the lowest first; None: by tier and arrival
    modules : whole modules that it holds now; of two equal claims the holder's comes first
    keeps_modules : they are not assigned anew in this decision
    ceiling_by : which limit set ``max_kw``
    on_battery : carried by the station's battery alone, outside the sharing (the exercise's rule)

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
    weight: float = 1.0
    turn: float | None = None
    modules: int = 0
    keeps_modules: bool = False
    ceiling_by: Limit = Limit.VEHICLE
    on_battery: bool = False

    def __post_init__(self) -> None:
        for name, text in (("session_id", self.session_id), ("charger_id", self.charger_id)):
            if not isinstance(text, str):
                raise SnapshotError(f"demand: {name} must be text, got {shortened(text)}")
        where = f"demand {self.session_id!r}"
        if self.session_id == BATTERY:
            raise SnapshotError(f"{where}: this is what the station's battery is called")
        _check_amount(where, "max_kw", self.max_kw)
        _check_amount(where, "min_kw", self.min_kw)
        _check_amount(where, "weight", self.weight, MAX_WEIGHT, MIN_WEIGHT)
        if self.remaining_kwh is not None:
            _check_amount(where, "remaining_kwh", self.remaining_kwh)
        _check_number(where, "arrived_s", self.arrived_s)
        _check_number(where, "priority", self.priority)
        if self.departs_s is not None:
            _check_number(where, "departs_s", self.departs_s)
        if self.turn is not None:
            _check_number(where, "turn", self.turn)
        if type(self.modules) is not int or not 0 <= self.modules <= MAX_MODULES:
            bounds = f"a whole number from 0 to {MAX_MODULES}"
            raise SnapshotError(f"{where}: modules must be {bounds}, got {shortened(self.modules)}")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that an allocation depends on.

    Parameters
    ----------
    grid_kw : import left for cars and battery after all other loads, kW; None is unlimited
    charger_kw : limit of each charger, kW on the cars' side; None is unlimited
    demands : one a session
    boost_kw, charge_kw : what the battery can give and take now, kW on the site's side
    now_s : s on the station's clock
    efficiency : what reaches the cars for what a charger takes from the site, 0 to 1; 1 where none is given
    module_kw : size of the power modules of a charger that has them, kW
    comfort_kw : the battery lifts a session to this power and no further, kW; None: to any

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
    efficiency: Mapping[str, float] = field(default_factory=dict)
    module_kw: Mapping[str, float] = field(default_factory=dict)
    comfort_kw: float | None = None

    def __post_init__(self) -> None:
        if self.grid_kw is not None:
            _check_amount("snapshot", "grid_kw", self.grid_kw, most=math.inf)
        _check_amount("snapshot", "boost_kw", self.boost_kw)
        _check_amount("snapshot", "charge_kw", self.charge_kw)
        if self.comfort_kw is not None:
            _check_amount("snapshot", "comfort_kw", self.comfort_kw)
        _check_number("snapshot", "now_s", self.now_s)
        for name in ("charger_kw", "efficiency", "module_kw"):
            if not isinstance(getattr(self, name), Mapping):
                raise SnapshotError(
                    f"snapshot: {name} must be a mapping, got {shortened(getattr(self, name))}"
                )
        for charger_id, limit_kw in self.charger_kw.items():
            if limit_kw is not None:
                _check_amount("snapshot", f"charger_kw[{charger_id!r}]", limit_kw, most=math.inf)
        for charger_id, share in self.efficiency.items():
            _check_amount("snapshot", f"efficiency[{charger_id!r}]", share, most=1.0, least=MIN_EFFICIENCY)
        for charger_id, size_kw in self.module_kw.items():
            _check_amount("snapshot", f"module_kw[{charger_id!r}]", size_kw, least=MIN_MODULE_KW)
            if charger_id in self.charger_kw and self.charger_limit_kw(charger_id) > MAX_MODULES * size_kw:
                raise SnapshotError(f"snapshot: charger {charger_id!r} has more than {MAX_MODULES} modules")
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

    def cost(self, charger_id: str) -> float:
        """What one kW to a car at this charger takes from the site, kW."""
        return 1.0 / self.efficiency.get(charger_id, 1.0)

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
    offered_kw : ceiling of each session, kW on the car's side
    boost_kw : the part of it that comes from the battery, kW on the car's side
    grid_kw : import for cars and battery, kW
    battery_kw : positive charges the battery, negative discharges it, kW on the site's side
    unused_kw : import limit that nobody took, kW
    limited_by : what stopped each session from rising
    charger_of : charger of each session
    site_kw : what each session takes from grid and battery together, the charger's losses included, kW
    modules : whole modules of each session at a charger that has them
    reserved_kw : what each session takes of its charger's power, kW: its modules, or what it is offered
    better_modules : chargers where a session would have more modules if nobody kept any
    """

    offered_kw: Mapping[str, float]
    boost_kw: Mapping[str, float]
    grid_kw: float
    battery_kw: float
    unused_kw: float
    limited_by: Mapping[str, Limit]
    charger_of: Mapping[str, str] = field(default_factory=dict)
    site_kw: Mapping[str, float] = field(default_factory=dict)
    modules: Mapping[str, int] = field(default_factory=dict)
    reserved_kw: Mapping[str, float] = field(default_factory=dict)
    better_modules: frozenset[str] = frozenset()

    @property
    def waiting(self) -> tuple[str, ...]:
        """Sessions that want power and get none now."""
        return tuple(
            session_id
            for session_id, kw in self.offered_kw.items()
            if kw == 0.0 and self.limited_by[session_id] not in (Limit.FAULT, Limit.FINISHED)
        )

    def setpoints_from(self, previous: Allocation) -> tuple[SetPoint, ...]:
        """The ordered commands that lead from the previous allocation to this one.

        Decreases come first; each increase names the commands whose acknowledgement it needs. As long as
        increases wait for those, no limit is broken at any moment, whatever is lost, late or repeated.
        """
        return ordered(previous._loads(), self._loads())

    def _loads(self) -> dict[str, Load]:
        loads = {
            name: Load(
                kw,
                self.modules.get(name),
                {
                    "site": self.site_kw.get(name, kw),
                    f"charger {self.charger_of.get(name, '')}": self.reserved_kw.get(name, kw),
                },
            )
            for name, kw in self.offered_kw.items()
        }
        return {**loads, BATTERY: Load(self.battery_kw, None, {"site": self.battery_kw})}


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
        size_kw = snapshot.module_kw.get(demand.charger_id)
        if size_kw is not None and _above(offered, allocation.modules.get(name, 0) * size_kw):
            count = allocation.modules.get(name, 0)
            faults.append(f"session {name}: offered {offered} kW from {count} modules of {size_kw} kW")
    return faults


def _station_faults(snapshot: Snapshot, allocation: Allocation) -> list[str]:
    by_charger = dict.fromkeys(snapshot.charger_kw, 0.0)
    to_cars = boost = 0.0
    for demand in snapshot.demands:
        name, charger_id = demand.session_id, demand.charger_id
        size_kw = snapshot.module_kw.get(charger_id)
        offered = allocation.offered_kw[name]
        by_charger[charger_id] += offered if size_kw is None else allocation.modules.get(name, 0) * size_kw
        to_cars += offered * snapshot.cost(charger_id)
        boost += allocation.boost_kw[name] * snapshot.cost(charger_id)
    discharge, charge = max(0.0, -allocation.battery_kw), max(0.0, allocation.battery_kw)
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
        faults.append(f"battery: gives {discharge} kW, but the sessions' boosts take {boost} kW of it")
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


def _check_number(where: str, name: str, value: float) -> None:
    if not is_finite(value):
        unit = " of seconds" if name.endswith("_s") else ""
        raise SnapshotError(f"{where}: {name} must be a finite number{unit}, got {shortened(value)}")


def _check_amount(where: str, name: str, value: float, most: float = MAX_DEMAND, least: float = 0.0) -> None:
    if type(value) is float and least <= value <= most < math.inf:
        return  # nearly always
    if is_finite(value) and least <= value <= most:
        return
    # An unlimited site or charger; numbers that are not numbers never equal it.
    if most == math.inf and isinstance(value, float) and value == math.inf:
        return
    bounds = "0 or more" if most == math.inf else f"from {least:g} to {most:g}"
    raise SnapshotError(f"{where}: {name} must be a number {bounds}, got {shortened(value)}")
