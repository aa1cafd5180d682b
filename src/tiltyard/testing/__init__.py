"""Fakes in memory that keep the same promises as the real things, and the suites that hold both to them.

The suites need pytest and hypothesis and are imported by their own names: ``tiltyard.testing.ledger_contract``.
"""

from tiltyard.testing.ledger import MemoryLedger
from tiltyard.testing.records import NOON, make_event, make_finding, make_prediction

__all__ = ["NOON", "MemoryLedger", "make_event", "make_finding", "make_prediction"]
