"""From fitted pipelines of tables to their compiled scorers."""

from __future__ import annotations

from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import Pipeline
from sklearn.utils import get_tags

from tiltyard.scoring.linear_head import build_linear_head
from tiltyard.scoring.scorer import NotCompilableError
from tiltyard.scoring.table.columns import InputColumns
from tiltyard.scoring.table.preprocessing_arrays import compile_preparation, merge_categories
from tiltyard.scoring.table.table_models import LinearTableModel, TableModel, TreeTableModel
from tiltyard.scoring.table.table_scorer import TableScorer
from tiltyard.scoring.trees.tree_arrays import build_tree_head


def compile_table_scorer(pipeline: Pipeline, columns: InputColumns) -> TableScorer:
    """The compiled scorer of a fitted pipeline of a preprocessing and a linear model, a forest or boosting.

    Args:
        pipeline: fitted to a data frame.
        columns: the features in training order.

    Raises:
        NotCompilableError: there is none, with the reason.
    """
    steps = [step for _, step in pipeline.steps if step is not None and step != "passthrough"]
    classifier = steps[-1]
    model: TableModel
    try:
        head = build_tree_head(classifier)
    except NotCompilableError as none:
        if not hasattr(classifier, "coef_") and not hasattr(classifier, "calibrated_classifiers_"):
            raise none from None
        linear = build_linear_head(classifier)
        prepared = compile_preparation(steps[:-1], columns)
        model, features = LinearTableModel(linear), len(linear.weights)
    else:
        prepared = compile_preparation(steps[:-1], columns)
        if isinstance(classifier, HistGradientBoostingClassifier):
            prepared = merge_categories(prepared, classifier)
        takes_nan = bool(get_tags(classifier).input_tags.allow_nan) and not prepared.sparse
        model, features = TreeTableModel(head, takes_nan), classifier.n_features_in_
    if len({features, len(prepared.source), getattr(classifier, "n_features_in_", features)}) != 1:
        raise NotCompilableError("its classifier was fitted on other features than its preprocessing gives")
    return TableScorer(columns, prepared, model, [str(label) for label in classifier.classes_])
