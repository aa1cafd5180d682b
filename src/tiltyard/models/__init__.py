"""Candidates: the recipes that Tiltyard can train."""

from tiltyard.models.candidates import CANDIDATES, DEFAULTS, Candidate, candidates_of, get_candidate
from tiltyard.models.crossval import Plan
from tiltyard.models.search import Budget, SearchResult, SearchTrial, search
from tiltyard.models.selection import CandidateScore, rank_candidates

__all__ = [
    "CANDIDATES",
    "DEFAULTS",
    "Budget",
    "Candidate",
    "CandidateScore",
    "Plan",
    "SearchResult",
    "SearchTrial",
    "candidates_of",
    "get_candidate",
    "rank_candidates",
    "search",
]
