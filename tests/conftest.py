"""What all tests may use."""

import pytest

from tests.postgres import postgres

__all__ = ["postgres"]

pytest.register_assert_rewrite("tiltyard.testing.ledger_contract")
