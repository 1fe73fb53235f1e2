"""The best possible, by linear programs: for one instant, in hindsight for a whole run, and looking ahead."""

from electra_core.allocation import Planner
from electra_core.optimization.hindsight import Best, Regret, Run, hindsight, regret
from electra_core.optimization.instant import Instant, best_instant, plan_instant
from electra_core.optimization.linear_program import OptimizationError
from electra_core.optimization.mpc import Mpc

# Planners that a simulation knows by name.
PLANNERS = {"best_instant": Planner(plan_instant, "best_instant"), "mpc": Planner(Mpc(), "mpc")}

__all__ = [
    "PLANNERS",
    "Best",
    "Instant",
    "Mpc",
    "OptimizationError",
    "Regret",
    "Run",
    "best_instant",
    "hindsight",
    "plan_instant",
    "regret",
]
