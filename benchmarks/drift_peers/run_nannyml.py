"""NannyML, one chunk: Kolmogorov–Smirnov and chi-square, missing and unseen values, reconstruction by components.

That is what Tiltyard's look asks, too; with ``--univariate`` only the first two.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

import pandas as pd
from common import measure  # type: ignore[import-not-found]

nml: Any = importlib.import_module("nannyml")


def prepare(before: pd.DataFrame) -> Any:
    columns = list(before.columns)
    categories = [name for name in columns if before[name].dtype == object]
    univariate = nml.UnivariateDriftCalculator(
        column_names=columns,
        treat_as_categorical=categories,
        continuous_methods=["kolmogorov_smirnov"],
        categorical_methods=["chi2"],
        chunk_number=1,
    )
    calculators = [univariate.fit(before)]
    if "--univariate" not in sys.argv:
        calculators += [
            nml.MissingValuesCalculator(column_names=columns, chunk_number=1).fit(before),
            nml.UnseenValuesCalculator(column_names=categories, chunk_number=1).fit(before),
            nml.DataReconstructionDriftCalculator(column_names=columns, chunk_number=1).fit(before),
        ]
    return calculators


def count_drifted(calculators: Any, before: pd.DataFrame, now: pd.DataFrame) -> int:  # noqa: ARG001
    results = [calculator.calculate(now) for calculator in calculators]
    found = results[0].filter(period="analysis").to_df()
    return int(found.xs("alert", axis=1, level=-1).to_numpy().sum())


if __name__ == "__main__":
    measure(prepare, count_drifted)
