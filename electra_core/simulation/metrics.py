"""Metrics of a run, such as fairness, peaks and costs, computed from arrays of numbers.

Each metric is finite wherever it can be, also for an empty run; input that is no row of numbers, or out of
range, raises `MetricsError`. Powers are the mean of each step, kW; ``lengths_s`` is the length of each step,
s, because the last step of a run may be shorter.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from electra_core.errors import ElectraError, checked_number, shortened
from electra_core.station import HOUR_S

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]

# The window over which utilities measure demand.
QUARTER_HOUR_S = 900.0

MIN_STEP_S = 0.001

# An edge of a step this close to one of a window is the same moment: rounding must not make a window.
ROUNDING_S = 1e-6


class MetricsError(ElectraError):
    """Numbers of which no metric can be computed."""


def jain(values: ArrayLike) -> float:
    """Return Jain's index of fairness: 1 when all values are equal, 1/n when one of n has everything.

    (Σx)² / (n Σx²), the "index of fairness" of Jain, Chiu and Hawe, "A Quantitative Measure of Fairness and
    Discrimination for Resource Allocation in Shared Computer Systems", DEC-TR-301, 1984.

    Parameters
    ----------
    values : shape (n,), 0 or more, of any unit; NaN stands for "not known" and is left out

    Returns
    -------
    From 1/n to 1. Also 1 where there are no values or all are 0: then none is less than another.

    Examples
    --------
    >>> jain([22, 22, 22]), jain([150, 0, 0, 0])
    (1.0, 0.25)
    """
    row = _numbers("values", values)
    known = row[~np.isnan(row)]
    bad = np.flatnonzero(~((known >= 0.0) & (known < np.inf)))
    if len(bad):
        raise MetricsError(f"values must be finite and 0 or more, got {known[bad[0]]:g}")
    highest = known.max(initial=0.0)
    if highest == 0.0:
        return 1.0
    # The index does not depend on the unit, and squares of shares neither overflow nor vanish.
    shares = known / highest
    return min(1.0, float(shares.sum() ** 2 / (len(shares) * (shares @ shares))))


def quantile(values: ArrayLike, share: float) -> float:
    """Return the value that a share of all values do not exceed.

    Linear between the two nearest of the sorted values: definition 7 of Hyndman and Fan, "Sample Quantiles in
    Statistical Packages", The American Statistician 50 (1996), 361-365.

    Parameters
    ----------
    values : shape (n,), of any unit; NaN stands for "not known" and is left out
    share : 0 to 1: 0.5 is the median, 0.95 the 95th percentile

    Returns
    -------
    In the unit of the values; 0 where no value is known. Infinite only where values are.

    Examples
    --------
    >>> quantile([1, 2, 3, 4], 0.5)
    2.5
    """
    checked_number("share", share, 0.0, 1.0, MetricsError)
    row = _numbers("values", values)
    known = row[~np.isnan(row)]
    if not len(known):
        return 0.0
    with np.errstate(invalid="ignore"):
        found = float(np.quantile(known, share))
    # There is no line from one infinite value to the next.
    return float(np.quantile(known, share, method="higher")) if np.isnan(found) else found


def energy_kwh(power_kw: ArrayLike, lengths_s: ArrayLike) -> float:
    """Return the energy of a run, kWh: the sum over all steps of mean power (kW) times length (s).

    Examples
    --------
    >>> energy_kwh([100, 40], [3600, 1800])
    120.0
    """
    powers_kw, known_s = _powers(power_kw, lengths_s)
    return float(powers_kw @ known_s) / HOUR_S


def load_factor(power_kw: ArrayLike, lengths_s: ArrayLike) -> float:
    """Return mean load over peak load, from 0 to 1: 1 for a flat load, 0 without any.

    The "ratio of average to peak load": Lawrence Berkeley National Laboratory, Tariff Analysis Project,
    "Definitions".

    Parameters
    ----------
    power_kw : shape (steps,), kW, 0 or more; the peak is that of the highest step
    lengths_s : shape (steps,), s

    Examples
    --------
    >>> load_factor([100, 50], [900, 900])
    0.75
    """
    powers_kw, known_s = _powers(power_kw, lengths_s)
    peak_kw = powers_kw.max(initial=0.0, where=known_s > 0.0)
    if peak_kw == 0.0:
        return 0.0
    return min(1.0, float((powers_kw / peak_kw) @ known_s / known_s.sum()))


def clock_peak_kw(
    power_kw: ArrayLike, step_s: float, *, lengths_s: ArrayLike | None = None, **clock: float
) -> float:
    """Return the billing demand, kW: the highest mean of a window of the clock; 0 for an empty run.

    Utilities bill "the highest amount of electricity used within any 15-minute period" of a month (Southern
    California Edison, "What is the difference between demand charges and usage charges?"); in Germany it is
    the Jahreshöchstleistung, the highest quarter-hour of the year, that grid fees are paid for (StromNEV
    § 17 (2)). Quarter-hours of the clock, which do not slide: meters store these.

    Parameters
    ----------
    power_kw, step_s, lengths_s : as `clock_means_kw`
    clock : ``window_s`` and ``clock_s`` of `clock_means_kw`

    Examples
    --------
    >>> clock_peak_kw([150, 0, 60], 600)
    100.0
    """
    means_kw = clock_means_kw(power_kw, step_s, lengths_s=lengths_s, **clock)
    return float(means_kw.max()) if len(means_kw) else 0.0


def clock_means_kw(
    power_kw: ArrayLike,
    step_s: float,
    window_s: float = QUARTER_HOUR_S,
    lengths_s: ArrayLike | None = None,
    *,
    clock_s: float = 0.0,
) -> Floats:
    """Return the mean power of each window of the clock, as a meter stores it (source: `clock_peak_kw`).

    A step that lies in several windows counts in each with the time that it has there. A window that the run
    covers in part has the mean of that part.

    Parameters
    ----------
    power_kw : shape (steps,), kW, the mean of each step
    step_s : s, longer or shorter than a window; need not divide it
    window_s : s, 1 or more
    lengths_s : shape (steps,), s, the length of each step; None: ``step_s`` each
    clock_s : s, time of the clock at which the run begins; windows begin at its multiples of ``window_s``

    Returns
    -------
    Shape (windows,), kW, from the window in which the run begins to the one in which it ends.

    Examples
    --------
    >>> clock_means_kw([30, 0, 60], 1200).tolist()
    [30.0, 10.0, 20.0, 60.0]
    """
    checked_number("step_s", step_s, MIN_STEP_S, error=MetricsError)
    checked_number("window_s", window_s, 1.0, error=MetricsError)
    checked_number("clock_s", clock_s, 0.0, error=MetricsError)
    lengths = np.full(np.shape(power_kw), float(step_s)) if lengths_s is None else lengths_s
    powers_kw, known_s = _powers(power_kw, lengths)
    edges_s = _edges_s(known_s, step_s, window_s, clock_s % window_s)
    if edges_s[-1] == edges_s[0] or not known_s.any():
        return np.zeros(0)
    windows = int(np.ceil(edges_s[-1] / window_s))
    cuts_s = np.union1d(edges_s, window_s * np.arange(1, windows))
    # Nothing begins or ends between two cuts, so the middle of a piece lies in its step and its window.
    piece_s, middle_s = np.diff(cuts_s), 0.5 * (cuts_s[:-1] + cuts_s[1:])
    step = np.searchsorted(edges_s, middle_s) - 1
    window = (middle_s // window_s).astype(np.int64)
    means_kw: Floats = np.bincount(window, powers_kw[step] * piece_s) / np.bincount(window, piece_s)
    return means_kw


def battery_cycles(charged_kwh: float, discharged_kwh: float, capacity_kwh: float) -> float:
    """Return equivalent full cycles: energy through a battery over that of one cycle; 0 without a battery.

    After TWAICE, Battery Encyclopedia, "Cycle": any charge or discharge in terms of the throughput of a full
    cycle, so that from 50 to 100 % and back is half a cycle. SimSES (Möller et al., Journal of Energy Storage
    49, 2022, 103743) counts only the energy charged, which is the same where a run ends as full as it began
    and nothing is lost.

    Parameters
    ----------
    charged_kwh, discharged_kwh : energy into the battery and out of it, kWh, 0 or more
    capacity_kwh : from empty to full, kWh

    Examples
    --------
    >>> battery_cycles(50, 50, 100)
    0.5
    """
    checked_number("charged_kwh", charged_kwh, 0.0, error=MetricsError)
    checked_number("discharged_kwh", discharged_kwh, 0.0, error=MetricsError)
    checked_number("capacity_kwh", capacity_kwh, 0.0, error=MetricsError)
    return (charged_kwh + discharged_kwh) / (2.0 * capacity_kwh) if capacity_kwh > 0.0 else 0.0


def energy_cost(import_kw: ArrayLike, price_per_kwh: ArrayLike, lengths_s: ArrayLike) -> float:
    """Return the cost of imported energy, in the currency of its price: that of all steps together.

    The Arbeitsentgelt of StromNEV § 17 (2), with a price that may change from step to step.

    Parameters
    ----------
    import_kw : shape (steps,), kW
    price_per_kwh : shape (steps,), in any currency; may be negative
    lengths_s : shape (steps,), s

    Examples
    --------
    >>> energy_cost([100, 40], [0.2, 0.5], [3600, 1800])
    30.0
    """
    powers_kw, known_s = _powers(import_kw, lengths_s)
    prices = _as_long("price_per_kwh", price_per_kwh, powers_kw)
    return float((powers_kw * known_s) @ prices) / HOUR_S


def demand_charge(mean_kw: ArrayLike, month: ArrayLike, charge_per_kw: ArrayLike) -> float:
    """Return the cost of peaks, in the currency of the charge: of each billing month the dearest window.

    Where all windows of a month have the same charge that is the charge times the month's peak, as in the
    Facilities-Related Demand Charges of Southern California Edison: per kW of "the highest recorded demand
    during each monthly billing period".

    Parameters
    ----------
    mean_kw : shape (windows,), kW: see `clock_means_kw`
    month : shape (windows,), whole numbers: windows with the same one are billed together
    charge_per_kw : shape (windows,), in any currency, 0 or more

    Examples
    --------
    >>> demand_charge([100, 40, 60], [1, 1, 2], [15, 15, 15])
    2400.0
    """
    means_kw = finite_row("mean_kw", mean_kw)
    charges = _as_long("charge_per_kw", charge_per_kw, means_kw)
    months, which = np.unique(_as_long("month", month, means_kw), return_inverse=True)
    dearest = np.zeros(len(months))
    np.maximum.at(dearest, which, charges * means_kw)
    return float(dearest.sum())


def finite_row(name: str, values: ArrayLike) -> Floats:
    """Return values as an array of finite numbers, shape (n,)."""
    row = _numbers(name, values)
    bad = np.flatnonzero(~np.isfinite(row))
    if len(bad):
        raise MetricsError(f"{name}[{bad[0]}] must be a finite number, got {row[bad[0]]:g}")
    return row


def _edges_s(lengths_s: Floats, step_s: float, window_s: float, first_s: float) -> Floats:
    """Return the begin of each step and the end of the last, s; exact where it is that of a window."""
    # Only the difference from a full step is added up, so that rounding does not grow over a long run.
    beyond_s = np.append(0.0, np.cumsum(lengths_s - step_s))
    edges_s = first_s + step_s * np.arange(len(lengths_s) + 1) + beyond_s
    marks_s = window_s * np.round(edges_s / window_s)
    edges_s = np.where(np.abs(edges_s - marks_s) <= ROUNDING_S, marks_s, edges_s)
    edges_s[0] = first_s
    found_s: Floats = np.maximum.accumulate(edges_s)
    return found_s


def _powers(power_kw: ArrayLike, lengths_s: ArrayLike) -> tuple[Floats, Floats]:
    """Return checked powers and the lengths of their steps."""
    powers_kw = finite_row("power_kw", power_kw)
    known_s = _as_long("lengths_s", lengths_s, powers_kw)
    bad = np.flatnonzero(known_s < 0.0)
    if len(bad):
        raise MetricsError(f"lengths_s[{bad[0]}] must be 0 s or more, got {known_s[bad[0]]:g}")
    return powers_kw, known_s


def _as_long(name: str, values: ArrayLike, powers_kw: Floats) -> Floats:
    row = finite_row(name, values)
    if len(row) != len(powers_kw):
        raise MetricsError(f"{name} has {len(row)} entries, but there are {len(powers_kw)} powers")
    return row


def _numbers(name: str, values: ArrayLike) -> Floats:
    try:
        row: Floats = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise MetricsError(f"{name} must be a row of numbers, got {shortened(values)}") from None
    if row.ndim != 1:
        raise MetricsError(f"{name} must be a row of numbers, got shape {row.shape}")
    return row
