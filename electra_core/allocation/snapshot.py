"""The question and the answer of a decision: demands and limits at one moment, and the powers that follow."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from electra_core.allocation.setpoints import BATTERY, Load, SetPoint, ordered_setpoints
from electra_core.errors import ElectraError, checked_number, checked_whole, shortened

# Bounds against typing errors. Modules are granted one by one, so that their number bounds the time, too.
MAX_MODULES = 1000
MIN_EFFICIENCY = 0.01
MIN_MODULE_KW = 1e-3
MIN_WEIGHT, MAX_WEIGHT = 1e-6, 1e6

# kW or kWh of one demand: sums of much larger floats would overflow.
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
    PLAN = "plan"  # a `Planner` holds the session back


class SnapshotError(ElectraError):
    """A demand or a snapshot with numbers that are not possible."""


@dataclass(frozen=True, slots=True)
class Demand:
    """A demand: the power that one session asks for now, and its claims beside others.

    Parameters
    ----------
    session_id, charger_id : names
    max_kw : power that car, curve and connector allow now, kW on the car's side
    min_kw : power below which the car cannot charge at all, kW
    arrived_s, departs_s : s on the station's clock; None when the departure is not known
    remaining_kwh : energy still wanted, kWh; None when not known
    priority : higher comes first under the strategy ``priority``
    weight : of the session beside others of its tier; 2 is a double share
    turn : place in the queue of sessions that take turns, the lowest first; None: by tier and arrival
    modules : whole modules that it holds now; of two equal claims the holder's comes first
    keeps_modules : whether this decision leaves it those modules
    ceiling_by : the limit that set ``max_kw``
    on_battery : fed by the station's battery alone, outside of the sharing (the exercise's rule)

    Raises
    ------
    SnapshotError
        On names that are not text, and numbers that are negative, infinite or not numbers.
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
        demand = f"demand {self.session_id!r}:"
        if self.session_id == BATTERY:
            raise SnapshotError(f"{demand} session_id {BATTERY!r} is reserved for the station's battery")
        _check(self.max_kw, 0.0, MAX_DEMAND, demand, "max_kw")
        _check(self.min_kw, 0.0, MAX_DEMAND, demand, "min_kw")
        _check(self.weight, MIN_WEIGHT, MAX_WEIGHT, demand, "weight")
        if self.remaining_kwh is not None:
            _check(self.remaining_kwh, 0.0, MAX_DEMAND, demand, "remaining_kwh")
        checked_number(f"{demand} arrived_s", self.arrived_s, error=SnapshotError)
        checked_number(f"{demand} priority", self.priority, error=SnapshotError)
        for name, value in (("departs_s", self.departs_s), ("turn", self.turn)):
            if value is not None:
                checked_number(f"{demand} {name}", value, error=SnapshotError)
        checked_whole(f"{demand} modules", self.modules, 0, MAX_MODULES, SnapshotError)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A snapshot: all demands and all available power at one moment.

    Parameters
    ----------
    grid_kw : import limit left for cars and battery after all other loads, kW; None is unlimited
    charger_kw : limit of each charger, kW on the cars' side; None is unlimited
    demands : one a session
    boost_kw, charge_kw : power that the battery can give and take now, kW on the site's side
    now_s : s on the station's clock
    efficiency : of each charger, power to its cars for power from the site, 0 to 1; 1 where none is given
    module_kw : size of the power modules of each charger that has them, kW
    comfort_kw : power above which the battery lifts no session, kW; None: it lifts to any

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
            _check(self.grid_kw, 0.0, math.inf, "snapshot: grid_kw")
        _check(self.boost_kw, 0.0, MAX_DEMAND, "snapshot: boost_kw")
        _check(self.charge_kw, 0.0, MAX_DEMAND, "snapshot: charge_kw")
        if self.comfort_kw is not None:
            _check(self.comfort_kw, 0.0, MAX_DEMAND, "snapshot: comfort_kw")
        checked_number("snapshot: now_s", self.now_s, error=SnapshotError)
        self._check_chargers()
        self._check_sessions()

    def _check_chargers(self) -> None:
        for name in ("charger_kw", "efficiency", "module_kw"):
            if not isinstance(getattr(self, name), Mapping):
                found = shortened(getattr(self, name))
                raise SnapshotError(f"snapshot: {name} must be a mapping, got {found}")
        for charger_id, limit_kw in self.charger_kw.items():
            if limit_kw is not None:
                _check(limit_kw, 0.0, math.inf, "snapshot: charger_kw of", charger_id)
        for charger_id, efficiency in self.efficiency.items():
            _check(efficiency, MIN_EFFICIENCY, 1.0, "snapshot: efficiency of", charger_id)
        for charger_id, size_kw in self.module_kw.items():
            _check(size_kw, MIN_MODULE_KW, MAX_DEMAND, "snapshot: module_kw of", charger_id)
            if charger_id in self.charger_kw and self.charger_limit_kw(charger_id) > MAX_MODULES * size_kw:
                raise SnapshotError(f"snapshot: charger {charger_id!r} has more than {MAX_MODULES} modules")

    def _check_sessions(self) -> None:
        seen: set[str] = set()
        for demand in self.demands:
            if demand.charger_id not in self.charger_kw:
                words = f"demand {demand.session_id!r}: unknown charger {demand.charger_id!r}"
                raise SnapshotError(f"{words}; known are {', '.join(self.charger_kw) or 'none'}")
            if demand.session_id in seen:
                raise SnapshotError(f"two demands for one session {demand.session_id!r}")
            seen.add(demand.session_id)

    def cost(self, charger_id: str) -> float:
        """Return the kW that one kW to a car at this charger takes from the site."""
        return 1.0 / self.efficiency.get(charger_id, 1.0)

    @property
    def site_limit_kw(self) -> float:
        """Return the import limit for cars and battery, kW; infinite when unlimited."""
        return math.inf if self.grid_kw is None else self.grid_kw

    def charger_limit_kw(self, charger_id: str) -> float:
        """Return the limit of one charger, kW; infinite when unlimited."""
        limit_kw = self.charger_kw[charger_id]
        return math.inf if limit_kw is None else limit_kw


