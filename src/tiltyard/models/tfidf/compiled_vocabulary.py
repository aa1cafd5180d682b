"""A vocabulary compiled for reading: texts to TF-IDF rows, or straight to a linear model's decision values.

How a text is read: its bytes are cut into words by a table of character classes; a word of up to seven bytes is
its own 64-bit key, a longer one is found by a 64-bit hash and then compared byte by byte; an n-gram is the pair of
its first n - 1 words' id and its last word's id, again 64 bits. Each is found by open addressing. Nothing here is
probabilistic: a term that is not in the vocabulary is never confused with one that is.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from tiltyard.errors import InputError
from tiltyard.models.tfidf.alphabet import WORDS_OF_TWO, Alphabet, alphabet, encode
from tiltyard.models.tfidf.terms import Terms

if TYPE_CHECKING:
    from tiltyard.models.tfidf.hash_tables import PairTable, WordTable

Norm = Literal["l1", "l2"] | None
Floats = NDArray[np.float64] | NDArray[np.float32]

NORM_CODES = {None: 0, "l1": 1, "l2": 2}
_TABULATED = 256  # term frequencies whose weight is looked up when scoring


@dataclass(frozen=True)
class Weighting:
    """How counts become weights: scikit-learn's parameters, and the idf by column or None."""

    idf: Floats | None
    norm: Norm = "l2"
    sublinear_tf: bool = False
    binary: bool = False
    dtype: type[np.floating] = np.float64

    def by_count(self, highest: int) -> Floats:
        """The tf weight of the counts 0 to ``highest``, computed as scikit-learn computes it."""
        counts = np.arange(highest + 1, dtype=self.dtype)
        if self.binary:
            counts[1:] = 1
        if self.sublinear_tf:
            counts[1:] = np.log(counts[1:]) + self.dtype(1)
        return counts


@dataclass(frozen=True)
class CompiledVocabulary:
    """Everything needed to read a text, as arrays; make it with ``compile_vocabulary``, use it from any thread.

    Attributes:
        letters: the character tables and the token rule.
        words: open-addressing table of the words that occur in a term; ids from 0.
        pairs: open-addressing table of n-grams of two words and more, by (prefix id << 32 | word id); ids continue
            where those of the words end. Prefixes that are not terms themselves are in it too.
        columns: int32, the column of each id, -1 for an id that is only part of longer terms.
        ngram_range: the lengths that count, in words.
        lowercase: whether texts are lowered.
        weighting: tf, idf and norm.
        width: the number of columns.
        by_count: the tf weight of small counts, float64.
        idf: float64 by column, of size 0 for none.
    """

    letters: Alphabet
    words: WordTable
    pairs: PairTable
    columns: NDArray[np.int32]
    ngram_range: tuple[int, int]
    lowercase: bool
    weighting: Weighting
    width: int
    by_count: NDArray[np.float64] = field(repr=False)
    idf: NDArray[np.float64] = field(repr=False)


@dataclass(frozen=True)
class ReadTexts:
    """What is done to a text before it is counted: the vectoriser's parameters of the same names."""

    token_pattern: str = WORDS_OF_TWO
    lowercase: bool = True
    ngram_range: tuple[int, int] = (1, 1)


def compile_vocabulary(terms: Terms, reading: ReadTexts, weighting: Weighting) -> CompiledVocabulary:
    """Build the tables for a vocabulary.

    Terms that no text can yield (too many words, a character that is not part of a token) keep their column and
    are never found, as in scikit-learn.

    Raises:
        UnsupportedSettingError: the token pattern is not supported.
    """
    from tiltyard.models.tfidf import hash_tables, scan_kernels  # noqa: PLC0415 - imported when first used

    letters = alphabet(reading.token_pattern, reading.lowercase)
    possible, positions = _possible(terms, reading.ngram_range, letters.marks)
    count = len(possible.starts) - 1
    words = hash_tables.build_word_table(count)
    words.starts[: count + 1] = possible.starts
    scan_kernels.name(possible.letters, possible.starts, words.keys[:count])
    scan_kernels.seat(words.slots, words.keys, count, 0)
    keys, ends = _pairs(possible.chains, count)
    pairs = hash_tables.build_pair_table(len(keys))
    pairs.keys[: len(keys)] = keys
    scan_kernels.seat(pairs.slots, pairs.keys, len(keys), count)
    columns = np.full(count + len(keys), -1, np.int32)
    columns[ends] = positions
    idf = np.zeros(0) if weighting.idf is None else weighting.idf.astype(np.float64)
    return CompiledVocabulary(
        letters=letters,
        words=replace(words, letters=possible.letters),
        pairs=pairs,
        columns=columns,
        ngram_range=reading.ngram_range,
        lowercase=reading.lowercase,
        weighting=weighting,
        width=len(terms),
        by_count=weighting.by_count(_TABULATED).astype(np.float64),
        idf=idf,
    )


