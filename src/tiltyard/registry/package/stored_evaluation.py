"""The evaluation that travels with a version: what its training found on the held-out rows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from tiltyard.evaluation import FairnessReport, Importance, ImportanceChange
from tiltyard.jsonable import from_jsonable, to_jsonable
from tiltyard.registry.package.holdout_predictions import UNREADABLE, unreadable

EVALUATION = "evaluation.json"
"""Name of the file that travels with a version."""


@dataclass(frozen=True)
class ConfusedLabels:
    """Test rows of one true label that got one label.

    Attributes:
        true: position of the true label.
        predicted: position of the predicted label.
        rows: how many there are, at least one.
    """

    true: int
    predicted: int
    rows: int

    @property
    def labels(self) -> tuple[int, int]:
        """Both positions."""
        return self.true, self.predicted


@dataclass(frozen=True)
class StoredCoverage:
    """How often intervals or prediction sets held the truth on test rows.

    Attributes:
        title: what the rows share; ``all rows`` for all of them.
        rows: how many there are.
        share: the share whose true number or label is inside.
        low: lower end of the 95 % interval of that share.
        high: upper end of it.
        size: mean width of the intervals, or mean number of labels in a set; None where an interval has no end.
    """

    title: str
    rows: int
    share: float
    low: float
    high: float
    size: float | None


@dataclass(frozen=True)
class StoredEvaluation:
    """What a training found on n test rows.

    Attributes:
        rows: n.
        metric: name of the metric by which versions are compared.
        value: its value; None where it is not defined on these rows.
        guesses: the same metric of guessing, by kind of guess (``GUESSES``).
        classes: k labels; none where it predicts numbers.
        confusion: the cells of the confusion matrix that are not 0.
        fairness: how the groups of the sensitive columns are treated; None where no column is named sensitive.
        importance: what the version goes by; None where that is not known.
        change: how that differs from the champion of that time; None where there was none to compare with.
        bias: of numbers, the mean of predicted less true number.
        error_quantiles: of numbers, the absolute error by the share of rows that have no larger one.
        stated: the coverage that intervals or prediction sets are to have; None where there are none.
        coverage: what was measured of it: on all rows first, then by label and by slice.
    """

    rows: int
    metric: str
    value: float | None
    guesses: Mapping[str, float]
    classes: tuple[str, ...] = ()
    confusion: tuple[ConfusedLabels, ...] = ()
    fairness: FairnessReport | None = None
    importance: Importance | None = None
    change: ImportanceChange | None = None
    bias: float | None = None
    error_quantiles: Mapping[str, float] = field(default_factory=dict)
    stated: float | None = None
    coverage: tuple[StoredCoverage, ...] = ()

    def to_bytes(self) -> bytes:
        """The evaluation as the file of a version."""
        fairness = None if self.fairness is None else {"columns": to_jsonable(self.fairness.columns)}
        # The JSON forms of the reports are for people and lack parts of them: here the fields are kept.
        content = {**to_jsonable(self), "fairness": fairness}
        return json.dumps(content, ensure_ascii=False).encode()

    @classmethod
    def from_bytes(cls, content: bytes) -> StoredEvaluation:
        """The evaluation that ``to_bytes`` wrote down.

        Raises:
            ArtifactError: it is something else.
        """
        try:
            stored = from_jsonable(cls, json.loads(content))
            if any(not 0 <= place < len(stored.classes) for cell in stored.confusion for place in cell.labels):
                raise ValueError("the confusion matrix names a label that is not there")
        except UNREADABLE as error:
            raise unreadable(EVALUATION, error) from None
        return stored
