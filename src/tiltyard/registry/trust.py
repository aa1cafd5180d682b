"""Which Python types may be constructed from a stored model.

skops builds only types that it trusts itself (numpy, scipy and scikit-learn's public ones) or that its caller names.
What is named here was read: constructing it sets fields of a compiled structure and runs nothing else. The list is the
host's; a stored model's own metadata is never asked.
"""

from __future__ import annotations

TRUSTED_TYPES: tuple[str, ...] = (
    # Our own vectoriser: settings, words and weights; its tables are built anew and checked when it is first used.
    "tiltyard.models.vectoriser.FastTfidfVectorizer",
    "tiltyard.models.text_terms.Terms",
    # Fitted trees: arrays of nodes in a compiled structure, checked by scikit-learn when it is filled.
    "sklearn.tree._tree.Tree",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.ensemble._hist_gradient_boosting.binning._BinMapper",
    # Losses and links of gradient boosting: stateless compiled functions.
    "sklearn._loss._loss.CyHalfBinomialLoss",
    "sklearn._loss._loss.CyHalfMultinomialLoss",
    "sklearn._loss.loss.HalfBinomialLoss",
    "sklearn._loss.loss.HalfMultinomialLoss",
    "sklearn._loss.link.LogitLink",
    "sklearn._loss.link.MultinomialLogit",
    "sklearn._loss.link.Interval",
    # Containers of fitted calibrators.
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    # The remainder of a ColumnTransformer.
    "sklearn.compose._column_transformer._RemainderColsList",
)


def trusted(extra: tuple[str, ...] = ()) -> frozenset[str]:
    """The types that may be constructed: these and the host's own."""
    return frozenset(TRUSTED_TYPES) | frozenset(extra)
