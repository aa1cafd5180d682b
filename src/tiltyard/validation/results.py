"""What validation returns: findings, and the measures behind them, readable as a dictionary."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from tiltyard.findings import Finding, by_severity
from tiltyard.jsonable import to_jsonable
from tiltyard.project import ValidationSection
from tiltyard.result_display import ResultDict, ShownResult
from tiltyard.validation.findings import evaluate_measures, is_acceptable
from tiltyard.validation.score import quality_score, score_parts
from tiltyard.validation.split.findings import evaluate_sides


@dataclass(frozen=True, eq=False, repr=False)
class ValidationReport(ShownResult, Mapping[str, Any]):
    """The measures of a dataset and the findings about it.

    As a dictionary it holds the measures: ``missing_data``, ``data_types``, ``duplicates``, ``outliers``,
    ``class_balance``, ``distributions``, ``leakage``, ``schema``, ``text``, and ``quality_score``.

    Attributes:
        name: what the dataset was called.
        rows: how many rows it has.
        sections: the measures.
        limits: what they are compared with.
        reading: what was found while the rows were read.
    """

    name: str
    rows: int
    sections: Mapping[str, Any]
    limits: ValidationSection
    reading: tuple[Finding, ...] = ()

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        """The findings, the gravest first."""
        read = [finding for finding in self.reading if not finding.named_by(self.limits.ignore)]
        return by_severity([*evaluate_measures(self.sections, self.rows, self.limits), *read])

    @cached_property
    def score_parts(self) -> dict[str, float]:
        """What the score is the product of, each from 0 to 1; `tiltyard.validation.score.PARTS` explains them."""
        return score_parts(self.sections, self.rows)

    @property
    def quality_score(self) -> float:
        """0 to 100: 100 × the product of `score_parts`."""
        return quality_score(self.score_parts)

    def passes(self, limits: ValidationSection | None = None) -> bool:
        """Whether the data may be used, by its own limits or by others."""
        if limits is None:
            return is_acceptable(self.findings, self.limits)
        return self.with_limits(limits).passes()

    def with_limits(self, limits: ValidationSection) -> ValidationReport:
        """The same measures with other limits; nothing is measured again."""
        return ValidationReport(self.name, self.rows, self.sections, limits, self.reading)

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON-ready data."""
        ready: dict[str, Any] = to_jsonable(
            {
                "name": self.name,
                "rows": self.rows,
                "passed": self.passes(),
                "quality_score": self.quality_score,
                "score_parts": self.score_parts,
                "findings": [finding.to_dict() for finding in self.findings],
                "limits": self.limits.model_dump(),
                **self.sections,
            }
        )
        return ready

    @property
    def label(self) -> str | None:
        """The label's column; None where the dataset has none."""
        label: str | None = self.sections["class_balance"]["label"]
        return label

    def describe(self) -> tuple[str, Mapping[str, Any]]:
        """The figures that a reader wants first."""
        missing, repeated = self.sections["missing_data"], self.sections["duplicates"]
        outliers = {
            name: facts["count"] for name, facts in self.sections["outliers"]["columns"].items() if facts["count"]
        }
        facts = {
            "rows": self.rows,
            "columns": len(self.sections["distributions"]),
            "label": self.label or self.sections["class_balance"].get("target") or "none found",
            "classes": self.sections["class_balance"]["counts"],
            "passed": self.passes(),
            "quality_score": self.quality_score,
            "missing_cells": missing["missing_cells"],
            "duplicates": repeated["count"],
            "outliers": outliers,
            "findings": [finding.to_dict() for finding in self.findings],
            "measures": list(self),
        }
        return f"Validation of {self.name}", facts

    def __getitem__(self, key: str) -> Any:
        return self.quality_score if key == "quality_score" else ResultDict(key, self.sections[key])

    def __iter__(self) -> Iterator[str]:
        yield from self.sections
        yield "quality_score"

    def __len__(self) -> int:
        return len(self.sections) + 1


@dataclass(frozen=True, eq=False, repr=False)
class SplitReport(ShownResult, Mapping[str, Any]):
    """The measures of the two sides of a split, and the findings about it.

    As a dictionary it holds the measures: ``sizes``, ``columns``, ``duplicates``, ``near_duplicates``,
    ``label_shift``, ``feature_shift``, ``adversarial``; and ``groups`` where rows belong together.
    """

    sections: Mapping[str, Any]
    limits: ValidationSection

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        """The findings, the gravest first."""
        found = evaluate_sides(self.sections, self.limits)
        return by_severity(finding for finding in found if not finding.named_by(self.limits.ignore))

    def passes(self, limits: ValidationSection | None = None) -> bool:
        """Whether the split may be used, by its own limits or by others."""
        if limits is None:
            return is_acceptable(self.findings, self.limits)
        return SplitReport(self.sections, limits).passes()

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON-ready data."""
        ready: dict[str, Any] = to_jsonable(
            {
                "passed": self.passes(),
                "findings": [finding.to_dict() for finding in self.findings],
                "limits": self.limits.model_dump(),
                **self.sections,
            }
        )
        return ready

    def describe(self) -> tuple[str, Mapping[str, Any]]:
        """The figures that a reader wants first."""
        facts = {
            **self.sections["sizes"],
            "passed": self.passes(),
            "findings": [finding.to_dict() for finding in self.findings],
            "measures": list(self),
        }
        return "Validation of a split", facts

    def __getitem__(self, key: str) -> Any:
        section = self.sections[key]
        return ResultDict(key, section) if isinstance(section, Mapping) else section

    def __iter__(self) -> Iterator[str]:
        return iter(self.sections)

    def __len__(self) -> int:
        return len(self.sections)
