"""How a convolution over words is trained: mini-batches, dropout, Adagrad."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from tiltyard.models.tfidf.token_ids import Tokens
from tiltyard.models.word_cnn import convolution_kernels
from tiltyard.models.word_cnn.network import Network, Singles

_BATCH = 50
_SQUARES = 1e-10  # what Adagrad's sums begin with, so that nothing is divided by zero


@dataclass(frozen=True)
class TrainingPlan:
    """How it is trained.

    Attributes:
        rows: so many rows are used in all, each as often as any other within one.
        learning_rate: of Adagrad.
        decay: the share of the filters that is removed after each pass over the rows.
        dropout: the share of the neurons that a row does not see.
    """

    rows: int
    learning_rate: float
    decay: float
    dropout: float


def train_network(
    network: Network,
    tokens: Tokens,
    truth: NDArray[np.intp],
    rows_weights: Singles,
    course: TrainingPlan,
    random: np.random.Generator,
) -> None:
    """Train a network in place, to the least cross-entropy.

    Args:
        network: what is trained.
        tokens: n texts.
        truth: n class numbers.
        rows_weights: n weights, of mean 1.
        course: how.
        random: the order of the rows, and what is dropped.
    """
    training = _Training(network, tokens, course)
    trained = 0
    while trained < course.rows:
        order = random.permutation(len(tokens))[: course.rows - trained]
        for first in range(0, len(order), _BATCH):
            rows = order[first : first + _BATCH]
            kept = random.random((len(rows), len(network.top)), dtype=np.float32) >= course.dropout
            training.step(rows, truth[rows], rows_weights[rows], kept)
        trained += len(order)
        np.multiply(network.filters, np.float32(1 - course.decay), out=network.filters)


class _Training:
    def __init__(self, network: Network, tokens: Tokens, course: TrainingPlan) -> None:
        self._network = network
        self._texts = tokens.arrays
        self._rate = np.float32(course.learning_rate)
        self._scale = np.float32(1 / (1 - course.dropout))
        self._top_squares, self._intercept_squares = _sums(network.top), _sums(network.intercept)
        self._state = network.filters, _sums(network.filters), network.biases, _sums(network.biases)

    def step(self, rows: NDArray[np.intp], truth: NDArray[np.intp], weights: Singles, kept: NDArray[np.bool_]) -> None:
        """Show some rows once; ``kept`` says which neurons each of them sees."""
        network, texts = self._network, self._texts
        values, positions = np.empty(kept.shape, np.float32), np.empty(kept.shape, np.int32)
        convolution_kernels.forward(network.filters, network.biases, texts, rows, (values, positions))
        factors = kept * self._scale
        seen = values * factors
        errors = np.asarray(softmax(seen @ network.top + network.intercept, axis=1), np.float32)
        errors[np.arange(len(rows)), truth] -= 1
        errors *= weights[:, None]
        slopes = np.asarray((errors @ network.top.T) * factors * (values > 0), np.float32)
        self._move(network.top, self._top_squares, np.asarray(seen.T @ errors, np.float32))
        self._move(network.intercept, self._intercept_squares, errors.sum(axis=0))
        convolution_kernels.backward(self._state, texts[0], positions, slopes, self._rate)

    def _move(self, weights: Singles, squares: Singles, slopes: Singles) -> None:
        squares += slopes * slopes
        weights -= self._rate * slopes / np.sqrt(squares)


def _sums(weights: Singles) -> Singles:
    return np.full_like(weights, _SQUARES)
