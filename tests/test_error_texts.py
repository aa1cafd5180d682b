"""What an error means is read from its type or code, never from a word in its text."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import tiltyard

SOURCE = Path(tiltyard.__file__).parent
TEXTS = frozenset({"args", "message", "msg", "reason", "strerror", "orig", "detail"})
"""Attributes of exceptions that are text for people."""
SEARCHES = frozenset({"startswith", "endswith", "find", "rfind", "index", "rindex", "count", "partition", "rpartition"})
ALLOWED = {
    "data/sources/storage.py:open_storage": "adlfs raises a plain ValueError for an unnamed account, and for all else",
    "data/sources/formats.py:parse_problem": "pandas' parser raises ParserError without a code, for all failures",
    "streams/brokers/nats.py:_name_refusal": "nats-py raises its base Error for all that a server says in the greeting",
}
"""Functions (file:function) that search a text because there is no other way, each with the reason."""


def errors_of(function: ast.AST) -> set[str]:
    """The names of a function that are exceptions: those that it catches, and its arguments."""
    names = {node.name for node in ast.walk(function) if isinstance(node, ast.ExceptHandler) and node.name}
    arguments = getattr(function, "args", None)
    for argument in (*arguments.args, *arguments.kwonlyargs, *arguments.posonlyargs) if arguments else ():
        written = ast.unparse(argument.annotation) if argument.annotation else ""
        if argument.arg in ("error", "exception", "exc") or "Exception" in written or written.endswith("Error"):
            names.add(argument.arg)
    return names


def is_text(node: ast.AST, errors: set[str], texts: set[str]) -> bool:
    """Whether an expression holds the text of an exception."""
    for part in ast.walk(node):
        if isinstance(part, ast.Name) and part.id in texts:
            return True
        if isinstance(part, ast.Attribute) and part.attr in TEXTS and _names(part.value) & errors:
            return True
        if isinstance(part, (ast.JoinedStr, ast.BinOp)) and _bare_names(part) & errors:
            return True
        # str(error), repr(error), and functions of ours that make a text of it.
        if isinstance(part, ast.Call) and any(_is_error(given, errors) for given in part.args):
            called = ast.unparse(part.func)
            if called not in ("isinstance", "type", "getattr", "hasattr", "issubclass") and not called.endswith(
                "Error"
            ):
                return True
    return False


def _is_error(node: ast.AST, errors: set[str]) -> bool:
    return isinstance(node, ast.Name) and node.id in errors


def _names(node: ast.AST) -> set[str]:
    return {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}


def _bare_names(node: ast.AST) -> set[str]:
    """Names that stand for themselves, and not for one of their attributes."""
    inner = {id(part.value) for part in ast.walk(node) if isinstance(part, ast.Attribute)}
    return {part.id for part in ast.walk(node) if isinstance(part, ast.Name) and id(part) not in inner}


def find_searches(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Function and line of each place where words of an exception's text are compared or searched."""
    for function in ast.walk(tree):
        if not isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        errors = errors_of(function)
        texts: set[str] = set()
        for node in ast.walk(function):
            if isinstance(node, ast.Assign) and is_text(node.value, errors, texts):
                texts |= {name for target in node.targets for name in _names(target)}
        for node in ast.walk(function):
            if _searches(node, errors, texts):
                yield function.name, node.lineno  # type: ignore[attr-defined]


def _searches(node: ast.AST, errors: set[str], texts: set[str]) -> bool:
    if isinstance(node, ast.Compare):
        sides = [node.left, *node.comparators]
        if any(_is_word(side) for side in sides):
            return any(is_text(side, errors, texts) for side in sides if not isinstance(side, ast.JoinedStr))
        # A word of a list of words.
        searched = isinstance(node.left, ast.Name) and isinstance(node.ops[0], (ast.In, ast.NotIn))
        return searched and any(_is_made_text(part, errors) for part in ast.walk(node.comparators[0]))
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return False
    if node.func.attr in SEARCHES:
        words = any(_is_word(given) or isinstance(given, (ast.Name, ast.Tuple)) for given in node.args)
        return words and is_text(node.func.value, errors, texts)
    matches = node.func.attr in ("search", "match", "fullmatch", "findall", "finditer")
    return matches and any(is_text(given, errors, texts) for given in node.args)


def _is_word(node: ast.AST) -> bool:
    """Whether an expression is a text of more than punctuation and ends of lines, or one that is put together."""
    if isinstance(node, ast.Constant):
        return isinstance(node.value, str) and any(letter.isalnum() for letter in node.value)
    return isinstance(node, ast.JoinedStr)


def _is_made_text(node: ast.AST, errors: set[str]) -> bool:
    made = isinstance(node, ast.Call) and ast.unparse(node.func) in ("str", "repr")
    return made and any(_is_error(given, errors) for given in node.args)  # type: ignore[attr-defined]


def test_no_error_is_recognised_by_a_word_in_its_text() -> None:
    """No function compares or searches the text of an exception, but for those that are listed with a reason."""
    found: dict[str, list[int]] = {}
    for file in sorted(SOURCE.rglob("*.py")):
        for function, line in find_searches(ast.parse(file.read_text(encoding="utf-8"))):
            found.setdefault(f"{file.relative_to(SOURCE)}:{function}", []).append(line)
    assert {place: lines for place, lines in found.items() if place not in ALLOWED} == {}
    assert set(ALLOWED) <= set(found), "listed, and no longer there"
    assert all(ALLOWED.values())


@pytest.mark.parametrize(
    ("code", "searched"),
    [
        ("'gone' in str(error)", True),
        ("'gone' in error.args[0]", True),
        ("error.message == 'gone'", True),
        ("str(error).lower().startswith('gone')", True),
        ("re.search('gone', f'{error}')", True),
        ("(text := first_line(error)) and 'gone' in first_line(error)", True),
        ("f'\"{name}\"' in str(error)", True),
        ("any(word in str(error) for word in WORDS)", True),
        ("error.errno == 2", False),
        ("error.code == 'gone'", False),
        ("isinstance(error, OSError)", False),
        ("type(error).__module__.startswith('requests')", False),
        ("print(str(error).splitlines()[0])", False),
        ("print(str(error).partition('\\n')[0])", False),
    ],
)
def test_a_search_is_found_in_its_forms(code: str, searched: bool) -> None:
    """The check sees each way to search a text, and no comparison of types and codes."""
    tree = ast.parse(
        f"def read(name):\n    try:\n        work()\n    except OSError as error:\n        return {code}\n"
    )
    assert bool(list(find_searches(tree))) is searched


def test_a_text_that_was_kept_is_still_one() -> None:
    """A variable that holds an exception's text counts as the text."""
    tree = ast.parse("def read(error):\n    text = str(error)\n    return 'gone' in text\n")
    assert list(find_searches(tree)) == [("read", 3)]
