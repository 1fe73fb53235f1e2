"""A station over HTTP: the exercise's interface and a modern one, with a journal that loses nothing."""

from __future__ import annotations

from electra_core.service.app import create_app
from electra_core.service.journal import Journal, JournalError
from electra_core.service.live_station import LiveStation

__all__ = ["Journal", "JournalError", "LiveStation", "create_app"]
