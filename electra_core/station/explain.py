"""Explain a session's power: one sentence with the numbers, and the gain of one more kW of each limit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Self

from electra_core.allocation import Demand, Limit, Snapshot, StrategyError, allocate, name_of, waterfill
from electra_core.errors import BadValueError
from electra_core.station.config import StationConfig
from electra_core.station.demand import max_kw_of, site_left_kw
from electra_core.station.engine import Decision
from electra_core.station.state import START, Session

# A limit is raised by this much, kW, to find what that gives: a power of two, so that adding it is exact, and
# so small that no other limit begins to bind on the way.
NUDGE_KW = 2.0**-10

# A limit is used up when less than this share of it is left.
LEFT = 1e-9


class Explanation(str):
    """An explanation: one sentence, and with it what would change the session's power.

    Attributes
    ----------
    limited_by : the one constraint that stops the session from rising
    gain_per_kw : kW that this session would gain for one more kW of each limit that is used up: its
        ``connector``, its ``charger``, the ``site``, the ``battery`` (shadow prices)
    station_gain_per_kw : kW that all sessions together would gain by the same
    """

    limited_by: Limit | None
    gain_per_kw: Mapping[str, float]
    station_gain_per_kw: Mapping[str, float]

    def __new__(
        cls,
        sentence: str,
        limited_by: Limit | None = None,
        gain_per_kw: Mapping[str, float] = MappingProxyType({}),
        station_gain_per_kw: Mapping[str, float] = MappingProxyType({}),
    ) -> Self:
        """Return the sentence with its attributes."""
        said = super().__new__(cls, sentence)
        said.limited_by = limited_by
        said.gain_per_kw, said.station_gain_per_kw = dict(gain_per_kw), dict(station_gain_per_kw)
        return said

    @property
    def what_if(self) -> str:
        """Return the limits that would help this session, as a sentence; empty when none would."""
        gains = [(limit, gain) for limit, gain in self.gain_per_kw.items() if gain > LEFT]
        more = "1 kW more of the {} limit would give it {} kW"
        return "; ".join(more.format(limit, kw(gain)) for limit, gain in gains)


def explanation(config: StationConfig, decision: Decision, session: Session) -> Explanation:
    """Explain the power of one session of a decision."""
    name, now_kw = session.session_id, decision.allocation.offered_kw
    raised_kw = _raised_kw(config, decision, session)
    total_kw = sum(now_kw.values())
    return Explanation(
        _sentence(config, decision, session),
        decision.allocation.limited_by[name],
        {limit: (kws[name] - now_kw[name]) / NUDGE_KW for limit, kws in raised_kw.items()},
        {limit: (sum(kws.values()) - total_kw) / NUDGE_KW for limit, kws in raised_kw.items()},
    )


def kw(value: float) -> str:
    """Format a power without trailing zeros: 172.5, 400, 99.25."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _sentence(config: StationConfig, decision: Decision, session: Session) -> str:
    limit = decision.allocation.limited_by[session.session_id]
    if limit is Limit.FAULT:
        alone = session.connector_id in decision.state.out_of_service
        part = f"connector {session.connector} of {session.charger_id}" if alone else session.charger_id
        return f"suspended: {part} is out of service"
    if limit is Limit.FINISHED:
        return f"done: the car is at its target of {session.target_soc:.0%}"
    offered_kw = decision.allocation.offered_kw[session.session_id]
    max_kw, _ = max_kw_of(config, session, session.soc)
    start = f"{'' if offered_kw else 'waiting, '}offered {kw(offered_kw)} of {kw(max_kw)} kW"
    return f"{start}: {_reason(config, decision, session, max_kw)}"


def _reason(config: StationConfig, decision: Decision, session: Session, max_kw: float) -> str:
    charger_id, demand = session.charger_id, decision.demands[session.connector_id][1]
    match decision.allocation.limited_by[session.session_id]:
        case Limit.VEHICLE:
            return _by_vehicle(session, demand, max_kw)
        case Limit.CONNECTOR:
            car_kw = session.vehicle.ceiling_kw(session.soc)
            return f"connector {session.connector} gives no more, and the car could take {kw(car_kw)} kW"
        case Limit.CHARGER:
            parts = f"shares {kw(decision.snapshot.charger_limit_kw(charger_id))} kW"
            return f"{charger_id} {parts} {_between(decision, session)}; {_spare(decision, session)}"
        case Limit.MODULE:
            size_kw = config.module_kw[charger_id]
            mine = decision.allocation.modules[session.session_id]
            count = waterfill.whole_modules(config.charger_kw[charger_id], size_kw)
            modules = f"{charger_id} has {count} modules of {kw(size_kw)} kW {_between(decision, session)}"
            return f"{modules}, and {mine or 'none'} of them for this one; {_spare(decision, session)}"
        case Limit.SITE:
            return _by_site(config, decision)
        case Limit.MINIMUM:
            return _by_minimum(decision, session, demand)
    plan = f"strategy {name_of(decision.state.strategy)} plans"
    return f"{plan} no more than {kw(demand.max_kw)} kW for it now"


def _by_vehicle(session: Session, demand: Demand, max_kw: float) -> str:
    if demand.max_kw < max_kw and session.meter.drawn_kw is not None:
        return f"the car was seen to take only {kw(session.meter.drawn_kw)} kW, and what it leaves is freed"
    if demand.max_kw < max_kw:
        return f"the car took less before and gets its {kw(max_kw)} kW back step by step"
    soc = session.soc
    at = "" if soc is None or session.vehicle.curve is None else f" at {soc:.0%} of its battery"
    return f"the car takes no more{at}"


