"""One decision on the records of a simulation: the same steps as in a station, in the same order.

What a session asks for, who takes turns and who keeps modules is read from records here and from a state
there; how power is shared is the very same code, `electra_core.allocation.solver`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from electra_core.allocation import MAX_RANK_WEIGHT, MIN_RANK_WEIGHT, solver, waterfill
from electra_core.sessions import ABSENT
from electra_core.simulation.records import (
    BAD_RANK,
    FINE,
    Battery,
    Charger,
    ConnectorState,
    LinePlace,
    RowOrder,
    Settings,
    SiteState,
    StationArrays,
    table_of,
)
from electra_core.simulation.timers import apply_due, keep_modules, next_due_s, watch
from electra_core.station import energy_above_kwh, has_reserve, max_charge_kw, max_discharge_kw, power_at


def decide(station: StationArrays, rank: Any, plan: Any) -> None:
    """Decide until nothing falls due at once any more.

    ``rank`` answers with tier and weight for a connector and the numbers of its demand; ``plan``, where
    there is one, has the last word on what cars may ask for.
    """
    settings, site = station.settings, station.site
    while site.error == FINE:
        if settings.each_call:
            apply_due(station)
        ask(station)
        if settings.whole_session:
            release_carried(station)
        if plan is not None:
            plan(station)
        if settings.has_modules:
            for charger in range(len(station.chargers)):
                station.chargers[charger].better_modules = 0
        share_out(station, rank)
        if not settings.each_call:
            break
        watch(station)
        if next_due_s(station) > site.now_s:
            break
    site.undecided = 0


def ask(station: StationArrays) -> None:
    """Write the most and the least power of each car now, and the limit that sets it."""
    site, connectors = station.site, station.connectors
    for number in range(site.cars):
        car = connectors[station.line[number].connector]
        car.max_kw, car.max_kw_by = 0.0, solver.FINISHED
        if car.remaining_kwh > 0.0:
            car.max_kw, car.max_kw_by = car.vehicle_max_kw, solver.VEHICLE
            if car.curve_end > car.curve_start:
                soc, kw = curve_of(station, car)
                car.max_kw = min(car.vehicle_max_kw, power_at(soc, kw, car.soc))
            if car.connector_max_kw < car.max_kw:
                car.max_kw, car.max_kw_by = car.connector_max_kw, solver.CONNECTOR
        car.min_kw = min(car.max_kw, max(car.connector_min_kw, car.vehicle_min_kw))
    if station.settings.has_modules:
        keep_modules(station)


def curve_of(station: StationArrays, car: ConnectorState) -> tuple[Sequence[float], Sequence[float]]:
    """Return the points of a car's charging curve."""
    start, end = car.curve_start, car.curve_end
    return station.curve_soc[start:end], station.curve_kw[start:end]


def release_carried(station: StationArrays) -> None:
    """Return cars that the battery cannot carry any longer to the grid, the newest first."""
    connectors, battery, site = station.connectors, station.battery, station.site
    rests = site.now_s < site.battery_rests_until_s
    reach_kw = max_discharge_kw(battery, site.stored_kwh, rests)
    while carried_kw(station) > reach_kw:
        newest = ABSENT
        for connector in range(len(connectors)):
            car = connectors[connector]
            if is_carried(car) and (newest == ABSENT or car.number > connectors[newest].number):
                newest = connector
        connectors[newest].on_battery = 0


def is_carried(car: ConnectorState) -> bool:
    """Return whether the battery alone feeds this car."""
    return car.arrival != ABSENT and car.on_battery == 1


def carried_kw(station: StationArrays) -> float:
    """Return the power from the battery for the cars that it carries, within their chargers' limits, kW."""
    chargers = station.chargers
    for charger in range(len(chargers)):
        chargers[charger].carried_kw = 0.0
    for connector in range(len(station.connectors)):
        car = station.connectors[connector]
        if is_carried(car):
            chargers[car.charger].carried_kw += car.max_kw
    total_kw = 0.0
    for charger in range(len(chargers)):
        asked_kw = min(chargers[charger].carried_kw, chargers[charger].max_power_kw)
        total_kw += asked_kw / chargers[charger].efficiency
    return total_kw


