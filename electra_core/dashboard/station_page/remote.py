"""The page of a served station: what happens there shows, and the page's commands are done there."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, cast

from electra_core.allocation import BATTERY
from electra_core.dashboard.station_page.exports import exported
from electra_core.dashboard.station_page.history import SAMPLE_S, sample_of
from electra_core.dashboard.station_page.labels import NAMELESS, arrives, label
from electra_core.dashboard.station_page.playback import Playback, SetPoints
from electra_core.dashboard.station_page.record import RecordedStation
from electra_core.dashboard.station_page.remote_client import RemoteClient, allowed_origin, one_line
from electra_core.dashboard.station_page.remote_station import DAY_S, RemoteStation
from electra_core.dashboard.station_page.traffic import Traffic
from electra_core.errors import BadValueError, ElectraError, is_finite
from electra_core.station import BATTERY_ID, FAIL_SAFE, WHOLE_CHARGER, ConnectorId, Event, Vehicle


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

    def __init__(
        self,
        address: str,
        say: Callable[[str, float], None],
        connect: Callable[[str, str], RemoteClient] = RemoteClient,
    ) -> None:
        self.address = allowed_origin(address)
        try:
            token = os.environ.get("ELECTRA_TOKEN", "").strip()
            self.remote = RemoteStation(connect(self.address, token))
        except ElectraError as error:
            raise BadValueError(f"no station can be shown from {self.address}: {one_line(error)}") from None
        # In the place of a station of this kernel: the page reads its status, and gives it its commands.
        super().__init__(
            cast(Any, self.remote),
            Traffic((), self.remote.config),
            lambda words: say(words, self.time_of_day_s),
        )
        self._say_at = say
        self._tell()

    @property
    def notice(self) -> str:
        """The reason why the page, or the station's clock, is not up to date; empty: they are."""
        return self.remote.fault or one_line(self.remote.last.clock.notice or "")

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
        """The time of day, s, when its clock showed 0; after a change to summer time, one that fits now."""
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
        station = RecordedStation.replay(self.remote.config, self.remote.journal())
        return exported(kind, cast(RecordedStation, station))

    def poll(self) -> None:
        """Take over what has happened there."""
        self.remote.poll()
        self._tell()

    def _tell(self) -> None:
        updates, self.remote.updates = self.remote.updates, []
        for update in updates:
            if update.begins:
                self.history.clear()
            cars = {(charger, number): car.vehicle for charger, number, car in self.status.sessions}
            for event in update.events:
                with suppress(ElectraError):  # of another version of this program
                    if words := _words(event, cars):
                        self._say_at(one_line(words), self.clock_zero_s + event.at_s)

    def sample(self) -> None:
        """Take a sample; of one minute the last stays, so that the charts reach back for hours."""
        self._tell()
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
    said: dict[str, Any] = dict(event.arguments)
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
