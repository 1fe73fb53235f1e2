"""A whole run as one linear program: how much each car gets in each interval, and what the battery does."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from electra_core.allocation import waterfill
from electra_core.optimization.curve_cuts import Reach, reach_of
from electra_core.optimization.intervals import Intervals, stays_of
from electra_core.optimization.linear_program import Floats, Ints, Program
from electra_core.sessions import ANY, Scenario
from electra_core.station import StationConfig

NONE = np.zeros(0, np.int64)


@dataclass(frozen=True, slots=True)
class Columns:
    """Numbers of the program's columns.

    Attributes
    ----------
    energy : kWh to the car of each stay
    imported : kWh of each interval
    charged, given, stored : kWh into and out of the battery on the site's side, and in it at the end of each
        interval; empty without a battery
    peak : kW; empty where no peak counts
    """

    energy: Ints
    imported: Ints
    charged: Ints
    given: Ints
    stored: Ints
    peak: Ints


class Model:
    """The program of a run.

    Parameters
    ----------
    scenario : the run
    intervals : its time
    windows : number of the window of each interval whose mean import counts as a peak; None: none counts
    least_final_kwh : what the battery must hold at the end
    time_limit_s : s of each solve; None: as long as it takes
    """

    def __init__(
        self,
        scenario: Scenario,
        intervals: Intervals,
        windows: Ints | None,
        least_final_kwh: float,
        time_limit_s: float | None,
    ) -> None:
        self.scenario, self.intervals = scenario, intervals
        self.stays = stays_of(scenario, intervals)
        self.program = Program(time_limit_s)
        reach = reach_of(scenario.sessions, intervals, self.stays, _allowed_kw(scenario))
        self.columns = self._add_columns(reach.most_kw, windows is not None, least_final_kwh)
        # Nobody takes more than was asked for.
        self.program.rows(self.stays.visit, self.columns.energy, 1.0, -math.inf, reach.most_kwh)
        self._add_chargers(reach.most_kw)
        self._add_site()
        self._add_battery()
        self._add_curves(reach)
        if windows is not None:
            self._add_peak(windows)

    def _add_columns(self, most_kw: Floats, peak_counts: bool, least_final_kwh: float) -> Columns:
        add, times, hours = self.program.columns, self.intervals, self.intervals.hours
        battery = self.scenario.config.battery
        energy = add(0.0, most_kw[self.stays.visit] * hours[self.stays.interval])
        imported = add(0.0, times.most_import_kwh)
        charged = given = stored = NONE
        if battery is not None:
            most_charge_kw = np.minimum(battery.charge_power_kw, battery.recharge_share * times.limit_kw)
            charged = add(0.0, most_charge_kw * hours)
            given = add(0.0, battery.discharge_power_kw * hours)
            capacity_kwh = battery.initial_capacity_kwh
            least_kwh = np.full(len(times), min(battery.min_soc, battery.initial_soc) * capacity_kwh)
            least_kwh[-1] = max(least_kwh[-1], least_final_kwh)
            stored = add(least_kwh, battery.max_soc * capacity_kwh)
        peak = add([0.0], math.inf) if peak_counts else NONE
        return Columns(energy, imported, charged, given, stored, peak)

    def _add_chargers(self, most_kw: Floats) -> None:
        """Cars share what their charger has; where nobody knows it, what all chargers have."""
        stays, config = self.stays, self.scenario.config
        charger_kw = _charger_kw(config)
        charger = _charger(self.scenario)[stays.visit]
        at_known = charger != ANY
        self._add_shares(at_known, charger, charger_kw, most_kw)
        if not at_known.all():
            together = np.zeros(len(stays), np.int64)
            self._add_shares(together == 0, together, np.array([charger_kw.sum()]), most_kw)

    def _add_shares(self, concerned: Floats, group: Ints, limit_kw: Floats, most_kw: Floats) -> None:
        """Stays of one group in one interval have a limit together; a row only where they could reach it."""
        stays, count = self.stays, len(self.intervals)
        cell = (group * count + stays.interval)[concerned]
        cells, row = np.unique(cell, return_inverse=True)
        asked_kw = np.bincount(row, most_kw[stays.visit[concerned]], len(cells))
        scarce = asked_kw > limit_kw[cells // count]
        number = np.cumsum(scarce) - 1
        inside = scarce[row]
        limit_kwh = limit_kw[cells // count] * self.intervals.hours[cells % count]
        column = self.columns.energy[concerned][inside]
        self.program.rows(number[row[inside]], column, 1.0, -math.inf, limit_kwh[scarce])

    def _add_site(self) -> None:
        """What is imported covers everything; a surplus of the plant may be curtailed, nothing else."""
        stays, times, columns = self.stays, self.intervals, self.columns
        each = np.arange(len(times))
        battery = self.scenario.config.battery is not None
        both = [each, each] if battery else []
        needed_kwh = (times.own_kw - times.pv_kw) * times.hours
        self.program.rows(
            np.concatenate([each, stays.interval, *both]),
            np.concatenate([columns.imported, columns.energy, columns.charged, columns.given]),
            np.concatenate([
                np.ones(len(each)),
                -_cost(self.scenario)[stays.visit],
                np.full(len(columns.charged), -1.0),
                np.ones(len(columns.given)),
            ]),
            needed_kwh,
            needed_kwh + times.pv_kw * times.hours,
        )  # fmt: skip

    def _add_battery(self) -> None:
        """What is in the battery follows from what was in it, and from what comes and goes."""
        battery, columns = self.scenario.config.battery, self.columns
        if battery is None:
            return
        each = np.arange(len(self.intervals))
        self.program.rows(
            np.concatenate([each, each[1:], each, each]),
            np.concatenate([columns.stored, columns.stored[:-1], columns.charged, columns.given]),
            np.concatenate([
                np.ones(len(each)),
                np.full(len(each) - 1, -1.0),
                np.full(len(each), -battery.charge_efficiency),
                np.full(len(each), 1.0 / battery.discharge_efficiency),
            ]),
            *[np.where(each == 0, battery.initial_soc * battery.initial_capacity_kwh, 0.0)] * 2,
        )  # fmt: skip

    def _add_curves(self, reach: Reach) -> None:
        """Cars along their curves: what a car can take follows from what it has gained."""
        visit, lines = self.stays.visit, reach.lines
        curved = np.flatnonzero(np.isin(visit, visit[lines.stay]))
        gained = np.full(len(visit), -1)
        gained[curved] = self.program.columns(0.0, reach.before_kwh[curved])
        later = curved[np.diff(visit[curved], prepend=-1) == 0]
        self.program.rows(
            np.tile(np.arange(len(later)), 3),
            np.concatenate([gained[later], gained[later - 1], self.columns.energy[later - 1]]),
            np.repeat([1.0, -1.0, -1.0], len(later)),
            np.zeros(len(later)),
            0.0,
        )
        self.program.rows(
            np.tile(np.arange(len(lines.stay)), 2),
            np.concatenate([self.columns.energy[lines.stay], gained[lines.stay]]),
            np.concatenate([np.ones(len(lines.stay)), -lines.slope]),
            -math.inf,
            lines.most_kwh,
        )

    def _add_peak(self, windows: Ints) -> None:
        """The mean import of no window is above the peak."""
        _, row = np.unique(windows, return_inverse=True)
        hours = np.bincount(row, self.intervals.hours)
        self.program.rows(
            np.concatenate([row, np.arange(len(hours))]),
            np.concatenate([self.columns.imported, np.repeat(self.columns.peak, len(hours))]),
            np.concatenate([np.ones(len(row)), -hours]),
            -math.inf,
            np.zeros(len(hours)),
        )

    def most_energy(self) -> Floats:
        """Solve for the most energy to cars; what each visitor gets, kWh."""
        self.program.aim(self.columns.energy, -1.0)
        return self.delivered_kwh(self.program.solve())

    def least_cost(self, least_kwh: float, price_per_kwh: Floats, peak_price_per_kw: float) -> Floats:
        """Solve for the least cost of import at which cars get at least so much; all columns."""
        columns = self.columns
        energy = columns.energy
        self.program.rows(np.zeros(len(energy), np.int64), energy, 1.0, least_kwh, math.inf)
        peak_prices = np.full(len(columns.peak), peak_price_per_kw)
        self.program.aim(
            np.concatenate([columns.imported, columns.peak]), np.concatenate([price_per_kwh, peak_prices])
        )
        return self.program.solve()

    def delivered_kwh(self, values: Floats) -> Floats:
        """What each visitor gets in a solution, kWh."""
        visits = self.scenario.sessions
        gained_kwh = np.bincount(self.stays.visit, values[self.columns.energy], len(visits))
        return np.clip(gained_kwh, 0.0, visits.requested_kwh)


def _plug_kw(config: StationConfig) -> tuple[Floats, Ints]:
    """What each connector lets through, and the number of its charger."""
    number = {name: place for place, name in enumerate(config.charger_kw)}
    charger = np.array([number[name] for name, _ in config.connectors])
    plug_kw = np.array(
        [math.inf if plug.max_power_kw is None else plug.max_power_kw for plug in config.connectors.values()]
    )
    return np.minimum(plug_kw, _charger_kw(config)[charger]), charger


def _charger_kw(config: StationConfig) -> Floats:
    """What each charger has; of one with modules, all whole ones together."""
    kw = dict(config.charger_kw)
    kw |= {
        name: waterfill.whole_modules(kw[name], size_kw) * size_kw
        for name, size_kw in config.module_kw.items()
    }
    return np.array(list(kw.values()))


def _charger(scenario: Scenario) -> Ints:
    """The charger of each visitor; who can be at one only is there."""
    visits, only_one = scenario.sessions, len(scenario.config.chargers) == 1
    return np.where(visits.charger == ANY, 0 if only_one else ANY, visits.charger)


def _allowed_kw(scenario: Scenario) -> Floats:
    """The most that each visitor can get: of the car, and of the best connector where it may stand, kW."""
    visits = scenario.sessions
    plug_kw, charger = _plug_kw(scenario.config)
    best_kw = np.zeros(len(scenario.config.chargers))
    np.maximum.at(best_kw, charger, plug_kw)
    place_kw = np.where(visits.charger == ANY, best_kw.max(), best_kw[visits.charger])
    place_kw = np.where(visits.slot == ANY, place_kw, plug_kw[visits.slot])
    return np.minimum(visits.max_kw, place_kw)


def _cost(scenario: Scenario) -> Floats:
    """What one kW of each visitor takes from the site; of who may stand anywhere, at the best charger, kW."""
    cost = np.array([1.0 / charger.efficiency for charger in scenario.config.chargers])
    return np.where(scenario.sessions.charger == ANY, cost.min(), cost[scenario.sessions.charger])
