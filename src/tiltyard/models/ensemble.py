"""Two unlike models of a text as one: n-grams weighted by naive Bayes, and a convolution over words."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from tiltyard.models.nb_svm import NaiveBayesLogistic
from tiltyard.models.tfidf.alphabet import WORDS_AND_MARKS
from tiltyard.models.tfidf.vectoriser import FastTfidfVectorizer
from tiltyard.models.word_cnn.compiled_network import pool_decisions
from tiltyard.models.word_cnn.word_convolution import WordConvolution, select_counted_rows, text_tags

Floats = NDArray[np.float64]


class NaiveBayesConvolution(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A logarithmic opinion pool of two models: their probabilities multiplied, divided by the sum over the labels.

    The one is logistic regression on TF-IDF of up to three words and marks, weighted by naive Bayes: it knows every
    phrase of its training texts. The other is convolutions over words: they know what phrases have in common. The two
    err on other texts, so that both together err less than either (Genest and Zidek, "Combining probability
    distributions", 1986, on such pools; Mesnil et al., 2014, on these two kinds of models for reviews).

    Args:
        C: as in ``NaiveBayesLogistic``.
        alpha: as in ``NaiveBayesLogistic``.
        neurons: as in ``WordConvolution``.
        passes: as in ``WordConvolution``.
        decay: as in ``WordConvolution``.
        random_state: seed of both models.

    Attributes:
        classes_: the k labels, sorted.
        linear_: the fitted pipeline of the first model.
        network_: the fitted second model.
    """

    classes_: NDArray[Any]
    linear_: Pipeline
    network_: WordConvolution

    def __init__(
        self,
        C: float = 20.0,
        *,
        alpha: float = 1.0,
        neurons: int = 128,
        passes: int = 10,
        decay: float = 0.1,
        random_state: int | None = None,
    ) -> None:
        self.C = C
        self.alpha = alpha
        self.neurons = neurons
        self.passes = passes
        self.decay = decay
        self.random_state = random_state

    def fit(self, X: Iterable[object], y: Any, sample_weight: Any = None) -> Self:
        """Fit to n texts.

        Args:
            X: n strings.
            y: n labels of two kinds or more.
            sample_weight: n numbers, 0 or more: how many rows each row counts for; default: 1 each. A row of weight 0
                is as if it were not there.

        Raises:
            ValueError: a parameter is out of range, there is one label only, or the weights cannot be used.
            UnusableTextError: an item is not a string, or no word is in enough texts.
        """
        texts, labels, weights = select_counted_rows(X, y, sample_weight)
        self.classes_ = np.unique(labels)
        read = FastTfidfVectorizer(ngram_range=(1, 3), min_df=2, sublinear_tf=True, token_pattern=WORDS_AND_MARKS)
        regression = NaiveBayesLogistic(self.C, alpha=self.alpha, random_state=self.random_state)
        self.linear_ = Pipeline([("tfidf", read), ("classifier", regression)])
        self.linear_.fit(texts, labels, classifier__sample_weight=weights)
        self.network_ = WordConvolution(
            self.neurons, passes=self.passes, decay=self.decay, random_state=self.random_state
        )
        self.network_.fit(texts, labels, sample_weight=weights)
        return self

    def predict_proba(self, X: Iterable[object]) -> Floats:
        """Probabilities, shape (n, k), in the order of ``classes_``; a text's do not depend on the others."""
        check_is_fitted(self)
        texts = list(X)
        return self.pool_probabilities(self.linear_.predict_proba(texts), texts)

    def pool_probabilities(self, probabilities: Floats, texts: Iterable[object]) -> Floats:
        """Probabilities of n texts, shape (n, k), from the ``probabilities`` of the linear model, however computed."""
        return pool_decisions(probabilities, self.network_.decision_function(texts))

    def predict(self, X: Iterable[object]) -> NDArray[Any]:
        """The most probable label of each text, the first of them on a tie."""
        labels: NDArray[Any] = self.classes_[self.predict_proba(X).argmax(axis=1)]
        return labels

    def __sklearn_tags__(self) -> Any:
        return text_tags(super().__sklearn_tags__())
