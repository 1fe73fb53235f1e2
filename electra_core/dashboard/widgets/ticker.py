"""The page's clock: the browser counts, the kernel answers.

A clock in the kernel would go on when the page is gone, and `ipywidgets.Play` cannot start by itself.
This one starts with the page, sends no tick before the last one was answered, and rests in the dark.
"""

from __future__ import annotations

from importlib import resources

import anywidget
from traitlets import Bool, Int, Unicode


class Pulse(anywidget.AnyWidget):
    """A clock without a face.

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
