"""Where a command finds labelled rows: a file that it names, the project's source, or the rows that a training kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tiltyard.errors import DataError

if TYPE_CHECKING:
    from tiltyard.pipeline import Workspace
    from tiltyard.pipeline.kept_training import LabelledRows
    from tiltyard.project import DataSection, Project
    from tiltyard.registry import VersionInfo
    from tiltyard.settings import Settings


def data_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--data``, ``--label`` and ``--text``: labelled rows of a file, with or without a project file."""
    options = (
        click.option(
            "--data",
            "rows",
            type=click.Path(path_type=Path, exists=True, dir_okay=False),
            default=None,
            help="Labelled rows.  [default: those of the project, else those that the version's training kept]",
        ),
        click.option("--label", default=None, help="Column of the label in --data.  [default: as trained]"),
        click.option("--text", default=None, help="Column of the text in --data.  [default: as trained]"),
    )
    for option in reversed(options):
        command = option(command)
    return command


@dataclass(frozen=True)
class NamedRows:
    """What a command says about its rows.

    Attributes:
        file: the file of ``--data``; None where it names none.
        label: the column of ``--label``.
        text: the column of ``--text``.
    """

    file: Path | None = None
    label: str | None = None
    text: str | None = None


def read_test_data(
    workspace: Workspace, project: Project, settings: Settings, info: VersionInfo, named: NamedRows
) -> LabelledRows:
    """The rows to evaluate a version on: those of ``--data``, of the project file, or those that its training kept.

    Args:
        workspace: where the version is registered.
        project: the project of a file, or the one that a registered model implies.
        settings: of this host.
        info: the version.
        named: what the command says about its rows.

    Raises:
        ProjectError: no rows are known (``project.no-rows``).
        DataError: the rows cannot be read, or have not the columns.
    """
    from tiltyard.pipeline.kept_training import find_labelled_rows

    if named.file is not None:
        return _read_file(project, named.file, named)
    return find_labelled_rows(workspace, project, settings, info)


def read_data(project: Project, settings: Settings, named: NamedRows) -> LabelledRows:
    """The rows to check: those of ``--data``, of the project file, or those that the model's training kept.

    Without a project file that is the training of the champion; without a champion, of the newest version.

    Raises:
        ProjectError: no rows are known (``project.no-rows``).
        DataError: the rows cannot be read, or have not the columns.
        UnavailableError: there is no project file, and the registry cannot be reached.
    """
    from tiltyard import app_wiring, wiring
    from tiltyard.data import load_dataset
    from tiltyard.pipeline.kept_training import LabelledRows, read_kept_rows

    if named.file is not None:
        return _read_file(project, named.file, named)
    if project.has_rows:
        return LabelledRows(project, load_dataset(project), whole=False)
    with wiring.open_ledger(settings) as ledger:
        workspace = app_wiring.open_workspace(settings, ledger, project)
        champion = workspace.registry.champion(project.model_name)
        info = champion or workspace.registry.list_versions(project.model_name)[0]
        return read_kept_rows(workspace, project, settings, info)


def _read_file(project: Project, file: Path, named: NamedRows) -> LabelledRows:
    from tiltyard.data import load_dataset
    from tiltyard.data.loading import find_section
    from tiltyard.pipeline.kept_training import LabelledRows

    chosen = {"label": named.label, "text": named.text}
    section = find_section(project, str(file.resolve()), Path())
    section = section.model_copy(update={key: name for key, name in chosen.items() if name is not None})
    named_project = project.model_copy(update={"data": section})
    try:
        return LabelledRows(named_project, load_dataset(named_project), whole=True)
    except DataError as error:
        step = _find_step(error, section, implied=not project.has_rows)
        if step is None:
            raise
        raise DataError(error.message, next_step=step, code=error.code, **error.fields) from None


def _find_step(error: DataError, section: DataSection, *, implied: bool) -> str | None:
    """The option that names a missing column; None where the error says the right thing already."""
    column = error.fields.get("column")
    if error.code != "data.column-missing":
        return None
    if column == section.label:
        return "Name the column: --label COLUMN."
    if column == section.text:
        return "Name the column: --text COLUMN."
    return "Add the column, which the model reads, or name another file." if implied else None
