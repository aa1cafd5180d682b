"""Totals of the predictions, counted as they happen, so that a health check costs little.

Several workers share one total: each writes its own counts to a file every second, and the one that responds adds them
up. A worker that takes another's place continues that one's counts. The ledger's history is counted up to one moment,
which the first worker of a server notes for all.
"""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Any

import msgspec

from tiltyard.ledger.codec import NUMBER_CONFIDENCE, PredictionRow
from tiltyard.ledger.records import PredictionStats

# Files of a server that ended are removed by a later one.
_OLD_SECONDS = 3600.0


class _Tally(msgspec.Struct):
    """Counts that can be added up."""

    labels: Counter[str] = msgspec.field(default_factory=Counter)
    versions: Counter[str] = msgspec.field(default_factory=Counter)
    total: int = 0
    confidence_sum: float = 0.0
    lowest: float | None = None
    highest: float | None = None
    latency_sum: float = 0.0
    measured: int = 0
    # A worker before this one was killed, with what it had counted in its last second.
    lacks_some: bool = False

    def add(self, other: _Tally) -> None:
        self.labels.update(other.labels)
        self.versions.update(other.versions)
        self.total += other.total
        self.confidence_sum += other.confidence_sum
        self.lowest = min((x for x in (self.lowest, other.lowest) if x is not None), default=None)
        self.highest = max((x for x in (self.highest, other.highest) if x is not None), default=None)
        self.latency_sum += other.latency_sum
        self.measured += other.measured
        self.lacks_some = self.lacks_some or other.lacks_some


class Statistics:
    """Running totals over the predictions of one model: those of this server, and those before it.

    Safe to use from several threads.

    Args:
        folder: where the workers leave their counts for each other; None for a single worker.
        worker: this worker's number.
        server: names the server, the same in all its workers.
    """

    def __init__(self, folder: Path | None = None, worker: int = 0, server: str = "") -> None:
        self._lock = Lock()
        self._folder, self._server = folder, server
        self._own_file = None if folder is None else folder / f"totals-{server}-{worker}.json"
        before = _read_tally(self._own_file)
        self._own = _Tally() if before is None else before
        self._own.lacks_some = before is not None
        self._history = _Tally()
        self._complete = False

    def begin(self, now: datetime) -> datetime:
        """The moment up to which the ledger's history is to be counted: when the first worker of the server began."""
        if self._folder is None:
            return now
        self._folder.mkdir(parents=True, exist_ok=True)
        file = self._folder / f"totals-{self._server}.since"
        try:
            with file.open("x", encoding="utf-8") as new:
                new.write(now.isoformat())
            self._remove_old()
        except FileExistsError:
            with contextlib.suppress(ValueError, OSError):
                return datetime.fromisoformat(file.read_text(encoding="utf-8")).astimezone(UTC)
        return now

    def add(self, rows: Sequence[PredictionRow]) -> None:
        """Count predictions that were recorded just now; at least one."""
        # Numbers have neither labels nor a confidence; a batch is of one kind of model, nearly always.
        classes = rows if rows[0].confidence != NUMBER_CONFIDENCE else ()
        if classes and NUMBER_CONFIDENCE in [row.confidence for row in rows]:
            classes = [row for row in rows if row.confidence != NUMBER_CONFIDENCE]
        confidences = [row.confidence for row in classes]
        labels, versions = [row.label for row in classes], [row.version for row in rows]
        latency = sum([row.latency_ms for row in rows])
        own = self._own
        with self._lock:
            own.labels.update(labels)
            own.versions.update(versions)
            own.latency_sum += latency
            own.measured += len(rows)
            own.total += len(rows)
            if confidences:
                least, most = min(confidences), max(confidences)
                own.confidence_sum += sum(confidences)
                own.lowest = least if own.lowest is None or least < own.lowest else own.lowest
                own.highest = most if own.highest is None or most > own.highest else own.highest

    def add_history(self, history: PredictionStats) -> None:
        """Count what the ledger held before this server began."""
        with self._lock:
            self._complete = True
            if not history.total:
                return
            self._history.add(
                _Tally(
                    Counter(history.by_label),
                    Counter(history.by_version),
                    history.total,
                    (history.mean_confidence or 0.0) * sum(history.by_label.values()),
                    history.min_confidence,
                    history.max_confidence,
                    (history.mean_latency_ms or 0.0) * history.measured_latencies,
                    history.measured_latencies,
                )
            )

    def write(self) -> None:
        """Leave this worker's counts for the others; a no-op for a single worker."""
        if self._own_file is not None:
            with self._lock:
                content = msgspec.json.encode(self._own)
                partial = self._own_file.with_suffix(".part")
                partial.write_bytes(content)
                partial.replace(self._own_file)

    def to_dict(self) -> dict[str, Any]:
        """The totals as JSON-ready data.

        ``complete`` says that the ledger's history is in them, and that no worker was killed, which may have counted
        more.
        """
        together = _Tally()
        with self._lock:
            together.add(self._history)
            together.add(self._own)
            complete = self._complete
        for other in self._read_others():
            together.add(other)
        count, measured = together.total, together.measured
        classes = together.labels.total()
        return {
            "total_predictions": count,
            "by_label": dict(together.labels.most_common()),
            "by_version": dict(together.versions.most_common()),
            "mean_confidence": together.confidence_sum / classes if classes else None,
            "min_confidence": together.lowest,
            "max_confidence": together.highest,
            "mean_latency_ms": together.latency_sum / measured if measured else None,
            "complete": complete and not together.lacks_some,
        }

    def _read_others(self) -> list[_Tally]:
        if self._folder is None:
            return []
        with contextlib.suppress(OSError):
            self.write()  # another worker is not to report less later
        files = sorted(self._folder.glob(f"totals-{self._server}-*.json"))
        return [tally for file in files if file != self._own_file and (tally := _read_tally(file)) is not None]

    def _remove_old(self) -> None:
        assert self._folder is not None  # noqa: S101 - the caller has one
        for file in self._folder.glob("totals-*"):
            with contextlib.suppress(OSError):
                if self._server not in file.name and time.time() - file.stat().st_mtime > _OLD_SECONDS:
                    file.unlink()


def _read_tally(file: Path | None) -> _Tally | None:
    if file is None:
        return None
    try:
        fields = msgspec.json.decode(file.read_bytes(), type=dict[str, Any])
        return _Tally(**{**fields, "labels": Counter(fields["labels"]), "versions": Counter(fields["versions"])})
    except (OSError, msgspec.DecodeError, KeyError, TypeError):
        return None  # it is gone, or an earlier build's
