"""Share power: a snapshot of demands and limits goes in, an allocation comes out.

``snapshot`` holds the question and the answer, ``waterfill`` the arithmetic, ``solver`` the order in which
grid and battery fill, ``strategies`` the order of sessions and their weights; ``allocate`` puts them
together, ``violations`` checks the answer, ``setpoints`` orders the commands from one answer to the next.
"""

from electra_core.allocation.allocate import allocate
from electra_core.allocation.setpoints import BATTERY
from electra_core.allocation.snapshot import (
    MAX_DEMAND,
    MAX_MODULES,
    MAX_WEIGHT,
    MIN_EFFICIENCY,
    MIN_MODULE_KW,
    MIN_WEIGHT,
    Allocation,
    Demand,
    Limit,
    Snapshot,
    SnapshotError,
)
from electra_core.allocation.strategies import (
    MAX_RANK_WEIGHT,
    MIN_RANK_WEIGHT,
    STRATEGIES,
    EqualParts,
    Planner,
    Rank,
    Strategy,
    StrategyError,
    find_strategy,
    in_equal_parts,
    is_timeless,
    max_min,
    name_of,
    planned,
    ranked,
    timeless,
)
from electra_core.allocation.violations import violations

__all__ = ["BATTERY", "MAX_DEMAND", "MAX_MODULES", "MAX_RANK_WEIGHT", "MAX_WEIGHT", "MIN_EFFICIENCY"]
__all__ += ["MIN_MODULE_KW", "MIN_RANK_WEIGHT", "MIN_WEIGHT", "STRATEGIES", "Allocation", "Demand"]
__all__ += ["EqualParts", "Limit", "Planner", "Rank", "Snapshot", "SnapshotError", "Strategy"]
__all__ += [
    "StrategyError",
    "allocate",
    "find_strategy",
    "in_equal_parts",
    "is_timeless",
    "max_min",
    "name_of",
    "planned",
]
__all__ += ["ranked", "timeless", "violations"]
