"""The domain classifier: a strong, slow test. If a model can separate old rows from new ones, they differ."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tiltyard.data.conform.written import kind_of_dtype
from tiltyard.drift.detectors.result import TestResult
from tiltyard.drift.profiles.rows import Inputs
from tiltyard.errors import DataError
from tiltyard.formatting import format_count

LEAST_ROWS = 50
"""Rows of a side below which a classifier learns too little to say anything."""

_MOST_CATEGORIES = 200
_LEVELS = 64
_WORD_OR_MARK = r"(?u)\b\w+\b|\S"


@dataclass(frozen=True)
class DomainSeparation:
    """How well a classifier tells the window's rows from the reference's.

    Attributes:
        auc: mean area under the ROC curve over the folds; 1/2 where it cannot separate them.
        interval: 95% interval of the area (Hanley and McNeil, Radiology 143, 1982).
        p_value: probability of at least such an area between two samples of one distribution.
        rows: rows of both sides that were used.
    """

    auc: float
    interval: tuple[float, float]
    p_value: float
    rows: int

    @property
    def result(self) -> TestResult:
        """The separation as a test: the effect is 2 AUC - 1, 0 when the classifier cannot separate the sides, 1
        when it separates every row.
        """
        return TestResult(max(2 * self.auc - 1, 0.0), self.p_value)


@dataclass(frozen=True)
class DomainClassifier:
    """Trains a classifier to tell the window's rows from the reference's, and tests whether it can on rows it has not
    seen.

    Each of ``folds`` parts is scored by a model of the others. Given that model, the ranks of the part's rows are those
    of a Wilcoxon test under one distribution: its AUC has mean 1/2 and variance (n + m + 1) / 12nm. The parts' AUCs are
    averaged, and the p-value is that of the mean, with the standard deviation that it has at most, however the parts
    go together: their models share rows, and when they counted as independent they raised twice the stated alarms.
    Lopez-Paz and Oquab (2017); Mann and Whitney (1947). Finds what no test of single columns sees.

    Texts are learnt by a linear model of their words and punctuation, a model a column; the other columns by boosted
    trees. The scores of all models are added.

    Attributes:
        folds: parts.
        most_rows: rows of each side that are used at most, drawn at random.
        seed: of the draw and of the folds.

    Example:
        >>> import numpy as np, pandas as pd
        >>> rng = np.random.default_rng(0)
        >>> x, y = rng.normal(size=400), rng.normal(size=400)
        >>> apart = pd.DataFrame({"x": x, "y": y})
        >>> together = pd.DataFrame({"x": x, "y": np.sign(x) * np.abs(y)})
        >>> DomainClassifier().compare(apart, together).p_value < 0.01
        True
    """

    folds: int = 5
    most_rows: int = 5000
    seed: int = 0

    name = "domain-classifier"

    def compare(self, reference: Inputs, window: Inputs) -> TestResult:
        """The comparison of two sets of rows: frames of the same columns, or series of texts.

        Raises:
            DataError: a side has fewer than ten rows for each fold, or they share no column.
        """
        return self.separate(reference, window).result

    def separate(self, reference: Inputs, window: Inputs, texts: Collection[str] = ()) -> DomainSeparation:
        """How well a classifier separates the sides; ``texts`` names the columns of frames that hold free text.

        Raises:
            DataError: a side has fewer than ten rows for each fold, or they share no column.
        """
        least = 10 * self.folds
        for side, rows in (("reference", reference), ("window", window)):
            if len(rows) < least:
                raise DataError(
                    f"The {side} has {format_count(len(rows), 'row')}; a domain classifier needs {least} at least.",
                    next_step="Wait for more rows, or compare profiles.",
                )
        before, after = self._draw(reference), self._draw(window)
        domain = np.repeat([0, 1], [len(before), len(after)])
        areas, variances = self._areas(_feature_blocks(before, after, texts), domain)
        area = float(np.mean(areas))
        z = (area - 0.5) / float(np.mean(np.sqrt(variances)))
        from scipy.special import ndtr  # noqa: PLC0415

        return DomainSeparation(area, _area_interval(area, len(before), len(after)), float(ndtr(-z)), len(domain))

    def _draw(self, rows: Inputs) -> Inputs:
        return rows.sample(self.most_rows, random_state=self.seed) if len(rows) > self.most_rows else rows

    def _areas(self, blocks: list[Any], domain: NDArray[np.int64]) -> tuple[list[float], list[float]]:
        from sklearn.metrics import roc_auc_score  # noqa: PLC0415
        from sklearn.model_selection import StratifiedKFold  # noqa: PLC0415
        from threadpoolctl import threadpool_limits  # noqa: PLC0415

        areas: list[float] = []
        variances: list[float] = []
        folds = StratifiedKFold(self.folds, shuffle=True, random_state=self.seed)
        with threadpool_limits(1):
            for learnt, unseen in folds.split(np.zeros(len(domain)), domain):
                scores = np.zeros(len(unseen))
                for block in blocks:
                    model = self._model(block)
                    model.fit(_take(block, learnt), domain[learnt])
                    scores += model.predict_proba(_take(block, unseen))[:, 1]
                areas.append(float(roc_auc_score(domain[unseen], scores)))
                m = int(domain[unseen].sum())
                n = len(unseen) - m
                variances.append((n + m + 1) / (12 * n * m))
        return areas, variances

    def _model(self, block: Any) -> Any:
        from sklearn.ensemble import HistGradientBoostingClassifier  # noqa: PLC0415
        from sklearn.linear_model import LogisticRegression  # noqa: PLC0415

        if not isinstance(block, pd.DataFrame):
            return LogisticRegression(class_weight="balanced", C=10.0)
        return HistGradientBoostingClassifier(
            max_iter=40, learning_rate=0.1, max_leaf_nodes=15, class_weight="balanced",
            categorical_features="from_dtype", early_stopping=False, random_state=self.seed,
        )  # fmt: skip


def _take(block: Any, rows: NDArray[np.int64]) -> Any:
    return block.iloc[rows] if isinstance(block, pd.DataFrame) else block[rows]


def _area_interval(area: float, reference_rows: int, window_rows: int) -> tuple[float, float]:
    first, second = area / (2 - area), 2 * area**2 / (1 + area)
    variance = area * (1 - area) + (window_rows - 1) * (first - area**2) + (reference_rows - 1) * (second - area**2)
    error = float(np.sqrt(max(0.0, variance) / (window_rows * reference_rows)))
    return max(0.0, area - 1.96 * error), min(1.0, area + 1.96 * error)


def _feature_blocks(before: Inputs, after: Inputs, texts: Collection[str]) -> list[Any]:
    """What the models learn from, each of n + m rows: a matrix of words for each text, a frame of all the rest."""
    if isinstance(before, pd.Series):
        return [_word_matrix([*before, *after])]
    shared = [name for name in before.columns if name in after]
    if not shared:
        raise DataError("The reference and the window share no column.", next_step="Give frames with the same columns.")
    both = pd.concat([before[shared], pd.DataFrame(after)[shared]], ignore_index=True)
    blocks: list[Any] = [_word_matrix(list(both[name])) for name in shared if name in texts]
    others = [name for name in shared if name not in texts]
    return [*blocks, _encode_columns(both[others])] if others else blocks


def _word_matrix(values: list[Any]) -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer  # noqa: PLC0415

    texts = [text if isinstance(text, str) else "" for text in values]
    vectoriser = TfidfVectorizer(sublinear_tf=True, max_features=50_000, token_pattern=_WORD_OR_MARK)
    # The lone full stop keeps the vocabulary from being empty.
    return vectoriser.fit_transform([*texts, "."])[:-1]


def _encode_columns(both: pd.DataFrame) -> pd.DataFrame:
    columns: dict[str, pd.Series] = {}
    for name in both.columns:
        column = both[name]
        if kind_of_dtype(column.dtype) == "number":
            columns[str(name)] = pd.Series(_levels(column.to_numpy(np.float64, na_value=np.nan)))
            continue
        known = column.astype(object).where(column.notna(), None).map(str, na_action="ignore")
        common = known.value_counts().index[:_MOST_CATEGORIES]
        columns[str(name)] = known.where(known.isin(common), "(other)").astype("category")
    return pd.DataFrame(columns)


def _levels(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Numbers by which of 64 equal parts of both sides they lie in; few values, and NaN, as they are.

    Trees need no more. Scikit-learn would cut 255 parts in each fold, each by sorting with the rows' weights:
    nine tenths of the time. Both sides together say nothing about their difference, so no fold learns of another.
    """
    present = values[~np.isnan(values)]
    if len(np.unique(present)) <= _LEVELS:
        return values
    edges = np.unique(np.quantile(present, np.arange(1, _LEVELS) / _LEVELS, method="lower"))
    return np.where(np.isnan(values), np.nan, np.searchsorted(edges, values, side="right"))
