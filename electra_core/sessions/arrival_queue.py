"""The rule of arrivals: how drivers come, wait for a connector, give up and leave.

Plain functions over records of numbers: a simulation compiles them for arrays of records, the page that plays
a day calls them with lists of the same objects.

At one moment cars leave first; then drivers give up whose patience is over; then those who wait are served
in the order of their arrival, each at the first free connector that it can use; then others arrive.
"""

from __future__ import annotations

import math
from collections.abc import MutableSequence, Sequence
from dataclasses import dataclass
from typing import NamedTuple

# Index of the arrival at a free connector; and at one that is out of service, or taken by a car that is none
# of the arrivals.
ABSENT, OTHER = -1, -2

# What an arrival does next.
NOTHING, PLUGS_IN, WAITS, GIVES_UP = range(4)


@dataclass(kw_only=True)
class QueuedArrival:
    """A driver who will come: when, s, and to which charger and connector, by index; `ABSENT`: to any."""

    arrival_s: float
    departure_s: float
    patience_s: float
    charger: int
    connector: int


@dataclass(kw_only=True)
class ConnectorUse:
    """A connector, the arrival that is plugged in there, and its number in the order of plugging in."""

    departs_s: float
    remaining_kwh: float
    charger: int
    arrival: int
    number: int


@dataclass
class QueuePosition:
    """The next arrival, by index, and the number of drivers that wait."""

    next_arrival: int
    waiting: int


class ArrivalQueue(NamedTuple):
    """Arrivals in order, and the indices of those that wait, in order, in an array as long."""

    arrivals: Sequence[QueuedArrival]
    waiting: MutableSequence[int]
    position: QueuePosition


def leaves_s(car: ConnectorUse) -> float:
    """Return when a car leaves, s; at once where it is done and has no departure."""
    return -math.inf if car.departs_s == math.inf and car.remaining_kwh == 0.0 else car.departs_s


def gives_up_s(arrival: QueuedArrival) -> float:
    """Return when a driver who waits gives up, s."""
    return min(arrival.arrival_s + arrival.patience_s, arrival.departure_s)


def next_queue_s(queue: ArrivalQueue) -> float:
    """Return when the next driver arrives or gives up, s; infinite where there is none."""
    arrivals, waiting, position = queue.arrivals, queue.waiting, queue.position
    soon_s = math.inf
    if position.next_arrival < len(arrivals):
        soon_s = arrivals[position.next_arrival].arrival_s
    for place in range(position.waiting):
        soon_s = min(soon_s, gives_up_s(arrivals[waiting[place]]))
    return soon_s


def is_over(queue: ArrivalQueue) -> bool:
    """Return whether all have arrived and none waits."""
    return queue.position.waiting == 0 and queue.position.next_arrival == len(queue.arrivals)


def next_to_leave(connectors: Sequence[ConnectorUse], now_s: float) -> int:
    """Return the connector of the car that leaves next at this moment, by index; `ABSENT` where none does."""
    leaving = ABSENT
    for connector in range(len(connectors)):
        car = connectors[connector]
        goes = car.arrival >= 0 and leaves_s(car) <= now_s
        if goes and (leaving == ABSENT or car.number < connectors[leaving].number):
            leaving = connector
    return leaving


def next_to_give_up(queue: ArrivalQueue, now_s: float) -> int:
    """Take the next driver whose patience, or time, is over out of the queue; `ABSENT` where none is."""
    for place in range(queue.position.waiting):
        arrival = queue.waiting[place]
        if gives_up_s(queue.arrivals[arrival]) <= now_s:
            stop_waiting(queue, place)
            return arrival
    return ABSENT


def next_to_act(
    queue: ArrivalQueue, connectors: Sequence[ConnectorUse], now_s: float
) -> tuple[int, int, int]:
    """Let the next driver that can do something at this moment do it, after all that leave have left.

    Returns
    -------
    tuple
        What it does (`NOTHING`, `PLUGS_IN`, `WAITS` or `GIVES_UP`), its index, and that of its connector. The
        caller plugs it in before it asks for the next one.
    """
    arrivals, position = queue.arrivals, queue.position
    arrival = next_to_give_up(queue, now_s)
    if arrival != ABSENT:
        return GIVES_UP, arrival, ABSENT
    for place in range(position.waiting):
        arrival = queue.waiting[place]
        connector = free_connector(connectors, arrivals[arrival])
        if connector != ABSENT:
            stop_waiting(queue, place)
            return PLUGS_IN, arrival, connector
    arrival = position.next_arrival
    if arrival == len(arrivals) or arrivals[arrival].arrival_s > now_s:
        return NOTHING, ABSENT, ABSENT
    position.next_arrival += 1
    if arrivals[arrival].departure_s < now_s:  # a day that is begun later than this stay has ended
        return GIVES_UP, arrival, ABSENT
    connector = free_connector(connectors, arrivals[arrival])
    if connector != ABSENT:
        return PLUGS_IN, arrival, connector
    queue.waiting[position.waiting] = arrival
    position.waiting += 1
    return WAITS, arrival, ABSENT


def stop_waiting(queue: ArrivalQueue, place: int) -> None:
    """Take a driver out of the queue."""
    for after in range(place, queue.position.waiting - 1):
        queue.waiting[after] = queue.waiting[after + 1]
    queue.position.waiting -= 1


def free_connector(connectors: Sequence[ConnectorUse], arrival: QueuedArrival) -> int:
    """Return the first free connector that an arrival can use, by index; `ABSENT` where there is none."""
    if arrival.connector != ABSENT:
        return arrival.connector if connectors[arrival.connector].arrival == ABSENT else ABSENT
    for connector in range(len(connectors)):
        car = connectors[connector]
        if car.arrival == ABSENT and arrival.charger in (ABSENT, car.charger):
            return connector
    return ABSENT
