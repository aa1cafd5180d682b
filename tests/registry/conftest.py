from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tiltyard.registry.client import open_client


@pytest.fixture(scope="session")
def fresh_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite file with MLflow's empty tables, made once: MLflow takes seconds for them."""
    file = tmp_path_factory.mktemp("store") / "mlflow.db"
    open_client(f"sqlite:///{file}")
    return file


@pytest.fixture
def tracking_uri(fresh_store: Path, tmp_path: Path) -> str:
    """The URI of an empty MLflow store of the test's own."""
    file = tmp_path / "mlflow.db"
    shutil.copyfile(fresh_store, file)
    return f"sqlite:///{file}"
