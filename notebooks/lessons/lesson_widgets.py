"""A chart that answers to a hand: a function draws it anew from what is dragged, chosen or pressed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from html import escape
from typing import Any

import ipywidgets as widgets
import plotly.graph_objects as go

from electra_core.dashboard.widgets.accessibility import AccessibleNames
from electra_core.dashboard.widgets.forms import LABEL, plain_slider
from electra_core.dashboard.widgets.plotly_widget import figure_widget
from electra_core.dashboard.widgets.styles import style

Draw = Callable[..., go.Figure]


def slider(label: str, least: float, most: float, value: float, step: float = 1.0) -> widgets.FloatSlider:
    """A number to drag."""
    return plain_slider(label, value, least, most, step, ".0f" if step >= 1.0 else ".2f")


def choice(label: str, options: Iterable[str], value: str | None = None) -> widgets.Dropdown:
    """One of several names."""
    names = list(options)
    return widgets.Dropdown(options=names, value=value or names[0], description=label, style=LABEL)


def switch(label: str, *, on: bool = False) -> widgets.Checkbox:
    """Something that is so, or is not."""
    return widgets.Checkbox(value=on, description=label, indent=False)


class Press(widgets.Button):  # type: ignore[misc]  # ipywidgets publishes no types
    """A button whose value is how often it was pressed."""

    def __init__(self, label: str) -> None:
        super().__init__(description=label)
        self.value = 0
        self.on_click(self._count)

    def _count(self, _: object) -> None:
        self.value += 1


def press(label: str) -> Press:
    """A button; the function that draws gets how often it was pressed."""
    return Press(label)


class Live(widgets.VBox):  # type: ignore[misc]
    """A chart below its controls.

    Attributes
    ----------
    figure : the chart, one widget for good
    controls : what a hand moves, by the names of the parameters that they set
    said : why there is nothing new to see; empty where there is
    """

    def __init__(self, draw: Draw, **controls: Any) -> None:
        self._draw, self.controls = draw, controls
        self.figure = figure_widget(self._drawn())
        self._words = widgets.HTML()
        row = widgets.HBox(list(controls.values())).add_class("el-row-of-controls")
        super().__init__([style(), AccessibleNames(), *([row] if controls else []), self._words, self.figure])
        self.add_class("el-page").add_class("el-lesson")
        for control in controls.values():
            if isinstance(control, Press):
                control.on_click(self._redraw)
            else:
                control.observe(self._redraw, "value")

    @property
    def said(self) -> str:
        """What stands over the chart instead of an error."""
        return str(self._words.value)

    def _drawn(self) -> go.Figure:
        return self._draw(**{name: control.value for name, control in self.controls.items()})

    def _redraw(self, _: object) -> None:
        try:
            fresh = self._drawn()
        except ValueError as error:  # whatever a station or a simulation refuses is one
            self._words.value = f'<p class="el-refusal" role="alert">{escape(str(error))}</p>'
            return
        self._words.value = ""
        # In place: a figure that is made anew takes seconds to appear.
        with self.figure.batch_update():
            for trace, new in zip(self.figure.data, fresh.data, strict=True):
                trace.update(new.to_plotly_json())
            self.figure.layout.update(fresh.layout.to_plotly_json())


def live(draw: Draw, **controls: Any) -> Live:
    """A chart that is drawn anew whenever a hand moves one of its controls.

        Parameters
        ----------
        draw : gets the controls' values by their names and returns a figure, always with the same traces
        **controls : of `slider`, `choice`, `switch` and `press`; without any the chart stands still

        Examples
        --------
        >>> from lesson_charts import bars
    from lesson_widgets import live, slider
        >>> def draw(limit_kw):
        ...     return bars(["CP1", "CP2"], {"grid": [limit_kw / 2.0] * 2}, f"{limit_kw:.0f} kW, shared")
        >>> chart = live(draw, limit_kw=slider("Site limit, kW", 0, 400, 100))
        >>> chart.controls["limit_kw"].value = 200
        >>> chart.figure.data[0].y
        (100.0, 100.0)
    """
    return Live(draw, **controls)