@dataclass(frozen=True, slots=True)
class Allocation:
    """An allocation: the answer to a snapshot, all mappings by session id.

    Attributes
    ----------
    offered_kw : power that each session may draw at most, kW on the car's side
    boost_kw : the part of it that comes from the battery, kW on the car's side
    grid_kw : import for cars and battery, kW
    battery_kw : positive charges the battery, negative discharges it, kW on the site's side
    unused_kw : rest of the import limit, kW
    limited_by : the limit that stopped each session from rising
    charger_of : charger of each session
    site_kw : power of each session from grid and battery together, the charger's losses included, kW
    modules : whole modules of each session at a charger that has them
    reserved_kw : the part of its charger's power that each session holds, kW: its modules, or its offer
    better_modules : chargers where a session would have more modules if none were kept
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
        """Return the sessions that want power and get none now."""
        idle = (name for name, kw in self.offered_kw.items() if kw == 0.0)
        return tuple(name for name in idle if self.limited_by[name] not in (Limit.FAULT, Limit.FINISHED))

    def setpoints_from(self, previous: Allocation) -> tuple[SetPoint, ...]:
        """Return the ordered commands that lead from the previous allocation to this one.

        Decreases come first; each increase names the commands whose acknowledgement it needs. As long as
        increases wait for those, no limit is broken at any moment, even if commands are lost, late or
        repeated.

        Examples
        --------
        >>> from electra_core import Demand, Snapshot, allocate
        >>> first, second = Demand("car 1", "A", 80), Demand("car 2", "A", 80)
        >>> before = allocate(Snapshot(200, {"A": 100}, [first]))
        >>> after = allocate(Snapshot(200, {"A": 100}, [first, second]))
        >>> for command in after.setpoints_from(before):
        ...     print(command.number, command.session_id, command.kw, command.needs)
        1 car 1 50.0 ()
        2 car 2 50.0 (1,)
        """
        return ordered_setpoints(previous._loads(), self._loads())

    def _loads(self) -> dict[str, Load]:
        loads = {}
        for name, kw in self.offered_kw.items():
            charger = f"charger {self.charger_of.get(name, '')}"
            limits_kw = {"site": self.site_kw.get(name, kw), charger: self.reserved_kw.get(name, kw)}
            loads[name] = Load(kw, self.modules.get(name), limits_kw)
        return {**loads, BATTERY: Load(self.battery_kw, None, {"site": self.battery_kw})}


def _check(value: object, minimum: float, maximum: float, *name: str) -> None:
    """Refuse a value outside of its bounds; ``math.inf`` is within an infinite bound: it means unlimited.

    The parts of the name are joined for an error only: a decision checks hundreds of numbers.
    """
    if not (isinstance(value, float) and minimum <= value <= maximum):
        checked_number(" ".join(map(str, name)), value, minimum, maximum, SnapshotError)
