"""The notebook pages: models, views, widgets and figures. A notebook needs two lines of it."""

from __future__ import annotations

from pathlib import Path

import ipywidgets as widgets
from IPython import get_ipython

from electra_core.dashboard.files import read_configs
from electra_core.dashboard.station_page.model import StationModel
from electra_core.dashboard.station_page.view import StationPage
from electra_core.dashboard.widgets.connections import until_closed
from electra_core.station import shipped

OPENING = ("EPFL + what-if battery", "epfl_2022-10-18")

__all__ = ["StationModel", "open_station", "read_configs", "show"]

# The open page of each model.
_PAGES: dict[StationModel, StationPage] = {}


def open_station(configs: str | Path | None = None, *, playing: bool = True) -> StationModel:
    """Return the model of the page, opened on a real day with its clock running.

    Parameters
    ----------
    configs : folder with the configurations of the stations to choose from; None: the shipped ones
    playing : whether the clock runs

    Examples
    --------
    >>> len(open_station(playing=False).station.status().sessions)
    2
    """
    model = StationModel(read_configs(shipped("configs") if configs is None else configs), *OPENING)
    model.playing = playing
    return model


def show(model: StationModel) -> widgets.Widget:
    """Return the page of a model, as a widget to display; what later cells do to its station shows on it.

    A model has one page: showing it again closes the page that was shown before.

    Examples
    --------
    >>> page = show(open_station("configs", playing=False))
    >>> page.close()
    """
    if model in _PAGES:
        _PAGES[model].close()
    page = _PAGES[model] = StationPage(model)
    until_closed(page, lambda: _PAGES.pop(model))
    shell = get_ipython()
    if shell is not None:

        def refresh(_: object) -> None:
            model.refresh_if_changed()

        shell.events.register("post_run_cell", refresh)
        until_closed(page, lambda: shell.events.unregister("post_run_cell", refresh))
    return page
