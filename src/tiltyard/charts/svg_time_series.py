"""Pictures over time as SVG that needs nothing from elsewhere, in light and in dark.

Each picture carries its own style, so that it looks the same in a page and as a file of its own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape

WIDTH, HEIGHT = 760, 230
LEFT, RIGHT, TOP, BOTTOM = 58, 14, 12, 34
COLOURS = ("#3f8fd2", "#d9722e", "#1fa387", "#b56ab0", "#c9a227", "#7d8896", "#d1495b")

_STYLE = (
    "<style>.tt{fill:#57606a;font:11px system-ui,sans-serif}.tg{stroke:#d0d7de;stroke-width:1}"
    "@media (prefers-color-scheme: dark){.tt{fill:#a4adb8}.tg{stroke:#3a424c}}</style>"
)


@dataclass(frozen=True)
class Area:
    """Where a picture's data is: from numbers to places.

    Attributes:
        since: time at the left edge.
        until: time at the right edge.
        low: value at the bottom.
        high: value at the top.
    """

    since: datetime
    until: datetime
    low: float
    high: float

    def x(self, at: datetime) -> float:
        """Place of a time."""
        share = (at - self.since) / (self.until - self.since)
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        """Place of a value; what is outside is at the edge."""
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)

    def axes(self, *, percent: bool) -> list[str]:
        """The grid with its words."""
        found = []
        for value in ticks(self.low, self.high):
            place = f"{self.y(value):.1f}"
            words = f"{value:.0%}" if percent else f"{value:,.10g}"
            found.append(f'<line class="tg" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{place}" y2="{place}"/>')
            found.append(f'<text class="tt" x="{LEFT - 8}" y="{place}" dy="4" text-anchor="end">{words}</text>')
        days = (self.until - self.since).total_seconds() > 2 * 86400
        for part in range(6):
            at = self.since + (self.until - self.since) * part / 5
            anchor = "start" if part == 0 else "end" if part == 5 else "middle"
            words = f"{at:%d %b}" if days else f"{at:%d %b %H:%M}" if part in (0, 5) else f"{at:%H:%M}"
            found.append(
                f'<text class="tt" x="{self.x(at):.1f}" y="{HEIGHT - 12}" text-anchor="{anchor}">{words}</text>'
            )
        return found


def ticks(low: float, high: float) -> list[float]:
    """About five round values from ``low`` to ``high``."""
    raw = (high - low) / 4
    scale = 10.0 ** math.floor(math.log10(raw))
    step = next(scale * factor for factor in (1, 2, 2.5, 5, 10) if scale * factor >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [round(place * step, 10) for place in range(first, math.floor(high / step + 1e-9) + 1)]


def picture(parts: Sequence[str], title: str, height: int = HEIGHT) -> str:
    """A whole picture, with its title read out."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-label="{escape(title, quote=True)}">{_STYLE}{"".join(parts)}</svg>'
    )


def legend(entries: Sequence[tuple[str, str]]) -> str:
    """Names with their colours, as HTML."""
    return "".join(
        f'<span class="key"><span class="dot" style="background:{colour}"></span>{escape(name)}</span>'
        for name, colour in entries
    )
