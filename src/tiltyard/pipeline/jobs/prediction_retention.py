"""Taking predictions out of the ledger again, and writing down that it was done."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, Literal

from tiltyard.errors import UsageError
from tiltyard.ledger import Event, Ledger, Prediction
from tiltyard.ledger.arrivals import is_redacted
from tiltyard.ledger.label_intake import normalise_key

_AT_ONCE = 500

Act = Literal["erased", "redacted", "pruned"]


@dataclass(frozen=True)
class Subject:
    """Whose predictions are meant; just one of the three is given.

    Attributes:
        key: the caller's own key.
        id: the id of one prediction.
        containing: words that the input holds, in any case.
    """

    key: str | None = None
    id: str | None = None
    containing: str | None = None

    def __post_init__(self) -> None:
        if sum(given is not None for given in (self.key, self.id, self.containing)) != 1:
            raise UsageError(
                "It is not clear whose predictions are meant.",
                next_step="Give just one of --key, --id and --containing.",
            )
        if self.containing is not None and not self.containing.strip():
            raise UsageError("--containing names no words.", next_step="Give the words that the input holds.")

    @property
    def named_by(self) -> str:
        """By what the predictions are named."""
        return "key" if self.key is not None else "id" if self.id is not None else "content"


def find_predictions(ledger: Ledger, model: str, subject: Subject) -> list[Prediction]:
    """The predictions that are meant, oldest first; by content every input of the model is read."""
    if subject.id is not None:
        found = ledger.prediction(subject.id)
        return [found] if found is not None and found.project == model else []
    if subject.key is not None:
        # Keys were once recorded as they came.
        keys = dict.fromkeys((subject.key, normalise_key(subject.key)))
        return [row for key in keys for row in ledger.predictions(project=model, key=key)]
    words = str(subject.containing).casefold()
    return [row for row in ledger.predictions(project=model) if any(words in text for text in _texts(row.input))]


@dataclass(frozen=True)
class RetentionRequest:
    """What is to be done, and on whose word.

    Attributes:
        act: ``erased``: the rows go; ``redacted``: their inputs go and the rows stay. It is the kind of the event too.
        actor: who orders it.
        reason: why.
    """

    act: Act
    actor: str
    reason: str


def remove_predictions(
    ledger: Ledger,
    model: str,
    rows: Sequence[Prediction],
    order: RetentionRequest,
    named_by: str,
    group_key: str | None = None,
) -> int:
    """Erase or redact predictions, and append the event; how many were changed, those of shadows included.

    The event says by what they were named and how many they were, but neither the name nor the content: the chain of
    events keeps all its content for ever. ``group_key`` is that of ``Retention.redact``.
    """
    ids = [row.id for row in rows]
    erase = order.act == "erased"
    changed = ledger.retention.erase(ids) if erase else ledger.retention.redact(ids, order.reason, group_key)
    _append(ledger, model, order, {"predictions": changed, "named_by": named_by})
    return changed


def prune(ledger: Ledger, model: str, *, keep: timedelta, actor: str, now: datetime | None = None) -> int:
    """Erase the predictions that are older than ``keep``, with their labels, and append the event if there were any.

    Findings, events and the profiles of past hours stay: they hold no inputs.
    """
    before = (now or datetime.now(UTC)) - keep
    gone = 0
    ids = (row.id for row in ledger.predictions(project=model, until=before))
    while some := list(islice(ids, _AT_ONCE)):
        gone += ledger.retention.erase(some)
    if gone:
        reason = f"older than {keep.total_seconds() / 86400:g} days"
        _append(
            ledger,
            model,
            RetentionRequest("pruned", actor, reason),
            {"predictions": gone, "before": before.isoformat()},
        )
    return gone


def _append(ledger: Ledger, model: str, order: RetentionRequest, evidence: Mapping[str, Any]) -> None:
    now = datetime.now(UTC)
    ledger.append(Event(order.act, model, now, order.actor, order.reason, evidence))


def _texts(value: Any) -> Iterator[str]:
    """Every text in an input, however deep, in one case."""
    if isinstance(value, Mapping):
        if is_redacted(value):
            return
        for part in value.values():
            yield from _texts(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _texts(part)
    elif value is not None:
        yield str(value).casefold()
