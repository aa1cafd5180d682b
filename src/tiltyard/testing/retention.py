"""Removal of data from a ledger in memory, and what comes to it from spools."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence, Set
from datetime import UTC, datetime
from operator import attrgetter
from threading import RLock

from tiltyard.ledger.arrivals import (
    ArrivalCount,
    ArrivalReceipt,
    Erasure,
    GroupNames,
    SetAsideRecord,
    describe_difference,
    digest_id,
    digest_key,
    list_key,
    redact_input,
    rename_unit,
    set_aside_row,
    sort_arrivals,
)
from tiltyard.ledger.codec import LabelRow, PredictionRow, decode_label
from tiltyard.ledger.records import SHADOW, Label
from tiltyard.ledger.storable import check_text, decode_json, encode_json, from_micros, to_micros


class MemoryRetention:
    """A ``Retention`` for tests, over the rows of a ``MemoryLedger``.

    Attributes:
        clock: what time it is; default: this host's.
    """

    def __init__(
        self,
        lock: RLock,
        predictions: dict[str, PredictionRow],
        labels: dict[LabelRow, int],
        forget: Callable[[Set[str], set[int]], None],
        arrivals: MemoryArrivals,
    ) -> None:
        self._lock = lock
        self._predictions = predictions
        self._labels = labels
        self._forget = forget
        self._arrivals = arrivals
        self.clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    def erase(self, ids: Sequence[str]) -> int:
        """Remove predictions and their labels; see ``Retention.erase``."""
        with self._lock:
            self._note(ids)
            return self._remove(ids)

    def prune(self, model_name: str, before: datetime) -> int:
        """Remove what was made before a time, for good; see ``Retention.prune``."""
        before_us, pruned = to_micros(before, "before"), self._arrivals.pruned
        with self._lock:
            pruned[model_name] = max(before_us, pruned.get(model_name, before_us))
            self._arrivals.drop(lambda one: one.project == model_name and one.made is not None and one.made < before)
            rows = [row for row in self._predictions.values() if row.project == model_name and row.at_us < before_us]
            return self._remove([row.id for row in rows])

    def withdraw_label(self, prediction_id: str, source: str) -> Label | None:
        """Remove the label that counts, if it comes from a source; see ``Retention.withdraw_label``."""
        about, by = check_text("prediction_id", prediction_id), check_text("source", source)
        with self._lock:
            rows = [row for row in self._labels if row[0] == about]
            if not rows:
                return None
            newest = max(rows, key=lambda row: (row[1], self._labels[row]))
            if newest[3] == by:
                del self._labels[newest]
        return decode_label(newest)

    def bar(
        self, model_name: str, keys: Sequence[str], redaction: str | None = None, group_key: str | None = None
    ) -> int:
        """Keep out what was sent with a key; see ``Retention.bar``."""
        meant = Erasure(to_micros(self.clock()), redaction, group_key, model_name)
        with self._lock:
            for key in keys:
                self._arrivals.note(digest_key(model_name, key), meant)
            return self._arrivals.drop(
                lambda one: (
                    one.project == model_name
                    and one.key is not None
                    and not {one.key, list_key(one.key)}.isdisjoint(keys)
                )
            )

    def redact(self, ids: Sequence[str], reason: str, group_key: str | None = None) -> int:
        """Remove inputs and keys; see ``Retention.redact``."""
        marker = encode_json(redact_input(check_text("reason", reason)))
        names, groups = dict[str, str](), GroupNames(group_key)
        with self._lock:
            self._note(ids, reason, group_key)
            meant = self._matching(ids)
            self._forget(set(), {row.at_us for row in map(self._predictions.__getitem__, meant)})
            self._arrivals.drop(lambda one: one.kind != "event" and one.subject in meant)
            for id_ in meant:
                row = self._predictions[id_]
                group = groups.rename(decode_json(row.input)) if id_ in ids else {}
                row = row._replace(input=encode_json(redact_input(reason, group)) if group else marker)
                if id_ in ids:
                    unit = rename_unit(row.unit, names) if row.unit else None
                    row = row._replace(key=None, assignment=None, unit=unit)
                self._predictions[id_] = row
        return len(meant)

    def _remove(self, ids: Sequence[str]) -> int:
        gone = self._matching(ids)
        self._forget(gone, {row.at_us for row in map(self._predictions.__getitem__, gone)})
        self._arrivals.drop(lambda one: one.kind != "event" and one.subject in {*gone, *ids})
        for id_ in gone:
            del self._predictions[id_]
        for row in [row for row in self._labels if row[0] in gone]:
            del self._labels[row]
        return len(gone)

    def _note(self, ids: Sequence[str], redaction: str | None = None, group_key: str | None = None) -> None:
        now = to_micros(self.clock())
        for id_ in ids:
            row = self._predictions.get(check_text("id", id_))
            until, project = (now, "") if row is None else (max(row.at_us, now), row.project)
            self._arrivals.note(digest_id(id_), Erasure(until, redaction, group_key, project))

    def _matching(self, ids: Sequence[str]) -> set[str]:
        wanted = {check_text("id", id_) for id_ in ids}
        followers = {row.id for row in self._predictions.values() if row.key in wanted and row.route == SHADOW}
        return (wanted & self._predictions.keys()) | followers


class MemoryArrivals:
    """``Arrivals`` for tests, over the rows of a ``MemoryLedger``.

    Attributes:
        pruned: before which time the predictions of each project were pruned, in microseconds since 1970.
    """

    def __init__(
        self,
        lock: RLock,
        predictions: dict[str, PredictionRow],
        record_rows: Callable[[Sequence[PredictionRow]], None],
    ) -> None:
        self._lock = lock
        self._predictions = predictions
        self._record_rows = record_rows
        self._erasures: dict[str, dict[bool, Erasure]] = {}
        self._set_aside: dict[str, SetAsideRecord] = {}
        self._kept_out: Counter[tuple[str, str]] = Counter()
        self._last: dict[tuple[str, str], int] = {}
        self.pruned: dict[str, int] = {}

    def receive(self, rows: Sequence[PredictionRow], origin: str) -> ArrivalReceipt:
        """Store predictions that may be stored; see ``Arrivals.receive``."""
        with self._lock:
            known: Mapping[str, list[Erasure]] = {digest: [*acts.values()] for digest, acts in self._erasures.items()}
            meant = sort_arrivals(rows, known, self.pruned)
            self._record_rows(meant.rows)
            self._kept_out.update(meant.kept_out)
            self._last.update(dict.fromkeys(meant.kept_out, time.time_ns() // 1000))
            for id_, erasure in meant.named.items():
                self.note(digest_id(id_), erasure)
                self._follow_shadows(id_, erasure)
            differing = []
            for row in meant.rows:
                if names := describe_difference(self._predictions[row.id], row):
                    message = f"The ledger holds another prediction with this id; they differ in: {names}."
                    differing.append(set_aside_row(row, "differs", message, origin))
            self.keep(differing)
        left_out = sum(count for (_, reason), count in meant.kept_out.items() if reason != "redacted")
        return ArrivalReceipt(len(differing), left_out)

    def find_erased(self, ids: Collection[str]) -> set[str]:
        """Those ids that were erased; see ``Arrivals.find_erased``."""
        with self._lock:
            return {id_ for id_ in ids if False in self._erasures.get(digest_id(id_), {})}

    def keep(self, records: Sequence[SetAsideRecord]) -> None:
        """Set records aside; see ``Arrivals.keep``."""
        with self._lock:
            for record in records:
                self._set_aside.setdefault(record.id, record)

    def select(self, *, model_name: str | None = None) -> Iterator[SetAsideRecord]:
        """What was set aside; see ``Arrivals.select``."""
        with self._lock:
            found = [one for one in self._set_aside.values() if model_name is None or one.project in (model_name, "")]
        return iter(sorted(found, key=attrgetter("at", "id")))

    def count(self, *, model_name: str | None = None) -> list[ArrivalCount]:
        """How many came and were not stored; see ``Arrivals.count``."""
        kept = Counter((one.project, one.reason) for one in self.select())
        newest = {(one.project, one.reason): one.at for one in self.select()}
        counts = [ArrivalCount(*key, rows, newest[key]) for key, rows in kept.items()]
        counts += [ArrivalCount(*key, rows, from_micros(self._last[key])) for key, rows in self._kept_out.items()]
        found = [one for one in counts if model_name is None or one.project in (model_name, "")]
        return sorted(found, key=attrgetter("project", "reason"))

    def discard(self, ids: Sequence[str]) -> int:
        """Remove what was set aside; see ``Arrivals.discard``."""
        return self.drop(lambda one: one.id in ids)

    def drop(self, is_meant: Callable[[SetAsideRecord], bool]) -> int:
        """Remove what is meant of what was set aside; how many they were."""
        with self._lock:
            gone = [one.id for one in self._set_aside.values() if is_meant(one)]
            for id_ in gone:
                del self._set_aside[id_]
        return len(gone)

    def note(self, digest: str, erasure: Erasure) -> None:
        """Remember what was erased or redacted."""
        acts = self._erasures.setdefault(digest, {})
        known = acts.get(erasure.redaction is not None)
        acts[erasure.redaction is not None] = erasure if known is None or known.until_us < erasure.until_us else known

    def _follow_shadows(self, id_: str, erasure: Erasure) -> None:
        for row in [row for row in self._predictions.values() if row.key == id_ and row.route == SHADOW]:
            if row.at_us > erasure.until_us:
                continue
            if erasure.redaction is None:
                del self._predictions[row.id]
            else:
                self._predictions[row.id] = row._replace(input=encode_json(redact_input(erasure.redaction)))
