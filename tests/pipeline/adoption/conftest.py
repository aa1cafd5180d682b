"""A host on which models are adopted."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tiltyard.settings import Settings


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory, fresh_store: Path) -> Settings:
    """A separate registry and ledger for each module."""
    made = Settings.load(tmp_path_factory.mktemp("adoption"))
    made.make_state()
    shutil.copy(fresh_store, made.state / "mlflow.db")
    return made
