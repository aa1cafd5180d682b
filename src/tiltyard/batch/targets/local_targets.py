"""Where the results of a run appear: a file, a folder of fragments, or a table. Whole, or not at all."""

from __future__ import annotations

import csv
import json
import math
import os
import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from tiltyard.batch.plan import WorkFolder
from tiltyard.batch.score_fragment import open_writer
from tiltyard.batch.targets.joined_parquet import join_parquet
from tiltyard.csv_export import guard_cell
from tiltyard.data.sources.files import SourceFile
from tiltyard.errors import UsageError
from tiltyard.files import sync, sync_tree, write_atomically

FILE_ENDINGS = (".parquet", ".pq", ".csv", ".jsonl", ".ndjson")
MANIFEST = "_run.json"
"""The manifest in a folder of results; readers of such folders pass over names that begin so."""


class Target(ABC):
    """A place of results."""

    @property
    @abstractmethod
    def work(self) -> Path:
        """The folder in which a run to this target keeps what is done."""

    def refuse_source(self, files: Sequence[SourceFile]) -> None:  # noqa: ARG002 - for targets that are files
        """Refuse a source that the target is a part of: a run would read or replace its own results.

        Raises:
            UsageError: it is.
        """
        return

    @property
    @abstractmethod
    def refused(self) -> Path:
        """Where the rows that could not be scored are listed, as JSON Lines."""

    @abstractmethod
    def check(self, *, overwrite: bool) -> None:
        """Refuse a target before anything is scored.

        Raises:
            UsageError: it cannot be written, or holds what no run of ours wrote.
        """

    @abstractmethod
    def publish(self, folder: WorkFolder, manifest: dict[str, Any]) -> None:
        """Have the results of all fragments appear; done twice, it is done once."""

    @abstractmethod
    def find_state(self) -> str | None:
        """What tells whether the results changed since; None where there are none."""


@dataclass(frozen=True)
class LocalTarget(Target):
    """A file or a folder on this machine.

    Attributes:
        path: where it is.
    """

    path: Path

    @property
    def work(self) -> Path:
        """See ``Target.work``: on the same disk, so that what is finished is only renamed."""
        return self.path.parent / f".{self.path.name}.tiltyard"

    def refuse_source(self, files: Sequence[SourceFile]) -> None:
        """See ``Target.refuse_source``."""
        own = self.path.resolve()
        for file in files:
            read = None if file.path is None else file.path.resolve()
            if read is not None and (read == own or own in read.parents):
                raise _refuse(self.path, "is read as a part of the source", "Name another target, or fewer files.")


@dataclass(frozen=True)
class FileTarget(LocalTarget):
    """One file, with its manifest and the rows that were refused next to it."""

    @property
    def manifest(self) -> Path:
        """The file that says which run the results are of."""
        return self.path.with_name(f"{self.path.name}.run.json")

    @property
    def refused(self) -> Path:
        """The rows that could not be scored, as JSON Lines."""
        return self.path.with_name(f"{self.path.name}.refused.jsonl")

    def check(self, *, overwrite: bool) -> None:
        """See ``Target.check``."""
        if self.path.is_dir():
            raise _refuse(self.path, "is a folder", f"Name a file, or a folder as {self.path}/.")
        if not self.path.parent.is_dir():
            raise _refuse(self.path.parent, "is not a folder", "Make it, or name another.")
        if self.path.exists() and not self.manifest.exists() and not overwrite:
            raise _refuse(self.path, "exists, and no batch run wrote it", "Name another, or replace it: --overwrite")

    def publish(self, folder: WorkFolder, manifest: dict[str, Any]) -> None:
        """See ``Target.publish``."""
        new = folder.path / f"result{self.path.suffix}"
        _WRITERS[self.path.suffix.lower()](folder, new)
        sync(new)
        new.replace(self.path)
        sync(self.path.parent)
        publish_refused(folder, self.refused)
        write_atomically(self.manifest, json.dumps(manifest, indent=2) + "\n")

    def find_state(self) -> str | None:
        """See ``Target.find_state``."""
        return _find_state(self.path)


@dataclass(frozen=True)
class FolderTarget(LocalTarget):
    """A folder of Parquet files, one a fragment, which common readers take as one table."""

    @property
    def refused(self) -> Path:
        """See ``Target.refused``."""
        return self.path / "_refused.jsonl"

    def check(self, *, overwrite: bool) -> None:
        """See ``Target.check``."""
        if self.path.is_file():
            raise _refuse(self.path, "is a file", f"Name a folder, or a file that ends in {', '.join(FILE_ENDINGS)}.")
        if not self.path.parent.is_dir():
            raise _refuse(self.path.parent, "is not a folder", "Make it, or name another.")
        foreign = self.path.is_dir() and any(self.path.iterdir()) and not (self.path / MANIFEST).exists()
        if foreign and not overwrite:
            raise _refuse(self.path, "holds what no batch run wrote", "Name another, or replace it: --overwrite")

    def publish(self, folder: WorkFolder, manifest: dict[str, Any]) -> None:
        """See ``Target.publish``.

        The folder is made whole under another name and then takes the place of the old one. Between these two renames
        there is, for a moment, no folder of that name; never one that is half written.
        """
        new, old = folder.ready, folder.path / "replaced"
        if folder.parts.is_dir():
            for part in folder.list_parts():
                if not part.stat().st_size:
                    part.unlink()
            shutil.rmtree(new, ignore_errors=True)
            folder.parts.rename(new)
            sync(folder.path)
        if new.is_dir():
            publish_refused(folder, new / self.refused.name)
            write_atomically(new / MANIFEST, json.dumps(manifest, indent=2) + "\n")
            sync_tree(new)
            shutil.rmtree(old, ignore_errors=True)
            if self.path.is_dir():
                self.path.rename(old)
            new.rename(self.path)
            sync(self.path.parent)
        shutil.rmtree(old, ignore_errors=True)

    def find_state(self) -> str | None:
        """See ``Target.find_state``."""
        return _find_state(self.path / MANIFEST)


