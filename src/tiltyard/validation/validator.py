"""`DataValidator`: checks of a dataset and of a split, and one score of quality."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from tiltyard.arguments import (
    allow_none,
    check_arguments,
    require_flag,
    require_mapping,
    require_pair,
    require_string,
    require_words,
)
from tiltyard.data.columns import Roles, Table
from tiltyard.data.conform.gaps import list_gap_decisions
from tiltyard.data.conform.rules import USUAL_RULES, ReadingRules
from tiltyard.data.conform.table_like import read_table_like, read_table_pair
from tiltyard.data.groups import key_groups
from tiltyard.data.inference.task_part import TaskData
from tiltyard.data.read_table import read_table
from tiltyard.errors import NotFoundError, UsageError
from tiltyard.findings import Finding
from tiltyard.project import Project, ValidationSection
from tiltyard.suggest import nearest
from tiltyard.tasks import TASKS, USUAL_TARGET, TaskTarget, reads_text
from tiltyard.validation.drift import cut_by_time, drift_options, measure_drift, order_datasets
from tiltyard.validation.drift_findings import DriftReport
from tiltyard.validation.label_choice import USUAL_LABEL, choose_roles
from tiltyard.validation.results import SplitReport, ValidationReport
from tiltyard.validation.split.groups import measure_groups
from tiltyard.validation.split.measures import as_frame, as_labels, measure_split
from tiltyard.validation.table.class_balance import measure_classes
from tiltyard.validation.table.distributions import measure_distributions
from tiltyard.validation.table.duplicates import measure_duplicates
from tiltyard.validation.table.leakage import measure_leakage
from tiltyard.validation.table.missing import measure_missing
from tiltyard.validation.table.outliers import measure_outliers
from tiltyard.validation.table.schema import Schema, as_schema, measure_schema
from tiltyard.validation.table.value_checks import measure_types
from tiltyard.validation.text.measures import LONGEST, measure_texts


class DataValidator:
    """Checks datasets and splits, and remembers the report of each dataset by name.

    Args:
        project: says which columns are what; without one, the label and the text are named in each call.
        limits: how bad data may be; default: the project's, or the defaults of `ValidationSection`.
        target: what the label is, a class or a number to predict; a project says so by its task. Default: a class,
            or what the chosen label looks like.
    """

    def __init__(
        self,
        project: Project | None = None,
        limits: ValidationSection | None = None,
        *,
        target: TaskTarget | None = None,
    ) -> None:
        self._project = project
        self._rules = ReadingRules.from_section(project.data) if project else USUAL_RULES
        self._limits = limits or (project.validation if project else ValidationSection())
        self._target = target if project is None else TASKS[project.task].target
        self._reports: dict[str, ValidationReport] = {}

    @check_arguments(
        name=require_words,
        label=allow_none(require_string),
        text=allow_none(require_string),
        schema=allow_none(require_mapping),
    )
    def validate_dataset(
        self,
        df: Any,
        name: str = "dataset",
        *,
        label: str | None = None,
        text: str | None = None,
        schema: Mapping[str, Any] | None = None,
        reading: tuple[Finding, ...] = (),
    ) -> ValidationReport:
        """Measure and evaluate a dataset.

        Args:
            df: n rows of a table, as ``read_table_like`` takes them (a data frame of pandas or polars, an Arrow table,
                a matrix, a list of rows by column name); nothing in it is changed.
            name: what to remember the report by.
            label: the label's column; ``""`` says that there is none. Default: the project's, or the column ``label``,
                or the one that ``tiltyard init`` would choose, which a finding names.
            text: the column of texts; default: the project's, or as ``tiltyard init`` would choose. Other columns of
                long words are checked as texts too.
            schema: what each column must hold: `ColumnSchema`, its fields, or just the type, by column.
            reading: what was found while the rows were read; it joins the findings of the report.

        Raises:
            UsageError: ``df`` is not a table, or the schema cannot be meant.
        """
        frame = read_table_like(df, "df")
        roles, chosen = self._choose_roles(frame, label, text)
        if self._target is not None:
            roles = replace(roles, label_role=TaskData.find_for_target(self._target).column_role)
        # Numbers near the largest float overflow in a sum, which then says infinite.
        with np.errstate(over="ignore", invalid="ignore"):
            sections = _measure_table(
                read_table(frame, name, roles, self._rules),
                roles,
                as_schema(schema or (self._project.columns if self._project else {})),
                self._longest(),
                list_gap_decisions(reading),
            )
        report = ValidationReport(
            name=name, rows=len(frame), sections=sections, limits=self._limits, reading=(*reading, *chosen)
        )
        self._reports[name] = report
        return report

    def report(self, name: str = "dataset") -> ValidationReport:
        """The report of a dataset that was validated before.

        Raises:
            NotFoundError: no dataset of that name was.
        """
        require_words(name, "name")
        if name not in self._reports:
            raise NotFoundError(
                f"No dataset '{name}' has been validated here.{nearest(name, self._reports)}",
                next_step=f"Call validate_dataset(df, {name!r}) first.",
                name=name,
            )
        return self._reports[name]

    def get_data_quality_score(self, name: str = "dataset") -> float:
        """The quality of a validated dataset, 0 to 100.

        100 × the product of `ValidationReport.score_parts`: completeness, consistency, uniqueness, plausibility,
        labels, balance and usefulness, each the share of the data that is good in that respect (`score.PARTS`).

        Raises:
            NotFoundError: no dataset of that name was validated.
        """
        return self.report(name).quality_score

    @check_arguments(groups=allow_none(require_pair), adversarial=require_flag)
    def validate_train_test_split(
        self,
        X_train: Any,
        X_test: Any,
        y_train: Any,
        y_test: Any,
        *,
        groups: tuple[pd.Series, pd.Series] | None = None,
        adversarial: bool = False,
    ) -> SplitReport:
        """Measure and evaluate a split: rows on both sides, near copies, shifts of labels and of columns, sizes.

        Args:
            X_train: inputs of the train side: a DataFrame, texts, or a matrix.
            X_test: inputs of the test side.
            y_train: labels of the train side.
            y_test: labels of the test side.
            groups: where rows belong together, the name of each row's group, for the train side and the test side.
            adversarial: also try whether a model can tell the sides apart (takes seconds).

        Raises:
            UsageError: the inputs are neither a table nor texts, or labels and inputs differ in number.
        """
        train, test = as_frame(X_train, "train"), as_frame(X_test, "test")
        sides = (
            (train, as_labels(y_train, len(train), "train")),
            (test, as_labels(y_test, len(test), "test")),
        )
        with np.errstate(over="ignore", invalid="ignore"):
            measured = measure_split(*sides, adversarial, target=self._target or USUAL_TARGET)
        if groups is not None:
            train_groups, test_groups = (
                key_groups(pd.Series(names), side) for names, side in zip(groups, (train, test), strict=True)
            )
            rule = self._project.split if self._project else None
            wanted = None if rule is None or rule.by.startswith("column:") else rule.test
            measured["groups"] = measure_groups(train_groups, test_groups, wanted)
        return SplitReport(measured, self._limits)

    @check_arguments(names=require_pair, adversarial=require_flag)
    def validate_drift(
        self,
        reference: Any,
        current: Any,
        *,
        names: tuple[str, str] = ("reference", "current"),
        adversarial: bool = True,
    ) -> DriftReport:
        """Measure and evaluate how a dataset differs from another one: columns, kinds, gaps, labels, distributions.

        Args:
            reference: the rows that count as normal: a table as ``read_table_like`` takes them.
            current: the rows that are compared with them; nothing in either is changed. A matrix without names takes
                those of the reference.
            names: what messages call the two.
            adversarial: also try whether a model can tell the two apart (takes seconds); for texts it is what sees
                that they speak of other things.

        Raises:
            UsageError: one of the two is not a table or has no rows, or the reference has no columns.
        """
        pair = read_table_pair(reference, current, names)
        for name, frame in zip(names, pair, strict=True):
            # Rows without any column have lost them all, which is drift.
            if not len(frame) or (frame is pair[0] and frame.empty):
                raise UsageError(
                    f"validate_drift received no rows as {name}.",
                    next_step="Give two tables with rows: without rows, nothing can be said about drift.",
                    code="drift.no-rows",
                )
        roles, options = self._roles(pair[0], None, None), drift_options(self._project, self._limits)
        with np.errstate(over="ignore", invalid="ignore"):
            measured = measure_drift(
                (names[0], pair[0]),
                (names[1], pair[1]),
                roles,
                options,
                adversarial=adversarial,
                rules=self._rules,
                order=order_datasets(*pair, roles, self._project, self._rules),
            )
        return DriftReport((measured,), self._limits)

    def validate_drift_over_time(
        self, df: pd.DataFrame, time: str | None = None, *, periods: int = 4, adversarial: bool = False
    ) -> DriftReport:
        """Cut a dataset into periods of about as many rows and compare each later one with the first.

        Args:
            df: n rows.
            time: the column of times (or of numbers that grow); default: the project's ``data.time``.
            periods: how many, at least 2; rows of one moment stay together.
            adversarial: as for ``validate_drift``.

        Raises:
            UsageError: there is no such column, it holds something else, or there are fewer moments than periods.
        """
        time = time or (self._project.data.time if self._project else None)
        roles, options = self._roles(df, None, None), drift_options(self._project, self._limits)
        parts = cut_by_time(df, time, periods, self._rules)
        (first, first_rows), *later = parts
        reference = first_rows.drop(columns=[time])
        with np.errstate(over="ignore", invalid="ignore"):
            measured = [
                measure_drift(
                    (first, reference),
                    (name, rows.drop(columns=[time])),
                    roles,
                    options,
                    adversarial=adversarial,
                    rules=self._rules,
                    order=order_datasets(first_rows, rows, roles, self._project, self._rules),
                )
                for name, rows in later
            ]
        return DriftReport(tuple(measured), self._limits)

    def _choose_roles(
        self, frame: pd.DataFrame, label: str | None, text: str | None
    ) -> tuple[Roles, tuple[Finding, ...]]:
        if self._project is None:
            return choose_roles(frame, Roles(label=label, text=text), self._rules)
        return self._roles(frame, label, text), ()

    def _roles(self, df: pd.DataFrame, label: str | None, text: str | None) -> Roles:
        if self._project is None:
            return Roles(label=label or (USUAL_LABEL if USUAL_LABEL in df.columns else None), text=text)
        data = self._project.data
        of_text = reads_text(self._project.task)
        return Roles(
            label=label or data.label,
            text=(text or data.text or "text") if of_text else None,
            features=None if of_text else data.features,
            ignored=tuple(name for name in self._project.columns_left_out if name != data.label),
        )

    def _longest(self) -> int:
        return LONGEST if self._project is None else self._project.serving.max_text


def _measure_table(
    table: Table, roles: Roles, schema: Schema, longest: int, settled: Collection[tuple[str, str]]
) -> dict[str, Any]:
    expected = [column for column in (roles.label, roles.text, *(roles.features or ())) if column is not None]
    return {
        "missing_data": measure_missing(table),
        "data_types": measure_types(table, settled),
        "duplicates": measure_duplicates(table),
        "outliers": measure_outliers(table),
        "class_balance": measure_classes(table),
        "distributions": measure_distributions(table),
        "leakage": measure_leakage(table),
        "schema": measure_schema(table, schema, expected),
        "text": measure_texts(table, longest),
    }
