"""The fast search for words and line ends finds what a plain search finds."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiltyard.data.conform.rules import GAP_WORDS
from tiltyard.data.conform.text_scan import find_words, has_line_end

BLANKS = st.text(" \t\x1f\x85\xa0\u2003\u3000", max_size=2)
CELLS = st.one_of(
    st.none(),
    st.text(max_size=6),
    st.builds("".join, st.tuples(BLANKS, st.sampled_from(sorted({*GAP_WORDS, "été", "N"})), BLANKS)),
    st.sampled_from(["Nora", "a\nb", "\n", "-nan-", "naïve"]),
)
DTYPES = ["str", pd.StringDtype("python"), pd.StringDtype("pyarrow"), object]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@given(cells=st.lists(CELLS, max_size=12), words=st.sets(st.sampled_from(["", "NA", "null", "été", "N/A"])))
def test_words_and_line_ends_are_found_as_by_a_plain_search(
    dtype: object, cells: list[str | None], words: set[str]
) -> None:
    """Whatever the cells, their type, the part of a column that is searched, and the pieces that it was joined of."""
    column = pd.Series(cells, dtype=dtype)  # type: ignore[call-overload]
    joined = pd.concat([column.iloc[1:-1], column.iloc[:3]])
    for part, there in ((column, cells), (column.iloc[1:-1], cells[1:-1]), (joined, [*cells[1:-1], *cells[:3]])):
        texts = [cell for cell in there if cell is not None]
        assert find_words(part, words) == {cell.strip() for cell in texts} & words
        assert has_line_end(part) == any("\n" in cell for cell in texts)
