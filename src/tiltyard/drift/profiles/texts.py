"""Profiles of texts: how long, how much of it is words, how many of them are known, and which terms occur."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

MEASURES = ("characters", "words", "word_length", "letters", "unknown_words")
"""What is measured of each text; see ``text_kernels.read_texts``."""

TERMS = 1024
"""Buckets of the hashed terms."""

_FILTER_WORDS = 1 << 13  # 64 KB: half a million bits, good for 50,000 words at three false positives in a hundred
_MOST_WORDS = 60_000
_LEAST_TEXTS = 2  # texts that a word must stand in to be known,
_LEAST_SHARE = 0.002  # and the share of all texts, so that names of a few texts' subject do not become known words
_SHARES = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2)
_PAIRS_OF = 1000
_TABLE_BITS = 21  # a million and a half words, in 50 MB that are freed again


@dataclass(frozen=True)
class TextLayout:
    """What is known of the reference's texts.

    Attributes:
        words: uint64 (8192,), a Bloom filter of the words that stand in two texts at least and in one of 500. The names
            in all texts about one thing would be known to its texts alone, and the more texts, the more such words.
        overlap: for each of some shares, how much the terms that occur in at least that share of texts (and in at
            most all but it) go together: the sum of their squared correlations over their number, 1 for none. It
            corrects the test of terms (Rao and Scott, 1984).
    """

    words: NDArray[np.uint64]
    overlap: Mapping[float, float]

    @classmethod
    def fit(cls, texts: Utf8Texts) -> TextLayout:
        """The layout for a reference of n texts."""
        from tiltyard.drift.profiles import text_kernels  # noqa: PLC0415

        kinds = character_kinds()
        room = max(int(texts.bounds[-1] - texts.bounds[0]) // 2 + len(texts) + 1, 1)
        hashes, owners = np.empty(room, np.uint64), np.empty(room, np.int64)
        count = text_kernels.hash_words(texts.data, texts.bounds, kinds, hashes, owners)
        hashes, owners = hashes[:count], owners[:count]
        words = np.zeros(_FILTER_WORDS, np.uint64)
        text_kernels.add_words(_find_frequent_words(hashes, owners, len(texts)), words)
        return cls(words, _measure_overlap(hashes, owners, len(texts)))

    def overlap_at(self, share: float) -> float:
        """The overlap among terms that occur in at least that share of texts."""
        known = [value for at, value in sorted(self.overlap.items()) if at <= share]
        return known[-1] if known else max(self.overlap.values(), default=1.0)

    def to_stored(self) -> dict[str, Any]:
        """Its form in JSON: the filter in base64, the overlap in pairs by share."""
        return {
            "words": base64.b64encode(self.words.astype("<u8").tobytes()).decode(),
            "overlap": [[at, value] for at, value in sorted(self.overlap.items())],
        }

    @classmethod
    def from_stored(cls, data: Mapping[str, Any]) -> TextLayout:
        """The layout that ``to_stored`` wrote down."""
        words = np.frombuffer(base64.b64decode(data["words"]), "<u8").astype(np.uint64)
        return cls(words, {float(at): float(value) for at, value in data["overlap"]})


@dataclass(frozen=True, eq=False)
class TermCounts:
    """In how many of n texts each hashed term occurs.

    Attributes:
        counts: int64 (1024,).
        texts: n, without those that are missing.
        missing: texts that are missing or no texts.
    """

    counts: NDArray[np.int64]
    texts: int = 0
    missing: int = 0

    @classmethod
    def empty(cls) -> TermCounts:
        """The profile of no texts."""
        return cls(np.zeros(TERMS, np.int64))

    @property
    def rows(self) -> int:
        """Texts, missing ones included."""
        return self.texts + self.missing

    def __add__(self, other: TermCounts) -> TermCounts:
        """The profile of both."""
        return TermCounts(self.counts + other.counts, self.texts + other.texts, self.missing + other.missing)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, TermCounts)
            and (self.texts, self.missing) == (other.texts, other.missing)
            and np.array_equal(self.counts, other.counts)
        )

    def __hash__(self) -> int:
        return hash((self.texts, self.missing))


@dataclass(frozen=True)
class Utf8Texts:
    """Texts as one buffer of UTF-8: text i is ``data[bounds[i]:bounds[i + 1]]``; missing ones are left out.

    Attributes:
        present: which of all rows have a text; None where all have.
    """

    data: NDArray[np.uint8]
    bounds: NDArray[np.int64]
    present: NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return len(self.bounds) - 1


def encode_texts(values: pd.Series | Sequence[object] | NDArray[Any]) -> Utf8Texts:
    """Texts in UTF-8; without copying where they lie so in memory. Whatever is not a text counts as missing."""
    array = _as_arrow(values)
    present = None
    if array.null_count:
        present = array.is_valid().to_numpy(zero_copy_only=False)
        array = array.drop_null()
    if not len(array):
        return Utf8Texts(np.zeros(1, np.uint8), np.zeros(1, np.int64), present)
    buffers = array.buffers()
    bounds = np.frombuffer(buffers[1], np.int64)[array.offset : array.offset + len(array) + 1]
    data = np.frombuffer(buffers[2], np.uint8) if buffers[2] is not None and buffers[2].size else np.zeros(1, np.uint8)
    return Utf8Texts(data, bounds, present)


def read_texts(layout: TextLayout, texts: Utf8Texts) -> tuple[NDArray[np.float64], TermCounts]:
    """The measures of n rows, float64 (5, n) in the order of ``MEASURES``, NaN without a text; and their terms."""
    from tiltyard.drift.profiles import text_kernels  # noqa: PLC0415

    out = np.empty((len(MEASURES), len(texts)))
    terms, stamps = np.zeros(TERMS, np.int64), np.zeros(TERMS, np.int64)
    text_kernels.scan_texts(texts.data, texts.bounds, character_kinds(), layout.words, out, (terms, stamps))
    if texts.present is None:
        return out, TermCounts(terms, len(texts))
    rows = np.full((len(MEASURES), len(texts.present)), np.nan)
    rows[:, texts.present] = out
    return rows, TermCounts(terms, len(texts), len(texts.present) - len(texts))


@lru_cache(maxsize=1)
def character_kinds() -> NDArray[np.uint8]:
    """What each code point is, uint8 (0x110000,): 0 other, 1 letter, 2 digit, 3 white space."""
    points = np.arange(0x110000, dtype=np.uint32).view("U1")
    letters, numeric, spaces = np.strings.isalpha(points), np.strings.isnumeric(points), np.strings.isspace(points)
    return np.where(letters, 1, np.where(numeric, 2, np.where(spaces, 3, 0))).astype(np.uint8)


def _as_arrow(values: Any) -> pa.LargeStringArray:
    kept = getattr(getattr(values, "array", None), "_pa_array", None)
    if kept is not None:
        return (
            pa.array(kept.combine_chunks().cast(pa.large_string()))
            if kept.num_chunks != 1
            else (kept.chunk(0).cast(pa.large_string()))
        )
    plain = values.tolist() if hasattr(values, "tolist") else list(values)
    try:
        return pa.array(plain, pa.large_string(), from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError, UnicodeEncodeError):
        cleaned = [text.encode("utf-8", "replace").decode() if isinstance(text, str) else None for text in plain]
        return pa.array(cleaned, pa.large_string())


def _find_frequent_words(hashes: NDArray[np.uint64], owners: NDArray[np.int64], number: int) -> NDArray[np.uint64]:
    """The words that stand in enough texts, the most frequent of them where there are too many."""
    from tiltyard.drift.profiles import text_kernels  # noqa: PLC0415

    size = 1 << int(np.clip(np.ceil(np.log2(2 * len(hashes) + 2)), 4, _TABLE_BITS))
    words, last, texts = np.zeros(size, np.uint64), np.zeros(size, np.int64), np.zeros(size, np.int64)
    text_kernels.count_texts(hashes, owners, (words, last, texts))
    known = texts >= max(_LEAST_TEXTS, int(np.ceil(number * _LEAST_SHARE)))
    distinct, counts = words[known], texts[known]
    if len(distinct) > _MOST_WORDS:
        distinct = distinct[np.argsort(-counts, kind="stable")[:_MOST_WORDS]]
    return distinct


def _measure_overlap(hashes: NDArray[np.uint64], owners: NDArray[np.int64], texts: int) -> dict[float, float]:
    """The mean sum of squared correlations of a term, from pairs of texts, which needs no matrix of all terms.

    For standardised texts x, y drawn apart, E (x·y)² is the sum of all squared correlations.
    """
    chosen = np.unique(np.linspace(0, max(texts - 1, 0), min(texts, _PAIRS_OF)).astype(np.int64))
    place = np.full(texts, -1, np.int64)
    place[chosen] = np.arange(len(chosen))
    rows = place[owners] if len(owners) else owners
    occurs = np.zeros((len(chosen), TERMS), np.float32)
    occurs[rows[rows >= 0], bucket_of_terms(hashes[rows >= 0])] = 1
    shares = occurs.mean(axis=0)
    found = {}
    for at in _SHARES:
        common = (shares >= at) & (shares <= 1 - at)
        if common.sum() < 2 or len(chosen) < 50:
            continue
        standard = (occurs[:, common] - shares[common]) / np.sqrt(shares[common] * (1 - shares[common]))
        # The squares of all products of rows and those of all products of columns have the same sum.
        products = standard @ standard.T if len(chosen) < common.sum() else standard.T @ standard
        own = np.einsum("ij,ij->i", standard, standard)
        between = (_sum_of_squares(products) - _sum_of_squares(own)) / (len(chosen) * (len(chosen) - 1))
        found[at] = float(max(between / common.sum(), 1.0))
    return found


def _sum_of_squares(values: NDArray[np.float32]) -> float:
    return float(np.square(values, dtype=np.float64).sum())


def bucket_of_terms(hashes: NDArray[np.uint64]) -> NDArray[np.int64]:
    """The bucket of words by their hashes, as ``text_kernels.read_texts`` counts them."""
    with np.errstate(over="ignore"):
        stirred = (hashes ^ (hashes >> np.uint64(32))) * np.uint64(0x9E3779B97F4A7C15)
    return ((stirred ^ (stirred >> np.uint64(29))) & np.uint64(TERMS - 1)).astype(np.int64)
