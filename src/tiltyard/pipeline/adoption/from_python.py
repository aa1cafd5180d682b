"""Adoption and evaluation from Python and notebooks: estimators and frames, with or without a project file."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pandas as pd

from tiltyard.arguments import OPTIONAL_TEXT, check_arguments, require_flag
from tiltyard.data.conform.table_like import read_table_like
from tiltyard.data.loading import find_section, read_rows
from tiltyard.errors import UsageError
from tiltyard.pipeline.adoption.adopt import adopt_model
from tiltyard.pipeline.adoption.columns import describe_project
from tiltyard.pipeline.adoption.model_files import OpeningRules, open_saved_model
from tiltyard.pipeline.adoption.request import AdoptedVersion, AdoptionRequest, ModelOrigin
from tiltyard.project import DataSection, Project, find_project_of
from tiltyard.project.project_file import NO_ROWS
from tiltyard.promotion.context import NO_DESTINATIONS, build_workspace
from tiltyard.registry import ExperimentTracker
from tiltyard.registry.foreign.estimators import FittedModel, check_given_model
from tiltyard.registry.foreign.unpickling import PickleLimits
from tiltyard.settings import Settings
from tiltyard.tasks import USUAL_TARGET, find_task
from tiltyard.wiring import open_ledger


@check_arguments(label=OPTIONAL_TEXT, text=OPTIONAL_TEXT, all_new=require_flag, model_name=OPTIONAL_TEXT)
def adopt(  # noqa: PLR0913 - each is a keyword that a notebook names
    model: Any,
    data: Any = None,
    *,
    label: str | None = None,
    text: str | None = None,
    trained_on: Any = None,
    all_new: bool = False,
    model_name: str | None = None,
    unpickle: bool | PickleLimits = False,
    project: Project | None = None,
    settings: Settings | None = None,
) -> AdoptedVersion:
    """Make a registered version of a model that was fitted elsewhere.

    It gets what a trained version has: a signature, a profile that drift is measured against, rows that it was not
    trained on, a scorer that was compared with the model itself, and a lineage. It goes through the gates like any
    other: ``tiltyard promote``.

    Args:
        model: a fitted scikit-learn estimator or pipeline, or a booster of LightGBM, XGBoost or CatBoost; or what holds
            one: a file (``.skops``, ``.joblib``, ``.pkl``, LightGBM's ``.txt``, XGBoost's ``.json``, CatBoost's
            ``.cbm``), a folder of MLflow, ``runs:/RUN_ID/PATH``, ``models:/NAME/VERSION``.
        data: n labelled rows: a frame of pandas or polars, an Arrow table, or a file of rows; default: those of the
            project. Of a model that was fitted on a matrix the columns but the label are its inputs, in their order.
        label: the column of what it predicts; default: the only column that it does not read, or ``label``, ``target``.
        text: of a model of texts, their column; default: the only one with words.
        trained_on: the rows that it was fitted on, as ``data``; those among ``data`` are left out where it is
            evaluated or compared.
        all_new: state that it was fitted on none of ``data``. Without either, no comparison is made.
        model_name: the registered model; default: the project's, else the name of the model's file, or of its class.
        unpickle: whether a pickle is opened, in a process without network; limits may be given.
        project: a project whose columns, limits and gates count; default: the project around the working folder, if it
            is about this model.
        settings: where things live; default: the environment, and ``.tiltyard`` in the working folder.

    Raises:
        UsageError: the model cannot be kept as a version, or reads rows otherwise than they are served.
        ArtifactError: its file cannot be opened safely.
        DataError: the rows cannot be read, or lack a column.
        UnavailableError: MLflow or the ledger cannot be reached.
    """
    settings = settings or Settings.load(project.root if project is not None else None)
    settings.make_state()
    limits = unpickle if isinstance(unpickle, PickleLimits) else PickleLimits() if unpickle else None
    with tempfile.TemporaryDirectory(prefix="tiltyard-adopt-") as folder:
        found, origin = _open(model, Path(folder), OpeningRules(settings, limits))
    name = model_name or (project.model_name if project is not None else _name_model(model, found))
    _require_model_name(name)
    project = project if project is not None else find_project_of(name)
    rows, source, section = read_rows_given(data, "data", project, label)
    before = None if trained_on is None else read_rows_given(trained_on, "trained_on", project, label)[0]
    request = AdoptionRequest(
        found, origin, rows, source, trained_on=before, all_new=all_new, label=label, text=text, model_name=name
    )
    return adopt_request(request, project, settings, section)


def adopt_request(
    request: AdoptionRequest, project: Project | None, settings: Settings, section: DataSection | None = None
) -> AdoptedVersion:
    """Carry an adoption out on this host.

    Args:
        request: the model and its rows.
        project: the project of a file; None for none.
        settings: of this host.
        section: how the file of the rows is written; None for a frame.

    Raises:
        UsageError: as of ``adopt``.
        DataError: as of ``adopt``.
        UnavailableError: as of ``adopt``.
    """
    described = describe_project(request, project, section)
    tracker = ExperimentTracker(
        described.name, tracking_uri=settings.tracking_uri, artifact_location=settings.artifact_location
    )
    alerts = project.alerts if project is not None else NO_DESTINATIONS
    with open_ledger(settings) as ledger:
        return adopt_model(build_workspace(settings, ledger, alerts), tracker, described, request)


def read_rows_given(
    given: Any, what: str, project: Project | None, label: str | None
) -> tuple[pd.DataFrame, str, DataSection | None]:
    """The rows, where they are from, and how their file is written; those of the project where none are given.

    Args:
        given: a table of any usual form, or a file.
        what: what messages call it.
        project: whose rows are read where none are given, and by which a file is read; None for none.
        label: the label's column, whose cells are read as they stand; None where it is not known.

    Raises:
        UsageError: nothing is given, or it is not a table.
        DataError: the file cannot be read.
    """
    if given is None and project is not None and project.has_rows:
        return read_rows(project, project.data.source, project.root), project.data.source, None
    if given is None:
        raise UsageError(
            f"{what} is None.", next_step=f"Give {what}: labelled rows, or a file of them.", code="data.none"
        )
    if not isinstance(given, str | Path):
        return read_table_like(given, what), "data frame", None
    file = Path(given)
    if not file.exists():
        raise UsageError(f"There is no file {file}.", next_step=f"Correct the path ({what}).", code="data.missing")
    whole = str(file.resolve())
    base = project if project is not None else _make_plain_project(label)
    return read_rows(base, whole), whole, find_section(base, whole, Path())


def _open(model: Any, folder: Path, rules: OpeningRules) -> tuple[FittedModel, ModelOrigin]:
    if not isinstance(model, str | Path):
        return check_given_model(model), ModelOrigin("Python")
    opened = open_saved_model(str(model), folder, rules)
    return check_given_model(opened.model), ModelOrigin(str(model), opened.form, opened.digest, opened.notes)


def _name_model(model: Any, found: FittedModel) -> str:
    """The registered model where nobody names it: by the file, by the model that MLflow knows, else by the class."""
    text = str(model) if isinstance(model, str | Path) else ""
    if text.startswith("models:/"):
        return text.removeprefix("models:/").split("@")[0].split("/")[0]
    if text and not text.startswith("runs:/"):
        return Path(text).stem or found.kind
    return found.kind


def _require_model_name(name: str) -> None:
    """Refuse a name that MLflow's registry takes for none, before anything is recorded.

    Raises:
        UsageError: it is one (``adopt.model-name``).
    """
    if "/" in name or ":" in name:
        raise UsageError(
            f"{name!r} cannot be the name of a registered model: it holds '/' or ':'.",
            next_step="Give another one: --model-name NAME (in Python model_name=NAME).",
            code="adopt.model-name",
        )


def _make_plain_project(label: str | None) -> Project:
    """A project of defaults, by which a file is read whose columns are not named yet."""
    return Project.model_validate(
        {
            "project": {"name": "adopted", "task": find_task("table", USUAL_TARGET)},
            "data": {"source": NO_ROWS, "label": label or "label"},
        }
    )
