"""What the pages' controls are made of: labelled widgets, and choices that follow a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ipywidgets as widgets
from traitlets import HasTraits

LABEL = {"description_width": "92px"}


def tabs(pages: Mapping[str, widgets.Widget]) -> tuple[widgets.Widget, Callable[[str], None]]:
    """Pages of which one is shown; and what opens one."""
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
    """A choice that sets a trait of a model and follows it.

    Parameters
    ----------
    options : pairs of a title and a value; or
    options_from : the trait that has them, by their titles, or as a list of values that are titles
    """

    def offered() -> list[tuple[str, Any]]:
        found = options if options_from is None else getattr(model, options_from)
        return list(found.items()) if isinstance(found, Mapping) else [_pair(each) for each in found]

    choice = widgets.Dropdown(options=offered(), value=getattr(model, trait), description=title, style=LABEL)
    following = False

    def take(change: Mapping[str, Any]) -> None:
        # New options move the choice by themselves; that is nobody's wish.
        if change["new"] is not None and not following:
            model.set_trait(trait, change["new"])

    def follow(_: object) -> None:
        nonlocal following
        following = True
        try:
            offer(choice, offered())
            # A choice that is not among the options any more gets them in a moment.
            if getattr(model, trait) in [value for _, value in choice.options]:
                choice.value = getattr(model, trait)
        finally:
            following = False

    choice.observe(take, "value")
    model.observe(follow, [trait] if options_from is None else [trait, options_from])
    return choice


def _pair(option: Any) -> tuple[str, Any]:
    return option if isinstance(option, tuple) else (option, option)


def offer(choice: Any, options: list[tuple[str, Any]]) -> None:
    """New options, keeping the choice where it is still there."""
    if tuple(options) == tuple(choice.options):
        return
    kept, values = choice.value, [value for _, value in options]
    choice.options = options
    choice.index = values.index(kept) if kept in values else 0


def enable(able: bool, *parts: Any) -> None:
    """Whether they can be pressed."""
    for part in parts:
        part.disabled = not able


def plain_slider(
    title: str, value: float, least: float, most: float, step: float, form: str
) -> widgets.FloatSlider:
    """A slider with its label and its number."""
    return widgets.FloatSlider(
        value=value, min=least, max=most, step=step, description=title, readout_format=form, style=LABEL
    )


def button(text: str, tooltip: str, action: Callable[[], object], *classes: str) -> widgets.Button:
    """A button that does something."""
    made = widgets.Button(description=text, tooltip=tooltip)
    made.on_click(lambda _: action())
    for name in classes:
        made.add_class(name)
    return made


def group(title: str, parts: Sequence[widgets.Widget]) -> widgets.VBox:
    """Controls that belong together, under a title."""
    return widgets.VBox([widgets.HTML(f"<h2>{title}</h2>"), *parts]).add_class("el-group")
