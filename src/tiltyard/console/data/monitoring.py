"""The champion in production, as plain values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from tiltyard.console.data.period import PredictionPeriod
from tiltyard.formatting import format_count
from tiltyard.ledger import FindingRecord, Ledger
from tiltyard.monitoring.monitored_version import MonitoredVersion
from tiltyard.monitoring.summary import Summary, SummaryQuery, build_summary
from tiltyard.project import Project

PATIENCE = timedelta(minutes=1)
"""The figures take seconds to compute: they are refreshed at most this often, unless the monitoring ran."""


@dataclass(frozen=True)
class ChampionHealth:
    """The overall state of the champion.

    Attributes:
        word: ``ok``, ``attention``, ``act`` or ``unknown``.
        sentence: its explanation.
    """

    word: str
    sentence: str


def monitoring_view(
    ledger: Ledger, project: Project, monitored: MonitoredVersion | None, period: PredictionPeriod, now: datetime
) -> Summary:
    """The figures of a period.

    Raises:
        UnavailableError: the ledger cannot be reached.
    """
    first = next(iter(ledger.predictions(project=project.model_name, limit=1)), None) if period.span is None else None
    since, until = period.begin(now, first.at if first else None), period.end(now)
    return build_summary(ledger, SummaryQuery.from_project(project), monitored, since=since, until=until)


def monitoring_stamp(ledger: Ledger, model: str, period: str, now: datetime) -> str:
    """A text that changes when the view should be refreshed; cheap."""
    newest = next(iter(ledger.findings.select(project=model, newest_first=True, limit=1)), None)
    return f"{period} {now.timestamp() // PATIENCE.total_seconds()} {newest.id if newest else ''}"


def champion_health(latest: tuple[FindingRecord, ...]) -> ChampionHealth:
    """The overall state from the latest finding on each subject."""
    found = [record for record in latest if record.status == "found" and record.severity != "info"]
    if any(record.severity == "error" for record in found):
        return ChampionHealth("act", f"{format_count(len(found), 'open finding')}, some need action.")
    if found:
        return ChampionHealth("attention", f"{len(found)} open finding{'s' if len(found) > 1 else ''}.")
    if any(record.status == "clear" for record in latest):
        return ChampionHealth("ok", "No check found a problem.")
    return ChampionHealth("unknown", "The monitoring has not run yet.")
