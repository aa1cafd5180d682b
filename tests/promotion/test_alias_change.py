"""Whatever happens while aliases move, the state can be explained, and is settled by the next caller."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests import fork_server
from tests.postgres import PostgresServer
from tests.promotion.dying import MOMENTS, NAME, approving, promotion, workspace_in
from tiltyard.errors import UnavailableError
from tiltyard.ledger import Event, SqlLedger
from tiltyard.pipeline import Workspace, approve_version, champion_at, pending_approvals, recover_alias_changes
from tiltyard.promotion.alias_change import HOLD, ChampionChangedError, move_alias
from tiltyard.promotion.manual_change import point_alias, remove_alias
from tiltyard.registry import MlflowRegistry, VersionInfo
from tiltyard.registry.alias_history import unfinished_changes
from tiltyard.registry.outside_changes import find_mismatches, record_outside_changes, unexplained_champion
from tiltyard.testing.ledger import MemoryLedger
from tiltyard.testing.registry import MemoryRegistry, write_example_package

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def stores(fresh_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with three versions of which the first is champion, by a decision, and no previous one."""
    folder = tmp_path_factory.mktemp("stores")
    shutil.copy(fresh_store, folder / "mlflow.db")
    write_example_package(folder / "model", model_name=NAME)
    workspace = workspace_in(folder)
    for _ in range(3):
        workspace.registry.register_model(str(folder / "model"), NAME)
    with workspace.ledger:
        move_alias(workspace, promotion("1", None))
    return folder


