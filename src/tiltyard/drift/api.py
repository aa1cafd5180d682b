"""Drift as the requirements call it: from predictions or frames in hand to a dictionary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, cast

import numpy as np
import pandas as pd

from tiltyard.data.columns import Roles, Table
from tiltyard.data.conform.frames import infer_schema, read_sent_rows
from tiltyard.data.conform.rules import USUAL_RULES, ReadingRules
from tiltyard.data.conform.schema import TableSchema
from tiltyard.data.conform.table_like import has_no_names, read_table_like, read_table_pair
from tiltyard.data.read_table import read_table, unite_spellings
from tiltyard.drift.detectors.suite import DriftTest
from tiltyard.drift.findings import DriftEvaluation, evaluate_drift
from tiltyard.drift.given_reference import are_texts
from tiltyard.drift.options import DriftOptions
from tiltyard.drift.profiles import Reference, Rows, build_reference, profile_rows, rows_frame
from tiltyard.drift.profiles.rows import Inputs
from tiltyard.drift.profiles.seasons.row_hours import RowHours
from tiltyard.drift.recent_predictions import RecentPredictions, VersionReference, detectable_shift
from tiltyard.drift.result_types import DriftDetection
from tiltyard.drift.tables import NO_ORDER, ComparedOrder, compare_tables
from tiltyard.errors import InputError, UsageError
from tiltyard.formatting import format_percent
from tiltyard.jsonable import to_jsonable
from tiltyard.project.monitoring import MonitoringSection
from tiltyard.result_display import show_as

PredictionLine = Mapping[str, Any]
"""A prediction as ``get_recent_predictions`` returns it: ``text`` or ``features``, ``prediction``, ``confidence``."""


LEAST_ROWS = 30
"""Fewest predictions of a side: from here on the tests keep the rate of false alarms (``tests/drift``)."""


_OLDER_HALF = "the older half of the predictions"


def detect_drift(
    recent_predictions: Sequence[PredictionLine] | pd.DataFrame,
    reference: Reference | Sequence[PredictionLine] | None = None,
    *,
    drift_threshold: float | None = None,
    min_rows: int = LEAST_ROWS,
    false_alarm_rate: float | None = None,
) -> DriftDetection:
    """Whether predictions drifted: their inputs, labels and confidence.

    Args:
        recent_predictions: lines of the prediction log, as ``PredictionCollector.get_recent_predictions`` gives them;
            lines with predictions and without inputs are compared by their predictions.
        reference: what is normal: a version's reference profile, or earlier lines; default: the profile of the
            champion's training where the lines come from a collector: with its predictions if it made enough of the
            lines, else with the inputs of all lines alone; without a champion the older half of the predictions, to
            which the newer half is compared. That half cannot show drift that all lines share.
        drift_threshold: least effect that is called drift; default: that of the champion's project, else 0.1.
        min_rows: fewest predictions on either side.
        false_alarm_rate: accepted probability of an alarm where nothing drifted; default: that of the project, else
            0.05.

    Returns:
        Whether they drifted, or why that could not be said. ``detectable_shift`` is the least shift of a share of rows
        that so few rows show with a probability of 80 %.

    Raises:
        InputError: a line is not a prediction.
    """
    lines, compared_with, schema = _sort_lines(recent_predictions), "the reference given", None
    own = None if reference is not None else _find_version_reference(recent_predictions, lines, min_rows)
    options = _choose_options(own, drift_threshold, min_rows, false_alarm_rate)
    if own is not None:
        reference, schema = own.profile, own.schema
        lines, compared_with = _choose_lines(lines, own.version, min_rows)
    elif reference is None:
        half = len(lines) // 2
        reference, lines = lines[:half], lines[half:]
        compared_with = _OLDER_HALF
    if isinstance(reference, Reference):
        known = reference
    elif len(reference):
        known = build_reference(_read_lines(_sort_lines(reference)))
    else:
        known = Reference.empty()
    rows = _read_lines(lines, known.layout.columns, schema)
    hours = RowHours.from_moments(map(_read_moment, lines))
    evaluation = evaluate_drift(known, profile_rows(known.layout, rows), options, hours=hours)
    found: DriftDetection = {**describe_drift(evaluation, compared_with), "predictions": len(lines)}
    if compared_with == _OLDER_HALF and min(len(lines), known.profile.rows) < min_rows:
        found["next_step"] = (
            f"Give at least {2 * min_rows} predictions, such as get_recent_predictions(limit={20 * min_rows}); "
            "if no more are recorded yet, wait for them."
        )
    if compared_with == _OLDER_HALF and evaluation.verdict.status == "clear":
        found["message"] += " The older half cannot show drift that all of the predictions share."
    return show_as("Drift of predictions", tell_power(found, evaluation, options, known.profile.rows))


def _choose_options(
    own: VersionReference | None, threshold: float | None, min_rows: int, false_alarm_rate: float | None
) -> DriftOptions:
    """How drift is decided: as the project of the champion says, but for what the caller gives."""
    options = replace((own.options if own else None) or DriftOptions(), min_rows=min_rows)
    if threshold is not None:
        options = replace(options, threshold=threshold)
    return options if false_alarm_rate is None else replace(options, false_alarm_rate=false_alarm_rate)


def _read_moment(line: PredictionLine) -> datetime | None:
    """When a prediction was made; None where the line has no time with a zone."""
    try:
        at = datetime.fromisoformat(str(line.get("timestamp")))
    except ValueError:
        return None
    return at if at.tzinfo is not None else None


def _find_version_reference(
    recent: Sequence[PredictionLine] | pd.DataFrame, lines: Sequence[PredictionLine], min_rows: int
) -> VersionReference | None:
    """The champion's reference, where the lines know it and are enough, with its predictions or with inputs."""
    if not isinstance(recent, RecentPredictions) or len(lines) < min_rows:
        return None
    found: VersionReference | None = recent.find_reference()
    if found is None:
        return None
    has_inputs = all({"text", "features"} & line.keys() for line in lines)
    return found if has_inputs or _count_lines(lines, found.version) >= min_rows else None


