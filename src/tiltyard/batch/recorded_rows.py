"""Which rows of a run are recorded in the ledger, and how."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiltyard.batch.plan import Plan
from tiltyard.batch.prediction_ids import ROW_BITS, to_text
from tiltyard.data.input_rows import write_row
from tiltyard.ledger import BATCH, Prediction
from tiltyard.scoring import FrameScores
from tiltyard.scoring.scorer import write_predicted

_GOLDEN = 0x9E3779B97F4A7C15


def choose_rows(run_id: str, fragment: int, rows: NDArray[np.intp], shares: Sequence[float]) -> list[NDArray[np.bool_]]:
    """Which rows of a fragment belong to samples of these shares: always the same of the same run.

    The numbers of the rows are mixed by the finaliser of SplitMix64 (Steele, Lea and Flood, 2014); those below the
    share are taken.
    """
    with np.errstate(over="ignore"):
        mixed = (np.uint64(fragment) << np.uint64(ROW_BITS)) + rows.astype(np.uint64) + np.uint64(int(run_id[:16], 16))
        mixed = mixed * np.uint64(_GOLDEN)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        mixed ^= mixed >> np.uint64(31)
    places = mixed.astype(np.float64)
    return [np.ones(len(rows), np.bool_) if share >= 1 else places < share * 2.0**64 for share in shares]


@dataclass(frozen=True)
class RecordedInputs:
    """The inputs of k rows as a request would hold them, and the callers' own keys of them."""

    inputs: Sequence[Mapping[str, Any]]
    keys: Sequence[str | None]


def make_predictions(
    plan: Plan, scores: FrameScores, chosen: NDArray[np.intp], ids: NDArray[np.uint8], given: RecordedInputs
) -> list[Prediction]:
    """The predictions of some scored rows as the ledger keeps them.

    Args:
        plan: the run.
        scores: of m rows.
        chosen: places of the k rows among the m.
        ids: their ids, (k, 36).
        given: their inputs and keys.
    """
    at = datetime.now(UTC)
    certain = scores.confidences[chosen].tolist()
    made = []
    rows = zip(chosen.tolist(), to_text(ids), certain, given.inputs, given.keys, strict=True)
    for place, name, sure, row, key in rows:
        if scores.numbers is None:
            label = scores.classes[scores.labels[place]]
            shares = dict(zip(scores.classes, scores.probabilities[place].tolist(), strict=True))
            certainty: dict[str, Any] = {"confidence": sure, "probabilities": shares}
        else:
            label = write_predicted(float(scores.numbers[place]))
            ends = None if scores.intervals is None else scores.intervals[place].tolist()
            interval = None if ends is None else tuple(end if math.isfinite(end) else None for end in ends)
            certainty = {"confidence": None, "probabilities": {}, "interval": interval}
        made.append(
            Prediction(
                id=name,
                at=at,
                project=plan.model_name,
                version=plan.version,
                route=BATCH,
                input=write_row(row, row.keys()),
                label=label,
                latency_ms=None,
                key=key,
                **certainty,
            )
        )
    return made
