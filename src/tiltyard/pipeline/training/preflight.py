"""What can be refused before the fitting: each check reads the plan of a training, and no fitted model.

Checks of the data are findings among those of validation, so ``tiltyard validate`` and ``tiltyard init`` know them too.
Checks of this host's services and rules raise an error.
"""

from __future__ import annotations

import math
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tiltyard.data import Dataset, Split
from tiltyard.data.conform.labels import LabelCodec
from tiltyard.errors import DataError
from tiltyard.evaluation import Grouping, group_rows, select_columns
from tiltyard.evaluation.groups import MOST_NUMBERS, is_divided_at_quartiles
from tiltyard.evaluation.slices import FEWEST_ROWS
from tiltyard.findings import Finding
from tiltyard.formatting import join_names, join_values
from tiltyard.models import CANDIDATES, Candidate
from tiltyard.models.recipes.task_part import TaskModels
from tiltyard.models.selection.cross_validation import require_rows_for_folds
from tiltyard.project import Project
from tiltyard.registry import ExperimentTracker
from tiltyard.registry.foreign.searches import take_best_estimator
from tiltyard.registry.package.packaging import require_storable_types

_SAMPLE_OF_CLASS = 40
_SAMPLE = 400

Rows = NDArray[np.intp]


def find_plan_problems(split: Split, project: Project) -> tuple[Finding, ...]:
    """The reasons for which a training, or the gates after it, could not succeed on this data; none where it can."""
    return tuple(found for check in DATA_CHECKS for found in check(split, project))


def check_host(
    recipes: Sequence[Candidate], train: Dataset, project: Project, tracker: ExperimentTracker, trusted: tuple[str, ...]
) -> None:
    """Make sure that this host can record the training and store what comes out of it.

    Args:
        recipes: the candidates.
        train: the rows that they will be fitted on; of these a few are used.
        project: the project.
        tracker: where the run will be recorded.
        trusted: the types that this host allows beyond the built-in list.

    Raises:
        UsageError: the experiment was deleted, or a candidate has a type that this host does not allow or cannot store.
        UnavailableError: MLflow cannot be reached.
    """
    tracker.check_experiment()
    check_candidate_types(recipes, train, project, trusted)


def check_candidate_types(
    recipes: Sequence[Candidate], train: Dataset, project: Project, trusted: tuple[str, ...]
) -> None:
    """Make sure that the user's own candidates, fitted on a few rows, hold only types that this host allows.

    Built-in candidates hold none but allowed types. A candidate that cannot be fitted on so few rows is left for the
    training to evaluate.

    Raises:
        UsageError: a candidate holds another type (``artifact.untrusted-type``), or one that cannot be stored.
    """
    own = [candidate for candidate in recipes if candidate.name not in CANDIDATES]
    if not own:
        return
    few = train.take(TaskModels.find_for(train.task).choose_sample(train, _SAMPLE, _SAMPLE_OF_CLASS))
    for candidate in own:
        pipeline = candidate.build(project.training.random_state)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # what a fit on a few rows warns of says nothing about the training
                pipeline.fit(few.inputs, few.labels)
        except Exception:  # noqa: BLE001, S112 - the user's code: the training shows what it raises on all rows
            continue
        with tempfile.TemporaryDirectory(prefix="tiltyard-") as folder:
            require_storable_types(take_best_estimator(pipeline), Path(folder) / "model.skops", trusted, candidate.name)


def _check_folds(split: Split, project: Project) -> Iterator[Finding]:
    """Cross-validation has a row of each class for each fold."""
    options = project.training
    searches = options.search.trials is not None or options.search.seconds is not None
    if len(options.candidates) < 2 and not searches:
        return
    try:
        require_rows_for_folds(split.train, options.folds)
    except DataError as error:
        yield Finding(
            "split.too-few-for-folds",
            "error",
            "train",
            "Too few rows for the folds",
            error.message,
            score=float(TaskModels.find_for(project.task).count_scarcest(split.train)),
            limit=float(options.folds),
            next_step=error.next_step or "",
        )


