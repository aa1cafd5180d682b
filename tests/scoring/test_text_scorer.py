from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import ComplementNB, MultinomialNB
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.svm import LinearSVC

from tiltyard.errors import InputError
from tiltyard.models.linear import CalibratedLinearSVM
from tiltyard.models.nb_svm import NaiveBayesLogistic, NaiveBayesSVM
from tiltyard.models.tfidf.vectoriser import FastTfidfVectorizer
from tiltyard.scoring import SklearnScorer, TextScorer, compile_scorer, list_problems
from tiltyard.scoring.scorer import NotCompilableError
from tiltyard.scoring.table.columns import InputColumns

WORDS = ["warm", "funny", "dull", "slow", "loved", "waste", "ünïcode", "straße", "ΣΊΣΥΦΟΣ", "film", "time", "no", "x"]
FAST = FastTfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
CLASSIFIERS: dict[str, Any] = {
    "logistic": (FAST, LogisticRegression(C=30.0)),
    "naive-bayes": (FAST, MultinomialNB(alpha=0.3)),
    "complement": (FAST, ComplementNB()),
    "svm": (FAST, CalibratedLinearSVM(random_state=0)),
    "nbsvm": (
        FastTfidfVectorizer(
            ngram_range=(1, 2), binary=True, use_idf=False, norm=None, token_pattern=r"(?u)\w+|[^\w\s]"
        ),
        NaiveBayesSVM(random_state=0),
    ),
    "nb-logistic": (FastTfidfVectorizer(ngram_range=(1, 3), norm="l1"), NaiveBayesLogistic(random_state=0)),
    "ensemble": (FAST, CalibratedClassifierCV(LinearSVC(random_state=0), cv=3)),
    "single": (FAST, CalibratedClassifierCV(LogisticRegression(), cv=3, ensemble=False)),
    "plain": (TfidfVectorizer(ngram_range=(1, 2), min_df=2), LogisticRegression()),
    "cased": (FastTfidfVectorizer(lowercase=False, token_pattern=r"\b\w+\b"), LogisticRegression()),
}
LABELS = {"two": ["bad", "good"], "four": ["a", "b", "c", "d"]}

anything = st.lists(st.text(max_size=30) | st.sampled_from(WORDS), max_size=12).map(" ".join) | st.text(max_size=80)

# No example is too slow: how long one takes depends on what else the machine does.
UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def corpus(labels: list[str]) -> tuple[list[str], list[str]]:
    random = np.random.default_rng(3)
    truth = [labels[number % len(labels)] for number in range(80)]
    texts = [" ".join(random.choice(np.roll(WORDS, 3 * labels.index(label))[:8], 9)) for label in truth]
    return texts, truth


@pytest.fixture(scope="module", params=[(name, kind) for name in CLASSIFIERS for kind in LABELS], ids="-".join)
def fitted(request: pytest.FixtureRequest) -> tuple[Pipeline, TextScorer]:
    name, kind = request.param
    vectoriser, classifier = CLASSIFIERS[name]
    pipeline = make_pipeline(vectoriser, classifier).fit(*corpus(LABELS[kind]))
    scorer = compile_scorer(pipeline, "text-classification", InputColumns({}))
    assert isinstance(scorer, TextScorer)
    return pipeline, scorer


@settings(UNHURRIED, max_examples=12)
@given(texts=st.lists(anything, min_size=1, max_size=8))
def test_scores_are_scikit_learns(fitted: tuple[Pipeline, TextScorer], texts: list[str]) -> None:
    """Probabilities of arbitrary Unicode equal scikit-learn's to 1e-12, and so do the labels where they are apart."""
    pipeline, scorer = fitted
    expected = pipeline.predict_proba(texts)
    scores = scorer.score([{"text": text} for text in texts])
    np.testing.assert_allclose(scores.probabilities, expected, rtol=0, atol=1e-12)
    assert scorer.classes == tuple(pipeline.classes_)
    ordered = np.sort(expected, axis=1)
    apart = ordered[:, -1] - ordered[:, -2] > 1e-9
    assert [label for label, sure in zip(scores.labels, apart, strict=True) if sure] == [
        scorer.classes[place] for place in expected.argmax(axis=1)[apart]
    ]


