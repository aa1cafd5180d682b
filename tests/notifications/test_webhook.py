"""Webhooks are signed, retried, and sent even if their dispatcher was killed."""

from __future__ import annotations

import json
import logging
import signal
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from tests import fork_server
from tests.notifications.receivers import receiver
from tiltyard.jsonable import to_json_object
from tiltyard.ledger import OutboxItem, SqlLedger
from tiltyard.notifications import (
    Backoff,
    DeliveryError,
    Dispatcher,
    LogSender,
    MLflowWebhookSender,
    SlackSender,
    WebhookSender,
    verify_signature,
)
from tiltyard.project import AlertsSection
from tiltyard.testing import NOON, MemoryLedger
from tiltyard.testing.outbox_contract import make_notice


@pytest.mark.requirement("R-MON-12")
def test_a_notice_is_retried_until_the_receiver_accepts_it() -> None:
    """Two refusals postpone by a doubling wait; the third attempt arrives, and nothing is left to do."""
    ledger, now = MemoryLedger(), [NOON]
    ledger.outbox.clock = lambda: now[0]
    ledger.outbox.enqueue([make_notice(id="n7")])
    with receiver([500, 404]) as received:
        dispatcher = Dispatcher(ledger.outbox, {"ops": WebhookSender(received.url)}, jitter=lambda: 0.0)
        assert to_json_object(dispatcher.run()) == {"sent": 0, "failed": 1, "given_up": 0}
        (waiting,) = ledger.outbox.items("waiting")
        assert waiting.notice.due == NOON + timedelta(seconds=10)
        assert waiting.error == "The receiver responded 500: so there"
        assert dispatcher.run().failed == 0, "it is not due yet"
        now[0] = NOON + timedelta(seconds=10)
        assert dispatcher.run().failed == 1
        now[0] = NOON + timedelta(seconds=30)
        assert dispatcher.run().sent == 1
    assert [headers["tiltyard-id"] for headers, _ in received.requests] == ["n7"] * 3
    content = json.loads(received.requests[-1][1])
    assert content["topic"] == "model.promoted"
    assert content["title"] == "films: version 2 is champion"
    assert dispatcher.run().sent == 0


def test_a_signature_proves_sender_body_and_time() -> None:
    """A receiver can distinguish an authentic request from one that was changed, signed with another key, or is old."""
    with receiver() as received:
        WebhookSender(received.url, "s3cret", clock=lambda: 1_767_225_600.4).send(OutboxItem(make_notice()))
    headers, body = received.requests[0]
    signature = headers["tiltyard-signature"]
    assert verify_signature("s3cret", body, signature, now=1_767_225_700)
    assert not verify_signature("other", body, signature, now=1_767_225_700)
    assert not verify_signature("s3cret", body + b" ", signature, now=1_767_225_700)
    assert not verify_signature("s3cret", body, signature, now=1_767_225_901)
    assert not verify_signature("s3cret", body, signature.replace("t=17", "t=18"), now=1_767_225_700)
    for nonsense in ("", "t=,v1=", "t=x,v1=y", "v1=abc", "t=1,v1=é", "t=²,v1=a"):
        assert not verify_signature("s3cret", body, nonsense, now=1)


def test_a_final_refusal_or_an_old_notice_is_given_up() -> None:
    """410, and a notification that is too old, are given up; a Retry-After is respected."""
    ledger = MemoryLedger()
    ledger.outbox.clock = lambda: NOON
    ledger.outbox.enqueue([make_notice()])
    with receiver([410]) as received:
        assert Dispatcher(ledger.outbox, {"ops": WebhookSender(received.url)}).run().given_up == 1
    item = OutboxItem(make_notice(), attempts=3)
    backoff = Backoff(give_up=timedelta(days=1))
    assert backoff.next_wait(item, NOON, 0.0) == timedelta(seconds=40)
    assert backoff.next_wait(item, NOON, 0.5) == timedelta(seconds=30)
    assert backoff.next_wait(item, NOON, 0.0, timedelta(minutes=5)) == timedelta(minutes=5)
    assert backoff.next_wait(OutboxItem(make_notice(), attempts=999), NOON, 0.0) == backoff.longest
    assert backoff.next_wait(item, NOON + timedelta(days=1), 0.0) is None
    with receiver([503], {"Retry-After": "120"}) as received, pytest.raises(DeliveryError) as refused:
        WebhookSender(received.url).send(item)
    assert refused.value.wait == timedelta(minutes=2)


