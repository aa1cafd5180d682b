"""Evaluation of a model on a frame, from Python and notebooks: an estimator, or a registered version."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from tiltyard.arguments import OPTIONAL_TEXT, check_arguments, require_texts
from tiltyard.errors import DataError, NotFoundError, UsageError
from tiltyard.evaluation import AnyEvaluation, evaluate_rows
from tiltyard.formatting import join_names
from tiltyard.jsonable import to_json_object
from tiltyard.pipeline.adoption.columns import describe_project, read_input_schema
from tiltyard.pipeline.adoption.from_python import read_rows_given
from tiltyard.pipeline.adoption.parity import name_inputs
from tiltyard.pipeline.adoption.request import AdoptionRequest, ModelOrigin
from tiltyard.pipeline.adoption.rows import read_adopted_rows
from tiltyard.project import Project
from tiltyard.promotion.context import build_workspace
from tiltyard.promotion.model_analysis import ModelAnalysis, analyse_model
from tiltyard.promotion.offline_predictions import compare_with_labels, find_unseen_rows, predict_rows
from tiltyard.registry import Package, VersionInfo
from tiltyard.registry.foreign.estimators import check_given_model
from tiltyard.result_display import ShownResult
from tiltyard.settings import Settings
from tiltyard.suggest import nearest
from tiltyard.wiring import open_ledger

_VERSIONS = "models:/"


@dataclass(frozen=True, repr=False)
class FrameEvaluation(ShownResult):
    """How a model does on rows.

    Attributes:
        title: the model.
        evaluation: how its predictions compare with the truth; ``report`` is a text of it.
        analysis: a closer look: slices, calibration and what its predictions depend on.
        unseen: whether it was trained on none of these rows; None where that is not known, and the metrics may be too
            good.
        left_out: rows that it was trained on, which were left out.
    """

    title: str
    evaluation: AnyEvaluation
    analysis: ModelAnalysis
    unseen: bool | None
    left_out: int

    @property
    def metrics(self) -> dict[str, float]:
        """The metrics by name."""
        return dict(self.evaluation.metrics)

    def describe(self) -> tuple[str, Mapping[str, Any]]:
        """A title, the metrics, and what is known of the rows."""
        known = (
            "not known whether it was trained on them (trained_on=…)"
            if self.unseen is None
            else f"it was trained on none of them ({self.left_out:,} left out)"
        )
        slices = self.analysis.slices
        worse = [f"{part.column} = {part.title}" for part in slices.slices if part.worse] if slices else []
        shown = {"rows": f"{self.evaluation.rows:,}; {known}", "metrics": self.metrics}
        return self.title, {**shown, **({"worse in": worse} if worse else {})}

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready form."""
        return {
            "model": self.title,
            "unseen": self.unseen,
            "left_out": self.left_out,
            **to_json_object(self.evaluation),
            **self.analysis.to_dict(),
        }


