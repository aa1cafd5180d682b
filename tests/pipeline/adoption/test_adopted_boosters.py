"""Boosters that a library fitted are adopted: from Python, in a pipeline, and from the library's own file."""

from __future__ import annotations

import importlib
import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder

import tiltyard
from tiltyard.errors import ArtifactError, UsageError
from tiltyard.pipeline.adoption.adopt import prepare_adoption
from tiltyard.pipeline.adoption.columns import describe_project
from tiltyard.pipeline.adoption.log_adoption import describe_adopted
from tiltyard.pipeline.adoption.model_files import OpenedModel, OpeningRules, open_saved_model
from tiltyard.pipeline.adoption.request import AdoptionRequest, ModelOrigin
from tiltyard.registry import Manifest, Package
from tiltyard.registry.foreign.estimators import check_given_model
from tiltyard.registry.foreign.fitted_boosters import open_booster_file
from tiltyard.registry.package.skops_file import read_model, write_model
from tiltyard.registry.package.trusted_types import trusted_type_names
from tiltyard.scoring import make_scorer
from tiltyard.settings import Settings

RANDOM = np.random.default_rng(4)
FRAME = pd.DataFrame({"a": RANDOM.normal(size=240), "b": RANDOM.normal(size=240)})
FRAME.loc[::9, "a"] = np.nan
SCORE = FRAME["b"] * 2 + FRAME["a"].fillna(0)
LABELS: dict[str, Any] = {
    "two": (SCORE > 0).astype(int).to_numpy(),
    "three": np.digitize(SCORE, [-1, 1]),
    "number": SCORE.to_numpy() + 5,
}


def make(library: str, target: str) -> Any:
    module = pytest.importorskip(library)
    last = "Regressor" if target == "number" else "Classifier"
    prefix = {"lightgbm": "LGBM", "xgboost": "XGB", "catboost": "CatBoost"}[library]
    quiet: dict[str, dict[str, Any]] = {
        "lightgbm": {"verbosity": -1, "n_jobs": 1},
        "xgboost": {"n_jobs": 1},
        "catboost": {"verbose": False, "allow_writing_files": False, "thread_count": 1},
    }
    return getattr(module, prefix + last)(n_estimators=8, **quiet[library])


def fit(library: str, target: str, form: str) -> Any:
    booster = make(library, target)
    if form == "pipeline":
        words = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
        columns = make_column_transformer((words, ["town"]), remainder="passthrough")
        return make_pipeline(columns, booster).fit(with_towns(), LABELS[target])
    return booster.fit(FRAME.to_numpy() if form == "matrix" else FRAME, LABELS[target])


FILES = {"lightgbm": ".txt", "xgboost": ".json", "catboost": ".cbm"}


def with_towns() -> pd.DataFrame:
    return FRAME.assign(town=["York", "Hull", "Leeds"] * 80)


@pytest.mark.parametrize("form", ["frame", "matrix", "pipeline"])
@pytest.mark.parametrize("target", list(LABELS))
@pytest.mark.parametrize("library", ["lightgbm", "xgboost", "catboost"])
def test_a_booster_predicts_alike_after_it_is_stored(library: str, target: str, form: str, tmp_path: Path) -> None:
    """A fitted booster, stored without a pickle and read back, predicts for rows of JSON what its library predicted."""
    model = fit(library, target, form)
    inputs = with_towns() if form == "pipeline" else FRAME
    rows = inputs.assign(y=LABELS[target])
    request = AdoptionRequest(
        check_given_model(model), ModelOrigin("Python"), rows, "frame", all_new=True, label="y", model_name="m"
    )
    project = describe_project(request, None)
    adopted = prepare_adoption(project, request, ())
    write_model(adopted.stored, tmp_path / "model.skops")
    stored = read_model(tmp_path / "model.skops", trusted_type_names())
    card = describe_adopted(project, adopted)
    scorer = make_scorer(Package(stored, Manifest(**dict(card), files={}, libraries={}), tmp_path))
    few = inputs.head(30)
    plain = few.astype(object).where(few.notna(), None).to_dict(orient="records")
    scores = scorer.score([{str(name): value for name, value in row.items()} for row in plain])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        given = few.to_numpy() if form == "matrix" else few
        expected = model.predict(given) if target == "number" else model.predict_proba(given)
    found = np.asarray(scores.numbers) if target == "number" else scores.probabilities
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6 if library == "xgboost" else 1e-12)
    assert adopted.model.candidate.name == type(model[-1] if form == "pipeline" else model).__name__


