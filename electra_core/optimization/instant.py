"""The optimum of one instant: the most power to cars within every limit of a snapshot."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from electra_core.allocation import Demand, Snapshot, waterfill
from electra_core.optimization.linear_program import ALL_OR_NOTHING, CONTINUOUS, WHOLE, Floats, Ints, Program
from electra_core.station import MIN_OFFER_KW

# Powers are exact to this share of the largest; a smaller one is 0.
POWER_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class InstantOptimum:
    """The most power to cars at one instant.

    Attributes
    ----------
    offered_kw : power of each session, on the car's side, kW
    total_kw : of all of them, kW
    """

    offered_kw: Mapping[str, float]
    total_kw: float


def best_instant(snapshot: Snapshot) -> InstantOptimum:
    """Find the most power to cars, on their side, that all limits of a snapshot allow together.

    Minima and whole modules, if there are any, are whole-number columns; below its reserve the battery lifts
    no session above ``comfort_kw``. No session keeps the modules that it has. Of several optima with the same
    total it returns one, the same for any order of the demands.

    Parameters
    ----------
    snapshot : demands and limits at one moment

    Raises
    ------
    OptimizationError
        When the solver gives up.

    Examples
    --------
    >>> demands = [Demand("a", "CP1", 150.0), Demand("b", "CP1", 150.0), Demand("c", "CP2", 50.0)]
    >>> best_instant(Snapshot(400.0, {"CP1": 200.0, "CP2": 300.0}, demands)).total_kw
    250.0
    """
    demands = sorted(snapshot.demands, key=lambda demand: demand.session_id)
    max_kw = np.array([_alone_kw(snapshot, demand) for demand in demands])
    scale_kw = float(max_kw.max(initial=0.0))
    if scale_kw < MIN_OFFER_KW:
        return InstantOptimum({demand.session_id: 0.0 for demand in demands}, 0.0)
    search = _Search(snapshot, demands, max_kw, scale_kw)
    kw = {demand.session_id: one for demand, one in zip(demands, search.powers_kw(), strict=True)}
    return InstantOptimum(kw, math.fsum(kw.values()))


def plan_instant(snapshot: Snapshot) -> dict[str, float]:
    """Return the optimum of an instant as a plan: an upper limit for each session, kW.

    An allocation under these limits gives them in full, with two exceptions: sessions that keep modules, and
    a battery below its reserve, because the grid is shared out first and the battery only then.
    """
    return dict(best_instant(snapshot).offered_kw)


def carries(snapshot: Snapshot) -> bool:
    """Return True if the battery carries whole sessions; it then gives nothing to the others."""
    return any(demand.on_battery for demand in snapshot.demands)


def shared_kw(snapshot: Snapshot) -> float:
    """Return the power of grid and battery for sessions not on the battery alone, on the site's side, kW."""
    return snapshot.site_limit_kw + (0.0 if carries(snapshot) else snapshot.boost_kw)


def charger_limit_kw(snapshot: Snapshot, charger_id: str) -> float:
    """Return the limit of a charger, kW; with power modules, that of all whole ones."""
    limit_kw, size_kw = snapshot.charger_limit_kw(charger_id), snapshot.module_kw.get(charger_id)
    return limit_kw if size_kw is None else waterfill.whole_modules(limit_kw, size_kw) * size_kw


def _alone_kw(snapshot: Snapshot, demand: Demand) -> float:
    """Return the power of a session if it were alone, kW; 0 if that is below its minimum."""
    site_kw = snapshot.boost_kw if demand.on_battery else shared_kw(snapshot)
    charger_kw = charger_limit_kw(snapshot, demand.charger_id)
    alone_kw = min(demand.max_kw, charger_kw, site_kw / snapshot.cost(demand.charger_id))
    return alone_kw if alone_kw >= demand.min_kw * (1.0 - POWER_ROUNDING) else 0.0


