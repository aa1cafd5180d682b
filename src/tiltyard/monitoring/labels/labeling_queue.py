"""The predictions most worth labelling: uncertain ones, novel ones, and some drawn at random.

Uncertain ones teach most near the decision boundary (uncertainty sampling by margin: Settles, Active Learning, 2012,
chapter 2). Novel ones show what the training data lacks. Both are chosen because they are hard, so that no rate can be
measured on them; that is what the random ones are for. These are drawn first and among all predictions of the period,
labelled ones included, by a number that each prediction keeps (permanent random numbers: Ohlsson, Coordination of
samples, 1995): what earlier queues chose does not deplete them, and a later queue extends the sample of an earlier one.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd

from tiltyard.choices import DRIFTED_SHARE, UNCERTAIN_SHARE
from tiltyard.errors import UsageError
from tiltyard.ledger import RANDOM, LabelRequest, Ledger, Prediction, new_id
from tiltyard.ledger.arrivals import is_redacted
from tiltyard.ledger.model_events import read_decision_rule
from tiltyard.ledger.records import input_text
from tiltyard.monitoring.labels.novelty import learn_novelty
from tiltyard.monitoring.prediction_window import MOST_ROWS, read_prediction_window

UNCERTAIN, DRIFTED = "uncertain", "drifted"
ABSTAINED = "abstained"
"""Of an uncertain prediction that the model left to a person: these come first among the uncertain ones."""
DEFAULT_MIX: Mapping[str, float] = {
    UNCERTAIN: UNCERTAIN_SHARE,
    DRIFTED: DRIFTED_SHARE,
    RANDOM: 1 - UNCERTAIN_SHARE - DRIFTED_SHARE,
}
_PREDICTED = ("score", "predicted", "confidence")


@dataclass(frozen=True)
class LabelCandidate:
    """A prediction that is worth a label.

    Attributes:
        prediction: the prediction.
        reason: ``uncertain``, ``abstained``, ``drifted`` or ``random``.
        score: 1 less the margin between the two likeliest labels, or the novelty; 0 for random.
    """

    prediction: Prediction
    reason: str
    score: float

    def to_row(self, text: str | None = None, *, show_prediction: bool = False) -> dict[str, Any]:
        """A row to be labelled: the input's columns, and an empty ``label``.

        Args:
            text: name of the column of a text; default: ``text``.
            show_prediction: also the predicted label, its confidence and the score. Those who see them tend to agree.
        """
        features = dict(self.prediction.input)
        written = input_text(features)
        if written is not None:
            features = {text or "text": written}
        prediction: dict[str, Any] = {
            "prediction_id": self.prediction.id,
            "key": self.prediction.key or "",
            "answered_at": self.prediction.at.isoformat(),
            "version": self.prediction.version,
            "reason": self.reason,
        }
        if show_prediction:
            prediction |= {
                "score": round(self.score, 4),
                "predicted": self.prediction.label,
                "confidence": "" if self.prediction.confidence is None else round(self.prediction.confidence, 4),
            }
        reserved = (*prediction, *_PREDICTED, "label")
        inputs = {(f"input_{name}" if name in reserved else str(name)): value for name, value in features.items()}
        return {**prediction, **inputs, "label": ""}


@dataclass(frozen=True)
class QueueOptions:
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


@dataclass(frozen=True)
class LabelingQueue:
    """Predictions to be labelled.

    Attributes:
        candidates: the predictions, the reasons by turns.
        requests: what the ledger has to record before the labels come: why each prediction was chosen. Predictions that
            were drawn and have a label already are among them, for they belong to the random sample too.
    """

    candidates: tuple[LabelCandidate, ...]
    requests: tuple[LabelRequest, ...]


def mix_reasons(random_share: float, uncertain: float, drifted: float) -> dict[str, float]:
    """Weights of the reasons, of which random ones are ``random_share`` (0 to 1) and the others as given."""
    others = uncertain + drifted
    if random_share >= 1 or others <= 0:
        return {UNCERTAIN: 0.0, DRIFTED: 0.0, RANDOM: 1.0 if random_share > 0 else 0.0}
    return {UNCERTAIN: uncertain, DRIFTED: drifted, RANDOM: others * random_share / (1 - random_share)}


def select_predictions_to_label(
    ledger: Ledger, model_name: str, options: QueueOptions, reference: pd.Series | pd.DataFrame | None = None
) -> LabelingQueue:
    """The predictions most worth labelling, each once, among those without a label. Nothing is recorded.

    Of equal inputs one is listed, unless chance drew more of them. Redacted ones never are.

    Args:
        ledger: where the predictions are.
        model_name: name of the registered model.
        options: how many, and for which reasons.
        reference: inputs of the training data, to find novel inputs; without it no prediction is selected as novel.

    Raises:
        UsageError: the mix names another reason, or no weight is positive.
    """
    weights = _check_mix(options.mix, reference)
    window = read_prediction_window(ledger, model_name, since=options.since, most=MOST_ROWS)
    rows = [row for row in reversed(window.predictions) if not is_redacted(row.input)]
    labelled = window.labelled_ids
    order = _draw_order(rows, options.seed) if weights.get(RANDOM) else []
    quota = max(1, round(options.size * weights.get(RANDOM, 0.0) / sum(weights.values())))
    drawn = _take_drawn(order, labelled, frozenset(), quota)
    drawn_ids = {row.id for row in drawn}
    unlabelled = _deduplicate(row for row in [*drawn, *rows] if row.id not in labelled)
    chosen = _choose(
        [row for row in unlabelled if row.id not in drawn_ids],
        weights,
        options.size - len(drawn_ids - labelled),
        reference,
        read_abstentions(ledger, unlabelled),
    )
    # What the other reasons could not fill is drawn too; a prediction that both choose counts as drawn.
    drawn = _take_drawn(order, labelled, {one.prediction.id for one in chosen}, options.size, len(drawn))
    return _make_queue(rows, drawn, chosen, labelled)


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


def _draw_order(rows: Sequence[Prediction], seed: int) -> list[Prediction]:
    """All rows in random order: that of a hash of their ids, which is the same in every queue of this seed."""
    salt = str(seed).encode()[:16]
    return sorted(rows, key=lambda row: hashlib.blake2b(row.id.encode(), digest_size=8, salt=salt).digest())


def _take_drawn(
    order: Sequence[Prediction], labelled: Set[str], chosen: Set[str], size: int, least: int = 0
) -> list[Prediction]:
    """The first rows of a random order, at least ``least``: as many as bring the queue to ``size`` unlabelled ones."""
    waiting = len(chosen)
    for taken, row in enumerate(order):
        if waiting >= size and taken >= least:
            return list(order[:taken])
        waiting += row.id not in labelled and row.id not in chosen
    return list(order)


def _make_queue(
    rows: Sequence[Prediction], drawn: Sequence[Prediction], chosen: Sequence[LabelCandidate], labelled: Set[str]
) -> LabelingQueue:
    drawn_ids, queue_id, at = {row.id for row in drawn}, new_id(), datetime.now(UTC)
    by_reason: dict[str, list[LabelCandidate]] = {
        RANDOM: [LabelCandidate(row, RANDOM, 0.0) for row in drawn if row.id not in labelled]
    }
    for one in chosen:
        if one.prediction.id not in drawn_ids:
            by_reason.setdefault(one.reason, []).append(one)
    # Each reason is spread evenly, so that anyone who labels only the first rows labels some of each.
    places = [((n + 1) / len(some), one) for some in by_reason.values() for n, one in enumerate(some)]
    candidates = tuple(one for _, one in sorted(places, key=lambda place: place[0]))
    share = len(drawn) / len(rows) if rows else 0.0
    requests = [LabelRequest(queue_id, row.id, at, RANDOM, share) for row in drawn]
    hard = [one for one in candidates if one.reason != RANDOM]
    requests += [LabelRequest(queue_id, one.prediction.id, at, one.reason) for one in hard]
    return LabelingQueue(candidates, tuple(requests))


def _deduplicate(rows: Iterable[Prediction]) -> list[Prediction]:
    """The rows, equal inputs once: the first."""
    seen: set[str] = set()
    kept = []
    for row in rows:
        content = repr(sorted(row.input.items(), key=lambda item: str(item[0])))
        if content not in seen:
            seen.add(content)
            kept.append(row)
    return kept


def read_abstentions(ledger: Ledger, rows: Sequence[Prediction]) -> frozenset[str]:
    """The ids of the predictions on which their own version abstained: by the rule that was recorded with it."""
    by_version: dict[tuple[str, str], list[Prediction]] = {}
    for row in rows:
        if row.confidence is not None:
            by_version.setdefault((row.project, row.version), []).append(row)
    found: set[str] = set()
    for (model_name, version), mine in by_version.items():
        rule = read_decision_rule(ledger, model_name, version)
        if rule is None or not rule.can_abstain:
            continue
        known = [row for row in mine if row.probabilities.keys() == set(rule.classes)]
        shares = np.array([[row.probabilities[name] for name in rule.classes] for row in known])
        found.update(row.id for row, abstains in zip(known, rule.abstains(shares), strict=True) if abstains)
    return frozenset(found)


def _choose(
    rows: Sequence[Prediction],
    weights: Mapping[str, float],
    size: int,
    reference: pd.Series | pd.DataFrame | None,
    abstained: Set[str],
) -> list[LabelCandidate]:
    """The most uncertain and the most novel of the rows, by their weights."""
    ranked = {
        UNCERTAIN: _rank_uncertain(rows, abstained) if weights.get(UNCERTAIN) else [],
        DRIFTED: _rank_novel(rows, reference) if weights.get(DRIFTED) and reference is not None else [],
    }
    return _merge_reasons(ranked, {name: weights[name] for name in ranked if name in weights}, size)


def _measure_width(row: Prediction) -> float:
    """How wide a number's interval is; the widest where an end is open or there is none."""
    low, high = row.interval or (None, None)
    return math.inf if low is None or high is None else high - low


def _rank_uncertain(rows: Sequence[Prediction], abstained: Set[str]) -> list[LabelCandidate]:
    def ambiguity(row: Prediction) -> float:
        if row.confidence is None:
            return _measure_width(row)
        likeliest = sorted(row.probabilities.values(), reverse=True)
        return 1.0 - (likeliest[0] - likeliest[1] if len(likeliest) > 1 else row.confidence)

    found = [LabelCandidate(row, ABSTAINED if row.id in abstained else UNCERTAIN, ambiguity(row)) for row in rows]
    return sorted(found, key=lambda candidate: (candidate.reason != ABSTAINED, -candidate.score))


def _rank_novel(rows: Sequence[Prediction], reference: pd.Series | pd.DataFrame) -> list[LabelCandidate]:
    scores = learn_novelty(reference).novelty_scores([row.input for row in rows])
    found = [LabelCandidate(row, DRIFTED, float(score)) for row, score in zip(rows, scores, strict=True)]
    return sorted(found, key=lambda candidate: -candidate.score)


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