def decision(
    texts: Iterable[object],
    compiled: CompiledVocabulary,
    weights: NDArray[np.float64],
    intercept: NDArray[np.float64],
) -> NDArray[np.float64]:
    """The decision values of a linear model over the TF-IDF of texts, with no matrix in between.

    Equal to scikit-learn's pipeline up to the order of the sums (1e-12 relative to their terms). Computed in float64:
    a float32 pipeline agrees to float32 precision. A row does not depend on the other texts of its batch.

    Args:
        texts: n strings (or UTF-8 bytes).
        compiled: the vocabulary.
        weights: shape (columns, classes), C-contiguous float64 to avoid a copy at each call: ``coef_.T``.
        intercept: shape (classes,).

    Returns:
        Shape (n, classes).

    Raises:
        UnusableTextError: an item is not a string.
        InputError: the shapes do not fit the vocabulary.
    """
    from tiltyard.models.tfidf import scan_kernels  # noqa: PLC0415 - imported when first used

    weights = np.ascontiguousarray(weights, np.float64)
    intercept = np.ascontiguousarray(intercept, np.float64)
    if weights.ndim != 2 or weights.shape[0] != compiled.width or intercept.shape != weights.shape[1:]:
        raise InputError(
            f"Weights of shape {weights.shape} and an intercept of shape {intercept.shape} do not fit a vocabulary "
            f"of {compiled.width} columns.",
            next_step="Pass weights of shape (columns, classes), such as coef_.T, and one intercept for each class.",
        )
    batch = encode(texts, compiled.lowercase)
    out = np.empty((len(batch), weights.shape[1]))
    weighting = compiled.weighting
    scan_kernels.score(
        batch.arrays,
        (compiled.letters.arrays, compiled.words.arrays, compiled.pairs.arrays, compiled.columns),
        (compiled.by_count, compiled.idf),
        (weights, intercept),
        (*compiled.ngram_range, NORM_CODES[weighting.norm], weighting.binary, weighting.sublinear_tf),
        out,
    )
    return out


def warm_up_vocabulary() -> float:
    """Compile the reading and scoring loops, or load them from numba's cache, and return the seconds it took.

    The first text read in a process otherwise waits for it: some seconds when nothing is cached, else a fraction.
    """
    begun = perf_counter()
    terms = Terms.from_strings(["warm", "warm up"])
    compiled = compile_vocabulary(terms, ReadTexts(ngram_range=(1, 2)), Weighting(np.ones(2)))
    decision(["Warm up.", "Wärm up"], compiled, np.ones((2, 1)), np.zeros(1))
    return perf_counter() - begun


def _possible(terms: Terms, ngram_range: tuple[int, int], marks: bool) -> tuple[Terms, NDArray[np.int64]]:
    words = terms.words()
    # No word is empty. A NUL is a token at most by itself; within a word it would spoil the word's packed key.
    sound = np.array([word != b"" and (0 not in word or (marks and word == b"\0")) for word in words] + [True])
    lengths = (terms.chains >= 0).sum(axis=1)
    least, most = ngram_range
    rows = np.flatnonzero((lengths >= least) & (lengths <= most) & sound[terms.chains].all(axis=1))
    return Terms.from_words(words, terms.chains[rows]), rows


def _pairs(chains: NDArray[np.int32], first: int) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    ends = chains[:, 0].astype(np.int64)
    keys = [np.zeros(0, np.uint64)]
    for position in range(1, chains.shape[1]):
        rows = np.flatnonzero(chains[:, position] >= 0)
        key = (ends[rows] << 32) | chains[rows, position]
        distinct, number = np.unique(key, return_inverse=True)
        ends[rows] = first + number
        first += len(distinct)
        keys.append(distinct.astype(np.uint64))
    return np.concatenate(keys), ends
