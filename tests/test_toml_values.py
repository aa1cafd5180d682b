"""Values that the project file's writer writes are the values that a TOML parser reads."""

from __future__ import annotations

import tomllib

from hypothesis import given
from hypothesis import strategies as st

from tiltyard.project.toml_values import quote_toml, write_toml_comment, write_toml_value

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
VALUES = st.recursive(
    TEXTS | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=5,
)


@given(TEXTS, VALUES, TEXTS)
def test_a_written_line_reads_as_it_was_meant(key: str, value: object, comment: str) -> None:
    """A key, a value and a comment of any characters make one line that TOML reads as key and value."""
    line = f"{quote_toml(key)} = {write_toml_value(value)}{write_toml_comment(comment)}"
    assert tomllib.loads(f"{line}\nnext = 1") == {key: value, "next": 1} | ({"next": 1} if key != "next" else {})
