"""How a loaded version scores a batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tiltyard.lazy_names import import_when_used

if TYPE_CHECKING:
    from tiltyard.scoring.batches.checked_scores import score_inputs
    from tiltyard.scoring.batches.frame_scores import FrameScorer, FrameScores, RefusedRow, match_columns
    from tiltyard.scoring.batches.isolation import score_groups
    from tiltyard.scoring.explanations import Contribution, Explanation, explain
    from tiltyard.scoring.factory import choose_scorer, compile_scorer, make_scorer
    from tiltyard.scoring.input_errors import InputProblem, list_problems, refuse_inputs, shift_positions
    from tiltyard.scoring.input_warnings import (
        ABSTAINED,
        InputWarning,
        UnknownPolicy,
        WarningCode,
        Warnings,
        join_warnings,
        split_abstention,
    )
    from tiltyard.scoring.scorer import NotCompilableError, ScoredRow, Scorer, Scores, describe_predictions
    from tiltyard.scoring.sklearn_scorer import SklearnNumberScorer, SklearnScorer
    from tiltyard.scoring.table.table_scorer import TableScorer
    from tiltyard.scoring.text.text_scorer import TextScorer

__all__ = [
    "ABSTAINED",
    "Contribution",
    "Explanation",
    "FrameScorer",
    "FrameScores",
    "InputProblem",
    "InputWarning",
    "NotCompilableError",
    "RefusedRow",
    "ScoredRow",
    "Scorer",
    "Scores",
    "SklearnNumberScorer",
    "SklearnScorer",
    "TableScorer",
    "TextScorer",
    "UnknownPolicy",
    "WarningCode",
    "Warnings",
    "choose_scorer",
    "compile_scorer",
    "describe_predictions",
    "explain",
    "join_warnings",
    "list_problems",
    "make_scorer",
    "match_columns",
    "refuse_inputs",
    "score_groups",
    "score_inputs",
    "shift_positions",
    "split_abstention",
]

if not TYPE_CHECKING:  # else every misspelt name would be Any to a type checker
    __getattr__, __dir__ = import_when_used(
        __name__,
        {
            "batches.checked_scores": ("score_inputs",),
            "batches.frame_scores": ("FrameScorer", "FrameScores", "RefusedRow", "match_columns"),
            "batches.isolation": ("score_groups",),
            "explanations": ("Contribution", "Explanation", "explain"),
            "factory": ("choose_scorer", "compile_scorer", "make_scorer"),
            "input_errors": ("InputProblem", "list_problems", "refuse_inputs", "shift_positions"),
            "input_warnings": (
                "ABSTAINED",
                "InputWarning",
                "UnknownPolicy",
                "WarningCode",
                "Warnings",
                "join_warnings",
                "split_abstention",
            ),
            "scorer": ("NotCompilableError", "ScoredRow", "Scorer", "Scores", "describe_predictions"),
            "sklearn_scorer": ("SklearnNumberScorer", "SklearnScorer"),
            "table.table_scorer": ("TableScorer",),
            "text.text_scorer": ("TextScorer",),
        },
    )
