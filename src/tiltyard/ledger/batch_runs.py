"""Batch runs: a table that was scored as a whole, in fragments, each with the profile of its rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

BATCH = "batch"
"""The route of predictions that a batch run made."""


@dataclass(frozen=True, slots=True)
class BatchRun:
    """One batch run.

    Attributes:
        id: 32 hexadecimal digits.
        project: name of the registered model.
        version: registry version that predicts.
        source: what is scored, without passwords.
        target: where the results are, without passwords.
        started: when it began, UTC.
        finished: when its results appeared, UTC; None while it is not finished.
        rows: rows of the source that are done.
        refused: those among them that cannot be scored.
        recorded: those among them whose predictions are in the ledger.
        evidence: what was found when it was evaluated, as JSON values.
    """

    id: str
    project: str
    version: str
    source: str
    target: str
    started: datetime
    finished: datetime | None = None
    rows: int = 0
    refused: int = 0
    recorded: int = 0
    evidence: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BatchFragment:
    """A fragment of a batch run.

    Attributes:
        run_id: of the run.
        number: of the fragment, from 0.
        rows: its rows.
        refused: those among them that cannot be scored.
        layout: digest of what the profile was laid out by; empty without a profile.
        body: the profile of the rows that were scored, in its own encoding; empty without one.
    """

    run_id: str
    number: int
    rows: int
    refused: int
    layout: str
    body: bytes


class BatchRuns(Protocol):
    """The batch runs of a ledger. As safe for threads and processes as the ledger it belongs to."""

    def save(self, run: BatchRun) -> None:
        """Store a run; what is known of the same run is replaced.

        Raises:
            InputError: a field cannot be stored; the message names it.
        """

    def add(self, fragment: BatchFragment) -> None:
        """Store a fragment; the same fragment of the same run is replaced."""

    def select(self, *, model_name: str | None = None, limit: int | None = None) -> list[BatchRun]:
        """The runs of a model, the latest begin first."""

    def find(self, run_id: str) -> BatchRun | None:
        """The run of that id, or None."""

    def fragments(self, run_id: str) -> Iterator[BatchFragment]:
        """The fragments of a run, by number."""
