"""Checks of what a caller hands to a public call: the wrong kind is an error that names argument and value."""

from __future__ import annotations

import functools
import inspect
import math
import numbers
import os
from collections.abc import Callable, Iterable, Mapping, Sized
from datetime import datetime
from typing import ParamSpec, TypeVar

from tiltyard.errors import UsageError

_LONGEST = 60
_P = ParamSpec("_P")
_R = TypeVar("_R")
Check = Callable[[object, str], None]


def check_arguments(**checks: Check) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """A decorator that checks arguments by name before the call; an argument that is left out is not checked."""

    def decorate(function: Callable[_P, _R]) -> Callable[_P, _R]:
        signature = inspect.signature(function)

        @functools.wraps(function)
        def call(*args: _P.args, **kwargs: _P.kwargs) -> _R:
            given = signature.bind(*args, **kwargs).arguments
            for name, check in checks.items():
                if name in given:
                    check(given[name], name)
            return function(*args, **kwargs)

        return call

    return decorate


def allow_none(check: Check) -> Check:
    """The check, of an argument that may be None."""

    def check_unless_none(value: object, field: str) -> None:
        if value is not None:
            check(value, field)

    return check_unless_none


def require_words(value: object, field: str) -> None:
    """Text that is not empty.

    Raises:
        UsageError: it is something else.
    """
    if not isinstance(value, str) or not value.strip():
        raise _refuse(value, field, "text", "a text that is not empty")


OPTIONAL_TEXT = allow_none(require_words)
"""Text that is not empty, or None."""


def require_string(value: object, field: str) -> None:
    """Text, which may be empty.

    Raises:
        UsageError: it is something else.
    """
    if not isinstance(value, str):
        raise _refuse(value, field, "text", "a text")


def require_mapping(value: object, field: str) -> None:
    """Values by name, such as a dictionary.

    Raises:
        UsageError: it is something else, or a name is not a text.
    """
    if not isinstance(value, Mapping):
        raise _refuse(value, field, "values by name", "a dictionary")
    for name in value:
        if not isinstance(name, str) or not name.strip():
            raise _refuse(name, f"a name in {field}", "text", "names that are texts")


OPTIONAL_MAPPING = allow_none(require_mapping)
"""Values by name, or None."""


def require_numbers(value: object, field: str) -> None:
    """Numbers by name.

    Raises:
        UsageError: it is something else; the message names the value that is not a number.
    """
    require_mapping(value, field)
    for name, one in value.items() if isinstance(value, Mapping) else ():
        if not isinstance(one, numbers.Real):
            raise _refuse(one, f"{field}[{name!r}]", "a number", "a number")


def require_number(value: object, field: str) -> None:
    """A number; infinite and not a number are ones too.

    Raises:
        UsageError: it is something else.
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise _refuse(value, field, "a number", "a number")


def require_hours(value: object, field: str) -> None:
    """A positive number of hours, of a century at most.

    Raises:
        UsageError: it is something else.
    """
    require_number(value, field)
    hours = float(value) if isinstance(value, numbers.Real) else math.nan
    if not math.isfinite(hours) or not 0 < hours <= 24 * 366 * 100:
        raise UsageError(f"{field} = {value} is not a positive number of hours.", next_step="Give one, such as 24.")


def require_count(value: object, field: str) -> None:
    """A whole number from 0 on.

    Raises:
        UsageError: it is something else.
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < 0:
        raise _refuse(value, field, "a whole number from 0 on", "a whole number from 0 on")


def require_flag(value: object, field: str) -> None:
    """True or False.

    Raises:
        UsageError: it is something else.
    """
    kind = type(value)  # NumPy's own truth values count too, and are known without NumPy, which takes time to import
    if kind is not bool and (kind.__module__, kind.__name__.rstrip("_")) != ("numpy", "bool"):
        raise _refuse(value, field, "True or False", "True or False")


def require_version(value: object, field: str) -> None:
    """The number of a version, as number or text.

    Raises:
        UsageError: it is something else.
    """
    if isinstance(value, bool) or not isinstance(value, str | numbers.Integral):
        raise _refuse(value, field, "the number of a version", "the number of a version, such as 3,")


def require_key(value: object, field: str) -> None:
    """A caller's own key: text, or a whole number.

    Raises:
        UsageError: it is something else.
    """
    if isinstance(value, bool) or not isinstance(value, str | numbers.Integral):
        raise _refuse(value, field, "a text or a whole number", "a text or a whole number")


def require_time(value: object, field: str) -> None:
    """A time.

    Raises:
        UsageError: it is something else.
    """
    if not isinstance(value, datetime):
        raise _refuse(value, field, "a time", "a datetime")


def require_pair(value: object, field: str) -> None:
    """A tuple or list of two.

    Raises:
        UsageError: it is something else.
    """
    if not isinstance(value, tuple | list) or len(value) != 2:
        raise _refuse(value, field, "a pair", "a tuple of two")


def require_path(value: object, field: str) -> None:
    """The path of a file or folder.

    Raises:
        UsageError: it is something else.
    """
    if not isinstance(value, str | os.PathLike) or not os.fspath(value):
        raise _refuse(value, field, "a path", "the path of a file or folder")


def require_list(value: object, field: str) -> None:
    """A list, tuple, array, series or any other thing with a length that is iterated, and no text or mapping.

    Raises:
        UsageError: it is something else.
    """
    is_list = isinstance(value, Sized) and hasattr(value, "__iter__") and len(getattr(value, "shape", (0,))) == 1
    if not is_list or isinstance(value, str | bytes | Mapping):
        raise _refuse(value, field, "a list", "a list, an array or a series")
    for one in value if isinstance(value, list | tuple) else ():
        if isinstance(one, Sized) and not isinstance(one, str | bytes):
            raise _refuse(one, f"a value in {field}", "a single value", "single values")


def require_texts(value: object, field: str) -> None:
    """A list of texts.

    Raises:
        UsageError: it is something else.
    """
    require_list(value, field)
    for one in value if isinstance(value, Iterable) else ():
        if not isinstance(one, str):
            raise _refuse(one, f"a value in {field}", "text", "texts")


def require_figure(value: object, field: str) -> None:
    """A figure of matplotlib, or of plotly.

    Raises:
        UsageError: it is something else.
    """
    if not (hasattr(value, "savefig") or hasattr(value, "write_html")):
        raise _refuse(value, field, "a figure", "a figure of matplotlib (plt.gcf()) or plotly")


def describe_argument(value: object) -> str:
    """A value as messages show it: itself where that is short and plain, else its type."""
    shown = repr(value) if isinstance(value, str | int | float | list | tuple | dict | None) else ""
    return shown if 0 < len(shown) <= _LONGEST else f"of type {type(value).__name__}"


def _refuse(value: object, field: str, kind: str, wanted: str) -> UsageError:
    return UsageError(
        f"{field} is {describe_argument(value)}, which is not {kind}.",
        next_step=f"Give {wanted}." if " in " in field else f"Give {wanted} as {field}.",
        code="argument.kind",
        field=field,
    )
