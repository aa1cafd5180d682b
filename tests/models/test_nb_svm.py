"""Naive Bayes weights, the linear classifiers on them, and Platt's sigmoid."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.calibration import CalibratedClassifierCV
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

from tiltyard.models.calibration import ensure_probabilities, fit_platt
from tiltyard.models.linear import CalibratedLinearSVM, LinearOneVsRest
from tiltyard.models.nb_svm import NaiveBayesLogistic, NaiveBayesSVM, log_count_ratios

EVERY = pytest.mark.parametrize(
    "model", [CalibratedLinearSVM(random_state=0), NaiveBayesSVM(random_state=0), NaiveBayesLogistic(random_state=0)]
)


def counts(rows: int = 120, columns: int = 30, labels: int = 2, seed: int = 0) -> tuple[Any, NDArray[Any]]:
    """Presence of columns, each of which speaks for one label, and the labels."""
    random = np.random.default_rng(seed)
    truth = np.arange(rows) % labels
    likely = np.where(np.arange(columns) % labels == truth[:, None], 0.5, 0.2)
    return sp.csr_matrix((random.random((rows, columns)) < likely).astype(float)), truth


def test_ratios_are_those_of_the_paper() -> None:
    """The ratio of a column is the logarithm of its smoothed share in one class over that in the other."""
    features = sp.csr_matrix([[1.0, 1, 0], [1, 0, 0], [0, 1, 1]])
    p, q = np.array([3.0, 2, 1]), np.array([1.0, 2, 2])
    found = log_count_ratios(features, np.array([True, True, False]), 1.0)
    np.testing.assert_allclose(found, np.log((p / 6) / (q / 5)))


def test_ratios_turn_their_sign_with_the_classes() -> None:
    """What speaks for one class speaks as much against the other."""
    features, truth = counts()
    np.testing.assert_allclose(
        log_count_ratios(features, truth == 1, 0.5), -log_count_ratios(features, truth == 0, 0.5), atol=1e-12
    )


def test_the_logistic_model_is_a_regression_on_weighted_features() -> None:
    """Its folded weights predict as a regression that is fitted and evaluated on features times ratio."""
    features, truth = counts()
    ratios = log_count_ratios(features, truth == 1, 1.0)
    plain = LogisticRegression(C=2.0, solver="liblinear", dual=True, tol=0.01, random_state=0)
    plain.fit(features.multiply(ratios).tocsr(), truth)
    ours = NaiveBayesLogistic(C=2.0, random_state=0).fit(features, truth)
    np.testing.assert_allclose(
        ours.predict_proba(features), plain.predict_proba(features.multiply(ratios).tocsr()), atol=1e-9
    )


def test_interpolation_runs_from_naive_bayes_to_the_machine() -> None:
    """With beta 0 the weights are those of naive Bayes up to a factor, with beta 1 those of the machine."""
    features, truth = counts()
    ratios = log_count_ratios(features, truth == 1, 1.0)
    bayes = NaiveBayesSVM(C=1.0, beta=0.0, random_state=0).fit(features, truth).coef_[0]
    np.testing.assert_allclose(bayes / bayes[0], ratios / ratios[0], rtol=1e-9)
    machine = (
        LinearSVC(C=1.0, dual=True, max_iter=100_000, random_state=0)
        .fit(features.multiply(ratios).tocsr(), truth)
        .coef_[0]
        * ratios
    )
    folded = NaiveBayesSVM(C=1.0, beta=1.0, random_state=0).fit(features, truth).coef_[0]
    np.testing.assert_allclose(folded / folded[0], machine / machine[0], rtol=0.03, atol=0.03)


@EVERY
@pytest.mark.parametrize("labels", [2, 4])
def test_probabilities_are_the_sigmoids_of_the_decision_values(model: LinearOneVsRest, labels: int) -> None:
    """Predictions follow from coef_ and intercept_ alone: one sigmoid for two labels, normalised ones for more."""
    features, truth = counts(labels=labels)
    model.fit(features, truth)
    scores = features @ model.coef_.T + model.intercept_
    probabilities = expit(scores)
    expected = (
        np.column_stack([1 - probabilities, probabilities])
        if labels == 2
        else probabilities / probabilities.sum(axis=1, keepdims=True)
    )
    np.testing.assert_allclose(model.predict_proba(features), expected, rtol=1e-9)
    assert model.coef_.shape == (1 if labels == 2 else labels, 30)


def test_scores_beyond_all_sigmoids_still_give_probabilities() -> None:
    """Decision values so low that every sigmoid is 0 give finite probabilities that keep their order."""
    features, truth = counts(labels=3)
    model = NaiveBayesLogistic().fit(features, truth)
    model.intercept_ = np.array([-2000.0, -2001.0, -2002.0])
    model.coef_ = np.zeros_like(model.coef_)
    np.testing.assert_allclose(model.predict_proba(features)[0], np.exp([0, -1, -2]) / np.exp([0, -1, -2]).sum())


@EVERY
def test_dense_and_sparse_features_give_one_model(model: LinearOneVsRest) -> None:
    """The container of the features changes nothing."""
    features, truth = counts()
    sparse = model.fit(features, truth).coef_
    np.testing.assert_allclose(model.fit(features.toarray(), truth).coef_, sparse, rtol=1e-6)


@EVERY
def test_a_single_label_is_refused_by_name(model: LinearOneVsRest) -> None:
    """Rows of one label cannot be learned from, and the message says which."""
    with pytest.raises(ValueError, match="there is one: 'only'"):
        model.fit(np.eye(3), ["only"] * 3)


@settings(max_examples=30, deadline=None)
@given(st.floats(0.1, 5), st.floats(-2, 2), st.integers(0, 1000))
def test_platt_finds_the_sigmoid_that_made_the_labels(slope: float, offset: float, seed: int) -> None:
    """Labels that were drawn by a sigmoid of the score give back that sigmoid, nearly."""
    random = np.random.default_rng(seed)
    scores = random.normal(size=4000)
    positive = random.random(4000) < expit(slope * scores + offset)
    found_slope, found_offset = fit_platt(scores, positive)
    apart = np.abs(expit(found_slope * scores + found_offset) - expit(slope * scores + offset))
    assert apart.mean() < 0.05


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_platt_is_that_of_scikit_learn_at_every_scale(scale: float) -> None:
    """The same probabilities as scikit-learn's sigmoid calibration, however large the scores are."""
    random = np.random.default_rng(1)
    scores = random.normal(size=400)
    positive = random.random(400) < expit(2 * scores - 0.5)
    from sklearn.calibration import _SigmoidCalibration

    theirs = _SigmoidCalibration().fit(scores, positive.astype(float)).predict(scores)
    slope, offset = fit_platt(scale * scores, positive)
    np.testing.assert_allclose(expit(slope * scale * scores + offset), theirs, atol=2e-4)


