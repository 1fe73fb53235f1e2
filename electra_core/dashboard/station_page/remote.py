"""A served station on the page: a mirror that repeats its journal, and hands that reach over the wire."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from electra_core.allocation import BATTERY, Strategy, name_of
from electra_core.dashboard.station_page.history import SAMPLE_S
from electra_core.dashboard.station_page.labels import arrives, label, leaves
from electra_core.dashboard.station_page.playback import Playback
from electra_core.dashboard.station_page.record import RecordedStation
from electra_core.dashboard.station_page.remote_client import ANSWER_S, Wire, WireError, allowed
from electra_core.dashboard.station_page.remote_stream import Beginning, Follower
from electra_core.dashboard.station_page.traffic import Script
from electra_core.dashboard.station_page.what_if import Outcome
from electra_core.dashboard.widgets.file_transfer import MAX_DRAWN_CONNECTORS
from electra_core.errors import BadValueError
from electra_core.station import FAIL_SAFE, Event, Session, Station, StationConfig, Vehicle, catalogue

# How long one tick may repeat events, s: a long journal is caught up in slices, and the page stays alive.
SLICE_S = 0.4
# How long a hand waits until its deed shows, s.
PATIENCE_S = 5.0

# A sentence, and the time of day when it was so, s.
Say = Callable[[str, float], None]


class ServedPlay(Playback):
    """A mirror of a served station: every event of its journal is repeated here, exact to the last bit.

    Parameters
    ----------
    address : where it is served, as a link names it
    say : hears a sentence for whatever happens there

    Raises
    ------
    BadValueError
        When a page may not speak to this address, or no station answers there.
    """

    own_time = False
    fixed = "this station is served: it begins at its server, with its own file and its own cars"

    def __init__(self, address: str, say: Say) -> None:
        origin = allowed(address)
        self.address = str(origin)
        self.wire = Wire(origin, os.environ.get("ELECTRA_TOKEN", "").strip() or None)
        self._follower = Follower(self.wire)
        self._mine, self._passing, self._known = "", False, 0
        self._beginning: Beginning | None = None
        self._follower.start()
        try:
            beginning = self._begun()
            super().__init__(_drawn(beginning), Script(()), lambda words: say(words, self.time_of_day_s))
            self.commands = Hands(self)
            self._begin(beginning)
            self._catch_up()
        except BadValueError:
            self.close()
            raise

    def _catch_up(self) -> None:
        """As far as a visitor waits for it; the rest comes with the ticks."""
        follower, end_s = self._follower, time.monotonic() + ANSWER_S
        while follower.last is None and not follower.trouble and time.monotonic() < end_s:
            follower.wait(0.05)
        self.wait_for(follower.last or 0)
        if trouble := follower.verdict or follower.trouble:
            raise BadValueError(f"no station can be shown from {self.address}: {trouble}")

    def _begun(self) -> Beginning:
        """The first word."""
        end_s = time.monotonic() + ANSWER_S
        while (found := self._follower.take()) is None:
            if self._follower.trouble or time.monotonic() > end_s:
                trouble = self._follower.trouble or f"{self.address} does not answer"
                raise BadValueError(f"no station can be shown from {self.address}: {trouble}")
            self._follower.wait(0.1)
        assert isinstance(found, Beginning)
        return found

    def _begin(self, beginning: Beginning) -> None:
        self.station, self.number, self._beginning = _drawn(beginning), 0, beginning
        self.own_time, self.clock_zero_s = beginning.simulated, beginning.clock_zero_s
        self._count = self._known = 0
        self.history.clear()
        self.outcome = Outcome()
        if self.shadow is not None:
            self.shadow = None
            self._say("The comparison has ended: the station began anew")

    def close(self) -> None:
        """Hear no more of it."""
        self._follower.close()

    # --- what happens there --------------------------------------------------------------------------

    @property
    def notice(self) -> str:
        """Why the page does not show the station as it is now; empty: it does."""
        return self._follower.notice(self.number)

    def poll(self, seconds: float = SLICE_S) -> None:
        """Repeat here what has happened there, but no longer than this."""
        if len(self.station.events) != self._count:
            # Somebody changed the mirror in code: it shows nothing real until it begins anew.
            self._follower.again()
            self._beginning = None
            self._count = len(self.station.events)
        end_s = time.monotonic() + seconds
        try:
            while time.monotonic() < end_s and (found := self._follower.take()) is not None:
                if isinstance(found, Beginning):
                    self._begin(found)
                else:
                    self._repeat(*found)
            self._count = len(self.station.events)
            self._compare_with_told()
        except (ValueError, TypeError, ArithmeticError, LookupError) as error:
            self._count = len(self.station.events)
            self._follower.close(str(error))

    def _repeat(self, number: int, event: Event) -> None:
        before = self.station.state.sessions if event.call == "unplug" else {}
        try:
            self.station.apply_event(event)
        except (ValueError, TypeError, ArithmeticError, LookupError) as error:
            raise BadValueError(f"its event {number} cannot have happened: {error}") from None
        self.number = number
        passing = event.call == "advance"
        if not passing or not self.history or event.at_s - self.history[-1].now_s >= SAMPLE_S:
            self.sample(passing=passing)
        if not passing and event.call == self._mine:
            self._mine = ""  # the hand says it itself
        elif words := _words(event, before):
            self._say(words)

    def _compare_with_told(self) -> None:
        """Another version of this program may decide differently: that must not pass for the station."""
        told = self._follower.told
        if told is None or told[0] is not self._beginning or told[1].number != self.number:
            return
        if dict(self.station.allocation.offered_kw) != told[1].offered_kw:
            raise BadValueError("this page decides differently from it: are they of the same version?")

    def wait_for(self, number: int) -> bool:
        """Until the mirror has an event, but not too long; whether it has."""
        end_s = time.monotonic() + PATIENCE_S
        self.poll()
        while self.number < number and time.monotonic() < end_s and not self.notice.startswith("stale"):
            self._follower.wait(0.1)
            self.poll()
        return self.number >= number

    def sample(self, *, passing: bool = True) -> None:
        """One a minute while nothing but time passes: a real clock has an event every few seconds."""
        history = self.history
        if self._passing and len(history) > 1 and self.station.now_s - history[-2].now_s < SAMPLE_S:
            history.pop()
        self._passing = passing
        super().sample()

    # --- what a hand does ----------------------------------------------------------------------------

    def do(self, call: str, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """Have the station do something, and wait until it shows here.

        Raises
        ------
        StationError
            When it refuses, or nothing is known of it.
        """
        self.poll()
        if self.notice:
            raise BadValueError(f"nothing was sent, the page is {self.notice}")
        self._mine = call
        try:
            answer = self.wire.change(method, path, body)
            shown = self.wait_for(self.wire.last())
        except WireError as error:
            raise BadValueError(
                f"the station's word is missing, {error}: whether it was done will show when it comes"
            ) from None
        finally:
            self._mine = ""
        if not shown:
            self._say("The station was told, and its word has not come back yet")
        return answer

    def pass_time(self, seconds: float) -> None:
        """Let time pass, a minute at a time, where the clock is simulated."""
        if not self.own_time:
            raise BadValueError("this station's clock follows the time of day: it cannot be moved")
        while seconds > 0.0:
            self.do("advance", "POST", "/v1/clock/advance", {"seconds": min(SAMPLE_S, seconds)})
            seconds -= SAMPLE_S

    def set_meter_silent(self, silent: bool) -> None:
        """Its meter is at the station."""
        raise BadValueError(self.fixed if silent else "this station is served: its meter is its own")

    def _new_events(self) -> Iterable[Event]:
        # The record stays whole: the station's own notes are looked for in it.
        known, self._known = self._known, len(self.station.events)
        return self.station.events[known:]

    def _past_events(self) -> Iterable[Event]:
        return self.station.events


class Hands:
    """What a hand does at a served station: the methods of `Station` that change something.

    Parameters
    ----------
    play : knows the way
    """

    def __init__(self, play: ServedPlay) -> None:
        self._play = play

    def plug_in(
        self,
        charger_id: str,
        connector: int,
        vehicle: Vehicle,
        *,
        arrival_soc: float | None = None,
        target_soc: float | None = None,
    ) -> str:
        """A car arrives."""
        known = catalogue().get(vehicle.name or "") == vehicle
        car = {"vehicle": vehicle.name} if known else {"max_power_kw": vehicle.max_power_kw}
        soc = {"arrival_soc": arrival_soc, "target_soc": target_soc} if known else {}
        body = {"charger_id": charger_id, "connector": connector, **car, **soc}
        return str(self._play.do("plug_in", "POST", "/v1/sessions", body).get("session_id"))

    def unplug(self, charger_id: str, connector: int) -> Session:
        """The car that the page shows there departs, and no other one."""
        copy = Station.from_decision(self._play.station.config, self._play.station.decision)
        session = copy.unplug(charger_id, connector)  # where there is none, this says so
        self._play.do("unplug", "DELETE", f"/v1/sessions/{quote(session.session_id, safe='')}")
        return session

    def set_available(self, charger_id: str, connector: int | None = None, available: bool = True) -> None:
        """Something breaks, or works again."""
        body = {"charger_id": charger_id, "connector": connector, "available": available}
        self._play.do("set_available", "PUT", "/v1/availability", body)

    def set_site_limit(self, kw: float | None) -> None:
        """Limit the import, kW."""
        self._play.do("set_site_limit", "PUT", "/v1/site-limit", {"limit_kw": kw})

    def set_static_load(self, kw: float) -> None:
        """Set what the site itself takes, kW."""
        self._play.do("set_static_load", "PUT", "/v1/static-load", {"load_kw": kw})

    def set_strategy(self, strategy: str | Strategy) -> None:
        """Choose who comes first: a shipped strategy, for a function cannot be sent."""
        if not isinstance(strategy, str):
            raise BadValueError(f"{name_of(strategy)} is a function here: a served station has its own")
        self._play.do("set_strategy", "PUT", "/v1/strategy", {"strategy": strategy})


def _drawn(beginning: Beginning) -> RecordedStation:
    """The station before its first event, if this page can draw it."""
    config: StationConfig = beginning.config
    if len(config.connectors) > MAX_DRAWN_CONNECTORS:
        raise BadValueError(
            f"{config.station_id} has {len(config.connectors)} connectors, and this page draws"
            f" {MAX_DRAWN_CONNECTORS} at most"
        )
    return RecordedStation(config)


def _words(event: Event, before: Any) -> str:
    """Says what somebody else did there; empty where it is not worth a line."""
    said: dict[str, Any] = event.arguments
    place = (str(said.get("charger_id")), int(said.get("connector") or 0))
    if event.call == "plug_in":
        return arrives(Vehicle.from_json(said["vehicle"]), place, said.get("arrival_soc"))
    if event.call == "unplug":
        return leaves(replace(before[place]))
    if event.call == "set_available":
        what = label(place) if said.get("connector") is not None else place[0]
        what = "The battery" if place[0] == BATTERY else what
        return f"{what} {'works again' if said.get('available', True) else 'is out of service'}"
    if event.call == "set_site_limit":
        return "Grid limit set to " + ("its most" if said["kw"] is None else f"{said['kw']:g} kW")
    if event.call == "set_static_load":
        return f"Static load set to {said['kw']:g} kW"
    if event.call == "set_strategy":
        return f"Strategy is now {str(said['strategy']).replace('_', ' ')}"
    if event.call == FAIL_SAFE:
        return "The meter is silent: fail-safe limit" if said["active"] else "The meter is heard again"
    return ""
