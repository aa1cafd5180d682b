"""The work of a batch run: one fragment read, scored, recorded and written, whole or not at all."""

from __future__ import annotations

import json
import math
import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tiltyard import wiring
from tiltyard.batch.fragments import FileSource, Fragment, describe_place
from tiltyard.batch.plan import FragmentDone, Plan, WorkFolder
from tiltyard.batch.prediction_ids import ROW_BITS, PredictionIds
from tiltyard.batch.read_fragment import RowBatch, read_fragment
from tiltyard.batch.recorded_rows import RecordedInputs, choose_rows, make_predictions
from tiltyard.batch.result_tables import carry, make_result
from tiltyard.batch.version_in_use import VersionInUse
from tiltyard.data.conform.labels import write_label
from tiltyard.data.input_rows import list_rows
from tiltyard.drift.profiles import Profile, Rows, profile_rows
from tiltyard.errors import DataError, InputError, UsageError
from tiltyard.files import make_folder, sync, write_atomically
from tiltyard.ledger import BatchFragment, Ledger, Prediction
from tiltyard.ledger.codec import encode_predictions
from tiltyard.processes.process_identity import name_host
from tiltyard.scoring import FrameScores, RefusedRow
from tiltyard.settings import Settings

RECORDED_AT_ONCE = 10_000

WORKER_MODULES = (
    "tiltyard.batch.score_fragment",
    "tiltyard.ledger.sql.store",
    "tiltyard.scoring.stored_scorer",
    "tiltyard.scoring.table.table_kernels",
    "tiltyard.scoring.trees.tree_kernels",
    "tiltyard.drift.profiles.number_kernels",
    "tiltyard.drift.profiles.category_kernels",
)
"""What the work imports before it is done with its first fragment."""