@pytest.fixture(scope="module")
def killed(stores: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for each moment, in which a process was killed at it, and one in which two promoted at once."""
    root = tmp_path_factory.mktemp("killed")
    folders = [copied(stores, root / name) for name in (*MOMENTS, "race-2")]
    assert run(folders) == ["-9"] * len(MOMENTS) + ["0 3", "0 3"]
    return root


def copied(stores: Path, name: Path) -> Path:
    name.mkdir()
    for file in stores.glob("*.db*"):  # with what was written ahead
        shutil.copy(file, name / file.name)
    return name


def run(folders: list[Path]) -> list[str]:
    """How the processes ended: one alone, or two by their exit codes, the lesser first."""
    command = [sys.executable, "-m", "tests.promotion.dying", *map(str, folders)]
    done = fork_server.run(command, cwd=ROOT, env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"}, timeout=250)
    assert done.returncode == 0, done.stderr
    found = []
    for line in done.stdout.splitlines():
        codes = line.split()
        found += codes if len(codes) == 1 else [" ".join(sorted(codes[n : n + 2])) for n in range(0, len(codes), 2)]
    return found


def named(workspace: Workspace) -> dict[str, str]:
    return {alias: info.version for info in workspace.registry.list_versions(NAME) for alias in info.aliases}


def decisions(workspace: Workspace) -> list[Event]:
    return list(workspace.ledger.events(subject=NAME))


def check_whole(workspace: Workspace) -> None:
    """Aliases and decisions tell the same, nothing is left over, and the chain holds."""
    assert unfinished_changes(workspace.ledger, NAME) == []
    assert workspace.ledger.verify_events() == []
    champion = workspace.registry.champion(NAME)
    assert champion is not None
    assert unexplained_champion(decisions(workspace), champion) is None
    assert find_mismatches(decisions(workspace), NAME, named(workspace)) == ()


def test_a_change_killed_at_any_moment_is_completed_or_withdrawn(killed: Path) -> None:
    """Killed before, between or after the aliases, or after the decision: each recovers to before or after."""
    expected: Mapping[str, tuple[str, dict[str, str]]] = {
        "before-aliases": ("withdrawn", {"champion": "1"}),
        "between-aliases": ("withdrawn", {"champion": "1"}),
        "after-aliases": ("completed", {"champion": "2", "previous": "1"}),
        "after-decision": ("noted", {"champion": "2", "previous": "1"}),
    }
    assert {*expected, "after-end"} == {*MOMENTS}
    for moment, (outcome, aliases) in expected.items():
        workspace = workspace_in(copied(killed / moment, killed / f"{moment} recovered"), actor="recoverer")
        with workspace.ledger:
            assert named(workspace)["champion"] in ("1", "2")
            (begun,) = unfinished_changes(workspace.ledger, NAME)
            assert begun.evidence["version"] == "2"
            assert record_outside_changes(workspace.registry, workspace.ledger, NAME, "test") == []
            (settled,) = recover_alias_changes(workspace, NAME)
            assert (settled.outcome, named(workspace)) == (outcome, aliases), moment
            check_whole(workspace)
            promoted = [event for event in decisions(workspace) if event.kind == "promoted"]
            assert len(promoted) == (1 if outcome == "withdrawn" else 2)
            assert promoted[-1].actor == "tester"
            assert recover_alias_changes(workspace, NAME) == []


ACTS = {"approve": "promoted", "rollback": "rolled-back", "set-alias": "alias-set"}


@pytest.mark.proof
def test_every_act_killed_at_every_moment(stores: Path, tmp_path: Path) -> None:
    """Approval, rollback and an alias set by hand, killed at any step, leave the old or the new champion."""
    names = [f"{act}@{moment}" for act in ACTS for moment in MOMENTS] + ["approve@after-approved"]
    folders = [copied(stores, tmp_path / name) for name in names]
    for folder in folders:
        if folder.name.startswith("approve"):
            with workspace_in(folder, actor="ann").ledger as ledger:
                evidence = {"champion": "1", "verdict": {"promoted": True, "gates": []}}
                now = datetime.now(UTC)
                ledger.append(Event("approval-requested", f"{NAME}/2", now, "ann", "it won", evidence))
    assert run(folders) == ["-9"] * len(names)
    for folder in folders:
        act, _, moment = folder.name.partition("@")
        done = moment in ("after-aliases", "after-decision", "after-end")
        workspace = workspace_in(folder, actor="recoverer")
        with workspace.ledger:
            settled = recover_alias_changes(workspace, NAME)
            assert len(settled) == (0 if moment in ("after-end", "after-approved") else 1), folder.name
            assert named(workspace) == ({"champion": "2", "previous": "1"} if done else {"champion": "1"}), folder.name
            check_whole(workspace)
            assert [event.kind for event in decisions(workspace)].count(ACTS[act]) == int(done) + (act == "approve")
            if act == "approve":
                waiting = pending_approvals(workspace.ledger.events(subject=NAME), NAME)
                assert [one.version for one in waiting] == ([] if done else ["2"]), folder.name
                if not done:  # it can be approved again
                    assert approve_version(workspace, approving(), "2", reason="seen it").promoted
                    check_whole(workspace)


def test_the_next_decision_settles_the_last(killed: Path) -> None:
    """The next decision finds what was interrupted, settles it first, and sees the true champion."""
    workspace = workspace_in(copied(killed / "after-aliases", killed / "next"))
    with workspace.ledger:
        with pytest.raises(ChampionChangedError, match="names version 2 now, and named version 1"):
            move_alias(workspace, promotion("3", "1"))
        check_whole(workspace)
        move_alias(workspace, promotion("3", "2"))
        assert named(workspace) == {"champion": "3", "previous": "2"}
        check_whole(workspace)


def test_of_two_processes_that_promote_at_once_one_wins(killed: Path) -> None:
    """Of two that beat the same champion one takes over, the other is refused, and aliases and decisions agree."""
    check_race(killed / "race-2", 2)


@pytest.mark.proof
def test_two_processes_promote_at_once_again_and_again(stores: Path, tmp_path: Path) -> None:
    """Thirty times over, exactly one wins, and aliases and decisions tell the same."""
    folder = copied(stores, tmp_path / "race-30")
    assert run([folder]) == ["0 3"] * 30
    check_race(folder, 30)


def check_race(folder: Path, times: int) -> None:
    workspace = workspace_in(folder)
    with workspace.ledger:
        check_whole(workspace)
        promoted = [event for event in decisions(workspace) if event.kind == "promoted"]
        assert len(promoted) == times + 1
        assert named(workspace)["previous"] == promoted[-2].subject.rpartition("/")[2]


class Breaking(MemoryRegistry):
    """A registry that goes away at its nth move of an alias, after or before it was carried out."""

    def __init__(self) -> None:
        super().__init__()
        self.breaks_at = 0
        self.afterwards = False

    def set_alias(self, name: str, alias: str, version: str) -> None:
        self.breaks_at -= 1
        if self.breaks_at == 0 and not self.afterwards:
            self.away = True
        super().set_alias(name, alias, version)
        if self.breaks_at == 0:
            self.away = True
            super().set_alias(name, alias, version)


@pytest.fixture
def memory(tmp_path: Path) -> tuple[Workspace, Breaking]:
    registry, ledger = Breaking(), MemoryLedger()
    write_example_package(tmp_path / "model")
    for _ in range(3):
        registry.register_model(str(tmp_path / "model"), NAME)
    workspace = Workspace(registry, ledger, tmp_path / "cache", (), "tester")
    move_alias(workspace, promotion("1", None))
    return workspace, registry


@pytest.mark.parametrize(
    ("breaks_at", "afterwards", "champion"), [(1, False, "1"), (1, True, "1"), (2, False, "1"), (2, True, "2")]
)
def test_a_change_cut_short_by_the_registry_is_recovered(
    memory: tuple[Workspace, Breaking], breaks_at: int, afterwards: bool, champion: str
) -> None:
    """The error says what to do; once it is back, the champion is the old or the new one, and it is written down."""
    workspace, registry = memory
    registry.breaks_at, registry.afterwards = breaks_at, afterwards
    with pytest.raises(UnavailableError) as caught:
        move_alias(workspace, promotion("2", "1"))
    assert "doctor --repair" in caught.value.next_step
    assert len(unfinished_changes(workspace.ledger, NAME)) == 1
    with pytest.raises(UnavailableError):
        recover_alias_changes(workspace, NAME)
    registry.away, registry.breaks_at = False, 0
    (settled,) = recover_alias_changes(workspace, NAME)
    assert settled.outcome == ("completed" if champion == "2" else "withdrawn")
    assert named(workspace) == ({"champion": "2", "previous": "1"} if champion == "2" else {"champion": "1"})
    check_whole(workspace)


@pytest.mark.proof
def test_a_real_database_that_goes_away_in_the_middle(postgres: PostgresServer, tmp_path: Path) -> None:
    """MLflow's own database stops between the two aliases: the error says what to do, then it is recovered."""
    uri = postgres.database().replace("postgresql://", "postgresql+psycopg://")

    class Stopping(MlflowRegistry):
        def set_alias(self, name: str, alias: str, version: str) -> None:
            super().set_alias(name, alias, version)
            if alias == "previous":
                postgres.pause()

    write_example_package(tmp_path / "model")
    registry = Stopping(tracking_uri=uri)
    for _ in range(2):
        registry.register_model(str(tmp_path / "model"), NAME)
    with SqlLedger.open(f"sqlite:///{tmp_path / 'ledger.db'}") as ledger:
        workspace = Workspace(registry, ledger, tmp_path / "cache", (), "tester")
        move_alias(workspace, promotion("1", None))
        try:
            with pytest.raises(UnavailableError) as caught:
                move_alias(workspace, promotion("2", "1"))
        finally:
            postgres.resume()
        assert "doctor --repair" in caught.value.next_step
        back = replace(workspace, registry=MlflowRegistry(tracking_uri=uri))
        (settled,) = recover_alias_changes(back, NAME)
        assert (settled.outcome, named(back)) == ("withdrawn", {"champion": "1"})
        check_whole(back)
        move_alias(back, promotion("2", "1"))
        assert named(back) == {"champion": "2", "previous": "1"}


class Pausing(MemoryRegistry):
    """A registry in front of which a process is paused just before it sets the champion, until others have acted."""

    def __init__(self) -> None:
        super().__init__()
        self.meanwhile: Callable[[], object] | None = None

    def set_alias(self, name: str, alias: str, version: str) -> None:
        meanwhile, self.meanwhile = (self.meanwhile, None) if alias == "champion" else (None, self.meanwhile)
        if meanwhile is not None:
            meanwhile()
        super().set_alias(name, alias, version)


@pytest.fixture
def paused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Workspace, Pausing, SimpleNamespace]:
    """A model whose first version is champion, and a clock of the ledger that a test moves."""
    registry, ledger, clock = Pausing(), MemoryLedger(), SimpleNamespace(now=datetime(2026, 3, 1, tzinfo=UTC))
    ledger.leases.clock = lambda: clock.now
    write_example_package(tmp_path / "model")
    for _ in range(3):
        registry.register_model(str(tmp_path / "model"), NAME)
    workspace = Workspace(registry, ledger, tmp_path / "cache", (), "tester")
    move_alias(workspace, promotion("1", None))
    return workspace, registry, clock


