"""Many runs: stations, sessions and strategies in all their combinations, as one table."""

from __future__ import annotations

import functools
import hashlib
import importlib
import io
import itertools
import math
import multiprocessing
import numbers
import os
import pickle
import sys
import threading
import time
import types
import warnings
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, ProcessPoolExecutor, wait
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import pandas as pd
from tqdm.auto import tqdm

from electra_core.config import StationConfig, load_config
from electra_core.faults import ConfigError
from electra_core.optimum import PLANNERS
from electra_core.refusals import cause_of, shortened
from electra_core.scenario import Scenario, read_scenario
from electra_core.sessions import generate as generate_sessions
from electra_core.simulation import Result, SimulationWarning, run
from electra_core.simulation.compiled import compiled_play
from electra_core.strategies import Planner, Strategy, find, name_of

# What `load_config` takes; the names of a run's station, sessions and strategy; its metrics, or its error.
Source: TypeAlias = StationConfig | str | os.PathLike[str] | Mapping[str, Any]
Names: TypeAlias = tuple[Hashable, Hashable, Hashable]
Row: TypeAlias = dict[str, Any]
Played: TypeAlias = list[tuple[Names, Row]]
Submit: TypeAlias = Callable[[list[Names]], "Future[list[Row]]"]

# More than worker processes need to load everything, on a computer that has nothing else to do.
START_S = 5.0
# So many runs are handed out at a time, at most. Who has played for so long gives the others back, so that
# the bar moves, files are written, and nobody waits long for the last one.
MOST_RUNS = 64
LOT_S = 0.5
BAR_AFTER_S = 2.0
# Windows cannot wait for more worker processes.
MOST_WORKERS = 61


class StudyError(ValueError):
    """A sweep that cannot be meant, or that has nobody to play it."""


@dataclass(frozen=True, eq=False)
class _Study:
    """What the runs of a sweep are made of, by name. In place of a station may be what is wrong with it."""

    configs: Mapping[Hashable, StationConfig | str]
    tables: Mapping[Hashable, Any]
    strategies: Mapping[Hashable, Strategy]
    generate: Callable[..., pd.DataFrame] | None
    options: Mapping[str, Any]

    def table(self, name: Hashable) -> pd.DataFrame:
        """Sessions; where they are generated their name is the seed."""
        return self.tables[name] if self.generate is None else self.generate(seed=name)

    def scenario(self, config: Hashable, sessions: Hashable) -> Scenario:
        """What is run, or the reason why nothing can be."""
        station = self.configs[config]
        if isinstance(station, str):
            raise StudyError(station)
        return read_scenario(station, self.table(sessions), **self.options)


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
    **options: Any,
) -> pd.DataFrame:
    """Run every combination of stations, sessions and strategies: one row a run, with all its metrics.

    A run that fails is a row with its error. The table is the same whoever plays the runs, and in whatever
    order they end. A script must call this under ``if __name__ == "__main__":``, as Python's worker processes
    demand.

    Parameters
    ----------
    configs : a station (whatever `load_config` takes), several, or a mapping from names to stations. In a
        list they are called by their ids, or by their places from 0 where two have the same
    strategies : as `simulate` takes them: one, several, or a mapping from names to strategies
    sessions : a table (see `electra_core.sessions.read_visits`), several, or a mapping from names to tables.
        In a list they are called by their places from 0
    seeds : instead of ``sessions``: whole numbers; ``generate(seed=...)`` makes a table of each
    generate : default: a week of `electra_core.sessions.generate`; others are made from it by
        ``functools.partial(generate, 30, arrivals_per_day=20)``. Or a function of your own with an argument
        ``seed``. The same seed must give the same table
    workers : processes; 1: this one plays everything. Default: one for each core that this process may use,
        where that saves time
    client : a `distributed.Client`: its cluster plays the runs, and keeps its workers for the next sweep
    folder : where finished runs are kept, as Parquet files. A sweep that was interrupted, or that has grown,
        does not play them again as long as station, sessions, options and this package are the same, and
        with them the code of functions of your own and what they use of their own module. Failed runs are
        not kept, and a damaged file counts for nothing
    progress : whether there is a bar, after 2 s
    **options : of every run, as of `simulate`: ``step_s``, ``horizon_s``, ``static_load_kw``, ``pv_kw``,
        ``site_limit_kw``, ``price_per_kwh``

    Returns
    -------
    pandas.DataFrame
        By station, sessions and strategy, each in the order given. Columns: the names ``config``, ``log``
        (of the sessions) or ``seed``, and ``strategy``; those of `Result.metrics`, empty where the run
        failed; and ``error``, empty where it did not.

    Raises
    ------
    StudyError, ConfigError, ScenarioError, StrategyError
        On what is wrong with the sweep as a whole, before anything runs; on a folder that cannot be written;
        and where no worker can start.
    """
    if generate is None and seeds is not None:
        generate = functools.partial(generate_sessions, 7)
    tables = _tables(sessions, seeds, generate)
    study = _Study(_configs(configs), tables, _strategies(strategies), generate, options)
    _check(study, workers, client)
    runs = list(itertools.product(study.configs, study.tables, study.strategies))
    shelf = None if folder is None else _Shelf(Path(folder), study, runs)
    rows = {} if shelf is None else shelf.rows()
    with tqdm(total=len(runs), desc="sweep", unit="run", delay=BAR_AFTER_S, disable=not progress) as bar:
        bar.update(len(rows))
        for played in _played(study, [names for names in runs if names not in rows], workers, client):
            rows.update(played)
            if shelf is not None:
                shelf.put(played)
            bar.update(len(played))
    # `sessions` is a metric: their number.
    columns = ("config", "log" if seeds is None else "seed", "strategy")
    named = [{**dict(zip(columns, names, strict=True)), **rows[names]} for names in runs]
    errors = pd.Series([row.pop("error", None) for row in named], dtype=object)
    return pd.DataFrame(named).assign(error=errors)


