"""The state of a station at one moment: everything that changes, and nothing that follows from the rest."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace

from electra_core.allocation import BATTERY, Strategy
from electra_core.errors import UnknownSessionError, shortened
from electra_core.station.battery import energy_above_kwh
from electra_core.station.charging_curve import SOC_ROUNDING
from electra_core.station.config import StationConfig
from electra_core.station.vehicles import Vehicle

ConnectorId = tuple[str, int]

# A charger as a whole (connectors count from 1), and the battery.
WHOLE_CHARGER = 0
BATTERY_ID: ConnectorId = (BATTERY, WHOLE_CHARGER)

# Readings that have a lease; before the first of them, the silence counts from the start.
START, SITE_LIMIT, STATIC_LOAD = "start", "site limit", "static load"


@dataclass(frozen=True, slots=True)
class Rotation:
    """A session's part in the rotation."""

    queue_position: int  # the lowest is admitted first
    charged_s: float = 0.0  # of its turn so far: admitted, while others waited
    charging_since_s: float | None = None  # when its turn began or went on; None while it does not count


@dataclass(frozen=True, slots=True)
class DrawMeter:
    """The power that a car was seen to draw."""

    drawn_kw: float | None = None  # the last reading below the offer; None: it draws the whole offer
    low_since_s: float | None = None  # when the reading became clearly less than the offer
    ceiling_kw: float | None = None  # what is left to the car after the rest was freed; None: nothing was
    rises_at_s: float | None = None  # when the ceiling rises next, while the car draws up to it


@dataclass(frozen=True, slots=True)
class Session:
    """A session: a car at a connector, from plug-in to unplug.

    Attributes
    ----------
    session_id : ``S0001`` and so on, in the order of arrival
    charger_id, connector : its connector; numbers count from 1
    vehicle : the car
    arrived_s, departs_s : s on the station's clock; a departure of None is not known
    arrival_soc, target_soc : 0 to 1; an arrival SoC of None is not known
    priority, weight : see `Station.plug_in`
    on_battery : whether the battery alone feeds it (the exercise's rule)
    energy_kwh, boost_kwh : energy to the car so far, and the battery's part of it, kWh
    rotation, meter : its part in the rotation, and what its car was seen to draw
    modules : number of power modules that it has
    """

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
    rotation: Rotation = Rotation(0)
    meter: DrawMeter = DrawMeter()
    modules: int = 0

    @property
    def connector_id(self) -> ConnectorId:
        """Return the charger and connector number."""
        return self.charger_id, self.connector

    @property
    def soc(self) -> float | None:
        """Return the state of charge, 0 to 1; None where it is not known."""
        if self.arrival_soc is None or self.vehicle.battery_kwh is None:
            return None
        return min(1.0, self.arrival_soc + self.energy_kwh / self.vehicle.battery_kwh)

    @property
    def remaining_kwh(self) -> float | None:
        """Return the energy up to the target, kWh; 0 at the target, None where it is not known."""
        soc = self.soc
        if soc is None or self.vehicle.battery_kwh is None:
            return None
        missing = self.target_soc - soc
        return missing * self.vehicle.battery_kwh if missing > SOC_ROUNDING else 0.0

    def drawn_kw(self, offered_kw: float) -> float:
        """Return what the car draws of an offer, as far as its meter tells, kW."""
        seen_kw = self.meter.drawn_kw
        return offered_kw if seen_kw is None else min(offered_kw, seen_kw)


