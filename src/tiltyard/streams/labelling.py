"""Messages are labels: checked and recorded as ``POST /feedback`` does, many at once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from tiltyard.errors import TiltyardError, UnavailableError
from tiltyard.ledger.label_intake import CheckedLabel
from tiltyard.serving.http.label_reports import OneLabel, check_reports, parse_labels, refuse_fields
from tiltyard.serving.predict.components import ServerComponents
from tiltyard.serving.problem_details import RequestError
from tiltyard.streams.handling import Handled
from tiltyard.streams.ports import Message

PATIENCE = timedelta(minutes=1)
"""A label may come before its prediction was recorded: so long it waits."""
PAUSE_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class _Report:
    """The labels of a message."""

    message: Message
    labels: Sequence[OneLabel]


class StreamLabels:
    """Records the labels in messages; a label is about a prediction by its id, or by its key.

    Args:
        components: the parts of the server.
        source: where labels come from that do not say so.
        patience: so long a new label waits for its prediction.
    """

    def __init__(self, components: ServerComponents, source: str, patience: timedelta = PATIENCE) -> None:
        self._components, self._source, self._patience = components, source, patience
        self._stopped = False

    def stop(self) -> None:
        """Wait for no prediction any more."""
        self._stopped = True

    async def handle(self, messages: Sequence[Message]) -> list[Handled]:
        """See ``Handler.handle``; a label that is new waits for its prediction."""
        taken_at = datetime.now(UTC)
        found: dict[int, Handled] = {}
        reports: dict[int, _Report] = {}
        for place, message in enumerate(messages):
            try:
                reports[place] = _read(message)
            except RequestError as error:
                found[place] = Handled(message, "dead_letter", error=error)
        while reports:
            recorded = await asyncio.to_thread(self._record, list(reports.values()))
            for (place, report), problem in zip(list(reports.items()), recorded, strict=True):
                if problem is None:
                    found[place] = Handled(report.message, "recorded")
                elif problem.code != "feedback.unknown" or self._has_waited(report.message, taken_at):
                    found[place] = Handled(report.message, "dead_letter", error=problem)
                else:
                    continue
                del reports[place]
            if reports:
                if self._stopped:
                    raise UnavailableError("Labels wait for their predictions.", code="stream.stopped")
                await asyncio.sleep(PAUSE_SECONDS)
        return [found[place] for place in range(len(messages))]

    def _has_waited(self, message: Message, taken_at: datetime) -> bool:
        """Whether a label has waited long enough; the clock of its producer may be ahead."""
        return datetime.now(UTC) - min(message.sent_at, taken_at) > self._patience

    def _record(self, reports: Sequence[_Report]) -> list[TiltyardError | None]:
        """Record the labels of n messages in one transaction; of each why one of its labels was not, or None."""
        given = [label for report in reports for label in report.labels]
        checked = check_reports(self._components, given, self._source)
        problems: list[TiltyardError | None] = []
        kept: list[list[CheckedLabel]] = []
        start = 0
        for report in reports:
            own = checked[start : start + len(report.labels)]
            start += len(report.labels)
            try:
                refuse_fields(own)
            except RequestError as error:
                problems.append(error)
                kept.append([])
            else:
                problems.append(None)
                kept.append(own)
        labels = [one.label for own in kept for one in own if one.label is not None]
        unknown = frozenset(self._components.ledger.record_labels(labels).unknown)
        return [
            problem or next((_refuse(one) for one in own if _is_missing(one, unknown)), None)
            for problem, own in zip(problems, kept, strict=True)
        ]


def _read(message: Message) -> _Report:
    given = parse_labels(message.body)
    labels = [given] if isinstance(given, OneLabel) else given.labels
    # When it was sent is the same at each delivery: a label that comes again is the same label.
    return _Report(message, [one if one.at else one.model_copy(update={"at": message.sent_at}) for one in labels])


def _is_missing(checked: CheckedLabel, unknown: frozenset[str]) -> bool:
    return checked.label is None or checked.label.prediction_id in unknown


def _refuse(checked: CheckedLabel) -> TiltyardError:
    if checked.status == "ambiguous":
        step = "Send the prediction_id, or 'at': the label means the last prediction made until then."
        return RequestError(checked.reason, status=409, code="feedback.ambiguous", next_step=step)
    return RequestError(
        checked.reason or "The ledger holds no prediction with the id of the label.",
        status=404,
        code="feedback.unknown",
        next_step="Send the prediction_id of the result, or the key of the message that was predicted.",
    )
