"""The letters of a currency are a sign of a number only where they stand apart from it or the number has a fraction."""

from __future__ import annotations

import pytest

from tiltyard.data.conform.number_texts import find_sign


@pytest.mark.parametrize(
    ("words", "sign"),
    [
        (["EUR 10", "EUR 12"], "EUR"),
        (["12 EUR", "-7 EUR"], "EUR"),
        (["EUR10.50", "EUR1,000.00"], "EUR"),
        (["10.50EUR", "0.5EUR"], "EUR"),
        (["COP21", "COP22"], ""),
        (["SEK1", "SEK2"], ""),
        (["CAD-1", "CAD-2"], ""),
        (["TRY1e5", "TRY2"], ""),
        (["12EUR", "7EUR"], ""),
        (["USD", "EUR"], ""),
    ],
)
def test_a_code_next_to_digits_is_another_code(words: list[str], sign: str) -> None:
    """``COP21`` is a meeting and no amount of pesos: it stays a category."""
    assert find_sign(words) == sign
