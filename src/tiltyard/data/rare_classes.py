"""Classes with too few rows to be learnt and evaluated: set aside, merged into one class, or refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tiltyard.data.conform.frames import conform_frame, infer_schema
from tiltyard.data.conform.labels import MERGED
from tiltyard.data.conform.schema import TableSchema
from tiltyard.data.content_hash import row_digests
from tiltyard.data.dataset import Dataset
from tiltyard.data.split import find_test_rows
from tiltyard.errors import DataError
from tiltyard.findings import Finding
from tiltyard.formatting import choose_form, format_count, join_values
from tiltyard.project import Project

_LEAST_TRAIN = 2
# By content, a class of so many rows that has none on a side comes up less than once in 10^19 data sets.
_SURE = 200


def settle_rare_classes(dataset: Dataset, project: Project) -> Dataset:
    """The dataset as the project wants its rare classes treated; as it is where there is none.

    A class is rare if the test side has no row of it, the train side has fewer than two (or than ``training.folds``,
    where cross-validation chooses among candidates), or its share of the rows is below ``validation.min_class_share``.
    Classes are never reduced below two: data whose only other class is rare stays as it is, for the checks to evaluate.

    Args:
        dataset: all rows.
        project: its ``data.rare_classes`` says what becomes of them, its split which side a row is on.

    Raises:
        DataError: the project refuses rare classes (``data.rare-class``).
    """
    found, rare = dataset, _find_rare(dataset, project)
    if not rare:
        return dataset
    if project.data.rare_classes == "refuse":
        raise _refuse(rare, project)
    if project.data.rare_classes == "merge":
        found = _merge_classes(found, rare, project)
        rare = _find_rare(found, project)
    # Without some rows the newest share of the rest is another one, so the sides are looked at again.
    while rare:
        found = _set_aside(found, rare, project)
        rare = _find_rare(found, project)
    return found


def _find_rare(dataset: Dataset, project: Project) -> dict[str, tuple[int, int]]:
    """The rare classes with their rows on the train and the test side; none where fewer than two would stay."""
    if len(dataset) == 0 or len(dataset.classes) <= 2:
        return {}
    counts = dataset.labels.value_counts()
    least_share = project.validation.min_class_share * len(dataset)
    by_content = project.split.by == "content" and project.split.group is None
    if by_content and counts.iloc[-1] >= max(_SURE, least_share):
        return {}
    try:
        is_test = find_test_rows(dataset, project.split, project.data.time)
    except DataError:
        return {}  # the split itself says what is wrong with it
    train, test = (dataset.labels[side].value_counts() for side in (~is_test, is_test))
    least = max(_LEAST_TRAIN, project.training.folds if _chooses(project) else 0)
    sides = {name: (int(train.get(name, 0)), int(test.get(name, 0))) for name in dataset.classes}
    rare = {
        name: (learnt, tested)
        for name, (learnt, tested) in sides.items()
        if learnt < least or not tested or learnt + tested < least_share
    }
    return rare if len(sides) - len(rare) >= 2 else {}


def _chooses(project: Project) -> bool:
    """Whether cross-validation chooses among candidates."""
    search = project.training.search
    return len(project.training.candidates) > 1 or search.trials is not None or search.seconds is not None


def _set_aside(dataset: Dataset, rare: Mapping[str, tuple[int, int]], project: Project) -> Dataset:
    left = _decide_kinds_again(dataset.take(~_belongs_to(dataset, rare)))
    many = len(rare) > 1
    message = (
        f"{_describe_rare(rare, project)} and {'are' if many else 'is'} set aside: neither the training nor the test "
        f"side has {'their' if many else 'its'} rows, and the model does not know {'them' if many else 'it'}."
    )
    found = _make_finding(rare, project, message)
    return replace(left, findings=(*left.findings, found), set_aside={**dataset.set_aside, **_count_rows(rare)})


def _decide_kinds_again(dataset: Dataset) -> Dataset:
    """The rows that are left, with columns that were of words only for the rows that went: a sum, a stray word."""
    schema, inputs = dataset.schema, dataset.inputs
    if schema is None or not isinstance(inputs, pd.DataFrame):
        return dataset
    words = [column.name for column in schema.columns if column.kind == "category"]
    decided = infer_schema(inputs[words], schema.rules)
    changed = {column.name: column for column in decided.columns if column.kind not in ("category", "empty")}
    if not changed:
        return dataset
    conformed = conform_frame(inputs, TableSchema(tuple(changed.values()), schema.rules))
    inputs = inputs.assign(**{name: conformed[name] for name in changed})
    columns = tuple(changed.get(column.name, column) for column in schema.columns)
    return replace(
        dataset,
        inputs=inputs,
        schema=TableSchema(columns, schema.rules),
        row_digests=row_digests(inputs, dataset.labels),
    )


def _merge_classes(dataset: Dataset, rare: Mapping[str, tuple[int, int]], project: Project) -> Dataset:
    labels = dataset.labels.where(~pd.Series(_belongs_to(dataset, rare), index=dataset.labels.index), MERGED)
    found = _make_finding(rare, project, f"{_describe_rare(rare, project)} and became the class '{MERGED}'.")
    return replace(
        dataset,
        labels=labels,
        frame=dataset.frame.assign(**{project.data.label: labels}),
        row_digests=row_digests(dataset.inputs, labels),
        findings=(*dataset.findings, found),
        merged=_count_rows(rare),
    )


def _count_rows(rare: Mapping[str, tuple[int, int]]) -> dict[str, int]:
    return {name: sum(sides) for name, sides in rare.items()}


def _belongs_to(dataset: Dataset, classes: Mapping[str, object]) -> NDArray[np.bool_]:
    return dataset.labels.isin(list(classes)).to_numpy(dtype=bool)


def _describe_rare(rare: Mapping[str, tuple[int, int]], project: Project) -> str:
    named = join_values(_count_rows(rare))
    return (
        f"{format_count(len(rare), 'class', 'classes')} of '{project.data.label}' "
        f"{choose_form(len(rare), 'has', 'have')} too few rows to be learnt and evaluated "
        f"({named}, {format_count(sum(map(sum, rare.values())), 'row')} together)"
    )


def _make_finding(rare: Mapping[str, tuple[int, int]], project: Project, message: str) -> Finding:
    return Finding(
        "data.rare-classes",
        "warning",
        project.data.label,
        "Classes with too few rows",
        message,
        score=float(sum(map(sum, rare.values()))),
        evidence={
            "classes": {name: {"train": learnt, "test": tested} for name, (learnt, tested) in rare.items()},
            "rule": project.data.rare_classes,
        },
        next_step="Collect more rows of them, change the split (split.salt, split.test), or choose another rule: "
        'data.rare_classes = "set-aside", "merge" or "refuse".',
    )


def _refuse(rare: Mapping[str, tuple[int, int]], project: Project) -> DataError:
    sides = "; ".join(f"'{name}': {learnt} on the train side, {tested} on the test side"
                      for name, (learnt, tested) in list(rare.items())[:5])  # fmt: skip
    return DataError(
        f"{_describe_rare(rare, project)}. {sides}{'; …' if len(rare) > 5 else ''}.",
        next_step="Collect more rows of them, or leave them out or together: data.rare_classes = "
        '"set-aside" or "merge".',
        code="data.rare-class",
        column=project.data.label,
        classes=list(rare),
    )
