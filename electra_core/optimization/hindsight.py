"""The best that was possible for a whole run, knowing everything; and how far a run was from it.

It is an upper bound of the energy that any strategy can deliver, and a lower bound of what that can cost:
every driver has a connector from the moment of arrival, minima, whole modules and turns do not count, the
battery may serve the site's own load too and keeps no reserve, and a driver who chose no charger stands at
the best one. Only drivers, cars, chargers, site, plant and battery limit it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pandas as pd

from electra_core.errors import is_finite, shortened
from electra_core.optimization.intervals import cut
from electra_core.optimization.linear_program import Floats, Ints, OptimizationError
from electra_core.optimization.model import Model
from electra_core.sessions import Scenario

# Energies are the same when they are this close, as a share; and so much the second solve may miss.
SAME = 1e-9
ROUNDING = 1e-11


@dataclass(frozen=True, slots=True)
class Best:
    """The best schedule of a run.

    Attributes
    ----------
    scenario : the run
    delivered_kwh : to each visitor, kWh, in the order of ``scenario.sessions``
    cost : of import, with the demand charge; None where the scenario has no prices and there is no charge
    peak_kw : highest import, kW; where there is a demand charge, of the means that it counts
    final_soc : of the battery, 0 to 1; None without a battery
    timeline : by ``start_s`` of each interval: ``import_kw``, ``cars_kw`` (on the cars' side), ``battery_kw``
        (positive charges), means; and ``battery_soc`` at the start, 0 to 1
    """

    scenario: Scenario
    delivered_kwh: Floats
    cost: float | None
    peak_kw: float
    final_soc: float | None
    timeline: pd.DataFrame

    @property
    def total_kwh(self) -> float:
        """Energy to all cars, kWh."""
        return float(self.delivered_kwh.sum())

    @property
    def delivered_share(self) -> float:
        """Of the energy that was requested, 0 to 1; 1 where nobody wanted any."""
        requested_kwh = float(self.scenario.sessions.requested_kwh.sum())
        return self.total_kwh / requested_kwh if requested_kwh > 0.0 else 1.0

    @property
    def by_session(self) -> dict[Any, float]:
        """Energy to each session by its id, kWh."""
        return dict(zip(self.scenario.sessions.session_id, self.delivered_kwh.tolist(), strict=True))


class Run(Protocol):
    """What `regret` must know of a run; ``delivered_kwh`` to each visitor, as in ``scenario.sessions``."""

    @property
    def scenario(self) -> Scenario: ...
    @property
    def delivered_kwh(self) -> Floats: ...
    @property
    def cost(self) -> float | None: ...


@dataclass(frozen=True, slots=True)
class Regret:
    """How far a run was from the best that was possible.

    Attributes
    ----------
    energy_kwh : what the best would have delivered beyond it, kWh
    share : the same of the energy that was requested, 0 to 1
    cost : what it paid beyond the least at which as much energy can be delivered; None where the run has no
        cost
    """

    energy_kwh: float
    share: float
    cost: float | None


def hindsight(
    scenario: Scenario,
    *,
    demand_charge_per_kw: float = 0.0,
    demand_window_s: float | None = None,
    final_soc_at_least: float | None = None,
    end_s: float | None = None,
    time_limit_s: float | None = None,
) -> Best:
    """The best that was possible: the most energy to cars, and at that the least cost.

    Two solves of one linear program: the second keeps the energy of the first, and minimises the cost; where
    nothing has a price, the energy that is imported.

    Parameters
    ----------
    scenario : the run
    demand_charge_per_kw : price of the highest mean import of a window of the whole run, per kW
    demand_window_s : s; windows count from 0. None: ``scenario.step_s``
    final_soc_at_least : 0 to 1; the battery ends with no less. None: it may end at its floor, because a run
        may: what it held at first costs nobody anything, and so no run costs less than this. Give the final
        SoC of a run to compare it with the best of those that leave as much
    end_s : s; the run ends here; None: at its horizon. Where ``scenario.until_empty``, that is the latest
        end, up to which cars without a departure may charge
    time_limit_s : s of each solve; None: as long as it takes

    Raises
    ------
    OptimizationError
        On arguments that cannot be meant, on the exercise's battery rule, where no schedule keeps
        ``final_soc_at_least``, and where the time is over.
    """
    run = _Search(scenario, demand_charge_per_kw, demand_window_s, final_soc_at_least, end_s, time_limit_s)
    return run.best(run.most_kwh)


def regret(
    result: Run,
    *,
    demand_charge_per_kw: float = 0.0,
    demand_window_s: float | None = None,
    final_soc_at_least: float | None = None,
    end_s: float | None = None,
    time_limit_s: float | None = None,
) -> Regret:
    """How far a run was from the best that was possible.

    Less energy costs less, so the cost is compared with the least at which as much can be delivered, to
    whomever.

    Parameters
    ----------
    result : the run; its cost with the demand charge, if there is one
    demand_charge_per_kw, demand_window_s, final_soc_at_least, time_limit_s : see `hindsight`
    end_s : s; when the run was over, which is sooner than its horizon where the last driver left when done:
        the site's own load costs until then. None: ``result.end_s``, if it has that, or the horizon

    Raises
    ------
    OptimizationError
        As `hindsight` does; and where the energies are not those of the scenario's visitors.
    """
    scenario = result.scenario
    if np.shape(result.delivered_kwh) != (len(scenario.sessions),):
        shape = np.shape(result.delivered_kwh)
        raise OptimizationError(
            f"{len(scenario.sessions)} visitors came, but delivered_kwh has the shape {shape}"
        )
    over_s = getattr(result, "end_s", None) if end_s is None else end_s
    run = _Search(scenario, demand_charge_per_kw, demand_window_s, final_soc_at_least, over_s, time_limit_s)
    requested_kwh = float(scenario.sessions.requested_kwh.sum())
    delivered_kwh = float(np.sum(result.delivered_kwh))
    lacking_kwh = run.most_kwh - delivered_kwh
    if abs(lacking_kwh) <= SAME * max(1.0, run.most_kwh):
        lacking_kwh = 0.0
    least = None if result.cost is None else run.best(min(delivered_kwh, run.most_kwh)).cost
    return Regret(
        energy_kwh=lacking_kwh,
        share=lacking_kwh / requested_kwh if requested_kwh > 0.0 else 0.0,
        cost=None if result.cost is None or least is None else result.cost - least,
    )


class _Search:
    """The program of a run, with its most energy found."""

    def __init__(
        self,
        scenario: Scenario,
        demand_charge_per_kw: float,
        demand_window_s: float | None,
        final_soc_at_least: float | None,
        end_s: float | None,
        time_limit_s: float | None,
    ) -> None:
        window_s = scenario.step_s if demand_window_s is None else demand_window_s
        until_s = scenario.horizon_s if end_s is None else end_s
        _check_amount("demand_charge_per_kw", demand_charge_per_kw, least=0.0)
        _check_amount("demand_window_s", window_s, least=0.01)
        _check_amount("end_s", until_s, least=1e-3, most=scenario.horizon_s)
        if time_limit_s is not None:
            _check_amount("time_limit_s", time_limit_s, least=0.0)
        least_final_kwh = _final_kwh(scenario, final_soc_at_least)
        self.scenario, self.charge = scenario, demand_charge_per_kw
        self.times = cut(scenario, until_s, window_s if self.charge > 0.0 else None)
        # Half a microsecond, because starts are rounded to one.
        windows = np.floor((self.times.start_s[:-1] + 5e-7) / window_s).astype(np.int64)
        self.windows: Ints | None = windows if self.charge > 0.0 else None
        self.model = Model(scenario, self.times, self.windows, least_final_kwh, time_limit_s)
        self.most_kwh = float(self.model.most_energy().sum())

    def best(self, least_kwh: float) -> Best:
        """The least cost at which cars get at least so much energy."""
        times, columns = self.times, self.model.columns
        priced = times.price_per_kwh is not None or self.charge > 0.0
        price = times.price_per_kwh
        if price is None:
            # Nothing but the peak costs; where that does not either, importing less is better than more.
            price = np.full(len(times), 0.0 if priced else 1.0)
        values = self.model.least_cost(least_kwh - ROUNDING * max(1.0, least_kwh), price, self.charge)
        # Rounding of an energy would be much power in an interval of nearly no time.
        imported_kwh = np.clip(values[columns.imported], 0.0, times.most_import_kwh)
        peak_kw = self._peak_kw(imported_kwh)
        soc = self._soc(values)
        return Best(
            scenario=self.scenario,
            delivered_kwh=self.model.delivered_kwh(values),
            cost=float(imported_kwh @ price) + self.charge * peak_kw if priced else None,
            peak_kw=peak_kw,
            final_soc=float(soc[-1]) if self.scenario.config.battery else None,
            timeline=self._timeline(values, imported_kwh, soc),
        )

    def _peak_kw(self, imported_kwh: Floats) -> float:
        if self.windows is None:
            return float((imported_kwh / self.times.hours).max())
        _, row = np.unique(self.windows, return_inverse=True)
        return float((np.bincount(row, imported_kwh) / np.bincount(row, self.times.hours)).max())

    def _soc(self, values: Floats) -> Floats:
        """SoC of the battery at the edges of the intervals; not a number without one."""
        battery = self.scenario.config.battery
        if battery is None:
            return np.full(len(self.times) + 1, np.nan)
        later = values[self.model.columns.stored] / battery.initial_capacity_kwh
        soc: Floats = np.clip(np.concatenate([[battery.initial_soc], later]), 0.0, 1.0)
        return soc

    def _timeline(self, values: Floats, imported_kwh: Floats, soc: Floats) -> pd.DataFrame:
        times, columns, stays = self.times, self.model.columns, self.model.stays
        cars_kwh = np.bincount(stays.interval, values[columns.energy], len(times))
        battery_kwh = np.zeros(len(times))
        if len(columns.charged):
            battery_kwh = values[columns.charged] - values[columns.given]
        return pd.DataFrame(
            {
                "import_kw": imported_kwh / times.hours,
                "cars_kw": cars_kwh / times.hours,
                "battery_kw": battery_kwh / times.hours,
                "battery_soc": soc[:-1],
            },
            index=pd.Index(times.start_s[:-1], name="start_s"),
        )


def _final_kwh(scenario: Scenario, final_soc: float | None) -> float:
    """What the battery must hold at the end, kWh; the exercise's rule is refused here."""
    battery = scenario.config.battery
    if battery is not None and battery.rule == "whole_session":
        raise OptimizationError(
            "the battery rule whole_session fills the battery from nowhere, so nothing is the best of it;"
            " take the rule hybrid to see what is possible"
        )
    if final_soc is None:
        return 0.0
    if battery is None:
        raise OptimizationError("final_soc_at_least needs a battery, and there is none")
    _check_amount("final_soc_at_least", final_soc, least=0.0, most=battery.max_soc)
    return final_soc * battery.initial_capacity_kwh


def _check_amount(name: str, value: float, least: float, most: float = math.inf) -> None:
    if not (is_finite(value) and least <= value <= most):
        bounds = f"{least:g} or more" if most == math.inf else f"from {least:g} to {most:g}"
        raise OptimizationError(f"{name} must be a number {bounds}, got {shortened(value)}")
