"""What a station refuses, and why: an error a reason, with a sentence that a person understands."""

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
    """There is no such charger."""


class UnknownConnectorError(StationError):
    """The charger has no such connector."""


class ConnectorTakenError(StationError):
    """A car is there already."""


class ConnectorFreeError(StationError):
    """No car is there."""


class UnknownSessionError(StationError):
    """No such session is connected."""


class OutOfServiceError(StationError):
    """The connector or its charger does not work now."""


class BadValueError(StationError):
    """A value that cannot be meant."""


class ReplayError(StationError):
    """A record that does not lead from one state of this station to the next."""


class LimitBrokenError(StationError):
    """A decision would have broken a limit: a fault of ours, stopped before it took effect."""


def is_finite(value: object) -> bool:
    """Whether something is a finite number; True and False are not numbers."""
    if type(value) is float:  # nearly always, and asking for all kinds of numbers is slow
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
    """Return a value as a finite float within bounds.

    Parameters
    ----------
    name : what the value is, as the sentence of the error begins
    value : any object; bools are not numbers
    minimum, maximum : bounds, both included
    error : class of the error

    Raises
    ------
    ElectraError
        Of the class ``error``, when the value is no finite number or lies outside the bounds.
    """
    if not is_finite(value):
        raise error(f"{name} must be a finite number, got {shortened(value)}")
    found = float(value)  # type: ignore[arg-type]
    if not minimum <= found <= maximum:
        bounds = f"at least {minimum:g}" if maximum == math.inf else f"from {minimum:g} to {maximum:g}"
        raise error(f"{name} must be {bounds}, got {shortened(value)}")
    return found


def checked_whole(
    name: str, value: object, minimum: int, maximum: int, error: type[ElectraError] = BadValueError
) -> int:
    """Return a value as a whole number within bounds, both included.

    Raises
    ------
    ElectraError
        Of the class ``error``, when the value is no whole number or lies outside the bounds.
    """
    whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not whole or not minimum <= int(value) <= maximum:  # type: ignore[call-overload]
        raise error(f"{name} must be a whole number from {minimum} to {maximum}, got {shortened(value)}")
    return int(value)  # type: ignore[call-overload,no-any-return]


def cause_of(error: Exception) -> str:
    """Why a file could not be read or written, without its path."""
    return str(getattr(error, "strerror", None) or error)


def shortened(value: object) -> str:
    """A refused value as text of bounded length, whatever it is."""
    try:
        words = repr(value)
    except Exception:  # a number of thousands of digits, or an object that cannot be shown
        return f"a {type(value).__name__}"
    return clipped(words)


def clipped(words: str) -> str:
    """A text of at most 60 characters."""
    return words if len(words) <= 60 else words[:57] + "..."


def load_on_demand(package: str, name: str, modules: Mapping[str, str]) -> Any:
    """Return a public name of a package whose module is loaded on first use.

    Parameters
    ----------
    package : the package's ``__name__``
    name : the name that was asked for
    modules : the module of each such name, relative to the package

    Raises
    ------
    AttributeError
        When the package has no such name.
    ImportError
        When the module needs a library that is not installed; the sentence names the extra that brings it.
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
