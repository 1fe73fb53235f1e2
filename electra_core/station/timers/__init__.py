"""Timers: what a station does by itself as time passes. Each timer has the same three functions.

``due(config, state)``
    Return the state after everything that has fallen due by now, before a decision.
``watched(config, state, snapshot, allocation)``
    Return the state with clocks started and stopped by a decision; the lease of readings needs none.
``next_s(config, state)``
    Return when something falls due next, s on the station's clock; infinite for never.
"""

from __future__ import annotations

from electra_core.allocation import Allocation, Snapshot
from electra_core.station.config import StationConfig
from electra_core.station.state import State
from electra_core.station.timers import lease, modules, reclaim, rotation


def due(config: StationConfig, state: State) -> State:
    """Return the state after everything that has fallen due by now."""
    state = rotation.due(config, lease.due(config, state))
    return modules.due(config, reclaim.due(config, state))


def watched(config: StationConfig, state: State, snapshot: Snapshot, allocation: Allocation) -> State:
    """Return the state with clocks started and stopped by a decision."""
    state = rotation.watched(config, state, allocation)
    return modules.watched(config, reclaim.watched(config, state, allocation), snapshot, allocation)


def next_s(config: StationConfig, state: State) -> float:
    """Return when anything falls due next."""
    later_s = min(reclaim.next_s(config, state), modules.next_s(config, state))
    return min(lease.next_s(config, state), rotation.next_s(config, state), later_s)
