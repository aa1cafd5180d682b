"""Whether data may teach: the checks before a training, and what they say."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from tiltyard.data import Dataset, Split
from tiltyard.errors import DataError
from tiltyard.findings import Finding, worst_severity
from tiltyard.formatting import format_count
from tiltyard.pipeline.training.narrow_texts import find_narrow_texts
from tiltyard.pipeline.training.preflight import find_plan_problems
from tiltyard.project import Project
from tiltyard.validation import DataValidator, DriftReport, SplitReport, ValidationReport, render_validation_html

SHOWN = 3


@dataclass(frozen=True)
class DataCheck:
    """What was found in a dataset and its split.

    Attributes:
        data: the report on all rows.
        split: the report on the two sides.
        drift: the report on what has changed, where the dataset was held against another one or cut by time.
    """

    data: ValidationReport
    split: SplitReport
    drift: DriftReport | None = None

    @property
    def passed(self) -> bool:
        """Whether the data may teach, by the project's limits."""
        return self.data.passes() and self.split.passes() and (self.drift is None or self.drift.passes())

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Everything found, data first."""
        return (*self.data.findings, *self.split.findings, *(self.drift.findings if self.drift else ()))

    @property
    def summary(self) -> str:
        """One line for people, which names the errors."""
        errors = [finding for finding in self.findings if finding.severity == "error"]
        warnings = sum(finding.severity == "warning" for finding in self.findings)
        counts = []
        if errors:
            named = "; ".join(f"{finding.title}: {finding.subject}" for finding in errors[:SHOWN])
            counts.append(f"{format_count(len(errors), 'error')} ({named}{'; …' if len(errors) > SHOWN else ''})")
        if warnings:
            counts.append(format_count(warnings, "warning"))
        return f"quality {self.data.quality_score:.0f} of 100, {', '.join(counts) or 'nothing wrong'}"

    def html(self) -> str:
        """A page with plots."""
        return render_validation_html(self.data, self.split, self.drift)

    def refuse(self, remedy: str = "train with --accept-data") -> None:
        """Stop, if the data may not teach.

        Args:
            remedy: how the caller trains all the same, for the message.

        Raises:
            DataError: with the gravest findings.
        """
        if self.passed:
            return
        worst = worst_severity(self.findings)
        gravest = [finding for finding in self.findings if finding.is_found and finding.severity == worst]
        more = f" (and {len(gravest) - SHOWN} more)" if len(gravest) > SHOWN else ""
        raise DataError(
            "The data breaks the limits of the project: "
            + " ".join(finding.message for finding in gravest[:SHOWN])
            + more,
            next_step=f"{gravest[0].next_step} See all of it with: tiltyard validate. Or change [validation], or "
            f"{remedy}.",
            code="data.refused",
            findings=[finding.to_dict() for finding in gravest],
        )


def validate_data(dataset: Dataset, split: Split, project: Project) -> DataCheck:
    """Check a dataset, and its split for rows and labels that stand on both sides or shift between them."""
    validator = DataValidator(project)
    data = validator.validate_dataset(
        dataset.frame,
        project.name,
        reading=(*dataset.findings, *find_plan_problems(split, project), *find_narrow_texts(split)),
    )
    column = project.split.group
    groups = None
    if column is not None and column in split.train.frame:
        groups = (split.train.frame[column], split.test.frame[column])
    sides = validator.validate_train_test_split(
        split.train.inputs, split.test.inputs, split.train.labels, split.test.labels, groups=groups
    )
    return DataCheck(data, sides)


def drift_from_previous(dataset: Dataset, project: Project, reference: pd.DataFrame, name: str) -> DriftReport:
    """Hold a dataset against other rows, which messages call ``name``."""
    return DataValidator(project).validate_drift(reference, dataset.frame, names=(name, project.data.source))


def drift_over_time(dataset: Dataset, project: Project, periods: int) -> DriftReport:
    """Hold the later periods of a dataset against its first, by ``data.time``."""
    return DataValidator(project).validate_drift_over_time(dataset.frame, periods=periods)
