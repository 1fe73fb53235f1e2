"""Many runs: stations, sessions and strategies in all their combinations, as one table."""

from electra_core.simulation.sweep.study import StudyError
from electra_core.simulation.sweep.sweep import sweep

__all__ = ["StudyError", "sweep"]
