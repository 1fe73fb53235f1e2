"""A served station on the page: what happens there shows, and what a visitor does is done there."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from contextlib import suppress
from functools import partial
from typing import Any, Literal, NamedTuple, cast
from urllib.parse import quote

from pydantic import BaseModel, Field

from electra_core.allocation import BATTERY
from electra_core.dashboard.station_page.exports import exported
from electra_core.dashboard.station_page.history import SAMPLE_S, sample_of
from electra_core.dashboard.station_page.labels import NAMELESS, arrives, label
from electra_core.dashboard.station_page.playback import Playback, SetPoints
from electra_core.dashboard.station_page.record import RecordedStation
from electra_core.dashboard.station_page.remote_client import (
    Ask,
    RemoteClient,
    RemoteError,
    allowed_origin,
    one_line,
)
from electra_core.dashboard.station_page.traffic import Traffic
from electra_core.dashboard.widgets.file_transfer import MAX_DRAWN_CONNECTORS
from electra_core.errors import BadValueError, ElectraError, checked_number, is_finite
from electra_core.station import (
    BATTERY_ID,
    FAIL_SAFE,
    WHOLE_CHARGER,
    ConnectorId,
    Event,
    Explanation,
    Session,
    StationStatus,
    Vehicle,
    catalogue,
    load_config,
)

DAY_S = 86_400.0
# A poll waits no longer for its answer: the page draws the one before, and this one with the next tick.
WAIT_S = 0.2
# New events that are told: older ones are left out.
RECENT_EVENTS = 200
# Bounds of a journal that is loaded, and events of one request for it: some seconds of work.
MAX_EVENTS, MAX_DAYS, PAGE = 20_000, 60, 1000


Json = dict[str, Any]
# A sentence, and the time of day when it was so, s; an origin, and a token.
Say = Callable[[str, float], None]
Connect = Callable[[str, str], RemoteClient]


class Clock(BaseModel):
    """A station's clock, and the time of day when it showed 0, s (Unix); None where it is simulated."""

    simulated: bool
    began_unix_s: float | None = Field(None, ge=0.0, lt=2**32)


class NumberedEvent(Event):
    """An event with its number in the journal."""

    number: int


class Explained(BaseModel):
    """The explanation of a session."""

    explanation: str
    gain_per_kw: dict[Literal["connector", "charger", "site", "battery"], float]


class Update(NamedTuple):
    """A station at one time, and its events since the last update; ``begins``: its journal is another one."""

    status: StationStatus
    clock: Clock
    tag: str
    number: int
    events: list[Event]
    begins: bool


