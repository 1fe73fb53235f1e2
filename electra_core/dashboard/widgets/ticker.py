"""The page's ticker: a browser timer that the kernel answers.

A timer in the kernel would go on after the page is gone, and `ipywidgets.Play` cannot start by itself. This
one starts with the page, pauses while the tab is hidden, and sends no tick until the last was answered.
"""

from __future__ import annotations

from importlib import resources

import anywidget
from traitlets import Bool, Int, Unicode


class Ticker(anywidget.AnyWidget):
    """A browser timer; it shows nothing.

    Attributes
    ----------
    playing : whether it ticks
    following : whether it ticks although it does not play
    interval_ms : real time between ticks, ms
    ticks : counted by the browser
    answered : set to ``ticks`` by the kernel when it is ready for the next one
    columns : of charts that have room beside each other, 1 or 2
    query : the part of the page's address behind the question mark
    """

    _esm = resources.files("electra_core.dashboard.widgets").joinpath("ticker.js").read_text("utf-8")

    playing = Bool(False).tag(sync=True)
    following = Bool(False).tag(sync=True)
    interval_ms = Int(1000).tag(sync=True)
    ticks = Int(0).tag(sync=True)
    answered = Int(0).tag(sync=True)
    columns = Int(2).tag(sync=True)
    query = Unicode("").tag(sync=True)
