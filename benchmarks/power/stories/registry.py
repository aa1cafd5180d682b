"""Stories of the registry, MLflow in SQLite with files next to it: registered versions, and which one is champion."""

from __future__ import annotations

import os
from pathlib import Path

from benchmarks.power.stories.databases import list_damage
from benchmarks.power.stories.ledger import open_central
from benchmarks.power.story import Log, Marks, Verdict

from tiltyard.aliases import CHAMPION
from tiltyard.ledger import SqlLedger
from tiltyard.promotion.alias_change import AliasChange, move_alias, recover_alias_changes
from tiltyard.promotion.context import Workspace
from tiltyard.registry import ExperimentTracker, MlflowRegistry
from tiltyard.registry.package.manifest import verify
from tiltyard.settings import Settings
from tiltyard.testing.registry import write_example_package

MODEL = "films"
ROUNDS = 3
MLFLOW = (
    "mlflow.tracking",
    "mlflow.artifacts",
    "mlflow.store.tracking.sqlalchemy_store",
    "mlflow.store.model_registry.sqlalchemy_store",
)


class AliasChanges:
    """Decisions about the champion: the alias in the registry, the decision in the ledger."""

    name = "aliases"
    at_one_path = True
    imports: tuple[str, ...] = MLFLOW

    def prepare(self, root: Path) -> None:
        """Two versions are registered."""
        with open_central(root) as ledger:
            workspace = _open_workspace(root, ledger)
            write_example_package(root / "package")
            for _ in range(2):
                workspace.registry.register_model(str(root / "package"), MODEL)

    def run(self, root: Path, log: Log) -> None:
        """Make one version champion, then the other, and so on."""
        with log.step("open") as opened:
            ledger = open_central(root)
            workspace = _open_workspace(root, ledger)
        if not opened.done:
            return
        before: str | None = None
        for number in range(ROUNDS):
            version = str(number % 2 + 1)
            with log.step("decide", version=version, reasons=[f"decision {number}"]) as decided:
                move_alias(workspace, AliasChange(MODEL, CHAMPION, version, before, "promoted", f"decision {number}"))
            before = version if decided.done else before
        with log.step("close"):
            ledger.close()

    def check(self, root: Path, marks: Marks, verdict: Verdict) -> None:
        """The champion is that of the last decision, each decision is in the chain, and another can be made."""
        with open_central(root) as ledger:
            workspace = _open_workspace(root, ledger)
            recover_alias_changes(workspace, MODEL)
            decisions = [event for event in ledger.events(subject=MODEL) if event.kind == "promoted"]
            reasons = [event.reason for event in decisions]
            verdict.expect("decisions", marks.values("done", "decide", "reasons"), reasons)
            verdict.expect_whole([f"'{reason}' is there twice" for reason in reasons if reasons.count(reason) > 1])
            champion = workspace.registry.champion(MODEL)
            named = champion.version if champion else None
            decided = decisions[-1].subject.rpartition("/")[2] if decisions else None
            if named != decided:
                verdict.lost.append(f"The champion is {named}, and {decided} was decided")
            verdict.expect_whole(ledger.verify_events())
            other = "2" if named == "1" else "1"
            move_alias(workspace, AliasChange(MODEL, CHAMPION, other, named, "promoted", "afterwards"))
        verdict.expect_whole(list(list_damage(root)))


class Registrations:
    """Versions that are logged in a run and registered, as a training does."""

    name = "registrations"
    at_one_path = True
    imports: tuple[str, ...] = MLFLOW

    def prepare(self, root: Path) -> None:
        """The registry is there, and a package that a training wrote."""
        with open_central(root) as ledger:
            _open_workspace(root, ledger).registry.list_models()
            write_example_package(root / "package")

    def run(self, root: Path, log: Log) -> None:
        """Log the package in a run and register it, twice."""
        with log.step("open") as opened:
            registry = _open_registry(root)
            tracker = ExperimentTracker(
                MODEL, tracking_uri=_mlflow(root), artifact_location=(root / "state" / "artifacts").as_uri()
            )
        if not opened.done:
            return
        for number in range(2):
            with log.step("register", tags=[str(number)]), tracker.start_run(f"training {number}"):
                address = tracker.log_package(root / "package", "model")
                registry.register_model(address, MODEL, tags={"number": str(number)})

    def check(self, root: Path, marks: Marks, verdict: Verdict) -> None:
        """Each version is there, and its files are those that were packaged."""
        registry = _open_registry(root)
        versions = registry.list_versions(MODEL) if registry.list_models() else []
        done = marks.values("done", "register", "tags")
        verdict.expect("versions", done, [version.tags["number"] for version in versions])
        for version in versions:
            if version.tags["number"] in done:
                verify(registry.fetch(version, root / "cache"))
        registry.register_model(str(root / "package"), MODEL, tags={"number": "afterwards"})
        verdict.expect_whole(list(list_damage(root)))


def _mlflow(root: Path) -> str:
    return f"sqlite:///{root}/state/mlflow.db"


def _open_registry(root: Path) -> MlflowRegistry:
    (root / "state").mkdir(exist_ok=True)
    os.chdir(root)  # whatever MLflow writes by a relative name belongs to the story
    return MlflowRegistry(tracking_uri=_mlflow(root), settings=Settings.load(root))


def _open_workspace(root: Path, ledger: SqlLedger) -> Workspace:
    return Workspace(_open_registry(root), ledger, root / "cache", (), "ada")
