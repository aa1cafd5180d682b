"""The open-addressing tables of words and of n-grams, and how they grow."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tiltyard.models.tfidf.scan_kernels import seat


@dataclass(frozen=True)
class WordTable:
    """Words by hash, open addressing with linear probing.

    Attributes:
        slots: shape (2 * capacity,), pairs (key, id + 1), id + 1 == 0 where free; capacity is a power of two.
        keys: shape (most words,), the key of each id: its bytes where they are seven at most, else a hash.
        starts: shape (most words + 1,), word ``i`` is ``letters[starts[i]:starts[i + 1]]``.
        letters: the words' bytes.
    """

    slots: NDArray[np.uint64]
    keys: NDArray[np.uint64]
    starts: NDArray[np.int64]
    letters: NDArray[np.uint8]

    @property
    def arrays(self) -> tuple[NDArray[np.uint64], NDArray[np.uint64], NDArray[np.int64], NDArray[np.uint8]]:
        """The four arrays, as the compiled loops take them."""
        return self.slots, self.keys, self.starts, self.letters


@dataclass(frozen=True)
class PairTable:
    """Longer n-grams by (prefix id << 32 | word id): ``slots`` as in WordTable, ``keys[id]`` the key."""

    slots: NDArray[np.uint64]
    keys: NDArray[np.uint64]

    @property
    def arrays(self) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
        """The two arrays, as the compiled loops take them."""
        return self.slots, self.keys


def build_word_table(capacity: int) -> WordTable:
    """An empty table for ``capacity`` words at least."""
    size = _power_of_two(capacity)
    return WordTable(
        np.zeros(4 * size, np.uint64),
        np.empty(size, np.uint64),
        np.zeros(size + 1, np.int64),
        np.empty(8 * size, np.uint8),
    )


def grow_table(words: WordTable, state: NDArray[np.int64], longest: int) -> WordTable:
    """The same words in a table with room for more: twice as many, or ``longest`` more letters."""
    count, used = int(state[1]), int(state[2])
    larger = build_word_table(2 * len(words.keys) if count == len(words.keys) else len(words.keys))
    letters = np.empty(max(len(larger.letters), 2 * used, used + longest), np.uint8)
    letters[:used] = words.letters[:used]
    larger.keys[:count] = words.keys[:count]
    larger.starts[: count + 1] = words.starts[: count + 1]
    seat(larger.slots, larger.keys, count, 0)
    return replace(larger, letters=letters)


def build_pair_table(capacity: int) -> PairTable:
    """An empty table for ``capacity`` pairs at least."""
    size = _power_of_two(capacity)
    return PairTable(np.zeros(4 * size, np.uint64), np.empty(size, np.uint64))


def widen_table(pairs: PairTable, count: int) -> PairTable:
    """The same pairs in a table with room for twice as many."""
    larger = build_pair_table(2 * len(pairs.keys))
    larger.keys[:count] = pairs.keys[:count]
    seat(larger.slots, larger.keys, count, 0)
    return larger


def _power_of_two(least: int) -> int:
    return 1 << max(6, (least - 1).bit_length())
