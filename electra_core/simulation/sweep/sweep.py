"""The public call: read and check what is given, run it, and return a table."""

from __future__ import annotations

import functools
import itertools
import numbers
import os
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import pandas as pd
from tqdm.auto import tqdm

from electra_core.allocation import Planner, Strategy, find_strategy, name_of
from electra_core.errors import shortened
from electra_core.optimization import PLANNERS
from electra_core.sessions import generate as generate_sessions
from electra_core.sessions import read_scenario
from electra_core.simulation.sweep.cache import Cache
from electra_core.simulation.sweep.study import Study, StudyError
from electra_core.simulation.sweep.workers import played
from electra_core.station import ConfigError, StationConfig, load_config

# What `load_config` takes.
Source: TypeAlias = StationConfig | str | os.PathLike[str] | Mapping[str, Any]

BAR_AFTER_S = 2.0


def sweep(
    configs: Source | Sequence[Source] | Mapping[Any, Source],
    strategies: str | Strategy | Sequence[str | Strategy] | Mapping[Any, str | Strategy] = ("max_min",),
    sessions: pd.DataFrame | Sequence[pd.DataFrame] | Mapping[Any, pd.DataFrame] | None = None,
    seeds: Iterable[int] | None = None,
    *,
    generate: Callable[..., pd.DataFrame] | None = None,
    workers: int | None = None,
    client: Any = None,
    folder: str | os.PathLike[str] | None = None,
    progress: bool = True,
    compare_unlimited: bool = True,
    **options: Any,
) -> pd.DataFrame:
    """Run every combination of stations, sessions and strategies: one row a run, with all its metrics.

    A run that fails is a row with its error, and so is one that its worker process does not survive. The
    table does not depend on the number of workers, nor on the order in which runs end.

    Parameters
    ----------
    configs : a station (whatever `load_config` takes), several, or a mapping from names to stations. In a
        list they are called by their ids, or by their places from 0 where two have the same
    strategies : as `simulate` takes them: one, several, or a mapping from names to strategies
    sessions : a table (see `electra_core.sessions.read_session_table`), several, or a mapping from names to
        tables. In a list they are called by their places from 0
    seeds : instead of ``sessions``: whole numbers; ``generate(seed=...)`` makes a table of each
    generate : default: a week of `electra_core.sessions.generate`; others are made from it by
        ``functools.partial(generate, 30, arrivals_per_day=20)``. Or a function of your own with an argument
        ``seed``. The same seed must give the same table
    workers : processes; 1: this one alone. Default: one for each core that this process may use, where that
        saves time
    client : a `distributed.Client`: its Dask cluster runs everything
    folder : finished runs are written into ``runs.jsonl`` there, a line each. A sweep that was interrupted,
        or that has grown, does not run them again as long as station, sessions, options and this package
        are the same, and with them the code of functions of your own and what they use of their own module.
        Failed runs are run again, and a damaged line counts for nothing
    progress : whether there is a bar, after 2 s
    compare_unlimited, **options : of every run, as of `simulate`: ``step_s``, ``horizon_s``,
        ``static_load_kw``, ``pv_kw``, ``site_limit_kw``, ``price_per_kwh``

    Returns
    -------
    pandas.DataFrame
        By station, sessions and strategy, each in the order given. Columns: the names ``config``, ``log``
        (of the sessions) or ``seed``, and ``strategy``; those of `Result.metrics`, empty where the run
        failed; and ``error``, empty where it did not.

    Raises
    ------
    StudyError, ConfigError, ScenarioError, StrategyError
        On mistakes in the sweep as a whole, before anything runs; on a folder that cannot be written; and
        on a cluster without workers.

    Examples
    --------
    >>> import pandas as pd
    >>> charger = {"id": "C", "maxPower": 50, "connectors": 2}
    >>> station = {"stationId": "S", "gridCapacity": 50, "chargers": [charger]}
    >>> cars = pd.DataFrame({"arrival_s": [0, 60], "departure_s": 600, "energy_kwh": 9, "max_power_kw": 50})
    >>> table = sweep(station, ["max_min", "first_come"], cars, workers=1)
    >>> table[["strategy", "delivered_kwh", "jain"]].round(2).values.tolist()
    [['max_min', 8.33, 1.0], ['first_come', 8.33, 0.5]]
    """
    if generate is None and seeds is not None:
        generate = functools.partial(generate_sessions, 7)
    study = Study(
        configs=_configs(configs),
        tables=_tables(sessions, seeds, generate),
        strategies=_strategies(strategies),
        generate=generate,
        compare_unlimited=bool(compare_unlimited),
        options=options,
    )
    _check(study, workers, client)
    runs = list(itertools.product(study.configs, study.tables, study.strategies))
    cache = None if folder is None else Cache(Path(folder), study, runs)
    rows = {} if cache is None else cache.rows()
    with tqdm(total=len(runs), desc="sweep", unit="run", delay=BAR_AFTER_S, disable=not progress) as bar:
        bar.update(len(rows))
        for names, row in played(study, [names for names in runs if names not in rows], workers, client):
            rows[names] = row
            if cache is not None:
                cache.add(names, row)
            bar.update()
    # `sessions` is a metric: their number.
    columns = ("config", "log" if seeds is None else "seed", "strategy")
    named = [{**dict(zip(columns, names, strict=True)), **rows[names]} for names in runs]
    errors = pd.Series([row.pop("error", None) for row in named], dtype=object)
    return pd.DataFrame(named).assign(error=errors)


