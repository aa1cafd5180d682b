"""What commands print: JSON for programs, tables and plain lines for people."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tiltyard.cli.escape import escape_control

_SHORT = 18
"""Words up to so many characters stand in one line of a table, where there is room."""
_NARROW = 12
"""The least that a column is to have whose texts may be broken."""

_FIELD = re.compile(r"\{:?([^{}]*)\}")


class Terminal(Console):
    """A console to which text is text: what stands in square brackets or between colons is not taken for styles, and
    what could steer the terminal is shown as an escape, since much of it was written by others. Styles: ``say``.
    """

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, highlight=False, soft_wrap=True, markup=False, emoji=False)

    def render_str(self, text: str, **options: Any) -> Text:
        """Text as it is printed and set in cells."""
        return super().render_str(escape_control(text), **options)


console = Terminal()


def say(template: str, *values: object, to: Console = console, end: str = "\n") -> None:
    """Print a line with styles.

    Args:
        template: rich's markup, with ``{}`` or ``{:,}`` and the like where values stand.
        values: what is set in, in this order; text among them is shown as it is.
        to: where.
        end: what follows.
    """
    styled, line, position = Text.from_markup(template, emoji=False), Text(), 0
    # Values go into the parsed text, so that nothing in them can be taken for a style.
    for field, value in zip(_FIELD.finditer(styled.plain), values, strict=True):
        plain = format(value, field[1]) if isinstance(value, int | float) else escape_control(str(value))
        line.append_text(styled[position : field.start()])
        line.append(plain, styled.get_style_at_offset(to, field.start()))
        position = field.end()
    to.print(line.append_text(styled[position:]), end=end)


def print_json(data: Any) -> None:
    """One JSON document on standard output; times are written as ISO 8601."""
    click.echo(json.dumps(data, ensure_ascii=False, default=_encode))


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table; columns whose cells are all numbers are set to the right, and single short words are not broken."""
    cells = [[value if isinstance(value, Text) else _cell(value) for value in row] for row in rows]
    table = Table(title=title, title_justify="left", header_style="bold", box=None, pad_edge=False)
    told = [[column, *(str(row[position]) for row in cells)] for position, column in enumerate(columns)]
    whole = [all(len(text) <= _SHORT and " " not in text for text in texts[1:]) for texts in told]
    widths = (max(map(len, texts)) if one else _NARROW for one, texts in zip(whole, told, strict=True))
    # Where the others would be left with a few letters, all give way alike.
    fits = sum(widths) + 2 * len(columns) <= console.width
    for texts, one in zip(told, whole, strict=True):
        numeric = len(texts) > 1 and all(map(_is_number, texts[1:]))
        table.add_column(texts[0], justify="right" if numeric else "left", overflow="fold", no_wrap=one and fits)
    for row in cells:
        table.add_row(*row)
    console.print(table)


def print_pairs(pairs: Iterable[tuple[str, object]]) -> None:
    """Names and values, one pair a line, aligned."""
    shown = [(name, _cell(value)) for name, value in pairs]
    width = max((len(name) for name, _ in shown), default=0)
    for name, value in shown:
        say("[bold]{}[/bold]  {}", f"{name:<{width}}", value)


def when(moment: datetime | None) -> str:
    """A time as people read it, in UTC; a dash for none."""
    return "-" if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, datetime):
        return when(value)
    if isinstance(value, float):
        return f"{value:.4f}"
    return str(value)


def _is_number(text: str) -> bool:
    return text.replace(".", "", 1).replace("-", "", 1).isdigit() or text == "-"


def _encode(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if hasattr(value, "to_dict"):
        return value.to_dict()
    return str(value)
