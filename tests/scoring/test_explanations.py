from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from scipy.special import expit, logit
from sklearn.calibration import CalibratedClassifierCV
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import Pipeline, make_pipeline

from tests.scoring.conftest import COLUMNS
from tiltyard.errors import InputError, UsageError
from tiltyard.jsonable import to_json_object
from tiltyard.models.nb_svm import NaiveBayesSVM
from tiltyard.models.tfidf.vectoriser import FastTfidfVectorizer
from tiltyard.scoring import SklearnScorer, compile_scorer, explain, list_problems
from tiltyard.scoring.table.columns import InputColumns

TEXTS = ["a warm and funny film", "dull, slow and far too long", "I loved every minute", "what a waste of time"] * 3
INPUTS = [{"text": "funny, funny and warm"}, {"text": "a waste"}, {"text": ""}, {"text": "Ünbekannt"}]


@pytest.mark.parametrize("classifier", [LogisticRegression(), MultinomialNB(), NaiveBayesSVM(random_state=0)])
@pytest.mark.parametrize("labels", [["good", "bad"], ["a", "b", "c"]], ids=["two", "three"])
def test_terms_add_up_to_the_prediction(classifier: Any, labels: list[str]) -> None:
    """Baseline, terms and rest of a linear text model add up to what the model computed for the label."""
    truth = [labels[number % len(labels)] for number in range(len(TEXTS))]
    pipeline = make_pipeline(FastTfidfVectorizer(ngram_range=(1, 2)), classifier).fit(TEXTS, truth)
    scorer = compile_scorer(pipeline, "text-classification", InputColumns({}))
    probabilities = pipeline.predict_proba([item["text"] for item in INPUTS])
    for position, found in enumerate(explain(scorer, INPUTS, most=2)):
        place = scorer.classes.index(found.label)
        assert place == probabilities[position].argmax()
        assert (found.method, found.exact, found.baseline_name) == ("linear", True, "intercept")
        added = found.baseline + found.rest + sum(part.weight for part in found.contributions)
        assert added == pytest.approx(found.total, abs=1e-12)
        if len(labels) == 2:
            assert found.scale == "log-odds"
            assert expit(found.total) == pytest.approx(probabilities[position, place], abs=1e-12)
        elif found.scale == "decision":
            logs = np.log(probabilities[position])
            assert found.total == pytest.approx(logs[place] - logs.mean(), abs=1e-9)


def test_terms_carry_their_counts_and_signs() -> None:
    """Terms are named with how often the text has them, and speak for the label that training gave them."""
    truth = ["good", "bad"] * 6
    pipeline = make_pipeline(FastTfidfVectorizer(), LogisticRegression()).fit(TEXTS, truth)
    scorer = compile_scorer(pipeline, "text-classification", InputColumns({}))
    inputs = [{"text": "Funny funny waste"}]
    found = explain(scorer, inputs)[0]
    parts = {part.name: part for part in found.contributions}
    assert {name: part.value for name, part in parts.items()} == {"funny": 2, "waste": 1}
    assert found.label == "good"
    assert parts["funny"].weight > 0 > parts["waste"].weight
    other = explain(scorer, inputs, label="bad")[0]
    assert {part.name: part.weight for part in other.contributions} == pytest.approx(
        {name: -part.weight for name, part in parts.items()}
    )
    assert other.probability is not None
    assert logit(other.probability) == pytest.approx(other.total)
    assert json.loads(json.dumps(to_json_object(found)))["contributions"][0]["name"] == found.contributions[0].name


def test_any_model_is_explained_by_occlusion(text_pipeline: Pipeline, table_pipeline: Pipeline) -> None:
    """Where nothing better is known, a weight is what the probability loses without the term or feature."""
    texts = SklearnScorer(text_pipeline, "text-classification", {})
    found = explain(texts, [{"text": "funny but dull"}], label="good")[0]
    assert (found.method, found.scale, found.exact) == ("occlusion", "probability", False)
    without = texts.score([{"text": " but dull"}]).probabilities[0, 1]
    assert {part.name: part.weight for part in found.contributions}["funny"] == found.probability - without

    tables = SklearnScorer(table_pipeline, "tabular-classification", COLUMNS)
    row = {"age": 40, "income": 38.5, "town": "York", "member": None}
    found = explain(tables, [row])[0]
    place = tables.classes.index(found.label)
    without = tables.score([{**row, "town": None}]).probabilities[0, place]
    assert {part.name for part in found.contributions} == {"age", "income", "town"}
    assert {part.name: part.weight for part in found.contributions}["town"] == found.probability - without


def test_features_that_may_not_be_missing_are_named(gapless_pipeline: Pipeline) -> None:
    """A feature in which the model refuses a gap cannot be explained by leaving it out, and is named."""
    scorer = SklearnScorer(gapless_pipeline, "tabular-classification", {"age": "float64"})
    found = explain(scorer, [{"age": 30.0}])[0]
    assert (found.contributions, found.not_judged) == ((), ("age",))


def test_bad_requests_for_explanations_are_refused(text_pipeline: Pipeline) -> None:
    """A bad input is named by its position, an unknown label by the nearest known one."""
    for scorer in (
        SklearnScorer(text_pipeline, "text-classification", {}),
        compile_scorer(text_pipeline, "text-classification", InputColumns({})),
    ):
        with pytest.raises(InputError) as caught:
            explain(scorer, [{"text": "fine"}, {"text": 3}])
        assert [problem.position for problem in list_problems(caught.value)] == [1]
        with pytest.raises(UsageError, match="Did you mean 'good'"):
            explain(scorer, [{"text": "fine"}], label="goood")
        with pytest.raises(UsageError, match="most=-1"):
            explain(scorer, [{"text": "fine"}], most=-1)


@pytest.mark.parametrize("labels", [["a", "b"] * 30, ["a", "b", "c"] * 20])
def test_a_text_without_known_words_is_explained_by_the_intercept(labels: list[str]) -> None:
    """A calibrated model explains a text of which it knows no word: nothing contributes to its prediction."""
    texts = [f"about{label} word{place % 7}" for place, label in enumerate(labels)]
    model = make_pipeline(TfidfVectorizer(), CalibratedClassifierCV(LogisticRegression(), cv=2))
    scorer = compile_scorer(model.fit(texts, labels), "text-classification", InputColumns({}))
    [explanation] = explain(scorer, [{"text": "unheard"}])
    assert not explanation.contributions