def _check_sensitive_numbers(split: Split, project: Project) -> Iterator[Finding]:
    """Groups of people are named, not made of quartiles that move with the data."""
    for column in select_columns(split.train.frame, project.data.sensitive, "data.sensitive"):
        if not is_divided_at_quartiles(column, split.train.table_schema):
            continue
        others = [
            str(name)
            for name in split.train.frame.columns
            if name not in (project.data.label, column.name) and 2 <= split.train.frame[name].nunique() <= MOST_NUMBERS
        ]
        meant = f" Or name the column that is meant: {join_names(others)}." if others else ""
        yield Finding(
            "data.sensitive-number",
            "error",
            str(column.name),
            "A number as sensitive column",
            f"'{column.name}' holds {column.nunique():,} different numbers; groups of people have names, and quartiles "
            "of a number change with each data set.",
            score=float(column.nunique()),
            limit=float(MOST_NUMBERS),
            next_step=f"Add a column of named ranges (such as 'under 30', '30 to 49', '50 and over'), name it in "
            f"data.sensitive, and put it in data.ignore.{meant} To compare quartiles all the same: validation.ignore = "
            f'["data.sensitive-number:{column.name}"].',
        )


def _check_fairness_groups(split: Split, project: Project) -> Iterator[Finding]:
    """The fairness gate has two groups with enough test rows, in each sensitive column."""
    labels = split.test.labels.to_numpy(dtype=object)
    columns = select_columns(split.test.frame, project.data.sensitive, "data.sensitive")
    for column in columns if project.promotion.fairness else ():
        grouping = group_rows(column, split.test.table_schema)
        for measure in sorted(project.promotion.fairness):
            counts = _count_rows_of_rate(grouping, labels, measure, project)
            second = int(np.sort(counts)[-2]) if len(counts) > 1 else 0
            if second >= FEWEST_ROWS:
                continue
            total = len(split.test) + len(split.train)
            needed = math.ceil(total * FEWEST_ROWS / second) if second else None
            sized = {group.title: int(count) for group, count in zip(grouping.groups, counts, strict=True)}
            enough = (
                f"about {needed:,} rows in all, at the present shares, or" if needed else "rows of another group, or"
            )
            yield Finding(
                "split.groups-too-small",
                "error",
                grouping.column,
                "Groups too small for the fairness gate",
                f"The gate for {measure.replace('_', ' ')} needs two groups of '{grouping.column}' with {FEWEST_ROWS} "
                f"test rows{_RATES[measure]}; the groups have {join_values(sized)}.",
                score=float(second),
                limit=float(FEWEST_ROWS),
                evidence={"measure": measure, "rows": sized, "rows_needed": needed},
                next_step=f"Add rows: {enough} enlarge split.test, join small groups, or remove the limit from "
                "promotion.fairness.",
            )


def _count_rows_of_rate(grouping: Grouping, labels: np.ndarray, measure: str, project: Project) -> Rows:
    """Rows of each group that the scarcest rate of a measure is a share of; of the label where these are most."""
    sizes = np.bincount(grouping.codes, minlength=len(grouping.groups))
    if measure in _OF_ALL_ROWS:
        return sizes
    classes = LabelCodec.from_classes(labels.tolist())
    names = classes.classes
    if len(names) == 2:
        names = (classes.find_class(project.data.positive) or names[-1],)
    found = []
    for name in names:
        of_class = np.bincount(grouping.codes[labels == name], minlength=len(grouping.groups))
        found.append(of_class if measure.startswith("equal_") else np.minimum(of_class, sizes - of_class))
    return max(found, key=lambda counts: int(np.sort(counts)[-2]) if len(counts) > 1 else 0)


_OF_ALL_ROWS = ("demographic_parity_difference", "demographic_parity_ratio", "mae_ratio", "coverage_difference")
_RATES = {
    **dict.fromkeys(_OF_ALL_ROWS, ""),
    "equal_opportunity_difference": " of the label",
    "equalized_odds_difference": " of the label and as many of others",
}

DATA_CHECKS: tuple[Callable[[Split, Project], Iterator[Finding]], ...] = (
    _check_folds,
    _check_sensitive_numbers,
    _check_fairness_groups,
)