def test_an_unreachable_receiver_is_a_failure_that_waits() -> None:
    """A refused connection, an impossible URL and an unknown destination fail and wait; no message has the URL."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        gone = f"http://127.0.0.1:{free.getsockname()[1]}/token-1234"
    for url in (gone, "http://[bad/token-1234"):
        with pytest.raises(DeliveryError) as failed:
            WebhookSender(url).send(OutboxItem(make_notice()))
        assert not failed.value.final
        assert "1234" not in failed.value.message
    ledger = MemoryLedger()
    ledger.outbox.clock = lambda: NOON
    ledger.outbox.enqueue([make_notice(destination="nobody")])
    assert Dispatcher(ledger.outbox, {"log": LogSender()}).run().failed == 1
    assert "no destination 'nobody' on this host (known: log)" in str(ledger.outbox.items()[0].error)


def test_slack_and_log_show_the_notice_and_no_markup_of_the_data(caplog: pytest.LogCaptureFixture) -> None:
    """A Slack message carries title, text and link, and no data can mention anybody; the log has the whole notice."""
    notice = make_notice(payload={"title": "Drift", "text": "<!channel> & more", "link": "http://127.0.0.1/x"})
    with receiver() as received:
        SlackSender(received.url).send(OutboxItem(notice))
    message = json.loads(received.requests[0][1])
    assert message["text"] == "Drift"
    assert [block["text"]["text"] for block in message["blocks"]] == [
        "Drift",
        "&lt;!channel&gt; &amp; more",
        "<http://127.0.0.1/x|Open>",
    ]
    with caplog.at_level(logging.WARNING, "tiltyard.notices"):
        LogSender().send(OutboxItem(notice))
    assert "Drift <!channel> & more" in caplog.text


def test_a_notice_without_an_mlflow_event_is_given_up() -> None:
    """An alert has no event among MLflow's webhooks: no project can send one there; one that waits is given up."""
    destinations = {"ci": {"kind": "mlflow"}}
    with pytest.raises(ValidationError, match="'ci' is of the kind mlflow, which can receive decisions only"):
        AlertsSection.model_validate({"to": ["ci"], "destinations": destinations})
    assert AlertsSection.model_validate({"decisions": ["ci"], "destinations": destinations}).decisions == ("ci",)
    with receiver() as received, pytest.raises(DeliveryError, match=r"no event for 'alert\.raised'") as refused:
        MLflowWebhookSender(received.url).send(OutboxItem(make_notice(topic="alert.raised")))
    assert refused.value.final
    assert not received.requests


DELIVER_AND_HANG = """
import sys, time
from tiltyard.ledger import SqlLedger
from tiltyard.notifications import Dispatcher, WebhookSender

class Hangs:
    def send(self, item):
        if sys.argv[3] == "after":
            WebhookSender(sys.argv[2]).send(item)
        print("in hand", flush=True)
        time.sleep(600)

with SqlLedger.open(sys.argv[1]) as ledger:
    Dispatcher(ledger.outbox, {"ops": Hangs()}).run()
"""


@pytest.mark.parametrize("moment", ["before", "after"])
def test_an_item_of_a_killed_dispatcher_is_delivered_after_its_lease(tmp_path: Path, moment: str) -> None:
    """An item whose dispatcher was killed before or after delivery is delivered when its lease is over, same id."""
    url = f"sqlite:///{tmp_path}/ledger.db"
    with SqlLedger.open(url) as ledger, receiver() as received:
        ledger.outbox.enqueue([make_notice(id="n1", at=datetime.now(UTC))])
        command = [sys.executable, "-c", DELIVER_AND_HANG, url, received.url, moment]
        with fork_server.popen(command, stdout=subprocess.PIPE) as killed:
            assert killed.stdout is not None
            assert killed.stdout.readline() == "in hand\n"
            killed.send_signal(signal.SIGKILL)
        again = Dispatcher(ledger.outbox, {"ops": WebhookSender(received.url)})
        assert again.run().sent == 0, "the dead dispatcher's lease still holds"
        later = datetime.fromtimestamp(time.time() + 90, UTC)
        ledger.outbox.clock = lambda: later
        assert again.run().sent == 1
        assert [headers["tiltyard-id"] for headers, _ in received.requests] == ["n1"] * (2 if moment == "after" else 1)
        assert [(one.state, one.attempts) for one in ledger.outbox.items()] == [("sent", 2)]
