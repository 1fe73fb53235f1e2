"""The clock of a served station: it follows the time of day, unless that jumps."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from electra_core.station import MAX_ADVANCE_S

LOG = logging.getLogger("electra")

# CLOCK_BOOTTIME (Linux) counts while the machine sleeps, and so does CLOCK_MONOTONIC of macOS.
_UPTIME = getattr(time, "CLOCK_BOOTTIME", getattr(time, "CLOCK_MONOTONIC", None))


def uptime_s() -> float:
    """Return the seconds of a clock that is never set and, where the system has one, counts during sleep."""
    return time.monotonic() if _UPTIME is None else time.clock_gettime(_UPTIME)


class DayClock:
    """A clock that follows the time of day, and the machine's uptime where that has jumped.

    A difference of up to ``max_jump_s`` is followed at once: the clock catches up, or stands still until the
    time of day has come to it. During a larger one it runs on by the uptime and says so in ``notice``. When
    that has lasted for ``trust_after_s``, the time of day is believed: a clock that is behind catches up (a
    year at most), and one that is ahead gets another beginning, so that it goes on from what it shows. At a
    start, a clock that is behind was stopped, and catches up.

    Parameters
    ----------
    began_unix_s : time of day when the station's clock showed 0, s
    now_s : what the station's clock shows, s since it began
    time_of_day_s : returns the time of day, s (Unix)
    uptime_s : returns seconds of a clock that is never set
    max_jump_s : largest difference that is followed at once, s
    trust_after_s : time after which a larger difference is believed, s
    """

    def __init__(
        self,
        began_unix_s: float,
        now_s: float,
        time_of_day_s: Callable[[], float] = time.time,
        uptime_s: Callable[[], float] = uptime_s,
        max_jump_s: float = 60.0,
        trust_after_s: float = 600.0,
    ) -> None:
        self.began_unix_s, self.notice = began_unix_s, ""
        self._time_of_day_s, self._uptime_s = time_of_day_s, uptime_s
        self._max_jump_s, self._trust_after_s = max_jump_s, trust_after_s
        # Uptime and time of day, less the station's clock; the latter while the two disagree, and since when.
        day_s = time_of_day_s() - began_unix_s
        stopped = 0.0 <= day_s - now_s <= MAX_ADVANCE_S
        self._offset_s = (day_s if stopped else now_s) - uptime_s()
        self._day_offset_s, self._since_s = 0.0, 0.0

    def read_s(self, now_s: float) -> float:
        """Return what a station's clock that shows ``now_s`` has to show now, s; never less than that."""
        uptime_s, day_s = self._uptime_s(), self._time_of_day_s() - self.began_unix_s
        own_s = max(now_s, uptime_s + self._offset_s)
        if abs(day_s - own_s) <= self._max_jump_s:
            if self.notice:
                LOG.warning("the station's clock agrees with the time of day again")
            self.notice, own_s = "", day_s
        else:
            own_s = self._disagree(own_s, day_s, uptime_s)
        self._offset_s = own_s - uptime_s
        return max(own_s, now_s)

    def _disagree(self, own_s: float, day_s: float, uptime_s: float) -> float:
        """Return which of the two holds, s: the station's own clock, until the other has lasted."""
        if not self.notice or abs(day_s - uptime_s - self._day_offset_s) > self._max_jump_s:
            self._day_offset_s, self._since_s = day_s - uptime_s, uptime_s
            where = "ahead of" if day_s > own_s else "behind"
            self.notice = (
                f"the time of day is {abs(day_s - own_s):,.0f} s {where}"
                " this station's clock, which runs on by the machine's uptime"
                f" and believes the time of day if this lasts for {self._trust_after_s:g} s"
            )
            LOG.warning("%s", self.notice)
        if uptime_s - self._since_s < self._trust_after_s:
            return own_s
        self.notice = ""
        if 0.0 <= day_s - own_s <= MAX_ADVANCE_S:
            LOG.warning("the station catches up with the time of day, %.0f s", day_s - own_s)
            return day_s
        self.began_unix_s += day_s - own_s
        LOG.warning("the station's clock has another beginning now, and agrees with the time of day")
        return own_s
