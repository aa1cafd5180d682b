"""Compiles all kernels ahead, so that no start has to: ``python -m tiltyard.scoring.compile_kernels``.

An image is built with it: its caches of compiled kernels lie next to the package, where only root can write.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from tiltyard.drift.profiles import Rows, build_reference
from tiltyard.errors import MissingExtraError
from tiltyard.models import CANDIDATES
from tiltyard.models.boosters.raw_trees import GAP_LEFT, LEAF, RawTrees
from tiltyard.models.boosters.tree_ensemble import Arithmetic, TreeEnsemble, build_ensemble
from tiltyard.models.tfidf import vectoriser
from tiltyard.scoring.batches.frame_scores import FrameScorer
from tiltyard.scoring.explanations import explain
from tiltyard.scoring.factory import compile_scorer
from tiltyard.scoring.input_warnings import UnknownPolicy
from tiltyard.scoring.link_kernels import CALIBRATED, SHARES, SIGMOID, SOFTMAX, apply_link
from tiltyard.scoring.scorer import NotCompilableError
from tiltyard.scoring.table.columns import InputColumns
from tiltyard.scoring.table.preprocessing_arrays import compile_coded_columns
from tiltyard.scoring.table.table_scorer import TableScorer
from tiltyard.scoring.table.task_part import TaskScoring
from tiltyard.scoring.trees.tree_head import build_tree_head
from tiltyard.scoring.trees.tree_model import TreeModel
from tiltyard.tasks import Task, reads_text

_ROWS_OF_A_BLOCK = 70  # more than a block of rows that goes through a tree together
_TEXTS = ["a warm and funny film", "dull, slow and far too long", "I loved every minute of it", "what a wäste of time"]


def compile_models_of_texts() -> None:
    """Fit and score each kind of text model that has kernels; and each link from decision values to probabilities."""
    vectoriser.warm_up()
    for name in ("tfidf-logreg", "nb-cnn"):
        _score_rows(name, pd.Series(_TEXTS * 3), InputColumns({"text": "str"}), [{"text": text} for text in _TEXTS])
    for link, outputs, classes in ((SIGMOID, 1, 2), (SOFTMAX, 3, 3), (SHARES, 3, 3), (CALIBRATED, 1, 2)):
        sigmoids = np.zeros((outputs if link == CALIBRATED else 0, 2))
        apply_link(np.zeros((2, outputs)), link, sigmoids, np.zeros((2, classes)))


def compile_profiles_and_tables() -> None:
    """Profile texts and columns, and score each kind of table model."""
    random = np.random.default_rng(0)
    numbers = {"age": random.integers(18, 80, 60), "income": random.normal(40.0, 9.0, 60)}
    frame = pd.DataFrame({**numbers, "plan": pd.Series(["basic", "pro", "none"] * 20, dtype="str")})
    for inputs in (frame, pd.Series(_TEXTS * 15)):
        build_reference(Rows(inputs, np.array(["no", "yes"] * 30, object), random.random(60)))
    columns = InputColumns({name: str(frame[name].dtype) for name in ("age", "income", "plan")})
    rows: list[dict[str, Any]] = [
        {"age": 40, "income": 31.5, "plan": "pro"},
        {"age": 18, "income": None, "plan": "other"},
    ]
    for name, candidate in CANDIDATES.items():
        if not reads_text(candidate.task):
            _score_rows(name, frame, columns, rows)


def compile_boosters() -> None:
    """Score with trees of each kind that has a separate loop; no library of boosters is needed for it."""
    rows = np.random.default_rng(0).normal(size=(_ROWS_OF_A_BLOCK, 1))
    for leaves in (2, 3, 16, 32, 64):
        head = build_tree_head(_make_chain(leaves), 2)
        columns = InputColumns({"x": "float64"})
        prepared = compile_coded_columns(["x"], {}, columns)
        scorer = TableScorer(columns, prepared, TreeModel(head), ["no", "yes"])
        scorer.score([{"x": value} for value in rows[:, 0].tolist()])
        scorer.score([{"x": 0.5}])
        explain(scorer, [{"x": 0.5}])


def _make_chain(leaves: int) -> TreeEnsemble:
    """One tree that compares a number with so many thresholds less one, one after the other."""
    inner = np.arange(leaves - 1)
    tested = np.append(np.zeros(leaves - 1, np.int64), np.full(leaves, LEAF))
    places = np.arange(2 * leaves - 1)
    raw = RawTrees(
        roots=np.zeros(1, np.int64),
        tested=tested,
        thresholds=np.append(inner, np.zeros(leaves)).astype(np.float64),
        left=np.append(leaves - 1 + inner, places[leaves - 1 :]),
        right=np.append(np.append(inner[1:], 2 * leaves - 2), places[leaves - 1 :]),
        gaps=np.full(2 * leaves - 1, GAP_LEFT, np.uint8),
        choice=np.full(2 * leaves - 1, -1),
        sets=(),
        values=np.linspace(-1.0, 1.0, 2 * leaves - 1)[:, np.newaxis],
        weights=np.ones(2 * leaves - 1),
    )
    stated = Arithmetic(
        library="lightgbm",
        feature_names=("x",),
        outputs=np.zeros(1, np.int64),
        chosen_left=True,
        baseline=np.zeros(1),
        bias=np.zeros(1),
        link="sigmoid",
    )
    return build_ensemble(raw, stated)


def _score_rows(
    name: str, inputs: pd.DataFrame | pd.Series, columns: InputColumns, rows: Sequence[Mapping[str, Any]]
) -> None:
    task: Task = CANDIDATES[name].task
    targets = list(TaskScoring.find_for(task).toy_labels())
    try:
        pipeline = CANDIDATES[name].build(0).fit(inputs, targets * (len(inputs) // 2))
        scorer = compile_scorer(pipeline, task, columns)
    except (MissingExtraError, NotCompilableError):
        return  # its library is not installed here, or it has no kernels, as the mean of the training rows
    scorer.score(rows)
    for row in rows:
        scorer.score([row])
    explain(scorer, rows)
    if isinstance(inputs, pd.DataFrame):
        FrameScorer(scorer, columns, UnknownPolicy()).score(inputs)


if __name__ == "__main__":
    compile_models_of_texts()
    compile_profiles_and_tables()
    compile_boosters()
