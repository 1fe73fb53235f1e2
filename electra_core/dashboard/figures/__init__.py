"""From data to plotly figures: pure functions, no widgets."""

from electra_core.dashboard.figures.station import station_changes, station_figure
from electra_core.dashboard.figures.traces import Bar, Sample, Scene

__all__ = ["Bar", "Sample", "Scene", "station_changes", "station_figure"]
