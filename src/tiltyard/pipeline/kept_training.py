"""Labelled rows to evaluate versions on: the project's, or those that a training kept, with its estimator."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from tiltyard.data import Dataset, Split, load_dataset, split_dataset
from tiltyard.data.groups import find_row_groups
from tiltyard.data.loading import read_dataset
from tiltyard.data.rare_classes import settle_rare_classes
from tiltyard.errors import DataError, NotFoundError, ProjectError
from tiltyard.models import CANDIDATES, Candidate, get_candidate
from tiltyard.models.custom_candidates import is_custom
from tiltyard.pipeline.training.reproduce import load_kept_project
from tiltyard.project import Project
from tiltyard.promotion.context import Workspace
from tiltyard.promotion.offline_predictions import find_unseen_rows
from tiltyard.registry import ExperimentTracker, Package, VersionInfo
from tiltyard.registry.ports import ADOPTED_TAG
from tiltyard.settings import Settings
from tiltyard.tasks import reads_text

SIDE = "tiltyard_side"
"""The column that says on which side of the split a kept row was."""

SIDE_SPLIT = f"column:{SIDE}"


@dataclass(frozen=True)
class KeptTraining:
    """What the training of a version kept.

    Attributes:
        version: the version.
        package: its files.
        project: the sections that decided about data and training then, the kept rows as the source, and a split into
            the sides on which they were; of a version that was adopted and not trained on any of the rows, or on rows
            that are not known, the split of that time.
        all_new: whether it was trained on none of the rows, as one may be that was adopted.
    """

    version: VersionInfo
    package: Package
    project: Project
    all_new: bool = False

    def read_dataset(self) -> Dataset:
        """The kept rows with all their classes; the frame has the column ``SIDE`` where they were on two sides."""
        rows = read_dataset(self.project)
        if self.project.split.by != SIDE_SPLIT:
            return rows
        side = np.where(self._find_test_rows(rows), "test", "train")
        return replace(rows, frame=rows.frame.assign(**{SIDE: side}))

    def find_candidate(self) -> Candidate:
        """The recipe of the version; of an estimator that Python code brought, an unfitted copy of it."""
        [name] = self.project.training.candidates
        if name in CANDIDATES or is_custom(name):
            return get_candidate(name, self.project.task, self.project.root)
        pipeline = self.package.pipeline
        return Candidate(name, name, self.project.task, lambda _seed: clone(pipeline))

    def _find_test_rows(self, rows: Dataset) -> NDArray[np.bool_]:
        """The rows that the version was not trained on; a group with one that it was trained on is a training group."""
        unseen = find_unseen_rows(self.package, self.version, rows)
        if self.project.split.group is None:
            return unseen
        keys = find_row_groups(rows, self.project.split.group).keys
        return np.asarray(~np.isin(keys, keys[~unseen]), dtype=np.bool_)


def load_kept_training(
    project: Project, info: VersionInfo, tracker: ExperimentTracker, workspace: Workspace
) -> KeptTraining:
    """What the training of a version kept, for a project that does not name its rows.

    Args:
        project: the project that the registered model implies.
        info: the version.
        tracker: where its run was recorded.
        workspace: where it is registered.

    Raises:
        ProjectError: its rows were not kept, or are gone (``project.no-rows``).
        UsageError: what its run says cannot be used any more.
        ArtifactError: its files are damaged or unsafe.
    """
    try:
        _, then = load_kept_project(project, info, tracker, workspace)
    except (NotFoundError, DataError) as error:
        raise ProjectError(
            f"No project file names labelled rows of {project.model_name}, and version {info.version} does not say "
            f"where those of its training are: {error.message}",
            next_step=f"Make a project file: tiltyard init DATA_FILE --model-name {project.model_name}",
            code="project.no-rows",
        ) from None
    package = workspace.load(info)
    known = bool(len(package.training_keys))
    all_new = package.new_keys is not None or (known and _has_only_new_rows(package, info, then))
    return KeptTraining(info, package, _split_as_then(then, project, package, sides=known and not all_new), all_new)


def _has_only_new_rows(package: Package, info: VersionInfo, then: Project) -> bool:
    """Whether none of the kept rows taught a version: it was adopted, and its training rows came without labels."""
    return ADOPTED_TAG in info.tags and bool(find_unseen_rows(package, info, read_dataset(then)).all())


def _split_as_then(then: Project, now: Project, package: Package, *, sides: bool) -> Project:
    """The project of that time, with the model's present name and, with ``sides``, a split into those of that time."""
    data: dict[str, Any] = {}
    if not reads_text(then.task) and then.data.features is None:
        data["features"] = tuple(package.manifest.columns)  # all others: the label, and the side from now on
    split = then.split.model_copy(update={"by": SIDE_SPLIT}) if sides else then.split
    return then.model_copy(
        update={
            "project": then.project.model_copy(update={"model": now.model_name}),
            "data": then.data.model_copy(update=data),
            "split": split,
        }
    )


@dataclass(frozen=True)
class LabelledRows:
    """Labelled rows, and the project that they belong to.

    Attributes:
        project: says how they are split and treated.
        dataset: the rows.
        whole: whether all of them are test rows: those of a file that was named for it, and those that were new to an
            adopted version.
    """

    project: Project
    dataset: Dataset
    whole: bool

    def split(self) -> Split:
        """Their two sides, by the project's rule."""
        return split_dataset(self.dataset, self.project.split, self.project.data.time)

    def find_test_rows(self) -> Dataset:
        """Their test side, or all of them."""
        return self.dataset if self.whole else self.split().test


def find_labelled_rows(workspace: Workspace, project: Project, settings: Settings, info: VersionInfo) -> LabelledRows:
    """The rows to evaluate a version on: those of the project's source, or those that its training kept.

    Args:
        workspace: where the version is registered.
        project: the project of a file, or the one that a registered model implies.
        settings: of this host.
        info: the version.

    Raises:
        ProjectError: no rows are known (``project.no-rows``).
        DataError: the rows cannot be read, or have not the columns.
    """
    if project.has_rows:
        return LabelledRows(project, load_dataset(project, workspace.find_split_schema(info.name)), whole=False)
    return read_kept_rows(workspace, project, settings, info)


def read_kept_rows(workspace: Workspace, project: Project, settings: Settings, info: VersionInfo) -> LabelledRows:
    """The rows that the training of a version kept.

    Raises:
        ProjectError: none were kept (``project.no-rows``).
    """
    from tiltyard import wiring  # noqa: PLC0415 - imports MLflow

    try:
        kept = load_kept_training(project, info, wiring.open_tracker(project, settings), workspace)
    except ProjectError as error:
        raise ProjectError(error.message, next_step="Name labelled rows: --data FILE.", code=error.code) from None
    return LabelledRows(kept.project, settle_rare_classes(kept.read_dataset(), kept.project), whole=kept.all_new)
