"""Change of importance from one version to another, and how much of it is chance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tiltyard.evaluation.importance.feature_weights import Importance
from tiltyard.evaluation.resampling.by_group import CONFIDENCE
from tiltyard.jsonable import json_form

# The largest changes that are reported, up and down together.
MOST_CHANGES = 20

# Smaller differences of a share of all importance are of no use to anybody, however surely they are there.
LEAST_CHANGE = 0.01

FEWEST_RETRAININGS = 3

Feature = tuple[str, str | None]
"""A name and the label that it speaks for."""


@json_form(also=("difference",))
@dataclass(frozen=True)
class Change:
    """How much more a feature counts than it did.

    Attributes:
        name: the feature.
        label: the label that a term speaks for.
        before: its share of all importance in the earlier version, 0 to 1; a value below 0 counts as 0.
        after: the same in the later version.
        is_clear: whether the loss of the metric differs by more than chance: of 20 comparisons with a version that was
            trained on other rows of the same kind, at most about one shows such a difference in any column. None where
            that is not known: of terms, where the later version was not retrained, and where the metrics differ.
    """

    name: str
    label: str | None
    before: float
    after: float
    is_clear: bool | None = None

    @property
    def difference(self) -> float:
        """By how much its share rose."""
        return self.after - self.before


@dataclass(frozen=True)
class ImportanceChange:
    """The importance of features, compared with another version.

    Attributes:
        rank_correlation: Spearman's, of the features of both: 1 is the same order. None where there are fewer than
            three, or one side has no order.
        rose: features that count for more, the largest change first.
        fell: features that count for less, the largest change first.
        retrainings: how often the later version was trained again to learn what is chance; 0 where it was not.
    """

    rank_correlation: float | None
    rose: tuple[Change, ...]
    fell: tuple[Change, ...]
    retrainings: int = 0

    @property
    def clear(self) -> tuple[Change, ...]:
        """The changes that exceed chance, the largest first."""
        known = sorted((*self.rose, *self.fell), key=lambda change: -abs(change.difference))
        return tuple(change for change in known if change.is_clear)


def compare_importance(
    before: Importance, after: Importance, retrained: Sequence[Importance] = ()
) -> ImportanceChange | None:
    """What rose and what fell from one version to another, in shares of all importance.

    A feature that only one of them names counts as 0 in the other: of terms, only the top ones are kept.

    Two trainings on rows of the same kind differ: of columns that say the same, each model goes by another. So what
    is chance is learnt from trainings of the later version on halves of its rows: a difference is clear where it is
    greater than Student's t, at 95 % for all columns together (Bonferroni), times the root of 2 (the earlier version
    differs by chance too), times the standard deviation of the column that differs most between these; and where the
    share differs by a hundredth at least.

    Args:
        before: the earlier version.
        after: the later version.
        retrained: the importance of the same columns in trainings of the later version on other rows of the same kind;
            with fewer than three, nothing is known of chance.

    Returns:
        The largest changes, or None where the two are of different kinds.
    """
    if before.kind != after.kind:
        return None
    old, new = _normalise_weights(before), _normalise_weights(after)
    names = sorted({*old, *new}, key=lambda name: (name[1] or "", name[0]))
    bound = _bound_chance(after, retrained) if before.unit == after.unit else None
    losses = [{(one.name, one.label): one.value for one in side.features} for side in (before, after)]

    def is_clear(feature: Feature) -> bool | None:
        if bound is None:
            return None
        loss, share = (abs(one.get(feature, 0.0) - other.get(feature, 0.0)) for one, other in (losses, (old, new)))
        return loss > bound and share >= LEAST_CHANGE

    changes = [Change(*name, old.get(name, 0.0), new.get(name, 0.0), is_clear(name)) for name in names]
    largest = sorted(changes, key=lambda change: -abs(change.difference))[:MOST_CHANGES]
    return ImportanceChange(
        rank_correlation=_rank_correlation(changes),
        rose=tuple(change for change in largest if change.difference > 0),
        fell=tuple(change for change in largest if change.difference < 0),
        retrainings=0 if bound is None else len(retrained),
    )


def _bound_chance(after: Importance, retrained: Sequence[Importance]) -> float | None:
    """By how much the loss of any column differs by chance; None where too few trainings tell."""
    alike = [one for one in retrained if (one.kind, one.unit) == (after.kind, after.unit)]
    if len(alike) < FEWEST_RETRAININGS or not after.features:
        return None
    from scipy.stats import t  # noqa: PLC0415

    names = [one.name for one in after.features]
    losses = np.array([[{one.name: one.value for one in other.features}[name] for name in names] for other in alike])
    factor = float(t.ppf(1 - (1 - CONFIDENCE) / 2 / len(names), len(alike) - 1)) * math.sqrt(2)
    return factor * float(losses.std(axis=0, ddof=1).max())


def _normalise_weights(importance: Importance) -> dict[Feature, float]:
    values = {(feature.name, feature.label): max(0.0, feature.value) for feature in importance.features}
    total = sum(values.values()) or 1.0
    return {name: value / total for name, value in values.items()}


def _rank_correlation(changes: Sequence[Change]) -> float | None:
    from scipy.stats import spearmanr  # noqa: PLC0415

    before, after = [change.before for change in changes], [change.after for change in changes]
    if len(changes) < 3 or len(set(before)) == 1 or len(set(after)) == 1:
        return None
    return float(spearmanr(before, after).statistic)
