"""Findings and hours' profiles that live in memory and die with the process."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from threading import RLock
from typing import Any, Unpack

from tiltyard.ledger import (
    BatchFragment,
    BatchRun,
    FindingFilter,
    FindingRecord,
    HourCount,
    HourProfile,
    Label,
    Prediction,
    PredictionStats,
)
from tiltyard.ledger.prediction_stats import combine_tallies, tally_prediction
from tiltyard.ledger.sql.batch_runs import decode_fragment, decode_run, encode_fragment, encode_run
from tiltyard.ledger.sql.filters import check_finding_filters
from tiltyard.ledger.sql.findings import decode_finding, encode_finding
from tiltyard.ledger.sql.hours.fold import HOUR_US
from tiltyard.ledger.sql.hours.profiles import decode_profile, encode_profile
from tiltyard.ledger.storable import check_text, from_micros, to_micros


class MemoryFindings:
    """A ``FindingLog`` for tests: it behaves like the one in SQL."""

    def __init__(self) -> None:
        self._lock = RLock()
        self._rows: dict[str, dict[str, Any]] = {}

    def record(self, findings: Sequence[FindingRecord]) -> None:
        """Store all findings; see ``FindingLog.record``."""
        rows = [encode_finding(found) for found in findings]
        with self._lock:
            for row in rows:
                self._rows.setdefault(row["id"], row)

    def select(self, **filters: Unpack[FindingFilter]) -> Iterator[FindingRecord]:
        """The selected findings; see ``FindingLog.select``."""
        checked = check_finding_filters(**filters)
        found = sorted(self._matching(checked), key=_order, reverse=bool(checked.get("newest_first")))
        return iter(found[: checked.get("limit")])

    def latest(self, **filters: Unpack[FindingFilter]) -> list[FindingRecord]:
        """The newest finding of each project, code and subject; see ``FindingLog.latest``."""
        checked = check_finding_filters(**filters)
        newest = {
            (found.project, found.code, found.subject): found for found in sorted(self._matching(checked), key=_order)
        }
        return sorted(newest.values(), key=_order, reverse=True)[: checked.get("limit")]

    def _matching(self, checked: FindingFilter) -> list[FindingRecord]:
        named = {name: checked.get(name) for name in ("project", "version", "code", "subject", "severity", "status")}
        wanted = {name: check_text(name, str(value)) for name, value in named.items() if value is not None}
        since, until = checked.get("since"), checked.get("until")
        with self._lock:
            records = [decode_finding(row) for row in self._rows.values()]
        return [
            found
            for found in records
            if all(_is_named(name, getattr(found, name), value) for name, value in wanted.items())
            and (since is None or to_micros(found.at) >= to_micros(since, "since"))
            and (until is None or to_micros(found.at) < to_micros(until, "until"))
        ]


class MemoryProfiles:
    """``HourProfiles`` for tests, over the predictions of a ledger in memory."""

    def __init__(
        self,
        predictions: Callable[..., Iterator[Prediction]],
        labelled: Callable[..., Iterator[tuple[Prediction, Label]]],
    ) -> None:
        self._predictions = predictions
        self._labelled = labelled
        self._lock = RLock()
        self._rows: dict[tuple[str, str, str, int], dict[str, Any]] = {}

    def counts(self, *, model_name: str, version: str, route: str, since: datetime, until: datetime) -> list[HourCount]:
        """How many predictions each hour holds; see ``HourProfiles.counts``."""
        ids: dict[int, list[str]] = {}
        for prediction in self._predictions(project=model_name, version=version, route=route, since=since, until=until):
            at = to_micros(prediction.at)
            ids.setdefault(at - at % HOUR_US, []).append(prediction.id)
        return [HourCount(from_micros(at), len(some), max(some)) for at, some in sorted(ids.items())]

    def count_steps(
        self, *, model_name: str, since: datetime, until: datetime, step: timedelta
    ) -> dict[datetime, PredictionStats]:
        """Summaries of steps of time; see ``HourProfiles.count_steps``."""
        size = step // timedelta(microseconds=1)
        found: dict[datetime, list[Prediction]] = {}
        for prediction in self._predictions(project=model_name, since=since, until=until, shadow=False):
            found.setdefault(from_micros(to_micros(prediction.at) // size * size), []).append(prediction)
        return {start: combine_tallies(map(tally_prediction, some)) for start, some in sorted(found.items())}

    def count_labelled(
        self, *, model_name: str, since: datetime, until: datetime, step: timedelta
    ) -> dict[datetime, int]:
        """How many predictions have a label; see ``HourProfiles.count_labelled``."""
        size = step // timedelta(microseconds=1)
        labelled = self._labelled(project=model_name, since=since, until=until, shadow=False)
        return dict(sorted(Counter(from_micros(to_micros(row.at) // size * size) for row, _ in labelled).items()))

    def load(self, *, model_name: str, version: str, route: str, since: datetime, until: datetime) -> list[HourProfile]:
        """The profiles kept; see ``HourProfiles.load``."""
        hours = range(to_micros(since, "since"), to_micros(until, "until"))
        with self._lock:
            rows = sorted(self._rows.items())
        return [decode_profile(row) for key, row in rows if key[:3] == (model_name, version, route) and key[3] in hours]

    def store(self, profiles: Sequence[HourProfile]) -> None:
        """Keep profiles; see ``HourProfiles.store``."""
        rows = [encode_profile(kept) for kept in profiles]
        with self._lock:
            for row in rows:
                self._rows[row["project"], row["version"], row["route"], row["hour_us"]] = row

    def forget(self, moments: set[int]) -> None:
        """Remove the profiles of the hours in which these moments (microseconds) lie."""
        hours = {at - at % HOUR_US for at in moments}
        with self._lock:
            self._rows = {key: row for key, row in self._rows.items() if key[3] not in hours}


class MemoryBatchRuns:
    """``BatchRuns`` for tests."""

    def __init__(self) -> None:
        self._lock = RLock()
        self._runs: dict[str, dict[str, Any]] = {}
        self._fragments: dict[tuple[str, int], dict[str, Any]] = {}

    def save(self, run: BatchRun) -> None:
        """Store a run; see ``BatchRuns.save``."""
        with self._lock:
            self._runs[run.id] = encode_run(run)

    def add(self, fragment: BatchFragment) -> None:
        """Store a fragment; see ``BatchRuns.add``."""
        with self._lock:
            self._fragments[fragment.run_id, fragment.number] = encode_fragment(fragment)

    def select(self, *, model_name: str | None = None, limit: int | None = None) -> list[BatchRun]:
        """The runs of a model; see ``BatchRuns.select``."""
        with self._lock:
            runs = [decode_run(row) for row in self._runs.values()]
        chosen = [run for run in runs if model_name in (None, run.project)]
        return sorted(chosen, key=lambda run: (run.started, run.id), reverse=True)[:limit]

    def find(self, run_id: str) -> BatchRun | None:
        """The run of that id, or None."""
        row = self._runs.get(check_text("id", run_id))
        return None if row is None else decode_run(row)

    def fragments(self, run_id: str) -> Iterator[BatchFragment]:
        """The fragments of a run, by number."""
        with self._lock:
            rows = [row for key, row in sorted(self._fragments.items()) if key[0] == run_id]
        return map(decode_fragment, rows)


def _order(found: FindingRecord) -> tuple[datetime, str]:
    return found.at, found.id


def _is_named(name: str, value: str | None, wanted: str) -> bool:
    if name == "code" and wanted.endswith("."):
        return value is not None and value.startswith(wanted) and value != wanted
    return value == wanted
