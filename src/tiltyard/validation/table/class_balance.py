"""The labels: how many there are and how evenly rows spread over them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tiltyard.data.columns import Table
from tiltyard.findings import Finding, could_not_judge
from tiltyard.formatting import choose_form, format_count, format_percent, join_values, quote_excerpt
from tiltyard.project import ValidationSection

_LEAST_ROWS = 10
_IMBALANCED = 3.0
_VERY_IMBALANCED = 10.0
_MANY = 50
# So many labels that are not numbers may be slips among numbers.
_MOST_OTHERS = 0.05


def measure_classes(table: Table) -> dict[str, Any]:
    """Rows of each label, most frequent first, and how even they are.

    ``imbalance`` is the most frequent label's rows for each row of the rarest; ``evenness`` is the entropy of the
    shares over its largest possible value: 1 is perfectly even (Pielou, 1966).
    """
    label = table.label
    if label is None:
        target = None if table.target is None else table.target.name
        return {"judged": False, "label": None, "target": target, "counts": {}}
    places = [place for place, value in enumerate(label.distinct) if str(value)]
    counts = {str(label.distinct[place]): int(label.counts[place]) for place in places}
    counts = dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
    total = sum(counts.values())
    shares = {name: count / total for name, count in counts.items()}
    return {
        "judged": True,
        "label": label.name,
        "classes": len(counts),
        "counts": counts,
        "shares": shares,
        "imbalance": max(counts.values()) / min(counts.values()) if counts else None,
        "evenness": _measure_evenness(list(shares.values())),
    }


def evaluate_classes(measured: dict[str, Any], limits: ValidationSection) -> list[Finding]:
    """Findings about the labels."""
    name = measured["label"]
    if name is None and measured.get("target") is not None:
        return []  # a number to predict has no classes
    if name is None:
        return [
            could_not_judge(
                "label.balance",
                "label",
                "No label column was named or found.",
                next_step='Name it: validate_dataset(df, name, label="COLUMN").',
                title="Class balance",
            )
        ]
    if measured["classes"] < 2:
        return [_one_class_finding(name, measured["counts"])]
    if measured["classes"] > _MANY and measured["classes"] > 0.2 * sum(measured["counts"].values()):
        return [_no_classes_finding(name, measured)]
    return _rare_class_finding(name, measured, limits.min_class_share) + _imbalance_finding(name, measured)


def _measure_evenness(shares: list[float]) -> float:
    if len(shares) < 2:
        return 0.0
    portions = np.array(shares)
    return float(-(portions * np.log(portions)).sum() / np.log(len(portions)))


def _one_class_finding(name: str, counts: dict[str, int]) -> Finding:
    only = f"only the label {quote_excerpt(next(iter(counts)))}" if counts else "no label at all"
    return Finding(
        "label.one-class",
        "error",
        name,
        "Fewer than two labels",
        f"'{name}' holds {only}; a model learns from labels that differ.",
        score=float(len(counts)),
        limit=2.0,
        evidence={"counts": counts},
        next_step="Add rows with another label, or name another label column.",
    )


def _no_classes_finding(name: str, measured: dict[str, Any]) -> Finding:
    total = sum(measured["counts"].values())
    message = (
        f"'{name}' holds {format_count(measured['classes'], 'different label')} in {format_count(total, 'row')}; "
        "that looks like a quantity or a name, not like a class."
    )
    next_step = "Name another label column, or divide the quantity into classes."
    others = [label for label in measured["counts"] if not _is_finite(label)]
    if len(others) <= _MOST_OTHERS * measured["classes"]:
        next_step = 'Predict the number (task = "tabular-regression" or "text-regression"), or divide it into classes.'
        if others:
            message += f" {measured['classes'] - len(others):,} of them are numbers."
            named = ", ".join(quote_excerpt(label) for label in others[:3])
            next_step = f"Correct the cells that are not finite numbers ({named}). {next_step}"
    return Finding(
        "label.many-classes",
        "error",
        name,
        "More labels than can be learnt",
        message,
        score=measured["classes"] / total,
        evidence={"classes": measured["classes"], "rows": total},
        next_step=next_step,
    )


def _is_finite(label: str) -> bool:
    try:
        return math.isfinite(float(label))
    except ValueError:
        return False


def _rare_class_finding(name: str, measured: dict[str, Any], limit: float) -> list[Finding]:
    few = {label: count for label, count in measured["counts"].items() if count < _LEAST_ROWS}
    smallest = min(measured["shares"].values())
    broken = {label: measured["counts"][label] for label, share in measured["shares"].items() if share < limit}
    rare = broken or few
    if not rare:
        return []
    rows = sum(rare.values())
    return [
        Finding(
            "label.rare-class",
            "error" if broken else "warning",
            name,
            "Labels with very few rows",
            f"{format_count(len(rare), 'label')} of '{name}' {choose_form(len(rare), 'has', 'have')} too few rows "
            f"to be learnt or evaluated ({format_count(rows, 'row')} together): {join_values(rare)}.",
            score=smallest,
            limit=limit,
            evidence={"counts": rare},
            next_step="Collect more rows of them, join them with another label, or leave them out.",
        )
    ]


def _imbalance_finding(name: str, measured: dict[str, Any]) -> list[Finding]:
    ratio = measured["imbalance"]
    if ratio < _IMBALANCED:
        return []
    counts = measured["counts"]
    most, least = next(iter(counts)), list(counts)[-1]
    return [
        Finding(
            "label.imbalance",
            "warning" if ratio >= _VERY_IMBALANCED else "info",
            name,
            "Uneven labels",
            f"{quote_excerpt(most)} is {ratio:.3g} times as frequent as {quote_excerpt(least)} "
            f"({format_percent(measured['shares'][most])} and {format_percent(measured['shares'][least])} of the "
            "rows).",
            score=ratio,
            evidence={"counts": counts, "evenness": measured["evenness"]},
            next_step=f"Choose a metric that counts rare labels (f1, balanced_accuracy); always predicting "
            f"{quote_excerpt(most)} has an accuracy of {format_percent(measured['shares'][most])}.",
        )
    ]
