"""Pictures show the numbers of the evaluation."""

from __future__ import annotations

import io
import subprocess
import sys

import numpy as np
import pytest
from matplotlib.figure import Figure

from tiltyard.evaluation import (
    Importance,
    evaluate,
    evaluate_calibration,
    label_predictions,
    plot_calibration,
    plot_confusion_matrix,
    plot_importance,
    plot_per_class,
    plot_reliability,
)
from tiltyard.evaluation.importance import FeatureWeight


def drawn(figure: Figure) -> bytes:
    """The figure as PNG."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def texts(figure: Figure) -> set[str]:
    return {text.get_text() for axes in figure.axes for text in axes.texts}


def test_every_count_is_written_into_its_cell() -> None:
    """Every count is written into its cell, and the labels stand at the axes."""
    found = evaluate(["a"] * 1200 + ["b"] * 3, ["a"] * 1200 + ["a", "b", "b"], None, ("a", "b"))
    figure = plot_confusion_matrix(found)
    assert texts(figure) == {"1,200", "0", "1", "2"}
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["a", "b"]
    assert drawn(figure).startswith(b"\x89PNG")


@pytest.mark.parametrize("k", [2, 12, 40])
def test_many_classes_are_drawn_without_counts(k: int) -> None:
    """Pictures of many classes can be drawn too; from some number on the counts are left out."""
    names = [f"a rather long label {i}" for i in range(k)]
    found = evaluate(names * 2, names * 2, None, tuple(names))
    assert drawn(plot_per_class(found)).startswith(b"\x89PNG")
    figure = plot_confusion_matrix(found)
    assert bool(texts(figure)) == (k <= 15)
    assert drawn(figure).startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "names", [("a", "b"), ("W" * 40, "i", "$x$", "ordinary"), tuple(f"label {i}" for i in range(12))]
)
def test_no_label_is_cut_off(names: tuple[str, ...]) -> None:
    """Every label of a picture stands within it, however long it is."""
    found = evaluate(names, names, None, names)
    shares = np.full((len(names), len(names)), 1 / len(names))
    calibration = evaluate_calibration(label_predictions(np.array(names), np.array(names), shares, names, None))
    assert calibration is not None
    importance = Importance("terms", "weight", 9, tuple(FeatureWeight(name, 1.0, None, name) for name in names))
    for figure in (
        plot_confusion_matrix(found),
        plot_per_class(found),
        plot_reliability(np.array(names), np.array(names), shares.max(axis=1)),
        plot_calibration(calibration),
        plot_importance(importance),
    ):
        needed, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
        assert min(needed.x0, needed.y0) >= 0
        assert max(needed.x1 - width, needed.y1 - height) <= 0


def test_a_reliability_bin_lies_at_its_confidence_and_accuracy() -> None:
    """A bin of predictions lies where its mean confidence meets the share that was right."""
    truth = np.array(["a"] * 3 + ["b"])
    figure = plot_reliability(truth, np.array(["a"] * 4), np.full(4, 0.8))
    curve = figure.axes[0].get_lines()[1].get_xydata()
    assert np.asarray(curve).tolist() == [[pytest.approx(0.8), 0.75]]
    assert drawn(figure).startswith(b"\x89PNG")


def test_plots_never_open_pyplot() -> None:
    """Plots never open pyplot, which belongs to the process and to a screen."""
    code = (
        "import sys; from tiltyard.evaluation import *;"
        "plot_per_class(evaluate(['a', 'b'], ['a', 'b'], None, ('a', 'b'))).savefig(sys.stdout.buffer);"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=600)
