"""The one way to load a verified version."""

from __future__ import annotations

from pathlib import Path

import pytest

import tiltyard
from tiltyard.errors import ArtifactError
from tiltyard.registry import VersionLoader
from tiltyard.testing.registry import MemoryRegistry, write_example_package

SOURCE = Path(tiltyard.__file__).parent
# The function itself, the loader, and the contract that every registry has to keep.
ALLOWED = {"registry/package/packaging.py", "registry/package/version_loader.py", "testing/registry_contract.py"}


def damage(folder: Path) -> None:
    file = folder / "model.skops"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def test_a_copy_on_this_host_is_verified_each_time_and_needs_no_registry(tmp_path: Path) -> None:
    """A fetched version loads again without the registry, and not once its copy was changed."""
    registry = MemoryRegistry()
    write_example_package(tmp_path / "package", model_name="films")
    info = registry.register_model((tmp_path / "package").as_uri(), "films")
    loader = VersionLoader(registry, tmp_path / "cache")
    package = loader.load(info)
    registry.away = True
    assert loader.load_copy(info, package.folder).manifest == package.manifest
    damage(package.folder)
    with pytest.raises(ArtifactError):
        loader.load_copy(info, package.folder)


def test_a_version_is_loaded_in_one_way() -> None:
    """Nobody but the loader constructs a version: what it verifies is verified everywhere."""
    users = {
        str(file.relative_to(SOURCE)) for file in SOURCE.rglob("*.py") if "read_package(" in file.read_text("utf-8")
    }
    assert users == ALLOWED
