"""Times as people write them on a command line."""

from __future__ import annotations

from datetime import UTC, datetime

from tiltyard.errors import UsageError


def moment(option: str, text: str | None) -> datetime | None:
    """An ISO 8601 time, in UTC where it names no zone; None for none.

    Raises:
        UsageError: it is no such time.
    """
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"{option} {text!r} is no ISO 8601 time.", next_step="Write it like 2026-01-31T12:00:00Z."
        ) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
