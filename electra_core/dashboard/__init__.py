"""The page: a model of traits, words and widgets. A notebook needs two lines of it."""

from __future__ import annotations

from pathlib import Path

import ipywidgets as widgets
from IPython import get_ipython

from electra_core.dashboard.station_page.model import StationModel, read_configs
from electra_core.dashboard.station_page.view import station_page
from electra_core.station import shipped

OPENING = ("EPFL + what-if battery", "epfl_2022-10-18")

__all__ = ["StationModel", "open_station", "read_configs", "show"]


def open_station(configs: str | Path | None = None, *, playing: bool = True) -> StationModel:
    """Return the model of the page, opened on a real day with its clock running.

    Parameters
    ----------
    configs : folder with the configurations of the stations to choose from; None: the shipped ones
    playing : whether the clock runs
    """
    model = StationModel(read_configs(shipped("configs") if configs is None else configs), *OPENING)
    model.playing = playing
    return model


def show(model: StationModel) -> widgets.Widget:
    """The page of a model, as a widget to display; what later cells do to its station shows on it."""
    shell = get_ipython()
    if shell is not None:
        shell.events.register("post_run_cell", lambda _: model.look())
    return station_page(model)
