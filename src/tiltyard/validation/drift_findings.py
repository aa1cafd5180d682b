"""Findings about drift between datasets, and the report that holds them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from tiltyard.findings import Finding, Severity, by_severity, could_not_judge
from tiltyard.formatting import choose_form, format_count, format_percent, join_names, join_values
from tiltyard.jsonable import to_jsonable
from tiltyard.project import ValidationSection
from tiltyard.result_display import ResultDict, ShownResult
from tiltyard.validation.findings import is_acceptable

_MEASURES = {
    "ks": "Kolmogorov–Smirnov distance",
    "psi": "population stability index",
    "wasserstein": "Wasserstein distance",
    "chi-square": "chi-square, Cohen's w",
    "jensen-shannon": "Jensen–Shannon distance",
    "fisher": "difference of shares",
    "terms": "difference of term shares",
}


@dataclass(frozen=True, eq=False, repr=False)
class DriftReport(ShownResult, Mapping[str, Any]):
    """How a dataset differs from a reference, or its later periods from the first.

    As a dictionary it holds the measures of the last comparison: ``columns``, ``kinds``, ``missing``, ``label_shift``,
    ``feature_shift``, ``new_values``, ``told_apart``, ``pictures``. `tiltyard.drift` decides what has drifted: that is
    a warning at least, and an error from ``max_drift`` on.

    Attributes:
        comparisons: the measures of each comparison, in order.
        limits: what they are compared with.
    """

    comparisons: tuple[dict[str, Any], ...]
    limits: ValidationSection

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        """The findings of all comparisons, the gravest first."""
        return by_severity(finding for part in self.comparisons for finding in self.findings_of(part))

    def findings_of(self, part: Mapping[str, Any]) -> tuple[Finding, ...]:
        """The findings of one comparison, the gravest first."""
        found = evaluate_dataset_drift(part, self.limits)
        return by_severity(finding for finding in found if not finding.named_by(self.limits.ignore))

    @property
    def drift_detected(self) -> bool:
        """Whether any comparison found drift, however slight."""
        return any(part["drift_detected"] for part in self.comparisons)

    def passes(self, limits: ValidationSection | None = None) -> bool:
        """Whether the drift is within its own limits or within others."""
        if limits is None:
            return is_acceptable(self.findings, self.limits)
        return DriftReport(self.comparisons, limits).passes()

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON-ready data."""
        ready: dict[str, Any] = to_jsonable(
            {
                "passed": self.passes(),
                "findings": [finding.to_dict() for finding in self.findings],
                "limits": self.limits.model_dump(),
                "comparisons": list(self.comparisons),
            }
        )
        return ready

    def describe(self) -> tuple[str, Mapping[str, Any]]:
        """The figures that a reader wants first."""
        last = self.comparisons[-1]
        facts = {
            "drift_detected": self.drift_detected,
            "passed": self.passes(),
            "columns": last["columns"],
            "findings": [finding.to_dict() for finding in self.findings],
            "measures": list(self),
        }
        current, reference = last["current"], last["reference"]
        title = f"Drift of {current['name']} ({current['rows']:,} rows)"
        return f"{title} against {reference['name']} ({reference['rows']:,} rows)", facts

    def __getitem__(self, key: str) -> Any:
        value = self.comparisons[-1][key]
        return ResultDict(key, value) if isinstance(value, Mapping) else value

    def __iter__(self) -> Iterator[str]:
        return iter(self.comparisons[-1])

    def __len__(self) -> int:
        return len(self.comparisons[-1])


def describe_test(facts: Mapping[str, Any]) -> str:
    """A test in words: its measure, and how likely chance is."""
    p_value = facts["adjusted_p_value"]
    chance = f"p = {p_value:.2g}" if p_value else "p < 1e-300"
    subject = facts.get("subject", "")
    measure = f" of {subject.rpartition('.')[2].replace('_', ' ')}" if "." in subject else ""
    return f"{_MEASURES.get(facts['test'], facts['test'])}{measure} {facts['distance']:.3f}, {chance} after correction"


def evaluate_dataset_drift(part: Mapping[str, Any], limits: ValidationSection) -> list[Finding]:
    """All findings of one comparison."""
    where = f"{part['current']['name']} against {part['reference']['name']}"
    found = [*_evaluate_columns(part["columns"], where), *_evaluate_kinds(part["kinds"], where)]
    if not part["judged"]:
        rows = min(part["reference"]["rows"], part["current"]["rows"])
        why = (
            f"{where}: one of the two has only {format_count(rows, 'row')}; drift needs {part['least_rows']:,} of each."
        )
        return [
            *found,
            could_not_judge("drift.column", "rows", why, "Collect more rows.", title="Column that has drifted"),
        ]
    return [
        *found,
        *_evaluate_label(part["label_shift"], limits.max_drift, where),
        *_evaluate_features(part["feature_shift"], limits.max_drift, where),
        *_evaluate_missing(part["missing"], limits.max_drift, where),
        *_evaluate_new_values(part["new_values"], limits.max_drift, where),
        *_evaluate_separation(part["told_apart"], where),
    ]


