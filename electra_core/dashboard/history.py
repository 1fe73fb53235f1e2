"""The live window: what the curves show, a sample a minute at least; hours of play do not grow it."""

from __future__ import annotations

from collections import deque

from electra_core.figures import Sample
from electra_core.reading import site_limit_kw
from electra_core.station import Station

SAMPLE_S = 60.0
# The page draws the last four hours.
SAMPLES = 260


class History(deque[Sample]):
    """The last samples of a station, in the order of time."""

    def __init__(self) -> None:
        super().__init__(maxlen=SAMPLES)

    def take(self, station: Station) -> None:
        """Add the station as it is now."""
        state, allocation, config = station.state, station.allocation, station.config
        charging_kw, battery = max(0.0, allocation.battery_kw), config.battery
        # Before and after are enough for one moment: a slider that is dragged adds nothing between.
        if len(self) > 1 and self[-2].now_s == state.now_s:
            self.pop()
        offered = allocation.offered_kw
        self.append(
            Sample(
                now_s=state.now_s,
                limit_kw=site_limit_kw(config, state),
                static_kw=state.static_load_kw + config.standing_kw,
                cars_kw=allocation.grid_kw - charging_kw,
                charging_kw=charging_kw,
                battery_kw=allocation.battery_kw,
                soc=state.battery_kwh / battery.initial_capacity_kwh if battery else 0.0,
                sessions_kw={place: offered[session.session_id] for place, session in state.sessions.items()},
            )
        )
