"""The weights of a convolution over words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Singles = NDArray[np.float32]

LANES = 64  # neurons that the compiled loops handle together

_SPREAD = 0.01  # of the weights at the start: enough that neurons differ, too little for a rare word to have an effect


@dataclass(frozen=True)
class Network:
    """The weights.

    Attributes:
        filters: shape (blocks, words + 1, region, lanes), what a neuron adds for a word at a place of its region.
        biases: shape (blocks, lanes).
        top: shape (blocks * lanes, classes).
        intercept: shape (classes,).
    """

    filters: Singles
    biases: Singles
    top: Singles
    intercept: Singles


def new_network(shape: tuple[int, int], words: int, classes: int, random: np.random.Generator) -> Network:
    """So many neurons with so long a region; random filters, and zeros for the word that is not known."""
    neurons, region = shape
    blocks = neurons // LANES
    filters = random.standard_normal((blocks, words + 1, region, LANES), dtype=np.float32)
    filters *= np.float32(_SPREAD)
    filters[:, words] = 0
    top = random.standard_normal((neurons, classes), dtype=np.float32) * np.float32(_SPREAD)
    return Network(filters, np.zeros((blocks, LANES), np.float32), top, np.zeros(classes, np.float32))
