"""How long predictions are kept, and what is taken out of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

REDACTED = "tiltyard:redacted"


def redacted_input(reason: str) -> dict[str, Any]:
    """What stands where an input stood."""
    return {REDACTED: reason}


def is_redacted(asked: Mapping[str, Any]) -> bool:
    """Whether the input was taken out, so that only the answer is left."""
    return REDACTED in asked
