"""The page: a model of traits, words and widgets. A notebook needs two lines of it."""

from __future__ import annotations

from pathlib import Path

import ipywidgets as widgets
from IPython import get_ipython

from electra_core.dashboard.station_page.model import StationModel, read_configs
from electra_core.dashboard.station_page.view import station_page

OPENING = ("EPFL + what-if battery", "epfl_2022-10-18")

__all__ = ["StationModel", "open_station", "read_configs", "show"]


def open_station(configs: str | Path, *, playing: bool = True) -> StationModel:
    """The model of the page: the stations of a folder, opened on a real day with its clock running."""
    model = StationModel(read_configs(configs), *OPENING)
    model.playing = playing
    return model


def show(model: StationModel) -> widgets.Widget:
    """The page of a model, as a widget to display; what later cells do to its station shows on it."""
    shell = get_ipython()
    if shell is not None:
        shell.events.register("post_run_cell", lambda _: model.look())
    return station_page(model)
