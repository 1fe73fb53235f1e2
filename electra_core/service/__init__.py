"""A station over HTTP: the seed's interface and a modern one, with a journal that loses nothing."""

from __future__ import annotations

from electra_core.service.app import create_app
from electra_core.service.journal import Store, StoreError
from electra_core.service.live_station import LiveStation

__all__ = ["LiveStation", "Store", "StoreError", "create_app"]
