"""The state of a station at one moment: what changes, and nothing that can be computed from it."""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace

from electra_core.allocation import BATTERY, Strategy
from electra_core.station.battery import energy_above_kwh
from electra_core.station.charging_curve import SOC_ROUNDING
from electra_core.station.config import StationConfig
from electra_core.station.vehicles import Vehicle

ConnectorId = tuple[str, int]

# A charger as a whole, where connectors count from 1; and the battery.
WHOLE_CHARGER = 0
BATTERY_ID: ConnectorId = (BATTERY, WHOLE_CHARGER)

# Readings that have a lease; until the first one comes, the silence counts from the start.
START, SITE_LIMIT, STATIC_LOAD = "start", "site limit", "static load"


@dataclass(frozen=True, slots=True)
class Turn:
    """A session among those that take turns.

    ``queue_position``: in the queue, the lowest first; ``had_s``: how long it had its turn while others waited, and
    ``since_s``: since when it has it again.
    """

    queue_position: int
    had_s: float = 0.0
    since_s: float | None = None


@dataclass(frozen=True, slots=True)
class Meter:
    """What a car was seen to take.

    Attributes
    ----------
    drawn_kw : the last reading below the offer; None: it takes what it is offered
    low_since_s : since when that is clearly less than the offer
    ceiling_kw : what is left to it after the rest was freed; None: nothing was freed
    rises_at_s : when the ceiling rises next, while the car draws up to it
    """

    drawn_kw: float | None = None
    low_since_s: float | None = None
    ceiling_kw: float | None = None
    rises_at_s: float | None = None


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
    weight: float = 1.0
    on_battery: bool = False
    energy_kwh: float = 0.0
    boost_kwh: float = 0.0
    turn: Turn = Turn(0)
    meter: Meter = Meter()
    modules: int = 0

    @property
    def connector_id(self) -> ConnectorId:
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

    def takes_kw(self, offered_kw: float) -> float:
        """What the car takes of an offer, as far as its meter tells, kW."""
        drawn_kw = self.meter.drawn_kw
        return offered_kw if drawn_kw is None else min(offered_kw, drawn_kw)


@dataclass(frozen=True, slots=True)
class Ledger:
    """Energy of a time, kWh; all but ``delivered_kwh`` and the losses on the site's side.

    What is imported is used or stored:
    ``imported + battery_out = static + standby + delivered + charger_loss + battery_in``, and the battery
    holds what it had plus ``battery_in - battery_out - battery_loss + seed_gain``.
    """

    imported_kwh: float = 0.0
    static_kwh: float = 0.0
    standby_kwh: float = 0.0
    delivered_kwh: float = 0.0
    charger_loss_kwh: float = 0.0
    battery_in_kwh: float = 0.0
    battery_out_kwh: float = 0.0
    battery_loss_kwh: float = 0.0
    # The exercise's battery gains at events, not from power over time: a flaw of that rule, kept visible.
    exercise_gain_kwh: float = 0.0

    @property
    def lost_kwh(self) -> float:
        """What chargers and battery turned into heat, their standby included, kWh."""
        return self.standby_kwh + self.charger_loss_kwh + self.battery_loss_kwh

    @property
    def stored_kwh(self) -> float:
        """What the battery holds more than at the beginning, kWh."""
        return self.battery_in_kwh - self.battery_out_kwh - self.battery_loss_kwh + self.exercise_gain_kwh

    @property
    def residual_kwh(self) -> float:
        """What does not add up, kWh: rounding, and nothing else."""
        came = [self.imported_kwh, self.exercise_gain_kwh]
        went = [self.static_kwh, self.delivered_kwh, self.lost_kwh, self.stored_kwh]
        return math.fsum([*came, *(-kwh for kwh in went)])


_BOOKS = operator.attrgetter(*(book.name for book in fields(Ledger)))


@dataclass(frozen=True, slots=True)
class Tally:
    """A sum of ledgers, and what its floats had no room for: a million small steps lose nothing."""

    total: Ledger = Ledger()
    rest: Ledger = Ledger()

    def __add__(self, step: Ledger) -> Tally:
        parts = list(zip(_BOOKS(self.total), _BOOKS(self.rest), _BOOKS(step), strict=True))
        totals = [math.fsum(part) for part in parts]
        rests = [math.fsum((*part, -total)) for part, total in zip(parts, totals, strict=True)]
        return Tally(Ledger(*totals), Ledger(*rests))


@dataclass(frozen=True, slots=True)
class State:
    """Everything that changes at a station; a new one replaces the old one."""

    strategy: str | Strategy
    static_load_kw: float
    battery_kwh: float
    site_limit_kw: float | None = None
    now_s: float = 0.0
    sessions: Mapping[ConnectorId, Session] = field(default_factory=dict)
    out_of_service: frozenset[ConnectorId] = frozenset()
    sessions_so_far: int = 0
    # Places given in the queue of those that take turns.
    queue_positions_so_far: int = 0
    # Energy since the clock began, of each full hour of it, and of the hour that is running.
    energy: Tally = Tally()
    hours: tuple[Ledger, ...] = ()
    this_hour: Tally = Tally()
    # A battery that was emptied gives nothing for a control interval: without that it would flutter
    # where cars have a least useful power, giving every drop at once. The same holds for its reserve.
    battery_rests_until_s: float = -math.inf
    reserve_rests_until_s: float = -math.inf
    # When each reading with a lease came, and which of them are silent.
    readings: Mapping[str, float] = field(default_factory=lambda: {START: 0.0})
    silent: tuple[str, ...] = ()
    # Who wanted modules of a charger at the last decision, and since when a better assignment is known.
    module_claims: Mapping[str, frozenset[str]] = field(default_factory=dict)
    better_since_s: Mapping[str, float] = field(default_factory=dict)

    @property
    def ledger(self) -> Ledger:
        """Energy since the clock began."""
        return self.energy.total

    def is_available(self, place: ConnectorId) -> bool:
        """Whether neither the connector nor its charger is out of service."""
        return place not in self.out_of_service and (place[0], WHOLE_CHARGER) not in self.out_of_service

    def with_session(self, session: Session) -> State:
        """The state with one session in its place."""
        return replace(self, sessions={**self.sessions, session.connector_id: session})

    def with_reading(self, name: str) -> State:
        """The state after a reading came in."""
        readings = {key: at_s for key, at_s in self.readings.items() if key != START}
        return replace(self, readings={**readings, name: self.now_s})


def first_state(config: StationConfig, strategy: str | Strategy) -> State:
    """The station before anything happened: no cars, the battery as configured."""
    battery = config.battery
    stored_kwh = battery.initial_soc * battery.initial_capacity_kwh if battery else 0.0
    state = State(strategy=strategy, static_load_kw=config.static_load_kw, battery_kwh=stored_kwh)
    return rested(config, state)


def rested(config: StationConfig, state: State) -> State:
    """A battery at its floor, or its reserve, begins its rest; the exercise's takes nothing and needs none."""
    battery = config.battery
    if battery is None or battery.rule != "hybrid":
        return state
    until_s = state.now_s + config.control_interval_s
    if not energy_above_kwh(battery, state.battery_kwh, battery.reserve_soc):
        state = replace(state, reserve_rests_until_s=until_s)
    if not energy_above_kwh(battery, state.battery_kwh, battery.min_soc):
        state = replace(state, battery_rests_until_s=until_s)
    return state
