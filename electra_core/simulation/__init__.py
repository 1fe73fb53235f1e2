"""Simulate days and years of a station: runs, their results, metrics and costs, and sweeps of many runs."""

from electra_core.simulation.records import ResultError
from electra_core.simulation.result import Result
from electra_core.simulation.simulate import SimulationWarning, run, simulate
from electra_core.simulation.sweep import StudyError, sweep

__all__ = ["Result", "ResultError", "SimulationWarning", "StudyError", "run", "simulate", "sweep"]
