"""Texts as runs of word numbers, in their order: the input of a model that reads neighbouring words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tiltyard.models.tfidf.alphabet import WORDS_AND_MARKS, alphabet, batches
from tiltyard.models.tfidf.compiled_vocabulary import CompiledVocabulary, ReadTexts, Weighting, compile_vocabulary
from tiltyard.models.tfidf.matrix import words_of
from tiltyard.models.tfidf.terms import Terms
from tiltyard.models.tfidf.vocabulary_learning import Selection, learn_vocabulary

Runs = Sequence[tuple[NDArray[np.int32], NDArray[np.int64]]]


@dataclass(frozen=True)
class Tokens:
    """Texts one after the other.

    Attributes:
        words: int32, a number from 0 for each token; the size of the vocabulary for a word that is not in it.
        starts: int64 (texts + 1,), text ``i`` is ``words[starts[i]:starts[i + 1]]``.
    """

    words: NDArray[np.int32]
    starts: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def arrays(self) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """The two arrays, as the compiled loops take them."""
        return self.words, self.starts


def learn_tokens(texts: Iterable[object], min_df: int, max_words: int, margin: int) -> tuple[Terms, Tokens]:
    """The words and marks that enough texts hold, the most frequent of them at most, and the texts in their numbers.

    Args:
        texts: strings; they are lowered.
        min_df: in how many texts a word must be.
        max_words: how many words are kept.
        margin: so many unknown words are put before and after each text.

    Raises:
        UnusableTextError: an item is not a string, or no word can be kept.
    """
    selection = Selection((1, 1), min_df, 1.0, max_words, binary=False, dtype=np.float64)
    learned = learn_vocabulary(batches(texts, lowercase=True), alphabet(WORDS_AND_MARKS, lowercase=True), selection)
    columns = np.append(learned.columns, np.int32(-1))  # so that -1, a word that was pruned, finds -1
    return learned.terms, _join_runs(
        [(columns[ids[0]], starts) for ids, starts in learned.batches], len(learned.terms), margin
    )


def compile_words(terms: Terms) -> CompiledVocabulary:
    """The tables that ``read_tokens`` looks words up in."""
    return compile_vocabulary(terms, ReadTexts(WORDS_AND_MARKS), Weighting(None))


def read_tokens(texts: Iterable[object], compiled: CompiledVocabulary, margin: int) -> Tokens:
    """Texts in the numbers of a learned vocabulary.

    Raises:
        UnusableTextError: an item is not a string.
    """
    columns = np.append(compiled.columns, np.int32(-1))
    read = [words_of(batch, compiled) for batch in batches(texts, lowercase=True)]
    return _join_runs([(columns[ids[0]], starts) for ids, starts in read], compiled.width, margin)


def _join_runs(runs: Runs, unknown: int, margin: int) -> Tokens:
    lengths = np.concatenate([np.zeros(0, np.int64), *(np.diff(starts) for _, starts in runs)])
    starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths + 2 * margin)])
    words = np.full(starts[-1], unknown, np.int32)
    found = np.concatenate([np.zeros(0, np.int32), *(numbers for numbers, _ in runs)])
    positions = np.arange(len(found)) + margin * (2 * np.repeat(np.arange(len(lengths)), lengths) + 1)
    words[positions] = np.where(found < 0, unknown, found)
    return Tokens(words, starts)
