"""One decision: from a draft of the state to a moment that may be put in force."""

from __future__ import annotations

from dataclasses import dataclass

from electra_core.allocation.allocate import allocate
from electra_core.allocation.snapshot import Allocation, Snapshot, violations
from electra_core.allocation.strategies import StrategyError
from electra_core.errors import BadValueError, LimitBrokenError
from electra_core.station import exercise_battery, timers
from electra_core.station.config import StationConfig
from electra_core.station.demand import NOBODY, Asked, read_demands, read_snapshot
from electra_core.station.state import State


@dataclass(frozen=True, slots=True)
class Moment:
    """A state, what it asks for, and what it was answered; ``asked`` saves reading the same again."""

    state: State
    asked: Asked
    snapshot: Snapshot
    allocation: Allocation


def decide(config: StationConfig, draft: State, asked: Asked = NOBODY) -> Moment:
    """Read a draft into a snapshot, allocate, and look for broken limits.

    ``asked`` is what was read for the decision before.

    Raises
    ------
    BadValueError
        When the strategy fails or answers nonsense.
    LimitBrokenError
        When the answer would break a limit.
    """
    while True:
        draft = exercise_battery.releases(config, timers.due(config, draft))
        asked = read_demands(config, draft, asked)
        snapshot = read_snapshot(config, draft, asked)
        try:
            allocation = allocate(snapshot, draft.strategy)
            state = timers.watched(config, draft, snapshot, allocation)
        except StrategyError as error:
            raise BadValueError(str(error)) from error
        broken = violations(snapshot, allocation)
        if broken:
            raise LimitBrokenError(f"the decision would break a limit: {'; '.join(broken)}")
        # A timer of no length falls due at once: the decision that it asks for is this one.
        if timers.next_s(config, state) > state.now_s:
            return Moment(state, asked, snapshot, allocation)
        draft = state
