"""Prediction sets: the labels among which the true one is, with a confidence that the caller states.

Split conformal prediction with labels as categories (Vovk, Gammerman and Shafer, Algorithmic Learning in a Random
World, 2005, chapter 4; the score is that of Sadinle, Lei and Wasserman, Journal of the American Statistical
Association 114, 2019, and 0 for the likeliest label): a label is in the set where it is the likeliest, or has no lower
probability than on the stated share of the held-out rows whose true label it is. So the sets of the rows of each label
hold it as often as stated, or as often as it is the likeliest there, if that is more. Labels with few held-out rows
share one category (as the clusters of Ding et al., NeurIPS 2023), in which this holds for all of them together.

A version carries the scores of its held-out rows, so that a request may name any confidence.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from tiltyard.errors import ArtifactError, InputError
from tiltyard.formatting import format_count

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PREDICTION_SETS = "prediction_sets.json"
"""Name of the file of a version that holds the scores."""
PREDICTION_SET = "prediction_set"
"""Name of the field, tensor or column that holds a set."""
CONFIDENCE_LEVEL = "confidence_level"
"""What callers name the confidence."""


class SetCoverage(BaseModel):
    """How often sets held the true label on rows that had no part in them.

    Attributes:
        title: what the rows share; ``all rows`` for all of them.
        rows: number of rows.
        share: the share whose true label is in the set.
        low: lower end of the 95 % interval of that share.
        high: upper end of it.
        size: mean number of labels in a set.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str
    rows: int
    share: float
    low: float
    high: float
    size: float


class LabelCategory(BaseModel):
    """Labels whose held-out rows are held against each other.

    Attributes:
        labels: the labels.
        rows: how many held-out rows had one of them for their true label.
        units: how many groups these rows are of; as many as rows where each is by itself.
        scores: 1 less the probability of the true label, 0 where it is the likeliest, ascending; of many rows a part,
            rounded up.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    labels: tuple[str, ...]
    rows: int = Field(ge=0)
    units: int = Field(ge=0)
    scores: tuple[float, ...]

    @model_validator(mode="after")
    def _rises(self) -> Self:
        if list(self.scores) != sorted(self.scores) or not all(0 <= score <= 1 for score in self.scores):
            raise ValueError("scores do not rise from 0 to 1")
        if len(self.scores) > self.rows or self.units > self.rows or bool(self.scores) != bool(self.rows):
            raise ValueError("scores and rows do not fit together")
        return self

    @property
    def highest_level(self) -> float:
        """The highest confidence for which some label can be left out of a set."""
        return self.units / (self.units + 1)

    def find_threshold(self, level: float) -> float:
        """The largest score of a label that is in the set; infinite where so few rows cannot leave any out.

        It is the ceil((m + 1) level)-th smallest of m scores. Of rows that come in m groups it is the score at that
        share of the m among all rows (Dunn, Wasserman and Ramdas, Journal of the American Statistical Association 118,
        2023, pooled).
        """
        # Rounding, as of 20 × 0.95, must not cost a rank.
        rank = math.ceil((self.units + 1) * level - 1e-9)
        if rank > self.units:
            return math.inf
        return self.scores[max(math.ceil(rank / self.units * len(self.scores) - 1e-9), 1) - 1]


class SetCalibration(BaseModel):
    """What makes prediction sets of any confidence.

    Attributes:
        classes: the k labels, in the order of the columns of probabilities.
        categories: together they hold each label once.
        level: the confidence at which the coverage was measured.
        measured: that coverage, overall first, then by label and by slice; each half of the held-out rows by the
            scores of the other.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    classes: tuple[str, ...]
    categories: tuple[LabelCategory, ...]
    level: float = Field(gt=0, lt=1)
    measured: tuple[SetCoverage, ...] = ()

    @model_validator(mode="after")
    def _has_each_label_once(self) -> Self:
        if sorted(self.classes) != sorted(label for one in self.categories for label in one.labels):
            raise ValueError("its categories do not hold each label once")
        return self

    @property
    def rows(self) -> int:
        """How many held-out rows there are scores of."""
        return sum(one.rows for one in self.categories)

    @property
    def highest_level(self) -> float:
        """The highest confidence for which a set can leave a label out."""
        return max(one.highest_level for one in self.categories)

    def always_in(self, level: float) -> tuple[str, ...]:
        """The labels that are in every set of this confidence, as too few held-out rows had them."""
        return tuple(label for one in self.categories if level > one.highest_level + 1e-12 for label in one.labels)

    def make_sets(self, probabilities: NDArray[np.float64], level: float) -> NDArray[np.bool_]:
        """Which of k labels are in the set of each of n rows.

        The likeliest label always is: no set is empty.

        Args:
            probabilities: (n, k), columns in the order of ``classes``.
            level: the confidence, between 0 and 1.
        """
        import numpy as np  # noqa: PLC0415 - supervisors have no numpy

        limits = {label: one.find_threshold(level) for one in self.categories for label in one.labels}
        # Compiled scorers and training may differ in the last bits.
        inside = 1 - probabilities <= np.array([limits[label] for label in self.classes]) + 1e-12
        inside[np.arange(len(probabilities)), probabilities.argmax(axis=1)] = True
        return np.asarray(inside, dtype=np.bool_)

    def list_labels(self, rows: Sequence[Mapping[str, float]], level: float) -> list[list[str]]:
        """The labels in the set of each of n rows, the likeliest first.

        Args:
            rows: the probability of each label.
            level: the confidence, between 0 and 1.
        """
        import numpy as np  # noqa: PLC0415 - supervisors have no numpy

        if not rows:
            return []
        probabilities = np.array([[row[name] for name in self.classes] for row in rows], dtype=np.float64)
        inside = self.make_sets(probabilities, level)
        order = np.argsort(-probabilities, axis=1, kind="stable")
        return [
            [self.classes[place] for place in places if held[place]]
            for places, held in zip(order.tolist(), inside.tolist(), strict=True)
        ]

    def write_sets(self, probabilities: NDArray[np.float64], classes: Sequence[str], level: float) -> list[str]:
        """The sets of n rows as cells of a table, see ``write_set``; equal sets are written once.

        Args:
            probabilities: (n, k), columns in the order of ``classes``.
            classes: the k labels.
            level: the confidence, between 0 and 1.
        """
        import numpy as np  # noqa: PLC0415 - supervisors have no numpy

        if not len(probabilities):
            return []
        places = [list(classes).index(name) for name in self.classes]
        ordered = np.ascontiguousarray(probabilities[:, places], dtype=np.float64)
        order = np.argsort(-ordered, axis=1, kind="stable").astype(np.int32)
        inside = np.take_along_axis(self.make_sets(ordered, level), order, axis=1)
        # The place of each label that is in the set, in their order, and -1 behind them.
        kept = np.where(inside, order, -1)
        kept = np.take_along_axis(kept, np.argsort(~inside, axis=1, kind="stable"), axis=1)
        found, which = np.unique(kept, axis=0, return_inverse=True)
        texts = [write_set([self.classes[place] for place in row if place >= 0]) for row in found.tolist()]
        return [texts[place] for place in which.ravel().tolist()]

    def to_bytes(self) -> bytes:
        """JSON, for keeping."""
        return self.model_dump_json().encode()

    @classmethod
    def from_bytes(cls, content: bytes) -> SetCalibration:
        """The calibration that ``to_bytes`` wrote down.

        Raises:
            ArtifactError: it is something else.
        """
        try:
            return cls.model_validate(json.loads(content))
        except (ValueError, ValidationError) as error:
            raise ArtifactError(
                f"The prediction sets of the version cannot be read: {str(error).splitlines()[0]}.",
                next_step="Find out who made the version, or train a new one.",
                code="artifact.unreadable",
            ) from None


