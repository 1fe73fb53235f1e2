"""All errors of the package, and the checks of input that its parts share.

Each error is a sentence for people: what is wrong, where, and what to do. All derive from `ElectraError`, so
that one ``except ElectraError`` separates a refusal from a programming error. The tree, with the package that
defines an error beside it:

ElectraError: a refusal; nothing has changed
    StationError: a call that the station refused
        UnknownChargerError: no such charger
        UnknownConnectorError: the charger has no such connector
        ConnectorTakenError: a car is connected there
        ConnectorFreeError: no car is connected there
        UnknownSessionError: no such session is connected
        OutOfServiceError: the connector or its charger is out of order
        BadValueError: a value outside of what the call accepts
            RemoteError: no answer, or a damaged one, from a served station (dashboard)
        ReplayError: a record that does not fit the station
        LimitBrokenError: a decision that would have broken a limit
        KeyUsedError: an idempotency key that stands for another call (service)
        ClockError: a call that would move a clock bound to the time of day (service)
    SnapshotError: a demand or a snapshot with numbers that are not possible (allocation)
    StrategyError: an unknown strategy, or a rank or plan that cannot be used (allocation)
    ConfigError: a configuration that cannot be used (station)
    JsonFileError: a file that cannot be read as JSON (station)
    VehicleError: a car or a charging curve that cannot exist (station)
    SessionsError: a table or a log of sessions that cannot be used (sessions)
    ScenarioError: a run that cannot be simulated (sessions)
    OptimizationError: a schedule that does not exist or was not found (optimization)
    ResultError: a result without the thing asked for, or a file that holds no result (simulation)
    MetricsError: numbers of which no figure can be made (simulation)
    TariffError: a tariff, or a question to one, that cannot be used (simulation)
    StudyError: a sweep that cannot be run (simulation)
    JournalError: a journal that cannot be opened or written (service)
        EventsGoneError: events that were removed to keep the journal small (service)
"""

from __future__ import annotations

import importlib
import math
import numbers
from collections.abc import Mapping
from typing import Any


class ElectraError(ValueError):
    """A refusal of this package: what is wrong, where, and what to do; nothing has changed."""


class StationError(ElectraError):
    """A call that the station refused; the station is as it was before."""


class UnknownChargerError(StationError):
    """No such charger."""


class UnknownConnectorError(StationError):
    """The charger has no such connector."""


class ConnectorTakenError(StationError):
    """A car is connected there."""


class ConnectorFreeError(StationError):
    """No car is connected there."""


class UnknownSessionError(StationError):
    """No such session is connected."""


class OutOfServiceError(StationError):
    """The connector or its charger is out of order."""


class BadValueError(StationError):
    """A value outside of what the call accepts."""


class ReplayError(StationError):
    """A record that does not lead from one state of this station to the next."""


class LimitBrokenError(StationError):
    """A decision that would have broken a limit: a bug of this package, stopped before it took effect."""


def is_finite(value: object) -> bool:
    """Return whether a value is a finite number; True and False are not numbers."""
    if type(value) is float:  # nearly always, and the check for all kinds of numbers is slow
        return math.isfinite(value)
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        return False
    try:
        return math.isfinite(value)
    except (OverflowError, ValueError):
        return False


def checked_number(
    name: str,
    value: object,
    minimum: float = -math.inf,
    maximum: float = math.inf,
    error: type[ElectraError] = BadValueError,
) -> float:
    """Return a value as a finite float within bounds, both included, or raise ``error`` with its name.

    >>> checked_number("target_soc", 80, 0.0, 1.0)
    Traceback (most recent call last):
    electra_core.errors.BadValueError: target_soc must be from 0 to 1, got 80
    """
    if not is_finite(value):
        raise error(f"{name} must be a finite number, got {shortened(value)}")
    found = float(value)  # type: ignore[arg-type]
    if not minimum <= found <= maximum:
        bounds = f"from {minimum:g} to {maximum:g}"
        if math.inf in (-minimum, maximum):
            bounds = f"at least {minimum:g}" if maximum == math.inf else f"at most {maximum:g}"
        raise error(f"{name} must be {bounds}, got {shortened(value)}")
    return found


def checked_whole(
    name: str, value: object, minimum: int, maximum: int, error: type[ElectraError] = BadValueError
) -> int:
    """Return a value as a whole number within bounds, both included, or raise ``error`` with its name.

    >>> checked_whole("days", 1.5, 1, 366)
    Traceback (most recent call last):
    electra_core.errors.BadValueError: days must be a whole number from 1 to 366, got 1.5
    """
    whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not whole or not minimum <= int(value) <= maximum:  # type: ignore[call-overload]
        raise error(f"{name} must be a whole number from {minimum} to {maximum}, got {shortened(value)}")
    return int(value)  # type: ignore[call-overload,no-any-return]


def cause_of(error: Exception) -> str:
    """Return the reason why a file could not be read or written, without its path."""
    return str(getattr(error, "strerror", None) or error)


def shortened(value: object) -> str:
    """Return any refused value as text of at most 60 characters."""
    try:
        text = repr(value)
    except Exception:  # an integer of thousands of digits, or an object whose repr fails
        return f"a value of type {type(value).__name__}"
    return clipped(text)


def clipped(text: str) -> str:
    """Return a text, cut to 60 characters."""
    return text if len(text) <= 60 else text[:57] + "..."


def load_on_demand(package: str, name: str, modules: Mapping[str, str]) -> Any:
    """Return a public name of a package whose module, of ``modules``, is loaded on first use.

    An `ImportError` for a library that is not installed names the extra that brings it.
    """
    if name not in modules:
        raise AttributeError(f"module {package!r} has no attribute {name!r}")
    try:
        module = importlib.import_module(f"{package}.{modules[name]}")
    except ModuleNotFoundError as error:
        raise ImportError(
            f"{package}.{name} needs {error.name}: install electra-core with its extra 'simulation'"
        ) from error
    return getattr(module, name)
