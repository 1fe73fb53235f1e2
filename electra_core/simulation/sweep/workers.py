"""Run a sweep in this process, in processes of this computer (joblib), or on a Dask cluster."""

from __future__ import annotations

import contextlib
import functools
import importlib
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from typing import Any, TypeAlias

import cloudpickle
import joblib
import numpy as np

from electra_core.allocation import Planner
from electra_core.simulation.numba_engine import compiled_play
from electra_core.simulation.simulate import SimulationWarning
from electra_core.simulation.sweep.study import Names, Row, Study, StudyError, home_of, sentence

Played: TypeAlias = Iterator[tuple[Names, Row]]

# More than worker processes need to load everything, on a computer that has nothing else to do.
START_S = 5.0


def played(
    study: Study, runs: list[Names], workers: int | None, client: Any, start_s: float = START_S
) -> Played:
    """Run everything, and return each run with its row as it ends.

    Parameters
    ----------
    workers, client : see `sweep`
    start_s : s that worker processes take to start: where their number is not given, runs stay in this
        process until the others would save more time than that
    """
    if workers is None and client is None:
        workers, done = joblib.cpu_count(), set[Names]()
        for names, row in _played_here(study, runs, workers, start_s):
            done.add(names)
            yield names, row
        runs = [names for names in runs if names not in done]
    alone = client is None and min(workers or 1, len(runs)) < 2
    packed = None if alone else _packed(study)
    if packed is None:
        yield from ((names, study.row(names)) for names in runs)
    elif client is not None:
        yield from _played_on_cluster(client, packed, runs)
    else:
        yield from _played_in_pool(min(workers or 1, len(runs)), packed, runs)


def _played_here(study: Study, runs: list[Names], workers: int, start_s: float) -> Played:
    """Run in this process until so many others would save more time than it takes to start them."""
    # A planner may need minutes for a run: several of them are better side by side.
    quick = [names for names in runs if not isinstance(study.strategies[names[2]], Planner)]
    spent_s = 0.0
    for number, names in enumerate(quick):
        # The first run has compiled code to load, which says nothing of the others.
        mean_s = spent_s / (number - 1) if number > 1 else 0.0
        if mean_s * (len(quick) - number) * (1.0 - 1.0 / workers) > start_s:
            return
        started_s = time.process_time()  # the computer may have other things to do
        yield names, study.row(names)
        spent_s += time.process_time() - started_s if number > 0 else 0.0


def _played_in_pool(workers: int, packed: Any, runs: list[Names]) -> Played:
    """Run in processes of this computer. Where one dies, the runs under way are repeated one by one."""
    compiled_play()  # on a fresh installation this compiles, once; then all others find it
    done: set[Names] = set()
    while runs:
        started: list[Names] = []
        try:
            for names, row in _in_processes(workers, packed, runs, started):
                done.add(names)
                yield names, row
        except Exception:  # a run's own errors are rows already, so this one is a process's
            for names in [names for names in started if names not in done]:
                done.add(names)
                try:
                    yield from _in_processes(workers, packed, [names], [])
                except Exception as error:
                    yield names, {"error": _death(error)}
        runs = [names for names in runs if names not in done]


def _in_processes(workers: int, packed: Any, runs: list[Names], started: list[Names]) -> Played:
    """Hand runs to joblib, and note those that were handed out."""

    def tasks() -> Iterator[Any]:
        for names in runs:
            started.append(names)
            yield joblib.delayed(_play_packed)(packed, names)

    # joblib would run a single job in this process.
    pool = joblib.Parallel(n_jobs=max(2, workers), backend="loky", return_as="generator_unordered")
    yield from pool(tasks())


def _played_on_cluster(client: Any, packed: Any, runs: list[Names]) -> Played:
    """Run on a Dask cluster, which gets the study once, and repeats what a dead worker had begun."""
    as_completed = importlib.import_module("distributed").as_completed
    if not client.nthreads():
        raise StudyError("the cluster of this client has no workers")
    shared = client.scatter(packed, broadcast=True)
    futures = {client.submit(_play_packed, shared, names, pure=False): names for names in runs}
    for future in as_completed(futures):
        error = future.exception()
        yield future.result() if error is None else (futures[future], {"error": _death(error)})


def _death(error: BaseException) -> str:
    return f"the worker that played it died: {sentence(error)}"


_LOADING = threading.Lock()


def _play_packed(packed: Any, names: Names) -> tuple[Names, Row]:
    with _LOADING:  # a worker of a cluster may have several threads
        study = _loaded(packed.tobytes())
    return names, study.row(names)


@functools.lru_cache(maxsize=1)
def _loaded(packed: bytes) -> Study:
    compiled_play()
    study: Study = cloudpickle.loads(packed)
    return study


def _packed(study: Study) -> Any:
    """Return the study as other processes get it; None where it holds what they cannot have."""
    homes = {home_of(function) for function in (study.generate, *study.strategies.values())}
    # By their code: another process may not find the module, or have an older one in memory.
    own = [sys.modules[home] for home in homes if home in sys.modules and not home.startswith("electra_core")]
    try:
        with contextlib.ExitStack() as stack:
            for module in own:
                cloudpickle.register_pickle_by_value(module)
                stack.callback(cloudpickle.unregister_pickle_by_value, module)
            # As an array: joblib maps a large one into the memory of all processes.
            return np.frombuffer(cloudpickle.dumps(study), np.uint8)
    except Exception as error:  # what a function holds may fail in any way
        warnings.warn(
            f"a function of your own cannot be handed to another process ({sentence(error)}), so this one"
            " plays everything, one run after the other",
            SimulationWarning,
            stacklevel=4,
        )
        return None
