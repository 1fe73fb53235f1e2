"""The traits and commands of a station that plays: what the page's controls set, and what it shows."""

from __future__ import annotations

import logging
from collections.abc import Callable, Container, Mapping
from typing import Any

from traitlets import Any as AnyTrait
from traitlets import Bool, Float, HasTraits, Int, List, TraitError, Unicode, observe, validate

from electra_core.allocation import BATTERY, STRATEGIES
from electra_core.dashboard.station_page.frame import Frame, Surroundings, frame_of
from electra_core.dashboard.station_page.labels import arrives, clock, label, leaves
from electra_core.dashboard.station_page.log import LogEntry, with_entry
from electra_core.dashboard.station_page.playback import Playback
from electra_core.errors import BadValueError, ElectraError, shortened
from electra_core.station import ConnectorId, Station, StationStatus, Vehicle, catalogue

CUSTOM_CAR = "Custom: choose its power"
SPEEDS = (1, 10, 60, 120, 300, 600)

# One tick of the page's clock, s; the browser counts, the kernel only answers.
TICK_S = 1.0

LOGGER = logging.getLogger(__name__)
BROKEN = "Something went wrong inside; nothing was changed."


class PlaybackModel(HasTraits):
    """The traits of a playback, and the commands that a visitor gives it.

    Handlers of traits hand a value on to the station only where it has another one: a trait that was set from
    the station ends there.

    Attributes
    ----------
    playback : the station that is shown, with its traffic
    frame : all that the page shows of this moment
    version : rises by one with each new frame
    """

    strategy = Unicode("max_min")
    site_limit_kw = Float()
    static_load_kw = Float()
    playing = Bool(False)
    speed = Int(60)
    meter_silent = Bool(False)
    # A second station beside the first one: its change of rules; empty: none.
    what_if = Unicode("")
    # The connector whose car is explained, or None.
    selected: ConnectorId | None = AnyTrait(None, allow_none=True)  # type: ignore[assignment]
    version = Int(0)
    refusal = Unicode("")
    # The reason why the page does not show a served station as it is now.
    notice = Unicode("")
    # The page's clock ticks although it does not play: things may happen elsewhere.
    following = Bool(False)
    log: list[LogEntry] = List()  # type: ignore[assignment]

    def __init__(self) -> None:
        super().__init__()
        self.playback: Playback
        self.frame: Frame
        # Title and source of the day that is played.
        self._day_words = ("", "")
        self._shown: tuple[object, ...] = ()

    def attach(self, playback: Playback) -> None:
        """Show a station from now on."""
        self.playback, self._said_over = playback, playback.traffic.over
        self.following = bool(playback.address)

    @property
    def station(self) -> Station:
        """The station that is shown."""
        return self.playback.station

    @property
    def status(self) -> StationStatus:
        """The station as the page shows it."""
        return self.frame.status

    def clock(self, at_s: float, *, seconds: bool = False) -> str:
        """Return the time of day at a time of the station's clock, s."""
        return clock(self.playback.clock_zero_s + at_s, seconds=seconds)

    # --- commands ------------------------------------------------------------------------------------

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
        """Let a car arrive: one of the catalogue, or a custom one that is only its power and never full."""

        def plug_in() -> str:
            if car == CUSTOM_CAR:
                vehicle, soc = Vehicle(custom_kw, name=f"Custom {custom_kw:g} kW"), None
                self.playback.commands.plug_in(charger_id, connector, vehicle)
            elif car in catalogue():
                vehicle, soc = catalogue()[car], arrival_soc
                self.playback.commands.plug_in(
                    charger_id, connector, vehicle, arrival_soc=soc, target_soc=target_soc
                )
            else:
                raise BadValueError(f"there is no car {shortened(car)} in the catalogue")
            return arrives(vehicle, (charger_id, connector), soc)

        return self._do(plug_in)

    def depart(self, charger_id: str, connector: int) -> bool:
        """Let a car depart."""
        return self._do(lambda: leaves(self.playback.commands.unplug(charger_id, connector)))

    def select(self, connector_id: ConnectorId) -> None:
        """Explain the car at a connector; a second time: no longer."""
        self.selected = None if self.selected == connector_id else connector_id

    def set_available(self, charger_id: str, connector: int | None, available: bool) -> bool:
        """Take a connector, a charger, or the battery out of service, or bring it back."""

        def switch() -> str:
            self.playback.commands.set_available(charger_id, connector, available=available)
            part = charger_id if connector is None else label((charger_id, connector))
            part = "The battery" if charger_id == BATTERY else part
            return f"{part} {'works again' if available else 'is out of service'}"

        return self._do(switch)

    def step(self, minutes: float) -> bool:
        """Let minutes of the station's time pass."""
        return self._do(lambda: self._pass_time(60.0 * minutes))

    def tick(self) -> bool:
        """Answer one tick of the page's clock, at the chosen speed.

        A refusal stays until the visitor's next command: time goes on beside it.
        """
        seconds = TICK_S * self.speed
        if not self.following:
            return self._do(lambda: self._pass_time(seconds), keep_refusal=True)
        done = True
        if self.playing:
            self.playing = done = self._do(lambda: self.playback.pass_time(seconds), keep_refusal=True)
        self.playback.poll()
        self.refresh_if_changed()
        return done

    def refresh_if_changed(self) -> None:
        """Show what was changed in code, or elsewhere, if anything was."""
        if self._shown != self._state_of_view():
            self._show()

    # --- from traits to the station ------------------------------------------------------------------

    @observe("site_limit_kw")
    def _on_site_limit_changed(self, change: Mapping[str, Any]) -> None:
        kw = change["new"]
        if kw != self.playback.set_points.site_limit_kw:
            self._set(change, self.playback.commands.set_site_limit, f"Grid limit set to {kw:g} kW")

    @observe("static_load_kw")
    def _on_static_load_changed(self, change: Mapping[str, Any]) -> None:
        kw = change["new"]
        if kw != self.playback.set_points.static_load_kw:
            self._set(change, self.playback.commands.set_static_load, f"Static load set to {kw:g} kW")

    @observe("strategy")
    def _on_strategy_changed(self, change: Mapping[str, Any]) -> None:
        if change["new"] != self.playback.set_points.strategy:
            words = f"Strategy is now {change['new'].replace('_', ' ')}"
            self._set(change, self.playback.commands.set_strategy, words)

    @observe("meter_silent")
    def _on_meter_silent_changed(self, change: Mapping[str, Any]) -> None:
        if change["new"] != self.playback.meter_silent:
            words = f"The grid meter is {'silent' if change['new'] else 'heard again'}"
            self._set(change, self.playback.set_meter_silent, words)

    @observe("what_if")
    def _on_what_if_changed(self, change: Mapping[str, Any]) -> None:
        if change["new"] != self.playback.what_if:
            words = f"What if: {change['new'].replace('_', ' ') or 'nothing else'}"
            self._set(change, self.playback.compare, words)

    def _set(self, change: Mapping[str, Any], command: Callable[[Any], None], words: str) -> None:
        """Hand a trait on to the station; where it refuses, the trait goes back to what it was."""

        def hand_on() -> str:
            command(change["new"])
            return words

        if not self._do(hand_on, kind=change["name"]):
            self.set_trait(change["name"], change["old"])

    @observe("selected", "speed", "notice")
    def _on_view_changed(self, _: object) -> None:
        if self._shown != self._state_of_view():
            self._show()

    @validate("strategy", "speed")
    def _check_option(self, proposal: Mapping[str, Any]) -> Any:
        return checked_choice(proposal, STRATEGIES if proposal["trait"].name == "strategy" else SPEEDS)

    # --- from the station to the page ----------------------------------------------------------------

    def _do(self, action: Callable[[], str | None], *, kind: str = "", keep_refusal: bool = False) -> bool:
        """Do something that the station may refuse; a refusal is a sentence in the page."""
        try:
            words = action()
        except ElectraError as error:
            self.refusal = f"Refused: {str(error).rstrip('.')}."
            return False
        except Exception:  # a fault of this program is no refusal, and must not end the page
            LOGGER.exception("a command of the page failed")
            self.refusal = BROKEN
            return False
        if not keep_refusal:
            self.refusal = ""
        if words:
            self._note(words, kind)
        self._show()
        return True

    def _pass_time(self, seconds: float) -> None:
        self.playback.pass_time(seconds)
        if self.playback.traffic.over and not self._said_over:
            self._said_over, self.playing = True, False
            self._note("The last car of the day has left: ↺ begins it again")

    def _note(self, words: str, kind: str = "") -> None:
        self._note_at(words, self.playback.time_of_day_s, kind)

    def _note_at(self, words: str, time_of_day_s: float, kind: str = "") -> None:
        self.log = with_entry(self.log, LogEntry(clock(time_of_day_s), words, kind))

    def _state_of_view(self) -> tuple[object, ...]:
        """Return all that makes a new frame necessary, as objects to compare."""
        playback = self.playback
        return playback, playback.revision, playback.notice, self.selected, self.speed

    def _show(self) -> None:
        """Sample the station, take the traits over from it, and make the frame of this moment."""
        self.playback.sample()
        with self.hold_trait_notifications():
            self._sync_from_station()
            self.frame = frame_of(self.playback.status, self._surroundings())
            if self.frame.selected is None or self.frame.selected.car is None:
                self.selected = None
            self._shown = self._state_of_view()
            self.version += 1

    def _sync_from_station(self) -> None:
        playback = self.playback
        self.site_limit_kw, self.static_load_kw, strategy = playback.set_points
        if strategy in STRATEGIES:
            self.strategy = strategy
        self.meter_silent, self.what_if, self.notice = (
            playback.meter_silent,
            playback.what_if,
            playback.notice,
        )

    def _surroundings(self) -> Surroundings:
        playback = self.playback
        sessions = {(charger, number): car.session_id for charger, number, car in playback.status.sessions}
        selected = self.selected if self.selected in sessions else None
        return Surroundings(
            day_title=self._day_words[0],
            day_source=self._day_words[1],
            notice=playback.notice,
            clock_zero_s=playback.clock_zero_s,
            seconds=self.speed <= 10,
            selected=selected,
            explanation=playback.explain(sessions[selected]) if selected else None,
            history=playback.history,
            log=self.log,
            out_of_service=playback.out_of_service,
            outcome=playback.outcome,
            shadow=playback.shadow,
        )


def checked_choice(proposal: Mapping[str, Any], choices: Container[Any]) -> Any:
    """Return the proposed value of a trait, if it is among the choices."""
    name, value = proposal["trait"].name, proposal["value"]
    if value not in choices:
        raise TraitError(f"there is no {name.removesuffix('_name')} {value!r}")
    return value
