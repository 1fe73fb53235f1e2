"""The state of a station at one moment, read into a snapshot and moved through time: pure functions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from electra_core.config import BatteryConfig, StationConfig
from electra_core.snapshot import Allocation, Demand, Limit, Snapshot
from electra_core.strategies import TIMELESS, Rank
from electra_core.vehicles import SOC_ROUNDING, Vehicle

Place = tuple[str, int]

# A charger as a whole, where connectors count from 1.
WHOLE_CHARGER = 0

# The battery is at its floor or top when it is this close: kWh, and as a share of its capacity. Rounding
# must not keep it charging for ever.
EMPTY_KWH = 1e-9
EMPTY_SHARE = 1e-12

# Limits that sessions share: where one binds, it counts who comes first.
CONTENDED = (Limit.CHARGER, Limit.SITE, Limit.MINIMUM)


@dataclass(frozen=True, slots=True)
class Session:
    """A car at a connector, from plug-in to unplug."""

    session_id: str
    charger_id: str
    connector: int
    vehicle: Vehicle
    arrived_s: float
    arrival_soc: float | None = None
    target_soc: float = 1.0
    departs_s: float | None = None
    priority: float = 0
    on_battery: bool = False
    energy_kwh: float = 0.0
    boost_kwh: float = 0.0

    @property
    def place(self) -> Place:
        """Charger and connector number."""
        return self.charger_id, self.connector

    @property
    def soc(self) -> float | None:
        """State of charge, 0 to 1; None when nobody knows it."""
        if self.arrival_soc is None or self.vehicle.battery_kwh is None:
            return None
        return min(1.0, self.arrival_soc + self.energy_kwh / self.vehicle.battery_kwh)

    @property
    def remaining_kwh(self) -> float | None:
        """Energy up to the target, kWh; None when nobody knows it, 0 at the target."""
        soc = self.soc
        if soc is None or self.vehicle.battery_kwh is None:
            return None
        missing = self.target_soc - soc
        return missing * self.vehicle.battery_kwh if missing > SOC_ROUNDING else 0.0


@dataclass(frozen=True, slots=True)
class Ledger:
    """Energy since the station's clock began, kWh.

    What is imported is the static load, the cars and the battery's intake, less what the battery gave:
    ``imported = static + delivered + battery_in - battery_out``, and the battery holds what it had plus
    ``battery_in * charge_efficiency - battery_out / discharge_efficiency + seed_gain``.
    """

    imported_kwh: float = 0.0
    static_kwh: float = 0.0
    delivered_kwh: float = 0.0
    battery_in_kwh: float = 0.0
    battery_out_kwh: float = 0.0
    # The seed's battery gains at events, not from power over time: a flaw of that rule, kept visible.
    seed_gain_kwh: float = 0.0


@dataclass(frozen=True, slots=True)
class State:
    """Everything that changes at a station; a new one replaces the old one."""

    strategy: str | Rank
    static_load_kw: float
    battery_kwh: float
    site_limit_kw: float | None = None
    now_s: float = 0.0
    sessions: Mapping[Place, Session] = field(default_factory=dict)
    out_of_service: frozenset[Place] = frozenset()
    sessions_so_far: int = 0
    ledger: Ledger = Ledger()
    # A battery that was emptied gives nothing for a control interval: without that it would flutter
    # where cars have a least useful power, giving every drop at once.
    battery_rests_until_s: float = -math.inf

    def is_available(self, place: Place) -> bool:
        """Whether neither the connector nor its charger is out of service."""
        return place not in self.out_of_service and (place[0], WHOLE_CHARGER) not in self.out_of_service


def first_state(config: StationConfig, strategy: str | Rank) -> State:
    """The station before anything happened: no cars, the battery as configured."""
    battery = config.battery
    stored_kwh = battery.initial_soc * battery.initial_capacity_kwh if battery else 0.0
    state = State(strategy=strategy, static_load_kw=config.static_load_kw, battery_kwh=stored_kwh)
    return _rested(config, state)


def _rested(config: StationConfig, state: State) -> State:
    """A battery at its floor begins its rest; the seed's, which takes nothing from the grid, needs none."""
    battery = config.battery
    if battery is None or battery.rule != "hybrid" or battery_room_kwh(battery, state)[0] > 0.0:
        return state
    return replace(state, battery_rests_until_s=state.now_s + config.control_interval_s)


