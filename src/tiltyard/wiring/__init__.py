"""The lower half of the composition root: which stores are in use. The upper half is ``tiltyard.app_wiring``."""

from tiltyard.wiring.stores import (
    current_actor,
    load_settings,
    open_ledger,
    open_registry,
    open_tracker,
    trusted_keys,
)

__all__ = ["current_actor", "load_settings", "open_ledger", "open_registry", "open_tracker", "trusted_keys"]