class RemoteStation:
    """A served station: what the page reads of it, and the commands of `Station`.

    Attributes
    ----------
    last : the last update
    fault : the reason why it may not be of now; empty: it is
    """

    def __init__(self, client: RemoteClient) -> None:
        self._client, self.fault = client, ""
        self._job: Future[Update | None] | None = None
        self._updates: list[Update] = []
        self.config = load_config(client.run(lambda ask: ask("config")).read(Json))
        sizes = [(charger.id, len(charger.connectors)) for charger in self.config.chargers]
        self._connectors = [(name, number) for name, size in sizes for number in range(1, size + 1)]
        if (count := len(self._connectors)) > MAX_DRAWN_CONNECTORS:
            raise RemoteError(
                f"it has {count} connectors, and this page draws {MAX_DRAWN_CONNECTORS} at most"
            )
        self._take(client.run(partial(self._read, None)))

    # --- reading -------------------------------------------------------------------------------------

    @property
    def now_s(self) -> float:
        """The station's clock, s."""
        return self.last.status.now_s

    def status(self) -> StationStatus:
        """Return the last status."""
        return self.last.status

    def explain(self, session_id: str) -> Explanation:
        """Return why a session gets what it gets, or that this is not known now."""
        path, said = f"sessions/{quote(session_id, safe='')}/explanation", Explanation("not known now")
        said.gain_per_kw = {}
        with suppress(ElectraError):
            if not self.fault:
                found = self._client.run(lambda ask: ask(path)).read(Explained)
                said = Explanation(one_line(found.explanation))
                said.gain_per_kw = {str(limit): gain for limit, gain in found.gain_per_kw.items()}
        return said

    def journal(self) -> list[Event]:
        """Return all events, where they are not too many."""
        events, number = list[Event](), self.last.number
        if number > MAX_EVENTS:
            raise BadValueError(
                f"its journal has {number:,} events, and this page loads {MAX_EVENTS:,} at most:"
                f" {self._client.origin}/v1/events has them"
            )
        while (count := len(events)) < number:
            events += self._client.run(partial(_read_events, count, min(count + PAGE, number)))
        return events

    def poll(self) -> list[Update]:
        """Read the station again, and return what has come since the last poll."""
        self._job = self._job or self._client.start(partial(self._read, self.last))
        if wait([self._job], WAIT_S).done:
            job, self._job = self._job, None
            try:
                self._take(job.result())
            except ElectraError as error:
                since = time.strftime("%H:%M:%S", time.localtime(self._heard_unix_s))
                self.fault = f"stale: no answer since {since} ({one_line(error)}); the page asks again"
        updates, self._updates = self._updates, []
        return updates

    def _take(self, update: Update | None) -> None:
        self.fault, self._heard_unix_s = "", time.time()
        if update is not None:
            self.last = update
            self._updates.append(update)

    async def _read(self, last: Update | None, ask: Ask) -> Update | None:
        """Return an update; None: nothing has changed since the last one."""
        answer = await ask("status", tag=last.tag if last else "")
        if last and answer.code == 304:
            return None
        status, number = answer.read(StationStatus), answer.tag.strip('"').partition("-")[0]
        connectors = [
            (each.charger_id, one.connector_id) for each in status.chargers for one in each.connectors
        ]
        if (status.station_id, connectors) != (self.config.station_id, self._connectors):
            raise RemoteError("another station answers there: open its link again")
        if not (number.isascii() and number.isdecimal() and len(number) < 19):
            raise RemoteError("its status has no number")
        begins = not last or int(number) < last.number or status.now_s < last.status.now_s
        since = 0 if not last or begins else last.number
        events = await _read_events(max(since, int(number) - RECENT_EVENTS), int(number), ask)
        clock = (await ask("clock")).read(Clock)
        return Update(status, clock, answer.tag, int(number), events, begins)

    # --- commands ------------------------------------------------------------------------------------

    def _send(self, method: str, path: str, body: Json | None, call: str, said: Json) -> Json:
        """Have the station do something, and read it again; the event that this causes is not told.

        It is known by its ``call`` and what it ``said``: of two clients at one connector one is refused.
        """

        async def change(ask: Ask) -> tuple[Json, Update | None]:
            return (await ask(path, method, body)).read(Json), await self._read(self.last, ask)

        if self.fault:
            raise BadValueError(f"nothing was sent, the page is {self.fault}")
        self._job = None  # its answer would be older
        try:
            answer, update = self._client.run(change)
        except RemoteError as error:
            words = f"the station's answer is missing, {error}: whether it was done will show when it comes"
            raise BadValueError(words) from None
        events = update.events if update else []
        own = (each for each in events if each.call == call and said.items() <= each.arguments.items())
        if event := next(own, None):
            events.remove(event)
        self._take(update)
        return answer

    def plug_in(
        self,
        charger_id: str,
        connector: int,
        vehicle: Vehicle,
        *,
        arrival_soc: float | None = None,
        target_soc: float | None = None,
    ) -> None:
        """Let a car arrive: one of the catalogue, or another one, of which the station gets the power."""
        where = {"charger_id": charger_id, "connector": connector}
        car: Json = {"vehicle": vehicle.name, "arrival_soc": arrival_soc, "target_soc": target_soc}
        if catalogue().get(vehicle.name) != vehicle:
            car = {"max_power_kw": vehicle.max_power_kw}
        self._send("POST", "sessions", {**where, **car}, "plug_in", where)

    def unplug(self, charger_id: str, connector: int) -> Session:
        """Let the car depart that the page shows at a connector, and no other one; return its session."""
        cars = {(charger, number): car for charger, number, car in self.last.status.sessions}
        if (car := cars.get((charger_id, connector))) is None:
            raise BadValueError(f"connector {connector} of {charger_id} is free: no car can leave it")
        where = {"charger_id": charger_id, "connector": connector}
        answer = self._send("DELETE", f"sessions/{quote(car.session_id, safe='')}", None, "unplug", where)
        energy_kwh = checked_number("the energy of its answer", answer.get("energy_kwh"))
        vehicle = Vehicle(car.vehicle_max_power, name=one_line(car.vehicle))
        return Session(car.session_id, charger_id, connector, vehicle, car.arrived_s, energy_kwh=energy_kwh)

    def set_available(self, charger_id: str, connector: int | None = None, available: bool = True) -> None:
        """Take a connector, a charger or the battery out of service, or bring it back."""
        part = {"charger_id": charger_id, "connector": connector, "available": available}
        self._send("PUT", "availability", part, "set_available", part)

    def set_site_limit(self, kw: float | None) -> None:
        """Limit the import, kW."""
        self._send("PUT", "site-limit", {"limit_kw": kw}, "set_site_limit", {"kw": kw})

    def set_static_load(self, kw: float) -> None:
        """Set the power that the site itself takes, kW."""
        self._send("PUT", "static-load", {"load_kw": kw}, "set_static_load", {"kw": kw})

    def set_strategy(self, strategy: str) -> None:
        """Choose a shipped strategy."""
        self._send("PUT", "strategy", {"strategy": strategy}, "set_strategy", {"strategy": strategy})

    def advance(self, seconds: float) -> None:
        """Let time pass, s, where the clock is simulated."""
        self._send("POST", "clock/advance", {"seconds": seconds}, "advance", {})


