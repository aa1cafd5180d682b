"""Ledger rows of scored inputs, built once and used for the ledger, the response and the statistics alike."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from time import perf_counter
from typing import Any, Protocol

import msgspec

from tiltyard.errors import InputError
from tiltyard.ledger.codec import NUMBER_CONFIDENCE, PredictionRow
from tiltyard.ledger.records import new_id
from tiltyard.ledger.storable import encode_json
from tiltyard.scoring import InputWarning, Scores, Warnings, split_abstention
from tiltyard.serving.model.served_version import ServedVersion
from tiltyard.tasks import PREDICTION_SET

RowsOrError = list[PredictionRow] | InputError
LabelSets = Sequence[Sequence[str]]
"""The labels in the prediction set of each input."""


class ScoredRequest(Protocol):
    """A request whose inputs were scored, as far as its rows need it."""

    @property
    def inputs(self) -> Sequence[Mapping[str, Any]]:
        """The inputs."""

    @property
    def accepted(self) -> float:
        """When it was accepted, on ``perf_counter``'s clock."""

    @property
    def keys(self) -> Sequence[str]:
        """The caller's own key of each input; empty for none."""

    @property
    def ids(self) -> Sequence[str]:
        """The ids of the predictions; empty for new ones."""

    @property
    def unit(self) -> str | None:
        """What the rows share with others; None: nothing."""

    @property
    def assignment(self) -> str | None:
        """The split test that the rows take part in; None for none."""


_encode = msgspec.json.Encoder().encode
_decode_probabilities = msgspec.json.Decoder(dict[str, float]).decode


def make_rows(request: ScoredRequest, scores: Scores, version: ServedVersion) -> RowsOrError:
    """The ledger's rows of n scored inputs of one request, or why one of them can never be stored.

    Args:
        request: the request.
        scores: the predictions of its inputs; probabilities are finite.
        version: what predicted them.
    """
    at_us = time.time_ns() // 1000
    latency = (perf_counter() - request.accepted) * 1000.0
    project, number, route = version.info.name, version.info.version, version.alias
    rows = []
    for position, (item, (label, confidence, certainty)) in enumerate(
        zip(request.inputs, _describe_scores(scores, version.scorer.classes), strict=True)
    ):
        try:
            stored = encode_json(item)
        except ValueError as error:
            return InputError(
                f"Input {position} cannot be recorded: it {error}.",
                next_step="Send Unicode text; nothing of this request was stored.",
                position=position,
            )
        rows.append(
            PredictionRow(
                request.ids[position] if request.ids else new_id(),
                at_us,
                project,
                number,
                route,
                label,
                confidence,
                latency,
                request.keys[position] if request.keys else None,
                certainty,
                stored,
                request.unit,
                request.assignment,
            )
        )
    return rows


def make_single_rows(
    requests: Sequence[ScoredRequest], scores: Scores, version: ServedVersion
) -> list[PredictionRow] | None:
    """The rows of n requests of one input each, scored together; None where one of them can never be stored.

    What ``make_rows`` gives for each of them, without cutting the scores into pieces of one.

    Args:
        requests: the n requests.
        scores: their predictions in the same order; probabilities are finite.
        version: what predicted them.
    """
    at_us, now = time.time_ns() // 1000, perf_counter()
    project, number, route = version.info.name, version.info.version, version.alias
    rows = []
    described = _describe_scores(scores, version.scorer.classes)
    for part, (label, confidence, certainty) in zip(requests, described, strict=True):
        try:
            stored = encode_json(part.inputs[0])
        except ValueError:
            return None
        rows.append(
            PredictionRow(
                part.ids[0] if part.ids else new_id(),
                at_us,
                project,
                number,
                route,
                label,
                confidence,
                (now - part.accepted) * 1000.0,
                part.keys[0] if part.keys else None,
                certainty,
                stored,
                part.unit,
                part.assignment,
            )
        )
    return rows


