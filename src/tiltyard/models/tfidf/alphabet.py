"""What a token is: the supported token patterns, their character tables, and texts as UTF-8 bytes.

The tables are made from Python's own regular expressions, so a word character here is exactly what ``\\w`` matches
there. Texts travel as UTF-8, whose byte order is the order of code points: bytes sort as the strings do.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from typing import cast

import numpy as np
from numpy.typing import NDArray

from tiltyard.errors import DataError, UsageError

WORDS_OF_TWO = r"(?u)\b\w\w+\b"
WORDS = r"(?u)\b\w+\b"
WORDS_AND_MARKS = r"(?u)\w+|[^\w\s]"

SKIP, MARK, WIDE = 0, 1, 2  # anything greater in the byte table is a word character, lowered where set


class UnsupportedSettingError(UsageError, ValueError):
    """A setting that scikit-learn's vectoriser has and the fast one does not, or a value out of range."""

    code = "vectoriser.unsupported"


class UnusableTextError(DataError, ValueError):
    """The texts cannot be vectorised: one is not a string, or none holds a term that may be kept."""

    code = "vectoriser.text"


@dataclass(frozen=True)
class Alphabet:
    """How bytes and code points are read.

    Attributes:
        table: shape (256,), what a byte means: SKIP, MARK (its own token), WIDE (part of a character
            beyond ASCII) or the byte to hash for a word character.
        kinds: shape (0x110000,), 1 where a code point is a word character, 2 where it is white space, else 0.
        shortest: the fewest code points of a word.
        marks: whether a character that is neither word nor space is a token.
    """

    table: NDArray[np.uint8]
    kinds: NDArray[np.uint8]
    shortest: int
    marks: bool

    @property
    def arrays(self) -> tuple[NDArray[np.uint8], NDArray[np.uint8], int, bool]:
        """The four values, as the compiled loops take them."""
        return self.table, self.kinds, self.shortest, self.marks


@dataclass(frozen=True)
class EncodedTexts:
    """A batch of texts as one buffer: text ``i`` is ``data[bounds[i]:bounds[i + 1]]``, ASCII where ``plain[i]``."""

    data: NDArray[np.uint8]
    bounds: NDArray[np.int64]
    plain: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.bounds) - 1

    @property
    def arrays(self) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.bool_]]:
        """The three arrays, as the compiled loops take them."""
        return self.data, self.bounds, self.plain


def alphabet(pattern: str, lowercase: bool) -> Alphabet:
    """The tables for a token pattern.

    Raises:
        UnsupportedSettingError: the pattern is none of the supported ones.
    """
    if pattern not in _RULES:
        supported = ", ".join(repr(known) for known in (WORDS_OF_TWO, WORDS, WORDS_AND_MARKS))
        raise UnsupportedSettingError(
            f"token_pattern={pattern!r} is not supported by the fast vectoriser.",
            next_step=f"Use one of {supported}, or scikit-learn's TfidfVectorizer.",
            token_pattern=pattern,
        )
    return _alphabet(*_RULES[pattern], lowercase)


def encode(texts: Iterable[object], lowercase: bool, first_row: int = 0) -> EncodedTexts:
    """Turn texts into one buffer, lower-cased as ``str.lower`` does wherever that is more than ASCII.

    ASCII texts keep their case: the byte table lowers them. Lone surrogates are kept.

    Args:
        texts: strings, or bytes that are UTF-8.
        lowercase: whether the vectoriser lowers.
        first_row: the row number of the first text, for messages.

    Raises:
        UnusableTextError: an item is not a string (missing values included) or not UTF-8.
    """
    listed = list(texts)
    if len(listed) >= _MANY and {*map(type, listed)} == {str}:
        return _encode_strings(cast("list[str]", listed), lowercase)
    pieces = [_utf8(text, lowercase, row) for row, text in enumerate(listed, first_row)]
    return EncodedTexts(
        data=np.frombuffer(b"".join(pieces) or b"\0", np.uint8),
        bounds=np.array([0, *accumulate(map(len, pieces))], np.int64),
        plain=np.array([piece.isascii() for piece in pieces], np.bool_),
    )


def _encode_strings(texts: list[str], lowercase: bool) -> EncodedTexts:
    """The same of strings alone: all at once, for encoding them one by one takes as long as scoring short ones."""
    plain = [*map(str.isascii, texts)]
    sizes = [*map(len, texts)]
    for place in (place for place, is_plain in enumerate(plain) if not is_plain):
        text = texts[place].lower() if lowercase else texts[place]
        texts[place], sizes[place] = text, len(text.encode("utf-8", "surrogatepass"))
        plain[place] = text.isascii()
    joined = "".join(texts).encode("utf-8", "surrogatepass")
    return EncodedTexts(
        data=np.frombuffer(joined or b"\0", np.uint8),
        bounds=np.array([0, *accumulate(sizes)], np.int64),
        plain=np.array(plain, np.bool_),
    )


def batches(texts: Iterable[object], lowercase: bool, size: int = 1 << 20) -> Iterator[EncodedTexts]:
    """Encode texts in batches of about ``size`` characters, so that no copy of the whole corpus is made."""
    waiting: list[object] = []
    weight = first_row = 0
    for text in texts:
        waiting.append(text)
        weight += 64 + (len(text) if isinstance(text, str | bytes) else 0)
        if weight >= size:
            yield encode(waiting, lowercase, first_row)
            first_row += len(waiting)
            waiting, weight = [], 0
    if waiting:
        yield encode(waiting, lowercase, first_row)


_MANY = 16  # texts, of which encoding all at once takes less than one by one

_RULES = {
    WORDS_OF_TWO: (2, False),
    r"\b\w\w+\b": (2, False),
    WORDS: (1, False),
    r"\b\w+\b": (1, False),
    WORDS_AND_MARKS: (1, True),
    r"\w+|[^\w\s]": (1, True),
}


def _utf8(text: object, lowercase: bool, row: int) -> bytes:
    if isinstance(text, bytes):
        try:
            text = text.decode("utf-8")
        except UnicodeDecodeError as error:
            raise UnusableTextError(
                f"Text {row} is bytes that are not UTF-8 ({error.reason} at byte {error.start}).",
                next_step="Decode the texts before they are vectorised.",
                row=row,
            ) from error
    if not isinstance(text, str):
        raise UnusableTextError(
            f"Text {row} is {text!r:.60} ({type(text).__name__}), not a string.",
            next_step="Drop or fill missing texts, and convert other values to strings, first.",
            row=row,
        )
    if lowercase and not text.isascii():
        text = text.lower()
    return text.encode("utf-8", "surrogatepass")


@lru_cache(maxsize=1)
def _kinds() -> NDArray[np.uint8]:
    every = np.arange(sys.maxunicode + 1, dtype="<u4").tobytes().decode("utf-32-le", "surrogatepass")
    kinds = np.zeros(sys.maxunicode + 1, np.uint8)
    for kind, expression in ((1, r"\w+"), (2, r"\s+")):
        found = "".join(re.findall(expression, every))
        kinds[np.frombuffer(found.encode("utf-32-le", "surrogatepass"), np.uint32)] = kind
    return kinds


@lru_cache(maxsize=8)
def _alphabet(shortest: int, marks: bool, lowercase: bool) -> Alphabet:
    kinds = _kinds()
    table = np.full(256, WIDE, np.uint8)
    for code in range(128):
        if kinds[code] == 1:
            table[code] = ord(chr(code).lower()) if lowercase else code
        else:
            table[code] = MARK if marks and kinds[code] == 0 else SKIP
    return Alphabet(table, kinds, shortest, marks)
