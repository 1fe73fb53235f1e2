"""Strategies that cannot be compiled, called in Python by the same loop, which runs as it is."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeAlias

from electra_core.allocation import (
    Demand,
    Planner,
    Snapshot,
    Strategy,
    in_equal_parts,
    max_min,
    planned,
    ranked,
    solver,
)
from electra_core.sessions import Scenario
from electra_core.simulation.decide import reach_of_battery
from electra_core.simulation.records import ConnectorState, SimulationState, StationArrays
from electra_core.station import StationConfig

DemandOf: TypeAlias = Callable[[ConnectorState], Demand]


def interpreted(scenario: Scenario, state: SimulationState, strategy: Strategy) -> tuple[Any, Any]:
    """Return the functions ``rank`` and ``plan`` of `decide` for a strategy in Python."""
    rank = max_min if isinstance(strategy, Planner) else strategy
    demand_of, settings = _reader(scenario), state.station.settings
    first: list[tuple[float, float]] = []  # answer of the decision

    def answer(connector: int, *numbers: float) -> tuple[float, float]:
        found = ranked(rank, demand_of(state.station.connectors[connector]), float(numbers[-1]))
        first.append(found)
        del first[1:]
        settings.in_equal_parts = in_equal_parts(rank, (first[0], found))
        return found

    def plan(station: StationArrays) -> None:
        first.clear()
        if isinstance(strategy, Planner):
            _hold_back(station, scenario.config, strategy, demand_of)

    return answer, plan


def _hold_back(station: StationArrays, config: StationConfig, planner: Planner, demand_of: DemandOf) -> None:
    """Lower the demands to what a planner, which is shown a snapshot, allows."""
    site = station.site
    cars = [station.connectors[seat.connector] for seat in station.line[: site.cars]]
    boost_kw, charge_kw = reach_of_battery(station.settings, station.battery, site)
    snapshot = Snapshot(
        grid_kw=float(site.site_kw),
        charger_kw=config.charger_kw,
        demands=tuple(demand_of(car) for car in cars),
        boost_kw=float(boost_kw),
        charge_kw=float(charge_kw),
        now_s=float(site.now_s),
        efficiency=config.efficiency,
        module_kw=config.module_kw,
        comfort_kw=None if math.isinf(site.comfort_kw) else float(site.comfort_kw),
    )
    allowed_kw = planned(planner, snapshot)
    for car, demand in zip(cars, snapshot.demands, strict=True):
        kw = allowed_kw.get(demand.session_id, demand.max_kw)
        if kw < demand.max_kw:
            car.max_kw, car.min_kw, car.max_kw_by = kw, min(car.min_kw, kw), solver.PLAN


def _reader(scenario: Scenario) -> DemandOf:
    """Return a function that reads the car at a connector as a `Demand`."""
    names, chargers = scenario.sessions.session_id, tuple(scenario.config.charger_kw)
    takes_turns = scenario.config.rotation_s is not None

    def demand_of(car: ConnectorState) -> Demand:
        return Demand(
            session_id=str(names[car.arrival]),
            charger_id=chargers[car.charger],
            max_kw=float(car.max_kw),
            min_kw=float(car.min_kw),
            arrived_s=float(car.arrived_s),
            departs_s=None if math.isinf(car.departs_s) else float(car.departs_s),
            remaining_kwh=float(car.remaining_kwh),
            priority=float(car.priority),
            weight=float(car.weight),
            turn=float(car.turn_place) if takes_turns else None,
            modules=int(car.modules),
            ceiling_by=solver.LIMITS[car.max_kw_by],
        )

    return demand_of
