"""The days that a station can play: the shipped ones that fit it, and those that a visitor has uploaded."""

from __future__ import annotations

from electra_core.sessions import Arrival, Day, day_names, load_day
from electra_core.station import StationConfig

NO_DAY = "Only the cars you send"


class DayChoice:
    """Days by their names; uploaded ones stay until the page is closed."""

    def __init__(self) -> None:
        self._uploaded: dict[str, tuple[Arrival, ...]] = {}

    def add(self, name: str, arrivals: tuple[Arrival, ...]) -> None:
        """Add an uploaded day."""
        self._uploaded[name] = arrivals

    def titles(self, config: StationConfig) -> dict[str, str]:
        """Return the name of each day that fits a station, by its title."""
        shipped = {load_day(name).title: name for name in day_names() if fits(name, config)}
        uploaded = {name: name for name, arrivals in self._uploaded.items() if _all_fit(arrivals, config)}
        return {NO_DAY: NO_DAY, **shipped, **uploaded}

    def arrivals(self, name: str) -> tuple[Arrival, ...]:
        """Return the arrivals of a day."""
        day = shipped_day(name)
        return day.arrivals if day else self._uploaded.get(name, ())


def shipped_day(name: str) -> Day | None:
    """Return a shipped day; None for any other name."""
    return load_day(name) if name in day_names() else None


def fits(name: str, config: StationConfig) -> bool:
    """Tell if a station has the chargers and connectors of a shipped day."""
    return _all_fit(load_day(name).arrivals, config)


def _all_fit(arrivals: tuple[Arrival, ...], config: StationConfig) -> bool:
    chargers = {charger.id for charger in config.chargers}
    return all(
        (arrival.charger_id, arrival.connector) in config.connectors
        if arrival.connector is not None
        else arrival.charger_id is None or arrival.charger_id in chargers
        for arrival in arrivals
    )
