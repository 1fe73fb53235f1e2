"""The rotation: sessions take turns when not all of them can have their least useful power.

A session joins the queue when it arrives. One that has charged for a whole rotation while others wait goes
to the end of the queue; several keep their order. The first of the queue is always admitted, and is no
longer the first after one rotation; so a session with n others before it waits n rotations at most.
"""

from __future__ import annotations

import math
from dataclasses import replace

from electra_core.allocation import Allocation, Limit
from electra_core.station.config import StationConfig
from electra_core.station.state import Rotation, State


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


def watched(config: StationConfig, state: State, allocation: Allocation) -> State:
    """Return the state in which the turn of each admitted session counts while others wait."""
    if config.rotation_s is None:
        return state
    limits = allocation.limited_by
    waiting = {name for name in allocation.waiting if limits[name] in (Limit.MINIMUM, Limit.MODULE)}
    # An admitted session has its turn, even if the strategy gives the site's power to others.
    out = {name for name, limit in limits.items() if limit in (Limit.FAULT, Limit.FINISHED)}
    admitted = limits.keys() - waiting - out if waiting else set()
    changed = []
    for session in state.sessions.values():
        counts = session.session_id in admitted
        if counts != (session.rotation.charging_since_s is not None):
            turn, since_s = session.rotation, session.rotation.charging_since_s
            # An interrupted turn goes on where it stopped: one that never ends would keep the others waiting.
            charged_s = turn.charged_s + (0.0 if since_s is None else state.now_s - since_s)
            turn = Rotation(turn.queue_position, charged_s, state.now_s if counts else None)
            changed.append(replace(session, rotation=turn))
    return state.with_sessions(changed)


def next_s(config: StationConfig, state: State) -> float:
    """Return when the next turn is over."""
    rotation_s = math.inf if config.rotation_s is None else config.rotation_s
    overs_s = (_over_s(session.rotation, rotation_s) for session in state.sessions.values())
    return min(overs_s, default=math.inf)


def _over_s(turn: Rotation, rotation_s: float) -> float:
    """Return when a turn is over; infinite while it does not count."""
    since_s = turn.charging_since_s
    return math.inf if since_s is None else since_s + max(0.0, rotation_s - turn.charged_s)
