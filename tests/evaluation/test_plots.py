"""Pictures show the numbers of the evaluation."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest

from tests.charts.drawn import count_frames, read_dots, read_picture, read_texts, read_words
from tiltyard.charts.panel import Picture
from tiltyard.evaluation import (
    Importance,
    NumberPredictions,
    evaluate,
    evaluate_calibration,
    label_predictions,
    pair_numbers,
    plot_calibration,
    plot_confusion_matrix,
    plot_errors,
    plot_importance,
    plot_per_class,
    plot_predicted,
    plot_reliability,
    plot_residuals,
)
from tiltyard.evaluation.importance import FeatureWeight


def test_every_count_is_written_into_its_cell() -> None:
    """Every count is written into its cell, and the labels stand at the axes."""
    found = evaluate(["a"] * 1200 + ["b"] * 8, ["a"] * 1203 + ["b"] * 5, None, ("a", "b"))
    texts = {text.words: text.corners for text in read_texts(plot_confusion_matrix(found))}
    assert {"1,200", "3", "5", "a", "b"} <= set(texts)
    assert texts["1,200"][0][1] < texts["3"][0][1] == texts["5"][0][1]  # the true label decides the row
    assert texts["3"][0][0] < texts["5"][0][0]  # and the predicted one the column


@pytest.mark.parametrize("k", [2, 12, 40, 300])
def test_many_classes_are_drawn_without_counts(k: int) -> None:
    """Pictures of many classes can be drawn too; from some number on the counts are left out."""
    names = [f"a rather long label {i}" for i in range(k)]
    found = evaluate(names * 2, names * 2, None, tuple(names))
    assert read_words(plot_per_class(found))[-3:] == ["precision", "recall", "f1"]
    picture = plot_confusion_matrix(found)
    assert ("2" in read_words(picture)) == (k <= 15)
    assert len(picture.svg) < 1000 * (20 + k)


@pytest.mark.parametrize(
    "names",
    [
        ("a", "b"),
        ("W" * 40, "i", "$x$", "ordinary"),
        ("a" * 9, "W" * 40),
        tuple(f"label {i}" for i in range(12)),
        ("日本", "\x1b<b>"),
    ],
)
def test_no_label_is_cut_off(names: tuple[str, ...]) -> None:
    """Every label of a picture stands within it, however long it is and whatever signs it has."""
    found = evaluate(names, names, None, names)
    shares = np.full((len(names), len(names)), 1 / len(names))
    calibration = evaluate_calibration(label_predictions(np.array(names), np.array(names), shares, names, None))
    assert calibration is not None
    importance = Importance("terms", "weight", 9, tuple(FeatureWeight(name, 1.0, None, name) for name in names))
    for picture in (
        plot_confusion_matrix(found),
        plot_per_class(found),
        plot_reliability(np.array(names), np.array(names), shares.max(axis=1)),
        plot_calibration(calibration),
        plot_importance(importance),
    ):
        for text in read_texts(picture):
            for x, y in text.corners:
                assert 0 <= x <= picture.width, (picture.title, text)
                assert 0 <= y <= picture.height, (picture.title, text)


def test_a_reliability_bin_lies_at_its_confidence_and_accuracy() -> None:
    """A bin of predictions lies where its mean confidence meets the share that was right."""
    truth = np.array(["a"] * 3 + ["b"])
    picture = plot_reliability(truth, np.array(["a"] * 4), np.full(4, 0.8))
    [(x, y)] = read_dots(picture)
    diagonal = next(line for line in read_picture(picture).iter("{http://www.w3.org/2000/svg}polyline"))
    (left, bottom), (right, top) = (map(float, point.split(",")) for point in str(diagonal.get("points")).split())
    assert (x - left) / (right - left) == pytest.approx(0.8, abs=0.001)
    assert (bottom - y) / (bottom - top) == pytest.approx(0.75, abs=0.001)


@pytest.mark.parametrize("plot", [plot_predicted, plot_residuals, plot_errors])
@pytest.mark.parametrize(
    "truth", [[1.0, 2.0, 4.0], [3.0, 3.0, 3.0], [0.0, 0.0, 0.0], [-1e9, 2e-9, 7e12], [1e-7, 2e-7, 3e-7]]
)
def test_numbers_of_any_size_can_be_drawn(plot: Callable[[NumberPredictions], Picture], truth: list[float]) -> None:
    """Numbers that are huge, tiny, or all the same have their picture, with values at both axes and nothing cut off."""
    picture = plot(pair_numbers(truth, truth[::-1]))
    assert count_frames(picture) == 1
    assert "nan" not in picture.svg
    assert len(read_words(picture)) >= 6
    for text in read_texts(picture):
        assert all(0 <= x <= picture.width and 0 <= y <= picture.height for x, y in text.corners), text


def test_a_predicted_number_lies_where_it_meets_the_true_one() -> None:
    """Dots lie to the right with the true number and upwards with the predicted one, and a residual turns round."""
    rows = pair_numbers([0.0, 10.0], [1.0, 3.0])
    (low, high), (near, far) = read_dots(plot_predicted(rows)), read_dots(plot_residuals(rows))
    assert low[0] < high[0]
    assert low[1] > high[1]
    assert near[1] > far[1]  # -1 is below 7


def test_pictures_import_no_library_of_pictures() -> None:
    """Pictures are text, and drawing them imports no library that takes longer than they do."""
    code = (
        "import sys; from tiltyard.evaluation import *;"
        "plot_per_class(evaluate(['a', 'b'], ['a', 'b'], None, ('a', 'b')));"
        "assert not {'matplotlib', 'PIL', 'plotly'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=600)
