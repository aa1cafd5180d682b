"""One monitoring run: what a model's predictions show, and the findings. Nothing is written down here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from tiltyard.drift import (
    DriftEvaluation,
    DriftOptions,
    PredictionSource,
    find_drift,
)
from tiltyard.drift.extrapolation import measure_extrapolation
from tiltyard.drift.profiles import FILE as PROFILE
from tiltyard.evaluation import SliceReport
from tiltyard.findings import SEVERITIES, Finding
from tiltyard.jsonable import to_json_object
from tiltyard.ledger import FindingRecord, Ledger
from tiltyard.ledger.records import finding_record
from tiltyard.monitoring import findings_from_run
from tiltyard.monitoring.change_detection import change_findings
from tiltyard.monitoring.degradation import Degradation, evaluate_degradation
from tiltyard.monitoring.estimates.by_target import estimate_window, make_basis
from tiltyard.monitoring.estimates.cbpe import Estimate
from tiltyard.monitoring.estimates.task_part import TaskMonitoring
from tiltyard.monitoring.labels.sample_check import check_label_sample
from tiltyard.monitoring.monitored_version import MonitoredVersion
from tiltyard.monitoring.operations import Operations, summarise_operations
from tiltyard.monitoring.performance import (
    Performance,
    measure_performance,
    performance_by_slice,
    performance_by_version,
)
from tiltyard.monitoring.prediction_window import (
    LabelledSample,
    PredictionWindow,
    count_batch_rows,
    find_group_key,
    read_labelled_predictions,
    read_labelled_window,
    read_prediction_window,
)
from tiltyard.project import Project


@dataclass(frozen=True)
class MonitoringResult:
    """The result of one monitoring run.

    Attributes:
        model_name: name of the registered model.
        at: when the run took place.
        since: start of the window that was evaluated.
        until: its end.
        version: the champion; None where there is none.
        operations: how the service ran in the window.
        performance: how the champion's predictions compare with the labels reported in the window; where these are too
            few, with the latest labels there are. None without a champion.
        degradations: the project's metric against its value at training.
        estimate: the champion's performance in the window, estimated without labels; None without a champion.
        by_version: performance in the window by (version, route).
        slices: performance with labels slice by slice; None without labels.
        findings: all findings: found, clear or undecided, by severity, errors first.
    """

    model_name: str
    at: datetime
    since: datetime
    until: datetime
    version: str | None
    operations: Operations
    performance: Performance | None
    degradations: tuple[Degradation, ...]
    estimate: Estimate | None
    by_version: dict[tuple[str, str], Performance]
    slices: SliceReport | None
    findings: tuple[Finding, ...]

    @property
    def alarms(self) -> tuple[Finding, ...]:
        """What was found and needs attention (``warning``) or action (``error``), the gravest first."""
        return tuple(found for found in self.findings if found.is_found and found.severity != "info")

    @property
    def drifted(self) -> bool:
        """Whether the inputs or the predictions drifted, by the verdict over all tests."""
        return any(found.code == findings_from_run.DRIFT for found in self.alarms)

    @property
    def decayed(self) -> bool:
        """Whether the champion got worse on labels, by more than is allowed and than chance explains."""
        return any(found.code == findings_from_run.DEGRADATION for found in self.alarms)

    def add_findings(self, findings: Sequence[Finding]) -> MonitoringResult:
        """The same with more findings, all of them by severity."""
        return replace(self, findings=_sort_findings((*self.findings, *findings)))

    def records(self) -> list[FindingRecord]:
        """The findings as the ledger keeps them."""
        return [
            finding_record(found, model_name=self.model_name, at=self.at, version=self.version)
            for found in self.findings
        ]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready form."""
        return {
            "model_name": self.model_name,
            "at": self.at.isoformat(),
            "since": self.since.isoformat(),
            "until": self.until.isoformat(),
            "version": self.version,
            "alarms": len(self.alarms),
            "drifted": self.drifted,
            "decayed": self.decayed,
            "findings": [found.to_dict() for found in self.findings],
            "operations": to_json_object(self.operations),
            "performance": to_json_object(self.performance) if self.performance else None,
            "degradation": [to_json_object(one) for one in self.degradations],
            "estimate": to_json_object(self.estimate) if self.estimate else None,
            "by_version": [
                {"version": version, "route": route, **to_json_object(performance)}
                for (version, route), performance in self.by_version.items()
            ],
            "slices": to_json_object(self.slices) if self.slices else None,
        }


