"""The best single instant: the most power to cars within every limit of a snapshot."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from electra_core.allocation import Demand, Snapshot, waterfill
from electra_core.optimization.linear_program import ALL_OR_NOTHING, CONTINUOUS, WHOLE, Floats, Ints, Program
from electra_core.station import MIN_OFFER_KW

# Powers are found to this share of the largest; less than that is none.
ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Instant:
    """The best single instant.

    Attributes
    ----------
    offered_kw : power of each session, kW on the car's side
    total_kw : of all of them, kW
    """

    offered_kw: Mapping[str, float]
    total_kw: float


def best_instant(snapshot: Snapshot) -> Instant:
    """The most power to cars, on their side, that every limit of a snapshot allows together.

    Least powers and whole modules are whole-number columns, where there are any; below its reserve the
    battery lifts nobody above ``comfort_kw``. Nobody keeps the modules of before. Of several answers with the
    same total it is one, the same for any order of the demands.

    Raises
    ------
    OptimizationError
        Where the solver gives up.
    """
    demands = sorted(snapshot.demands, key=lambda demand: demand.session_id)
    most_kw = np.array([_most_kw(snapshot, demand) for demand in demands])
    scale_kw = float(most_kw.max(initial=0.0))
    if scale_kw < MIN_OFFER_KW:
        return Instant({demand.session_id: 0.0 for demand in demands}, 0.0)
    search = _Search(snapshot, demands, most_kw, scale_kw)
    kw = {demand.session_id: one for demand, one in zip(demands, search.powers_kw(), strict=True)}
    return Instant(kw, math.fsum(kw.values()))


def plan_instant(snapshot: Snapshot) -> dict[str, float]:
    """The best single instant as a plan: a ceiling for each session, kW.

    An allocation under these ceilings gives them in full, with two exceptions: it may not while sessions keep
    modules of before, nor while the battery is below its reserve, because the grid is shared out first and
    the battery only then.
    """
    return dict(best_instant(snapshot).offered_kw)


def carries(snapshot: Snapshot) -> bool:
    """Whether the battery carries sessions whole; it then gives nothing to the others."""
    return any(demand.on_battery for demand in snapshot.demands)


def shared_kw(snapshot: Snapshot) -> float:
    """What the sessions that nobody carries have together, grid and battery, kW on the site's side."""
    return snapshot.site_limit_kw + (0.0 if carries(snapshot) else snapshot.boost_kw)


def charger_limit_kw(snapshot: Snapshot, charger_id: str) -> float:
    """What a charger has, kW; of one with modules, all whole ones together."""
    limit_kw, size_kw = snapshot.charger_limit_kw(charger_id), snapshot.module_kw.get(charger_id)
    return limit_kw if size_kw is None else waterfill.whole_modules(limit_kw, size_kw) * size_kw


def _most_kw(snapshot: Snapshot, demand: Demand) -> float:
    """The most that one session could have if it were alone, kW; 0 where that is below its least."""
    site_kw = snapshot.boost_kw if demand.on_battery else shared_kw(snapshot)
    alone_kw = min(charger_limit_kw(snapshot, demand.charger_id), site_kw / snapshot.cost(demand.charger_id))
    most_kw = min(demand.max_kw, alone_kw)
    return most_kw if most_kw >= demand.min_kw * (1.0 - ROUNDING) else 0.0


class _Search:
    """The program of an instant, in parts of the largest power: what is small for it is small for all."""

    def __init__(self, snapshot: Snapshot, demands: list[Demand], most_kw: Floats, scale_kw: float) -> None:
        self.snapshot, self.demands, self.scale_kw = snapshot, demands, scale_kw
        self.least_kw, self.most_kw = np.minimum([demand.min_kw for demand in demands], most_kw), most_kw
        self.least, self.most = self.least_kw / scale_kw, self.most_kw / scale_kw
        self.cost = np.array([snapshot.cost(demand.charger_id) for demand in demands])
        self.carried = np.array([demand.on_battery for demand in demands])
        self.program = Program()
        self.power = np.zeros(len(demands), np.int64)
        for kind, mine in ((CONTINUOUS, self.least == 0.0), (ALL_OR_NOTHING, self.least > 0.0)):
            self.power[mine] = self.program.columns(self.least[mine], self.most[mine], -1.0, kind)
        for charger_id in snapshot.charger_kw:
            self._add_charger(charger_id)
        self._add_site()

    def powers_kw(self) -> list[float]:
        """Solve; the power of each demand."""
        parts = self.program.solve()[self.power]
        # A least power must come out to the last bit, or it is none.
        kw = np.clip(parts * self.scale_kw, self.least_kw, self.most_kw)
        return [float(one) for one in np.where(parts < ROUNDING, 0.0, kw)]

    def _add_charger(self, charger_id: str) -> None:
        limit_kw = self.snapshot.charger_limit_kw(charger_id)
        size_kw = self.snapshot.module_kw.get(charger_id)
        here = np.flatnonzero([demand.charger_id == charger_id for demand in self.demands])
        if len(here) == 0:
            return
        if size_kw is None:
            self._limit(self.power[here], 1.0, limit_kw / self.scale_kw)
            return
        # One module that is larger than all that anybody could have is as good as any larger one.
        size = min(size_kw / self.scale_kw, 1.0)
        wanted = [waterfill.modules_for(one, size) for one in self.most[here].tolist()]
        modules = self.program.columns(0.0, np.array(wanted, float), 0.0, WHOLE)
        self._limit(modules, 1.0, float(waterfill.whole_modules(limit_kw, size_kw)))
        self._pairs(self.power[here], modules, -size, 0.0)

    def _add_site(self) -> None:
        snapshot, free = self.snapshot, ~self.carried
        self._limit(self.power[self.carried], self.cost[self.carried], snapshot.boost_kw / self.scale_kw)
        self._limit(self.power[free], self.cost[free], shared_kw(snapshot) / self.scale_kw)
        if snapshot.comfort_kw is not None and snapshot.boost_kw > 0.0 and not self.carried.any():
            self._add_comfort(snapshot.comfort_kw / self.scale_kw)

    def _add_comfort(self, comfort: float) -> None:
        """Whoever gets a part from the battery ends at comfort, or at the least that is useful."""
        highest = np.minimum(self.most, np.maximum(comfort, self.least))
        boost = self.program.columns(0.0, highest)
        lifted = self.program.columns(np.zeros(len(boost)), 1.0, 0.0, WHOLE)
        self._pairs(boost, self.power, -1.0, 0.0)
        self._pairs(boost, lifted, -highest, 0.0)
        self._pairs(self.power, lifted, self.most - highest, self.most)
        self._limit(boost, self.cost, self.snapshot.boost_kw / self.scale_kw)
        both, costs = np.concatenate([self.power, boost]), np.concatenate([self.cost, -self.cost])
        self._limit(both, costs, self.snapshot.site_limit_kw / self.scale_kw)

    def _limit(self, column: Ints, value: float | Floats, upper: float) -> None:
        """A row: the columns, each times its value, have a limit together."""
        if len(column) and upper < math.inf:
            self.program.rows(np.zeros(len(column), np.int64), column, value, -math.inf, upper)

    def _pairs(self, one: Ints, other: Ints, value: float | Floats, upper: float | Floats) -> None:
        """A row for each pair of columns: ``one + value * other <= upper``."""
        values = np.concatenate([np.ones(len(one)), np.broadcast_to(value, len(one))])
        row = np.tile(np.arange(len(one)), 2)
        self.program.rows(
            row, np.concatenate([one, other]), values, -math.inf, np.broadcast_to(upper, len(one))
        )
