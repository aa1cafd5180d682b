"""Training a version from the base data and the labelled predictions of production."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tiltyard.data import Dataset, split_dataset
from tiltyard.data.loading import read_dataset
from tiltyard.errors import ProjectError
from tiltyard.models import Candidate
from tiltyard.pipeline.kept_training import load_kept_training
from tiltyard.pipeline.orchestration.runner import Runner
from tiltyard.pipeline.remediation.actions import ACTION_TAG
from tiltyard.pipeline.training.production_data import gather_production_data
from tiltyard.pipeline.training.train import TrainingRequest, train
from tiltyard.project import Project
from tiltyard.promotion.context import Workspace
from tiltyard.registry import ExperimentTracker, VersionInfo


@dataclass(frozen=True)
class TrainingBasis:
    """What a retraining begins with.

    Attributes:
        project: says how rows are split and what is trained.
        read: reads the base data, with all its classes.
        recipes: what is trained instead of the project's candidates; none means these.
    """

    project: Project
    read: Callable[[], Dataset]
    recipes: tuple[Candidate, ...] = ()


@dataclass(frozen=True)
class _Gathered:
    """All rows of a retraining, and the project by which they are split."""

    project: Project
    dataset: Dataset


class ProjectTrainer:
    """A ``Trainer`` of a project.

    Args:
        project: the project; one without a file trains what its model's training kept (`find_basis`).
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
        self._gathered: _Gathered | None = None

    def train(self, tags: Mapping[str, str]) -> VersionInfo:
        """Train and register a version; see ``Trainer.train``."""
        self._gathered = None
        basis = find_basis(self._project, self._tracker, self._workspace)
        # Where production differs from the base data the sides differ in kind; that is why this training takes place.
        request = TrainingRequest(
            candidates=self._candidates,
            recipes=() if self._candidates else basis.recipes,
            load=lambda: self._gather(basis).dataset,
            tags=tags,
            accept_data=True,
        )
        return train(basis.project, self._tracker, self._workspace, self._runner, request).version

    def test_rows(self) -> Dataset:
        """The rows that the version is evaluated on; see ``Trainer.test_rows``."""
        rows = self._gathered or self._gather(find_basis(self._project, self._tracker, self._workspace))
        return split_dataset(rows.dataset, rows.project.split, rows.project.data.time).test

    def _gather(self, basis: TrainingBasis) -> _Gathered:
        gathered = gather_production_data(basis.project, self._workspace.ledger, base=basis.read())
        self._runner.say(gathered.summary)
        self._gathered = _Gathered(basis.project, gathered.dataset)
        return self._gathered


def find_basis(project: Project, tracker: ExperimentTracker, workspace: Workspace) -> TrainingBasis:
    """The base data and the recipes of a retraining: those of the project file, else what the model's training kept.

    Without a project file it is the training of the champion (without one, of the newest version). One that was itself
    a retraining is passed over for the version before it: its rows hold labels of production already, which are added
    anew.

    Raises:
        ProjectError: there is no project file, and no rows were kept (``project.no-rows``).
        UsageError: what the version's run says cannot be used any more.
    """
    if project.has_rows:
        name = project.model_name
        return TrainingBasis(project, lambda: read_dataset(project, workspace.find_split_schema(name)))
    kept = load_kept_training(project, _find_base_version(workspace, project), tracker, workspace)
    return TrainingBasis(kept.project, kept.read_dataset, (kept.find_candidate(),))


def _find_base_version(workspace: Workspace, project: Project) -> VersionInfo:
    champion = workspace.registry.champion(project.model_name)
    versions = workspace.registry.list_versions(project.model_name)
    newest = int(champion.version) if champion else None
    for info in versions:
        if ACTION_TAG not in info.tags and (newest is None or int(info.version) <= newest):
            return info
    raise ProjectError(
        f"Every version of {project.model_name} comes from a retraining, and no project file names labelled rows.",
        next_step=f"Make a project file: tiltyard init DATA_FILE --model-name {project.model_name}",
        code="project.no-rows",
    )
