"""The state of a station at one moment, read into a snapshot and moved through time: pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from electra_core.config import BatteryConfig, StationConfig
from electra_core.snapshot import Allocation, Demand, Limit, Snapshot
from electra_core.strategies import Rank
from electra_core.vehicles import SOC_ROUNDING, Vehicle

Place = tuple[str, int]

# A charger as a whole, where connectors count from 1.
WHOLE_CHARGER = 0

# Below a milliwatt the battery rests: rounding must not keep it charging for ever.
RESTING_KW = 1e-6
STILL_KW = 1e-9


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

    def is_available(self, place: Place) -> bool:
        """Whether neither the connector nor its charger is out of service."""
        return place not in self.out_of_service and (place[0], WHOLE_CHARGER) not in self.out_of_service


def first_state(config: StationConfig, strategy: str | Rank) -> State:
    """The station before anything happened: no cars, the battery as configured."""
    battery = config.battery
    stored_kwh = battery.initial_soc * battery.initial_capacity_kwh if battery else 0.0
    return State(strategy=strategy, static_load_kw=config.static_load_kw, battery_kwh=stored_kwh)


def site_limit_kw(config: StationConfig, state: State) -> float:
    """Import limit in force, kW: a limit set above the connection's capacity does not widen it."""
    if state.site_limit_kw is None:
        return config.grid_capacity_kw
    return min(config.grid_capacity_kw, state.site_limit_kw)


def read_snapshot(config: StationConfig, state: State) -> Snapshot:
    """What the sessions ask for and what there is, now.

    Nothing is promised that cannot be held for one control interval: neither energy that a car does not
    want any more, nor energy that the battery does not have.
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
        min_kw=max(plug.min_power_kw, session.vehicle.min_power_kw),
        arrived_s=session.arrived_s,
        departs_s=session.departs_s,
        remaining_kwh=session.remaining_kwh,
        priority=session.priority,
        ceiling_by=ceiling_by,
        on_battery=session.on_battery,
    )


def _ceiling(config: StationConfig, state: State, session: Session) -> tuple[float, Limit]:
    """What car, curve, connector and remaining energy allow now, kW, and which of them it is."""
    if not state.is_available(session.place):
        return 0.0, Limit.FAULT
    remaining_kwh = session.remaining_kwh
    if remaining_kwh == 0.0:
        return 0.0, Limit.FINISHED
    plug = config.plugs[session.place]
    max_kw, by = session.vehicle.ceiling_kw(session.soc), Limit.VEHICLE
    if plug.max_power_kw is not None and plug.max_power_kw < max_kw:
        max_kw, by = plug.max_power_kw, Limit.CONNECTOR
    if remaining_kwh is not None:
        wanted_kw = remaining_kwh * 3600.0 / config.control_interval_s
        # The last bit of energy must not fall below the least useful power, or it would never come.
        wanted_kw = max(wanted_kw, plug.min_power_kw, session.vehicle.min_power_kw)
        if wanted_kw < max_kw:
            max_kw, by = wanted_kw, Limit.VEHICLE
    return max_kw, by


def battery_reach_kw(config: StationConfig, state: State) -> tuple[float, float]:
    """What the battery can give and take for one control interval, kW: power, energy and losses."""
    battery = config.battery
    if battery is None:
        return 0.0, 0.0
    hours = config.control_interval_s / 3600.0
    above_floor_kwh, below_top_kwh = battery_room_kwh(battery, state)
    give_kw = min(battery.discharge_power_kw, above_floor_kwh * battery.discharge_efficiency / hours)
    take_kw = min(battery.charge_power_kw, below_top_kwh / battery.charge_efficiency / hours)
    return (give_kw if give_kw > RESTING_KW else 0.0), (take_kw if take_kw > RESTING_KW else 0.0)


def battery_room_kwh(battery: BatteryConfig, state: State) -> tuple[float, float]:
    """Energy above the floor and room below the top, kWh."""
    floor_kwh = battery.min_soc * battery.initial_capacity_kwh
    top_kwh = battery.max_soc * battery.initial_capacity_kwh
    return max(0.0, state.battery_kwh - floor_kwh), max(0.0, top_kwh - state.battery_kwh)


def after(config: StationConfig, state: State, allocation: Allocation, seconds: float) -> State:
    """The state after a time under one allocation, at most one control interval when anything moves.

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
    static_kwh = state.static_load_kw * hours
    book = state.ledger
    return replace(
        state,
        now_s=state.now_s + seconds,
        sessions=sessions,
        battery_kwh=_stored_kwh(config, state, charged_kwh, boosted_kwh),
        ledger=replace(
            book,
            imported_kwh=book.imported_kwh + static_kwh + drawn_kwh - boosted_kwh + charged_kwh,
            static_kwh=book.static_kwh + static_kwh,
            delivered_kwh=book.delivered_kwh + drawn_kwh,
            battery_in_kwh=book.battery_in_kwh + charged_kwh,
            battery_out_kwh=book.battery_out_kwh + boosted_kwh,
        ),
    )


def _taken_kwh(session: Session, offered_kw: float, seconds: float) -> float:
    soc, remaining_kwh = session.soc, session.remaining_kwh
    if soc is None or remaining_kwh is None:
        return offered_kw * seconds / 3600.0
    return min(remaining_kwh, session.vehicle.energy_kwh(soc, offered_kw, seconds))


def _stored_kwh(config: StationConfig, state: State, charged_kwh: float, boosted_kwh: float) -> float:
    battery = config.battery
    if battery is None:
        return 0.0
    gained_kwh = charged_kwh * battery.charge_efficiency - boosted_kwh / battery.discharge_efficiency
    return min(battery.initial_capacity_kwh, max(0.0, state.battery_kwh + gained_kwh))


def is_still(state: State, allocation: Allocation) -> bool:
    """Whether time changes nothing but the clock: no SoC moves, of no car and not of the battery."""
    return abs(allocation.battery_kw) <= STILL_KW and all(
        session.soc is None or allocation.offered_kw[session.session_id] == 0.0
        for session in state.sessions.values()
    )


def carried_kw(config: StationConfig, demands: Sequence[Demand]) -> float:
    """What the battery gives to sessions that it carries whole, within their chargers' limits, kW."""
    total_kw = 0.0
    for charger in config.chargers:
        asked_kw = sum(
            demand.max_kw for demand in demands if demand.on_battery and demand.charger_id == charger.id
        )
        total_kw += min(asked_kw, charger.max_power_kw)
    return total_kw
