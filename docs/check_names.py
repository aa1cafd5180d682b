"""Check that functions and methods are named by what they do: a verb with its noun, and no bare past participle.

``located``, ``kept`` or ``of`` tell a reader neither what a function does nor what it returns; ``locate_rows`` does.
Properties may be named by participles and nouns: they are read like attributes.

Usage: ``python docs/check_names.py [FILE …]``; without files, the whole package. The exit code is 1 when such a name is
found.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "tiltyard"

# fmt: off
IRREGULAR = frozenset((
    "about", "bound", "built", "drawn", "found", "given", "held", "kept", "known", "left", "made", "of",
    "one", "said", "seen", "sent", "shown", "taken", "told", "written",
))
# Verbs that end like a participle.
VERBS = frozenset((
    "bleed", "breed", "embed", "exceed", "feed", "heed", "need", "proceed", "seed", "shed",
    "shred", "speed", "succeed",
))
# fmt: on


def is_bare_participle(name: str) -> bool:
    """Whether a name is a single past participle, or a word that names nothing; underscores before it do not count."""
    word = name.strip("_")
    if word in IRREGULAR:
        return True
    return word.isalpha() and word.islower() and word.endswith("ed") and word not in VERBS


def find_names(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """The line numbers and names of functions and methods, nested ones too, that are named by a participle."""
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            and is_bare_participle(node.name)
            and not any(_is_property(decorator) for decorator in node.decorator_list)
        ):
            yield node.lineno, node.name


def _is_property(decorator: ast.expr) -> bool:
    """``property`` and ``cached_property``, also of a module, and the setters and deleters of properties."""
    name = decorator.attr if isinstance(decorator, ast.Attribute) else getattr(decorator, "id", "")
    return name in ("property", "cached_property", "setter", "deleter")


def check_file(file: Path) -> list[str]:
    """The names in one file that break the rule, as lines for people."""
    shown = file.relative_to(ROOT) if file.is_relative_to(ROOT) else file
    return [
        f"{shown}:{line}: {name}: name a function by a verb and its noun"
        for line, name in sorted(find_names(ast.parse(file.read_text("utf-8"))))
    ]


def main(files: list[str]) -> int:
    """Check the files; 1 when a name breaks the rule."""
    chosen = [Path(file).resolve() for file in files] or sorted(PACKAGE.rglob("*.py"))
    problems = [line for file in chosen for line in check_file(file)]
    print("\n".join(problems) or f"{len(chosen)} files: every function is named by what it does.")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
