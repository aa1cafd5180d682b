"""Values that both databases can hold: instants as integers, texts in Unicode, JSON as text; and what is refused.

``require_…`` and ``encode_field`` raise a plain ``ValueError`` that names the field: who encodes a whole record says
which record it was.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from tiltyard.errors import InputError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

FIRST_MICROS, LAST_MICROS = -(2**62), 2**62
"""Before and after all instants that Python knows, in microseconds since 1970."""


def to_micros(at: datetime, field: str = "at") -> int:
    """Microseconds since 1970-01-01 UTC, exact.

    Raises:
        InputError: the time carries no time zone, so that it is not an instant.
    """
    try:
        return require_instant(at, field)
    except ValueError as error:
        raise InputError(
            f"{error}.", next_step="Give an instant, for example datetime.now(timezone.utc).", field=field
        ) from None


def from_micros(micros: int) -> datetime:
    """The instant, in UTC."""
    return _EPOCH + timedelta(microseconds=micros)


def check_text(field: str, value: str) -> str:
    """The value, which both databases can hold as text.

    Raises:
        InputError: it is not a text, or holds NUL or half of a surrogate pair.
    """
    try:
        return require_text(field, value)
    except ValueError as error:
        raise InputError(f"{error}.", next_step=f"Give {field} as Unicode text.", field=field) from None


def make_storable(text: str) -> str:
    """The text with what no database can hold written out: NUL, and halves of surrogate pairs."""
    return text.replace("\0", "\\0").encode("utf-8", "backslashreplace").decode()


def encode_json(value: Any) -> str:
    """A JSON value as text. NaN and infinities are kept, as JavaScript's names of them.

    Raises:
        ValueError: the value holds something that JSON text in UTF-8 cannot say; the message says what.
    """
    try:
        encoded = _encoder.encode(value)
    except UnicodeEncodeError as error:
        raise ValueError(_describe_surrogate(error)) from None
    except RecursionError:
        raise ValueError("is nested too deeply") from None
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"is not a JSON value: {error}") from None
    # msgspec writes NaN and infinities as null; only where there is a null is it worth looking for them.
    if b"null" in encoded:
        plain = msgspec.to_builtins(value, enc_hook=_to_builtin, str_keys=True)
        if _holds_non_finite(plain):
            return json.dumps(plain, ensure_ascii=False, separators=(",", ":"))
    return encoded.decode()


def decode_json(text: str) -> Any:
    """The value of a text that ``encode_json`` wrote."""
    try:
        return _decoder.decode(text)
    except msgspec.DecodeError:
        return json.loads(text)


class TextChecker:
    """Checks short texts, each different one once: in a batch, most of them repeat."""

    def __init__(self) -> None:
        self._checked: dict[str, str] = {}

    def check(self, field: str, value: str) -> str:
        """The value as plain text that both databases can hold."""
        known = self._checked.get(value) if isinstance(value, str) else None
        if known is None:
            known = self._checked[value] = require_text(field, value)
        return known


def require_text(field: str, value: object) -> str:
    """The value as plain text.

    Raises:
        ValueError: it is not a text, or holds NUL or half of a surrogate pair.
    """
    if not isinstance(value, str):
        raise ValueError(f"{field} = {value!r} is not a text")
    if "\0" in value:
        raise ValueError(f"{field} holds the NUL character (position {value.index(chr(0))})")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{field} {_describe_surrogate(error)}") from None
    return str(value)


def require_instant(at: datetime, field: str = "at") -> int:
    """Microseconds since 1970-01-01 UTC, exact.

    Raises:
        ValueError: the time carries no time zone.
    """
    if at.tzinfo is None:
        raise ValueError(f"{field} = {at.isoformat()} has no time zone")
    return (at - _EPOCH) // _MICROSECOND


def encode_field(field: str, value: Any) -> str:
    """A JSON value as text (``encode_json``).

    Raises:
        ValueError: it is none, or cannot be said in UTF-8.
    """
    try:
        return encode_json(value)
    except ValueError as error:
        raise ValueError(f"{field} {error}") from None


def require_finite(field: str, value: float) -> float:
    """The number.

    Raises:
        ValueError: it is NaN or infinite.
    """
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{field} is {number}")
    return number


def _describe_surrogate(error: UnicodeEncodeError) -> str:
    code = ord(error.object[error.start])
    return f"holds half of a surrogate pair (U+{code:04X} at position {error.start}), which is not Unicode text"


def _holds_non_finite(value: Any) -> bool:
    if isinstance(value, float):
        return not math.isfinite(value)
    if isinstance(value, dict):
        return any(map(_holds_non_finite, value.values()))
    return isinstance(value, list | tuple) and any(map(_holds_non_finite, value))


def _to_builtin(value: Any) -> Any:
    """What a value of another library means in JSON: numpy's scalars and arrays, and mappings."""
    if isinstance(value, Mapping):
        return dict(value)
    for method in ("tolist", "item"):
        convert = getattr(value, method, None)
        if callable(convert):
            return convert()
    raise TypeError(f"{type(value).__name__} {value!r}")


_encoder = msgspec.json.Encoder(enc_hook=_to_builtin)
_decoder = msgspec.json.Decoder()