async def _read_events(since: int, until: int, ask: Ask) -> list[Event]:
    """Return the events after a number, up to another one."""
    if since == until:
        return []
    found = (await ask(f"events?since={since}&most={until - since}")).read(list[NumberedEvent])
    if [each.number for each in found] != list(range(since + 1, until + 1)):
        raise RemoteError("its journal has gaps")
    return [Event(at_s=each.at_s, call=each.call, arguments=each.arguments) for each in found]


class RemotePlayback(Playback):
    """A served station on the page, without a record, and so without a second station under other rules.

    Parameters
    ----------
    address : of the service, as a link names it
    say : called with a sentence for each thing that others do there, and the time of day, s
    connect : returns a client of an origin, with the operator's token

    Raises
    ------
    BadValueError
        When the page may not call this address, or no station answers there.
    """

    fixed = "this station is served: it begins at its server, with its own file and its own cars"

    def __init__(self, address: str, say: Say, connect: Connect = RemoteClient) -> None:
        self.address = allowed_origin(address)
        try:
            token = os.environ.get("ELECTRA_TOKEN", "").strip()
            self.remote = RemoteStation(connect(self.address, token))
        except ElectraError as error:
            raise BadValueError(f"no station can be shown from {self.address}: {one_line(error)}") from None
        # In the place of a station of this kernel: the page reads its status, and gives it its commands.
        super().__init__(cast(Any, self.remote), Traffic(), lambda words: say(words, self.time_of_day_s))
        self._say_at = say
        self.poll()

    # --- reading ---------------------------------------------------------------------------------

    @property
    def notice(self) -> str:
        """The reason why the page does not show the station as it is now; empty: it does."""
        return self.remote.fault

    @property
    def revision(self) -> object:
        """An object that is another one after each change there."""
        return self.remote.last.tag

    @property
    def own_time(self) -> bool:  # type: ignore[override]
        """Time passes only when a page lets it."""
        return self.remote.last.clock.simulated

    @property
    def clock_zero_s(self) -> float:  # type: ignore[override]
        """The time of day, s, when its clock showed 0; after a change of the clocks, one that fits now."""
        clock, now_s = self.remote.last.clock, self.remote.now_s
        if clock.began_unix_s is None:
            return 0.0
        now = time.localtime(clock.began_unix_s + min(now_s, 2.0**32))
        return (3600.0 * now.tm_hour + 60.0 * now.tm_min + now.tm_sec - now_s) % DAY_S

    @property
    def set_points(self) -> SetPoints:
        """The settings in force, and of a silent meter its fail-safe limit."""
        return SetPoints(self.status.site_limit_kw, self.status.static_load_kw, self.status.strategy)

    @property
    def out_of_service(self) -> frozenset[ConnectorId]:
        """Connectors and battery that do not work, and chargers of which no connector does."""
        chargers, battery = self.status.chargers, self.status.battery
        connectors = [(each.charger_id, one) for each in chargers for one in each.connectors]
        out = [(charger_id, one.connector_id) for charger_id, one in connectors if not one.available]
        out += [(each.charger_id, WHOLE_CHARGER) for each in chargers if not each.available]
        return frozenset([*out, BATTERY_ID] if battery and not battery.available else out)

    def export(self, kind: str) -> tuple[str, str, bytes]:
        """Return name, type and content of a file, made of all events of the journal."""
        events = self.remote.journal()
        waits = [event.arguments.get("seconds") for event in events if event.call == "advance"]
        if (days := sum(float(str(each)) for each in waits if is_finite(each)) / DAY_S) > MAX_DAYS:
            raise BadValueError(f"its journal lasts {days:,.0f} days, and this page plays {MAX_DAYS} at most")
        return exported(kind, cast(RecordedStation, RecordedStation.replay(self.remote.config, events)))

    # --- time ------------------------------------------------------------------------------------

    def poll(self) -> None:
        """Take over what has happened there."""
        for update in self.remote.poll():
            if update.begins:
                self.history.clear()
            cars = {(charger, number): car.vehicle for charger, number, car in self.status.sessions}
            for event in update.events:
                with suppress(ElectraError):  # of another version of this program
                    if words := _words(event, cars):
                        self._say_at(one_line(words), self.clock_zero_s + event.at_s)

    def sample(self) -> None:
        """Take a sample; of one minute the last stays, so that the charts reach back for hours."""
        self.poll()
        self.status = self.remote.status()
        if len(self.history) > 1 and self.status.now_s - self.history[-2].now_s < SAMPLE_S:
            self.history.pop()
        self.history.add(sample_of(self.status))

    def pass_time(self, seconds: float) -> None:
        """Let time pass, s, a minute at a time, where the clock is simulated."""
        if not self.own_time:
            raise BadValueError("this station's clock follows the time of day: it cannot be moved")
        while seconds > 0.0:
            self.remote.advance(min(SAMPLE_S, seconds))
            self.sample()
            seconds -= SAMPLE_S

    def set_meter_silent(self, silent: bool) -> None:
        """Refuse: its meter sends to the server."""
        if silent:
            raise BadValueError("this station is served: its meter is its own")

    def compare(self, change: str) -> None:
        """Refuse a second station."""
        if change:
            raise BadValueError(
                "a served station has no second one beside it: save its events (Files), and load them at a"
                " station of this page with the same file"
            )


