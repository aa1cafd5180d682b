"""Artifacts on Azure Blob, against Microsoft's own emulator of it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.azurite import ACCOUNT, KEY, Azurite, azurite, azurite_server
from tests.films import Films, environment, make_films
from tiltyard.errors import MissingExtraError, UnavailableError
from tiltyard.registry.mlflow_backend.mlflow_client import mlflow_errors

__all__ = ["azurite", "azurite_server"]

CONTAINER = f"wasbs://films@{ACCOUNT}.blob.core.windows.net/experiments"


def tiltyard(films: Films, *words: str, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tiltyard", *words],
        cwd=films.root,
        env={**environment(), **settings},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


@pytest.mark.requirement("R-ART-07")
@pytest.mark.proof
def test_versions_live_in_azure_blob(azurite: Azurite, tmp_path: Path) -> None:
    """Trained there, loaded and verified from there; a container that is missing is named as what is wrong."""
    films = make_films(tmp_path / "films", rows=300)
    settings = {"TILTYARD_ARTIFACTS": CONTAINER, "AZURE_STORAGE_CONNECTION_STRING": azurite.connection}
    trained = tiltyard(films, "train", "--champion", **settings)
    assert trained.returncode == 0, trained.stderr
    blobs = azurite.list_names()
    assert any(name.endswith("/MLmodel") for name in blobs)
    assert any(name.endswith("/metrics.json") for name in blobs)
    assert not (films.root / ".tiltyard" / "artifacts").exists()
    shutil.rmtree(films.root / ".tiltyard" / "cache", ignore_errors=True)
    predicted = tiltyard(films, "predict", "a warm and funny film", **settings)
    assert predicted.returncode == 0, predicted.stderr
    assert "positive" in predicted.stdout
    other = make_films(tmp_path / "other", rows=300)
    lost = tiltyard(other, "train", **{**settings, "TILTYARD_ARTIFACTS": CONTAINER.replace("films@", "nowhere@")})
    assert lost.returncode == 1
    assert "The artifacts in Azure Blob cannot be reached or written" in lost.stderr
    assert KEY not in lost.stderr


def test_a_store_whose_library_is_missing_names_the_extra() -> None:
    """What MLflow cannot import for a store is an optional part of ours."""
    for library, extra in (("azure", "azure"), ("boto3", "s3"), ("google.cloud", "google")):
        with pytest.raises(MissingExtraError, match=f"'{extra}'"), mlflow_errors("sqlite:///x.db"):
            raise ModuleNotFoundError(f"No module named '{library}'", name=library)


def test_a_store_that_fails_is_named() -> None:
    """An error of the store's own library names the variable that says where artifacts are."""
    from botocore.exceptions import EndpointConnectionError

    with pytest.raises(UnavailableError, match="artifacts in S3") as failed, mlflow_errors("sqlite:///x.db"):
        raise EndpointConnectionError(endpoint_url="http://127.0.0.1:9")
    assert failed.value.code == "artifacts.unavailable"
    assert "TILTYARD_ARTIFACTS" in failed.value.next_step
