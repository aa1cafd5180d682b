"""A PostgreSQL server of the tests' own: on loopback, in a temporary folder, gone afterwards."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

USER = "postgres"


class PostgresServer:
    """A running server; each call of ``database`` makes an empty one."""

    def __init__(self, programs: Path, folder: Path, port: int) -> None:
        self._programs = programs
        self._folder = folder
        self._port = port

    @classmethod
    def start(cls) -> PostgresServer:
        """Make and start a server, which takes about a second.

        Raises:
            LookupError: PostgreSQL is not installed, or may not run as this user.
        """
        programs = _programs()
        folder = Path(tempfile.mkdtemp(prefix="tiltyard-postgres-"))
        server = cls(programs, folder, _free_port())
        try:
            if os.geteuid() == 0:
                shutil.chown(folder, USER, USER)
            # A linguistic order by default, as most servers have: what needs binary order must ask for it.
            order = ["--locale=C", "--locale-provider=icu", "--icu-locale=en-US"]
            server._run("initdb", "-U", USER, "-A", "trust", "-E", "UTF8", "--no-sync", *order)
            server.resume()
        except (LookupError, subprocess.CalledProcessError) as error:
            shutil.rmtree(folder, ignore_errors=True)
            said = getattr(error, "output", "") or ""
            raise LookupError(f"PostgreSQL cannot be started: {error} {said}") from None
        return server

    def database(self) -> str:
        """The URL of a new, empty namespace: a schema, which costs a hundredth of a database."""
        import psycopg

        name = f"test_{uuid4().hex}"
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute(f'CREATE SCHEMA "{name}"')
        return f"{self._url}?options=-csearch_path%3D{name}"

    def pause(self) -> None:
        """Stop the server at once, dropping its connections; what was committed stays."""
        self._run("pg_ctl", "-m", "immediate", "-w", "stop")

    def resume(self) -> None:
        """Start the server again, on the same port."""
        options = f"-p {self._port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off"
        log = str(self._folder / "log")
        self._run("pg_ctl", "-w", "-l", log, "-o", options, "start")

    def stop(self) -> None:
        """Stop the server and remove all of it."""
        try:
            self.pause()
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def _url(self) -> str:
        return f"postgresql://{USER}@127.0.0.1:{self._port}/postgres"

    def _run(self, program: str, *arguments: str) -> None:
        identity = {"user": USER, "group": USER, "extra_groups": []} if os.geteuid() == 0 else {}
        subprocess.run(
            [self._programs / program, "-D", str(self._folder / "data"), *arguments],
            check=True,
            cwd=self._folder,
            stdin=subprocess.DEVNULL,
            # pg_ctl's server inherits the pipe and would keep it open: a file does not wait for it.
            stdout=subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
            env={**os.environ, "LC_ALL": "C", "TZ": "UTC"},
            **identity,  # type: ignore[call-overload]
        )


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """One PostgreSQL server for all tests that want one; they are skipped where it cannot be had."""
    pytest.importorskip("psycopg")
    try:
        server = PostgresServer.start()
    except LookupError as error:
        pytest.skip(str(error))
    yield server
    server.stop()


def _programs() -> Path:
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    found = shutil.which("initdb")
    for folder in [*reversed(installed), *([Path(found).resolve().parent] if found else [])]:
        if (folder / "initdb").exists() and (folder / "pg_ctl").exists():
            return folder
    raise LookupError("PostgreSQL's initdb and pg_ctl are not installed.")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