# What is asked for


def _by_name(what: str, given: Any, *, one: bool) -> dict[Hashable, Any]:
    """Things by their names; those of a list by their places."""
    things = [given] if one else given
    if isinstance(things, str | bytes) or not isinstance(things, Iterable):
        raise StudyError(f"{what} cannot be {shortened(given)}")
    found = dict(things) if isinstance(things, Mapping) else dict(enumerate(things))
    if not found:
        raise StudyError(f"there are no {what}, so there is nothing to run")
    return found


def _renamed(what: str, names: list[Any], things: Iterable[Any]) -> dict[Hashable, Any]:
    """Things by other names, which must differ."""
    found = dict(zip(names, things, strict=True))
    if len(found) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise StudyError(f"{what} {shortened(twice)} is there twice")
    return found


def _configs(given: Any) -> dict[Hashable, StationConfig | str]:
    """Stations by name. One that is none is its fault in words, unless there is no other."""
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
    """Tables by name; nothing yet by seed, where they are generated."""
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
    """Strategies by name; an unknown one is refused."""
    found = _by_name("strategies", given, one=isinstance(given, str | Planner) or callable(given))
    if not isinstance(given, Mapping):
        found = _renamed("strategy", [name_of(strategy) for strategy in found.values()], found.values())
    known: Mapping[Any, Strategy] = PLANNERS
    return {
        name: known[strategy] if isinstance(strategy, str) and strategy in known else find(strategy)
        for name, strategy in found.items()
    }


def _check(study: _Study, workers: Any, client: Any) -> None:
    """Refuse what no run can be made with."""
    station = next(station for station in study.configs.values() if isinstance(station, StationConfig))
    read_scenario(station, pd.DataFrame(), **study.options)
    whole = isinstance(workers, numbers.Integral) and not isinstance(workers, bool)
    if workers is not None and not (whole and workers >= 1):
        raise StudyError(f"workers must be a whole number of 1 or more, got {shortened(workers)}")
    if client is not None and not hasattr(client, "get_executor"):
        raise StudyError(f"client must be a distributed.Client, got {shortened(client)}")


# Who plays


def _play(study: _Study, runs: Sequence[Names], seconds: float) -> list[Row]:
    """The rows of the first runs, as many as there is time for, and at least one."""
    # Strategies for the same station and sessions come one after the other.
    scenario = functools.lru_cache(maxsize=1)(study.scenario)
    ideals: dict[Any, Result] = {}
    rows: list[Row] = []
    end_s = time.monotonic() + seconds
    for config, sessions, strategy in runs:
        if rows and time.monotonic() >= end_s:
            break
        try:
            result = run(scenario(config, sessions), study.strategies[strategy], keep_timeline=False)
            rows.append(_with_ideal_of(ideals, (sessions, strategy), result).metrics())
        except Exception as error:  # whatever it is, other runs have nothing to do with it
            rows.append({"error": _sentence(error)})
    return rows


