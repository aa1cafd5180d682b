"""Bar charts as inline SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tiltyard.charts.axes import WIDTH
from tiltyard.charts.colours import GREEN, RED
from tiltyard.charts.svg import STYLE, draw_line, draw_rect, draw_svg, draw_text
from tiltyard.formatting import format_count, format_number, format_percent, quote_excerpt

_CARD_WIDTH, _CARD_HEIGHT = 300, 72
_NAMES_WIDTH, _BAR_WIDTH, _ROW = 116, 120, 20
_LIMIT_LEFT, _LIMIT_RIGHT, _LIMIT_ROW, _LONGEST_NAME = 230, 70, 24, 32


def draw_histogram(edges: Sequence[float], counts: Sequence[int], title: str, noun: str = "row") -> str:
    """Upright bars of a histogram; each says its range and its count."""
    highest = max([*counts, 1])
    width = _CARD_WIDTH / max(1, len(counts))
    bars = [
        _draw_upright(position * width, max(0.5, width - 1), count / highest, f"{name}: {format_count(count, noun)}")
        for position, count in enumerate(counts)
        for name in (name_bin(edges[position], edges[position + 1]),)
    ]
    return draw_svg(bars, title, (_CARD_WIDTH, _CARD_HEIGHT))


def draw_shares(counts: Mapping[str, int], title: str, total: int | None = None, most: int = 12) -> str:
    """Lying bars with names and shares; everything after the first ``most`` is one bar."""
    total = sum(counts.values()) if total is None else total
    listed = dict(list(counts.items())[:most])
    others = total - sum(listed.values())
    rows = [*((quote_excerpt(name, 24).strip("'") or "''", count) for name, count in listed.items())]
    if others > 0:
        rows.append(("all others", others))
    highest = max([count for _, count in rows] + [1])
    parts = []
    for position, (name, count) in enumerate(rows):
        top = position * _ROW
        length = max(1.0, count / highest * _BAR_WIDTH)
        share = format_percent(count / total) if total else "0%"
        parts += [
            draw_text(_NAMES_WIDTH, top + 14, name, anchor="end"),
            draw_rect(_NAMES_WIDTH + 6, top + 4, length, 12, hover=f"{name}: {count:,}"),
            draw_text(_NAMES_WIDTH + 11 + length, top + 14, share),
        ]
    return draw_svg(parts, title, (_CARD_WIDTH, max(_ROW, _ROW * len(rows))))


def draw_pairs(bins: Sequence[str], first: Sequence[float], second: Sequence[float], title: str) -> str:
    """Upright bars in pairs: the shares (0 to 1) of two datasets in the same bins; the second's class is ``other``."""
    highest = max([*first, *second, 1e-9])
    width = _CARD_WIDTH / max(1, len(bins))
    bars = [
        _draw_upright(
            position * width + side * width * 0.45,
            max(0.5, width * 0.42),
            share / highest,
            f"{name}: {format_percent(share)}",
            "other" if side else "",
        )
        for position, name in enumerate(bins)
        for side, share in enumerate((first[position], second[position]))
    ]
    return draw_svg(bars, title, (_CARD_WIDTH, _CARD_HEIGHT))


def draw_limits(rows: Sequence[tuple[str, float, str, bool]], title: str) -> str:
    """Lying bars against a common limit: name, value as a multiple of the limit, words, and whether it is over it."""
    height = _LIMIT_ROW * len(rows) + 18
    scale = (WIDTH - _LIMIT_LEFT - _LIMIT_RIGHT) / max([2.0, *(ratio for _, ratio, _, _ in rows)])
    parts = []
    for row, (name, ratio, words, is_over) in enumerate(rows):
        top = row * _LIMIT_ROW + 4
        short = name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 1] + "…"
        colour = RED if is_over else GREEN
        parts += [
            draw_text(_LIMIT_LEFT - 8, top + 13, short, anchor="end", kind="tt"),
            draw_rect(_LIMIT_LEFT, top, max(1.0, ratio * scale), _LIMIT_ROW - 8, colour=colour),
            draw_text(_LIMIT_LEFT + ratio * scale + 6, top + 13, words, kind="tt"),
        ]
    limit = _LIMIT_LEFT + scale
    parts.append(draw_line((limit, 0), (limit, height - 16), dashes="4 3"))
    parts.append(draw_text(limit, height - 3, "limit", anchor="middle", kind="tt"))
    return draw_svg(parts, title, (WIDTH, height), STYLE)


def name_bin(low: float, high: float) -> str:
    """A bin in words."""
    if high - low == 1 and low % 1 == 0.5:  # one whole number to a bar
        return format_number(low + 0.5)
    return f"{format_number(low)} to {format_number(high)}"


def _draw_upright(left: float, width: float, share: float, hover: str, kind: str = "") -> str:
    """A bar of a card, as high as its share of the highest; a bin that holds anything shows."""
    height = max(1.5, share * (_CARD_HEIGHT - 2)) if share else 0.0
    return draw_rect(left, _CARD_HEIGHT - height, width, height, kind=kind, hover=hover)
