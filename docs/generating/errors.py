"""The page of error codes, read from the source: each code with its message and next step."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import tiltyard
from tiltyard import errors
from tiltyard.serving.problem_details import RequestError

SOURCE = Path(tiltyard.__file__).parent
TYPES = {
    name: kind
    for name, kind in vars(errors).items()
    if inspect.isclass(kind) and issubclass(kind, errors.TiltyardError)
}
RAISED = {*TYPES, RequestError.__name__}
REFUSAL = "write_refusal"
"""Writes the response of a connection to what never becomes a request."""


@dataclass(frozen=True, order=True)
class Raised:
    """One place that raises an error with a code of its own."""

    code: str
    kind: str
    message: str
    next_step: str


def render_errors() -> str:
    """The reference of error codes: in ``code`` of JSON output, problem documents and ``TiltyardError.code``."""
    lines = [
        "# Error codes",
        "",
        "Every error is a `TiltyardError` with a `code` for programs, a `message`, and a `next_step` that says what",
        "helps. With `--json` a command prints them as JSON; a server sends them as problem documents. `…` stands for",
        "names and values of the case. A `RequestError` is about one request to a server; its problem document has",
        "the status. A connection sends some refusals by itself. `python docs/generate.py` writes this page.",
        "",
        "## Types",
        "",
        "| type | code, where no other is named | meaning |",
        "|---|---|---|",
        *(
            f"| `{name}` | `{kind.code}` | {' '.join((kind.__doc__ or '').split('Args:')[0].split())} |"
            for name, kind in TYPES.items()
        ),
        "",
        "## Codes",
        "",
        "| code | type | message, and what helps |",
        "|---|---|---|",
    ]
    found: dict[str, list[Raised]] = {}
    for one in sorted(set(_find_raised())):
        found.setdefault(one.code, []).append(one)
    for code, places in found.items():
        kinds = ", ".join(_name_kind(kind) for kind in dict.fromkeys(place.kind for place in places))
        texts = "<br>".join(_escape(f"{place.message} {place.next_step}".strip()) for place in places)
        lines.append(f"| `{code}` | {kinds} | {texts} |")
    return "\n".join(lines) + "\n"


def _find_raised() -> Iterator[Raised]:
    for file in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                continue
            if node.func.id == REFUSAL:
                [_, code, *texts] = node.args
                yield Raised(ast.literal_eval(code), "connection", *map(_text, texts))
            if node.func.id not in RAISED:
                continue
            given = {word.arg: word.value for word in node.keywords}
            code = given.get("code")
            if isinstance(code, ast.Constant) and node.args:
                step = given.get("next_step")
                yield Raised(str(code.value), node.func.id, _text(node.args[0]), _text(step) if step else "")


def _name_kind(kind: str) -> str:
    return "a connection" if kind == "connection" else f"`{kind}`"


def _text(node: ast.expr) -> str:
    """A message as it is written, with … for what the case puts in."""
    match node:
        case ast.Constant(value=str(value)):
            return value
        case ast.JoinedStr(values=parts):
            return "".join(_text(part) for part in parts)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _text(left) + _text(right)
        case ast.IfExp(body=body):
            return _text(body)
        case _:
            return "…"


def _escape(text: str) -> str:
    for sign in "|*<[]_":
        text = text.replace(sign, f"\\{sign}")
    return " ".join(text.split())
