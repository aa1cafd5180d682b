"""Estimates of the error of predicted numbers without labels."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

from tiltyard.data.conform.schema import TableSchema, TypedColumn
from tiltyard.drift.extrapolation import Extrapolation
from tiltyard.errors import ArtifactError
from tiltyard.evaluation import NumberPredictions, pair_numbers
from tiltyard.ledger import Label, Prediction
from tiltyard.monitoring.estimates.direct_loss import ErrorBasis, ErrorContradiction, estimate_errors
from tiltyard.monitoring.estimates.error_model import ErrorModel, fit_error_model
from tiltyard.monitoring.prediction_window import PredictionWindow
from tiltyard.testing import make_prediction

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def draw(random: np.random.Generator, rows: int, *, wide: float = 0.5) -> tuple[pd.DataFrame, NumberPredictions]:
    """Rows of two kinds, of which the wide ones are missed by four times as much; some cells are gaps."""
    is_wide = random.random(rows) < wide
    size = random.uniform(0, 1, rows)
    frame = pd.DataFrame(
        {
            "kind": np.where(is_wide, "wide", "narrow"),
            "size": np.where(random.random(rows) < 0.1, np.nan, size),
            "when": pd.Timestamp("2026-01-01", tz="UTC") + pd.to_timedelta(random.integers(0, 90, rows), unit="D"),
        }
    )
    error = np.where(is_wide, 4.0, 1.0) * random.exponential(1.0, rows)
    return frame, pair_numbers(10 * size + error, 10 * size)


@pytest.fixture(scope="module")
def model() -> ErrorModel:
    """Learned from 800 rows."""
    found = fit_error_model(*draw(np.random.default_rng(1), 800))
    assert found is not None
    return found


def test_cells_beyond_single_precision_are_at_its_end() -> None:
    """A cell of many digits does not end the training, and errors whose powers overflow teach nothing."""
    frame, rows = draw(np.random.default_rng(1), 400)
    odd = frame.assign(size=[1e39, -1e200, *frame["size"][2:]])
    found = fit_error_model(odd, rows)
    assert found is not None
    moments = found.expect_moments(odd, rows.predicted)
    assert np.isfinite(moments).all()
    assert float(np.nanmax(found.encode(odd, np.full(400, -1e300)))) == float(np.finfo(np.float32).max)
    assert fit_error_model(frame, pair_numbers(rows.truth, rows.predicted + 1e100)) is None


def make_window(frame: pd.DataFrame, rows: NumberPredictions, labelled: int = 0) -> PredictionWindow:
    """The rows as the ledger has them, the first of them with labels."""
    predictions: list[Prediction] = []
    for row, number in zip(frame.to_dict(orient="records"), rows.predicted, strict=True):
        content = {
            "kind": row["kind"],
            "size": None if np.isnan(row["size"]) else row["size"],
            "when": str(row["when"]),
        }
        predictions.append(
            make_prediction(
                version="1", label=repr(float(number)), confidence=None, probabilities={}, input=content, interval=None
            )
        )
    truth = {
        row.id: Label(row.id, repr(float(number)), NOON, "test")
        for row, number in zip(predictions[:labelled], rows.truth[:labelled], strict=True)
    }
    return PredictionWindow("rents", None, None, tuple(predictions), truth)


def basis(model: ErrorModel | None, **options: object) -> ErrorBasis:
    columns = (TypedColumn("kind", "category", False, ("narrow", "wide")), TypedColumn("size", "number", True))
    return ErrorBasis("1", model, TableSchema((*columns, TypedColumn("when", "time", False))), **options)  # type: ignore[arg-type]


def test_intervals_hold_what_labels_would_show(model: ErrorModel) -> None:
    """However many rows are of the kind that is missed by more, the interval holds the error of the window."""
    del model
    held, courses = 0, 40
    for course in range(courses):
        random = np.random.default_rng([2, course])
        learned = fit_error_model(*draw(random, 500))
        assert learned is not None
        frame, rows = draw(random, 300, wide=random.random())
        figure = estimate_errors(make_window(frame, rows), basis(learned)).figures["mae"]
        assert figure.interval is not None
        held += figure.interval.low <= np.abs(rows.errors).mean() <= figure.interval.high
    assert held >= binom.ppf(0.001, courses, 0.95)


def test_an_estimate_follows_the_inputs(model: ErrorModel) -> None:
    """More rows of the kind that is missed by more have a larger estimated error, without any label."""
    few, many = (
        estimate_errors(make_window(*draw(np.random.default_rng(3), 400, wide=wide)), basis(model)).figures
        for wide in (0.05, 0.95)
    )
    assert few["mae"].value == pytest.approx(1.15, abs=0.4)
    assert many["mae"].value == pytest.approx(3.85, abs=0.8)
    assert many["rmse"].value > many["mae"].value


def test_labels_replace_the_estimate(model: ErrorModel) -> None:
    """With a label for each row the estimate is the error itself, and its interval has no width."""
    frame, rows = draw(np.random.default_rng(4), 60)
    found = estimate_errors(make_window(frame, rows, labelled=60), basis(model))
    figure = found.figures["mae"]
    assert figure.value == pytest.approx(np.abs(rows.errors).mean())
    assert figure.interval is not None
    assert figure.interval.high - figure.interval.low == pytest.approx(0, abs=1e-9)
    assert found.labelled == 60


def test_labels_that_contradict_the_estimate_are_reported(model: ErrorModel) -> None:
    """Rows whose meaning changed are missed by more than their inputs let expect."""
    frame, rows = draw(np.random.default_rng(5), 300)
    moved = pair_numbers(rows.truth + 5, rows.predicted)
    for known, contradicts in ((rows, False), (moved, True)):
        check = estimate_errors(make_window(frame, known, labelled=200), basis(model)).check
        assert isinstance(check, ErrorContradiction)
        assert (check.rows, check.contradicts) == (200, contradicts)
        assert check.is_worse is contradicts
        assert "the mean absolute error is" in check.summary
    # Labels that are better than estimated contradict it too, and nothing is wrong.
    better = estimate_errors(
        make_window(frame, pair_numbers(rows.predicted, rows.predicted), labelled=200), basis(model)
    )
    assert better.check is not None
    assert (better.check.contradicts, better.check.is_worse) == (True, False)


@pytest.mark.parametrize(
    ("extrapolation", "reason"),
    [
        (Extrapolation(0.5, "size", 0.5), "beyond those of the training"),
        (Extrapolation(0.0, "size", 0.99), "moved away"),
    ],
)
def test_far_inputs_are_not_estimated(model: ErrorModel, extrapolation: Extrapolation, reason: str) -> None:
    """Where the inputs are far from those on which errors were seen, nothing is estimated, and it says why."""
    window = make_window(*draw(np.random.default_rng(6), 100))
    found = estimate_errors(window, basis(model, extrapolation=extrapolation))
    assert found.figures == {}
    assert reason in found.reason
    near = estimate_errors(window, basis(model)).figures["mae"].interval
    moved = estimate_errors(window, basis(model, extrapolation=Extrapolation(0.2, "size", 0.3))).figures["mae"].interval
    assert near is not None
    assert moved is not None
    assert moved.low < near.low
    assert moved.high > near.high


def test_what_cannot_be_estimated_says_so(model: ErrorModel) -> None:
    """Without a model of the errors, with few rows, and for classes there is a reason in place of a figure."""
    few = make_window(*draw(np.random.default_rng(7), 10))
    assert "10 predictions are too few" in estimate_errors(few, basis(model)).reason
    assert "without a model of its errors" in estimate_errors(few, basis(None)).reason
    classes = PredictionWindow("rents", None, None, tuple(make_prediction(version="1") for _ in range(40)), {})
    assert "is a number" in estimate_errors(classes, basis(model)).reason
    assert fit_error_model(*draw(np.random.default_rng(8), 99)) is None


def test_a_model_of_errors_is_read_as_it_was_written(model: ErrorModel) -> None:
    """Its file gives the same expectations, for gaps, unknown categories and missing columns too."""
    again = ErrorModel.from_bytes(model.to_bytes())
    frame, rows = draw(np.random.default_rng(9), 50)
    odd = frame.assign(kind=pd.Series(["other"] * 25 + [None] * 25, dtype=object)).drop(columns="when")
    for inputs in (frame, odd, odd.astype(object)):
        expected = model.expect_moments(inputs, rows.predicted)
        assert np.array_equal(again.expect_moments(inputs, rows.predicted), expected)
        assert np.isfinite(expected).all()


def change_array(content: bytes, name: str, value: object) -> bytes:
    with np.load(io.BytesIO(content)) as stored:
        arrays = {key: stored[key] for key in stored.files}
    file = io.BytesIO()
    np.savez_compressed(file, **{**arrays, name: np.asarray(value)})
    return file.getvalue()


def test_a_changed_model_of_errors_is_refused(model: ErrorModel) -> None:
    """Trees that lead in a circle, out of their arrays or to features that are not there are not followed."""
    content = model.to_bytes()
    with np.load(io.BytesIO(content)) as stored:
        children, feature, moments = stored["children"], stored["feature"], stored["moments"]
    circle, outside, unknown = children.copy(), children.copy(), feature.copy()
    circle[0] = 0
    outside[0] = len(children)
    unknown[0] = 99
    changes = {
        "children": (circle, outside),
        "feature": (unknown,),
        "moments": (np.full_like(moments, np.nan), moments[:, :1]),
        "about": (np.array("{}"),),
    }
    for name, values in changes.items():
        for value in values:
            with pytest.raises(ArtifactError, match=r"error_model\.npz"):
                ErrorModel.from_bytes(change_array(content, name, value))
    with pytest.raises(ArtifactError, match=r"error_model\.npz"):
        ErrorModel.from_bytes(b"nothing")


def test_texts_have_their_lengths_as_features() -> None:
    """The error of longer texts is known to be larger."""
    random = np.random.default_rng(10)
    words = random.integers(1, 40, 600)
    texts = pd.Series([" ".join(["word"] * int(count)) for count in words])
    found = fit_error_model(texts, pair_numbers(random.normal(size=600) * words, np.zeros(600)))
    assert found is not None
    short, long = (
        found.expect_moments(pd.Series([" ".join(["word"] * count)]), np.zeros(1))[:, 0, 0].mean() for count in (3, 38)
    )
    assert long > 3 * short


def test_groups_stay_whole() -> None:
    """Rows of a group are in one half of each tree; a single group is not a reason to fail."""
    frame, rows = draw(np.random.default_rng(11), 200)
    for groups in (np.arange(200) // 10, np.zeros(200, dtype=int)):
        grouped = pair_numbers(rows.truth, rows.predicted, clusters=groups)
        found = fit_error_model(frame, grouped)
        assert found is not None
        assert found.rows == 200


def test_few_far_misses_widen_the_interval(model: ErrorModel) -> None:
    """Where a few rows make up most of the squared errors, few rows tell how much these vary: the interval is wider."""
    frame, rows = draw(np.random.default_rng(7), 800)
    far = rows.truth.copy()
    far[:2] += 60
    learned = fit_error_model(frame, pair_numbers(far, rows.predicted))
    assert learned is not None
    assert learned.effective[1] < 2.5
    assert 10 < model.effective[1] < model.effective[0] < 800
    read = ErrorModel.from_bytes(learned.to_bytes())
    assert read.effective == pytest.approx(learned.effective)
    known = replace(learned, effective=(np.inf, np.inf))
    few, many = (estimate_errors(make_window(frame, rows), basis(one)).figures["rmse"] for one in (read, known))
    assert few.value == pytest.approx(many.value)
    assert few.interval is not None
    assert many.interval is not None
    assert few.interval.low < many.interval.low
    assert many.interval.high < few.interval.high


def test_a_model_from_before_knows_no_effective_rows(model: ErrorModel) -> None:
    """A file of a version that does not tell how many rows its errors count for is read, and only trees count."""
    before = replace(model, effective=(np.inf, np.inf))
    assert ErrorModel.from_bytes(before.to_bytes()).effective == (np.inf, np.inf)