def _with_ideal_of(ideals: dict[Any, Result], names: tuple[Hashable, Hashable], result: Result) -> Result:
    """A result that is compared with an unlimited grid, which is played once for all capacities."""
    station = result.scenario.config.model_copy(update={"grid_capacity_kw": 0.0})
    key = (*names, station.model_dump_json(), result.end_s)

    def ideal() -> Result:
        if key not in ideals and result.ideal is not None:
            ideals[key] = result.ideal()
        return ideals[key]

    return replace(result, ideal=ideal)


def _sentence(error: BaseException) -> str:
    """What happened; our own errors are sentences already."""
    ours = type(error).__module__.startswith("electra_core.")
    return str(error) if ours else f"{type(error).__name__}: {error}"


def _played(study: _Study, runs: list[Names], workers: int | None, client: Any) -> Iterator[Played]:
    """Every run with its row, some at a time."""
    if client is not None:
        workers = max(1, sum(client.nthreads().values()))
    elif workers is None:
        workers = _cores()
        # Planners may need minutes for a run, and better side by side.
        quick = [names for names in runs if not isinstance(study.strategies[names[2]], Planner)]
        done: set[Names] = set()
        for played in _played_here(study, quick, workers):
            done.update(names for names, _ in played)
            yield played
        runs = [names for names in runs if names not in done]
    alone = client is None and min(workers, len(runs)) < 2
    packed = None if alone else _packed(study)
    if packed is None:
        yield from _played_here(study, runs, 1)
    elif client is not None:
        yield from _handed_out(functools.partial(_cluster, client, packed), runs, workers)
    else:
        workers = min(workers, len(runs), MOST_WORKERS)
        yield from _handed_out(functools.partial(_pool, workers, packed), runs, workers)


def _played_here(study: _Study, runs: list[Names], workers: int) -> Iterator[Played]:
    """Runs that this process plays, until so many others would save more time than it takes to start them."""
    saved_s, lot = 0.0, 1
    while runs and saved_s < START_S:
        started_s = time.process_time()  # the computer may have other things to do
        rows = _play(study, runs[:lot], LOT_S)
        yield list(zip(runs, rows, strict=False))
        runs = runs[len(rows) :]
        # The first run has compiled code to load, which says nothing of the others.
        if lot > 1:
            saved_s = (time.process_time() - started_s) / len(rows) * len(runs) * (1.0 - 1.0 / workers)
        lot = MOST_RUNS


def _cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _handed_out(
    team: Callable[[], AbstractContextManager[Submit]], runs: list[Names], width: int
) -> Iterator[Played]:
    """Runs that workers play. After one has died they are played one by one: the next to die is to blame."""
    waiting, one_by_one = deque(runs), False
    while waiting:
        with team() as submit:
            # All start at once, with nothing to do yet.
            for future in [submit([]) for _ in range(1 if one_by_one else width)]:
                if (error := future.exception()) is not None:
                    raise StudyError(
                        f"no worker can play this: {_sentence(error)} (A script must call sweep under"
                        ' `if __name__ == "__main__":`; with workers=1 there are no other processes.)'
                    )
            playing: dict[Future[list[Row]], list[Names]] = {}
            died = False
            while playing or (waiting and not died):
                # Each worker has a lot, and the next one lies ready.
                while waiting and not died and len(playing) < (1 if one_by_one else 2 * width):
                    size = 1 if one_by_one else min(MOST_RUNS, math.ceil(len(waiting) / (4 * width)))
                    lot = [waiting.popleft() for _ in range(size)]
                    playing[submit(lot)] = lot
                for future in wait(playing, return_when=FIRST_COMPLETED).done:
                    lot, error = playing.pop(future), future.exception()
                    died = died or error is not None
                    rows = [] if error is not None else future.result()
                    if error is not None and one_by_one:
                        rows = [{"error": f"the worker that played it died: {_sentence(error)}"}]
                    waiting.extendleft(reversed(lot[len(rows) :]))
                    yield list(zip(lot, rows, strict=False))
            one_by_one = one_by_one or died


