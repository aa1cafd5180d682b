"""A model is evaluated on a frame in a notebook, without a project file."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline

import tiltyard
from tiltyard.errors import DataError, NotFoundError, UsageError
from tiltyard.models.recipes.text import TEXT, TEXT_REGRESSORS
from tiltyard.settings import Settings

RANDOM = np.random.default_rng(7)
ROWS = pd.DataFrame({"a": RANDOM.normal(size=200), "b": RANDOM.normal(size=200), "side": ["left", "right"] * 100})
ROWS["stays"] = np.where(ROWS["a"] + RANDOM.normal(0, 0.5, 200) > 0, "yes", "no")
TAUGHT = ROWS[:120]
MODEL = LogisticRegression().fit(TAUGHT[["a", "b"]], TAUGHT["stays"])


@pytest.mark.parametrize("form", ["pandas", "polars", "pyarrow"])
def test_an_estimator_is_evaluated_on_frames_of_any_library(form: str) -> None:
    """The metrics are those of scikit-learn's own predictions, and the rows that taught it are left out."""
    given: Any = ROWS
    if form != "pandas":
        module = pytest.importorskip(form)
        given = module.from_pandas(ROWS) if form == "polars" else module.Table.from_pandas(ROWS)
    found = tiltyard.evaluate(MODEL, given, label="stays", trained_on=TAUGHT, slices=["side"])
    others = ROWS[120:]
    assert found.metrics["accuracy"] == pytest.approx((MODEL.predict(others[["a", "b"]]) == others["stays"]).mean())
    assert (found.unseen, found.left_out) == (True, 120)
    assert found.analysis.slices is not None
    assert "accuracy" in found._repr_html_()
    assert "LogisticRegression" in repr(found)


def test_a_wrong_name_is_called_by_its_argument() -> None:
    """What a notebook names wrongly is corrected in the call: there is no project file."""
    with pytest.raises(DataError, match=r"no column 'sid' \(slices\).*Did you mean 'side'") as refused:
        tiltyard.evaluate(MODEL, ROWS, label="stays", slices=["sid"])
    assert "project file" not in refused.value.next_step
    with pytest.raises(DataError, match=r"^positive = 'maybe' is not among the labels no, yes") as refused:
        tiltyard.evaluate(MODEL, ROWS, label="stays", positive="maybe")
    assert refused.value.next_step == "Correct positive."
    with pytest.raises(UsageError, match="slices is 'side', which is not a list"):
        tiltyard.evaluate(MODEL, ROWS, label="stays", slices="side")


def test_without_training_rows_the_result_says_that_they_are_not_known() -> None:
    """Whether an estimator has seen the rows is not known without its training rows, and the result says so."""
    found = tiltyard.evaluate(Ridge().fit(ROWS[["a"]], ROWS["b"]), ROWS[["a", "b"]])
    assert found.unseen is None
    assert "not known" in repr(found)
    assert found.metrics["mae"] > 0


def test_a_model_of_texts_is_evaluated() -> None:
    """A pipeline that begins with a vectoriser reads the only column of words."""
    rows = pd.DataFrame({"text": ["good film", "bad film"] * 30, "label": ["pos", "neg"] * 30})
    model = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(rows["text"], rows["label"])
    assert tiltyard.evaluate(model, rows).metrics["accuracy"] == 1.0
    scores = rows.assign(label=range(60)).rename(columns={"label": "score"})
    regressor = make_pipeline(TfidfVectorizer(), Ridge()).fit(scores["text"], scores["score"])
    assert tiltyard.evaluate(regressor, scores).metrics["mae"] > 0, "the only other column is its label"


@pytest.mark.parametrize("name", [*TEXT, *TEXT_REGRESSORS])
def test_our_own_models_of_texts_read_texts(settings: Settings, name: str) -> None:
    """What our recipes fit is known to read texts, and its version is evaluated and adopted like any other."""
    words = RANDOM.choice(["good", "fine", "bad", "dull", "film"], (120, 6))
    score = (words == "good").sum(1) - (words == "bad").sum(1) + RANDOM.normal(0, 0.1, 120)
    label = np.where(score > 0, "pos", "neg") if name in TEXT else score
    rows = pd.DataFrame({"review": [" ".join(some) for some in words], "score": label})
    model = {**TEXT, **TEXT_REGRESSORS}[name][1](1).fit(rows["review"].to_list(), rows["score"])
    named: dict[str, Any] = {"label": "score", "text": "review"}
    adopted = tiltyard.adopt(model, rows, all_new=True, model_name=f"of-{name}", settings=settings, **named)
    assert adopted.task == ("text-classification" if name in TEXT else "text-regression")
    found = tiltyard.evaluate(f"models:/of-{name}/1", rows, settings=settings, **named)
    assert found.metrics == pytest.approx(dict(adopted.metrics))


def test_a_registered_version_is_evaluated_on_rows_that_it_has_not_seen(settings: Settings) -> None:
    """A version leaves out the rows that it was trained on; one that has seen each refuses."""
    kept = ROWS[["a", "b", "stays"]]
    tiltyard.adopt(MODEL, kept, trained_on=kept[:120], model_name="stays", settings=settings)
    found = tiltyard.evaluate("models:/stays/1", kept, settings=settings)
    assert (found.unseen, found.left_out, found.evaluation.rows) == (True, 120, 80)
    with pytest.raises(DataError, match="trained on each"):
        tiltyard.evaluate("models:/stays/1", kept[:120], settings=settings)
    with pytest.raises(NotFoundError, match="names no version"):
        tiltyard.evaluate("models:/stays", kept, settings=settings)
    with pytest.raises(UsageError, match="neither an estimator nor"):
        tiltyard.evaluate("stays.pkl", kept, settings=settings)