def test_a_decider_that_was_paused_does_not_overwrite_a_newer_champion(
    paused: tuple[Workspace, Pausing, SimpleNamespace],
) -> None:
    """One that sets the alias after its lease ran out and another decided gives it back, and says so."""
    workspace, registry, clock = paused

    def another_decides() -> None:
        clock.now += HOLD + timedelta(seconds=1)
        move_alias(workspace, promotion("3", "1"))

    registry.meanwhile = another_decides
    with pytest.raises(UnavailableError, match="another process has taken over") as refused:
        move_alias(workspace, promotion("2", "1"))
    assert refused.value.code == "promotion.lost-turn"
    assert named(workspace) == {"champion": "3", "previous": "1"}
    assert [event.subject for event in decisions(workspace) if event.kind == "promoted"] == [f"{NAME}/1", f"{NAME}/3"]
    assert record_outside_changes(registry, workspace.ledger, NAME, "test") == []
    check_whole(workspace)


def test_what_a_decider_did_late_is_undone_after_its_death(
    paused: tuple[Workspace, Pausing, SimpleNamespace],
) -> None:
    """One that dies right after it set the alias too late leaves no champion without a decision to the next one."""
    workspace, registry, clock = paused

    class Death(BaseException):
        pass

    def another_decides() -> None:
        clock.now += HOLD + timedelta(seconds=1)
        move_alias(workspace, promotion("3", "1"))
        registry.set_alias(NAME, "champion", "2")  # what the paused one does next, before it dies
        raise Death

    registry.meanwhile = another_decides
    with pytest.raises(Death):
        move_alias(workspace, promotion("2", "1"))
    assert named(workspace)["champion"] == "2"
    assert record_outside_changes(registry, workspace.ledger, NAME, "loop") == [], "it is nobody's wish"
    clock.now += HOLD + timedelta(seconds=1)
    (undone,) = recover_alias_changes(workspace, NAME)
    assert undone.outcome == "undone"
    assert "paused" in undone.message
    assert named(workspace) == {"champion": "3", "previous": "1"}
    check_whole(workspace)
    assert recover_alias_changes(workspace, NAME) == []
    registry.set_alias(NAME, "champion", "2")  # a person wants it, in MLflow: that is noticed, and stays
    assert recover_alias_changes(workspace, NAME) == []
    (noted,) = record_outside_changes(registry, workspace.ledger, NAME, "loop")
    assert noted.subject == f"{NAME}/2"