class _Search:
    """The program of an instant, in shares of the largest power, so that tolerances fit any station."""

    def __init__(self, snapshot: Snapshot, demands: list[Demand], max_kw: Floats, scale_kw: float) -> None:
        self.snapshot, self.demands, self.scale_kw = snapshot, demands, scale_kw
        self.min_kw, self.max_kw = np.minimum([demand.min_kw for demand in demands], max_kw), max_kw
        self.lower, self.upper = self.min_kw / scale_kw, self.max_kw / scale_kw
        self.cost = np.array([snapshot.cost(demand.charger_id) for demand in demands])
        self.carried = np.array([demand.on_battery for demand in demands])
        self.program = Program()
        self.power = np.zeros(len(demands), np.int64)
        for kind, mine in ((CONTINUOUS, self.lower == 0.0), (ALL_OR_NOTHING, self.lower > 0.0)):
            self.power[mine] = self.program.add_columns(self.lower[mine], self.upper[mine], -1.0, kind)
        for charger_id in snapshot.charger_kw:
            self._add_charger(charger_id)
        self._add_site()

    def powers_kw(self) -> list[float]:
        """Solve, and return the power of each demand."""
        shares = self.program.solve()[self.power]
        # A minimum must come out to the last bit, or the session waits.
        kw = np.clip(shares * self.scale_kw, self.min_kw, self.max_kw)
        return [float(one) for one in np.where(shares < POWER_ROUNDING, 0.0, kw)]

    def _add_charger(self, charger_id: str) -> None:
        """Add the limit of a charger; one with modules assigns whole ones to each session."""
        limit_kw = self.snapshot.charger_limit_kw(charger_id)
        size_kw = self.snapshot.module_kw.get(charger_id)
        here = np.flatnonzero([demand.charger_id == charger_id for demand in self.demands])
        if len(here) == 0:
            return
        if size_kw is None:
            self._limit(self.power[here], 1.0, limit_kw / self.scale_kw)
            return
        # A module larger than any session's power is as good as one of that power.
        size = min(size_kw / self.scale_kw, 1.0)
        wanted = [waterfill.modules_for(one, size) for one in self.upper[here].tolist()]
        modules = self.program.add_columns(0.0, np.array(wanted, float), 0.0, WHOLE)
        self._limit(modules, 1.0, float(waterfill.whole_modules(limit_kw, size_kw)))
        self._pairs(self.power[here], modules, -size, 0.0)

    def _add_site(self) -> None:
        """Add the limits of grid and battery."""
        snapshot, free = self.snapshot, ~self.carried
        self._limit(self.power[self.carried], self.cost[self.carried], snapshot.boost_kw / self.scale_kw)
        self._limit(self.power[free], self.cost[free], shared_kw(snapshot) / self.scale_kw)
        if snapshot.comfort_kw is not None and snapshot.boost_kw > 0.0 and not self.carried.any():
            self._add_comfort(snapshot.comfort_kw / self.scale_kw)

    def _add_comfort(self, comfort: float) -> None:
        """Limit sessions with power of the battery to comfort, or to their minimum."""
        highest = np.minimum(self.upper, np.maximum(comfort, self.lower))
        boost = self.program.add_columns(0.0, highest)
        lifted = self.program.add_columns(np.zeros(len(boost)), 1.0, 0.0, WHOLE)
        self._pairs(boost, self.power, -1.0, 0.0)
        self._pairs(boost, lifted, -highest, 0.0)
        self._pairs(self.power, lifted, self.upper - highest, self.upper)
        self._limit(boost, self.cost, self.snapshot.boost_kw / self.scale_kw)
        both, costs = np.concatenate([self.power, boost]), np.concatenate([self.cost, -self.cost])
        self._limit(both, costs, self.snapshot.site_limit_kw / self.scale_kw)

    def _limit(self, column: Ints, value: float | Floats, upper: float) -> None:
        """Add a row: the limit of the sum of all columns, each times its value."""
        if len(column) and upper < math.inf:
            self.program.add_rows(np.zeros(len(column), np.int64), column, value, -math.inf, upper)

    def _pairs(self, one: Ints, other: Ints, value: float | Floats, upper: float | Floats) -> None:
        """Add a row for each pair of columns: ``one + value * other <= upper``."""
        values = np.concatenate([np.ones(len(one)), np.broadcast_to(value, len(one))])
        row = np.tile(np.arange(len(one)), 2)
        self.program.add_rows(
            row, np.concatenate([one, other]), values, -math.inf, np.broadcast_to(upper, len(one))
        )
