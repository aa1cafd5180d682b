"""What a whole run shows: drift of its rows, the estimated performance, and how many could not be scored."""

from __future__ import annotations

from collections.abc import Sequence

from tiltyard.batch.plan import FragmentDone
from tiltyard.batch.version_in_use import VersionInUse
from tiltyard.drift import DriftOptions
from tiltyard.drift.extrapolation import measure_extrapolation
from tiltyard.drift.findings import evaluate_drift, evaluate_without_reference
from tiltyard.drift.profiles import Profile
from tiltyard.findings import SEVERITIES, Finding
from tiltyard.formatting import format_count, format_percent
from tiltyard.ledger import Prediction
from tiltyard.monitoring import findings_from_run
from tiltyard.monitoring.estimates.by_target import estimate_window, make_basis
from tiltyard.monitoring.monitored_version import MonitoredVersion, read_monitored_version
from tiltyard.monitoring.prediction_window import PredictionWindow
from tiltyard.registry.package.signing import host_keys

REFUSED = "batch.refused"
UNUSUAL = "batch.unusual"

_MOST_REFUSED = 0.01  # a larger share is a fault of the table, and no few odd rows


def evaluate_run(
    version: VersionInUse, profile: Profile | None, done: FragmentDone, sampled: Sequence[Prediction]
) -> tuple[Finding, ...]:
    """The findings about a run as a whole, the gravest first.

    Args:
        version: what predicted.
        profile: of all rows that were scored; None where the version has no reference to compare with.
        done: the sums over all fragments.
        sampled: predictions of a sample of the rows.
    """
    limits, monitored = version.project.monitoring, _read_monitored(version)
    reference = version.reference
    if reference is None or profile is None:
        drift = evaluate_without_reference(version.info.version)
    else:
        drift = evaluate_drift(reference, profile, DriftOptions.from_section(limits))
    findings = [*drift]
    moved = measure_extrapolation(test.to_dict() for test in drift.tests)
    positive = monitored.positive or version.project.data.positive
    rule, target = version.manifest.decision, monitored.target
    window = PredictionWindow(version.info.name, None, None, tuple(sampled), {}, rule=rule, target=target)
    metric = version.project.training.metric
    estimate = estimate_window(window, make_basis(monitored, positive, limits.min_rows, moved), metric)
    findings += findings_from_run.estimate_findings(estimate, monitored, metric, limits)
    findings += _describe_refused(done)
    return tuple(
        sorted(
            findings,
            key=lambda found: (not found.is_found, -SEVERITIES.index(found.severity), found.status == "clear"),
        )
    )


def _read_monitored(version: VersionInUse) -> MonitoredVersion:
    return read_monitored_version(version.info, version.folder, host_keys(version.settings))


def _describe_refused(done: FragmentDone) -> list[Finding]:
    found = []
    if done.refused:
        share = done.refused / done.rows
        found.append(
            Finding(
                REFUSED,
                "warning" if share > _MOST_REFUSED else "info",
                "rows",
                "Rows could not be scored",
                f"{format_count(done.refused, 'row')} of {done.rows:,} ({format_percent(share)}) could not be scored.",
                next_step="The file of refused rows, next to the result, says why for each of them.",
                score=share,
                limit=_MOST_REFUSED,
            )
        )
    if done.unusual:
        share = done.unusual / done.rows
        found.append(
            Finding(
                UNUSUAL,
                "info",
                "rows",
                "Rows have values that training did not know",
                f"{format_count(done.unusual, 'row')} of {done.rows:,} ({format_percent(share)}) have a category that "
                "training did not know, or a number outside of what it saw; they were scored.",
                score=share,
            )
        )
    return found
