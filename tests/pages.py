"""Widgets of a page, found by their labels, and messages to them as a browser sends them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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


def send(part: Widget, content: object, buffers: Sequence[memoryview] = ()) -> None:
    """Send a custom message to a widget."""
    data = {"method": "custom", "content": content}
    part.comm.handle_msg({"content": {"data": data}, "buffers": list(buffers)})
