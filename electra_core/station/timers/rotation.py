"""Where not all can have their least useful power, sessions take turns.

A session queues when it comes. Whoever has charged for a whole rotation while others wait goes to the end
of the queue, several in the order in which they stood. The first of the queue is always admitted, and is
not the first any more after one rotation; so a session with n others before it waits n rotations at most.
"""

from __future__ import annotations

import math
from dataclasses import replace

from electra_core.allocation import Allocation, Limit, Snapshot
from electra_core.station.config import StationConfig
from electra_core.station.state import Session, State, Turn


def due(config: StationConfig, state: State) -> State:
    """Whose turn is over goes to the end of the queue, and modules of its charger are assigned anew."""
    if config.rotation_s is None:
        return state
    over = [
        session
        for session in state.sessions.values()
        if state.now_s >= _over_s(session.turn, config.rotation_s)
    ]
    if not over:
        return state
    over.sort(key=lambda session: session.turn.queue_position)
    moved = {
        session.connector_id: replace(session, turn=Turn(place))
        for place, session in enumerate(over, start=state.queue_positions_so_far + 1)
    }
    chargers = {session.charger_id for session in over}
    claims = {name: ids for name, ids in state.module_claims.items() if name not in chargers}
    return replace(
        state,
        sessions={**state.sessions, **moved},
        queue_positions_so_far=state.queue_positions_so_far + len(over),
        module_claims=claims,
    )


def watched(config: StationConfig, state: State, snapshot: Snapshot, allocation: Allocation) -> State:
    """A turn counts from when the session is admitted and somebody waits to be."""
    if config.rotation_s is None:
        return state
    waiting = {
        session_id
        for session_id in allocation.waiting
        if allocation.limited_by[session_id] in (Limit.MINIMUM, Limit.MODULE)
    }
    if not waiting and all(session.turn.since_s is None for session in state.sessions.values()):
        return state
    # Who was admitted has its turn, even where the strategy gives the site's power to others.
    idle = {name for name, limit in allocation.limited_by.items() if limit in (Limit.FAULT, Limit.FINISHED)}
    without = waiting | idle
    sessions = {
        place: _counted(session, state.now_s, bool(waiting) and session.session_id not in without)
        for place, session in state.sessions.items()
    }
    return replace(state, sessions=sessions)


def _counted(session: Session, now_s: float, counts: bool) -> Session:
    turn = session.turn
    if counts == (turn.since_s is not None):
        return session
    # An interrupted turn goes on where it stopped: one that never ends would keep the others waiting.
    had_s = turn.had_s if turn.since_s is None else turn.had_s + (now_s - turn.since_s)
    return replace(session, turn=replace(turn, had_s=had_s, since_s=now_s if counts else None))


def next_s(config: StationConfig, state: State) -> float:
    """When the next turn is over."""
    rotation_s = config.rotation_s
    if rotation_s is None:
        return math.inf
    return min((_over_s(session.turn, rotation_s) for session in state.sessions.values()), default=math.inf)


def _over_s(turn: Turn, rotation_s: float) -> float:
    """When a turn is over; infinite while it does not count."""
    return math.inf if turn.since_s is None else turn.since_s + max(0.0, rotation_s - turn.had_s)
