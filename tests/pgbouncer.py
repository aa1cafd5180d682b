"""A PgBouncer of the tests' own, in transaction mode, in front of their PostgreSQL."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import make_url

from tests.postgres import USER, PostgresServer

PATIENCE = 30


class PgBouncer:
    """A pooler that runs: each transaction may be on another connection of the server.

    Args:
        postgres: the server behind it.
        port: its own.
    """

    def __init__(self, postgres: PostgresServer, port: int) -> None:
        self._postgres, self._port = postgres, port

    def database(self) -> str:
        """The URL of a new, empty namespace, through the pooler."""
        url = make_url(self._postgres.database()).set(port=self._port)
        return url.render_as_string(hide_password=False)


@pytest.fixture(scope="session")
def pgbouncer(postgres: PostgresServer) -> Iterator[PgBouncer]:
    """One pooler with two connections to the server; tests that want it are skipped where it is not installed."""
    program = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        pytest.skip("PgBouncer is not installed.")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    behind = make_url(postgres.database()).port
    folder = Path(tempfile.mkdtemp(prefix="tiltyard-pgbouncer-"))
    config = folder / "pgbouncer.ini"
    config.write_text(
        f"[databases]\n* = host=127.0.0.1 port={behind} user={USER}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n"
        f"listen_port = {port}\nunix_socket_dir =\nauth_type = any\npool_mode = transaction\ndefault_pool_size = 2\n"
    )
    identity = {}
    if os.geteuid() == 0:  # as which it refuses to run
        shutil.chown(folder, USER, USER)
        identity = {"user": USER, "group": USER, "extra_groups": []}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([program, str(config)], stdout=log, stderr=log, cwd=folder, **identity)  # type: ignore[call-overload]
    try:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if process.poll() is not None:
                pytest.skip(f"PgBouncer cannot be started: {(folder / 'log').read_text()}")
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.02)
        yield PgBouncer(postgres, port)
    finally:
        process.terminate()
        process.wait(10)
        shutil.rmtree(folder, ignore_errors=True)
