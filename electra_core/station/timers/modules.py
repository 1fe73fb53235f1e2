"""Power modules do not flap: one changes hands only for a gain that lasts.

While the same sessions want modules of a charger, each keeps what it has, and free ones go to whoever can
use them. A better assignment must be known for the charger's ``module_hold_s`` before it is made. When a
car arrives, leaves, is done, suspended or back, the modules of its charger are assigned anew at once.
"""

from __future__ import annotations

import math
from dataclasses import replace

from electra_core.allocation import Allocation, Snapshot
from electra_core.station.config import StationConfig
from electra_core.station.demand import module_claims
from electra_core.station.state import State


def due(config: StationConfig, state: State) -> State:
    """Where a better assignment has lasted, the old claims no longer hold."""
    over = {
        charger_id
        for charger_id, since_s in state.better_since_s.items()
        if state.now_s >= since_s + config.module_hold[charger_id]
    }
    if not over:
        return state
    return replace(
        state,
        module_claims={name: ids for name, ids in state.module_claims.items() if name not in over},
        better_since_s={name: at_s for name, at_s in state.better_since_s.items() if name not in over},
    )


def watched(config: StationConfig, state: State, snapshot: Snapshot, allocation: Allocation) -> State:
    """Who holds what now, and whether somebody would hold more if all were assigned anew."""
    if not config.module_kw:
        return state
    sessions = dict(state.sessions)
    for place, session in state.sessions.items():
        count = allocation.modules.get(session.session_id, 0)
        if count != session.modules:
            sessions[place] = replace(session, modules=count)
    since = {name: state.better_since_s.get(name, state.now_s) for name in allocation.better_modules}
    wanting = ((each.charger_id, each.session_id) for each in snapshot.demands if each.max_kw > 0.0)
    return replace(
        state,
        sessions=sessions,
        module_claims=module_claims(config, wanting),
        better_since_s=since,
    )


def next_s(config: StationConfig, state: State) -> float:
    """When the next module may change hands."""
    return min(
        (since_s + config.module_hold[name] for name, since_s in state.better_since_s.items()),
        default=math.inf,
    )
