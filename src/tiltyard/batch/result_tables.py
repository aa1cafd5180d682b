"""The result of scored rows as a table: what was carried along, and what the model says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tiltyard.batch.plan import Plan
from tiltyard.batch.prediction_ids import to_arrow
from tiltyard.data.input_rows import name_added
from tiltyard.scoring import FrameScores
from tiltyard.tasks import PREDICTION_SET, SetCalibration


@dataclass(frozen=True)
class ResultColumns:
    """What the columns of a result are.

    Attributes:
        label_name: name of the column of the prediction.
        probabilities: whether there is a column for the probability of each class.
        abstains: whether there is a column that says which rows the model leaves to a person.
        sets: what makes the column of prediction sets; None for none.
        level: their confidence.
    """

    label_name: str
    probabilities: bool
    abstains: bool
    sets: SetCalibration | None = None
    level: float = 0.0


def make_result(
    plan: Plan, columns: ResultColumns, carried: pa.Table, scores: FrameScores, ids: NDArray[np.uint8]
) -> pa.Table:
    """The table of m scored rows.

    Args:
        plan: the run.
        columns: which columns there are.
        carried: m rows of the source's columns that are carried along.
        scores: of these rows.
        ids: of their predictions, (m, 36).
    """
    rows = len(scores.scored)
    made: dict[str, pa.Array] = {}
    if scores.numbers is not None:
        made[columns.label_name] = pa.array(scores.numbers)
        ends = np.full((rows, 2), np.nan) if scores.intervals is None else scores.intervals
        for name, place in (("interval_low", 0), ("interval_high", 1)):
            end = np.ascontiguousarray(ends[:, place])
            made[name] = pa.array(end, mask=~np.isfinite(end))
    else:
        names = pa.array(list(scores.classes), pa.string())
        made[columns.label_name] = pa.DictionaryArray.from_arrays(scores.labels.astype(np.int32), names).cast(
            pa.string()
        )
        made["confidence"] = pa.array(scores.confidences)
        if columns.probabilities:
            for place, name in enumerate(scores.classes):
                made[f"probability_{name}"] = pa.array(np.ascontiguousarray(scores.probabilities[:, place]))
        if columns.sets is not None:
            cells = columns.sets.write_sets(scores.probabilities, scores.classes, columns.level)
            made[PREDICTION_SET] = pa.array(cells, pa.string())
        if columns.abstains:
            made["abstained"] = pa.array(np.zeros(rows, np.bool_) if scores.abstained is None else scores.abstained)
    made["model_version"] = _repeat(plan.version, rows)
    made["prediction_id"] = to_arrow(ids)
    made["run_id"] = _repeat(plan.run_id, rows)
    table = carried
    for name, column in zip(name_added(list(made), carried.column_names), made.values(), strict=True):
        table = table.append_column(name, column)
    return table


def carry(table: pa.Table, names: Sequence[str]) -> pa.Table:
    """The columns that are carried along; ``*`` for all. Dictionaries and large texts become plain texts."""
    chosen = table if "*" in names else table.select(list(names))
    plain = [pa.field(field.name, _plain(field.type), nullable=True) for field in chosen.schema]
    return chosen.cast(pa.schema(plain)).replace_schema_metadata(None)


def _plain(kind: pa.DataType) -> pa.DataType:
    value = kind.value_type if pa.types.is_dictionary(kind) else kind
    return pa.string() if pa.types.is_large_string(value) or pa.types.is_string_view(value) else value


def _repeat(text: str, rows: int) -> pa.Array:
    return pa.repeat(pa.scalar(text), rows)
