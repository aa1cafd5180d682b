"""Axes of SVG charts: from values, times and bins to places, with a grid and its words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from tiltyard.charts.svg import draw_line, draw_rect, draw_text

WIDTH, HEIGHT = 760, 230
LEFT, RIGHT, TOP, BOTTOM = 58, 14, 12, 34

_TICKS_OF_TIME = 5
_DAYS_FROM = 2 * 86400  # seconds from which on the time axis names days


@dataclass(frozen=True)
class ValueAxis:
    """The upright axis of a chart.

    Attributes:
        low: value at the bottom.
        high: value at the top.
        percent: whether values are shares.
    """

    low: float
    high: float
    percent: bool = False

    def y(self, value: float) -> float:
        """Place of a value; what is outside is at the edge."""
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)

    def draw(self) -> list[str]:
        """The grid with its values."""
        found = []
        for value in round_ticks(self.low, self.high):
            words = f"{100 * value:.6g}%" if self.percent else f"{value:,.10g}"
            found.append(draw_line((LEFT, self.y(value)), (WIDTH - RIGHT, self.y(value))))
            found.append(draw_text(LEFT - 8, self.y(value) + 4, words, anchor="end", kind="tt"))
        return found

    def draw_rule(self, value: float, colour: str) -> str:
        """A dashed line across the chart at a value."""
        return draw_line((LEFT, self.y(value)), (WIDTH - RIGHT, self.y(value)), colour=colour, width=1.5, dashes="6 4")


@dataclass(frozen=True)
class TimeChart:
    """A chart of values over time.

    Attributes:
        since: time at the left edge.
        until: time at the right edge.
        values: the upright axis.
    """

    since: datetime
    until: datetime
    values: ValueAxis

    def x(self, at: datetime) -> float:
        """Place of a time."""
        return LEFT + (at - self.since) / (self.until - self.since) * (WIDTH - LEFT - RIGHT)

    def draw_axes(self) -> list[str]:
        """The grid with its values and times."""
        found = self.values.draw()
        days = (self.until - self.since).total_seconds() > _DAYS_FROM
        for part in range(_TICKS_OF_TIME + 1):
            at = self.since + (self.until - self.since) * part / _TICKS_OF_TIME
            outer = part in (0, _TICKS_OF_TIME)
            anchor = "middle" if not outer else "end" if part else "start"
            words = f"{at:%d %b}" if days else f"{at:%d %b %H:%M}" if outer else f"{at:%H:%M}"
            found.append(draw_text(self.x(at), HEIGHT - 12, words, anchor=anchor, kind="tt"))
        return found

    def draw_bar(self, span: tuple[datetime, datetime], low: float, high: float, colour: str) -> str:
        """A bar over a span of time, from a value to another."""
        left, right = self.x(span[0]) + 1, self.x(span[1]) - 1
        top, bottom = self.values.y(high), self.values.y(low)
        return draw_rect(left, top, max(1.0, right - left), bottom - top, colour=colour)

    def draw_band(self, points: Sequence[tuple[datetime, float, float, float]], colour: str) -> list[str]:
        """A line through points (time, value, low, high) with the band of their intervals."""
        tops = [f"{self.x(at):.1f},{self.values.y(high):.1f}" for at, _, _, high in points]
        lows = [f"{self.x(at):.1f},{self.values.y(low):.1f}" for at, _, low, _ in points]
        line = " ".join(f"{self.x(at):.1f},{self.values.y(value):.1f}" for at, value, _, _ in points)
        parts = [
            f'<polygon points="{" ".join([*tops, *reversed(lows)])}" fill="{colour}" fill-opacity="0.22"/>',
            f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>',
        ]
        # A line of one point would not show.
        return parts + (self.draw_whiskers(points, colour) if len(points) == 1 else [])

    def draw_whiskers(self, points: Sequence[tuple[datetime, float, float, float]], colour: str) -> list[str]:
        """Points (time, value, low, high) as dots with their intervals."""
        parts = []
        for at, value, low, high in points:
            x = self.x(at)
            if high > low:
                parts.append(draw_line((x, self.values.y(low)), (x, self.values.y(high)), colour=colour, width=1.5))
            parts.append(f'<circle cx="{x:.1f}" cy="{self.values.y(value):.1f}" r="3.5" fill="{colour}"/>')
        return parts


@dataclass(frozen=True)
class BinChart:
    """A chart of values over bins of equal width.

    Attributes:
        bins: how many.
        values: the upright axis.
    """

    bins: int
    values: ValueAxis

    def x(self, position: float) -> float:
        """Where a bin begins, counted from 0."""
        return LEFT + position * (WIDTH - LEFT - RIGHT) / self.bins

    def draw_axes(self, words: Sequence[str]) -> list[str]:
        """The grid with its values, and words below the left edge of every second bin."""
        names = [
            draw_text(self.x(position), HEIGHT - 12, name, anchor="middle", kind="tt")
            for position, name in enumerate(words)
            if position % 2 == 0
        ]
        return [*self.values.draw(), *names]

    def draw_bar(self, position: int, value: float, colour: str) -> str:
        """The bar of a bin."""
        left, right, top = self.x(position) + 1, self.x(position + 1) - 1, self.values.y(value)
        return draw_rect(left, top, right - left, HEIGHT - BOTTOM - top, colour=colour)

    def draw_mark(self, position: int, value: float, colour: str) -> str:
        """A line across a bin at a value."""
        y = self.values.y(value)
        return draw_line((self.x(position), y), (self.x(position + 1), y), colour=colour, width=2.5)


def round_ticks(low: float, high: float) -> list[float]:
    """About five round values from ``low`` to ``high``."""
    raw = (high - low) / 4
    scale = 10.0 ** math.floor(math.log10(raw))
    step = next(scale * factor for factor in (1, 2, 2.5, 5, 10) if scale * factor >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [round(position * step, 10) for position in range(first, math.floor(high / step + 1e-9) + 1)]
