"""The ledger of a monitor: one that it opens when it is first needed, and closes, or one that its caller owns."""

from __future__ import annotations

import weakref
from abc import abstractmethod
from typing import Any

from tiltyard.closing import ClosedByWith
from tiltyard.ledger import Ledger
from tiltyard.settings import Settings
from tiltyard.wiring import open_ledger


class LedgerClient(ClosedByWith):
    """Uses the ledger of this host's settings, or one that was passed in.

    The ledger of the settings is opened when it is first needed. ``close`` closes it, as do the end of a ``with`` block
    and the end of the object. A ledger that was passed in stays open. After ``close`` the object can be used again: it
    opens the ledger anew.

    Args:
        ledger: the ledger; default: that of the settings.
    """

    def __init__(self, ledger: Ledger | None) -> None:
        self._ledger = ledger
        self._close_opened: weakref.finalize[Any, Any] | None = None

    @property
    def ledger(self) -> Ledger:
        """The ledger in use.

        Raises:
            UnavailableError: it cannot be opened.
        """
        if self._ledger is None:
            opened = open_ledger(self._load_settings())
            self._ledger = opened
            self._close_opened = weakref.finalize(self, opened.close)
        return self._ledger

    def close(self) -> None:
        """Close the ledger if this object opened it; otherwise do nothing."""
        if self._close_opened is not None:
            self._close_opened()
            self._ledger = self._close_opened = None

    @abstractmethod
    def _load_settings(self) -> Settings:
        """The settings that name the ledger."""
