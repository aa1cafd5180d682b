"""The document of a stored booster, held against itself before a library or a compiled loop follows its numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from tiltyard.errors import ArtifactError
from tiltyard.formatting import format_count
from tiltyard.models.boosters.libraries.boosting_library import TITLES, digest_document
from tiltyard.models.boosters.raw_trees import UnreadableTreesError
from tiltyard.models.boosters.read_ensemble import read_ensemble


def check_booster(booster: Any) -> None:
    """Make sure that a booster is what was fitted, and that its trees do not point outside themselves.

    Args:
        booster: a ``StoredBooster``.

    Raises:
        ArtifactError: its parts do not fit together (``artifact.unsound-booster``), or its trees do not
            (``artifact.unsound-tree``).
    """
    problem = _find_problem(booster)
    if problem:
        raise ArtifactError(
            f"The stored booster {problem}.",
            next_step="Do not use this version; find out who made it.",
            code="artifact.unsound-booster",
        )


def _find_problem(held: Any) -> str:
    try:
        library, features, categorical = held.library_, held.n_features_in_, held.categorical_
        documents = held.document_, held.trees_
        if library not in TITLES:
            return f"is of the library {library!r}, which is none of {', '.join(TITLES)}"
        if [type(part) for part in documents] != [bytes, bytes] or digest_document(*documents) != held.digest_:
            return "has another SHA-256 than its document"
        if not all(type(place) is int and 0 <= place < features for place in categorical):
            return f"has categories in the features {categorical}, and there are {features}"
        if len(held.tables_) != len(categorical):
            tables = format_count(len(held.tables_), "table")
            return f"has {tables} of categories for {format_count(len(categorical), 'feature')}"
        classes = getattr(held, "classes_", None)
    except (AttributeError, TypeError) as error:
        return f"lacks what every fitted one has ({error})"
    return _compare_trees(held, 0 if classes is None else len(classes))


def _compare_trees(booster: Any, classes: int) -> str:
    try:
        trees = read_ensemble(booster.library_, booster.trees_document)
    except UnreadableTreesError:
        return ""  # the library alone knows them
    outputs = len(trees.baseline)
    expected = {0: 1, 2: 1}.get(classes, classes)
    if len(trees.feature_names) != booster.n_features_in_:
        found = format_count(len(trees.feature_names), "feature")
        return f"has trees of {found}, and the estimator notes {booster.n_features_in_}"
    if outputs not in (expected, max(classes, 1)):
        return f"has trees of {outputs} outputs for {classes} labels"
    outside = np.setdiff1d(np.flatnonzero(trees.categorical), booster.categorical_)
    return f"splits feature {int(outside[0])} by categories, which holds numbers" if outside.size else ""
