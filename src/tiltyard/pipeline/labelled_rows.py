"""Labelled rows to evaluate versions on: those of the project's source, or those that a training kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tiltyard.errors import ProjectError

if TYPE_CHECKING:
    from tiltyard.data import Dataset, Split
    from tiltyard.project import Project
    from tiltyard.promotion.context import Workspace
    from tiltyard.registry import VersionInfo
    from tiltyard.settings import Settings


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
        from tiltyard.data import split_dataset  # noqa: PLC0415 - imports pandas

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
    from tiltyard.data import load_dataset  # noqa: PLC0415 - imports pandas

    if project.has_rows:
        return LabelledRows(project, load_dataset(project, workspace.find_split_schema(info.name)), whole=False)
    return read_kept_rows(workspace, project, settings, info)


def read_kept_rows(workspace: Workspace, project: Project, settings: Settings, info: VersionInfo) -> LabelledRows:
    """The rows that the training of a version kept.

    Raises:
        ProjectError: none were kept (``project.no-rows``).
    """
    from tiltyard import wiring  # noqa: PLC0415 - imports MLflow
    from tiltyard.data.rare_classes import settle_rare_classes  # noqa: PLC0415 - imports pandas
    from tiltyard.pipeline.kept_training import load_kept_training  # noqa: PLC0415 - imports pandas

    try:
        kept = load_kept_training(project, info, wiring.open_tracker(project, settings), workspace)
    except ProjectError as error:
        raise ProjectError(error.message, next_step="Name labelled rows: --data FILE.", code=error.code) from None
    return LabelledRows(kept.project, settle_rare_classes(kept.read_dataset(), kept.project), whole=kept.all_new)
