"""Linear programs built from arrays and solved by HiGHS; some columns may be whole numbers."""

from __future__ import annotations

from typing import TypeAlias

import highspy
import numpy as np
import numpy.typing as npt

from electra_core.errors import ElectraError

Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]

# Feasibility and optimality tolerances, in the units of the program: the second one where the solver does not
# reach the first.
TOLERANCES = (1e-9, 1e-7)
TIGHT = TOLERANCES[0]

CONTINUOUS = highspy.HighsVarType.kContinuous
WHOLE = highspy.HighsVarType.kInteger
# Either 0 or from the lower bound to the upper.
ALL_OR_NOTHING = highspy.HighsVarType.kSemiContinuous

STATUS = highspy.HighsModelStatus
SENTENCES = {
    STATUS.kInfeasible: "there is no schedule that keeps all limits",
    STATUS.kUnboundedOrInfeasible: "there is no schedule that keeps all limits, or no best one",
    STATUS.kUnbounded: "there is no best schedule: some limit is missing",
    STATUS.kTimeLimit: "the best schedule was not found within the time limit",
    STATUS.kMemoryLimit: "the best schedule was not found within the memory limit",
}


class OptimizationError(ElectraError):
    """An optimization without a solution, or with arguments out of range."""


class _SilentHighs(highspy.Highs):
    """HiGHS without output.

    Its constructor prints a banner when it enables callbacks, which are not used here.
    """

    def enableCallbacks(self) -> None:  # noqa: N802
        self.silent()


class Program:
    """A linear program: columns with bounds and costs, rows that limit sums of them, and the minimal cost.

    After a solve the costs may change and rows may be added; the next solve starts from the last solution.

    Parameters
    ----------
    time_limit_s : time limit of each solve, s; None: unlimited
    """

    def __init__(self, time_limit_s: float | None = None) -> None:
        self._highs = _SilentHighs()  # type: ignore[no-untyped-call]
        self._time_limit_s = time_limit_s
        # One thread: the same program always has the same solution, and many run side by side. Dual simplex
        # without presolve: interior points took twice as long, and presolve took more time than it saved (and
        # with whole numbers it missed feasible schedules at these tolerances).
        options: dict[str, str | float] = {
            "threads": 1,
            "presolve": "off",
            "mip_feasibility_tolerance": TIGHT,
            "mip_rel_gap": TIGHT,
            "mip_abs_gap": TIGHT,
        }
        for name, value in options.items():
            self._highs.setOptionValue(name, value)

    def add_columns(
        self,
        lower: npt.ArrayLike,
        upper: npt.ArrayLike,
        cost: npt.ArrayLike = 0.0,
        kind: highspy.HighsVarType = CONTINUOUS,
    ) -> Ints:
        """Add a column for each entry of the bounds; return the columns' indices."""
        arrays = np.broadcast_arrays(np.atleast_1d(lower), upper, cost)
        lowers, uppers, costs = (np.array(array, np.float64) for array in arrays)
        first, count = self._highs.getNumCol(), len(costs)
        none = np.zeros(0, np.int32)
        indices = np.arange(first, first + count)
        if count:
            self._highs.addCols(count, costs, lowers, uppers, 0, none, none, np.zeros(0))
        if count and kind != CONTINUOUS:
            kinds = np.full(count, int(kind), np.uint8)
            self._highs.changeColsIntegrality(count, indices.astype(np.int32), kinds)
        return indices

    def add_rows(
        self, row: Ints, column: Ints, value: npt.ArrayLike, lower: npt.ArrayLike, upper: npt.ArrayLike
    ) -> None:
        """Add rows: ``lower <= sum of value * column <= upper``.

        Parameters
        ----------
        row : row of each entry, counted from 0 among those that are added here
        column : index of each entry's column; each at most once in a row
        value : of each entry, or one for all
        lower, upper : of each row, or one for all (a single row then)
        """
        lowers, uppers = (
            np.array(one, np.float64) for one in np.broadcast_arrays(np.atleast_1d(lower), upper)
        )
        count = len(lowers)
        if count == 0:
            return
        order = np.argsort(row, kind="stable")
        starts = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=count))])
        self._highs.addRows(
            count,
            lowers,
            uppers,
            len(row),
            starts.astype(np.int32),
            column[order].astype(np.int32),
            np.broadcast_to(np.asarray(value, float), row.shape)[order],
        )

    def set_costs(self, column: Ints, cost: npt.ArrayLike) -> None:
        """Set the costs of these columns, and 0 for all others."""
        costs = np.zeros(self._highs.getNumCol())
        costs[column] = cost
        self._highs.changeColsCost(len(costs), np.arange(len(costs), dtype=np.int32), costs)

    def solve(self) -> Floats:
        """Return the value of each column at the minimal cost.

        Raises
        ------
        OptimizationError
            When there is no such solution, or none was found in time.
        """
        highs, status = self._highs, STATUS.kNotset
        if self._time_limit_s is not None:
            # HiGHS counts the time of all solves together.
            highs.setOptionValue("time_limit", highs.getRunTime() + self._time_limit_s)
        for tolerance in TOLERANCES:
            highs.setOptionValue("primal_feasibility_tolerance", tolerance)
            highs.setOptionValue("dual_feasibility_tolerance", tolerance)
            highs.run()
            status = highs.getModelStatus()
            if status in (STATUS.kOptimal, STATUS.kModelEmpty, STATUS.kTimeLimit):
                break
        if status == STATUS.kModelEmpty:
            return np.zeros(0)
        if status != STATUS.kOptimal:
            unknown = f"the solver gave up: {highs.modelStatusToString(status)}"
            raise OptimizationError(SENTENCES.get(status, unknown))
        return np.array(highs.getSolution().col_value)
