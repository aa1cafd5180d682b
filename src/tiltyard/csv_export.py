"""CSV that people open in a spreadsheet: no cell of it is a formula.

A spreadsheet runs a cell that begins with ``=``, ``+``, ``-`` or ``@``, or with white space that it drops before one.
Inputs come from strangers, so such a text gets an apostrophe in front, which makes it a text there. A text that has
apostrophes before such a sign already gets one more, so that ``restore_cell`` gives back each value as it was. Numbers
stay as they are.

Source: OWASP, "CSV Injection".
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence

_FORMULA = re.compile(r"'*[=+\-@\t\r\n＝＋－＠]")
_NUMBER = re.compile(r"[+-]?(\d[\d.,]*|\.\d+)([eE][+-]?\d+)?%?")


def write_csv(names: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A header and rows as CSV (RFC 4180), without formulas.

    Args:
        names: names of the k columns.
        rows: k values each; None is an empty cell.
    """
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow([guard_cell(name) for name in names])
    writer.writerows([[guard_cell(value) for value in row] for row in rows])
    return out.getvalue()


def guard_cell(value: object) -> object:
    """A value as a cell that is not a formula; only texts change."""
    if isinstance(value, str) and _FORMULA.match(value) and not _NUMBER.fullmatch(value):
        return f"'{value}"
    return value


def restore_cell(text: str) -> str:
    """The text that ``guard_cell`` made a cell of."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text
