"""Candidates: the recipes that Tiltyard can train."""

from tiltyard.models.candidates import CANDIDATES, DEFAULTS, Candidate, candidates_of, get_candidate
from tiltyard.models.crossval import Plan
from tiltyard.models.own import own_source
from tiltyard.models.search import Budget, SearchResult, SearchTrial, search
from tiltyard.models.selection import CandidateScore, rank_candidates
from tiltyard.models.spaces import Choice, FloatRange, IntegerRange
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
