"""The one check of labels that come in, over HTTP, from a file or from Python."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache, cached_property
from typing import Literal

from tiltyard.data.conform.cells import normalise_text
from tiltyard.data.conform.labels import MERGED, LabelCodec, is_label_gap, write_label
from tiltyard.data.inference.task_part import ReadLabel, TaskData
from tiltyard.data.number_labels import read_number
from tiltyard.errors import UnavailableError
from tiltyard.formatting import format_count
from tiltyard.ledger.model_events import RareClasses, read_rare_classes
from tiltyard.ledger.ports import Ledger
from tiltyard.ledger.records import Label, NamedPrediction, Prediction
from tiltyard.tasks import USUAL_TARGET, TaskTarget, narrow_target

AHEAD = timedelta(minutes=1)
"""Clocks differ by this much; a label from further ahead would stand against every correction until then."""

LabelStatus = Literal["good", "rare", "unlabelled", "ahead", "unknown", "ambiguous", "unexpected"]
_MOST_TIMES = 5


@dataclass(frozen=True)
class ReportedLabel:
    """A label as it came.

    Attributes:
        label: of any type.
        source: where it comes from.
        prediction_id: id of the prediction; empty where it is named by its key.
        key: the caller's own key.
        at: when the label was determined, with a time zone; None for now.
    """

    label: object
    source: str
    prediction_id: str = ""
    key: str = ""
    at: datetime | None = None


@dataclass(frozen=True)
class CheckedLabel:
    """What is to become of a label.

    Attributes:
        status: ``good``; ``rare``: its class is known, and no version predicts it, for training set it aside or merged
            it; ``unlabelled``: it says nothing; ``ahead``: its time is in the future; ``unknown``: the ledger holds no
            such prediction; ``ambiguous``: its key was used for several predictions, and its time does not say which
            is meant; ``unexpected``: neither the version nor a training knows it.
        label: what to record; None unless it is good or rare.
        prediction: the prediction that it is about, where that was looked up.
        reason: why it is not good, as a sentence; empty where it is.
    """

    status: LabelStatus
    label: Label | None = None
    prediction: NamedPrediction | None = None
    reason: str = ""


def check_labels(
    ledger: Ledger,
    model_name: str,
    reported: Sequence[ReportedLabel],
    *,
    codec: LabelCodec | None = None,
    target: TaskTarget = USUAL_TARGET,
    now: datetime | None = None,
) -> list[CheckedLabel]:
    """Check n labels: whether they say something, of which prediction, and which class they mean. Nothing is recorded.

    A key that was used for several predictions means the one in force at the label's time: the last one made until
    then. A class is one of the prediction's own version, or else of the version in service, or else one that a training
    set aside or merged: the truth is recorded as it is, for a later training may learn it.

    While the ledger cannot look predictions up, labels by id are checked against the version in service alone.

    A label without a time replaces those that came before it, also where the clock was set back in between.

    Args:
        ledger: where the predictions are.
        model_name: name of the registered model.
        reported: the labels.
        codec: the classes of the version in service; default: those of the newest prediction.
        target: what the version in service predicts: for labels whose prediction cannot be looked up, and for those
            whose prediction has the shape of it.
        now: default: the present.

    Raises:
        UnavailableError: the ledger cannot be reached, and a label names its prediction by a key, or is not a class of
            the version in service.
    """
    now = now or datetime.now(UTC)
    found = _find_predictions(ledger, model_name, reported)
    newest = cache(lambda: codec or _read_newest_codec(ledger, model_name))
    codecs: dict[tuple[str, ...], LabelCodec | None] = {}
    rare = _RareLookup(ledger, model_name)
    checked = []
    for item in reported:
        early = _check_by_itself(item, now)
        chosen = early or _choose_prediction(item, found)
        if isinstance(chosen, CheckedLabel):
            checked.append(chosen)
            continue
        meant = target if chosen is None else narrow_target(chosen.target, target)
        by_value = TaskData.find_for_target(meant).read_reported(item.label)
        if by_value is not None:
            checked.append(_check_value(by_value, item, chosen, now))
            continue
        own = None
        if chosen is not None:
            classes = tuple(chosen.probabilities)
            if classes not in codecs:
                codecs[classes] = _read_codec(chosen.probabilities)
            own = codecs[classes]
        checked.append(_check_class(item, chosen, [one for one in (own, newest()) if one is not None], rare, now))
    return _rank_after_earlier(ledger, reported, checked, now)


@dataclass(frozen=True)
class RecordedLabels:
    """Recorded predictions with the class that the label of each means.

    Attributes:
        pairs: predictions and labels, the labels spelt as their version spells the class.
        set_aside: labels that the version of their prediction does not know, by prediction id. There are some from
            before labels were checked, of classes that only another version knows, and of classes that training set
            aside.
    """

    pairs: tuple[tuple[Prediction, Label], ...] = ()
    set_aside: Mapping[str, Label] = field(default_factory=dict)


def read_recorded_labels(ledger: Ledger, model_name: str, pairs: Iterable[tuple[Prediction, Label]]) -> RecordedLabels:
    """What the labels mean that the ledger holds.

    Where a prediction has only the probability of its label, the version's classes are not known: they are then
    those that any of the predictions has. A class that training merged means the class that it became.

    Args:
        ledger: where they come from.
        model_name: name of the registered model.
        pairs: predictions of it with the label that counts.
    """
    rare = _RareLookup(ledger, model_name)
    found = list(pairs)
    predicted = LabelCodec.from_classes({row.label for row, _ in found if row.confidence is not None})
    codecs: dict[tuple[str, ...], LabelCodec | None] = {}
    read, set_aside = [], {}
    for row, label in found:
        if row.confidence is None:
            if read_number(label.label) is None:
                set_aside[row.id] = label
            else:
                read.append((row, label))
            continue
        classes = tuple(row.probabilities)
        if classes not in codecs:
            codecs[classes] = _read_codec(row.probabilities)
        codec = codecs[classes]
        meant = predicted.spell(label.label) if codec is None else codec.find_class(label.label)
        if meant is None and MERGED in classes and rare.classes.find_class(label.label) in rare.classes.merged:
            meant = MERGED
        if meant is None:
            set_aside[row.id] = label
        else:
            read.append((row, label if meant == label.label else replace(label, label=meant)))
    return RecordedLabels(tuple(read), set_aside)


def normalise_key(key: object) -> str:
    """A caller's key as it is compared: without outer white space, composed; a whole number without a fraction."""
    return write_label(key)


