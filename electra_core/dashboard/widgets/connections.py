"""Connections of widgets to a model that end with the widget."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import ipywidgets as widgets
from traitlets import HasTraits


def connect(
    widget: widgets.Widget, model: HasTraits, handler: Callable[[Any], object], names: str | Sequence[str]
) -> None:
    """Call a handler when traits of a model change, until the widget is closed."""
    until_closed(widget, lambda: model.unobserve(handler, names))
    model.observe(handler, names)


def until_closed(widget: widgets.Widget, disconnect: Callable[[], object]) -> None:
    """Call a function once, when the widget is closed."""

    def on_comm_changed(change: Any) -> None:
        if change["new"] is None:
            widget.unobserve(on_comm_changed, "comm")
            disconnect()

    widget.observe(on_comm_changed, "comm")


def parts_of(widget: widgets.Widget) -> Iterator[widgets.Widget]:
    """Yield a widget and all widgets inside it."""
    yield widget
    for child in getattr(widget, "children", ()):
        yield from parts_of(child)
