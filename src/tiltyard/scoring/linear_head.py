"""Linear classifiers as arrays: weights, intercepts, and the link from decision values to probabilities."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from tiltyard.scoring.explanations import Scale
from tiltyard.scoring.scorer import NotCompilableError

if TYPE_CHECKING:
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.linear_model import LogisticRegression
    from sklearn.naive_bayes import ComplementNB, MultinomialNB

    from tiltyard.models.linear import LinearOneVsRest

Floats = NDArray[np.float64]
Link = Literal["sigmoid", "softmax", "shares", "calibrated", "identity"]

_ALL = slice(None)
_CODES: dict[Link, int] = {"sigmoid": 0, "softmax": 1, "shares": 2, "calibrated": 3}  # as in link_loops


@dataclass(frozen=True)
class LinearHead:
    """A fitted linear classifier, or a regressor.

    Attributes:
        weights: shape (columns, outputs), C-contiguous.
        intercept: shape (outputs,).
        link: ``sigmoid`` of one output; ``softmax`` of k; ``shares`` of k sigmoids; or ``calibrated``: each output by
            its own sigmoid, then the mean over the members of an ensemble, whose outputs stand one after the other.
        classes: k, the number of labels.
        sigmoids: shape (outputs, 2), slope and offset of the calibrated outputs as Platt writes them (the
            probability is ``expit(-(slope * value + offset))``); else of size 0.
    """

    weights: Floats
    intercept: Floats
    link: Link
    classes: int
    sigmoids: Floats = field(default_factory=lambda: np.zeros((0, 2)))

    def __post_init__(self) -> None:
        """Hold the arrays against each other: the loops do not, and a stored model may have been crafted.

        Raises:
            NotCompilableError: they do not fit together.
        """
        outputs = len(self.intercept)
        each = {"sigmoid": 1, "calibrated": 1 if self.classes == 2 else self.classes}.get(self.link, self.classes)
        fits = (
            self.weights.ndim == 2
            and self.weights.shape[1] == outputs
            and (outputs == each if self.link != "calibrated" else outputs > 0 and outputs % each == 0)
            and (self.link != "sigmoid" or self.classes == 2)
            and (self.link != "identity" or self.classes == 1)
            and self.sigmoids.shape == (outputs if self.link == "calibrated" else 0, 2)
        )
        if not fits:
            raise NotCompilableError("its weights are not as many as its labels ask for")

    def probabilities(self, decisions: Floats) -> Floats:
        """Probabilities of n rows of decision values, shape (n, classes), row by row; of a regressor the values."""
        if self.link == "identity":
            return decisions
        from tiltyard.scoring import link_kernels  # noqa: PLC0415 - imported when first used

        out = np.empty((len(decisions), self.classes))
        link_kernels.apply_link(decisions, _CODES[self.link], self.sigmoids, out)
        return out

    @property
    def members(self) -> int:
        """How many models are averaged; their probabilities are averaged."""
        return self.weights.shape[1] // (1 if self.classes == 2 else self.classes) if self.link == "calibrated" else 1

    def towards(self, label: int, columns: NDArray[np.integer] | slice = _ALL) -> tuple[Floats, float]:
        """The weights of some columns and the intercept of one label, on a scale on which contributions add up.

        For two labels the log-odds, for sigmoids of several the log-odds of one against the rest; for a softmax of
        several the label's decision value less the mean over all labels, for only differences count there. Of an
        ensemble the mean over its members: it averages probabilities, so that this is exact for one member only.

        Args:
            label: position of the label among the classes.
            columns: those that are wanted.

        Returns:
            Shape (columns wanted,), and the intercept.
        """
        weights, intercept = self.weights[columns], self.intercept
        if self.link == "calibrated":
            each = 1 if self.classes == 2 else self.classes
            slopes, offsets = self.sigmoids[:, 0], self.sigmoids[:, 1]
            # A text without a known word has no rows of weights.
            weights = (-slopes * weights).reshape(len(weights), self.members, each).mean(axis=1)
            intercept = (-slopes * intercept - offsets).reshape(-1, each).mean(axis=0)
        if self.link == "identity":
            return weights[:, 0], float(intercept[0])
        if weights.shape[1] == 1:
            sign = 1.0 if label == 1 else -1.0
            return sign * weights[:, 0], sign * float(intercept[0])
        if self.link == "softmax" and self.classes == 2:
            other = 1 - label
            return weights[:, label] - weights[:, other], float(intercept[label] - intercept[other])
        if self.link == "softmax":
            return weights[:, label] - weights.mean(axis=1), float(intercept[label] - intercept.mean())
        return weights[:, label], float(intercept[label])

    @property
    def scale(self) -> Scale:
        """What ``towards`` measures in."""
        if self.link == "identity":
            return "number"
        return "decision" if self.link == "softmax" and self.classes > 2 else "log-odds"


def build_linear_head(classifier: Any) -> LinearHead:
    """The arrays of a fitted classifier that is linear.

    Raises:
        NotCompilableError: it is not one of the known kinds.
    """
    from sklearn.calibration import CalibratedClassifierCV  # noqa: PLC0415 - only who compiles a model needs it
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415 - likewise
    from sklearn.naive_bayes import ComplementNB, MultinomialNB  # noqa: PLC0415 - likewise

    from tiltyard.models.linear import LinearOneVsRest  # noqa: PLC0415 - likewise

    builders: dict[type, Callable[[Any], LinearHead]] = {
        LogisticRegression: _read_logistic,
        MultinomialNB: _read_multinomial,
        ComplementNB: _read_complement,
        CalibratedClassifierCV: _read_calibrated,
    }
    build = builders.get(type(classifier))
    if build is None and isinstance(classifier, LinearOneVsRest):
        build = _read_one_vs_rest
    if build is None:
        raise NotCompilableError(f"there is no compiled form of a {type(classifier).__name__}")
    return build(classifier)


def build_number_head(regressor: Any) -> LinearHead:
    """The arrays of a fitted linear regressor of one number.

    Raises:
        NotCompilableError: it is not one of the known kinds.
    """
    from sklearn.linear_model import (  # noqa: PLC0415 - only who compiles a model needs it
        ElasticNet,
        HuberRegressor,
        Lasso,
        LinearRegression,
        Ridge,
        RidgeCV,
    )

    if type(regressor) not in (ElasticNet, HuberRegressor, Lasso, LinearRegression, Ridge, RidgeCV):
        raise NotCompilableError(f"there is no compiled form of a {type(regressor).__name__}")
    weights = np.asarray(regressor.coef_, np.float64)
    if weights.ndim > 1 and len(weights) != 1:
        raise NotCompilableError("it predicts several numbers at once")
    return _head(weights.reshape(1, -1), np.ravel(regressor.intercept_), "identity", 1)


def _head(coefficients: Any, intercept: Any, link: Link, classes: int, sigmoids: Floats | None = None) -> LinearHead:
    weights = np.ascontiguousarray(np.asarray(coefficients, np.float64).T)
    outputs = weights.shape[1]
    # Where no intercept is fitted it is a single zero.
    intercepts = np.array(np.broadcast_to(np.asarray(intercept, np.float64), (outputs,)))
    if sigmoids is None:
        return LinearHead(weights, intercepts, link, classes)
    return LinearHead(weights, intercepts, link, classes, sigmoids)


def _read_logistic(classifier: LogisticRegression) -> LinearHead:
    classes = len(classifier.classes_)
    link: Link = "sigmoid" if classes == 2 else "softmax"
    if len(classifier.coef_) != (1 if classes == 2 else classes):
        raise NotCompilableError("its logistic regression has another number of weights than of classes")
    return _head(classifier.coef_, classifier.intercept_, link, classes)


def _read_one_vs_rest(classifier: LinearOneVsRest) -> LinearHead:
    classes = len(classifier.classes_)
    return _head(classifier.coef_, classifier.intercept_, "sigmoid" if classes == 2 else "shares", classes)


def _read_multinomial(classifier: MultinomialNB) -> LinearHead:
    return _head(classifier.feature_log_prob_, classifier.class_log_prior_, "softmax", len(classifier.classes_))


def _read_complement(classifier: ComplementNB) -> LinearHead:
    if len(classifier.classes_) < 2:
        raise NotCompilableError("it knows one label only")
    return _head(classifier.feature_log_prob_, 0.0, "softmax", len(classifier.classes_))


def _read_calibrated(classifier: CalibratedClassifierCV) -> LinearHead:
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415 - only who compiles a model needs it
    from sklearn.svm import LinearSVC  # noqa: PLC0415 - likewise

    classes = len(classifier.classes_)
    coefficients, intercepts, sigmoids = [], [], []
    for member in classifier.calibrated_classifiers_:
        inner = member.estimator
        if member.method != "sigmoid" or type(inner) not in (LinearSVC, LogisticRegression):
            raise NotCompilableError(f"its calibration is by {member.method} over a {type(inner).__name__}")
        if not np.array_equal(inner.classes_, classifier.classes_):
            raise NotCompilableError("a member of its calibrated ensemble knows other labels")
        coefficients.append(inner.coef_)
        intercepts.append(np.broadcast_to(inner.intercept_, (len(inner.coef_),)))
        sigmoids += [(calibrator.a_, calibrator.b_) for calibrator in member.calibrators]
    return _head(
        np.vstack(coefficients), np.concatenate(intercepts), "calibrated", classes, np.asarray(sigmoids, np.float64)
    )