def test_an_alias_that_a_late_process_overwrote_meanwhile_is_set_again(
    paused: tuple[Workspace, Pausing, SimpleNamespace],
) -> None:
    """The holder of the lease reads the alias after it has set it, and sets it again where it names another version."""
    workspace, registry, _ = paused
    overwritten: list[str] = []
    delete_tag = registry.delete_tag

    def late(name: str, version: str, key: str) -> None:
        delete_tag(name, version, key)
        if not overwritten:
            overwritten.append(version)
            registry.set_alias(NAME, "champion", "2")

    registry.delete_tag = late  # type: ignore[method-assign]
    move_alias(workspace, promotion("3", "1"))
    assert overwritten == ["3"]
    assert named(workspace) == {"champion": "3", "previous": "1"}
    check_whole(workspace)


def test_recovery_leaves_an_alias_that_somebody_else_moved(memory: tuple[Workspace, Breaking]) -> None:
    """Where somebody moved the alias elsewhere in the meantime, recovery changes nothing, and the move is noticed."""
    workspace, registry = memory
    registry.breaks_at, registry.afterwards = 2, False
    with pytest.raises(UnavailableError):
        move_alias(workspace, promotion("2", "1"))
    registry.away, registry.breaks_at = False, 0
    registry.set_alias(NAME, "champion", "3")
    (settled,) = recover_alias_changes(workspace, NAME)
    assert settled.outcome == "overtaken"
    assert named(workspace)["champion"] == "3"
    noted = record_outside_changes(registry, workspace.ledger, NAME, "test")
    assert "champion" in [event.evidence["alias"] for event in noted]


