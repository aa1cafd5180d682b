"""Why MLflow cannot use its database or folder on this host: read from the causes of its error, by their codes.

MLflow gives every failure of its database one type and a text of several lines, of which the first may say nothing.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator

from tiltyard.ledger.sql.errors import find_trouble
from tiltyard.redact import without_passwords

_FULL = ("has no room left", "Free some disk space.")
_READ_ONLY = ("may not be written", "Give this user the right to write there.")
_BY_TROUBLE = {
    "ledger.full": _FULL,
    "ledger.read-only": _READ_ONLY,
    "ledger.busy": ("is in use by another process for too long", "Try again; if it lasts, find that process."),
    "ledger.damaged": ("is damaged", "Restore it from a copy."),
}
_BY_NUMBER = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EROFS: _READ_ONLY,
    errno.EACCES: _READ_ONLY,
    errno.EPERM: _READ_ONLY,
}


def find_local_trouble(error: BaseException) -> tuple[str, str, str] | None:
    """What is wrong, what the system or the driver said, and the next step; None where no cause says that."""
    for cause in _list_causes(error):
        trouble = find_trouble(cause)
        found = _BY_TROUBLE.get(trouble.code) if trouble is not None else None
        if found is None and isinstance(cause, OSError):
            found = _BY_NUMBER.get(cause.errno or 0)
        if found is not None:
            said = (cause.strerror if isinstance(cause, OSError) else None) or str(cause).strip().partition("\n")[0]
            return found[0], without_passwords(said), found[1]
    return None


def _list_causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or getattr(error, "orig", None) or error.__context__
