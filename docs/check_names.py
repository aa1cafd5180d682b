"""Check the names in code: functions are named by what they do, and names use the field's words.

A function of the package is named by a verb with its noun, and not by a bare past participle: ``located``, ``kept`` or
``of`` tell a reader neither what a function does nor what it returns; ``locate_rows`` does. Properties may be named by
participles and nouns: they are read like attributes.

No module, class, function, parameter, variable or attribute has one of the words that `make words` keeps out of prose
too (``OLD_WORDS``, with the field's word for each). Tests, benchmarks and examples are read for these as well.

No two public classes and no two public functions of the package have the same name, so that a name is enough to find
one. A test is named by the law that it states (``test_copies_never_straddle``), in three words or more.

A parameter ``project`` is a ``Project``; the name of a registered model is ``model_name``.

Usage: ``python docs/check_names.py [FILE …]``; without files, everything. The exit code is 1 when such a name is found.
"""

from __future__ import annotations

import ast
import functools
import gc
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "tiltyard"
OTHERS = ("tests", "benchmarks", "examples", "deploy", "docs")
"""Folders that are read for old words and the names of tests only."""
_OTHER_FOLDERS = tuple(ROOT / folder for folder in OTHERS)

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

# fmt: off
_OLD_WORDS = {
    "predict, prediction, response": ("answer", "answers", "answered", "answering", "answerers"),
    "requested, required": ("asked", "asking"),
    "next_to, with": ("beside",),
    "challenger": ("contender", "contenders"),
    "ab_test": ("contest", "contests"),
    "project": ("house", "household"),
    "evaluate, evaluation": ("judge", "judges", "judged", "judging", "judgement", "unjudged"),
    "supervisor": ("keeper", "keepers"),
    "monitoring_run, run": ("look", "looks"),
    "incident": ("matter", "matters"),
    "gate_run": ("meeting", "meetings"),
    "fix, repair": ("mend", "mends", "mended", "mending"),
    "period": ("reign", "reigns"),
    "store": ("shelf",),
    "middleware": ("shield",),
    "alias_change": ("succession", "successions"),
    "reported, named": ("telling", "told"),
    "watchdog": ("vigil", "vigils"),
}
# fmt: on
OLD_WORDS = {word: better for better, words in _OLD_WORDS.items() for word in words}
"""Words that no name has, with the field's word."""
STORED = ("answer_field", "could_judge", "could_not_judge", "not_judged")
"""Names that are keys of files or of responses, or a status in the ledger, whole or as a part of another name."""
FIELDS = ("answer",)
"""Names that are keys of the project file: fields of a class, and nothing else, may have them."""

SHARED = ("main", "upgrade", "downgrade")
"""Names that several modules have to have: entry points, and the steps of migrations."""
PATHS_NAMED_PROJECT = ("prefect_entry", "0004_labels_ahead")
"""Modules with a text as parameter ``project``: Prefect's deployments have stored it by that name; a migration."""
LEAST_WORDS = 3
"""Words in the name of a test, ``test`` left out."""

_STORED = re.compile("|".join(STORED))
# To look something up, or to look like something, is plain English.
_PLAIN = re.compile(r"(?<![a-z])looks?_(up|like|for)(?![a-z])")
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


def is_bare_participle(name: str) -> bool:
    """Whether a name is a single past participle, or a word that names nothing; underscores before it do not count."""
    word = name.strip("_")
    if word in IRREGULAR:
        return True
    return word.isalpha() and word.islower() and word.endswith("ed") and word not in VERBS


