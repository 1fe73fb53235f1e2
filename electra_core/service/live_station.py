"""The live station: one writer, a journal behind it, and readers that always see one single moment."""

from __future__ import annotations

import asyncio
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, ParamSpec, TypeVar

from electra_core.allocation import violations
from electra_core.errors import StationError
from electra_core.service.journal import Answer, Journal, JournalError
from electra_core.station import (
    MAX_ADVANCE_S,
    Decision,
    Event,
    Explanation,
    Station,
    StationConfig,
    StationStatus,
    holds_s,
    read_status,
    timers,
)

# A moment is kept once in so many events: a start replays no more than these.
MOMENT_EVERY = 1000

# The clock of a real station moves by whole seconds: calls within one of them share its moment.
GRAIN_S = 1.0

# The last events are kept at hand: who follows the station as it goes needs no look into its file.
RECENT = 2000

# What a call does at the station, and what it answers: a status and plain data.
Deed = Callable[[Station], tuple[int, Any]]

Given = ParamSpec("Given")
Found = TypeVar("Found")


class KeyUsedError(StationError):
    """The idempotency key stands for another call."""


class ClockError(StationError):
    """The clock follows the time of day."""


@dataclass(frozen=True)
class View:
    """What is in force and on the disk: readers get this, all of one moment, and never wait.

    Attributes
    ----------
    config : of the station
    number : of the last event
    moment : what it led to
    recent : the last events with their numbers
    start : of this process, so that no tag of another one, with another past, is taken for this one's
    """

    config: StationConfig
    number: int
    decision: Decision
    recent: tuple[tuple[int, Event], ...] = ()
    start: str = ""

    @cached_property
    def status(self) -> StationStatus:
        """The station in words and numbers."""
        return read_status(self.config, self.decision)

    @cached_property
    def text(self) -> bytes:
        """The status as it is sent: written once, however many ask."""
        return self.status.model_dump_json().encode()

    @cached_property
    def told(self) -> str:
        """The allocation as a stream tells it."""
        allocation = self.decision.allocation
        data = {
            "number": self.number,
            "now_s": self.decision.state.now_s,
            "grid_kw": allocation.grid_kw,
            "battery_kw": allocation.battery_kw,
            "offered_kw": dict(allocation.offered_kw),
            "limited_by": {name: str(limit) for name, limit in allocation.limited_by.items()},
        }
        return f"id: {self.number}\nevent: allocation\ndata: {json.dumps(data)}\n\n"

    @property
    def etag(self) -> str:
        """Changes with every event, and with every start."""
        return f'"{self.number}-{self.start}"'

    def explain(self, session_id: str) -> Explanation:
        """Why a session gets what it gets."""
        return Station.from_decision(self.config, self.decision).explain(session_id)


