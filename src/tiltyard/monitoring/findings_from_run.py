"""What a look's figures mean: findings with a stable code, the limit they were held against, and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from tiltyard.evaluation import METRICS, SliceReport
from tiltyard.findings import Finding, could_not_judge
from tiltyard.monitoring.degradation import Degradation
from tiltyard.monitoring.estimates.cbpe import BLIND_SPOT, Estimate
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

_LABEL = "Bring labels: tiltyard label queue chooses the answers most worth labelling, tiltyard feedback import reads "
_LABEL += "them back."
# A fall of the traffic to nothing is worth a word only where there was some.
_BUSY = 20


def degradation_findings(found: Sequence[Degradation], performance: Performance) -> list[Finding]:
    """Each metric with labels against its value at training."""
    return [_of_degradation(one, performance) for one in found]


def _of_degradation(one: Degradation, performance: Performance) -> Finding:
    window = (performance.since, performance.until)
    evidence = {**one.to_dict(), "labelled": performance.labelled, "label_coverage": performance.coverage}
    if performance.caveat:
        evidence["caveat"] = performance.caveat
    if one.verdict == "could_not_judge":
        return could_not_judge(DEGRADATION, one.metric, one.reason, _LABEL, evidence=evidence, window=window)
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
        next_step="Retrain with the labels there are (tiltyard retrain), or go back: tiltyard rollback --reason …"
        if degraded
        else "",
    )


def estimate_findings(
    found: Estimate, watched: MonitoredVersion, metric: str, limits: MonitoringSection
) -> list[Finding]:
    """The estimate against the metric at training, and against the labels there are."""
    window = (found.since, found.until)
    name = metric if metric in found.figures else "accuracy"
    baseline = watched.metrics.get(name)
    if found.reason or baseline is None or name not in found.figures:
        why = found.reason or f"The version has no {METRICS[name].title.lower()} from its training."
        return [could_not_judge(ESTIMATE, name, why, _LABEL, window=window)]
    return [_estimated(found, name, baseline, limits), *_contradiction(found)]


def _estimated(found: Estimate, name: str, baseline: float, limits: MonitoringSection) -> Finding:
    figure, metric = found.figures[name], METRICS[name]
    worse = baseline - figure.value if metric.bigger_is_better else figure.value - baseline
    loss = worse / abs(baseline) if baseline else 0.0
    interval = figure.interval
    sure = interval is not None and (interval.high < baseline if metric.bigger_is_better else interval.low > baseline)
    fell = loss > limits.max_loss and sure
    shown = f" ({interval.low:.4f} to {interval.high:.4f})" if interval else ""
    return Finding(
        code=ESTIMATE,
        subject=name,
        severity="warning" if fell else "info",
        score=loss,
        limit=limits.max_loss,
        message=f"Estimated from confidence, {metric.title.lower()} is {figure.value:.4f}{shown} against "
        f"{baseline:.4f} at training: a loss of {max(0.0, loss):.1%}, of which {limits.max_loss:.1%} is allowed.",
        evidence={**figure.to_dict(), "baseline": baseline, "predictions": found.predictions, "caveat": BLIND_SPOT},
        since=found.since,
        until=found.until,
        status="found" if fell else "clear",
        next_step=_LABEL if fell else "",
    )


def _contradiction(found: Estimate) -> list[Finding]:
    """Labels that contradict the estimate: what the inputs mean has changed, or the labelled cases are special."""
    check = found.check
    if check is None or check.estimated.interval is None:
        return []
    interval = check.estimated.interval
    lower = check.accuracy < interval.low
    return [
        Finding(
            code=CONTRADICTION,
            subject="accuracy",
            severity="warning" if lower else "info",
            score=check.accuracy,
            limit=interval.low,
            message=f"On {check.rows:,} labelled answers the accuracy is {check.accuracy:.4f}; their confidence led to "
            f"expect {check.estimated.value:.4f} ({interval.low:.4f} to {interval.high:.4f})."
            + (" What the inputs mean may have changed (concept drift); the estimate is too good." if lower else ""),
            evidence=check.to_dict(),
            since=found.since,
            until=found.until,
            status="found" if lower else "clear",
            next_step="Trust the labels, not the estimate; retrain with them: tiltyard retrain." if lower else "",
        )
    ]


def slice_findings(report: SliceReport | None, performance: Performance) -> list[Finding]:
    """The slices that are worse than the rest by more than chance."""
    if report is None:
        return []
    return [
        Finding(
            code=SLICE,
            subject=f"{part.column}: {part.title}",
            severity="info",
            score=part.metrics.get("accuracy"),
            limit=report.overall.get("accuracy"),
            message=f"Accuracy is {part.metrics['accuracy']:.4f} on {part.rows:,} labelled answers, worse than on the "
            "rest by more than chance.",
            evidence=part.to_dict(),
            since=performance.since,
            until=performance.until,
            next_step="See what these cases share, and add labelled ones to the training data.",
        )
        for part in report.worse
    ]


def operations_findings(ran: Operations, limits: MonitoringSection, since: datetime, until: datetime) -> list[Finding]:
    """Latency against its limit, and traffic that has stopped."""
    found = []
    if not ran.predictions and ran.before >= _BUSY:
        found.append(
            Finding(
                code=SILENCE,
                subject="predictions",
                severity="warning",
                score=0.0,
                limit=float(ran.before),
                message=f"Nothing was answered in the window, after {ran.before:,} answers in the one before.",
                since=since,
                until=until,
                next_step="See whether the server runs (tiltyard doctor) and whether its callers reach it.",
            )
        )
    if limits.max_latency_ms is not None and ran.latency_ms:
        slow = ran.latency_ms["p95"] > limits.max_latency_ms
        found.append(
            Finding(
                code=LATENCY,
                subject="p95",
                severity="warning" if slow else "info",
                score=ran.latency_ms["p95"],
                limit=limits.max_latency_ms,
                message=f"95 % of the answers took at most {ran.latency_ms['p95']:.1f} ms; the limit is "
                f"{limits.max_latency_ms:.1f} ms.",
                evidence=ran.to_dict(),
                since=since,
                until=until,
                status="found" if slow else "clear",
                next_step="Look at GET /metrics and at the machine; a slower version can be taken back: "
                "tiltyard rollback --reason …"
                if slow
                else "",
            )
        )
    return found
