"""Training a version from the base data and the labelled predictions of production."""

from __future__ import annotations

from collections.abc import Mapping

from tiltyard.data import Dataset, split_dataset
from tiltyard.data.load_dataset import read_dataset
from tiltyard.pipeline.orchestration.runner import Runner
from tiltyard.pipeline.training.production_data import gather_production_data
from tiltyard.pipeline.training.train import TrainingRequest, train
from tiltyard.project import Project
from tiltyard.promotion.context import Workspace
from tiltyard.registry import ExperimentTracker, VersionInfo


class ProjectTrainer:
    """A ``Trainer`` of a project.

    Args:
        project: the project.
        tracker: where runs are recorded.
        workspace: registry, ledger and host.
        runner: runs the steps and shows them.
        candidates: recipes to try instead of the project's.
    """

    def __init__(
        self,
        project: Project,
        tracker: ExperimentTracker,
        workspace: Workspace,
        runner: Runner,
        candidates: tuple[str, ...] = (),
    ) -> None:
        self._project, self._tracker, self._workspace, self._runner = project, tracker, workspace, runner
        self._candidates = candidates
        self._rows: Dataset | None = None

    def train(self, tags: Mapping[str, str]) -> VersionInfo:
        """Train and register a version; see ``Trainer.train``."""
        self._rows = None
        # Where production differs from the base data the sides differ in kind; that is why this training takes place.
        request = TrainingRequest(candidates=self._candidates, load=self._gather, tags=tags, accept_data=True)
        return train(self._project, self._tracker, self._workspace, self._runner, request).version

    def test_rows(self) -> Dataset:
        """The rows that the version is evaluated on; see ``Trainer.test_rows``."""
        return split_dataset(self._rows or self._gather(), self._project.split, self._project.data.time).test

    def _gather(self) -> Dataset:
        gathered = gather_production_data(self._project, self._workspace.ledger, base=self._read_base())
        self._runner.say(gathered.summary)
        self._rows = gathered.dataset
        return gathered.dataset

    def _read_base(self) -> Dataset:
        return read_dataset(self._project, self._workspace.find_split_schema(self._project.model_name))
