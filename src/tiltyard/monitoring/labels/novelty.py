"""How much an input differs from the training data, one input at a time."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tiltyard.data.conform.written import kind_of_dtype

MOST_REFERENCE = 50_000
"""Rows of the training data that are used; of more, every k-th."""

_WORD = re.compile(r"\w\w+")
_BINS = 20


class NoveltyModel(Protocol):
    """Knows the distribution of the training data."""

    def novelty_scores(self, inputs: Sequence[Mapping[str, Any]]) -> NDArray[np.float64]:
        """n scores, from 0 (usual) to 1 (nothing like it in the training data)."""


def learn_novelty(reference: pd.Series | pd.DataFrame) -> NoveltyModel:
    """Learn the distribution of texts (Series) or rows (DataFrame)."""
    rows = reference.iloc[:: max(1, -(-len(reference) // MOST_REFERENCE))]
    return _Texts.learn(rows) if isinstance(rows, pd.Series) else _Rows.learn(rows)


@dataclass(frozen=True)
class _Texts:
    """The novelty of a text is the mean surprise of its distinct words.

    The surprise of a word is -log2 of the share of reference texts that hold it (Laplace's rule for none), as a share
    of the surprise of a word that none holds.
    """

    texts: int
    holding: Mapping[str, int]

    @classmethod
    def learn(cls, reference: pd.Series) -> _Texts:
        holding: Counter[str] = Counter()
        for text in reference:
            holding.update(set(_WORD.findall(str(text).lower())))
        return cls(len(reference), holding)

    def novelty_scores(self, inputs: Sequence[Mapping[str, Any]]) -> NDArray[np.float64]:
        """Mean surprise of each text's distinct words; a text without words has the score 1."""
        most = np.log2(self.texts + 2)
        scores = []
        for features in inputs:
            words = set(_WORD.findall(str(features.get("text", "")).lower()))
            surprises = [most - np.log2(self.holding.get(word, 0) + 1) for word in words]
            scores.append(float(np.mean(surprises)) / most if surprises else 1.0)
        return np.asarray(scores)


@dataclass(frozen=True)
class _Rows:
    """The novelty of a row is the mean surprise of its cells, as a share of that of an unseen value.

    Numbers are put into 20 bins of equal frequency with open ends beyond the reference's own.
    """

    rows: int
    edges: Mapping[str, NDArray[np.float64]]
    holding: Mapping[str, Mapping[str, int]]

    @classmethod
    def learn(cls, reference: pd.DataFrame) -> _Rows:
        edges: dict[str, NDArray[np.float64]] = {}
        holding: dict[str, Mapping[str, int]] = {}
        for name in map(str, reference.columns):
            column = reference[name]
            if kind_of_dtype(column.dtype) == "number":
                numbers = column.dropna().to_numpy(dtype=np.float64)
                edges[name] = (
                    np.unique(np.quantile(numbers, np.linspace(0, 1, _BINS + 1))) if len(numbers) else np.zeros(1)
                )
            holding[name] = Counter(_bin(value, edges.get(name)) for value in column.tolist())
        return cls(len(reference), edges, holding)

    def novelty_scores(self, inputs: Sequence[Mapping[str, Any]]) -> NDArray[np.float64]:
        """Mean surprise of each row's cells."""
        most = np.log2(self.rows + 2)
        scores = []
        for features in inputs:
            surprises = [
                most - np.log2(counts.get(_bin(features.get(name), self.edges.get(name)), 0) + 1)
                for name, counts in self.holding.items()
            ]
            scores.append(float(np.mean(surprises)) / most if surprises else 0.0)
        return np.asarray(scores)


def _bin(value: Any, edges: NDArray[np.float64] | None) -> str:
    if value is None or (isinstance(value, float) and np.isnan(value)) or value is pd.NA:
        return "(missing)"
    if edges is None:
        return str(value)
    try:
        number = float(value)
    except (TypeError, ValueError):
        return f"(not a number) {value}"
    if number < edges[0] or number > edges[-1]:
        return "(outside)"
    return str(min(int(np.searchsorted(edges, number, side="right")), len(edges) - 1))
