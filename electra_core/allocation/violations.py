"""Check an allocation against its snapshot, from the plain numbers and without the code that shares power."""

from __future__ import annotations

import math

from electra_core.allocation.snapshot import Allocation, Demand, Snapshot

# Limits are sums of up to thousands of floats: the part of each limit that rounding may take.
ROUNDING = 1e-9


def violations(snapshot: Snapshot, allocation: Allocation) -> list[str]:
    """List every broken limit of an allocation, one sentence each; only an empty list is acceptable.

    Parameters
    ----------
    snapshot : the demands and limits
    allocation : the answer to them, from `allocate` or from elsewhere

    Examples
    --------
    >>> from dataclasses import replace
    >>> from electra_core import Demand, Snapshot, allocate, violations
    >>> snapshot = Snapshot(100, {"A": 80}, [Demand("car 1", "A", 50), Demand("car 2", "A", 150)])
    >>> allocation = allocate(snapshot)
    >>> violations(snapshot, allocation)
    []
    >>> violations(snapshot, replace(allocation, offered_kw={"car 1": 40, "car 2": 40.5}, grid_kw=80.5))
    ['charger A: 80.5 kW of at most 80 kW', 'site: 20.0 kW are said to be unused, and 19.5 kW are']
    """
    asked = {demand.session_id for demand in snapshot.demands}
    for answer in (allocation.offered_kw, allocation.boost_kw, allocation.limited_by):
        if set(answer) != asked:
            return [f"sessions answered {sorted(answer)} are not the sessions asked {sorted(asked)}"]
    numbers = [*allocation.offered_kw.values(), *allocation.boost_kw.values()]
    if not all(map(math.isfinite, [*numbers, allocation.grid_kw, allocation.battery_kw])):
        return ["a power is not a finite number"]
    broken = [fault for demand in snapshot.demands for fault in _of_session(snapshot, allocation, demand)]
    return [*broken, *_of_station(snapshot, allocation)]


def _of_session(snapshot: Snapshot, allocation: Allocation, demand: Demand) -> list[str]:
    """List the broken limits of one session: maximum, minimum, boost, modules."""
    name, broken = demand.session_id, []
    offered_kw, boost_kw = allocation.offered_kw[name], allocation.boost_kw[name]
    if offered_kw < 0.0 or _above(offered_kw, demand.max_kw):
        broken.append(f"session {name}: offered {offered_kw} kW of at most {demand.max_kw} kW")
    if offered_kw > 0.0 and _above(demand.min_kw, offered_kw):
        broken.append(f"session {name}: offered {offered_kw} kW, below its minimum of {demand.min_kw} kW")
    if boost_kw < 0.0 or _above(boost_kw, offered_kw):
        broken.append(f"session {name}: boost of {boost_kw} kW in an offer of {offered_kw} kW")
    module_kw = snapshot.module_kw.get(demand.charger_id)
    if module_kw is not None:
        count = allocation.modules.get(name, 0)
        if _above(offered_kw, count * module_kw):
            broken.append(f"session {name}: offered {offered_kw} kW from {count} modules of {module_kw} kW")
    return broken


def _of_station(snapshot: Snapshot, allocation: Allocation) -> list[str]:
    """List the broken limits of chargers, site and battery, and the sums that do not agree."""
    charger_kw = dict.fromkeys(snapshot.charger_kw, 0.0)
    cars_kw = boosts_kw = 0.0
    for demand in snapshot.demands:
        name, charger_id = demand.session_id, demand.charger_id
        offered_kw, module_kw = allocation.offered_kw[name], snapshot.module_kw.get(charger_id)
        taken_kw = offered_kw if module_kw is None else allocation.modules.get(name, 0) * module_kw
        charger_kw[charger_id] += taken_kw
        cost = snapshot.cost(charger_id)
        cars_kw += offered_kw * cost
        boosts_kw += allocation.boost_kw[name] * cost
    grid_kw, battery_kw = allocation.grid_kw, allocation.battery_kw
    discharge_kw, charge_kw = max(0.0, -battery_kw), max(0.0, battery_kw)
    limits = [
        *((f"charger {name}", kw, snapshot.charger_limit_kw(name)) for name, kw in charger_kw.items()),
        ("site", grid_kw, snapshot.site_limit_kw),
        ("battery discharge", discharge_kw, snapshot.boost_kw),
        ("battery charge", charge_kw, snapshot.charge_kw),
    ]
    broken = [f"{place}: {kw} kW of at most {limit} kW" for place, kw, limit in limits if _above(kw, limit)]
    if grid_kw < 0.0:
        broken.append(f"site: {grid_kw} kW would flow back to the grid")
    left_kw = max(0.0, snapshot.site_limit_kw - grid_kw)
    if math.isfinite(left_kw) and _differ(allocation.unused_kw, left_kw):
        broken.append(f"site: {allocation.unused_kw} kW are said to be unused, and {left_kw} kW are")
    if _differ(boosts_kw, discharge_kw):
        broken.append(f"battery: gives {discharge_kw} kW, but the sessions' boosts take {boosts_kw} kW of it")
    if _differ(grid_kw + discharge_kw, cars_kw + charge_kw):
        broken.append(
            f"balance: {grid_kw} kW from the grid and {discharge_kw} kW from the battery,"
            f" but {cars_kw} kW to cars and {charge_kw} kW to the battery"
        )
    return broken


def _above(kw: float, limit_kw: float) -> bool:
    """Return whether a power is above its limit by more than rounding."""
    return kw > limit_kw and kw > limit_kw + ROUNDING * max(1.0, abs(limit_kw))


def _differ(one_kw: float, other_kw: float) -> bool:
    """Return whether two powers differ by more than rounding; one that is not a number differs from all."""
    return not abs(one_kw - other_kw) <= ROUNDING * max(1.0, abs(one_kw))
