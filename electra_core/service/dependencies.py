"""Dependencies of routes: the live station of their application, and the idempotency key of a call."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Header, Request

from electra_core.service.live_station import LiveStation


# A coroutine: a plain function would wait for a free thread of those that read the disk.
async def _live(request: Request) -> LiveStation:
    return request.app.state.live  # type: ignore[no-any-return]


Live = Annotated[LiveStation, Depends(_live)]
Key = Annotated[str | None, Header(alias="Idempotency-Key", min_length=1, max_length=200)]
