"""Responses of the connection itself, to what never becomes a request: whole, in bytes, and the last ones."""

from __future__ import annotations

import json
from http import HTTPStatus

from tiltyard.serving.connections.limits import LARGEST_HEAD, LARGEST_TRAILERS, MOST_HEADERS
from tiltyard.serving.problem_details import problem_type


def write_refusal(status: int, code: str, detail: str, next_step: str) -> bytes:
    """A whole response with a problem document."""
    phrase = HTTPStatus(status).phrase
    problem = {"type": problem_type(code), "title": phrase, "status": status, "detail": detail, "code": code}
    body = json.dumps({**problem, "next_step": next_step}, separators=(",", ":")).encode()
    return (
        b"HTTP/1.1 %d %b\r\n"
        b"content-type: application/problem+json\r\n"
        b"x-content-type-options: nosniff\r\n"
        b"cache-control: no-store\r\n"
        b"content-length: %d\r\n"
        b"connection: close\r\n\r\n%b"
    ) % (status, phrase.encode(), len(body), body)


MALFORMED = write_refusal(
    400, "request.malformed", "The bytes are not a request of HTTP/1.1.", "Send requests as RFC 9112 has them."
)
WITHOUT_HOST = write_refusal(
    400,
    "request.host",
    "A request of HTTP/1.1 has to carry one header Host.",
    "Send the header Host once, with the server's name.",
)
TUNNEL = write_refusal(
    405,
    "http.method-not-allowed",
    "CONNECT is not allowed: this server is not a proxy.",
    "Send the request to the host.",
)
UNKNOWN_CODING = write_refusal(
    501,
    "request.transfer-coding",
    "The body has a transfer coding other than chunked.",
    "Send it with Transfer-Encoding: chunked alone; say by Content-Encoding: gzip that it is compressed.",
)
TOO_SLOW = write_refusal(
    408, "request.slow", "The request did not arrive in time.", "Send it at once, over a connection that is not idle."
)
HEAD_TOO_LARGE = write_refusal(
    431,
    "request.head-too-large",
    f"Request line and headers are larger than {LARGEST_HEAD} bytes.",
    "Send fewer or shorter headers, or a shorter URL.",
)
TOO_MANY_HEADERS = write_refusal(
    431, "request.head-too-large", f"The request has more than {MOST_HEADERS} headers.", "Send fewer headers."
)
TRAILERS_TOO_LARGE = write_refusal(
    431,
    "request.head-too-large",
    f"The headers behind the body are larger than {LARGEST_TRAILERS} bytes.",
    "Send none: the server ignores them.",
)
TOO_MANY_CONNECTIONS = write_refusal(
    503,
    "server.connections",
    "The server has as many connections as it can take.",
    "Try again later, and send several requests over one connection.",
)