def _describe_scores(scores: Scores, classes: Sequence[str]) -> Iterator[tuple[str, float, str]]:
    """Of each input the label, and what the ledger keeps of its certainty: the columns of confidence and probabilities.

    Of a number that is the mark of numbers, and the two ends of its interval; none for no interval.
    """
    if scores.numbers is None:
        for label, row in zip(scores.labels, scores.probabilities.tolist(), strict=True):
            probabilities = dict(zip(classes, row, strict=True))
            yield label, probabilities[label], _encode(probabilities).decode()
        return
    ends = [()] * len(scores.labels) if scores.intervals is None else scores.intervals.tolist()
    for label, pair in zip(scores.labels, ends, strict=True):
        # JSON has no infinity: an end that is open is null.
        yield label, NUMBER_CONFIDENCE, _encode([end if math.isfinite(end) else None for end in pair]).decode()


def make_sets(rows: Sequence[PredictionRow], versions: Sequence[ServedVersion | None], level: float) -> LabelSets:
    """The labels in the prediction sets of rows, which follow from what is recorded of them.

    A row of a version without scores has all of its labels, which hold the truth for certain: of a challenger that came
    without them, or of a version that predicted when the request was sent before.

    Args:
        rows: of classes.
        versions: those in service.
        level: the confidence of the sets.
    """
    known = {version.info.version: version.sets for version in versions if version is not None}
    found: list[Sequence[str]] = []
    for version, some in groupby(rows, key=lambda row: row.version):
        probabilities = [_decode_probabilities(row.probabilities) for row in some]
        sets = known.get(version)
        found += (
            [sorted(row, key=row.__getitem__, reverse=True) for row in probabilities]
            if sets is None
            else sets.list_labels(probabilities, level)
        )
    return found


def prediction_json(
    row: PredictionRow,
    field: str,
    *,
    recorded: bool = True,
    warnings: Sequence[InputWarning] = (),
    labels: Sequence[str] | None = None,
) -> bytes:
    """The JSON of a prediction: the label under the project's name for it, confidence, probabilities, version and id;
    or the number, its interval, version and id.

    Only a prediction that is not in the ledger says so (``"recorded": false``), only one that the model leaves to a
    person (``"abstained": true``), and only one of an unusual input has ``"warnings"``. The labels of its prediction
    set are there where they are given.
    """
    content = _response_fields(row, field, warnings, labels)
    return _encode(content if recorded else content | {"recorded": False})


def predictions_json(
    rows: Sequence[PredictionRow],
    field: str,
    *,
    recorded: bool = True,
    warnings: Warnings | None = None,
    sets: LabelSets | None = None,
) -> bytes:
    """The JSON of the predictions of many inputs; see ``prediction_json``."""
    found: Warnings = [()] * len(rows) if warnings is None else warnings
    named: Sequence[Sequence[str] | None] = [None] * len(rows) if sets is None else sets
    content: dict[str, Any] = {
        "predictions": [
            _response_fields(row, field, some, labels) for row, some, labels in zip(rows, found, named, strict=True)
        ]
    }
    return _encode(content if recorded else content | {"recorded": False})


def _response_fields(
    row: PredictionRow, field: str, warnings: Sequence[InputWarning], labels: Sequence[str] | None
) -> dict[str, Any]:
    content: dict[str, Any]
    if row.confidence == NUMBER_CONFIDENCE:
        interval = None if row.probabilities == "[]" else msgspec.Raw(row.probabilities)
        content = {field: float(row.label), "interval": interval}
    else:
        content = {field: row.label, "confidence": row.confidence, "probabilities": msgspec.Raw(row.probabilities)}
    if labels is not None:
        content[PREDICTION_SET] = labels
    content |= {"model_version": row.version, "prediction_id": row.id}
    if warnings:
        abstained, unusual = split_abstention(warnings)
        if abstained:
            content["abstained"] = True
        if unusual:
            content["warnings"] = unusual
    return content