def _choose_lines(lines: list[PredictionLine], version: str, min_rows: int) -> tuple[list[PredictionLine], str]:
    """The lines to compare with the training of a version: those that it predicted, if they are enough.

    Else all of them, without their predictions, which are another version's.
    """
    if _count_lines(lines, version) >= min_rows:
        return [line for line in lines if line.get("model_version") == version], f"the training of version {version}"
    inputs: list[PredictionLine] = [
        {name: line[name] for name in ("text", "features") if name in line} for line in lines
    ]
    return inputs, f"the training of version {version}, by inputs alone: other versions predicted"


def _count_lines(lines: Sequence[PredictionLine], version: str) -> int:
    return sum(line.get("model_version") == version for line in lines)


def tell_power(
    found: DriftDetection, evaluation: DriftEvaluation, options: DriftOptions, reference_rows: int
) -> DriftDetection:
    """Add how small a shift the comparison would have found, which "no drift" needs to be understood."""
    rows = found["predictions"]
    if not evaluation.tests or not rows or not reference_rows:
        return found
    shift = detectable_shift(rows, reference_rows, len(evaluation.tests), options.false_alarm_rate)
    found["detectable_shift"] = shift
    if evaluation.verdict.status == "clear":
        found["message"] += (
            f" A shift of {format_percent(shift)} of the rows would be found with a probability of 80 %."
        )
    return found


@dataclass(frozen=True)
class DriftRequest:
    """What a search for drift needs to know.

    Attributes:
        threshold: least effect that is called drift; None for that of the section.
        section: the project's ``[monitoring]``; default: its defaults.
        domain_classifier: also train a classifier to tell the two apart: slower, and sees what single columns hide.
        order: what is known of the groups and times of the rows.
    """

    threshold: float | None = None
    section: MonitoringSection | None = None
    domain_classifier: bool = False
    order: ComparedOrder = NO_ORDER

    @property
    def options(self) -> DriftOptions:
        """The options that are meant.

        Raises:
            UsageError: the threshold is not above 0 and below 1.
        """
        options = DriftOptions.from_section(self.section or MonitoringSection())
        if self.threshold is None:
            return options
        if not 0 < self.threshold < 1:
            raise UsageError(f"drift_threshold = {self.threshold} is not between 0 and 1.", next_step="Give 0.1, say.")
        return replace(options, threshold=self.threshold)


