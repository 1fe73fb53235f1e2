"""What plays behind the page: a station, its day, the live window, and the same cars under other rules."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from electra_core.allocation import Strategy, name_of
from electra_core.dashboard.figures import Sample
from electra_core.dashboard.station_page.history import SAMPLE_S, Window, sample_of
from electra_core.dashboard.station_page.traffic import Script
from electra_core.dashboard.station_page.what_if import Rival
from electra_core.errors import BadValueError, StationError
from electra_core.station import Station

# A what-if plays the whole record again; a longer one would keep the visitor waiting.
MAX_EVENTS = 20_000


class Play:
    """A station whose time passes: guests come and leave on their second, samples are taken.

    Parameters
    ----------
    station : the station; it may have a past
    script : who comes and leaves by himself from now on
    say : hears a sentence for whatever happens by itself

    Attributes
    ----------
    hands : what changes the station when a visitor does: the station itself, or who tells it
    own_time : whether time passes only when this page lets it
    fixed : why the visitor can bring no other file or day, and begin nothing anew; empty: he can
    address : where the station is served; empty: it lives here
    clock_zero_s : the time of day when the station's clock showed 0, s
    notice : why the page does not show the station as it is now; empty: it does
    """

    own_time = True
    fixed = ""
    address = ""
    clock_zero_s = 0.0

    def __init__(self, station: Station, script: Script, say: Callable[[str], None]) -> None:
        self.station, self.script, self._say = station, script, say
        self.hands: Any = station
        # The grid's meter sends nothing any more: see `limitLease` of a station's file.
        self.meter_silent = False
        self.history: Window[Sample] = Window()
        # The twin is this very station, watched as the rival is.
        self.rivals: tuple[Rival, Rival] | None = None

    @property
    def time_of_day_s(self) -> float:
        """What a clock at the station shows, s."""
        return self.clock_zero_s + self.station.now_s

    @property
    def own_strategies(self) -> dict[str, Strategy]:
        """A rank function that somebody gave the station in code, by its name."""
        strategy = self.station.state.strategy
        return {} if isinstance(strategy, str) else {name_of(strategy): strategy}

    @property
    def notice(self) -> str:
        """A station that lives here is always shown as it is."""
        return ""

    def close(self) -> None:
        """The page shows another one from now on."""

    def hear(self) -> None:
        """What has happened elsewhere: nothing happens to a station that lives here."""

    def mute(self, silent: bool) -> None:
        """The grid's meter goes silent, or is heard again."""
        if silent and self.station.config.limit_lease_s is None:
            raise BadValueError(
                f"{self.station.config.station_id} believes a reading for ever: its file has no limitLease"
            )
        if not silent:
            self.renew()
        self.meter_silent = silent

    def pass_time(self, seconds: float) -> None:
        """Let time pass."""
        end_s = self.station.now_s + seconds
        self._come_and_leave()
        while self.station.now_s < end_s:
            if not self.meter_silent:
                self.renew()
            step_s = min(end_s, self.script.next_s) - self.station.now_s
            self.station.advance(min(self._longest_step_s, step_s))
            self.sample()
            self._come_and_leave()

    @property
    def _longest_step_s(self) -> float:
        lease_s = self.station.config.limit_lease_s
        return min(SAMPLE_S, math.inf if lease_s is None else lease_s / 2.0)

    def _come_and_leave(self) -> None:
        for words in self.script.play(self.station):
            self._say(words)

    def renew(self) -> None:
        """The meter's readings come again, as they do all the time where one is connected."""
        state = self.station.state
        if self.station.config.limit_lease_s is not None:
            self.station.set_site_limit(state.site_limit_kw)
            self.station.set_static_load(state.static_load_kw)

    def compare(self, change: str) -> None:
        """Play the record from its beginning under a change, beside its twin; empty: no longer."""
        if not change:
            self.rivals = None
            return
        events = self.station.events
        if len(events) > MAX_EVENTS:
            raise BadValueError("the record is too long to be played again: begin anew with ↺")
        twin, rival = (Rival(each, self.station.config, self.own_strategies) for each in ("", change))
        for rules in (twin, rival):
            rules.follow(events)
        self.rivals = twin, rival

    def sample(self) -> None:
        """Look at the station, and let the rivals catch up with it."""
        self.history.add(sample_of(self.station))
        try:
            for rules in self.rivals or ():
                rules.follow(self.station.events)
        except StationError as error:
            self.rivals = None
            self._say(f"The comparison has ended: {error}")
