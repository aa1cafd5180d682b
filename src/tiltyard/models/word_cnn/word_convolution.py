"""Convolutions over words with one pooling for a text (Johnson and Zhang, 2015)."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self

import joblib
import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, column_or_1d

from tiltyard.formatting import format_count
from tiltyard.models.tfidf.terms import Terms
from tiltyard.models.tfidf.token_ids import Tokens, compile_words, learn_tokens
from tiltyard.models.word_cnn.compiled_network import CompiledNetwork
from tiltyard.models.word_cnn.network import LANES, Network, new_network

Floats = NDArray[np.float64]

# A small corpus is passed more often, so that the steps suffice to learn anything.
_LEAST_ROWS = 40_000


class WordConvolution(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Neurons that detect a few words in a row, anywhere in a text.

    A neuron has a weight for each word at each place of its region. What it says of a text is the largest sum of
    these weights over all places, plus a bias, or 0 where that is less; the classes' decision values are linear in
    what the neurons say. Words are not embedded first: ``seq-CNN`` of Johnson and Zhang ("Effective use of word order
    for text categorization with convolutional neural networks", NAACL 2015), with cross-entropy and Adagrad (Duchi,
    Hazan and Singer, 2011) in place of squared error and momentum, because a rare word's weights then learn as fast as
    a frequent one's.

    Args:
        neurons: how many for each region, a multiple of 64.
        regions: how many words a neuron reads together, each 2, 3 or 4; each has its own network, and
            their decision values are averaged.
        min_df: in how many texts a word must be to have weights.
        max_words: how many words have weights at most; the most frequent are kept.
        passes: how often each text is used; more often where there are few.
        learning_rate: of Adagrad.
        decay: the share of the neurons' weights that is removed after each pass.
        dropout: the share of the neurons that a text is learned without, drawn anew each time.
        random_state: seed of the first weights, the order of the texts and what is dropped.

    Attributes:
        classes_: the k labels, sorted.
        filters_: of each network float16, shape (neurons / 64, words + 1, region, 64), the unknown word last.
        biases_: of each network float32, shape (neurons / 64, 64).
        top_: of each network float32, shape (neurons, k).
        intercept_: of each network float32, shape (k,).
    """

    classes_: NDArray[Any]
    filters_: list[NDArray[np.float16]]
    biases_: list[NDArray[np.float32]]
    top_: list[NDArray[np.float32]]
    intercept_: list[NDArray[np.float32]]
    _terms: Terms
    _compiled: CompiledNetwork | None

    def __init__(  # noqa: PLR0913  the parameters of the method
        self,
        neurons: int = 128,
        *,
        regions: tuple[int, ...] = (2, 3, 4),
        min_df: int = 2,
        max_words: int = 30_000,
        passes: int = 10,
        learning_rate: float = 0.04,
        decay: float = 0.1,
        dropout: float = 0.5,
        random_state: int | None = None,
    ) -> None:
        self.neurons = neurons
        self.regions = regions
        self.min_df = min_df
        self.max_words = max_words
        self.passes = passes
        self.learning_rate = learning_rate
        self.decay = decay
        self.dropout = dropout
        self.random_state = random_state

    def fit(self, X: Iterable[object], y: Any, sample_weight: Any = None) -> Self:
        """Fit to n texts.

        Args:
            X: n strings.
            y: n labels of two kinds or more.
            sample_weight: n numbers, 0 or more: how much each row's loss counts; default: 1 each. A row of weight 0 is
                as if it were not there.

        Raises:
            ValueError: a parameter is out of range, there is one label only, or the weights cannot be used.
            UnusableTextError: an item is not a string, or no word is in enough texts.
        """
        self._check_settings()
        texts, labels, weights = select_counted_rows(X, y, sample_weight)
        self.classes_, truth = np.unique(labels, return_inverse=True)
        terms, tokens = learn_tokens(texts, self.min_df, self.max_words, _margin(self.regions))
        shares = (weights / weights.mean()).astype(np.float32)
        # Each network is one thread's from the first step to the last: nothing depends on how many threads there are.
        seeds = np.random.SeedSequence(self.random_state).spawn(len(self.regions))
        jobs = sorted(zip(self.regions, range(len(seeds)), strict=True), reverse=True)  # the longest first
        with ThreadPoolExecutor(min(len(seeds), joblib.cpu_count()), "tiltyard-convolution") as pool:
            begun = {
                position: pool.submit(self._train, region, seeds[position], terms, tokens, truth, shares)
                for region, position in jobs
            }
            networks = [begun[position].result() for position in range(len(seeds))]
        # Half the size, and no visible difference in any prediction.
        self.filters_ = [network.filters.astype(np.float16) for network in networks]
        self.biases_ = [network.biases for network in networks]
        self.top_ = [network.top for network in networks]
        self.intercept_ = [network.intercept for network in networks]
        self._terms, self._compiled = terms, None
        return self

    def decision_function(self, X: Iterable[object]) -> Floats:
        """Decision values of n texts, shape (n, k), for two labels too: log-probabilities but for a constant a row.

        Computed text by text, so that a text's values do not depend on the others of the call.
        """
        return self.compile().decide(X)

    def compile(self) -> CompiledNetwork:
        """The arrays that predict; built once for a fit."""
        check_is_fitted(self)
        if self._compiled is None:
            self._compiled = CompiledNetwork(
                vocabulary=compile_words(self._terms),
                margin=_margin(self.regions),
                classes=len(self.classes_),
                filters=tuple(filters.astype(np.float32) for filters in self.filters_),
                biases=tuple(self.biases_),
                top=tuple(self.top_),
                intercept=tuple(self.intercept_),
            )
        return self._compiled

    def predict_proba(self, X: Iterable[object]) -> Floats:
        """Probabilities, shape (n, k), in the order of ``classes_``."""
        return np.asarray(softmax(self.decision_function(X), axis=1))

    def predict(self, X: Iterable[object]) -> NDArray[Any]:
        """The most probable label of each text, the first of them on a tie."""
        labels: NDArray[Any] = self.classes_[self.decision_function(X).argmax(axis=1)]
        return labels

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = dict(super().__getstate__())
        if "_compiled" in state:
            state["_compiled"] = None
        return state

    def __sklearn_tags__(self) -> Any:
        return text_tags(super().__sklearn_tags__())

    def _train(
        self,
        region: int,
        seed: np.random.SeedSequence,
        terms: Terms,
        tokens: Tokens,
        truth: NDArray[np.intp],
        shares: NDArray[np.float32],
    ) -> Network:
        from tiltyard.models.word_cnn.training import TrainingPlan, train_network  # noqa: PLC0415

        random = np.random.default_rng(seed)
        network = new_network((self.neurons, region), len(terms), len(self.classes_), random)
        rows = max(self.passes * len(tokens), _LEAST_ROWS)
        train_network(
            network, tokens, truth, shares, TrainingPlan(rows, self.learning_rate, self.decay, self.dropout), random
        )
        return network

    def _check_settings(self) -> None:
        for name, holds, wanted in (
            ("neurons", self.neurons >= LANES and self.neurons % LANES == 0, f"a multiple of {LANES}"),
            ("regions", len(self.regions) > 0 and set(self.regions) <= {2, 3, 4}, "some of 2, 3 and 4"),
            ("passes", self.passes >= 1, "1 or more"),
            ("learning_rate", self.learning_rate > 0, "above 0"),
            ("decay", 0 <= self.decay < 1, "from 0 to below 1"),
            ("dropout", 0 <= self.dropout < 1, "from 0 to below 1"),
        ):
            if not holds:
                raise ValueError(f"{name}={getattr(self, name)!r} cannot be used: it must be {wanted}.")


