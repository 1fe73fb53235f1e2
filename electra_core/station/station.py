"""`Station`: the live station, and the only object of it that changes.

A call has seven steps: (1) it is checked; (2) a draft of the state is made with the change in it; (3) the
draft is read into a snapshot; (4) the strategy ranks every demand; (5) power is shared tier by tier;
(6) `violations` must be empty; (7) one assignment puts draft and allocation in force. After any error the
station is exactly as it was.
"""

from __future__ import annotations

import inspect
import itertools
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from typing import Any, TypeVar

from pydantic import JsonValue

from electra_core.allocation import MAX_WEIGHT, MIN_WEIGHT, Allocation, Snapshot, Strategy
from electra_core.errors import BadValueError, ElectraError, ReplayError, checked_number, shortened
from electra_core.station import calls, exercise_battery
from electra_core.station import events as record
from electra_core.station.config import StationConfig
from electra_core.station.demand import site_limit_kw
from electra_core.station.engine import Decision, decide, decisions
from electra_core.station.events import FAIL_SAFE, NO_STRATEGIES, Event, EventSource, Strategies
from electra_core.station.explain import Explanation, explanation
from electra_core.station.state import SITE_LIMIT, STATIC_LOAD, Ledger, Rotation, Session, State, first_state
from electra_core.station.status import StationStatus, read_status
from electra_core.station.timers import reclaim
from electra_core.station.vehicles import Vehicle

# A year: a longer call is a mistake, and would keep its caller waiting for minutes.
MAX_ADVANCE_S = 366 * 86_400.0
MAX_LOAD_KW = 1e9

Part = TypeVar("Part", State, Snapshot, Allocation)


