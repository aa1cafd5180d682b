"""FastTfidfVectorizer: scikit-learn's TfidfVectorizer for words, many times as fast."""

from __future__ import annotations

from collections.abc import Iterable
from time import perf_counter
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import TfidfTransformer, TfidfVectorizer

from tiltyard.models.tfidf.alphabet import WORDS_OF_TWO, UnsupportedSettingError, UnusableTextError, alphabet, batches
from tiltyard.models.tfidf.compiled_vocabulary import (
    NORM_CODES,
    CompiledVocabulary,
    Floats,
    Norm,
    ReadTexts,
    Weighting,
    compile_vocabulary,
)
from tiltyard.models.tfidf.matrix import build_learned_matrix, build_matrix
from tiltyard.models.tfidf.terms import Terms
from tiltyard.models.tfidf.vocabulary_learning import LearnedVocabulary, Selection, learn_vocabulary

__all__ = ["FastTfidfVectorizer", "UnsupportedSettingError", "UnusableTextError", "warm_up"]


class FastTfidfVectorizer(TransformerMixin, BaseEstimator, auto_wrap_output_keys=None):  # type: ignore[misc,call-arg]
    r"""Texts to a sparse matrix of TF-IDF weights, equal to scikit-learn's ``TfidfVectorizer``.

    Vocabulary, columns, idf and the result of ``transform`` are those of scikit-learn to the bit. ``fit_transform``
    gives its rows with columns in ascending order, so that a row's norm may differ in the last bit from
    scikit-learn's, which adds up the columns in the order in which the corpus first showed them.

    What is not supported is not accepted: there are no ``stop_words``, ``analyzer``, ``preprocessor``,
    ``strip_accents`` or ``vocabulary``.

    Args:
        ngram_range: the least and the most words of a term.
        lowercase: lower texts with ``str.lower`` first.
        token_pattern: ``(?u)\b\w\w+\b``, ``(?u)\b\w+\b`` or ``(?u)\w+|[^\w\s]``.
        min_df, max_df: in how many texts a term must and may be: a count (int) or a share (float).
        max_features: keep at most so many terms, the most frequent ones.
        binary: count a term once in a text.
        norm: ``"l1"``, ``"l2"`` or None.
        use_idf, smooth_idf, sublinear_tf: as in scikit-learn.
        dtype: ``numpy.float64`` or ``numpy.float32``.

    Attributes:
        vocabulary_: dict of term to column, built at its first use.
        idf_: shape (columns,); there is none without ``use_idf``.
    """

    _terms: Terms
    _idf: Floats | None
    _compiled: CompiledVocabulary | None
    _vocabulary: dict[str, int] | None

    def __init__(  # noqa: PLR0913  the parameters of scikit-learn's class
        self,
        *,
        ngram_range: tuple[int, int] = (1, 1),
        lowercase: bool = True,
        token_pattern: str = WORDS_OF_TWO,
        min_df: float = 1,
        max_df: float = 1.0,
        max_features: int | None = None,
        binary: bool = False,
        norm: Norm = "l2",
        use_idf: bool = True,
        smooth_idf: bool = True,
        sublinear_tf: bool = False,
        dtype: type[np.floating] = np.float64,
    ) -> None:
        self.ngram_range = ngram_range
        self.lowercase = lowercase
        self.token_pattern = token_pattern
        self.min_df = min_df
        self.max_df = max_df
        self.max_features = max_features
        self.binary = binary
        self.norm = norm
        self.use_idf = use_idf
        self.smooth_idf = smooth_idf
        self.sublinear_tf = sublinear_tf
        self.dtype = dtype

    def fit(self, raw_documents: Iterable[object], y: object = None) -> Self:  # noqa: ARG002
        """Learn vocabulary and idf.

        Raises:
            UnsupportedSettingError: a parameter is out of range or not supported.
            UnusableTextError: an item is not a string, or no term can be kept.
        """
        self._learn(raw_documents)
        return self

    def fit_transform(self, raw_documents: Iterable[object], y: object = None) -> Any:  # noqa: ARG002
        """Learn vocabulary and idf, and return the texts' rows: sparse, shape (texts, columns)."""
        return build_learned_matrix(self._learn(raw_documents), self._weighting())

    def transform(self, raw_documents: Iterable[object]) -> Any:
        """The texts' rows under the learned vocabulary: sparse, shape (texts, columns), columns ascending.

        Raises:
            UnusableTextError: an item is not a string.
        """
        compiled = self.compile()
        return build_matrix(batches(_iterable(raw_documents), compiled.lowercase), compiled)

    def compile(self) -> CompiledVocabulary:
        """The vocabulary as tables, for ``text_kernel.decision``; built once for a fit."""
        fitted = self._require_terms()
        if self._compiled is None:
            self._compiled = compile_vocabulary(fitted, self._reading(), self._weighting())
        return self._compiled

    def get_feature_names_out(self, input_features: object = None) -> NDArray[np.object_]:  # noqa: ARG002
        """The terms by column."""
        names = np.empty(len(self._require_terms()), object)
        names[:] = self._require_terms().strings()
        return names

    def terms_of(self, columns: NDArray[np.integer]) -> list[str]:
        """The terms of some columns, in the given order; quick where they are few of many."""
        return self._require_terms().strings_of(columns)

    @property
    def terms(self) -> Terms:
        """The terms by column, as words and chains of words."""
        return self._require_terms()

    @property
    def vocabulary_(self) -> dict[str, int]:
        """Each term's column."""
        fitted = self._require_terms()
        if self._vocabulary is None:
            self._vocabulary = {term: column for column, term in enumerate(fitted.strings())}
        return self._vocabulary

    @property
    def idf_(self) -> Floats:
        """The inverse document frequency by column."""
        self._require_terms()
        if self._idf is None:
            raise AttributeError("There is no idf_ without use_idf.")
        return self._idf

    def to_sklearn(self) -> TfidfVectorizer:
        """The same as a fitted plain ``TfidfVectorizer``, whose output is equal: an artifact needs no code of ours."""
        plain = TfidfVectorizer(**{name: getattr(self, name) for name in _PARAMETERS})
        plain.vocabulary_ = dict(self.vocabulary_)
        plain.fixed_vocabulary_ = False
        inner = TfidfTransformer(
            norm=self.norm, use_idf=self.use_idf, smooth_idf=self.smooth_idf, sublinear_tf=self.sublinear_tf
        )
        inner.n_features_in_ = len(self._require_terms())
        if self._idf is not None:
            inner.idf_ = self._idf.copy()
        plain._tfidf = inner  # noqa: SLF001  scikit-learn has no public way to set it where use_idf is off
        return plain

    @classmethod
    def from_sklearn(cls, vectoriser: TfidfVectorizer) -> Self:
        """Ours from a fitted ``TfidfVectorizer``.

        Raises:
            UnsupportedSettingError: one of its settings has no equal here.
            sklearn.exceptions.NotFittedError: it is not fitted.
        """
        inner = getattr(vectoriser, "_tfidf", None)
        if inner is None or not hasattr(vectoriser, "vocabulary_"):
            raise NotFittedError("The TfidfVectorizer is not fitted: call its fit first.")
        if type(vectoriser) is not TfidfVectorizer:
            raise UnsupportedSettingError(
                f"A {type(vectoriser).__name__} may read texts in its own way, so the fast one cannot stand for it.",
                next_step="Pass a plain TfidfVectorizer, or use it as it is.",
            )
        for name, supported in _ONLY.items():
            if getattr(vectoriser, name) != supported:
                raise UnsupportedSettingError(
                    f"{name}={getattr(vectoriser, name)!r} of this TfidfVectorizer has no equal in the fast one.",
                    next_step=f"Fit it with {name}={supported!r}, or use it as it is.",
                    setting=name,
                )
        ours = cls(**{name: getattr(vectoriser, name) for name in _PARAMETERS})
        # what transforms is the inner transformer, as it was when it was fitted
        ours.norm, ours.sublinear_tf = inner.norm, inner.sublinear_tf
        ours.use_idf, ours.smooth_idf = hasattr(inner, "idf_"), inner.smooth_idf
        ours._check_settings()
        terms = sorted(vectoriser.vocabulary_, key=vectoriser.vocabulary_.__getitem__)
        ours._keep(Terms.from_strings(terms), np.array(inner.idf_) if ours.use_idf else None)
        return ours

    def __sklearn_is_fitted__(self) -> bool:
        return getattr(self, "_terms", None) is not None

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.two_d_array = False
        tags.requires_fit = True
        return tags

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = dict(super().__getstate__())
        for lazy in ("_compiled", "_vocabulary"):
            if lazy in state:
                state[lazy] = None
        return state

    def _learn(self, raw_documents: Iterable[object]) -> LearnedVocabulary:
        self._check_settings()
        letters = alphabet(self.token_pattern, self.lowercase)
        least, most = self.ngram_range
        selection = Selection(
            ngram_range=(int(least), int(most)),
            min_df=_plain(self.min_df),
            max_df=_plain(self.max_df),
            max_features=None if self.max_features is None else int(self.max_features),
            binary=self.binary,
            dtype=self._float(),
        )
        learned = learn_vocabulary(batches(_iterable(raw_documents), self.lowercase), letters, selection)
        self._keep(learned.terms, self._inverse_frequencies(learned) if self.use_idf else None)
        return learned

    def _inverse_frequencies(self, learned: LearnedVocabulary) -> Floats:
        # scikit-learn's order of operations, in its type
        frequencies = learned.frequencies.astype(self._float())
        frequencies += float(self.smooth_idf)
        idf = np.full_like(frequencies, learned.texts + int(self.smooth_idf))
        idf /= frequencies
        np.log(idf, out=idf)
        idf += 1.0
        return idf

    def _keep(self, terms: Terms, idf: Floats | None) -> None:
        self._terms = terms
        self._idf = idf
        self._compiled = None
        self._vocabulary = None

    def _require_terms(self) -> Terms:
        if not self.__sklearn_is_fitted__():
            raise NotFittedError("This FastTfidfVectorizer is not fitted: call fit first.")
        return self._terms

    def _reading(self) -> ReadTexts:
        # Longer runs of words than any term has are found nowhere: a search for them would only cost memory.
        beyond = self._terms.chains.shape[1] + 1
        least, most = (min(int(words), beyond) for words in self.ngram_range)
        return ReadTexts(self.token_pattern, self.lowercase, (least, most))

    def _weighting(self) -> Weighting:
        return Weighting(self._idf, self.norm, self.sublinear_tf, self.binary, self._float())

    def _float(self) -> type[np.floating]:
        return np.dtype(self.dtype).type

    def _check_settings(self) -> None:
        alphabet(self.token_pattern, self.lowercase)
        for name, holds, wanted in (
            ("ngram_range", _is_range(self.ngram_range), "two whole numbers from 1, the first not above the second"),
            ("min_df", _is_share(self.min_df), "a whole number from 1, or a share from 0.0 to 1.0"),
            ("max_df", _is_share(self.max_df), "a whole number from 1, or a share from 0.0 to 1.0"),
            (
                "max_features",
                self.max_features is None or _is_count(self.max_features),
                "a whole number from 1, or None",
            ),
            ("norm", self.norm in tuple(NORM_CODES), "'l1', 'l2' or None"),
            ("dtype", _is_float(self.dtype), "float64 or float32"),
            *((name, isinstance(getattr(self, name), bool | np.bool_), "True or False") for name in _SWITCHES),
        ):
            if not holds:
                raise UnsupportedSettingError(
                    f"{name}={getattr(self, name)!r} cannot be used by the fast vectoriser.",
                    next_step=f"Set {name} to {wanted}.",
                    setting=name,
                )


