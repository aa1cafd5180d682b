"""The lower half of the composition root: which stores are in use. The upper half is ``tiltyard.app_wiring``.

Names are imported when they are first used: a worker that needs only the ledger does not import the registry.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tiltyard.settings import Settings
    from tiltyard.wiring.ledger import (
        ShippingReport,
        open_ledger,
        open_spooled_ledger,
        ship_spools,
        ship_until_now,
        start_shipper,
    )
    from tiltyard.wiring.registry import (
        current_actor,
        load_settings,
        open_registry,
        open_tracker,
        open_version_loader,
        trusted_keys,
    )

__all__ = [
    "ShippingReport",
    "current_actor",
    "load_settings",
    "needs_spools",
    "open_ledger",
    "open_registry",
    "open_spooled_ledger",
    "open_tracker",
    "open_version_loader",
    "ship_spools",
    "ship_until_now",
    "start_shipper",
    "trusted_keys",
]

_REGISTRY = ("current_actor", "load_settings", "open_registry", "open_tracker", "open_version_loader", "trusted_keys")


def needs_spools(settings: Settings, workers: int = 1) -> bool:
    """Whether a server records into spools: SQLite takes one writing process, and a network may be down.

    It stands here so that the supervisor of a server can call it without SQLAlchemy, which takes a second to import.
    """
    return workers > 1 or not settings.ledger_url.startswith("sqlite")


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'tiltyard.wiring' has no attribute '{name}'")
    module = "tiltyard.wiring.registry" if name in _REGISTRY else "tiltyard.wiring.ledger"
    return getattr(importlib.import_module(module), name)


def __dir__() -> list[str]:
    return __all__
