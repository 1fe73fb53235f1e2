"""Who comes when: tables of sessions, loaders of real logs, and a generator."""

from electra_core.sessions.acn import read_acn
from electra_core.sessions.columns import SessionsError
from electra_core.sessions.csv_files import SessionsWarning
from electra_core.sessions.epfl import day_sessions, read_epfl, read_sessions
from electra_core.sessions.generator import generate
from electra_core.sessions.table import Visits, read_visits

__all__ = [
    "SessionsError",
    "SessionsWarning",
    "Visits",
    "day_sessions",
    "generate",
    "read_acn",
    "read_epfl",
    "read_sessions",
    "read_visits",
]
