"""Sessions of a run: tables, readers of real logs, a generator, shipped days, and the scenario.

``table`` is the checked table of sessions and ``columns`` its reader; ``plain``, ``epfl`` and ``acn`` are
file formats, ``csv_files`` and ``timestamps`` their common parts; ``generator`` draws random sessions,
``days`` are shipped, ``arrival_queue`` is the rule of waiting for a connector, ``scenario`` is everything
that a run depends on but the strategy.
"""

from typing import TYPE_CHECKING, Any

from electra_core.errors import load_on_demand
from electra_core.sessions import arrival_queue
from electra_core.sessions.arrival_queue import (
    ABSENT,
    ArrivalQueue,
    ConnectorUse,
    QueuedArrival,
    QueuePosition,
)
from electra_core.sessions.days import Arrival, Day, day_names, load_day

if TYPE_CHECKING:
    from electra_core.sessions.acn import read_acn
    from electra_core.sessions.columns import SessionsError
    from electra_core.sessions.csv_files import SessionsWarning
    from electra_core.sessions.epfl import read_epfl
    from electra_core.sessions.generator import generate
    from electra_core.sessions.plain import day_sessions, read_sessions
    from electra_core.sessions.scenario import Profile, Scenario, ScenarioError, constant, read_scenario
    from electra_core.sessions.table import ANY, SessionTable, read_session_table

__all__ = [
    "ABSENT",
    "ANY",
    "Arrival",
    "ArrivalQueue",
    "ConnectorUse",
    "Day",
    "Profile",
    "QueuePosition",
    "QueuedArrival",
    "Scenario",
    "ScenarioError",
    "SessionTable",
    "SessionsError",
    "SessionsWarning",
    "arrival_queue",
    "constant",
    "day_names",
    "day_sessions",
    "generate",
    "load_day",
    "read_acn",
    "read_epfl",
    "read_scenario",
    "read_session_table",
    "read_sessions",
]

# These need pandas, and are loaded on first use, so that a page that plays a shipped day starts without it.
_ON_DEMAND = {
    **dict.fromkeys(("ANY", "SessionTable", "read_session_table"), "table"),
    **dict.fromkeys(("Profile", "Scenario", "ScenarioError", "constant", "read_scenario"), "scenario"),
    **dict.fromkeys(("day_sessions", "read_sessions"), "plain"),
    "SessionsError": "columns",
    "SessionsWarning": "csv_files",
    "generate": "generator",
    "read_acn": "acn",
    "read_epfl": "epfl",
}


def __getattr__(name: str) -> Any:
    return load_on_demand(__name__, name, _ON_DEMAND)
