"""Scoring by scikit-learn itself: exact for every pipeline, and the yardstick of faster scorers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from tiltyard.errors import ArtifactError
from tiltyard.scoring.input_errors import REFUSED_BY_MODEL, InputProblem, refuse_inputs
from tiltyard.scoring.input_warnings import join_warnings
from tiltyard.scoring.scorer import Scores, make_number_scores
from tiltyard.scoring.table.columns import InputColumns
from tiltyard.scoring.table.known_values import KnownValues
from tiltyard.scoring.text.text_inputs import extract_texts
from tiltyard.tasks import Task, reads_text

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.pipeline import Pipeline

    from tiltyard.evaluation import IntervalCalibration


class SklearnScorer:
    """Scores batches by calling a fitted pipeline's ``predict_proba``.

    Args:
        pipeline: a fitted classifier; for text it takes a list of str, for tables a data frame.
        task: what is predicted from what.
        columns: for tables, the features in training order; or no more than the pandas dtype of each. Ignored for text.
        reason: why no compiled scorer is used; empty where none was looked for.

    Attributes:
        reason: see above.

    Raises:
        ArtifactError: the pipeline gives no probabilities.
    """

    kind = "scikit-learn"

    def __init__(
        self, pipeline: Pipeline, task: Task, columns: InputColumns | Mapping[str, str], reason: str = ""
    ) -> None:
        self._check(pipeline)
        self.reason = reason
        self._pipeline = pipeline
        self._columns = None if reads_text(task) else _read_columns(columns)
        self._known = KnownValues(()) if self._columns is None else KnownValues.from_columns(self._columns)
        self._classes = self._find_classes(pipeline)
        # A model that was fitted on a matrix warns of every frame.
        self._takes_names = hasattr(pipeline, "feature_names_in_")

    @property
    def classes(self) -> tuple[str, ...]:
        """The labels, in the order of the probability columns."""
        return self._classes

    def score(self, inputs: Sequence[Mapping[str, Any]]) -> Scores:
        """Score n inputs, each ``{"text": …}`` or the features by name.

        The predicted label is the most probable one, the first of them on a tie.

        Raises:
            InputError: inputs cannot be scored; its ``problems`` name every position and field.
        """
        columns, warnings = self._columns, None
        if columns is None:
            found = self._predict(extract_texts(inputs))
        else:
            rows = columns.read(inputs)
            found = self._score_rows(rows, columns)
            unknown = self._known.find_warnings(rows, [columns.name_cells(row) for row in inputs])
            warnings = join_warnings(columns.find_warnings(inputs), unknown)
        return replace(self._make_scores(found), warnings=warnings)

    def _check(self, pipeline: Pipeline) -> None:
        if not hasattr(pipeline, "predict_proba"):
            raise ArtifactError(
                f"The model ({type(pipeline).__name__}) gives no probabilities.",
                next_step="Train a classifier that has predict_proba, or calibrate it.",
                code="artifact.no-probabilities",
            )

    def _find_classes(self, pipeline: Pipeline) -> tuple[str, ...]:
        return tuple(str(label) for label in pipeline.classes_)

    def _make_scores(self, found: NDArray[np.float64]) -> Scores:
        """The scores of what was predicted, (n, k)."""
        return Scores([self._classes[index] for index in found.argmax(axis=1)], found)

    def _score_rows(self, rows: Sequence[Mapping[str, Any]], columns: InputColumns) -> NDArray[np.float64]:
        problems: list[InputProblem] = []
        together = [position for position, row in enumerate(rows) if columns.fits_training(row)]
        apart = sorted(set(range(len(rows))).difference(together))
        result = np.empty((len(rows), max(1, len(self._classes))))
        if together:
            try:
                result[together] = self._predict(columns.frame([rows[position] for position in together]))
            except ValueError:
                apart = list(range(len(rows)))
        for position in apart:
            try:
                result[position] = self._predict(columns.frame([rows[position]]))
            except ValueError as error:
                # What passed the check by column and is refused all the same is refused for its values,
                # such as a gap where the model was trained without gaps.
                problems.append(
                    InputProblem(position, "", f"is refused by the model: {_first_line(error)}", REFUSED_BY_MODEL)
                )
        if problems:
            raise refuse_inputs(problems)
        return result

    def _predict(self, batch: list[str] | pd.DataFrame) -> NDArray[np.float64]:
        if not isinstance(batch, list) and not self._takes_names:
            return self._call(batch.to_numpy())
        return self._call(batch)

    def _call(self, batch: Any) -> NDArray[np.float64]:
        """What the pipeline says of n inputs, (n, k)."""
        return np.asarray(self._pipeline.predict_proba(batch), dtype=np.float64)


class SklearnNumberScorer(SklearnScorer):
    """Scores batches by calling a fitted regressor's ``predict``.

    Args:
        pipeline: a fitted regressor; for text it takes a list of str, for tables a data frame.
        task: what is predicted from what.
        columns: as of ``SklearnScorer``.
        intervals: what makes an interval of each number; None for none.
        reason: as of ``SklearnScorer``.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        task: Task,
        columns: InputColumns | Mapping[str, str],
        intervals: IntervalCalibration | None = None,
        reason: str = "",
    ) -> None:
        super().__init__(pipeline, task, columns, reason)
        self.intervals = intervals

    def _check(self, pipeline: Pipeline) -> None:
        if not hasattr(pipeline, "predict"):
            raise ArtifactError(
                f"The model ({type(pipeline).__name__}) predicts nothing.",
                next_step="Train a regressor.",
                code="artifact.no-predictions",
            )

    def _find_classes(self, _pipeline: Pipeline) -> tuple[str, ...]:
        return ()

    def _make_scores(self, found: NDArray[np.float64]) -> Scores:
        return make_number_scores(found[:, 0], self.intervals)

    def _call(self, batch: Any) -> NDArray[np.float64]:
        return np.asarray(self._pipeline.predict(batch), dtype=np.float64).reshape(len(batch), -1)[:, :1]


def _read_columns(columns: InputColumns | Mapping[str, str]) -> InputColumns:
    return columns if isinstance(columns, InputColumns) else InputColumns(columns)


def _first_line(error: ValueError) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