@dataclass(frozen=True)
class _Found:
    """Predictions by id, and by key in the order of their times; ``complete`` is false where not all were looked up."""

    by_id: Mapping[str, NamedPrediction]
    by_key: Mapping[str, Sequence[NamedPrediction]]
    complete: bool = True


def _find_predictions(ledger: Ledger, model_name: str, reported: Sequence[ReportedLabel]) -> _Found:
    ids = [item.prediction_id.strip() for item in reported if item.prediction_id]
    # Keys were once recorded as they came.
    named = [item.key for item in reported if item.key and not item.prediction_id]
    keys = [key for one in named for key in (one, normalise_text(one))]
    try:
        rows = ledger.find_predictions(ids=ids, keys=list(dict.fromkeys(keys)), model_name=model_name)
    except UnavailableError:
        if keys:
            raise
        return _Found({}, {}, complete=False)
    by_key: dict[str, list[NamedPrediction]] = {}
    for row in rows:
        if row.key is not None:
            by_key.setdefault(normalise_text(row.key), []).append(row)
    return _Found({row.id: row for row in rows}, by_key)


def _rank_after_earlier(
    ledger: Ledger, reported: Sequence[ReportedLabel], checked: Sequence[CheckedLabel], now: datetime
) -> list[CheckedLabel]:
    """Let a label that came without a time replace those that came before it, whatever this host's clock says.

    A clock that was set back, or is behind another host's, gives a correction an earlier time than what it corrects. So
    it gets the next time after that. One that came with its time keeps it, unless the earlier label's time is ahead of
    now by more than clocks differ: that one would stand against every correction until then.
    """
    named = [one.label.prediction_id for one in checked if one.label is not None]
    try:
        newest = ledger.newest_label_times(named) if named else {}
    except UnavailableError:
        newest = {}
    ranked = []
    for item, one in zip(reported, checked, strict=True):
        label = one.label
        if label is not None:
            before = newest.get(label.prediction_id, label.at)
            if before > label.at and (item.at is None or before > now + AHEAD):
                label = replace(label, at=before + timedelta(microseconds=1))
            newest[label.prediction_id] = max(before, label.at)
        ranked.append(one if label is one.label else replace(one, label=label))
    return ranked


