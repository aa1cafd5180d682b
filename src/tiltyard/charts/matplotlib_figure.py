"""Matplotlib figures that belong to no screen, and labels that can stand in them."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING

from tiltyard.formatting import number_repeats

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MAX_INCHES = 12.0

_LONGEST = 32


def new_figure(width: float, height: float, *, arranged: bool = True) -> Figure:
    """An empty figure of that size in inches, that belongs to no screen; ``arranged`` finds room for all labels."""
    from matplotlib.figure import Figure  # noqa: PLC0415

    return Figure(figsize=(width, height), layout="constrained" if arranged else None, dpi=110)


def format_label(text: str) -> str:
    """A text as it can stand in a picture: short, on one line, and never read as a formula.

    Signs that matplotlib's font does not have become boxes, where drawing them would warn of each.
    """
    line = " ".join(text.split())
    line = line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"
    if not line.isascii():
        line = "".join(sign if _in_font(sign) else "□" for sign in line)
    # matplotlib reads what stands between two dollar signs as mathematics.
    return line.replace("$", r"\$")


def format_labels(texts: Iterable[str]) -> list[str]:
    """Texts as they can stand in a picture, each different: those that come out alike are numbered."""
    return number_repeats(format_label(text) for text in texts)


@cache
def _in_font(sign: str) -> bool:
    from matplotlib.font_manager import findfont, get_font  # noqa: PLC0415

    return bool(get_font(findfont("sans\\-serif")).get_char_index(ord(sign)))