def _words(event: Event, cars: dict[ConnectorId, str]) -> str:
    """Return a sentence for what another client did there; empty where it is not worth a line."""
    said: Json = dict(event.arguments)
    charger_id, number, kw = str(said.get("charger_id")), said.get("connector"), said.get("kw")
    where = (charger_id, number) if isinstance(number, int) else (charger_id, WHOLE_CHARGER)
    if event.call == "plug_in":
        vehicle, soc = Vehicle.from_json(said.get("vehicle")), said.get("arrival_soc")
        cars[where] = vehicle.name
        return arrives(vehicle, where, soc if is_finite(soc) else None)
    if event.call == "unplug":
        return f"{cars.get(where) or NAMELESS} leaves {label(where)}"
    if event.call == "set_available":
        part = "The battery" if charger_id == BATTERY else charger_id if number is None else label(where)
        return f"{part} {'works again' if said.get('available') else 'is out of service'}"
    if event.call == FAIL_SAFE:
        return "The meter is silent: fail-safe limit" if said.get("active") else "The meter is heard again"
    if event.call == "set_strategy":
        return f"Strategy is now {str(said.get('strategy')).replace('_', ' ')}"
    names = {"set_site_limit": "Grid limit", "set_static_load": "Static load"}
    power = f"{kw:g} kW" if is_finite(kw) else "its most"
    return f"{names[event.call]} set to {power}" if event.call in names else ""