@contextmanager
def _cluster(client: Any, packed: bytes) -> Iterator[Submit]:
    """Workers of a Dask cluster, which get the study once."""
    shared = client.scatter(packed, broadcast=True)
    executor = client.get_executor(pure=False)
    try:
        yield functools.partial(_submit, executor, _play_packed, shared)
    finally:
        executor.shutdown(wait=False)


@contextmanager
def _pool(workers: int, packed: bytes) -> Iterator[Submit]:
    """Processes of this computer, which get the study when they start."""
    # On a fresh installation this compiles, once; then all others find it.
    compiled_play()
    # The same on every system; and what is forked from a process with threads may stand still for ever.
    context = multiprocessing.get_context("spawn")
    executor = ProcessPoolExecutor(workers, context, _receive, (packed,))
    try:
        yield functools.partial(_submit, executor, _play_packed, None)
    finally:
        # They need half a second to leave, which nobody has to wait for.
        executor.shutdown(wait=False, cancel_futures=True)


def _submit(executor: Executor, *call: Any) -> Future[Any]:
    """Like the executor's own, but that nobody is there is told by the future, as any other misfortune."""
    try:
        return executor.submit(*call)
    except BrokenExecutor as error:
        future: Future[Any] = Future()
        future.set_exception(error)
        return future


_LOADING = threading.Lock()
_received = b""


def _receive(packed: bytes) -> None:
    """Keep the study, in a worker process."""
    global _received
    _received = packed
    # A run's own bar would be drawn over the sweep's, which is another process's.
    vars(sys.modules[run.__module__])["BAR_AFTER_S"] = math.inf


def _play_packed(packed: bytes | None, runs: list[Names]) -> list[Row]:
    # A worker of a cluster may have several threads.
    with _LOADING:
        study = _loaded(_received if packed is None else packed)
    return _play(study, runs, LOT_S)


@functools.lru_cache(maxsize=1)
def _loaded(packed: bytes) -> _Study:
    """Everything that a worker needs before it can play."""
    compiled_play()
    study: _Study = pickle.loads(packed)
    return study


def _packed(study: _Study) -> bytes | None:
    """The study as other processes get it; None where it holds what they cannot have."""
    own = [study.generate, *study.strategies.values()]
    try:
        try:
            # Takes along the code of functions that another process cannot import: a notebook's, lambdas.
            pickler = importlib.import_module("cloudpickle")
        except ModuleNotFoundError:
            if any(getattr(function, "__module__", "") == "__main__" for function in own):
                raise
            pickler = pickle
        packed: bytes = pickler.dumps(study)
        return packed
    except Exception as error:  # what a function holds may fail in any way
        warnings.warn(
            f"a function of your own cannot be handed to another process ({_sentence(error)}), so this one"
            " plays everything, one run after the other",
            SimulationWarning,
            stacklevel=4,
        )
        return None


# What is kept


class _Shelf:
    """A folder of finished runs, each known by a digest of everything that it depends on.

    A file holds some runs, and is called by the digest of its own content: one that is damaged shows at once.
    """

    names = ("config", "log", "strategy")

    def __init__(self, folder: Path, study: _Study, runs: list[Names]) -> None:
        here = Path(__file__).parent
        package = [path.read_bytes() for path in sorted([*here.rglob("*.py"), *here.rglob("*.json")])]
        always = _digest((package, dict(study.options)))
        stations = {name: _digest(station) for name, station in study.configs.items()}
        tables = {name: _digest_of_table(study, name) for name in study.tables}
        strategies = {name: _digest(strategy, _home(strategy)) for name, strategy in study.strategies.items()}
        self.folder = folder
        self.keys = {
            names: _digest((always, stations[names[0]], tables[names[1]], strategies[names[2]]))
            for names in runs
        }
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StudyError(f"folder {folder.name} cannot be used: {cause_of(error)}") from None

    def rows(self) -> dict[Names, Row]:
        """What is there already."""
        found: dict[str, Row] = {}
        for path in self.folder.glob("*.parquet"):
            content = path.read_bytes()
            if path.stem == hashlib.sha256(content).hexdigest():
                table = pd.read_parquet(io.BytesIO(content)).set_index("key")
                found.update(table.drop(columns=list(self.names)).to_dict("index"))
        return {names: found[key] for names, key in self.keys.items() if key in found}

    def put(self, played: Played) -> None:
        """Keep what has not failed. A file appears only when it is whole."""
        rows = [
            {"key": self.keys[names], **dict(zip(self.names, map(str, names), strict=True)), **row}
            for names, row in played
            if "error" not in row
        ]
        if not rows:
            return
        content = pd.DataFrame(rows).to_parquet()
        path = self.folder / f"{hashlib.sha256(content).hexdigest()}.parquet"
        try:
            path.with_suffix(".part").write_bytes(content)
            path.with_suffix(".part").replace(path)
        except OSError as error:
            raise StudyError(f"folder {self.folder.name} cannot be written: {cause_of(error)}") from None


