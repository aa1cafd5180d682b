"""An evaluation says all that is known, and why something is not."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import classification_report, confusion_matrix

from tiltyard.evaluation import METRICS, Evaluation, evaluate
from tiltyard.jsonable import from_jsonable, to_json_object


def test_a_small_example_equals_the_figures_by_hand() -> None:
    """Counts, shares and the matrix of a small example, worked out by hand."""
    truth = ["cat", "cat", "cat", "dog", "dog", "bird"]
    guess = ["cat", "cat", "dog", "dog", "cat", "dog"]
    found = evaluate(truth, guess, None, ("bird", "cat", "dog"))
    assert found.rows == 6
    assert found.metrics["accuracy"] == pytest.approx(3 / 6)
    assert found.confusion_matrix == ((0, 0, 1), (0, 2, 1), (0, 1, 1))
    assert found.per_class["cat"] == {
        "precision": pytest.approx(2 / 3),
        "recall": pytest.approx(2 / 3),
        "f1": pytest.approx(2 / 3),
        "support": 3.0,
    }
    assert found.per_class["bird"] == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 1.0}


@pytest.mark.requirement("R-TRAIN-09", "R-TRAIN-10")
@settings(max_examples=50, deadline=None, database=None)
@given(seed=st.integers(0, 2**32 - 1), k=st.integers(2, 5), n=st.integers(1, 60))
def test_report_and_matrix_equal_scikit_learn(seed: int, k: int, n: int) -> None:
    """Report and matrix are scikit-learn's, number for number."""
    random = np.random.default_rng(seed)
    names = np.array(["a", "a longer label", "c", "dé", "e"])[:k]
    truth, guess = names[random.integers(0, k, n)], names[random.integers(0, k, n)]
    found = evaluate(truth, guess, None, tuple(names.tolist()))
    assert found.confusion_matrix == tuple(map(tuple, confusion_matrix(truth, guess, labels=found.classes).tolist()))
    if len(set(truth) | set(guess)) == k:
        # scikit-learn writes the support now and then as 1.0.
        expected = classification_report(truth, guess, digits=4, zero_division=0).replace(".0\n", "\n")
        assert found.classification_report.split() == expected.split()


def test_every_metric_is_there_or_excused() -> None:
    """Each metric is computed, or listed with the reason why it was not."""
    probabilities = np.array([[0.9, 0.1], [0.4, 0.6]])
    whole = evaluate(["a", "b"], ["a", "b"], probabilities, ("a", "b"))
    assert set(whole.metrics) == set(METRICS)
    assert whole.not_computed == {}
    without = evaluate(["a", "b"], ["a", "b"], None, ("a", "b"))
    assert set(without.metrics) | set(without.not_computed) == set(METRICS)
    assert without.not_computed["roc_auc"] == "needs probabilities"


def test_metrics_of_an_absent_class_are_left_out_with_the_reason() -> None:
    """What asks for a class that no row has is left out, and the reason names it; the rest is computed."""
    found = evaluate(["a", "a"], ["a", "b"], np.array([[0.9, 0.1], [0.4, 0.6]]), ("a", "b"))
    assert set(found.not_computed) == {"precision", "recall", "f1", "roc_auc", "pr_auc"}
    assert set(found.not_computed.values()) == {"no row has the label 'b'"}
    assert found.metrics["accuracy"] == 0.5
    assert not any(np.isnan(value) for value in found.metrics.values())


def test_an_evaluation_survives_json() -> None:
    """An evaluation survives JSON."""
    found = evaluate(["a", "b", "b"], ["a", "b", "a"], np.array([[0.9, 0.1], [0.4, 0.6], [0.5, 0.5]]), ("a", "b"))
    assert from_jsonable(Evaluation, json.loads(json.dumps(to_json_object(found)))) == found


def test_the_report_has_a_line_for_each_class_whatever_it_is_called() -> None:
    """Names with line breaks or hundreds of characters take one short line each, and stay different."""
    names = ["x" * 300, "x" * 301, "two\nlines", "plain"]
    lines = evaluate(names, names, None, names).classification_report.splitlines()[2:6]
    assert all(line.count(" 1.0000") == 3 for line in lines)
    assert len({line.split(" 1.0000")[0].strip() for line in lines}) == 4
    assert max(len(line) for line in lines) < 120


def test_classes_that_are_numbers_come_in_their_order() -> None:
    """Confusion matrix, classes and report have numbers in the order of numbers, and codes fit them."""
    labels, predicted = ["10", "9", "2", "10"], ["10", "2", "2", "9"]
    evaluation = evaluate(labels, predicted, None, ["10", "2", "9"])
    assert evaluation.classes == ("2", "9", "10")
    assert evaluation.confusion_matrix == ((1, 0, 0), (1, 0, 0), (0, 1, 1))
    assert list(evaluation.per_class) == ["2", "9", "10"]
    assert evaluation.positive == "10"
    assert evaluate(["1", "0"], ["1", "0"], None, ["0", "1"], positive="1.0").positive == "1"
