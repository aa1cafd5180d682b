"""Linear text models scored by a compiled kernel: no matrix, no scikit-learn, and the same predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import Pipeline

from tiltyard.models.tfidf import compiled_vocabulary
from tiltyard.models.tfidf.alphabet import batches
from tiltyard.models.tfidf.compiled_vocabulary import Weighting
from tiltyard.models.tfidf.matrix import build_matrix
from tiltyard.models.tfidf.vectoriser import FastTfidfVectorizer, UnsupportedSettingError
from tiltyard.scoring.explanations import Contribution, Explanation
from tiltyard.scoring.linear_head import LinearHead, build_linear_head
from tiltyard.scoring.scorer import NotCompilableError
from tiltyard.scoring.text.text_inputs import ScorerOfTexts, extract_texts


class TextScorer(ScorerOfTexts):
    """Scores texts with TF-IDF and a linear classifier.

    Words are cut, looked up and weighed as the vectoriser does, and each term's weight is added to the decision value
    at once. Probabilities equal scikit-learn's but for the order of the sums (1e-12 where the vectoriser normalises
    its rows). Computed in float64 and row by row: a batch gets the predictions of its texts one by one, to the bit.

    Args:
        vectoriser: the fitted vectoriser.
        head: the fitted classifier over its columns.
        classes: the labels, in the order of the probabilities.

    Attributes:
        vectoriser: the fitted one; names the terms of columns.
        head: the linear head.
    """

    kind = "compiled text"

    def __init__(self, vectoriser: FastTfidfVectorizer, head: LinearHead, classes: Sequence[str]) -> None:
        super().__init__(classes)
        self.vectoriser = vectoriser
        self.head = head
        self._compiled = vectoriser.compile()
        self._nothing = float(head.intercept[0])

    def score_texts(self, texts: Sequence[str]) -> tuple[NDArray[np.float64], list[int]]:
        """Probabilities of n texts, shape (n, classes), and the texts of which the vocabulary knows no term."""
        decisions = compiled_vocabulary.decision(texts, self._compiled, self.head.weights, self.head.intercept)
        # Without a known term a decision is the intercept, to the bit; with one it hardly ever is.
        firsts = decisions[:, 0].tolist()
        unknown = self._find_unknown(texts, firsts) if self._nothing in firsts else []
        return self.head.probabilities(decisions), unknown

    def _find_unknown(self, texts: Sequence[str], firsts: Sequence[float]) -> list[int]:
        suspects = [position for position, first in enumerate(firsts) if first == self._nothing]
        terms = np.diff(self.vectoriser.transform([texts[position] for position in suspects]).indptr)
        return [position for position, count in zip(suspects, terms.tolist(), strict=True) if not count]

    def explain(self, inputs: Sequence[Mapping[str, Any]], label: str | None) -> list[Explanation]:
        """What each term of n texts adds to the log-odds of a label, exactly; see ``explanations.explain``."""
        texts = extract_texts(inputs)
        rows = self.vectoriser.transform(texts)
        counted = replace(self._compiled, weighting=Weighting(None, norm=None))
        counts = build_matrix(batches(texts, counted.lowercase), counted)
        found = []
        for number, probabilities in enumerate(self.probabilities(texts)):
            position = int(probabilities.argmax()) if label is None else self.classes.index(label)
            cells = slice(rows.indptr[number], rows.indptr[number + 1])
            columns = rows.indices[cells]
            weights, intercept = self.head.towards(position, columns)
            parts = rows.data[cells] * weights
            cases = zip(self.vectoriser.terms_of(columns), counts.data[cells].tolist(), parts.tolist(), strict=True)
            found.append(
                Explanation(
                    label=self.classes[position],
                    probability=float(probabilities[position]),
                    method="linear",
                    scale=self.head.scale,
                    exact=self.head.members == 1,
                    baseline_name="intercept",
                    baseline=intercept,
                    total=intercept + float(parts.sum()),
                    contributions=tuple(Contribution(term, int(count), part) for term, count, part in cases),
                )
            )
        return found


def compile_text_scorer(pipeline: Pipeline) -> TextScorer:
    """The compiled scorer of a fitted pipeline of a TF-IDF vectoriser and a linear classifier.

    Raises:
        NotCompilableError: there is none, with the reason.
    """
    steps = [step for _, step in pipeline.steps if step is not None and step != "passthrough"]
    if len(steps) != 2:
        raise NotCompilableError("its pipeline is not a vectoriser and a classifier")
    vectoriser, classifier = steps
    head = build_linear_head(classifier)
    ours = _is_fast_tfidf(vectoriser)
    if ours.compile().width != len(head.weights):
        raise NotCompilableError("its classifier was fitted on other columns than its vectoriser gives")
    return TextScorer(ours, head, [str(label) for label in classifier.classes_])


def _is_fast_tfidf(vectoriser: Any) -> FastTfidfVectorizer:
    try:
        fast = vectoriser if type(vectoriser) is FastTfidfVectorizer else None
        if type(vectoriser) is TfidfVectorizer:
            fast = FastTfidfVectorizer.from_sklearn(vectoriser)
    except (UnsupportedSettingError, NotFittedError) as error:
        raise NotCompilableError(f"its vectoriser has a setting without a compiled form: {error}") from None
    if fast is None:
        raise NotCompilableError(f"there is no compiled form of a {type(vectoriser).__name__}")
    if np.dtype(fast.dtype) != np.float64:
        raise NotCompilableError("its vectoriser computes in float32")
    return fast
