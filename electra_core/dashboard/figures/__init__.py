"""Functions from data to plotly figures, without widgets."""

from electra_core.dashboard.figures.station import station_changes, station_figure
from electra_core.dashboard.figures.traces import Bar, ChartData, Sample

__all__ = ["Bar", "ChartData", "Sample", "station_changes", "station_figure"]
