"""Candidates: the recipes that Tiltyard can train."""

from tiltyard.models.candidates import CANDIDATES, DEFAULTS, Candidate, candidates_of, get_candidate
from tiltyard.models.custom_candidates import own_source
from tiltyard.models.search_space import Choice, FloatRange, IntegerRange
from tiltyard.models.selection.cross_validation import Plan
from tiltyard.models.selection.ranking import CandidateScore, rank_candidates
from tiltyard.models.selection.search import Budget, SearchResult, SearchTrial, search
from tiltyard.models.stored_names import register_moved_modules
from tiltyard.models.threads import FEW_ROWS, fitting_threads

__all__ = [
    "CANDIDATES",
    "DEFAULTS",
    "FEW_ROWS",
    "Budget",
    "Candidate",
    "CandidateScore",
    "Choice",
    "FloatRange",
    "IntegerRange",
    "Plan",
    "SearchResult",
    "SearchTrial",
    "candidates_of",
    "fitting_threads",
    "get_candidate",
    "own_source",
    "rank_candidates",
    "search",
]

register_moved_modules()
