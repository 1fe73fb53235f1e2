"""The energy of each hour of a station, from its record."""

from __future__ import annotations

from dataclasses import replace

from electra_core.station.battery import HOUR_S
from electra_core.station.config import StationConfig
from electra_core.station.engine import Decision, after, decisions
from electra_core.station.events import NO_STRATEGIES, EventSource, Strategies
from electra_core.station.state import Ledger, Tally
from electra_core.station.station import Station


def ledger_by_hour(
    config: StationConfig, events: EventSource, strategies: Strategies = NO_STRATEGIES
) -> tuple[Ledger, ...]:
    """Return the energy of each full hour of a station's clock, kWh, and last of the hour that is running.

    The record is replayed as by `Station.replay`, and each decision's energy is cut at the full hours.

    Examples
    --------
    >>> from electra_core import Station, Vehicle, load_config
    >>> charger = {"id": "CP1", "maxPower": 200, "connectors": 2}
    >>> config = load_config({"stationId": "Paris", "gridCapacity": 400, "chargers": [charger]})
    >>> station = Station(config)
    >>> station.advance(1800)
    >>> _ = station.plug_in("CP1", 1, Vehicle(100))
    >>> station.advance(3600)
    >>> [hour.delivered_kwh for hour in ledger_by_hour(config, station.events)]
    [50.0, 50.0]
    """
    station, hours = Station(config), [Tally()]
    for decision in station.apply_events(events, strategies):
        gain_kwh = station.ledger.exercise_gain_kwh - decision.state.ledger.exercise_gain_kwh
        hours[-1] += Ledger(exercise_gain_kwh=gain_kwh)
        for later in decisions(config, decision, station.now_s):
            _book(config, hours, decision, later.state.now_s)
            decision = later
    return tuple(hour.total for hour in hours)


def _book(config: StationConfig, hours: list[Tally], decision: Decision, end_s: float) -> None:
    """Add the energy of a decision that holds until ``end_s`` to the hours."""
    state = replace(decision.state, energy=Tally())
    while state.now_s < end_s:
        part_end_s = min(end_s, HOUR_S * len(hours))
        state = after(config, state, decision.allocation, part_end_s - state.now_s, part_end_s)
        hours[-1] += state.ledger
        state = replace(state, energy=Tally())
        if part_end_s == HOUR_S * len(hours):
            hours.append(Tally())
