"""Every model registry keeps the same promises."""

from __future__ import annotations

import pytest

from tiltyard.registry import ModelRegistry, Registry
from tiltyard.testing.registry import MemoryRegistry
from tiltyard.testing.registry_contract import RegistryContract


class TestMemoryRegistry(RegistryContract):
    @pytest.fixture
    def registry(self) -> Registry:
        return MemoryRegistry()


class TestMlflowRegistry(RegistryContract):
    @pytest.fixture
    def registry(self, tracking_uri: str) -> Registry:
        return ModelRegistry(tracking_uri=tracking_uri)
