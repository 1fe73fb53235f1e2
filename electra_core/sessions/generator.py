"""Random sessions: a Poisson process whose rate changes by the hour and weekday, and cars that differ."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np
import pandas as pd

from electra_core.errors import BadValueError, checked_number, checked_whole, shortened
from electra_core.sessions.columns import Floats
from electra_core.sessions.timestamps import DAY_S
from electra_core.station import HOUR_S, catalogue

# The defaults are figures of EPFL's Level-3 log: 992 sessions at a public station with two fast connectors in
# Switzerland, 12 April to 6 December 2022, on 107 days with any session. Source:
# github.com/DESL-EPFL/Level-3-EV-charging-dataset; MIT, Copyright (c) 2025 Distributed Electrical Systems
# Laboratory (DESL), EPFL.

# Sessions a day, on days with any.
EPFL_ARRIVALS_PER_DAY = 9.3

# Percent of all arrivals by hour of day, from 0 to 1 o'clock on.
EPFL_HOURS = (
    *(0.3, 0.5, 0.2, 0.2, 0.1, 0.8, 0.9, 1.8, 4.1, 5.6, 5.6, 8.3),
    *(7.3, 5.4, 8.3, 7.4, 6.8, 8.2, 9.5, 6.4, 3.6, 4.5, 2.7, 1.5),
)

# Sessions on a Monday, Tuesday ... with any, to those of a mean day; the factors add up to 7.
EPFL_WEEKDAYS = (0.88, 0.89, 0.83, 0.94, 1.11, 1.22, 1.13)

# Beta distributions with the log's mean and spread: SoC on arrival 0.33 +- 0.19, and the part of what is
# missing then that is filled, 0.70 +- 0.23. In the log the two hardly depend on each other (r = 0.06).
EPFL_ARRIVAL_SOC = (1.7, 3.4)
EPFL_FILLED = (2.0, 0.84)

# Upper bounds against typing errors.
MAX_DAYS = 36_525
MAX_SESSIONS = 10_000_000

# The same value for all sessions, or the two parameters of a Beta distribution.
OneOrBeta: TypeAlias = float | tuple[float, float]


def generate(
    days: int,
    *,
    seed: int | np.random.Generator,
    arrivals_per_day: float = EPFL_ARRIVALS_PER_DAY,
    hours: Sequence[float] = EPFL_HOURS,
    weekdays: Sequence[float] = EPFL_WEEKDAYS,
    first_weekday: int = 0,
    cars: Mapping[str, float] | None = None,
    arrival_soc: OneOrBeta = EPFL_ARRIVAL_SOC,
    target_soc: OneOrBeta = EPFL_FILLED,
    dwell_s: tuple[float, float] | None = None,
    patience_s: float | None = None,
) -> pd.DataFrame:
    """Draw random sessions: a Poisson process whose rate changes by the hour and by the weekday.

    Every driver is independent of the others and takes the first connector that is free. The same arguments
    and seed give the same table (with the same numpy). In the EPFL log, the source of the defaults, days
    differ somewhat more than a Poisson process makes them differ: the variance of the daily count is 1.4
    times its mean.

    Parameters
    ----------
    days : number of days, from midnight
    seed : a whole number, or a generator of random numbers, whose present state counts
    arrivals_per_day : mean number of drivers on a day whose weekday has factor 1
    hours : 24 numbers, the rates from 0 o'clock on relative to each other. Default: the EPFL log's
    weekdays : 7 factors, Monday first. Default: the EPFL log's, whose mean is 1
    first_weekday : of the first day; 0 is Monday
    cars : names in the catalogue, and their shares relative to each other. Default: every car of the
        catalogue with the same share, which is no picture of any market
    arrival_soc : SoC on arrival of all cars; or two parameters of a Beta distribution. Default: the EPFL
        log's, Beta(1.7, 3.4)
    target_soc : target of all cars (1 for a car that arrives with as much); or two parameters of a Beta
        distribution of the part of the empty capacity on arrival that is filled. Default: the EPFL log's,
        Beta(2.0, 0.84)
    dwell_s : median, s, and sigma of a log-normal distribution of the time between arrival and departure;
        ``(1740, 0.56)`` fits the EPFL log. None: cars leave when done
    patience_s : s that a driver waits for a connector; None: until the departure

    Returns
    -------
    pandas.DataFrame
        In the order of arrival, with the columns ``session_id``, ``arrival_s``, ``departure_s`` (empty:
        leaves when done), ``vehicle`` (a name), ``arrival_soc``, ``target_soc`` and ``patience_s`` of
        `read_session_table`.

    Raises
    ------
    BadValueError
        On arguments out of range; nothing is drawn then.

    Examples
    --------
    >>> week = generate(7, seed=1, arrivals_per_day=20, dwell_s=(1740, 0.56))
    >>> len(week) > 7, list(week.columns[:4])
    (True, ['session_id', 'arrival_s', 'departure_s', 'vehicle'])
    """
    rates = _hourly_rates(days, arrivals_per_day, hours, weekdays, first_weekday)
    names, shares = _checked_cars(cars)
    arrival_soc, target_soc = _one_or_beta("arrival_soc", arrival_soc), _one_or_beta("target_soc", target_soc)
    dwell_s = None if dwell_s is None else _checked_dwell(dwell_s)
    patience_s = math.nan if patience_s is None else checked_number("patience_s", patience_s, 0.0)
    random = _random_generator(seed)

    arrivals_s = _draw_arrivals_s(random, rates)
    count = len(arrivals_s)
    car = random.choice(len(names), count, p=shares)
    soc = _draw(random, arrival_soc, count)
    if isinstance(target_soc, tuple):
        target = soc + (1.0 - soc) * _draw(random, target_soc, count)
    else:
        target = np.where(soc < target_soc, target_soc, 1.0)
    drawn_dwell_s = np.nan if dwell_s is None else dwell_s[0] * random.lognormal(0.0, dwell_s[1], count)
    return pd.DataFrame(
        {
            "session_id": [f"G{number}" for number in range(1, count + 1)],
            "arrival_s": arrivals_s,
            "departure_s": arrivals_s + drawn_dwell_s,
            "vehicle": np.array(names, dtype=object)[car],
            "arrival_soc": soc,
            "target_soc": np.minimum(target, 1.0),
            "patience_s": patience_s,
        }
    )


def _draw_arrivals_s(random: np.random.Generator, rates: Floats) -> Floats:
    """Draw the times of a Poisson process whose rate, arrivals an hour, is constant in each hour.

    Exact: the number in each hour is Poisson distributed, and the times of a given number are uniform in it.
    """
    hour = np.repeat(np.arange(len(rates)), random.poisson(rates))
    return np.sort((hour + random.random(len(hour))) * HOUR_S)


def _draw(random: np.random.Generator, one_or_beta: OneOrBeta, count: int) -> Floats:
    """Draw so many values, or repeat the one."""
    if isinstance(one_or_beta, tuple):
        return random.beta(*one_or_beta, count)
    return np.full(count, one_or_beta)


def _hourly_rates(
    days: int, arrivals_per_day: float, hours: Sequence[float], weekdays: Sequence[float], first_weekday: int
) -> Floats:
    """Return the mean number of arrivals in each hour of all days."""
    days = checked_whole("days", days, 1, MAX_DAYS)
    mean = checked_number("arrivals_per_day", arrivals_per_day, 0.0, MAX_SESSIONS)
    parts, factors = _weights("hours", hours, 24), _weights("weekdays", weekdays, 7)
    weekday = (checked_whole("first_weekday", first_weekday, 0, 6) + np.arange(days)) % 7
    rates = mean * np.outer(factors[weekday], parts / parts.sum()).ravel()
    if rates.sum() > MAX_SESSIONS:
        raise BadValueError(
            f"this would be about {rates.sum():.2g} sessions; at most {MAX_SESSIONS:,} fit in a table"
        )
    return rates


def _weights(name: str, given: object, count: int) -> Floats:
    """Return so many numbers of 0 or more that are not all 0."""
    if isinstance(given, str | Mapping) or not hasattr(given, "__iter__"):
        raise BadValueError(f"{name} must be {count} numbers, got {shortened(given)}")
    found = list(given)
    if len(found) != count:
        raise BadValueError(f"{name} must be {count} numbers, got {len(found)}")
    weights = np.array([checked_number(f"{name}: each", value, 0.0, MAX_SESSIONS) for value in found])
    if not weights.any():
        raise BadValueError(f"{name} are all 0: no driver would ever come")
    return weights


def _checked_cars(cars: Mapping[str, float] | None) -> tuple[list[str], Floats]:
    """Return names of cars, and their shares, which add up to 1."""
    known = catalogue()
    if cars is None:
        cars = dict.fromkeys(known, 1.0)
    if not isinstance(cars, Mapping) or not cars:
        raise BadValueError(f"cars must be names with their shares, got {shortened(cars)}")
    for name in cars:
        if name not in known:
            raise BadValueError(f"there is no vehicle {shortened(name)} in the catalogue")
    shares = _weights("cars", cars.values(), len(cars))
    return list(cars), shares / shares.sum()


def _one_or_beta(name: str, given: OneOrBeta) -> OneOrBeta:
    """Return a SoC, or the two parameters of a Beta distribution."""
    if not isinstance(given, tuple | list):
        return checked_number(name, given, 0.0, 1.0)
    if len(given) != 2:
        raise BadValueError(f"{name} must be a number or the two parameters of a Beta distribution")
    # Beyond these bounds nearly all of a Beta distribution is at one or two values, and drawing it fails.
    first, second = (checked_number(f"{name}: each parameter", value, 0.01, 1e6) for value in given)
    return first, second


def _checked_dwell(given: tuple[float, float]) -> tuple[float, float]:
    """Return the median, s, and sigma of a log-normal distribution."""
    if not isinstance(given, tuple | list) or len(given) != 2:
        raise BadValueError(f"dwell_s must be a median, s, and a sigma, got {shortened(given)}")
    median_s = checked_number("the median of dwell_s", given[0], 0.0, MAX_DAYS * DAY_S)
    return median_s, checked_number("the sigma of dwell_s", given[1], 0.0, 5.0)


def _random_generator(seed: int | np.random.Generator) -> np.random.Generator:
    """Return a generator of random numbers for a seed, or the one that was given."""
    if isinstance(seed, np.random.Generator):
        return seed
    if isinstance(seed, numbers.Integral) and not isinstance(seed, bool) and int(seed) >= 0:
        return np.random.default_rng(int(seed))
    words = "seed must be a whole number of 0 or more, or a numpy Generator"
    raise BadValueError(f"{words}, got {shortened(seed)}")