def find_file_target(path: Path, written: str) -> Target:
    """The target that a path means: a folder where it ends in a slash or is one, else a file by its ending.

    Raises:
        UsageError: the ending is none that can be written.
    """
    if written.endswith(("/", os.sep)) or path.is_dir() or not path.suffix:
        return FolderTarget(path)
    if path.suffix.lower() not in FILE_ENDINGS:
        raise UsageError(
            f"Results cannot be written as '{path.suffix}' ({written}).",
            next_step=f"Name a file that ends in {', '.join(FILE_ENDINGS)}, a folder, or the URL of a database.",
        )
    return FileTarget(path)


def read_results(folder: WorkFolder) -> Iterator[pa.Table]:
    """The results of all fragments in order, some thousands of rows at a time."""
    for part in folder.list_parts():
        if part.stat().st_size:
            with pq.ParquetFile(part) as opened:
                for batch in opened.iter_batches():
                    yield pa.Table.from_batches([batch])


def _write_parquet(folder: WorkFolder, path: Path) -> None:
    parts = [part for part in folder.list_parts() if part.stat().st_size]
    if parts and join_parquet(parts, path):
        return
    writer: pq.ParquetWriter | None = None
    try:
        for part in parts:
            table = pq.read_table(part)
            writer = writer or open_writer(path, table.schema)
            writer.write_table(table.cast(writer.schema))
    finally:
        if writer is not None:
            writer.close()
    if writer is None:
        pq.write_table(pa.table({}), path)


def _write_csv(folder: WorkFolder, path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        header: Sequence[str] | None = None
        for table in read_results(folder):
            if header is None:
                header = table.column_names
                writer.writerow([guard_cell(name) for name in header])
            columns = [_plain_cells(table.column(place)) for place in range(table.num_columns)]
            writer.writerows(zip(*columns, strict=True))


def _plain_cells(column: pa.ChunkedArray) -> list[Any]:
    cells: list[Any] = column.to_pylist()
    if pa.types.is_nested(column.type) or is_bytes(column.type):
        cells = [write_cell(cell) for cell in cells]
    elif not pa.types.is_string(column.type):
        return cells
    return [guard_cell(cell) for cell in cells]


def is_bytes(kind: pa.DataType) -> bool:
    """Whether cells of a type are bytes."""
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind))


def write_cell(cell: Any) -> str | None:
    """A cell that is not a plain value as text: bytes in hexadecimal digits, lists and objects as JSON."""
    if cell is None or isinstance(cell, str):
        return cell
    return _write_object(cell) if isinstance(cell, list | dict | tuple) else _write_other(cell)


def _write_object(row: Any) -> str:
    """JSON of a row; what JSON has no word for is a text, and a fraction that is not a number is null."""
    try:
        return _write_json(row)
    except ValueError:
        return _write_json(_without_nan(row))


def _write_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=_write_other, allow_nan=False)


def _write_other(cell: Any) -> str:
    return cell.hex() if isinstance(cell, bytes) else str(cell)


def _without_nan(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: _without_nan(one) for name, one in value.items()}
    return [_without_nan(one) for one in value] if isinstance(value, list | tuple) else value


def _write_lines(folder: WorkFolder, path: Path) -> None:
    with path.open("w", encoding="utf-8") as stream:
        for table in read_results(folder):
            for row in table.to_pylist():
                stream.write(_write_object(row))
                stream.write("\n")


_WRITERS = {
    ".parquet": _write_parquet,
    ".pq": _write_parquet,
    ".csv": _write_csv,
    ".jsonl": _write_lines,
    ".ndjson": _write_lines,
}


def publish_refused(folder: WorkFolder, path: Path) -> None:
    """The rows that were refused, or no file where none was."""
    files = folder.list_refused()
    if not files:
        path.unlink(missing_ok=True)
        return
    temporary = folder.path / "refused.jsonl"
    with temporary.open("wb") as stream:
        for file in files:
            _append(file, stream)
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(path)
    sync(path.parent)


def _append(file: Path, stream: IO[bytes]) -> None:
    with file.open("rb") as opened:
        shutil.copyfileobj(opened, stream)


def _find_state(path: Path) -> str | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return f"{found.st_size} {found.st_mtime_ns} {found.st_ino}"


def _refuse(path: Path, what: str, next_step: str) -> UsageError:
    return UsageError(f"The target {path} {what}.", next_step=next_step, code="batch.target")
