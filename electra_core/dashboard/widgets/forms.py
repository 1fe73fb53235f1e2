"""Parts of the pages' controls: labelled widgets, and choices that follow a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ipywidgets as widgets
from traitlets import HasTraits

from electra_core.dashboard.widgets.connections import connect

LABEL = {"description_width": "92px"}


def tabs(pages: Mapping[str, widgets.Widget]) -> tuple[widgets.Widget, Callable[[str], None]]:
    """Return tabs, of which one is shown, and the function that opens one."""
    choice = widgets.ToggleButtons(options=list(pages)).add_class("el-tabs")

    def show(_: object = None) -> None:
        for name, page in pages.items():
            page.layout.display = None if name == choice.value else "none"

    def open_page(name: str) -> None:
        choice.value = name

    choice.observe(show, "value")
    show()
    return widgets.VBox([choice, *pages.values()]).add_class("el-controls"), open_page


def dropdown(
    title: str, model: HasTraits, trait: str, options: Any = (), options_from: str | None = None
) -> widgets.Dropdown:
    """Return a choice that sets a trait of a model and follows it.

    Parameters
    ----------
    options : pairs of a title and a value; or
    options_from : the trait that has them, by their titles, or as a list of values that are titles
    """

    def offered() -> list[tuple[str, Any]]:
        found = options if options_from is None else getattr(model, options_from)
        return list(found.items()) if isinstance(found, Mapping) else [_pair(each) for each in found]

    choice = widgets.Dropdown(options=offered(), value=getattr(model, trait), description=title, style=LABEL)

    def on_chosen(change: Mapping[str, Any]) -> None:
        if change["new"] is not None:
            model.set_trait(trait, change["new"])

    def on_model_changed(_: object) -> None:
        # New options move the choice by themselves: that must not set the trait.
        choice.unobserve(on_chosen, "value")
        try:
            offer(choice, offered())
            # A value that is not among the options gets them with the next change of the model.
            if getattr(model, trait) in [value for _, value in choice.options]:
                choice.value = getattr(model, trait)
        finally:
            choice.observe(on_chosen, "value")

    choice.observe(on_chosen, "value")
    connect(choice, model, on_model_changed, [trait] if options_from is None else [trait, options_from])
    return choice


def _pair(option: Any) -> tuple[str, Any]:
    return option if isinstance(option, tuple) else (option, option)


def offer(choice: Any, options: list[tuple[str, Any]]) -> None:
    """Set new options, and keep the choice if it is among them."""
    if tuple(options) == tuple(choice.options):
        return
    kept, values = choice.value, [value for _, value in options]
    choice.options = options
    choice.index = values.index(kept) if kept in values else 0


def enable(able: bool, *parts: Any) -> None:
    """Enable or disable widgets."""
    for part in parts:
        part.disabled = not able


def plain_slider(
    title: str, value: float, minimum: float, maximum: float, step: float, readout_format: str
) -> widgets.FloatSlider:
    """Return a slider with its label and its number."""
    return widgets.FloatSlider(
        value=value,
        min=minimum,
        max=maximum,
        step=step,
        description=title,
        readout_format=readout_format,
        style=LABEL,
    )


def button(text: str, tooltip: str, action: Callable[[], object], *classes: str) -> widgets.Button:
    """Return a button that calls an action."""
    made = widgets.Button(description=text, tooltip=tooltip)
    made.on_click(lambda _: action())
    for name in classes:
        made.add_class(name)
    return made


def group(title: str, parts: Sequence[widgets.Widget]) -> widgets.VBox:
    """Return controls that belong together, under a title."""
    return widgets.VBox([widgets.HTML(f"<h2>{title}</h2>"), *parts]).add_class("el-group")
