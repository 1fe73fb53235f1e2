"""Widgets of a page, found by their labels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ipywidgets import Button, Widget


def parts(page: Widget) -> Iterator[Any]:
    """Yield every widget of a page."""
    yield page
    for child in getattr(page, "children", ()):
        yield from parts(child)


def widget(page: Widget, description: str) -> Any:
    """Return the widget with a label."""
    return next(part for part in parts(page) if getattr(part, "description", "") == description)


def button(page: Widget, description: str) -> Button:
    """Return the button with a label."""
    return next(part for part in parts(page) if isinstance(part, Button) and part.description == description)
