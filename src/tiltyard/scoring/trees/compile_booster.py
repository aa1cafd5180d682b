"""From stored boosters to their compiled scorers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from tiltyard.models.boosters.raw_trees import GAP_LEFT, GAP_RIGHT, UnreadableTreesError
from tiltyard.models.boosters.read_ensemble import read_ensemble
from tiltyard.models.boosters.stored_booster import StoredBooster
from tiltyard.models.boosters.tree_ensemble import Library, TreeEnsemble
from tiltyard.scoring.scorer import NotCompilableError
from tiltyard.scoring.table.columns import InputColumns
from tiltyard.scoring.table.preprocessing_arrays import compile_coded_columns, compile_preparation
from tiltyard.scoring.table.table_scorer import TableNumberScorer, TableScorer
from tiltyard.scoring.trees.tree_head import TreeHead, build_tree_head
from tiltyard.scoring.trees.tree_model import TreeModel

_GAP = "-1"  # how a gap in a category is written for CatBoost


def compile_booster_scorer(pipeline: Pipeline, columns: InputColumns) -> TableScorer | None:
    """The compiled scorer of a fitted pipeline of a preprocessing, or none, and a stored booster.

    Args:
        pipeline: fitted to a data frame.
        columns: the features in training order.

    Returns:
        None where its last step is something else.

    Raises:
        NotCompilableError: there is none, with the reason.
        ArtifactError: the booster's document is unsound.
    """
    steps = [step for _, step in pipeline.steps if step is not None and step != "passthrough"]
    booster = steps[-1]
    if not isinstance(booster, StoredBooster):
        return None
    names: Any = getattr(booster, "feature_names_in_", None)
    if len(steps) == 1 and names is not None:
        tables = dict(zip(booster.categorical_, booster.tables_, strict=True))
        prepared = compile_coded_columns([str(name) for name in names], tables, columns)
    else:
        prepared = compile_preparation(steps[:-1], columns)
        if any(len(table) for table in booster.tables_):
            raise NotCompilableError("its booster codes categories that its preprocessing gives")
    if len(prepared.source) != booster.n_features_in_:
        raise NotCompilableError("its booster was fitted on other features than its preprocessing gives")
    labels = [str(label) for label in getattr(booster, "classes_", ())]
    model = TreeModel(compile_booster(booster, len(labels)))
    return (
        TableScorer(columns, prepared, model, labels) if labels else TableNumberScorer(columns, prepared, model, None)
    )


def compile_booster(booster: StoredBooster, classes: int) -> TreeHead:
    """The compiled form of a stored booster.

    Args:
        booster: fitted.
        classes: the number of its labels; 0 where it predicts numbers.

    Raises:
        NotCompilableError: there is none, with the reason.
        ArtifactError: its document is unsound.
    """
    try:
        ensemble = read_ensemble(cast("Library", booster.library_), booster.trees_document)
    except UnreadableTreesError as unread:
        raise NotCompilableError(unread.reason) from None
    if len(ensemble.feature_names) != booster.n_features_in_:
        raise NotCompilableError("its trees are of other features than it was fitted on")
    return build_tree_head(number_categories(ensemble), classes)


def number_categories(ensemble: TreeEnsemble) -> TreeEnsemble:
    """The trees with sets of codes: to CatBoost a code is the text of its number, and a gap is the text ``-1``.

    Raises:
        NotCompilableError: its categories are other texts.
    """
    if not ensemble.category_names:
        return ensemble
    gaps, choice = ensemble.gaps.copy(), ensemble.choice.copy()
    sets: list[NDArray[np.int64]] = []
    for node in np.flatnonzero(choice >= 0).tolist():
        names = ensemble.category_names[int(ensemble.tested[node])]
        chosen = [names[category] for category in ensemble.sets[int(choice[node])].tolist()]
        if not all(name.isdecimal() or name == _GAP for name in chosen):
            raise NotCompilableError("its categories are texts, and not codes")
        gaps[node] = GAP_RIGHT if _GAP in chosen else GAP_LEFT
        choice[node] = len(sets)
        sets.append(np.array(sorted(int(name) for name in chosen if name != _GAP), np.int64))
    return replace(ensemble, gaps=gaps, choice=choice, sets=tuple(sets), category_names={})
