"""A real MLflow server and a real PostgreSQL that are killed while aliases move, and many who decide at once."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.postgres import PostgresServer
from tests.promotion.dying import NAME, ended, in_a_process, promotion, workspace_in
from tests.promotion.test_alias_change import check_whole, decisions, named
from tiltyard.errors import TiltyardError, UnavailableError
from tiltyard.ledger import Event, SqlLedger
from tiltyard.pipeline import Workspace, recover_alias_changes, roll_back
from tiltyard.promotion.alias_change import move_alias
from tiltyard.promotion.manual_change import point_alias
from tiltyard.registry import MlflowRegistry
from tiltyard.registry.outside_changes import record_outside_changes
from tiltyard.testing.registry import write_example_package

pytestmark = pytest.mark.proof


class MlflowServer:
    """A server of MLflow's own that can be killed and started again on its store."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        self._folder = folder
        self.address = f"http://127.0.0.1:{self._port}"
        self.start()

    def start(self) -> None:
        """Start it, and wait until it responds."""
        store = ["--backend-store-uri", f"sqlite:///{self._folder / 'server.db'}"]
        files = ["--artifacts-destination", str(self._folder / "files"), "--workers", "1"]
        with (self._folder / "server.log").open("a") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "mlflow", "server", "--port", str(self._port), *store, *files],
                env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"},
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            try:
                if httpx.get(f"{self.address}/health", timeout=2, verify=False).status_code == 200:
                    return
            except httpx.HTTPError:
                time.sleep(0.2)
        raise AssertionError((self._folder / "server.log").read_text())

    def kill(self) -> None:
        """End it and its workers with SIGKILL; one that has ended is a no-op."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, 9)
            self._process.wait(timeout=30)


@pytest.fixture
def server(fresh_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MlflowServer]:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "5")
    shutil.copy(fresh_store, tmp_path / "server.db")
    server = MlflowServer(tmp_path)
    try:
        yield server
    finally:
        server.kill()


class Striking(MlflowRegistry):
    """A registry at whose nth move of an alias something happens, before it is carried out or after."""

    strikes_at = 0
    afterwards = False
    strike: Callable[[], object]

    def set_alias(self, name: str, alias: str, version: str) -> None:
        self.strikes_at -= 1
        if self.strikes_at == 0 and not self.afterwards:
            self.strike()
        super().set_alias(name, alias, version)
        if self.strikes_at == 0 and self.afterwards:
            self.strike()


def three_versions(workspace: Workspace, folder: Path) -> None:
    write_example_package(folder / "model", model_name=NAME)
    for _ in range(3):
        workspace.registry.register_model(str(folder / "model"), NAME)
    move_alias(workspace, promotion("1", None))


def test_a_server_that_is_killed_in_the_middle(server: MlflowServer, tmp_path: Path) -> None:
    """Killed before or after either alias, with the error that says so; started again, the state is old or new."""
    registry = Striking(tracking_uri=server.address)
    registry.strike = server.kill
    with SqlLedger.open(f"sqlite:///{tmp_path / 'ledger.db'}") as ledger:
        workspace = Workspace(registry, ledger, tmp_path / "cache", (), "tester")
        three_versions(workspace, tmp_path)
        before, after = "1", "2"
        for strikes_at, afterwards, moved in ((1, False, False), (1, True, False), (2, False, False), (2, True, True)):
            registry.strikes_at, registry.afterwards = strikes_at, afterwards
            aliases = named(workspace)
            if (
                moved
            ):  # the alias had moved: the server is away for the note of the decision alone, which may be missing
                move_alias(workspace, promotion(after, before))
            else:
                with pytest.raises(UnavailableError) as caught:
                    move_alias(workspace, promotion(after, before))
                assert "doctor --repair" in caught.value.next_step
            server.kill()
            server.start()
            registry.strikes_at = 0
            recover_alias_changes(workspace, NAME)
            assert named(workspace) == ({"champion": after, "previous": before} if moved else aliases)
            check_whole(workspace)


@pytest.mark.parametrize("also_the_registry", [False, True])
def test_a_ledger_that_goes_away_in_the_middle(
    server: MlflowServer, postgres: PostgresServer, tmp_path: Path, also_the_registry: bool
) -> None:
    """PostgreSQL gone after either alias, alone or with MLflow: once back, the state is old or new, and reported."""
    url = postgres.database()

    def strike() -> None:
        postgres.pause()
        if also_the_registry:
            server.kill()

    def deciding(strikes_at: int) -> None:
        registry = Striking(tracking_uri=server.address)
        registry.strikes_at, registry.afterwards = strikes_at, True
        registry.strike = strike
        workspace = Workspace(registry, SqlLedger.open(url), tmp_path / "cache", (), "tester")
        try:
            move_alias(workspace, promotion("2", "1"))
        except UnavailableError as error:
            os._exit(4 if "doctor --repair" in error.next_step else 5)

    with SqlLedger.open(url) as ledger:
        three_versions(
            Workspace(MlflowRegistry(tracking_uri=server.address), ledger, tmp_path / "cache", (), "ann"), tmp_path
        )
    for strikes_at, moved in ((1, False), (2, True)):
        # In its own process: one that lives on could not give its lease back, and holds it for 90 seconds.
        assert ended(in_a_process(partial(deciding, strikes_at))) == 4
        postgres.resume()
        if also_the_registry:
            server.kill()
            server.start()
        with SqlLedger.open(url) as ledger:
            workspace = Workspace(MlflowRegistry(tracking_uri=server.address), ledger, tmp_path / "cache", (), "mender")
            (settled,) = recover_alias_changes(workspace, NAME)
            assert settled.outcome == ("completed" if moved else "withdrawn")
            assert named(workspace) == ({"champion": "2", "previous": "1"} if moved else {"champion": "1"})
            check_whole(workspace)


def act(folder: Path, number: int) -> Callable[[], object]:
    """What one of six does: four promote (two the same version), one goes back, one moves an alias in MLflow."""

    def do() -> None:
        workspace = workspace_in(folder, actor=f"process {number}")
        if number == 5:
            workspace.registry.set_alias(NAME, "champion", "3")
            return
        if number == 4:
            roll_back(workspace, NAME, to="1", reason="complaints")
            return
        champion = workspace.registry.champion(NAME)
        assert champion is not None
        move_alias(workspace, promotion(("2", "2", "3", "1")[number], champion.version))

    def quietly() -> None:
        try:
            do()
        except TiltyardError as error:
            os._exit(3 if error.next_step else 1)

    return quietly


def test_six_who_decide_at_once(fresh_store: Path, tmp_path: Path) -> None:
    """Again and again: whatever order they take, what is not by a decision is noticed, and the record is whole."""
    shutil.copy(fresh_store, tmp_path / "mlflow.db")
    with workspace_in(tmp_path).ledger:
        three_versions(workspace_in(tmp_path), tmp_path)
    for _ in range(8):
        codes = [ended(child) for child in [in_a_process(act(tmp_path, number)) for number in range(6)]]
        assert set(codes) <= {0, 3}, codes
    workspace: Any = workspace_in(tmp_path)
    with workspace.ledger:
        recover_alias_changes(workspace, NAME)
        record_outside_changes(workspace.registry, workspace.ledger, NAME, "test")
        assert record_outside_changes(workspace.registry, workspace.ledger, NAME, "test") == []
        assert workspace.ledger.verify_events() == []
        point_alias(workspace, NAME, version="1", alias="champion", reason="an end of it")
        check_whole(workspace)
        wins: list[Event] = [event for event in decisions(workspace) if event.kind in ("promoted", "rolled-back")]
        assert wins
