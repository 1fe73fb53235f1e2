"""Timers: what a station does by itself as time passes. Each timer has the same three functions.

``due(config, state)``
    Return the state after everything that has fallen due by now, before a decision.
``watched(config, state, snapshot, allocation)``
    Return the state with clocks started and stopped by a decision.
``next_s(config, state)``
    Return when something falls due next, s on the station's clock; infinite for never.
"""

from __future__ import annotations

from typing import Protocol

from electra_core.allocation import Allocation, Snapshot
from electra_core.station.config import StationConfig
from electra_core.station.state import State
from electra_core.station.timers import lease, modules, reclaim, rotation


class Timer(Protocol):
    """The functions of a timer's module."""

    def due(self, config: StationConfig, state: State) -> State: ...

    def watched(
        self, config: StationConfig, state: State, snapshot: Snapshot, allocation: Allocation
    ) -> State: ...

    def next_s(self, config: StationConfig, state: State) -> float: ...


TIMERS: tuple[Timer, ...] = (lease, rotation, reclaim, modules)


def due(config: StationConfig, state: State) -> State:
    """Return the state after everything that has fallen due by now."""
    for timer in TIMERS:
        state = timer.due(config, state)
    return state


def watched(config: StationConfig, state: State, snapshot: Snapshot, allocation: Allocation) -> State:
    """Return the state with clocks started and stopped by a decision."""
    for timer in TIMERS:
        state = timer.watched(config, state, snapshot, allocation)
    return state


def next_s(config: StationConfig, state: State) -> float:
    """Return when anything falls due next."""
    return min(timer.next_s(config, state) for timer in TIMERS)
