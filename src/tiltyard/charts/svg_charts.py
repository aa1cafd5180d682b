"""Bars as inline SVG: no script, no outside host, colours by the page's style sheet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from tiltyard.formatting import counted, excerpt, figure, percent

_WIDTH, _HEIGHT = 300, 72


def histogram_svg(edges: Sequence[float], counts: Sequence[int], title: str, noun: str = "row") -> str:
    """Upright bars of a histogram; each says its range and its count."""
    highest = max([*counts, 1])
    width = _WIDTH / max(1, len(counts))
    bars = []
    for place, count in enumerate(counts):
        # A bin that holds anything must show, however high the others are.
        height = max(1.5, count / highest * (_HEIGHT - 2)) if count else 0.0
        says = f"{between(edges[place], edges[place + 1])}: {counted(count, noun)}"
        bars.append(
            f'<rect x="{place * width:.2f}" y="{_HEIGHT - height:.2f}" width="{max(0.5, width - 1):.2f}" '
            f'height="{height:.2f}"><title>{escape(says)}</title></rect>'
        )
    return _svg(_WIDTH, _HEIGHT, title, "".join(bars))


def shares_svg(counts: Mapping[str, int], title: str, total: int | None = None, most: int = 12) -> str:
    """Bars lying side by side with their names and shares; what comes after the first ``most`` is taken together."""
    total = sum(counts.values()) if total is None else total
    shown = dict(list(counts.items())[:most])
    others = total - sum(shown.values())
    rows = [*((excerpt(name, 24).strip("'") or "''", count) for name, count in shown.items())]
    if others > 0:
        rows.append(("all others", others))
    highest = max([count for _, count in rows] + [1])
    parts = []
    for place, (name, count) in enumerate(rows):
        top = place * 20
        length = max(1.0, count / highest * 120)
        share = percent(count / total) if total else "0%"
        hover = escape(f"{name}: {count:,}")
        parts.append(
            f'<text x="116" y="{top + 14}" text-anchor="end">{escape(name)}</text>'
            f'<rect x="122" y="{top + 4}" width="{length:.2f}" height="12"><title>{hover}</title>'
            f'</rect><text x="{127 + length:.2f}" y="{top + 14}">{share}</text>'
        )
    return _svg(_WIDTH, max(20, 20 * len(rows)), title, "".join(parts))


def pairs_svg(bins: Sequence[str], first: Sequence[float], second: Sequence[float], title: str) -> str:
    """Upright bars in pairs: the shares (0 to 1) of two datasets in the same bins; the second's class is ``other``."""
    highest = max([*first, *second, 1e-9])
    width = _WIDTH / max(1, len(bins))
    bars = []
    for place, name in enumerate(bins):
        for side, share in enumerate((first[place], second[place])):
            height = max(1.5, share / highest * (_HEIGHT - 2)) if share else 0.0
            other = ' class="other"' if side else ""
            left = place * width + side * width * 0.45
            bars.append(
                f'<rect{other} x="{left:.2f}" y="{_HEIGHT - height:.2f}" '
                f'width="{max(0.5, width * 0.42):.2f}" height="{height:.2f}">'
                f"<title>{escape(name)}: {percent(share)}</title></rect>"
            )
    return _svg(_WIDTH, _HEIGHT, title, "".join(bars))


def between(low: float, high: float) -> str:
    """A bin in words."""
    if high - low == 1 and low % 1 == 0.5:  # one whole number to a bar
        return figure(low + 0.5)
    return f"{figure(low)} to {figure(high)}"


def _svg(width: int, height: int, title: str, inner: str) -> str:
    return (
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(title)}">'
        f"<title>{escape(title)}</title>{inner}</svg>"
    )
