"""The page of the Python API, from the signatures and docstrings of the public names."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

import tiltyard

SECTIONS = ("Args", "Attributes", "Returns", "Raises", "Yields")
VALUES = frozenset({"Project"})
"""Classes of which the fields have a page of their own: only their description is shown."""


def render_python() -> str:
    """The reference of every public class, method and function."""
    names = [name for name in sorted(tiltyard.__all__, key=str.lower) if not name.startswith("_")]
    lines = [
        "# Python",
        "",
        "What `import tiltyard` gives. Everything else is private ([what you may rely on](../public-api.md)).",
        "`python docs/generate.py` writes this page.",
    ]
    for name in names:
        lines += _describe(name, getattr(tiltyard, name))
    return "\n".join(lines) + "\n"


def _describe(name: str, thing: Any) -> Iterator[str]:
    yield from ("", f"## {name}", "")
    if not inspect.isclass(thing):
        yield from (*_signature(name, thing), "", *render_docstring(thing))
        return
    if name not in VALUES:
        yield from (*_signature(name, thing), "")
    yield from render_docstring(thing)
    if name in VALUES:
        return
    for method, value in _members(thing).items():
        if method.startswith("_") or not inspect.getdoc(value):
            continue
        yield from ("", f"### {name}.{method}", "")
        if isinstance(value, property):
            yield from render_docstring(value.fget)
        elif callable(value) or isinstance(value, classmethod | staticmethod):
            yield from (*_signature(f"{name}.{method}", getattr(thing, method), drop_self=True), "")
            yield from render_docstring(value)


def _members(thing: type) -> dict[str, Any]:
    """What a class defines, then what it inherits from other classes of the package."""
    found: dict[str, Any] = {}
    for place in thing.__mro__:
        if place.__module__.startswith("tiltyard."):
            found = {**found, **{name: value for name, value in vars(place).items() if name not in found}}
    return found


def _signature(name: str, thing: Any, *, drop_self: bool = False) -> list[str]:
    found = inspect.signature(thing)
    parameters = list(found.parameters.values())
    if drop_self and parameters and parameters[0].name in ("self", "cls"):
        parameters = parameters[1:]
    parts: list[str] = []
    for parameter in parameters:
        if (
            parameter.kind is parameter.KEYWORD_ONLY
            and "*" not in parts
            and not any(part.startswith("*") for part in parts)
        ):
            parts.append("*")
        parts.append(_parameter(parameter))
    returned = _annotation(found.return_annotation)
    end = f" -> {returned}" if returned and not inspect.isclass(thing) else ""
    line = f"{name}({', '.join(parts)}){end}"
    if len(line) > 100:
        inner = "".join(f"    {part},\n" for part in parts)
        line = f"{name}(\n{inner}){end}"
    return ["```python", line, "```"]


def _parameter(parameter: inspect.Parameter) -> str:
    star = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
    annotation = _annotation(parameter.annotation)
    text = f"{star}{parameter.name}" + (f": {annotation}" if annotation else "")
    if parameter.default is parameter.empty:
        return text
    shown = repr(parameter.default)
    shown = "…" if " at 0x" in shown or shown.startswith("<") else shown
    return f"{text} = {shown}" if annotation else f"{text}={shown}"


def _annotation(annotation: Any) -> str:
    if annotation is inspect.Signature.empty:
        return ""
    return annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)


def render_docstring(thing: Any) -> list[str]:
    """A docstring as Markdown: its sections become lists, its examples code."""
    lines: list[str] = []
    section, code = "", False
    for line in (inspect.getdoc(thing) or "").splitlines():
        heading = line.rstrip(":")
        if line.endswith(":") and heading in SECTIONS:
            section = heading
            lines += [f"**{section}**", ""]
            continue
        if line.startswith(">>>") and not code:
            code = True
            lines.append("```pycon")
        elif code and not line.strip():
            code = False
            lines.append("```")
        if section and line and not line.startswith(" "):
            section = ""
        lines.append(_entry(line) if section in ("Args", "Attributes", "Raises") else line.strip() if section else line)
    return [*lines, *(["```"] if code else [])]


def _entry(line: str) -> str:
    """A line of a list of names: the name as code; what follows it stays in its item."""
    match = re.match(r"^ {4}(\*{0,2}\w[\w, *.]*): (.*)$", line)
    return f"- `{match[1]}`: {match[2]}" if match else re.sub(r"^ {4,}", "  ", line)
