"""What one spool sends to the central ledger: predictions, labels and events, and what becomes of those it refuses."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import timedelta
from types import NoneType
from typing import Any

from tiltyard.errors import InputError, UnavailableError
from tiltyard.formatting import format_count
from tiltyard.ledger.arrivals import (
    ArrivalKind,
    ArrivalReceipt,
    SetAsideRecord,
    read_instant,
    set_aside_row,
)
from tiltyard.ledger.codec import PredictionRow, decode_event, decode_label
from tiltyard.ledger.ports import Ledger
from tiltyard.ledger.records import Event, Label

# A label without a known prediction may belong to one that another host ships later. One older than this is set aside,
# unless its prediction is in a spool here: a truth may be older than the prediction that waits.
LABEL_DAYS = 7
REFUSED = "refused.jsonl"
"""Where earlier builds kept what the central ledger refused."""
LABEL_COLUMNS = ("prediction_id", "at_us", "label", "source")
EVENT_COLUMNS = ("sequence", "kind", "subject", "at_us", "actor", "digest", "reason", "evidence")
_TEXT, _NUMBER, _TEXT_OR_NONE = (str,), (float, int), (str, NoneType)
# Of PredictionRow: an SQLite column of a damaged spool may hold values of any type.
_COLUMN_TYPES: tuple[tuple[type, ...], ...] = (
    *(_TEXT, (int,), _TEXT, _TEXT, _TEXT, _TEXT, _NUMBER, _NUMBER, _TEXT_OR_NONE, _TEXT, _TEXT),
    *(_TEXT_OR_NONE, _TEXT_OR_NONE),
)

log = logging.getLogger(__name__)


class Shipment:
    """What is sent from one spool. Only an error of the central ledger itself stops it: a row never does.

    Args:
        central: the central ledger.
        origin: the host and the spool.
        find_waiting: of ids of predictions, those that a spool of this host holds, or may hold.
    """

    def __init__(self, central: Ledger, origin: str, find_waiting: Callable[[Collection[str]], set[str]]) -> None:
        self._central = central
        self._origin = origin
        self._find_waiting = find_waiting

    def send_predictions(self, stored: Sequence[tuple[Any, ...]]) -> list[int]:
        """Send predictions; where one of them is refused, each by itself."""
        rows = {row[0]: PredictionRow._make(row[1:]) for row in stored}
        try:
            self._receive([*rows.values()])
        except InputError:
            return [number for number, row in rows.items() if self._send_prediction(row)]
        return [*rows]

    def send_labels(self, stored: Sequence[tuple[Any, ...]]) -> list[int]:
        """Send labels; those whose predictions are not known yet stay, but not for ever."""
        try:
            unknown = set(self._central.record_labels([_decode_label(row[1:]) for row in stored]).unknown)
        except InputError:
            return [row[0] for row in stored if self._send_label(row)]
        return self._list_gone(stored, unknown)

    def send_events(self, stored: Sequence[tuple[Any, ...]]) -> list[int]:
        """Send events, one by one in their order."""
        return [row[0] for row in stored if self._send_event(dict(zip(EVENT_COLUMNS, row[1:], strict=True)))]

    def _receive(self, rows: Sequence[PredictionRow]) -> None:
        # Rows have few combinations of types: each is checked once.
        for row in {tuple(map(type, row)): row for row in rows}.values():
            for value, kinds in zip(row, _COLUMN_TYPES, strict=True):
                if not isinstance(value, kinds):
                    raise InputError(f"The prediction cannot be read: {value!r:.80} is in the wrong column.")
        self._log(self._central.arrivals.receive(rows, self._origin))

    def _send_prediction(self, row: PredictionRow) -> bool:
        try:
            self._receive([row])
        except InputError as error:
            return self._keep(set_aside_row(row, "refused", error.message, self._origin))
        return True

    def _send_label(self, row: tuple[Any, ...]) -> bool:
        try:
            unknown = self._central.record_labels([_decode_label(row[1:])]).unknown
        except InputError as error:
            content = dict(zip(LABEL_COLUMNS, row[1:], strict=True))
            prediction_id = str(content["prediction_id"])
            return self._keep_other("label", error, content, prediction_id, self._find_model(prediction_id))
        return bool(self._list_gone([row], set(unknown)))

    def _find_model(self, prediction_id: str) -> str:
        """The model of a prediction; empty where it is not known."""
        try:
            return next((row.project for row in self._central.find_predictions(ids=[prediction_id])), "")
        except InputError:
            return ""

    def _list_gone(self, stored: Sequence[tuple[Any, ...]], unknown: set[str]) -> list[int]:
        """The numbers of labels that need not wait for their predictions: these are known, erased, or do not come."""
        missing = unknown - self._central.arrivals.find_erased(unknown) if unknown else set()
        too_old = (time.time() - timedelta(days=LABEL_DAYS).total_seconds()) * 1e6
        old = {prediction_id for _, prediction_id, at, *_ in stored if prediction_id in missing and at < too_old}
        lonely = old - self._find_waiting(old) if old else set()
        return [
            row[0]
            for row in stored
            if row[1] not in missing or (row[1] in lonely and row[2] < too_old and self._keep_lonely(row))
        ]

    def _keep_lonely(self, row: tuple[Any, ...]) -> bool:
        content = dict(zip(LABEL_COLUMNS, row[1:], strict=True))
        error = InputError(f"No ledger has its prediction, {LABEL_DAYS} days after its time.")
        return self._keep_other("label", error, content, str(content["prediction_id"]), "")

    def _send_event(self, row: Mapping[str, Any]) -> bool:
        try:
            event = _decode_event(row)
            if not self._was_shipped(event):
                self._central.append(event)
        except InputError as error:
            subject = str(row["subject"])
            return self._keep_other("event", error, row, subject, subject.partition("/")[0])
        return True

    def _was_shipped(self, event: Event) -> bool:
        """Whether an event was shipped before, by a shipper that died before it could remove it."""

        def same(other: Event) -> bool:
            return (other.at, other.actor, other.reason) == (event.at, event.actor, event.reason)

        return any(
            same(other) for other in self._central.events(subject=event.subject, kind=event.kind, since=event.at)
        )

    def _keep_other(
        self, kind: ArrivalKind, error: InputError, content: Mapping[str, Any], subject: str, model_name: str
    ) -> bool:
        made = read_instant(content["at_us"])
        return self._keep(
            SetAsideRecord(
                kind=kind,
                reason="refused",
                message=error.message,
                origin=self._origin,
                subject=subject,
                project=model_name,
                made=made,
                content=content,
            )
        )

    def _keep(self, record: SetAsideRecord) -> bool:
        """Set a record aside, and say so; where even that is refused, it stays in its spool."""
        try:
            self._central.arrivals.keep([record])
        except InputError as error:
            log.error("The %s %r stays in the spool %s: %s", record.kind, record.subject, self._origin, error.message)
            return False
        log.error(
            "The %s %r of the spool %s was set aside: %s", record.kind, record.subject, self._origin, record.message
        )
        return True

    def send_line(self, line: str) -> bool:
        """Send a prediction that an earlier build kept in a file: it may be storable by now, or erased."""
        try:
            content: dict[str, Any] = json.loads(line)
            content.pop("refused", None)
            row = PredictionRow(**content)
        except (ValueError, TypeError):
            error = InputError(f"A line of {REFUSED} cannot be read.")
            return self._keep_other("prediction", error, {"line": line, "at_us": None}, "", "")
        return self._send_prediction(row)

    def _log(self, receipt: ArrivalReceipt) -> None:
        if receipt.set_aside:
            named = format_count(receipt.set_aside, "prediction")
            log.error(
                "%s of the spool %s differ from others with their ids and were set aside: "
                "tiltyard predictions set-aside lists them",
                named,
                self._origin,
            )
        if receipt.kept_out:
            named = format_count(receipt.kept_out, "prediction")
            log.info("%s of the spool %s had been erased or pruned, and stay so", named, self._origin)


def _decode_label(row: Sequence[Any]) -> Label:
    try:
        return decode_label(row)
    except (ValueError, TypeError, OverflowError) as error:
        raise InputError(f"The label cannot be read: {error}.") from None


def _decode_event(row: Mapping[str, Any]) -> Event:
    try:
        return decode_event(row)
    except UnavailableError as error:
        raise InputError(error.message) from None
