"""A station over HTTP: the seed's interface and a modern one, with a journal that loses nothing."""

from __future__ import annotations

from electra_core.api.app import create_app
from electra_core.api.live import LiveStation
from electra_core.api.store import Store, StoreError

__all__ = ["LiveStation", "Store", "StoreError", "create_app"]
