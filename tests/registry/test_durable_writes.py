"""What MLflow acknowledged is on the disk; the power cuts of benchmarks/power show that it survives."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tiltyard.errors import UnavailableError
from tiltyard.registry.mlflow_backend.durable_writes import mlflow_writes, sync_artifacts


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The paths that were synced, by the operating system's own call."""
    seen: set[str] = set()
    fsync = os.fsync

    def note(descriptor: int) -> None:
        seen.add(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    return seen


needs_proc = pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc to see which file was synced")


@needs_proc
def test_the_folder_of_a_database_is_synced_after_a_write(tmp_path: Path, synced: set[str]) -> None:
    """After what MLflow wrote into an SQLite file its folder is synced, so that no journal comes back."""
    with mlflow_writes(f"sqlite:///{tmp_path}/mlflow.db"):
        assert synced == set()
    assert synced == {str(tmp_path)}


@needs_proc
def test_a_write_that_fails_is_one_of_our_errors(tmp_path: Path, synced: set[str]) -> None:
    """What fails in the block is translated, and nothing is said to be durable."""
    with pytest.raises(UnavailableError), mlflow_writes(f"sqlite:///{tmp_path}/mlflow.db"):
        raise ConnectionError("gone")
    assert synced == set()


@needs_proc
def test_files_are_synced_with_the_folders_that_lead_to_them(tmp_path: Path, synced: set[str]) -> None:
    """The files of a version, their folders, and the folders above are synced."""
    file = tmp_path / "models" / "m-1" / "artifacts" / "tiltyard" / "manifest.json"
    file.parent.mkdir(parents=True)
    file.write_text("{}", encoding="utf-8")
    sync_artifacts((tmp_path / "models" / "m-1" / "artifacts").as_uri())
    assert {str(file), *(str(folder) for folder in file.parents if folder.is_relative_to(tmp_path))} <= synced


@pytest.mark.parametrize("uri", ["s3://bucket/models", "mlflow-artifacts:/1/models", "file:///nowhere/at/all"])
def test_a_remote_store_syncs_its_own_files(uri: str, synced: set[str]) -> None:
    """Nothing is synced here for files that are elsewhere."""
    sync_artifacts(uri)
    assert synced == set()
