"""Who comes when: tables of sessions, loaders of real logs, and a generator."""

from electra_core.sessions.table import SessionsError, Visits, read_visits

__all__ = ["SessionsError", "Visits", "read_visits"]