def share_out(station: StationArrays, rank: Any) -> None:
    """Read grid and battery, share their power, and write down what each car gets."""
    settings, site, chargers = station.settings, station.site, station.chargers
    carried = line_up(station, rank)
    if site.error != FINE:
        return
    boost_kw, charge_kw = reach_of_battery(settings, station.battery, site)
    site.may_boost = 1 if boost_kw > 0.0 else 0
    site.grid_kw = site.discharge_kw = site.offered_kw = 0.0
    if settings.whole_session:
        charge_kw, boost_kw = 0.0, min(boost_kw, carried_kw(station))
        for charger in range(len(chargers)):
            chargers[charger].kw = chargers[charger].full_kw
        if carried > 0:
            table = table_of(station, 0, carried)
            solver.fill_carried(table, boost_kw)
            write_down(station, table, 0)
            boost_kw = 0.0
    table = table_of(station, carried, site.cars)
    solver.solve(table, site.site_kw, boost_kw, site.comfort_kw, settings.in_equal_parts == 1)
    write_down(station, table, carried)
    cars_kw, given_kw = site.grid_kw, site.discharge_kw
    site.grid_kw, site.charge_kw = solver.site_use(site.site_kw, cars_kw, given_kw, charge_kw)
    weigh(station)


def reach_of_battery(settings: Settings, battery: Battery, site: SiteState) -> tuple[float, float]:
    """Return the power that the battery can give and take now, kW; write the site's rest and the comfort."""
    site.site_kw = max(0.0, site.limit_kw - site.static_kw + site.pv_kw - settings.standing_kw)
    site.comfort_kw = math.inf
    if not settings.whole_session and has_reserve(battery):
        above_kwh = energy_above_kwh(battery, site.stored_kwh, battery.reserve_soc)
        if above_kwh == 0.0 or site.now_s < site.reserve_rests_until_s:
            site.comfort_kw = battery.comfort_power_kw
    rests = site.now_s < site.battery_rests_until_s
    give_kw = max_discharge_kw(battery, site.stored_kwh, rests)
    return give_kw, max_charge_kw(battery, site.stored_kwh, site.limit_kw)


def line_up(station: StationArrays, rank: Any) -> int:
    """Rank the cars and write them into rows, sorted by tier and charger; those on the battery first.

    Returns
    -------
    int
        The number of cars on the battery.
    """
    line, order, cars = station.line, station.order, station.site.cars
    carried = rank_line(station, rank)
    if station.site.error != FINE:
        return 0
    sort = False
    for place in range(cars):
        order[place].key, order[place].index = line[place].tier, place
        sort = sort or line[place].tier != line[0].tier
    # The line is in order of chargers and numbers already, which a stable sort keeps.
    if sort:
        sort_by_key(order, cars)
    for row in range(cars):
        ranked = line[order[row].index]
        order[row].connector = ranked.connector
        car = station.connectors[ranked.connector]
        write_row(station.settings, ranked, car, station.chargers[car.charger], station.rows[row])
    for start, end in ((0, carried), (carried, cars)):
        order_admission(station, start, end)
        solver.normalise_weights(station.rows[start:end])
    return carried


def rank_line(station: StationArrays, rank: Any) -> int:
    """Write tier and weight of each car into the line, and return the number of cars on the battery."""
    site, carried = station.site, 0
    for number in range(site.cars):
        place, car = station.line[number], station.connectors[station.line[number].connector]
        place.tier, place.weight = 0.0, 1.0
        if car.on_battery == 1:
            place.tier, place.weight = -math.inf, car.weight
            carried += 1
        elif car.max_kw > 0.0:
            place.tier, place.weight = rank(
                place.connector,
                car.max_kw,
                car.min_kw,
                car.arrived_s,
                car.departs_s,
                car.remaining_kwh,
                car.priority,
                car.weight,
                site.now_s,
            )
            if not (math.isfinite(place.tier) and MIN_RANK_WEIGHT <= place.weight <= MAX_RANK_WEIGHT):
                site.error, site.error_arrival = BAD_RANK, car.arrival
                site.error_tier, site.error_weight = place.tier, place.weight
                break
    return carried


