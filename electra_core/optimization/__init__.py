"""Optimization by linear programs: of one instant, of a whole run in hindsight, and looking ahead.

``linear_program`` wraps the solver HiGHS; ``model`` is the program of a whole run, over the ``intervals`` of
its time, with charging curves as ``curve_cuts``; ``hindsight``, ``instant`` and ``mpc`` optimize.
"""

from electra_core.allocation import Planner
from electra_core.optimization.hindsight import CompletedRun, HindsightOptimum, Regret, hindsight, regret
from electra_core.optimization.instant import InstantOptimum, best_instant, plan_instant
from electra_core.optimization.intervals import program_size
from electra_core.optimization.linear_program import OptimizationError
from electra_core.optimization.mpc import Mpc

# The planners by their names in a simulation.
PLANNERS = {"best_instant": Planner(plan_instant, "best_instant"), "mpc": Planner(Mpc(), "mpc")}

__all__ = [
    "PLANNERS",
    "CompletedRun",
    "HindsightOptimum",
    "InstantOptimum",
    "Mpc",
    "OptimizationError",
    "Regret",
    "best_instant",
    "hindsight",
    "plan_instant",
    "program_size",
    "regret",
]
