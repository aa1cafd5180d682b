from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline

from tests.scoring.conftest import COLUMNS, table
from tiltyard.models.tfidf.vectoriser import FastTfidfVectorizer
from tiltyard.promotion.offline_predictions import predict_dataset
from tiltyard.registry import Manifest, Package, Samples
from tiltyard.scoring import SklearnScorer, TableScorer, TextScorer, choose_scorer, make_scorer
from tiltyard.scoring.explanations import explain
from tiltyard.tasks import Task

TEXTS = ["a warm film", "dull and slow", "what a waste", "I loved it"]


def package(pipeline: Pipeline, task: Task, columns: dict[str, str], samples: Samples) -> Package:
    manifest = Manifest(
        model_name="m",
        task=task,
        candidate="c",
        classes=tuple(map(str, pipeline.classes_)),
        columns=columns,
        metrics={},
        data_fingerprint="f",
        train_rows=1,
        created_at=datetime.now(UTC),
        samples=samples,
        files={},
        libraries={},
    )
    return Package(pipeline, manifest, Path())


def samples_of(pipeline: Pipeline, shift: float = 0.0) -> Samples:
    probabilities = pipeline.predict_proba(TEXTS) + shift
    return Samples(
        inputs=tuple({"text": text} for text in TEXTS), probabilities=tuple(map(tuple, probabilities.tolist()))
    )


def test_an_exact_scorer_is_chosen_with_its_evidence(text_pipeline: Pipeline) -> None:
    """A compiled scorer that agrees on the sample rows is chosen, and the manifest says on how many and how well."""
    samples = samples_of(text_pipeline)
    choice = choose_scorer(text_pipeline, "text-classification", {}, samples)
    assert (choice.name, choice.reason, choice.rows) == ("compiled text", "", 4)
    assert cast(float, choice.largest_difference) < 1e-12
    assert isinstance(make_scorer(package(text_pipeline, "text-classification", {"text": "str"}, samples)), TextScorer)


@pytest.mark.parametrize(
    ("shift", "says"),
    [(1e-6, "differs from scikit-learn by 1e-06"), (float("nan"), "differs from scikit-learn by nan")],
)
def test_a_scorer_that_differs_is_not_used(text_pipeline: Pipeline, shift: float, says: str) -> None:
    """Where a compiled scorer misses the sample predictions, scikit-learn predicts, and the reason is reported."""
    samples = samples_of(text_pipeline, shift)
    choice = choose_scorer(text_pipeline, "text-classification", {}, samples)
    assert choice.name == "scikit-learn"
    assert says in choice.reason
    scorer = make_scorer(package(text_pipeline, "text-classification", {"text": "str"}, samples))
    assert isinstance(scorer, SklearnScorer)
    assert says in scorer.reason


def test_a_model_without_a_compiled_form_is_scored_by_scikit_learn() -> None:
    """The reason why there is no compiled scorer is kept with the choice."""
    pipeline = make_pipeline(CountVectorizer(), LogisticRegression()).fit(TEXTS, ["a", "b", "b", "a"])
    choice = choose_scorer(pipeline, "text-classification", {}, samples_of(pipeline))
    assert (choice.name, choice.reason) == ("scikit-learn", "there is no compiled form of a CountVectorizer")


def test_a_version_without_sample_rows_is_warm_all_the_same(
    table_pipeline: Pipeline, gapless_pipeline: Pipeline
) -> None:
    """Everything that predicts and explains is compiled before a scorer is handed out, without any sample row."""
    for pipeline, columns in ((table_pipeline, COLUMNS), (gapless_pipeline, {"age": "float64"})):
        scorer: Any = make_scorer(package(pipeline, "tabular-classification", columns, Samples()))
        assert isinstance(scorer, TableScorer)
        frame: pd.DataFrame = table(1)[0][list(columns)]
        row = {str(name): values[0] for name, values in frame.to_dict(orient="list").items()}
        assert np.isfinite(scorer.score([row]).probabilities).all()


@pytest.mark.parametrize("compiled", [True, False])
def test_columns_come_in_the_order_of_the_versions_classes(compiled: bool) -> None:
    """Classes that are numbers come in their order from every scorer; a version from before keeps the order it has."""
    vectoriser = FastTfidfVectorizer(min_df=1) if compiled else CountVectorizer()
    pipeline = make_pipeline(vectoriser, LogisticRegression()).fit(TEXTS * 3, ["2", "10", "9", "2"] * 3)
    before = make_scorer(package(pipeline, "text-classification", {"text": "str"}, samples_of(pipeline)))
    assert before.classes == ("10", "2", "9")
    ordered = predict_dataset(pipeline, pd.Series(TEXTS))
    assert ordered.classes == ("2", "9", "10")
    samples = Samples(
        inputs=tuple({"text": text} for text in TEXTS), probabilities=tuple(map(tuple, ordered.probabilities.tolist()))
    )
    made = package(pipeline, "text-classification", {"text": "str"}, samples)
    now = make_scorer(replace(made, manifest=made.manifest.model_copy(update={"classes": ordered.classes})))
    scored, plain = (scorer.score(samples.inputs) for scorer in (now, before))
    assert now.classes == ordered.classes
    assert now.kind == before.kind == ("compiled text" if compiled else "scikit-learn")
    assert list(scored.labels) == list(plain.labels) == ordered.labels.tolist()
    assert np.allclose(scored.probabilities, ordered.probabilities, atol=1e-12)
    assert np.array_equal(scored.probabilities[:, [2, 0, 1]], plain.probabilities)
    assert explain(now, samples.inputs[:1], label="10.0")[0].label == "10"
    if compiled:
        assert choose_scorer(pipeline, "text-classification", {}, samples).name == "compiled text"
