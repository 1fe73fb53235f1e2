"""JSON files that people write: comments and trailing commas are allowed, and an error names its place."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from electra_core.errors import ElectraError, cause_of

# The parser that knows comments takes seconds for more than this.
MAX_COMMENTED = 100_000

# In place of the values of a key that an object has more than once.
_REPEATED = object()


class JsonFileError(ElectraError):
    """A file that is not JSON, or says something twice.

    Attributes
    ----------
    sentence : what is wrong
    place : ``line 2, column 7``, or the keys that lead there; empty where the whole file is meant
    """

    def __init__(self, sentence: str, place: str = "") -> None:
        super().__init__(sentence, place)
        self.sentence, self.place = sentence, place

    def __str__(self) -> str:
        return f"{self.place}: {self.sentence}" if self.place else self.sentence


def read_json(path: str | os.PathLike[str]) -> Any:
    """Return the content of a JSON file as `parse_json` does; a byte order mark is allowed."""
    file = Path(path)
    try:
        text = file.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise JsonFileError(f"there is no file {str(file)!r}") from None
    except UnicodeDecodeError:
        raise JsonFileError("the file is not UTF-8 text") from None
    except (OSError, ValueError) as error:
        raise JsonFileError(f"the file cannot be read: {cause_of(error)}") from None
    return parse_json(text)


def parse_json(text: str) -> Any:
    """Return the content of a text in JSON; comments and trailing commas are allowed.

    Raises
    ------
    JsonFileError
        When the text is empty or not JSON, with line and column where they are known, or an object has a
        key more than once, of which all values but one would be lost.

    Examples
    --------
    >>> parse_json('{"power": 150, /* kW */}')
    {'power': 150}
    """
    if not text.strip():
        raise JsonFileError("the file is empty")
    repeated: list[str] = []

    def unique(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
        pairs = list(pairs)
        found = dict(pairs)
        if len(found) < len(pairs):
            twice = [key for key, count in Counter(key for key, _ in pairs).items() if count > 1]
            found.update(dict.fromkeys(twice, _REPEATED))
            repeated.extend(twice)
        return found

    try:
        content = _parse(text, unique)
        places = list(_repeated_places(content)) if repeated else []
    except RecursionError:
        raise JsonFileError("not JSON: nested too deeply") from None
    except ValueError as error:
        raise _syntax_error(error, len(text)) from None
    if places:
        others = f", and so is {', '.join(places[1:])}" if len(places) > 1 else ""
        raise JsonFileError(f"is given twice{others}", places[0])
    return content


def join_keys(place: str, key: str) -> str:
    """Return the place of a key inside the object at a place: ``battery.power``."""
    key = key if key.strip() and key.isprintable() else repr(key)
    return f"{place}.{key}" if place else key


def _parse(text: str, unique: Callable[[Iterable[tuple[str, Any]]], dict[str, Any]]) -> Any:
    # The grammar with comments is slow and comments are rare, so the standard parser has the first try.
    try:
        return json.loads(text, object_pairs_hook=unique)
    except json.JSONDecodeError:
        if len(text) > MAX_COMMENTED:
            raise
        import json5

        return json5.loads(text, object_pairs_hook=unique)


def _repeated_places(value: object, place: str = "") -> Iterator[str]:
    if value is _REPEATED:
        yield place
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _repeated_places(inner, join_keys(place, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _repeated_places(inner, f"{place}[{index}]")


def _syntax_error(error: ValueError, length: int) -> JsonFileError:
    """Turn the parser's words into a place that an editor can go to."""
    if isinstance(error, json.JSONDecodeError):
        words = f"not JSON: {_lowered(error.msg)}"
        if length > MAX_COMMENTED:
            words += f"; comments are allowed in up to {MAX_COMMENTED:,} characters"
        return JsonFileError(words, f"line {error.lineno}, column {error.colno}")
    found = re.match(r"<string>:(\d+) (.*) at column (\d+)", str(error), re.DOTALL)
    if found:
        words = _lowered(repr(found[2])[1:-1])
        return JsonFileError(f"not JSON: {words}", f"line {found[1]}, column {found[3]}")
    if "integer string conversion" in str(error):
        return JsonFileError("not JSON: a number has thousands of digits")
    return JsonFileError(f"not JSON: {_lowered(str(error).removeprefix('<string>:'))}")


def _lowered(words: str) -> str:
    return words[:1].lower() + words[1:]
