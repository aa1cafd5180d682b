"""Fitted searches over parameters (``GridSearchCV`` and its kin), which predict by the best estimator."""

from __future__ import annotations

from typing import Any


def take_best_estimator(model: Any) -> Any:
    """The best estimator of a fitted search, alone or at the end of a pipeline; any other model as it is.

    What else a search holds (its folds, scorers and scores) says nothing about a prediction.
    """
    if hasattr(model, "cv_results_") and hasattr(model, "best_estimator_"):
        return take_best_estimator(model.best_estimator_)
    steps = getattr(model, "steps", None)
    if not steps:
        return model
    name, last = steps[-1]
    best = take_best_estimator(last)
    return model if best is last else type(model)([*steps[:-1], (name, best)])
