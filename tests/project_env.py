"""A project, an MLflow store and a ledger for each module."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.films import Films, make_films
from tiltyard.ledger import SqlLedger
from tiltyard.pipeline import QuietRunner, TrainingOutcome, TrainingRequest, Workspace, train
from tiltyard.project import Project, load_project
from tiltyard.promotion.manual_change import point_alias, remove_alias
from tiltyard.registry import ExperimentTracker, MlflowRegistry


@dataclass(frozen=True)
class ProjectEnv:
    """Everything that a training needs, in files."""

    films: Films
    workspace: Workspace
    tracking_uri: str

    @property
    def project(self) -> Project:
        """The project file as it stands now."""
        return load_project(self.films.root)

    def train(self, project: Project | None = None, **request: object) -> TrainingOutcome:
        """Train as the command does."""
        project = project or self.project
        artifacts = (self.films.root / "artifacts").as_uri()
        tracker = ExperimentTracker(project.name, tracking_uri=self.tracking_uri, artifact_location=artifacts)
        return train(project, tracker, self.workspace, QuietRunner(), TrainingRequest(**request))  # type: ignore[arg-type]

    def reset_champion(self, version: str) -> None:
        """Make a version the champion, with no previous one, whatever an earlier test has left."""
        name = self.project.model_name
        found = self.workspace.registry.champion(name)
        if found is None or found.version != version:
            point_alias(self.workspace, name, version=version, alias="champion", reason="for the test")
        remove_alias(self.workspace, name, alias="previous", reason="for the test")


@contextmanager
def open_project_env(root: Path, store: Path) -> Iterator[ProjectEnv]:
    """A project in a folder, with 500 reviews, a copy of an MLflow store, and no version yet."""
    uri = f"sqlite:///{shutil.copyfile(store, root / 'mlflow.db')}"
    with SqlLedger.open(f"sqlite:///{root / 'ledger.db'}") as ledger:
        workspace = Workspace(MlflowRegistry(tracking_uri=uri), ledger, root / "cache", (), "tester")
        yield ProjectEnv(make_films(root / "films", rows=500), workspace, uri)
