"""What all tests may use."""

import fcntl
import os
from pathlib import Path

import pytest

from tests.postgres import postgres
from tests.prefect_server import prefect_server
from tests.project_env import project_env
from tiltyard.registry.mlflow_backend.mlflow_client import open_client

__all__ = ["postgres", "prefect_server", "project_env"]

pytest.register_assert_rewrite("tiltyard.testing.ledger_contract")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Journeys come first: they are the longest, and one that came last would keep one worker busy alone."""
    items.sort(key=lambda item: item.get_closest_marker("journey") is None)


@pytest.fixture(scope="session")
def fresh_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite file with MLflow's empty tables, made once for all workers of pytest: MLflow takes seconds for them."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    file, made = shared / "mlflow.db", shared / "mlflow.made"
    with (shared / "mlflow.making").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            open_client(f"sqlite:///{file}")
            made.touch()
    return file
