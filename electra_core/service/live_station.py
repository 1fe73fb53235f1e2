"""The live station: one writer, a journal behind it, and readers that always see one decision."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import secrets
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any, ParamSpec, TypeVar

from electra_core.allocation import violations
from electra_core.errors import ElectraError, StationError
from electra_core.service.clock import DayClock, uptime_s
from electra_core.service.journal import Answer, Journal, JournalError
from electra_core.service.view import View
from electra_core.station import (
    FAIL_SAFE,
    MAX_ADVANCE_S,
    Decision,
    Station,
    StationConfig,
    holds_s,
    timers,
)

LOG = logging.getLogger("electra")

# The clock of a real station moves by whole seconds: calls within one of them share its decision.
GRAIN_S = 1.0

# Acts on the station, and returns the answer: a status and plain data.
Command = Callable[[Station], tuple[int, Any]]

Given = ParamSpec("Given")
Found = TypeVar("Found")


class KeyUsedError(StationError):
    """The idempotency key stands for another call."""


class ClockError(StationError):
    """The clock follows the time of day."""


class LiveStation:
    """A station whose every accepted call is on the disk before it is answered.

    Time that passes is journaled with the next change, or once in a while; until then readers see a copy of
    the last journaled decision, advanced to now. So a replay leads to the same state, to the last bit.

    Parameters
    ----------
    config : configuration of the station
    journal : its journal; the station that it leads to goes on
    simulated : True: the clock moves only by `advance`; False: it follows the time of day, see `DayClock`
    time_of_day_s, uptime_s, max_jump_s, trust_after_s : of the `DayClock`
    journal_every_s : longest time that passes without an event, s
    max_compute_s : processor time to compute the time since the last event, s, above which it is journaled: a
        change must not wait for longer
    save_every : number of events after which the state is saved: a start replays no more than these
    recent_events : number of the last events that are answered from memory

    Raises
    ------
    JournalError
        When the journal does not lead to a station of this configuration.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from electra_core import load_config
    >>> config = load_config("electra_paris_15")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     live = LiveStation(config, Journal(Path(folder) / "a.journal", config), simulated=True)
    ...     live.advance(60.0)
    ...     live.close()
    (200, {'now_s': 60.0})
    """

    def __init__(
        self,
        config: StationConfig,
        journal: Journal,
        *,
        simulated: bool = False,
        time_of_day_s: Callable[[], float] = time.time,
        uptime_s: Callable[[], float] = uptime_s,
        max_jump_s: float = 60.0,
        trust_after_s: float = 600.0,
        journal_every_s: float = 3600.0,
        max_compute_s: float = 0.02,
        save_every: int = 1000,
        recent_events: int = 2000,
    ) -> None:
        self.config, self.journal, self.simulated, self.closed = config, journal, simulated, False
        self.listeners: set[Callable[[], object]] = set()
        self._journal_every_s, self._max_compute_s = journal_every_s, max_compute_s
        self._save_every, self._recent_events = save_every, recent_events
        self._writes, self._writer = threading.Lock(), ThreadPoolExecutor(1, "electra-writer")
        # The last journaled decision, and the time since that the view shows, s.
        self._journaled, self._passed_s = _replayed(config, journal), 0.0
        if journal.began_unix_s is None:
            journal.begin(time_of_day_s())
        began_unix_s, now_s = journal.began_unix_s or 0.0, self._journaled.state.now_s
        self._clock = DayClock(began_unix_s, now_s, time_of_day_s, uptime_s, max_jump_s, trust_after_s)
        self._save_decision()
        self.view = View(config, journal.last, self._journaled, start=secrets.token_hex(4))
        self.tick()

    @property
    def began_unix_s(self) -> float | None:
        """Time of day, s (Unix), when the station's clock showed 0; None where it is simulated."""
        return None if self.simulated else self._clock.began_unix_s

    @property
    def clock_notice(self) -> str:
        """Sentence on a time of day that the clock does not follow; empty where it does."""
        return self._clock.notice

    # --- reading -------------------------------------------------------------------------------------

    def events(self, since: int, most: int) -> list[dict[str, Any]]:
        """Return the events after a number, as far as the view: what is being written is not shown yet."""
        view = self.view
        most, at = min(most, view.number - since), since - view.number + len(view.recent)
        if most <= 0:
            return []
        found = view.recent[at : at + most] if at >= 0 else self.journal.events(since, most)
        return [{"number": number, **event.model_dump()} for number, event in found]

    def subscribe(self, listener: Callable[[], object]) -> Callable[[], None]:
        """Call a listener, in the writer's thread, after each new view; the returned function ends that."""
        self.listeners.add(listener)
        return lambda: self.listeners.discard(listener)

    def rest_s(self) -> float:
        """Return how long nothing changes by itself, s; a tenth of the control interval at most."""
        state, allocation = self.view.decision.state, self.view.decision.allocation
        due_s = timers.next_s(self.config, state) - state.now_s
        return min(due_s, holds_s(self.config, state, allocation), self.config.control_interval_s / 10.0)

    # --- changing: one at a time ---------------------------------------------------------------------

    async def run_in_writer(
        self, call: Callable[Given, Found], *given: Given.args, **named: Given.kwargs
    ) -> Found:
        """Run a call in the writer's own thread, after those before it; readers go on meanwhile."""
        return await asyncio.get_running_loop().run_in_executor(self._writer, partial(call, *given, **named))

    def execute(self, command: Command, *, key: str | None = None, asked: Any = None) -> tuple[int, Any]:
        """Execute a command at the station, and journal it.

        Parameters
        ----------
        command : gets the station; a refusal changes nothing
        key : of a call that may be repeated: the second time it is answered, not executed
        asked : content of the call, by which a repeated one is recognised

        Returns
        -------
        tuple[int, Any]
            Status and plain data, as the command returned them.

        Raises
        ------
        StationError
            When the station refuses it.
        JournalError
            When it cannot be written: the station is as it was.
        """
        digest = hashlib.sha256(json.dumps(asked, sort_keys=True, default=str).encode()).hexdigest()
        with self._writes:
            answer = None if key is None else self.journal.answer(key)
            if answer is None:
                return self._execute(command, key, digest)
        if answer.asked != digest:
            raise KeyUsedError("this idempotency key was used for another call")
        return answer.status, json.loads(answer.body)

    def _execute(self, command: Command, key: str | None, digest: str) -> tuple[int, Any]:
        station = self._advanced(self._due_s())
        status, body = command(station)
        # Serialised before the commit: an answer that cannot be sent must change nothing.
        self._commit(station, key, Answer(digest, status, json.dumps(body, allow_nan=False)))
        return status, body

    def advance(self, seconds: float, *, key: str | None = None) -> tuple[int, Any]:
        """Let time pass at a simulated station, s."""

        def pass_time(station: Station) -> tuple[int, Any]:
            if not self.simulated:
                raise ClockError("this station's clock follows the time of day: it cannot be moved")
            station.advance(seconds)
            return 200, {"now_s": station.now_s}

        return self.execute(pass_time, key=key, asked=["advance", seconds])

    def tick(self) -> None:
        """Show readers the time that has passed, journal it where that is due, and compact the journal."""
        with self._writes:
            if not self.closed:
                self._pass_time()
                self.journal.compact()

    def _pass_time(self) -> None:
        due_s = self._due_s()
        if due_s <= self._passed_s:
            return
        start_s = time.thread_time()
        station = self._advanced(due_s)
        costly = time.thread_time() - start_s > self._max_compute_s
        noted = any(event.call == FAIL_SAFE for event in station.events)
        if costly or noted or due_s >= self._journal_every_s:
            self._commit(station)
        else:
            self._passed_s = due_s
            self._publish(replace(self.view, decision=station.decision))

    def close(self) -> None:
        """Journal the time that has passed, save the decision, and release the journal."""
        with self._writes:
            if self.closed:
                return
            self.closed = True
            try:
                if self._passed_s > 0.0:
                    self._commit(self._advanced(self._passed_s))
            except JournalError as error:
                LOG.warning("the last %.0f s were not journaled: %s", self._passed_s, error)
            self._save_decision()
            self.journal.close()
        self._notify()

    def _due_s(self) -> float:
        """Return the time since the last journaled decision, in whole seconds, s."""
        if self.simulated:
            return 0.0
        now_s = self._journaled.state.now_s
        due_s = self._clock.read_s(now_s + self._passed_s) - now_s
        self.journal.begin(self._clock.began_unix_s)
        return min(max(self._passed_s, due_s // GRAIN_S * GRAIN_S), MAX_ADVANCE_S)

    def _advanced(self, seconds: float) -> Station:
        """Return a copy of the journaled station, so that a refusal or an error leaves nothing behind."""
        station = Station.from_decision(self.config, self._journaled)
        if seconds > 0.0:
            station.advance(seconds)
        return station

    def _commit(self, station: Station, key: str | None = None, answer: Answer | None = None) -> None:
        events = station.take_events()
        self.journal.append(events, key, answer)
        if not events:
            return
        self._journaled, self._passed_s = station.decision, 0.0
        recent = (*self.view.recent, *enumerate(events, self.view.number + 1))[-self._recent_events :]
        self._publish(replace(self.view, number=self.journal.last, decision=station.decision, recent=recent))
        if self.journal.last - self._saved >= self._save_every:
            self._save_decision()

    def _publish(self, view: View) -> None:
        self.view = view
        self._notify()

    def _notify(self) -> None:
        for listener in list(self.listeners):
            with suppress(RuntimeError):  # its event loop has ended
                listener()

    def _save_decision(self) -> None:
        """Save the journaled decision; one that cannot be written is tried again with the next event."""
        try:
            self.journal.save_decision(self._journaled)
            self._saved = self.journal.last
        except JournalError as error:
            LOG.warning("the state was not saved, and is with the next event: %s", error)
            self._saved = self.journal.last - self._save_every


def _replayed(config: StationConfig, journal: Journal) -> Decision:
    """Return the decision that the journal leads to."""
    saved, decision = journal.load_decision() or (0, None)
    station = Station(config) if decision is None else Station.from_decision(config, decision)
    for number, event in journal.events(saved):
        try:
            station.apply_event(event)
        except ElectraError as error:
            raise JournalError(f"{journal.name}: event {number} cannot have happened: {error}") from None
    broken = violations(station.snapshot(), station.allocation)
    if broken:
        raise JournalError(f"{journal.name} leads to a broken limit: {'; '.join(broken)}")
    return station.decision
