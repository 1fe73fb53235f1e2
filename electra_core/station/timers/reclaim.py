"""Reclaimed power: what a car clearly does not draw is freed, and comes back step by step.

A car that draws less than its offer by more than the margin, for as long as the configuration says, keeps
what it draws and the margin: the rest is free for others at once. A car that draws that little constantly
stands one margin below its ceiling, which is neither clearly less nor at the ceiling, so nothing changes any
more; nor does it while its readings differ by less than half a margin. When it draws up to its ceiling
(within half a margin) the ceiling rises by a tenth of what car and connector allow, and again after each
interval, until the car no longer follows or nothing is held back.
"""

from __future__ import annotations

import math
from dataclasses import replace

from electra_core.allocation import Allocation
from electra_core.station.config import StationConfig
from electra_core.station.demand import max_kw_of, min_kw_of
from electra_core.station.state import DrawMeter, Session, State

# Share of a car's own maximum that comes back in one step, and the shortest time between two steps, s.
RISE = 0.1
MIN_STEP_S = 1.0

# Share of a power that rounding may take.
ROUNDING = 1e-9


def reported(config: StationConfig, state: State, session: Session, offered_kw: float, kw: float) -> Session:
    """Return the session after a meter reading of ``kw``."""
    meter = session.meter
    if offered_kw - kw > 0.5 * config.reclaim_margin_kw:
        # `watched` starts the clock if this is clearly less.
        return replace(session, meter=replace(meter, drawn_kw=kw, rises_at_s=None))
    meter = replace(meter, drawn_kw=None, low_since_s=None)
    at_ceiling = meter.ceiling_kw is not None and offered_kw >= meter.ceiling_kw * (1.0 - ROUNDING)
    if at_ceiling and meter.rises_at_s is None:
        meter = replace(meter, rises_at_s=state.now_s)
    return replace(session, meter=meter)


def due(config: StationConfig, state: State) -> State:
    """Return the state with ceilings lowered to what cars draw, or raised by a step."""
    return state.with_sessions(
        replace(session, meter=_moved(config, session, state.now_s))
        for session in state.sessions.values()
        if _due_s(config, session.meter) <= state.now_s
    )


def _moved(config: StationConfig, session: Session, now_s: float) -> DrawMeter:
    meter = session.meter
    full_kw, _ = max_kw_of(config, session, session.soc)
    if meter.drawn_kw is not None and meter.low_since_s is not None:
        kept_kw = _kept_kw(config, session, meter.drawn_kw)
        return replace(meter, ceiling_kw=kept_kw, low_since_s=None, rises_at_s=None)
    risen_kw = (meter.ceiling_kw or 0.0) + max(config.reclaim_margin_kw, RISE * full_kw)
    if risen_kw >= full_kw:
        return replace(meter, ceiling_kw=None, rises_at_s=None)
    return replace(meter, ceiling_kw=risen_kw, rises_at_s=now_s + max(MIN_STEP_S, config.reclaim_after_s))


def _kept_kw(config: StationConfig, session: Session, drawn_kw: float) -> float:
    """Return what is left to a car that draws ``drawn_kw``: a margin above it, and its minimum at least."""
    return max(drawn_kw + config.reclaim_margin_kw, min_kw_of(config, session))


def watched(config: StationConfig, state: State, allocation: Allocation) -> State:
    """Return the state in which the clocks of exactly those cars run that draw clearly less than offered."""
    changed = []
    for session in state.sessions.values():
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
            changed.append(replace(session, meter=meter))
    return state.with_sessions(changed)


def next_s(config: StationConfig, state: State) -> float:
    """Return when the next ceiling moves."""
    return min((_due_s(config, session.meter) for session in state.sessions.values()), default=math.inf)


def _due_s(config: StationConfig, meter: DrawMeter) -> float:
    if meter.low_since_s is not None:
        return meter.low_since_s + config.reclaim_after_s
    return math.inf if meter.rises_at_s is None else meter.rises_at_s
