"""Findings that are over: about a version that no longer serves, or no longer found by the run that looks for them.

The latest finding of a code and subject stands until a run replaces it. One that no run would look for again, such as
those about a version that was rolled back, would stand for ever, and its advice would be about another version by then.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from tiltyard.drift import VERDICT
from tiltyard.ledger import FindingRecord, Ledger, new_id
from tiltyard.pipeline.remediation.canary_checks import WATCHED
from tiltyard.pipeline.remediation.history import History
from tiltyard.registry.alias_history import PROMOTED, ROLLED_BACK

DRIFT = "drift."
"""What the codes of drift begin with."""

_HOW = {PROMOTED: "it was promoted", ROLLED_BACK: "by a rollback"}


def find_closed(
    ledger: Ledger, model_name: str, history: History, records: Sequence[FindingRecord], now: datetime
) -> list[FindingRecord]:
    """Records that what stood as found is over, with the reason; nothing is written down here.

    A finding is over when the version that it is about is not champion any more; when this run evaluated its code, and
    does not find it; or when nobody watches for it any more. Drift is of the rows, which a rollback leaves in the
    window: found against another version, it stands until the champion can evaluate the rows, or they are out.

    Args:
        ledger: where findings are.
        model_name: the registered model.
        history: who is champion, and how it became that.
        records: the findings of this run, which replace those of the same code and subject.
        now: the time of the run.

    Raises:
        UnavailableError: the ledger cannot be reached.
    """
    return [
        _close(old, reason, now)
        for old in ledger.findings.latest(project=model_name, until=now)
        if old.status == "found" and (reason := _find_reason(old, history, records, now))
    ]


def list_open(latest: Sequence[FindingRecord], history: History) -> list[FindingRecord]:
    """Of the latest findings by code and subject, those that stand: found, of weight, about the version that serves.

    Drift that was found against another version stands until it is closed, see ``find_closed``.
    """
    return [
        one
        for one in latest
        if one.status == "found"
        and one.severity != "info"
        and (one.version in (None, history.champion) or one.code.startswith(DRIFT))
    ]


def _find_reason(old: FindingRecord, history: History, records: Sequence[FindingRecord], now: datetime) -> str:
    """Why a finding is over; empty where it is not, or where this run says so itself."""
    if old.version not in (None, history.champion):
        if _is_still_in_window(old, records, now):
            return ""
        return f"Version {old.version} no longer serves: {_describe_champion(history)}."
    same_code = [one for one in records if one.code == old.code]
    if any(one.subject == old.subject for one in same_code):
        return ""
    if any(one.status != "could_not_judge" for one in same_code):
        return f"The run at {now:%Y-%m-%d %H:%M} UTC no longer finds it."
    if old.code in WATCHED and not any(one.code in WATCHED for one in records):
        return f"Version {old.version} is no longer watched as a new champion."
    return ""


def _is_still_in_window(old: FindingRecord, records: Sequence[FindingRecord], now: datetime) -> bool:
    """Whether drift was found in rows that a window of this run holds too, and this run could not evaluate them."""
    verdicts = [one for one in records if one.code == VERDICT]
    if not old.code.startswith(DRIFT) or old.since is None or old.until is None or not verdicts:
        return False
    return all(one.status == "could_not_judge" for one in verdicts) and now - old.until < old.until - old.since


def _describe_champion(history: History) -> str:
    period = history.aliases.champion
    if period is None:
        return "there is no champion now"
    how = _HOW.get(period.event.kind, "it was set by hand")
    return f"version {period.version} is champion since {period.since:%Y-%m-%d %H:%M} UTC ({how})"


def _close(old: FindingRecord, reason: str, now: datetime) -> FindingRecord:
    return replace(
        old,
        id=new_id(),
        # Before the findings of the run itself, which are the latest word where they are of the same code and subject.
        at=now - timedelta(microseconds=1),
        severity="info",
        status="clear",
        score=None,
        limit=None,
        until=now,
        message=f"It is over. {reason}",
        evidence={"closed": True, "finding": old.id, "reason": reason},
        next_step="",
    )
