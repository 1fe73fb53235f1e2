"""Drawn is not offered: what a car clearly does not take is freed, and comes back step by step.

A car that takes less than its offer by more than the margin, for as long as the configuration says, keeps
what it takes and the margin: the rest is free for others at once. A car that takes that little constantly
stands one margin below its ceiling, which is neither clearly less nor at the ceiling, so nothing moves any
more; nor does it while its readings differ by less than half a margin. When it draws up to its ceiling
(within half a margin) the ceiling rises by a tenth of what car and connector allow, and again after each
interval, until the car no longer follows or nothing is held back.
"""

from __future__ import annotations

import math
from dataclasses import replace

from electra_core.allocation import Allocation, Snapshot
from electra_core.station.config import StationConfig
from electra_core.station.demand import least_kw, natural_kw
from electra_core.station.state import Meter, Session, State

# Part of a car's own maximum that comes back at a time, and the shortest time between two steps, s.
RISE = 0.1
SHORTEST_S = 1.0

# Differences of powers that rounding makes.
ROUNDING = 1e-9


def reported(config: StationConfig, state: State, session: Session, offered_kw: float, kw: float) -> Session:
    """The session after its meter said ``kw``."""
    meter = session.meter
    if offered_kw - kw > 0.5 * config.reclaim_margin_kw:
        # `watched` starts the clock where this is clearly less.
        return replace(session, meter=replace(meter, drawn_kw=kw, rises_at_s=None))
    meter = replace(meter, drawn_kw=None, low_since_s=None)
    at_ceiling = meter.ceiling_kw is not None and offered_kw >= meter.ceiling_kw * (1.0 - ROUNDING)
    if at_ceiling and meter.rises_at_s is None:
        meter = replace(meter, rises_at_s=state.now_s)
    return replace(session, meter=meter)


def due(config: StationConfig, state: State) -> State:
    """Ceilings fall to what cars take, or rise by a step."""
    changed = {
        place: replace(session, meter=_moved(config, session, state.now_s))
        for place, session in state.sessions.items()
        if _due_s(config, session.meter) <= state.now_s
    }
    return replace(state, sessions={**state.sessions, **changed}) if changed else state


def _moved(config: StationConfig, session: Session, now_s: float) -> Meter:
    meter = session.meter
    highest_kw = natural_kw(config, session, session.soc)[0]
    if meter.drawn_kw is not None and meter.low_since_s is not None:
        kept_kw = _kept_kw(config, session, meter.drawn_kw)
        return replace(meter, ceiling_kw=kept_kw, low_since_s=None, rises_at_s=None)
    risen_kw = (meter.ceiling_kw or 0.0) + max(config.reclaim_margin_kw, RISE * highest_kw)
    if risen_kw >= highest_kw:
        return replace(meter, ceiling_kw=None, rises_at_s=None)
    return replace(meter, ceiling_kw=risen_kw, rises_at_s=now_s + max(SHORTEST_S, config.reclaim_after_s))


def _kept_kw(config: StationConfig, session: Session, drawn_kw: float) -> float:
    """What is left to a car that takes ``drawn_kw``: room to show that it wants more, and its minimum."""
    return max(drawn_kw + config.reclaim_margin_kw, least_kw(config, session))


def watched(config: StationConfig, state: State, snapshot: Snapshot, allocation: Allocation) -> State:
    """The clock of a car that takes clearly less than it is offered runs; no other does."""
    changed = {}
    for place, session in state.sessions.items():
        drawn_kw, since_s = session.meter.drawn_kw, session.meter.low_since_s
        if drawn_kw is None:
            continue
        kept_kw = _kept_kw(config, session, drawn_kw)
        if session.meter.ceiling_kw is not None:
            # A ceiling stands one margin above a reading: noise of half a margin must not lower it.
            kept_kw += 0.5 * config.reclaim_margin_kw
        low = allocation.offered_kw[session.session_id] > kept_kw * (1.0 + ROUNDING)
        if low != (since_s is not None):
            meter = replace(session.meter, low_since_s=state.now_s if low else None)
            changed[place] = replace(session, meter=meter)
    return replace(state, sessions={**state.sessions, **changed}) if changed else state


def next_s(config: StationConfig, state: State) -> float:
    """When the next ceiling moves."""
    return min((_due_s(config, session.meter) for session in state.sessions.values()), default=math.inf)


def _due_s(config: StationConfig, meter: Meter) -> float:
    if meter.low_since_s is not None:
        return meter.low_since_s + config.reclaim_after_s
    return math.inf if meter.rises_at_s is None else meter.rises_at_s
