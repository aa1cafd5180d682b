"""The values of an action: read from what a form or a request gives, and written as a command."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from tiltyard.console.actions.action import ActionField, ConsoleAction
from tiltyard.data.conform.dates import parse_instant
from tiltyard.serving.problem_details import FieldProblem, invalid_fields
from tiltyard.suggest import nearest

LONGEST_TEXT = 2000

Values = Mapping[str, Any]


def read_values(action: ConsoleAction, given: Mapping[str, Any]) -> dict[str, Any]:
    """The values of an action, checked: texts without white space around them, times with a zone, whole numbers.

    Values that are empty count as not given.

    Args:
        action: the action.
        given: values by name, as JSON or a form has them.

    Raises:
        RequestError: 422; it names each field that is wrong.
    """
    known = {one.name: one for one in action.fields}
    problems = [
        FieldProblem(name, f"is not a value of the action '{action.name}'.{nearest(name, known)}", "Leave it out.")
        for name in given
        if name not in known
    ]
    found: dict[str, Any] = {}
    for one in action.fields:
        value = given.get(one.name)
        if value is None or (isinstance(value, str) and not value.strip()):
            if one.required:
                problems.append(FieldProblem(one.name, "is missing", f"Give it: {one.help}" if one.help else ""))
            continue
        try:
            read = _read_value(one, value)
        except ValueError as error:
            problems.append(FieldProblem(one.name, str(error)))
            continue
        if read is not False:
            found[one.name] = read
    if problems:
        raise invalid_fields(problems)
    return found


def write_words(action: ConsoleAction, values: Values) -> list[str]:
    """The words of the command that does the same, after ``tiltyard``."""
    words = list(action.words)
    options: list[str] = []
    # An argument that begins with a dash would be an option.
    arguments = [_write_value(values[one.name]) for one in action.fields if not one.argument and one.name in values]
    for one in action.fields:
        if one.argument and one.name in values:
            text = _write_value(values[one.name])
            options += [one.argument] if one.kind == "flag" else [f"{one.argument}={text}"]
    dashed = any(text.startswith("-") for text in arguments)
    return [*words, *options, "--", *arguments] if dashed else [*words, *arguments, *options]


def write_command(words: Sequence[str]) -> str:
    """A command as a person types it into a shell."""
    return " ".join(["tiltyard", *(_quote(word) for word in words)])


def _quote(word: str) -> str:
    option, separator, text = word.partition("=")
    if separator and option.startswith("--"):
        return f"{option} {shlex.quote(text)}" if not text.startswith("-") else f"{option}={shlex.quote(text)}"
    return shlex.quote(word)


def _read_value(one: ActionField, value: Any) -> Any:
    if one.kind == "flag":
        if not isinstance(value, bool):
            raise ValueError("has to be true or false")
        return value
    if one.kind == "number":
        return _read_count(value)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError("has to be a text")
    text = str(value).strip()
    if len(text) > LONGEST_TEXT or "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError(f"has to be of at most {LONGEST_TEXT:,} characters, none of them NUL or a lone surrogate")
    if one.kind == "time":
        return _read_time(text)
    if one.choices and text not in one.choices:
        raise ValueError(f"is none of {', '.join(one.choices)}")
    return text


def _read_count(value: Any) -> int:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if isinstance(value, bool) or not number.is_integer() or not 1 <= number <= 500:
        raise ValueError("has to be a whole number from 1 to 500")
    return int(number)


def _read_time(text: str) -> str:
    moment = parse_instant(text)
    if moment is None:
        raise ValueError("has to be a time in ISO 8601, such as 2026-01-31T10:30:00Z")
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC).isoformat()


def restore_instant(value: str) -> datetime:
    """A time as ``read_values`` gives it."""
    return datetime.fromisoformat(value)


def _write_value(value: Any) -> str:
    return str(value)
