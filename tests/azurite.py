"""Azurite, Microsoft's emulator of Azure Blob: on loopback, in memory, gone afterwards."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ACCOUNT = "devstoreaccount1"
# Not a secret: the one account of the emulator, the same everywhere.
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
CONTAINER = "films"
_INSTALLED = Path(sys.prefix) / "azurite" / "node_modules" / ".bin"
"""Where ``make azurite`` puts it."""


class Azurite:
    """A running emulator, with the container ``films``.

    Attributes:
        connection: what AZURE_STORAGE_CONNECTION_STRING is for its clients.
    """

    def __init__(self, program: str, folder: Path) -> None:
        from azure.storage.blob import BlobServiceClient

        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        words = ["--silent", "--inMemoryPersistence", "--blobPort", str(port), "--skipApiVersionCheck"]
        self._log = folder / "azurite.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [program, *words, "--disableTelemetry"], cwd=folder, stdout=log, stderr=subprocess.STDOUT
            )
        endpoint = f"BlobEndpoint=http://127.0.0.1:{port}/{ACCOUNT};"
        self.connection = f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};{endpoint}"
        try:
            self._wait(port)
            self.client: Any = BlobServiceClient.from_connection_string(self.connection)
            self.client.create_container(CONTAINER)
        except BaseException:
            self.stop()
            raise

    def put(self, name: str, content: bytes) -> None:
        """Put a blob into the container."""
        self.client.get_blob_client(CONTAINER, name).upload_blob(content, overwrite=True)

    def list_names(self) -> list[str]:
        """The names of all blobs in the container."""
        return [blob.name for blob in self.client.get_container_client(CONTAINER).list_blobs()]

    def clear(self) -> None:
        """Remove all blobs."""
        for name in self.list_names():
            self.client.get_blob_client(CONTAINER, name).delete_blob()

    def stop(self) -> None:
        """Stop the emulator."""
        self._process.terminate()
        try:
            self._process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _wait(self, port: int) -> None:
        deadline = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                return
            except OSError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise LookupError(f"Azurite did not start: {self._log.read_text('utf-8', 'replace')}") from None
                time.sleep(0.1)


def find_azurite() -> str:
    """The program: what AZURITE_BLOB names, that of ``make azurite``, or that on the path."""
    pytest.importorskip("adlfs")
    places = os.pathsep.join([str(_INSTALLED), os.environ["PATH"]])
    found = os.environ.get("AZURITE_BLOB") or shutil.which("azurite-blob", path=places)
    if found is None or shutil.which("node") is None:
        pytest.skip("Azurite is not installed: make azurite (it needs Node.js and npm), or AZURITE_BLOB names it")
    return found


@pytest.fixture(scope="session")
def azurite_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    """One emulator for all tests of a process that want it; they are skipped where it is not installed."""
    server = Azurite(find_azurite(), tmp_path_factory.mktemp("azurite"))
    yield server
    server.client.close()
    server.stop()


@pytest.fixture
def azurite(azurite_server: Azurite, monkeypatch: pytest.MonkeyPatch) -> Azurite:
    """The emulator, with the environment of its client; the container is empty."""
    for name in [name for name in os.environ if name.startswith("AZURE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", azurite_server.connection)
    azurite_server.clear()
    return azurite_server