def _digest_of_table(study: _Study, name: Hashable) -> str:
    try:
        return _digest(study.table(name))
    except Exception as error:  # of a generator; its runs will fail in the same way
        return _sentence(error)


def _digest(thing: Any, home: str = "") -> str:
    """Digest of what something is, the same in every process; of its home module the code counts."""
    written = io.BytesIO()
    try:
        _Digester(written, home).dump(thing)
    except Exception as error:  # what a function holds may fail in any way
        raise StudyError(
            f"{shortened(thing)} cannot be told from others ({_sentence(error)}), so leave out folder"
        ) from None
    return hashlib.sha256(written.getvalue()).hexdigest()


def _home(function: Any) -> str:
    """The module of a function, which may be a part of something."""
    while isinstance(function, Planner | functools.partial):
        function = function.plan if isinstance(function, Planner) else function.func
    return str(getattr(function, "__module__", ""))


class _Digester(pickle.Pickler):
    """Writes what things are: tables by their cells; functions and classes of one module by their code."""

    def __init__(self, written: io.BytesIO, home: str) -> None:
        super().__init__(written, protocol=5)
        self.home = home
        self.seen: set[int] = set()

    def reducer_override(self, thing: Any) -> Any:
        if isinstance(thing, StationConfig):
            return str, (thing.model_dump_json(),)
        if isinstance(thing, pd.DataFrame):
            return list, ([_column(str(name), column) for name, column in thing.items()],)
        if isinstance(thing, types.ModuleType):
            return str, (thing.__name__,)
        if isinstance(thing, types.CodeType):
            return list, ([thing.co_code, thing.co_names, _in_order(thing.co_consts)],)
        if isinstance(thing, types.FunctionType | type) and thing.__module__ == self.home:
            parts = [] if id(thing) in self.seen else _parts(thing)
            self.seen.add(id(thing))
            return list, ([thing.__qualname__, *parts],)
        return NotImplemented


def _column(name: str, column: Any) -> list[Any]:
    """A column of a table; objects count by their text."""
    return [name, str(column.dtype), pd.util.hash_pandas_object(column, index=False).to_numpy()]


def _parts(thing: Any) -> list[Any]:
    """What a function, or a class, does depends on."""
    if isinstance(thing, type):
        members = [getattr(one, "__func__", getattr(one, "fget", one)) for one in vars(thing).values()]
        kept = (types.FunctionType, int, float, str, tuple)
        return [*thing.__bases__, *(member for member in members if isinstance(member, kept))]
    cells = [cell.cell_contents for cell in thing.__closure__ or ()]
    known = [thing.__globals__[name] for name in _names(thing.__code__) if name in thing.__globals__]
    return [thing.__code__, thing.__defaults__, thing.__kwdefaults__, _in_order(cells), _in_order(known)]


def _names(code: types.CodeType) -> list[str]:
    """Names of other things in a function, and in those that are defined in it."""
    inner = [_names(part) for part in code.co_consts if isinstance(part, types.CodeType)]
    return sorted({*code.co_names, *itertools.chain.from_iterable(inner)})


def _in_order(things: Iterable[Any]) -> list[Any]:
    """Sets as lists: the order of texts in a set differs from process to process."""
    return [sorted(thing, key=repr) if isinstance(thing, set | frozenset) else thing for thing in things]
