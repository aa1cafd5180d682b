"""A stored model whose arrays do not fit together never reaches a compiled loop, which would follow them anywhere."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.svm import SVC, SVR, LinearSVC, NuSVR

from tests.registry.fitted import FRAME, TEXT_LABELS, TEXTS, THREE, fitted
from tiltyard.errors import ArtifactError
from tiltyard.models.nb_svm import NaiveBayesLogistic
from tiltyard.models.tfidf.vectoriser import FastTfidfVectorizer
from tiltyard.models.word_cnn.word_convolution import WordConvolution
from tiltyard.registry.package.skops_file import read_model, write_model
from tiltyard.registry.package.trusted_types import trusted_type_names
from tiltyard.scoring.factory import compile_scorer
from tiltyard.scoring.scorer import NotCompilableError
from tiltyard.scoring.table.columns import InputColumns

NUMBERS = FRAME[["age", "visits"]].fillna(0.0).astype(float)
OF_THREE = np.array(["a", "b", "c"] * 40)


def texts_model(classifier: Any, labels: Any = TEXT_LABELS) -> Pipeline:
    model: Pipeline = make_pipeline(FastTfidfVectorizer(ngram_range=(1, 2)), classifier).fit(list(TEXTS), labels)
    return model


def stored(model: Any, folder: Path) -> Any:
    """The model as a file that is read again gives it, on a host that allows sparse matrices too."""
    write_model(model, folder / "m.skops")
    return read_model(folder / "m.skops", trusted_type_names(("scipy.sparse._csr.csr_matrix",)))


@pytest.fixture(scope="module")
def convolution() -> WordConvolution:
    return WordConvolution(64, passes=1, random_state=0).fit(list(TEXTS), TEXT_LABELS)


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("filters_", lambda held: held[:, :1]),
        ("filters_", lambda held: held[:, :, :1]),
        ("filters_", lambda held: np.repeat(held, 2, axis=0)),
        ("biases_", lambda held: held[:, :0]),
        ("top_", lambda held: held[:1]),
        ("top_", lambda held: np.tile(held, (1, 50))),
        ("intercept_", lambda held: held[:1]),
    ],
)
def test_a_convolution_of_other_sizes_is_refused(
    field: str, change: Callable[[Any], Any], convolution: WordConvolution, tmp_path: Path
) -> None:
    """A convolution with fewer words, places, neurons or more labels than it says is refused."""
    stored(convolution, tmp_path)
    crafted = copy.deepcopy(convolution)
    setattr(crafted, field, [change(held) for held in getattr(crafted, field)])
    with pytest.raises(ArtifactError, match="WordConvolution") as refused:
        stored(crafted, tmp_path)
    assert refused.value.code == "artifact.unsound-arrays"


def starts_beyond(vectoriser: Any) -> None:
    starts = vectoriser._terms.starts.copy()
    starts[3] = 10**12
    vectoriser._terms = replace(vectoriser._terms, starts=starts)


def fewer_letters(vectoriser: Any) -> None:
    vectoriser._terms = replace(vectoriser._terms, letters=vectoriser._terms.letters[:3])


def words_beyond(vectoriser: Any) -> None:
    vectoriser._terms = replace(vectoriser._terms, chains=vectoriser._terms.chains + np.int32(10**6))


def hole_in_a_chain(vectoriser: Any) -> None:
    chains = vectoriser._terms.chains.copy()
    chains[0] = [-1, 0]
    vectoriser._terms = replace(vectoriser._terms, chains=chains)


def shorter_idf(vectoriser: Any) -> None:
    vectoriser._idf = vectoriser._idf[:1]


@pytest.mark.parametrize("craft", [starts_beyond, fewer_letters, words_beyond, hole_in_a_chain, shorter_idf])
def test_words_beyond_their_arrays_are_refused(craft: Callable[[Any], None], tmp_path: Path) -> None:
    """So is a vectoriser whose words or weights lie beyond its arrays."""
    model = texts_model(MultinomialNB())
    stored(model, tmp_path)
    craft(model[0])
    with pytest.raises(ArtifactError) as refused:
        stored(model, tmp_path)
    assert refused.value.code == "artifact.unsound-arrays"


def test_terms_of_billions_of_words() -> None:
    """A vectoriser that looks for terms of two billion words takes no memory for them, and predicts the same."""
    model = texts_model(MultinomialNB())
    before = model.predict_proba(TEXTS[:3])
    model[0].ngram_range = (1, 2**31)
    model[0]._compiled = None
    assert np.array_equal(model.predict_proba(TEXTS[:3]), before)


def more_rows(classifier: Any) -> None:
    classifier.coef_ = np.tile(classifier.coef_, (1000, 1))
    classifier.intercept_ = np.zeros(len(classifier.coef_))


def more_labels(classifier: Any) -> None:
    classifier.feature_log_prob_ = np.tile(classifier.feature_log_prob_, (1000, 1))
    classifier.class_log_prior_ = np.zeros(len(classifier.feature_log_prob_))


def fewer_sigmoids(classifier: Any) -> None:
    for member in classifier.calibrated_classifiers_:
        member.calibrators = []


@pytest.mark.parametrize(
    ("classifier", "craft"),
    [
        (NaiveBayesLogistic(), more_rows),
        (MultinomialNB(), more_labels),
        (CalibratedClassifierCV(LinearSVC(), cv=3), fewer_sigmoids),
    ],
    ids=lambda given: getattr(given, "__name__", type(given).__name__),
)
def test_weights_for_other_labels_are_not_compiled(
    classifier: Any, craft: Callable[[Any], None], tmp_path: Path
) -> None:
    """A linear classifier with weights for other labels than its own is not predicted by a compiled loop."""
    model = texts_model(classifier, OF_THREE)
    compile_scorer(model, "text-classification", InputColumns({}))
    craft(model[-1])
    with pytest.raises(NotCompilableError):
        compile_scorer(stored(model, tmp_path), "text-classification", InputColumns({}))


COLUMNS = {"age": "float64", "visits": "float64"}


def test_weights_of_a_table(tmp_path: Path) -> None:
    """Nor is one of a table with weights for fewer columns."""
    model = make_pipeline("passthrough", LogisticRegression()).fit(NUMBERS, THREE)
    compile_scorer(model, "tabular-classification", InputColumns(COLUMNS))
    model[-1].coef_ = model[-1].coef_[:, :1]
    with pytest.raises(NotCompilableError):
        compile_scorer(stored(model, tmp_path), "tabular-classification", InputColumns(COLUMNS))


def more_turns(boosting: Any) -> None:
    boosting.n_trees_per_iteration_ = 10**6


def fewer_sums(boosting: Any) -> None:
    boosting._baseline_prediction = np.zeros((1, 1))


def fewer_classes(boosting: Any) -> None:
    boosting.classes_ = boosting.classes_[:2]


@pytest.mark.parametrize("craft", [more_turns, fewer_sums, fewer_classes])
def test_turns_of_boosting(craft: Callable[[Any], None], tmp_path: Path) -> None:
    """Nor is boosting whose trees are for more sums than it has."""
    model = make_pipeline("passthrough", HistGradientBoostingClassifier(max_iter=3)).fit(NUMBERS, THREE)
    compile_scorer(model, "tabular-classification", InputColumns(COLUMNS))
    craft(model[-1])
    with pytest.raises(NotCompilableError):
        compile_scorer(stored(model, tmp_path), "tabular-classification", InputColumns(COLUMNS))


def test_sets_of_categories(tmp_path: Path) -> None:
    """A boosting tree whose sets of categories are shorter than its loop takes them for is refused."""
    model = copy.deepcopy(fitted("histogram boosting").model)
    for tree in [tree for stage in model[-1]._predictors for tree in stage]:
        tree.raw_left_cat_bitsets = tree.raw_left_cat_bitsets[:, :1].copy()
    with pytest.raises(ArtifactError, match="point outside"):
        stored(model, tmp_path)


def test_sums_of_gradient_boosting(tmp_path: Path) -> None:
    """Gradient boosting with trees for more labels than its sums begin with is refused."""
    model = GradientBoostingClassifier(n_estimators=2).fit(NUMBERS, THREE)
    stored(model, tmp_path)
    model.init_.class_prior_ = model.init_.class_prior_[:1]
    with pytest.raises(ArtifactError, match="GradientBoostingClassifier"):
        stored(model, tmp_path)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("_n_support", np.array([10**6, 10**6, 10**6], dtype=np.int32)),
        ("_dual_coef_", np.ones((1, 1))),
        ("_intercept_", np.zeros(1)),
        ("_probA", np.zeros(1)),
        ("support_vectors_", np.ones((1, 2))),
        ("kernel", "precomputed"),
    ],
)
def test_a_support_vector_machine(field: str, value: Any, tmp_path: Path) -> None:
    """A machine with fewer vectors or coefficients than libsvm would read is refused."""
    model = SVC().fit(NUMBERS, THREE)
    stored(model, tmp_path)
    setattr(model, field, value)
    with pytest.raises(ArtifactError, match="SVC"):
        stored(model, tmp_path)


def test_a_sparse_matrix(tmp_path: Path) -> None:
    """A sparse matrix with places outside it is refused."""
    model = LogisticRegression(l1_ratio=1.0, solver="liblinear").fit(NUMBERS, np.where(THREE == "low", "a", "b"))
    model.coef_ = scipy.sparse.csr_matrix(model.coef_)
    stored(model, tmp_path)
    model.coef_.indices[:] = 10**6
    with pytest.raises(ArtifactError) as refused:
        stored(model, tmp_path)
    assert refused.value.code == "artifact.unsound-arrays"


def test_a_vectoriser_that_reads_files(tmp_path: Path) -> None:
    """A vectoriser that would open what its inputs name is refused: a caller could have the host's files read."""
    model = copy.deepcopy(fitted("naive Bayes").model)
    model[0].input = "filename"
    with pytest.raises(ArtifactError, match="filename") as refused:
        stored(model, tmp_path)
    assert refused.value.code == "artifact.reads-files"


@pytest.mark.parametrize("machine", [SVR(), NuSVR()], ids=lambda machine: type(machine).__name__)
def test_a_machine_of_numbers_loads_and_a_crafted_one_does_not(machine: Any, tmp_path: Path) -> None:
    """A support vector machine that predicts numbers is loaded; one that counts other vectors than it has is not."""
    model = machine.fit(NUMBERS, np.arange(len(NUMBERS)))
    stored_model(model, tmp_path).predict(NUMBERS)
    crafted = copy.deepcopy(model)
    crafted._n_support = np.array([3, 2 * len(model.support_) - 3], dtype=np.int32)
    longer = copy.deepcopy(model)
    longer._n_support = np.full(9, len(model.support_), dtype=np.int32)
    for wrong in (crafted, longer):
        with pytest.raises(ArtifactError, match="do not fit together"):
            stored_model(wrong, tmp_path)


def stored_model(model: Any, folder: Path) -> Any:
    write_model(model, folder / "model.skops")
    return read_model(folder / "model.skops", trusted_type_names())
