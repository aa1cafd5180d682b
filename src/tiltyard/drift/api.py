"""Drift as the requirements call it: from predictions or frames in hand to a dictionary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import pandas as pd

from tiltyard.data.columns import Roles, Table
from tiltyard.data.conform.frames import infer_schema, read_sent_rows
from tiltyard.data.conform.schema import TableSchema
from tiltyard.data.read_table import read_table
from tiltyard.drift.detectors.suite import DriftTest
from tiltyard.drift.findings import DriftEvaluation, evaluate_drift
from tiltyard.drift.options import DriftOptions
from tiltyard.drift.profiles import Reference, Rows, build_reference, profile_rows, rows_frame
from tiltyard.drift.profiles.rows import Inputs
from tiltyard.drift.result_types import DriftDetection
from tiltyard.drift.tables import compare_tables
from tiltyard.errors import InputError, UsageError
from tiltyard.jsonable import to_jsonable
from tiltyard.project.monitoring import MonitoringSection

PredictionLine = Mapping[str, Any]
"""A prediction as ``get_recent_predictions`` returns it: ``text`` or ``features``, ``prediction``, ``confidence``."""


def detect_drift(
    recent_predictions: Sequence[PredictionLine],
    reference: Reference | Sequence[PredictionLine] | None = None,
    *,
    drift_threshold: float = DriftOptions.threshold,
    min_rows: int = DriftOptions.min_rows,
    false_alarm_rate: float = DriftOptions.false_alarm_rate,
) -> DriftDetection:
    """Whether predictions drifted: their inputs, labels and confidence.

    Args:
        recent_predictions: lines of the prediction log, as ``PredictionCollector.get_recent_predictions`` gives them.
        reference: what is normal: a version's reference profile, or earlier lines; default: the older half of the
            predictions, to which the newer half is compared.
        drift_threshold: least effect that is called drift.
        min_rows: fewest predictions on either side.
        false_alarm_rate: accepted probability of an alarm where nothing drifted.

    Raises:
        InputError: a line is not a prediction.
    """
    options = DriftOptions(false_alarm_rate=false_alarm_rate, threshold=drift_threshold, min_rows=min_rows)
    lines = _sort_lines(recent_predictions)
    compared_with = "the reference given"
    if reference is None:
        half = len(lines) // 2
        reference, lines = lines[:half], lines[half:]
        compared_with = "the older half of the predictions"
    if isinstance(reference, Reference):
        known = reference
    elif len(reference):
        known = build_reference(_read_lines(_sort_lines(reference)))
    else:
        known = Reference.empty()
    rows = _read_lines(lines, known.layout.columns)
    evaluation = evaluate_drift(known, profile_rows(known.layout, rows), options)
    return {**describe_drift(evaluation, compared_with), "predictions": len(lines)}


@dataclass(frozen=True)
class DriftRequest:
    """What a search for drift needs to know.

    Attributes:
        threshold: least effect that is called drift.
        section: the project's ``[monitoring]``, for the rest; default: its defaults.
        domain_classifier: also train a classifier to tell the two apart: slower, and sees what single columns hide.
    """

    threshold: float = DriftOptions.threshold
    section: MonitoringSection | None = None
    domain_classifier: bool = False

    @property
    def options(self) -> DriftOptions:
        """The options that are meant.

        Raises:
            UsageError: the threshold is not above 0 and below 1.
        """
        if not 0 < self.threshold < 1:
            raise UsageError(f"drift_threshold = {self.threshold} is not between 0 and 1.", next_step="Give 0.1, say.")
        return replace(DriftOptions.from_section(self.section or MonitoringSection()), threshold=self.threshold)


def detect_data_drift(
    reference_data: Inputs | Sequence[str],
    current: Inputs | Sequence[Mapping[str, Any]],
    request: DriftRequest = DriftRequest(),
    schema: TableSchema | None = None,
) -> DriftDetection:
    """Whether rows drifted from a reference, feature by feature.

    Args:
        reference_data: what is normal: a frame, or a series or list of texts.
        current: the rows to compare: the same, or inputs as callers sent them.
        request: the limits, and whether to train a classifier.
        schema: how the cells of inputs as callers sent them are read; default: as the reference shows.

    Returns:
        As ``detect_drift``; ``features`` has every column that is compared. Columns of the reference that no current
        row has are in ``not_sent``: they count as missing in every row, which is drift. Columns that differ by design
        (times, and numbers or names of each row) are not compared: those that both sides have are in ``not_compared``.

    Raises:
        UsageError: the threshold is not above 0 and below 1.
    """
    before, after = _read_both(reference_data, current, schema)
    found = compare_tables(before, after, request.options, domain_classifier=request.domain_classifier)
    return {
        **describe_drift(found.evaluation, "the reference given"),
        "predictions": after.rows,
        "not_sent": list(found.lost),
        "not_compared": list(found.not_compared),
    }


def describe_drift(evaluation: DriftEvaluation, compared_with: str) -> DriftDetection:
    """An evaluation as the requirements' calls return it; ``compared_with`` names the reference."""
    verdict = evaluation.verdict
    features: dict[str, dict[str, Any]] = {}
    for test in evaluation.tests:
        chosen = features.get(test.subject)
        if chosen is None or (test.drifted, -test.adjusted) > (chosen["drift_detected"], -chosen["p_value"]):
            features[test.subject] = _describe_test(test)
    content = {
        "drift_detected": evaluation.drifted,
        "status": verdict.status,
        "message": verdict.message,
        "next_step": verdict.next_step,
        "drift_score": verdict.score,
        "features": features,
        "findings": evaluation.findings,
        "compared_with": compared_with,
    }
    return cast(DriftDetection, to_jsonable(content))


