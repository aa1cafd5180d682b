"""A model that was fitted elsewhere becomes a version like any other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import tiltyard
from tiltyard.drift.profiles import FILE as PROFILE
from tiltyard.errors import ArtifactError, DataError, UsageError
from tiltyard.ledger.model_events import read_decision_rule
from tiltyard.pipeline.adoption.request import AdoptedVersion
from tiltyard.project import Project, load_project
from tiltyard.promotion.context import Workspace, build_workspace
from tiltyard.promotion.offline_predictions import find_unseen_rows
from tiltyard.promotion.rollback import promote_version
from tiltyard.registry import Package
from tiltyard.registry.lineage import read_lineage
from tiltyard.scoring import make_scorer
from tiltyard.settings import Settings
from tiltyard.wiring import open_ledger

INPUTS = ["age", "zip", "spend"]


def make_customers(rows: int = 400, seed: int = 0) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "age": random.integers(18, 80, rows),
            "zip": random.choice(["01234", "99999", "07001"], rows),
            "spend": random.normal(100, 30, rows).round(2),
        }
    )
    score = frame["age"] + 20 * (frame["zip"] == "01234") + random.normal(0, 12, rows)
    return frame.assign(stays=np.where(score > 55, "yes", "no").astype(object), value=score)


CUSTOMERS = make_customers()
TAUGHT, OTHERS = CUSTOMERS[:200].reset_index(drop=True), CUSTOMERS[200:].reset_index(drop=True)


def fit(estimator: Any, label: str) -> Any:
    columns = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["zip"]), (StandardScaler(), ["age", "spend"])
    )
    return make_pipeline(columns, estimator).fit(TAUGHT[INPUTS], TAUGHT[label])


CLASSIFIER, REGRESSOR = fit(LogisticRegression(), "stays"), fit(Ridge(), "value")


def adopt(settings: Settings, model: Any, label: str, name: str, **how: Any) -> AdoptedVersion:
    rows = how.pop("rows", CUSTOMERS)
    rows = rows[[*INPUTS, label]] if isinstance(rows, pd.DataFrame) else rows
    return tiltyard.adopt(model, rows, label=label, model_name=name, settings=settings, **how)


def load(settings: Settings, version: AdoptedVersion) -> Package:
    with open_ledger(settings) as ledger:
        return build_workspace(settings, ledger).load(version.version)


def promote(settings: Settings, version: AdoptedVersion, rows: pd.DataFrame) -> Any:
    from tiltyard.data.loading import build_dataset

    with open_ledger(settings) as ledger:
        workspace: Workspace = build_workspace(settings, ledger)
        dataset = build_dataset(version.project, rows, [])
        return promote_version(workspace, version.project, version.version.version, dataset)


def test_an_adopted_classifier_has_what_a_trained_one_has(settings: Settings) -> None:
    """It has metrics on rows that it has not seen, a profile, held-out rows, a parity-checked scorer and a lineage."""
    version = adopt(settings, CLASSIFIER, "stays", "churn", trained_on=TAUGHT[[*INPUTS, "stays"]])
    assert version.held_out == 200
    assert version.metrics["accuracy"] == pytest.approx((CLASSIFIER.predict(OTHERS[INPUTS]) == OTHERS["stays"]).mean())
    assert version.scorer.name == "compiled table, linear"
    assert version.scorer.largest_difference is not None
    package = load(settings, version)
    assert package.attachment(PROFILE) is not None
    assert package.held_out is not None
    assert package.manifest.train_rows == len(package.training_keys) == 200
    lineage = read_lineage(version.version)
    assert lineage is not None
    assert lineage.parameters["adopted_from"] == "Python"
    assert "churn version" in version._repr_html_()
    row = OTHERS[INPUTS].iloc[:1]
    scores = make_scorer(package).score([{"age": int(row["age"].iloc[0]), "zip": row["zip"].iloc[0], "spend": "81.5"}])
    expected = CLASSIFIER.predict_proba(row.assign(spend=81.5))
    np.testing.assert_allclose(scores.probabilities, expected, atol=1e-9)
    with open_ledger(settings) as ledger:
        events = [event for event in ledger.events(subject="churn") if event.subject.endswith(version.version.version)]
    assert [event.kind for event in events] == ["registered"]
    assert promote(settings, version, CUSTOMERS).promoted


def test_only_rows_that_are_stated_to_be_new_are_unseen(settings: Settings) -> None:
    """With --all-new the rows of the adoption evaluate the version, and no other row does, now or later."""
    version = adopt(settings, CLASSIFIER, "stays", "new", rows=OTHERS, all_new=True)
    assert version.held_out == len(OTHERS)
    package = load(settings, version)
    from tiltyard.data.loading import build_dataset

    later = build_dataset(version.project, pd.concat([OTHERS, make_customers(50, seed=9)], ignore_index=True), [])
    unseen = find_unseen_rows(package, version.version, later)
    assert unseen[: len(OTHERS)].all()
    assert not unseen[len(OTHERS) :].any()
    assert promote(settings, version, OTHERS).promoted


def test_without_a_statement_nothing_is_compared(settings: Settings) -> None:
    """Where nobody says which rows taught it, it has no metrics and no held-out rows, and the gates say why."""
    version = adopt(settings, REGRESSOR, "value", "unknown")
    assert not version.metrics
    assert "--trained-on" in version.why_not_compared
    package = load(settings, version)
    assert package.held_out_numbers is None
    assert package.intervals is None
    assert package.attachment(PROFILE) is not None
    with pytest.raises(DataError, match="does not say which rows it was trained on") as refused:
        promote(settings, version, CUSTOMERS)
    assert refused.value.code == "promotion.training-rows-unknown"
    assert "--trained-on" in refused.value.next_step


def test_an_adopted_regressor_gets_intervals_without_another_fit(settings: Settings) -> None:
    """Half of the unseen rows calibrates the intervals, the other half measures them; the gates promote it."""
    version = adopt(settings, REGRESSOR, "value", "value", trained_on=TAUGHT[[*INPUTS, "value"]])
    package = load(settings, version)
    assert package.intervals is not None
    assert package.intervals.method == "split-conformal"
    assert package.intervals.rows + package.intervals.measured[0].rows == version.held_out == 200
    scores = make_scorer(package).score([{"age": 30, "zip": "07001", "spend": 100}])
    assert scores.intervals is not None
    assert promote(settings, version, CUSTOMERS).promoted


def test_a_model_of_a_matrix_reads_columns_by_name(settings: Settings) -> None:
    """A model without names takes the columns but the label, in their order, and rows of JSON in any order."""
    model = RandomForestClassifier(5, random_state=0).fit(TAUGHT[["age", "spend"]].to_numpy(), TAUGHT["stays"])
    rows = OTHERS[["age", "spend", "stays"]]
    version = tiltyard.adopt(model, rows, label="stays", all_new=True, model_name="matrix", settings=settings)
    scores = make_scorer(load(settings, version)).score([{"spend": 90, "age": 30}])
    np.testing.assert_allclose(scores.probabilities, model.predict_proba([[30, 90]]), atol=1e-9)
    with pytest.raises(DataError, match="fitted on 2 columns without names, and the rows have 3"):
        adopt(settings, model, "stays", "matrix", rows=OTHERS, all_new=True)


@pytest.mark.parametrize("form", ["polars", "pyarrow"])
def test_frames_of_other_libraries_are_adopted(settings: Settings, form: str) -> None:
    """Rows of polars and pyarrow give the same version as those of pandas."""
    module = pytest.importorskip(form)
    rows = OTHERS[[*INPUTS, "stays"]]
    given = module.from_pandas(rows) if form == "polars" else module.Table.from_pandas(rows)
    version = tiltyard.adopt(CLASSIFIER, given, all_new=True, model_name=form, settings=settings)
    assert version.held_out == len(OTHERS)
    assert version.project.data.label == "stays"


@pytest.mark.requirement("R-MORE-03")
@pytest.mark.parametrize("form", ["search", "pipeline", "pickle", "halves"])
def test_a_search_is_adopted_by_its_best_estimator(settings: Settings, tmp_path: Path, form: str) -> None:
    """A fitted GridSearchCV predicts by its best estimator, which is what the version keeps."""
    columns = make_column_transformer((OneHotEncoder(handle_unknown="ignore"), ["zip"]), remainder="passthrough")
    tried = {"C": [0.01, 1.0]}
    search: Any = GridSearchCV(LogisticRegression(max_iter=1000), tried, cv=3)
    if form == "pipeline":
        search = make_pipeline(columns, search)
    else:
        kind = RandomizedSearchCV if form == "halves" else GridSearchCV
        how = {"n_iter": 2} if form == "halves" else {}
        named = {f"logisticregression__{name}": values for name, values in tried.items()}
        search = kind(make_pipeline(columns, LogisticRegression(max_iter=1000)), named, cv=3, **how)
    search.fit(TAUGHT[INPUTS], TAUGHT["stays"])
    source: Any = search
    if form == "pickle":
        source = tmp_path / "search.pkl"
        joblib.dump(search, source)
    version = adopt(settings, source, "stays", form, trained_on=TAUGHT, unpickle=form == "pickle")
    assert version.metrics["accuracy"] == pytest.approx((search.predict(OTHERS[INPUTS]) == OTHERS["stays"]).mean())
    assert version.scorer.name == "compiled table, linear"
    skops.io.dump(search, tmp_path / "search.skops")
    with pytest.raises(ArtifactError, match="StratifiedKFold") as refused:
        adopt(settings, tmp_path / "search.skops", "stays", form, trained_on=TAUGHT)
    assert "best_estimator_" in refused.value.next_step


@pytest.mark.requirement("R-MORE-04")
def test_the_projects_decision_is_that_of_an_adopted_model(settings: Settings, tmp_path: Path) -> None:
    """A threshold of the project decides for an adopted model, in its metrics, scorer, samples and lineage."""
    project = write_decision(tmp_path, "threshold = 0.2\nabstain_below = 0.6")
    adopted = adopt(settings, CLASSIFIER, "stays", "decided", trained_on=TAUGHT, project=project)
    package = load(settings, adopted)
    rule = package.manifest.decision
    assert rule is not None
    assert (rule.threshold, rule.positive, rule.abstain_below) == (0.2, "yes", 0.6)
    probabilities = CLASSIFIER.predict_proba(OTHERS[INPUTS])[:, 1]
    decided = np.where(probabilities >= 0.2, "yes", "no")
    assert adopted.metrics["accuracy"] == pytest.approx((decided == OTHERS["stays"]).mean())
    assert adopted.metrics["accuracy"] != pytest.approx((CLASSIFIER.predict(OTHERS[INPUTS]) == OTHERS["stays"]).mean())
    rows: list[dict[str, Any]] = OTHERS[INPUTS].to_dict("records")  # type: ignore[assignment]
    assert list(make_scorer(package).score(rows).labels) == decided.tolist()
    with open_ledger(settings) as ledger:
        assert read_decision_rule(ledger, adopted.version.name, adopted.version.version) == rule
    evaluated = tiltyard.evaluate(f"models:/{adopted.version.name}/1", CUSTOMERS[[*INPUTS, "stays"]], settings=settings)
    assert evaluated.metrics == pytest.approx(dict(adopted.metrics))


def test_a_decision_that_needs_a_training_is_refused_for_an_adopted_model(settings: Settings, tmp_path: Path) -> None:
    """A threshold that is chosen while training cannot be had for a model that is not fitted again."""
    project = write_decision(tmp_path, 'tune = "f1"')
    with pytest.raises(UsageError, match="not fitted again") as refused:
        adopt(settings, CLASSIFIER, "stays", "tuned", trained_on=TAUGHT, project=project)
    assert refused.value.code == "decision.needs-training"
    project = write_decision(tmp_path, "costs = { maybe = { no = 1.0 } }")
    with pytest.raises(DataError, match="'maybe', which is none of the labels"):
        adopt(settings, CLASSIFIER, "stays", "priced", trained_on=TAUGHT, project=project)
    for name in ("tuned", "priced"):
        assert not tiltyard.ModelRegistry(settings=settings).list_versions(name)


def write_decision(folder: Path, decision: str) -> Project:
    """A project of customers with a rule of deciding."""
    head = '[project]\nname = "customers"\ntask = "tabular-classification"\n'
    data = '[data]\nsource = "rows.csv"\nlabel = "stays"\n'
    (folder / "tiltyard.toml").write_text(f"{head}{data}[decision]\n{decision}\n", encoding="utf-8")
    return load_project(folder / "tiltyard.toml")


def test_a_skops_file_and_files_of_rows_are_adopted(settings: Settings, tmp_path: Path) -> None:
    """A version comes from files alone, and its lineage names the model's file with its digest."""
    skops.io.dump(CLASSIFIER, tmp_path / "churn.skops")
    OTHERS[[*INPUTS, "stays"]].to_csv(tmp_path / "rows.csv", index=False)
    TAUGHT[INPUTS].to_csv(tmp_path / "taught.csv", index=False)
    version = tiltyard.adopt(
        tmp_path / "churn.skops", tmp_path / "rows.csv", trained_on=tmp_path / "taught.csv", settings=settings
    )
    assert version.version.name == "churn"
    assert version.held_out == len(OTHERS)
    assert len(version.origin.digest) == 64
    kinds = {column.name: column.kind for column in load(settings, version).manifest.table_schema.columns}  # type: ignore[union-attr]
    assert kinds["zip"] == "category", "01234 stays the word that the encoder knows"


def test_a_pickle_is_refused_until_it_is_allowed(settings: Settings, tmp_path: Path) -> None:
    """Without unpickle=True a pickle is not opened, and the error shows how to save it otherwise."""
    joblib.dump(CLASSIFIER, tmp_path / "churn.joblib")
    with pytest.raises(UsageError, match="is a pickle") as refused:
        adopt(settings, tmp_path / "churn.joblib", "stays", "churn")
    assert "skops.io.dump" in refused.value.next_step
    assert "--unpickle" in refused.value.next_step
