"""Infer what the columns of an unknown file mean, for a first project file that a person then checks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import pandas as pd

from tiltyard.data.conform.labels import conform_labels
from tiltyard.data.conform.rules import USUAL_RULES, ReadingRules
from tiltyard.data.inference.class_choice import choose_positive
from tiltyard.data.inference.column_facts import ColumnFacts, measure_columns
from tiltyard.data.inference.continuous_labels import describe_continuous_label
from tiltyard.data.inference.group_keys import find_group_keys
from tiltyard.data.inference.input_choice import explain_left_out, find_text
from tiltyard.data.inference.label_ranking import (
    LABEL_NAMES,
    NAMED_LIKE_A_LABEL,
    RankedLabel,
    explain_no_label,
    rank_labels,
)
from tiltyard.data.inference.marked_numbers import explain_few_words
from tiltyard.data.inference.task_part import TaskData
from tiltyard.errors import DataError, UsageError
from tiltyard.formatting import join_names, quote_excerpt
from tiltyard.suggest import nearest
from tiltyard.tasks import TARGETS, TASKS, Task, TaskTarget, find_task, reads_text

TIME_NAMES = ("created_at", "timestamp", "time", "date", "datetime", "updated_at")
RUNNERS_UP = 3
_LEAST_DIFFERENT = 2
ColumnRole = Literal["label", "text", "time", "feature", "left out", "not used"]


@dataclass(frozen=True)
class NamedColumns:
    """What the caller knows of the columns; None and () are inferred.

    Attributes:
        label: the label's column.
        text: the column of texts.
        task: what is predicted from what.
        time: the column that says when a row came about.
        ignore: columns that are never features.
        kept: columns that stay features, whatever speaks against it.
        others: columns that the caller uses for something else; they have to exist.
    """

    label: str | None = None
    text: str | None = None
    task: Task | None = None
    time: str | None = None
    ignore: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    others: tuple[str, ...] = ()


@dataclass(frozen=True)
class ColumnGuess:
    """What one column seems to be.

    Attributes:
        name: its name.
        kind: what its values are.
        role: what it is for.
        reason: why.
    """

    name: str
    kind: str
    role: ColumnRole
    reason: str


@dataclass(frozen=True)
class InferredColumns:
    """What the columns seem to mean.

    Attributes:
        task: of texts where a column holds prose, else of a table; a regression where the label is a quantity.
        label: the label's column.
        text: the prose column, or None.
        time: a column of times, or None.
        classes: rows by label, in the order of the classes; empty where the label is a number.
        positive: the positive one of two classes.
        metric: the metric that suits the shares of the classes.
        metric_reason: why.
        columns: every column with its role and the reason for it.
        runners_up: other columns that may be the label, the likeliest first.
        group_keys: columns that may say which rows belong together.
    """

    task: Task
    label: str
    text: str | None
    time: str | None
    classes: Mapping[str, int]
    positive: str | None
    metric: str
    metric_reason: str
    columns: tuple[ColumnGuess, ...]
    runners_up: tuple[RankedLabel, ...] = ()
    group_keys: tuple[str, ...] = ()

    @property
    def ignored(self) -> tuple[str, ...]:
        """The columns that are left out of the features of a table."""
        return tuple(column.name for column in self.columns if column.role == "left out")

    @property
    def features(self) -> tuple[str, ...]:
        """The columns that a model of tables learns from."""
        return tuple(column.name for column in self.columns if column.role == "feature")


def infer_columns(
    frame: pd.DataFrame,
    *,
    label: str | None = None,
    text: str | None = None,
    named: NamedColumns | None = None,
    rules: ReadingRules = USUAL_RULES,
) -> InferredColumns:
    """Infer the meaning of columns from their names, places and values; what the caller names is not inferred.

    Args:
        frame: n rows.
        label: the label's column, if it is known.
        text: the column of texts, if it is known.
        named: all that is known; in place of ``label`` and ``text``.
        rules: how cells are read.

    Raises:
        DataError: no column looks like a label, the label has one value, or looks continuous where the caller names a
            task of classes, or a named column does not exist.
        UsageError: what is known contradicts itself.
    """
    known = named or NamedColumns(label=label, text=text)
    columns = measure_columns(frame, rules)
    _require_columns(known, [facts.name for facts in columns])
    open_columns = [facts for facts in columns if facts.name not in known.ignore]
    ranking = rank_labels(facts for facts in open_columns if facts.name not in (known.text, known.time))
    found_label = known.label or _choose_label(ranking, open_columns, known.task)
    target = _find_target(frame, found_label, known.task)
    of_target = TaskData.find_for_target(target)
    classes = of_target.count_classes(_find_labels(frame, found_label))
    others = [facts for facts in open_columns if facts.name != found_label]
    found_text = known.text or _choose_text(others, found_label, known)
    task = known.task or find_task("text" if found_text else "table", target)
    time = known.time or _find_time([facts for facts in others if facts.name != found_text])
    metric, why = of_target.choose_metric(classes, task)
    return InferredColumns(
        task=task,
        label=found_label,
        text=found_text,
        time=time,
        classes=classes,
        positive=choose_positive(classes),
        metric=metric,
        metric_reason=why,
        columns=tuple(_guess_column(facts, known, (found_label, found_text, time), ranking) for facts in columns),
        runners_up=_choose_runners_up(ranking, found_label),
        group_keys=find_group_keys([facts for facts in others if facts.name not in (found_text, time)]),
    )


def settle_classes(guess: InferredColumns, classes: Mapping[str, int], *, keep_metric: bool) -> InferredColumns:
    """The guess for the classes that training is left with, which may be fewer than the file has."""
    if dict(classes) == dict(guess.classes):
        return guess
    metric, why = guess.metric, guess.metric_reason
    if not keep_metric:
        metric, why = TaskData.find_for(guess.task).choose_metric(classes, guess.task)
    positive = guess.positive if guess.positive in classes and len(classes) == 2 else choose_positive(classes)
    return replace(guess, classes=classes, positive=positive, metric=metric, metric_reason=why)


def _choose_runners_up(ranking: Sequence[RankedLabel], label: str) -> tuple[RankedLabel, ...]:
    return tuple(found for found in ranking if found.name != label and not found.continuous)[:RUNNERS_UP]


def _require_columns(known: NamedColumns, names: Sequence[str]) -> None:
    for name in (known.label, known.text, known.time, *known.ignore, *known.kept, *known.others):
        if name is not None and name not in names:
            raise DataError(
                f"The data has no column '{name}'; it has {join_names(names, 20)}.{nearest(name, names)}",
                next_step="Name one of these columns.",
                code="data.column-missing",
            )
    meant = [name for name in (known.label, known.text) if name is not None]
    if len(set(meant)) < len(meant) or set(meant) & set(known.ignore):
        raise UsageError(
            f"The column '{meant[0]}' is named for two purposes.",
            next_step="Name another column as label or text, or do not ignore it.",
        )
    if known.text is not None and known.task is not None and not reads_text(known.task):
        raise UsageError(
            f"A {known.task} project has no text column.",
            next_step=f"Leave --text out, or use --task {find_task('text', TASKS[known.task].target)}.",
        )


def _choose_label(ranking: Sequence[RankedLabel], columns: Sequence[ColumnFacts], task: Task | None) -> str:
    if not ranking:
        reasons = "; ".join(f"'{facts.name}': {explain_no_label(facts)}" for facts in columns[:6])
        raise DataError(
            f"No column looks like a label ({reasons}{'; …' if len(columns) > 6 else ''}).",
            next_step="Name it with --label COLUMN.",
            code="data.no-label",
        )
    _refuse_constant_label(ranking[0], columns)
    if ranking[0].continuous and task is not None and not TaskData.find_for(task).takes_quantities:
        classes = [found.name for found in ranking if not found.continuous]
        raise describe_continuous_label(ranking[0].name, ranking[0].classes, classes)
    return ranking[0].name


def _refuse_constant_label(best: RankedLabel, columns: Sequence[ColumnFacts]) -> None:
    """Refuse to take a column without the name of a label where another has that name, and one value."""
    constant = [
        facts.name for facts in columns if facts.name.lower() in LABEL_NAMES and facts.different < _LEAST_DIFFERENT
    ]
    if constant and best.score < NAMED_LIKE_A_LABEL:
        raise DataError(
            f"Column '{constant[0]}' has the name of a label, and fewer than two values; a model learns from labels "
            "that differ.",
            next_step=f"Add rows with another label, or name another column: --label {best.name}.",
            code="data.one-class",
            column=constant[0],
        )


def _find_target(frame: pd.DataFrame, label: str, task: Task | None) -> TaskTarget:
    """What the label is: what the caller says, or else the first target that suits the labels."""
    if task is not None:
        return TASKS[task].target
    labels = conform_labels(_find_labels(frame, label)).dropna().astype(str)
    if labels.nunique() < _LEAST_DIFFERENT:
        # Whether a class or a number is meant does not show.
        only = f"only the value {quote_excerpt(labels.iloc[0])}" if len(labels) else "no label"
        raise DataError(
            f"Column '{label}' holds {only}; a model learns from labels that differ.",
            next_step="Add rows with another label, or name another column: --label COLUMN.",
            code="data.one-class",
            column=label,
        )
    return next(target for target in TARGETS if TaskData.find_for_target(target).suits_labels(labels))


def _find_labels(frame: pd.DataFrame, label: str) -> pd.Series:
    return frame.iloc[:, [str(name) for name in frame.columns].index(label)]


def _choose_text(others: Sequence[ColumnFacts], label: str, known: NamedColumns) -> str | None:
    if known.task is not None and not reads_text(known.task):
        return None
    found = find_text(others, label)
    if found is None and known.task is not None:
        words = [facts for facts in others if facts.kind in ("text", "category") and not facts.column.nested]
        if not words:
            raise DataError(
                "No column looks like a text.", next_step="Name it with --text COLUMN.", code="data.no-text"
            )
        found = max(words, key=lambda facts: facts.words)
    return found.name if found else None


def _find_time(others: Sequence[ColumnFacts]) -> str | None:
    return next((facts.name for facts in others if facts.name.lower() in TIME_NAMES and facts.kind == "time"), None)


def _guess_column(
    facts: ColumnFacts,
    known: NamedColumns,
    meant: tuple[str, str | None, str | None],
    ranking: Sequence[RankedLabel],
) -> ColumnGuess:
    label, text, time = meant
    role: ColumnRole = "feature"
    reason = ""
    if facts.name == label:
        role, reason = "label", "you named it"
        if known.label is None:
            reason = "; ".join(next(found.reasons for found in ranking if found.name == label))
    elif facts.name == text:
        role = "text"
        reason = "you named it" if known.text else f"it holds prose, {facts.words:.0f} words a cell"
    elif facts.name == time:
        role, reason = "time", "you named it" if known.time else "it says when a row came about"
    elif facts.name in known.ignore:
        role, reason = "left out", "you named it"
    elif text is not None:
        role, reason = "not used", f"a text project learns from '{text}' alone"
    elif facts.name not in known.kept and (why := explain_left_out(facts)):
        role, reason = "left out", why
    else:
        reason = explain_few_words(facts)
    return ColumnGuess(facts.name, "list" if facts.column.nested else facts.kind, role, reason)
