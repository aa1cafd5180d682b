"""SVG that needs nothing from elsewhere: no script, no outside host, read out by its title."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

STYLE = (
    "<style>.tt{fill:#57606a;font:11px system-ui,sans-serif}.tg{stroke:#d0d7de;stroke-width:1}"
    "@media (prefers-color-scheme: dark){.tt{fill:#a4adb8}.tg{stroke:#3a424c}}</style>"
)
"""For pictures that look the same in a page and as a file, in light and in dark."""

PAGE_STYLES = Path(__file__).parent
"""The folder of ``page.css``, the style sheet that templates of pages with charts include."""


def draw_svg(parts: Sequence[str], title: str, size: tuple[float, float], style: str = "") -> str:
    """A whole picture of parts, width by height.

    With a ``style`` it is also a file by itself; without one the style sheet of its page colours it.
    """
    name = escape(title, quote=True)
    space = ' xmlns="http://www.w3.org/2000/svg"' if style else ""
    return (
        f'<svg{space} viewBox="0 0 {size[0]:g} {size[1]:g}" role="img" '
        f'aria-label="{name}"><title>{escape(title)}</title>{style}{"".join(parts)}</svg>'
    )


def draw_rect(  # noqa: PLR0913 - place, size and looks
    left: float, top: float, width: float, height: float, *, colour: str = "", kind: str = "", hover: str = ""
) -> str:
    """A rectangle; ``kind`` is its class, ``hover`` what it says when pointed at."""
    style = (f' class="{kind}"' if kind else "") + (f' fill="{colour}"' if colour else "")
    title = f"<title>{escape(hover)}</title>" if hover else ""
    return (
        f'<rect{style} x="{left:.2f}" y="{top:.2f}" width="{width:.2f}" height="{max(0.0, height):.2f}">{title}</rect>'
    )


def draw_text(left: float, top: float, words: str, *, anchor: str = "start", kind: str = "", turn: float = 0.0) -> str:
    """Words whose baseline is at a place, turned around it by so many degrees to the right."""
    style = f' class="{kind}"' if kind else ""
    style += f' transform="rotate({turn:g} {left:.1f} {top:.1f})"' if turn else ""
    return f'<text{style} x="{left:.1f}" y="{top:.1f}" text-anchor="{anchor}">{escape(words)}</text>'


def draw_line(
    start: tuple[float, float], end: tuple[float, float], *, colour: str = "", width: float = 1.0, dashes: str = ""
) -> str:
    """A line from a place to another; without a colour, a line of the grid."""
    style = f'stroke="{colour}" stroke-width="{width:g}"' if colour else 'class="tg"'
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    return f'<line {style}{dashed} x1="{start[0]:.1f}" x2="{end[0]:.1f}" y1="{start[1]:.1f}" y2="{end[1]:.1f}"/>'


def draw_legend(entries: Sequence[tuple[str, str]]) -> str:
    """Names with their colours, as HTML."""
    return "".join(
        f'<span class="key"><span class="dot" style="background:{colour}"></span>{escape(name)}</span>'
        for name, colour in entries
    )
