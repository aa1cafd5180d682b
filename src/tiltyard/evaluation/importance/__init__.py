"""Importance of the columns of a table or the terms of texts, and its change from another version."""

from tiltyard.evaluation.importance.change import Change, ImportanceChange, compare_importance
from tiltyard.evaluation.importance.feature_weights import FeatureWeight, Importance
from tiltyard.evaluation.importance.permutation import permutation_importance
from tiltyard.evaluation.importance.terms import term_importance

__all__ = [
    "Change",
    "FeatureWeight",
    "Importance",
    "ImportanceChange",
    "compare_importance",
    "permutation_importance",
    "term_importance",
]
