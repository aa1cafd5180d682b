"""Check the words that people read: pages, messages, docstrings and comments.

The rules are in ``docs/vale``, in the format of Vale (https://vale.sh), so that editors with Vale show the same errors.
This script reads the part of that format that the rules use: ``existence`` and ``substitution``. It needs no binary,
which the packages of Vale download when they first run.

Usage: ``python docs/check_words.py [FILE …]``; without files, everything. The exit code is 1 when a rule is broken.
"""

from __future__ import annotations

import ast
import functools
import gc
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
STYLE = ROOT / "docs" / "vale" / "Tiltyard"
PAGES = ("*.md", "docs/**/*.md", "examples/**/*.md", "src/tiltyard/**/*.html", "src/tiltyard/**/*.j2")
MODULES = ("src/tiltyard/**/*.py", "examples/**/*.py", "deploy/**/*.py", "benchmarks/**/*.py", "docs/*.py")
"""Modules of which strings, docstrings and comments are read."""
TESTS = ("tests/**/*.py",)
"""Modules of which docstrings and comments are read: their strings are data."""
STORED = frozenset({"go on", "Fits the narrow shelf and the cord winds away underneath."})
"""Values with a blank that are data: the result of a sequential test in the ledger, a review of a product."""

# Code is not prose: fenced blocks, inline code, link targets, HTML comments, the expressions of templates.
_CODE = re.compile(r"```.*?```|\{\{.*?\}\}|\{%.*?%\}|``[^`]*``|`[^`]*`|\]\([^)]*\)|<!--.*?-->|https?://\S+", re.DOTALL)
# The strings of a module, and its comments outside of them: Python's own tokens, ten times as fast as ``tokenize``.
_STRING = r'"""(?:\\.|[^\\])*?"""|\'\'\'(?:\\.|[^\\])*?\'\'\'|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\''
_COMMENT = re.compile(rf"{_STRING}|(?P<comment>#[^\n]*)", re.DOTALL)


@dataclass(frozen=True)
class Rule:
    """A rule of a style: what it finds, and the message for it."""

    name: str
    pattern: re.Pattern[str]
    message: str


def load_rules(folder: Path = STYLE) -> list[Rule]:
    """The rules of a style.

    Raises:
        ValueError: a rule is of another kind than ``existence`` and ``substitution``.
    """
    rules = []
    for file in sorted(folder.glob("*.yml")):
        content = yaml.safe_load(file.read_text("utf-8"))
        flags = re.IGNORECASE if content.get("ignorecase") else re.NOFLAG
        match content["extends"]:
            case "existence":
                pairs = [(token, "") for token in content["tokens"]]
            case "substitution":
                pairs = list(content["swap"].items())
            case other:
                raise ValueError(f"{file.name} extends {other}, which this script does not read")
        for token, better in pairs:
            message = content["message"].replace("%s", better, 1) if better else content["message"]
            rules.append(Rule(f"Tiltyard.{file.stem}", re.compile(token, flags), message))
    return rules


def read_prose(file: Path, *, strings: bool = True) -> Iterator[tuple[int, str]]:
    """The prose of a page, or of a module (its strings only if ``strings``): line numbers from 1, and texts."""
    text = file.read_text("utf-8")
    if file.suffix == ".py":
        yield from _read_strings(ast.parse(text), strings=strings)
        yield from _read_comments(text)
        return
    prose = _without_code(text)
    start = 1
    for paragraph in prose.split("\n\n"):
        yield start, paragraph
        start += paragraph.count("\n") + 2


def _read_strings(tree: ast.Module, *, strings: bool) -> Iterator[tuple[int, str]]:
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.Expr | ast.JoinedStr | ast.Constant)]
    docstrings = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    parts = {id(part) for node in nodes if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in nodes:
        if isinstance(node, ast.Expr):
            continue
        if not strings and id(node) not in docstrings:
            continue
        if isinstance(node, ast.JoinedStr):
            values = (part.value if isinstance(part, ast.Constant) else "…" for part in node.values)
            joined = "".join(str(value) for value in values)
            if _is_prose(joined):
                yield node.lineno, _CODE.sub(" ", joined)
        elif isinstance(node, ast.Constant) and id(node) not in parts and _is_prose(node.value):
            yield node.lineno, _without_code(str(node.value))


def _read_comments(text: str) -> Iterator[tuple[int, str]]:
    """Comments; those on consecutive lines are one text."""
    start, lines = 0, list[str]()
    line, counted = 1, 0
    for token in _COMMENT.finditer(text):
        if token["comment"] is None:
            continue
        line += text.count("\n", counted, token.start())
        counted = token.start()
        if lines and line != start + len(lines):
            yield start, _without_code("\n".join(lines))
            lines = []
        start = start if lines else line
        lines.append(token["comment"].lstrip("#: "))
    if lines:
        yield start, _without_code("\n".join(lines))


def _without_code(text: str) -> str:
    """A text without code in it; its line breaks stay, so that the numbers of lines stay."""
    return _CODE.sub(lambda found: "\n" * found[0].count("\n") or " ", text)


def _is_prose(value: object) -> bool:
    """Whether a literal is read by people: a single word is a key or a code, on which files and programs depend."""
    return isinstance(value, str) and " " in value.strip() and value not in STORED


@functools.lru_cache(maxsize=1)
def find_any(rules: tuple[Rule, ...]) -> list[re.Pattern[str]]:
    """Patterns of which one finds something where a rule does: few passes over a text, and not one for each rule."""
    patterns = [rule.pattern.pattern for rule in rules]
    words = [pattern.removeprefix(r"\b") for pattern in patterns if pattern.startswith(r"\b")]
    together = [rf"\b(?:{'|'.join(words)})"] if words else []
    rest = [pattern for pattern in patterns if not pattern.startswith(r"\b")]
    return [re.compile(pattern, re.IGNORECASE) for pattern in (*together, *rest)]


def check_file(file: Path, rules: list[Rule], *, strings: bool = True) -> list[str]:
    """What breaks the rules in one file, as lines for people."""
    problems = []
    any_rule = find_any(tuple(rules))
    for start, text in read_prose(file, strings=strings):
        flat = re.sub(r"\s", " ", text)
        if not any(pattern.search(flat) for pattern in any_rule):
            continue
        for rule in rules:
            for found in rule.pattern.finditer(flat):
                line = start + text.count("\n", 0, found.start())
                problems.append(f"{file}:{line}: {rule.message.replace('%s', found[0])} [{rule.name}]")
    return problems


def _find_files(patterns: tuple[str, ...]) -> list[Path]:
    return [file for pattern in patterns for file in sorted(ROOT.glob(pattern))]


def main(files: list[str]) -> int:
    """Check the files; 1 when a rule is broken."""
    rules = load_rules()
    tests = set(_find_files(TESTS))
    chosen = [Path(file).resolve() for file in files] or [*_find_files((*PAGES, *MODULES)), *tests]
    problems = [line for file in chosen for line in check_file(file, rules, strings=file not in tests)]
    print("\n".join(line.replace(f"{ROOT}/", "") for line in problems) or f"{len(chosen)} files: no rule is broken.")
    return 1 if problems else 0


if __name__ == "__main__":
    gc.disable()  # syntax trees have no cycles, and each collection would walk them all
    sys.exit(main(sys.argv[1:]))
