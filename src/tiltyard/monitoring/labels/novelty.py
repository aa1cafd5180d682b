"""How unfamiliar an input is to who learnt from the training data, one input at a time."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tiltyard.data.column_kinds import kind_of_dtype

MOST_REFERENCE = 50_000
"""Rows of the training data that are learnt from; of more, every so-manieth."""

_WORD = re.compile(r"\w\w+")
_BINS = 20


class NoveltyModel(Protocol):
    """Knows what the training data looks like."""

    def strangeness(self, inputs: Sequence[Mapping[str, Any]]) -> NDArray[np.float64]:
        """n numbers, from 0 (as usual) to 1 (nothing like it was seen)."""


def learn_novelty(reference: pd.Series | pd.DataFrame) -> NoveltyModel:
    """What is usual in texts (Series) or rows (DataFrame)."""
    rows = reference.iloc[:: max(1, -(-len(reference) // MOST_REFERENCE))]
    return _Texts.learn(rows) if isinstance(rows, pd.Series) else _Rows.learn(rows)


@dataclass(frozen=True)
class _Texts:
    """Strange is a text many of whose different words the reference does not hold; the mean surprise of its words.

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

    def strangeness(self, inputs: Sequence[Mapping[str, Any]]) -> NDArray[np.float64]:
        """Mean surprise of each text's different words; a text without words is as strange as can be."""
        most = np.log2(self.texts + 2)
        found = []
        for asked in inputs:
            words = set(_WORD.findall(str(asked.get("text", "")).lower()))
            surprises = [most - np.log2(self.holding.get(word, 0) + 1) for word in words]
            found.append(float(np.mean(surprises)) / most if surprises else 1.0)
        return np.asarray(found)


@dataclass(frozen=True)
class _Rows:
    """Strange is a row whose values are rare: the mean surprise of its cells, as a share of that of an unseen value.

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

    def strangeness(self, inputs: Sequence[Mapping[str, Any]]) -> NDArray[np.float64]:
        """Mean surprise of each row's cells."""
        most = np.log2(self.rows + 2)
        found = []
        for asked in inputs:
            surprises = [
                most - np.log2(counts.get(_bin(asked.get(name), self.edges.get(name)), 0) + 1)
                for name, counts in self.holding.items()
            ]
            found.append(float(np.mean(surprises)) / most if surprises else 0.0)
        return np.asarray(found)


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