def _check_by_itself(item: ReportedLabel, now: datetime) -> CheckedLabel | None:
    """What is wrong with a label, whatever it is about; None if nothing is."""
    if is_label_gap(item.label):
        return CheckedLabel("unlabelled", reason="There is no label.")
    if item.at is not None and item.at > now + AHEAD:
        why = f"The time {item.at.isoformat()} lies in the future, where no label can be known yet."
        return CheckedLabel("ahead", reason=why)
    return None


def _choose_prediction(item: ReportedLabel, found: _Found) -> NamedPrediction | CheckedLabel | None:
    """The prediction that a label is about, or why there is none; None where it could not be looked up."""
    if item.prediction_id:
        chosen = found.by_id.get(item.prediction_id.strip())
        if chosen is None and found.complete:
            return CheckedLabel("unknown", reason=f"The ledger holds no prediction with the id '{item.prediction_id}'.")
        return chosen
    candidates = found.by_key.get(normalise_text(item.key), ())
    if not candidates:
        return CheckedLabel("unknown", reason=f"The ledger holds no prediction with the key '{item.key}'.")
    if len(candidates) == 1:
        return candidates[0]
    in_force = [row for row in candidates if item.at is not None and row.at <= item.at]
    if in_force:
        return in_force[-1]
    times = ", ".join(f"{row.at:%Y-%m-%d %H:%M:%S}" for row in candidates[:_MOST_TIMES])
    more = ", …" if len(candidates) > _MOST_TIMES else ""
    why = "all after the label's time" if item.at is not None else "and the label has no time"
    named = format_count(len(candidates), "prediction")
    return CheckedLabel(
        "ambiguous",
        reason=f"The key '{item.key}' names {named} ({times}{more} UTC), {why}.",
    )


def _check_value(read: ReadLabel, item: ReportedLabel, chosen: NamedPrediction | None, now: datetime) -> CheckedLabel:
    if read.text is None:
        return CheckedLabel("unexpected", prediction=chosen, reason=read.reason)
    prediction_id = chosen.id if chosen else item.prediction_id.strip()
    return CheckedLabel("good", Label(prediction_id, read.text, item.at or now, item.source), chosen)


def _check_class(
    item: ReportedLabel,
    chosen: NamedPrediction | None,
    codecs: Sequence[LabelCodec],
    rare: _RareLookup,
    now: datetime,
) -> CheckedLabel:
    status: LabelStatus = "good"
    reason = ""
    meant = next(filter(None, (codec.find_class(item.label) for codec in codecs)), None)
    if meant is None and codecs:
        meant = rare.classes.find_class(item.label)
        if meant is None:
            return CheckedLabel("unexpected", prediction=chosen, reason=codecs[0].describe_unknown(item.label))
        status, reason = "rare", rare.classes.describe(meant)
    if meant is None:
        # Nothing says which classes there are: the predicted one is the only one known.
        meant = LabelCodec((chosen.label,)).spell(item.label) if chosen else write_label(item.label)
    prediction_id = chosen.id if chosen else item.prediction_id.strip()
    return CheckedLabel(status, Label(prediction_id, meant, item.at or now, item.source), chosen, reason)


class _RareLookup:
    """The rare classes of a model, read once and only where a label is not a class of a version."""

    def __init__(self, ledger: Ledger, model_name: str) -> None:
        self._ledger, self._model_name = ledger, model_name

    @cached_property
    def classes(self) -> RareClasses:
        return read_rare_classes(self._ledger, self._model_name)


def _read_newest_codec(ledger: Ledger, model_name: str) -> LabelCodec | None:
    newest = ledger.predictions(project=model_name, shadow=False, limit=1, newest_first=True)
    return next((_read_codec(row.probabilities) for row in newest if row.confidence is not None), None)


def _read_codec(probabilities: Mapping[str, float]) -> LabelCodec | None:
    """The classes that a prediction has probabilities of; None where it has that of the predicted one alone."""
    return LabelCodec(tuple(probabilities)) if len(probabilities) > 1 else None
