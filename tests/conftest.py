"""What all tests may use."""

from pathlib import Path

import pytest

from tests.postgres import postgres
from tests.prefect_server import prefect_server
from tests.project_env import project_env
from tiltyard.registry.mlflow_backend.mlflow_client import open_client

__all__ = ["postgres", "prefect_server", "project_env"]

pytest.register_assert_rewrite("tiltyard.testing.ledger_contract")


@pytest.fixture(scope="session")
def fresh_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite file with MLflow's empty tables, made once: MLflow takes seconds for them."""
    file = tmp_path_factory.mktemp("store") / "mlflow.db"
    open_client(f"sqlite:///{file}")
    return file
