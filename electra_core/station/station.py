"""The station: the only thing that changes.

A decision has seven steps: (1) the call is checked, nonsense is refused here; (2) a draft of the state is
made with the change in it; (3) the draft is read into a snapshot; (4) the strategy ranks every demand;
(5) water fills tier by tier; (6) `violations` must be empty; (7) the draft and its allocation replace the
old ones in a single assignment. After any error the station is exactly as it was.
"""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from types import MappingProxyType
from typing import Any, TypeVar

from pydantic import JsonValue

from electra_core.allocation import (
    BATTERY,
    MAX_WEIGHT,
    MIN_WEIGHT,
    STRATEGIES,
    Allocation,
    Snapshot,
    Strategy,
    StrategyError,
    find_strategy,
    name_of,
)
from electra_core.errors import (
    BadValueError,
    ConnectorFreeError,
    ConnectorTakenError,
    OutOfServiceError,
    ReplayError,
    UnknownSessionError,
    checked_number,
    shortened,
)
from electra_core.station import exercise_battery
from electra_core.station.config import StationConfig
from electra_core.station.demand import site_limit_kw
from electra_core.station.engine import Decision, decide, decisions
from electra_core.station.events import FAIL_SAFE, Event, call_of, read_events, write_journal
from electra_core.station.explain import Explanation, explanation
from electra_core.station.state import (
    BATTERY_ID,
    SITE_LIMIT,
    STATIC_LOAD,
    WHOLE_CHARGER,
    ConnectorId,
    Ledger,
    Session,
    State,
    Turn,
    first_state,
)
from electra_core.station.status import StationStatus, read_status
from electra_core.station.timers import reclaim
from electra_core.station.vehicles import Vehicle

# A year: a longer call is a slip of the finger, and would keep its caller waiting for minutes.
MAX_ADVANCE_S = 366 * 86_400.0
MAX_LOAD_KW = 1e9

Part = TypeVar("Part", State, Snapshot, Allocation)


