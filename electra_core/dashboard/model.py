"""What the page knows: traits without widgets. Everything that a hand can do is a method or a trait here."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Container, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from traitlets import Bool, Dict, Float, HasTraits, Int, List, TraitError, Unicode, observe, validate

from electra_core.config import StationConfig, load_config
from electra_core.days import Day, Visit, day_names, load_day
from electra_core.figures import Sample
from electra_core.reading import site_limit_kw
from electra_core.refusals import StationError
from electra_core.state import Place, Session
from electra_core.station import Station
from electra_core.strategies import STRATEGIES
from electra_core.vehicles import Vehicle, VehicleError, catalogue

NO_DAY = "Only the cars you send"
CUSTOM_CAR = "Custom: choose its power"
SPEEDS = (1, 10, 60, 120, 300, 600)

# When a station without a script begins, and how long before its first car a script does, s.
MORNING_S = 8 * 3600.0
LEAD_S = 300.0

# One tick of the page's clock, s; the browser counts, the kernel only answers.
TICK_S = 1.0

# A sample a minute at least: the page draws the last four hours, and hours of play do not grow it.
SAMPLE_S = 60.0
SAMPLES = 300
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
    # Rises by one when there is something new to draw, so that the page never shows two moments at once.
    version = Int(0)
    refusal = Unicode("")
    days: Mapping[str, str] = Dict()  # type: ignore[assignment]
    log = List(Unicode())

    def __init__(self, configs: Mapping[str, StationConfig], station_name: str, day_name: str) -> None:
        super().__init__()
        self.configs = dict(configs)
        self._settling = False
        self.day: Day | None = None
        self.open(station_name, day_name)

    # --- what is there -------------------------------------------------------------------------------

    def open(self, station_name: str, day_name: str | None = None) -> None:
        """Begin anew at a station, on a day that fits it (the first that does, when none is named)."""
        config = self.configs[station_name]
        days = {NO_DAY: NO_DAY, **{name: load_day(name).title for name in day_names() if _fits(name, config)}}
        chosen = day_name if day_name in days else list(days)[min(1, len(days) - 1)]
        with self._settled():
            self.days = {title: name for name, title in days.items()}
            self.station_name, self.day_name = station_name, chosen
        self.day = None if chosen == NO_DAY else load_day(chosen)
        self.restart(self.day.busiest_s if self.day else MORNING_S)

    def begin(self) -> None:
        """Back to the start: a little before the first car arrives."""
        self.restart(self.day.visits[0].arrival_s - LEAD_S if self.day else MORNING_S)

    def restart(self, at_s: float) -> None:
        """The station anew, and its day up to a moment."""
        config = self.configs[self.station_name]
        self.station = Station(config)
        self.history: deque[Sample] = deque(maxlen=SAMPLES)
        self._script = _script(self.day)
        self._guests: dict[str, str] = {}
        with self._settled():
            self.site_limit_kw, self.static_load_kw = config.grid_capacity_kw, config.static_load_kw
            self.log, self.refusal = [], ""
        if self.strategy != "max_min":
            self.station.set_strategy(self.strategy)
        self._pass_time(at_s)
        self._changed()

    @property
    def config(self) -> StationConfig:
        """The station's configuration."""
        return self.configs[self.station_name]

    def free_places(self) -> list[tuple[str, int]]:
        """Connectors where a car can plug in now."""
        state = self.station.state
        return [
            place for place in self.config.plugs if place not in state.sessions and state.is_available(place)
        ]

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
                self.station.plug_in(charger_id, connector, vehicle)
                return _arrives(vehicle, place)
            if car not in catalogue():
                raise StationError(f"there is no car {car!r} in the catalogue")
            self.station.plug_in(
                charger_id, connector, catalogue()[car], arrival_soc=arrival_soc, target_soc=target_soc
            )
            return _arrives(catalogue()[car], place, arrival_soc)

        return self._do(plug_in)

    def depart(self, charger_id: str, connector: int) -> bool:
        """A car departs."""

        def unplug() -> str:
            return _leaves(self.station.unplug(charger_id, connector))

        return self._do(unplug)

    def step(self, minutes: float) -> bool:
        """Let minutes of the station's time pass."""
        return self._do(lambda: self._pass_time(60.0 * minutes))

    def tick(self) -> bool:
        """One tick of the page's clock, at the chosen speed."""
        # A refusal stays until the visitor's next deed: time goes on beside it.
        refusal = self.refusal
        done = self._do(lambda: self._pass_time(TICK_S * self.speed))
        self.refusal = self.refusal or refusal
        return done

    @observe("site_limit_kw")
    def _limit(self, change: Mapping[str, Any]) -> None:
        self._set(change, lambda kw: self.station.set_site_limit(kw), "Grid limit set to {:g} kW")

    @observe("static_load_kw")
    def _load(self, change: Mapping[str, Any]) -> None:
        self._set(change, lambda kw: self.station.set_static_load(kw), "Static load set to {:g} kW")

    @observe("strategy")
    def _rule(self, change: Mapping[str, Any]) -> None:
        self._set(change, lambda name: self.station.set_strategy(name), "Strategy is now {}")

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

    def _set(self, change: Mapping[str, Any], call: Callable[[Any], None], words: str) -> None:
        """Hand a trait on to the station; where it refuses, the trait goes back to what it was."""
        if self._settling:
            return

        def hand_on() -> str:
            call(change["new"])
            shown = change["new"]
            return words.format(shown.replace("_", " ") if isinstance(shown, str) else shown)

        if not self._do(hand_on, once=words.partition("{")[0]):
            with self._settled():
                self.set_trait(change["name"], change["old"])

    def _do(self, action: Callable[[], str | None], once: str = "") -> bool:
        """Do something that the station may refuse; a refusal is a sentence in the page."""
        try:
            words = action()
        except (StationError, VehicleError) as error:
            self.refusal = f"Refused: {error}."
            return False
        self.refusal = ""
        if words:
            self._note(words, once)
        self._changed()
        return True

    def _pass_time(self, seconds: float) -> None:
        """Let time pass; cars of the script arrive and leave on their minute, samples are taken."""
        end_s = self.station.now_s + seconds
        while self._script and self._script[0][0] <= end_s:
            moment_s, arrives, visit = self._script.popleft()
            self._advance_to(moment_s)
            self._follow_script(arrives, visit)
            if not self._script:
                self._note("The last car of the day has left: ↺ begins it again")
                self.playing = False
        self._advance_to(end_s)

    def _advance_to(self, moment_s: float) -> None:
        while self.station.now_s < moment_s:
            self.station.advance(min(SAMPLE_S, moment_s - self.station.now_s))
            self._sample()

    def _follow_script(self, arrives: bool, visit: Visit) -> None:
        place = (visit.charger_id, visit.connector)
        state = self.station.state
        if arrives and place in state.sessions:
            self._note(f"{visit.vehicle.name} finds {place[0]}·{place[1]} taken and drives on")
        elif arrives and state.is_available(place):
            self._guests[visit.name] = self.station.plug_in(
                *place,
                visit.vehicle,
                arrival_soc=visit.arrival_soc,
                target_soc=visit.target_soc,
                departs_s=visit.departure_s,
            )
            self._note(_arrives(visit.vehicle, place, visit.arrival_soc))
        elif not arrives and place in state.sessions:
            # Somebody may have sent the guest away before; then its place is another car's.
            if state.sessions[place].session_id != self._guests.get(visit.name):
                return
            self._note(_leaves(self.station.unplug(*place)))

    def _sample(self) -> None:
        state, allocation, battery = self.station.state, self.station.allocation, self.config.battery
        charging_kw = max(0.0, allocation.battery_kw)
        # Before and after are enough for one moment: a slider that is dragged adds nothing between.
        if len(self.history) > 1 and self.history[-2].now_s == state.now_s:
            self.history.pop()
        self.history.append(
            Sample(
                now_s=state.now_s,
                limit_kw=site_limit_kw(self.config, state),
                static_kw=state.static_load_kw + self.config.standing_kw,
                cars_kw=allocation.grid_kw - charging_kw,
                charging_kw=charging_kw,
                battery_kw=allocation.battery_kw,
                soc=state.battery_kwh / battery.initial_capacity_kwh if battery else 0.0,
            )
        )

    def _note(self, words: str, once: str = "") -> None:
        line = f"{clock(self.station.now_s)} {words}"
        lines = self.log
        # A slider that is dragged says one thing, not fifty.
        if once and lines and lines[0].startswith(f"{clock(self.station.now_s)} {once}"):
            lines = lines[1:]
        self.log = [line, *lines][:LOG_LINES]

    def _changed(self) -> None:
        self._sample()
        self.version += 1

    @contextmanager
    def _settled(self) -> Iterator[None]:
        """While it lasts the model sets its own traits, and nothing is handed on to the station."""
        before, self._settling = self._settling, True
        try:
            yield
        finally:
            self._settling = before


