"""Every model registry keeps the same promises."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.postgres import PostgresServer
from tiltyard.errors import UnavailableError
from tiltyard.registry import MlflowRegistry, Registry
from tiltyard.registry.mlflow_backend.mlflow_client import open_client
from tiltyard.testing.registry import MemoryRegistry, write_example_package
from tiltyard.testing.registry_contract import RegistryContract


class TestMemoryRegistry(RegistryContract):
    @pytest.fixture
    def registry(self) -> Registry:
        return MemoryRegistry()


class TestMlflowRegistry(RegistryContract):
    @pytest.fixture
    def registry(self, tracking_uri: str) -> Registry:
        return MlflowRegistry(tracking_uri=tracking_uri)


class TestPostgresRegistry(RegistryContract):
    """On PostgreSQL, with no server of MLflow's between; over HTTP: ``test_server.py``."""

    @pytest.fixture(scope="class")
    @classmethod
    def database(cls, postgres: PostgresServer) -> str:
        """The URI of a store of this class; MLflow takes seconds to make its tables."""
        return postgres.database().replace("postgresql://", "postgresql+psycopg://")

    @pytest.fixture
    def registry(self, database: str) -> Registry:
        client = open_client(database)
        for model in client.search_registered_models():
            client.delete_registered_model(model.name)
        return MlflowRegistry(tracking_uri=database)


def test_memory_registry_away(tmp_path: Path) -> None:
    """The fake can be away: then every call fails, but a copy that was fetched before is still there."""
    registry = MemoryRegistry()
    write_example_package(tmp_path / "model")
    info = registry.register_model(str(tmp_path / "model"), "films")
    folder = registry.fetch(info, tmp_path / "cache")
    registry.away = True
    assert registry.fetch(info, tmp_path / "cache") == folder
    with pytest.raises(UnavailableError):
        registry.champion("films")
    with pytest.raises(UnavailableError):
        registry.fetch(info, tmp_path / "other")