class Station:
    """A charging station: cars arrive and leave, time passes, limits change; it decides at once.

    Parameters
    ----------
    config : what the station is made of
    strategy : a name of `STRATEGIES`, or a rank function ``(demand, now_s) -> (tier, weight)``

    Raises
    ------
    StationError
        From every method, when a call is refused: a sentence that says what is wrong. Nothing has
        changed then.
    """

    def __init__(self, config: StationConfig, strategy: str | Strategy = "max_min") -> None:
        if not isinstance(config, StationConfig):
            kind = type(config).__name__
            raise BadValueError(f"config must be a StationConfig (see load_config), got {kind}")
        self._config = config
        self._events: list[Event] = []
        # One assignment puts a moment and the number of events that led there in force together.
        self._in_force = (decide(config, first_state(config, "max_min")), 0)
        if not (isinstance(strategy, str) and strategy == "max_min"):
            self.set_strategy(strategy)

    @property
    def config(self) -> StationConfig:
        """What the station is made of."""
        return self._config

    @property
    def _decision(self) -> Decision:
        return self._in_force[0]

    @property
    def now_s(self) -> float:
        """The station's clock, s since it began."""
        return self._decision.state.now_s

    @property
    def state(self) -> State:
        """Everything that changes, as it is now: a copy, which changes nothing here."""
        return _copied(self._decision.state)

    @property
    def ledger(self) -> Ledger:
        """Energy since the clock began, kWh."""
        return self._decision.state.ledger

    @property
    def ledger_by_hour(self) -> tuple[Ledger, ...]:
        """Energy of each hour of the clock, kWh; the last entry is the hour that is running."""
        return (*self._decision.state.hours, self._decision.state.this_hour.total)

    @property
    def allocation(self) -> Allocation:
        """The decision in force: a copy, which changes nothing here."""
        return _copied(self._decision.allocation)

    @property
    def events(self) -> tuple[Event, ...]:
        """Every accepted call since the station began, and what the station noted by itself."""
        return tuple(self._events[: self._in_force[1]])

    def take_events(self) -> tuple[Event, ...]:
        """The record so far, for whoever keeps it elsewhere; here a new one begins."""
        decision, count = self._in_force
        events, self._events = tuple(self._events[:count]), []
        self._in_force = (decision, 0)
        return events

    @property
    def decision(self) -> Decision:
        """The decision in force and what it was made of: `at` goes on from it."""
        return self._decision

    @classmethod
    def from_decision(cls, config: StationConfig, decision: Decision) -> Station:
        """A station that stands where another one of the same configuration stood; its record is empty."""
        station = cls.__new__(cls)
        station._config, station._events, station._in_force = config, [], (decision, 0)
        return station

    def snapshot(self) -> Snapshot:
        """What the decision in force was made of: a copy, which changes nothing here."""
        return _copied(self._decision.snapshot)

    def status(self) -> StationStatus:
        """The station in the exercise's field names and ours, all of one moment."""
        decision = self._decision
        return read_status(self._config, decision.state, decision.snapshot, decision.allocation)

    def explain(self, session_id: str) -> Explanation:
        """Why a session gets what it gets: one sentence with the numbers.

        It is text, and carries what one more kW of each limit would give: see `Explanation`.
        """
        for session in self._decision.state.sessions.values():
            if session.session_id == session_id:
                return explanation(self._config, self._decision, session)
        known = ", ".join(session.session_id for session in self._decision.state.sessions.values()) or "none"
        raise UnknownSessionError(f"there is no session {shortened(session_id)}; connected are {known}")

    def plug_in(
        self,
        charger_id: str,
        connector: int,
        vehicle: Vehicle,
        *,
        arrival_soc: float | None = None,
        target_soc: float | None = None,
        departs_s: float | None = None,
        priority: float = 0,
        weight: float = 1.0,
    ) -> str:
        """A car arrives.

        Parameters
        ----------
        charger_id, connector : a free connector; connectors count from 1
        vehicle : the car
        arrival_soc : 0 to 1; None: nobody knows, and the car is never full
        target_soc : 0 to 1, where the car stops drawing; None: full
        departs_s : s on the station's clock; None: nobody knows
        priority : higher comes first under the strategy ``priority``
        weight : share beside others; 2 is a double share

        Returns
        -------
        str
            The session's id.
        """
        place = self._config.known_connector(charger_id, connector)
        state = self._decision.state
        if place in state.sessions:
            raise ConnectorTakenError(
                f"connector {place[1]} of {place[0]} is taken by session {state.sessions[place].session_id}"
            )
        if not state.is_available(place):
            raise OutOfServiceError(f"connector {place[1]} of {place[0]} is out of service")
        if not isinstance(vehicle, Vehicle):
            raise BadValueError(f"vehicle must be a Vehicle, got {type(vehicle).__name__}")
        if (arrival_soc is not None or target_soc is not None) and vehicle.battery_kwh is None:
            raise BadValueError("a SoC needs a vehicle with battery_kwh: it is a share of that")
        if target_soc is not None and arrival_soc is None:
            raise BadValueError("target_soc needs arrival_soc, or nobody knows when the target is reached")
        session = Session(
            session_id=f"S{state.sessions_so_far + 1:04d}",
            charger_id=place[0],
            connector=place[1],
            vehicle=vehicle,
            arrived_s=state.now_s,
            arrival_soc=None if arrival_soc is None else checked_number("arrival_soc", arrival_soc, 0.0, 1.0),
            target_soc=1.0 if target_soc is None else checked_number("target_soc", target_soc, 0.0, 1.0),
            departs_s=None if departs_s is None else checked_number("departs_s", departs_s, state.now_s),
            priority=checked_number("priority", priority, -math.inf),
            weight=checked_number("weight", weight, MIN_WEIGHT, MAX_WEIGHT),
            turn=Turn(state.queue_positions_so_far + 1),
        )
        session = replace(session, on_battery=exercise_battery.takes_on_battery(self._config, state, session))
        draft = replace(
            state.with_session(session),
            sessions_so_far=state.sessions_so_far + 1,
            queue_positions_so_far=state.queue_positions_so_far + 1,
        )
        self._accept(
            draft,
            "plug_in",
            charger_id=place[0],
            connector=place[1],
            vehicle=vehicle.to_json(),
            arrival_soc=session.arrival_soc,
            target_soc=None if target_soc is None else session.target_soc,
            departs_s=session.departs_s,
            priority=session.priority,
            weight=session.weight,
        )
        return session.session_id

    def unplug(self, charger_id: str, connector: int) -> Session:
        """A car departs; its session is returned as it ended."""
        session = self._session_at(charger_id, connector, "no car can leave it")
        others = {
            at: each for at, each in self._decision.state.sessions.items() if at != session.connector_id
        }
        draft = replace(self._decision.state, sessions=others)
        self._accept(draft, "unplug", charger_id=session.charger_id, connector=session.connector)
        return session

    def report_draw(self, charger_id: str, connector: int, kw: float) -> None:
        """What a car really takes, kW, as its meter says.

        It holds until the next report. A car that takes clearly less than it is offered frees the rest
        for others, and gets it back step by step when it draws up to its ceiling again: see
        `electra_core.station.timers.reclaim`. A reading above the offer counts as the offer.
        """
        session = self._session_at(charger_id, connector, "there is no draw to report")
        drawn_kw = checked_number("drawn power", kw, 0.0, MAX_LOAD_KW)
        decision = self._decision
        offered_kw = decision.allocation.offered_kw[session.session_id]
        session = reclaim.reported(self._config, decision.state, session, offered_kw, drawn_kw)
        draft = decision.state.with_session(session)
        self._accept(
            draft, "report_draw", charger_id=session.charger_id, connector=session.connector, kw=drawn_kw
        )

    def _session_at(self, charger_id: str, connector: int, otherwise: str) -> Session:
        place = self._config.known_connector(charger_id, connector)
        if place not in self._decision.state.sessions:
            raise ConnectorFreeError(f"connector {place[1]} of {place[0]} is free: {otherwise}")
        return self._decision.state.sessions[place]

    def advance(self, seconds: float) -> None:
        """Let time pass, s: cars move along their curves and the battery along its SoC.

        It decides anew when a car reaches its target, the battery its floor, reserve or top, or a timer
        falls due (see `electra_core.station.timers`); once a control interval while a car moves along its
        curve; and last exactly at the time asked for.
        """
        seconds = checked_number("seconds", seconds, 0.0, MAX_ADVANCE_S)
        decision, notes = self._decision, []
        for later in decisions(self._config, decision, decision.state.now_s + seconds):
            notes += self._noted(decision.state, later.state)
            decision = later
        if seconds == 0.0:
            decision = decide(self._config, decision.state, decision.asked)
        self._put_in_force(decision, "advance", notes, seconds=seconds)

    def set_site_limit(self, kw: float | None) -> None:
        """Limit the import, kW; None: the grid connection's capacity, which holds in any case.

        Each call renews the limit's lease (``limit_lease_s``), where the configuration has one.
        """
        limit_kw = None if kw is None else checked_number("site limit", kw, 0.0)
        draft = replace(self._decision.state, site_limit_kw=limit_kw).with_reading(SITE_LIMIT)
        self._accept(draft, "set_site_limit", kw=limit_kw)

    def set_static_load(self, kw: float) -> None:
        """Set what the site itself takes before any car, kW; each call renews the reading's lease."""
        load_kw = checked_number("static load", kw, 0.0, MAX_LOAD_KW)
        draft = replace(self._decision.state, static_load_kw=load_kw).with_reading(STATIC_LOAD)
        self._accept(draft, "set_static_load", kw=load_kw)

    def set_available(self, charger_id: str, connector: int | None = None, available: bool = True) -> None:
        """Take a connector, a whole charger, or the battery, out of service, or bring it back.

        A car there stays connected and gets nothing until it is back; the others get its power at once.

        Parameters
        ----------
        charger_id : a charger's id, or ``battery``
        connector : None: the whole charger
        available : whether it works
        """
        if isinstance(connector, bool):
            raise BadValueError(f"write available={connector}, by name")
        place = self._part(charger_id, connector)
        if not isinstance(available, bool):
            raise BadValueError(f"available must be True or False, got {shortened(available)}")
        out = self._decision.state.out_of_service
        draft = replace(self._decision.state, out_of_service=out - {place} if available else out | {place})
        which = None if connector is None else place[1]
        self._accept(draft, "set_available", charger_id=place[0], connector=which, available=available)

    def _part(self, charger_id: str, connector: int | None) -> ConnectorId:
        """What can be out of service: a connector, a charger, or the battery."""
        if charger_id == BATTERY:
            if self._config.battery is None or connector is not None:
                words = "it has no battery" if connector is None else "the battery has no connectors"
                raise BadValueError(f"{self._config.station_id}: {words}")
            return BATTERY_ID
        if connector is not None:
            return self._config.known_connector(charger_id, connector)
        return self._config.known_charger(charger_id), WHOLE_CHARGER

    def set_strategy(self, strategy: str | Strategy) -> None:
        """Change who comes first: a name of `STRATEGIES`, or a rank function."""
        try:
            rank = find_strategy(strategy)
        except StrategyError as error:
            raise BadValueError(str(error)) from None
        name = name_of(strategy)
        # A shipped function is its name: a record can hold that, and bring the very same station back.
        if STRATEGIES.get(name, rank) is not rank:
            raise BadValueError(f"{name} is a shipped strategy; give your own function another name")
        chosen = name if name in STRATEGIES else rank
        # Modules go by rank as well: nobody keeps any from the old order.
        draft = replace(self._decision.state, strategy=chosen, module_claims={})
        self._accept(draft, "set_strategy", strategy=name)

    def save_events(self, path: str | os.PathLike[str]) -> None:
        """Write the record to a file, one event a line as plain JSON; `replay` reads it back."""
        write_journal(self.events, path)

    @classmethod
    def replay(
        cls,
        config: StationConfig,
        events: str | os.PathLike[str] | Iterable[Event | Mapping[str, Any]],
        strategies: Mapping[str, Strategy] = MappingProxyType({}),
    ) -> Station:
        """The station that a record of events leads to, the same to the last bit.

        Parameters
        ----------
        config : the same as when the events were recorded
        events : from `Station.events`, as plain JSON, or the path of a file that `save_events` wrote
        strategies : rank functions of your own that the record names

        Raises
        ------
        ReplayError
            With the line of the file, or the number of the event, that is damaged or cannot have
            happened. A last line that is cut off or damaged gives a `JournalWarning` with its number
            instead, and the station stands where the line before it led.
        """
        station = cls(config)
        for place, event in read_events(events):
            try:
                station.repeat(event, strategies)
            except (ValueError, TypeError) as error:
                raise ReplayError(f"{place} cannot have happened: {error}") from None
        return station

    def repeat(self, event: Event, strategies: Mapping[str, Strategy] = MappingProxyType({})) -> None:
        """Do again what a record says; what it does not lead to is refused."""
        if event.call == FAIL_SAFE:
            # The station notes this by itself: its own notes must be there already.
            notes = itertools.takewhile(lambda own: own.call == FAIL_SAFE, reversed(self._events))
            if event not in notes:
                raise BadValueError("the station did not note that")
            return
        if event.at_s != self.now_s:
            raise BadValueError(f"it was recorded at {event.at_s} s, but the clock shows {self.now_s} s")
        call, arguments = call_of(event, strategies)
        getattr(self, call)(**arguments)

    def _accept(self, draft: State, call: str, **arguments: JsonValue) -> None:
        """Decide on a draft and, if all is well, put it in force with its event."""
        decision = decide(self._config, draft, self._decision.asked)
        notes = self._noted(self._decision.state, decision.state)
        if call in ("plug_in", "unplug"):
            # What the exercise's battery gains here counts from the next decision on.
            decision = replace(
                decision, state=exercise_battery.gains(self._config, decision.state, decision.allocation)
            )
        self._put_in_force(decision, call, notes, **arguments)

    def _noted(self, before: State, now: State) -> list[Event]:
        """The note of a station that fell back to its fail-safe limit, or recovered."""
        if before.silent == now.silent:
            return []
        limit_kw = site_limit_kw(self._config, now)
        arguments: dict[str, JsonValue] = {
            "active": bool(now.silent),
            "silent": list(now.silent),
            "limit_kw": limit_kw,
        }
        return [Event(at_s=now.now_s, call=FAIL_SAFE, arguments=arguments)]

    def _put_in_force(
        self, decision: Decision, call: str, notes: list[Event], **arguments: JsonValue
    ) -> None:
        events = [Event(at_s=self.now_s, call=call, arguments=arguments), *notes]
        # A record past the count, from a call that was interrupted here, is nobody's.
        count = self._in_force[1]
        self._events[count:] = events
        self._in_force = (decision, count + len(events))


def _copied(part: Part) -> Part:
    """A copy with mappings of its own: whoever writes into them changes nothing here."""
    copies: dict[str, Any] = {}
    for each in fields(part):
        value = getattr(part, each.name)
        if isinstance(value, Mapping):
            copies[each.name] = dict(value)
    return replace(part, **copies)