def _margin(regions: tuple[int, ...]) -> int:
    """So many unknown words around a text let each neuron see its ends at every place of the region."""
    return max(regions) - 1


def select_counted_rows(X: Iterable[object], y: Any, sample_weight: Any) -> tuple[list[object], NDArray[Any], Floats]:
    """The texts, labels and weights of the rows whose weight is not 0.

    Raises:
        ValueError: they are not as many of each, a weight is negative or all are 0, or there is one label only.
    """
    texts, labels = list(X), column_or_1d(y)
    check_classification_targets(labels)
    if len(texts) != len(labels):
        raise ValueError(f"There are {format_count(len(texts), 'text')} and {format_count(len(labels), 'label')}.")
    weights: Floats = _check_sample_weight(
        sample_weight, np.zeros((len(labels), 1)), dtype=np.float64, ensure_non_negative=True
    )
    kept = np.flatnonzero(weights > 0)
    labels = labels[kept]
    if len(np.unique(labels)) < 2:
        raise ValueError(f"At least two labels are needed; there is one: '{labels[0]}'.")
    return [texts[row] for row in kept.tolist()], labels, weights[kept]


def text_tags(tags: Any) -> Any:
    """What scikit-learn should know of a classifier that takes texts."""
    tags.input_tags.string = True
    tags.input_tags.two_d_array = False
    return tags
