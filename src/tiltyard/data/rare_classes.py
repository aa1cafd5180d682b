"""Classes with too few rows to be learnt and evaluated: set aside, merged into one class, or refused."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

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
from tiltyard.formatting import choose_form, format_count, quote_excerpt
from tiltyard.project import Project

_LEAST_TRAIN = 2
_SHOWN = 5
_DOUBT = 0.01
# By content, a class of so many rows that has none on a side comes up less than once in 10^19 data sets.
_SURE = 200


@dataclass(frozen=True)
class _RareClass:
    """A rare class: its rows on the train and on the test side, and why it is rare."""

    learnt: int
    tested: int
    reason: str

    @property
    def rows(self) -> int:
        return self.learnt + self.tested


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


def explain_rare(learnt: int, tested: int, least: int, least_share: float) -> str:
    """Why a class with so many rows on the train and the test side is rare; empty if it is not."""
    if not tested:
        return "none on the test side"
    if learnt < least:
        return f"{learnt:,} on the train side, where {least:,} are needed"
    if learnt + tested < least_share:
        return f"fewer than the {math.ceil(least_share):,} of validation.min_class_share"
    return ""


def _find_rare(dataset: Dataset, project: Project) -> dict[str, _RareClass]:
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
        name: _RareClass(learnt, tested, reason)
        for name, (learnt, tested) in sides.items()
        if (reason := explain_rare(learnt, tested, least, least_share))
    }
    return rare if len(sides) - len(rare) >= 2 else {}


def _chooses(project: Project) -> bool:
    """Whether cross-validation chooses among candidates."""
    search = project.training.search
    return len(project.training.candidates) > 1 or search.trials is not None or search.seconds is not None


def _set_aside(dataset: Dataset, rare: Mapping[str, _RareClass], project: Project) -> Dataset:
    left = _decide_kinds_again(dataset.take(~_belongs_to(dataset, rare)))
    many = len(rare) > 1
    message = (
        f"{_describe_rare(rare, project)} and {'are' if many else 'is'} set aside: neither the training nor the test "
        f"side has {'their' if many else 'its'} rows, and the model does not know {'them' if many else 'it'}."
    )
    found = _make_finding(dataset, rare, project, message)
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


def _merge_classes(dataset: Dataset, rare: Mapping[str, _RareClass], project: Project) -> Dataset:
    labels = dataset.labels.where(~pd.Series(_belongs_to(dataset, rare), index=dataset.labels.index), MERGED)
    found = _make_finding(dataset, rare, project, f"{_describe_rare(rare, project)} and became the class '{MERGED}'.")
    return replace(
        dataset,
        labels=labels,
        frame=dataset.frame.assign(**{project.data.label: labels}),
        row_digests=row_digests(dataset.inputs, labels),
        findings=(*dataset.findings, found),
        merged=_count_rows(rare),
    )


def _count_rows(rare: Mapping[str, _RareClass]) -> dict[str, int]:
    return {name: found.rows for name, found in rare.items()}


def _belongs_to(dataset: Dataset, classes: Mapping[str, object]) -> NDArray[np.bool_]:
    return dataset.labels.isin(list(classes)).to_numpy(dtype=bool)


def _describe_rare(rare: Mapping[str, _RareClass], project: Project) -> str:
    """Which classes are rare, each with its rows and the reason."""
    most = sorted(rare.items(), key=lambda item: -item[1].rows)
    named = "; ".join(
        f"{quote_excerpt(name, 30)}: {format_count(found.rows, 'row')}, {found.reason}" for name, found in most[:_SHOWN]
    )
    return (
        f"{format_count(len(rare), 'class', 'classes')} of '{project.data.label}' "
        f"{choose_form(len(rare), 'has', 'have')} too few rows to be learnt and evaluated "
        f"({named}{'; …' if len(rare) > _SHOWN else ''})"
    )


def _describe_learnt(dataset: Dataset, rare: Mapping[str, _RareClass]) -> str:
    """Which class with as few rows is learnt all the same, and why; empty where there is none."""
    most = max(found.rows for found in rare.values())
    counts = dataset.labels.value_counts()
    learnt = [str(name) for name, rows in counts.items() if rows <= most and str(name) not in rare]
    if not learnt:
        return ""
    name = learnt[-1]
    rows = format_count(int(counts[name]), "row")
    return f" {quote_excerpt(name, 30)} with {rows} is learnt, for the split has enough of them on both sides."


def _make_finding(dataset: Dataset, rare: Mapping[str, _RareClass], project: Project, message: str) -> Finding:
    return Finding(
        "data.rare-classes",
        "warning",
        project.data.label,
        "Classes with too few rows",
        message + _describe_learnt(dataset, rare),
        score=float(sum(found.rows for found in rare.values())),
        evidence={
            "classes": {
                name: {"train": found.learnt, "test": found.tested, "reason": found.reason}
                for name, found in rare.items()
            },
            "rule": project.data.rare_classes,
        },
        next_step=f"{_count_needed(project)}, change the split (split.salt, split.test), or choose another rule: "
        'data.rare_classes = "set-aside", "merge" or "refuse".',
    )


def _count_needed(project: Project) -> str:
    """The step to more rows, with how many make it likely that both sides have some."""
    test = project.split.test
    if project.split.by != "content" or project.split.group is not None:
        return "Collect more rows of them"
    needed = math.ceil(math.log(_DOUBT) / math.log(max(test, 1 - test)))
    return f"Collect more rows of them (of {needed:,} rows, some are on each side with a probability of 99 %)"


def _refuse(rare: Mapping[str, _RareClass], project: Project) -> DataError:
    return DataError(
        f"{_describe_rare(rare, project)}.",
        next_step="Collect more rows of them, or leave them out or together: data.rare_classes = "
        '"set-aside" or "merge".',
        code="data.rare-class",
        column=project.data.label,
        classes=list(rare),
    )
