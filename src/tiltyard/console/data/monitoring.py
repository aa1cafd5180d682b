"""How the champion does in production, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from tiltyard.ledger import FindingRecord, Ledger
from tiltyard.monitoring.monitored_version import MonitoredVersion
from tiltyard.monitoring.summary import Summary, SummaryQuery, build_summary
from tiltyard.project import Project

PATIENCE = timedelta(minutes=1)
"""The figures cost seconds of work: they are drawn anew at most so often, unless a look was taken."""

STRETCHES: Mapping[str, tuple[str, timedelta]] = {
    "day": ("Last 24 hours", timedelta(days=1)),
    "week": ("Last 7 days", timedelta(days=7)),
    "month": ("Last 30 days", timedelta(days=30)),
}


@dataclass(frozen=True)
class ChampionHealth:
    """One word for the whole.

    Attributes:
        word: ``ok``, ``attention``, ``act`` or ``unknown``.
        sentence: what it means.
    """

    word: str
    sentence: str


def monitoring_view(
    ledger: Ledger, project: Project, watched: MonitoredVersion | None, stretch: str, now: datetime
) -> Summary:
    """The figures of a stretch that ends now.

    Raises:
        UnavailableError: the ledger cannot be reached.
    """
    length = STRETCHES[stretch][1]
    return build_summary(ledger, SummaryQuery.of(project), watched, since=now - length, until=now)


def monitoring_stamp(ledger: Ledger, model: str, stretch: str, now: datetime) -> str:
    """A text that changes when the view should be drawn anew; cheap."""
    newest = next(iter(ledger.findings.select(project=model, newest_first=True, limit=1)), None)
    return f"{stretch} {now.timestamp() // PATIENCE.total_seconds()} {newest.id if newest else ''}"


def health(standing: tuple[FindingRecord, ...]) -> ChampionHealth:
    """What the latest word on each subject comes to."""
    found = [record for record in standing if record.status == "found" and record.severity != "info"]
    if any(record.severity == "error" for record in found):
        return ChampionHealth("act", f"{len(found)} findings stand, some ask for action.")
    if found:
        return ChampionHealth("attention", f"{len(found)} finding{'s' if len(found) > 1 else ''} to look at.")
    if any(record.status == "clear" for record in standing):
        return ChampionHealth("ok", "Nothing that was judged asks for attention.")
    return ChampionHealth("unknown", "No look has judged anything yet.")
