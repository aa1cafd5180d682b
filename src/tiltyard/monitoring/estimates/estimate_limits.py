"""Where an estimate without labels ends: inputs that moved away from those that calibration saw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from tiltyard.drift.extrapolation import Extrapolation
from tiltyard.evaluation import Interval, get_metric
from tiltyard.formatting import format_percent
from tiltyard.monitoring.performance import Figure

MOST_BEYOND = 0.25
"""With more rows beyond the reference than this share, nothing is estimated."""

MOST_MOVED = 0.95
"""Nor where so many rows moved across one point: next to none is where the reference's rows are."""

_WITHIN = 0.25  # of rows that moved within the reference, the share that may be as wrong as rows beyond it


def find_broken_basis(extrapolation: Extrapolation) -> str:
    """Why nothing can be estimated for such inputs; empty where it can."""
    if extrapolation.beyond > MOST_BEYOND:
        return (
            f"{format_percent(extrapolation.beyond)} of the predictions are for inputs beyond those of the training "
            f"({extrapolation.subject}), on which the version was never checked."
        )
    if extrapolation.moved > MOST_MOVED:
        return (
            f"{format_percent(extrapolation.moved)} of the inputs moved away from those of the training, on which the "
            "version was checked."
        )
    return ""


def widen_figures(
    figures: Mapping[str, Figure], extrapolation: Extrapolation, classes: int, unlabelled: float = 1.0
) -> dict[str, Figure]:
    """Figures whose intervals allow for rows on which confidence was not checked.

    Of a share u of rows beyond the reference, the metric may be anything from that of a guess to the best; of rows that
    moved within it, a quarter. So the interval grows by that share of the way to either end.

    Args:
        figures: estimates by metric, with their intervals.
        extrapolation: how far the inputs moved.
        classes: number of labels, of which a guess hits one.
        unlabelled: share of the rows whose label is not known.
    """
    share = measure_unchecked(extrapolation, unlabelled)
    return {name: _widen(name, figure, share, classes) for name, figure in figures.items()}


def measure_unchecked(extrapolation: Extrapolation, unlabelled: float = 1.0) -> float:
    """The share of the rows that may be unlike those on which the version was checked: beyond, and a quarter within."""
    return unlabelled * (extrapolation.beyond + _WITHIN * (extrapolation.moved - extrapolation.beyond))


def _widen(name: str, figure: Figure, share: float, classes: int) -> Figure:
    metric, interval = get_metric(name), figure.interval
    if interval is None or not share or not metric.bigger_is_better:
        return figure
    guess = {"accuracy": 1 / max(classes, 1), "roc_auc": 0.5}.get(name, 0.0)
    low = interval.low - share * max(figure.value - guess, 0.0)
    return replace(figure, interval=Interval(low, interval.high + share * max(1 - figure.value, 0.0)))
