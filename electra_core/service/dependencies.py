"""What routes ask for: the live station of their application, and the key of a call that may come twice."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Header, Request

from electra_core.service.live_station import LiveStation


# Not a plain function: that would wait for a thread of those that wait for the disk.
async def _live(request: Request) -> LiveStation:
    return request.app.state.live  # type: ignore[no-any-return]


Live = Annotated[LiveStation, Depends(_live)]
Key = Annotated[str | None, Header(alias="Idempotency-Key", min_length=1, max_length=200)]