def site_limit_kw(config: StationConfig, state: State) -> float:
    """Import limit in force, kW: a limit set above the connection's capacity does not widen it."""
    if state.site_limit_kw is None:
        return config.grid_capacity_kw
    return min(config.grid_capacity_kw, state.site_limit_kw)


def read_snapshot(config: StationConfig, state: State) -> Snapshot:
    """What the sessions ask for and what there is, now.

    A decision holds until somebody's energy runs out: see `holds_s`.
    """
    demands = [demand_of(config, state, session) for session in state.sessions.values()]
    boost_kw, charge_kw = battery_reach_kw(config, state)
    if config.battery is not None and config.battery.rule == "whole_session":
        boost_kw, charge_kw = min(boost_kw, carried_kw(config, demands)), 0.0
    return Snapshot(
        grid_kw=max(0.0, site_limit_kw(config, state) - state.static_load_kw),
        charger_kw=config.charger_kw,
        demands=demands,
        boost_kw=boost_kw,
        charge_kw=charge_kw,
        now_s=state.now_s,
    )


def demand_of(config: StationConfig, state: State, session: Session) -> Demand:
    """What one session asks for now."""
    max_kw, ceiling_by = _ceiling(config, state, session)
    plug = config.plugs[session.place]
    return Demand(
        session_id=session.session_id,
        charger_id=session.charger_id,
        max_kw=max_kw,
        # A car that takes less than the minimum at the end of its curve still gets what it takes.
        min_kw=min(max_kw, max(plug.min_power_kw, session.vehicle.min_power_kw)),
        arrived_s=session.arrived_s,
        departs_s=session.departs_s,
        remaining_kwh=session.remaining_kwh,
        priority=session.priority,
        ceiling_by=ceiling_by,
        on_battery=session.on_battery,
    )


def _ceiling(config: StationConfig, state: State, session: Session) -> tuple[float, Limit]:
    """What car, curve and connector allow now, kW, and which of them it is; 0 for who is done."""
    if not state.is_available(session.place):
        return 0.0, Limit.FAULT
    if session.remaining_kwh == 0.0:
        return 0.0, Limit.FINISHED
    car_kw, plug_kw = session.vehicle.ceiling_kw(session.soc), config.plugs[session.place].max_power_kw
    if plug_kw is not None and plug_kw < car_kw:
        return plug_kw, Limit.CONNECTOR
    return car_kw, Limit.VEHICLE


def battery_reach_kw(config: StationConfig, state: State) -> tuple[float, float]:
    """What the battery can give and take now, kW."""
    if config.battery is None:
        return 0.0, 0.0
    above_floor_kwh, below_top_kwh = battery_room_kwh(config.battery, state)
    gives = above_floor_kwh > 0.0 and state.now_s >= state.battery_rests_until_s
    give_kw = config.battery.discharge_power_kw if gives else 0.0
    take_kw = config.battery.charge_power_kw if below_top_kwh > 0.0 else 0.0
    return give_kw, take_kw


def battery_room_kwh(battery: BatteryConfig, state: State) -> tuple[float, float]:
    """Energy above the floor and room below the top, kWh."""
    capacity_kwh = battery.initial_capacity_kwh
    above_floor_kwh = state.battery_kwh - battery.min_soc * capacity_kwh
    below_top_kwh = battery.max_soc * capacity_kwh - state.battery_kwh
    nothing_kwh = max(EMPTY_KWH, EMPTY_SHARE * capacity_kwh)
    return (
        above_floor_kwh if above_floor_kwh > nothing_kwh else 0.0,
        below_top_kwh if below_top_kwh > nothing_kwh else 0.0,
    )


def holds_s(config: StationConfig, state: State, allocation: Allocation) -> float:
    """How long an allocation can hold, s: until a car is done, or the battery empty, full or rested.

    No power is promised that the energy cannot carry, and however finely time is cut, a car is done at
    the same moment.
    """
    moments = [_battery_holds_s(config, state, allocation.battery_kw)]
    if state.battery_rests_until_s > state.now_s:
        moments.append(state.battery_rests_until_s - state.now_s)
    for session in state.sessions.values():
        soc = session.soc
        if soc is not None and session.remaining_kwh:
            offered_kw = allocation.offered_kw[session.session_id]
            moments.append(session.vehicle.climb(soc, session.target_soc, offered_kw, math.inf)[1])
    return min(moments)


