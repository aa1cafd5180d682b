"""Snapshots: the rows of a dataset, kept under their fingerprint so that a version can be trained again from them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
from pyarrow import parquet

from tiltyard.data.conform.cells import write_category
from tiltyard.data.conform.frames import conform_frame, infer_schema
from tiltyard.data.conform.labels import write_label
from tiltyard.data.conform.rules import USUAL_RULES
from tiltyard.data.content_hash import content_keys, fingerprint, order_digest, row_digests
from tiltyard.data.dataset import Dataset
from tiltyard.data.inference.task_part import TaskData
from tiltyard.data.snapshots.snapshot_store import METADATA_KEY, SnapshotStore, open_snapshot_store, stage_file
from tiltyard.data.sources import read_source
from tiltyard.errors import DataError
from tiltyard.project import DataSection

# What pandas says of columns of objects that Parquet has a type for.
_HAS_TYPE = ("string", "boolean", "integer", "floating", "mixed-integer-float", "date", "empty")


@dataclass(frozen=True)
class Snapshot:
    """A dataset that is kept.

    Attributes:
        fingerprint: the dataset's fingerprint.
        uri: where the rows are: a path or URL that ``data.source`` takes.
        rows: how many there are.
        created: whether they were written now; false where they were there already.
    """

    fingerprint: str
    uri: str
    rows: int
    created: bool


def take_snapshot(dataset: Dataset, store: str | Path, *, ordered: bool = False) -> Snapshot:
    """Keep all rows and columns of a dataset as ``STORE/NAME/FINGERPRINT.parquet``.

    A file appears whole or not at all. Rows that are there already are not written again. A dataset with the same
    inputs and labels but other values in other columns (a time, a split) has the same fingerprint: it is
    kept next to the first, with a digest of all columns added to its name.

    What is written is read back before it is kept: a project whose ``data.source`` names the file has a dataset of
    the same fingerprint. Cells that Parquet has no type for (nested JSON, a mixture of types) are kept as text.

    Args:
        dataset: the rows.
        store: a folder, or the URL of one that fsspec knows (``s3://BUCKET/PREFIX``).
        ordered: whether the order of the rows is part of the identity, as for training again to the last bit: the same
            rows in another order are then kept next to the first too.

    Raises:
        DataError: the rows cannot be kept exactly, or the store cannot be reached or written.
        MissingExtraError: an optional part of the installation is needed to reach the store.
    """
    snapshot_store = open_snapshot_store(store)
    table = _to_arrow(dataset)
    keys = content_keys(table.to_pandas())
    about = {
        "project": dataset.name,
        "fingerprint": dataset.fingerprint,
        "rows": len(dataset),
        "columns": fingerprint(keys),
        "order": order_digest(keys),
    }
    name, there = _name_folder(snapshot_store, about, ordered=ordered)
    snapshot = Snapshot(dataset.fingerprint, snapshot_store.uri(name), len(dataset), created=not there)
    # One that is used now is not to be pruned as one that was not used for long.
    if there and snapshot_store.renew(name):
        return snapshot
    noted = table.replace_schema_metadata({METADATA_KEY: json.dumps(about).encode()})
    with stage_file(snapshot_store) as file:
        parquet.write_table(noted, file, compression="zstd", write_page_checksum=True)
        _verify_rows(pd.read_parquet(file, page_checksum_verification=True), dataset)
        snapshot_store.put(file, name)
    return snapshot


def find_snapshot(store: str | Path, name: str, fingerprint: str) -> str:
    """Where the snapshot of a fingerprint is.

    Args:
        store: folder or URL of the snapshots.
        name: the project's name.
        fingerprint: the dataset's fingerprint.

    Raises:
        DataError: there is none.
    """
    snapshot_store = open_snapshot_store(store)
    file = f"{name}/{fingerprint}.parquet"
    if snapshot_store.read_description(file) is None:
        raise DataError(
            f"There is no snapshot {fingerprint} of {name} in {store}.",
            next_step="Check the fingerprint (parameter snapshot_fingerprint of a run), or name a file.",
            code="data.no-snapshot",
        )
    return snapshot_store.uri(file)


def read_snapshot(uri: str | Path) -> pd.DataFrame:
    """The rows of a snapshot, all columns, numbered from 0; damaged pages are noticed by their checksums.

    Raises:
        DataError: there is none, it is damaged, or it cannot be reached.
    """
    return read_source(DataSection(source=str(uri), format="parquet"), Path())


def _name_folder(snapshot_store: SnapshotStore, about: Mapping[str, Any], *, ordered: bool) -> tuple[str, bool]:
    """The name to keep rows under, and whether they are there."""
    stem = f"{about['project']}/{about['fingerprint']}"
    digests = ("columns", "order") if ordered else ("columns",)
    names = [f"{stem}.parquet", *(f"{stem}-{about[digest][:12]}.parquet" for digest in digests)]
    for name in names:
        there = snapshot_store.read_description(name)
        if there is None or all(there.get(digest) == about[digest] for digest in digests):
            return name, there is not None
    return names[-1], False


def _to_arrow(dataset: Dataset) -> pa.Table:
    label = str(dataset.labels.name)
    columns = {str(name): _to_storable(dataset.frame[name], is_label=name == label) for name in dataset.frame.columns}
    return pa.table(columns)


def _to_storable(column: pd.Series, *, is_label: bool) -> pa.Array:
    """A column as Parquet can hold it, saying the same: cells without a common type become text."""
    typed = column.dtype != object or pd.api.types.infer_dtype(column, skipna=True) in _HAS_TYPE
    try:
        if typed:
            try:
                return pa.Array.from_pandas(column)
            except (pa.ArrowException, OverflowError):
                pass  # whole numbers beyond 64 bits, complex numbers and the like
        # Labels are compared as they are written everywhere else: 1.0 and 1 are one.
        text = column.map(write_label if is_label else _write_text, na_action="ignore")
        return pa.array(text, type=pa.large_string(), from_pandas=True)
    except UnicodeEncodeError as error:
        row = next(position for position, value in enumerate(column) if error.object in str(value))
        raise DataError(
            f"Column '{column.name}' holds half a surrogate pair in row {row + 1}, which no Parquet file can keep.",
            next_step="Remove that character.",
            code="data.not-storable",
            column=str(column.name),
            row=row + 1,
        ) from None


def _write_text(cell: object) -> str:
    """A cell as text that is read as the same category."""
    return cell if isinstance(cell, str) else write_category(cell) or str(cell)


def _verify_rows(frame: pd.DataFrame, dataset: Dataset) -> None:
    """Refuse a file from which the dataset would not come back."""
    of_task = TaskData.find_for(dataset.task)
    labels = of_task.conform_labels(frame[dataset.labels.name]).astype(of_task.label_type)
    if isinstance(dataset.inputs, pd.Series):
        inputs = pd.Series(frame[dataset.inputs.name].to_list(), dtype=object)
        back = fingerprint(row_digests(inputs, labels))
    else:
        features = frame[list(dataset.inputs.columns)]
        rules = USUAL_RULES if dataset.schema is None else dataset.schema.rules
        back = fingerprint(row_digests(conform_frame(features, infer_schema(features, rules)), labels))
    if back != dataset.fingerprint:
        raise DataError(
            f"The rows of {dataset.source} do not come back from Parquet as they were; nothing was kept.",
            next_step="Look for columns of mixed types, and give each one type.",
            code="data.not-storable",
        )
