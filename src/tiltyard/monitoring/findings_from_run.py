"""Findings from the figures of a monitoring run: a stable code, the limit, and the next step."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import get_args

from tiltyard.evaluation import SliceReport, get_metric
from tiltyard.evaluation.metrics.task_part import TaskEvaluation
from tiltyard.findings import Finding, could_not_judge
from tiltyard.formatting import format_count, format_number
from tiltyard.jsonable import to_json_object
from tiltyard.ledger.arrivals import ArrivalCount, KeptReason
from tiltyard.monitoring.degradation import Degradation
from tiltyard.monitoring.estimates.by_target import describe_blind_spot
from tiltyard.monitoring.estimates.cbpe import Contradiction, Estimate
from tiltyard.monitoring.estimates.direct_loss import ErrorContradiction, ErrorEstimate
from tiltyard.monitoring.monitored_version import MonitoredVersion
from tiltyard.monitoring.operations import Operations
from tiltyard.monitoring.performance import Performance
from tiltyard.project import MonitoringSection

DRIFT = "drift.verdict"
DEGRADATION = "performance.degradation"
ESTIMATE = "performance.estimate"
CONTRADICTION = "performance.contradiction"
SLICE = "performance.slice"
LATENCY = "operations.latency"
SILENCE = "operations.silence"
SET_ASIDE = "operations.set-aside"

GET_LABELS = (
    "Get labels: tiltyard label queue selects predictions to label, some of them at random, and tiltyard feedback "
    "import reads their labels."
)
GET_RANDOM_LABELS = (
    "Get labels that are a sample: tiltyard label queue --random 1 draws predictions at random, and tiltyard feedback "
    "import reads their labels."
)
# Without traffic before, no traffic now is nothing to report.
_MIN_PREDICTIONS_BEFORE = 20


def degradation_findings(degradations: Sequence[Degradation], performance: Performance) -> list[Finding]:
    """Findings on each metric with labels against its value at training."""
    return [_degradation_finding(one, performance) for one in degradations]


def _degradation_finding(one: Degradation, performance: Performance) -> Finding:
    window = (performance.since, performance.until)
    evidence = {**to_json_object(one), "labelled": performance.labelled, "label_coverage": performance.coverage}
    if performance.caveat:
        evidence["caveat"] = performance.caveat
    if one.verdict == "could_not_judge":
        why = f"{one.reason} {performance.caveat}" if performance.chosen_labels else one.reason
        step = GET_RANDOM_LABELS if performance.chosen_labels else GET_LABELS
        return could_not_judge(DEGRADATION, one.metric, why, step, evidence=evidence, window=window)
    degraded = one.verdict == "degraded"
    return Finding(
        code=DEGRADATION,
        subject=one.metric,
        severity="error" if degraded else "info",
        score=one.loss,
        limit=one.allowed,
        message=f"{one.reason} {performance.caveat}".strip(),
        evidence=evidence,
        since=window[0],
        until=window[1],
        status="found" if degraded else "clear",
        next_step="Retrain with the new labels: tiltyard retrain." if degraded else "",
    )


def estimate_findings(
    estimate: Estimate, monitored: MonitoredVersion, metric: str, limits: MonitoringSection
) -> list[Finding]:
    """Findings on the estimate against the metric at training, and against the labels."""
    window = (estimate.since, estimate.until)
    headline = TaskEvaluation.find_for_target(get_metric(metric).target).headline
    name = metric if metric in estimate.figures else headline
    baseline = monitored.metrics.get(name)
    if estimate.reason or baseline is None or name not in estimate.figures:
        why = estimate.reason or f"The version has no {get_metric(name).title.lower()} from its training."
        return [could_not_judge(ESTIMATE, name, why, GET_LABELS, window=window)]
    return [_estimate_finding(estimate, name, baseline, limits), *_contradiction_findings(estimate)]


def _estimate_finding(estimate: Estimate, name: str, baseline: float, limits: MonitoringSection) -> Finding:
    figure, metric = estimate.figures[name], get_metric(name)
    how = "from held-out errors" if isinstance(estimate, ErrorEstimate) else "from confidence"
    worse = baseline - figure.value if metric.bigger_is_better else figure.value - baseline
    loss = worse / abs(baseline) if baseline else 0.0
    interval = figure.interval
    significant = interval is not None and (
        interval.high < baseline if metric.bigger_is_better else interval.low > baseline
    )
    fell = loss > limits.max_loss and significant
    bounds = f" ({interval.low:.4f} to {interval.high:.4f})" if interval else ""
    return Finding(
        code=ESTIMATE,
        subject=name,
        severity="warning" if fell else "info",
        score=loss,
        limit=limits.max_loss,
        message=f"Estimated {how}, {metric.title.lower()} is {figure.value:.4f}{bounds} against "
        f"{baseline:.4f} at training: a loss of {max(0.0, loss):.1%}, of which {limits.max_loss:.1%} is allowed.",
        evidence={
            **to_json_object(figure),
            "baseline": baseline,
            "predictions": estimate.predictions,
            "caveat": describe_blind_spot(estimate),
        },
        since=estimate.since,
        until=estimate.until,
        status="found" if fell else "clear",
        next_step=GET_LABELS if fell else "",
    )


def _contradiction_findings(estimate: Estimate) -> list[Finding]:
    """Labels that contradict the estimate: concept drift, or labels of a special selection."""
    check = estimate.check
    if isinstance(check, ErrorContradiction):
        return _contradicted_errors(estimate, check)
    if not isinstance(check, Contradiction) or check.estimated.interval is None:
        return []
    interval = check.estimated.interval
    lower = check.is_worse
    return [
        Finding(
            code=CONTRADICTION,
            subject="accuracy",
            severity="warning" if lower else "info",
            score=check.accuracy,
            limit=interval.low,
            message=f"On {format_count(check.rows, 'labelled prediction')} the accuracy is {check.accuracy:.4f}; the "
            f"estimate from the confidence is {check.estimated.value:.4f} ({interval.low:.4f} to {interval.high:.4f})."
            + (
                " The meaning of the inputs may have changed (concept drift); the estimate is too high."
                if lower
                else ""
            ),
            evidence=to_json_object(check),
            since=estimate.since,
            until=estimate.until,
            status="found" if lower else "clear",
            next_step="Trust the labels, not the estimate; retrain with them: tiltyard retrain." if lower else "",
        )
    ]


def _contradicted_errors(estimate: Estimate, check: ErrorContradiction) -> list[Finding]:
    interval = check.estimated.interval
    if interval is None:
        return []
    higher = check.is_worse
    return [
        Finding(
            code=CONTRADICTION,
            subject="mae",
            severity="warning" if higher else "info",
            score=check.error,
            limit=interval.high,
            message=f"On {format_count(check.rows, 'labelled prediction')} the mean absolute error is "
            f"{format_number(check.error)}; what the inputs let expect is {format_number(check.estimated.value)} "
            f"({format_number(interval.low)} to {format_number(interval.high)})."
            + (
                " The meaning of the inputs may have changed (concept drift); the estimate is too low."
                if higher
                else ""
            ),
            evidence=to_json_object(check),
            since=estimate.since,
            until=estimate.until,
            status="found" if higher else "clear",
            next_step="Trust the labels, not the estimate; retrain with them: tiltyard retrain." if higher else "",
        )
    ]


def slice_findings(report: SliceReport | None, performance: Performance) -> list[Finding]:
    """Findings on the slices that are worse than the rest by more than chance explains."""
    if report is None:
        return []
    return [
        Finding(
            code=SLICE,
            subject=f"{part.column}: {part.title}",
            severity="info",
            score=part.metrics.get(report.base),
            limit=report.overall.get(report.base),
            message=f"{get_metric(report.base).title} is {part.metrics[report.base]:.4f} on "
            f"{format_count(part.rows, 'labelled prediction')}, worse than on the rest by more than chance explains.",
            evidence=to_json_object(part),
            since=performance.since,
            until=performance.until,
            next_step="Find out what these cases share, and add labelled ones to the training data.",
        )
        for part in report.worse
    ]


def arrival_findings(counts: Sequence[ArrivalCount], since: datetime, until: datetime) -> list[Finding]:
    """A finding where records came since the window began that the ledger could not store in their place."""
    kept = [count for count in counts if count.reason in get_args(KeptReason)]
    if not any(count.last >= since for count in kept):
        return []
    by_reason = {reason: sum(one.rows for one in kept if one.reason == reason) for reason in get_args(KeptReason)}
    rows = sum(by_reason.values())
    return [
        Finding(
            code=SET_ASIDE,
            subject="records",
            severity="warning",
            score=float(rows),
            message=f"{format_count(rows, 'record')} of servers could not be stored in their place: "
            f"{by_reason['differs']:,} with the id of another prediction, {by_reason['refused']:,} that the database "
            "refuses.",
            evidence=to_json_object(by_reason),
            since=since,
            until=until,
            next_step="See them: tiltyard predictions set-aside",
        )
    ]


def operations_findings(
    operations: Operations, limits: MonitoringSection, since: datetime, until: datetime
) -> list[Finding]:
    """Findings on latency against its limit, and on traffic that has stopped."""
    findings = []
    if not operations.predictions and operations.predictions_before >= _MIN_PREDICTIONS_BEFORE:
        findings.append(
            Finding(
                code=SILENCE,
                subject="predictions",
                severity="warning",
                score=0.0,
                limit=float(operations.predictions_before),
                message="There are no predictions in this window, after "
                f"{operations.predictions_before:,} in the one before.",
                since=since,
                until=until,
                next_step="Check that the server runs (tiltyard doctor) and that its clients reach it.",
            )
        )
    elif operations.predictions:
        findings.append(
            Finding(
                code=SILENCE,
                subject="predictions",
                severity="info",
                score=float(operations.predictions),
                message=f"{format_count(operations.predictions, 'prediction')} in this window.",
                since=since,
                until=until,
                status="clear",
            )
        )
    if limits.max_latency_ms is not None and operations.latency_ms:
        slow = operations.latency_ms["p95"] > limits.max_latency_ms
        findings.append(
            Finding(
                code=LATENCY,
                subject="p95",
                severity="warning" if slow else "info",
                score=operations.latency_ms["p95"],
                limit=limits.max_latency_ms,
                message=f"95 % of the predictions took at most {operations.latency_ms['p95']:.1f} ms; the limit is "
                f"{limits.max_latency_ms:.1f} ms.",
                evidence=to_json_object(operations),
                since=since,
                until=until,
                status="found" if slow else "clear",
                next_step="Check GET /metrics and the load of the machine." if slow else "",
            )
        )
    return findings
