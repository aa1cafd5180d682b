"""The parts of a batch: what a version predicts for them, and what is refused because training did not know it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec

from tiltyard.ledger.codec import PredictionRow
from tiltyard.ledger.records import Assignment, is_in_share
from tiltyard.scoring import UnknownPolicy, Warnings, refuse_inputs, score_groups, shift_positions
from tiltyard.serving.model.served_version import ServedVersion
from tiltyard.serving.predict.batching.ledger_writer import Outcome
from tiltyard.serving.predict.batching.outcomes import RequestParts
from tiltyard.serving.predict.batching.prediction_rows import make_rows, make_single_rows

Inputs = Sequence[Mapping[str, Any]]


class BatchPart(msgspec.Struct, eq=False):
    """The inputs of one request that go into one batch; a struct, since one is made for each request.

    Attributes:
        inputs: the inputs.
        offset: position of the first of them in the request.
        accepted: when the request was accepted, on ``perf_counter``'s clock.
        future: gets their predictions.
        keys: the caller's own key of each; empty for none.
        ids: the ids of their predictions; empty for new ones.
        unit: what the rows share; None: each is by itself.
        share: the challenger's share of the units; None where the challenger takes no part.
        ignores_columns: whether columns that the model does not know are ignored with a warning, not refused.
        queued: whether the part waits for its batch.
        recorded: whether its predictions are in the ledger.
        warnings: those of each input; None for none.
        assignment: the split test that the rows take part in, as it is stored; see ``Assignment``.
        version: what predicts, or was to predict; None until its batch begins.
        request: counts a request of several parts; None for a request of one.
    """

    inputs: Inputs
    offset: int
    accepted: float
    future: asyncio.Future[list[PredictionRow]]
    keys: Sequence[str] = ()
    ids: Sequence[str] = ()
    unit: str | None = None
    share: float | None = None
    ignores_columns: bool = False
    queued: bool = True
    recorded: bool = True
    warnings: Warnings | None = None
    assignment: str | None = None
    version: ServedVersion | None = None
    request: RequestParts | None = None

    def assign(self, challenger: str) -> bool:
        """Let the part take part in the split test of a challenger; whether its unit falls to the challenger.

        Only while there is a challenger: which side a unit is on would otherwise decide which of its rows count.
        """
        if self.share is None or self.unit is None:
            return False
        self.assignment = Assignment(challenger, self.share).encode()
        return is_in_share(self.unit, self.share)

    @property
    def cancelled(self) -> bool:
        """Whether nobody waits for it any more."""
        return self.future.cancelled()


def predict_parts(batch: Sequence[BatchPart], version: ServedVersion, policy: UnknownPolicy) -> list[Outcome]:
    """A version's predictions for the parts of a batch, if there are any; a part that is refused gets its error."""
    if not batch:
        return []
    for part in batch:
        part.version = version
    outcomes = _predict_singles(batch, version, policy) if all(len(part.inputs) == 1 for part in batch) else None
    if outcomes is not None:
        return outcomes
    scored = score_groups(version.scorer, [part.inputs for part in batch])
    return [
        shift_positions(scores, part.offset)
        if isinstance(scores, Exception)
        else _refuse_unknown(part, scores.warnings, policy) or make_rows(part, scores, version)
        for part, scores in zip(batch, scored, strict=True)
    ]


def _predict_singles(batch: Sequence[BatchPart], version: ServedVersion, policy: UnknownPolicy) -> list[Outcome] | None:
    """A version's predictions for requests of one input each; None where one of them fails."""
    try:
        scores = version.scorer.score([part.inputs[0] for part in batch])
    except Exception:  # noqa: BLE001 - scoring them one by one finds the request that fails
        return None
    if len(scores.labels) != len(batch) or not scores.are_finite:
        return None
    rows = make_single_rows(batch, scores, version)
    if rows is None:
        return None
    if scores.warnings is None:
        return [[row] for row in rows]
    return [
        _refuse_unknown(part, [warnings], policy) or [row]
        for part, warnings, row in zip(batch, scores.warnings, rows, strict=True)
    ]


def _refuse_unknown(part: BatchPart, warnings: Warnings | None, policy: UnknownPolicy) -> Exception | None:
    """Keep the warnings of a part that are shown; the error, if one of its inputs is refused for what is unknown."""
    if warnings is None:
        return None
    if part.ignores_columns:
        policy = replace(policy, unknown_columns="warn")
    shown, problems = policy.apply(warnings)
    part.warnings = shown if any(shown) else None
    return shift_positions(refuse_inputs(problems), part.offset) if problems else None
