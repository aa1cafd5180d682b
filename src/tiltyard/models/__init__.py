"""Candidates: the recipes that Tiltyard can train."""

from tiltyard.models.candidates import (
    CANDIDATES,
    DEFAULTS,
    FEW_ROWS,
    Candidate,
    get_candidate,
    limit_fitting_threads,
    select_candidates,
)
from tiltyard.models.custom_candidates import custom_source
from tiltyard.models.search_space import Choice, FloatRange, IntegerRange
from tiltyard.models.selection.cross_validation import SelectionPlan
from tiltyard.models.selection.ranking import CandidateScore, rank_candidates
from tiltyard.models.selection.search import SearchBudget, SearchResult, SearchTrial, search
from tiltyard.models.stored_names import register_moved_modules

__all__ = [
    "CANDIDATES",
    "DEFAULTS",
    "FEW_ROWS",
    "Candidate",
    "CandidateScore",
    "Choice",
    "FloatRange",
    "IntegerRange",
    "SearchBudget",
    "SearchResult",
    "SearchTrial",
    "SelectionPlan",
    "custom_source",
    "get_candidate",
    "limit_fitting_threads",
    "rank_candidates",
    "search",
    "select_candidates",
]

register_moved_modules()
