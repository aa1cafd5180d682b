"""The error of predicted numbers without labels, by a model of the error: see ``error_model``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tiltyard.data.conform.frames import read_sent_rows
from tiltyard.data.conform.schema import TableSchema
from tiltyard.drift.extrapolation import NO_EXTRAPOLATION, Extrapolation
from tiltyard.drift.profiles import rows_frame
from tiltyard.evaluation import Interval
from tiltyard.evaluation.resampling.by_group import CONFIDENCE
from tiltyard.formatting import choose_form, format_count, format_number
from tiltyard.jsonable import json_form
from tiltyard.ledger.arrivals import is_redacted
from tiltyard.monitoring.estimates.cbpe import MOST_ROWS, Estimate, choose_every_kth
from tiltyard.monitoring.estimates.error_model import FEWEST_ROWS, ErrorModel
from tiltyard.monitoring.estimates.estimate_limits import find_broken_basis, measure_unchecked
from tiltyard.monitoring.performance import Figure
from tiltyard.monitoring.prediction_window import PredictionWindow

METHOD = "direct loss estimation (NannyML), honest trees on held-out rows"
BLIND_SPOT = (
    "An estimate of the error assumes that the same input is missed by as much as before. It cannot see concept drift; "
    "only labels can."
)
ESTIMATED = ("mae", "rmse")

# With one degree of freedom an interval would reach thirteen standard errors, from nothing to any number.
_FEWEST_DEGREES = 2.0

Numbers = NDArray[np.float64]


@json_form(also=("contradicts",), names={"error": "mean_absolute_error", "estimated": "estimated_error"})
@dataclass(frozen=True)
class ErrorContradiction:
    """The estimate against the labels, on the rows that have both.

    Attributes:
        rows: number of labelled predictions.
        error: their mean absolute error.
        estimated: that of the same rows, estimated without their labels, with its interval.
    """

    rows: int
    error: float
    estimated: Figure

    @property
    def contradicts(self) -> bool:
        """Whether labels and estimate differ by more than the interval allows."""
        interval = self.estimated.interval
        return interval is not None and not interval.low <= self.error <= interval.high

    @property
    def is_worse(self) -> bool:
        """Whether the error is above the interval of the estimate."""
        interval = self.estimated.interval
        return interval is not None and self.error > interval.high

    @property
    def summary(self) -> str:
        """One line for people."""
        interval = self.estimated.interval
        ends = f" ({format_number(interval.low)} to {format_number(interval.high)})" if interval else ""
        return (
            f"on {format_count(self.rows, 'labelled prediction')} the mean absolute error is "
            f"{format_number(self.error)}; the estimate is {format_number(self.estimated.value)}{ends}"
        )


@json_form(
    names={"figures": "metrics", "reason": "could_not_estimate"}, constants={"method": METHOD, "caveat": BLIND_SPOT}
)
@dataclass(frozen=True)
class ErrorEstimate(Estimate):
    """The error that labels would show, estimated by a model of the error; see ``Estimate``."""


@dataclass(frozen=True)
class ErrorBasis:
    """The version and the model of its errors.

    Attributes:
        version: the version.
        model: the model of its errors; None where it has none.
        schema: how the version reads the cells of its inputs; None for texts.
        min_rows: with fewer predictions nothing is estimated.
        extrapolation: how far the inputs of the predictions are from those of its training.
    """

    version: str
    model: ErrorModel | None
    schema: TableSchema | None = None
    min_rows: int = 30
    extrapolation: Extrapolation = NO_EXTRAPOLATION


def estimate_errors(window: PredictionWindow, basis: ErrorBasis, *, most: int = MOST_ROWS) -> ErrorEstimate:
    """Estimate the errors of one version's predictions; labels replace the estimate where they are known.

    The interval covers what the model of the error does not know, by how much its trees differ (each saw half of the
    rows: the delete-half jackknife, Shao and Tu, The Jackknife and Bootstrap, 1995), and that errors vary around what
    is expected. Both variances are estimates: the quantile is that of Student's t with one degree of freedom less than
    there are trees, or rows that show the variance (``ErrorModel.effective``), whichever are fewer. The interval is
    symmetric on the scale of logarithms, as errors are positive and skewed. Where inputs moved away
    from those of the training it is wider, and beyond them nothing is estimated.

    Args:
        window: predictions; those of other versions are left out, and those whose inputs were redacted.
        basis: the version and the model of its errors.
        most: predictions that the estimate is made from; of more, every k-th.
    """
    mine = window.take(window.versions == basis.version)
    kept = mine.take(np.array([not is_redacted(row.input) for row in mine.predictions], dtype=np.bool_))
    reason = _find_obstacle(kept, basis)
    figures: Mapping[str, Figure] = {}
    check = None
    if not reason and basis.model is not None:
        unchecked = measure_unchecked(basis.extrapolation, 1 - float(kept.known.mean()))
        part = kept.take(choose_every_kth(len(kept), most))
        figures = {
            name: _widen(figure, unchecked, basis.model.guess)
            for name, figure in _estimate_figures(part, basis.model, basis.schema).items()
        }
        check = _compare_with_labels(kept, basis, basis.model)
    return ErrorEstimate(
        since=window.since,
        until=window.until,
        version=basis.version,
        predictions=len(mine),
        labelled=int(mine.known.sum()),
        calibration_rows=0 if basis.model is None else basis.model.rows,
        figures=figures,
        check=check,
        reason=reason,
    )


def estimate_mean_errors(
    model: ErrorModel, inputs: pd.Series | pd.DataFrame, predicted: Numbers, errors: Numbers | None = None
) -> dict[str, Figure]:
    """Mean absolute and root mean squared error of n predictions, with 95 % intervals.

    Args:
        model: the model of the error.
        inputs: n rows, read as the version reads them.
        predicted: n predicted numbers.
        errors: n absolute errors, NaN where one is not known; None: none is.
    """
    moments = model.expect_moments(inputs, predicted)
    known = np.zeros(len(predicted), dtype=np.bool_)
    if errors is not None:
        known = ~np.isnan(errors)
        moments[:, known] = np.column_stack([errors, errors**2, errors**4])[known]
    expected = moments.mean(axis=0)
    figures = {}
    for name, power in zip(ESTIMATED, range(2), strict=True):
        value = float(expected[:, power].mean())
        of_model = float(np.var(moments[:, :, power].mean(axis=1), ddof=1)) if len(moments) > 1 else 0.0
        unknown = expected[~known]
        spread = np.maximum(unknown[:, power + 1] - unknown[:, power] ** 2, 0.0)
        of_rows = float(spread.sum()) / len(predicted) ** 2
        reach = _find_quantile(min(float(len(model.trees)), model.effective[power])) * (of_model + of_rows) ** 0.5
        figures[name] = _make_figure(value, reach, root=power == 1)
    return figures


def _find_quantile(pieces: float) -> float:
    """How many standard errors the interval reaches to a side, if so many pieces show the standard error."""
    from scipy.special import stdtrit  # noqa: PLC0415 - only who estimates errors needs it

    return float(stdtrit(max(pieces - 1, _FEWEST_DEGREES), (1 + CONFIDENCE) / 2))


def _make_figure(value: float, reach: float, *, root: bool) -> Figure:
    if value <= 0:
        return Figure(0.0, Interval(0.0, 0.0) if reach == 0 else None)
    low, high = (value * float(np.exp(side * reach / value)) for side in (-1, 1))
    if root:
        value, low, high = (float(np.sqrt(square)) for square in (value, low, high))
    return Figure(value, Interval(low, high))


def _estimate_figures(window: PredictionWindow, model: ErrorModel, schema: TableSchema | None) -> dict[str, Figure]:
    predicted = np.array([float(row.label) for row in window.predictions])
    errors = np.full(len(window), np.nan)
    known = window.known
    errors[known] = np.abs(predicted[known] - window.labels().astype(np.float64))
    return estimate_mean_errors(model, _read_inputs(window, schema), predicted, errors)


def _read_inputs(window: PredictionWindow, schema: TableSchema | None) -> pd.Series | pd.DataFrame:
    inputs: Sequence[Mapping[str, object]] = [row.input for row in window.predictions]
    if schema is None:
        return pd.Series([str(row.get("text") or "") for row in inputs], dtype=object)
    return read_sent_rows(rows_frame(inputs, [column.name for column in schema.columns]), schema)


def _widen(figure: Figure, unchecked: float, guess: float) -> Figure:
    """Rows on which errors were not checked may be missed by nothing, or by as much as a guess misses."""
    interval = figure.interval
    if interval is None or not unchecked:
        return figure
    low = max(interval.low - unchecked * figure.value, 0.0)
    return replace(figure, interval=Interval(low, interval.high + unchecked * max(guess - figure.value, figure.value)))


def _compare_with_labels(window: PredictionWindow, basis: ErrorBasis, model: ErrorModel) -> ErrorContradiction | None:
    rows = int(window.known.sum())
    if rows < basis.min_rows:
        return None
    labelled = window.take(window.known)
    labelled = labelled.take(choose_every_kth(rows, MOST_ROWS))
    predicted = np.array([float(row.label) for row in labelled.predictions])
    error = float(np.mean(np.abs(predicted - labelled.labels().astype(np.float64))))
    figures = _estimate_figures(replace(labelled, truth={}), model, basis.schema)
    return ErrorContradiction(rows, error, figures["mae"])


def _find_obstacle(window: PredictionWindow, basis: ErrorBasis) -> str:
    if basis.model is None:
        return (
            f"The version was packaged without a model of its errors; versions trained from now on with {FEWEST_ROWS} "
            "rows or more have one."
        )
    if len(window) < basis.min_rows:
        few = choose_form(len(window), "is", "are")
        return f"{format_count(len(window), 'prediction')} {few} too few for an estimate; {basis.min_rows} are needed."
    if any(row.confidence is not None for row in window.predictions):
        return "Not every prediction of the version is a number."
    return "" if window.known.all() else find_broken_basis(basis.extrapolation)
