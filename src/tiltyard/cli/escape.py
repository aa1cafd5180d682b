"""Text that may come from anybody, as a terminal can show it."""

from __future__ import annotations


def escape_control(text: str) -> str:
    """Text with control and format characters written as escapes, but for line breaks and tabs."""
    if text.isprintable():
        return text
    return "".join(
        sign if sign.isprintable() or sign in "\n\t" else sign.encode("unicode_escape").decode("ascii") for sign in text
    )