def write_row(
    settings: Settings, place: LinePlace, car: ConnectorState, charger: Charger, row: waterfill.DemandRow
) -> None:
    """Write one car as a row of numbers."""
    row.tier, row.weight, row.cost = place.tier, place.weight, charger.cost
    row.min_kw, row.max_kw = car.min_kw, car.max_kw
    row.charger, row.max_kw_by = car.charger, car.max_kw_by
    row.modules_held = car.modules
    row.modules_kept = car.modules if charger.keeps == 1 else 0
    needs = settings.takes_turns == 1 and car.max_kw > 0.0 and charger.module_kw > 0.0
    row.modules_needed = 1 if needs else 0


def order_admission(station: StationArrays, start: int, end: int) -> None:
    """Write the order in which rows are admitted: by turn or tier, then by arrival."""
    settings, order, rows, count = station.settings, station.order, station.rows, end - start
    if not settings.has_modules and not settings.has_minima:
        # All are admitted, in any order.
        for row in range(count):
            rows[start + row].row_at = row
        return
    # Numbers are given in the order of arrival.
    for row in range(count):
        number = station.connectors[order[start + row].connector].number
        order[row].key, order[row].index = number, row
    sort_by_key(order, count)
    for row in range(count):
        turn = station.connectors[order[start + row].connector].turn_place
        order[row].key = turn if settings.takes_turns else rows[start + row].tier
    sort_by_key(order, count)
    for position in range(count):
        row = order[position].index
        rows[start + position].row_at, rows[start + row].queue_position = row, position


def sort_by_key(order: Sequence[RowOrder], count: int) -> None:
    """Sort indices by their keys; equal ones stay in their order (merging from the bottom up).

    A library's sort would allocate, which compiled code here never does: see `numba_engine`.
    """
    width = 1
    while width < count:
        for start in range(0, count, 2 * width):
            left, right = start, min(start + width, count)
            middle, end = right, min(start + 2 * width, count)
            for at in range(start, end):
                if left < middle and (
                    right >= end or order[order[left].index].key <= order[order[right].index].key
                ):
                    order[at].spare = order[left].index
                    left += 1
                else:
                    order[at].spare = order[right].index
                    right += 1
        for at in range(count):
            order[at].index = order[at].spare
        width *= 2


def write_down(station: StationArrays, table: solver.DemandTable, start: int) -> None:
    """Write to each car the grant of its row."""
    site = station.site
    for number in range(len(table.rows)):
        row, grant = table.rows[number], table.grants[number]
        car = station.connectors[station.order[start + number].connector]
        car.offered_kw, car.boost_kw = grant.kw, row.boost_kw
        car.modules, car.limited_by = grant.modules, row.limited_by
        site.grid_kw += row.cost * grant.kw
        site.discharge_kw += row.cost * row.boost_kw
        site.offered_kw += grant.kw
        if row.better_modules == 1:
            station.chargers[car.charger].better_modules = 1


def weigh(station: StationArrays) -> None:
    """Write whether time alone changes no decision before the energy of a car or the battery runs out; and
    Jain's index over the cars that want power, where there are two or more."""
    site = station.site
    moving, held_back = False, site.discharge_kw > 0.0
    count, power, power2, share, share2 = 0, 0.0, 0.0, 0.0, 0.0
    for number in range(site.cars):
        car = station.connectors[station.line[number].connector]
        moving = moving or (car.offered_kw > 0.0 and car.curve_end > car.curve_start)
        held_back = held_back or car.limited_by in (
            solver.CHARGER,
            solver.SITE,
            solver.MINIMUM,
            solver.MODULE,
            solver.PLAN,
        )
        if car.max_kw > 0.0:
            part = car.offered_kw / car.max_kw
            count += 1
            power += car.offered_kw
            power2 += car.offered_kw * car.offered_kw
            share += part
            share2 += part * part
    rising = site.charge_kw > 0.0 and (site.may_boost == 0 or site.comfort_kw < math.inf)
    calm = not held_back or (station.settings.timeless == 1 and not rising)
    site.steady = 1 if calm and not moving else 0
    site.contested = 1 if count > 1 else 0
    site.jain_power = power * power / (count * power2) if power2 > 0.0 else 1.0
    site.jain_share = share * share / (count * share2) if share2 > 0.0 else 1.0
