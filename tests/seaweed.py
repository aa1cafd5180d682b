"""SeaweedFS, started as the Compose file starts it, over a temporary folder, with the same three buckets."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml  # type: ignore[import-untyped]

ROOT = Path(__file__).parents[1]
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))["services"]
BUCKETS: list[str] = SERVICES["buckets"]["command"]
KEY, SECRET, PASSWORD = "tiltyard-key", "tiltyard-secret", "tiltyard-password"
PARTS = ("s3", "admin", "master", "volume", "filer")


class Seaweed:
    """A running SeaweedFS: ``s3`` is the address of its buckets, ``console`` that of its pages."""

    def __init__(self, program: str, folder: Path) -> None:
        self.program, self.folder = program, folder / "data"
        self.folder.mkdir()
        ports = _free_ports(2 * len(PARTS))
        self.s3, self.console = (f"http://127.0.0.1:{port}" for port in ports[:2])
        self._log = folder / "log"
        words = [_fill(word) for word in SERVICES["object-store"]["command"]]
        for part, port, grpc in zip(PARTS, ports, ports[len(PARTS) :], strict=False):
            words += [f"-{part}.port={port}", f"-{part}.port.grpc={grpc}"]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [program, *words, f"-dir={self.folder}", "-ip.bind=127.0.0.1"],
                env={**os.environ, "AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET},
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            self._wait()
            self._make_buckets()
        except BaseException:
            self.stop()
            raise

    @property
    def environment(self) -> dict[str, str]:
        """What a client of this server has in its environment."""
        return {
            "AWS_ENDPOINT_URL": self.s3,
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }

    def list_keys(self, bucket: str) -> list[str]:
        """The keys in a bucket."""
        import boto3

        session = boto3.Session(KEY, SECRET, region_name="us-east-1")
        pages = session.client("s3", endpoint_url=self.s3).get_paginator("list_objects_v2").paginate(Bucket=bucket)
        return [one["Key"] for page in pages for one in page.get("Contents", [])]

    def stop(self) -> None:
        """Stop the server."""
        self._process.terminate()
        try:
            self._process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _wait(self) -> None:
        """Wait until what the Compose file asks for its health responds, and the console."""
        deadline = time.monotonic() + 120
        for address in (f"{self.s3}/healthz", f"{self.console}/login"):
            while True:
                try:
                    if httpx.get(address, timeout=5, verify=False).status_code == 200:
                        break
                except httpx.HTTPError:
                    pass
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise LookupError(f"SeaweedFS did not start: {self._log.read_text('utf-8', 'replace')[-2000:]}")
                time.sleep(0.1)

    def _make_buckets(self) -> None:
        """Make the buckets by the program that the Compose file runs for it."""
        program = ROOT / "deploy" / "container" / Path(SERVICES["buckets"]["entrypoint"][1]).name
        done = subprocess.run(
            [sys.executable, str(program), *BUCKETS],
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session")
def seaweed_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seaweed]:
    """One SeaweedFS for all tests of a process that want it; they are skipped where it is not installed."""
    pytest.importorskip("boto3")
    program = _find_program()
    if program is None:
        pytest.skip("SeaweedFS's program `weed` is not installed (or named by WEED)")
    server = Seaweed(program, tmp_path_factory.mktemp("seaweed"))
    yield server
    server.stop()


@pytest.fixture
def seaweed(seaweed_server: Seaweed, monkeypatch: pytest.MonkeyPatch) -> Seaweed:
    """The server, with the environment of its client."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in seaweed_server.environment.items():
        monkeypatch.setenv(name, value)
    return seaweed_server


def _fill(word: str) -> str:
    """A word of the command, with the password for the variable that names it."""
    before, variable, _ = word.partition("${")
    return before + PASSWORD if variable else word


def _find_program() -> str | None:
    """What WEED names, or the program next to the interpreter (`make setup` puts it there), or that on the PATH."""
    sibling = shutil.which("weed", path=str(Path(sys.executable).parent))
    return os.environ.get("WEED") or sibling or shutil.which("weed")


def _free_ports(count: int) -> Sequence[int]:
    with ExitStack() as held:
        probes = [held.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
