"""From data to plotly figures: pure functions, no widgets."""

from electra_core.figures.station import Bar, Sample, station_changes, station_figure

__all__ = ["Bar", "Sample", "station_changes", "station_figure"]
