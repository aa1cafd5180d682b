"""Taking predictions out of the ledger again, and writing down that it was done."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from tiltyard.errors import UsageError
from tiltyard.ledger import Event, Ledger, Prediction
from tiltyard.ledger.arrivals import SetAsideRecord, is_redacted, list_key
from tiltyard.ledger.label_intake import normalise_key
from tiltyard.ledger.storable import decode_json

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
    def keys(self) -> tuple[str, ...]:
        """The caller's own key in each form in which it may be recorded: keys were once recorded as they came."""
        return () if self.key is None else tuple(dict.fromkeys((self.key, normalise_key(self.key))))

    def is_in(self, content: Any) -> bool:
        """Whether an input holds the words."""
        words = str(self.containing).casefold()
        return any(words in text for text in _texts(content))

    @property
    def named_by(self) -> str:
        """By what the predictions are named."""
        return "key" if self.key is not None else "id" if self.id is not None else "content"


def find_predictions(ledger: Ledger, model: str, subject: Subject) -> list[Prediction]:
    """The predictions that are meant, oldest first; by content every input of the model is read.

    A key means the items of a list that was sent with it too: their keys are ``KEY/0``, ``KEY/1`` and on.
    """
    if subject.id is not None:
        found = ledger.prediction(subject.id)
        return [found] if found is not None and found.project == model else []
    if subject.key is not None:
        rows = [row for key in subject.keys for row in ledger.predictions(project=model, key=key, list_items=True)]
        return list({row.id: row for row in rows}.values())
    return [row for row in ledger.predictions(project=model) if subject.is_in(row.input)]


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


@dataclass(frozen=True)
class Removal:
    """What was erased or redacted.

    Attributes:
        predictions: how many predictions, those of shadows included.
        set_aside: how many records that had been set aside; they are erased in any case.
    """

    predictions: int = 0
    set_aside: int = 0


def remove_predictions(
    ledger: Ledger,
    model: str,
    subject: Subject,
    order: RetentionRequest,
    group_key: str | None = None,
    found: Sequence[Prediction] | None = None,
) -> Removal:
    """Erase or redact predictions, and append the event.

    By a key or an id, those are meant too that a spool brings later and that were made until now. By their content
    they cannot be known: only what the ledger holds is changed.

    The event says by what they were named and how many they were, but neither the name nor the content: the chain of
    events keeps all its content for ever.

    Args:
        ledger: where they are.
        model: name of the registered model.
        subject: whose predictions are meant.
        order: what is to be done.
        group_key: that of ``Retention.redact``.
        found: the predictions that hold the words, where they were looked for already: it takes long.
    """
    redaction = None if order.act == "erased" else order.reason
    before = _list_set_aside(ledger, model, subject)
    # Keys first: what comes from a spool from now on is changed on its way.
    if subject.keys:
        ledger.retention.bar(model, subject.keys, redaction, group_key)
    rows = found if found is not None and subject.containing is not None else find_predictions(ledger, model, subject)
    ids = [row.id for row in rows]
    if subject.id is not None and ledger.prediction(subject.id) is None:
        ids = [subject.id]
    changed = ledger.retention.erase(ids) if redaction is None else ledger.retention.redact(ids, redaction, group_key)
    ledger.arrivals.discard(before)
    removal = Removal(changed, len(before))
    if removal != Removal() or subject.keys or ids:
        evidence = {"predictions": changed, "named_by": subject.named_by}
        _append(ledger, model, order, evidence | ({"set_aside": removal.set_aside} if removal.set_aside else {}))
    return removal


def _list_set_aside(ledger: Ledger, model: str, subject: Subject) -> list[str]:
    """The ids of what was set aside and is meant; records of an unknown model are meant by their prediction's id."""
    return [record.id for record in ledger.arrivals.select(model_name=model) if _is_meant(record, model, subject)]


def _is_meant(record: SetAsideRecord, model: str, subject: Subject) -> bool:
    if record.kind == "event":
        return False
    if subject.id is not None:
        return record.subject == subject.id
    if record.project != model:
        return False
    if subject.keys:
        return record.key is not None and not {record.key, list_key(record.key)}.isdisjoint(subject.keys)
    try:
        content = decode_json(str(record.content.get("input", "")))
    except ValueError:
        content = record.content.get("input")
    return subject.is_in(content)


def prune(ledger: Ledger, model: str, *, keep: timedelta, actor: str, now: datetime | None = None) -> int:
    """Erase the predictions that are older than ``keep``, with their labels, and append the event if there were any.

    Their age is by the database's clock: that of the host that prunes may be wrong, and what is deleted is gone.
    Findings, events and the profiles of past hours stay: they hold no inputs.
    """
    before = (now or ledger.leases.read_clock()) - keep
    gone = ledger.retention.prune(model, before)
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
