"""What each column looks like: counts, moments, quantiles, histogram, most frequent values."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiltyard.data.columns import Column, Table

QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
_BINS = 30
_TOP = 20


def measure_distributions(table: Table) -> dict[str, Any]:
    """A profile of every column, by name; of a text column, of its lengths in characters."""
    return {column.name: describe_distribution(column) for column in table.columns}


def describe_distribution(column: Column) -> dict[str, Any]:
    """The profile of one column: count (present), missing, distinct, and what suits its kind."""
    gaps = int(column.gaps.sum())
    facts: dict[str, Any] = {
        "kind": column.kind,
        "role": column.role,
        "count": len(column.missing) - gaps,
        "missing": gaps,
        "distinct": column.different,
    }
    if column.kind in ("number", "time") and len(column.ordered):
        facts.update(_measure_moments(column.ordered))
        facts["histogram"] = count_histogram(column.ordered)
    elif column.kind == "text":
        lengths = np.array([len(str(value)) for value in column.distinct] + [0], dtype=np.float64)[column.codes]
        ordered = np.sort(lengths[~column.gaps])
        if len(ordered):
            facts["length"] = {
                **_measure_moments(ordered),
                "histogram": count_histogram(np.minimum(ordered, _find_most_frequent(ordered))),
            }
    elif column.coded:
        order = np.argsort(-column.counts, kind="stable")[:_TOP]
        facts["top"] = [(str(column.distinct[place]), int(column.counts[place])) for place in order]
    return facts


def count_histogram(ordered: NDArray[np.float64], bins: int = _BINS) -> dict[str, Any]:
    """Counts of ascending numbers in equally wide bins (one bin a value where there are few whole numbers)."""
    low, high = float(ordered[0]), float(ordered[-1])
    # Beyond 1e15 a float cannot stand half a number below its neighbour.
    whole = high - low < bins and abs(low) < 1e15 and bool((ordered == np.floor(ordered)).all())
    if whole:
        edges = np.arange(low - 0.5, high + 1.0)
    elif np.isfinite(high - low) and high > low:
        edges = low + (high - low) * (np.arange(bins + 1) / bins)
    else:
        edges = np.array([low, high])
    places = np.searchsorted(ordered, edges, side="left")
    places[-1] = len(ordered)  # the last bin holds its upper edge
    return {"edges": [float(edge) for edge in edges], "counts": [int(count) for count in np.diff(places)]}


def _measure_moments(ordered: NDArray[np.float64]) -> dict[str, Any]:
    mean, spread = float(ordered.mean()), float(ordered.std(ddof=1)) if len(ordered) > 1 else 0.0
    places = (np.array(QUANTILES) * (len(ordered) - 1)).round().astype(int)
    return {
        "mean": mean,
        "std": spread,
        "min": float(ordered[0]),
        "max": float(ordered[-1]),
        "quantiles": {str(share): float(ordered[place]) for share, place in zip(QUANTILES, places, strict=True)},
    }


def _find_most_frequent(ordered: NDArray[np.float64]) -> float:
    """Where a histogram of lengths ends: a few very long texts must not press all others into one bar."""
    return float(ordered[int(0.995 * (len(ordered) - 1))])
