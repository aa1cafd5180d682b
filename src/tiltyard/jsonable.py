"""Values as JSON's own types, and back: the one way in which results are written down.

Values are dataclasses. ``to_jsonable`` turns one, with all that it holds, into dictionaries, lists, texts and numbers;
``from_jsonable`` builds one from what was read, by its annotations (msgspec).
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from pathlib import PurePath
from typing import Any, TypeVar, cast

import msgspec

T = TypeVar("T")

_FORM = "__json_form__"
_PLAIN = (bool, int, type(None))


@dataclass(frozen=True)
class JsonForm:
    """How the JSON form of a dataclass differs from its fields.

    Attributes:
        also: properties that are written as well.
        without: fields that are not written.
        names: other names of fields and properties.
        constants: what is written with every value.
    """

    also: Sequence[str] = ()
    without: Sequence[str] = ()
    names: Mapping[str, str] | None = None
    constants: Mapping[str, Any] | None = None


def json_form(
    *,
    also: Sequence[str] = (),
    without: Sequence[str] = (),
    names: Mapping[str, str] | None = None,
    constants: Mapping[str, Any] | None = None,
) -> Callable[[type[T]], type[T]]:
    """Declare how ``to_jsonable`` writes a dataclass; see ``JsonForm``. Subclasses inherit it."""

    def declare(cls: type[T]) -> type[T]:
        setattr(cls, _FORM, JsonForm(also, without, names, constants))
        return cls

    return declare


def to_jsonable(value: Any) -> Any:
    """The value in JSON's own types.

    Dataclasses become dictionaries of their fields (names that begin with ``_`` are left out), or as their
    ``json_form`` says. numpy values become
    Python's, NaN and infinities None, times ISO 8601, tuples and sets lists, keys text; in text, characters that UTF-8
    cannot hold (lone surrogates) become ``?``.
    """
    if isinstance(value, str | Enum):
        text = str(value.value) if isinstance(value, Enum) else str(value)
        return text.encode("utf-8", "replace").decode("utf-8")
    if is_dataclass(value) and not isinstance(value, type):
        return _write_dataclass(value)
    if isinstance(value, Mapping):
        return {to_jsonable(str(key)): to_jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [to_jsonable(item) for item in value]
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    return value if type(value) in _PLAIN else _write_number(value)


def to_json_object(value: Any) -> dict[str, Any]:
    """A dataclass or mapping as a JSON object; see ``to_jsonable``."""
    return cast(dict[str, Any], to_jsonable(value))


def from_jsonable(kind: type[T], data: Any) -> T:
    """A value of that type from what JSON holds; keys that are not its own are passed over.

    Args:
        kind: a dataclass, or any type that msgspec knows.
        data: what ``to_jsonable`` gave, or what was read from a file.

    Raises:
        ValueError: a field is missing or holds another type; the message names it (msgspec's ``ValidationError``).
    """
    return msgspec.convert(data, kind, strict=False)


def _write_dataclass(value: Any) -> dict[str, Any]:
    form: JsonForm = getattr(value, _FORM, JsonForm())
    renamed = form.names or {}
    own = [one.name for one in fields(value) if one.name[0] != "_" and one.name not in form.without]
    written = {renamed.get(name, name): to_jsonable(getattr(value, name)) for name in (*own, *form.also)}
    return {**written, **{name: to_jsonable(constant) for name, constant in (form.constants or {}).items()}}


def _write_number(value: Any) -> Any:
    if type(value) is not float and not isinstance(value, PurePath):
        import numpy as np  # noqa: PLC0415 - a command that only prints has no other use for it

        if isinstance(value, np.ndarray):
            return [to_jsonable(item) for item in value]
        if isinstance(value, np.generic):
            value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int):
        return value
    return to_jsonable(value.as_posix() if isinstance(value, PurePath) else str(value))
