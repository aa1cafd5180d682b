"""Champion and challenger slice by slice, on the same rows: where is the challenger worse than chance explains?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tiltyard.evaluation.groups import Grouping
from tiltyard.evaluation.labelled_predictions import Evaluated, LabelledPredictions
from tiltyard.evaluation.metrics import NUMBER_METRICS
from tiltyard.evaluation.paired_comparison import compare, compare_paired
from tiltyard.evaluation.resampling.comparison import Comparison
from tiltyard.evaluation.slices import FEWEST_ROWS


@dataclass(frozen=True)
class SliceComparison:
    """A challenger against a champion on the rows of one slice: by their accuracy, of numbers by the mean absolute
    error.

    Attributes:
        column: the column that divides the rows.
        title: what the rows of the slice share.
        rows: how many they are.
        champion: the champion's value of the metric on them.
        challenger: the challenger's.
        difference: by how much the challenger is better.
        low: lower end of the 95 % interval of the difference.
        high: upper end.
        p_value: how likely is a loss like this, or a larger one, if the challenger were not worse (McNemar's exact
            test, or that of groups; of numbers bootstrap and permutation; one-sided).
        adjusted: the same, corrected for the number of slices (Holm, Scandinavian Journal of Statistics 6, 1979).
        groups: the groups of rows that belong together, of which test and interval are made; None where each row is by
            itself.
        metric: by which the two are compared.
    """

    column: str
    title: str
    rows: int
    champion: float
    challenger: float
    difference: float
    low: float
    high: float
    p_value: float
    adjusted: float
    groups: int | None = None
    metric: str = "accuracy"

    @property
    def name(self) -> str:
        """Column and value, for people."""
        return f"{self.column} = {self.title}"


def compare_slices(
    champion: Evaluated, challenger: Evaluated, groupings: Sequence[Grouping]
) -> tuple[tuple[SliceComparison, ...], int]:
    """Compare two versions on every slice that has 30 rows, paired, and correct for their number.

    A slice whose rows are all of one group cannot be evaluated, as little as a small one.

    Args:
        champion: the champion's predictions for n rows.
        challenger: the challenger's predictions for the same rows.
        groupings: ways to divide these rows.

    Returns:
        The comparisons, the least likely loss first, and the number of slices that were too small to evaluate.
    """
    found, small = [], 0
    for grouping in groupings:
        for code, group in enumerate(grouping.groups):
            inside = grouping.codes == code
            if int(inside.sum()) < FEWEST_ROWS:
                small += 1
                continue
            here = champion.take(inside)
            if here.cluster_count == 1:
                small += 1
                continue
            # With the sides exchanged, a lead of the champion is what the one-sided test looks for.
            pair = _compare_slice(challenger.take(inside), here)
            found.append((grouping.column, group.title, pair))
    order = np.argsort([pair.p_value for _, _, pair in found], kind="stable")
    comparisons, floor = [], 0.0
    for rank, position in enumerate(order):
        column, title, pair = found[position]
        floor = max(floor, min(1.0, (len(found) - rank) * pair.p_value))
        comparisons.append(
            SliceComparison(
                column=column,
                title=title,
                rows=pair.rows,
                champion=pair.challenger,
                challenger=pair.champion,
                difference=-pair.difference,
                low=-pair.high,
                high=-pair.low,
                p_value=pair.p_value,
                adjusted=floor,
                groups=pair.groups,
                metric=pair.metric,
            )
        )
    return tuple(comparisons), small


def _compare_slice(challenger: Evaluated, champion: Evaluated) -> Comparison:
    if isinstance(champion, LabelledPredictions) and isinstance(challenger, LabelledPredictions):
        return compare_paired(champion.labels, challenger.predicted, champion.predicted, clusters=champion.clusters)
    return compare(NUMBER_METRICS["mae"], challenger, champion)
