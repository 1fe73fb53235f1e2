"""The engine of a station: decide, and advance time.

`decide` turns a draft of the state into a `Decision` that may be put in force; `decisions` advances time:
cars move along their curves, the battery along its SoC, energy into the ledger.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
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
from electra_core.station.demand import NO_DEMANDS, Demands, read_demands, read_snapshot
from electra_core.station.state import ConnectorId, Ledger, Session, State, rested

# Limits that sessions share: if one binds, the order of sessions counts.
CONTENDED = (Limit.CHARGER, Limit.SITE, Limit.MINIMUM, Limit.MODULE, Limit.PLAN)


@dataclass(frozen=True, slots=True)
class Decision:
    """A decision: a state, what its sessions ask for, and the allocation that holds in it.

    ``demands`` gives the session and demand of each connector directly, and saves reading the same again for
    the next decision.
    """

    state: State
    demands: Demands
    snapshot: Snapshot
    allocation: Allocation


def decide(config: StationConfig, draft: State, known: Demands = NO_DEMANDS) -> Decision:
    """Read a draft into a snapshot, allocate, and check every limit; ``known`` are the last demands."""
    while True:
        draft = exercise_battery.releases(config, timers.due(config, draft))
        demands = read_demands(config, draft, known)
        snapshot = read_snapshot(config, draft, demands)
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
            return Decision(state, demands, snapshot, allocation)
        draft, known = state, demands


def decisions(config: StationConfig, decision: Decision, end_s: float) -> Iterator[Decision]:
    """Yield every decision after a given one until the clock shows ``end_s``, the last one exactly then.

    A decision is made when a car reaches its target, the battery its floor, reserve or top, or a timer falls
    due; and once a control interval while a car moves along its curve.
    """
    while decision.state.now_s < end_s:
        state = decision.state
        rests_s = (state.battery_rests_until_s, state.reserve_rests_until_s)
        waking_s = (until_s for until_s in rests_s if until_s > state.now_s)
        until_s = min(end_s, timers.next_s(config, state), *waking_s)
        step_s = holds_s(config, state, decision.allocation)
        if not is_steady(decision):
            step_s = min(step_s, config.control_interval_s)
        if state.now_s + step_s < until_s:
            until_s = state.now_s + step_s
        else:
            step_s = until_s - state.now_s
        draft = after(config, state, decision.allocation, step_s, until_s)
        decision = decide(config, draft, decision.demands)
        yield decision


def holds_s(config: StationConfig, state: State, allocation: Allocation) -> float:
    """Return how long an allocation can hold, s: until a car is done, or the battery at a mark.

    The marks are the battery's floor, reserve and top. No power is offered that the energy cannot carry, and
    a car is done at the same decision, however finely time is cut.
    """
    times = [math.inf]
    if config.battery is not None:
        flow_kw = _battery_flow_kw(config, state, allocation)
        times.append(lasts_s(config.battery, state.battery_kwh, flow_kw))
    for session in state.sessions.values():
        soc = session.soc
        if soc is not None and session.remaining_kwh:
            drawn_kw = session.drawn_kw(allocation.offered_kw[session.session_id])
            times.append(session.vehicle.climb(soc, session.target_soc, drawn_kw, math.inf)[1])
    return min(times)


def _battery_flow_kw(config: StationConfig, state: State, allocation: Allocation) -> float:
    """Return the battery's power, kW: it gives less to a car that draws less than its offer."""
    if allocation.battery_kw >= 0.0:
        return allocation.battery_kw
    given_kw = 0.0
    for session in state.sessions.values():
        offered_kw = allocation.offered_kw[session.session_id]
        if offered_kw > 0.0:
            share = session.drawn_kw(offered_kw) / offered_kw
            boost_kw = allocation.boost_kw[session.session_id]
            given_kw += share * boost_kw / config.efficiency[session.charger_id]
    return -given_kw


def after(config: StationConfig, state: State, allocation: Allocation, seconds: float, end_s: float) -> State:
    """Return the state after a time under one allocation, which must hold that long.

    The clock then shows ``end_s``. A car draws its offer, or less if its curve falls on the way or its meter
    says so; what it does not draw is taken from neither grid nor battery.
    """
    sessions, drawn_kwh, from_site_kwh, boosted_kwh = _charged(config, state, allocation, seconds)
    hours = seconds / HOUR_S
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
        state, now_s=end_s, battery_kwh=stored_kwh, sessions=sessions, energy=state.energy + used_kwh
    )
    return rested(config, moved) if boosted_kwh > 0.0 else moved


def _charged(
    config: StationConfig, state: State, allocation: Allocation, seconds: float
) -> tuple[Mapping[ConnectorId, Session], float, float, float]:
    """Return the sessions after a time, and what they drew, what it took from site and from battery, kWh."""
    sessions, drawn_kwh, from_site_kwh, boosted_kwh = {}, 0.0, 0.0, 0.0
    for connector_id, session in state.sessions.items():
        offered_kw = allocation.offered_kw[session.session_id]
        drawn_kw, soc = session.drawn_kw(offered_kw), session.soc
        if soc is None:
            energy_kwh = drawn_kw * seconds / HOUR_S
        else:
            energy_kwh = session.vehicle.climb(soc, session.target_soc, drawn_kw, seconds)[0]
        if energy_kwh > 0.0:
            boost_kwh = energy_kwh * allocation.boost_kw[session.session_id] / offered_kw
            session = replace(
                session, energy_kwh=session.energy_kwh + energy_kwh, boost_kwh=session.boost_kwh + boost_kwh
            )
            drawn_kwh += energy_kwh
            from_site_kwh += energy_kwh / config.efficiency[session.charger_id]
            boosted_kwh += boost_kwh / config.efficiency[session.charger_id]
        sessions[connector_id] = session
    return sessions, drawn_kwh, from_site_kwh, boosted_kwh


def is_steady(decision: Decision) -> bool:
    """Return whether time alone changes no decision before a car or the battery has no energy left.

    No car moves on a curve, and either no session is held back, so that no rank counts, or the ranks do not
    change with time and the battery is not leaving its floor or reserve. Then the next decision can wait that
    long, and a month of rest costs one step.
    """
    state, snapshot, allocation = decision.state, decision.snapshot, decision.allocation
    timeless = is_timeless(find_strategy(state.strategy))
    may_soon_help = snapshot.boost_kw == 0.0 or snapshot.comfort_kw is not None
    rising = may_soon_help and allocation.battery_kw > 0.0
    # Sessions that the battery helps would be held back without it: ranks count for their parts of the boost.
    helped = allocation.battery_kw < 0.0
    contended = helped or any(limit in CONTENDED for limit in allocation.limited_by.values())
    moving = any(
        session.vehicle.curve is not None
        and session.soc is not None
        and allocation.offered_kw[session.session_id] > 0.0
        for session in state.sessions.values()
    )
    return not moving and (not contended or (timeless and not rising))
