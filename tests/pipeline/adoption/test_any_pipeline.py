"""Every estimator of scikit-learn, fitted elsewhere, is adopted or refused by name."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tiltyard
from tests.pipeline.adoption.fitted_pipelines import FittedPipeline, PipelineCase, list_pipelines
from tiltyard.data.loading import build_dataset
from tiltyard.drift.findings import evaluate_drift
from tiltyard.drift.options import DriftOptions
from tiltyard.drift.profiles import FILE as PROFILE
from tiltyard.drift.profiles import Rows, profile_rows
from tiltyard.errors import TiltyardError
from tiltyard.pipeline.adoption.adopt import prepare_adoption
from tiltyard.pipeline.adoption.columns import describe_project
from tiltyard.pipeline.adoption.log_adoption import AdoptedModel, describe_adopted
from tiltyard.pipeline.adoption.request import AdoptionRequest, ModelOrigin
from tiltyard.pipeline.training.reference_profile import build_reference_profile
from tiltyard.project import Project
from tiltyard.promotion.context import build_workspace
from tiltyard.promotion.offline_predictions import predict_rows
from tiltyard.promotion.rollback import promote_version
from tiltyard.registry import Manifest, Package
from tiltyard.registry.foreign.estimators import check_given_model
from tiltyard.registry.lineage import read_lineage
from tiltyard.registry.package.skops_file import read_model, write_model
from tiltyard.registry.package.trusted_types import trusted_type_names
from tiltyard.scoring import make_scorer
from tiltyard.settings import Settings
from tiltyard.wiring import open_ledger

CASES = list(list_pipelines())

NO_PROBABILITIES = "model.no-probabilities"
NOT_TRUSTED = "artifact.untrusted-type"
REFUSED: Mapping[str, str] = {
    **dict.fromkeys(
        (
            *("LinearSVC", "NuSVC", "SVC", "OneVsOneClassifier", "OutputCodeClassifier", "Perceptron"),
            *("RidgeClassifier", "RidgeClassifierCV", "SGDClassifier"),
        ),
        NO_PROBABILITIES,
    ),
    # A tree of neighbours: its nodes are followed unchecked. With algorithm="brute" there is none.
    **dict.fromkeys(("RadiusNeighborsClassifier", "RadiusNeighborsRegressor"), NOT_TRUSTED),
    # It keeps the function that scored it.
    "TunedThresholdClassifierCV": NOT_TRUSTED,
}
"""The estimators that are refused, with the code of the error."""


def prepare(case: PipelineCase) -> tuple[FittedPipeline, Project, AdoptedModel]:
    fitted = case.fit()
    request = AdoptionRequest(
        check_given_model(fitted.model),
        ModelOrigin("Python"),
        fitted.others,
        "data frame",
        trained_on=fitted.taught,
        label=str(fitted.others.columns[-1]),
        model_name="adopted",
    )
    project = describe_project(request, None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what scikit-learn says of an unknown word
        return fitted, project, prepare_adoption(project, request, ())


@pytest.mark.parametrize("case", [case for case in CASES if case.name.split("-")[0] not in REFUSED], ids=repr)
def test_any_fitted_pipeline_predicts_alike_and_is_watched(case: PipelineCase, tmp_path: Path) -> None:
    """An adopted pipeline, stored and read back, predicts for rows of JSON what it predicted, and drift is seen."""
    fitted, project, adopted = prepare(case)
    card = describe_adopted(project, adopted)
    assert card.scorer is not None
    write_model(adopted.stored, tmp_path / "model.skops")
    stored = read_model(tmp_path / "model.skops", trusted_type_names())
    scorer = make_scorer(Package(stored, Manifest(**dict(card), files={}, libraries={}), tmp_path))
    inputs = fitted.others.iloc[:40, :-1]
    scores = scorer.score(as_json(inputs))
    if card.classes:
        spelt = [str(label) for label in fitted.model.classes_]
        expected = fitted.model.predict_proba(as_fitted(fitted.model, inputs))
        ours = scores.probabilities[:, [card.classes.index(name) for name in spelt]]
        # XGBoost takes the probability of the other label from 1 in single precision.
        close = 1e-7 if case.name.startswith("XGB") else 1e-9
        np.testing.assert_allclose(ours, expected, rtol=0, atol=close)
    else:
        expected = np.ravel(fitted.model.predict(as_fitted(fitted.model, inputs)))
        np.testing.assert_allclose(np.asarray(scores.numbers), expected, rtol=1e-9)

    held_out = adopted.rows.held_out
    assert held_out is not None
    predictions = predict_rows(adopted.model.pipeline, held_out)
    reference = build_reference_profile(adopted.split, predictions, project)
    rows = held_out.inputs
    other: Any = (
        rows.map(lambda text: "never heard of " + text)
        if isinstance(rows, pd.Series)
        else rows.assign(age=rows["age"] + 50)
    )
    options = DriftOptions(min_rows=30)
    assert evaluate_drift(reference, profile_rows(reference.layout, Rows(other)), options).drifted


@pytest.mark.proof
@pytest.mark.parametrize("case", [case for case in CASES if case.name.split("-")[0] not in REFUSED], ids=repr)
def test_any_fitted_pipeline_is_registered_recorded_and_promoted(case: PipelineCase, settings: Settings) -> None:
    """Each becomes a version of the registry with a lineage and an event, and the gates evaluate it."""
    fitted, name = case.fit(), case.name
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what scikit-learn says of an unknown word
        label = str(fitted.others.columns[-1])
        version = tiltyard.adopt(
            fitted.model, fitted.others, label=label, trained_on=fitted.taught, model_name=name, settings=settings
        )
        assert 0 < version.held_out <= len(fitted.others)  # a text may repeat one that taught it
        assert read_lineage(version.version) is not None
        with open_ledger(settings) as ledger:
            workspace = build_workspace(settings, ledger)
            rows = build_dataset(version.project, fitted.others, [])
            decided = promote_version(workspace, version.project, version.version.version, rows)
            kinds = [event.kind for event in ledger.events(subject=name)]
            package = workspace.load(version.version)
    assert decided.verdict.gates
    assert kinds[0] == "registered"
    assert package.attachment(PROFILE) is not None
    assert make_scorer(package).score(as_json(fitted.others.iloc[:5, :-1])).labels


@pytest.mark.parametrize("case", [case for case in CASES if case.name.split("-")[0] in REFUSED], ids=repr)
def test_other_estimators_are_refused_by_name(case: PipelineCase) -> None:
    """What cannot be kept is refused before anything is recorded, by the name of the estimator or of its type."""
    with pytest.raises(TiltyardError) as refused:
        prepare(case)
    assert refused.value.code == REFUSED[case.name.split("-")[0]]
    assert case.name.split("-")[0] in refused.value.message
    assert refused.value.next_step


def test_a_hundred_pipelines_are_adopted() -> None:
    """There are a hundred cases or more, and no estimator of scikit-learn is left out without a word."""
    adopted = [case for case in CASES if case.name.split("-")[0] not in REFUSED]
    assert len(adopted) >= 100
    assert {case.name.split("-")[0] for case in CASES} >= set(REFUSED)


def as_json(inputs: pd.DataFrame) -> list[dict[str, Any]]:
    plain = inputs.astype(object).where(inputs.notna(), None).to_dict(orient="records")
    return [{str(name): value for name, value in row.items()} for row in plain]


def as_fitted(model: Any, inputs: pd.DataFrame) -> Any:
    if list(inputs.columns) == ["text"]:
        return inputs["text"].to_list()
    return inputs if hasattr(model, "feature_names_in_") else inputs.to_numpy()
