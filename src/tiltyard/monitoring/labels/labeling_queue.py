"""The predictions most worth labelling: uncertain ones, novel ones, and some at random.

Uncertain ones teach most near the decision boundary (uncertainty sampling by margin: Settles, Active Learning, 2012,
chapter 2). Novel ones show what the training data lacks. Random ones, spread over versions and predicted labels, keep
the measured performance unbiased, since the others are chosen because they are hard.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from tiltyard.errors import UsageError
from tiltyard.ledger import Ledger, Prediction
from tiltyard.ledger.records import input_text
from tiltyard.ledger.sql.retention import is_redacted
from tiltyard.monitoring.labels.novelty import learn_novelty
from tiltyard.monitoring.prediction_window import MOST_ROWS, read_prediction_window

UNCERTAIN, DRIFTED, RANDOM = "uncertain", "drifted", "random"
DEFAULT_MIX: Mapping[str, float] = {UNCERTAIN: 0.5, DRIFTED: 0.25, RANDOM: 0.25}


@dataclass(frozen=True)
class LabelCandidate:
    """A prediction that is worth a label.

    Attributes:
        prediction: the prediction.
        reason: ``uncertain``, ``drifted`` or ``random``.
        score: 1 less the margin between the two likeliest labels, or the novelty; 0 for random.
    """

    prediction: Prediction
    reason: str
    score: float

    def to_row(self, text: str | None = None) -> dict[str, Any]:
        """A row to be labelled: the prediction, the input's columns, and an empty ``label``.

        Args:
            text: name of the column of a text; default: ``text``.
        """
        features = dict(self.prediction.input)
        written = input_text(features)
        if written is not None:
            features = {text or "text": written}
        prediction = {
            "prediction_id": self.prediction.id,
            "key": self.prediction.key or "",
            "answered_at": self.prediction.at.isoformat(),
            "version": self.prediction.version,
            "reason": self.reason,
            "score": round(self.score, 4),
            "predicted": self.prediction.label,
            "confidence": round(self.prediction.confidence, 4),
        }
        inputs = {
            (f"input_{name}" if name in (*prediction, "label") else str(name)): value
            for name, value in features.items()
        }
        return {**prediction, **inputs, "label": ""}


@dataclass(frozen=True)
class LabelingRequest:
    """How many predictions to select for labelling, and for which reasons.

    Attributes:
        size: how many; there may be fewer.
        mix: weights of the three reasons; where one has too few predictions, the others fill its part.
        since: only predictions made at or after this time; of more than 100,000, the newest.
        seed: of the random ones.
    """

    size: int
    mix: Mapping[str, float] = field(default_factory=lambda: DEFAULT_MIX)
    since: datetime | None = None
    seed: int = 0


def select_predictions_to_label(
    ledger: Ledger, model_name: str, request: LabelingRequest, reference: pd.Series | pd.DataFrame | None = None
) -> list[LabelCandidate]:
    """The predictions most worth labelling, each once, among those without a label.

    Equal inputs are listed once, redacted inputs never.

    Args:
        ledger: where the predictions are.
        model_name: name of the registered model.
        request: how many, and for which reasons.
        reference: inputs of the training data, to find novel inputs; without it no prediction is selected as novel.

    Raises:
        UsageError: the mix names another reason, or no weight is positive.
    """
    weights = _check_mix(request.mix, reference)
    window = read_prediction_window(ledger, model_name, since=request.since, most=MOST_ROWS)
    candidates = _deduplicate(row for row in reversed(window.predictions) if row.id not in window.truth)
    ranked = {
        UNCERTAIN: _rank_uncertain(candidates) if weights.get(UNCERTAIN) else [],
        DRIFTED: _rank_novel(candidates, reference) if weights.get(DRIFTED) and reference is not None else [],
        RANDOM: _shuffle_by_strata(candidates, np.random.default_rng(request.seed)) if weights.get(RANDOM) else [],
    }
    return _merge_reasons(ranked, weights, min(request.size, len(candidates)))


def _check_mix(mix: Mapping[str, float], reference: object) -> dict[str, float]:
    for name, weight in mix.items():
        if name not in DEFAULT_MIX or not weight >= 0:
            raise UsageError(
                f"The mix {name} = {weight} is not possible.",
                next_step="Give weights of 0 or more for uncertain, drifted and random.",
            )
    weights = {name: float(weight) for name, weight in mix.items() if weight > 0}
    if reference is None:
        weights.pop(DRIFTED, None)
    if not weights:
        raise UsageError(
            "The mix has no positive weight that can be used.",
            next_step="Give one to uncertain or random; drifted needs the training data.",
        )
    return weights


def _deduplicate(rows: Iterable[Prediction]) -> list[Prediction]:
    """The rows that are not redacted, newest first, equal inputs once."""
    seen: set[str] = set()
    kept = []
    for row in rows:
        content = repr(sorted(row.input.items(), key=lambda item: str(item[0])))
        if is_redacted(row.input) or content in seen:
            continue
        seen.add(content)
        kept.append(row)
    return kept


def _rank_uncertain(rows: Sequence[Prediction]) -> list[LabelCandidate]:
    def ambiguity(row: Prediction) -> float:
        likeliest = sorted(row.probabilities.values(), reverse=True)
        return 1.0 - (likeliest[0] - likeliest[1] if len(likeliest) > 1 else row.confidence)

    return sorted(
        (LabelCandidate(row, UNCERTAIN, ambiguity(row)) for row in rows), key=lambda candidate: -candidate.score
    )


def _rank_novel(rows: Sequence[Prediction], reference: pd.Series | pd.DataFrame) -> list[LabelCandidate]:
    scores = learn_novelty(reference).novelty_scores([row.input for row in rows])
    found = [LabelCandidate(row, DRIFTED, float(score)) for row, score in zip(rows, scores, strict=True)]
    return sorted(found, key=lambda candidate: -candidate.score)


def _shuffle_by_strata(rows: Sequence[Prediction], random: np.random.Generator) -> list[LabelCandidate]:
    """All rows in random order, versions and predicted labels by turns."""
    strata: dict[tuple[str, str], list[Prediction]] = defaultdict(list)
    for position in random.permutation(len(rows)):
        strata[rows[position].version, rows[position].label].append(rows[position])
    turns: Counter[tuple[str, str]] = Counter()
    ordered = []
    for stratum, members in sorted(strata.items()):
        for row in members:
            ordered.append((turns[stratum], stratum, row))
            turns[stratum] += 1
    return [LabelCandidate(row, RANDOM, 0.0) for _, _, row in sorted(ordered, key=lambda entry: entry[:2])]


def _merge_reasons(
    ranked: Mapping[str, list[LabelCandidate]], weights: Mapping[str, float], size: int
) -> list[LabelCandidate]:
    """The best of each reason in proportion to its weight, no prediction twice."""
    chosen_ids: set[str] = set()
    chosen: list[LabelCandidate] = []
    selected: Counter[str] = Counter()
    waiting = {reason: iter(ranked[reason]) for reason in weights}
    while len(chosen) < size and waiting:
        reason = min(waiting, key=lambda name: (selected[name] + 1) / weights[name])
        candidate = next((one for one in waiting[reason] if one.prediction.id not in chosen_ids), None)
        if candidate is None:
            del waiting[reason]
            continue
        chosen_ids.add(candidate.prediction.id)
        chosen.append(candidate)
        selected[reason] += 1
    return chosen
