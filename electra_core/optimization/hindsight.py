"""The optimum of a whole run in hindsight, and the regret of a run: its distance from that optimum.

The optimum is an upper bound of the energy that any strategy can deliver, and a lower bound of what that can
cost: every car has a connector from its arrival on; minima, whole modules and turns do not count; the battery
may serve the site's own load too and keeps no reserve; a session without a charger of its own is at the best
one. Only sessions, cars, chargers, site, plant and battery limit it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pandas as pd

from electra_core.errors import checked_number
from electra_core.optimization.intervals import cut
from electra_core.optimization.linear_program import Floats, Ints, OptimizationError
from electra_core.optimization.model import Model
from electra_core.sessions import Scenario

# Energies that differ by less than this share are equal.
EQUAL_SHARE = 1e-9

# Share of the energy by which the solve for the least cost may deliver less than the one for the most energy.
ENERGY_SLACK = 1e-11


@dataclass(frozen=True, slots=True)
class HindsightOptimum:
    """The best schedule of a run.

    Attributes
    ----------
    scenario : the run
    delivered_kwh : energy of each session, kWh, in the order of ``scenario.sessions``
    cost : of import, with the demand charge; None if the scenario has no prices and there is no charge
    peak_kw : highest import, kW; with a demand charge, the highest mean of a window
    final_soc : of the battery, 0 to 1; None without a battery
    timeline : means by ``start_s`` of each interval: ``import_kw``, ``cars_kw`` (on the cars' side) and
        ``battery_kw`` (positive charges); and ``battery_soc`` at the start, 0 to 1
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
        """Share of the requested energy, 0 to 1; 1 without any request."""
        requested_kwh = float(self.scenario.sessions.requested_kwh.sum())
        return self.total_kwh / requested_kwh if requested_kwh > 0.0 else 1.0

    @property
    def by_session(self) -> dict[Any, float]:
        """Energy of each session by its id, kWh."""
        return dict(zip(self.scenario.sessions.session_id, self.delivered_kwh.tolist(), strict=True))


class CompletedRun(Protocol):
    """A run that `regret` compares; ``delivered_kwh`` of each session, as in ``scenario.sessions``."""

    @property
    def scenario(self) -> Scenario: ...
    @property
    def delivered_kwh(self) -> Floats: ...
    @property
    def cost(self) -> float | None: ...


@dataclass(frozen=True, slots=True)
class Regret:
    """Distance of a run from the optimum in hindsight.

    Attributes
    ----------
    energy_kwh : energy that the optimum delivers beyond the run's, kWh
    share : the same as a share of the requested energy, 0 to 1
    cost : the run's cost beyond the least at which as much energy can be delivered; None for a run without a
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
) -> HindsightOptimum:
    """Find the most energy that cars could have got, and the least cost of that energy.

    Two solves of one linear program: the second keeps the energy of the first, and minimises the cost;
    without prices, the energy that is imported.

    Parameters
    ----------
    scenario : the run
    demand_charge_per_kw : price of the highest mean import of a window of the whole run, per kW
    demand_window_s : length of the windows, which count from 0, s. None: ``scenario.step_s``
    final_soc_at_least : minimal SoC of the battery at the end, 0 to 1. None: it may end at its floor, because
        a run may: its initial energy is free, and so no run costs less than this. Give the final SoC of a run
        to compare it with the best of those that leave as much
    end_s : end of the run, s. None: its horizon. With ``scenario.until_empty`` that is the latest end, up to
        which cars without a departure may charge
    time_limit_s : time limit of each solve, s; None: unlimited

    Raises
    ------
    OptimizationError
        On arguments out of range, on the exercise's battery rule, when no schedule keeps
        ``final_soc_at_least``, and when the time is over.

    Examples
    --------
    >>> from electra_core import load_config
    >>> from electra_core.sessions import read_scenario
    >>> chargers = [{"id": "CP1", "maxPower": 100, "connectors": 2}]
    >>> config = load_config({"stationId": "ST", "gridCapacity": 10, "chargers": chargers})
    >>> cars = {"departure_s": [3600, 7200], "energy_kwh": [10, 8], "max_power_kw": [10, 8]}
    >>> best = hindsight(read_scenario(config, pd.DataFrame({"arrival_s": [0, 0], **cars})))
    >>> round(best.total_kwh, 6), round(best.peak_kw, 6)
    (18.0, 10.0)
    """
    search = _Search(scenario, demand_charge_per_kw, demand_window_s, final_soc_at_least, end_s, time_limit_s)
    return search.optimum(search.max_kwh)


def regret(
    result: CompletedRun,
    *,
    demand_charge_per_kw: float = 0.0,
    demand_window_s: float | None = None,
    final_soc_at_least: float | None = None,
    end_s: float | None = None,
    time_limit_s: float | None = None,
) -> Regret:
    """Measure the distance of a run from the optimum in hindsight.

    Less energy costs less, so the cost is compared with the least at which as much can be delivered, to any
    sessions.

    Parameters
    ----------
    result : the run, such as that of `simulate`; its cost with the demand charge, if there is one
    demand_charge_per_kw, demand_window_s, final_soc_at_least, time_limit_s : see `hindsight`
    end_s : end of the run, s, which is before its horizon if the last car left when done: the site's own load
        costs until then. None: ``result.end_s``, if it has that, or the horizon

    Raises
    ------
    OptimizationError
        As `hindsight`; and when the energies are not those of the scenario's sessions.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> from electra_core import load_config
    >>> from electra_core.sessions import read_scenario
    >>> chargers = [{"id": "CP1", "maxPower": 100, "connectors": 1}]
    >>> config = load_config({"stationId": "ST", "gridCapacity": 10, "chargers": chargers})
    >>> car = {"arrival_s": [0], "departure_s": 7200, "energy_kwh": 20, "max_power_kw": 10}
    >>> scenario = read_scenario(config, pd.DataFrame(car))
    >>> run = SimpleNamespace(scenario=scenario, delivered_kwh=np.array([18.0]), cost=None)
    >>> round(regret(run).energy_kwh, 6)
    2.0
    """
    scenario = result.scenario
    shape = np.shape(result.delivered_kwh)
    if shape != (len(scenario.sessions),):
        raise OptimizationError(
            f"the scenario has {len(scenario.sessions)} sessions, but delivered_kwh has the shape {shape}"
        )
    end_s = getattr(result, "end_s", None) if end_s is None else end_s
    search = _Search(scenario, demand_charge_per_kw, demand_window_s, final_soc_at_least, end_s, time_limit_s)
    requested_kwh = float(scenario.sessions.requested_kwh.sum())
    delivered_kwh = float(np.sum(result.delivered_kwh))
    lacking_kwh = search.max_kwh - delivered_kwh
    if abs(lacking_kwh) <= EQUAL_SHARE * max(1.0, search.max_kwh):
        lacking_kwh = 0.0
    least_cost = None if result.cost is None else search.optimum(min(delivered_kwh, search.max_kwh)).cost
    return Regret(
        energy_kwh=lacking_kwh,
        share=lacking_kwh / requested_kwh if requested_kwh > 0.0 else 0.0,
        cost=None if result.cost is None or least_cost is None else result.cost - least_cost,
    )


class _Search:
    """The program of a run, solved for the most energy."""

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
        end_s = scenario.horizon_s if end_s is None else end_s
        for name, value, minimum, maximum in (
            ("demand_charge_per_kw", demand_charge_per_kw, 0.0, math.inf),
            ("demand_window_s", window_s, 0.01, math.inf),
            ("end_s", end_s, 1e-3, scenario.horizon_s),
            ("time_limit_s", 0.0 if time_limit_s is None else time_limit_s, 0.0, math.inf),
        ):
            checked_number(name, value, minimum, maximum, OptimizationError)
        min_final_kwh = _min_final_kwh(scenario, final_soc_at_least)
        self.scenario, self.charge = scenario, demand_charge_per_kw
        self.intervals = cut(scenario, end_s, window_s if self.charge > 0.0 else None)
        # Half a microsecond more, because edges are rounded to a microsecond.
        windows = np.floor((self.intervals.edges_s[:-1] + 5e-7) / window_s).astype(np.int64)
        self.windows: Ints | None = windows if self.charge > 0.0 else None
        self.model = Model(scenario, self.intervals, self.windows, min_final_kwh, time_limit_s)
        self.max_kwh = float(self.model.most_energy().sum())

    def optimum(self, min_kwh: float) -> HindsightOptimum:
        """Return the schedule of the least cost at which cars get at least so much energy."""
        intervals, columns = self.intervals, self.model.columns
        priced = intervals.price_per_kwh is not None or self.charge > 0.0
        price = intervals.price_per_kwh
        if price is None:
            # Nothing but the peak costs; without a charge for it either, less import is better than more.
            price = np.full(len(intervals), 0.0 if priced else 1.0)
        values = self.model.least_cost(min_kwh - ENERGY_SLACK * max(1.0, min_kwh), price, self.charge)
        # Rounding of an energy would be much power in a very short interval.
        imported_kwh = np.clip(values[columns.imported], 0.0, intervals.max_import_kwh)
        peak_kw = self._peak_kw(imported_kwh)
        soc = self._soc(values)
        return HindsightOptimum(
            scenario=self.scenario,
            delivered_kwh=self.model.delivered_kwh(values),
            cost=float(imported_kwh @ price) + self.charge * peak_kw if priced else None,
            peak_kw=peak_kw,
            final_soc=float(soc[-1]) if self.scenario.config.battery else None,
            timeline=self._timeline(values, imported_kwh, soc),
        )

    def _peak_kw(self, imported_kwh: Floats) -> float:
        """Return the highest import: of an interval, or the mean of a window, kW."""
        if self.windows is None:
            return float((imported_kwh / self.intervals.hours).max())
        _, row = np.unique(self.windows, return_inverse=True)
        return float((np.bincount(row, imported_kwh) / np.bincount(row, self.intervals.hours)).max())

    def _soc(self, values: Floats) -> Floats:
        """Return the SoC of the battery at the edges of the intervals; NaN without one."""
        battery = self.scenario.config.battery
        if battery is None:
            return np.full(len(self.intervals) + 1, np.nan)
        later = values[self.model.columns.stored] / battery.initial_capacity_kwh
        soc: Floats = np.clip(np.concatenate([[battery.initial_soc], later]), 0.0, 1.0)
        return soc

    def _timeline(self, values: Floats, imported_kwh: Floats, soc: Floats) -> pd.DataFrame:
        intervals, columns = self.intervals, self.model.columns
        cars_kwh = np.bincount(self.model.presence.interval, values[columns.energy], len(intervals))
        battery_kwh = np.zeros(len(intervals))
        if len(columns.charged):
            battery_kwh = values[columns.charged] - values[columns.discharged]
        return pd.DataFrame(
            {
                "import_kw": imported_kwh / intervals.hours,
                "cars_kw": cars_kwh / intervals.hours,
                "battery_kw": battery_kwh / intervals.hours,
                "battery_soc": soc[:-1],
            },
            index=pd.Index(intervals.edges_s[:-1], name="start_s"),
        )


def _min_final_kwh(scenario: Scenario, final_soc: float | None) -> float:
    """Return the minimal energy in the battery at the end, kWh; refuse the exercise's battery rule."""
    battery = scenario.config.battery
    if battery is not None and battery.rule == "whole_session":
        raise OptimizationError(
            "the battery rule whole_session fills the battery from nowhere, so there is no optimum;"
            " take the rule hybrid to see what is possible"
        )
    if final_soc is None:
        return 0.0
    if battery is None:
        raise OptimizationError("final_soc_at_least needs a battery, and there is none")
    checked_number("final_soc_at_least", final_soc, 0.0, battery.max_soc, OptimizationError)
    return final_soc * battery.initial_capacity_kwh
