"""Pictures of panels: axes with ticks and names, and lines, dots, bars and words in them.

They are files as well as parts of a notebook: black on white whatever shows them, and as SVG sharp in any size. A
picture takes a millisecond or two; drawing libraries take fifty, for they lay out and paint every sign.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Literal

from tiltyard.charts.axes import round_ticks
from tiltyard.charts.labels import FONT, LINE, measure_labels
from tiltyard.charts.svg import draw_line, draw_rect, draw_text

INK, FRAME, GRID = "#1f2328", "#8c959f", "#e6e9ec"

Point = tuple[float, float]
Span = tuple[float, float]

_TICK = 4.0  # pixels
_SMALL = 1e-9


@dataclass(frozen=True)
class Picture:
    """A picture as SVG; notebooks show it.

    Attributes:
        title: what it shows.
        svg: the whole file.
        width: in pixels.
        height: in pixels.
    """

    title: str
    svg: str = field(repr=False)
    width: float
    height: float

    def _repr_svg_(self) -> str:
        return self.svg


def draw_picture(parts: Sequence[str], title: str, size: tuple[float, float]) -> Picture:
    """A picture of parts, width by height in pixels."""
    width, height = size
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" role="img" aria-label="{escape(title)}"><title>{escape(title)}</title>'
        f'<rect width="100%" height="100%" fill="#ffffff"/>'
        f'<g font-family="system-ui,sans-serif" font-size="{FONT:g}" fill="{INK}">{"".join(parts)}</g></svg>\n'
    )
    return Picture(title, svg, width, height)


@dataclass(frozen=True)
class Panel:
    """A rectangle of a picture in pixels, and the values that its edges stand for.

    Attributes:
        left: of the picture.
        top: of the picture.
        width: of the panel.
        height: of the panel.
        across: values at the left and the right edge.
        up: values at the lower and the upper edge.
    """

    left: float
    top: float
    width: float
    height: float
    across: Span = (0.0, 1.0)
    up: Span = (0.0, 1.0)

    @property
    def right(self) -> float:
        """The right edge, in pixels."""
        return self.left + self.width

    @property
    def bottom(self) -> float:
        """The lower edge, in pixels."""
        return self.top + self.height

    def x(self, value: float) -> float:
        """Place of a value of the axis that lies."""
        return self.left + (value - self.across[0]) / (self.across[1] - self.across[0]) * self.width

    def y(self, value: float) -> float:
        """Place of a value of the axis that stands."""
        return self.bottom - (value - self.up[0]) / (self.up[1] - self.up[0]) * self.height

    def draw_frame(self) -> str:
        """The edges, without a filling."""
        return (
            f'<rect x="{self.left:.1f}" y="{self.top:.1f}" width="{self.width:.1f}" height="{self.height:.1f}" '
            f'fill="none" stroke="{FRAME}"/>'
        )

    def draw_values_below(self, ticks: Sequence[float] | None = None, *, words: bool = True) -> list[str]:
        """Lines of the grid at values of the axis that lies, and the values below them; default: at round ones."""
        found = []
        values = round_ticks(*self.across) if ticks is None else ticks
        widest = measure_labels(map(format_value, values)) + FONT / 2
        step = 1 if widest * len(values) <= self.width * 1.1 else 2
        for place, value in enumerate(values):
            x = self.x(value)
            found.append(draw_line((x, self.top), (x, self.bottom), colour=GRID))
            if words and place % step == 0:
                found.append(draw_text(x, self.bottom + LINE - 2, format_value(value), anchor="middle"))
        return found

    def draw_values_left(self, ticks: Sequence[float] | None = None, *, words: bool = True) -> list[str]:
        """Lines of the grid at values of the axis that stands, and the values before them; default: at round ones."""
        found = []
        for value in round_ticks(*self.up) if ticks is None else ticks:
            y = self.y(value)
            found.append(draw_line((self.left, y), (self.right, y), colour=GRID))
            if words:
                found.append(draw_text(self.left - _TICK - 2, y + FONT / 3, format_value(value), anchor="end"))
        return found

    def draw_names_left(self, names: Sequence[str]) -> list[str]:
        """A name before each place 0, 1, … of the axis that stands."""
        return [
            draw_text(self.left - _TICK - 2, self.y(place) + FONT / 3, name, anchor="end")
            for place, name in enumerate(names)
        ]

    def draw_names_below(self, names: Sequence[str], *, tilted: bool) -> list[str]:
        """A name below each place 0, 1, … of the axis that lies; at 45 degrees where it is ``tilted``."""
        if tilted:
            top = self.bottom + FONT
            return [
                draw_text(self.x(place) + FONT / 3, top, name, anchor="end", turn=-45)
                for place, name in enumerate(names)
            ]
        top = self.bottom + LINE - 2
        return [draw_text(self.x(place), top, name, anchor="middle") for place, name in enumerate(names)]

    def draw_title_below(self, words: str, distance: float) -> str:
        """What the axis that lies shows, at a distance below the panel."""
        return draw_text(self.left + self.width / 2, self.bottom + distance, words, anchor="middle")

    def draw_title_left(self, words: str, distance: float) -> str:
        """What the axis that stands shows, at a distance before the panel."""
        return draw_text(self.left - distance, self.top + self.height / 2, words, anchor="middle", turn=-90)

    def draw_title(self, words: str, align: Literal["start", "middle"] = "middle") -> str:
        """A title above the panel."""
        x = self.left if align == "start" else self.left + self.width / 2
        return draw_text(x, self.top - 6, words, anchor=align)

    def draw_path(self, points: Iterable[Point], colour: str, *, dashed: bool = False, width: float = 1.5) -> str:
        """A line through points."""
        places = " ".join(f"{self.x(x):.1f},{self.y(y):.1f}" for x, y in points)
        dashes = ' stroke-dasharray="5 4"' if dashed else ""
        return f'<polyline points="{places}" fill="none" stroke="{colour}" stroke-width="{width:g}"{dashes}/>'

    def draw_dot(self, point: Point, colour: str, radius: float = 3.5, opacity: float = 1.0) -> str:
        """A dot; the radius is in pixels."""
        pale = f' fill-opacity="{opacity:g}"' if opacity < 1 else ""
        return (
            f'<circle cx="{self.x(point[0]):.1f}" cy="{self.y(point[1]):.1f}" r="{radius:.1f}" fill="{colour}"{pale}/>'
        )

    def draw_dots(self, points: Iterable[Point], colour: str, radius: float, opacity: float) -> str:
        """Many alike dots, which are darker where they cover each other."""
        dots = "".join(f'<circle cx="{self.x(x):.1f}" cy="{self.y(y):.1f}" r="{radius:g}"/>' for x, y in points)
        return f'<g fill="{colour}" fill-opacity="{opacity:g}">{dots}</g>'

    def draw_bar(self, across: Span, up: Span, colour: str) -> str:
        """A rectangle between two values of each axis, in any order."""
        left, right = sorted(map(self.x, across))
        top, bottom = sorted(map(self.y, up))
        return draw_rect(left, top, right - left, bottom - top, colour=colour)


def draw_key(entries: Sequence[tuple[str, str]], left: float, baseline: float) -> list[str]:
    """Names with their colours, one behind the other."""
    found = []
    for name, colour in entries:
        found.append(draw_rect(left, baseline - FONT + 2, FONT - 1, FONT - 1, colour=colour))
        found.append(draw_text(left + FONT + 4, baseline, name))
        left += measure_key([name])
    return found


def measure_key(names: Iterable[str]) -> float:
    """Pixels that a key of these names takes."""
    return sum(2 * FONT + 6 + measure_labels([name]) for name in names)


def format_value(value: float) -> str:
    """A value at an axis, short also where it is very large or very small."""
    return f"{value:.3g}" if value and not 1e-4 <= abs(value) < 1e7 else f"{value:,.10g}"


def spread(values: Iterable[float], *, room: float = 0.05, zero: bool = False) -> Span:
    """The ends of an axis for values: with room beyond them, and never equal.

    Args:
        values: any numbers.
        room: share of their range that is left free on either side.
        zero: whether zero is on the axis too, and at its end without room where no value is beyond it.
    """
    found = [*values, *([0.0] if zero else [])]
    low, high = min(found, default=0.0), max(found, default=1.0)
    if high - low <= _SMALL * max(abs(low), abs(high)) or high == low:
        return low - (abs(low) or 1.0) * 0.5, high + (abs(high) or 1.0) * 0.5
    more = (high - low) * room
    return (low if zero and low == 0 else low - more), (high if zero and high == 0 else high + more)