class Station:
    """A charging station: cars arrive and leave, time passes, limits change; it decides at once.

    Parameters
    ----------
    config : the station's configuration
    strategy : a name of `STRATEGIES`, or a rank function ``(demand, now_s) -> (tier, weight)``

    Raises
    ------
    StationError
        From every method, when a call is refused: a sentence that says what is wrong. Nothing has
        changed then.

    Examples
    --------
    Two cars share a charger; one of them leaves after a quarter of an hour:

    >>> from electra_core import Station, Vehicle, load_config
    >>> charger = {"id": "CP1", "maxPower": 200, "connectors": 2}
    >>> config = load_config({"stationId": "Paris", "gridCapacity": 400, "chargers": [charger]})
    >>> station = Station(config)
    >>> first = station.plug_in("CP1", 1, Vehicle(150))
    >>> second = station.plug_in("CP1", 2, Vehicle(150))
    >>> station.allocation.offered_kw
    {'S0001': 100.0, 'S0002': 100.0}
    >>> print(station.explain(first))
    offered 100 of 150 kW: CP1 shares 200 kW between 2 cars; the site could give 100 more
    >>> station.advance(900)
    >>> station.unplug("CP1", 1).energy_kwh
    25.0
    >>> station.allocation.offered_kw
    {'S0002': 150.0}
    """

    def __init__(self, config: StationConfig, strategy: str | Strategy = "max_min") -> None:
        if not isinstance(config, StationConfig):
            kind = type(config).__name__
            raise BadValueError(f"config must be a StationConfig (see load_config), got {kind}")
        self._config = config
        self._events: list[Event] = []
        # One assignment puts a decision and the number of events that led to it in force together.
        self._in_force = (decide(config, first_state(config, "max_min")), 0)
        if not (isinstance(strategy, str) and strategy == "max_min"):
            self.set_strategy(strategy)

    @classmethod
    def from_decision(cls, config: StationConfig, decision: Decision) -> Station:
        """Return a station that goes on from a decision of another one; its record is empty."""
        station = cls.__new__(cls)
        station._config, station._events, station._in_force = config, [], (decision, 0)
        return station

    @property
    def config(self) -> StationConfig:
        """Return the station's configuration."""
        return self._config

    @property
    def decision(self) -> Decision:
        """Return the decision in force: state, snapshot and allocation, not copied and to be read only."""
        return self._in_force[0]

    @property
    def now_s(self) -> float:
        """Return the station's clock, s since it began."""
        return self.decision.state.now_s

    @property
    def state(self) -> State:
        """Return everything that changes, as it is now: a copy, which changes nothing here."""
        return _copied(self.decision.state)

    @property
    def ledger(self) -> Ledger:
        """Return the energy since the clock began, kWh; see `ledger_by_hour` for its hours."""
        return self.decision.state.ledger

    @property
    def allocation(self) -> Allocation:
        """Return the allocation in force: a copy, which changes nothing here."""
        return _copied(self.decision.allocation)

    def snapshot(self) -> Snapshot:
        """Return the snapshot of the allocation in force: a copy, which changes nothing here."""
        return _copied(self.decision.snapshot)

    @property
    def events(self) -> tuple[Event, ...]:
        """Return every accepted call since the record began, and what the station noted by itself."""
        return tuple(self._events[: self.event_count])

    @property
    def event_count(self) -> int:
        """Return the number of `events`."""
        return self._in_force[1]

    def take_events(self) -> tuple[Event, ...]:
        """Return the record so far and begin a new one, for a caller that saves it elsewhere."""
        # Not `events`: a subclass may put an older record in front of it.
        events, self._events = tuple(self._events[: self.event_count]), []
        self._in_force = (self.decision, 0)
        return events

    def status(self) -> StationStatus:
        """Return the station in the exercise's field names and ours, all of one moment."""
        return read_status(self._config, self.decision)

    def explain(self, session_id: str) -> Explanation:
        """Explain the power of a session: one sentence with the numbers.

        It is text, and carries what one more kW of each limit would give: see `Explanation`.

        Examples
        --------
        >>> from electra_core import Station, Vehicle, load_config
        >>> charger = {"id": "CP1", "maxPower": 200, "connectors": 1}
        >>> config = load_config({"stationId": "Paris", "gridCapacity": 60, "chargers": [charger]})
        >>> station = Station(config)
        >>> found = station.explain(station.plug_in("CP1", 1, Vehicle(150)))
        >>> print(found)
        offered 60 of 150 kW: the site has 60 kW left for 1 car
        >>> found.what_if
        '1 kW more of the site limit would give it 1 kW'
        """
        session = self.decision.state.known_session(session_id)
        return explanation(self._config, self.decision, session)

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
        """Plug in a car.

        Parameters
        ----------
        charger_id, connector : a free connector; connectors count from 1
        vehicle : the car
        arrival_soc : 0 to 1; None: it is not known, and the car is never full
        target_soc : 0 to 1, at which the car stops drawing; None: full
        departs_s : s on the station's clock; None: it is not known
        priority : higher comes first under the strategy ``priority``
        weight : share beside others; 2 is a double share

        Returns
        -------
        str
            The session's id.
        """
        state = self.decision.state
        charger_id, connector = calls.free_connector(self._config, state, charger_id, connector)
        calls.check_car(vehicle, arrival_soc, target_soc)
        session = Session(
            session_id=f"S{state.sessions_so_far + 1:04d}",
            charger_id=charger_id,
            connector=connector,
            vehicle=vehicle,
            arrived_s=state.now_s,
            arrival_soc=None if arrival_soc is None else checked_number("arrival_soc", arrival_soc, 0.0, 1.0),
            target_soc=1.0 if target_soc is None else checked_number("target_soc", target_soc, 0.0, 1.0),
            departs_s=None if departs_s is None else checked_number("departs_s", departs_s, state.now_s),
            priority=checked_number("priority", priority, -math.inf),
            weight=checked_number("weight", weight, MIN_WEIGHT, MAX_WEIGHT),
            rotation=Rotation(state.queue_positions_so_far + 1),
        )
        session = replace(session, on_battery=exercise_battery.takes_on_battery(self._config, state, session))
        draft = replace(
            state.with_sessions([session]),
            sessions_so_far=state.sessions_so_far + 1,
            queue_positions_so_far=state.queue_positions_so_far + 1,
        )
        names = ("charger_id", "connector", "vehicle", "arrival_soc", "target_soc")
        arguments = {name: getattr(session, name) for name in (*names, "departs_s", "priority", "weight")}
        arguments["vehicle"] = vehicle.to_json()
        arguments["target_soc"] = None if target_soc is None else session.target_soc
        self._accept(draft, "plug_in", **arguments)
        return session.session_id

    def unplug(self, charger_id: str, connector: int) -> Session:
        """Unplug a car, and return its session as it ended."""
        state = self.decision.state
        session = calls.session_at(self._config, state, charger_id, connector, "no car can leave it")
        others = {at: each for at, each in state.sessions.items() if at != session.connector_id}
        draft = replace(state, sessions=others)
        self._accept(draft, "unplug", charger_id=session.charger_id, connector=session.connector)
        return session

    def report_draw(self, charger_id: str, connector: int, kw: float) -> None:
        """Report what a car really draws, kW, as its meter says.

        It holds until the next report. A car that draws clearly less than it is offered frees the rest
        for others, and gets it back step by step when it draws up to its ceiling again: see
        `electra_core.station.timers.reclaim`. A reading above the offer counts as the offer.
        """
        state = self.decision.state
        session = calls.session_at(self._config, state, charger_id, connector, "there is no draw to report")
        drawn_kw = checked_number("drawn power", kw, 0.0, MAX_LOAD_KW)
        offered_kw = self.decision.allocation.offered_kw[session.session_id]
        session = reclaim.reported(self._config, state, session, offered_kw, drawn_kw)
        place: dict[str, JsonValue] = {"charger_id": session.charger_id, "connector": session.connector}
        self._accept(state.with_sessions([session]), "report_draw", **place, kw=drawn_kw)

    def advance(self, seconds: float) -> None:
        """Advance time, s: cars move along their curves and the battery along its SoC.

        A new decision is made when a car reaches its target, the battery its floor, reserve or top, or a
        timer falls due (see `electra_core.station.timers`); once a control interval while a car moves along
        its curve; and last exactly at the time asked for.
        """
        seconds = checked_number("seconds", seconds, 0.0, MAX_ADVANCE_S)
        decision, notes = self.decision, []
        for later in decisions(self._config, decision, decision.state.now_s + seconds):
            notes += self._noted(decision.state, later.state)
            decision = later
        if seconds == 0.0:
            decision = decide(self._config, decision.state, decision.demands)
        self._put_in_force(decision, "advance", notes, seconds=seconds)

    def set_site_limit(self, kw: float | None) -> None:
        """Limit the import, kW; None: the grid connection's capacity, which holds in any case.

        Each call renews the limit's lease (``limit_lease_s``), if the configuration has one.
        """
        limit_kw = None if kw is None else checked_number("site limit", kw, 0.0)
        draft = replace(self.decision.state, site_limit_kw=limit_kw).with_reading(SITE_LIMIT)
        self._accept(draft, "set_site_limit", kw=limit_kw)

    def set_static_load(self, kw: float) -> None:
        """Set the power that the site takes before any car, kW; each call renews the reading's lease."""
        load_kw = checked_number("static load", kw, 0.0, MAX_LOAD_KW)
        draft = replace(self.decision.state, static_load_kw=load_kw).with_reading(STATIC_LOAD)
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
        part = calls.serviceable_part(self._config, charger_id, connector)
        if not isinstance(available, bool):
            raise BadValueError(f"available must be True or False, got {shortened(available)}")
        out = self.decision.state.out_of_service
        draft = replace(self.decision.state, out_of_service=out - {part} if available else out | {part})
        number = None if connector is None else part[1]
        self._accept(draft, "set_available", charger_id=part[0], connector=number, available=available)

    def set_strategy(self, strategy: str | Strategy) -> None:
        """Set the order of sessions: a name of `STRATEGIES`, or a rank function."""
        chosen, name = calls.known_strategy(strategy)
        # Modules go by rank as well: no session keeps any from the old order.
        draft = replace(self.decision.state, strategy=chosen, module_claims={})
        self._accept(draft, "set_strategy", strategy=name)

    def save_events(self, path: str | os.PathLike[str]) -> None:
        """Write the record to a file, one event a line as plain JSON; `replay` reads it back."""
        record.write_journal(self.events, path)

    @classmethod
    def replay(
        cls, config: StationConfig, events: EventSource, strategies: Strategies = NO_STRATEGIES
    ) -> Station:
        """Return the station that a record of events leads to, the same to the last bit.

        Parameters
        ----------
        config : the same as when the events were recorded
        events : from `Station.events`, as plain JSON, or the path of a file that `save_events` wrote
        strategies : rank functions of your own that the record names

        Raises
        ------
        ReplayError
            With the line or number of an event that is damaged or cannot have happened. A last line that is
            cut off or damaged gives a `JournalWarning` instead, and is left out.
        """
        station = cls(config)
        for _ in station.apply_events(events, strategies):
            pass
        return station

    def apply_events(self, events: EventSource, strategies: Strategies = NO_STRATEGIES) -> Iterator[Decision]:
        """Make the calls of a record again; yield, after each, the decision that was in force before it."""
        for place, event in record.read_events(events):
            before = self.decision
            try:
                self.apply_event(event, strategies)
            except ElectraError as error:
                raise ReplayError(f"{place} cannot have happened: {error}") from None
            yield before

    def apply_event(self, event: Event, strategies: Strategies = NO_STRATEGIES) -> None:
        """Make the call of a recorded event again, or refuse it with a `StationError` or `VehicleError`."""
        if event.call == FAIL_SAFE:
            # The station makes this note by itself, so it must be among its latest events already.
            notes = itertools.takewhile(lambda own: own.call == FAIL_SAFE, reversed(self._events))
            if event not in notes:
                raise BadValueError("the station did not note that")
            return
        if event.at_s != self.now_s:
            raise BadValueError(f"it was recorded at {event.at_s} s, but the clock shows {self.now_s} s")
        name, arguments = record.call_of(event, strategies)
        call = getattr(self, name)
        try:
            inspect.signature(call).bind(**arguments)
        except TypeError:
            given = ", ".join(arguments) or "none"
            raise BadValueError(f"{name} needs other arguments than {given}") from None
        call(**arguments)

    def _accept(self, draft: State, call: str, **arguments: JsonValue) -> None:
        """Decide on a draft and put the decision in force with its event."""
        decision = decide(self._config, draft, self.decision.demands)
        notes = self._noted(self.decision.state, decision.state)
        if call in ("plug_in", "unplug"):
            # The gain of the exercise's battery counts from the next decision on.
            state = exercise_battery.gains(self._config, decision.state, decision.allocation)
            decision = replace(decision, state=state)
        self._put_in_force(decision, call, notes, **arguments)

    def _noted(self, before: State, now: State) -> list[Event]:
        """Return the note of a fall to the fail-safe limit, or of a recovery."""
        if before.silent == now.silent:
            return []
        arguments: dict[str, JsonValue] = {"active": bool(now.silent), "silent": list(now.silent)}
        arguments["limit_kw"] = site_limit_kw(self._config, now)
        return [Event(at_s=now.now_s, call=FAIL_SAFE, arguments=arguments)]

    def _put_in_force(
        self, decision: Decision, call: str, notes: list[Event], **arguments: JsonValue
    ) -> None:
        events = [Event(at_s=self.now_s, call=call, arguments=arguments), *notes]
        # Events past the count come from a call that was interrupted here, and are replaced.
        count = self.event_count
        self._events[count:] = events
        self._in_force = (decision, count + len(events))


def _copied(part: Part) -> Part:
    """Return a copy with mappings of its own, so that a change in them changes nothing here."""
    values = ((each.name, getattr(part, each.name)) for each in fields(part))
    copies: dict[str, Any] = {name: dict(value) for name, value in values if isinstance(value, Mapping)}
    return replace(part, **copies)
