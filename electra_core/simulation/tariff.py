"""Tariffs: prices by hour, weekday and season, and a demand charge for the peak of each month.

All times are local times of the site, without a time zone. Changes to and from summer time are not modelled:
after one, a run is an hour off. Public holidays count as the weekday that they fall on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from electra_core.errors import ElectraError, checked_number, is_finite, shortened
from electra_core.simulation import metrics
from electra_core.simulation.metrics import MIN_STEP_S, QUARTER_HOUR_S, ROUNDING_S, Floats, Ints, finite_row
from electra_core.station import HOUR_S, JsonFileError, read_json

# Local time at which a run begins; a text is written such as "2019-03-01 06:00".
StartTime: TypeAlias = pd.Timestamp | date | np.datetime64 | str

DAY_S = 24 * HOUR_S
WINDOWS_A_DAY = round(DAY_S / QUARTER_HOUR_S)

WEEKDAYS = {"ALL": range(7), "WEEKDAYS": range(5), "WEEKENDS": range(5, 7)}
WEEKDAY_NAMES = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

# A leap year has every day that there can be.
LEAP_YEAR = pd.date_range("2000-01-01", "2000-12-31")
DAYS_BEFORE_MONTH = np.flatnonzero(LEAP_YEAR.day == 1)

# The key in a file of each attribute of `Schedule`.
KEYS = {
    "hours": "times",
    "price_per_kwh": "tariffs",
    "demand_charge_per_kw": "demand_charge",
    "first_day": "effective_start",
    "last_day": "effective_end",
    "days": "dow_mask",
}

# Solvers may write an import of 0 as a little less.
ROUNDING_KW = 1e-6


class TariffError(ElectraError):
    """A tariff, or a question to one, that cannot be used."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """The prices of some days of the year.

    Attributes
    ----------
    hours : h after midnight from which each price holds, the first one 0, rising, below 24
    price_per_kwh : of import, in any currency; may be negative
    demand_charge_per_kw : for the highest quarter-hour mean of a billing month, in that currency
    first_day, last_day : "MM-DD", both included; a season may go over the end of the year
    days : "ALL", "WEEKDAYS" (Monday to Friday) or "WEEKENDS"
    name : for messages
    """

    hours: tuple[float, ...]
    price_per_kwh: tuple[float, ...]
    demand_charge_per_kw: float = 0.0
    first_day: str = "01-01"
    last_day: str = "12-31"
    days: str = "ALL"
    name: str = ""

    def __post_init__(self) -> None:
        hours, prices = _numbers("hours", self.hours), _numbers("prices", self.price_per_kwh)
        if len(hours) != len(prices):
            raise TariffError(f"there are {len(hours)} hours but {len(prices)} prices")
        if not hours or hours[0] != 0.0:
            raise TariffError(f"the first of the hours must be 0, got {shortened(list(hours))}")
        for before, after in zip(hours, (*hours[1:], 24.0), strict=True):
            if not before < after:
                raise TariffError(f"hours must rise and stay below 24, got {after:g} after {before:g}")
        checked_number("the demand charge", self.demand_charge_per_kw, 0.0, error=TariffError)
        if not isinstance(self.days, str) or self.days not in WEEKDAYS:
            raise TariffError(f"the days must be one of {', '.join(WEEKDAYS)}, got {shortened(self.days)}")
        _day_number(self.first_day)
        _day_number(self.last_day)
        object.__setattr__(self, "hours", hours)
        object.__setattr__(self, "price_per_kwh", prices)

    @property
    def holds(self) -> NDArray[np.bool_]:
        """The days on which it holds: shape (366, 7), by day of a leap year and weekday from Monday."""
        day, first, last = np.arange(366), _day_number(self.first_day), _day_number(self.last_day)
        after, before = day >= first, day <= last
        season = after & before if first <= last else after | before
        return np.outer(season, np.isin(np.arange(7), WEEKDAYS[self.days]))


@dataclass(frozen=True, slots=True)
class Tariff:
    """A time-of-use tariff with a demand charge.

    The model of acnportal's tariff files, such as that of Southern California Edison's schedule TOU-EV-4 (its
    tariff sheet of 1 March 2019): each season, weekday and hour has a price, and the month's highest
    quarter-hour of import is charged as well.

    Attributes
    ----------
    name : of the tariff
    schedules : on each day of the year exactly one of them holds
    source : of its figures

    Examples
    --------
    >>> tariff = Tariff("two prices", (Schedule((0, 8), (0.1, 0.2), demand_charge_per_kw=12),))
    >>> tariff.prices("2019-03-01 07:00", 2, 3600).tolist()
    [0.1, 0.2]
    >>> tariff.demand_charges("2019-03-01 07:00", [10, 20], 3600)
    240.0
    >>> tariff.cost("2019-03-01 07:00", [10, 20], 3600)
    245.0
    """

    name: str
    schedules: tuple[Schedule, ...]
    source: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "schedules", tuple(self.schedules))
        for schedule in self.schedules:
            if not isinstance(schedule, Schedule):
                raise TariffError(f"schedules must be of the class Schedule, got {shortened(schedule)}")
        held = self._held()
        faulty = np.argwhere(held.sum(axis=0) != 1)
        if len(faulty):
            day, weekday = faulty[0]
            numbers = np.flatnonzero(held[:, day, weekday]).tolist()
            names = [_title(number, self.schedules[number].name) for number in numbers]
            words = f"{' and '.join(names)} hold at once" if names else "no schedule holds"
            raise TariffError(f"{words} on {LEAP_YEAR[day]:%m-%d}, when that is a {WEEKDAY_NAMES[weekday]}")

    def prices(self, start: StartTime, steps: int, step_s: float) -> Floats:
        """Return the price of each step: the one that holds at the step's beginning.

        A step across a change of price has the earlier one; steps that begin on the hour and divide it cross
        no change on the hour.

        Parameters
        ----------
        start : local time of the site at which the first step begins
        steps : number of steps
        step_s : s

        Returns
        -------
        Shape (steps,), per kWh, in the tariff's currency.
        """
        midnight, clock_s = _local_time(start)
        if isinstance(steps, bool) or not isinstance(steps, int | np.integer) or steps < 0:
            raise TariffError(f"steps must be a whole number, 0 or more, got {shortened(steps)}")
        checked_number("step_s", step_s, MIN_STEP_S, error=TariffError)
        # A step that begins on the hour does so also where rounding puts it just before.
        seconds = clock_s + step_s * np.arange(steps) + ROUNDING_S
        day = (seconds // DAY_S).astype(np.int64)
        schedule = self._schedule_on(_dates(midnight, day))[day]
        prices = np.empty(steps)
        for number, known in enumerate(self.schedules):
            here = schedule == number
            from_s = HOUR_S * np.array(known.hours)
            entry = np.searchsorted(from_s, seconds[here] % DAY_S, side="right") - 1
            prices[here] = np.array(known.price_per_kwh)[entry]
        return prices

    def demand_charges(
        self, start: StartTime, import_kw: ArrayLike, step_s: float, *, lengths_s: ArrayLike | None = None
    ) -> float:
        """Return the cost of peaks: for each calendar month its highest quarter-hour times the demand charge.

        A month that the run covers in part is charged in full, and a quarter-hour that it covers in part has
        the mean of that part. Where the schedules of one month differ in their charge, each quarter-hour
        counts with that of its day, and the dearest one is paid: see `metrics.demand_charge`. In the tariff's
        currency.

        Parameters
        ----------
        start : local time of the site at which the run begins
        import_kw : shape (steps,), kW, 0 or more, the mean of each step
        step_s : s
        lengths_s : shape (steps,), s, where the last step is shorter than the others; None: it is not
        """
        midnight, clock_s = _local_time(start)
        imported_kw, known_s = _steps(import_kw, step_s, lengths_s)
        means_kw = metrics.clock_means_kw(imported_kw, step_s, QUARTER_HOUR_S, known_s, clock_s=clock_s)
        day = (int(clock_s // QUARTER_HOUR_S) + np.arange(len(means_kw))) // WINDOWS_A_DAY
        dates = _dates(midnight, day)
        charges = np.array([schedule.demand_charge_per_kw for schedule in self.schedules])
        month = 12 * dates.year.to_numpy() + dates.month.to_numpy()
        return metrics.demand_charge(means_kw, month[day], charges[self._schedule_on(dates)][day])

    def cost(
        self, start: StartTime, import_kw: ArrayLike, step_s: float, *, lengths_s: ArrayLike | None = None
    ) -> float:
        """Return the cost of import: its energy at the price of each step, and the demand charges.

        Parameters and result are those of `demand_charges`.
        """
        imported_kw, known_s = _steps(import_kw, step_s, lengths_s)
        prices = self.prices(start, len(imported_kw), step_s)
        peaks = self.demand_charges(start, imported_kw, step_s, lengths_s=known_s)
        return metrics.energy_cost(imported_kw, prices, known_s) + peaks

    def _held(self) -> NDArray[np.bool_]:
        """Return `Schedule.holds` of all schedules: shape (schedules, 366, 7)."""
        return np.array([schedule.holds for schedule in self.schedules]).reshape(-1, 366, 7)

    def _schedule_on(self, dates: pd.DatetimeIndex) -> Ints:
        """Return the number of the schedule that holds on each date."""
        day = DAYS_BEFORE_MONTH[dates.month - 1] + dates.day - 1
        found: Ints = self._held().argmax(axis=0)[day, dates.day_of_week]
        return found


def read_tariff(path: str | Path) -> Tariff:
    """Return the tariff of a file in the JSON format of acnportal.

    ``name``, perhaps a ``link``, and ``schedule``: a list of objects with ``id``, ``effective_start`` and
    ``effective_end`` (MM-DD, both included), ``dow_mask`` (WEEKDAYS, WEEKENDS or ALL), ``times`` (hours from
    which the prices hold), ``tariffs`` (prices per kWh) and ``demand_charge`` (per kW of a month's peak).
    See the package ``acnportal.signals.tariffs``; it ignores a schedule's last day, which is respected here.

    Raises
    ------
    TariffError
        With the file's name and the place in it.

    Examples
    --------
    >>> read_tariff("tariffs/none.json")
    Traceback (most recent call last):
    electra_core.simulation.tariff.TariffError: none.json: there is no file 'tariffs/none.json'
    """
    file = Path(path)
    try:
        return _tariff(read_json(file), file.stem)
    except (JsonFileError, TariffError) as error:
        raise TariffError(f"{file.name}: {error}") from None


def _tariff(content: Any, name: str) -> Tariff:
    entries = content.get("schedule") if isinstance(content, Mapping) else None
    if not isinstance(entries, list):
        raise TariffError("a tariff is an object with a list named schedule")
    schedules = tuple(_schedule(number, entry) for number, entry in enumerate(entries))
    return Tariff(str(content.get("name", name)), schedules, str(content.get("link", "")))


def _schedule(number: int, entry: Any) -> Schedule:
    if not isinstance(entry, Mapping):
        raise TariffError(f"schedule[{number}] must be an object in braces, got {shortened(entry)}")
    name = str(entry.get("id", ""))
    try:
        return Schedule(**{attribute: entry[key] for attribute, key in KEYS.items()}, name=name)
    except (KeyError, TariffError) as error:
        words = f"{error.args[0]} is missing" if isinstance(error, KeyError) else str(error)
        raise TariffError(f"{_title(number, name)}: {words}") from None


def _title(number: int, name: str) -> str:
    return f"schedule[{number}] {shortened(name)}" if name else f"schedule[{number}]"


def _numbers(name: str, values: Any) -> tuple[float, ...]:
    found = tuple(values) if isinstance(values, Iterable) and not isinstance(values, str | Mapping) else None
    if found is None or not all(is_finite(value) for value in found):
        raise TariffError(f"the {name} must be a list of numbers, got {shortened(values)}")
    return tuple(float(value) for value in found)


def _day_number(text: str) -> int:
    """Return the number of a day of a leap year, from 0."""
    try:
        return datetime.strptime(f"2000-{text}", "%Y-%m-%d").timetuple().tm_yday - 1
    except ValueError:
        raise TariffError(f"a day must be written MM-DD, such as 06-01, got {shortened(text)}") from None


def _steps(import_kw: ArrayLike, step_s: float, lengths_s: ArrayLike | None) -> tuple[Floats, Floats]:
    """Return the checked import and the length of each step."""
    checked_number("step_s", step_s, MIN_STEP_S, error=TariffError)
    imported_kw = finite_row("import_kw", import_kw)
    bad = np.flatnonzero(imported_kw < -ROUNDING_KW)
    if len(bad):
        raise TariffError(f"import_kw[{bad[0]}] must be 0 kW or more, got {imported_kw[bad[0]]:g}")
    if lengths_s is None:
        return imported_kw, np.full(len(imported_kw), float(step_s))
    known_s = finite_row("lengths_s", lengths_s)
    # Prices are looked up at the beginnings of steps of one length.
    if (np.abs(known_s[:-1] - step_s) > ROUNDING_S).any():
        raise TariffError(f"lengths_s must be {step_s:g} s for each step but the last")
    return imported_kw, known_s


def _local_time(start: StartTime) -> tuple[pd.Timestamp, float]:
    """Return the midnight before a start, and the seconds between them."""
    try:
        begin = pd.Timestamp(start) if isinstance(start, str | date | np.datetime64) else pd.NaT
    except (TypeError, ValueError):
        begin = pd.NaT
    if begin is pd.NaT:
        raise TariffError(f"start must be a date and time, got {shortened(start)}")
    if begin.tzinfo is not None:
        raise TariffError(f"start must be the site's local time, without a time zone, got {begin}")
    midnight = begin.normalize()
    return midnight, float((begin - midnight).total_seconds())


def _dates(midnight: pd.Timestamp, day: Ints) -> pd.DatetimeIndex:
    """Return the dates of a run, from its first day to the highest of some numbers of days."""
    days = int(day.max(initial=0)) + 1
    return pd.DatetimeIndex(midnight.to_datetime64().astype("datetime64[D]") + np.arange(days))