# What is asked for


def _by_name(what: str, given: Any, *, one: bool) -> dict[Hashable, Any]:
    """Return things by their names; those of a list by their places."""
    things = [given] if one else given
    if isinstance(things, str | bytes) or not isinstance(things, Iterable):
        raise StudyError(f"{what} cannot be {shortened(given)}")
    found = dict(things) if isinstance(things, Mapping) else dict(enumerate(things))
    if not found:
        raise StudyError(f"there are no {what}, so there is nothing to run")
    return found


def _renamed(what: str, names: list[Any], things: Iterable[Any]) -> dict[Hashable, Any]:
    """Return things by other names, which must differ."""
    found = dict(zip(names, things, strict=True))
    if len(found) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise StudyError(f"{what} {shortened(twice)} is there twice")
    return found


def _configs(given: Any) -> dict[Hashable, StationConfig | str]:
    """Return stations by name. In place of a bad one is its error as text, unless there is no other."""
    # Every station has chargers, so a mapping with this key is one.
    named = isinstance(given, Mapping) and "chargers" not in given
    one = isinstance(given, StationConfig | str | os.PathLike | Mapping) and not named
    found: dict[Hashable, StationConfig | str] = {}
    for name, source in _by_name("configs", given, one=one).items():
        try:
            found[name] = load_config(source)
        except ConfigError as error:
            found[name], fault = str(error), error
    stations = [station for station in found.values() if isinstance(station, StationConfig)]
    if not stations:
        raise fault
    by_id: dict[Hashable, StationConfig | str] = {station.station_id: station for station in stations}
    return found if named or len(by_id) < len(found) else by_id


def _tables(sessions: Any, seeds: Any, generate: Any) -> dict[Hashable, Any]:
    """Return tables by name; None by seed, where they are generated later."""
    if (sessions is None) == (seeds is None):
        raise StudyError("give sessions, or seeds to make them of")
    if sessions is None:
        if not callable(generate):
            raise StudyError(f"generate must be a function of a seed, got {shortened(generate)}")
        numbered = list(_by_name("seeds", seeds, one=False).values())
        for seed in numbered:
            if isinstance(seed, bool) or not isinstance(seed, numbers.Integral):
                raise StudyError(f"a seed must be a whole number, got {shortened(seed)}")
        return _renamed("seed", [int(seed) for seed in numbered], [None] * len(numbered))
    if generate is not None:
        raise StudyError("generate makes sessions of seeds, and there are none")
    found = _by_name("sessions", sessions, one=isinstance(sessions, pd.DataFrame))
    for name, table in found.items():
        if not isinstance(table, pd.DataFrame):
            raise StudyError(f"sessions {shortened(name)} must be a pandas DataFrame, got {shortened(table)}")
    return found


def _strategies(given: Any) -> dict[Hashable, Strategy]:
    """Return strategies by name, or refuse an unknown one."""
    found = _by_name("strategies", given, one=isinstance(given, str | Planner) or callable(given))
    if not isinstance(given, Mapping):
        found = _renamed("strategy", [name_of(strategy) for strategy in found.values()], found.values())
    known: Mapping[Any, Strategy] = PLANNERS
    return {
        name: known[strategy] if isinstance(strategy, str) and strategy in known else find_strategy(strategy)
        for name, strategy in found.items()
    }


def _check(study: Study, workers: Any, client: Any) -> None:
    """Refuse what no run can be made with."""
    station = next(station for station in study.configs.values() if isinstance(station, StationConfig))
    read_scenario(station, pd.DataFrame(), **study.options)
    whole = isinstance(workers, numbers.Integral) and not isinstance(workers, bool)
    if workers is not None and not (whole and workers >= 1):
        raise StudyError(f"workers must be a whole number of 1 or more, got {shortened(workers)}")
    if client is not None and not hasattr(client, "get_executor"):
        raise StudyError(f"client must be a distributed.Client, got {shortened(client)}")