@dataclass
class FragmentWork:
    """Scores fragments of one run; a process makes what it needs at the first of them.

    Attributes:
        plan: the run.
        source: what is scored.
        folder: where the run keeps what is done.
        settings: of this host.
        version: what predicts.
        sample_share: share of the rows whose predictions are kept until the run is evaluated.
        machine: where the run was started.
    """

    plan: Plan
    source: FileSource
    folder: WorkFolder
    settings: Settings
    version: VersionInUse
    sample_share: float = 0.0
    machine: str = field(default_factory=name_host)

    def __getstate__(self) -> dict[str, Any]:
        names = ("plan", "source", "folder", "settings", "version", "sample_share", "machine")
        return {name: getattr(self, name) for name in names}

    def check_host(self) -> None:
        """Whether this machine, of a cluster, has what the work needs.

        Raises:
            UsageError: it lacks a file or a folder, or would write to a SQLite file of another machine.
        """
        missing = [str(place) for place in (self.folder.path, self.version.folder) if not place.exists()]
        try:
            missing += [
                str(file.path) for file in self.source.files if file.path is not None and not file.path.exists()
            ]
        except DataError:
            missing.append(self.plan.request.source)
        if missing:
            raise UsageError(
                f"{missing[0]} is not there on the machine {platform.node()} of the cluster.",
                next_step="Let all its machines see the project folder, the source and the target under the same "
                "names, on a shared file system.",
                code="batch.not-shared",
                path=missing[0],
            )
        if name_host() != self.machine and self.settings.ledger_url.startswith("sqlite"):
            raise UsageError(
                f"The machine {platform.node()} of the cluster would write to a ledger that is a SQLite file; that is "
                "safe on one machine only.",
                next_step="Keep the ledger in PostgreSQL (TILTYARD_LEDGER), or use --engine local.",
                code="batch.ledger-not-shared",
            )

    def prepare(self) -> None:
        """Make what processes that are forked from this one share; see ``engines.Work``."""
        self.version.warm_up()

    @cached_property
    def _ledger(self) -> Ledger:
        return wiring.open_ledger(self.settings)

    def close(self) -> None:
        """Let the ledger go, if it was opened."""
        if "_ledger" in self.__dict__:
            self._ledger.close()
            del self.__dict__["_ledger"]

    @cached_property
    def _ids(self) -> PredictionIds:
        return PredictionIds(self.plan.run_id, self.plan.started)

    def __call__(self, fragment: Fragment) -> FragmentDone:
        """Score a fragment: its rows are in the ledger and on the disk when this returns.

        Raises:
            DataError: it cannot be read; or the run is strict, and a row cannot be scored.
            UsageError: it has not the columns that are to be carried along, or no column of the key.
            UnavailableError: the ledger cannot be reached.
        """
        tally = _Tally(Profile.empty(self.version.layout) if self.version.layout is not None else None)
        needed = self.version.list_needed(self.plan.request.columns, self.plan.request.key)
        own = self.version.project.data
        with _write_part(self.folder.part(fragment.number)) as part:
            for rows in read_fragment(self.source, fragment, needed, self.version.words, own):
                self._score(fragment, rows, tally, part)
            self._record_waiting(fragment, tally)
            part.finish()
        self._keep_refused(fragment, tally.refused)
        body = b"" if tally.profile is None else tally.profile.to_bytes()
        layout = "" if tally.profile is None else tally.profile.layout
        done = FragmentDone(
            fragment.number,
            tally.rows,
            len(tally.refused),
            tally.unusual,
            tally.abstained,
            tally.recorded,
            tally.labels,
        )
        self._ledger.batch_runs.add(
            BatchFragment(self.plan.run_id, fragment.number, done.rows, done.refused, layout, body)
        )
        write_atomically(
            self.folder.sampled_file(fragment.number), msgspec.json.encode(encode_predictions(tally.sampled))
        )
        write_atomically(self.folder.done(fragment.number), msgspec.json.encode(done))
        return done

    def _score(self, fragment: Fragment, rows: RowBatch, tally: _Tally, part: _Part) -> None:
        tally.rows += len(rows) + len(rows.refused)
        tally.refused += [(place, RefusedRow(place, reason), None) for place, reason in rows.refused]
        if not len(rows):
            return
        if rows.offset + len(rows) + len(rows.refused) >= 1 << ROW_BITS:
            raise DataError(
                f"A fragment has more than {1 << ROW_BITS:,} rows.",
                next_step="Write the source in smaller row groups or files.",
                code="batch.fragment-too-large",
            )
        if self.version.known is None and rows.objects is None:  # the columns of a CSV file are known from here on
            self.plan.request.check_columns(rows.table.column_names)
        scores = self.version.score(rows)
        refused = rows.find_places(np.array([one.position for one in scores.refused], np.intp)).tolist()
        for one, place in zip(scores.refused, refused, strict=True):
            given = rows.objects[one.position] if rows.objects is not None else None
            given = given or list_rows(rows.table.slice(one.position, 1).to_pandas(), None)[0]
            tally.refused.append((place, one, given))
        if self.plan.request.strict and tally.refused:
            self._refuse(fragment, tally.refused[0])
        places = rows.find_places(scores.scored)
        if not len(places):
            return
        ids = self._ids.write(fragment.number, places)
        whole = len(scores.scored) == len(rows)
        kept = rows.table if whole else rows.table.take(pa.array(scores.scored))
        carried = carry(kept, self.plan.request.columns) if self.plan.request.columns else kept.select([])
        part.write(make_result(self.plan, self.version.result, carried, scores, ids))
        tally.count(scores)
        self._profile(scores, tally)
        self._record(fragment, rows, scores, places, ids, tally)

    def _profile(self, scores: FrameScores, tally: _Tally) -> None:
        if tally.profile is None or self.version.layout is None:
            return
        if scores.numbers is None:
            names = pd.Categorical.from_codes(scores.labels, categories=pd.Index(scores.classes, dtype=object))
            seen = Rows(scores.inputs, names, scores.confidences)
        else:
            seen = Rows(scores.inputs, scores.numbers, None)
        tally.profile += profile_rows(self.version.layout, seen)

    def _record(
        self,
        fragment: Fragment,
        rows: RowBatch,
        scores: FrameScores,
        places: NDArray[np.intp],
        ids: NDArray[np.uint8],
        tally: _Tally,
    ) -> None:
        shares = self.plan.share, self.sample_share
        recorded, sampled = choose_rows(self.plan.run_id, fragment.number, places, shares)
        chosen = np.flatnonzero(recorded | sampled)
        for start in range(0, len(chosen), RECORDED_AT_ONCE):
            some = chosen[start : start + RECORDED_AT_ONCE]
            given = self._list_inputs(rows, scores.scored[some])
            made = make_predictions(self.plan, scores, some, ids[some], given)
            kept = zip(places[some].tolist(), made, recorded[some].tolist(), strict=True)
            tally.waiting += [(place, one) for place, one, keep in kept if keep]
            tally.sampled += [one for one, keep in zip(made, sampled[some].tolist(), strict=True) if keep]
            if len(tally.waiting) >= RECORDED_AT_ONCE:
                self._record_waiting(fragment, tally)

    def _record_waiting(self, fragment: Fragment, tally: _Tally) -> None:
        """Record what waits, in one transaction: a disk takes as long for one row as for thousands."""
        if not tally.waiting:
            return
        try:
            self._ledger.record([one for _, one in tally.waiting])
        except InputError as error:
            where = describe_place(self.source, fragment, tally.waiting[0][0])
            raise InputError(
                f"A row of {where['file']}, at or after row {where['row']}, cannot be recorded: {error.message}",
                next_step='Correct the row, or set batch.record = "none".',
            ) from None
        tally.recorded += len(tally.waiting)
        tally.waiting.clear()

    def _list_inputs(self, rows: RowBatch, positions: NDArray[np.intp]) -> RecordedInputs:
        """Inputs and keys of some rows, as the ledger keeps them."""
        key = self.plan.request.key
        if rows.objects is not None:
            given = [rows.objects[position] for position in positions.tolist()]
        else:
            given = list_rows(rows.table.take(pa.array(positions)).to_pandas(), None)
        keys = [_write_key(row.get(key)) if key is not None else None for row in given]
        return RecordedInputs([self.version.pick_input(row) for row in given], keys)

    def _keep_refused(
        self, fragment: Fragment, refused: Sequence[tuple[int, RefusedRow, Mapping[str, Any] | None]]
    ) -> None:
        file = self.folder.refused_file(fragment.number)
        if not refused:
            file.unlink(missing_ok=True)
            return
        lines = []
        for place, one, given in sorted(refused, key=lambda entry: entry[0]):
            described = {**describe_place(self.source, fragment, place), "reason": one.reason}
            shown = {} if given is None else {"input": {name: _show_cell(cell) for name, cell in given.items()}}
            lines.append(json.dumps({**described, **shown}, default=str, ensure_ascii=False))
        write_atomically(file, "\n".join(lines) + "\n")

    def _refuse(self, fragment: Fragment, entry: tuple[int, RefusedRow, Mapping[str, Any] | None]) -> None:
        described = describe_place(self.source, fragment, entry[0])
        raise DataError(
            f"Row {described['row']} of {described['file']} cannot be scored: {entry[1].reason}",
            next_step="Correct it, or score without --strict: such rows then go to a separate file.",
            code="batch.row-refused",
            **described,
        )


