"""What the calls of ``ModelMonitor`` and ``PredictionCollector`` return: dictionaries of JSON's types, with their keys.

Times are ISO 8601 in UTC. An interval is ``[low, high]``, with a confidence of 95 % unless another one is named.
"""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict

from tiltyard.findings import Severity, Status


class PredictionStatistics(TypedDict):
    """``PredictionCollector.get_prediction_stats``; what cannot be computed without predictions is None.

    ``sentiment_distribution`` and ``version_distribution`` are numbers of predictions by label and by version.
    """

    total_predictions: int
    sentiment_distribution: dict[str, int]
    version_distribution: dict[str, int]
    avg_confidence: float | None
    min_confidence: float | None
    max_confidence: float | None
    avg_latency_ms: float | None
    first_prediction: str | None
    last_prediction: str | None


class PredictionLogLine(TypedDict):
    """A line of the prediction log: it has ``text`` or ``features``."""

    text: NotRequired[str]
    features: NotRequired[dict[str, Any]]
    prediction: str
    confidence: float
    timestamp: str
    model_version: str
    prediction_id: str


class FigureData(TypedDict):
    """A metric and where it lies."""

    value: float | None
    interval: list[float] | None


class PerformanceData(TypedDict):
    """How the predictions of a window compare with their labels; ``label_lag_hours`` is a median."""

    since: str | None
    until: str | None
    predictions: int
    labelled: int
    label_coverage: float
    label_lag_hours: float | None
    metrics: dict[str, FigureData]
    not_computed: dict[str, str]
    caveat: str
    unknown_labels: dict[str, int]
    chosen_labels: int


class VersionPerformance(PerformanceData):
    """The performance of one version on one route."""

    version: str
    route: str


class PerformanceMetrics(TypedDict):
    """``ModelMonitor.calculate_performance_metrics``.

    A metric that is not defined on the labelled predictions is absent, and ``not_computed`` has the reason. Without
    labels every metric is absent.
    """

    window_hours: float
    total_predictions: int
    labelled_predictions: int
    label_coverage: float
    caveat: str
    intervals: dict[str, list[float]]
    not_computed: dict[str, str]
    by_version: list[VersionPerformance]
    accuracy: NotRequired[float]
    balanced_accuracy: NotRequired[float]
    precision: NotRequired[float]
    recall: NotRequired[float]
    f1: NotRequired[float]
    f1_score: NotRequired[float]
    precision_macro: NotRequired[float]
    recall_macro: NotRequired[float]
    f1_macro: NotRequired[float]
    precision_weighted: NotRequired[float]
    recall_weighted: NotRequired[float]
    f1_weighted: NotRequired[float]
    matthews: NotRequired[float]
    roc_auc: NotRequired[float]
    pr_auc: NotRequired[float]
    log_loss: NotRequired[float]
    brier: NotRequired[float]
    calibration_error: NotRequired[float]


class MetricDegradation(TypedDict):
    """One metric against its baseline; ``loss`` and ``allowed`` are shares of the baseline."""

    metric: str
    verdict: Literal["degraded", "holds", "could_not_judge"]
    baseline: float
    value: float | None
    interval: list[float] | None
    loss: float | None
    allowed: float
    p_value: float | None
    reason: str


class DegradationReport(TypedDict):
    """``ModelMonitor.detect_performance_degradation``; ``could_not_judge`` names metrics, ``metrics`` is by name."""

    degradation_detected: bool
    could_not_judge: list[str]
    metrics: dict[str, MetricDegradation]
    labelled_predictions: int
    label_coverage: float
    caveat: str


class OperationsData(TypedDict):
    """How the service ran: ``latency_ms`` holds the quantiles ``p50``, ``p95`` and ``p99``."""

    predictions: int
    predictions_before: int
    by_version: dict[str, int]
    by_route: dict[str, int]
    by_label: dict[str, int]
    latency_ms: dict[str, float]
    latency_by_version: dict[str, dict[str, float]]
    mean_confidence: float | None


class EstimateCheckData(TypedDict):
    """The estimate against the labels, on the rows that have both."""

    rows: int
    accuracy: float
    estimated_accuracy: FigureData
    contradicts: bool


class EstimateData(TypedDict):
    """Performance estimated from confidence; ``could_not_estimate`` is the reason where it could not."""

    since: str | None
    until: str | None
    version: str
    predictions: int
    labelled: int
    calibration_rows: int
    metrics: dict[str, FigureData]
    check: EstimateCheckData | None
    could_not_estimate: str
    method: str
    caveat: str


class SliceData(TypedDict):
    """Labelled predictions that share a value of a column; ``lead`` is the accuracy less that of the other rows."""

    column: str
    title: str
    key: str
    rows: int
    could_judge: bool
    metrics: dict[str, float | None]
    not_computed: dict[str, str]
    intervals: dict[str, list[float]]
    lead: float | None
    lead_interval: list[float] | None
    worse: bool


class SlicesData(TypedDict):
    """The performance slice by slice."""

    metric: str
    confidence: float
    fewest_rows: int
    overall: dict[str, float | None]
    slices: list[SliceData]
    base: str


class TimelineBucket(TypedDict):
    """One part of the period; ``metrics`` and ``estimated`` are by name."""

    since: str
    until: str
    predictions: int
    by_label: dict[str, int]
    mean_confidence: float | None
    mean_latency_ms: float | None
    labelled: int
    metrics: dict[str, FigureData]
    estimated: dict[str, FigureData]


class FindingData(TypedDict):
    """A finding of a monitoring run, as the ledger keeps it."""

    id: str
    at: str
    project: str
    version: str | None
    code: str
    severity: Severity
    subject: str
    status: Status
    score: float | None
    limit: float | None
    since: str | None
    until: str | None
    message: str
    evidence: dict[str, Any]
    next_step: str


class DecisionData(TypedDict):
    """A decision about the model."""

    at: str
    kind: str
    subject: str
    actor: str
    reason: str
    sequence: int


class DashboardData(TypedDict):
    """``ModelMonitor.get_monitoring_dashboard_data``.

    ``alerts`` are the problems among the latest findings. ``findings`` and ``decisions`` are those of the period,
    latest first. ``total_predictions`` and ``labelled_predictions`` count the whole period; the other figures are
    without the ``predictions_left_out``, its oldest. ``confidence_histogram`` has 20 bins from 0 to 1. ``baseline`` has
    the champion's metrics at training.
    """

    model_name: str
    since: str
    until: str
    champion: str | None
    baseline: dict[str, float | None]
    total_predictions: int
    prediction_distribution: dict[str, int]
    version_distribution: dict[str, int]
    avg_confidence: float | None
    avg_latency_ms: float | None
    operations: OperationsData
    confidence_histogram: list[int]
    labelled_predictions: int
    label_coverage: float
    predictions_left_out: int
    performance: PerformanceData
    estimated_performance: EstimateData | None
    by_version: list[VersionPerformance]
    slices: SlicesData | None
    timeline: list[TimelineBucket]
    alerts: list[FindingData]
    findings: list[FindingData]
    decisions: list[DecisionData]
