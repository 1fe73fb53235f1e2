"""The rotation: sessions take turns when not all of them can have their least useful power.

A session joins the queue when it arrives. One that has charged for a whole rotation while others wait goes
to the end of the queue; several keep their order. The first of the queue is always admitted, and is no
longer the first after one rotation; so a session with n others before it waits n rotations at most.
"""

from __future__ import annotations

import math
from dataclasses import replace

from electra_core.allocation import Allocation, Limit, Snapshot
from electra_core.station.config import StationConfig
from electra_core.station.state import Rotation, Session, State


def due(config: StationConfig, state: State) -> State:
    """Return the state with sessions whose turn is over at the end of the queue.

    Modules of their chargers are assigned afresh.
    """
    rotation_s = config.rotation_s
    if rotation_s is None:
        return state
    over = [each for each in state.sessions.values() if state.now_s >= _over_s(each.rotation, rotation_s)]
    if not over:
        return state
    over.sort(key=lambda session: session.rotation.queue_position)
    chargers = {session.charger_id for session in over}
    return replace(
        state.with_sessions(
            replace(session, rotation=Rotation(position))
            for position, session in enumerate(over, start=state.queue_positions_so_far + 1)
        ),
        queue_positions_so_far=state.queue_positions_so_far + len(over),
        module_claims={name: ids for name, ids in state.module_claims.items() if name not in chargers},
    )


def watched(config: StationConfig, state: State, snapshot: Snapshot, allocation: Allocation) -> State:
    """Return the state in which the turn of each admitted session counts while others wait."""
    if config.rotation_s is None:
        return state
    waiting = {
        session_id
        for session_id in allocation.waiting
        if allocation.limited_by[session_id] in (Limit.MINIMUM, Limit.MODULE)
    }
    # An admitted session has its turn, even if the strategy gives the site's power to others.
    admitted = {
        name
        for name, limit in (allocation.limited_by.items() if waiting else ())
        if name not in waiting and limit not in (Limit.FAULT, Limit.FINISHED)
    }
    changed = []
    for session in state.sessions.values():
        counts = session.session_id in admitted
        if counts != (session.rotation.charging_since_s is not None):
            changed.append(_switched(session, state.now_s, counts))
    return state.with_sessions(changed)


def _switched(session: Session, now_s: float, counts: bool) -> Session:
    turn = session.rotation
    # An interrupted turn goes on where it stopped: one that never ends would keep the others waiting.
    charged_s = turn.charged_s + (0.0 if turn.charging_since_s is None else now_s - turn.charging_since_s)
    since_s = now_s if counts else None
    return replace(session, rotation=replace(turn, charged_s=charged_s, charging_since_s=since_s))


def next_s(config: StationConfig, state: State) -> float:
    """Return when the next turn is over."""
    rotation_s = config.rotation_s
    if rotation_s is None:
        return math.inf
    overs_s = (_over_s(session.rotation, rotation_s) for session in state.sessions.values())
    return min(overs_s, default=math.inf)


def _over_s(turn: Rotation, rotation_s: float) -> float:
    """Return when a turn is over; infinite while it does not count."""
    since_s = turn.charging_since_s
    return math.inf if since_s is None else since_s + max(0.0, rotation_s - turn.charged_s)
