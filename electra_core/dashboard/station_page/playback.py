"""A station whose time passes: its traffic, its live window, and the same cars under other rules."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from electra_core.allocation import Strategy, name_of
from electra_core.dashboard.figures import Sample
from electra_core.dashboard.station_page.exports import exported
from electra_core.dashboard.station_page.history import SAMPLE_S, Window, sample_of
from electra_core.dashboard.station_page.record import RecordedStation
from electra_core.dashboard.station_page.traffic import Traffic
from electra_core.dashboard.station_page.what_if import Outcome, ShadowStation
from electra_core.errors import BadValueError, ElectraError
from electra_core.station import ConnectorId, Event, Explanation, StationStatus


class SetPoints(NamedTuple):
    """Settings of a station that the page's controls show: powers in kW, and the strategy's name."""

    site_limit_kw: float
    static_load_kw: float
    strategy: str


class Playback:
    """A station whose time passes: cars come and leave on their second, samples are taken.

    Parameters
    ----------
    station : the station; its record may have a beginning already
    traffic : cars that come and leave by themselves from now on
    say : called with a sentence for each thing that happens by itself

    Attributes
    ----------
    commands : the methods of `Station` that change it: the station itself, or a client of its server
    own_time : time passes only when this page lets it
    fixed : the reason why no other file or day can be loaded and nothing restarted; empty: both can
    address : the address that serves the station; empty: it lives in this kernel
    clock_zero_s : the time of day when the station's clock showed 0, s
    status : the station at the last sample
    outcome : what became of its cars so far
    shadow : the same cars under other rules, or None
    """

    own_time = True
    fixed = ""
    address = ""
    clock_zero_s = 0.0

    def __init__(self, station: RecordedStation, traffic: Traffic, say: Callable[[str], None]) -> None:
        self.station, self.traffic, self._say = station, traffic, say
        self.commands: Any = station
        # The grid's meter sends nothing any more: see `limitLease` of a station's file.
        self.meter_silent = False
        self.history: Window[Sample] = Window()
        self.status: StationStatus = station.status()
        self._sampled: object = None
        self.outcome = Outcome()
        self.shadow: ShadowStation | None = None

    @property
    def time_of_day_s(self) -> float:
        """The time of day at the station, s."""
        return self.clock_zero_s + self.station.now_s

    @property
    def notice(self) -> str:
        """The reason why the page does not show the station as it is now; empty: it does."""
        return ""

    @property
    def revision(self) -> object:
        """An object that is another one after each accepted call."""
        return self.station.decision

    @property
    def set_points(self) -> SetPoints:
        """The settings in force, without the fail-safe limit of a silent meter."""
        state, capacity_kw = self.station.decision.state, self.station.config.grid_capacity_kw
        limit_kw = capacity_kw if state.site_limit_kw is None else state.site_limit_kw
        return SetPoints(limit_kw, state.static_load_kw, name_of(state.strategy))

    @property
    def out_of_service(self) -> frozenset[ConnectorId]:
        """Connectors, chargers and the battery, each as it was taken out of service."""
        return frozenset(self.station.decision.state.out_of_service)

    @property
    def own_strategies(self) -> dict[str, Strategy]:
        """A rank function that code has given to the station, by its name."""
        strategy = self.station.decision.state.strategy
        return {} if isinstance(strategy, str) else {name_of(strategy): strategy}

    @property
    def what_if(self) -> str:
        """The change that the shadow plays under; empty without one."""
        return self.shadow.change if self.shadow else ""

    def explain(self, session_id: str) -> Explanation:
        """Return why a session gets what it gets."""
        return self.station.explain(session_id)

    def export(self, kind: str) -> tuple[str, str, bytes]:
        """Return name, type and content of a file; see `exports`."""
        return exported(kind, self.station)

    def close(self) -> None:
        """End what runs beside the page: nothing for a station of this kernel."""

    def poll(self) -> None:
        """Take over what has happened elsewhere: nothing for a station of this kernel."""

    def set_meter_silent(self, silent: bool) -> None:
        """Stop the readings of the grid's meter, or let them come again."""
        if silent and self.station.config.limit_lease_s is None:
            raise BadValueError(
                f"{self.station.config.station_id} believes a reading for ever: its file has no limitLease"
            )
        if not silent:
            self._renew_readings()
        self.meter_silent = silent

    def pass_time(self, seconds: float) -> None:
        """Let time pass, s: cars come and leave, readings are renewed, a sample a minute is taken."""
        end_s = self.station.now_s + seconds
        self._let_cars_come_and_leave()
        while self.station.now_s < end_s:
            if not self.meter_silent:
                self._renew_readings()
            step_s = min(end_s, self.traffic.next_s(self.station)) - self.station.now_s
            self.station.advance(min(self._max_step_s, step_s))
            self.sample()
            self._let_cars_come_and_leave()

    @property
    def _max_step_s(self) -> float:
        lease_s = self.station.config.limit_lease_s
        return min(SAMPLE_S, math.inf if lease_s is None else lease_s / 2.0)

    def _let_cars_come_and_leave(self) -> None:
        for words in self.traffic.play(self.station):
            self._say(words)

    def _renew_readings(self) -> None:
        # As a connected meter does all the time.
        if self.station.config.limit_lease_s is not None:
            state = self.station.decision.state
            self.station.set_site_limit(state.site_limit_kw)
            self.station.set_static_load(state.static_load_kw)

    def sample(self) -> None:
        """Read the status, take a sample of it, and let the shadow catch up."""
        revision = self.revision
        if revision is not self._sampled:
            self._sampled, self.status = revision, self.station.status()
            self.outcome.watch(self.status)
        self.history.add(sample_of(self.status))
        self._follow_up()

    def compare(self, change: str) -> None:
        """Play the record from its beginning under a change, or end the comparison where it is empty."""
        self._follow_up()
        if not change:
            self.shadow = None
            return
        shadow = ShadowStation(change, self.station.config, self.own_strategies)
        shadow.follow(self._past_events())
        self.shadow = shadow

    def _follow_up(self) -> None:
        events = self._new_events()
        if self.shadow is None:
            return
        try:
            self.shadow.follow(events)
        except ElectraError as error:
            self.shadow = None
            self._say(f"The comparison has ended: {error}")

    def _new_events(self) -> Iterable[Event]:
        return self.station.fold()

    def _past_events(self) -> Iterable[Event]:
        return self.station.record.condensed()

    def repeat(self, events: Iterable[Event], own: Mapping[str, Strategy]) -> None:
        """Repeat a record at the station, to the last bit, and watch what becomes of its cars."""
        for event in events:
            self.station.apply_event(event, own)
            if event.call == "advance":
                self.outcome.watch(self.station.status())
