"""Table models scored by compiled kernels: from a row's values to probabilities without pandas or scikit-learn."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tiltyard.scoring.explanations import Contribution, Explanation
from tiltyard.scoring.input_errors import REFUSED_BY_MODEL, InputProblem, refuse_inputs
from tiltyard.scoring.input_warnings import InputWarning, Warnings, join_warnings
from tiltyard.scoring.scorer import Scores, make_number_scores, write_predicted
from tiltyard.scoring.table.columns import InputColumns
from tiltyard.scoring.table.known_values import KnownValues
from tiltyard.scoring.table.preparation import Preparation
from tiltyard.scoring.table.row_encoding import NO_CODES, Encoding
from tiltyard.scoring.table.table_models import Floats, MakeScore, OneRow, TableModel

if TYPE_CHECKING:
    from tiltyard.evaluation import IntervalCalibration
    from tiltyard.scoring.table.column_plan import ColumnPlan
    from tiltyard.scoring.table.frame_encoding import EncodedColumns


class TableScorer:
    """Scores rows of a table.

    A row's values are checked as ``InputColumns`` does, encoded, prepared as the fitted steps do and predicted
    from the model's own arrays in its own arithmetic: probabilities equal scikit-learn's to the last few bits, and a
    batch gets the predictions of its rows one by one, to the bit.

    Args:
        columns: the features in training order.
        prepared: the compiled preprocessing.
        model: the compiled classifier.
        classes: the labels, in the order of the probabilities.

    Attributes:
        columns, prepared, model: see above.
    """

    def __init__(self, columns: InputColumns, prepared: Preparation, model: TableModel, classes: Sequence[str]) -> None:
        self.kind = f"compiled table, {model.name}"
        self._names = [column.name for column in columns]
        self.columns = columns
        self._encoding = Encoding(columns, prepared.codes)
        read = {name: codes for name, codes in prepared.codes.items() if codes != NO_CODES}
        words = {name: codes.known for name, codes in read.items() if columns.kind_of(name) == "text"}
        self._known = KnownValues.from_columns(columns, words)
        self._bounds = self._known.bounds({name: codes.unknown for name, codes in read.items()})
        self.prepared = prepared
        self._arrays = prepared.arrays
        self._width = len(prepared.source)
        self.model = model
        self._limits = model.limits.nan, model.limits.infinity, model.limits.single
        self._classes = tuple(classes)

    @property
    def classes(self) -> tuple[str, ...]:
        """The labels, in the order of the probability columns."""
        return self._classes

    def score(self, inputs: Sequence[Mapping[str, Any]]) -> Scores:
        """Score n inputs, each the features by name.

        Raises:
            InputError: inputs cannot be scored; its ``problems`` name every position and field.
        """
        if len(inputs) == 1 and (one_row := self._one_row) is not None:
            found = one_row(inputs[0])
            if found is not None:
                return found
        features, state = self._features(inputs)
        warnings: Warnings | None = self.columns.find_warnings(inputs)
        if state is not None:
            warnings = join_warnings(warnings, self._find_warnings(inputs, state != 0))
        return self._make_scores(self.model.probabilities(features), warnings)

    def _make_scores(self, found: Floats, warnings: Warnings | None) -> Scores:
        """The scores of what the model says of n rows."""
        labels = self._classes
        return Scores([labels[column] for column in found.argmax(axis=1).tolist()], found, warnings)

    def explain(self, inputs: Sequence[Mapping[str, Any]], label: str | None) -> list[Explanation]:
        """What each feature of n rows adds to the prediction, exactly; see ``explanations.explain``."""
        model = self.model
        features, _ = self._features(inputs)
        named = [self.columns.name_cells(row) for row in inputs]
        found = []
        for number, probabilities in enumerate(model.probabilities(features)):
            column = int(probabilities.argmax()) if label is None else self._classes.index(label)
            of_number = not self._classes
            row = features[number : number + 1]
            parts = model.parts(row, column, self.prepared.source, len(self._names))
            added = parts.added[0].tolist()
            found.append(
                Explanation(
                    label=write_predicted(float(probabilities[0])) if of_number else self._classes[column],
                    probability=None if of_number else float(probabilities[column]),
                    method=model.method,
                    scale=model.scale(),
                    exact=model.exact,
                    baseline_name=model.baseline_name,
                    baseline=parts.baseline,
                    total=parts.baseline + sum(added),
                    contributions=tuple(
                        Contribution(name, named[number][name], weight)
                        for name, weight in zip(self._names, added, strict=True)
                    ),
                )
            )
        return found

    def _find_warnings(
        self, inputs: Sequence[Mapping[str, Any]], unusual: NDArray[np.bool_]
    ) -> list[list[InputWarning]]:
        positions = np.flatnonzero(unusual).tolist()
        warnings: list[list[InputWarning]] = [[] for _ in inputs]
        cells = [self.columns.name_cells(inputs[position]) for position in positions]
        for position, found in zip(positions, self._known.find_warnings(self.columns.read(cells), cells), strict=True):
            warnings[position] = found
        return warnings

    def score_encoded(self, rows: EncodedColumns) -> tuple[Floats, NDArray[np.int64]]:
        """What the model says of n encoded rows, (n, k), and the state of each: see ``prepare_features``.

        Of a row that the model does not take, or that holds an infinite number, the former has no meaning.
        """
        found, states = [], [np.empty(0, np.int64)]
        for scores, state in self.model.score_columns(self._plan, rows):
            found.append(scores)
            states.append(state)
        outputs = len(self._classes) or 1
        return np.concatenate(found or [np.empty((0, outputs))]), np.concatenate(states)

    def explain_refusal(self, state: int) -> str:
        """Why the model does not take a row of this state; empty where it does."""
        from tiltyard.scoring.table import table_kernels  # noqa: PLC0415 - imported when first used

        code = state & (table_kernels.NOT_A_NUMBER | table_kernels.TOO_LARGE)
        return f"is refused by the model: {self._refusal(code)}" if code else ""

    def find_unusual(self, inputs: Sequence[Mapping[str, Any]]) -> Warnings:
        """The values of n rows that training did not know."""
        return self._find_warnings(inputs, np.ones(len(inputs), np.bool_))

    def _features(self, inputs: Sequence[Mapping[str, Any]]) -> tuple[Floats, NDArray[np.int64] | None]:
        """The prepared features of n rows, and what is unusual of each (see ``prepare_features``); None for nothing."""
        raw = self._encoding.encode(inputs)
        features = np.empty((len(raw), self._width))
        state = np.empty(len(raw), np.int64)
        found = self._prepare(raw, self._arrays, self._limits, self._bounds, features, state)
        if not found:
            return features, None
        from tiltyard.scoring.table import table_kernels  # noqa: PLC0415 - imported when first used

        if found & table_kernels.INFINITE:
            self._encoding.check(inputs)
        refused = state & ~table_kernels.UNUSUAL
        if refused.any():
            raise refuse_inputs(
                [
                    InputProblem(position, "", f"is refused by the model: {self._refusal(code)}", REFUSED_BY_MODEL)
                    for position, code in enumerate(refused.tolist())
                    if code
                ]
            )
        return features, state

    @cached_property
    def _plan(self) -> ColumnPlan:
        from tiltyard.scoring.table.column_plan import ColumnPlan  # noqa: PLC0415 - only frames are read by columns

        return ColumnPlan(self.prepared, self._limits, self._bounds)

    @cached_property
    def _one_row(self) -> OneRow | None:
        quick = self._encoding.quick
        return None if quick is None else self.model.make_one_row(quick, self.prepared, self._bounds, self._labels)

    @property
    def _labels(self) -> Sequence[str] | MakeScore:
        return self._classes

    @cached_property
    def _prepare(self) -> Callable[..., int]:
        from tiltyard.scoring.table import table_kernels  # noqa: PLC0415 - imported when first used

        return table_kernels.prepare_features

    def _refusal(self, code: int) -> str:
        """What scikit-learn says."""
        if code == 1:
            return "Input X contains NaN"
        precision = "float32" if self.model.limits.single else "float64"
        return f"Input X contains infinity or a value too large for dtype('{precision}')"


class TableNumberScorer(TableScorer):
    """The same of a regressor: numbers with their intervals, in the model's own arithmetic.

    Args:
        columns: the features in training order.
        prepared: the compiled preprocessing.
        model: the compiled regressor.
        intervals: what makes an interval of each number; None for none.

    Attributes:
        intervals: see above.
    """

    def __init__(
        self,
        columns: InputColumns,
        prepared: Preparation,
        model: TableModel,
        intervals: IntervalCalibration | None,
    ) -> None:
        super().__init__(columns, prepared, model, ())
        self.intervals = intervals

    @property
    def _labels(self) -> Sequence[str] | MakeScore:
        return lambda _, found: self._make_scores(found, None)

    def _make_scores(self, found: Floats, warnings: Warnings | None) -> Scores:
        return make_number_scores(found[:, 0], self.intervals, warnings)
