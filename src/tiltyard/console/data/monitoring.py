"""The champion in production, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from tiltyard.formatting import format_count
from tiltyard.ledger import FindingRecord, Ledger
from tiltyard.monitoring.monitored_version import MonitoredVersion
from tiltyard.monitoring.summary import Summary, SummaryQuery, build_summary
from tiltyard.project import Project

PATIENCE = timedelta(minutes=1)
"""The figures take seconds to compute: they are refreshed at most this often, unless the monitoring ran."""

PERIODS: Mapping[str, tuple[str, timedelta]] = {
    "day": ("Last 24 hours", timedelta(days=1)),
    "week": ("Last 7 days", timedelta(days=7)),
    "month": ("Last 30 days", timedelta(days=30)),
}


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
    ledger: Ledger, project: Project, monitored: MonitoredVersion | None, period: str, now: datetime
) -> Summary:
    """The figures of a period that ends now.

    Raises:
        UnavailableError: the ledger cannot be reached.
    """
    length = PERIODS[period][1]
    return build_summary(ledger, SummaryQuery.from_project(project), monitored, since=now - length, until=now)


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
