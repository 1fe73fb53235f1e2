"""Model predictive control: plan with all that is known now, keep the first part, and plan again later."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from electra_core.allocation import Demand, Snapshot
from electra_core.errors import checked_number
from electra_core.optimization.instant import POWER_ROUNDING, charger_limit_kw, shared_kw
from electra_core.optimization.linear_program import Floats, Ints, OptimizationError, Program
from electra_core.station import HOUR_S, MIN_OFFER_KW

# Longest time that a plan looks ahead, s.
MAX_AHEAD_S = 7 * 24 * HOUR_S


@dataclass(frozen=True, slots=True)
class Mpc:
    """A planner that looks ahead: the most energy that the present cars can have when they leave.

    It is called with a snapshot, and returns the upper limit of each session until the next call, kW.

    It plans for the present sessions at their present maximal power, without later arrivals, and takes the
    limits as constant. The battery's power counts for the next ``step_s`` only, because a snapshot does not
    say how long it lasts. Among plans with the same energy it takes one that gives it early, and first to
    sessions that need most of their time left. Minima and modules are left to the allocation: a session with
    a planned power below its minimum may ask for the minimum. A departure later than in a week counts as one
    in a week.

    Parameters
    ----------
    dwell_s : assumed time until the departure of a session without one, s
    step_s : time for which a plan holds, s, not shorter than the time between calls; also the time left of a
        session whose departure has passed

    Raises
    ------
    OptimizationError
        On times below 1 s; in a call, when the solver gives up.

    Examples
    --------
    >>> soon = Demand("soon", "CP1", 10.0, departs_s=3600.0, remaining_kwh=5.0)
    >>> late = Demand("late", "CP1", 5.0, departs_s=7200.0, remaining_kwh=10.0)
    >>> plan = Mpc()(Snapshot(10.0, {"CP1": None}, [soon, late]))
    >>> {name: round(kw, 6) for name, kw in plan.items()}
    {'soon': 5.0, 'late': 5.0}
    """

    dwell_s: float = 4 * HOUR_S
    step_s: float = 300.0

    def __post_init__(self) -> None:
        for name, value in (("dwell_s", self.dwell_s), ("step_s", self.step_s)):
            checked_number(name, value, 1.0, error=OptimizationError)

    def __call__(self, snapshot: Snapshot) -> dict[str, float]:
        """Plan for the sessions of a snapshot, and return the upper limit of each for now, kW."""
        limits_kw = {demand.session_id: demand.max_kw for demand in snapshot.demands}
        queue = [
            demand
            for demand in snapshot.demands
            if _max_kw(snapshot, demand) > MIN_OFFER_KW and not demand.on_battery
        ]
        queue.sort(key=lambda demand: (self._left_s(snapshot, demand), demand.arrived_s, demand.session_id))
        if queue:
            left_s = np.array([self._left_s(snapshot, demand) for demand in queue])
            for demand, kw in zip(queue, _plan_kw(snapshot, queue, left_s, self.step_s), strict=True):
                limits_kw[demand.session_id] = kw
        return limits_kw

    def _left_s(self, snapshot: Snapshot, demand: Demand) -> float:
        """Return the expected time until a session's departure, in whole seconds."""
        left_s = self.dwell_s if demand.departs_s is None else demand.departs_s - snapshot.now_s
        if left_s <= 0.0:
            left_s = self.step_s
        return max(1.0, float(round(min(left_s, MAX_AHEAD_S))))


def _max_kw(snapshot: Snapshot, demand: Demand) -> float:
    """Return the limit of a session by car and charger, kW."""
    return min(demand.max_kw, charger_limit_kw(snapshot, demand.charger_id))


def _plan_kw(snapshot: Snapshot, queue: list[Demand], left_s: Floats, step_s: float) -> list[float]:
    """Return the power of each session in the first interval of the best plan, kW."""
    edges_s = np.unique(np.concatenate([[0.0, min(step_s, left_s[0])], left_s]))
    hours = np.diff(edges_s) / HOUR_S
    count = np.searchsorted(edges_s, left_s)
    session = np.repeat(np.arange(len(queue)), count)
    interval = np.arange(len(session)) - np.repeat(np.cumsum(count) - count, count)
    max_kw = np.array([_max_kw(snapshot, demand) for demand in queue])
    wanted_kwh = np.array([math.inf if one.remaining_kwh is None else one.remaining_kwh for one in queue])
    # The value of a kWh is nearly 1 at any time in any session, or energy would be lost to have some of it
    # early: an exchange that gains a kWh in all moves at most one from each session to another. Early energy
    # counts more for a session that needs more of its time left.
    small = 0.5 / (len(queue) + 1)
    needed = np.minimum(1.0, wanted_kwh * HOUR_S / (max_kw * left_s))
    late = interval / len(hours) * (1.0 + needed[session]) / 2.0
    program = Program()
    energy = program.add_columns(0.0, max_kw[session] * hours[interval], small * late - 1.0)
    program.add_rows(session, energy, 1.0, -math.inf, wanted_kwh)
    _add_limits(program, snapshot, queue, energy, session, interval, hours)
    first_kw = program.solve()[energy[interval == 0]] / hours[0]
    return [_limit_kw(demand, kw) for demand, kw in zip(queue, first_kw.tolist(), strict=True)]


def _add_limits(
    program: Program,
    snapshot: Snapshot,
    queue: list[Demand],
    energy: Ints,
    session: Ints,
    interval: Ints,
    hours: Floats,
) -> None:
    """Add the limits of the chargers and of the site in each interval."""
    names = list(snapshot.charger_kw)
    charger = np.array([names.index(demand.charger_id) for demand in queue])[session]
    limit_kw = np.array([charger_limit_kw(snapshot, name) for name in names])
    cells, row = np.unique(charger * len(hours) + interval, return_inverse=True)
    limit_kwh = limit_kw[cells // len(hours)] * hours[cells % len(hours)]
    program.add_rows(row, energy, 1.0, -math.inf, limit_kwh)
    site_kw = np.full(len(hours), snapshot.site_limit_kw)
    site_kw[0] = shared_kw(snapshot)
    cost = np.array([snapshot.cost(demand.charger_id) for demand in queue])
    program.add_rows(interval, energy, cost[session], -math.inf, site_kw * hours)


def _limit_kw(demand: Demand, kw: float) -> float:
    """Return a planned power without rounding, and never below the session's minimum."""
    if kw <= POWER_ROUNDING * demand.max_kw:
        return 0.0
    if kw >= demand.max_kw * (1.0 - POWER_ROUNDING):
        return demand.max_kw
    return max(kw, min(demand.min_kw, demand.max_kw))
