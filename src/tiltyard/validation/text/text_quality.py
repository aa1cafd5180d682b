"""Texts that are not language, and texts that were damaged on their way."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from tiltyard.data.columns import Mask
from tiltyard.validation.text.char_stats import CharacterCounts

_LEAST_LETTERS = 20
_LETTER_SHARE = 0.3
_VOWEL_SHARES = (0.12, 0.85)
_RUN_SHARE = 0.5
_RUN = 100
_WORD_LENGTH = 40

# UTF-8 read as Latin-1 or cp1252: the lead byte shows as Â, Ã, â or ð, followed by what the next bytes became.
# « and » are left out, for Ã» may end a French or Portuguese quotation in capitals.
_CONTINUED = "\u0080-\u00aa\u00ac-\u00ba\u00bc-\u00bf\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc"
_CONTINUED += "\u2013\u2014\u2018-\u201a\u201c-\u201e\u2020-\u2022\u2026\u2030\u2039\u203a\u20ac\u2122"
MISREAD = re.compile(
    f"[\u00c2\u00c3][{_CONTINUED}]|\u00e2[\u0080-\u0084\u20ac\u201a\u201e][{_CONTINUED}]|\u00f0[\u009f\u0178]|\u00ef\u00bb\u00bf"
)


def garbage_texts(counts: CharacterCounts) -> dict[str, Mask]:
    """Which of n texts are not language, by reason; blank texts are none of them.

    ``no letters``: there is no letter, ideograph or emoji. ``few letters``: under 30% of 20 or more characters.
    ``one character``: a run of one character makes up half of the text, or a hundred characters. ``no vowels``,
    ``only vowels``: of 20 or more letters, nearly all Latin, under 12% or over 85% are vowels (40% is usual).
    ``no spaces``: Latin "words" of 40 and more characters on average.
    """
    solid = counts.length - counts.spaces
    letters = np.maximum(counts.letters, 1)
    latin = (counts.latin >= 0.9 * counts.letters) & (counts.letters >= _LEAST_LETTERS)
    vowels = counts.vowels / letters
    return {
        "no letters": (solid > 0) & (counts.letters == 0),
        "few letters": (solid >= _LEAST_LETTERS) & (counts.letters > 0) & (counts.letters < _LETTER_SHARE * solid),
        "one character": (counts.run > 0) & ((counts.run >= _RUN_SHARE * solid) | (counts.run >= _RUN)),
        "no vowels": latin & (vowels < _VOWEL_SHARES[0]),
        "only vowels": latin & (vowels > _VOWEL_SHARES[1]),
        "no spaces": latin & (solid >= _WORD_LENGTH * np.maximum(counts.words, 1)),
    }


def misread_texts(texts: Sequence[str]) -> Mask:
    """Which of n texts were written as UTF-8 and read as Latin-1 or cp1252 somewhere (``cafÃ©`` for ``café``)."""
    return np.fromiter(
        (not text.isascii() and MISREAD.search(text) is not None for text in texts), dtype=bool, count=len(texts)
    )
