"""The predictions of a version for the rows that it was evaluated on, and the truth: kept to calibrate it by."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiltyard.errors import ArtifactError

HOLDOUT = "held_out.npz"
"""Name of the file that travels with a version."""

MOST_ROWS = 20_000
"""Rows that are kept; of more, every so-manieth."""

HOLDOUT_NUMBERS = "held_out_numbers.npz"
"""The same of a version that predicts numbers."""

_MOST_BYTES = 512 * 1024**2


@dataclass(frozen=True)
class HoldoutPredictions:
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

    def confidence(self, classes: Sequence[str]) -> NDArray[np.float64]:
        """The probability of each predicted label; the columns are those of ``classes``."""
        places = {name: place for place, name in enumerate(classes)}
        return self.probabilities[np.arange(len(self)), [places[label] for label in self.predicted.tolist()]]

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
    def from_bytes(cls, content: bytes) -> HoldoutPredictions:
        """The rows that ``to_bytes`` wrote down; pickled arrays are refused.

        Raises:
            ArtifactError: they are something else.
        """
        try:
            stored = read_arrays(content)
            rows = cls(stored["truth"], stored["predicted"], stored["probabilities"])
            kinds = [held.dtype.kind for held in (rows.truth, rows.predicted, rows.probabilities)]
            if kinds != ["U", "U", "f"] or not rows._is_whole():
                raise ValueError("their columns do not fit together")
        except UNREADABLE as error:
            raise unreadable(HOLDOUT, error) from None
        return rows

    def _is_whole(self) -> bool:
        rows = self.truth.shape
        return len(rows) == 1 and rows == self.predicted.shape == self.probabilities.shape[:-1]


@dataclass(frozen=True)
class HoldoutNumbers:
    """n rows that a version of numbers was not trained on.

    Attributes:
        truth: n true numbers.
        predicted: n predicted numbers.
    """

    truth: NDArray[np.float64]
    predicted: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.truth)

    def to_bytes(self) -> bytes:
        """The rows as the file of a version, at most ``MOST_ROWS`` of them."""
        step = max(1, -(-len(self) // MOST_ROWS))
        file = io.BytesIO()
        np.savez_compressed(file, truth=self.truth[::step], predicted=self.predicted[::step])
        return file.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> HoldoutNumbers:
        """The rows that ``to_bytes`` wrote down; pickled arrays are refused.

        Raises:
            ArtifactError: they are something else.
        """
        try:
            stored = read_arrays(content)
            rows = cls(stored["truth"], stored["predicted"])
            kinds = [held.dtype.kind for held in (rows.truth, rows.predicted)]
            if kinds != ["f", "f"] or rows.truth.ndim != 1 or rows.truth.shape != rows.predicted.shape:
                raise ValueError("their columns do not fit together")
        except UNREADABLE as error:
            raise unreadable(HOLDOUT_NUMBERS, error) from None
        return rows


def read_arrays(content: bytes) -> dict[str, NDArray[Any]]:
    """The arrays of a file that travels with a version, by name; pickled ones are refused.

    Raises one of ``UNREADABLE`` where they cannot be read, or would take far too much memory.
    """
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        if sum(entry.file_size for entry in archive.infolist()) > _MOST_BYTES:
            raise ValueError("they would take far too much memory")
    with np.load(io.BytesIO(content), allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}


UNREADABLE = (
    ValueError,
    KeyError,
    TypeError,
    OSError,
    EOFError,
    MemoryError,
    RuntimeError,
    zipfile.BadZipFile,
    zlib.error,
)
"""What numpy raises over an array that it cannot read."""


def unreadable(name: str, error: BaseException) -> ArtifactError:
    """The error over a file of arrays that travels with a version, and is none."""
    why = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
    return ArtifactError(
        f"The version's file {name} cannot be read: {why}.",
        next_step="Find out who made the version, or train a new one.",
        code="artifact.unreadable",
        file=name,
    )
