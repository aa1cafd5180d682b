"""The compiled loops of a convolution over words: the best position of each neuron, and its step along the gradient.

Neurons stand in blocks of ``LANES``, which a processor handles a vector at a time. Every loop releases the GIL.

A text is a run of word numbers; the number of the word that is not known has filters of zeros, and keeps them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tiltyard.kernels.jit import compile_kernel
from tiltyard.models.word_cnn.network import LANES

_LEAST = np.float32(-3e38)
_NOTHING = np.float32(0)


@compile_kernel
def _pool_two(filters: Any, words: Any, first: Any, last: Any, best: Any, positions: Any) -> Any:
    for position in range(first, last - 1):
        one, two = filters[words[position], 0], filters[words[position + 1], 1]
        for lane in range(LANES):
            value = one[lane] + two[lane]
            positions[lane] = position if value > best[lane] else positions[lane]
            best[lane] = max(best[lane], value)


@compile_kernel
def _pool_three(filters: Any, words: Any, first: Any, last: Any, best: Any, positions: Any) -> Any:
    for position in range(first, last - 2):
        one, two, three = filters[words[position], 0], filters[words[position + 1], 1], filters[words[position + 2], 2]
        for lane in range(LANES):
            value = one[lane] + two[lane] + three[lane]
            positions[lane] = position if value > best[lane] else positions[lane]
            best[lane] = max(best[lane], value)


@compile_kernel
def _pool_four(filters: Any, words: Any, first: Any, last: Any, best: Any, positions: Any) -> Any:
    for position in range(first, last - 3):
        one, two = filters[words[position], 0], filters[words[position + 1], 1]
        three, four = filters[words[position + 2], 2], filters[words[position + 3], 3]
        for lane in range(LANES):
            value = one[lane] + two[lane] + three[lane] + four[lane]
            positions[lane] = position if value > best[lane] else positions[lane]
            best[lane] = max(best[lane], value)


@compile_kernel
def _pool(filters: Any, words: Any, first: Any, last: Any, best: Any, positions: Any) -> Any:
    best[:] = _LEAST
    positions[:] = first
    # One loop for each length: sums that wait in memory for the next word would take half as long again.
    if filters.shape[1] == 2:
        _pool_two(filters, words, first, last, best, positions)
    elif filters.shape[1] == 3:
        _pool_three(filters, words, first, last, best, positions)
    else:
        _pool_four(filters, words, first, last, best, positions)


@compile_kernel
def forward(filters: Any, biases: Any, texts: Any, rows: Any, out: Any) -> Any:
    """What the neurons say of some texts: ``max(0, bias + best sum of filters over the text)``.

    Args:
        filters: float32 (blocks, words + 1, region, LANES), with a region of 2, 3 or 4.
        biases: float32 (blocks, LANES).
        texts: (words int32, starts int64): text ``i`` is ``words[starts[i]:starts[i + 1]]``, at least a region long.
        rows: int64 (n,), the texts to compute.
        out: (float32 (n, neurons), int32 (n, neurons)): what they say, and where their best position begins.
    """
    words, starts = texts
    values, positions = out
    best, where = np.empty(LANES, np.float32), np.empty(LANES, np.int32)
    for block in range(filters.shape[0]):  # the filters of a block are few enough to stay near the processor
        for number in range(rows.size):
            _pool(filters[block], words, starts[rows[number]], starts[rows[number] + 1], best, where)
            for lane in range(LANES):
                column = block * LANES + lane
                values[number, column] = max(_NOTHING, best[lane] + biases[block, lane])
                positions[number, column] = where[lane]


@compile_kernel
def backward(state: Any, words: Any, positions: Any, slopes: Any, rate: Any) -> Any:
    """Move filters and biases against the gradient, each weight at its own rate (Adagrad).

    Only the words of a neuron's best position contributed to its value, so only their filters move.

    Args:
        state: (filters, squares, biases, bias squares), float32; squares add up those of the gradients, from above 0.
        words: int32, the word numbers of all texts.
        places: int32 (n, neurons), as ``forward`` gave them.
        slopes: float32 (n, neurons), the gradient of the loss in the values of the neurons.
        rate: the learning rate.
    """
    filters, squares, biases, bias_squares = state
    unknown = filters.shape[1] - 1
    for block in range(filters.shape[0]):
        for number in range(slopes.shape[0]):
            for lane in range(LANES):
                slope = slopes[number, block * LANES + lane]
                if slope == 0:
                    continue
                square = slope * slope
                position = positions[number, block * LANES + lane]
                for offset in range(filters.shape[2]):
                    word = words[position + offset]
                    if word != unknown:
                        squares[block, word, offset, lane] += square
                        filters[block, word, offset, lane] -= rate * slope / np.sqrt(squares[block, word, offset, lane])
                bias_squares[block, lane] += square
                biases[block, lane] -= rate * slope / np.sqrt(bias_squares[block, lane])


@compile_kernel
def predict_token_rows(filters: Any, biases: Any, top: Any, texts: Any, out: Any) -> Any:
    """Add what all neurons say of each text to its decision values, in float64 and text by text.

    Args:
        filters: float32 (blocks, words + 1, region, LANES).
        biases: float32 (blocks, LANES).
        top: float32 (neurons, classes).
        texts: (words int32, starts int64).
        out: float64 (texts, classes), to which is added.
    """
    words, starts = texts
    best, where = np.empty(LANES, np.float32), np.empty(LANES, np.int32)
    for number in range(starts.size - 1):
        for block in range(filters.shape[0]):
            _pool(filters[block], words, starts[number], starts[number + 1], best, where)
            for lane in range(LANES):
                value = best[lane] + biases[block, lane]
                if value > 0:
                    for label in range(out.shape[1]):
                        out[number, label] += np.float64(value) * np.float64(top[block * LANES + lane, label])