@pytest.mark.parametrize("target", list(LABELS))
@pytest.mark.parametrize("library", list(FILES))
def test_a_librarys_own_file_is_adopted(library: str, target: str, tmp_path: Path) -> None:
    """LightGBM's text and XGBoost's JSON give a model whose classes are 0, 1, …; CatBoost's file knows their names."""
    model = fit(library, target, "frame")
    file = tmp_path / f"m{FILES[library]}"
    (model.booster_ if library == "lightgbm" else model).save_model(str(file))
    opened: Any = open_booster_file(file)
    if target == "number":
        np.testing.assert_allclose(opened.predict(FRAME), model.predict(FRAME), rtol=1e-6)
    else:
        np.testing.assert_allclose(opened.predict_proba(FRAME), model.predict_proba(FRAME), atol=1e-6)
        names = np.unique(LABELS[target]).tolist()
        assert opened.classes_.tolist() == (names if library == "catboost" else list(range(len(names))))


def test_a_file_of_a_booster_becomes_a_version(settings: Settings, tmp_path: Path) -> None:
    """The version of a booster's file has metrics, is named by its file, and says which library wrote it."""
    fit("lightgbm", "two", "frame").booster_.save_model(str(tmp_path / "churn.txt"))
    rows = FRAME.assign(label=LABELS["two"])
    version = tiltyard.adopt(tmp_path / "churn.txt", rows, label="label", all_new=True, settings=settings)
    assert (version.version.name, version.origin.form) == ("churn", "lightgbm")
    assert version.metrics["accuracy"] > 0.9


def open_folder(folder: Path, tmp_path: Path) -> OpenedModel:
    (tmp_path / "work").mkdir()
    return open_saved_model(str(folder), tmp_path / "work", OpeningRules(Settings.load(tmp_path)))


def test_xgboosts_binary_file_is_the_same_model_as_its_json(tmp_path: Path) -> None:
    """A .ubj file is read to the very document that XGBoost writes as JSON."""
    model = fit("xgboost", "three", "frame")
    model.save_model(str(tmp_path / "m.ubj"))
    model.save_model(str(tmp_path / "m.json"))
    binary: Any = open_booster_file(tmp_path / "m.ubj")
    text: Any = open_booster_file(tmp_path / "m.json")
    assert np.array_equal(binary.predict_proba(FRAME), text.predict_proba(FRAME))
    np.testing.assert_allclose(binary.predict_proba(FRAME), model.predict_proba(FRAME), atol=1e-6)


def test_a_binary_file_with_unsound_trees_is_refused_before_xgboost_reads_it(tmp_path: Path) -> None:
    """A child outside its tree is named, and so is a file that ends within a value."""
    model = fit("xgboost", "two", "frame")
    content = bytes(model.get_booster().save_raw("ubj"))
    # The list of left children is in 32 bits: the first root gets a child that there is not.
    place = content.index(b"left_children[$l#L") + len(b"left_children[$l#L") + 8
    (tmp_path / "m.ubj").write_bytes(content[:place] + (10**6).to_bytes(4, "big") + content[place + 4 :])
    with pytest.raises(ArtifactError) as refused:
        open_booster_file(tmp_path / "m.ubj")
    assert refused.value.code == "artifact.unsound-tree"
    (tmp_path / "m.ubj").write_bytes(content[:-5])
    with pytest.raises(ArtifactError) as refused:
        open_booster_file(tmp_path / "m.ubj")
    assert refused.value.code == "adopt.not-a-booster"


