"""Links that open the page with a station, a day and a strategy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import parse_qsl, urlencode

from electra_core.allocation import STRATEGIES
from electra_core.dashboard.station_page.day_choice import NO_DAY, fits
from electra_core.errors import BadValueError, shortened
from electra_core.sessions import day_names
from electra_core.station import StationConfig

MAX_LETTERS = 2000


class Link(NamedTuple):
    """The names in a link; a day of None is the first one that fits."""

    station: str
    day: str | None
    strategy: str


def link_query(link: Link, address: str = "") -> str:
    """Return the query of a link; ``address`` is that of a served station.

    An uploaded day is on no other machine: a link names shipped days only.
    """
    if address:
        return urlencode({"station": address})
    day = {"day": str(link.day)} if link.day in (NO_DAY, *day_names()) else {}
    return urlencode({"station": link.station, **day, "strategy": link.strategy})


def read_query(query: str) -> dict[str, str]:
    """Return the names that a query sets; anything else in it is ignored."""
    return {key: text for key, text in parse_qsl(query[:MAX_LETTERS]) if key in Link._fields}


def checked_link(
    wanted: Mapping[str, str], configs: Mapping[str, StationConfig], station: str, strategy: str
) -> Link:
    """Return a link with names that are known here; ``station`` and ``strategy`` are those in force.

    Raises
    ------
    BadValueError
        On a name that is unknown, or a day that does not fit the station.
    """
    link = Link(wanted.get("station", station), wanted.get("day"), wanted.get("strategy", strategy))
    known = (
        ("station", link.station, configs),
        ("strategy", link.strategy, STRATEGIES),
        ("day", link.day, (None, NO_DAY, *day_names())),
    )
    for what, name, names in known:
        if name not in names:
            raise BadValueError(f"the link names a {what} {shortened(name)}, which is not here")
    if link.day in day_names() and not fits(str(link.day), configs[link.station]):
        raise BadValueError(f"the link's day {shortened(link.day)} does not fit the station {link.station}")
    return link
