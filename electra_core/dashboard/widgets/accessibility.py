"""Names of sliders and states of buttons for screen readers, which Jupyter's controls lack."""

from __future__ import annotations

from importlib import resources

import anywidget


class AccessibleNames(anywidget.AnyWidget):
    """Names every slider of the page, and marks which of its buttons is down."""

    _esm = resources.files("electra_core.dashboard.widgets").joinpath("accessibility.js").read_text("utf-8")
