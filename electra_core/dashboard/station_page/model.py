"""The page's model: a choice of stations and days, files and links; no widgets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from traitlets import Dict, List, Unicode, observe, validate

from electra_core.dashboard.station_page.day_choice import NO_DAY, DayChoice, shipped_day
from electra_core.dashboard.station_page.links import Link, checked_link, link_query
from electra_core.dashboard.station_page.playback import Playback
from electra_core.dashboard.station_page.playback_model import PlaybackModel, checked_choice
from electra_core.dashboard.station_page.record import RecordedStation
from electra_core.dashboard.station_page.remote import RemotePlayback
from electra_core.dashboard.station_page.remote_client import is_address
from electra_core.dashboard.station_page.traffic import Traffic
from electra_core.errors import BadValueError, ElectraError, shortened
from electra_core.sessions import Arrival, Day
from electra_core.station import StationConfig

# The time of day when a station without traffic begins; others begin so long before their first car, s.
MORNING_S = 8 * 3600.0
LEAD_S = 300.0


class StationModel(PlaybackModel):
    """The stations and days that a page offers, and the one that plays.

    Parameters
    ----------
    configs : station configurations by the name that the page shows
    station_name, day_name : the station and the day to open; a day that does not fit is replaced

    Attributes
    ----------
    day : the shipped day that is played, or None
    """

    station_name = Unicode()
    day_name = Unicode()
    stations = List(Unicode())
    days: Mapping[str, str] = Dict()  # type: ignore[assignment]

    def __init__(self, configs: Mapping[str, StationConfig], station_name: str, day_name: str) -> None:
        super().__init__()
        self.configs = dict(configs)
        self.day: Day | None = None
        self._day_choice = DayChoice()
        self._opened = ("", "")
        self.open(station_name, day_name)

    # --- opening -------------------------------------------------------------------------------------

    def open(self, station_name: str, day_name: str | None = None) -> None:
        """Begin at a station, on a day that fits it (the first that does, when none is named)."""
        days = self._day_choice.titles(self.configs[station_name])
        names = list(days.values())
        chosen = day_name if day_name in names else names[min(1, len(names) - 1)]
        with self.hold_trait_notifications():
            self.stations, self.days = list(self.configs), days
            self.station_name, self.day_name = self._opened = station_name, chosen
            self.day = shipped_day(chosen)
            self._day_words = (self.day.title, self.day.source) if self.day else (chosen, "")
            self.restart(self.day.busiest_s if self.day else self._begin_s())

    def begin(self) -> None:
        """Go back to the start: a little before the first car arrives."""
        if self.playback.fixed:
            self._do(self._check_exchangeable)
        else:
            self.restart(self._begin_s())

    def _check_exchangeable(self) -> None:
        if self.playback.fixed:
            raise BadValueError(self.playback.fixed)

    def _begin_s(self) -> float:
        arrivals = self._arrivals()
        return max(0.0, arrivals[0].arrival_s - LEAD_S) if arrivals else MORNING_S

    def _arrivals(self) -> tuple[Arrival, ...]:
        return self._day_choice.arrivals(self.day_name)

    def restart(self, at_s: float) -> None:
        """Begin the day again, and play it up to a time, s."""
        station = RecordedStation(self.config)
        if self.strategy != "max_min":
            station.set_strategy(self.strategy)
        with self.hold_trait_notifications():
            self.log, self.refusal, self.selected = [], "", None
            self.attach(Playback(station, Traffic(self._arrivals(), self.config), self._note))
            self.playback.pass_time(at_s)
            self._compare_again()
            self._show()

    def _compare_again(self) -> None:
        """Compare with the same change of rules; at another station it may make no sense."""
        try:
            self.playback.compare(self.what_if)
        except ElectraError as error:
            self._note(f"The comparison has ended: {error}")

    def _open_served(self, address: str) -> None:
        """Show and steer a station that is served elsewhere; nothing of it can be exchanged."""
        entries, self.log = self.log, []
        try:
            playback = RemotePlayback(address, self._note_at)
        except ElectraError:
            self.log = entries
            raise
        title, config = f"Live from {playback.address}", playback.station.config
        self.playback.close()
        self.configs, self.day = {config.station_id: config}, None
        with self.hold_trait_notifications():
            self.playing, self.selected, self._day_words = False, None, (title, "")
            self.stations, self.days = list(self.configs), {title: title}
            self.station_name, self.day_name = self._opened = config.station_id, title
            self.attach(playback)
            self._compare_again()
            self._show()

    def follow_link(self, wanted: Mapping[str, str]) -> bool:
        """Open the names of a link: ``station``, ``day`` and ``strategy``, as far as they are here."""

        def open_link() -> None:
            address = wanted.get("station", "")
            if is_address(address):
                return self._open_served(address)
            link = checked_link(wanted, self.configs, self.station_name, self.strategy)
            with self.hold_trait_notifications():
                self.strategy = link.strategy
                self.open(link.station, link.day)

        return self._do(open_link)

    def upload(self, kind: str, name: str, content: bytes) -> bool:
        """Load a visitor's own file: a ``station``, a ``day`` of sessions, or a record of ``events``."""
        # pandas is loaded only for a file.
        from electra_core.dashboard import uploads

        def load() -> str:
            self._check_exchangeable()
            if kind == "station":
                config = uploads.uploaded_config(name, content)
                self.configs[config.station_id] = config
                self.open(config.station_id)
            elif kind == "day":
                title = f"Yours: {shortened(name).strip(chr(39))}"
                self._day_choice.add(title, uploads.uploaded_arrivals(name, content, self.config))
                self.open(self.station_name, title)
            elif kind == "events":
                own = self.playback.own_strategies
                events = uploads.uploaded_station(name, content, self.config, own).events
                self.open(self.station_name, NO_DAY)
                self.attach(Playback(RecordedStation(self.config), Traffic(), self._note))
                self.playback.repeat(events, own)
                self._compare_again()
            else:
                raise BadValueError(f"there is no kind of file {shortened(kind)}")
            return f"{shortened(name)} loaded"

        return self._do(load)

    def export(self, kind: str) -> tuple[str, str, bytes] | None:
        """Return name, type and content of a file to take along; None where there is none."""
        found: list[tuple[str, str, bytes]] = []
        self._do(lambda: found.append(self.playback.export(kind)))
        return found[0] if found else None

    # --- reading -------------------------------------------------------------------------------------

    @property
    def config(self) -> StationConfig:
        """The station's configuration."""
        return self.configs[self.station_name]

    @property
    def link(self) -> str:
        """The query of a link that opens the page with this station, day and strategy."""
        link = Link(self.station_name, self.day_name, self.strategy)
        return link_query(link, self.playback.address)

    # --- from traits -----------------------------------------------------------------------------------

    @observe("station_name")
    def _on_station_name_changed(self, change: Mapping[str, Any]) -> None:
        if change["new"] != self._opened[0]:
            self.open(change["new"])

    @observe("day_name")
    def _on_day_name_changed(self, change: Mapping[str, Any]) -> None:
        if change["new"] != self._opened[1]:
            self.open(self.station_name, change["new"])

    @validate("station_name", "day_name")
    def _check_name(self, proposal: Mapping[str, Any]) -> str:
        names = self.configs if proposal["trait"].name == "station_name" else self.days.values()
        return str(checked_choice(proposal, list(names)))
