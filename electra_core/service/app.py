"""The application: routes, checks before them, and a clock that ticks without calls."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline

from electra_core.errors import ElectraError
from electra_core.service import routes_exercise, routes_v1
from electra_core.service.live_station import LiveStation
from electra_core.service.middleware import RequestChecks, checked_token
from electra_core.service.problems import REFUSALS, answer_problems

LOG = logging.getLogger("electra")


def create_app(live: LiveStation, token: str | None = None, *, tick_s: float = 1.0) -> FastAPI:
    """Return the HTTP application of a live station.

    Parameters
    ----------
    live : the station; it is closed with the application
    token : text that every change needs, as ``Authorization: Bearer ...``; None: no change needs one
    tick_s : shortest time between two ticks of the clock, s

    Raises
    ------
    BadValueError
        When the token could not arrive.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from electra_core import load_config
    >>> from electra_core.service.journal import Journal
    >>> config = load_config("electra_paris_15")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     live = LiveStation(config, Journal(Path(folder) / "a.journal", config), simulated=True)
    ...     create_app(live).title
    ...     live.close()
    'Electra: ELECTRA_PARIS_15'
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        ticking = asyncio.create_task(_tick(live, tick_s))
        try:
            yield
        finally:
            ticking.cancel()
            with suppress(asyncio.CancelledError):
                await ticking
            await live.run_in_writer(live.close)

    # Its page at /docs loads nothing from other machines.
    app: FastAPI = FastAPIOffline(
        title=f"Electra: {live.config.station_id}",
        description="A charging station: sessions, limits, faults, and why each car gets what it gets.",
        lifespan=lifespan,
    )
    app.state.live = live
    app.include_router(routes_exercise.router, responses=REFUSALS)
    app.include_router(routes_v1.router, responses=REFUSALS)
    app.add_middleware(RequestChecks, token=checked_token(token))
    answer_problems(app, [*routes_exercise.router.routes, *routes_v1.router.routes])
    return app


async def _tick(live: LiveStation, tick_s: float) -> None:
    while True:
        try:
            await live.run_in_writer(live.tick)
        except ElectraError as error:
            LOG.warning("the clock could not go on: %s", error)
        except Exception as error:  # a fault of this program must not stop the time of a station
            LOG.error("the clock could not go on", exc_info=error)
        await asyncio.sleep(max(tick_s, live.rest_s()))
