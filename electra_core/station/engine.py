"""Decide, and advance time: the engine of a station.

`decide` turns a draft of the state into a `Decision` that may be put in force; `decisions` lets time pass: cars move along
their curves, the battery along its SoC, energy into the ledger.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from electra_core.allocation import (
    Allocation,
    Limit,
    Snapshot,
    StrategyError,
    allocate,
    find_strategy,
    is_timeless,
    violations,
)
from electra_core.errors import BadValueError, LimitBrokenError
from electra_core.station import exercise_battery, timers
from electra_core.station.battery import HOUR_S, conversion_loss_kwh, lasts_s, stored_after_kwh
from electra_core.station.config import StationConfig
from electra_core.station.demand import NOBODY, Asked, read_demands, read_snapshot
from electra_core.station.state import Ledger, Session, State, Tally, rested

# Limits that sessions share: where one binds, it counts who comes first.
CONTENDED = (Limit.CHARGER, Limit.SITE, Limit.MINIMUM, Limit.MODULE, Limit.PLAN)


@dataclass(frozen=True, slots=True)
class Decision:
    """A state, what it asks for, and what it was answered; ``asked`` saves reading the same again."""

    state: State
    asked: Asked
    snapshot: Snapshot
    allocation: Allocation


def decide(config: StationConfig, draft: State, asked: Asked = NOBODY) -> Decision:
    """Read a draft into a snapshot, allocate, and look for broken limits.

    ``asked`` is what was read for the decision before.

    Raises
    ------
    BadValueError
        When the strategy fails or answers nonsense.
    LimitBrokenError
        When the answer would break a limit.
    """
    while True:
        draft = exercise_battery.releases(config, timers.due(config, draft))
        asked = read_demands(config, draft, asked)
        snapshot = read_snapshot(config, draft, asked)
        try:
            allocation = allocate(snapshot, draft.strategy)
            state = timers.watched(config, draft, snapshot, allocation)
        except StrategyError as error:
            raise BadValueError(str(error)) from error
        broken = violations(snapshot, allocation)
        if broken:
            raise LimitBrokenError(f"the decision would break a limit: {'; '.join(broken)}")
        # A timer of no length falls due at once: the decision that it asks for is this one.
        if timers.next_s(config, state) > state.now_s:
            return Decision(state, asked, snapshot, allocation)
        draft = state


def decisions(config: StationConfig, decision: Decision, end_s: float) -> Iterator[Decision]:
    """Every decision from a moment on until the clock shows ``end_s``, the last one exactly then.

    It decides anew when a car reaches its target, the battery its floor, reserve or top, or a timer falls
    due; and once a control interval while a car moves along its curve.
    """
    while decision.state.now_s < end_s:
        state = decision.state
        until_s = min(end_s, timers.next_s(config, state), _rest_is_over_s(state))
        step_s = holds_s(config, state, decision.allocation)
        if not is_steady(decision):
            step_s = min(step_s, config.control_interval_s)
        if state.now_s + step_s < until_s:
            until_s = state.now_s + step_s
        else:
            step_s = until_s - state.now_s
        draft = _through_hours(config, state, decision.allocation, step_s, until_s)
        decision = decide(config, draft, decision.asked)
        yield decision


def _rest_is_over_s(state: State) -> float:
    rests = (state.battery_rests_until_s, state.reserve_rests_until_s)
    return min((until_s for until_s in rests if until_s > state.now_s), default=math.inf)


def holds_s(config: StationConfig, state: State, allocation: Allocation) -> float:
    """How long an allocation can hold, s: until a car is done, or the battery empty, full or at its reserve.

    No power is promised that the energy cannot carry, and however finely time is cut, a car is done at
    the same decision.
    """
    times = [math.inf]
    if config.battery is not None:
        flow_kw = _battery_flow_kw(config, state, allocation)
        times.append(lasts_s(config.battery, state.battery_kwh, flow_kw))
    for session in state.sessions.values():
        soc = session.soc
        if soc is not None and session.remaining_kwh:
            takes_kw = session.takes_kw(allocation.offered_kw[session.session_id])
            times.append(session.vehicle.climb(soc, session.target_soc, takes_kw, math.inf)[1])
    return min(times)


def _battery_flow_kw(config: StationConfig, state: State, allocation: Allocation) -> float:
    """Power of the battery, kW: where a car takes less than its offer, the battery gives less."""
    if allocation.battery_kw >= 0.0:
        return allocation.battery_kw
    given_kw = 0.0
    for session in state.sessions.values():
        offered_kw = allocation.offered_kw[session.session_id]
        if offered_kw > 0.0:
            share = session.takes_kw(offered_kw) / offered_kw
            boost_kw = allocation.boost_kw[session.session_id]
            given_kw += share * boost_kw / config.efficiency[session.charger_id]
    return -given_kw


def _through_hours(
    config: StationConfig, state: State, allocation: Allocation, seconds: float, end_s: float
) -> State:
    """The state after a time, which the ledger cuts at each full hour."""
    while True:
        hour_s = HOUR_S * (len(state.hours) + 1)
        if hour_s > end_s:
            return after(config, state, allocation, seconds, end_s)
        part_s = min(seconds, hour_s - state.now_s)
        state = after(config, state, allocation, part_s, hour_s)
        state = replace(state, hours=(*state.hours, state.this_hour.total), this_hour=Tally())
        seconds -= part_s


def after(config: StationConfig, state: State, allocation: Allocation, seconds: float, end_s: float) -> State:
    """The state after a time under one allocation, which must hold that long; the clock then shows ``end_s``.

    A car draws what it is offered, or less where its curve falls on the way or its meter says so; what it
    does not draw is taken from neither grid nor battery.
    """
    hours = seconds / HOUR_S
    sessions = {}
    drawn_kwh = from_site_kwh = boosted_kwh = 0.0
    for place, session in state.sessions.items():
        offered_kw = allocation.offered_kw[session.session_id]
        energy_kwh = _taken_kwh(session, session.takes_kw(offered_kw), seconds)
        if energy_kwh > 0.0:
            boost_kwh = energy_kwh * allocation.boost_kw[session.session_id] / offered_kw
            session = replace(
                session, energy_kwh=session.energy_kwh + energy_kwh, boost_kwh=session.boost_kwh + boost_kwh
            )
            drawn_kwh += energy_kwh
            from_site_kwh += energy_kwh / config.efficiency[session.charger_id]
            boosted_kwh += boost_kwh / config.efficiency[session.charger_id]
        sessions[place] = session
    charged_kwh = max(0.0, allocation.battery_kw) * hours
    static_kwh, standby_kwh = state.static_load_kw * hours, config.standing_kw * hours
    battery, stored_kwh, loss_kwh = config.battery, state.battery_kwh, 0.0
    if battery is not None:
        loss_kwh = conversion_loss_kwh(battery, charged_kwh, boosted_kwh)
        stored_kwh = stored_after_kwh(battery, stored_kwh, charged_kwh, boosted_kwh)
    used_kwh = Ledger(
        imported_kwh=static_kwh + standby_kwh + max(0.0, from_site_kwh - boosted_kwh) + charged_kwh,
        static_kwh=static_kwh,
        standby_kwh=standby_kwh,
        delivered_kwh=drawn_kwh,
        charger_loss_kwh=from_site_kwh - drawn_kwh,
        battery_in_kwh=charged_kwh,
        battery_out_kwh=boosted_kwh,
        battery_loss_kwh=loss_kwh,
    )
    moved = replace(
        state,
        now_s=end_s,
        battery_kwh=stored_kwh,
        sessions=sessions,
        energy=state.energy + used_kwh,
        this_hour=state.this_hour + used_kwh,
    )
    return rested(config, moved) if boosted_kwh > 0.0 else moved


def _taken_kwh(session: Session, takes_kw: float, seconds: float) -> float:
    soc = session.soc
    if soc is None:
        return takes_kw * seconds / HOUR_S
    return session.vehicle.climb(soc, session.target_soc, takes_kw, seconds)[0]


def is_steady(decision: Decision) -> bool:
    """Whether time alone changes no decision before somebody's energy runs out.

    No car moves on a curve, and either nobody is held back, so that no rank counts, or the ranks do not
    change with time and the battery is not on its way out of its floor or reserve. Then the next decision
    can wait that long, and a month of rest costs one step.
    """
    state, snapshot, allocation = decision.state, decision.snapshot, decision.allocation
    timeless = is_timeless(find_strategy(state.strategy))
    may_soon_help = snapshot.boost_kw == 0.0 or snapshot.comfort_kw is not None
    rising = may_soon_help and allocation.battery_kw > 0.0
    # Who is helped by the battery would be held back without it: ranks count for the parts of the boost.
    helped = allocation.battery_kw < 0.0
    contended = helped or any(limit in CONTENDED for limit in allocation.limited_by.values())
    moving = any(
        session.vehicle.curve is not None
        and session.soc is not None
        and allocation.offered_kw[session.session_id] > 0.0
        for session in state.sessions.values()
    )
    return not moving and (not contended or (timeless and not rising))
