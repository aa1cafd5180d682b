"""What the calls of ``MLOpsPipeline`` return: dictionaries whose keys and types are known."""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict

from sklearn.pipeline import Pipeline

from tiltyard.validation import DriftReport, SplitReport, ValidationReport


class DataValidationResult(TypedDict):
    """Result of ``MLOpsPipeline.validate_and_track_data``.

    ``findings`` are dictionaries, the gravest first; ``quality_score`` (0 to 100) is that of the worse side.
    """

    train: ValidationReport
    test: ValidationReport
    split: SplitReport
    quality_score: float
    passed: bool
    findings: list[dict[str, Any]]
    run_id: str


class TrackedTraining(TypedDict):
    """Result of ``MLOpsPipeline.train_and_track_model``.

    ``model`` is the fitted pipeline; ``model_version`` is None where the model was not registered; ``confusion_matrix``
    holds counts, a row for each true label. Of a regressor there is ``regression_report`` instead.
    """

    run_id: str
    metrics: dict[str, float]
    model: Pipeline
    model_uri: str
    model_version: str | None
    classification_report: NotRequired[str]
    confusion_matrix: NotRequired[list[list[int]]]
    regression_report: NotRequired[str]
    findings: list[dict[str, Any]]


class StageChange(TypedDict):
    """Result of ``MLOpsPipeline.promote_model``; ``verdict`` is there where the gates were run."""

    model_version: str
    stage: str
    alias: str
    promoted: bool
    status: str
    verdict: NotRequired[dict[str, Any]]


class ProductionReport(TypedDict):
    """Result of ``MLOpsPipeline.monitor_production_model``.

    ``performance`` holds the metrics of the ``labelled`` rows, whose truth is known; None without such rows.
    """

    drift_detected: bool
    data_drift: DriftReport
    performance: dict[str, float] | None
    predictions: int
    labelled: int
    findings: list[dict[str, Any]]
    run_id: str
