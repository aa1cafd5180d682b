"""Metrics agree with scikit-learn's, in one computation and in many at once."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from tiltyard.errors import DataError, UsageError
from tiltyard.evaluation import METRICS, LabelledPredictions, get_metric, label_predictions

LABELS = ("blue", "green", "red", "yellow")


def reference(name: str, rows: LabelledPredictions) -> float:
    """The same by scikit-learn."""
    truth, guess, scores = rows.labels, rows.predicted, rows.probabilities
    assert scores is not None
    kind, _, average = name.partition("_")
    if kind in ("precision", "recall", "f1"):
        function = {"precision": sk.precision_score, "recall": sk.recall_score, "f1": sk.f1_score}[kind]
        average = average or ("binary" if rows.binary else "macro")
        chosen: dict[str, Any] = {"pos_label": rows.positive} if average == "binary" else {}
        return float(function(truth, guess, average=average, zero_division=0, **chosen))
    positive = rows.classes.index(rows.positive)
    one_hot = truth[:, None] == np.asarray(rows.classes)
    plain = {
        "accuracy": lambda: sk.accuracy_score(truth, guess),
        "balanced_accuracy": lambda: sk.balanced_accuracy_score(truth, guess),
        "matthews": lambda: sk.matthews_corrcoef(truth, guess),
        "log_loss": lambda: sk.log_loss(truth, scores, labels=list(rows.classes)),
        "roc_auc": lambda: (
            sk.roc_auc_score(truth == rows.positive, scores[:, positive])
            if rows.binary
            else sk.roc_auc_score(truth, scores, multi_class="ovr", labels=list(rows.classes))
        ),
        "pr_auc": lambda: (
            sk.average_precision_score(truth == rows.positive, scores[:, positive])
            if rows.binary
            else sk.average_precision_score(one_hot, scores)
        ),
        "brier": lambda: (
            sk.brier_score_loss(truth == rows.positive, scores[:, positive])
            if rows.binary
            else np.mean(np.sum((scores - one_hot) ** 2, axis=1))
        ),
    }
    return float(plain[name]())


@st.composite
def rows(draw: st.DrawFn, classes: int | None = None) -> LabelledPredictions:
    """Evaluated rows: two to four labels, not all of which need occur, and probabilities with ties."""
    k = classes or draw(st.integers(2, 4))
    n = draw(st.integers(1, 40))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    weights = random.integers(1, draw(st.sampled_from([3, 1000])), (n, k)).astype(float)
    probabilities = weights / weights.sum(axis=1, keepdims=True)
    names = np.asarray(LABELS[:k])
    return label_predictions(
        names[random.integers(0, k, n)], names[random.integers(0, k, n)], probabilities, LABELS[:k]
    )


@settings(max_examples=60, deadline=None, database=None)
@given(rows=rows())
def test_metrics_equal_scikit_learn(rows: LabelledPredictions) -> None:
    """Every metric is equal to scikit-learn's wherever it is defined."""
    for metric in METRICS.values():
        if metric.explain_undefined(rows) or metric.name == "calibration_error":
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = reference(metric.name, rows)
        assert metric.compute(rows) == pytest.approx(expected, abs=1e-12), metric.name


@settings(max_examples=60, deadline=None, database=None)
@given(rows=rows(), seed=st.integers(0, 2**32 - 1))
def test_a_row_of_weight_w_counts_as_w_rows(rows: LabelledPredictions, seed: int) -> None:
    """A row of weight w counts as w equal rows do; several sets of weights give what each gives alone."""
    weights = np.random.default_rng(seed).integers(0, 4, (3, len(rows))).astype(float)
    weights[:, 0] += 1
    for metric in METRICS.values():
        if metric.explain_undefined(rows):
            continue
        together = metric.weighted(rows, weights)
        for line, value in zip(weights, together, strict=True):
            repeated = rows.take(np.repeat(np.arange(len(rows)), line.astype(int)))
            if metric.explain_undefined(repeated):
                assert np.isnan(value), metric.name
            else:
                assert value == pytest.approx(metric.compute(repeated), abs=1e-12), metric.name


@settings(max_examples=40, deadline=None, database=None)
@given(rows=rows())
def test_certain_right_predictions_have_the_best_value(rows: LabelledPredictions) -> None:
    """Right predictions with certainty have the best value that a metric can have."""
    perfect = np.asarray(rows.labels[:, None] == np.asarray(rows.classes), dtype=float)
    best = label_predictions(rows.labels, rows.labels, perfect, rows.classes)
    for metric in METRICS.values():
        if metric.explain_undefined(best) or metric.explain_undefined(rows) or metric.name == "matthews":
            continue
        sign = 1 if metric.bigger_is_better else -1
        assert sign * metric.compute(best) >= sign * metric.compute(rows) - 1e-12, metric.name
        assert metric.compute(best) == pytest.approx(1.0 if metric.bigger_is_better else 0.0, abs=1e-12)


