"""What one raw cell says."""

from __future__ import annotations

import unicodedata


def normalise_text(text: str) -> str:
    """A text without outer white space, its accents composed (NFC)."""
    stripped = text.strip()
    return stripped if stripped.isascii() else unicodedata.normalize("NFC", stripped)
