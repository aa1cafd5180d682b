"""Pydantic's errors in Tiltyard's words: which field is wrong, what it has to be, what it is, and what to do."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic_core import ErrorDetails

from tiltyard.scoring.input_errors import write_value
from tiltyard.serving.problem_details import FieldProblem, from_error, invalid_fields
from tiltyard.suggest import nearest

_LONGEST_FIELD = 120
_MOST_FIELDS = 12
_ALTERNATIVE = re.compile(r"(?:list|dict)\[.*\]|str|int|float|bool")
# The types of pydantic's errors are many; those that end so differ in why a value is none of the kind.
_REASON = re.compile(r"_(?:type|parsing|parsing_size|from_float|unicode|object_invalid|from_date_parsing)$")
_KINDS = {
    "string": "a text",
    "list": "a list",
    "tuple": "a list",
    "set": "a list",
    "dict": "an object",
    "model": "an object",
    "model_attributes": "an object",
    "mapping": "an object",
    "int": "a whole number",
    "float": "a number",
    "finite_number": "a finite number",
    "bool": "true or false",
    "none_required": "null",
    "date": "a day in ISO 8601, such as 2026-01-31",
    "datetime": "a time in ISO 8601, such as 2026-01-31T10:30:00Z",
}
_Context = Mapping[str, Any]


def describe_value(value: Any) -> str:
    """A value of a request in the words of JSON; one that is short is shown."""
    if value is None or isinstance(value, bool):
        return write_value(value)
    if isinstance(value, str):
        return f"the text {write_value(value)}" if value else "an empty text"
    if isinstance(value, int | float):
        return f"the number {write_value(value)}"
    return "an object" if isinstance(value, Mapping) else "a list"


def describe_errors(found: Sequence[ErrorDetails], fields: Sequence[str] = ()) -> list[FieldProblem]:
    """One problem for each wrong field; the alternatives of a field are in one sentence.

    Args:
        found: pydantic's errors, with their context.
        fields: the fields that the body may have, to suggest the nearest.
    """
    kinds: dict[str, list[str]] = {}
    for item in found:
        if (kind := _find_kind(item)) is not None:
            kinds.setdefault(name_field(item["loc"]), []).append(kind)
    problems: dict[FieldProblem, None] = {}
    for item in found:
        path = name_field(item["loc"], named=item["type"] in ("extra_forbidden", "missing"))
        if item["type"] == "extra_forbidden":
            problem = _describe_extra(path, fields if len(item["loc"]) == 1 else ())
        elif item["type"] == "missing":
            problem = FieldProblem(path, "is missing", f"Add '{path}'.")
        elif path in kinds:
            message = f"has to be {' or '.join(dict.fromkeys(kinds[path]))}, and is {describe_value(item['input'])}"
            problem = FieldProblem(path, message if path else f"the body {message}")
        else:
            problem = FieldProblem(path, _describe_rule(item))
        problems[problem] = None
    return list(problems)


def name_field(location: Sequence[int | str], *, named: bool = False) -> str:
    """Where a field stands, as ``labels[3].label``; pydantic's names of a field's alternatives are left out.

    Args:
        location: pydantic's.
        named: whether its last part is the name of a field, whatever it is.
    """
    path = ""
    if named:
        parent = name_field(location[:-1])
        return (f"{parent}.{location[-1]}" if parent else str(location[-1]))[:_LONGEST_FIELD]
    for part in location:
        if isinstance(part, int):
            path += f"[{part}]"
        elif not _ALTERNATIVE.fullmatch(part):
            path += f".{part}"[0 if path else 1 :]
    return path[:_LONGEST_FIELD]


async def on_invalid_url(_request: Request, error: Exception) -> Response:
    """The response to FastAPI's errors about the parts of a URL."""
    found: list[ErrorDetails] = list(error.errors()) if isinstance(error, RequestValidationError) else []
    for item in found:
        item["loc"] = item["loc"][-1:]
    return from_error(invalid_fields(describe_errors(found)))


def _find_kind(item: ErrorDetails) -> str | None:
    return _KINDS.get(_REASON.sub("", item["type"]))


def _describe_extra(path: str, fields: Sequence[str]) -> FieldProblem:
    hint = nearest(path, fields)
    known = f"; the fields are {', '.join(fields[:_MOST_FIELDS])}" if fields else ""
    return FieldProblem(path, f"is an unknown field.{hint}".rstrip("."), f"Leave out or rename '{path}'{known}.")


def _describe_rule(item: ErrorDetails) -> str:
    """What is wrong with a value of the right kind."""
    describe = _RULES.get(item["type"])
    value = item["input"]
    if describe is None:
        return f"has a value that the field does not take, {describe_value(value)}"
    return describe(item.get("ctx") or {}, value)


def _describe_size(value: Any, rule: str) -> str:
    unit = "characters" if isinstance(value, str) else "entries"
    size = len(value) if isinstance(value, str | list | tuple | dict) else 0
    return f"{f'has {size:,} {unit}' if size else 'is empty'}, and {rule}"


def _compare(words: str, name: str) -> Callable[[_Context, Any], str]:
    return lambda context, value: f"has to be {words} {context.get(name)}, and is {write_value(value)}"


def _own_words(context: _Context, _value: Any) -> str:
    """What a validator of ours says."""
    return str(context.get("error", "is not accepted"))


_RULES: dict[str, Callable[[_Context, Any], str]] = {
    "value_error": _own_words,
    "greater_than": _compare("more than", "gt"),
    "greater_than_equal": _compare("at least", "ge"),
    "less_than": _compare("less than", "lt"),
    "less_than_equal": _compare("at most", "le"),
    "string_too_short": lambda context, value: _describe_size(value, f"needs at least {context.get('min_length')}"),
    "too_short": lambda context, value: _describe_size(value, f"needs at least {context.get('min_length')}"),
    "string_too_long": lambda context, value: _describe_size(value, f"at most {context.get('max_length'):,} are taken"),
    "too_long": lambda context, value: _describe_size(value, f"at most {context.get('max_length'):,} are taken"),
    "string_pattern_mismatch": lambda _context, value: f"holds characters that are not taken, {write_value(value)}",
    "literal_error": lambda context, value: f"has to be {context.get('expected')}, and is {write_value(value)}",
    "enum": lambda context, value: f"has to be {context.get('expected')}, and is {write_value(value)}",
    "timezone_aware": lambda _context, value: f"names no time zone, and is {write_value(value)}",
}
