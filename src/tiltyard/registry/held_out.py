"""What a version said about the rows that judged it, and the truth: kept with it, to calibrate its answers by."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

HELD_OUT = "held_out.npz"
"""Name of the file that travels with a version."""

MOST_ROWS = 20_000
"""Rows that are kept; of more, every so-manieth."""


@dataclass(frozen=True)
class HeldOut:
    """n rows that a version was not trained on.

    Attributes:
        truth: n true labels.
        predicted: n predicted labels.
        probabilities: (n, k), columns in the order of the version's classes.
    """

    truth: NDArray[np.str_]
    predicted: NDArray[np.str_]
    probabilities: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.truth)

    def to_bytes(self) -> bytes:
        """The rows as the file of a version, at most ``MOST_ROWS`` of them."""
        step = max(1, -(-len(self) // MOST_ROWS))
        file = io.BytesIO()
        np.savez_compressed(
            file,
            truth=self.truth[::step].astype(str),
            predicted=self.predicted[::step].astype(str),
            probabilities=self.probabilities[::step],
        )
        return file.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> HeldOut:
        """The rows that ``to_bytes`` wrote down; pickled arrays are refused."""
        with np.load(io.BytesIO(content), allow_pickle=False) as stored:
            return cls(stored["truth"], stored["predicted"], stored["probabilities"])
