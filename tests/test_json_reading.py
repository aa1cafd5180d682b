"""JSON of others is read as Python reads it, and a key that an object names twice is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiltyard.json_reading import (
    RepeatedKeyError,
    are_keys_distinct,
    find_repeated_key,
    is_named_once,
    load_flat_json,
    load_json,
)

PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(':"\\{},a\n', max_size=6)
KEYS = st.text(':"\\ab', max_size=3)


@st.composite
def objects(draw: st.DrawFn) -> tuple[str, list[tuple[str, Any]]]:
    """An object as text, in which keys may come twice, and its pairs; colons may be escaped."""
    pairs = draw(st.lists(st.tuples(KEYS, PLAIN), max_size=5))
    text = "{" + ", ".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in pairs) + "}"
    if draw(st.booleans()):
        text = text.replace('a:"', 'a\\u003a"')
    return text, pairs


@given(found=objects(), as_bytes=st.booleans())
def test_each_way_of_reading_refuses_what_is_there_twice(
    found: tuple[str, list[tuple[str, Any]]], as_bytes: bool
) -> None:
    """The quick way and the other ones agree for any keys and strings, and what is read is what Python reads."""
    text, pairs = found
    given_text = text.encode() if as_bytes else text
    twice = len(dict(pairs)) < len(pairs)
    for load in (load_json, load_flat_json):
        if twice:
            with pytest.raises(RepeatedKeyError):
                load(given_text)
        else:
            assert load(given_text) == json.loads(text) == dict(pairs)
    assert (find_repeated_key(given_text) is not None) == twice
    if twice:
        assert not are_keys_distinct(given_text, [json.loads(text)])


TEXTS = st.text('":\\\\u0067tex ,é', max_size=12)


@given(texts=st.lists(TEXTS, min_size=1, max_size=3), escaped=st.booleans(), ascii_only=st.booleans())
def test_a_name_that_is_there_once_is_surely_so(texts: list[str], escaped: bool, ascii_only: bool) -> None:
    """No text makes a repeated name look like one that is there once; a plain body with one is seen at once."""
    fields = ", ".join(f'"text": {json.dumps(text, ensure_ascii=ascii_only)}' for text in texts)
    if escaped:
        fields = fields.replace('"text"', '"te\\u0078t"', 1)
    body = ("{" + fields + "}").encode()
    assert not (is_named_once(body, b"text") and len(texts) > 1)
    assert is_named_once(body, b"text") or len(texts) > 1 or b"\\" in body


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('{"a": 1, "b": 2, "a": 3}', "a"),
        ('{"a": {"b": 1, "b": 1}}', "b"),
        ('[{"a": 1}, {"b": [{"c": 1, "c": 2}]}]', "c"),
        ('{"a": "\\u003a", "b": 1, "b": 2}', "b"),
        ('{"\\u0061": 1, "a": 2}', "a"),
        ('{"a": 1, "b": {"a": 1}}', None),
        ('{"a": "b: c, \\"b\\": d", "b": 1}', None),
        ('{"a": NaN, "b": -Infinity, "n": ' + "9" * 5000 + "}", None),
        ('{"a": 1, "a"', None),
        ("[" * 100_000, None),
        ('"a"', None),
    ],
)
def test_the_key_is_named(text: str, key: str | None) -> None:
    """Of a repeated key, however deep, the name is found; a text that is not JSON has none."""
    assert find_repeated_key(text) == key
    assert find_repeated_key(bytearray(text, "utf-8")) == key


def test_the_error_names_the_key_shortly() -> None:
    """A key of any length and with any character is named on one line."""
    with pytest.raises(RepeatedKeyError, match="names the key 'a") as refused:
        load_flat_json(json.dumps({"a" * 500: 1})[:-1] + f', "{"a" * 500}": 2}}')
    assert len(str(refused.value)) < 200
