"""The domain classifier: the strong, slow test of drift. If a model can tell old rows from new ones, they differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tiltyard.drift.detectors.result import TestResult
from tiltyard.drift.profiles.rows import Inputs
from tiltyard.errors import DataError

_MOST_CATEGORIES = 200
_LEVELS = 64


@dataclass(frozen=True)
class DomainClassifier:
    """Trains a classifier to tell the window's rows from the reference's, and tests whether it can on rows it has not
    seen.

    Each of ``folds`` parts is scored by a model of the others. Given that model, the ranks of the part's rows are those
    of a Wilcoxon test under one distribution: its AUC has mean 1/2 and variance (n + m + 1) / 12nm. The parts' AUCs are
    averaged, and the p-value is that of the mean, with the standard deviation that it has at most, however the parts
    go together: their models share rows, and taken for independent they raised twice the alarms that were stated.
    Lopez-Paz and Oquab (2017); Mann and Whitney (1947). The effect is 2 AUC - 1: 0 when they cannot be told apart, 1
    when every row can. Finds what no test of single columns sees.

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
        least = 10 * self.folds
        for side, rows in (("reference", reference), ("window", window)):
            if len(rows) < least:
                raise DataError(
                    f"The {side} has {len(rows)} rows; a domain classifier needs {least} at least.",
                    next_step="Wait for more rows, or judge by profiles.",
                )
        before, after = self._drawn(reference), self._drawn(window)
        features = _of_texts(before, after) if isinstance(before, pd.Series) else _of_frames(before, after)
        domain = np.repeat([0, 1], [len(before), len(after)])
        areas, variances = self._areas(features, domain, is_text=isinstance(before, pd.Series))
        area = float(np.mean(areas))
        z = (area - 0.5) / float(np.mean(np.sqrt(variances)))
        from scipy.special import ndtr  # noqa: PLC0415

        return TestResult(max(2 * area - 1, 0.0), float(ndtr(-z)))

    def _drawn(self, rows: Inputs) -> Inputs:
        return rows.sample(self.most_rows, random_state=self.seed) if len(rows) > self.most_rows else rows

    def _areas(self, features: Any, domain: NDArray[np.int64], *, is_text: bool) -> tuple[list[float], list[float]]:
        from sklearn.ensemble import HistGradientBoostingClassifier  # noqa: PLC0415
        from sklearn.linear_model import LogisticRegression  # noqa: PLC0415
        from sklearn.metrics import roc_auc_score  # noqa: PLC0415
        from sklearn.model_selection import StratifiedKFold  # noqa: PLC0415
        from threadpoolctl import threadpool_limits  # noqa: PLC0415

        areas: list[float] = []
        variances: list[float] = []
        with threadpool_limits(1):
            for taught, judged in StratifiedKFold(self.folds, shuffle=True, random_state=self.seed).split(
                np.zeros(len(domain)), domain
            ):
                if is_text:
                    model = LogisticRegression(class_weight="balanced", C=10.0)
                else:
                    model = HistGradientBoostingClassifier(
                        max_iter=40, learning_rate=0.1, max_leaf_nodes=15, class_weight="balanced",
                        categorical_features="from_dtype", early_stopping=False, random_state=self.seed,
                    )  # fmt: skip
                rows = features[taught] if is_text else features.iloc[taught]
                model.fit(rows, domain[taught])
                unseen = features[judged] if is_text else features.iloc[judged]
                areas.append(float(roc_auc_score(domain[judged], model.predict_proba(unseen)[:, 1])))
                m = int(domain[judged].sum())
                n = len(judged) - m
                variances.append((n + m + 1) / (12 * n * m))
        return areas, variances


def _of_texts(before: pd.Series, after: Inputs) -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer  # noqa: PLC0415

    texts = [str(text) if isinstance(text, str) else "" for text in [*before, *after]]
    return TfidfVectorizer(sublinear_tf=True, max_features=50_000).fit_transform([text or "empty" for text in texts])


def _of_frames(before: pd.DataFrame, after: Inputs) -> pd.DataFrame:
    shared = [name for name in before.columns if name in after]
    if not shared:
        raise DataError("The reference and the window share no column.", next_step="Give frames with the same columns.")
    both = pd.concat([before[shared], pd.DataFrame(after)[shared]], ignore_index=True)
    columns: dict[str, pd.Series] = {}
    for name in shared:
        column = both[name]
        if pd.api.types.is_numeric_dtype(column.dtype) and not pd.api.types.is_bool_dtype(column.dtype):
            columns[str(name)] = pd.Series(_levels(column.to_numpy(np.float64, na_value=np.nan)))
            continue
        known = column.astype(object).where(column.notna(), None).map(str, na_action="ignore")
        common = known.value_counts().index[:_MOST_CATEGORIES]
        columns[str(name)] = known.where(known.isin(common), "(other)").astype("category")
    return pd.DataFrame(columns)


def _levels(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Numbers by which of 64 equal parts of both sides they lie in; few values, and NaN, as they are.

    Trees ask for no more. Scikit-learn would look for 255 parts in each fold, each by sorting with the rows' weights:
    nine tenths of the time. Both sides together say nothing about their difference, so no fold learns of another.
    """
    present = values[~np.isnan(values)]
    if len(np.unique(present)) <= _LEVELS:
        return values
    edges = np.unique(np.quantile(present, np.arange(1, _LEVELS) / _LEVELS, method="lower"))
    return np.where(np.isnan(values), np.nan, np.searchsorted(edges, values, side="right"))
