"""The clock of a simulation compiled by numba: the very functions that run as they are elsewhere.

Compiled code is kept on disk. Numba looks only at the file of the function that it keeps, so a digest of
every file that goes into it is part of the key: a change in any of them compiles again.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import itertools
import math
import sys
from collections.abc import Callable
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, NamedTuple

import numba
import numpy as np
import pandas as pd
from numba import types
from numba.core import event
from numba.core.errors import NumbaError
from numba.extending import register_jitable

from electra_core.allocation import EqualParts, Rank, solver, strategies, waterfill
from electra_core.sessions import arrival_queue, read_scenario
from electra_core.simulation import advance, decide, drivers, loop, records, timers
from electra_core.simulation.loop import play
from electra_core.simulation.records import SimulationState
from electra_core.simulation.setup import build
from electra_core.station import battery, charging_curve, load_config

# Whose functions run compiled, each knowing only those before it.
MODULES: tuple[ModuleType, ...] = (
    waterfill,
    solver,
    battery,
    charging_curve,
    strategies,
    records,
    arrival_queue,
    timers,
    decide,
    advance,
    drivers,
    loop,
)

RANK: Any = types.UniTuple(types.float64, 2)(types.int64, *[types.float64] * 8)


# All arrays are passed in and none is allocated, so references to arrays need no counting, which would take
# four fifths of the time of a decision.
UNCOUNTED = {"_nrt": False}


class CompiledDemand(NamedTuple):
    """A `Demand` as compiled rank functions see it: its numbers."""

    max_kw: float
    min_kw: float
    arrived_s: float
    departs_s: float | None
    remaining_kwh: float
    priority: float
    weight: float


@functools.cache
def compiled_play() -> Callable[[SimulationState, Any, None, float], bool]:
    """`play`, from disk or compiled now."""
    for module in MODULES:
        for function in vars(module).values():
            if inspect.isfunction(function) and function.__module__ == module.__name__:
                register_jitable(**UNCOUNTED)(function)
    with event.install_listener("numba:compile", _Announcer()):
        return _compiled(_digest(), _signature())


def _compiled(digest: str, signature: Any) -> Callable[[SimulationState, Any, None, float], bool]:
    def run(state: SimulationState, rank: Any, plan: None, stop_s: float) -> bool:
        # Part of what numba's key is made of.
        digest  # noqa: B018
        return play(state, rank, plan, stop_s)

    compiled: Callable[[SimulationState, Any, None, float], bool] = numba.njit(
        signature, cache=True, nogil=True, **UNCOUNTED
    )(run)
    return compiled


def _signature() -> Any:
    """Return the types of `play`, which are those of the smallest state."""
    plug = {
        "stationId": "any",
        "gridCapacity": 1,
        "chargers": [{"id": "any", "maxPower": 1, "connectors": 1}],
    }
    scenario = read_scenario(load_config(plug), pd.DataFrame())
    smallest = build(scenario, in_equal_parts=False, timeless=True, keep_timeline=True)
    rank = types.FunctionType(RANK)
    return types.boolean(numba.typeof(smallest), rank, types.none, types.float64)


def _digest() -> str:
    """Return a digest of all the code that `play` is compiled from."""
    found = hashlib.sha256()
    for module in MODULES:
        found.update(Path(str(module.__file__)).read_bytes())
    return found.hexdigest()


class _Announcer(event.Listener):  # type: ignore[misc]
    """A notice, printed once, that code is being compiled, which takes a while."""

    def __init__(self) -> None:
        self.printed = False

    def on_start(self, event: Any) -> None:
        if not self.printed:
            self.printed = True
            print("electra_core: compiling the simulation, once for this installation ...", file=sys.stderr)

    def on_end(self, event: Any) -> None:
        pass


class CompiledRank(NamedTuple):
    """A rank function that compiled code can call, and whether its answers are `EqualParts`."""

    answer: Callable[..., tuple[float, float]]
    in_equal_parts: bool


def compiled_rank(rank: Rank) -> CompiledRank | None:
    """Compile a rank function; None where numba cannot.

    Compiled code holds the values of globals and of enclosing functions as they were, so the function is
    compiled again when one of them has changed.
    """
    return _compiled_rank(rank, repr(_values_read(rank))) if inspect.isfunction(rank) else None


def _values_read(rank: Callable[..., Any]) -> list[Any]:
    """Return the plain values that a function reads from outside of itself."""
    known = [rank.__globals__.get(name) for name in names_read(rank.__code__)]
    cells = [cell.cell_contents for cell in rank.__closure__ or ()]
    values = [value.tolist() if isinstance(value, np.ndarray) else value for value in (*known, *cells)]
    return [value for value in values if isinstance(value, int | float | str | tuple | list)]


def names_read(code: CodeType) -> list[str]:
    """Return the names that a function, and those defined in it, look up outside of it."""
    inner = [names_read(part) for part in code.co_consts if isinstance(part, CodeType)]
    return sorted({*code.co_names, *itertools.chain.from_iterable(inner)})


@functools.lru_cache(maxsize=64)
def _compiled_rank(rank: Rank, values: str) -> CompiledRank | None:
    compiled: Any = numba.njit(rank)

    def answer(
        connector: int,
        max_kw: float,
        min_kw: float,
        arrived_s: float,
        departs_s: float,
        remaining_kwh: float,
        priority: float,
        weight: float,
        now_s: float,
    ) -> tuple[float, float]:
        departs = None if math.isinf(departs_s) else departs_s
        demand = CompiledDemand(max_kw, min_kw, arrived_s, departs, remaining_kwh, priority, weight)
        tier, share = compiled(demand, now_s)
        # Sums, because an optional number is one only when it is asked for.
        return tier + 0.0, share + 0.0

    try:
        found: Callable[..., tuple[float, float]] = numba.njit(RANK)(answer)
    except NumbaError:
        return None
    (signature,) = compiled.nopython_signatures
    return CompiledRank(found, getattr(signature.return_type, "instance_class", None) is EqualParts)
