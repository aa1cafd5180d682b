"""From fitted pipelines of tables to their compiled scorers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.pipeline import Pipeline
from sklearn.utils import get_tags

from tiltyard.scoring.linear_head import LinearHead, build_linear_head, build_number_head
from tiltyard.scoring.scorer import NotCompilableError
from tiltyard.scoring.table.columns import InputColumns
from tiltyard.scoring.table.preparation import Preparation
from tiltyard.scoring.table.preprocessing_arrays import compile_preparation, merge_categories
from tiltyard.scoring.table.table_models import LinearTableModel, TableModel
from tiltyard.scoring.table.table_scorer import TableNumberScorer, TableScorer
from tiltyard.scoring.trees.fitted_trees import read_fitted_trees
from tiltyard.scoring.trees.tree_head import build_tree_head
from tiltyard.scoring.trees.tree_model import TreeModel


def compile_table_scorer(pipeline: Pipeline, columns: InputColumns) -> TableScorer:
    """The compiled scorer of a fitted pipeline of a preprocessing and a linear model, a forest or boosting.

    Args:
        pipeline: fitted to a data frame.
        columns: the features in training order.

    Raises:
        NotCompilableError: there is none, with the reason.
    """
    labels = [str(label) for label in pipeline.classes_]
    return TableScorer(columns, *_compile_steps(pipeline, columns, len(labels), build_linear_head), labels)


def compile_number_scorer(pipeline: Pipeline, columns: InputColumns) -> TableNumberScorer:
    """The same of a pipeline whose last step predicts numbers; its intervals are added later.

    Args:
        pipeline: fitted to a data frame.
        columns: the features in training order.

    Raises:
        NotCompilableError: there is none, with the reason.
    """
    return TableNumberScorer(columns, *_compile_steps(pipeline, columns, 0, build_number_head), None)


def _compile_steps(
    pipeline: Pipeline, columns: InputColumns, classes: int, build_linear: Callable[[Any], LinearHead]
) -> tuple[Preparation, TableModel]:
    steps = [step for _, step in pipeline.steps if step is not None and step != "passthrough"]
    fitted = steps[-1]
    trees = read_fitted_trees(fitted)
    model: TableModel
    if trees is not None:
        prepared = compile_preparation(steps[:-1], columns)
        if isinstance(fitted, HistGradientBoostingClassifier | HistGradientBoostingRegressor):
            prepared = merge_categories(prepared, fitted)
        takes_nan = bool(get_tags(fitted).input_tags.allow_nan) and not prepared.sparse
        model, features = TreeModel(build_tree_head(trees, classes), takes_nan), fitted.n_features_in_
    elif hasattr(fitted, "coef_") or hasattr(fitted, "calibrated_classifiers_"):
        linear = build_linear(fitted)
        prepared = compile_preparation(steps[:-1], columns)
        model, features = LinearTableModel(linear), len(linear.weights)
    else:
        raise NotCompilableError(f"there is no compiled form of a {type(fitted).__name__}")
    if len({features, len(prepared.source), getattr(fitted, "n_features_in_", features)}) != 1:
        raise NotCompilableError("its model was fitted on other features than its preprocessing gives")
    return prepared, model
