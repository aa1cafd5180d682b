"""What becomes of a message: a result to publish, a label that was recorded, or the reason why neither can be."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from tiltyard.errors import TiltyardError
from tiltyard.serving.predict.requests import LONGEST_KEY
from tiltyard.serving.problem_details import RequestError
from tiltyard.streams.ports import Message, Outgoing

log = logging.getLogger(__name__)

Outcome = Literal["predicted", "repeated", "recorded", "dead_letter"]
"""``predicted``: newly; ``repeated``: the ledger had it; ``recorded``: a label; ``dead_letter``: nothing of these."""

ID = "idempotency-key"
"""The header that names a message, as over HTTP; whatever comes again with it is the same message."""

PREDICTION_KEY = "x-prediction-key"
ROUTE_KEY = "x-route-key"
CONTENT_TYPE = "content-type"
_OWN = (ID, CONTENT_TYPE, "content-length", "content-encoding")
_PREFIX = "tiltyard-"
LONGEST_HEADER = 2000
"""Characters of a reason in a header."""


@dataclass(frozen=True, slots=True)
class Handled:
    """A message and what became of it.

    Attributes:
        message: the message.
        outcome: what became of it.
        result: what is to be published; None for a label, and for a dead letter.
        error: why it is a dead letter.
    """

    message: Message
    outcome: Outcome
    result: Outgoing | None = None
    error: TiltyardError | None = None


class Handler(Protocol):
    """Handles messages of one stream."""

    async def handle(self, messages: Sequence[Message]) -> list[Handled]:
        """What became of each message, in their order; what had to be recorded is durable.

        Handled again, a message has the same outcome, and nothing is recorded twice.

        Raises:
            UnavailableError: the ledger or the model is away; the messages have to be handled again.
        """


def find_key(message: Message) -> str:
    """What a message is recognised by when it comes again: the id of its producer, or else its place in the stream.

    Raises:
        RequestError: it has neither.
    """
    own = lower_headers(message).get(ID) or message.own_id
    if own:
        return own
    if message.position:
        return f"@{message.position}"
    raise RequestError(
        "The message has neither a message_id nor the header Idempotency-Key, and the broker gives it no number: it "
        "could not be recognised when it comes again.",
        status=400,
        code="stream.unnamed",
        next_step="Publish it with a message_id that is its own, such as a UUID.",
    )


def choose_prediction_key(message: Message) -> bytes | None:
    """The caller's own key of a message, by which labels may name its prediction; None for none.

    The header ``X-Prediction-Key``, or else the id of the producer, or else the broker's key, where they can be keys.
    """
    headers = lower_headers(message)
    if PREDICTION_KEY in headers:
        return headers[PREDICTION_KEY].encode()
    for one in (headers.get(ID, "").encode(), message.own_id.encode(), message.key):
        if 0 < len(one) <= LONGEST_KEY and one.isascii() and one.decode().isprintable():
            return one
    return None


def lower_headers(message: Message) -> Mapping[str, str]:
    """The headers of a message by their names in small letters."""
    return {name.lower(): value for name, value in message.headers.items()}


def carry_headers(message: Message) -> dict[str, str]:
    """The headers of a message that go with its result: all that are about the sender's own business."""
    return {
        name: value
        for name, value in message.headers.items()
        if name.lower() not in _OWN and not name.lower().startswith(_PREFIX)
    }


def make_dead_letter(handled: Handled, source: str) -> Outgoing:
    """The message as it came, with the reason in its headers.

    Args:
        handled: what became of it.
        source: the stream that it came from.
    """
    message, error = handled.message, handled.error
    assert error is not None  # noqa: S101 - for the type checker: dead letters have one
    reason = {
        "Tiltyard-Error": error.code,
        "Tiltyard-Reason": one_line(error.message),
        "Tiltyard-Next-Step": one_line(error.next_step),
        "Tiltyard-Source": source,
        "Tiltyard-Position": message.position,
    }
    headers = {name: value for name, value in message.headers.items() if not name.lower().startswith(_PREFIX)}
    if message.own_id and ID not in lower_headers(message):
        headers["Idempotency-Key"] = message.own_id  # so that it is the same message when it is sent again
    name = f"{source} {message.own_id} {message.position} ".encode() + message.body
    named = hashlib.sha256(name).hexdigest()[:32]
    return Outgoing(message.body, f"dead-{named}", message.key, headers | {k: v for k, v in reason.items() if v})


def own_headers(letter: Outgoing) -> dict[str, str]:
    """Of a dead letter's headers those that are ours: what is wrong with which message."""
    return {name: value for name, value in letter.headers.items() if name.lower().startswith(_PREFIX)}


def one_line(text: str) -> str:
    """A text as a header can hold it."""
    return " ".join(text.split())[:LONGEST_HEADER]
