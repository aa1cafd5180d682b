"""Whether a model can be scored by a compiled kernel, and why not."""

from __future__ import annotations


class NotCompilableError(Exception):
    """There is no compiled scorer that answers exactly as this model does.

    Args:
        reason: why, to be read after "because".
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
