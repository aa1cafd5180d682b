"""Names of metrics, whatever classes are called."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st
from mlflow.utils.validation import MAX_ENTITY_KEY_LENGTH, _validate_metric_name

from tiltyard.charts.labels import format_labels
from tiltyard.evaluation.metrics.metric_names import make_class_metric_name, make_metric_name

COLLIDING = ["C", "C+", "C#", "<=50K", ">50K", "a/b", "a b", "a\nb", "x" * 300, "x" * 301, "/a", "../a", ".", ""]
names = st.lists(st.text(max_size=300) | st.sampled_from(COLLIDING), unique=True, max_size=12)


@given(names)
@example(COLLIDING)
def test_names_are_accepted_by_mlflow_and_stay_distinct(labels: list[str]) -> None:
    """Every name is one that MLflow accepts, and different classes have metrics of different names."""
    made = [make_class_metric_name(label, "f1") for label in labels] + [make_metric_name(label) for label in labels]
    for name in made:
        _validate_metric_name(name)
        assert len(name) <= MAX_ENTITY_KEY_LENGTH
        assert make_metric_name(name) == name
    assert len(set(made)) == len(made)


def test_a_name_that_mlflow_accepts_stays_as_it_is() -> None:
    """Names that need no change have none, so that runs from before continue under the same names."""
    for name in ("positive.f1", "a/b.recall", "a b.precision", "10.f1", "élevé.f1", "cv.tfidf-logreg"):
        assert make_metric_name(name) == name
    assert make_class_metric_name("a" * 300, "f1").endswith(".f1")


def test_labels_of_a_plot_stay_distinct() -> None:
    """Classes that come out alike in a picture, shortened or on one line, are numbered."""
    drawn = format_labels(["a b", "a\nb", "x" * 300, "x" * 301, "日本", "中国", "c"])
    assert len(set(drawn)) == 7
    assert drawn[:2] == ["a b", "a b (2)"]