def find_names(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """The line numbers and names of functions and methods, nested ones too, that are named by a participle."""
    for node in _list_nodes(tree):
        if (
            isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            and is_bare_participle(node.name)
            and not any(_is_property(decorator) for decorator in node.decorator_list)
        ):
            yield node.lineno, node.name


def find_old_words(tree: ast.Module) -> Iterator[tuple[int, str, str]]:
    """The line numbers and names with an old word, and the field's word: of each name where it is given."""
    fields = {
        id(node.target)
        for owner in _list_nodes(tree)
        if isinstance(owner, ast.ClassDef)
        for node in owner.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id in FIELDS
    }
    for node in _list_nodes(tree):
        for name in _given_names(node):
            better = find_better_word(name)
            if better and id(node) not in fields:
                yield getattr(node, "lineno", 1), name, better


def find_short_tests(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """The line numbers and names of tests whose names are too short to state a law."""
    for node in _list_nodes(tree):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or not node.name.startswith("test_"):
            continue
        if len(node.name.split("_")) <= LEAST_WORDS:
            yield node.lineno, node.name


def find_loose_projects(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """The line numbers and functions with a parameter ``project`` that is a text."""
    for node in _list_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for parameter in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs):
                kind = ast.unparse(parameter.annotation) if parameter.annotation else ""
                if parameter.arg == "project" and kind.startswith("str"):
                    yield parameter.lineno, node.name


def read_tree(file: Path) -> ast.Module:
    """The syntax tree of a module."""
    return ast.parse(file.read_text("utf-8"))


@functools.lru_cache(maxsize=1)  # of the module that is checked
def _list_nodes(tree: ast.Module) -> list[ast.AST]:
    return list(ast.walk(tree))


def find_shared_names(files: Iterable[Path]) -> list[str]:
    """Public classes and functions of several modules that have the same name, as lines for people."""
    places: dict[str, list[str]] = defaultdict(list)
    for file in files:
        for node in read_tree(file).body:
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                continue
            if any(ast.unparse(decorator) == "overload" for decorator in node.decorator_list):
                continue
            if not node.name.startswith("_") and node.name not in SHARED:
                shown = file.relative_to(ROOT) if file.is_relative_to(ROOT) else file
                places[node.name].append(f"{shown}:{node.lineno}")
    return [f"{where[0]}: {name}: also in {', '.join(where[1:])}" for name, where in places.items() if len(where) > 1]


def find_better_word(name: str) -> str:
    """The field's word for the first old word in a name; empty where there is none."""
    plain = _PLAIN.sub("", _STORED.sub("", name))
    return next((OLD_WORDS[word] for word in map(str.lower, _WORD.findall(plain)) if word in OLD_WORDS), "")


def _given_names(node: ast.AST) -> tuple[str, ...]:
    """The names that a node gives to something."""
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            return (node.name,)
        case ast.Name(ctx=ast.Store()):
            return (node.id,)
        case ast.Attribute(ctx=ast.Store()):
            return (node.attr,)
        case ast.arg():
            return (node.arg,)
        case ast.alias(asname=str(name)):
            return (name,)
        case _:
            return ()


def _is_property(decorator: ast.expr) -> bool:
    """``property`` and ``cached_property``, also of a module, and the setters and deleters of properties."""
    name = decorator.attr if isinstance(decorator, ast.Attribute) else getattr(decorator, "id", "")
    return name in ("property", "cached_property", "setter", "deleter")


def check_file(file: Path) -> list[str]:
    """The names in one file that break a rule, as lines for people."""
    shown = file.relative_to(ROOT) if file.is_relative_to(ROOT) else file
    tree = read_tree(file)
    found = [(line, name, f"use the field's word: {better}") for line, name, better in find_old_words(tree)]
    better = find_better_word(file.stem)
    if better:
        found.append((1, file.stem, f"use the field's word: {better}"))
    if file.stem.startswith("test_"):
        law = "name a test by its law, in three words or more"
        found += [(line, name, law) for line, name in find_short_tests(tree)]
    if not any(map(file.is_relative_to, _OTHER_FOLDERS)):
        found += [(line, name, "name a function by a verb and its noun") for line, name in find_names(tree)]
        if file.stem not in PATHS_NAMED_PROJECT:
            found += [(line, name, "a project is a Project: model_name?") for line, name in find_loose_projects(tree)]
    return [f"{shown}:{line}: {name}: {problem}" for line, name, problem in sorted(found)]


def main(files: list[str]) -> int:
    """Check the files; 1 when a name breaks a rule."""
    everything = (file for folder in (PACKAGE, *(ROOT / other for other in OTHERS)) for file in folder.rglob("*.py"))
    chosen = [Path(file).resolve() for file in files] or sorted(everything)
    problems = [line for file in chosen for line in check_file(file)]
    problems += find_shared_names(file for file in chosen if not any(map(file.is_relative_to, _OTHER_FOLDERS)))
    print("\n".join(problems) or f"{len(chosen)} files: every name says what it names, in the field's words.")
    return 1 if problems else 0


if __name__ == "__main__":
    gc.disable()  # syntax trees have no cycles, and each collection would walk them all
    sys.exit(main(sys.argv[1:]))