def detect_data_drift(
    reference_data: Any,
    current: Any,
    request: DriftRequest = DriftRequest(),
    schema: TableSchema | None = None,
    rules: ReadingRules = USUAL_RULES,
) -> DriftDetection:
    """Whether rows drifted from a reference, feature by feature.

    Args:
        reference_data: what is normal: a table as ``read_table_like`` takes it, or a series or list of texts.
        current: the rows to compare: the same, or inputs as callers sent them. Values that were sent without names
            take those of the reference where it has as many columns.
        request: the limits, and whether to train a classifier.
        schema: how the cells of inputs as callers sent them are read; default: as the reference shows.
        rules: how the cells of the reference are read, and those of the current rows where there is no schema.

    Returns:
        As ``detect_drift``; ``features`` has every column that is compared. Columns of the reference that no current
        row has are in ``not_sent``: they count as missing in every row, which is drift. Columns that differ by design
        (times, and numbers or names of each row) are not compared: those that both sides have are in ``not_compared``.

    Raises:
        UsageError: the threshold is not above 0 and below 1.
    """
    before, after = _read_both(reference_data, current, schema, rules)
    found = compare_tables(
        before,
        after,
        request.options,
        domain_classifier=request.domain_classifier,
        order=request.order,
    )
    detection: DriftDetection = {
        **describe_drift(found.evaluation, "the reference given"),
        "predictions": after.rows,
        "not_sent": list(found.lost),
        "not_compared": list(found.not_compared),
    }
    return show_as("Drift of data", tell_power(detection, found.evaluation, request.options, before.rows))


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
        "reading": test.reading,
        **dict(test.details),
    }


def _read_both(reference: Any, current: Any, schema: TableSchema | None, rules: ReadingRules) -> tuple[Table, Table]:
    if are_texts(reference):
        texts = [row.get("text") if isinstance(row, Mapping) else row for row in current]
        before = pd.DataFrame({"text": pd.Series(list(reference), dtype=object)})
        after = pd.DataFrame({"text": pd.Series(texts, dtype=object)})
        roles = Roles(text="text")
    else:
        roles = Roles()
        if isinstance(current, Sequence) and all(isinstance(row, Mapping) for row in current):
            names = list(schema.dtypes) if schema else list(dict.fromkeys(str(name) for row in current for name in row))
            nameless = has_no_names(reference) and bool(names)
            before = read_table_like(_as_matrix(reference) if nameless else reference, "The reference", names)
            before = before.infer_objects()
            after = _read_sent(before, current, schema or infer_schema(before, rules))
        else:
            before, after = read_table_pair(reference, current)
    tables = (read_table(before, "reference", roles, rules), read_table(after, "current", roles, rules))
    return unite_spellings(tables[0]), unite_spellings(tables[1])


def _as_matrix(given: Any) -> Any:
    return given.to_numpy(dtype=object) if isinstance(given, pd.DataFrame) else given


def _read_sent(before: pd.DataFrame, rows: Sequence[Mapping[str, Any]], schema: TableSchema) -> pd.DataFrame:
    """Inputs as they were sent, as a frame of the columns that any of them has."""
    names = list(before.columns)
    sent = {str(name) for row in rows for name in row}
    numbered = [f"feature_{place}" for place in range(len(names))]
    if sent == set(numbered) and not sent & set(names):
        # They were logged without names: in the order of the reference.
        frame = rows_frame(rows, numbered).set_axis(names, axis=1)
    else:
        frame = rows_frame(rows, [name for name in names if name in sent])
    return read_sent_rows(frame, schema)


def _sort_lines(lines: Sequence[PredictionLine] | pd.DataFrame) -> list[PredictionLine]:
    """Earliest first; lines without a time stay where they are."""
    if isinstance(lines, pd.DataFrame):
        lines = [{str(name): cell for name, cell in row.items()} for row in lines.to_dict("records")]
    for place, line in enumerate(lines):
        if not isinstance(line, Mapping) or not ({"text", "features", "prediction"} & line.keys()):
            raise InputError(
                f"Line {place} of the predictions is none: it has neither text nor features nor prediction.",
                next_step="Give lines as PredictionCollector().get_recent_predictions() returns them.",
                position=place,
            )
    return sorted(lines, key=lambda line: str(line.get("timestamp", "")))


def _read_lines(
    lines: Sequence[PredictionLine], columns: Sequence[str] | None = None, schema: TableSchema | None = None
) -> Rows:
    inputs: Inputs
    labels = np.array([line.get("prediction") for line in lines], object)
    confidences = np.array([line.get("confidence", np.nan) for line in lines], np.float64)
    if all("text" in line for line in lines) and lines:
        return Rows(pd.Series([line["text"] for line in lines], dtype=object), labels, confidences)
    features = [line.get("features") or ({"text": line["text"]} if "text" in line else {}) for line in lines]
    inputs = rows_frame(
        features, columns if columns is not None else list(dict.fromkeys(str(n) for f in features for n in f))
    )
    if schema is not None:
        inputs = read_sent_rows(inputs, schema)
    elif columns is None:
        inputs = inputs.infer_objects()
    return Rows(inputs, labels, confidences)
