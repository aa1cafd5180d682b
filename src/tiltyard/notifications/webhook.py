"""Notices as signed JSON over HTTP."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import timedelta

import httpx

from tiltyard.ledger import OutboxItem
from tiltyard.ledger.outbox_records import LONGEST_WAIT
from tiltyard.ledger.storable import encode_json
from tiltyard.notifications.ports import DELIVERY_TIMEOUT_SECONDS, DeliveryError
from tiltyard.notifications.signature import SIGNATURE_HEADER, sign

ID_HEADER = "Tiltyard-Id"
TOPIC_HEADER = "Tiltyard-Topic"
# A receiver repeats these however often the request is sent.
_FINAL = frozenset({410, 413, 415, 422})


class WebhookSender:
    """Posts a notification as JSON, signed when there is a secret; any 2xx response means that it arrived.

    Args:
        url: where to; redirects are not followed.
        secret: signs the body; see ``tiltyard.notifications.signature``.
        clock: Unix time in seconds.
    """

    def __init__(self, url: str, secret: str | None = None, clock: Callable[[], float] = time.time) -> None:
        self._url, self._secret, self._clock = url, secret, clock

    def send(self, item: OutboxItem) -> None:
        """Post the notification; see ``Sender.send``."""
        notice = item.notice
        content = {"id": notice.id, "topic": notice.topic, "at": notice.at.isoformat(), **notice.payload}
        body = encode_json(content).encode()
        headers = {ID_HEADER: notice.id, TOPIC_HEADER: notice.topic.encode("ascii", "replace").decode()}
        if self._secret:
            headers[SIGNATURE_HEADER] = sign(self._secret, body, int(self._clock()))
        post(self._url, body, headers)


def post(url: str, body: bytes, headers: Mapping[str, str]) -> None:
    """Post JSON once.

    Raises:
        DeliveryError: the receiver cannot be reached, or did not respond with 2xx. The message leaves out the URL,
            which may be a secret.
    """
    try:
        response = httpx.post(
            url,
            content=body,
            headers={"Content-Type": "application/json", **headers},
            timeout=DELIVERY_TIMEOUT_SECONDS / 2,
        )
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise DeliveryError(f"The receiver cannot be reached: {type(error).__name__}: {error}") from None
    if not response.is_success:
        raise DeliveryError(
            f"The receiver responded {response.status_code}: {response.text[:200]}",
            final=response.status_code in _FINAL,
            wait=_read_retry_after(response),
        )


def _read_retry_after(response: httpx.Response) -> timedelta | None:
    seconds = response.headers.get("Retry-After", "")
    if not (seconds.isascii() and seconds.isdigit()):
        return None
    return timedelta(seconds=min(float(seconds), LONGEST_WAIT.total_seconds()))
