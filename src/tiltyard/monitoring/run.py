"""One look at a model that answers: what was seen, and what follows from it. Nothing is written down here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from tiltyard.drift import (
    DriftJudgement,
    DriftOptions,
    DriftRequest,
    PredictionSource,
    drift_report,
    find_drift,
    no_reference,
)
from tiltyard.drift.profiles import FILE as PROFILE
from tiltyard.evaluation import SliceReport
from tiltyard.findings import SEVERITIES, Finding
from tiltyard.jsonable import to_jsonable
from tiltyard.ledger import FindingRecord, Ledger
from tiltyard.ledger.finding_records import finding_record
from tiltyard.monitoring import findings_from_run
from tiltyard.monitoring.degradation import Degradation, judge_degradation
from tiltyard.monitoring.estimates.cbpe import CbpeBasis, Estimate, estimate_performance
from tiltyard.monitoring.monitored_version import MonitoredVersion
from tiltyard.monitoring.operations import Operations, summarise_operations
from tiltyard.monitoring.performance import (
    Performance,
    measure_performance,
    performance_by_slice,
    performance_by_version,
)
from tiltyard.monitoring.prediction_window import PredictionWindow, read_prediction_window
from tiltyard.project import Project

MOST_LABELLED = 20_000
"""Labelled answers that are considered: the newest."""


@dataclass(frozen=True)
class MonitoringResult:
    """What one look saw.

    Attributes:
        model: name of the registered model.
        at: when the look was taken.
        since: start of the window that was judged.
        until: its end.
        version: the champion; None where there is none.
        operations: how the service ran in the window.
        performance: how the champion's answers compare with the labels reported in the window; where these are too few,
            with the latest labels there are. None without a champion.
        degradations: the project's metric against its value at training.
        estimate: the champion's performance in the window as confidence tells it; None without a champion.
        answerers: performance in the window by (version, route).
        slices: performance with labels slice by slice; None without labels.
        findings: everything seen: found, clear, or not judged; gravest first.
    """

    model: str
    at: datetime
    since: datetime
    until: datetime
    version: str | None
    operations: Operations
    performance: Performance | None
    degradations: tuple[Degradation, ...]
    estimate: Estimate | None
    answerers: dict[tuple[str, str], Performance]
    slices: SliceReport | None
    findings: tuple[Finding, ...]

    @property
    def alarms(self) -> tuple[Finding, ...]:
        """What was found and asks for attention (``warning``) or action (``error``), gravest first."""
        return tuple(found for found in self.findings if found.is_found and found.severity != "info")

    @property
    def drifted(self) -> bool:
        """Whether the inputs or the answers drifted, by the verdict over all tests."""
        return any(found.code == findings_from_run.DRIFT for found in self.alarms)

    @property
    def decayed(self) -> bool:
        """Whether the champion got worse on labels, by more than is allowed and by more than chance."""
        return any(found.code == findings_from_run.DEGRADATION for found in self.alarms)

    def records(self) -> list[FindingRecord]:
        """The findings as the ledger keeps them."""
        return [finding_record(found, project=self.model, at=self.at, version=self.version) for found in self.findings]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready form."""
        return {
            "model_name": self.model,
            "at": self.at.isoformat(),
            "since": self.since.isoformat(),
            "until": self.until.isoformat(),
            "version": self.version,
            "alarms": len(self.alarms),
            "drifted": self.drifted,
            "decayed": self.decayed,
            "findings": [found.to_dict() for found in self.findings],
            "operations": self.operations.to_dict(),
            "performance": to_jsonable(self.performance.to_dict()) if self.performance else None,
            "degradation": [one.to_dict() for one in self.degradations],
            "estimate": to_jsonable(self.estimate.to_dict()) if self.estimate else None,
            "by_version": [
                {"version": version, "route": route, **to_jsonable(found.to_dict())}
                for (version, route), found in self.answerers.items()
            ],
            "slices": self.slices.to_dict() if self.slices else None,
        }


