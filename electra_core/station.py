"""The station: the only thing that changes.

A decision has seven steps: (1) the call is checked, nonsense is refused here; (2) a draft of the state is
made with the change in it; (3) the draft is read into a snapshot; (4) the strategy ranks every demand;
(5) water fills tier by tier; (6) `violations` must be empty; (7) the draft and its allocation replace the
old ones in a single assignment. After any error the station is exactly as it was.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from pydantic import JsonValue, ValidationError

from electra_core import baseline
from electra_core.allocation import allocate
from electra_core.config import StationConfig
from electra_core.events import Event, call_of
from electra_core.refusals import (
    BadValueError,
    ConnectorFreeError,
    ConnectorTakenError,
    LimitBrokenError,
    OutOfServiceError,
    ReplayError,
    number,
    shortened,
)
from electra_core.snapshot import Allocation, Snapshot, violations
from electra_core.state import (
    WHOLE_CHARGER,
    Session,
    State,
    after,
    first_state,
    holds_s,
    is_steady,
    read_snapshot,
)
from electra_core.status import StationStatus, read_status
from electra_core.strategies import STRATEGIES, Rank, StrategyError, find, name_of
from electra_core.vehicles import Vehicle

# A year: a longer call is a slip of the finger, and would keep its caller waiting for minutes.
MAX_ADVANCE_S = 366 * 86_400.0
MAX_LOAD_KW = 1e9


@dataclass(frozen=True, slots=True)
class Moment:
    """A state, what it asks for, what it was answered, and how many events led there."""

    state: State
    snapshot: Snapshot
    allocation: Allocation
    events: int


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

    def __init__(self, config: StationConfig, strategy: str | Rank = "max_min") -> None:
        if not isinstance(config, StationConfig):
            kind = type(config).__name__
            raise BadValueError(f"config must be a StationConfig (see load_config), got {kind}")
        self._config = config
        self._events: list[Event] = []
        self._moment = self._decide(first_state(config, "max_min"), events=0)
        if not (isinstance(strategy, str) and strategy == "max_min"):
            self.set_strategy(strategy)

    @property
    def config(self) -> StationConfig:
        """What the station is made of."""
        return self._config

    @property
    def now_s(self) -> float:
        """The station's clock, s since it began."""
        return self._moment.state.now_s

    @property
    def state(self) -> State:
        """Everything that changes, as it is now: a copy, which changes nothing here."""
        state = self._moment.state
        return replace(state, sessions=dict(state.sessions))

    @property
    def allocation(self) -> Allocation:
        """The decision in force: a copy, which changes nothing here."""
        decided = self._moment.allocation
        return replace(
            decided,
            offered_kw=dict(decided.offered_kw),
            boost_kw=dict(decided.boost_kw),
            limited_by=dict(decided.limited_by),
        )

    @property
    def events(self) -> tuple[Event, ...]:
        """Every accepted call since the station began."""
        return tuple(self._events[: self._moment.events])

    def snapshot(self) -> Snapshot:
        """What the decision in force was made of: a copy, which changes nothing here."""
        snapshot = self._moment.snapshot
        return replace(snapshot, charger_kw=dict(snapshot.charger_kw), demands=tuple(snapshot.demands))

    def status(self) -> StationStatus:
        """The station in the seed's field names and ours, all of one moment."""
        moment = self._moment
        return read_status(self._config, moment.state, moment.snapshot, moment.allocation)

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

        Returns
        -------
        str
            The session's id.
        """
        place = self._config.known_place(charger_id, connector)
        state = self._moment.state
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
            arrival_soc=None if arrival_soc is None else number("arrival_soc", arrival_soc, 0.0, 1.0),
            target_soc=1.0 if target_soc is None else number("target_soc", target_soc, 0.0, 1.0),
            departs_s=None if departs_s is None else number("departs_s", departs_s, state.now_s),
            priority=number("priority", priority, -math.inf),
        )
        session = replace(session, on_battery=baseline.takes_on_battery(self._config, state, session))
        draft = replace(
            state, sessions={**state.sessions, place: session}, sessions_so_far=state.sessions_so_far + 1
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
        )
        return session.session_id

    def unplug(self, charger_id: str, connector: int) -> Session:
        """A car departs; its session is returned as it ended."""
        place = self._config.known_place(charger_id, connector)
        sessions = dict(self._moment.state.sessions)
        if place not in sessions:
            raise ConnectorFreeError(f"connector {place[1]} of {place[0]} is free: no car can leave it")
        session = sessions.pop(place)
        draft = replace(self._moment.state, sessions=sessions)
        self._accept(draft, "unplug", charger_id=place[0], connector=place[1])
        return session

    def advance(self, seconds: float) -> None:
        """Let time pass, s: cars move along their curves and the battery along its SoC.

        It decides anew when a car reaches its target or the battery its floor or top, once a control
        interval while a car moves along its curve, and last exactly at the time asked for.
        """
        seconds = number("seconds", seconds, 0.0, MAX_ADVANCE_S)
        moment = self._moment
        end_s = moment.state.now_s + seconds
        while moment.state.now_s < end_s:
            left_s = end_s - moment.state.now_s
            step_s = min(left_s, holds_s(self._config, moment.state, moment.allocation))
            if not is_steady(moment.state, moment.allocation):
                step_s = min(step_s, self._config.control_interval_s)
            draft = after(self._config, moment.state, moment.allocation, step_s)
            if step_s == left_s:
                draft = replace(draft, now_s=end_s)
            moment = self._decide(draft, moment.events)
        self._accept(moment.state, "advance", seconds=seconds)

    def set_site_limit(self, kw: float | None) -> None:
        """Limit the import, kW; None: the grid connection's capacity, which holds in any case."""
        limit_kw = None if kw is None else number("site limit", kw, 0.0)
        self._accept(replace(self._moment.state, site_limit_kw=limit_kw), "set_site_limit", kw=limit_kw)

    def set_static_load(self, kw: float) -> None:
        """Set what the site itself takes before any car, kW."""
        load_kw = number("static load", kw, 0.0, MAX_LOAD_KW)
        self._accept(replace(self._moment.state, static_load_kw=load_kw), "set_static_load", kw=load_kw)

    def set_available(self, charger_id: str, connector: int | None = None, available: bool = True) -> None:
        """Take a connector, or a whole charger, out of service, or bring it back.

        A car there stays connected and gets nothing until it is back; the others get its power at once.
        """
        if isinstance(connector, bool):
            raise BadValueError(f"write available={connector}, by name")
        place = (self._config.known_charger(charger_id), WHOLE_CHARGER)
        if connector is not None:
            place = self._config.known_place(charger_id, connector)
        if not isinstance(available, bool):
            raise BadValueError(f"available must be True or False, got {shortened(available)}")
        out = self._moment.state.out_of_service
        draft = replace(self._moment.state, out_of_service=out - {place} if available else out | {place})
        which = None if connector is None else place[1]
        self._accept(draft, "set_available", charger_id=place[0], connector=which, available=available)

    def set_strategy(self, strategy: str | Rank) -> None:
        """Change who comes first: a name of `STRATEGIES`, or a rank function."""
        try:
            rank = find(strategy)
        except StrategyError as error:
            raise BadValueError(str(error)) from None
        name = name_of(strategy)
        # A shipped function is its name: a record can hold that, and bring the very same station back.
        if STRATEGIES.get(name, rank) is not rank:
            raise BadValueError(f"{name} is a shipped strategy; give your own function another name")
        chosen = name if name in STRATEGIES else rank
        self._accept(replace(self._moment.state, strategy=chosen), "set_strategy", strategy=name)

    @classmethod
    def replay(
        cls,
        config: StationConfig,
        events: Iterable[Event | Mapping[str, Any]],
        strategies: Mapping[str, Rank] = MappingProxyType({}),
    ) -> Station:
        """The station that a record of events leads to, the same to the last bit.

        Parameters
        ----------
        config : the same as when the events were recorded
        events : from `Station.events`, or as plain JSON
        strategies : rank functions of your own that the record names

        Raises
        ------
        ReplayError
            With the number of the event that cannot have happened.
        """
        station = cls(config)
        if isinstance(events, str | bytes) or not isinstance(events, Iterable):
            raise ReplayError(f"events must be a list of records, got {shortened(events)}")
        for count, record in enumerate(events, start=1):
            try:
                event = Event.model_validate(record)
                station._repeat(event, strategies)
            except ValidationError as error:
                fault = error.errors()[0]
                where = ".".join(str(step) for step in fault["loc"])
                raise ReplayError(f"event {count} is damaged: {where}: {fault['msg']}") from None
            except (ValueError, TypeError) as error:
                raise ReplayError(f"event {count} cannot have happened: {error}") from None
        return station

    def _repeat(self, event: Event, strategies: Mapping[str, Rank]) -> None:
        if event.at_s != self.now_s:
            raise BadValueError(f"it was recorded at {event.at_s} s, but the clock shows {self.now_s} s")
        call, arguments = call_of(event, strategies)
        getattr(self, call)(**arguments)

    def _accept(self, draft: State, call: str, **arguments: JsonValue) -> None:
        """Decide on a draft and, if all is well, put it in force with its event."""
        moment = self._decide(draft, events=self._moment.events + 1)
        if call in ("plug_in", "unplug"):
            # What the seed's battery gains here counts from the next decision on.
            moment = replace(moment, state=baseline.gains(self._config, moment.state, moment.allocation))
        event = Event(at_s=self.now_s, call=call, arguments=arguments)
        # A record past the count, from a call that was interrupted here, is nobody's.
        self._events[self._moment.events :] = [event]
        self._moment = moment

    def _decide(self, draft: State, events: int) -> Moment:
        draft = baseline.releases(self._config, draft)
        snapshot = read_snapshot(self._config, draft)
        try:
            allocation = allocate(snapshot, draft.strategy)
        except StrategyError as error:
            raise BadValueError(str(error)) from error
        broken = violations(snapshot, allocation)
        if broken:
            raise LimitBrokenError(f"the decision would break a limit: {'; '.join(broken)}")
        return Moment(draft, snapshot, allocation, events)
