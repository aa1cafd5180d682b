"""A project, an MLflow store and a ledger of its own for each module."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.films import Films, make_films
from tiltyard.ledger import SqlLedger
from tiltyard.pipeline import QuietRunner, Stage, TrainingOutcome, TrainingRequest, train
from tiltyard.project import Project, load_project
from tiltyard.registry import ExperimentTracker, ModelRegistry


@dataclass(frozen=True)
class Yard:
    """Everything a training needs, on files of its own."""

    films: Films
    stage: Stage
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
        return train(project, tracker, self.stage, QuietRunner(), TrainingRequest(**request))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def yard(tmp_path_factory: pytest.TempPathFactory, fresh_store: Path) -> Iterator[Yard]:
    """A yard with 500 reviews and no version yet."""
    root = tmp_path_factory.mktemp("yard")
    uri = f"sqlite:///{shutil.copyfile(fresh_store, root / 'mlflow.db')}"
    with SqlLedger.open(f"sqlite:///{root / 'ledger.db'}") as ledger:
        stage = Stage(ModelRegistry(tracking_uri=uri), ledger, root / "cache", (), "tester")
        yield Yard(make_films(root / "films", rows=500), stage, uri)