def _battery_holds_s(config: StationConfig, state: State, battery_kw: float) -> float:
    battery = config.battery
    if battery is None or battery_kw == 0.0:
        return math.inf
    above_floor_kwh, below_top_kwh = battery_room_kwh(battery, state)
    if battery_kw < 0.0:
        return 3600.0 * above_floor_kwh * battery.discharge_efficiency / -battery_kw
    return 3600.0 * below_top_kwh / battery.charge_efficiency / battery_kw


def after(config: StationConfig, state: State, allocation: Allocation, seconds: float) -> State:
    """The state after a time under one allocation, which must hold that long.

    A car draws what it is offered, or less where its curve falls on the way; what it does not draw is
    taken from neither grid nor battery.
    """
    hours = seconds / 3600.0
    sessions = {}
    drawn_kwh = boosted_kwh = 0.0
    for place, session in state.sessions.items():
        offered_kw = allocation.offered_kw[session.session_id]
        energy_kwh = _taken_kwh(session, offered_kw, seconds)
        if energy_kwh > 0.0:
            boost_kwh = energy_kwh * allocation.boost_kw[session.session_id] / offered_kw
            session = replace(
                session, energy_kwh=session.energy_kwh + energy_kwh, boost_kwh=session.boost_kwh + boost_kwh
            )
            drawn_kwh += energy_kwh
            boosted_kwh += boost_kwh
        sessions[place] = session
    charged_kwh = max(0.0, allocation.battery_kw) * hours
    battery_kwh = _stored_kwh(config, state, charged_kwh, boosted_kwh)
    static_kwh = state.static_load_kw * hours
    book = state.ledger
    moved = replace(state, now_s=state.now_s + seconds, battery_kwh=battery_kwh)
    return replace(
        _rested(config, moved) if boosted_kwh > 0.0 else moved,
        sessions=sessions,
        ledger=replace(
            book,
            imported_kwh=book.imported_kwh + static_kwh + max(0.0, drawn_kwh - boosted_kwh) + charged_kwh,
            static_kwh=book.static_kwh + static_kwh,
            delivered_kwh=book.delivered_kwh + drawn_kwh,
            battery_in_kwh=book.battery_in_kwh + charged_kwh,
            battery_out_kwh=book.battery_out_kwh + boosted_kwh,
        ),
    )


def _taken_kwh(session: Session, offered_kw: float, seconds: float) -> float:
    soc = session.soc
    if soc is None:
        return offered_kw * seconds / 3600.0
    return session.vehicle.climb(soc, session.target_soc, offered_kw, seconds)[0]


def _stored_kwh(config: StationConfig, state: State, charged_kwh: float, boosted_kwh: float) -> float:
    battery = config.battery
    if battery is None:
        return 0.0
    gained_kwh = charged_kwh * battery.charge_efficiency - boosted_kwh / battery.discharge_efficiency
    return min(battery.initial_capacity_kwh, max(0.0, state.battery_kwh + gained_kwh))


def is_steady(state: State, allocation: Allocation) -> bool:
    """Whether time alone changes no decision before somebody's energy runs out.

    No car moves on a curve, and either nobody is held back, so that no rank counts, or the ranks do not
    change with time. Then the next decision can wait that long, and a month of rest costs one step.
    """
    timeless = isinstance(state.strategy, str) and state.strategy in TIMELESS
    contended = any(limit in CONTENDED for limit in allocation.limited_by.values())
    moving = any(
        session.vehicle.curve is not None
        and session.soc is not None
        and allocation.offered_kw[session.session_id] > 0.0
        for session in state.sessions.values()
    )
    return not moving and (timeless or not contended)


def carried_kw(config: StationConfig, demands: Sequence[Demand]) -> float:
    """What the battery gives to sessions that it carries whole, within their chargers' limits, kW."""
    asked_kw: dict[str, float] = {}
    for demand in demands:
        if demand.on_battery:
            asked_kw[demand.charger_id] = asked_kw.get(demand.charger_id, 0.0) + demand.max_kw
    return sum(min(kw, config.charger_kw[charger_id]) for charger_id, kw in asked_kw.items())
