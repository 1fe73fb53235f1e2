"""Strategies that cannot be compiled, asked in Python: the loop is the same, run as it is."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from electra_core.allocation import (
    Demand,
    Planner,
    Snapshot,
    Strategy,
    max_min,
    planned,
    ranked,
    solver,
)
from electra_core.sessions import Scenario
from electra_core.simulation.decide import reach_of_battery
from electra_core.simulation.records import Desk, Slot, World


def interpreted_rank(scenario: Scenario, world: World, strategy: Strategy) -> Callable[..., Any]:
    """A rank function that answers for a connector, whose numbers it is told as well."""
    rank, demand_of = max_min if isinstance(strategy, Planner) else strategy, _reader(scenario)

    def answer(slot: int, *numbers: float) -> tuple[float, float]:
        return ranked(rank, demand_of(world.desk.slots[slot]), float(numbers[-1]))

    return answer


def interpreted_plan(scenario: Scenario, planner: Planner) -> Callable[[Desk], None]:
    """What holds cars back as a planner says, which is shown the station as a snapshot."""
    config, demand_of = scenario.config, _reader(scenario)

    def plan(desk: Desk) -> None:
        moment = desk.moment
        cars = [desk.slots[seat.slot] for seat in desk.line[: moment.cars]]
        boost_kw, charge_kw = reach_of_battery(desk.settings, desk.battery, moment)
        snapshot = Snapshot(
            grid_kw=float(moment.site_kw),
            charger_kw=config.charger_kw,
            demands=tuple(demand_of(car) for car in cars),
            boost_kw=float(boost_kw),
            charge_kw=float(charge_kw),
            now_s=float(moment.now_s),
            efficiency=config.efficiency,
            module_kw=config.module_kw,
            comfort_kw=None if math.isinf(moment.comfort_kw) else float(moment.comfort_kw),
        )
        ceilings_kw = planned(planner, snapshot)
        for car, demand in zip(cars, snapshot.demands, strict=True):
            kw = ceilings_kw.get(demand.session_id, demand.max_kw)
            if kw < demand.max_kw:
                car.ask_kw, car.least_kw, car.max_kw_by = kw, min(car.least_kw, kw), solver.PLAN

    return plan


def _reader(scenario: Scenario) -> Callable[[Slot], Demand]:
    """What reads the car at a connector as a demand."""
    names, chargers = scenario.sessions.session_id, tuple(scenario.config.charger_kw)
    takes_turns = scenario.config.rotation_s is not None

    def demand_of(car: Slot) -> Demand:
        return Demand(
            session_id=str(names[car.visit]),
            charger_id=chargers[car.charger],
            max_kw=float(car.ask_kw),
            min_kw=float(car.least_kw),
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
