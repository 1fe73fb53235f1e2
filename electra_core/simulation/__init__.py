"""Days and years of a station: the decisions of `Station`, compiled; their results, metrics and cost; many runs."""

from electra_core.simulation.result import Result, ResultError
from electra_core.simulation.simulate import SimulationWarning, run, simulate
from electra_core.simulation.sweep import StudyError, sweep

__all__ = ["Result", "ResultError", "SimulationWarning", "StudyError", "run", "simulate", "sweep"]
