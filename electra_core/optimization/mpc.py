"""A receding horizon: plan with all that is known now, do the first part of the plan, and plan anew."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from electra_core.allocation import Demand, Snapshot
from electra_core.errors import is_finite, shortened
from electra_core.optimization.instant import charger_limit_kw, shared_kw
from electra_core.optimization.intervals import HOUR_S
from electra_core.optimization.linear_program import Floats, Ints, OptimizationError, Program
from electra_core.station import MIN_OFFER_KW

# Powers below this share of a session's maximum are rounding.
ROUNDING = 1e-9

# Nobody looks further ahead: s.
MAX_AHEAD_S = 7 * 24 * HOUR_S


@dataclass(frozen=True, slots=True)
class Mpc:
    """A planner that looks ahead: the most energy that the cars now here can have when they leave.

    It is called with a snapshot, and answers with the ceiling of each session until it is called again, kW.

    It takes the sessions that are there, at their present highest power, and the limits as if they held for
    ever. The battery's power counts for the next ``step_s`` only, because a snapshot does not say how long
    it lasts. Nobody comes later. Among plans with the same energy it takes one that gives it early, and
    first to who needs most of the time that is left. Least powers and modules are left to the allocation: a
    session that is planned a part of its least power may ask for all of that. A departure further ahead than
    a week counts as one in a week.

    Parameters
    ----------
    dwell_s : s that a session of unknown departure is thought to stay from now on
    step_s : s for which a plan is meant to hold, no shorter than it does; also the time that is left to a
        session whose departure is over

    Raises
    ------
    OptimizationError
        On times that cannot be meant; in a call, where the solver gives up.
    """

    dwell_s: float = 4 * HOUR_S
    step_s: float = 300.0

    def __post_init__(self) -> None:
        for name, value in (("dwell_s", self.dwell_s), ("step_s", self.step_s)):
            if not is_finite(value) or value < 1.0:
                raise OptimizationError(
                    f"{name} must be a number of seconds, 1 or more, got {shortened(value)}"
                )

    def __call__(self, snapshot: Snapshot) -> dict[str, float]:
        """Plan for the sessions of a snapshot; the ceiling of each for now, kW."""
        ceilings = {demand.session_id: demand.max_kw for demand in snapshot.demands}
        queue = [
            demand
            for demand in snapshot.demands
            if _most_kw(snapshot, demand) > MIN_OFFER_KW and not demand.on_battery
        ]
        queue.sort(key=lambda demand: (self._left_s(snapshot, demand), demand.arrived_s, demand.session_id))
        if queue:
            left_s = np.array([self._left_s(snapshot, demand) for demand in queue])
            for demand, kw in zip(queue, _plan_kw(snapshot, queue, left_s, self.step_s), strict=True):
                ceilings[demand.session_id] = kw
        return ceilings

    def _left_s(self, snapshot: Snapshot, demand: Demand) -> float:
        """How long a session is thought to stay, in whole seconds."""
        left_s = self.dwell_s if demand.departs_s is None else demand.departs_s - snapshot.now_s
        if left_s <= 0.0:
            left_s = self.step_s
        return max(1.0, float(round(min(left_s, MAX_AHEAD_S))))


def _most_kw(snapshot: Snapshot, demand: Demand) -> float:
    """What car and charger allow, kW."""
    return min(demand.max_kw, charger_limit_kw(snapshot, demand.charger_id))


def _plan_kw(snapshot: Snapshot, queue: list[Demand], left_s: Floats, step_s: float) -> list[float]:
    """Powers for now: of the first interval of the best plan, one a session."""
    edges_s = np.unique(np.concatenate([[0.0, min(step_s, left_s[0])], left_s]))
    hours = np.diff(edges_s) / HOUR_S
    count = np.searchsorted(edges_s, left_s)
    session = np.repeat(np.arange(len(queue)), count)
    interval = np.arange(len(session)) - np.repeat(np.cumsum(count) - count, count)
    most_kw = np.array([_most_kw(snapshot, demand) for demand in queue])
    wanted_kwh = np.array([math.inf if one.remaining_kwh is None else one.remaining_kwh for one in queue])
    # A kWh is worth nearly 1 at any time to anybody, or energy would be lost to have some of it early. An
    # exchange that gains a kWh in all moves one from each session to another at most. Early counts more for
    # who needs more of the time that is left.
    small = 0.5 / (len(queue) + 1)
    needed = np.minimum(1.0, wanted_kwh * HOUR_S / (most_kw * left_s))
    late = interval / len(hours) * (1.0 + needed[session]) / 2.0
    program = Program()
    energy = program.columns(0.0, most_kw[session] * hours[interval], small * late - 1.0)
    program.rows(session, energy, 1.0, -math.inf, wanted_kwh)
    _add_limits(program, snapshot, queue, energy, session, interval, hours)
    first_kw = program.solve()[energy[interval == 0]] / hours[0]
    return [_ceiling_kw(demand, kw) for demand, kw in zip(queue, first_kw.tolist(), strict=True)]


def _add_limits(
    program: Program,
    snapshot: Snapshot,
    queue: list[Demand],
    energy: Ints,
    session: Ints,
    interval: Ints,
    hours: Floats,
) -> None:
    """In each interval the chargers and the site have their limits."""
    names = list(snapshot.charger_kw)
    charger = np.array([names.index(demand.charger_id) for demand in queue])[session]
    limit_kw = np.array([charger_limit_kw(snapshot, name) for name in names])
    cells, row = np.unique(charger * len(hours) + interval, return_inverse=True)
    limit_kwh = limit_kw[cells // len(hours)] * hours[cells % len(hours)]
    program.rows(row, energy, 1.0, -math.inf, limit_kwh)
    site_kw = np.full(len(hours), snapshot.site_limit_kw)
    site_kw[0] = shared_kw(snapshot)
    cost = np.array([snapshot.cost(demand.charger_id) for demand in queue])
    program.rows(interval, energy, cost[session], -math.inf, site_kw * hours)


def _ceiling_kw(demand: Demand, kw: float) -> float:
    """A planned power without rounding, and never a part of the least useful one."""
    if kw <= ROUNDING * demand.max_kw:
        return 0.0
    if kw >= demand.max_kw * (1.0 - ROUNDING):
        return demand.max_kw
    return max(kw, min(demand.min_kw, demand.max_kw))
