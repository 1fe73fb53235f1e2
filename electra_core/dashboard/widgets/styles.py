"""The look that all pages share: the style sheet with the colours of the figures, and legends."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources

import ipywidgets as widgets

from electra_core.dashboard.figures.colours import BATTERY, CHARGING, GRID, STATIC, STORED

COLOURS = {"grid": GRID, "battery": BATTERY, "charging": CHARGING, "stored": STORED, "static": STATIC}


def style() -> widgets.HTML:
    """Return the pages' style sheet, and in it the colours of the figures."""
    rules = resources.files("electra_core.dashboard").joinpath("page.css").read_text("utf-8")
    named = "".join(f"--{name}: {colour};" for name, colour in COLOURS.items())
    return widgets.HTML(f"<style>.el-page {{{named}}}\n{rules}</style>").add_class("el-style")


def legend_of(items: Sequence[tuple[str, str]], note: str = "") -> str:
    """Return the HTML of a legend: colours with their meaning, and perhaps a note."""
    marks = "".join(f'<li><i style="background:{color}"></i>{text}</li>' for color, text in items)
    return f'<ul class="el-legend">{marks}{f"<li>{note}</li>" if note else ""}</ul>'
