"""The page's record of a station: what repeats is kept once, with a count.

While the page's clock runs, each tick renews the readings of the grid's meter and advances the time: three
events that differ in nothing but their time. Kept one by one they would grow by 177 MB a day.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from electra_core.allocation import Strategy
from electra_core.station import Event, Session, Station, StationConfig

REPEATABLE = ("set_site_limit", "set_static_load", "advance")


@dataclass(slots=True)
class Run:
    """Events that happened several times, each repetition at the end of the one before.

    Attributes
    ----------
    events : the first repetition
    seconds : length of a repetition, s; 0 for events that cannot be folded
    end_s : when the next repetition would begin, s
    count : repetitions
    """

    events: tuple[Event, ...]
    seconds: float
    end_s: float
    count: int = 1

    def continues(self, events: tuple[Event, ...]) -> bool:
        """Tell if events are one more repetition of this run, to the last bit of their times."""
        return (
            self.seconds > 0.0
            and len(events) == len(self.events)
            and all(
                new.at_s == self.end_s and (new.call, new.arguments) == (old.call, old.arguments)
                for new, old in zip(events, self.events, strict=True)
            )
        )

    def __iter__(self) -> Iterator[Event]:
        yield from self.events
        at_s = self.events[0].at_s
        for _ in range(self.count - 1):
            at_s += self.seconds
            yield from (event.model_copy(update={"at_s": at_s}) for event in self.events)


class Record:
    """Events of a station, folded into runs; as a sequence it holds every event as it happened."""

    def __init__(self) -> None:
        self.runs: list[Run] = []

    def add(self, events: Iterable[Event]) -> None:
        """Append events; each advance ends a group that may repeat the group before."""
        group: list[Event] = []
        for event in events:
            group.append(event)
            if event.call == "advance":
                self._add_group(tuple(group))
                group = []
        if group:
            self._add_group(tuple(group))

    def _add_group(self, events: tuple[Event, ...]) -> None:
        if self.runs and self.runs[-1].continues(events):
            self.runs[-1].count += 1
            self.runs[-1].end_s += self.runs[-1].seconds
            return
        at_s, last = events[0].at_s, events[-1]
        foldable = all(event.call in REPEATABLE and event.at_s == at_s for event in events)
        seconds = float(str(last.arguments["seconds"])) if foldable and last.call == "advance" else 0.0
        self.runs.append(Run(events, seconds, at_s + seconds))

    def __len__(self) -> int:
        return sum(len(run.events) * run.count for run in self.runs)

    def __iter__(self) -> Iterator[Event]:
        for run in self.runs:
            yield from run

    def condensed(self) -> Iterator[Event]:
        """Yield the first repetition of each run, and the time of all others as one advance.

        At a station without a lease, where readings need no renewal, these lead to the same decisions but for
        the rounding of sums and the control interval of a car that moves along its curve.
        """
        for run in self.runs:
            yield from run.events
            if run.count > 1:
                at_s, seconds = run.events[0].at_s + run.seconds, run.seconds * (run.count - 1)
                yield Event(at_s=at_s, call="advance", arguments={"seconds": seconds})


class RecordedStation(Station):
    """A station whose record is folded, and that keeps the sessions that have ended.

    Replaying ``events`` leads to the same station, to the last bit.

    Attributes
    ----------
    record : what was folded so far
    ended : each session that has ended, and when, s
    """

    def __init__(self, config: StationConfig, strategy: str | Strategy = "max_min") -> None:
        self.record = Record()
        self.ended: list[tuple[Session, float]] = []
        super().__init__(config, strategy)

    @property
    def events(self) -> tuple[Event, ...]:
        """Every accepted call since the station began, as it happened."""
        return (*self.record, *super().events)

    def runs(self) -> Iterator[tuple[tuple[Event, ...], int]]:
        """Yield the record in runs: events, and how many times they happened."""
        yield from ((run.events, run.count) for run in self.record.runs)
        if rest := super().events:
            yield rest, 1

    def take_events(self) -> tuple[Event, ...]:
        """Return the record so far; here a new one begins."""
        self.fold()
        record, self.record = self.record, Record()
        return tuple(record)

    def fold(self) -> tuple[Event, ...]:
        """Move new events into the folded record, and return them."""
        events = super().take_events()
        self.record.add(events)
        return events

    def unplug(self, charger_id: str, connector: int) -> Session:
        """Let a car depart, and keep its session as it ended."""
        session = super().unplug(charger_id, connector)
        self.ended.append((session, self.now_s))
        return session
