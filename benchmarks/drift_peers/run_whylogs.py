"""whylogs: profiles of both, then its drift scores."""

from __future__ import annotations

import importlib
from typing import Any

import pandas as pd
from common import measure  # type: ignore[import-not-found]

why: Any = importlib.import_module("whylogs")
algorithms: Any = importlib.import_module("whylogs.viz.drift.column_drift_algorithms")


def prepare(before: pd.DataFrame) -> Any:
    return why.log(pandas=before).profile().view()


def count_drifted(profile: Any, before: pd.DataFrame, now: pd.DataFrame) -> int:  # noqa: ARG001
    view = why.log(pandas=now).profile().view()
    scores = algorithms.calculate_drift_scores(target_view=view, reference_view=profile, with_thresholds=True)
    return sum(1 for score in scores.values() if score and score.get("drift_category") == "DRIFT")


if __name__ == "__main__":
    measure(prepare, count_drifted)
