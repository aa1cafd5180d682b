"""What the headers of requests say, for every route that takes a body."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tiltyard.serving.headers import read_headers
from tiltyard.serving.problem_details import RequestError

JSON = "application/json"
CURL_DEFAULT = "application/x-www-form-urlencoded"
LONGEST_KEY = 200
PREDICTION_KEY = "X-Prediction-Key"


class RequestHead(NamedTuple):
    """The headers that decide how a request is read and predicted; None for those that were not sent."""

    media_type: bytes | None = None
    length: bytes | None = None
    content_encoding: bytes | None = None
    idempotency_key: bytes | None = None
    prediction_key: bytes | None = None
    route_key: bytes | None = None

    @classmethod
    def from_headers(cls, headers: Sequence[tuple[bytes, bytes]]) -> RequestHead:
        """Pick from ASGI's headers, whose names are in lower case.

        Raises:
            RequestError: one of them was sent twice; but two encodings are a list.
        """
        find = read_headers(headers).get
        return cls(
            find(b"content-type"),
            find(b"content-length"),
            find(b"content-encoding"),
            find(b"idempotency-key"),
            find(b"x-prediction-key"),
            find(b"x-route-key"),
        )

    def prediction_keys(self, count: int, *, many: bool) -> Sequence[str]:
        """The caller's own keys of n inputs, from ``X-Prediction-Key``; empty where it was not sent.

        The key itself for one input; for the inputs of a list, the key with ``/0``, ``/1`` … behind it. Labels can be
        reported by them later.

        Raises:
            RequestError: it is empty, too long, or not printable ASCII.
        """
        if self.prediction_key is None:
            return ()
        key = self.prediction_key.decode("latin-1")
        if not 0 < len(key) <= LONGEST_KEY or not (key.isascii() and key.isprintable()):
            raise RequestError(
                f"The header X-Prediction-Key has to be 1 to {LONGEST_KEY} printable ASCII characters.",
                status=400,
                code="request.key",
                next_step="Send a key that names the input in your system, such as an order's number.",
            )
        return [f"{key}/{number}" for number in range(count)] if many else [key]


def refuse_form(head: RequestHead) -> None:
    """Refuse a file that is wrapped in a form: its frame would be read as rows.

    Raises:
        RequestError: the body is a form of several parts, as ``curl -F`` sends it.
    """
    sent = (head.media_type or b"").decode("latin-1").strip()
    if sent.lower().startswith("multipart/"):
        raise RequestError(
            f"The Content-Type is {sent!r:.120}, and the route accepts the file itself as the body.",
            status=415,
            code="request.media-type",
            next_step="Send the bytes of the file and nothing else, as curl --data-binary @FILE does.",
        )


def check_media_type(head: RequestHead, *accepted: str) -> str:
    """The media type of a request's body, one of those that the route accepts; by default JSON alone.

    A body without a media type is the first of them: several clients name none for JSON. ``curl -d`` says that its body
    is a form, whatever it is: where JSON is accepted, that is read as JSON too. A browser's form has the same media
    type; what a page of another site may send is decided by ``auth.cross_site``, not here.

    Raises:
        RequestError: it is another one.
    """
    if head.media_type == b"application/json":
        return JSON
    accepted = accepted or (JSON,)
    sent = (head.media_type or b"").decode("latin-1").strip()
    if not sent:
        return accepted[0]
    media_type = sent.partition(";")[0].strip().lower()
    if media_type in accepted:
        return media_type
    is_json = media_type.startswith("application/") and media_type.endswith("+json")
    if JSON in accepted and (is_json or media_type == CURL_DEFAULT):
        return JSON
    raise RequestError(
        f"The Content-Type is {sent!r:.120}, and the route accepts {' or '.join(accepted)}.",
        status=415,
        code="request.media-type",
        next_step=f"Send the header Content-Type: {accepted[0]}.",
    )