@dataclass(frozen=True, slots=True)
class Ledger:
    """Energy of a period, kWh; all but ``delivered_kwh`` and the losses on the site's side.

    The sums close: ``imported + battery_out = static + standby + delivered + charger_loss + battery_in``, and
    the battery gains ``battery_in - battery_out - battery_loss + exercise_gain``.
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
        """Return what chargers and battery turned into heat, their standby included, kWh."""
        return self.standby_kwh + self.charger_loss_kwh + self.battery_loss_kwh

    @property
    def stored_kwh(self) -> float:
        """Return what the battery holds more than at the beginning, kWh."""
        return self.battery_in_kwh - self.battery_out_kwh - self.battery_loss_kwh + self.exercise_gain_kwh

    @property
    def residual_kwh(self) -> float:
        """Return what does not add up, kWh: rounding, and nothing else."""
        sources = [self.imported_kwh, self.exercise_gain_kwh]
        uses = [self.static_kwh, self.delivered_kwh, self.lost_kwh, self.stored_kwh]
        return math.fsum([*sources, *(-kwh for kwh in uses)])


_ENTRIES = operator.attrgetter(*(entry.name for entry in fields(Ledger)))


@dataclass(frozen=True, slots=True)
class Tally:
    """A sum of ledgers, with the rounding rest of each entry: a million small steps lose nothing."""

    total: Ledger = Ledger()
    rest: Ledger = Ledger()

    def __add__(self, step: Ledger) -> Tally:
        parts = list(zip(_ENTRIES(self.total), _ENTRIES(self.rest), _ENTRIES(step), strict=True))
        totals = [math.fsum(part) for part in parts]
        rests = [math.fsum((*part, -total)) for part, total in zip(parts, totals, strict=True)]
        return Tally(Ledger(*totals), Ledger(*rests))


@dataclass(frozen=True, slots=True)
class State:
    """The state of a station: a new one replaces the old one."""

    strategy: str | Strategy
    static_load_kw: float
    battery_kwh: float
    site_limit_kw: float | None = None
    now_s: float = 0.0
    sessions: Mapping[ConnectorId, Session] = field(default_factory=dict)
    out_of_service: frozenset[ConnectorId] = frozenset()
    sessions_so_far: int = 0
    queue_positions_so_far: int = 0
    # Energy since the clock began.
    energy: Tally = Tally()
    # A battery that was emptied gives nothing for a control interval: otherwise, where cars have a least
    # useful power, it would switch on and off for every small amount. The same holds for its reserve.
    battery_rests_until_s: float = -math.inf
    reserve_rests_until_s: float = -math.inf
    # The time of each reading that has a lease, and the readings that are silent.
    readings: Mapping[str, float] = field(default_factory=lambda: {START: 0.0})
    silent: tuple[str, ...] = ()
    # The sessions that wanted modules of a charger at the last decision, and the time since when a better
    # assignment is known.
    module_claims: Mapping[str, frozenset[str]] = field(default_factory=dict)
    better_since_s: Mapping[str, float] = field(default_factory=dict)

    @property
    def ledger(self) -> Ledger:
        """Return the energy since the clock began."""
        return self.energy.total

    def is_available(self, connector_id: ConnectorId) -> bool:
        """Return whether neither the connector nor its charger is out of service."""
        out = self.out_of_service
        return not out or (connector_id not in out and (connector_id[0], WHOLE_CHARGER) not in out)

    def known_session(self, session_id: str) -> Session:
        """Return the session of an id, or raise an `UnknownSessionError`."""
        for session in self.sessions.values():
            if session.session_id == session_id:
                return session
        known = ", ".join(session.session_id for session in self.sessions.values()) or "none"
        raise UnknownSessionError(f"there is no session {shortened(session_id)}; connected are {known}")

    def with_sessions(self, changed: Iterable[Session]) -> State:
        """Return the state with these sessions at their connectors."""
        sessions = {session.connector_id: session for session in changed}
        return replace(self, sessions={**self.sessions, **sessions}) if sessions else self

    def with_reading(self, name: str) -> State:
        """Return the state after a reading came in."""
        readings = {key: at_s for key, at_s in self.readings.items() if key != START}
        return replace(self, readings={**readings, name: self.now_s})


def first_state(config: StationConfig, strategy: str | Strategy) -> State:
    """Return the state of a new station: no cars, the battery as configured."""
    battery = config.battery
    stored_kwh = battery.initial_soc * battery.initial_capacity_kwh if battery else 0.0
    state = State(strategy=strategy, static_load_kw=config.static_load_kw, battery_kwh=stored_kwh)
    return rested(config, state)


def rested(config: StationConfig, state: State) -> State:
    """Return the state with a rest begun, when the battery is at its floor or reserve.

    The exercise's battery takes no power, and needs no rest.
    """
    battery = config.battery
    if battery is None or battery.rule != "hybrid":
        return state
    until_s = state.now_s + config.control_interval_s
    if not energy_above_kwh(battery, state.battery_kwh, battery.reserve_soc):
        state = replace(state, reserve_rests_until_s=until_s)
    if not energy_above_kwh(battery, state.battery_kwh, battery.min_soc):
        state = replace(state, battery_rests_until_s=until_s)
    return state
