"""The lease of readings: a site limit or a meter that falls silent holds only for a time."""

from __future__ import annotations

import math
from dataclasses import replace

from electra_core.station.config import StationConfig
from electra_core.station.state import State


def due(config: StationConfig, state: State) -> State:
    """Return the state with the readings that are silent now; one that came again is not."""
    lease_s = config.limit_lease_s
    if lease_s is None:
        return state
    silent = tuple(name for name, at_s in sorted(state.readings.items()) if state.now_s >= at_s + lease_s)
    return state if silent == state.silent else replace(state, silent=silent)


def next_s(config: StationConfig, state: State) -> float:
    """Return when the next reading falls silent."""
    lease_s = config.limit_lease_s
    if lease_s is None:
        return math.inf
    valid = (at_s for name, at_s in state.readings.items() if name not in state.silent)
    return min((at_s + lease_s for at_s in valid), default=math.inf)