@check_arguments(label=OPTIONAL_TEXT, text=OPTIONAL_TEXT, positive=OPTIONAL_TEXT, slices=require_texts)
def evaluate_on_rows(  # noqa: PLR0913 - each is a keyword that a notebook names
    model: Any,
    data: Any,
    *,
    label: str | None = None,
    text: str | None = None,
    trained_on: Any = None,
    positive: str | None = None,
    slices: Sequence[str] = (),
    settings: Settings | None = None,
) -> FrameEvaluation:
    """Evaluate a model on labelled rows. Nothing is recorded, and no project file is read.

    Args:
        model: a fitted scikit-learn estimator or pipeline; or a registered version: ``models:/NAME/VERSION``,
            ``models:/NAME@ALIAS``. Of a version, rows that it was trained on are left out, and it decides by its rule.
        data: n labelled rows: a frame of pandas or polars, an Arrow table, or a file of rows.
        label: the column of what it predicts; default: the only column that it does not read, or ``label``, ``target``.
        text: of a model of texts, their column; default: the only one with words.
        trained_on: of an estimator the rows that it was fitted on, which are left out.
        positive: of two classes the one that counts as positive; default: the last in order.
        slices: columns whose values are evaluated one by one.
        settings: where versions are; default: the environment, and ``.tiltyard`` in the working folder.

    Raises:
        UsageError: the model cannot be evaluated (``tiltyard.adopt`` says of which kinds), or a name is not one.
        DataError: the rows cannot be read, lack a column, or the model was trained on each.
        NotFoundError: there is no such version.
    """
    rows, source, section = read_rows_given(data, "data", None, label)
    version = _load_version(model, settings) if isinstance(model, str | Path) else None
    found = check_given_model(model if version is None else version[1].model)
    if version is not None:
        found = replace(found, task=version[1].manifest.task)
    before = None if trained_on is None else read_rows_given(trained_on, "trained_on", None, label)[0]
    _require_slices(slices, rows)
    origin, all_new = ModelOrigin("Python"), before is None
    request = AdoptionRequest(found, origin, rows, source, before, all_new, label, text, model_name=found.kind)
    manifest = None if version is None else version[1].manifest
    if positive is None and manifest is not None:
        positive = manifest.positive
    project = _choose_rows(describe_project(request, None, section), positive, slices)
    schema = None if manifest is None else manifest.table_schema
    try:
        adopted = read_adopted_rows(request, project, schema or read_input_schema(found, rows, project))
    except DataError as error:
        if error.code != "data.positive-unknown":
            raise
        message = error.message.replace("data.positive", "positive", 1)
        raise DataError(message, next_step="Correct positive.", code=error.code, **error.fields) from None
    test = adopted.held_out or adopted.reference
    if version is not None:
        unseen = find_unseen_rows(version[1], version[0], test)
        if not unseen.any():
            raise DataError(
                f"Version {version[0].version} was trained on each of these rows.",
                next_step="Give rows that it has not seen.",
                code="evaluation.no-unseen-rows",
            )
        test = test.take(unseen)
    pipeline = name_inputs(found, test.inputs)
    rule = None if manifest is None else manifest.decision
    facts = compare_with_labels(predict_rows(pipeline, test, rule), test, project)
    title = found.kind if version is None else f"{version[0].name} version {version[0].version}"
    known = True if version is not None or before is not None else None
    analysis = analyse_model(pipeline, facts, test, project)
    return FrameEvaluation(title, evaluate_rows(facts), analysis, known, len(rows) - len(test))


def _require_slices(slices: Sequence[str], rows: pd.DataFrame) -> None:
    known = [str(name) for name in rows.columns]
    for name in slices:
        if name not in known:
            raise DataError(
                f"The rows have no column '{name}' (slices); they have {join_names(known)}.{nearest(name, known)}",
                next_step="Correct slices: names of columns of the rows.",
                code="data.column-missing",
                column=name,
            )


def _choose_rows(project: Project, positive: str | None, slices: Sequence[str]) -> Project:
    data = project.data.model_copy(update={"positive": positive, "slices": tuple(slices)})
    return project.model_copy(update={"data": data})


def _load_version(model: str | Path, settings: Settings | None) -> tuple[VersionInfo, Package]:
    """The registered version that an address names, with its verified files."""
    name = str(model)
    if not name.startswith(_VERSIONS):
        raise UsageError(
            f"'{name}' is not a model: it is neither an estimator nor the address of a version.",
            next_step="Give a fitted estimator, or models:/NAME/VERSION. A file is adopted first: tiltyard.adopt.",
            code="evaluate.no-model",
        )
    rest, _, alias = name.removeprefix(_VERSIONS).partition("@")
    model_name, _, number = rest.partition("/")
    settings = settings or Settings.load()
    with open_ledger(settings) as ledger:
        workspace = build_workspace(settings, ledger)
        if not (alias or number):
            known = [info.version for info in workspace.registry.list_versions(model_name)]
            raise NotFoundError(
                f"'{name}' names no version; {model_name} has {join_names(known) or 'none'}.",
                next_step=f"Give models:/{model_name}/VERSION or models:/{model_name}@champion.",
            )
        info = workspace.registry.get_version(model_name, version=number or None, alias=alias or None)
        return info, workspace.load(info)
