from __future__ import annotations

import shutil
from pathlib import Path

import pytest


@pytest.fixture
def tracking_uri(fresh_store: Path, tmp_path: Path) -> str:
    """The URI of an empty MLflow store of the test's own."""
    file = tmp_path / "mlflow.db"
    shutil.copyfile(fresh_store, file)
    return f"sqlite:///{file}"