@pytest.mark.proof
@settings(UNHURRIED, max_examples=400)
@given(texts=st.lists(anything | st.text(max_size=400), min_size=1, max_size=10))
def test_scores_are_scikit_learns_for_thousands_of_texts(fitted: tuple[Pipeline, TextScorer], texts: list[str]) -> None:
    """The same over some thousands of texts for each model."""
    pipeline, scorer = fitted
    np.testing.assert_allclose(scorer.probabilities(texts), pipeline.predict_proba(texts), rtol=0, atol=1e-12)


@settings(UNHURRIED, max_examples=12)
@given(texts=st.lists(anything, min_size=1, max_size=12))
def test_batched_is_unbatched_to_the_bit(fitted: tuple[Pipeline, TextScorer], texts: list[str]) -> None:
    """A batch gets the predictions of its texts one by one, bit for bit."""
    _, scorer = fitted
    inputs = [{"text": text} for text in texts]
    together, apart = scorer.score(inputs), [scorer.score([one]) for one in inputs]
    assert list(together.labels) == [scores.labels[0] for scores in apart]
    np.testing.assert_array_equal(together.probabilities, np.concatenate([scores.probabilities for scores in apart]))


def test_extreme_decisions_stay_probabilities() -> None:
    """Decision values far beyond the range of an exponential give 0 and 1, as scikit-learn's do, and no warning."""
    texts, truth = corpus(LABELS["two"])
    pipeline = make_pipeline(FastTfidfVectorizer(norm=None), LogisticRegression()).fit(texts, truth)
    pipeline[-1].coef_ *= 1e6
    scorer = compile_scorer(pipeline, "text-classification", InputColumns({}))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        given_ = scorer.score([{"text": text} for text in texts]).probabilities
    np.testing.assert_array_equal(given_, pipeline.predict_proba(texts))


@pytest.mark.parametrize(
    ("pipeline", "says"),
    [
        (make_pipeline(TfidfVectorizer(stop_words="english"), LogisticRegression()), "setting without a compiled form"),
        (make_pipeline(CountVectorizer(), LogisticRegression()), "no compiled form of a CountVectorizer"),
        (make_pipeline(FAST, RandomForestClassifier(n_estimators=2)), "no compiled form of a RandomForestClassifier"),
        (make_pipeline(FAST, CalibratedClassifierCV(LinearSVC(), method="isotonic", cv=3)), "isotonic"),
        (make_pipeline(FastTfidfVectorizer(dtype=np.float32), LogisticRegression()), "float32"),
    ],
    ids=["stop-words", "counts", "forest", "isotonic", "float32"],
)
def test_what_is_not_exact_is_not_compiled(pipeline: Pipeline, says: str) -> None:
    """A pipeline without a compiled form is refused with its reason."""
    pipeline.fit(*corpus(LABELS["two"]))
    with pytest.raises(NotCompilableError, match=says):
        compile_scorer(pipeline, "text-classification", InputColumns({}))


@pytest.mark.parametrize("bad", [{}, {"text": None}, {"text": 5}, {"text": "fine", "lang": "en"}])
def test_bad_text_is_refused_as_ever(fitted: tuple[Pipeline, TextScorer], bad: dict[str, Any]) -> None:
    """An input that is not one text is refused by position, in the words of the scikit-learn scorer."""
    pipeline, scorer = fitted
    refusals = []
    for each in (scorer, SklearnScorer(pipeline, "text-classification", {})):
        with pytest.raises(InputError) as caught:
            each.score([{"text": "fine"}, bad])
        refusals.append(list_problems(caught.value))
    assert refusals[0] == refusals[1]
    assert [problem.position for problem in refusals[0]] == [1]
