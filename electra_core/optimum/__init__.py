"""The best possible, by linear programs: for one instant, in hindsight for a whole run, and looking ahead."""

from electra_core.optimum.best import Best, Regret, Run, hindsight, regret
from electra_core.optimum.instant import Instant, best_instant, plan_instant
from electra_core.optimum.lookahead import Mpc
from electra_core.optimum.program import OptimumError
from electra_core.strategies import Planner

# Planners that a simulation knows by name.
PLANNERS = {"best_instant": Planner(plan_instant, "best_instant"), "mpc": Planner(Mpc(), "mpc")}

__all__ = [
    "PLANNERS",
    "Best",
    "Instant",
    "Mpc",
    "OptimumError",
    "Regret",
    "Run",
    "best_instant",
    "hindsight",
    "plan_instant",
    "regret",
]
