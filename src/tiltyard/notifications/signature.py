"""Signatures that show a receiver that a webhook is authentic and recent.

The header ``Tiltyard-Signature`` reads ``t=1767225600,v1=5257a8…``: the Unix time of sending, and the HMAC-SHA256
(RFC 2104), in hex, of that time, a full stop and the body, under the secret that both sides know. The time is signed
with the body, so that a recorded request cannot be replayed later: a receiver refuses signatures older than
five minutes, and recognises a repeated notice within these by its ``Tiltyard-Id``.
"""

from __future__ import annotations

import hashlib
import hmac

SIGNATURE_HEADER = "Tiltyard-Signature"
REPLAY_SECONDS = 300
"""How old a signature may be, and how far ahead a sender's clock."""


def sign(secret: str, body: bytes, timestamp: int) -> str:
    """The header's value for a body that is sent at a Unix time, in seconds.

    Example:
        >>> sign("secret", b"{}", 1767225600)[:22]
        't=1767225600,v1=a41b3b'
    """
    return f"t={timestamp},v1={_digest(secret, body, timestamp)}"


def verify_signature(
    secret: str, body: bytes, header: str, *, now: float, tolerance_seconds: float = REPLAY_SECONDS
) -> bool:
    """Whether a body was signed with the secret, at most ``tolerance_seconds`` ago. For receivers.

    Args:
        secret: the secret of the destination.
        body: the request's body, byte by byte as it came.
        header: the value of ``Tiltyard-Signature``.
        now: the receiver's Unix time, in seconds.
        tolerance_seconds: the replay window.
    """
    parts = dict(part.partition("=")[::2] for part in header.replace(" ", "").split(","))
    stamp, digest = parts.get("t", ""), parts.get("v1", "")
    if not (stamp.isascii() and stamp.isdigit() and digest.isascii()):
        return False
    fresh = abs(now - int(stamp)) <= tolerance_seconds
    return hmac.compare_digest(_digest(secret, body, int(stamp)), digest) and fresh


def _digest(secret: str, body: bytes, timestamp: int) -> str:
    return hmac.new(secret.encode(), str(timestamp).encode() + b"." + body, hashlib.sha256).hexdigest()