class LiveStation:
    """A station whose every accepted call is on the disk before anybody is told.

    Parameters
    ----------
    config : what the station is made of
    store : its journal; a station that stands in it goes on
    simulated : the clock moves only by `advance`; otherwise it follows the time of day
    now : the time of day, s
    ticks : a clock that nobody sets, s

    Raises
    ------
    JournalError
        When the journal does not lead to a station of this configuration.
    """

    def __init__(
        self,
        config: StationConfig,
        store: Journal,
        *,
        simulated: bool = False,
        now: Callable[[], float] = time.time,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self.config, self.simulated = config, simulated
        self._store, self._now, self._ticks = store, now, ticks
        self._writes, self._hand = threading.Lock(), ThreadPoolExecutor(1, "electra-writer")
        self.closed = False
        self._listeners: set[Callable[[], object]] = set()
        self._station = _replayed(config, store)
        self._ahead_s = self._station.now_s - ticks()
        store.begin(now())
        self._keep_moment()
        self.view = View(config, store.last, self._station.decision, start=secrets.token_hex(4))

    @property
    def began_unix_s(self) -> float | None:
        """The time of day, s (Unix), when the station's clock showed 0."""
        return self._store.begun_at

    # --- reading -------------------------------------------------------------------------------------

    def events(self, since: int, most: int) -> list[dict[str, Any]]:
        """Events after a number, as far as the view: what is being written is not shown yet."""
        view = self.view
        most, at = min(most, view.number - since), since - view.number + len(view.recent)
        if most <= 0:
            return []
        found = view.recent[at : at + most] if at >= 0 else self._store.events(since, most)
        return [{"number": number, **event.model_dump()} for number, event in found]

    def listen(self, hear: Callable[[], object]) -> Callable[[], None]:
        """Tell somebody, in the writer's thread, of every new view; what comes back ends that."""
        self._listeners.add(hear)
        return lambda: self._listeners.discard(hear)

    def rest_s(self) -> float:
        """How long nothing changes by itself, s; a tenth of the control interval at most."""
        state, allocation = self.view.decision.state, self.view.decision.allocation
        due_s = timers.next_s(self.config, state) - state.now_s
        return min(due_s, holds_s(self.config, state, allocation), self.config.control_interval_s / 10.0)

    # --- changing: one at a time ---------------------------------------------------------------------

    async def in_turn(self, call: Callable[Given, Found], *given: Given.args, **named: Given.kwargs) -> Found:
        """Have something done in the writer's own thread, after what came before; readers go on meanwhile."""
        return await asyncio.get_running_loop().run_in_executor(self._hand, partial(call, *given, **named))

    def do(self, deed: Deed, *, key: str | None = None, asked: Any = None) -> tuple[int, Any]:
        """Do something at the station, and write it down.

        Parameters
        ----------
        deed : gets the station; a refusal changes nothing
        key : of a call that may come twice: the second time it is answered, not done
        asked : what the call says, by which a repeated one is known

        Raises
        ------
        StationError
            What the station refuses.
        JournalError
            When it cannot be written: the station is as it was.
        """
        digest = hashlib.sha256(json.dumps(asked, sort_keys=True, default=str).encode()).hexdigest()
        with self._writes:
            answer = None if key is None else self._store.answer(key)
            if answer is None:
                return self._do(deed, key, digest)
        if answer.asked != digest:
            raise KeyUsedError("this idempotency key was used for another call")
        return answer.status, json.loads(answer.body)

    def _do(self, deed: Deed, key: str | None, digest: str) -> tuple[int, Any]:
        try:
            self._catch_up()
            status, body = deed(self._station)
            events = self._station.take_events()
            # What cannot be said must not be done.
            self._store.append(events, key, Answer(digest, status, json.dumps(body, allow_nan=False)))
        except BaseException:
            self._station = Station.from_decision(self.config, self.view.decision)
            raise
        if events:
            recent = (*self.view.recent, *enumerate(events, self.view.number + 1))[-RECENT:]
            decision = self._station.decision
            self.view = replace(self.view, number=self._store.last, decision=decision, recent=recent)
            if self._store.last - self._kept_at >= MOMENT_EVERY:
                self._keep_moment()
            self._tell()
        return status, body

    def advance(self, seconds: float, *, key: str | None = None) -> tuple[int, Any]:
        """Let the time of a simulated station pass."""

        def pass_time(station: Station) -> tuple[int, Any]:
            if not self.simulated:
                raise ClockError("this station's clock follows the time of day: it cannot be moved")
            station.advance(seconds)
            return 200, {"now_s": station.now_s}

        return self.do(pass_time, key=key, asked=["advance", seconds])

    def tick(self) -> None:
        """What a clock does: time passes although nobody calls."""
        if not self.simulated:
            self.do(lambda _: (200, None))

    def close(self) -> None:
        """Keep the last moment, and let others have the journal."""
        with self._writes:
            self.closed = True
            self._keep_moment()
            self._store.close()
        self._tell()

    def _tell(self) -> None:
        for hear in list(self._listeners):
            with suppress(RuntimeError):  # its loop has ended
                hear()

    def _keep_moment(self) -> None:
        """A start replays only what came after it; without it, everything: so a failure here is none."""
        self._kept_at = self._store.last
        with suppress(JournalError):
            self._store.keep_moment(self._station.decision)

    def _catch_up(self) -> None:
        """The clock follows the time of day, by whole seconds; where that is set back, it just goes on."""
        if self.simulated or self._store.begun_at is None:
            return
        ticks_s = self._ticks()
        self._ahead_s = max(self._ahead_s, self._now() - self._store.begun_at - ticks_s)
        behind_s = ticks_s + self._ahead_s - self._station.now_s
        whole_s = behind_s // GRAIN_S * GRAIN_S
        if whole_s > 0.0:
            self._station.advance(min(whole_s, MAX_ADVANCE_S))


def _replayed(config: StationConfig, store: Journal) -> Station:
    """The station that the journal leads to."""
    kept = store.decision()
    last, station = (
        (0, Station(config)) if kept is None else (kept[0], Station.from_decision(config, kept[1]))
    )
    for number, event in store.events(last):
        if number != last + 1:
            raise JournalError(
                f"{store.name} is damaged: event {last + 1} is missing; restore it from a copy"
            )
        last = number
        try:
            station.apply_event(event)
        except (ValueError, TypeError) as error:
            raise JournalError(f"{store.name}: event {number} cannot have happened: {error}") from None
    station.take_events()
    broken = violations(station.snapshot(), station.allocation)
    if broken:
        raise JournalError(f"{store.name} leads to a broken limit: {'; '.join(broken)}")
    return station