@settings(max_examples=40, deadline=None, database=None)
@given(rows=rows(), seed=st.integers(0, 2**32 - 1))
@example(rows=label_predictions(["a", "b"], ["a", "b"], np.eye(2), ("a", "b")), seed=0)
def test_the_order_of_rows_makes_no_difference(rows: LabelledPredictions, seed: int) -> None:
    """A metric does not depend on the order of the rows."""
    shuffled = rows.take(np.random.default_rng(seed).permutation(len(rows)))
    for metric in METRICS.values():
        assert metric.explain_undefined(rows) == metric.explain_undefined(shuffled)
        if not metric.explain_undefined(rows):
            assert metric.compute(rows) == pytest.approx(metric.compute(shuffled), abs=1e-12), metric.name


@settings(max_examples=40, deadline=None, database=None)
@given(rows=rows(classes=2))
def test_binary_metrics_are_those_of_the_positive_label(rows: LabelledPredictions) -> None:
    """With two labels, precision, recall and F1 are those of the positive one, whichever it is."""
    assume(len(set(rows.labels.tolist())) == 2)
    for positive in rows.classes:
        chosen = label_predictions(rows.labels, rows.predicted, rows.probabilities, rows.classes, positive)
        expected = sk.precision_recall_fscore_support(
            rows.labels, rows.predicted, labels=[positive], average=None, zero_division=0
        )
        found = [get_metric(name).compute(chosen) for name in ("precision", "recall", "f1")]
        assert found == pytest.approx([float(column[0]) for column in expected[:3]])


def test_calibration_error_is_the_gap_between_confidence_and_accuracy() -> None:
    """Predictions that are 80 % sure and right in 60 of 100 rows are off by 0.2; certain and right ones by nothing."""
    truth = np.array(["a"] * 60 + ["b"] * 40)
    sure = np.tile([0.8, 0.2], (100, 1))
    error = get_metric("calibration_error")
    assert error.compute(label_predictions(truth, ["a"] * 100, sure, ("a", "b"))) == pytest.approx(0.2)
    perfect = np.column_stack([truth == "a", truth == "b"]).astype(float)
    assert error.compute(label_predictions(truth, truth, perfect, ("a", "b"))) == pytest.approx(0.0)


def test_an_unknown_metric_is_refused_with_the_nearest_name() -> None:
    """An unknown metric is refused with the nearest known one."""
    with pytest.raises(UsageError, match="Did you mean 'accuracy'"):
        get_metric("acuracy")


def test_a_label_that_the_model_does_not_know_counts_as_wrong() -> None:
    """A true label that the model has never seen counts as wrong, and metrics of probabilities are not computed."""
    labelled = label_predictions(
        ["a", "b", "c"], ["a", "b", "a"], np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]]), ("a", "b")
    )
    assert labelled.classes == ("a", "b", "c")
    assert get_metric("accuracy").compute(labelled) == pytest.approx(2 / 3)
    assert get_metric("log_loss").explain_undefined(labelled) == "the model gives no probability to 'c'"


def test_probabilities_may_have_columns_in_any_order() -> None:
    """Probabilities are understood by the labels of their columns, not by their order."""
    probabilities = np.array([[0.7, 0.3], [0.1, 0.9]])
    one = label_predictions(["a", "b"], ["a", "b"], probabilities, ("a", "b"))
    other = label_predictions(["a", "b"], ["a", "b"], probabilities[:, ::-1], ("b", "a"))
    assert one.probabilities is not None
    assert other.probabilities is not None
    assert np.array_equal(one.probabilities, other.probabilities)


@pytest.mark.parametrize(
    ("labels", "predicted", "probabilities", "positive", "message"),
    [
        ([], [], None, None, "no rows"),
        (["a"], ["a", "b"], None, None, "1 true label and 2 of those predicted do not fit"),
        (["a"], ["a"], np.ones((2, 2)), None, "shape"),
        (["a"], ["a"], np.ones((1, 3)), None, "shape"),
        (["a"], ["a"], np.array([[np.nan, 1.0]]), None, "not finite"),
        (["a"], ["a"], None, "c", "positive label 'c'"),
    ],
)
def test_predictions_that_do_not_fit_the_rows_are_refused(
    labels: list[str], predicted: list[str], probabilities: Any, positive: str | None, message: str
) -> None:
    """Predictions that do not fit the rows are refused with the numbers."""
    with pytest.raises(DataError, match=message):
        label_predictions(labels, predicted, probabilities, ("a", "b"), positive)
