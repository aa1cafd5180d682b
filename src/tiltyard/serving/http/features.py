"""The features of the version in service, as a form shows them: kinds, known values, ranges, usual values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from statistics import median_low
from typing import Any

from tiltyard.data.conform.cells import is_gap
from tiltyard.data.conform.schema import MOST_CATEGORIES
from tiltyard.registry.package.manifest import Manifest
from tiltyard.scoring.table.columns import InputColumn, InputColumns
from tiltyard.serving.http.schemas import Feature
from tiltyard.tasks import reads_text


def describe_features(manifest: Manifest) -> list[Feature]:
    """The features in their order; none for texts.

    The example of each is the median or the most frequent value of the test rows that the version carries, so that no
    single row of the data is shown.
    """
    if reads_text(manifest.task):
        return []
    typed = {column.name: column for column in manifest.table_schema.columns} if manifest.table_schema else {}
    features = []
    for column in InputColumns(manifest.columns):
        known = typed.get(column.name)
        categories = (known.categories if known else None) or ()
        is_number = known is not None and known.kind == "number"
        features.append(
            Feature(
                name=column.name,
                type=column.kind,
                values=list(categories) if 0 < len(categories) <= MOST_CATEGORIES else None,
                minimum=known.minimum if known and is_number else None,
                maximum=known.maximum if known and is_number else None,
                example=_find_usual(column, [row.get(column.name) for row in manifest.samples.inputs]),
            )
        )
    return features


def _find_usual(column: InputColumn, cells: Sequence[Any]) -> str | float | bool | None:
    """The median of numbers, else the most frequent value; None where there is none."""
    if column.kind == "number":
        numbers = [cell for cell in cells if isinstance(cell, int | float) and not is_gap(cell, ())]
        return median_low(numbers) if numbers else None
    values = [cell for cell in cells if isinstance(cell, str | bool) and cell != ""]
    return Counter(values).most_common(1)[0][0] if values else None