def _describe_test(test: DriftTest) -> dict[str, Any]:
    return {
        "drift_detected": test.drifted,
        "score": test.effect,
        "limit": test.limit,
        "p_value": test.adjusted,
        "method": test.method,
        "kind": test.code,
        **dict(test.details),
    }


def _read_both(reference: Any, current: Any, schema: TableSchema | None) -> tuple[Table, Table]:
    if isinstance(reference, pd.DataFrame):
        if not isinstance(current, pd.DataFrame):
            rows = list(current)
            sent = {str(name) for row in rows for name in row}
            current = rows_frame(rows, [name for name in map(str, reference.columns) if name in sent])
            current = read_sent_rows(current, schema or infer_schema(reference.rename(columns=str)))
        roles = Roles()
    else:
        texts = [row.get("text") if isinstance(row, Mapping) else row for row in current]
        reference = pd.DataFrame({"text": pd.Series(list(reference), dtype=object)})
        current = pd.DataFrame({"text": pd.Series(texts, dtype=object)})
        roles = Roles(text="text")
    return read_table(reference, "reference", roles), read_table(current, "current", roles)


def _sort_lines(lines: Sequence[PredictionLine]) -> list[PredictionLine]:
    """Earliest first; lines without a time stay where they are."""
    for place, line in enumerate(lines):
        if not isinstance(line, Mapping) or not ({"text", "features"} & line.keys()):
            raise InputError(
                f"Line {place} of the predictions is none: it has neither text nor features.",
                next_step="Give lines as PredictionCollector().get_recent_predictions() returns them.",
                position=place,
            )
    return sorted(lines, key=lambda line: str(line.get("timestamp", "")))


def _read_lines(lines: Sequence[PredictionLine], columns: Sequence[str] | None = None) -> Rows:
    inputs: Inputs
    labels = np.array([line.get("prediction") for line in lines], object)
    confidences = np.array([line.get("confidence", np.nan) for line in lines], np.float64)
    features = [line.get("features") or {"text": line.get("text")} for line in lines]
    if all("text" in line for line in lines) and lines:
        return Rows(pd.Series([line["text"] for line in lines], dtype=object), labels, confidences)
    inputs = rows_frame(
        features, columns if columns is not None else list(dict.fromkeys(str(n) for f in features for n in f))
    )
    if columns is None:
        inputs = inputs.infer_objects()
    return Rows(inputs, labels, confidences)