def write_set(labels: Sequence[str]) -> str:
    """A set as the cell of a table: its labels as a JSON array, the likeliest first."""
    return json.dumps(list(labels), ensure_ascii=False)


def check_confidence_level(value: object) -> float:
    """The confidence that a caller asks for, as a number.

    Raises:
        InputError: it is not a number between 0 and 1.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1:
        raise InputError(
            f"{CONFIDENCE_LEVEL} {_show_value(value)} is not a number between 0 and 1.",
            next_step="Ask for a confidence such as 0.9: the share of the sets that hold the true label.",
            field=CONFIDENCE_LEVEL,
        )
    return float(value)


def require_sets(sets: SetCalibration | None, classes: Sequence[str], version: str, level: float) -> SetCalibration:
    """What makes prediction sets of this confidence.

    Args:
        sets: what the version carries; None for nothing.
        classes: its labels; none where it predicts numbers.
        version: its name, for the message.
        level: the confidence, between 0 and 1.

    Raises:
        InputError: it predicts numbers, carries no scores, or too few of them for this confidence.
    """
    if not classes:
        raise InputError(
            f"{CONFIDENCE_LEVEL} asks for a set of labels, and version {version} predicts numbers.",
            next_step="Leave it out: predicted numbers have an interval, whose coverage training.coverage sets.",
            field=CONFIDENCE_LEVEL,
        )
    if sets is None:
        raise InputError(
            f"{CONFIDENCE_LEVEL} cannot be used: version {version} carries no scores of held-out rows.",
            next_step="Train a version anew (tiltyard train), or adopt it with rows that it was not trained on.",
            field=CONFIDENCE_LEVEL,
        )
    if level > sets.highest_level + 1e-12:
        raise InputError(
            f"{CONFIDENCE_LEVEL} {level:g} needs more held-out rows than the {format_count(sets.rows, 'row')} of "
            f"version {version}: every set would hold every label.",
            next_step=f"Ask for at most {math.floor(sets.highest_level * 1000) / 1000:g}, or hold more rows out.",
            field=CONFIDENCE_LEVEL,
        )
    return sets


def _show_value(value: object) -> str:
    return json.dumps(value, default=str)[:40]
