"""One row of a table to what trees say of it, in one compiled call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiltyard.scoring.scorer import Scores
from tiltyard.scoring.table.preparation import Preparation
from tiltyard.scoring.table.row_encoding import QuickReader
from tiltyard.scoring.table.table_models import Floats, Limits, MakeScore, OneRow
from tiltyard.scoring.trees.tree_head import TreeHead


def make_one_row(
    reader: QuickReader,
    prepared: Preparation,
    bounds: tuple[Floats, Floats],
    head: TreeHead,
    limits: Limits,
    labels: Sequence[str] | MakeScore,
) -> OneRow | None:
    """What predicts single rows of usual cells in one call, by tables of masks; None where they would be too large.

    numba takes 50 ns for each array that a call gets, all of them together longer than the trees take; so they lie in
    one, one behind the other, and only the masks stand alone.

    Args:
        reader: of the columns.
        prepared: the compiled preprocessing.
        bounds: the lowest and the highest usual value of each column.
        head: the model.
        limits: which features it takes.
        labels: of the outputs; or, of a regressor, what makes its scores.
    """
    from tiltyard.scoring.trees import mask_kernels  # noqa: PLC0415 - imported when first used

    tables = head.tables
    if tables is None:
        return None

    source, kind, fill, mean, scale, offset, values = prepared.arrays
    layout = head.layout
    integers = [reader.addresses, source, kind, offset, layout.columns, tables.spans, layout.trees]
    integers.append(np.array([tables.by_level, limits.nan, limits.infinity, limits.single]))
    numbers = [reader.missing, fill, mean, scale, values, *bounds, tables.thresholds]
    numbers += [layout.values, head.ends, head.settings]
    parts = _lay_out_parts(integers, numbers)
    shape, masks, empty = (1, head.classes or 1), tables.masks, np.empty
    # Of every call all arguments have the types of these: to find out which they are takes as long as ten trees.
    score_row = mask_kernels.score_row.for_types_of((id(reader), parts, masks, empty(shape)))

    # Two of a kind: what one of them would ask or call for each row takes as long as five trees.
    if callable(labels):
        make_score = labels

        def predict_number(row: Mapping[str, Any], _held: QuickReader = reader) -> Scores | None:
            out = empty(shape)
            place = score_row(id(row), parts, masks, out)
            return None if place < 0 else make_score(place, out)

        return predict_number

    def predict(row: Mapping[str, Any], _held: QuickReader = reader) -> Scores | None:
        out = empty(shape)
        place = score_row(id(row), parts, masks, out)
        return None if place < 0 else Scores([labels[place]], out)

    return predict


def _lay_out_parts(integers: Sequence[NDArray[Any]], numbers: Sequence[Floats]) -> NDArray[np.int64]:
    """Arrays one behind the other, after where each begins and ends: whole numbers, then the bits of the others."""
    parts = [part.ravel().astype(np.int64) for part in integers]
    parts += [np.ascontiguousarray(part, np.float64).ravel().view(np.int64) for part in numbers]
    places = 2 * len(parts) + np.cumsum([0, *(part.size for part in parts)])
    return np.concatenate([np.column_stack([places[:-1], places[1:]]).ravel(), *parts])
