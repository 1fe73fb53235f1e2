"""Power modules change hands only for a gain that lasts.

While the same sessions want modules of a charger, each keeps its own, and free ones go to sessions that can
use them. A better assignment must be known for the charger's ``module_hold_s`` before it is made. When a
car arrives, leaves, is done, suspended or back, the modules of its charger are assigned afresh at once.
"""

from __future__ import annotations

import math
from dataclasses import replace

from electra_core.allocation import Allocation, Snapshot
from electra_core.station.config import StationConfig
from electra_core.station.demand import module_claims
from electra_core.station.state import State


def due(config: StationConfig, state: State) -> State:
    """Return the state without the claims at chargers whose better assignment has lasted."""
    better = state.better_since_s
    over = {name for name, since_s in better.items() if state.now_s >= since_s + config.module_hold[name]}
    if not over:
        return state
    claims = {name: ids for name, ids in state.module_claims.items() if name not in over}
    better = {name: since_s for name, since_s in better.items() if name not in over}
    return replace(state, module_claims=claims, better_since_s=better)


def watched(config: StationConfig, state: State, snapshot: Snapshot, allocation: Allocation) -> State:
    """Return the state with each session's modules, and since when a fresh assignment would be better."""
    if not config.module_kw:
        return state
    counts = ((each, allocation.modules.get(each.session_id, 0)) for each in state.sessions.values())
    changed = [replace(session, modules=count) for session, count in counts if count != session.modules]
    wanting = ((each.charger_id, each.session_id) for each in snapshot.demands if each.max_kw > 0.0)
    since_s = {name: state.better_since_s.get(name, state.now_s) for name in allocation.better_modules}
    claims = module_claims(config, wanting)
    return replace(state.with_sessions(changed), module_claims=claims, better_since_s=since_s)


def next_s(config: StationConfig, state: State) -> float:
    """Return when the next module may change hands."""
    ends_s = (since_s + config.module_hold[name] for name, since_s in state.better_since_s.items())
    return min(ends_s, default=math.inf)
