"""Notifications about decisions: which events, to whom, with what content."""

from __future__ import annotations

from tiltyard.aliases import CHAMPION
from tiltyard.ledger import Event, Notice
from tiltyard.notifications import address_notices
from tiltyard.project import AlertsSection
from tiltyard.registry.alias_history import ALIAS_SET, PROMOTED, ROLLED_BACK

# MLflow's own webhooks are about versions and aliases; these are about decisions, with their reasons. What MLflow has
# an event for can be sent in its shape, too: tiltyard.notifications.mlflow_webhook.
TOPICS = {
    PROMOTED: ("model.promoted", "{model}: version {version} is champion"),
    ROLLED_BACK: ("model.rolled-back", "{model}: rolled back to version {version}"),
    "refused": ("model.refused", "{model}: version {version} was not promoted"),
    "approval-requested": ("model.approval-requested", "{model}: version {version} waits for approval"),
}


def decision_notices(alerts: AlertsSection, event: Event, *, key: str | None = None) -> list[Notice]:
    """The notifications of a decision, for ``alerts.decisions``; none for an event without notification.

    A champion that was set by hand is notified like one that was promoted.

    Args:
        alerts: who is notified.
        event: the decision.
        key: what makes it one notice, however often it is recorded; default: a new one each time.
    """
    by_hand = event.kind == ALIAS_SET and event.evidence.get("alias") == CHAMPION
    kind = PROMOTED if by_hand else event.kind
    if kind not in TOPICS or not alerts.decisions:
        return []
    topic, title = TOPICS[kind]
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
