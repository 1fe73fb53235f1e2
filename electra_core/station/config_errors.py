"""The words of a configuration's faults: a place that an editor can go to, and a plain sentence."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, get_args

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from electra_core.errors import ElectraError, clipped, shortened

_WORDS = {
    "missing": "is missing",
    "greater_than": "must be greater than {gt:g}",
    "greater_than_equal": "must be {ge:g} or more",
    "less_than_equal": "must be {le:g} or less",
    "finite_number": "must be a finite number",
    "float_type": "must be a number",
    "int_type": "must be a whole number",
    "string_type": "must be text in quotes",
    "string_too_short": "must not be empty",
    "string_too_long": "must have at most {max_length} characters",
    "literal_error": "must be {expected}",
    "tuple_type": "must be a list",
    "model_type": "must be an object in braces",
    "too_short": "must have at least {min_length} entry",
    "too_long": "must have at most {max_length} entries",
    "string_unicode": "must be text without broken characters",
    "invalid_key": "a key must be text",
}


class Fault(NamedTuple):
    """One fault: where, and what is wrong there."""

    place: str
    words: str

    def __str__(self) -> str:
        return f"{self.place}: {self.words}" if self.place else self.words


class ConfigError(ElectraError):
    """A configuration that cannot be used.

    Attributes
    ----------
    source : the file's name
    faults : every fault at once, each with its place: ``chargers[1].maxPower: must be ...``
    """

    def __init__(self, source: str, faults: Sequence[Fault]) -> None:
        # Two checks may have found the same fault: the first one of each place is enough.
        places = [fault.place for fault in faults]
        first = [fault for index, fault in enumerate(faults) if places.index(fault.place) == index]
        self.source = source
        self.faults = tuple(str(fault) for fault in first)
        count = "1 fault" if len(first) == 1 else f"{len(first)} faults"
        super().__init__("\n".join([f"{source}: {count} in the configuration", *self.faults]))


class Repeated:
    """The value of a key that stands in its place more than once."""

    def __init__(self, value: object) -> None:
        self.value = value


def camel(attribute: str) -> str:
    """``max_power_kw`` -> ``maxPower``: the file's spelling has no units."""
    head, *rest = re.sub(r"_(kw|kwh|s)$", "", attribute).split("_")
    return head + "".join(word.capitalize() for word in rest)


def keys_given_twice(data: object, place: str = "") -> Iterator[Fault]:
    """Keys that stand twice, or once in each spelling: one of the two would be lost."""
    if isinstance(data, Mapping):
        for key, value in data.items():
            here = _join(place, str(key))
            if isinstance(value, Repeated):
                yield Fault(here, "is given twice")
            elif isinstance(key, str) and camel(key) != key and camel(key) in data:
                yield Fault(here, f"is the same as {camel(key)}; give one of them")
            yield from keys_given_twice(value, here)
    elif isinstance(data, list | tuple):
        for index, value in enumerate(data):
            yield from keys_given_twice(value, f"{place}[{index}]")


def fault_of(found: ErrorDetails, data: object, root: type[BaseModel]) -> Fault:
    """What pydantic found, as a place in the file's words and a sentence."""
    kind, context = found["type"], found.get("ctx", {})
    place = _place(found["loc"], data)
    if kind == "extra_forbidden":
        return Fault(place, f"unknown key{_suggestion(found['loc'], root)}")
    if kind == "missing":
        return Fault(place, _WORDS[kind])
    words = _WORDS[kind].format(**context) if kind in _WORDS else str(context.get("error", found["msg"]))
    if words.startswith("chargers["):
        return Fault(*words.split(": ", 1))
    if ", got " not in words:
        words = f"{words}, got {_short(found['input'])}"
    return Fault(place or "the configuration", words)


def _join(place: str, key: str) -> str:
    key = key if key.strip() and key.isprintable() else repr(key)
    return f"{place}.{key}" if place else key


def _place(loc: Sequence[int | str], data: object) -> str:
    """The place in the words of the file: where it used an attribute's name, that name."""
    place = ""
    for step in loc:
        if isinstance(step, int):
            place += f"[{step}]"
            data = data[step] if isinstance(data, list | tuple) and step < len(data) else None
            continue
        if isinstance(data, Mapping) and step not in data:
            step = next((key for key in data if isinstance(key, str) and camel(key) == step), camel(step))
        place = _join(place, step)
        data = data.get(step) if isinstance(data, Mapping) else None
    return place


def _suggestion(loc: Sequence[int | str], root: type[BaseModel]) -> str:
    known = [field.alias or name for name, field in _part_at(loc[:-1], root).model_fields.items()]
    lowered = {name.lower(): name for name in known}
    near = difflib.get_close_matches(str(loc[-1]).lower(), lowered, n=1, cutoff=0.6)
    return f", did you mean {lowered[near[0]]!r}?" if near else f"; known are {', '.join(known)}"


def _part_at(loc: Sequence[int | str], root: type[BaseModel]) -> type[BaseModel]:
    """The model that describes this place: found in the annotations, so that it cannot fall behind them."""
    part = root
    for step in loc:
        for name, field in part.model_fields.items():
            if step in (name, field.alias):
                part = next(kind for kind in _kinds(field.annotation) if issubclass(kind, BaseModel))
                break
    return part


def _kinds(annotation: Any) -> Iterator[type]:
    if isinstance(annotation, type) and not get_args(annotation):
        yield annotation
    for inner in get_args(annotation):
        yield from _kinds(inner)


def _short(value: object) -> str:
    value = value.value if isinstance(value, Repeated) else value
    try:
        words = json.dumps(value, default=shortened) if not isinstance(value, float) else f"{value:g}"
    except (ValueError, TypeError, RecursionError):
        return shortened(value)
    return clipped(words)
