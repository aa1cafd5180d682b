"""What one raw cell says."""

from __future__ import annotations

import unicodedata

_TRUE = ("True", "TRUE", "true")
_FALSE = ("False", "FALSE", "false")
BOOLEAN_WORDS = {**dict.fromkeys(_TRUE, 1.0), **dict.fromkeys(_FALSE, 0.0)}
BOOLEANS = {**BOOLEAN_WORDS, "1": 1.0, "1.0": 1.0, "0": 0.0, "0.0": 0.0}


def normalise_text(text: str) -> str:
    """A text without outer white space, its accents composed (NFC)."""
    stripped = text.strip()
    return stripped if stripped.isascii() else unicodedata.normalize("NFC", stripped)
