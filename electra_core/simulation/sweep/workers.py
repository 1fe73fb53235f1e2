"""Who plays the runs: this process, others of this computer, or a Dask cluster."""

from __future__ import annotations

import functools
import importlib
import math
import multiprocessing
import os
import pickle
import sys
import threading
import time
import warnings
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, ProcessPoolExecutor, wait
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import Any, TypeAlias

from electra_core.allocation import Planner
from electra_core.simulation.numba_engine import compiled_play
from electra_core.simulation.result import Result
from electra_core.simulation.simulate import SimulationWarning, run
from electra_core.simulation.sweep.study import Names, Played, Row, Study, StudyError, sentence

Submit: TypeAlias = Callable[[list[Names]], "Future[list[Row]]"]

# More than worker processes need to load everything, on a computer that has nothing else to do.
START_S = 5.0
# So many runs are handed out at a time, at most. Who has played for so long gives the others back, so that
# the bar moves, files are written, and nobody waits long for the last one.
MAX_RUNS = 64
LOT_S = 0.5
# Windows cannot wait for more worker processes.
MAX_WORKERS = 61


def _play(study: Study, runs: Sequence[Names], seconds: float) -> list[Row]:
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
            rows.append({"error": sentence(error)})
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


def played(study: Study, runs: list[Names], workers: int | None, client: Any) -> Iterator[Played]:
    """Every run with its row, some at a time."""
    if client is not None:
        workers = max(1, sum(client.nthreads().values()))
    elif workers is None:
        workers = _cores()
        # Planners may need minutes for a run, and better side by side.
        quick = [names for names in runs if not isinstance(study.strategies[names[2]], Planner)]
        done: set[Names] = set()
        for some in _played_here(study, quick, workers):
            done.update(names for names, _ in some)
            yield some
        runs = [names for names in runs if names not in done]
    alone = client is None and min(workers, len(runs)) < 2
    packed = None if alone else _packed(study)
    if packed is None:
        yield from _played_here(study, runs, 1)
    elif client is not None:
        yield from _handed_out(functools.partial(_cluster, client, packed), runs, workers)
    else:
        workers = min(workers, len(runs), MAX_WORKERS)
        yield from _handed_out(functools.partial(_pool, workers, packed), runs, workers)


def _played_here(study: Study, runs: list[Names], workers: int) -> Iterator[Played]:
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
        lot = MAX_RUNS


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
                        f"no worker can play this: {sentence(error)} (A script must call sweep under"
                        ' `if __name__ == "__main__":`; with workers=1 there are no other processes.)'
                    )
            playing: dict[Future[list[Row]], list[Names]] = {}
            died = False
            while playing or (waiting and not died):
                # Each worker has a lot, and the next one lies ready.
                while waiting and not died and len(playing) < (1 if one_by_one else 2 * width):
                    size = 1 if one_by_one else min(MAX_RUNS, math.ceil(len(waiting) / (4 * width)))
                    lot = [waiting.popleft() for _ in range(size)]
                    playing[submit(lot)] = lot
                for future in wait(playing, return_when=FIRST_COMPLETED).done:
                    lot, error = playing.pop(future), future.exception()
                    died = died or error is not None
                    rows = [] if error is not None else future.result()
                    if error is not None and one_by_one:
                        rows = [{"error": f"the worker that played it died: {sentence(error)}"}]
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
def _loaded(packed: bytes) -> Study:
    """Everything that a worker needs before it can play."""
    compiled_play()
    study: Study = pickle.loads(packed)
    return study


def _packed(study: Study) -> bytes | None:
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
            f"a function of your own cannot be handed to another process ({sentence(error)}), so this one"
            " plays everything, one run after the other",
            SimulationWarning,
            stacklevel=4,
        )
        return None
