"""The result of a run: arrays of numbers, which give pandas frames and metrics."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt
import pandas as pd

from electra_core.allocation import Limit
from electra_core.sessions import ABSENT, Scenario
from electra_core.simulation.metrics import (
    battery_cycles,
    clock_peak_kw,
    energy_cost,
    load_factor,
    quantile,
)
from electra_core.simulation.records import ResultError, SimulationState
from electra_core.station import HOUR_S

Floats: TypeAlias = npt.NDArray[np.float64]

MINUTE_S = 60.0


@dataclass(frozen=True, eq=False)
class Result:
    """A run of a scenario under a strategy.

    Attributes
    ----------
    scenario : what was run
    strategy : its name
    end_s : when the run ended, s
    records : a `simulation.records.SessionRecord` an arrival, in the order of ``scenario.sessions``
    limited_s : seconds that each was limited by each `Limit`, a column each
    totals : energies of the whole run, kWh, and shares, by name
    imports : import and time of each step (`simulation.records.Import`)
    steps : a record a step (`simulation.records.Step`); empty where the run kept no timeline
    connector_kwh, connector_boost_kwh : energy from each connector in each step, kWh: in all, and from the
        battery
    added_s : s that each driver needed more than with an unlimited grid (see `sessions`); None where the
        run was not compared with one

    Examples
    --------
    >>> from electra_core import simulate
    >>> charger = {"id": "C", "maxPower": 50, "connectors": 1}
    >>> cars = pd.DataFrame({"arrival_s": [0, 60], "energy_kwh": 5, "max_power_kw": 50})
    >>> result = simulate({"stationId": "S", "gridCapacity": 50, "chargers": [charger]}, cars)
    >>> result.sessions["waited_s"].round().tolist()
    [0.0, 300.0]
    >>> result.timeline["import_kw"].round().tolist()[:3]
    [50.0, 50.0, 50.0]
    """

    scenario: Scenario
    strategy: str
    end_s: float
    records: Any
    limited_s: Floats
    totals: dict[str, float]
    imports: Any
    steps: Any
    connector_kwh: npt.NDArray[np.float32]
    connector_boost_kwh: npt.NDArray[np.float32]
    added_s: Floats | None = None

    @property
    def delivered_kwh(self) -> Floats:
        """Energy of each session, kWh, in the order of ``scenario.sessions``."""
        return np.asarray(self.records.energy_kwh)

    @functools.cached_property
    def sessions(self) -> pd.DataFrame:
        """Return the record of each session: a frame by ``session_id``, in the order of the table.

        Columns
        -------
        charger_id, connector : where; empty for who found none
        arrival_s, plugged_s, done_s, left_s : s; NaN for what did not happen
        requested_kwh, energy_kwh, boost_kwh : wanted; got; and of that from the battery
        lacked_kwh, delivered_share : what is missing, kWh; and 0 to 1
        waited_s : for a connector, s
        added_s : s from arrival to the target, or the departure where that came first, beyond what it would
            have been at the same station with an unlimited grid; NaN for who found no connector
        without_power_s : s at a connector, wanting power and getting none
        balked : left without a connector
        limited_by_... : s that each limit was what stopped the session from rising
        """
        table, records = self.scenario.sessions, self.records
        requested, got = table.requested_kwh, self.delivered_kwh
        places = list(self.scenario.config.connectors)
        at = [None if connector == ABSENT else places[connector] for connector in records.connector]
        frame = pd.DataFrame(
            {
                "charger_id": [None if place is None else place[0] for place in at],
                "connector": pd.array([None if place is None else place[1] for place in at], dtype="Int64"),
                "arrival_s": table.arrival_s,
                "plugged_s": records.plugged_s,
                "done_s": records.done_s,
                "left_s": records.left_s,
                "requested_kwh": requested,
                "energy_kwh": got,
                "boost_kwh": records.boost_kwh,
                "lacked_kwh": np.maximum(0.0, requested - got),
                "delivered_share": self._shares(),
                "waited_s": self._waited_s(),
                **({} if self.added_s is None else {"added_s": self.added_s}),
                "without_power_s": records.without_power_s,
                "balked": records.balked.astype(bool),
                **{f"limited_by_{limit}_s": self.limited_s[:, number] for number, limit in enumerate(Limit)},
            },
            index=pd.Index(table.session_id, name="session_id"),
        )
        return frame.iloc[np.argsort(table.row)]

    def _shares(self) -> Floats:
        """Return the delivered part of each requested energy; 1 where none was requested."""
        requested = self.scenario.sessions.requested_kwh
        return np.where(requested > 0.0, self.delivered_kwh / np.where(requested > 0.0, requested, 1.0), 1.0)

    def _waited_s(self) -> Floats:
        """Return the time that each driver waited for a connector, s."""
        until = np.where(np.isnan(self.records.plugged_s), self.records.left_s, self.records.plugged_s)
        until = np.where(np.isnan(until), self.end_s, until)
        return np.maximum(0.0, until - self.scenario.sessions.arrival_s)

    @property
    def starts_s(self) -> Floats:
        """Start of each step, s."""
        return np.arange(len(self.imports), dtype=np.float64) * self.scenario.step_s

    @property
    def lengths_s(self) -> Floats:
        """Return the length of each step, s: the last one may be shorter."""
        return np.asarray(np.minimum(self.scenario.step_s, self.end_s - self.starts_s), np.float64)

    @property
    def import_kw(self) -> Floats:
        """Mean import of each step, kW: cars, battery, static load and standby less what the PV gives."""
        return np.asarray(np.round(self.imports.imported_kwh * HOUR_S / self.imports.seconds, 9), np.float64)

    @functools.cached_property
    def timeline(self) -> pd.DataFrame:
        """Site by steps: a frame by the second at which each step begins.

        Powers are means over the step, so that they add up to energies exactly; ``battery_soc`` and
        ``offered_kw`` are those of its beginning. A last row closes it: the state at the end, with no power.

        Columns
        -------
        grid_kw : what cars and battery take from the site, kW (as `Allocation.grid_kw`)
        battery_kw : positive charges it; ``battery_soc``: 0 to 1; 0 where there is none
        offered_kw, drawn_kw : ceilings of all cars together, and what they took, kW on the cars' side
        import_kw : of the whole site, static load and standby included, less what the PV gives
        static_load_kw, pv_kw, curtailed_kw : the site's own load; what the PV could give; what of it was lost
        site_limit_kw : the import limit in force
        price_per_kwh : where the run has prices
        """
        self._check_timeline()
        scenario, count = self.scenario, len(self.imports)
        hours = self.imports.seconds / HOUR_S
        battery = scenario.config.battery
        capacity_kwh = battery.initial_capacity_kwh if battery else math.inf
        columns = {
            "grid_kw": self.steps.grid_kwh / hours,
            "battery_kw": self.steps.battery_kwh / hours,
            "offered_kw": self.steps.offered_kw,
            "drawn_kw": self.steps.drawn_kwh / hours,
            "import_kw": self.import_kw,
            "static_load_kw": scenario.static_load_kw[:count],
            "pv_kw": scenario.pv_kw[:count],
            "curtailed_kw": self.steps.curtailed_kwh / hours,
            "site_limit_kw": scenario.site_limit_kw[:count],
        }
        if scenario.price_per_kwh is not None:
            columns["price_per_kwh"] = scenario.price_per_kwh[:count]
        # To the microwatt: a mean made of energies carries rounding, and must not stand above its limit.
        frame = pd.DataFrame({name: np.append(np.round(column, 9), 0.0) for name, column in columns.items()})
        stored_kwh = np.append(self.steps.stored_kwh, self.totals["stored_kwh"])
        frame.insert(2, "battery_soc", stored_kwh / capacity_kwh)
        frame.index = self._moments()
        return frame

    def _moments(self) -> pd.Index:
        return pd.Index(np.append(self.starts_s, self.end_s), name="time_s")

    def _check_timeline(self) -> None:
        if len(self.steps) == 0:
            raise ResultError("this run kept no timeline: simulate(..., keep_timeline=True) does")

    @property
    def connectors(self) -> pd.DataFrame:
        """Mean power of each connector, kW: a frame like `timeline`, a column a charger and connector."""
        return self._of_connectors(self.connector_kwh)

    @property
    def connectors_boost(self) -> pd.DataFrame:
        """Return the part of `connectors` that came from the battery, kW."""
        return self._of_connectors(
            self.connector_boost_kwh if len(self.connector_boost_kwh) else 0.0 * self.connector_kwh
        )

    def _of_connectors(self, energies_kwh: npt.NDArray[np.float32]) -> pd.DataFrame:
        self._check_timeline()
        hours = (self.imports.seconds / HOUR_S).astype(np.float32)
        power_kw = np.vstack(
            [energies_kwh / hours[:, None], np.zeros((1, energies_kwh.shape[1]), np.float32)]
        )
        names = pd.MultiIndex.from_tuples(
            list(self.scenario.config.connectors), names=["charger_id", "connector"]
        )
        return pd.DataFrame(power_kw, index=self._moments(), columns=names)

    @functools.cached_property
    def events(self) -> pd.DataFrame:
        """Return arrivals, plug-ins, ends, departures and drivers who gave up, in the order of time.

        Columns: ``at_s``, ``event``, ``session_id``, ``charger_id``, ``connector``.
        """
        sessions = self.sessions.reset_index()
        at_once = sessions.plugged_s == np.fmin(sessions.done_s, sessions.left_s)
        parts = []
        # At one moment drivers leave before others come; who comes for nothing comes before he leaves.
        for order, (event, column) in enumerate(
            (("is done", "done_s"), ("leaves", "left_s"), ("arrives", "arrival_s"), ("plugs in", "plugged_s"))
        ):
            part = sessions[["session_id", "charger_id", "connector"]].copy()
            part.insert(0, "at_s", sessions[column])
            part.insert(1, "event", event)
            part["order"] = order + np.where(at_once & (order < 2), 4, 0)
            if event == "leaves":
                part.loc[sessions.balked, "event"] = "gives up"
            parts.append(part[(part.at_s <= self.end_s).to_numpy()])
        events = pd.concat(parts, ignore_index=True)
        return events.sort_values(["at_s", "order"], kind="stable", ignore_index=True).drop(columns="order")

    @property
    def cost(self) -> float | None:
        """Return the cost of the import at the scenario's prices; None where it has none."""
        prices = self.scenario.price_per_kwh
        if prices is None:
            return None
        return energy_cost(self.import_kw, prices[: len(self.imports)], self.lengths_s)

    def metrics(self) -> dict[str, float]:
        """Return the run in numbers: see `electra_core.simulation.metrics` for definitions and sources.

        Returns
        -------
        dict
            By name, each with its unit: energy of sessions (``_kwh``, ``_share``), drivers' time (``_min``),
            the site (``_kw``), fairness (``jain``: on power, ``jain_share``: on power over demand, means
            over the time in which two or more cars want power), the battery, losses, PV, and ``energy_cost``
            where the run has prices.
        """
        totals, records, import_kw = self.totals, self.records, self.import_kw
        requested_kwh, delivered_kwh = (
            math.fsum(self.scenario.sessions.requested_kwh),
            math.fsum(self.delivered_kwh),
        )
        waited_min = self._waited_s() / MINUTE_S
        added = {}
        if self.added_s is not None:
            added = {f"added_p{part}_min": quantile(self.added_s / MINUTE_S, part / 100) for part in (50, 95)}
        contested_s = totals["contested_s"]
        found = {
            "sessions": float(len(records)),
            "served": float(np.isfinite(records.plugged_s).sum()),
            "balked": float(records.balked.sum()),
            "requested_kwh": requested_kwh,
            "delivered_kwh": delivered_kwh,
            "lacked_kwh": float(
                np.maximum(0.0, self.scenario.sessions.requested_kwh - self.delivered_kwh).sum()
            ),
            "delivered_share": delivered_kwh / requested_kwh if requested_kwh > 0.0 else 1.0,
            "waited_mean_min": float(waited_min.mean()) if len(waited_min) else 0.0,
            "waited_p95_min": quantile(waited_min, 0.95),
            **added,
            "without_power_min": float(records.without_power_s.sum()) / MINUTE_S,
            "peak_kw": float(import_kw.max(initial=0.0)),
            "peak_15min_kw": clock_peak_kw(import_kw, self.scenario.step_s, lengths_s=self.lengths_s),
            "load_factor": load_factor(import_kw, self.lengths_s),
            "jain": totals["jain_power_s"] / contested_s if contested_s > 0.0 else 1.0,
            "jain_share": totals["jain_share_s"] / contested_s if contested_s > 0.0 else 1.0,
            **{name: totals[name] for name in ENERGIES},
            "battery_cycles": self._cycles(),
        }
        return found if self.cost is None else {**found, "energy_cost": self.cost}

    def _cycles(self) -> float:
        battery, totals = self.scenario.config.battery, self.totals
        if battery is None:
            return 0.0
        # What goes in and out of the cells themselves, which is what wears them.
        charged_kwh = totals["battery_in_kwh"] * battery.charge_efficiency + totals["exercise_gain_kwh"]
        given_kwh = totals["battery_out_kwh"] / battery.discharge_efficiency
        return battery_cycles(charged_kwh, given_kwh, battery.initial_capacity_kwh)

    def save(self, path: str | Path) -> None:
        """Write everything into one Parquet file; `load` reads it back."""
        from electra_core.simulation.parquet import write_result

        write_result(self, Path(path))

    @classmethod
    def load(cls, path: str | Path) -> Result:
        """Load the result that `save` wrote.

        Raises
        ------
        ResultError
            When the file is missing, damaged or something else.
        """
        from electra_core.simulation.parquet import read_result

        return cls(**read_result(Path(path)))


# Energies of a run in its metrics.
ENERGIES = (
    "imported_kwh",
    "static_kwh",
    "standby_kwh",
    "charger_loss_kwh",
    "battery_in_kwh",
    "battery_out_kwh",
    "battery_loss_kwh",
    "pv_kwh",
    "curtailed_kwh",
)
_TOTALS = (*ENERGIES, "stored_kwh", "exercise_gain_kwh", "contested_s", "jain_power_s", "jain_share_s")


def result_of(scenario: Scenario, strategy: str, state: SimulationState) -> Result:
    """Return the result of a state that was played to its end."""
    site, log = cast("Any", state.station.site), state.log
    count = len(log.imports)
    if site.now_s < scenario.horizon_s:
        count = max(1, math.ceil(site.now_s / scenario.step_s))
    kept = count if len(log.steps) else 0
    return Result(
        scenario=scenario,
        strategy=strategy,
        end_s=float(site.now_s),
        records=log.sessions,
        limited_s=log.limited_s,
        totals={name: float(site[name]) for name in _TOTALS},
        imports=log.imports[:count],
        steps=log.steps[:kept],
        connector_kwh=log.connector_kwh[:kept],
        connector_boost_kwh=log.connector_boost_kwh[:kept],
    )