def _arrives(vehicle: Vehicle, place: Place, soc: float | None = None) -> str:
    charge = "" if soc is None else f" with {soc:.0%}"
    return f"{vehicle.name} arrives at {place[0]}·{place[1]}{charge}"


def _leaves(session: Session) -> str:
    where = f"{session.charger_id}·{session.connector}"
    return f"{session.vehicle.name} leaves {where} with {session.energy_kwh:.1f} kWh"


def read_configs(folder: str | Path) -> dict[str, StationConfig]:
    """Every configuration of a folder by its station's name, sorted by file name."""
    configs = [load_config(path) for path in sorted(Path(folder).glob("*.json"))]
    return {config.station_id: config for config in configs}


def clock(now_s: float, *, seconds: bool = False) -> str:
    """Time of day, 14:22, or with seconds 14:22:07."""
    minutes, rest = divmod(int(now_s), 60)
    shown = f"{minutes // 60 % 24:02d}:{minutes % 60:02d}"
    return f"{shown}:{rest:02d}" if seconds else shown


def _fits(day_name: str, config: StationConfig) -> bool:
    return all((visit.charger_id, visit.connector) in config.plugs for visit in load_day(day_name).visits)


def _script(day: Day | None) -> deque[tuple[float, bool, Visit]]:
    """Arrivals and departures in order; at the same moment who leaves makes room first."""
    visits = day.visits if day else ()
    moments = [(visit.arrival_s, True, visit) for visit in visits]
    moments += [(visit.departure_s, False, visit) for visit in visits]
    return deque(sorted(moments, key=lambda moment: moment[:2]))
