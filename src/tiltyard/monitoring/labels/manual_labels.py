"""Labels that a person gives one by one: a label for a prediction, its correction, and taking it back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from tiltyard.errors import InputError, NotFoundError, UsageError
from tiltyard.ledger import Event, Label, Ledger
from tiltyard.ledger.label_intake import ReportedLabel, check_labels
from tiltyard.tasks import USUAL_TARGET, TaskTarget

WITHDRAWN = "label-withdrawn"


@dataclass(frozen=True)
class GivenLabel:
    """A label that counts now.

    Attributes:
        prediction_id: the prediction that it is about.
        label: the class, as the version spells it, or the number.
        before: the label that counted before; None where there was none.
        source: who gave it.
        at: when.
        note: what is special about it: that training set its class aside; else empty.
    """

    prediction_id: str
    label: str
    before: str | None
    source: str
    at: datetime
    note: str = ""


def label_prediction(
    ledger: Ledger,
    model_name: str,
    prediction_id: str,
    label: object,
    *,
    source: str,
    target: TaskTarget = USUAL_TARGET,
) -> GivenLabel:
    """Record the true label of a prediction, checked as a label of any other door; it replaces an earlier one.

    Args:
        ledger: where the prediction is.
        model_name: the registered model.
        prediction_id: id of the prediction.
        label: the class or number, of any type.
        source: who says so.
        target: what the project predicts.

    Raises:
        NotFoundError: the ledger holds no such prediction.
        InputError: the label is none that the model could have predicted, or none at all.
        UnavailableError: the ledger is away.
    """
    (checked,) = check_labels(ledger, model_name, [ReportedLabel(label, source, prediction_id)], target=target)
    if checked.status == "unknown":
        raise _unknown_prediction(checked.reason)
    if checked.label is None:
        raise InputError(
            checked.reason,
            next_step="Give a label that the model could have predicted.",
            field="label",
            value=str(label),
        )
    before = next(iter(ledger.labels(model_name=model_name, prediction_id=checked.label.prediction_id)), None)
    given = checked.label
    if before is None or (before.label, before.source) != (given.label, source):
        # The same label by the same person again corrects nothing.
        ledger.record_labels([given])
    return GivenLabel(
        given.prediction_id, given.label, before.label if before else None, source, given.at, checked.reason
    )


def undo_label(ledger: Ledger, model_name: str, prediction_id: str, *, source: str, actor: str = "") -> Label:
    """Take back the label of a prediction, and record that; the one that it replaced counts again.

    Only who gave a label takes it back; others correct it by another label.

    Args:
        ledger: where the prediction is.
        model_name: the registered model.
        prediction_id: id of the prediction.
        source: whose label is taken back.
        actor: who takes it back; default: the source.

    Returns:
        The label that is gone.

    Raises:
        NotFoundError: the ledger holds no such prediction, or it has no label.
        UsageError: its label is another person's.
        UnavailableError: the ledger is away.
    """
    if not ledger.find_predictions(ids=[prediction_id], model_name=model_name):
        raise _unknown_prediction(f"The ledger holds no prediction with the id '{prediction_id}'.")
    label = ledger.retention.withdraw_label(prediction_id, source)
    if label is None:
        raise NotFoundError(
            f"The prediction {prediction_id} has no label.",
            next_step=f"Give it one: tiltyard label set {prediction_id} LABEL",
            code="label.none",
        )
    if label.source != source:
        raise UsageError(
            f"The label '{label.label}' of {prediction_id} comes from {label.source}, not from {source}.",
            next_step=f"Correct it by another one: tiltyard label set {prediction_id} LABEL",
            code="label.of-another",
        )
    evidence = {"prediction_id": prediction_id, "label": label.label, "at": label.at.isoformat()}
    ledger.append(Event(WITHDRAWN, model_name, datetime.now(UTC), actor or source, "", evidence))
    return label


def _unknown_prediction(message: str) -> NotFoundError:
    return NotFoundError(
        message, next_step="Compare its id with: tiltyard predictions export", code="prediction.unknown"
    )
