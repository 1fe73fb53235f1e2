"""The live window: what the curves show, a sample a minute at least; hours of play do not grow it."""

from __future__ import annotations

from collections import deque
from typing import TypeVar

from electra_core.dashboard.figures import Sample
from electra_core.station import State, Station, StationConfig, site_limit_kw

SAMPLE_S = 60.0
# The page draws the last four hours.
SAMPLES = 260

# A tuple that begins with its moment, s.
Moment = TypeVar("Moment", bound=tuple[object, ...])


class Window(deque[Moment]):
    """The last samples of something, in the order of time."""

    def __init__(self) -> None:
        super().__init__(maxlen=SAMPLES)

    def add(self, sample: Moment) -> None:
        """Add a sample; of one moment the first and the last stay: a dragged slider adds nothing between."""
        if len(self) > 1 and self[-2][0] == sample[0]:
            self.pop()
        self.append(sample)


def sample_of(station: Station) -> Sample:
    """The station as it is now."""
    state, allocation, config = station.state, station.allocation, station.config
    charging_kw, offered = max(0.0, allocation.battery_kw), allocation.offered_kw
    return Sample(
        now_s=state.now_s,
        limit_kw=site_limit_kw(config, state),
        static_kw=state.static_load_kw + config.standing_kw,
        cars_kw=allocation.grid_kw - charging_kw,
        charging_kw=charging_kw,
        battery_kw=allocation.battery_kw,
        soc=battery_soc(config, state),
        sessions_kw={place: offered[session.session_id] for place, session in state.sessions.items()},
    )


def battery_soc(config: StationConfig, state: State) -> float:
    """SoC of the station's battery, 0 to 1; 0 where there is none."""
    return state.battery_kwh / config.battery.initial_capacity_kwh if config.battery else 0.0
