"""Follows a served station: a thread that hears its stream, fetches its events, and never gives up."""

from __future__ import annotations

import threading
import time
from collections import deque
from contextlib import closing
from dataclasses import dataclass

from electra_core.dashboard.station_page.remote_client import SILENCE_S, Told, Wire, WireError
from electra_core.errors import BadValueError
from electra_core.station import Event, StationConfig

# Between two attempts, s.
FIRST_PAUSE_S, LAST_PAUSE_S = 0.5, 5.0

# Events that wait for the page; more are fetched when it has taken these.
MAX_WAITING = 5_000
# A page repeats them all, one by one, and keeps them.
MAX_EVENTS = 300_000
# So far behind, a page says that it is.
MANY_EVENTS = 500


@dataclass(frozen=True, slots=True)
class Beginning:
    """A journal begins.

    Attributes
    ----------
    config : of the station
    simulated : whether its clock waits to be told
    began_unix_s : when its clock showed 0, where it follows the time of day
    """

    config: StationConfig
    simulated: bool
    began_unix_s: float | None

    @property
    def clock_zero_s(self) -> float:
        """The time of day here when its clock showed 0, s; a simulated one begins at midnight."""
        if self.began_unix_s is None:
            return 0.0
        began = time.localtime(self.began_unix_s)
        return 3600.0 * began.tm_hour + 60.0 * began.tm_min + began.tm_sec


class Follower:
    """What a served station does, as it happens: events to be taken one by one.

    The thread touches no station: whoever takes the events applies them.

    Parameters
    ----------
    wire : to the station
    """

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._news = threading.Condition()
        self._waiting: deque[Beginning | tuple[int, Event]] = deque()
        self._beginning: Beginning | None = None
        # The last event that was fetched, and its number.
        self._last: tuple[int, Event | None] = (0, None)
        # The last word of the stream, and the beginning that it belongs to.
        self.told: tuple[Beginning, Told] | None = None
        self._heard_s, self._heard_at = time.monotonic(), time.time()
        self._connected, self._ended = False, threading.Event()
        # Why the last attempt failed; and why there will be no other one.
        self.trouble, self.verdict = "", ""
        self._thread = threading.Thread(target=self._run, name="electra-follower", daemon=True)

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()

    def close(self, verdict: str = "") -> None:
        """Listen no longer, and say why not."""
        self.verdict = self.verdict or verdict
        self._ended.set()
        self._wire.close()
        with self._news:
            self._waiting.clear()
            self._news.notify_all()

    # --- for the page's thread -----------------------------------------------------------------------

    def take(self) -> Beginning | tuple[int, Event] | None:
        """The next thing that happened; None: nothing waits."""
        with self._news:
            if not self._waiting:
                return None
            self._news.notify_all()
            return self._waiting.popleft()

    def wait(self, seconds: float) -> None:
        """Until something happens, but not longer than this."""
        with self._news:
            if not self._waiting:
                self._news.wait(seconds)

    def again(self) -> None:
        """Hear all of it from the beginning."""
        with self._news:
            self._waiting.clear()
            self._beginning, self._connected = None, False
        self._wire.close()

    @property
    def last(self) -> int | None:
        """The number of the last event there; None: not a word was said."""
        return self.told[1].number if self.told else None

    def notice(self, number: int) -> str:
        """Why a page that has come to an event does not show the station as it is; empty: it does."""
        if self.verdict:
            return f"stale: {self.verdict}"
        if not self._connected or time.monotonic() - self._heard_s > SILENCE_S:
            since = time.strftime("%H:%M:%S", time.localtime(self._heard_at))
            return f"stale: no word from the station since {since}"
        last = self.last or 0
        if last - number > MANY_EVENTS:
            return f"catching up: {number:,} of {last:,} events"
        return ""

    # --- the thread ----------------------------------------------------------------------------------

    def _run(self) -> None:
        self._pause_s = FIRST_PAUSE_S
        while not self._ended.is_set():
            try:
                self._listen()
                self._lose("the stream has ended")
            except BadValueError as error:
                self._lose(str(error))
            self._ended.wait(self._pause_s)
            self._pause_s = min(2.0 * self._pause_s, LAST_PAUSE_S)

    def _listen(self) -> None:
        with closing(self._wire.stream()) as words:
            first = next(words, None)
            if first is None:
                raise WireError("the stream says nothing")
            self._meet()
            self._hear(first)
            for told in words:
                if self._ended.is_set():
                    return
                self._hear(told)

    def _meet(self) -> None:
        """Go on where it was left, if this is the same journal; else begin anew."""
        beginning = Beginning(self._wire.config(), *self._wire.clock())
        if beginning == self._beginning and self._is_known():
            return
        with self._news:
            self._waiting.clear()
            self._waiting.append(beginning)
            self._beginning, self._last = beginning, (0, None)
            self._news.notify_all()

    def _is_known(self) -> bool:
        number, event = self._last
        return number == 0 or self._wire.events(number - 1, 1) == [(number, event)]

    def _hear(self, told: Told | None) -> None:
        self._heard_s, self._heard_at = time.monotonic(), time.time()
        self._connected, self.trouble, self._pause_s = True, "", FIRST_PAUSE_S
        if told is not None and self._beginning is not None:
            self.told = (self._beginning, told)
            self._fetch(told.number)
        with self._news:
            self._news.notify_all()

    def _fetch(self, number: int) -> None:
        """All events up to a number, as soon as there is room for them."""
        if number > MAX_EVENTS:
            self.verdict = f"its journal has {number:,} events, and this page repeats {MAX_EVENTS:,} at most"
            self._ended.set()
        while self._last[0] < number and not self._ended.is_set():
            found = self._wire.events(self._last[0])
            if not found:
                raise WireError("the journal ends before its last event")
            with self._news:
                if self._beginning is None:  # the page wants it all again
                    raise WireError("it begins anew")
                self._waiting.extend(found)
                self._last = found[-1]
                self._news.notify_all()
                while len(self._waiting) > MAX_WAITING and not self._ended.is_set():
                    self._connected, self._heard_s = True, time.monotonic()
                    self._news.wait(1.0)

    def _lose(self, trouble: str) -> None:
        self._connected, self.trouble = False, trouble
        with self._news:
            self._news.notify_all()
