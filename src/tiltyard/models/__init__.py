"""Candidates: the recipes that Tiltyard can train."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tiltyard.lazy_names import import_when_used
from tiltyard.models.stored_names import register_moved_modules

if TYPE_CHECKING:
    from tiltyard.models.candidates import (
        CANDIDATES,
        DEFAULTS,
        FEW_ROWS,
        Candidate,
        DefaultCandidate,
        find_default,
        get_candidate,
        limit_fitting_threads,
        select_candidates,
    )
    from tiltyard.models.custom_candidates import custom_source
    from tiltyard.models.search_space import Choice, FloatRange, IntegerRange
    from tiltyard.models.selection.cross_validation import SelectionPlan
    from tiltyard.models.selection.ranking import CandidateScore, rank_candidates
    from tiltyard.models.selection.search import SearchBudget, SearchResult, SearchTrial, search

__all__ = [
    "CANDIDATES",
    "DEFAULTS",
    "FEW_ROWS",
    "Candidate",
    "CandidateScore",
    "Choice",
    "DefaultCandidate",
    "FloatRange",
    "IntegerRange",
    "SearchBudget",
    "SearchResult",
    "SearchTrial",
    "SelectionPlan",
    "custom_source",
    "find_default",
    "get_candidate",
    "limit_fitting_threads",
    "rank_candidates",
    "search",
    "select_candidates",
]

if not TYPE_CHECKING:  # else every misspelt name would be Any to a type checker
    __getattr__, __dir__ = import_when_used(
        __name__,
        {
            "candidates": (
                "CANDIDATES",
                "DEFAULTS",
                "FEW_ROWS",
                "Candidate",
                "DefaultCandidate",
                "find_default",
                "get_candidate",
                "limit_fitting_threads",
                "select_candidates",
            ),
            "custom_candidates": ("custom_source",),
            "search_space": ("Choice", "FloatRange", "IntegerRange"),
            "selection.cross_validation": ("SelectionPlan",),
            "selection.ranking": ("CandidateScore", "rank_candidates"),
            "selection.search": ("SearchBudget", "SearchResult", "SearchTrial", "search"),
        },
    )

register_moved_modules()