def warm_up() -> float:
    """Compile every loop of fit and transform (or load it from numba's cache); returns the seconds it took."""
    begun = perf_counter()
    for dtype in (np.float64, np.float32):
        vectoriser = FastTfidfVectorizer(ngram_range=(1, 2), dtype=dtype)
        vectoriser.fit_transform(["Warm up.", "Wärm up"])
        vectoriser.transform(["Warm up."])
    return perf_counter() - begun


_SWITCHES = ("lowercase", "binary", "use_idf", "smooth_idf", "sublinear_tf")
_PARAMETERS = tuple(sorted(FastTfidfVectorizer().get_params()))
_ONLY = {
    "input": "content",
    "encoding": "utf-8",
    "decode_error": "strict",
    "strip_accents": None,
    "preprocessor": None,
    "tokenizer": None,
    "analyzer": "word",
    "stop_words": None,
}


def _iterable(raw_documents: Iterable[object]) -> Iterable[object]:
    if isinstance(raw_documents, str | bytes) or not isinstance(raw_documents, Iterable):
        raise UnusableTextError(
            f"A collection of texts was expected, not {type(raw_documents).__name__}.",
            next_step="Pass a list of strings, also for a single text.",
        )
    return raw_documents


def _plain(value: float) -> float:
    return float(value) if isinstance(value, float | np.floating) else int(value)


def _is_count(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and bool(value >= 1)


def _is_share(value: Any) -> bool:
    return _is_count(value) or (isinstance(value, float | np.floating) and bool(0 <= value <= 1))


def _is_float(value: Any) -> bool:
    try:
        return np.dtype(value) in (np.dtype(np.float64), np.dtype(np.float32))
    except TypeError:
        return False


def _is_range(value: object) -> bool:
    return isinstance(value, tuple) and len(value) == 2 and all(map(_is_count, value)) and value[0] <= value[1]
