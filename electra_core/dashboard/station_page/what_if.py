"""The same cars under other rules: a second station that follows the record of the first, call by call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from electra_core.allocation import BATTERY, STRATEGIES, Strategy
from electra_core.dashboard.station_page.history import Window, battery_soc
from electra_core.dashboard.station_page.labels import free_connectors
from electra_core.errors import BadValueError, shortened
from electra_core.station import FAIL_SAFE, ConnectorId, Event, Station, StationConfig, call_of

NO_BATTERY = "no battery"
ONE_MORE_CHARGER = "one more charger"


class Course:
    """What became of the cars of a station: watched as its time goes on, to the page's minute."""

    def __init__(self) -> None:
        # By session: energy up to the target that it lacks, kWh; seconds from arrival to the target, so far.
        self._lacked_kwh: dict[str, float] = {}
        self._needed_s: dict[str, float] = {}
        self._done: set[str] = set()
        self.peak_kw = 0.0

    def watch(self, station: Station) -> None:
        """Look at the station as it is now."""
        state, allocation = station.state, station.allocation
        load_kw = allocation.grid_kw + state.static_load_kw + station.config.standing_kw
        self.peak_kw = max(self.peak_kw, load_kw)
        for session in state.sessions.values():
            name, lacked_kwh = session.session_id, session.remaining_kwh
            if lacked_kwh is None or name in self._done:
                continue
            self._lacked_kwh[name] = lacked_kwh
            self._needed_s[name] = state.now_s - session.arrived_s
            if lacked_kwh == 0.0:
                self._done.add(name)

    def so_far(self, station: Station) -> Outcome:
        """The figures that two stations are compared by."""
        count = len(self._needed_s)
        return Outcome(
            delivered_kwh=station.ledger.delivered_kwh,
            lacked_kwh=sum(self._lacked_kwh.values()),
            minutes=sum(self._needed_s.values()) / count / 60.0 if count else 0.0,
            imported_kwh=station.ledger.imported_kwh,
            peak_kw=self.peak_kw,
        )


class Outcome(NamedTuple):
    """A station so far: energies, kWh; minutes that a car needed to its target, mean; highest import, kW."""

    delivered_kwh: float
    lacked_kwh: float
    minutes: float
    imported_kwh: float
    peak_kw: float


@dataclass(slots=True)
class Rival:
    """A station under other rules that follows another one's record.

    Parameters
    ----------
    change : `NO_BATTERY`, `ONE_MORE_CHARGER`, or a name of `STRATEGIES`; empty: none, the very same station
    config : the first station's
    own : rank functions that the record names and that are not shipped

    Raises
    ------
    StationError
        Where the change makes no sense at this station.
    """

    change: str
    config: StationConfig
    own: Mapping[str, Strategy] = field(default_factory=dict)
    station: Station = field(init=False)
    course: Course = field(init=False)
    # Power to all cars and the battery's SoC, at each moment that was watched.
    samples: Window[tuple[float, float, float]] = field(init=False)
    _followed: int = field(init=False, default=0)
    _places: dict[ConnectorId, ConnectorId] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        strategy = self.change if self.change in STRATEGIES else "max_min"
        self.station = Station(changed(self.config, self.change), strategy)
        self.course = Course()
        self.samples = Window()

    def follow(self, events: Sequence[Event]) -> None:
        """Do here what was done there since the last time."""
        for event in events[self._followed :]:
            self._repeat(event)
            self._followed += 1
            if event.call == "advance":
                self._watch()
        self._watch()

    @property
    def outcome(self) -> Outcome:
        """How the station did so far."""
        return self.course.so_far(self.station)

    def _watch(self) -> None:
        self.course.watch(self.station)
        state, allocation = self.station.state, self.station.allocation
        soc = battery_soc(self.station.config, state)
        self.samples.add((state.now_s, sum(allocation.offered_kw.values()), soc))

    def _repeat(self, event: Event) -> None:
        if event.call == FAIL_SAFE or (event.call == "set_strategy" and self.change in STRATEGIES):
            return
        call, arguments = call_of(event, self.own)
        if call == "set_available" and arguments["charger_id"] == BATTERY and not self.station.config.battery:
            return
        if "connector" in arguments and call != "set_available":
            place = (arguments["charger_id"], arguments["connector"])
            there = self._place(call, place)
            if there is None:
                return
            arguments["charger_id"], arguments["connector"] = there
        getattr(self.station, call)(**arguments)

    def _place(self, call: str, place: ConnectorId) -> ConnectorId | None:
        """Where a car of the record stands here."""
        if call != "plug_in":
            return self._places.pop(place, None) if call == "unplug" else self._places.get(place)
        free = free_connectors(self.station)
        if self.change != ONE_MORE_CHARGER:
            there = place if place in free else None
        else:
            there = min(free, key=lambda at: self._crowding(at, place), default=None)
        if there is not None:
            self._places[place] = there
        return there

    def _crowding(self, at: ConnectorId, wanted: ConnectorId) -> tuple[int, bool]:
        """Drivers who can choose go where the fewest others are, and best where they stood before."""
        others = sum(each[0] == at[0] for each in self.station.state.sessions)
        return others, at != wanted


def changed(config: StationConfig, change: str) -> StationConfig:
    """The configuration with one thing changed."""
    if not change or change in STRATEGIES:
        return config
    # Through plain data: a copy would keep the figures that were computed from what is changed here.
    parts = config.model_dump()
    if change == NO_BATTERY:
        if config.battery is None:
            raise BadValueError(f"{config.station_id} has no battery to leave out")
        return StationConfig.model_validate({**parts, "battery": None})
    if change == ONE_MORE_CHARGER:
        # A twin of the last one; fallback powers stay those of the real plugs, which a limit has to carry.
        last = parts["chargers"][-1]
        plugs = [{**plug, "fallback_power_kw": 0.0} for plug in last["connectors"]]
        twin = {**last, "id": _new_name(config), "connectors": plugs}
        return StationConfig.model_validate({**parts, "chargers": [*parts["chargers"], twin]})
    raise BadValueError(f"there is no such change: {shortened(change)}")


def _new_name(config: StationConfig) -> str:
    names = {charger.id for charger in config.chargers}
    return next(name for number in range(len(names) + 1) if (name := f"ADDED{number or ''}") not in names)
