"""The answers most worth labelling: the uncertain, the unfamiliar, and some at random.

Uncertain ones teach most near the border (uncertainty sampling by margin: Settles, Active Learning, 2012, chapter 2);
unfamiliar ones show what the training data lacks; the random ones, spread over versions and predicted labels, keep the
measured performance honest, for the others are chosen to be hard.
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
from tiltyard.ledger.sql.retention import is_redacted
from tiltyard.monitoring.labels.novelty import learn_novelty
from tiltyard.monitoring.prediction_window import MOST_ROWS, read_prediction_window

UNCERTAIN, DRIFTED, RANDOM = "uncertain", "drifted", "random"
DEFAULT_MIX: Mapping[str, float] = {UNCERTAIN: 0.5, DRIFTED: 0.25, RANDOM: 0.25}


@dataclass(frozen=True)
class LabelCandidate:
    """An answer that is worth a label.

    Attributes:
        prediction: the answer.
        reason: ``uncertain``, ``drifted`` or ``random``.
        score: how much so: 1 less the margin between the two likeliest labels, or the unfamiliarity; 0 for random.
    """

    prediction: Prediction
    reason: str
    score: float

    def to_row(self, text: str | None = None) -> dict[str, Any]:
        """A row to be labelled: what to know of the answer, the input's columns, and an empty ``label``.

        Args:
            text: name of the column of a text; default: ``text``.
        """
        asked = dict(self.prediction.input)
        if set(asked) == {"text"}:
            asked = {text or "text": asked["text"]}
        about = {
            "prediction_id": self.prediction.id,
            "key": self.prediction.key or "",
            "answered_at": self.prediction.at.isoformat(),
            "version": self.prediction.version,
            "reason": self.reason,
            "score": round(self.score, 4),
            "predicted": self.prediction.label,
            "confidence": round(self.prediction.confidence, 4),
        }
        inputs = {(f"input_{name}" if name in (*about, "label") else str(name)): value for name, value in asked.items()}
        return {**about, **inputs, "label": ""}


@dataclass(frozen=True)
class LabelingRequest:
    """What is wanted to be labelled.

    Attributes:
        size: how many; there may be fewer.
        mix: weights of the three reasons; what one cannot fill the others do.
        since: only answers given at or after this time; of more than 100,000, the newest.
        seed: of the random ones.
    """

    size: int
    mix: Mapping[str, float] = field(default_factory=lambda: DEFAULT_MIX)
    since: datetime | None = None
    seed: int = 0


def select_predictions_to_label(
    ledger: Ledger, model: str, wish: LabelingRequest, reference: pd.Series | pd.DataFrame | None = None
) -> list[LabelCandidate]:
    """The answers most worth labelling, each once, of those that have no label.

    Equal inputs are listed once, redacted inputs never.

    Args:
        ledger: where the answers are.
        model: name of the registered model.
        wish: how many, of what mix.
        reference: inputs of the training data, by which the unfamiliar are told; without, none are.

    Raises:
        UsageError: the mix names another reason, or no weight is positive.
    """
    weights = _checked(wish.mix, reference)
    window = read_prediction_window(ledger, model, since=wish.since, most=MOST_ROWS)
    free = _once(row for row in reversed(window.predictions) if row.id not in window.truth)
    ranked = {
        UNCERTAIN: _uncertain(free) if weights.get(UNCERTAIN) else [],
        DRIFTED: _drifted(free, reference) if weights.get(DRIFTED) and reference is not None else [],
        RANDOM: _spread(free, np.random.default_rng(wish.seed)) if weights.get(RANDOM) else [],
    }
    return _mixed(ranked, weights, min(wish.size, len(free)))


def _checked(mix: Mapping[str, float], reference: object) -> dict[str, float]:
    for name, weight in mix.items():
        if name not in DEFAULT_MIX or not weight >= 0:
            raise UsageError(
                f"The mix {name} = {weight} cannot be meant.",
                next_step="Give weights of 0 or more for uncertain, drifted and random.",
            )
    weights = {name: float(weight) for name, weight in mix.items() if weight > 0}
    if reference is None:
        weights.pop(DRIFTED, None)
    if not weights:
        raise UsageError(
            "The mix has no positive weight that can be met.",
            next_step="Give one to uncertain or random; drifted needs the training data.",
        )
    return weights


def _once(rows: Iterable[Prediction]) -> list[Prediction]:
    """The rows that may be asked about, newest first, equal inputs once."""
    seen: set[str] = set()
    kept = []
    for row in rows:
        said = repr(sorted(row.input.items(), key=lambda item: str(item[0])))
        if is_redacted(row.input) or said in seen:
            continue
        seen.add(said)
        kept.append(row)
    return kept


def _uncertain(rows: Sequence[Prediction]) -> list[LabelCandidate]:
    def closeness(row: Prediction) -> float:
        likeliest = sorted(row.probabilities.values(), reverse=True)
        return 1.0 - (likeliest[0] - likeliest[1] if len(likeliest) > 1 else row.confidence)

    return sorted((LabelCandidate(row, UNCERTAIN, closeness(row)) for row in rows), key=lambda wanted: -wanted.score)


def _drifted(rows: Sequence[Prediction], reference: pd.Series | pd.DataFrame) -> list[LabelCandidate]:
    scores = learn_novelty(reference).strangeness([row.input for row in rows])
    found = [LabelCandidate(row, DRIFTED, float(score)) for row, score in zip(rows, scores, strict=True)]
    return sorted(found, key=lambda wanted: -wanted.score)


def _spread(rows: Sequence[Prediction], random: np.random.Generator) -> list[LabelCandidate]:
    """All rows in random order, versions and predicted labels by turns."""
    strata: dict[tuple[str, str], list[Prediction]] = defaultdict(list)
    for place in random.permutation(len(rows)):
        strata[rows[place].version, rows[place].label].append(rows[place])
    turns: Counter[tuple[str, str]] = Counter()
    ordered = []
    for stratum, members in sorted(strata.items()):
        for row in members:
            ordered.append((turns[stratum], stratum, row))
            turns[stratum] += 1
    return [LabelCandidate(row, RANDOM, 0.0) for _, _, row in sorted(ordered, key=lambda entry: entry[:2])]


def _mixed(ranked: Mapping[str, list[LabelCandidate]], weights: Mapping[str, float], size: int) -> list[LabelCandidate]:
    """The best of each reason in proportion to its weight, no answer twice."""
    taken: set[str] = set()
    chosen: list[LabelCandidate] = []
    given: Counter[str] = Counter()
    waiting = {reason: iter(ranked[reason]) for reason in weights}
    while len(chosen) < size and waiting:
        reason = min(waiting, key=lambda name: (given[name] + 1) / weights[name])
        wanted = next((one for one in waiting[reason] if one.prediction.id not in taken), None)
        if wanted is None:
            del waiting[reason]
            continue
        taken.add(wanted.prediction.id)
        chosen.append(wanted)
        given[reason] += 1
    return chosen
