"""The live window: at least one sample a minute for the curves, and no more of them after hours of play."""

from __future__ import annotations

from collections import deque
from typing import TypeVar

from electra_core.dashboard.figures import Sample
from electra_core.station import StationStatus

SAMPLE_S = 60.0
# The page draws the last four hours.
MAX_SAMPLES = 260

# A tuple that begins with its time, s.
Timed = TypeVar("Timed", bound=tuple[object, ...])


class Window(deque[Timed]):
    """The last samples of a station, in the order of time."""

    def __init__(self) -> None:
        super().__init__(maxlen=MAX_SAMPLES)

    def add(self, sample: Timed) -> None:
        """Add a sample; of one time the first and the last stay, so that a dragged slider adds no more."""
        if len(self) > 1 and self[-2][0] == sample[0]:
            self.pop()
        self.append(sample)


def sample_of(status: StationStatus) -> Sample:
    """Return the sample of a status."""
    battery_kw = status.battery.power_kw if status.battery else 0.0
    charging_kw = max(0.0, battery_kw)
    return Sample(
        now_s=status.now_s,
        limit_kw=status.site_limit_kw,
        static_kw=status.static_load_kw + status.standby_kw,
        cars_kw=status.grid_kw - charging_kw,
        charging_kw=charging_kw,
        battery_kw=battery_kw,
        soc=battery_soc(status),
        sessions_kw={
            (charger_id, number): session.allocated_power for charger_id, number, session in status.sessions
        },
    )


def battery_soc(status: StationStatus) -> float:
    """Return the SoC of the station's battery, 0 to 1; 0 without a battery."""
    return status.battery.state_of_charge if status.battery else 0.0
