"""Play the arrivals of a day at a live station."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from electra_core.dashboard.station_page.labels import arrives, free_connectors, label, leaves
from electra_core.sessions import Day
from electra_core.station import ConnectorId, Station, Vehicle


@dataclass(frozen=True, slots=True)
class Guest:
    """A driver who comes by himself.

    ``charger_id`` and ``connector``: where; None: the first one that is free. ``departure_s`` infinite:
    leaves when done. ``patience_s``: how long he waits for a connector.
    """

    name: str
    vehicle: Vehicle
    arrival_s: float
    departure_s: float
    arrival_soc: float
    target_soc: float
    charger_id: str | None = None
    connector: int | None = None
    patience_s: float = 0.0
    priority: float = 0.0
    weight: float = 1.0


def guests_of_day(day: Day) -> tuple[Guest, ...]:
    """The cars of a shipped day; whoever finds his connector taken drives on."""
    return tuple(
        Guest(
            name=visit.name,
            vehicle=visit.vehicle,
            arrival_s=visit.arrival_s,
            departure_s=visit.departure_s,
            arrival_soc=visit.arrival_soc,
            target_soc=visit.target_soc,
            charger_id=visit.charger_id,
            connector=visit.connector,
        )
        for visit in day.arrivals
    )


class Script:
    """The guests of a day: it lets them come, wait, and leave."""

    def __init__(self, guests: Iterable[Guest]) -> None:
        guests = sorted(guests, key=lambda guest: guest.arrival_s)
        self._coming = deque(guests)
        self._leaving = deque(
            sorted(
                (guest for guest in guests if guest.departure_s < math.inf),
                key=lambda guest: guest.departure_s,
            )
        )
        self._waiting: list[Guest] = []
        # Session and place of who is here. Somebody may send a guest away: then the place is another car's.
        self._here: dict[str, tuple[Guest, ConnectorId, str]] = {}

    @property
    def next_s(self) -> float:
        """When the next guest comes or leaves; infinite where none does."""
        coming_s = self._coming[0].arrival_s if self._coming else math.inf
        leaving_s = self._leaving[0].departure_s if self._leaving else math.inf
        return min(coming_s, leaving_s)

    @property
    def over(self) -> bool:
        """Everybody has left, or will not be heard of again."""
        return not (self._coming or self._leaving or self._waiting or self._here)

    def play(self, station: Station) -> Iterator[str]:
        """Let come and leave who is due at the station's time; says so, a sentence each.

        Goes on until nothing happens any more: a car that comes full leaves at once and makes room.
        """
        while said := list(self._play_once(station)):
            yield from said

    def _play_once(self, station: Station) -> Iterator[str]:
        now_s = station.now_s
        # Who leaves makes room before others come.
        while self._leaving and self._leaving[0].departure_s <= now_s:
            yield from self._leave(station, self._leaving.popleft())
        yield from self._leave_when_done(station)
        yield from self._serve_queue(station)
        while self._coming and self._coming[0].arrival_s <= now_s:
            guest = self._coming.popleft()
            if guest.departure_s > now_s:
                yield from self._come(station, guest)

    def _come(self, station: Station, guest: Guest) -> Iterator[str]:
        place = _free_place(station, guest)
        if place is not None:
            yield self._plug_in(station, guest, place)
        elif guest.patience_s > 0.0:
            self._waiting.append(guest)
            yield f"{guest.vehicle.name} waits for a connector"
        else:
            where = "all" if guest.charger_id is None else label((guest.charger_id, guest.connector or 0))
            yield f"{guest.vehicle.name} finds {where} taken and drives on"

    def _plug_in(self, station: Station, guest: Guest, place: ConnectorId) -> str:
        session_id = station.plug_in(
            *place,
            guest.vehicle,
            arrival_soc=guest.arrival_soc,
            target_soc=guest.target_soc,
            departs_s=guest.departure_s if guest.departure_s < math.inf else None,
            priority=guest.priority,
            weight=guest.weight,
        )
        self._here[guest.name] = (guest, place, session_id)
        return arrives(guest.vehicle, place, guest.arrival_soc)

    def _serve_queue(self, station: Station) -> Iterator[str]:
        for guest in list(self._waiting):
            place = _free_place(station, guest)
            if place is not None:
                self._waiting.remove(guest)
                yield self._plug_in(station, guest, place)
            elif station.now_s > guest.arrival_s + guest.patience_s:
                self._waiting.remove(guest)
                yield f"{guest.vehicle.name} gives up waiting and drives on"

    def _leave_when_done(self, station: Station) -> Iterator[str]:
        for guest, place, session_id in list(self._here.values()):
            session = station.state.sessions.get(place)
            if session is None or session.session_id != session_id:
                del self._here[guest.name]
            elif guest.departure_s == math.inf and session.remaining_kwh == 0.0:
                yield from self._leave(station, guest)

    def _leave(self, station: Station, guest: Guest) -> Iterator[str]:
        if guest in self._waiting:
            self._waiting.remove(guest)
            yield f"{guest.vehicle.name} gives up waiting and drives on"
        if guest.name not in self._here:
            return
        _, place, session_id = self._here.pop(guest.name)
        session = station.state.sessions.get(place)
        if session is not None and session.session_id == session_id:
            yield leaves(station.unplug(*place))


def _free_place(station: Station, guest: Guest) -> ConnectorId | None:
    wanted = (
        place
        for place in free_connectors(station)
        if guest.charger_id in (None, place[0]) and guest.connector in (None, place[1])
    )
    return next(wanted, None)
