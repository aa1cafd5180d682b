"""How many threads of the libraries below may help to fit candidates."""

from __future__ import annotations

from collections.abc import Sequence

from threadpoolctl import threadpool_limits

from tiltyard.models.candidates import CANDIDATES, Candidate

FEW_ROWS = 20_000


def fitting_threads(candidates: Sequence[Candidate], rows: int) -> threadpool_limits:
    """A context in which candidates are fitted to so many rows; thread pools that are not limited are left alone."""
    limits = {}
    # On few rows several OpenMP threads mostly wait for each other, a hundred times as long where cores are shared.
    if rows < FEW_ROWS:
        limits["openmp"] = 1
    # Our text recipes leave vectors to BLAS, too short to share: fitting IMDB took 3.6 s of processor time on two
    # threads and 0.8 s on one, with the same weights. Somebody else's recipe may multiply large matrices.
    if all(candidate.name in CANDIDATES and candidate.task == "text-classification" for candidate in candidates):
        limits["blas"] = 1
    return threadpool_limits(limits)