@pytest.mark.parametrize("positive", [[True] * 5, [False] * 5, [True, False, True, False, True]])
def test_platt_survives_what_holds_no_evidence(positive: list[bool]) -> None:
    """Equal scores, or rows of one kind, give the smoothed share of the positive rows."""
    slope, offset = fit_platt(np.zeros(5), np.array(positive))
    assert np.isfinite([slope, offset]).all()
    share = (sum(positive) + 1) / 7
    assert abs(expit(offset) - share) < 0.1


def test_only_what_lacks_probabilities_is_calibrated() -> None:
    """A classifier with probabilities is left as it is."""
    regression = LogisticRegression()
    assert ensure_probabilities(regression) is regression
    assert isinstance(ensure_probabilities(LinearSVC()), CalibratedClassifierCV)


@EVERY
@pytest.mark.parametrize("labels", [2, 3])
def test_weights_of_one_change_nothing(model: LinearOneVsRest, labels: int) -> None:
    """A row that counts once is a row."""
    features, truth = counts(labels=labels)
    plain = model.fit(features, truth).coef_
    np.testing.assert_array_equal(model.fit(features, truth, sample_weight=np.ones(120)).coef_, plain)


@EVERY
def test_whole_weights_are_repeated_rows(model: LinearOneVsRest) -> None:
    """A row of weight 3 pulls the weights of the columns as three copies of it do; one of weight 0 is not there.

    Directions are compared: copies that stand in several folds mislead the calibration, which only scales them.
    """
    features, truth = counts(rows=300)
    times = np.random.default_rng(3).integers(0, 4, 300)
    rows = np.repeat(np.arange(300), times)
    weighted = model.fit(features, truth, sample_weight=times).coef_[0]
    repeated = model.fit(features[rows], truth[rows]).coef_[0]
    direction = weighted @ repeated / (np.linalg.norm(weighted) * np.linalg.norm(repeated))
    assert direction > 0.9999
    some = model.fit(features, truth).coef_[0]
    assert direction > some @ repeated / (np.linalg.norm(some) * np.linalg.norm(repeated)) + 1e-3


def test_weighted_ratios_and_sigmoids_are_those_of_repeated_rows() -> None:
    """Naive Bayes ratios and Platt's sigmoid count a row of weight 3 as three rows."""
    features, truth = counts()
    random = np.random.default_rng(5)
    times = random.integers(0, 4, 120)
    rows = np.repeat(np.arange(120), times)
    found = log_count_ratios(features, truth == 1, 1.0, times.astype(float))
    np.testing.assert_allclose(found, log_count_ratios(features[rows], (truth == 1)[rows], 1.0), atol=1e-12)
    scores = random.normal(size=120) + truth
    np.testing.assert_allclose(
        fit_platt(scores, truth == 1, times.astype(float)), fit_platt(scores[rows], (truth == 1)[rows]), rtol=1e-4
    )


@EVERY
def test_weights_that_cannot_be_meant_are_refused(model: LinearOneVsRest) -> None:
    """Negative weights, too few of them, and nothing but zeros are errors."""
    features, truth = counts()
    for weights in (-np.ones(120), np.ones(7), np.zeros(120)):
        with pytest.raises(ValueError, match="weight"):
            model.fit(features, truth, sample_weight=weights)
