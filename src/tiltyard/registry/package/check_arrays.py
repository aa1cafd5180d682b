"""Arrays of a stored model that do not fit together.

Compiled loops follow the numbers in a model's arrays without checking them: ours, scipy's over a
sparse matrix and libsvm's alike. A crafted file could make them read and write foreign memory; here shapes and numbers
are checked once, when the model is loaded. Those of linear models and of trees are checked where they become arrays of
the compiled scorers (``tiltyard.scoring``), and trees also by ``tiltyard.registry.package.check_trees``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer
from sklearn.svm._base import BaseLibSVM

from tiltyard.errors import ArtifactError
from tiltyard.models.tfidf.terms import Terms
from tiltyard.models.tfidf.vectoriser import FastTfidfVectorizer
from tiltyard.models.word_cnn.network import LANES
from tiltyard.models.word_cnn.word_convolution import WordConvolution
from tiltyard.registry.package.object_graph import walk_objects


def check_arrays(model: Any) -> None:
    """Check the arrays of all parts of a model, before anything is predicted.

    Raises:
        ArtifactError: they do not fit together (``artifact.unsound-arrays``); or a vectoriser takes its inputs for
            names of files (``artifact.reads-files``).
    """
    for part in walk_objects(model):
        if isinstance(part, CountVectorizer | HashingVectorizer) and part.input != "content":
            raise ArtifactError(
                f"The stored model holds a {type(part).__name__} with input={part.input!r}: it would open the files "
                "that its inputs name.",
                next_step="Do not use this version; find out who made it.",
                code="artifact.reads-files",
            )
        if not _fits_together(part):
            raise ArtifactError(
                f"The stored model holds a {type(part).__name__} whose arrays do not fit together.",
                next_step="Do not use this version; find out who made it.",
                code="artifact.unsound-arrays",
            )


def _fits_together(part: Any) -> bool:
    matrix: Any = part
    try:
        if scipy.sparse.issparse(part) and hasattr(part, "indptr"):
            matrix.check_format(full_check=True)  # a ValueError where its places are outside it
        if isinstance(part, BaseLibSVM):
            return not hasattr(part, "support_") or _machine_is_sound(part)
        if isinstance(part, Terms):
            return _words_are_sound(part)
        if isinstance(part, FastTfidfVectorizer):
            return not part.__sklearn_is_fitted__() or _idf_is_sound(part)
        return not isinstance(part, WordConvolution) or not hasattr(part, "classes_") or _networks_are_sound(part)
    except (AttributeError, TypeError, ValueError, IndexError):  # it lacks what every fitted one has
        return False


def _words_are_sound(terms: Terms) -> bool:
    letters, starts, chains = terms.letters, terms.starts, terms.chains
    return (
        [held.dtype.name for held in (letters, starts, chains)] == ["uint8", "int64", "int32"]
        and (letters.ndim, starts.ndim, chains.ndim) == (1, 1, 2)
        and len(starts) > 0
        and starts[0] == 0
        and starts[-1] == len(letters)
        and bool(np.all(np.diff(starts) >= 0))
        and bool(np.all((chains >= -1) & (chains < len(starts) - 1)))
        and chains.shape[1] > 0
        # a chain has its words first, and none after its end
        and bool(np.all((chains[:, 1:] < 0) | (chains[:, :-1] >= 0)))
    )


def _idf_is_sound(vectoriser: FastTfidfVectorizer) -> bool:
    terms, idf = vectoriser._terms, vectoriser._idf  # noqa: SLF001 - what a file holds of it
    return type(terms) is Terms and (idf is None or (idf.ndim == 1 and len(idf) == len(terms)))


def _networks_are_sound(model: WordConvolution) -> bool:
    layers = list(zip(model.filters_, model.biases_, model.top_, model.intercept_, strict=True))
    classes, words = len(model.classes_), len(model._terms)  # noqa: SLF001 - what a file holds of it
    return (
        type(model._terms) is Terms  # noqa: SLF001
        and len(layers) == len(model.regions)
        and set(model.regions) <= {2, 3, 4}
        and all(
            filters.shape == (len(biases), words + 1, region, LANES)
            and biases.shape == (len(filters), LANES)
            and top.shape == (len(filters) * LANES, classes)
            and intercept.shape == (classes,)
            for region, (filters, biases, top, intercept) in zip(model.regions, layers, strict=True)
        )
    )


def _machine_is_sound(machine: Any) -> bool:
    """Whether a support vector machine has as many of everything as libsvm takes for granted."""
    vectors, each = len(machine.support_), machine._n_support  # noqa: SLF001 - what a file holds of it
    # Of a number libsvm has two classes and no vectors by class: scikit-learn writes down all of them twice.
    numbers = machine._impl in ("epsilon_svr", "nu_svr", "one_class")  # noqa: SLF001 - of its class
    classes = 2 if numbers else len(machine.classes_)
    pairs = classes * (classes - 1) // 2
    return (
        machine.kernel != "precomputed"  # it has no vectors, and looks up places instead
        and isinstance(machine.kernel, str)
        and "_impl" not in vars(machine)
        and len(each) == classes
        and bool(np.all(np.asarray(each) >= 0))
        and int(np.sum(each)) == vectors * (2 if numbers else 1)
        and (not numbers or bool(np.all(np.asarray(each) == vectors)))
        and machine.support_vectors_.shape == (vectors, machine.n_features_in_)
        and machine._dual_coef_.shape == (classes - 1, vectors)
        and machine._intercept_.shape == (pairs,)
        and len(machine._probA) == len(machine._probB)  # noqa: SLF001
        and len(machine._probA) in (0, pairs)  # noqa: SLF001
    )
