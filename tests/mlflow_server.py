"""A real MLflow server on loopback, for tests that need one."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests import fork_server

QUIET = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}


@contextmanager
def serving(
    root: Path,
    store: str,
    options: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    files: str | None = None,
) -> Iterator[str]:
    """The address of a server over ``store``; its artifacts are in ``root``, or in the URI ``files``."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = ["-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1", *options]
    stores = ["--backend-store-uri", store, "--artifacts-destination", files or str(root / "files")]
    with (root / "log").open("w") as log:
        process = fork_server.popen(
            [sys.executable, *command, *stores],
            env={**os.environ, **QUIET, **(environment or {})},
            stdout=log,
            stderr=log,
        )
        address = f"http://127.0.0.1:{port}"
        try:
            wait_for(address, process, root / "log")
            yield address
        finally:
            process.terminate()
            process.wait(timeout=30)


def wait_for(address: str, process: subprocess.Popen[str], log: Path) -> None:
    """Wait until a server of MLflow responds."""
    deadline = time.monotonic() + 120
    while True:
        try:
            # No TLS here: its certificates would be read anew, for a fortieth of a second, in every probe.
            if httpx.get(f"{address}/health", timeout=5, verify=False).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.2)
