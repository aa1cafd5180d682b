"""NannyML: Kolmogorov–Smirnov for numbers, chi-square for categories, one chunk."""

from __future__ import annotations

import importlib
from typing import Any

import pandas as pd
from common import measure  # type: ignore[import-not-found]

nml: Any = importlib.import_module("nannyml")


def prepare(before: pd.DataFrame) -> Any:
    categories = [name for name in before.columns if before[name].dtype == object]
    calculator = nml.UnivariateDriftCalculator(
        column_names=list(before.columns),
        treat_as_categorical=categories,
        continuous_methods=["kolmogorov_smirnov"],
        categorical_methods=["chi2"],
        chunk_number=1,
    )
    return calculator.fit(before)


def judge(calculator: Any, before: pd.DataFrame, now: pd.DataFrame) -> int:  # noqa: ARG001
    found = calculator.calculate(now).filter(period="analysis").to_df()
    return int(found.xs("alert", axis=1, level=-1).to_numpy().sum())


if __name__ == "__main__":
    measure(prepare, judge)
