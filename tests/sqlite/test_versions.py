"""Which SQLite versions may damage a write-ahead log."""

from __future__ import annotations

import pytest

from tiltyard.sqlite.libraries import is_reset_safe


@pytest.mark.parametrize("version", ["3.7.0", "3.40.1", "3.44.5", "3.45.0", "3.50.6", "3.51.0", "3.51.2"])
def test_versions_with_the_fault_are_known(version: str) -> None:
    """SQLite 3.7.0 to 3.51.2 have the WAL-reset fault."""
    assert not is_reset_safe(version)


@pytest.mark.parametrize("version", ["3.6.23", "3.44.6", "3.50.7", "3.51.3", "3.53.4", "3.100.0", "4.0.0"])
def test_versions_without_the_fault_are_known(version: str) -> None:
    """SQLite before 3.7.0 and from 3.51.3, and the repaired 3.44.6 and 3.50.7, do not have the fault."""
    assert is_reset_safe(version)
