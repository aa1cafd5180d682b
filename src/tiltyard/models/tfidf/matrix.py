"""From texts to the sparse TF-IDF matrix."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiltyard.models.tfidf.alphabet import EncodedTexts
from tiltyard.models.tfidf.compiled_vocabulary import NORM_CODES, CompiledVocabulary, Floats, Weighting
from tiltyard.models.tfidf.vocabulary_learning import Batch, LearnedVocabulary

_MOST = 2**31 - 1


def build_learned_matrix(learned: LearnedVocabulary, weighting: Weighting) -> Any:
    """The TF-IDF rows of the texts that the vocabulary was learned from; frees their numbers as it goes.

    Returns:
        Shape (texts, columns), in the sparse container that scikit-learn is configured for.
    """
    cells = int(learned.frequencies.sum())
    rows, indices, amounts = np.zeros(learned.texts + 1, np.int64), np.empty(cells, np.int32), np.empty(cells, np.int32)
    gathering = _Gathering(len(learned.terms), learned.columns, learned.offsets)
    first = 0
    learned.batches.reverse()
    while learned.batches:
        ids, tokens = learned.batches.pop()
        ends = rows[first + 1 : first + len(tokens)]
        gathering.into((ids, tokens), ends, indices, amounts)
        first += len(ends)
    return _join_container(_weigh_terms((rows, indices, amounts), weighting), len(learned.terms))


def build_matrix(texts: Iterable[EncodedTexts], compiled: CompiledVocabulary) -> Any:
    """The TF-IDF rows of texts under a compiled vocabulary; shape and container as above."""
    return _join_container(build_rows(texts, compiled), compiled.width)


@dataclass(frozen=True)
class TermRows:
    """The rows of a sparse matrix: row ``i`` has ``weights[starts[i]:starts[i + 1]]`` in ``columns``, ascending."""

    weights: Floats
    columns: NDArray[np.int32]
    starts: NDArray[np.int64]


def build_rows(texts: Iterable[EncodedTexts], compiled: CompiledVocabulary) -> TermRows:
    """The TF-IDF rows of texts under a compiled vocabulary, as arrays."""
    least, most = compiled.ngram_range
    offsets = np.where(np.arange(most) < least - 1, -1, 0)
    gathering = _Gathering(compiled.width, compiled.columns, offsets)
    pieces = [_count_terms(words_of(batch, compiled), gathering) for batch in texts]
    ends = [ends for ends, _, _ in pieces]
    befores = np.cumsum([0, *(len(indices) for _, indices, _ in pieces)])
    rows = np.concatenate([np.zeros(1, np.int64), *(end + before for end, before in zip(ends, befores, strict=False))])
    indices = np.concatenate([np.zeros(0, np.int32), *(indices for _, indices, _ in pieces)])
    amounts = np.concatenate([np.zeros(0, np.int32), *(amounts for _, _, amounts in pieces)])
    del pieces
    return _weigh_terms((rows, indices, amounts), compiled.weighting)


_Counts = tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int32]]


class _Gathering:
    def __init__(self, width: int, columns: NDArray[np.int32], offsets: NDArray[np.int64]) -> None:
        self._columns, self._offsets = columns, offsets
        self._room = (
            np.zeros(width, np.int32),
            np.zeros(width // 64 + 1, np.uint64),
            np.zeros(width // 4096 + 1, np.uint64),
        )
        self._cursor = np.zeros(1, np.int64)

    def into(
        self, batch: Batch, ends: NDArray[np.int64], indices: NDArray[np.int32], amounts: NDArray[np.int32]
    ) -> None:
        from tiltyard.models.tfidf import row_kernels  # noqa: PLC0415 - imported when first used

        out = (ends, indices, amounts, self._cursor)
        row_kernels.gather(*batch, self._columns, self._offsets, self._room, out)

    def restart(self) -> None:
        self._cursor[0] = 0


def _count_terms(batch: Batch, gathering: _Gathering) -> _Counts:
    ids, tokens = batch
    ends = np.empty(len(tokens) - 1, np.int64)
    indices, amounts = np.empty(ids.size, np.int32), np.empty(ids.size, np.int32)
    gathering.restart()
    gathering.into(batch, ends, indices, amounts)
    return ends, indices[: ends[-1]].copy(), amounts[: ends[-1]].copy()


def words_of(batch: EncodedTexts, compiled: CompiledVocabulary) -> Batch:
    """The n-gram ids of a batch of texts under a compiled vocabulary, and where each text begins; -1 for none."""
    from tiltyard.models.tfidf import scan_kernels  # noqa: PLC0415 - imported when first used

    levels = compiled.ngram_range[1]
    words = np.empty(len(batch.data), np.int32)
    tokens = np.zeros(len(batch) + 1, np.int64)
    learn_nothing = np.array([0, -1, 0])
    scan_kernels.scan(batch.arrays, compiled.letters.arrays, compiled.words.arrays, words, tokens, learn_nothing)
    ids = np.empty((levels, tokens[-1]), np.int32)
    ids[0] = words[: tokens[-1]]
    for level in range(1, levels):
        scan_kernels.extend(ids, level, tokens, compiled.pairs.arrays, True, learn_nothing)
    return ids, tokens


def _weigh_terms(counts: _Counts, weighting: Weighting) -> TermRows:
    from tiltyard.models.tfidf import row_kernels  # noqa: PLC0415 - imported when first used

    rows, indices, amounts = counts
    by_count = weighting.by_count(int(amounts.max(initial=0)))
    idf = np.zeros(0, weighting.dtype) if weighting.idf is None else weighting.idf
    values = np.empty(len(indices), weighting.dtype)
    row_kernels.weigh_row(rows, indices, amounts, (by_count, idf), NORM_CODES[weighting.norm], values)
    return TermRows(values, indices, rows)


def _join_container(made: TermRows, width: int) -> Any:
    import scipy.sparse as sp  # noqa: PLC0415 - compiled scorers need no matrix
    import sklearn  # noqa: PLC0415 - likewise

    values, indices, rows = made.weights, made.columns, made.starts
    container = sp.csr_array if sklearn.get_config().get("sparse_interface") == "sparray" else sp.csr_matrix
    starts = rows.astype(np.int32) if len(indices) <= _MOST else rows
    matrix = container((values, indices, starts), shape=(len(rows) - 1, width), copy=False)
    matrix.has_sorted_indices = True
    matrix.has_canonical_format = True
    return matrix
