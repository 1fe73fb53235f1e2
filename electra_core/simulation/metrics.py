"""Figures that people compare runs by, from plain rows of numbers.

Each figure is finite wherever it can be, also for an empty run. A row of powers holds one mean a step, kW;
``lengths_s`` is how long each step really lasts, s, because the last one of a run may be shorter.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from electra_core.errors import ElectraError, is_finite, shortened

Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]

HOUR_S = 3600.0

# The window over which utilities measure demand.
QUARTER_HOUR_S = 900.0

# An edge of a step this close to one of a window is the same moment: rounding must not make a window.
ROUNDING_S = 1e-6


class MetricsError(ElectraError):
    """Numbers of which a figure cannot be made, with a sentence that says why."""


def jain(values: npt.ArrayLike) -> float:
    """Jain's index of fairness: 1 when all have the same, 1/n when one of n has everything.

    (Σx)² / (n Σx²), the "index of fairness" of Jain, Chiu and Hawe, "A Quantitative Measure of Fairness and
    Discrimination for Resource Allocation in Shared Computer Systems", DEC-TR-301, 1984.

    Parameters
    ----------
    values : shape (n,), 0 or more, of any unit; NaN stands for "not known" and is left out

    Returns
    -------
    From 1/n to 1. Also 1 where there is nobody, or nobody has anything: then nobody has less than another.

    Raises
    ------
    MetricsError
        On values that are negative or infinite.
    """
    known = _known("values", values)
    bad = np.flatnonzero(~((known >= 0.0) & (known < np.inf)))
    if len(bad):
        raise MetricsError(f"values must be finite and 0 or more, got {known[bad[0]]:g}")
    most = known.max(initial=0.0)
    if most == 0.0:
        return 1.0
    # The index does not depend on the unit, and squares of shares neither overflow nor vanish.
    grants = known / most
    return min(1.0, float(grants.sum() ** 2 / (len(grants) * (grants @ grants))))


def quantile(values: npt.ArrayLike, share: float) -> float:
    """The value that a share of all values do not exceed.

    Linear between the two nearest of the sorted values: definition 7 of Hyndman and Fan, "Sample Quantiles in
    Statistical Packages", The American Statistician 50 (1996), 361-365.

    Parameters
    ----------
    values : shape (n,), of any unit; NaN stands for "not known" and is left out
    share : 0 to 1: 0.5 is the median, 0.95 the 95th percentile

    Returns
    -------
    In the unit of the values; 0 where no value is known. Infinite only where values are.
    """
    if not (is_finite(share) and 0.0 <= share <= 1.0):
        raise MetricsError(f"share must be from 0 to 1, got {shortened(share)}")
    known = _known("values", values)
    if not len(known):
        return 0.0
    with np.errstate(invalid="ignore"):
        found = float(np.quantile(known, share))
    # There is no line from one infinite value to the next.
    return float(np.quantile(known, share, method="higher")) if np.isnan(found) else found


def energy_kwh(power_kw: npt.ArrayLike, lengths_s: npt.ArrayLike) -> float:
    """Energy: mean power of each step times its length, added up.

    Parameters
    ----------
    power_kw : shape (steps,), kW
    lengths_s : shape (steps,), s

    Returns
    -------
    kWh.
    """
    powers_kw, known_s = _powers(power_kw, lengths_s)
    return float(powers_kw @ known_s) / HOUR_S


def load_factor(power_kw: npt.ArrayLike, lengths_s: npt.ArrayLike) -> float:
    """Mean load over peak load: how well a connection is used.

    The "ratio of average to peak load" (Lawrence Berkeley National Laboratory, Tariff Analysis Project,
    "Definitions"). The peak is that of the highest step.

    Parameters
    ----------
    power_kw : shape (steps,), kW, 0 or more
    lengths_s : shape (steps,), s

    Returns
    -------
    From 0 to 1: 1 for a flat load, 0 where there is none.
    """
    powers_kw, known_s = _powers(power_kw, lengths_s)
    peak_kw = powers_kw.max(initial=0.0, where=known_s > 0.0)
    if peak_kw == 0.0:
        return 0.0
    return min(1.0, float((powers_kw / peak_kw) @ known_s / known_s.sum()))


def clock_peak_kw(
    power_kw: npt.ArrayLike,
    step_s: float,
    window_s: float = QUARTER_HOUR_S,
    lengths_s: npt.ArrayLike | None = None,
    *,
    clock_s: float = 0.0,
) -> float:
    """Billing demand: the highest mean of a window of the clock; 0 for an empty run.

    Utilities bill "the highest amount of electricity used within any 15-minute period" of a month (Southern
    California Edison, "What is the difference between demand charges and usage charges?"); in Germany it is
    the Jahreshöchstleistung, the highest quarter-hour of the year, that grid fees are paid for (StromNEV
    § 17 (2)). Quarter-hours of the clock, which do not slide: what meters store.

    Parameters
    ----------
    power_kw, step_s, window_s, lengths_s, clock_s : see `clock_means_kw`

    Returns
    -------
    kW.
    """
    means_kw = clock_means_kw(power_kw, step_s, window_s, lengths_s, clock_s=clock_s)
    return float(means_kw.max()) if len(means_kw) else 0.0


def clock_means_kw(
    power_kw: npt.ArrayLike,
    step_s: float,
    window_s: float = QUARTER_HOUR_S,
    lengths_s: npt.ArrayLike | None = None,
    *,
    clock_s: float = 0.0,
) -> Floats:
    """Mean power of each window of the clock: what a meter stores (see `clock_peak_kw` for the source).

    A step that lies in several windows counts in each with the time that it has there. A window that the run
    covers in part has the mean of that part.

    Parameters
    ----------
    power_kw : shape (steps,), kW, the mean of each step
    step_s : s, longer or shorter than a window; need not divide it
    window_s : s, 1 or more
    lengths_s : shape (steps,), s: how long each step really lasts; None: ``step_s`` each
    clock_s : s, what the clock shows when the run begins; windows begin at its multiples of ``window_s``

    Returns
    -------
    Shape (windows,), kW, from the window in which the run begins to the one in which it ends.
    """
    _check_amount("step_s", step_s, "s", least=0.001)
    _check_amount("window_s", window_s, "s", least=1.0)
    _check_amount("clock_s", clock_s, "s")
    lengths = np.full(np.shape(power_kw), float(step_s)) if lengths_s is None else lengths_s
    powers_kw, known_s = _powers(power_kw, lengths)
    edges_s = _edges_s(known_s, step_s, window_s, clock_s % window_s)
    if edges_s[-1] == edges_s[0] or not known_s.any():
        return np.zeros(0)
    windows = int(np.ceil(edges_s[-1] / window_s))
    cuts_s = np.union1d(edges_s, window_s * np.arange(1, windows))
    # Nothing begins or ends between two cuts: their middle tells the step and the window of the piece.
    piece_s, middle_s = np.diff(cuts_s), 0.5 * (cuts_s[:-1] + cuts_s[1:])
    step = np.searchsorted(edges_s, middle_s) - 1
    window = (middle_s // window_s).astype(np.int64)
    means_kw: Floats = np.bincount(window, powers_kw[step] * piece_s) / np.bincount(window, piece_s)
    return means_kw


def battery_cycles(charged_kwh: float, discharged_kwh: float, capacity_kwh: float) -> float:
    """Equivalent full cycles: energy through a battery over that of one full cycle, in and out.

    After TWAICE, Battery Encyclopedia, "Cycle": any charge or discharge in terms of the throughput of a full
    cycle, so that from 50 to 100 % and back is half a cycle. SimSES (Möller et al., Journal of Energy Storage
    49, 2022, 103743) counts what is charged alone, which is the same where a run ends as full as it began and
    nothing is lost.

    Parameters
    ----------
    charged_kwh : into the battery, kWh, 0 or more
    discharged_kwh : out of it, kWh, 0 or more
    capacity_kwh : from empty to full, kWh

    Returns
    -------
    Cycles; 0 without a battery.
    """
    _check_amount("charged_kwh", charged_kwh, "kWh")
    _check_amount("discharged_kwh", discharged_kwh, "kWh")
    _check_amount("capacity_kwh", capacity_kwh, "kWh")
    return (charged_kwh + discharged_kwh) / (2.0 * capacity_kwh) if capacity_kwh > 0.0 else 0.0


def energy_cost(import_kw: npt.ArrayLike, price_per_kwh: npt.ArrayLike, lengths_s: npt.ArrayLike) -> float:
    """What imported energy costs: the price of each step times its energy, added up.

    The Arbeitsentgelt of StromNEV § 17 (2), with a price that may change from step to step.

    Parameters
    ----------
    import_kw : shape (steps,), kW
    price_per_kwh : shape (steps,), in any currency; may be negative
    lengths_s : shape (steps,), s

    Returns
    -------
    In that currency.
    """
    powers_kw, known_s = _powers(import_kw, lengths_s)
    prices = _as_long("price_per_kwh", price_per_kwh, powers_kw)
    return float((powers_kw * known_s) @ prices) / HOUR_S


def demand_charge(mean_kw: npt.ArrayLike, month: npt.ArrayLike, charge_per_kw: npt.ArrayLike) -> float:
    """What peaks cost: in each billing month the window that costs most, added up.

    Where all windows of a month have the same charge that is the charge times the month's peak, as in the
    Facilities-Related Demand Charges of Southern California Edison: per kW of "the highest recorded demand
    during each monthly billing period".

    Parameters
    ----------
    mean_kw : shape (windows,), kW: see `clock_means_kw`
    month : shape (windows,), whole numbers: windows with the same one are billed together
    charge_per_kw : shape (windows,), in any currency, 0 or more

    Returns
    -------
    In that currency.
    """
    means_kw = finite_row("mean_kw", mean_kw)
    charges = _as_long("charge_per_kw", charge_per_kw, means_kw)
    months, which = np.unique(_as_long("month", month, means_kw), return_inverse=True)
    dearest = np.zeros(len(months))
    np.maximum.at(dearest, which, charges * means_kw)
    return float(dearest.sum())


def _edges_s(lengths_s: Floats, step_s: float, window_s: float, first_s: float) -> Floats:
    """Where steps begin, and the last one ends, s; one that begins with a window does so to the last bit."""
    steps = len(lengths_s)
    # Only what differs from a full step is added up, so that rounding does not grow over a long run.
    beyond_s = np.append(0.0, np.cumsum(lengths_s - step_s))
    edges_s = first_s + step_s * np.arange(steps + 1) + beyond_s
    marks_s = window_s * np.round(edges_s / window_s)
    edges_s = np.where(np.abs(edges_s - marks_s) <= ROUNDING_S, marks_s, edges_s)
    edges_s[0] = first_s
    found_s: Floats = np.maximum.accumulate(edges_s)
    return found_s


def _check_amount(name: str, value: float, unit: str, least: float = 0.0) -> None:
    if not (is_finite(value) and value >= least):
        raise MetricsError(f"{name} must be a number of {unit}, {least:g} or more, got {shortened(value)}")


def _powers(power_kw: npt.ArrayLike, lengths_s: npt.ArrayLike) -> tuple[Floats, Floats]:
    """Powers and the lengths of their steps."""
    powers_kw = finite_row("power_kw", power_kw)
    known_s = _as_long("lengths_s", lengths_s, powers_kw)
    bad = np.flatnonzero(known_s < 0.0)
    if len(bad):
        raise MetricsError(f"lengths_s[{bad[0]}] must be 0 s or more, got {known_s[bad[0]]:g}")
    return powers_kw, known_s


def _as_long(name: str, values: npt.ArrayLike, powers_kw: Floats) -> Floats:
    row = finite_row(name, values)
    if len(row) != len(powers_kw):
        raise MetricsError(f"{name} has {len(row)} entries, but there are {len(powers_kw)} powers")
    return row


def finite_row(name: str, values: npt.ArrayLike) -> Floats:
    """Something that must be a row of finite numbers, as one: shape (n,)."""
    row = _numbers(name, values)
    bad = np.flatnonzero(~np.isfinite(row))
    if len(bad):
        raise MetricsError(f"{name}[{bad[0]}] must be a finite number, got {row[bad[0]]:g}")
    return row


def _known(name: str, values: npt.ArrayLike) -> Floats:
    row = _numbers(name, values)
    found: Floats = row[~np.isnan(row)]
    return found


def _numbers(name: str, values: Any) -> Floats:
    try:
        row: Floats = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise MetricsError(f"{name} must be a row of numbers, got {shortened(values)}") from None
    if row.ndim != 1:
        raise MetricsError(f"{name} must be a row of numbers, got shape {row.shape}")
    return row
