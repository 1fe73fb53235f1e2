"""A JSON file that people write: comments and trailing commas allowed, and a place for what is wrong."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from electra_core.errors import cause_of
from electra_core.station.config_errors import ConfigError, Fault, Repeated

# The parser that knows comments takes seconds for more than this, and no station needs it.
MAX_COMMENTED = 100_000


def read_json(path: Path) -> tuple[str, Any]:
    """The file's name and content.

    Raises
    ------
    ConfigError
        When it is missing, unreadable, empty or not JSON, with the line and column where that is known.
    """
    name = path.name or str(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ConfigError(name, [Fault("", f"there is no file {str(path)!r}")]) from None
    except UnicodeDecodeError:
        raise ConfigError(name, [Fault("", "the file is not UTF-8 text")]) from None
    except (OSError, ValueError) as error:
        raise ConfigError(name, [Fault("", f"the file cannot be read: {cause_of(error)}")]) from None
    if not text.strip():
        raise ConfigError(name, [Fault("", "the file is empty")])
    try:
        return name, _parse(text)
    except RecursionError:
        raise ConfigError(name, [Fault("", "not JSON: nested too deeply")]) from None
    except ValueError as error:
        raise ConfigError(name, [_syntax_fault(error)]) from None


def _parse(text: str) -> Any:
    # The grammar with comments is slow and comments are rare, so the standard parser has the first try.
    try:
        return json.loads(text, object_pairs_hook=_keep_repeated)
    except json.JSONDecodeError:
        if len(text) > MAX_COMMENTED:
            raise ValueError(f"with comments it may have {MAX_COMMENTED:,} characters at most") from None
        import json5

        return json5.loads(text, object_pairs_hook=_keep_repeated)


def _keep_repeated(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """A key that is given twice must not win in silence."""
    found: dict[str, Any] = {}
    for key, value in pairs:
        found[key] = Repeated(value) if key in found else value
    return found


def _syntax_fault(error: ValueError) -> Fault:
    """Turn the parser's words into a place that an editor can go to."""
    if isinstance(error, json.JSONDecodeError):
        return Fault(f"line {error.lineno}, column {error.colno}", f"not JSON: {_lower(error.msg)}")
    found = re.match(r"<string>:(\d+) (.*) at column (\d+)", str(error), re.DOTALL)
    if found:
        return Fault(f"line {found[1]}, column {found[3]}", f"not JSON: {_lower(repr(found[2])[1:-1])}")
    if "integer string conversion" in str(error):
        return Fault("", "not JSON: a number has thousands of digits")
    return Fault("", f"not JSON: {_lower(str(error).removeprefix('<string>:'))}")


def _lower(words: str) -> str:
    return words[:1].lower() + words[1:]