def evaluate_period(
    project: Project,
    ledger: Ledger,
    watched: MonitoredVersion | None,
    *,
    until: datetime,
    extra: Sequence[Finding] = (),
) -> MonitoringResult:
    """Look at the window that ends at ``until``: drift, performance with labels and without, and how the service ran.

    Reads the ledger, and writes nothing but profiles of past hours, which spare the next look their rows.

    Args:
        project: names the window, the limits and the metric.
        ledger: where the answers and labels are.
        watched: the champion; without one only operations are judged.
        until: end of the window, with a time zone.
        extra: findings of others about the same window, to be reported along.

    Raises:
        UnavailableError: the ledger cannot be reached.
    """
    length = timedelta(hours=project.monitoring.window_hours)
    since = until - length
    window = read_prediction_window(ledger, project.model_name, since=since, until=until)
    ran = summarise_operations(window, ledger.prediction_stats(project.model_name, since - length, since).total)
    findings = [*extra, *findings_from_run.operations_findings(ran, project.monitoring, since, until)]
    performance, estimated, slices = None, None, None
    degradations: tuple[Degradation, ...] = ()
    if watched is not None:
        findings += _drift(ledger, watched, (since, until), DriftOptions.of(project.monitoring))
        metric, positive = project.training.metric, watched.positive or project.data.positive
        fewest = project.monitoring.min_rows
        labelled = read_labelled_window(ledger, watched, since, until, fewest)
        performance = measure_performance(labelled, metric, positive)
        degradations = _degradations(labelled, watched, project, positive)
        basis = CbpeBasis(watched.version, watched.classes, watched.held_out, positive, fewest)
        estimated = estimate_performance(window, basis, metric)
        slices = performance_by_slice(labelled, (*project.data.slices, *project.data.sensitive), metric, positive)
        findings += findings_from_run.degradation_findings(degradations, performance)
        findings += findings_from_run.estimate_findings(estimated, watched, metric, project.monitoring)
        findings += findings_from_run.slice_findings(slices, performance)
    return MonitoringResult(
        model=project.model_name,
        at=until,
        since=since,
        until=until,
        version=watched.version if watched else None,
        operations=ran,
        performance=performance,
        degradations=degradations,
        estimate=estimated,
        answerers=performance_by_version(window, project.training.metric, project.data.positive),
        slices=slices,
        findings=_ordered(findings),
    )


def drift_of_champion(
    ledger: Ledger, model: str, watched: MonitoredVersion | None, window: tuple[datetime, datetime], asked: DriftRequest
) -> dict[str, Any]:
    """Drift of a champion's inputs and answers against the profile of its training, as a dictionary."""
    judged = no_reference(None) if watched is None else _drift(ledger, watched, window, asked.options)
    name = f"the training of {model}" + (f" version {watched.version}" if watched else "")
    return {**drift_report(judged), "compared_with": name}


def _drift(
    ledger: Ledger, watched: MonitoredVersion, window: tuple[datetime, datetime], options: DriftOptions
) -> DriftJudgement:
    answering = PredictionSource(watched.model, watched.version)
    return find_drift(ledger, watched.attachment(PROFILE), answering, window, options)


def read_labelled_window(
    ledger: Ledger, watched: MonitoredVersion, since: datetime, until: datetime, fewest: int
) -> PredictionWindow:
    """A version's answers that the newest labels speak of.

    These are the answers whose label was reported in the window, whenever they were given: labels come late. Where they
    are fewer than ``fewest``, the answers with the latest labels take their place. The other answers of the same time
    are there without their label, so that coverage can be told.
    """
    newest = ledger.labelled_predictions(
        project=watched.model,
        version=watched.version,
        shadow=False,
        until=until,
        newest_first=True,
        limit=MOST_LABELLED,
    )
    pairs = [(row, label) for row, label in newest if label.at < until]
    pairs.sort(key=lambda pair: (pair[1].at, pair[0].id), reverse=True)
    reported = [pair for pair in pairs if pair[1].at >= since]
    chosen = reported if len(reported) >= fewest else pairs[:fewest]
    if not chosen:
        return PredictionWindow(watched.model, since, until, (), {})
    begin = min(row.at for row, _ in chosen)
    answered = read_prediction_window(ledger, watched.model, since=begin, until=until, version=watched.version)
    truth = {row.id: label for row, label in chosen}
    held = {row.id for row in answered.predictions}
    # Of a long time only the newest answers are read; a labelled one among the older ones is not forgotten.
    missed = tuple(row for row, _ in chosen if row.id not in held)
    rows = tuple(sorted((*answered.predictions, *missed), key=lambda row: (row.at, row.id)))
    return PredictionWindow(watched.model, begin, until, rows, truth, answered.left_out)


def _degradations(
    labelled: PredictionWindow, watched: MonitoredVersion, project: Project, positive: str | None
) -> tuple[Degradation, ...]:
    metric = project.training.metric
    if metric not in watched.metrics:
        return ()
    facts = labelled.judged(positive) if labelled.known.any() else None
    return judge_degradation(
        facts,
        {metric: watched.metrics[metric]},
        allowed=project.monitoring.max_loss,
        fewest_rows=project.monitoring.min_rows,
        baseline_rows=watched.judged_rows,
        alpha=project.monitoring.false_alarm_rate,
    )


def _ordered(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    return tuple(
        sorted(
            findings,
            key=lambda found: (not found.is_found, -SEVERITIES.index(found.severity), found.status == "clear"),
        )
    )