def test_aliases_moved_outside_tiltyard_are_noticed_once(memory: tuple[Workspace, Breaking]) -> None:
    """A move in the registry itself is noticed once, is an event, and its champion stays unexplained until decided."""
    workspace, registry = memory
    champion: Any = registry.champion(NAME)
    assert unexplained_champion(decisions(workspace), champion) is None
    registry.set_alias(NAME, "champion", "3")
    registry.set_alias(NAME, "shadow", "2")
    moved: Any = registry.champion(NAME)
    finding = unexplained_champion(decisions(workspace), moved)
    assert finding is not None
    assert "by the decisions it is version 1" in finding.message
    noted = record_outside_changes(registry, workspace.ledger, NAME, "doctor")
    assert [(event.kind, event.subject, event.evidence["alias"]) for event in noted] == [
        ("alias-changed-outside", f"{NAME}/3", "champion"),
        ("alias-changed-outside", f"{NAME}/2", "shadow"),
    ]
    assert record_outside_changes(registry, workspace.ledger, NAME, "doctor") == []
    still = unexplained_champion(decisions(workspace), moved)
    assert still is not None
    assert "outside Tiltyard" in still.message
    period = champion_at(decisions(workspace), NAME, noted[-1].at)
    assert period is not None
    assert (period.version, period.event.kind) == ("3", "alias-changed-outside")
    point_alias(workspace, NAME, version="3", alias="champion", reason="it was meant")
    assert unexplained_champion(decisions(workspace), moved) is None
    point_alias(workspace, NAME, version="2", alias="shadow", reason="it was meant")
    remove_alias(workspace, NAME, alias="shadow", reason="no longer")
    assert record_outside_changes(registry, workspace.ledger, NAME, "doctor") == []
    registry.delete_alias(NAME, "champion")
    (taken,) = record_outside_changes(registry, workspace.ledger, NAME, "doctor")
    assert (taken.subject, taken.evidence["before"]) == (NAME, "3")
    assert champion_at(decisions(workspace), NAME, taken.at) is None


class Deciding(MemoryRegistry):
    """A registry in which a decision is carried out right after somebody has read its versions."""

    decide: Callable[[], object] | None = None

    def list_versions(self, name: str) -> list[VersionInfo]:
        found = super().list_versions(name)
        decide, self.decide = self.decide, None
        if decide is not None:
            decide()
        return found


def test_a_decision_between_two_reads_is_no_change_outside_tiltyard(tmp_path: Path) -> None:
    """Reading the registry before a decision and the ledger after it does not make it a change outside."""
    registry = Deciding()
    write_example_package(tmp_path / "model")
    for _ in range(2):
        registry.register_model(str(tmp_path / "model"), NAME)
    workspace = Workspace(registry, MemoryLedger(), tmp_path / "cache", (), "tester")
    move_alias(workspace, promotion("1", None))
    registry.decide = lambda: move_alias(workspace, promotion("2", "1"))
    assert record_outside_changes(registry, workspace.ledger, NAME, "doctor") == []
    assert named(workspace) == {"champion": "2", "previous": "1"}
    check_whole(workspace)


def test_a_ledger_that_keeps_no_decisions_cannot_tell(memory: tuple[Workspace, Breaking]) -> None:
    """A server's own ledger, without the decisions, finds no champion unexplained and notes nothing."""
    _, registry = memory
    apart = MemoryLedger()
    champion: Any = registry.champion(NAME)
    assert unexplained_champion([], champion) is None
    assert record_outside_changes(registry, apart, NAME, "server") == []
    assert list(apart.events()) == []
