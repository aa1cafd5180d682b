"""Printing: JSON for programs, tables and lines for people."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import is_dataclass
from datetime import UTC, datetime
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tiltyard.cli.escape import escape_control
from tiltyard.formatting import shorten_name
from tiltyard.jsonable import to_json_object

_FILE_WIDTH = 100
_NARROW = 12
"""The least width of a column whose texts are wrapped."""
_LONGEST = 30
"""Longer words, such as addresses and digests, may be broken."""

_FIELD = re.compile(r"\{:?([^{}]*)\}")


class Terminal(Console):
    """A console that prints text as it is.

    Square brackets and colons are not read as styles, and control characters are printed as escapes, because much of
    the text comes from data. For styles use ``print_line``.
    """

    def __init__(self, *, stderr: bool = False) -> None:
        stream = sys.stderr if stderr else sys.stdout
        # A file or a pipe has no width: tables there are as wide as that of list-versions needs to break no word.
        width = None if stream.isatty() or "COLUMNS" in os.environ else _FILE_WIDTH
        super().__init__(stderr=stderr, highlight=False, soft_wrap=True, markup=False, emoji=False, width=width)

    def on_broken_pipe(self) -> None:
        """Where the reader of the pipe has gone, `main` ends the command as done; rich would end it as failed."""
        raise BrokenPipeError

    def render_str(self, text: str, **options: Any) -> Text:
        """Text with escapes, for lines and cells."""
        return super().render_str(escape_control(text), **options)


console = Terminal()


def print_line(template: str, *values: object, to: Console = console, end: str = "\n") -> None:
    """Print a line with styles.

    Args:
        template: rich markup, with ``{}`` or a format such as ``{:,}`` for each value.
        values: the values, in this order; text is printed as it is.
        to: the console to print on.
        end: printed after the line.
    """
    styled, line, position = Text.from_markup(template, emoji=False), Text(), 0
    # Values go into the parsed text, so that nothing in them is read as a style.
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
    """A table in which no word is broken; where it has too little room for that, a block of lines for each row.

    Columns of numbers are aligned to the right.
    """
    cells = [[value if isinstance(value, Text) else _format_cell(value) for value in row] for row in rows]
    texts_by_column = [[column, *(str(row[position]) for row in cells)] for position, column in enumerate(columns)]
    widths = _find_widths(texts_by_column, console.width - 2 * len(columns))
    if widths is None:
        _print_blocks(title, columns, cells)
        return
    table = Table(title=title or None, title_justify="left", header_style="bold", box=None, pad_edge=False)
    for texts, width in zip(texts_by_column, widths, strict=True):
        numeric = len(texts) > 1 and all(map(_is_number, texts[1:]))
        table.add_column(texts[0], justify="right" if numeric else "left", overflow="fold", width=width)
    for row in cells:
        table.add_row(*row)
    console.print(table)


def _find_widths(texts_by_column: Sequence[Sequence[str]], room: int) -> list[int] | None:
    """The width of each column, as many characters in all as there is room; None where words would be broken."""
    wanted = [max(map(len, texts)) for texts in texts_by_column]
    if sum(wanted) <= room:
        return wanted
    least = [min(most, _find_least(texts)) for most, texts in zip(wanted, texts_by_column, strict=True)]
    spare, more = room - sum(least), sum(wanted) - sum(least)
    if spare < 0:
        return None
    return [low + spare * (most - low) // more for low, most in zip(least, wanted, strict=True)]


def _find_least(texts: Sequence[str]) -> int:
    """The least width of a column: its longest word, but no more than an address or a digest would need to be whole."""
    longest = max((len(word) for text in texts for word in text.split()), default=0)
    return max(_NARROW, min(longest, _LONGEST))


def _print_blocks(title: str, columns: Sequence[str], cells: Sequence[Sequence[Text | str]]) -> None:
    width = max(map(len, columns), default=0)
    for place, row in enumerate(cells):
        if place or title:
            console.print(Text(title if not place else "", "italic"))
        for name, value in zip(columns, row, strict=True):
            text = value if isinstance(value, Text) else Text(escape_control(value))
            console.print(Text.assemble((f"{name:<{width}}", "bold"), "  ", text))


def print_pairs(pairs: Iterable[tuple[str, object]]) -> None:
    """Names and values, one pair per line, aligned."""
    lines = [(name, _format_cell(value)) for name, value in pairs]
    width = max((len(name) for name, _ in lines), default=0)
    for name, value in lines:
        print_line("[bold]{}[/bold]  {}", f"{name:<{width}}", value)


def print_counts(counts: Mapping[str, object]) -> None:
    """Figures by their names; where there are several figures of a name, each with what it counts."""
    print_pairs(
        (
            name.replace("_", " "),
            ", ".join(f"{shorten_name(of)}: {count}" for of, count in value.items())
            if isinstance(value, Mapping)
            else value,
        )
        for name, value in counts.items()
    )


def format_time(moment: datetime | None) -> str:
    """A time for people, in UTC; a dash for None."""
    return "-" if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _format_cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, datetime):
        return format_time(value)
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
    if is_dataclass(value) and not isinstance(value, type):
        return to_json_object(value)
    return str(value)
