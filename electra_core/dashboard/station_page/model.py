"""What the page knows: traits without widgets. Everything that a hand can do is a method or a trait here."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from traitlets import Bool, Dict, Float, HasTraits, Int, List, TraitError, Unicode, observe, validate

from electra_core.allocation import BATTERY, STRATEGIES
from electra_core.dashboard.station_page.exports import kept
from electra_core.dashboard.station_page.playback import Play
from electra_core.dashboard.station_page.remote import ServedPlay
from electra_core.dashboard.station_page.remote_client import is_address
from electra_core.dashboard.station_page.traffic import (
    Guest,
    Script,
    arrives,
    free_places,
    guests_of_day,
    label,
    leaves,
)
from electra_core.errors import BadValueError, StationError, shortened
from electra_core.sessions import Day, day_names, load_day
from electra_core.station import (
    ConnectorId,
    Station,
    StationConfig,
    StationStatus,
    Vehicle,
    catalogue,
    load_config,
)

NO_DAY = "Only the cars you send"
CUSTOM_CAR = "Custom: choose its power"
SPEEDS = (1, 10, 60, 120, 300, 600)

# When a station without a script begins, and how long before its first car a script does, s.
MORNING_S = 8 * 3600.0
LEAD_S = 300.0

# One tick of the page's clock, s; the browser counts, the kernel only answers.
TICK_S = 1.0

LOG_LINES = 100


class StationModel(HasTraits):
    """A station, a day, a clock, and the traits that a page links to.

    Parameters
    ----------
    configs : station configurations by the name that the page shows
    station_name, day_name : what to open with; the day must fit the station
    """

    station_name = Unicode()
    day_name = Unicode()
    strategy = Unicode("max_min")
    site_limit_kw = Float()
    static_load_kw = Float()
    playing = Bool(False)
    speed = Int(60)
    meter_silent = Bool(False)
    # A second station beside the first one: a change of `whatif`, or nothing.
    what_if = Unicode("")
    # The connector whose car is explained; empty: none.
    selected = Unicode("")
    # Rises by one when there is something new to draw, so that the page never shows two moments at once.
    version = Int(0)
    refusal = Unicode("")
    # Why the page does not show a served station as it is now.
    notice = Unicode("")
    # Whether the page's clock ticks although it does not play: something may happen by itself.
    following = Bool(False)
    stations = List(Unicode())
    days: Mapping[str, str] = Dict()  # type: ignore[assignment]
    log = List(Unicode())

    def __init__(self, configs: Mapping[str, StationConfig], station_name: str, day_name: str) -> None:
        super().__init__()
        self.configs = dict(configs)
        self._own_days: dict[str, tuple[Guest, ...]] = {}
        self._settling = False
        self.day: Day | None = None
        self.open(station_name, day_name)

    # --- what is there -------------------------------------------------------------------------------

    def open(self, station_name: str, day_name: str | None = None) -> None:
        """Begin anew at a station, on a day that fits it (the first that does, when none is named)."""
        config = self.configs[station_name]
        days = {NO_DAY: NO_DAY, **{name: load_day(name).title for name in day_names() if _fits(name, config)}}
        days |= {name: name for name, guests in self._own_days.items() if _all_fit(guests, config)}
        chosen = day_name if day_name in days else list(days)[min(1, len(days) - 1)]
        with self._settled():
            self.stations = list(self.configs)
            self.days = {title: name for name, title in days.items()}
            self.station_name, self.day_name = station_name, chosen
        self.day = load_day(chosen) if chosen in day_names() else None
        self.restart(self.day.busiest_s if self.day else self._begin_s())

    def begin(self) -> None:
        """Back to the start: a little before the first car arrives."""
        if self.play.fixed:
            self._do(self._may_exchange)
        else:
            self.restart(self._begin_s())

    def _may_exchange(self) -> None:
        if self.play.fixed:
            raise BadValueError(self.play.fixed)

    def _begin_s(self) -> float:
        guests = self._guests()
        return max(0.0, guests[0].arrival_s - LEAD_S) if guests else MORNING_S

    def _guests(self) -> tuple[Guest, ...]:
        return guests_of_day(self.day) if self.day else self._own_days.get(self.day_name, ())

    def restart(self, at_s: float) -> None:
        """The station anew, and its day up to a moment."""
        station = Station(self.config)
        if self.strategy != "max_min":
            station.set_strategy(self.strategy)
        with self._settled():
            self.log, self.refusal, self.selected, self.meter_silent = [], "", "", False
        self._take_over(Play(station, Script(self._guests()), self._note))
        self.play.pass_time(at_s)
        self._compare_again()
        self._changed()

    def _take_over(self, play: Play) -> None:
        """Show a station from now on."""
        self.play, self._said_over = play, play.script.over
        self.following, self.notice = bool(play.address), play.notice
        self._adopt()

    def _open_served(self, address: str) -> None:
        """Show and steer a station that is served elsewhere; nothing of it can be exchanged."""
        lines, self.log = self.log, []
        try:
            play = ServedPlay(address, self._note_at)
        except StationError:
            self.log = lines
            raise
        title = f"Live from {play.address}"
        self.play.close()
        self.configs, self.day = {play.station.config.station_id: play.station.config}, None
        with self._settled():
            self.playing = False
            self.stations, self.days = list(self.configs), {title: title}
            self.station_name, self.day_name = play.station.config.station_id, title
            self.selected, self.meter_silent = "", False
        self._take_over(play)
        self._compare_again()

    def _adopt(self) -> None:
        """Sliders and lists show what the station has: others than they may have changed it."""
        state, config = self.station.state, self.config
        limit_kw = config.grid_capacity_kw if state.site_limit_kw is None else state.site_limit_kw
        with self._settled():
            self.site_limit_kw, self.static_load_kw = limit_kw, state.static_load_kw
            if state.strategy in STRATEGIES:
                self.strategy = str(state.strategy)

    @property
    def station(self) -> Station:
        """The station that is shown."""
        return self.play.station

    @property
    def config(self) -> StationConfig:
        """The station's configuration."""
        return self.configs[self.station_name]

    @property
    def place(self) -> ConnectorId | None:
        """The connector whose car is explained."""
        places = {label(place): place for place in self.station.state.sessions}
        return places.get(self.selected)

    @property
    def link(self) -> str:
        """The query of a link that opens the page with this station, day and strategy.

        What a visitor brought himself is on no other machine: a link names shipped days only.
        """
        days = (NO_DAY, *day_names())
        day = {"day": self.day_name} if self.day_name in days else {}
        if self.play.address:
            return urlencode({"station": self.play.address})
        return urlencode({"station": self.station_name, **day, "strategy": self.strategy})

    def free_places(self) -> list[ConnectorId]:
        """Connectors where a car can plug in now."""
        return free_places(self.station)

    def done_place(self) -> ConnectorId | None:
        """The connector of a car that has reached its target; who came first, first."""
        done = (place for place, car in self.station.state.sessions.items() if car.remaining_kwh == 0.0)
        return next(done, None)

    # --- what a hand does ----------------------------------------------------------------------------

    def arrive(
        self,
        charger_id: str,
        connector: int,
        car: str,
        *,
        custom_kw: float = 150.0,
        arrival_soc: float = 0.2,
        target_soc: float = 0.8,
    ) -> bool:
        """A car arrives: one of the catalogue, or a custom one that is only its power and never full."""
        place = (charger_id, connector)

        def plug_in() -> str:
            if car == CUSTOM_CAR:
                vehicle = Vehicle(custom_kw, name=f"Custom {custom_kw:g} kW")
                self.play.hands.plug_in(charger_id, connector, vehicle)
                return arrives(vehicle, place)
            if car not in catalogue():
                raise BadValueError(f"there is no car {shortened(car)} in the catalogue")
            self.play.hands.plug_in(
                charger_id, connector, catalogue()[car], arrival_soc=arrival_soc, target_soc=target_soc
            )
            return arrives(catalogue()[car], place, arrival_soc)

        return self._do(plug_in)

    def select(self, place: ConnectorId) -> None:
        """Explain the car at a connector; once more: no longer."""
        name = label(place)
        self.selected = "" if self.selected == name else name

    def depart(self, charger_id: str, connector: int) -> bool:
        """A car departs."""
        return self._do(lambda: leaves(self.play.hands.unplug(charger_id, connector)))

    def set_available(self, charger_id: str, connector: int | None, available: bool) -> bool:
        """Something breaks, or works again: a connector, a charger, or the battery."""

        def call() -> str:
            self.play.hands.set_available(charger_id, connector, available=available)
            what = charger_id if connector is None else label((charger_id, connector))
            what = "The battery" if charger_id == BATTERY else what
            return f"{what} {'works again' if available else 'is out of service'}"

        return self._do(call)

    def step(self, minutes: float) -> bool:
        """Let minutes of the station's time pass."""
        return self._do(lambda: self._pass_time(60.0 * minutes))

    def tick(self) -> bool:
        """One tick of the page's clock, at the chosen speed."""
        # A refusal stays until the visitor's next deed: time goes on beside it.
        refusal = self.refusal
        done = self._hear() if self.following else self._do(lambda: self._pass_time(TICK_S * self.speed))
        self.refusal = self.refusal or refusal
        return done

    def _hear(self) -> bool:
        """A served station: what has happened there shows, and nothing is drawn where nothing has."""
        done = True
        if self.playing:
            done = self._do(lambda: self.play.pass_time(TICK_S * self.speed))
            self.playing = done
        self.play.hear()
        self.look()
        self.notice = self.play.notice
        return done

    def bring(self, kind: str, name: str, content: bytes) -> bool:
        """A visitor's own file: a ``station``, a ``day`` of sessions, or a record of ``events``."""
        # pandas is loaded only where somebody brings a file.
        from electra_core.dashboard import uploads

        def take() -> str:
            self._may_exchange()
            if kind == "station":
                config = uploads.uploaded_config(name, content)
                self.configs[config.station_id] = config
                self.open(config.station_id)
            elif kind == "day":
                title = f"Yours: {shortened(name).strip(chr(39))}"
                self._own_days[title] = uploads.uploaded_guests(name, content, self.config)
                self.open(self.station_name, title)
            elif kind == "events":
                station = uploads.uploaded_station(name, content, self.config, self.play.own_strategies)
                self.open(self.station_name, NO_DAY)
                self._take_over(Play(station, Script(()), self._note))
                self._compare_again()
            else:
                raise BadValueError(f"there is no kind of file {shortened(kind)}")
            return f"{shortened(name)} loaded"

        return self._do(take)

    def keep(self, kind: str) -> tuple[str, str, bytes] | None:
        """A file to take along: its name, its kind and its content; None where there is none."""
        found: list[tuple[str, str, bytes]] = []
        self._do(lambda: found.append(kept(kind, self.station, self.play.own_strategies)))
        return found[0] if found else None

    def follow_link(self, wanted: Mapping[str, str]) -> bool:
        """Open what a link names: ``station``, ``day`` and ``strategy``, as far as they are here."""

        def take() -> None:
            station, strategy = (
                wanted.get("station", self.station_name),
                wanted.get("strategy", self.strategy),
            )
            if is_address(station):
                return self._open_served(station)
            if station not in self.configs:
                raise BadValueError(f"the link names a station {shortened(station)}, which is not here")
            if strategy not in STRATEGIES:
                raise BadValueError(f"the link names a strategy {shortened(strategy)}, which is not here")
            day = wanted.get("day")
            if day is not None and day not in (NO_DAY, *day_names()):
                raise BadValueError(f"the link names a day {shortened(day)}, which is not here")
            if day in day_names() and not _fits(str(day), self.configs[station]):
                raise BadValueError(f"the link's day {shortened(day)} does not fit the station {station}")
            with self._settled():
                self.strategy = strategy
            self.open(station, day)

        return self._do(take)

    def look(self) -> None:
        """Show what somebody changed in code, if anything was."""
        if (self.station, len(self.station.events), self.station.now_s) != self._seen:
            self._adopt()
            self._changed()

    @observe("site_limit_kw")
    def _limit(self, change: Mapping[str, Any]) -> None:
        self._set(change, lambda kw: self.play.hands.set_site_limit(kw), "Grid limit set to {:g} kW")

    @observe("static_load_kw")
    def _load(self, change: Mapping[str, Any]) -> None:
        self._set(change, lambda kw: self.play.hands.set_static_load(kw), "Static load set to {:g} kW")

    @observe("strategy")
    def _rule(self, change: Mapping[str, Any]) -> None:
        self._set(change, lambda name: self.play.hands.set_strategy(name), "Strategy is now {}")

    @observe("meter_silent")
    def _meter(self, change: Mapping[str, Any]) -> None:
        self._set(
            change,
            lambda silent: self.play.mute(silent),
            "The grid meter is {}",
            {True: "silent", False: "heard again"},
        )

    @observe("what_if")
    def _other_rules(self, change: Mapping[str, Any]) -> None:
        self._set(change, lambda what: self.play.compare(what), "What if: {}", {"": "nothing else"})

    @observe("station_name")
    def _other_station(self, change: Mapping[str, Any]) -> None:
        if not self._settling:
            self.open(change["new"])

    @observe("day_name")
    def _other_day(self, change: Mapping[str, Any]) -> None:
        if not self._settling:
            self.open(self.station_name, self.day_name)

    @validate("station_name", "day_name", "strategy", "speed")
    def _is_known(self, proposal: Mapping[str, Any]) -> str | int:
        choices: dict[str, Container[str | int]] = {
            "station_name": self.configs,
            "day_name": list(self.days.values()),
            "strategy": STRATEGIES,
            "speed": SPEEDS,
        }
        name, value = proposal["trait"].name, proposal["value"]
        if value not in choices[name]:
            raise TraitError(f"there is no {name.removesuffix('_name')} {value!r}")
        return value  # type: ignore[no-any-return]

    # --- inside --------------------------------------------------------------------------------------

    def _set(
        self,
        change: Mapping[str, Any],
        call: Callable[[Any], None],
        words: str,
        names: Mapping[Any, str] | None = None,
    ) -> None:
        """Hand a trait on to the station; where it refuses, the trait goes back to what it was."""
        if self._settling:
            return

        def hand_on() -> str:
            call(change["new"])
            shown = (names or {}).get(change["new"], change["new"])
            return words.format(shown.replace("_", " ") if isinstance(shown, str) else shown)

        if not self._do(hand_on, once=words.partition("{")[0]):
            with self._settled():
                self.set_trait(change["name"], change["old"])

    def _do(self, action: Callable[[], str | None], once: str = "") -> bool:
        """Do something that the station may refuse; a refusal is a sentence in the page."""
        try:
            words = action()
        except ValueError as error:  # whatever a station, a file or a table refuses is one
            self.refusal = f"Refused: {str(error).rstrip('.')}."
            return False
        self.refusal = ""
        if words:
            self._note(words, once)
        self._changed()
        return True

    def _pass_time(self, seconds: float) -> None:
        self.play.pass_time(seconds)
        if self.play.script.over and not self._said_over:
            self._said_over, self.playing = True, False
            self._note("The last car of the day has left: ↺ begins it again")

    def _compare_again(self) -> None:
        """At another station the change may make no sense."""
        try:
            self.play.compare(self.what_if)
        except StationError as error:
            self._note(f"The comparison has ended: {error}")

    def _note(self, words: str, once: str = "") -> None:
        lines = self.log
        # A slider that is dragged says one thing, not fifty.
        if once and lines and lines[0].startswith(f"{clock(self.play.time_of_day_s)} {once}"):
            self.log = lines[1:]
        self._note_at(words, self.play.time_of_day_s)

    def _note_at(self, words: str, time_of_day_s: float) -> None:
        self.log = [f"{clock(time_of_day_s)} {words}", *self.log][:LOG_LINES]

    def clock(self, at_s: float, *, seconds: bool = False) -> str:
        """The time of day at a moment of the station's clock."""
        return clock(self.play.clock_zero_s + at_s, seconds=seconds)

    def _changed(self) -> None:
        self.play.sample()
        self._adopt()
        self._seen = (self.station, len(self.station.events), self.station.now_s)
        # Once for all that is drawn of this moment.
        self.status: StationStatus = self.station.status()
        with self._settled():
            if self.play.rivals is None:
                self.what_if = ""
        if self.place is None:
            self.selected = ""
        self.version += 1

    @contextmanager
    def _settled(self) -> Iterator[None]:
        """While it lasts the model sets its own traits, and nothing is handed on to the station."""
        before, self._settling = self._settling, True
        try:
            yield
        finally:
            self._settling = before


def read_configs(folder: str | Path) -> dict[str, StationConfig]:
    """Every configuration of a folder by its station's name, sorted by file name."""
    configs = [load_config(path) for path in sorted(Path(folder).glob("*.json"))]
    return {config.station_id: config for config in configs}


def clock(time_of_day_s: float, *, seconds: bool = False) -> str:
    """Time of day, 14:22, or with seconds 14:22:07."""
    minutes, rest = divmod(int(time_of_day_s), 60)
    shown = f"{minutes // 60 % 24:02d}:{minutes % 60:02d}"
    return f"{shown}:{rest:02d}" if seconds else shown


def _fits(day_name: str, config: StationConfig) -> bool:
    return _all_fit(guests_of_day(load_day(day_name)), config)


def _all_fit(guests: tuple[Guest, ...], config: StationConfig) -> bool:
    names = {charger.id for charger in config.chargers}
    return all(
        (guest.charger_id, guest.connector) in config.connectors
        if guest.connector is not None
        else guest.charger_id is None or guest.charger_id in names
        for guest in guests
    )
