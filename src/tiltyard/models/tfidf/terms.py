"""The terms of a vocabulary, kept as words and chains of words rather than as a dictionary of strings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Terms:
    """The terms of all columns, in column order.

    Attributes:
        letters: the words' UTF-8 bytes, one after the other.
        starts: shape (words + 1,), word ``i`` is ``letters[starts[i]:starts[i + 1]]``.
        chains: shape (columns, longest), the words of each term, -1 after its last.
    """

    letters: NDArray[np.uint8]
    starts: NDArray[np.int64]
    chains: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.chains)

    @classmethod
    def from_words(cls, words: Sequence[bytes], chains: NDArray[np.int32]) -> Terms:
        """Terms over the given words, of which only those that a chain names are kept."""
        used = np.zeros(len(words) + 1, np.bool_)
        used[chains] = True
        used[-1] = False
        kept = np.flatnonzero(used)
        renamed = np.full(len(words) + 1, -1, np.int32)
        renamed[kept] = np.arange(len(kept), dtype=np.int32)
        pieces = [words[number] for number in kept.tolist()]
        starts = np.zeros(len(pieces) + 1, np.int64)
        np.cumsum(np.fromiter(map(len, pieces), np.int64, len(pieces)), out=starts[1:])
        return cls(np.frombuffer(b"".join(pieces), np.uint8).copy(), starts, renamed[chains])

    @classmethod
    def from_strings(cls, terms: Sequence[str]) -> Terms:
        """Terms from their strings, the words of each divided by single spaces."""
        numbers: dict[str, int] = {}
        rows = [[numbers.setdefault(word, len(numbers)) for word in term.split(" ")] for term in terms]
        chains = np.full((len(rows), max(map(len, rows), default=1)), -1, np.int32)
        for row, chain in zip(chains, rows, strict=True):
            row[: len(chain)] = chain
        return cls.from_words([word.encode("utf-8", "surrogatepass") for word in numbers], chains)

    def words(self) -> list[bytes]:
        """Each word's bytes, by number."""
        data, ends = self.letters.tobytes(), self.starts.tolist()
        return [data[first:last] for first, last in pairwise(ends)]

    def strings_of(self, columns: NDArray[np.integer]) -> list[str]:
        """The terms of some columns, in the given order; only their own words are read."""
        chains = self.chains[columns]
        used = np.unique(chains[chains >= 0])
        spans = zip(used.tolist(), self.starts[used].tolist(), self.starts[used + 1].tolist(), strict=True)
        words = {
            number: self.letters[first:last].tobytes().decode("utf-8", "surrogatepass") for number, first, last in spans
        }
        return [" ".join([words[number] for number in chain if number >= 0]) for chain in chains.tolist()]

    def strings(self) -> list[str]:
        """The terms as strings, by column."""
        words = [word.decode("utf-8", "surrogatepass") for word in self.words()]
        words.append("")  # what -1 stands for
        longest = self.chains.shape[1]
        if longest == 1:
            return [words[number] for number in self.chains[:, 0].tolist()]
        lengths = (self.chains >= 0).sum(axis=1).tolist()
        return [
            " ".join([words[number] for number in chain[:length]])
            for chain, length in zip(self.chains.tolist(), lengths, strict=True)
        ]
