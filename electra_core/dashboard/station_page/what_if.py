"""The same cars under other rules: a second station that follows the record of the first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from electra_core.allocation import BATTERY, STRATEGIES, Strategy
from electra_core.dashboard.station_page.history import MAX_SAMPLES, SAMPLE_S, Window, battery_soc
from electra_core.dashboard.station_page.labels import free_connectors
from electra_core.errors import BadValueError, shortened
from electra_core.station import (
    FAIL_SAFE,
    ConnectorId,
    Event,
    Station,
    StationConfig,
    StationStatus,
    call_of,
)

NO_BATTERY = "no battery"
ONE_MORE_CHARGER = "one more charger"

# Bound of one catching up, in advances of the shadow: seconds of the visitor's time.
MAX_STEPS = 20_000


@dataclass(slots=True)
class Outcome:
    """The outcome for a station's cars so far, watched as its time goes on, to the page's minute.

    Attributes
    ----------
    delivered_kwh, imported_kwh : energies since the station's clock began, kWh
    peak_kw : highest import seen, kW
    """

    delivered_kwh: float = 0.0
    imported_kwh: float = 0.0
    peak_kw: float = 0.0
    # By session: energy missing to the target, kWh; seconds from arrival to the target, so far.
    _remaining_kwh: dict[str, float] = field(default_factory=dict)
    _needed_s: dict[str, float] = field(default_factory=dict)
    _done: set[str] = field(default_factory=set)

    def watch(self, status: StationStatus) -> None:
        """Take the figures of a status into account."""
        self.delivered_kwh, self.imported_kwh = status.delivered_kwh, status.imported_kwh
        self.peak_kw = max(self.peak_kw, status.grid_kw + status.static_load_kw + status.standby_kw)
        for _, _, session in status.sessions:
            name, remaining_kwh = session.session_id, session.remaining_kwh
            if remaining_kwh is None or name in self._done:
                continue
            self._remaining_kwh[name] = remaining_kwh
            self._needed_s[name] = status.now_s - session.arrived_s
            if remaining_kwh == 0.0:
                self._done.add(name)

    @property
    def remaining_kwh(self) -> float:
        """Energy that cars want or wanted when they left, kWh."""
        return sum(self._remaining_kwh.values())

    @property
    def minutes(self) -> float:
        """Minutes from arrival to target, mean over all cars; so far, for those still on the way."""
        return sum(self._needed_s.values()) / len(self._needed_s) / 60.0 if self._needed_s else 0.0


class ShadowStation:
    """A station under other rules that follows another one's record.

    It has no lease of its own: where the first one falls back to its fail-safe limit, the record says so.

    Parameters
    ----------
    change : `NO_BATTERY`, `ONE_MORE_CHARGER`, or a name of `STRATEGIES`
    config : the first station's
    own : rank functions that the record names and that are not shipped
    max_steps : bound of one catching up

    Raises
    ------
    BadValueError
        Where the change makes no sense at this station.
    """

    def __init__(
        self,
        change: str,
        config: StationConfig,
        own: Mapping[str, Strategy] = MappingProxyType({}),
        max_steps: int = MAX_STEPS,
    ) -> None:
        self.change, self._own, self._max_steps = change, own, max_steps
        strategy = change if change in STRATEGIES else "max_min"
        self.station = Station(changed(config, change), strategy)
        self.outcome = Outcome()
        # Power to all cars and the battery's SoC, at each moment that was watched.
        self.samples: Window[tuple[float, float, float]] = Window()
        self._end_s = 0.0
        self._connectors: dict[ConnectorId, ConnectorId] = {}

    def follow(self, events: Iterable[Event]) -> None:
        """Repeat events of the first station here, then advance to the time of the last.

        Raises
        ------
        BadValueError
            When that takes too many steps.
        """
        steps = 0
        for event in events:
            if event.call == "advance":
                # It is advanced by the event after it: that may lie inside, such as a fail-safe note.
                self._end_s = event.at_s + float(str(event.arguments["seconds"]))
            else:
                steps += self._advance(event.at_s, self._max_steps - steps)
                self._repeat(event)
        self._advance(self._end_s, self._max_steps - steps)
        self._watch()

    def _advance(self, until_s: float, max_steps: int) -> int:
        """Advance a minute at a time, or at once where no power flows; return the number of steps."""
        steps = 0
        while (left_s := until_s - self.station.now_s) > 0.0:
            if steps >= max_steps:
                raise BadValueError("the record is too long to be played again: press ↺ Start first")
            if self._at_rest:
                self.station.advance(left_s)
                self._fill_window(left_s)
            else:
                self.station.advance(min(SAMPLE_S, left_s))
            self._watch()
            steps += 1
        return steps

    @property
    def _at_rest(self) -> bool:
        allocation = self.station.decision.allocation
        return allocation.battery_kw == 0.0 and not any(allocation.offered_kw.values())

    def _fill_window(self, seconds: float) -> None:
        """Add a sample a minute for an advance at rest that has just ended."""
        now_s, soc = self.station.now_s, battery_soc(self.station.status())
        for minute in range(min(MAX_SAMPLES, int(seconds / SAMPLE_S)), 0, -1):
            self.samples.add((now_s - minute * SAMPLE_S, 0.0, soc))

    def _watch(self) -> None:
        status = self.station.status()
        self.outcome.watch(status)
        self.samples.add((status.now_s, status.offered_kw, battery_soc(status)))

    def _repeat(self, event: Event) -> None:
        if event.call == FAIL_SAFE:
            self.station.set_site_limit(float(str(event.arguments["limit_kw"])))
            return
        if event.call == "set_strategy" and self.change in STRATEGIES:
            return
        call, arguments = call_of(event, self._own)
        if call == "set_available" and arguments["charger_id"] == BATTERY and not self.station.config.battery:
            return
        if "connector" in arguments and call != "set_available":
            there = self._connector(call, (arguments["charger_id"], arguments["connector"]))
            if there is None:
                return
            arguments["charger_id"], arguments["connector"] = there
        getattr(self.station, call)(**arguments)

    def _connector(self, call: str, connector_id: ConnectorId) -> ConnectorId | None:
        """Return the connector here of a car of the record; None where it found none."""
        if call == "unplug":
            return self._connectors.pop(connector_id, None)
        if call != "plug_in":
            return self._connectors.get(connector_id)
        free = free_connectors(self.station)
        if self.change != ONE_MORE_CHARGER:
            there = connector_id if connector_id in free else None
        else:
            there = min(free, key=lambda other: self._crowding(other, connector_id), default=None)
        if there is not None:
            self._connectors[connector_id] = there
        return there

    def _crowding(self, connector_id: ConnectorId, wanted: ConnectorId) -> tuple[int, bool]:
        """Order connectors: drivers who can choose take the emptiest charger, then their own connector."""
        others = sum(each[0] == connector_id[0] for each in self.station.decision.state.sessions)
        return others, connector_id != wanted


def changed(config: StationConfig, change: str) -> StationConfig:
    """Return the configuration with one thing changed, and without a lease."""
    # Through plain data: a copy would keep the figures that were computed from what is changed here.
    parts = {**config.model_dump(), "limit_lease_s": None, "fail_safe_limit_kw": None}
    if change == NO_BATTERY:
        if config.battery is None:
            raise BadValueError(f"{config.station_id} has no battery to leave out")
        parts["battery"] = None
    elif change == ONE_MORE_CHARGER:
        parts["chargers"] = [*parts["chargers"], {**parts["chargers"][-1], "id": _new_name(config)}]
    elif change not in STRATEGIES:
        raise BadValueError(f"there is no such change: {shortened(change)}")
    return StationConfig.model_validate(parts)


def _new_name(config: StationConfig) -> str:
    names = {charger.id for charger in config.chargers}
    return next(name for number in range(len(names) + 1) if (name := f"ADDED{number or ''}") not in names)
