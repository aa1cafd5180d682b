"""Artifacts on Azure Blob, against Microsoft's own emulator of it."""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.films import Films, environment, make_films
from tiltyard.errors import MissingExtraError, UnavailableError
from tiltyard.registry.mlflow_backend.mlflow_client import mlflow_errors

ACCOUNT = "devstoreaccount1"
# Not a secret: the one account of the emulator, the same everywhere.
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
CONTAINER = f"wasbs://films@{ACCOUNT}.blob.core.windows.net/experiments"


@dataclass(frozen=True)
class Emulator:
    """The emulator, with a container ``films``."""

    connection: str
    client: Any

    def blobs(self) -> list[str]:
        return [blob.name for blob in self.client.get_container_client("films").list_blobs()]


@pytest.fixture
def azurite(tmp_path: Path) -> Iterator[Emulator]:
    program = os.environ.get("AZURITE_BLOB") or shutil.which("azurite-blob")
    if program is None or importlib.util.find_spec("azure") is None:
        pytest.skip("needs azurite-blob (npm install azurite; AZURITE_BLOB names it) and the extra 'azure'")
    from azure.storage.blob import BlobServiceClient

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    place = ["--silent", "--location", str(tmp_path / "azurite"), "--blobPort", str(port)]
    process = subprocess.Popen([program, *place, "--skipApiVersionCheck", "--disableTelemetry"])
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                assert time.monotonic() < deadline
                time.sleep(0.1)
        endpoint = f"BlobEndpoint=http://127.0.0.1:{port}/{ACCOUNT};"
        connection = f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};{endpoint}"
        client = BlobServiceClient.from_connection_string(connection)
        client.create_container("films")
        yield Emulator(connection, client)
        client.close()
    finally:
        process.terminate()
        process.wait(30)


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
def test_versions_live_in_azure_blob(azurite: Emulator, tmp_path: Path) -> None:
    """Trained there, loaded and verified from there; a container that is missing is named as what is wrong."""
    films = make_films(tmp_path / "films", rows=300)
    settings = {"TILTYARD_ARTIFACTS": CONTAINER, "AZURE_STORAGE_CONNECTION_STRING": azurite.connection}
    trained = tiltyard(films, "train", "--champion", **settings)
    assert trained.returncode == 0, trained.stderr
    blobs = azurite.blobs()
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
    for library, extra in (("azure", "azure"), ("boto3", "s3")):
        with pytest.raises(MissingExtraError, match=f"'{extra}'"), mlflow_errors("sqlite:///x.db"):
            raise ModuleNotFoundError(f"No module named '{library}'", name=library)


def test_a_store_that_fails_is_named() -> None:
    """An error of the store's own library names the variable that says where artifacts are."""
    from botocore.exceptions import EndpointConnectionError

    with pytest.raises(UnavailableError, match="artifacts in S3") as failed, mlflow_errors("sqlite:///x.db"):
        raise EndpointConnectionError(endpoint_url="http://127.0.0.1:9")
    assert failed.value.code == "artifacts.unavailable"
    assert "TILTYARD_ARTIFACTS" in failed.value.next_step
