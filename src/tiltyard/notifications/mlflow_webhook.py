"""Decisions in the shape of MLflow's webhooks, for receivers that were written for these.

MLflow's server sends its webhooks once, with a few retries in memory; a local store sends none. A decision sent from
the outbox in the same shape is tried until it arrives, also after a crash and without a server. A receiver checks it
as it checks MLflow's: ``X-MLflow-Signature`` is ``v1,`` and the Base64 of the HMAC-SHA256 of delivery id, time and
body, joined by full stops (https://mlflow.org/docs/latest/ml/webhooks/).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Mapping
from typing import Any

from tiltyard.aliases import CHAMPION
from tiltyard.ledger import Notice, OutboxItem
from tiltyard.ledger.storable import encode_json
from tiltyard.notifications.ports import DeliveryError
from tiltyard.notifications.webhook import post
from tiltyard.registry.ports import VERDICT_TAG

_ID, _TIME, _SIGNATURE = "X-MLflow-Delivery-Id", "X-MLflow-Timestamp", "X-MLflow-Signature"
_ALIAS_SET = frozenset({"model.promoted", "model.rolled-back"})
_REFUSED_OR_WAITING = frozenset({"model.refused", "model.approval-requested"})


class MLflowWebhookSender:
    """Posts a decision as the event that MLflow has for it; any 2xx response means that it arrived.

    A new champion is ``model_version_alias.created``; a verdict after which the champion stays is
    ``model_version_tag.set`` for the tag that holds the verdict.

    Args:
        url: where to; redirects are not followed.
        secret: signs the request; None: it goes unsigned.
        clock: Unix time in seconds.
    """

    def __init__(self, url: str, secret: str | None = None, clock: Callable[[], float] = time.time) -> None:
        self._url, self._secret, self._clock = url, secret, clock

    def send(self, item: OutboxItem) -> None:
        """Post the event; see ``Sender.send``."""
        notice = item.notice
        body, sent = encode_json(_event(notice)).encode(), str(int(self._clock()))
        headers = {_ID: notice.id, _TIME: sent}
        if self._secret:
            headers[_SIGNATURE] = sign_like_mlflow(self._secret, notice.id, sent, body)
        post(self._url, body, headers)


def sign_like_mlflow(secret: str, delivery: str, timestamp: str, body: bytes) -> str:
    """The signature of a delivery, as MLflow's server makes it."""
    content = f"{delivery}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(secret.encode(), content, hashlib.sha256).digest()).decode()


def _event(notice: Notice) -> dict[str, Any]:
    decision: Mapping[str, Any] = notice.payload.get("data") or {}
    version = {"name": decision.get("model"), "version": decision.get("version")}
    if notice.topic in _ALIAS_SET:
        return _envelope(notice, "model_version_alias", "created", {**version, "alias": CHAMPION})
    if notice.topic in _REFUSED_OR_WAITING:
        tag = {"key": VERDICT_TAG, "value": _verdict_tag(notice.topic, decision)}
        return _envelope(notice, "model_version_tag", "set", {**version, **tag})
    raise DeliveryError(f"MLflow's webhooks have no event for '{notice.topic}'.", final=True)


def _envelope(notice: Notice, entity: str, action: str, data: Mapping[str, Any]) -> dict[str, Any]:
    return {"entity": entity, "action": action, "timestamp": notice.at.isoformat(), "data": data}


def _verdict_tag(topic: str, decision: Mapping[str, Any]) -> str:
    """The value of the tag, shortened: of the gates only those that failed."""
    failed = [{"code": code, "passed": False} for code in decision.get("failed_gates") or ()]
    passed = topic == "model.approval-requested"
    return json.dumps({"promoted": passed, "reason": decision.get("reason"), "gates": failed}, ensure_ascii=False)
