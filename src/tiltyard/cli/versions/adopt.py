"""``tiltyard adopt``: make a version of a model that was fitted elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tiltyard.choices import UNPICKLE_GB, UNPICKLE_SECONDS
from tiltyard.cli.options import Number, json_option, project_option
from tiltyard.cli.output import console, print_json
from tiltyard.errors import ProjectError

if TYPE_CHECKING:
    from tiltyard.pipeline.adoption.request import AdoptedVersion
    from tiltyard.project import Project

_FILE = click.Path(path_type=Path, exists=True)


@click.command()
@click.argument("source")
@project_option
@click.option("--model-name", default=None, help="Registered model.  [default: the project's, else by SOURCE]")
@click.option("--data", type=_FILE, default=None, help="Labelled rows.  [default: those of the project]")
@click.option("--label", default=None, help="Column of what the model predicts.  [default: chosen]")
@click.option("--text", default=None, help="Column of the texts, of a model of texts.  [default: chosen]")
@click.option("--trained-on", type=_FILE, default=None, help="The rows that the model was fitted on.")
@click.option("--all-new", is_flag=True, help="State that the model was fitted on none of the rows.")
@click.option("--unpickle", is_flag=True, help="Open a pickle (.pkl, .joblib), in a process without network.")
@click.option(
    "--unpickle-seconds", type=click.IntRange(1), default=UNPICKLE_SECONDS, show_default=True, help="Time it may take."
)
@click.option(
    "--unpickle-gb",
    type=Number(0.5),
    default=UNPICKLE_GB,
    show_default=True,
    help="Memory it may take.",
)
@json_option
def adopt_command(
    source: str,
    project_path: Path | None,
    model_name: str | None,
    data: Path | None,
    label: str | None,
    text: str | None,
    trained_on: Path | None,
    unpickle_seconds: int,
    unpickle_gb: float,
    *,
    all_new: bool,
    unpickle: bool,
    as_json: bool,
) -> None:
    """Make a version of a model that was fitted elsewhere: a file, or what MLflow has.

    SOURCE is a scikit-learn estimator or pipeline as .skops, .joblib or .pkl; a booster as LightGBM's .txt, XGBoost's
    .json or .ubj, or CatBoost's .cbm; a folder of MLflow, runs:/RUN_ID/PATH or models:/NAME/VERSION. The version gets a
    profile, held-out rows, a scorer and a lineage, and goes through the gates like any other. Which rows it was fitted
    on has to be said (--trained-on or --all-new); else it is registered, and no comparison is made.
    """
    from tiltyard.pipeline.adoption.from_python import adopt
    from tiltyard.registry.foreign.unpickling import PickleLimits
    from tiltyard.settings import Settings

    project = _find_project(project_path, model_name)
    settings = Settings.load(project.root if project is not None else None)
    adopted = adopt(
        source,
        data,
        label=label,
        text=text,
        trained_on=trained_on,
        all_new=all_new,
        model_name=model_name if project is None else None,
        unpickle=PickleLimits(unpickle_seconds, unpickle_gb) if unpickle else False,
        project=project,
        settings=settings,
    )
    if as_json:
        print_json(adopted.to_dict())
    else:
        _render(adopted)


def _find_project(path: Path | None, model_name: str | None) -> Project | None:
    """The project of a file, where there is one and it is about this model."""
    from tiltyard.project import find_project_file, load_project

    try:
        project = load_project(path) if path is not None else load_project(find_project_file())
    except ProjectError as error:
        if error.code != "project.missing":
            raise
        return None
    return project if model_name in (None, project.model_name, project.name) else None


def _render(adopted: AdoptedVersion) -> None:
    console.print(str(adopted))
