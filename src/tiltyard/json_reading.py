"""JSON that others write. Which value of a key that an object names twice counts depends on the reader: it is refused.

RFC 8259 (section 4) leaves open what a reader does with such an object. Python keeps the last value, others the first.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from tiltyard.formatting import quote_excerpt

JsonText = str | bytes | bytearray
_MARKS = ":", '"', "\\"
_BYTE_MARKS = b":", b'"', b"\\"


class RepeatedKeyError(ValueError):
    """An object of a JSON text names a key twice.

    Attributes:
        key: the name.
    """

    def __init__(self, key: str) -> None:
        super().__init__(f"it names the key {quote_excerpt(key)} twice in one object")
        self.key = key


def load_json(text: JsonText) -> Any:
    """The values of a JSON text, as ``json.loads`` reads them.

    Raises:
        json.JSONDecodeError: it is not JSON.
        RepeatedKeyError: one of its objects names a key twice.
    """
    return json.loads(text, object_pairs_hook=_make_object)


def load_flat_json(text: JsonText) -> Any:
    """The same of a text that is one object of plain values, or a list of them: read once, in half of the time.

    Raises:
        json.JSONDecodeError: it is not JSON.
        RepeatedKeyError: one of its objects names a key twice.
    """
    found = json.loads(text)
    objects = [found] if isinstance(found, dict) else found
    if isinstance(objects, list) and all(isinstance(one, dict) for one in objects) and are_keys_distinct(text, objects):
        return found
    return load_json(text)


def find_repeated_key(text: JsonText) -> str | None:
    """The key that an object of a JSON text names twice; None where there is none, and where it is not JSON."""
    try:
        # Numbers are of no interest, and Python refuses to read whole ones of thousands of digits.
        json.loads(text, object_pairs_hook=_make_object, parse_int=float)
    except RepeatedKeyError as error:
        return error.key
    except (ValueError, RecursionError):
        return None
    return None


def are_keys_distinct(text: JsonText, objects: Sequence[Mapping[str, Any]], others: int = 0) -> bool:
    """Whether what was read of a JSON text already shows that no object in it names a key twice.

    Each key is followed by a colon, and other colons stand in strings. So a text with as many colons as keys were read
    has no key that was overwritten; nor has one without escapes whose quotes are those of the keys and strings that
    were read. False where neither shows it: ``find_repeated_key`` tells.

    Args:
        text: the text, which is valid.
        objects: the objects that were read of it.
        others: how many keys were read besides.
    """
    colon, quote, escape = _MARKS if isinstance(text, str) else _BYTE_MARKS
    keys = others + sum(map(len, objects))
    if text.count(colon) == keys:  # type: ignore[arg-type] # all are text, or all are bytes
        return True
    if escape in text:  # type: ignore[operator] # likewise
        return False
    strings = sum(list(map(type, one.values())).count(str) for one in objects)
    return text.count(quote) == 2 * (keys + strings)  # type: ignore[arg-type] # likewise


def is_named_once(text: bytes | bytearray, key: bytes) -> bool:
    """Whether a valid JSON text surely names a key once at most; its letters are small ones of ASCII.

    Within a string a quote is escaped, so that the quoted name stands there for a key, or ends a string that begins
    with an escaped quote. A name may be spelt with escapes, of letters then.
    """
    quoted = b'"%b"' % key
    if text.find(quoted) != text.rfind(quoted):
        return False
    if b"\\" not in text or text.rfind(b"\\u00") < 0:
        return True
    return text.rfind(b"\\u006") < 0 and text.rfind(b"\\u007") < 0


def _make_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        seen: set[str] = set()
        raise RepeatedKeyError(next(key for key, _ in pairs if key in seen or seen.add(key)))  # type: ignore[func-returns-value]
    return made
