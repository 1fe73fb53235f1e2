"""What a station refuses, and why: an error a reason, with a sentence that a person understands."""

from __future__ import annotations

import math
import numbers


class StationError(ValueError):
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


def number(name: str, value: object, least: float, most: float = math.inf) -> float:
    """A finite number between bounds; anything else is refused with its name."""
    if not is_finite(value):
        raise BadValueError(f"{name} must be a finite number, got {shortened(value)}")
    found = float(value)  # type: ignore[arg-type]
    if not least <= found <= most:
        bounds = f"at least {least:g}" if most == math.inf else f"from {least:g} to {most:g}"
        raise BadValueError(f"{name} must be {bounds}, got {shortened(value)}")
    return found


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
