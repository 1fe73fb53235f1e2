"""A station for days and years: the decisions of `Station`, compiled, and what a run leaves."""

from electra_core.simulation.result import Result, ResultError
from electra_core.simulation.simulate import SimulationWarning, run, simulate

__all__ = ["Result", "ResultError", "SimulationWarning", "run", "simulate"]
