"""What asks for a person though the model itself is well: programs that fell, versions that wait for approval."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime

from tiltyard.findings import Finding
from tiltyard.ledger import Event
from tiltyard.promotion.approval import pending_approvals

RESTARTED = "parts.restarted"
AWAITED = "approval.awaited"

# As those who keep programs write it down: what became of a part, by kind of event.
_WHAT = {"part-died": "died", "part-hung": "hung", "worker-hung": "hung"}


def check_processes(events: Iterable[Event], since: datetime, until: datetime) -> Finding:
    """Whether any of the programs died or hung in that time; a single death is reported, and so is a hang.

    Args:
        events: the ledger's events about the model, in order.
        since: begin of the time, UTC.
        until: its end.
    """
    fallen = [event for event in events if event.kind in _WHAT and since <= event.at <= until]
    counts = Counter(f"{event.evidence.get('part', 'a part')} {_WHAT[event.kind]}" for event in fallen)
    described = ", ".join(f"{what} {times} times" if times > 1 else what for what, times in counts.items())
    return Finding(
        RESTARTED,
        "warning" if fallen else "info",
        "programs",
        score=float(len(fallen)),
        message=f"Started again since {since:%Y-%m-%d %H:%M} UTC: {described}. The latest: {fallen[-1].reason}"
        if fallen
        else "No program had to be started again.",
        evidence={"counts": dict(counts)},
        since=since,
        until=until,
        status="found" if fallen else "clear",
        next_step="Look for the cause in the log of what was started again, and in: tiltyard history" if fallen else "",
    )


def count_hung_calls(events: Iterable[Event], version: str, since: datetime) -> int:
    """Calls of a version's model that did not return, so that their worker was ended.

    However many requests waited for a call, they have one cause, so it counts once.

    Args:
        events: the ledger's events about the model.
        version: the version.
        since: since when they count.
    """
    return sum(
        1
        for event in events
        if event.kind == "worker-hung" and event.at >= since and event.evidence.get("version") == version
    )


def check_approvals(events: Sequence[Event], name: str, champion: str | None, now: datetime) -> list[Finding]:
    """The versions that passed the gates against the present champion and wait until somebody says yes or no.

    A request whose champion has changed since is left out: its verdict no longer holds.

    Args:
        events: the ledger's events about the model, in order.
        name: the registered model.
        champion: the present champion's version; None for nobody.
        now: the present, UTC.
    """
    waiting = [request for request in pending_approvals(events, name) if request.champion == champion]
    if not waiting:
        return [Finding(AWAITED, "info", "versions", message="No version waits for approval.", status="clear")]
    return [
        Finding(
            AWAITED,
            "warning",
            f"version {request.version}",
            message=f"Version {request.version} passed the gates and waits for approval since "
            f"{request.event.at:%Y-%m-%d %H:%M} UTC: {request.verdict.summary}.",
            evidence={"version": request.version, "champion": champion, "requested_by": request.event.actor},
            since=request.event.at,
            until=now,
            next_step=f"Approve it: tiltyard approve {request.version} --reason REASON (or add --decline).",
        )
        for request in waiting
    ]