@dataclass
class _Tally:
    """What is known of a fragment so far."""

    profile: Profile | None
    rows: int = 0
    unusual: int = 0
    abstained: int = 0
    recorded: int = 0
    labels: dict[str, int] = field(default_factory=dict)
    refused: list[tuple[int, RefusedRow, Mapping[str, Any] | None]] = field(default_factory=list)
    sampled: list[Prediction] = field(default_factory=list)
    waiting: list[tuple[int, Prediction]] = field(default_factory=list)  # to be recorded, with their places

    def count(self, scores: FrameScores) -> None:
        self.unusual += scores.unusual
        self.abstained += 0 if scores.abstained is None else int(scores.abstained.sum())
        if scores.numbers is None:
            counts = np.bincount(scores.labels, minlength=len(scores.classes)).tolist()
            for name, count in zip(scores.classes, counts, strict=True):
                self.labels[name] = self.labels.get(name, 0) + count


class _Part:
    """A Parquet file that is being written; of a fragment without a scored row there is one without a row."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._writer: pq.ParquetWriter | None = None

    def write(self, table: pa.Table) -> None:
        """Add rows."""
        if self._writer is None:
            self._writer = open_writer(self.path, table.schema)
        self._writer.write_table(table)

    def finish(self) -> None:
        """Write the end of the file."""
        if self._writer is None:
            self.path.write_bytes(b"")
        else:
            self._writer.close()
            self._writer = None

    def close(self) -> None:
        """Give up what is open."""
        if self._writer is not None:
            with suppress(OSError):
                self._writer.close()


def open_writer(path: Path | str, schema: pa.Schema) -> pq.ParquetWriter:
    """A writer of results: ids, which differ at their ends alone, are kept as differences, words by their numbers.

    Of fractions nearly all are distinct: a list of them would be made for nothing.
    """
    ids = [name for name in schema.names if name.startswith("prediction_id")]
    words = [field.name for field in schema if not pa.types.is_floating(field.type) and field.name not in ids]
    return pq.ParquetWriter(
        path, schema, compression="snappy", use_dictionary=words, column_encoding=dict.fromkeys(ids, "DELTA_BYTE_ARRAY")
    )


@contextmanager
def _write_part(path: Path) -> Iterator[_Part]:
    make_folder(path.parent)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    part = _Part(temporary)
    try:
        yield part
        sync(temporary)
        temporary.replace(path)
        sync(path.parent)
    finally:
        part.close()
        temporary.unlink(missing_ok=True)


def _show_cell(cell: Any) -> Any:
    """A cell in JSON, which has no word for what is not finite."""
    return str(cell) if isinstance(cell, float) and not math.isfinite(cell) else cell


def _write_key(cell: Any) -> str | None:
    if cell is None or (isinstance(cell, float) and np.isnan(cell)):
        return None
    return write_label(cell)
