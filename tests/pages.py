"""Widgets of a page, found as a visitor finds them: by their words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ipywidgets import Button, Widget


def parts(page: Widget) -> Iterator[Any]:
    """Every widget of the page."""
    yield page
    for child in getattr(page, "children", ()):
        yield from parts(child)


def widget(page: Widget, description: str) -> Any:
    """The one with this label."""
    return next(part for part in parts(page) if getattr(part, "description", "") == description)


def button(page: Widget, description: str) -> Button:
    """The button with these words."""
    return next(part for part in parts(page) if isinstance(part, Button) and part.description == description)
