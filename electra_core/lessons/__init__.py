"""What the lessons draw with, and what a hand drags in them: a few lines of a notebook make a live chart."""

from __future__ import annotations

from electra_core.lessons.charts import bars, curves, steps
from electra_core.lessons.live import Live, choice, live, press, slider, switch

__all__ = ["Live", "bars", "choice", "curves", "live", "press", "slider", "steps", "switch"]
