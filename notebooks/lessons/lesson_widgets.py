"""Interactive charts of the lessons: a function redraws a chart from the values of its controls."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from html import escape
from typing import Any

import ipywidgets as widgets
import plotly.graph_objects as go

from electra_core.dashboard.widgets.accessibility import AccessibleNames
from electra_core.dashboard.widgets.forms import LABEL, plain_slider
from electra_core.dashboard.widgets.plotly_widget import figure_widget
from electra_core.dashboard.widgets.styles import style
from electra_core.errors import ElectraError

Draw = Callable[..., go.Figure]

_log = logging.getLogger(__name__)


def slider(
    label: str, minimum: float, maximum: float, value: float, step: float = 1.0
) -> widgets.FloatSlider:
    """Return a slider for a number.

    Examples
    --------
    >>> slider("Site limit, kW", 0, 400, 100).value
    100.0
    """
    return plain_slider(label, value, minimum, maximum, step, ".0f" if step >= 1.0 else ".2f")


def choice(label: str, options: Iterable[str], value: str | None = None) -> widgets.Dropdown:
    """Return a choice of one of several names; the first one, unless another ``value`` is given.

    Examples
    --------
    >>> choice("Strategy", ["max_min", "uniform"]).value
    'max_min'
    """
    names = list(options)
    return widgets.Dropdown(options=names, value=value or names[0], description=label, style=LABEL)


def switch(label: str, *, on: bool = False) -> widgets.Checkbox:
    """Return a box to tick.

    Examples
    --------
    >>> switch("With a battery", on=True).value
    True
    """
    return widgets.Checkbox(value=on, description=label, indent=False)


class Press(widgets.Button):  # type: ignore[misc]  # ipywidgets publishes no types
    """A button whose value counts its presses."""

    def __init__(self, label: str) -> None:
        super().__init__(description=label)
        self.value = 0
        self.on_click(self._count)

    def _count(self, _: object) -> None:
        self.value += 1


def press(label: str) -> Press:
    """Return a button; the function that draws gets the number of its presses.

    Examples
    --------
    >>> button = press("Again")
    >>> button.click()
    >>> button.value
    1
    """
    return Press(label)


class Live(widgets.VBox):  # type: ignore[misc]
    """A chart below its controls.

    Attributes
    ----------
    figure : the chart, always the same widget
    controls : the controls by the names of the parameters that they set
    """

    def __init__(self, draw: Draw, **controls: Any) -> None:
        self._draw, self.controls = draw, controls
        self.figure = figure_widget(self._drawn())
        self._message = widgets.HTML()
        row = widgets.HBox(list(controls.values())).add_class("el-row-of-controls")
        super().__init__(
            [style(), AccessibleNames(), *([row] if controls else []), self._message, self.figure]
        )
        self.add_class("el-page").add_class("el-lesson")
        for control in controls.values():
            if isinstance(control, Press):
                control.on_click(self._redraw)
            else:
                control.observe(self._redraw, "value")

    @property
    def message(self) -> str:
        """Return the message over the chart, as HTML: the last error, or empty."""
        return str(self._message.value)

    def _drawn(self) -> go.Figure:
        return self._draw(**{name: control.value for name, control in self.controls.items()})

    def _say(self, words: str) -> None:
        self._message.value = f'<p class="el-refusal" role="alert">{escape(words)}</p>'

    def _redraw(self, _: object) -> None:
        try:
            fresh = self._drawn()
        except ElectraError as error:
            self._say(str(error))
            return
        except Exception as error:  # a fault of the lesson, or of code that a reader has changed
            _log.exception("the function that draws failed")
            self._say(f"The function that draws failed: {type(error).__name__}: {error}")
            return
        self._message.value = ""
        # In place, because a new figure takes seconds to appear.
        with self.figure.batch_update():
            for trace, new in zip(self.figure.data, fresh.data, strict=True):
                trace.update(new.to_plotly_json())
            self.figure.layout.update(fresh.layout.to_plotly_json())


def live(draw: Draw, **controls: Any) -> Live:
    """Return a chart that is redrawn whenever one of its controls changes.

    Parameters
    ----------
    draw : gets the controls' values by their names and returns a figure, always with the same traces
    **controls : of `slider`, `choice`, `switch` and `press`; without any the chart does not change

    Examples
    --------
    >>> from lesson_charts import bars
    >>> def draw(limit_kw):
    ...     return bars(["CP1", "CP2"], {"grid": [limit_kw / 2.0] * 2}, f"{limit_kw:.0f} kW, shared")
    >>> chart = live(draw, limit_kw=slider("Site limit, kW", 0, 400, 100))
    >>> chart.controls["limit_kw"].value = 200
    >>> chart.figure.data[0].y
    (100.0, 100.0)
    """
    return Live(draw, **controls)
