"""Mistakes in a configuration: each has a place that an editor can go to, and a plain sentence."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, get_args

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from electra_core.errors import ElectraError, clipped, shortened
from electra_core.station.json_file import join_keys

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


class ConfigMistake(NamedTuple):
    """One mistake in a configuration: its place, and what is wrong there."""

    place: str
    sentence: str

    def __str__(self) -> str:
        return f"{self.place}: {self.sentence}" if self.place else self.sentence


class ConfigError(ElectraError):
    """A configuration that cannot be used.

    Attributes
    ----------
    source : the file's name
    faults : every mistake at once, each with its place: ``chargers[1].maxPower: must be ...``
    """

    def __init__(self, source: str, mistakes: Sequence[ConfigMistake]) -> None:
        # Two checks may have found the same mistake: the first one of each place is enough.
        first: dict[str, ConfigMistake] = {}
        for mistake in mistakes:
            first.setdefault(mistake.place, mistake)
        super().__init__(source, tuple(first.values()))
        self.source = source
        self.faults = tuple(str(mistake) for mistake in first.values())

    def __str__(self) -> str:
        count = "1 fault" if len(self.faults) == 1 else f"{len(self.faults)} faults"
        return "\n".join([f"{self.source}: {count} in the configuration", *self.faults])


def camel(attribute: str) -> str:
    """Return the file's spelling of an attribute, which has no units: ``max_power_kw`` -> ``maxPower``."""
    head, *rest = re.sub(r"_(kw|kwh|s)$", "", attribute).split("_")
    return head + "".join(word.capitalize() for word in rest)


def find_twin_spellings(data: object, place: str = "") -> Iterator[ConfigMistake]:
    """Find attributes that are given in both spellings: one of the two values would be lost."""
    if isinstance(data, Mapping):
        for key, value in data.items():
            here = join_keys(place, str(key))
            if isinstance(key, str) and camel(key) != key and camel(key) in data:
                yield ConfigMistake(here, f"is the same as {camel(key)}; give one of them")
            yield from find_twin_spellings(value, here)
    elif isinstance(data, list | tuple):
        for index, value in enumerate(data):
            yield from find_twin_spellings(value, f"{place}[{index}]")


def mistake_of(found: ErrorDetails, data: object, root: type[BaseModel]) -> ConfigMistake:
    """Return what pydantic found, as a place in the file's words and a sentence."""
    kind, context = found["type"], found.get("ctx", {})
    place = _place(found["loc"], data)
    if kind == "extra_forbidden":
        return ConfigMistake(place, f"unknown key{_suggestion(found['loc'], root)}")
    if kind == "missing":
        return ConfigMistake(place, _WORDS[kind])
    words = _WORDS[kind].format(**context) if kind in _WORDS else str(context.get("error", found["msg"]))
    if words.startswith("chargers["):
        return ConfigMistake(*words.split(": ", 1))
    if ", got " not in words:
        words = f"{words}, got {_short(found['input'])}"
    return ConfigMistake(place or "the configuration", words)


def _place(loc: Sequence[int | str], data: object) -> str:
    """Return the place in the words of the file, which may use either spelling."""
    place = ""
    for step in loc:
        if isinstance(step, int):
            place += f"[{step}]"
            data = data[step] if isinstance(data, list | tuple) and step < len(data) else None
            continue
        if isinstance(data, Mapping) and step not in data:
            step = next((key for key in data if isinstance(key, str) and camel(key) == step), camel(step))
        place = join_keys(place, step)
        data = data.get(step) if isinstance(data, Mapping) else None
    return place


def _suggestion(loc: Sequence[int | str], root: type[BaseModel]) -> str:
    known = [field.alias or name for name, field in _part_at(loc[:-1], root).model_fields.items()]
    lowered = {name.lower(): name for name in known}
    near = difflib.get_close_matches(str(loc[-1]).lower(), lowered, n=1, cutoff=0.6)
    return f", did you mean {lowered[near[0]]!r}?" if near else f"; known are {', '.join(known)}"


def _part_at(loc: Sequence[int | str], root: type[BaseModel]) -> type[BaseModel]:
    """Return the model of a place, found in the annotations, so that it cannot fall behind them."""
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
    try:
        words = json.dumps(value, default=shortened) if not isinstance(value, float) else f"{value:g}"
    except (ValueError, TypeError, RecursionError):
        return shortened(value)
    return clipped(words)
