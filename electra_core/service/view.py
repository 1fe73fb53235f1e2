"""The view of a live station: one decision for all readers, with the event that led to it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property

from fastapi.sse import ServerSentEvent

from electra_core.station import (
    Decision,
    Event,
    Explanation,
    Station,
    StationConfig,
    StationStatus,
    read_status,
)


@dataclass(frozen=True)
class View:
    """The decision that readers see: they never wait, and all that they read is of one time.

    Attributes
    ----------
    config : configuration of the station
    number : number of the last event
    decision : the decision in force: what the event led to, and the time that has passed since
    recent : the last events with their numbers
    start : random text of this process, so that a tag of another one, with another past, differs
    """

    config: StationConfig
    number: int
    decision: Decision
    recent: tuple[tuple[int, Event], ...] = ()
    start: str = ""

    @cached_property
    def status(self) -> StationStatus:
        """The status of the station."""
        return read_status(self.config, self.decision)

    @cached_property
    def status_json(self) -> bytes:
        """The status as it is sent: written once for all readers."""
        return self.status.model_dump_json().encode()

    @cached_property
    def sse_message(self) -> ServerSentEvent:
        """The allocation as the stream sends it."""
        allocation = self.decision.allocation
        data = {
            "number": self.number,
            "now_s": self.decision.state.now_s,
            "grid_kw": allocation.grid_kw,
            "battery_kw": allocation.battery_kw,
            "offered_kw": dict(allocation.offered_kw),
            "limited_by": {name: str(limit) for name, limit in allocation.limited_by.items()},
        }
        return ServerSentEvent(raw_data=json.dumps(data), event="allocation", id=str(self.number))

    @property
    def etag(self) -> str:
        """The tag of the status: it changes with every event, as time passes, and with every start."""
        return f'"{self.number}-{self.decision.state.now_s}-{self.start}"'

    def explain(self, session_id: str) -> Explanation:
        """Return why a session gets what it gets."""
        return Station.from_decision(self.config, self.decision).explain(session_id)
