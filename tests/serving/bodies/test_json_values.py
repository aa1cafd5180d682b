"""Values of a JSON text are counted as a parser would make them, wherever the text is cut into pieces."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tiltyard.serving.predict.bodies import json_values
from tiltyard.serving.predict.bodies.budget import ALWAYS_TAKEN
from tiltyard.serving.predict.bodies.json_values import ValueLimit, count_values, refuse_surplus_values
from tiltyard.serving.problem_details import RequestError

UNBOUNDED = 10**9
TEXTS = st.text(st.sampled_from('",[{\\}]:aé\n'))
VALUES = st.recursive(
    TEXTS | st.integers() | st.none(), lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner), max_leaves=30
)


def count_parsed(value: Any) -> int:
    """How many values a parser makes, keys apart; an empty list or object counts for two."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + sum(map(count_parsed, inner)) + (isinstance(value, dict | list) and not value)


@settings(max_examples=300, deadline=None)
@given(value=VALUES, piece=st.integers(1, 20))
@example(value='\\",', piece=1)
@example(value=["\\\\", ",", '"'], piece=3)
def test_values_are_counted_as_a_parser_makes_them(value: Any, piece: int) -> None:
    """Marks within strings, behind any number of backslashes, do not count; pieces of any size count alike."""
    body = json.dumps(value, ensure_ascii=False).encode()
    before, json_values._PIECE = json_values._PIECE, piece
    try:
        assert count_values(body, UNBOUNDED) == count_parsed(value)
    finally:
        json_values._PIECE = before


@pytest.mark.parametrize("body", [b'["' + b"\\" * 3_000_000, b'"' * 3_000_001, b'[1,"' + b'\\",' * 1_000_000])
def test_text_without_an_end_is_counted(body: bytes) -> None:
    """What is not JSON is counted up to its end, with as many values as could be made of it."""
    assert count_values(body, UNBOUNDED) <= 3


def test_counting_stops_soon_after_the_limit() -> None:
    """Of a body with too many values, no more than one piece beyond the limit is read."""
    body = b"[" + b"1," * 10_000_000 + b"1]"
    assert 1000 < count_values(body, 1000) <= 1000 + json_values._PIECE


def test_rows_and_columns_decide_and_the_refusal_names_them() -> None:
    """All rows with all columns, each value as an object, fit; more are 413, and the message says how many may be."""
    limit = ValueLimit(100, 20)
    row = {f"column {number}": {"value": "x" * 30} for number in range(20)}
    refuse_surplus_values(json.dumps([row] * 100).encode(), limit)
    with pytest.raises(RequestError, match="100 rows of 20 columns") as caught:
        refuse_surplus_values(json.dumps([1] * 50_000).encode(), limit)
    assert (caught.value.status, caught.value.code) == (413, "request.too-many")


def test_a_small_body_is_not_counted() -> None:
    """A body that cannot cost much is left to its decoder."""
    refuse_surplus_values(b"[" * ALWAYS_TAKEN, ValueLimit(1, 1))
