"""Decisions leave the house: what is told, to whom, of which events."""

from __future__ import annotations

from tiltyard.ledger import Event, Notice
from tiltyard.notifications import address_notices
from tiltyard.project import AlertsSection

# MLflow's own webhooks tell of versions and aliases; these tell of decisions, with their reasons. What MLflow has an
# event for can leave in its shape, too: tiltyard.notifications.mlflow_webhook.
TOPICS = {
    "promoted": ("model.promoted", "{model}: version {version} is champion"),
    "rolled-back": ("model.rolled-back", "{model}: rolled back to version {version}"),
    "refused": ("model.refused", "{model}: version {version} was not promoted"),
    "approval-requested": ("model.approval-requested", "{model}: version {version} waits for approval"),
}


def decision_notices(alerts: AlertsSection, event: Event, *, key: str | None = None) -> list[Notice]:
    """The notices of a decision, for ``alerts.decisions``; none for an event that is not told.

    Args:
        alerts: who is told.
        event: the decision.
        key: what makes it one notice, however often it is written down; default: each time a new one.
    """
    if event.kind not in TOPICS or not alerts.decisions:
        return []
    topic, title = TOPICS[event.kind]
    model, _, version = event.subject.rpartition("/")
    verdict = event.evidence.get("verdict")
    payload = {
        "title": title.format(model=model, version=version),
        "text": f"{event.reason}\nDecided by {event.actor}." if event.reason else f"Decided by {event.actor}.",
        "link": alerts.link,
        "data": {
            "model": model,
            "version": version,
            "kind": event.kind,
            "actor": event.actor,
            "reason": event.reason,
            "before": event.evidence.get("champion", event.evidence.get("before")),
            "failed_gates": [gate["code"] for gate in verdict["gates"] if not gate["passed"]] if verdict else [],
        },
    }
    return address_notices(alerts.decisions, topic, payload, event.at, key=key)
