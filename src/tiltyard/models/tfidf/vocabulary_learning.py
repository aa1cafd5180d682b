"""Learn a vocabulary from texts: which n-grams there are, which are kept, and in what order.

Words first, then n-grams level by level. Each level only reads n-grams whose two shorter parts are frequent
enough to be kept (no longer n-gram is in more texts than its parts; Agrawal and Srikant, 1994), so the tables stay
small. What is kept, and its order, follow scikit-learn's rules to the letter, ties included.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tiltyard.models.tfidf.alphabet import Alphabet, EncodedTexts, UnsupportedSettingError, UnusableTextError
from tiltyard.models.tfidf.terms import Terms

_MOST = 2**31 - 1
_TEXTS, _OCCURRENCES = 1, 2  # the tally's columns


@dataclass(frozen=True)
class Selection:
    """Which n-grams become columns: the parameters of the same names in scikit-learn.

    ``dtype`` is that of the counts, because scikit-learn breaks the ties of ``max_features`` by sorting them.
    """

    ngram_range: tuple[int, int]
    min_df: float
    max_df: float
    max_features: int | None
    binary: bool
    dtype: type[np.floating]


@dataclass(frozen=True)
class LearnedVocabulary:
    """A vocabulary and the texts it was learned from, as numbers.

    Attributes:
        terms: the terms by column.
        frequencies: shape (columns,), in how many texts each is.
        texts: how many texts there were.
        batches: the texts' n-gram ids, int32 (levels, tokens), and where each text's tokens begin.
        columns: the column of each n-gram, -1 where it is not kept.
        offsets: shape (levels,), where a level's n-grams begin in ``columns``; -1 where no term is so short.
    """

    terms: Terms
    frequencies: NDArray[np.int64]
    texts: int
    batches: list[Batch]
    columns: NDArray[np.int32]
    offsets: NDArray[np.int64]


Batch = tuple[NDArray[np.int32], NDArray[np.int64]]


def learn_vocabulary(texts: Iterable[EncodedTexts], letters: Alphabet, selection: Selection) -> LearnedVocabulary:
    """Count the n-grams of the texts and select the columns.

    Raises:
        UnusableTextError: there is no term at all, or none is left after pruning.
        UnsupportedSettingError: max_df means fewer texts than min_df.
    """
    least_words, most_words = selection.ngram_range
    batches, words = _scan_batches(texts, letters, most_words)
    total = sum(len(tokens) - 1 for _, tokens in batches)
    if not any((np.diff(tokens) >= least_words).any() for _, tokens in batches):
        raise UnusableTextError(
            "The vocabulary is empty: no text holds a term.",
            next_step="Check that the text column is the right one, and that token_pattern fits the texts.",
        )
    fewest, most = _limits(selection, total)
    levels = [_Level(np.zeros(0, np.uint64), _tally(batches, 0, len(words)))]
    kept_words = _prune(batches, levels, fewest)
    words = [words[number] for number in kept_words]
    for level in range(1, most_words):
        keys = _extend(batches, level)
        levels.append(_Level(keys, _tally(batches, level, len(keys))))
        if level + 1 < most_words:
            _prune(batches, levels, fewest)
    numbers = [np.flatnonzero(level.among(fewest, most)) for level in levels]
    numbers[: least_words - 1] = [np.zeros(0, np.int64)] * (least_words - 1)
    chains = np.concatenate([_chains(levels, row, ids) for row, ids in enumerate(numbers)])
    tallies = np.concatenate([level.tally[ids] for level, ids in zip(levels, numbers, strict=True)])
    order = _order(words, chains, tallies, selection)
    columns, offsets = _columns(levels, numbers, order)
    offsets[: least_words - 1] = -1
    return LearnedVocabulary(
        terms=Terms.from_words(words, chains[order]),
        frequencies=tallies[order, _TEXTS].astype(np.int64),
        texts=total,
        batches=batches,
        columns=columns,
        offsets=offsets,
    )


@dataclass(frozen=True)
class _Level:
    keys: NDArray[np.uint64]  # prefix id << 32 | word id, empty for words
    tally: NDArray[np.int32]  # columns: last text, texts, occurrences

    def among(self, fewest: float, most: float) -> NDArray[np.bool_]:
        """Which n-grams are in so many texts."""
        frequencies = self.tally[:, _TEXTS]
        return (frequencies >= fewest) & (frequencies <= most)


def _limits(selection: Selection, texts: int) -> tuple[float, float]:
    def in_texts(value: float) -> float:
        return value * texts if isinstance(value, float) else value

    fewest, most = in_texts(selection.min_df), in_texts(selection.max_df)
    if most < fewest:
        raise UnsupportedSettingError(
            f"max_df={selection.max_df!r} means fewer texts than min_df={selection.min_df!r} "
            f"({most:g} and {fewest:g} of {texts}).",
            next_step="Raise max_df or lower min_df.",
        )
    return fewest, most


def _scan_batches(texts: Iterable[EncodedTexts], letters: Alphabet, levels: int) -> tuple[list[Batch], list[bytes]]:
    from tiltyard.models.tfidf import hash_tables, scan_kernels  # noqa: PLC0415 - imported when first used

    table = hash_tables.build_word_table(1 << 13)
    state = np.zeros(3, np.int64)
    batches: list[Batch] = []
    total = 0
    for batch in texts:
        ids = np.empty(len(batch.data), np.int32)
        tokens = np.zeros(len(batch) + 1, np.int64)
        state[0] = 0
        while not scan_kernels.scan(batch.arrays, letters.arrays, table.arrays, ids, tokens, state):
            table = hash_tables.grow_table(table, state, len(batch.data))
        total += int(tokens[-1])
        if total > _MOST:
            raise UnusableTextError(
                f"The texts hold more than {_MOST:,} words, which is more than a vocabulary can be learned from.",
                next_step="Train on a sample of the rows.",
            )
        rows = np.empty((levels, tokens[-1]), np.int32)
        rows[0] = ids[: tokens[-1]]
        batches.append((rows, tokens))
    known = Terms(table.letters, table.starts[: state[1] + 1], np.zeros((0, 1), np.int32))
    return batches, known.words()


def _tally(batches: list[Batch], level: int, size: int) -> NDArray[np.int32]:
    from tiltyard.models.tfidf import row_kernels  # noqa: PLC0415 - imported when first used

    tally = np.zeros((size, 3), np.int32)
    first = 0
    for ids, tokens in batches:
        row_kernels.count(ids, level, tokens, first, tally)
        first += len(tokens) - 1
    return tally


def _prune(batches: list[Batch], levels: list[_Level], fewest: float) -> NDArray[np.int64]:
    level = levels[-1]
    alive = level.among(fewest, np.inf)
    kept = np.flatnonzero(alive)
    if len(kept) < len(alive):
        renamed = np.full(len(alive) + 1, -1, np.int32)
        renamed[kept] = np.arange(len(kept), dtype=np.int32)
        row = len(levels) - 1
        for ids, _ in batches:
            ids[row] = renamed[ids[row]]
        levels[-1] = _Level(level.keys[kept] if row else level.keys, level.tally[kept])
    return kept


def _extend(batches: list[Batch], level: int) -> NDArray[np.uint64]:
    from tiltyard.models.tfidf import hash_tables, scan_kernels  # noqa: PLC0415 - imported when first used

    table = hash_tables.build_pair_table(sum(ids.shape[1] for ids, _ in batches) // 4)
    state = np.zeros(2, np.int64)
    for ids, tokens in batches:
        state[0] = 0
        while not scan_kernels.extend(ids, level, tokens, table.arrays, False, state):
            table = hash_tables.widen_table(table, int(state[1]))
    return table.keys[: state[1]].copy()


def _order(
    words: list[bytes], chains: NDArray[np.int32], tallies: NDArray[np.int32], selection: Selection
) -> NDArray[np.int64]:
    order = _alphabetical(words, chains)
    limit = selection.max_features
    if limit is not None and len(order) > limit:
        # scikit-learn's own expression, on the same numbers in the same order: ties fall as they fall there
        occurrences = tallies[order, _TEXTS if selection.binary else _OCCURRENCES].astype(selection.dtype)
        order = order[np.sort((-occurrences).argsort()[:limit])]
    if len(order) == 0:
        raise UnusableTextError(
            "No terms are left after pruning.",
            next_step="Lower min_df or raise max_df.",
            min_df=selection.min_df,
            max_df=selection.max_df,
        )
    return order


def _columns(
    levels: list[_Level], numbers: list[NDArray[np.int64]], order: NDArray[np.int64]
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    sizes = [len(level.tally) for level in levels]
    offsets = np.cumsum([0, *sizes[:-1]])
    positions = np.concatenate([ids + offset for ids, offset in zip(numbers, offsets, strict=True)])
    columns = np.full(sum(sizes), -1, np.int32)
    columns[positions[order]] = np.arange(len(order), dtype=np.int32)
    return columns, offsets


def _chains(levels: list[_Level], row: int, ids: NDArray[np.int64]) -> NDArray[np.int32]:
    chains = np.full((len(ids), len(levels)), -1, np.int32)
    for position in range(row, 0, -1):
        keys = levels[position].keys[ids]
        chains[:, position] = (keys & np.uint64(0xFFFFFFFF)).astype(np.int32)
        ids = (keys >> np.uint64(32)).astype(np.int64)
    chains[:, 0] = ids
    return chains


def _alphabetical(words: list[bytes], chains: NDArray[np.int32]) -> NDArray[np.int64]:
    # A space sorts before every character that can follow within a longer word, so strings of words joined by
    # spaces are in the order of their words' ranks, the shorter chain first.
    ranks = np.zeros(len(words) + 1, np.int64)
    ranks[sorted(range(len(words)), key=words.__getitem__)] = np.arange(1, len(words) + 1)
    rank = ranks[chains[:, 0]]
    for column in range(1, chains.shape[1]):
        if column > 1:
            rank = np.unique(rank, return_inverse=True)[1]
        rank = (rank << 32) | ranks[chains[:, column]]
    return np.argsort(rank)
