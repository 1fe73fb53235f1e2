"""The energy of each hour of a station, from its record."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from electra_core.allocation import Strategy
from electra_core.station.battery import HOUR_S
from electra_core.station.config import StationConfig
from electra_core.station.engine import Decision, after, decisions
from electra_core.station.events import Event
from electra_core.station.state import Ledger, Tally
from electra_core.station.station import Station


def ledger_by_hour(
    config: StationConfig,
    events: str | os.PathLike[str] | Iterable[Event | Mapping[str, Any]],
    strategies: Mapping[str, Strategy] = MappingProxyType({}),
) -> tuple[Ledger, ...]:
    """Return the energy of each hour of a station's clock, kWh.

    The record is replayed, and each decision's energy is cut at the full hours.

    Parameters
    ----------
    config, events, strategies : as `Station.replay` takes them

    Returns
    -------
    tuple of Ledger
        One for each full hour, and last the hour that is running.

    Raises
    ------
    ReplayError
        As `Station.replay`.

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
