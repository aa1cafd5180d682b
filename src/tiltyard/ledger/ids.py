"""Names of records that sort by the time they were made."""

from __future__ import annotations

import uuid_utils


def new_id() -> str:
    """A UUIDv7 (RFC 9562) as text: unique everywhere, rising within this process, sorted by time across hosts."""
    return str(uuid_utils.uuid7())
