"""Which class counts as positive, and which metric suits the shares of the classes."""

from __future__ import annotations

from collections.abc import Mapping

from tiltyard.formatting import format_percent, quote_excerpt

POSITIVE_WORDS = frozenset(
    {"1", "true", "yes", "y", "pos", "positive", "spam", "fraud", "good", "bad", "churn", "churned"}
)
_IMBALANCED = 2.0
_RARE = 0.4


def choose_positive(counts: Mapping[str, int]) -> str | None:
    """The positive one of two classes: by its word, else a clearly rarer one, else the later; None for more classes."""
    if len(counts) != 2:
        return None
    known = [name for name in counts if name.lower() in POSITIVE_WORDS]
    if len(known) == 1:
        return known[0]
    rarest = min(counts, key=lambda name: counts[name])
    if counts[rarest] < _RARE * sum(counts.values()):
        return rarest
    return list(counts)[-1]


def choose_metric(counts: Mapping[str, int]) -> tuple[str, str]:
    """A metric for classes with these numbers of rows, and why.

    Accuracy rewards who always predicts a frequent class; from twice as many rows as the rarest class has on,
    the mean of the classes' recalls (balanced accuracy) is proposed.
    """
    total = sum(counts.values())
    most, least = max(counts, key=lambda name: counts[name]), min(counts, key=lambda name: counts[name])
    if counts[most] < _IMBALANCED * counts[least]:
        return "accuracy", "share of right predictions: the classes are about as frequent as each other"
    return (
        "balanced_accuracy",
        f"mean of the classes' recalls: always predicting {quote_excerpt(most, 30)} has an accuracy of "
        f"{format_percent(counts[most] / total)}, and a balanced accuracy of {1 / len(counts):.2g}",
    )