def save_by_mlflow(flavor: str, model: Any, folder: Path, **options: Any) -> None:
    module = importlib.import_module(f"mlflow.{flavor}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module.save_model(model, str(folder), pip_requirements=["scikit-learn"], **options)


@pytest.mark.parametrize(
    ("flavor", "options"),
    [("lightgbm", {}), ("xgboost", {}), ("xgboost", {"model_format": "json"}), ("catboost", {})],
)
def test_what_mlflows_flavors_of_boosters_logged_is_adopted(
    flavor: str, options: dict[str, Any], tmp_path: Path
) -> None:
    """LightGBM's Booster, XGBoost's binary file and JSON, and CatBoost's file are opened without a pickle."""
    model = fit(flavor, "two", "frame")
    save_by_mlflow(flavor, model.booster_ if flavor == "lightgbm" else model, tmp_path / "saved", **options)
    opened = open_folder(tmp_path / "saved", tmp_path)
    assert opened.form == f"mlflow {flavor}"
    np.testing.assert_allclose(opened.model.predict_proba(FRAME), model.predict_proba(FRAME), atol=1e-6)


def test_estimators_that_mlflow_pickled_are_refused_by_name(tmp_path: Path) -> None:
    """LightGBM's estimator is a pickle in MLflow; CatBoost's library does not read its JSON exactly."""
    save_by_mlflow("lightgbm", fit("lightgbm", "two", "frame"), tmp_path / "saved", serialization_format="cloudpickle")
    with pytest.raises(UsageError) as refused:
        open_folder(tmp_path / "saved", tmp_path)
    assert refused.value.code == "adopt.is-pickle"
    save_by_mlflow("catboost", fit("catboost", "two", "frame"), tmp_path / "other", format="json")
    (tmp_path / "more").mkdir()
    with pytest.raises(UsageError, match=r"model\.cb, which is of no form") as refused:
        open_folder(tmp_path / "other", tmp_path / "more")
    assert refused.value.code == "adopt.unknown-form"


OBJECTIVES: dict[str, dict[str, dict[str, Any]]] = {
    "lightgbm": {
        "two": {"objective": "binary"},
        "three": {"objective": "multiclass", "num_class": 3},
        "number": {"objective": "regression"},
    },
    "xgboost": {
        "two": {"objective": "binary:logistic"},
        "three": {"objective": "multi:softprob", "num_class": 3},
        "number": {"objective": "reg:squarederror"},
    },
    "catboost": {
        "two": {"loss_function": "Logloss"},
        "three": {"loss_function": "MultiClass"},
        "number": {"loss_function": "RMSE"},
    },
}


def train_natively(library: str, target: str, **settings: Any) -> tuple[Any, Any]:
    """What the library's own ``train`` gives, and what that predicts for the frame."""
    module, labels = pytest.importorskip(library), LABELS[target]
    given = {**OBJECTIVES[library][target], **settings}
    if library == "lightgbm":
        booster = module.train({"verbosity": -1, **given}, module.Dataset(FRAME, labels), 8)
        return booster, booster.predict(FRAME)
    if library == "xgboost":
        booster = module.train(given, module.DMatrix(FRAME, labels), 8)
        return booster, booster.predict(module.DMatrix(FRAME))
    booster = module.CatBoost({"iterations": 8, "verbose": False, "allow_writing_files": False, **given})
    booster.fit(FRAME, labels)
    kind = "RawFormulaVal" if target == "number" else "Probability"
    return booster, booster.predict(FRAME, prediction_type=kind)


@pytest.mark.requirement("R-MORE-03")
@pytest.mark.parametrize("target", list(LABELS))
@pytest.mark.parametrize("library", ["lightgbm", "xgboost", "catboost"])
def test_what_a_librarys_own_train_gives_is_adopted(settings: Settings, library: str, target: str) -> None:
    """A Booster, which knows no labels, becomes a version that predicts what the library predicts."""
    booster, expected = train_natively(library, target)
    found = check_given_model(booster)
    predicted = found.model.predict(FRAME) if target == "number" else found.model.predict_proba(FRAME)
    if np.ndim(expected) == 1 and target == "two":
        expected = np.column_stack([1 - expected, expected])
    np.testing.assert_allclose(predicted, expected, rtol=1e-6, atol=1e-7)
    rows = FRAME.assign(y=LABELS[target])
    adopted = tiltyard.adopt(
        booster, rows, label="y", all_new=True, model_name=f"{library}-{target}", settings=settings
    )
    assert adopted.scorer.name.startswith("compiled"), adopted.scorer
    evaluated = tiltyard.evaluate(booster, rows, label="y")
    assert evaluated.metrics == pytest.approx(dict(adopted.metrics))


def test_a_booster_for_something_else_is_refused_by_its_objective(tmp_path: Path) -> None:
    """Classes without probabilities, scores and ranks are not kept as numbers, and what is not fitted is not kept."""
    xgboost, lightgbm = pytest.importorskip("xgboost"), pytest.importorskip("lightgbm")
    for objective in ("multi:softmax", "binary:logitraw", "binary:hinge", "rank:pairwise"):
        classes = {"num_class": 3} if objective.startswith("multi") else {}
        booster = xgboost.train({"objective": objective, **classes}, xgboost.DMatrix(FRAME, LABELS["two"]), 2)
        booster.save_model(tmp_path / "m.json")
        for make_model in (lambda one=booster: check_given_model(one), lambda: open_booster_file(tmp_path / "m.json")):
            with pytest.raises(UsageError, match=f"'{objective}'"):
                make_model()
    ranker = lightgbm.train(
        {"objective": "lambdarank", "verbosity": -1}, lightgbm.Dataset(FRAME, LABELS["two"], group=[240]), 2
    )
    with pytest.raises(UsageError, match="'lambdarank'"):
        check_given_model(ranker)
    with pytest.raises(UsageError, match="is not fitted"):
        check_given_model(xgboost.Booster())


def test_a_file_of_a_newer_xgboost_is_refused(tmp_path: Path) -> None:
    """An older library reads it without a word, and may lose its base score."""
    booster = fit("xgboost", "two", "frame")
    for ending in (".json", ".ubj"):
        file = tmp_path / f"m{ending}"
        booster.save_model(file)
        content = file.read_bytes()
        if ending == ".json":
            file.write_text(json.dumps({**json.loads(content), "version": [99, 1, 0]}))
        else:
            place = content.rindex(b"version[") + len(b"version[")
            place += content[place:].index(b"i") + 1 if content[place : place + 1] != b"$" else 0
            assert content[place] == int(importlib.import_module("xgboost").__version__.split(".")[0])
            file.write_bytes(content[:place] + bytes([99]) + content[place + 1 :])
        with pytest.raises(ArtifactError, match=r"XGBoost 99\.") as refused:
            open_booster_file(file)
        assert refused.value.code == "artifact.older-library"


def with_categories() -> Any:
    frame = FRAME.assign(town=pd.Series(["York", "Hull"] * 120, dtype="category"))
    booster = make("catboost", "two").set_params(cat_features=["town"])
    return booster.fit(frame, LABELS["two"])


@pytest.mark.parametrize(
    ("make_model", "said"),
    [(lambda: make("xgboost", "two"), "is not fitted"), (with_categories, "reads categories")],
)
def test_what_cannot_be_stored_is_refused_by_name(make_model: Callable[[], Any], said: str) -> None:
    """A booster that is not fitted, or codes categories by itself, is refused."""
    with pytest.raises(UsageError, match=said) as refused:
        check_given_model(make_model())
    assert refused.value.next_step


@pytest.mark.parametrize("name", ["m.txt", "m.json", "m.cbm"])
def test_a_file_that_is_no_booster_is_named(name: str, tmp_path: Path) -> None:
    """Another text, or JSON of something else, is refused with the name of the file."""
    (tmp_path / name).write_text('{"a": 1}' if name.endswith("json") else "hello")
    with pytest.raises(ArtifactError, match=f"{name} is not a booster") as refused:
        open_booster_file(tmp_path / name)
    assert refused.value.code == "adopt.not-a-booster"
