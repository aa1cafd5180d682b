"""Removal of data from a ledger in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from threading import RLock

from tiltyard.ledger.codec import LabelRow, PredictionRow
from tiltyard.ledger.sql.retention import GroupNames, redact_input, rename_unit
from tiltyard.ledger.storable import check_text, decode_json, encode_json

_ID, _ROUTE, _KEY, _INPUT, _UNIT, _ASSIGNMENT = 0, 4, 8, 10, 11, 12


class MemoryRetention:
    """A ``Retention`` for tests, over the rows of a ``MemoryLedger``."""

    def __init__(
        self,
        lock: RLock,
        predictions: dict[str, PredictionRow],
        labels: dict[LabelRow, int],
        forget: Callable[[Set[str], set[int]], None],
    ) -> None:
        self._lock = lock
        self._predictions = predictions
        self._labels = labels
        self._forget = forget

    def erase(self, ids: Sequence[str]) -> int:
        """Remove predictions and their labels; see ``Retention.erase``."""
        with self._lock:
            gone = self._matching(ids)
            self._forget(gone, {at for _, at, *_ in map(self._predictions.__getitem__, gone)})
            for id_ in gone:
                del self._predictions[id_]
            for row in [row for row in self._labels if row[0] in gone]:
                del self._labels[row]
        return len(gone)

    def redact(self, ids: Sequence[str], reason: str, group_key: str | None = None) -> int:
        """Remove inputs and keys; see ``Retention.redact``."""
        marker = encode_json(redact_input(check_text("reason", reason)))
        names, groups = dict[str, str](), GroupNames(group_key)
        with self._lock:
            meant = self._matching(ids)
            self._forget(set(), {at for _, at, *_ in map(self._predictions.__getitem__, meant)})
            for id_ in meant:
                row = list(self._predictions[id_])
                group = groups.rename(decode_json(str(row[_INPUT]))) if id_ in ids else {}
                row[_INPUT] = encode_json(redact_input(reason, group)) if group else marker
                if id_ in ids:
                    row[_KEY] = row[_ASSIGNMENT] = None
                    row[_UNIT] = rename_unit(str(row[_UNIT]), names) if row[_UNIT] else None
                self._predictions[id_] = tuple(row)  # type: ignore[assignment]
        return len(meant)

    def _matching(self, ids: Sequence[str]) -> set[str]:
        wanted = {check_text("id", id_) for id_ in ids}
        followers = {row[_ID] for row in self._predictions.values() if row[_KEY] in wanted and row[_ROUTE] == "shadow"}
        return (wanted & self._predictions.keys()) | {str(id_) for id_ in followers}
