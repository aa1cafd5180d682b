"""Matplotlib figures that belong to no screen, and labels that can stand in them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from tiltyard.formatting import number_repeats

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_INCHES = 12.0
LINE = 0.18  # inches that a line of text takes with some room

_LONGEST = 32
_GAP = 0.05  # inches between a name and its line


@dataclass(frozen=True)
class Margins:
    """Room for labels around the panels of a figure, in inches."""

    left: float = 0.2
    right: float = 0.2
    top: float = 0.2
    bottom: float = 0.2


def new_figure(width: float, height: float, margins: Margins) -> Figure:
    """An empty figure that belongs to no screen: ``width`` by ``height`` inches of panels, and margins around them.

    The margins are given, for a layout engine draws a figure twice more to find them.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415

    whole_width, whole_height = margins.left + width + margins.right, margins.bottom + height + margins.top
    figure = Figure(figsize=(whole_width, whole_height), dpi=110)
    figure.subplots_adjust(
        left=margins.left / whole_width,
        right=1 - margins.right / whole_width,
        bottom=margins.bottom / whole_height,
        top=1 - margins.top / whole_height,
    )
    return figure


def draw_lying_bars(axes: Axes, lengths: Sequence[float], colour: str) -> None:
    """Bars from zero to the right, the first at the top, as one shape: a tenth of the time of a shape for each.

    Args:
        axes: where to.
        lengths: n numbers, of either sign.
        colour: of all bars.
    """
    from matplotlib.collections import PolyCollection  # noqa: PLC0415

    corners = [
        ((0.0, line - 0.4), (length, line - 0.4), (length, line + 0.4), (0.0, line + 0.4))
        for line, length in enumerate(lengths)
    ]
    bars = PolyCollection(corners, facecolors=colour)
    bars.sticky_edges.x.append(0.0)
    axes.add_collection(bars)
    axes.autoscale_view()
    axes.set_ylim(len(lengths) - 0.5, -0.5)


def name_lines(axes: Axes, names: Sequence[str]) -> None:
    """Write a name in front of each line 0, 1, …; a tick for each takes four times as long."""
    from matplotlib.transforms import ScaledTranslation  # noqa: PLC0415

    axes.set_yticks([])
    before = axes.get_yaxis_transform() + ScaledTranslation(-_GAP, 0, axes.figure.dpi_scale_trans)
    for line, name in enumerate(names):
        axes.text(0, line, name, transform=before, ha="right", va="center", clip_on=False)


def measure_labels(labels: Iterable[str]) -> float:
    """Width in inches of the widest label, in the size of the labels of an axis."""
    return max((sum(map(_advance, label.replace(r"\$", "$"))) for label in labels), default=0.0)


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


@cache
def _advance(sign: str) -> float:
    """Width of a sign in inches."""
    from matplotlib.font_manager import FontProperties, findfont, get_font  # noqa: PLC0415

    style = FontProperties()
    font = get_font(findfont(style))
    font.set_size(style.get_size_in_points(), 72)
    return float(font.load_char(ord(sign)).linearHoriAdvance / 65536 / 72)
