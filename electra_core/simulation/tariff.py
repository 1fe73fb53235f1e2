"""What electricity costs: prices by the hour, the weekday and the season, and a charge for each month's peak.

All times are the wall clock of the site, without a time zone. A clock that is put forward or back is not
known here: a run across such a night is an hour off from there on. Public holidays are weekdays like others.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from electra_core.errors import ElectraError, cause_of, is_finite, shortened
from electra_core.simulation.metrics import (
    HOUR_S,
    QUARTER_HOUR_S,
    ROUNDING_S,
    Floats,
    Ints,
    clock_means_kw,
    demand_charge,
    energy_cost,
    finite_row,
)

# When a run begins: local wall clock; text such as "2019-03-01 06:00" will do.
Moment: TypeAlias = pd.Timestamp | date | np.datetime64 | str

DAY_S = 86_400.0
WINDOWS_A_DAY = round(DAY_S / QUARTER_HOUR_S)

WEEKDAYS = {"ALL": range(7), "WEEKDAYS": range(5), "WEEKENDS": range(5, 7)}
WEEKDAY_NAMES = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

# A leap year, so that every day that there can be has its place.
LEAP_YEAR = pd.date_range("2000-01-01", "2000-12-31")
DAYS_BEFORE_MONTH = np.flatnonzero(LEAP_YEAR.day == 1)

# Energies that a solver means as nothing, but writes as a little less.
ROUNDING_KW = 1e-6


class TariffError(ElectraError):
    """A tariff that cannot be meant, or a question to one, with a sentence that says why."""


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
        if not (is_finite(self.demand_charge_per_kw) and self.demand_charge_per_kw >= 0.0):
            raise TariffError(
                f"the demand charge must be a number, 0 or more, got {shortened(self.demand_charge_per_kw)}"
            )
        if not isinstance(self.days, str) or self.days not in WEEKDAYS:
            raise TariffError(f"the days must be one of {', '.join(WEEKDAYS)}, got {shortened(self.days)}")
        _day_number(self.first_day)
        _day_number(self.last_day)
        object.__setattr__(self, "hours", hours)
        object.__setattr__(self, "price_per_kwh", prices)

    @property
    def holds(self) -> npt.NDArray[np.bool_]:
        """Whether it holds: shape (366, 7), by day of a leap year and weekday, Monday first."""
        day, first, last = np.arange(366), _day_number(self.first_day), _day_number(self.last_day)
        after, before = day >= first, day <= last
        season = after & before if first <= last else after | before
        return np.outer(season, np.isin(np.arange(7), WEEKDAYS[self.days]))


@dataclass(frozen=True, slots=True)
class Tariff:
    """A time-of-use tariff with a demand charge.

    The model of acnportal's tariff files, such as that of Southern California Edison's schedule TOU-EV-4 (its
    tariff sheet of 1 March 2019): seasons, weekdays and hours have their price, and the month's highest
    quarter-hour of import is charged as well.

    Attributes
    ----------
    name : the tariff's
    schedules : together they hold on each day of the year, exactly one of them
    source : where its figures are from
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

    def prices(self, start: Moment, steps: int, step_s: float) -> Floats:
        """The price of each step: that which holds at its beginning.

        So a step across a change of price has the earlier one; where steps begin on the hour and divide it,
        there is none across a change on the hour.

        Parameters
        ----------
        start : local wall clock at which the first step begins
        steps : how many
        step_s : s

        Returns
        -------
        Shape (steps,), per kWh, in the tariff's currency.
        """
        begin = _wall_clock(start)
        if isinstance(steps, bool) or not isinstance(steps, int | np.integer) or steps < 0:
            raise TariffError(f"steps must be a whole number, 0 or more, got {shortened(steps)}")
        _check_step(step_s)
        # A step that begins on the hour does so also where rounding puts it just before.
        seconds = _after_midnight_s(begin) + step_s * np.arange(steps) + ROUNDING_S
        day = (seconds // DAY_S).astype(np.int64)
        schedule = self._schedule_on(_dates(begin, day))[day]
        prices = np.empty(steps)
        for number, known in enumerate(self.schedules):
            here = schedule == number
            from_s = HOUR_S * np.array(known.hours)
            entry = np.searchsorted(from_s, seconds[here] % DAY_S, side="right") - 1
            prices[here] = np.array(known.price_per_kwh)[entry]
        return prices

    def demand_charges(
        self,
        start: Moment,
        import_kw: npt.ArrayLike,
        step_s: float,
        *,
        lengths_s: npt.ArrayLike | None = None,
    ) -> float:
        """What the peaks cost: for each calendar month the demand charge times its highest quarter-hour.

        A month of which the run sees a part is charged in full, and a quarter-hour of which it sees a part
        has the mean of that part. Where the schedules of one month differ in their charge, each quarter-hour
        counts with that of its day, and the dearest one is paid.

        Parameters
        ----------
        start : local wall clock at which the run begins
        import_kw : shape (steps,), kW, 0 or more, the mean of each step
        step_s : s
        lengths_s : shape (steps,), s, where the last step is shorter than the others; None: it is not

        Returns
        -------
        In the tariff's currency: see `electra_core.simulation.metrics.demand_charge`.
        """
        begin = _wall_clock(start)
        imported_kw, known_s = _steps(import_kw, step_s, lengths_s)
        clock_s = _after_midnight_s(begin)
        means_kw = clock_means_kw(imported_kw, step_s, QUARTER_HOUR_S, known_s, clock_s=clock_s)
        day = (int(clock_s // QUARTER_HOUR_S) + np.arange(len(means_kw))) // WINDOWS_A_DAY
        dates = _dates(begin, day)
        charges = np.array([schedule.demand_charge_per_kw for schedule in self.schedules])
        month = 12 * dates.year.to_numpy() + dates.month.to_numpy()
        return demand_charge(means_kw, month[day], charges[self._schedule_on(dates)][day])

    def cost(
        self,
        start: Moment,
        import_kw: npt.ArrayLike,
        step_s: float,
        *,
        lengths_s: npt.ArrayLike | None = None,
    ) -> float:
        """What import costs: its energy at the price of each step, and the demand charges.

        Parameters and result are those of `demand_charges`.
        """
        imported_kw, known_s = _steps(import_kw, step_s, lengths_s)
        prices = self.prices(start, len(imported_kw), step_s)
        peaks = self.demand_charges(start, imported_kw, step_s, lengths_s=known_s)
        return energy_cost(imported_kw, prices, known_s) + peaks

    def _held(self) -> npt.NDArray[np.bool_]:
        """Which schedule holds when: shape (schedules, 366, 7)."""
        return np.array([schedule.holds for schedule in self.schedules]).reshape(-1, 366, 7)

    def _schedule_on(self, dates: pd.DatetimeIndex) -> Ints:
        """Number of the schedule that holds on each date."""
        day = DAYS_BEFORE_MONTH[dates.month - 1] + dates.day - 1
        found: Ints = self._held().argmax(axis=0)[day, dates.day_of_week]
        return found


def read_tariff(path: str | Path) -> Tariff:
    """A tariff from a file in the JSON format of acnportal.

    ``name``, perhaps a ``link``, and ``schedule``: a list of objects with ``id``, ``effective_start`` and
    ``effective_end`` (MM-DD, both included), ``dow_mask`` (WEEKDAYS, WEEKENDS or ALL), ``times`` (hours from
    which the prices hold), ``tariffs`` (prices per kWh) and ``demand_charge`` (per kW of a month's peak).
    See the package ``acnportal.signals.tariffs``; there a last day is not looked at, here it is.

    Raises
    ------
    TariffError
        With the file's name and the place in it.
    """
    file = Path(path)
    try:
        return _tariff(_read_json(file), file.stem)
    except TariffError as error:
        raise TariffError(f"{file.name}: {error}") from None


def _read_json(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8-sig"), object_pairs_hook=_each_once)
    except OSError as error:
        raise TariffError(f"the file cannot be read: {cause_of(error)}") from None
    except (ValueError, RecursionError) as error:
        raise TariffError(f"the file cannot be read as JSON: {error}") from None


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A key that is given twice must not win in silence."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError(f"a key is given twice among {', '.join(key for key, _ in pairs)}")
    return found


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
        return Schedule(
            hours=entry["times"],
            price_per_kwh=entry["tariffs"],
            demand_charge_per_kw=entry["demand_charge"],
            first_day=entry["effective_start"],
            last_day=entry["effective_end"],
            days=entry["dow_mask"],
            name=name,
        )
    except KeyError as error:
        raise TariffError(f"{_title(number, name)}: {error.args[0]} is missing") from None
    except TariffError as error:
        raise TariffError(f"{_title(number, name)}: {error}") from None


def _title(number: int, name: str) -> str:
    return f"schedule[{number}] {shortened(name)}" if name else f"schedule[{number}]"


def _numbers(name: str, values: Any) -> tuple[float, ...]:
    found = tuple(values) if isinstance(values, Iterable) and not isinstance(values, str | Mapping) else None
    if found is None or not all(is_finite(value) for value in found):
        raise TariffError(f"the {name} must be a list of numbers, got {shortened(values)}")
    return tuple(float(value) for value in found)


def _day_number(words: str) -> int:
    """Number of a day of a leap year, from 0."""
    found = re.fullmatch(r"(\d{1,2})-(\d{1,2})", words) if isinstance(words, str) else None
    try:
        day = date(2000, int(found[1]), int(found[2])) if found else None
    except ValueError:
        day = None
    if day is None:
        raise TariffError(f"a day must be written MM-DD, such as 06-01, got {shortened(words)}")
    return day.timetuple().tm_yday - 1


def _steps(import_kw: npt.ArrayLike, step_s: float, lengths_s: npt.ArrayLike | None) -> tuple[Floats, Floats]:
    """Import and true length of each step."""
    _check_step(step_s)
    imported_kw = finite_row("import_kw", import_kw)
    bad = np.flatnonzero(imported_kw < -ROUNDING_KW)
    if len(bad):
        raise TariffError(f"import_kw[{bad[0]}] must be 0 kW or more, got {imported_kw[bad[0]]:g}")
    if lengths_s is None:
        return imported_kw, np.full(len(imported_kw), float(step_s))
    known_s = finite_row("lengths_s", lengths_s)
    # Prices are looked up where steps of one length begin.
    if (np.abs(known_s[:-1] - step_s) > ROUNDING_S).any():
        raise TariffError(f"lengths_s must be {step_s:g} s for each step but the last")
    return imported_kw, known_s


def _check_step(step_s: float) -> None:
    if not (is_finite(step_s) and step_s > 0.0):
        raise TariffError(f"step_s must be a number of seconds above 0, got {shortened(step_s)}")


def _wall_clock(start: Moment) -> pd.Timestamp:
    try:
        begin = pd.Timestamp(start) if isinstance(start, str | date | np.datetime64) else pd.NaT
    except (TypeError, ValueError):
        begin = pd.NaT
    if begin is pd.NaT:
        raise TariffError(f"start must be a date and time, got {shortened(start)}")
    if begin.tzinfo is not None:
        raise TariffError(f"start must be the site's own clock, without a time zone, got {begin}")
    return begin


def _after_midnight_s(begin: pd.Timestamp) -> float:
    return float((begin - begin.normalize()).total_seconds())


def _dates(begin: pd.Timestamp, day: Ints) -> pd.DatetimeIndex:
    """The dates of a run, from its first day to the last of some numbers of days."""
    days = int(day.max(initial=0)) + 1
    return pd.DatetimeIndex(begin.normalize().to_datetime64().astype("datetime64[D]") + np.arange(days))