def _by_site(config: StationConfig, decision: Decision) -> str:
    snapshot, battery_kw, silent = decision.snapshot, decision.allocation.battery_kw, decision.state.silent
    left_kw = site_left_kw(config, decision.state)
    if left_kw < 0.0:
        words = f"the site's own load is {kw(-left_kw)} kW above its limit"
    else:
        cars = sum(1 for each in snapshot.demands if each.max_kw > 0.0)
        words = f"the site has {kw(snapshot.site_limit_kw)} kW left for {_cars(cars)}"
    if battery_kw < 0.0:
        words += f", and the battery adds {kw(-battery_kw)} kW"
    elif snapshot.comfort_kw is not None and snapshot.boost_kw > 0.0:
        words += f", and the battery keeps its reserve for those below {kw(snapshot.comfort_kw)} kW"
    if silent:
        names = " and the ".join(name for name in silent if name != START)
        silence = f"no news of the {names}" if names else "no reading since the start"
        words += f"; it is at its fail-safe limit, {silence}"
    return words


def _by_minimum(decision: Decision, session: Session, demand: Demand) -> str:
    holder, site_kw = session.charger_id, _site_left_kw(decision, session)
    left_kw = decision.snapshot.charger_limit_kw(holder) - _reserved_kw(decision, holder)
    if site_kw < left_kw:
        holder, left_kw = "the site", site_kw
    least = f"it needs at least {kw(demand.min_kw)} kW"
    if left_kw < demand.min_kw:
        return f"{least}, and {holder} has {kw(max(0.0, left_kw))} kW left beside those before it"
    return f"{least}, and those before it need the rest"


def _between(decision: Decision, session: Session) -> str:
    here = (each for each in decision.snapshot.demands if each.charger_id == session.charger_id)
    cars = sum(1 for each in here if each.max_kw > 0.0)
    return f"{'between' if cars > 1 else 'for'} {_cars(cars)}"


def _cars(count: int) -> str:
    return "1 car" if count == 1 else f"{count} cars"


def _spare(decision: Decision, session: Session) -> str:
    """Say what the site could give the cars of this charger beyond the charger's limit."""
    here = [each for each in decision.snapshot.demands if each.charger_id == session.charger_id]
    wanted_kw = sum(each.max_kw - decision.allocation.offered_kw[each.session_id] for each in here)
    spare_kw = min(wanted_kw, _site_left_kw(decision, session))
    return f"the site could give {kw(spare_kw)} more" if spare_kw > LEFT else "the site has no more either"


def _site_left_kw(decision: Decision, session: Session) -> float:
    """Return the power of grid and battery that no car takes, kW at this charger's cars."""
    snapshot = decision.snapshot
    left_kw = snapshot.site_limit_kw + snapshot.boost_kw - sum(decision.allocation.site_kw.values())
    return max(0.0, left_kw) / snapshot.cost(session.charger_id)


def _reserved_kw(decision: Decision, charger_id: str) -> float:
    reserved, charger_of = decision.allocation.reserved_kw, decision.allocation.charger_of
    return sum(reserved_kw for name, reserved_kw in reserved.items() if charger_of[name] == charger_id)


def _raised_kw(config: StationConfig, decision: Decision, session: Session) -> dict[str, Mapping[str, float]]:
    """Return what all would be offered with a little more of each limit that is used up."""
    snapshot, allocation = decision.snapshot, decision.allocation
    charger_kw = snapshot.charger_limit_kw(session.charger_id)
    # Equal parts may stop a session while there is power left: then its own limit says which one binds.
    limit = allocation.limited_by[session.session_id]
    raised: dict[str, Snapshot] = {}
    if limit is Limit.CONNECTOR:
        demand = decision.demands[session.connector_id][1]
        risen = replace(demand, max_kw=demand.max_kw + NUDGE_KW)
        demands = [risen if each is demand else each for each in snapshot.demands]
        raised["connector"] = replace(snapshot, demands=demands)
    if limit is Limit.CHARGER or _used_up(_reserved_kw(decision, session.charger_id), charger_kw):
        limits = {**snapshot.charger_kw, session.charger_id: charger_kw + NUDGE_KW}
        raised["charger"] = replace(snapshot, charger_kw=limits)
    site_kw = sum(allocation.site_kw.values())
    if limit is Limit.SITE or _used_up(site_kw, snapshot.site_limit_kw + max(0.0, -allocation.battery_kw)):
        # Below the site's own load a little more limit reaches no car.
        left_kw = site_left_kw(config, decision.state)
        raised["site"] = replace(snapshot, grid_kw=left_kw + NUDGE_KW if left_kw >= 0.0 else 0.0)
    short = limit is Limit.SITE or _used_up(-allocation.battery_kw, snapshot.boost_kw)
    if snapshot.boost_kw > 0.0 and short:
        raised["battery"] = replace(snapshot, boost_kw=snapshot.boost_kw + NUDGE_KW)
    try:
        return {name: allocate(each, decision.state.strategy).offered_kw for name, each in raised.items()}
    except StrategyError as error:
        raise BadValueError(str(error)) from error


def _used_up(used_kw: float, limit_kw: float) -> bool:
    return used_kw >= limit_kw - LEFT * max(1.0, limit_kw)
