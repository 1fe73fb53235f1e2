"""The traffic of a day at a live station: cars that come and leave by themselves."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from electra_core.dashboard.station_page.labels import arrives, label, leaves
from electra_core.sessions import (
    ABSENT,
    Arrival,
    ArrivalQueue,
    ConnectorUse,
    QueuedArrival,
    QueuePosition,
    arrival_queue,
)
from electra_core.station import ConnectorId, Station, StationConfig, decisions

# No decision is looked for further ahead, s.
LOOK_AHEAD_S = 3600.0


class Traffic:
    """The arrivals of a day at a station: they come, wait for a connector, give up and leave.

    The rule is that of a simulation, `electra_core.sessions.arrival_queue`.

    Parameters
    ----------
    arrivals : drivers, in any order
    config : the station that they come to; None: there are none
    """

    def __init__(self, arrivals: Iterable[Arrival] = (), config: StationConfig | None = None) -> None:
        self._arrivals = sorted(arrivals, key=lambda arrival: arrival.arrival_s)
        self._connector_ids = list(config.connectors if config else ())
        self._charger_ids = list(config.charger_kw if config else ())
        queued = [self._queued(arrival) for arrival in self._arrivals]
        self._queue = ArrivalQueue(queued, [ABSENT] * len(queued), QueuePosition(0, 0))
        # Arrivals that are plugged in, by session, in the order of plugging in. A visitor of the page may
        # send such a car away: then the session is not there any more.
        self._present: dict[str, int] = {}

    def _queued(self, arrival: Arrival) -> QueuedArrival:
        charger_id, number = arrival.charger_id, arrival.connector
        charger = ABSENT if charger_id is None else self._charger_ids.index(charger_id)
        connector = ABSENT
        if charger_id is not None and number is not None:
            connector = self._connector_ids.index((charger_id, number))
        return QueuedArrival(
            arrival_s=arrival.arrival_s,
            departure_s=arrival.departure_s,
            patience_s=arrival.patience_s,
            charger=charger,
            connector=connector,
        )

    @property
    def over(self) -> bool:
        """Return whether all have left or have given up."""
        return arrival_queue.is_over(self._queue) and not self._present

    def next_s(self, station: Station) -> float:
        """Return when the next driver may come, give up or leave, s; infinite where none does."""
        cars = [car for car in self._uses(station) if car.arrival >= 0]
        soon_s = min([arrival_queue.next_queue_s(self._queue), *map(arrival_queue.leaves_s, cars)])
        if any(car.departs_s == math.inf for car in cars):
            # It leaves when it is done, and no decision holds longer than until then.
            end_s = min(soon_s, station.now_s + LOOK_AHEAD_S)
            for decision in decisions(station.config, station.decision, end_s):
                soon_s = min(soon_s, decision.state.now_s)
                break
        return max(soon_s, math.nextafter(station.now_s, math.inf))

    def play(self, station: Station) -> Iterator[str]:
        """Let all happen that is due at the station's time; yield a sentence for each event.

        This goes on until nothing happens any more: a car that comes full leaves at once and makes room.
        """
        while events := list(self._play_once(station)):
            yield from filter(None, events)

    def _play_once(self, station: Station) -> Iterator[str]:
        while (connector := arrival_queue.next_to_leave(self._uses(station), station.now_s)) != ABSENT:
            session = station.unplug(*self._connector_ids[connector])
            del self._present[session.session_id]
            yield leaves(session)
        while True:
            action, index, connector = arrival_queue.next_to_act(
                self._queue, self._uses(station), station.now_s
            )
            if action == arrival_queue.NOTHING:
                return
            arrival = self._arrivals[index]
            if action == arrival_queue.PLUGS_IN:
                yield self._plug_in(station, index, self._connector_ids[connector])
            elif action == arrival_queue.GIVES_UP:
                yield self._gives_up(arrival, station.now_s)
            elif arrival_queue.gives_up_s(self._queue.arrivals[index]) > station.now_s:
                yield f"{arrival.vehicle.name} waits for a connector"

    def _plug_in(self, station: Station, index: int, connector_id: ConnectorId) -> str:
        arrival = self._arrivals[index]
        session_id = station.plug_in(
            *connector_id,
            arrival.vehicle,
            arrival_soc=arrival.arrival_soc,
            target_soc=arrival.target_soc,
            departs_s=max(arrival.departure_s, station.now_s) if arrival.departure_s < math.inf else None,
            priority=arrival.priority,
            weight=arrival.weight,
        )
        self._present[session_id] = index
        return arrives(arrival.vehicle, connector_id, arrival.arrival_soc)

    def _gives_up(self, arrival: Arrival, now_s: float) -> str:
        if arrival.departure_s < now_s:
            return ""  # the stay had ended when the day was begun
        if arrival.arrival_s < now_s:
            return f"{arrival.vehicle.name} gives up waiting and drives on"
        charger_id, connector = arrival.charger_id, arrival.connector
        if charger_id is None:
            taken = "all"
        else:
            taken = charger_id if connector is None else label((charger_id, connector))
        return f"{arrival.vehicle.name} finds {taken} taken and drives on"

    def _uses(self, station: Station) -> list[ConnectorUse]:
        """Return the connectors as the rule of arrivals reads them."""
        state = station.decision.state
        ids = {session.session_id for session in state.sessions.values()}
        self._present = {name: index for name, index in self._present.items() if name in ids}
        order = {name: number for number, name in enumerate(self._present)}
        uses = []
        for connector_id in self._connector_ids:
            session = state.sessions.get(connector_id)
            name = "" if session is None else session.session_id
            free = session is None and state.is_available(connector_id)
            arrival = self._present.get(name, ABSENT if free else arrival_queue.OTHER)
            remaining_kwh = None if session is None else session.remaining_kwh
            uses.append(
                ConnectorUse(
                    departs_s=self._arrivals[arrival].departure_s if arrival >= 0 else math.inf,
                    remaining_kwh=math.inf if remaining_kwh is None else remaining_kwh,
                    charger=self._charger_ids.index(connector_id[0]),
                    arrival=arrival,
                    number=order.get(name, ABSENT),
                )
            )
        return uses