def _grade(distance: float, limit: float) -> Severity:
    """How grave a drift is: an error beyond ``max_drift``."""
    return "error" if distance > limit else "warning"


def _evaluate_columns(columns: Mapping[str, list[str]], where: str) -> list[Finding]:
    found = []
    lost, new = columns["lost"], columns["new"]
    if lost:
        renamed = f" It has {join_names(new)} instead, which may be what was renamed." if new else ""
        found.append(
            Finding(
                "drift.columns-lost",
                "error",
                lost[0] if len(lost) == 1 else "columns",
                "Columns that are gone",
                f"{where}: {format_count(len(lost), 'column')} {choose_form(len(lost), 'is', 'are')} gone: "
                f"{join_names(lost)}."
                f"{renamed}",
                score=float(len(lost)),
                limit=0.0,
                evidence={"lost": lost, "new": new},
                next_step="Bring them back, or correct the names.",
            )
        )
    if new:
        found.append(
            Finding(
                "drift.columns-new",
                "info",
                new[0] if len(new) == 1 else "columns",
                "Columns that are new",
                f"{where}: {format_count(len(new), 'column')} {choose_form(len(new), 'is', 'are')} new: "
                f"{join_names(new)}.",
                score=float(len(new)),
                evidence={"new": new},
                next_step="Ignore them in data.ignore if no model is to see them.",
            )
        )
    return found


def _evaluate_kinds(kinds: Mapping[str, list[str]], where: str) -> list[Finding]:
    return [
        Finding(
            "drift.kind",
            "error",
            name,
            "Column whose values are of another kind",
            f"{where}: '{name}' was {before} and is {after} now.",
            evidence={"reference": before, "current": after},
            next_step="Write its values as they were, or change the schema.",
        )
        for name, (before, after) in kinds.items()
    ]


def _evaluate_label(measured: Mapping[str, Any], limit: float, where: str) -> list[Finding]:
    if not measured["judged"] or not measured["drifted"]:
        return []
    before, after = measured["train_shares"], measured["test_shares"]
    moved = max(before, key=lambda name: abs(before[name] - after[name]))
    return [
        Finding(
            "drift.label",
            _grade(measured["distance"], limit),
            "label",
            "Labels that have drifted",
            f"{where}: '{moved}' was {format_percent(before[moved])} of the labels and is "
            f"{format_percent(after[moved])} now "
            f"({describe_test(measured)}).",
            score=measured["distance"],
            limit=limit,
            evidence=measured,
            next_step="Find out whether the world or the labelling has changed, and train anew.",
        )
    ]


def _evaluate_features(measured: Mapping[str, Any], limit: float, where: str) -> list[Finding]:
    found = []
    for name, facts in measured.items():
        if not facts["drifted"]:
            continue
        found.append(
            Finding(
                "drift.joint" if name.startswith("joint.") else "drift.column",
                _grade(facts["distance"], limit),
                name,
                "Column that has drifted",
                f"{where}: '{name}' has drifted: {describe_test(facts)}.",
                score=facts["distance"],
                limit=limit,
                evidence=facts,
                next_step="Open its picture in the report, and find out what changed.",
            )
        )
    return sorted(found, key=lambda finding: -(finding.score or 0.0))


def _evaluate_missing(measured: Mapping[str, Any], limit: float, where: str) -> list[Finding]:
    found = []
    for name, facts in measured.items():
        if facts["drifted"]:
            found.append(
                Finding(
                    "drift.missing",
                    _grade(facts["distance"], limit),
                    name,
                    "Column with more or fewer gaps",
                    f"{where}: {format_percent(facts['reference'])} of '{name}' was missing, and "
                    f"{format_percent(facts['current'])} is now.",
                    score=facts["distance"],
                    limit=limit,
                    evidence=facts,
                    next_step="Find out where its values are lost.",
                )
            )
    return found


def _evaluate_new_values(measured: Mapping[str, Any], limit: float, where: str) -> list[Finding]:
    return [
        Finding(
            "drift.new-values",
            _grade(facts["share"], limit) if facts["drifted"] else "info",
            name,
            "Categories that were not there before",
            f"{where}: '{name}' has {format_count(facts['distinct'], 'value')} that the reference lacks, in "
            f"{format_count(facts['count'], 'row')} ({format_percent(facts['share'])}): "
            f"{join_values(facts['values'])}.",
            score=facts["share"],
            limit=limit,
            evidence=facts,
            next_step="A model trained on the reference treats them as unknown: train anew, or correct the spelling.",
        )
        for name, facts in measured.items()
    ]


def _evaluate_separation(measured: Mapping[str, Any], where: str) -> list[Finding]:
    if not measured["judged"] or not measured["drifted"]:
        return []
    low, high = measured["interval"]
    return [
        Finding(
            "drift.told-apart",
            "warning",
            "inputs",
            "Datasets that a model can tell apart",
            f"{where}: a model guesses which of the two a row comes from with an ROC AUC of {measured['auc']:.3f} "
            f"({low:.3f} to {high:.3f}); 0.5 would mean that they are alike.",
            score=measured["auc"],
            evidence=measured,
            next_step="Read a few rows of both; texts may speak of other things while their lengths are the same.",
        )
    ]
