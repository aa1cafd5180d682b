"""Which Python types may be constructed from a stored model.

skops builds only types that it trusts itself (numpy's, scipy's and scikit-learn's public ones) or that its caller
names. What is named here was read in scikit-learn's source: to construct it sets fields, and runs nothing that the file
chose. The list is the host's; a stored model's own metadata is never used.

skops leaves two of them out on purpose, the trees, because scikit-learn follows the node numbers in them unchecked.
They are needed for every forest, and ``check_trees`` checks those numbers before anything is predicted.
"""

from __future__ import annotations

from collections.abc import Iterable

_TWEEDIE = ("HalfTweedieLoss", "HalfTweedieLossIdentity")
_KERNELS = (
    *("Sum", "Product", "Exponentiation", "ConstantKernel", "WhiteKernel", "RBF", "Matern"),
    *("RationalQuadratic", "ExpSineSquared", "DotProduct", "Hyperparameter"),
)

TRUSTED_TYPES: tuple[str, ...] = (
    # Our own vectoriser: settings, words and weights. Its tables are built anew from them when it is first used.
    "tiltyard.models.tfidf.vectoriser.FastTfidfVectorizer",
    "tiltyard.models.tfidf.terms.Terms",
    # Our own linear classifiers: settings and arrays of weights.
    "tiltyard.models.nb_svm.NaiveBayesLogistic",
    "tiltyard.models.nb_svm.NaiveBayesSVM",
    "tiltyard.models.linear.CalibratedLinearSVM",
    # Our convolution over words, and its pool with a linear model: settings, words and arrays of weights.
    "tiltyard.models.word_cnn.word_convolution.WordConvolution",
    "tiltyard.models.ensemble.NaiveBayesConvolution",
    # Our own parts of dates: the last date of each column.
    "tiltyard.models.date_features.DateFeatures",
    # Boosters of LightGBM, XGBoost and CatBoost: settings and the library's own document as bytes, which is checked
    # (tiltyard.models.boosters.check_booster) before anything follows its numbers; and medians in place of gaps.
    "tiltyard.models.boosters.estimators.BoosterClassifier",
    "tiltyard.models.boosters.estimators.BoosterRegressor",
    "tiltyard.models.boosters.gap_filling.UnlearnedGapFiller",
    # The same types under the names of earlier builds (tiltyard.models.stored_names).
    "tiltyard.models.vectoriser.FastTfidfVectorizer",
    "tiltyard.models.text_terms.Terms",
    "tiltyard.models.nbsvm.NaiveBayesLogistic",
    "tiltyard.models.nbsvm.NaiveBayesSVM",
    "tiltyard.models.convolution.WordConvolution",
    "tiltyard.models.pooling.NaiveBayesConvolution",
    # Arrays of nodes in a compiled structure.
    "sklearn.tree._tree.Tree",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    # What gradient boosting keeps of its training: bin edges, and losses and links without any state.
    "sklearn.ensemble._hist_gradient_boosting.binning._BinMapper",
    "sklearn._loss._loss.CyHalfBinomialLoss",
    "sklearn._loss._loss.CyHalfMultinomialLoss",
    "sklearn._loss.loss.HalfBinomialLoss",
    "sklearn._loss.loss.HalfMultinomialLoss",
    "sklearn._loss.link.LogitLink",
    "sklearn._loss.link.MultinomialLogit",
    "sklearn._loss.link.Interval",
    *(
        f"sklearn._loss._loss.Cy{loss}"
        for loss in ("HalfSquaredError", "AbsoluteError", "PinballLoss", "HalfPoissonLoss", "HalfGammaLoss")
    ),
    *(
        f"sklearn._loss.loss.{loss}"
        for loss in ("HalfSquaredError", "AbsoluteError", "PinballLoss", "HalfPoissonLoss", "HalfGammaLoss")
    ),
    *(
        f"sklearn._loss.{where}.{prefix}{loss}"
        for where, prefix in (("_loss", "Cy"), ("loss", ""))
        for loss in _TWEEDIE
    ),
    "sklearn._loss.link.IdentityLink",
    "sklearn._loss.link.LogLink",
    # What a neural network keeps of its training: numbers and lists of arrays, which no prediction reads.
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
    # A Gaussian process: the rows that it saw and arrays solved by SciPy, which checks their shapes; kernels that hold
    # numbers and other kernels. PairwiseKernel is not among them: it calls what it is given.
    "sklearn.gaussian_process._gpc._BinaryGaussianProcessClassifierLaplace",
    *(f"sklearn.gaussian_process.kernels.{kernel}" for kernel in _KERNELS),
    # Its preparation of categories: check_array with settings. A partial of anything else is refused by the name of
    # that function.
    "functools.partial",
    "sklearn.utils.validation.check_array",
    # Plain objects that hold a fitted classifier and the numbers of its calibration.
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.calibration._TemperatureScaling",
    # The named members of a voting or stacking classifier: a dict.
    "sklearn.utils._bunch.Bunch",
    # The kind of number that an imputer was fitted on; read from an empty array without pickles.
    "numpy.dtype",
    # The choice of columns by type in a ColumnTransformer: a pattern and names of types.
    "sklearn.compose._column_transformer.make_column_selector",
    # The remainder of a ColumnTransformer, in scikit-learn before 1.7: a list.
    "sklearn.compose._column_transformer._RemainderColsList",
)

# Of these, what is a function. A model may name them, for others to call when it predicts; none is called to build one.
FUNCTIONS = frozenset({"functools.partial", "sklearn.utils.validation.check_array"})


def trusted_type_names(extra: Iterable[str] = ()) -> frozenset[str]:
    """The types that may be constructed: these and the host's own."""
    return frozenset(TRUSTED_TYPES) | frozenset(extra)
