"""A decision as bytes in the journal, with a digest that shows damage."""

from __future__ import annotations

import hashlib
import io
import pickle
from dataclasses import is_dataclass
from enum import Enum
from typing import Any

from electra_core.station import Decision


def digest_of(number: int, content: bytes) -> str:
    """Return the digest of a pickled decision and the number of its last event."""
    return hashlib.sha256(b"%d " % number + content).hexdigest()


def is_sound(row: tuple[int, str, bytes]) -> bool:
    """Return whether a row (number, digest, content) is as it was written."""
    number, digest, content = row
    return digest == digest_of(number, content)


def loads(content: bytes) -> Decision:
    """Return a pickled decision; anything else is an error, and runs nothing."""
    found = _RestrictedUnpickler(io.BytesIO(content)).load()
    if not isinstance(found, Decision):
        raise pickle.UnpicklingError(f"it is a {type(found).__name__}")
    return found


class _RestrictedUnpickler(pickle.Unpickler):
    """Restricted unpickler: only dataclasses and enums of this package, and plain sets."""

    def find_class(self, module: str, name: str) -> Any:
        """Return a class that a decision may hold; a name with a dot, or a function, could run anything."""
        if (module, name) in {("builtins", "frozenset"), ("builtins", "set")}:
            return super().find_class(module, name)
        if module.startswith("electra_core.") and name.isidentifier():
            found = super().find_class(module, name)
            if isinstance(found, type) and (is_dataclass(found) or issubclass(found, Enum)):
                return found
        raise pickle.UnpicklingError(f"{module}.{name} is no part of a decision")
