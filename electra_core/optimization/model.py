"""Linear program of a whole run: energy of each car and of the battery in each interval."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from electra_core.allocation import waterfill
from electra_core.optimization.curve_cuts import EnergyBounds, energy_bounds
from electra_core.optimization.intervals import Intervals, find_presence
from electra_core.optimization.linear_program import Floats, Ints, Program
from electra_core.sessions import ANY, Scenario
from electra_core.station import StationConfig

NONE = np.zeros(0, np.int64)


@dataclass(frozen=True, slots=True)
class Columns:
    """Indices of the program's columns.

    Attributes
    ----------
    energy : kWh to the car of each pair of session and interval
    imported : kWh of each interval
    charged, discharged, stored : kWh into and out of the battery on the site's side, and in it at the end of
        each interval; empty without a battery
    peak : highest mean import of a window, kW; empty without a demand charge
    """

    energy: Ints
    imported: Ints
    charged: Ints
    discharged: Ints
    stored: Ints
    peak: Ints


class Model:
    """The program of a run.

    Parameters
    ----------
    scenario : the run
    intervals : its intervals
    windows : window of each interval, whose mean import counts towards the peak; None: no peak counts
    min_final_kwh : minimal energy in the battery at the end, kWh
    time_limit_s : time limit of each solve, s; None: unlimited
    """

    def __init__(
        self,
        scenario: Scenario,
        intervals: Intervals,
        windows: Ints | None,
        min_final_kwh: float,
        time_limit_s: float | None,
    ) -> None:
        self.scenario, self.intervals = scenario, intervals
        self.presence = find_presence(scenario, intervals)
        self.program = Program(time_limit_s)
        bounds = energy_bounds(scenario.sessions, intervals, self.presence, _allowed_kw(scenario))
        self.columns = self._add_columns(bounds.max_kw, windows is not None, min_final_kwh)
        # No session takes more than it requested.
        self.program.add_rows(self.presence.session, self.columns.energy, 1.0, -math.inf, bounds.max_kwh)
        self._add_chargers(bounds.max_kw)
        self._add_site()
        self._add_battery()
        self._add_cuts(bounds)
        if windows is not None:
            self._add_peak(windows)

    def _add_columns(self, max_kw: Floats, peak_counts: bool, min_final_kwh: float) -> Columns:
        add, intervals, hours = self.program.add_columns, self.intervals, self.intervals.hours
        battery = self.scenario.config.battery
        energy = add(0.0, max_kw[self.presence.session] * hours[self.presence.interval])
        imported = add(0.0, intervals.max_import_kwh)
        charged = discharged = stored = NONE
        if battery is not None:
            charge_kw = np.minimum(battery.charge_power_kw, battery.recharge_share * intervals.limit_kw)
            charged = add(0.0, charge_kw * hours)
            discharged = add(0.0, battery.discharge_power_kw * hours)
            capacity_kwh = battery.initial_capacity_kwh
            min_kwh = np.full(len(intervals), min(battery.min_soc, battery.initial_soc) * capacity_kwh)
            min_kwh[-1] = max(min_kwh[-1], min_final_kwh)
            stored = add(min_kwh, battery.max_soc * capacity_kwh)
        peak = add([0.0], math.inf) if peak_counts else NONE
        return Columns(energy, imported, charged, discharged, stored, peak)

    def _add_chargers(self, max_kw: Floats) -> None:
        """Add the limit of each charger, and one of all chargers together for sessions at an unknown one."""
        charger_kw = _charger_kw(self.scenario.config)
        charger = _charger(self.scenario)[self.presence.session]
        known = charger != ANY
        self._add_shares(known, charger, charger_kw, max_kw)
        if not known.all():
            everywhere = np.zeros(len(charger), np.int64)
            self._add_shares(everywhere == 0, everywhere, np.array([charger_kw.sum()]), max_kw)

    def _add_shares(self, concerned: Floats, group: Ints, limit_kw: Floats, max_kw: Floats) -> None:
        """Add the limit of each group's sessions in one interval, if they could reach it."""
        presence, count = self.presence, len(self.intervals)
        cell = (group * count + presence.interval)[concerned]
        cells, row = np.unique(cell, return_inverse=True)
        asked_kw = np.bincount(row, max_kw[presence.session[concerned]], len(cells))
        scarce = asked_kw > limit_kw[cells // count]
        number = np.cumsum(scarce) - 1
        inside = scarce[row]
        limit_kwh = limit_kw[cells // count] * self.intervals.hours[cells % count]
        column = self.columns.energy[concerned][inside]
        self.program.add_rows(number[row[inside]], column, 1.0, -math.inf, limit_kwh[scarce])

    def _add_site(self) -> None:
        """Add the energy balance of each interval; only a surplus of the plant may be curtailed."""
        presence, intervals, columns = self.presence, self.intervals, self.columns
        each = np.arange(len(intervals))
        battery = [] if self.scenario.config.battery is None else [each, each]
        needed_kwh = (intervals.own_kw - intervals.pv_kw) * intervals.hours
        self.program.add_rows(
            np.concatenate([each, presence.interval, *battery]),
            np.concatenate([columns.imported, columns.energy, columns.charged, columns.discharged]),
            np.concatenate([
                np.ones(len(each)),
                -_site_kw_per_kw(self.scenario)[presence.session],
                np.full(len(columns.charged), -1.0),
                np.ones(len(columns.discharged)),
            ]),
            needed_kwh,
            needed_kwh + intervals.pv_kw * intervals.hours,
        )  # fmt: skip

    def _add_battery(self) -> None:
        """Add the energy balance of the battery over each interval."""
        battery, columns = self.scenario.config.battery, self.columns
        if battery is None:
            return
        each = np.arange(len(self.intervals))
        self.program.add_rows(
            np.concatenate([each, each[1:], each, each]),
            np.concatenate([columns.stored, columns.stored[:-1], columns.charged, columns.discharged]),
            np.concatenate([
                np.ones(len(each)),
                np.full(len(each) - 1, -1.0),
                np.full(len(each), -battery.charge_efficiency),
                np.full(len(each), 1.0 / battery.discharge_efficiency),
            ]),
            *[np.where(each == 0, battery.initial_soc * battery.initial_capacity_kwh, 0.0)] * 2,
        )  # fmt: skip

    def _add_cuts(self, bounds: EnergyBounds) -> None:
        """Add the limits of cars on curves, which follow from the energy that they have gained."""
        session, cuts = self.presence.session, bounds.cuts
        curved = np.flatnonzero(np.isin(session, session[cuts.pair]))
        gained = np.full(len(session), -1)
        gained[curved] = self.program.add_columns(0.0, bounds.before_kwh[curved])
        later = curved[np.diff(session[curved], prepend=-1) == 0]
        self.program.add_rows(
            np.tile(np.arange(len(later)), 3),
            np.concatenate([gained[later], gained[later - 1], self.columns.energy[later - 1]]),
            np.repeat([1.0, -1.0, -1.0], len(later)),
            np.zeros(len(later)),
            0.0,
        )
        self.program.add_rows(
            np.tile(np.arange(len(cuts.pair)), 2),
            np.concatenate([self.columns.energy[cuts.pair], gained[cuts.pair]]),
            np.concatenate([np.ones(len(cuts.pair)), -cuts.slope]),
            -math.inf,
            cuts.max_kwh,
        )

    def _add_peak(self, windows: Ints) -> None:
        """Add the limit of each window's mean import, which is the peak."""
        _, row = np.unique(windows, return_inverse=True)
        hours = np.bincount(row, self.intervals.hours)
        self.program.add_rows(
            np.concatenate([row, np.arange(len(hours))]),
            np.concatenate([self.columns.imported, np.repeat(self.columns.peak, len(hours))]),
            np.concatenate([np.ones(len(row)), -hours]),
            -math.inf,
            np.zeros(len(hours)),
        )

    def most_energy(self) -> Floats:
        """Solve for the most energy to cars; return that of each session, kWh."""
        self.program.set_costs(self.columns.energy, -1.0)
        return self.delivered_kwh(self.program.solve())

    def least_cost(self, min_kwh: float, price_per_kwh: Floats, peak_price_per_kw: float) -> Floats:
        """Solve for the least cost of import at which cars get at least so much; return all columns."""
        columns = self.columns
        energy = columns.energy
        self.program.add_rows(np.zeros(len(energy), np.int64), energy, 1.0, min_kwh, math.inf)
        peak_prices = np.full(len(columns.peak), peak_price_per_kw)
        self.program.set_costs(
            np.concatenate([columns.imported, columns.peak]), np.concatenate([price_per_kwh, peak_prices])
        )
        return self.program.solve()

    def delivered_kwh(self, values: Floats) -> Floats:
        """Return the energy of each session in a solution, kWh."""
        requested_kwh = self.scenario.sessions.requested_kwh
        gained_kwh = np.bincount(self.presence.session, values[self.columns.energy], len(requested_kwh))
        return np.clip(gained_kwh, 0.0, requested_kwh)


def _connectors(config: StationConfig) -> tuple[Floats, Ints]:
    """Return the limit of each connector, kW, and the index of its charger."""
    chargers = {charger_id: index for index, charger_id in enumerate(config.charger_kw)}
    charger = np.array([chargers[charger_id] for charger_id, _ in config.connectors])
    kw = [math.inf if one.max_power_kw is None else one.max_power_kw for one in config.connectors.values()]
    return np.minimum(kw, _charger_kw(config)[charger]), charger


def _charger_kw(config: StationConfig) -> Floats:
    """Return the limit of each charger, kW; with power modules, that of all whole ones."""
    kw = dict(config.charger_kw)
    for charger_id, size_kw in config.module_kw.items():
        kw[charger_id] = waterfill.whole_modules(kw[charger_id], size_kw) * size_kw
    return np.array(list(kw.values()))


def _charger(scenario: Scenario) -> Ints:
    """Return the index of each session's charger; `ANY` if there is a choice."""
    charger, only_one = scenario.sessions.charger, len(scenario.config.chargers) == 1
    return np.where(charger == ANY, 0 if only_one else ANY, charger)


def _allowed_kw(scenario: Scenario) -> Floats:
    """Return the limit of each session by its car and the best connector that it may take, kW."""
    table = scenario.sessions
    connector_kw, charger = _connectors(scenario.config)
    best_kw = np.zeros(len(scenario.config.chargers))
    np.maximum.at(best_kw, charger, connector_kw)
    limit_kw = np.where(table.charger == ANY, best_kw.max(), best_kw[table.charger])
    limit_kw = np.where(table.connector == ANY, limit_kw, connector_kw[table.connector])
    return np.minimum(table.max_kw, limit_kw)


def _site_kw_per_kw(scenario: Scenario) -> Floats:
    """Return the site's power per power of each session; with a choice of chargers, at the best one."""
    cost = np.array([1.0 / charger.efficiency for charger in scenario.config.chargers])
    charger = scenario.sessions.charger
    return np.where(charger == ANY, cost.min(), cost[charger])
