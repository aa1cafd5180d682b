"""An S3 server of the tests' own: rclone on loopback, over a temporary folder, gone afterwards."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

KEY = "tiltyard-key"
SECRET = "tiltyard-secret"
BUCKET = "bucket"


class S3Server:
    """A running server. Its buckets are the folders of ``folder``."""

    def __init__(self, program: str, folder: Path) -> None:
        self.folder = folder
        self.port = _free_port()
        (folder / BUCKET).mkdir(parents=True)
        self._log = (folder.parent / "rclone.log").open("wb")
        # What a test changes in the folders itself is seen at once. With 0s, rclone reads a folder over and over, since
        # what it read is too old when it is done: seconds a request on a busy machine.
        self._process = subprocess.Popen(
            [
                *(program, "serve", "s3", "--addr", f"127.0.0.1:{self.port}", "--auth-key", f"{KEY},{SECRET}"),
                *("--config", os.devnull, "--vfs-cache-mode", "off", "--dir-cache-time", "5ms", str(folder)),
            ],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )
        self._wait()

    @property
    def environment(self) -> dict[str, str]:
        """What a client of this server has in its environment."""
        return {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }

    def stop(self) -> None:
        """Stop the server."""
        self._process.terminate()
        self._process.wait(timeout=30)
        self._log.close()

    def _wait(self) -> None:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and self._process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        self.stop()
        raise LookupError("rclone serve s3 did not start")


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """One S3 server for all tests that want one; they are skipped where rclone is not installed."""
    pytest.importorskip("s3fs")
    program = _rclone()
    if program is None:
        pytest.skip("rclone is not installed (or named by RCLONE): there is no S3 server to test with")
    server = S3Server(program, tmp_path_factory.mktemp("s3") / "buckets")
    yield server
    server.stop()


@pytest.fixture
def s3(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> S3Server:
    """The server, with the environment of its client; the bucket is empty."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    shutil.rmtree(s3_server.folder / BUCKET)
    (s3_server.folder / BUCKET).mkdir()
    return s3_server


def _rclone() -> str | None:
    """What RCLONE names, or the program next to the interpreter (`make setup` puts it there), or that on the PATH."""
    sibling = shutil.which("rclone", path=str(Path(sys.executable).parent))
    return os.environ.get("RCLONE") or sibling or shutil.which("rclone")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
