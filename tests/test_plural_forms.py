"""Messages say ``1 row`` and ``2 rows``: a number before a noun goes through ``format_count`` or ``choose_form``."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import tiltyard

LEFT_OUT = Path("batch/read_fragment.py")
"""A module that is being rewritten; its message about the cells of a row is to follow."""
SOURCE = Path(tiltyard.__file__).parent
COUNTS = re.compile(r"(.*_)?(count|rows|cells|total)")
PLURAL = re.compile(r" (?:[a-z]+ ){0,2}?(?!was\b|is\b|has\b|as\b|this\b|less\b|times\b|across\b)[a-z]{2,}s\b")
JOINED = re.compile(r"\b(columns|classes|labels|names|cells|files|words|values) $")


def test_counts_of_messages_choose_the_form_of_their_noun() -> None:
    """No message of any module but one puts a bare count before a plural noun."""
    files = sorted(set(SOURCE.rglob("*.py")) - {SOURCE / LEFT_OUT})
    found = [f"{file.name}:{line} {text}" for file in files for line, text in find_forms(file.read_text("utf-8"))]
    assert len(files) > 1000
    assert found == []


def test_a_bare_count_is_found() -> None:
    """A number or a list of names before or after a plural noun is found, and the same through a function is not."""
    bare = ("f'{len(x)} rows'", "f'{self.rows:,} test rows left'", "f'columns {join_names(x)} are'", "f'{count} cells'")
    assert [len(list(find_forms(text))) for text in bare] == [1, 1, 1, 1]
    chosen = ("f'{format_count(len(x), \"row\")}'", "f'{len(x)} of them'", "f'{width} columns'", "f'{count} is'")
    assert [len(list(find_forms(text))) for text in chosen] == [0, 0, 0, 0]


def find_forms(source: str) -> Iterator[tuple[int, str]]:
    """The line and the text of each f-string of a module that has a count before a plural noun."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.JoinedStr):
            continue
        for before, value, after in zip([None, *node.values], node.values, [*node.values[1:], None], strict=False):
            if not isinstance(value, ast.FormattedValue):
                continue
            if _is_count(value.value) and isinstance(after, ast.Constant) and PLURAL.match(str(after.value)):
                yield node.lineno, ast.unparse(node)
            if _joins_names(value.value) and isinstance(before, ast.Constant) and JOINED.search(str(before.value)):
                yield node.lineno, ast.unparse(node)


def _is_count(value: ast.expr) -> bool:
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Name):
        return value.func.id == "len"
    name = value.id if isinstance(value, ast.Name) else value.attr if isinstance(value, ast.Attribute) else ""
    return COUNTS.fullmatch(name) is not None


def _joins_names(value: ast.expr) -> bool:
    if not isinstance(value, ast.Call):
        return False
    return isinstance(value.func, ast.Name) and value.func.id in ("join_names", "join_values")
