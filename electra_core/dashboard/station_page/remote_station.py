"""A served station: its status and its events, read again with each tick of the page, and its commands."""

from __future__ import annotations

import time
from concurrent.futures import Future, wait
from contextlib import suppress
from functools import partial
from typing import Any, Literal, NamedTuple
from urllib.parse import quote

from pydantic import BaseModel, Field

from electra_core.dashboard.station_page.remote_client import Ask, RemoteClient, RemoteError, one_line
from electra_core.dashboard.widgets.file_transfer import MAX_DRAWN_CONNECTORS
from electra_core.errors import BadValueError, ElectraError, checked_number, is_finite
from electra_core.station import Event, Explanation, Session, StationStatus, Vehicle, catalogue, load_config

# Longest wait of a poll for its answer, s: a later poll takes over what comes after it.
WAIT_S = 0.2
# New events of an update: older ones are left out.
RECENT_EVENTS = 200
# Bounds of a journal that is loaded, some seconds of work; and the events of one request for it.
MAX_EVENTS, MAX_DAYS, PAGE = 20_000, 60, 1000
DAY_S = 86_400.0

Json = dict[str, Any]


class Clock(BaseModel):
    """A station's clock: the time of day when it showed 0, s (Unix), and a sentence where that has jumped."""

    simulated: bool
    began_unix_s: float | None = Field(None, ge=0.0, lt=2**32)
    notice: str | None = None


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
    updates : those that the page has not shown
    fault : the reason why the last one may not be of now; empty: it is
    """

    def __init__(self, client: RemoteClient) -> None:
        self._client, self.fault = client, ""
        self._job: Future[Update | None] | None = None
        self.updates: list[Update] = []
        self.config = load_config(client.run(lambda ask: ask("config")).read(Json))
        sizes = [(charger.id, len(charger.connectors)) for charger in self.config.chargers]
        self._connectors = [(name, number) for name, size in sizes for number in range(1, size + 1)]
        if (count := len(self._connectors)) > MAX_DRAWN_CONNECTORS:
            raise RemoteError(
                f"it has {count} connectors, and this page draws {MAX_DRAWN_CONNECTORS} at most"
            )
        self._take(client.run(partial(self._read, None)))

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
        """Return all events, where they are not too many to be played again."""
        events, number = list[Event](), self.last.number
        if number > MAX_EVENTS:
            where = f"all are at {self._client.origin}/v1/events"
            raise BadValueError(
                f"its journal has {number:,} events, and this page loads {MAX_EVENTS:,} at most: {where}"
            )
        while (count := len(events)) < number:
            events += self._client.run(partial(read_events, count, min(count + PAGE, number)))
        waits = [event.arguments.get("seconds") for event in events if event.call == "advance"]
        if (days := sum(float(str(each)) for each in waits if is_finite(each)) / DAY_S) > MAX_DAYS:
            raise BadValueError(f"its journal lasts {days:,.0f} days, and this page plays {MAX_DAYS} at most")
        return events

    def poll(self) -> None:
        """Read the station again; what takes longer than a moment is taken over by a later poll."""
        self._job = self._job or self._client.start(partial(self._read, self.last))
        if wait([self._job], WAIT_S).done:
            job, self._job = self._job, None
            try:
                self._take(job.result())
            except ElectraError as error:
                since = time.strftime("%H:%M:%S", time.localtime(self._heard_unix_s))
                self.fault = f"stale: no answer since {since} ({one_line(error)}); the page asks again"

    def _take(self, update: Update | None) -> None:
        self.fault, self._heard_unix_s = "", time.time()
        if update is not None:
            self.last = update
            self.updates.append(update)

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
        events = await read_events(max(since, int(number) - RECENT_EVENTS), int(number), ask)
        clock = (await ask("clock")).read(Clock)
        return Update(status, clock, answer.tag, int(number), events, begins)

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


async def read_events(since: int, until: int, ask: Ask) -> list[Event]:
    """Return the events after a number, up to another one."""
    if since == until:
        return []
    found = (await ask(f"events?since={since}&most={until - since}")).read(list[NumberedEvent])
    if [each.number for each in found] != list(range(since + 1, until + 1)):
        raise RemoteError("its journal has gaps")
    return [Event(at_s=each.at_s, call=each.call, arguments=each.arguments) for each in found]