def evaluate_period(
    project: Project,
    ledger: Ledger,
    monitored: MonitoredVersion | None,
    *,
    until: datetime,
) -> MonitoringResult:
    """Evaluate the window that ends at ``until``: drift, performance with labels and without, and how the service ran.

    Reads the ledger, and writes nothing but profiles of past hours, so that the next run need not read their rows.

    Args:
        project: names the window, the limits and the metric.
        ledger: where the predictions and labels are.
        monitored: the champion; without one only operations are evaluated.
        until: end of the window, with a time zone.

    Raises:
        UnavailableError: the ledger cannot be reached.
    """
    length = timedelta(hours=project.monitoring.window_hours)
    since = until - length
    window = read_prediction_window(ledger, project.model_name, since=since, until=until)
    window = window.without_batches(count_batch_rows(ledger, project.model_name, since, until))
    predictions_before = ledger.prediction_stats(project.model_name, since - length, since).total
    predictions_before -= count_batch_rows(ledger, project.model_name, since - length, since)
    operations = summarise_operations(window, predictions_before)
    findings = findings_from_run.operations_findings(operations, project.monitoring, since, until)
    arrivals = ledger.arrivals.count(model_name=project.model_name)
    findings += findings_from_run.arrival_findings(arrivals, since, until)
    champion = _ChampionEvaluation()
    if monitored is not None:
        champion = _evaluate_champion(project, ledger, monitored, window, (since, until))
        findings += champion.findings
    return MonitoringResult(
        model_name=project.model_name,
        at=until,
        since=since,
        until=until,
        version=monitored.version if monitored else None,
        operations=operations,
        performance=champion.performance,
        degradations=champion.degradations,
        estimate=champion.estimate,
        by_version=performance_by_version(window, project.training.metric, project.data.positive),
        slices=champion.slices,
        findings=_sort_findings(findings),
    )


@dataclass(frozen=True)
class _ChampionEvaluation:
    """What a window shows of the champion; see ``MonitoringResult``."""

    performance: Performance | None = None
    degradations: tuple[Degradation, ...] = ()
    estimate: Estimate | None = None
    slices: SliceReport | None = None
    findings: tuple[Finding, ...] = ()


def _evaluate_champion(
    project: Project,
    ledger: Ledger,
    monitored: MonitoredVersion,
    window: PredictionWindow,
    period: tuple[datetime, datetime],
) -> _ChampionEvaluation:
    """Drift of the champion's inputs, and its performance with labels and without."""
    limits = project.monitoring
    metric, positive = project.training.metric, monitored.positive or project.data.positive
    drift = _find_drift(ledger, monitored, period, DriftOptions.from_section(limits))
    findings = [*drift]
    pairs = read_labelled_predictions(ledger, monitored.model_name, monitored.version, period[1])
    labelled = read_labelled_window(ledger, monitored.model_name, monitored.version, pairs, period, limits.min_rows)
    labelled = replace(labelled, group_key=find_group_key(project), target=monitored.target)
    performance = measure_performance(labelled, metric, positive)
    degradations = _evaluate_degradation(labelled, monitored, project, positive)
    moved = measure_extrapolation(test.to_dict() for test in drift.tests)
    estimate = estimate_window(window, make_basis(monitored, positive, limits.min_rows, moved), metric)
    columns = (*project.data.slices, *project.data.sensitive)
    slices = performance_by_slice(labelled, columns, metric, positive, monitored.table_schema)
    findings += findings_from_run.degradation_findings(degradations, performance)
    findings += findings_from_run.estimate_findings(estimate, monitored, metric, limits)
    findings += findings_from_run.slice_findings(slices, performance)
    findings += _check_labels(ledger, labelled, pairs, limits.false_alarm_rate)
    if limits.detect_changes:
        error = monitored.metrics.get("mae")
        recorded, group_key = pairs.recorded.pairs, find_group_key(project)
        findings += change_findings(recorded, limits, group_key, error, target=monitored.target)
    of_target = TaskMonitoring.find_for_target(monitored.target)
    findings += of_target.find_residuals(labelled, monitored, limits, find_group_key(project))
    return _ChampionEvaluation(performance, degradations, estimate, slices, tuple(findings))


def _check_labels(
    ledger: Ledger, window: PredictionWindow, labelled: LabelledSample, false_alarm_rate: float
) -> list[Finding]:
    """Whether the labels that count represent the predictions of their period."""
    if not window.known.any() or window.known.all():
        return []
    truth = {row.id: label for row, label in labelled.recorded.pairs}
    requests = ledger.label_requests.select(model_name=window.model_name)
    return check_label_sample(window, truth, requests, false_alarm_rate)


def _find_drift(
    ledger: Ledger, monitored: MonitoredVersion, window: tuple[datetime, datetime], options: DriftOptions
) -> DriftEvaluation:
    source = PredictionSource(monitored.model_name, monitored.version, schema=monitored.table_schema)
    return find_drift(ledger, monitored.attachment(PROFILE), source, window, options)


def _evaluate_degradation(
    window: PredictionWindow, monitored: MonitoredVersion, project: Project, positive: str | None
) -> tuple[Degradation, ...]:
    metric = project.training.metric
    if metric not in monitored.metrics:
        return ()
    labelled = window.labelled_predictions(positive) if window.known.any() else None
    return evaluate_degradation(
        labelled,
        {metric: monitored.metrics[metric]},
        allowed=project.monitoring.max_loss,
        min_rows=project.monitoring.min_rows,
        baseline_rows=monitored.evaluation_rows,
        alpha=project.monitoring.false_alarm_rate,
    )


def _sort_findings(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    return tuple(
        sorted(
            findings,
            key=lambda finding: (not finding.is_found, -SEVERITIES.index(finding.severity), finding.status == "clear"),
        )
    )
