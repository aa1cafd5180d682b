"""Candidates: the recipes that Tiltyard can train."""

from tiltyard.models.candidates import CANDIDATES, Candidate, candidates_of, get_candidate
from tiltyard.models.selection import CandidateScore, rank_candidates

__all__ = ["CANDIDATES", "Candidate", "CandidateScore", "candidates_of", "get_candidate", "rank_candidates"]
