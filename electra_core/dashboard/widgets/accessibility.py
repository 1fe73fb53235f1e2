"""What Jupyter's controls lack for those who do not see them: names of sliders, states of buttons."""

from __future__ import annotations

from importlib import resources

import anywidget


class Names(anywidget.AnyWidget):
    """Names every slider of the page, and says which of its buttons is down."""

    _esm = resources.files("electra_core.dashboard.widgets").joinpath("accessibility.js").read_text("utf-8")
