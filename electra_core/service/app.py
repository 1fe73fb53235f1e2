"""The application: routes, guard, and a clock that ticks although nobody calls."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline

from electra_core.errors import StationError
from electra_core.service import routes_exercise, routes_v1
from electra_core.service.journal import JournalError
from electra_core.service.live_station import LiveStation
from electra_core.service.middleware import Guard, checked
from electra_core.service.problems import REFUSALS, answer_problems

LOG = logging.getLogger("electra")

TICK_S = 1.0


def create_app(live: LiveStation, token: str | None = None) -> FastAPI:
    """The HTTP interface of a live station.

    Parameters
    ----------
    live : the station
    token : that every changing call needs, as ``Authorization: Bearer ...``; None: nobody is asked

    Raises
    ------
    ValueError
        When the token could not arrive.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        ticking = asyncio.create_task(_tick(live))
        try:
            yield
        finally:
            ticking.cancel()
            with suppress(asyncio.CancelledError):
                await ticking
            await live.in_turn(live.close)

    # With its page at /docs, which asks nobody else for anything.
    app: FastAPI = FastAPIOffline(
        title=f"Electra: {live.config.station_id}",
        description="A charging station: sessions, limits, faults, and why each car gets what it gets.",
        lifespan=lifespan,
    )
    app.state.live = live
    app.include_router(routes_exercise.router, responses=REFUSALS)
    app.include_router(routes_v1.router, responses=REFUSALS)
    app.add_middleware(Guard, token=checked(token))
    answer_problems(app, [*routes_exercise.router.routes, *routes_v1.router.routes])
    return app


async def _tick(live: LiveStation) -> None:
    while True:
        try:
            await live.in_turn(live.tick)
        except (StationError, JournalError) as error:
            LOG.warning("the clock could not go on: %s", error)
        except Exception as error:  # a fault of ours must not stop the time of a station
            LOG.error("the clock could not go on", exc_info=error)
        await asyncio.sleep(max(TICK_S, live.rest_s()))
