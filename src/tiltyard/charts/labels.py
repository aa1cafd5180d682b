"""Labels that can stand in a picture: short, on one line, each different, and with a known width."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from tiltyard.formatting import number_repeats

FONT = 12.0  # pixels
LINE = 17.0  # pixels that a line of text takes with some room

_LONGEST = 32
# Thousandths of the size of the font that the signs from the blank to the tilde take in DejaVu Sans. Nearly all fonts
# that a viewer may take in its place are narrower.
_ADVANCES = (
    *(318, 401, 460, 838, 636, 950, 780, 275, 390, 390, 500, 838, 318, 361, 318, 337, 636, 636, 636, 636, 636, 636),
    *(636, 636, 636, 636, 337, 337, 838, 838, 838, 531, 1000, 684, 686, 698, 770, 632, 575, 775, 752, 295, 295, 656),
    *(557, 863, 748, 787, 603, 787, 695, 635, 611, 732, 684, 989, 685, 611, 685, 390, 337, 390, 838, 500, 500, 613),
    *(635, 550, 635, 615, 352, 635, 634, 278, 278, 579, 278, 974, 634, 612, 635, 635, 411, 521, 392, 634, 592, 818),
    *(592, 592, 525, 636, 337, 636, 838),
)
_ADVANCE_OF_OTHERS = 1.08  # of the widest letters of other alphabets
_ADVANCE_OF_WIDE = 1.4  # of ideographs and pictures, which come from other fonts


def format_label(text: str) -> str:
    """A text as it can stand in a picture: short and on one line; what cannot be drawn is a box."""
    line = " ".join(text.split())
    line = line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"
    return line if line.isprintable() else "".join(sign if sign.isprintable() else "□" for sign in line)


def format_labels(texts: Iterable[str]) -> list[str]:
    """Texts as they can stand in a picture, each different: those that come out alike are numbered."""
    return number_repeats(format_label(text) for text in texts)


def measure_labels(labels: Iterable[str], size: float = FONT) -> float:
    """The most pixels that one of these labels is wide, in a font of that size."""
    return max((sum(map(_advance, label)) * size for label in labels), default=0.0)


def _advance(sign: str) -> float:
    place = ord(sign) - 32
    if 0 <= place < len(_ADVANCES):
        return _ADVANCES[place] / 1000
    return _ADVANCE_OF_WIDE if unicodedata.east_asian_width(sign) in "WF" else _ADVANCE_OF_OTHERS
