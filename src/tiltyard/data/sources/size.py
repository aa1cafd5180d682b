"""How large files will be as a data frame, estimated before they are read."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import pandas as pd
from pyarrow import parquet

from tiltyard.data.sources.files import SourceFile
from tiltyard.data.sources.formats import UNREADABLE, read_sample
from tiltyard.data.sources.memory import PEAK, PEAK_OF_OBJECTS, MemoryBudget
from tiltyard.project import DataSection

SAMPLE_ROWS = 500

# The most that a byte of text becomes as a data frame: two characters a cell ("7,") become eight bytes of a number,
# and an empty cell (",") eight as well; 10 with some room. A compressed byte holds up to twenty of text.
MOST_GROWTH = 10
MOST_COMPRESSION = 20
WIDEST_CELL = 1000  # bytes; below it even the widest usual column of words fits


def require_room_for(files: Sequence[SourceFile], kind: str, section: DataSection, budget: MemoryBudget) -> None:
    """Refuse files that would not fit into memory, before they are read.

    Only the largest file is sampled; the others count as like it. Its first rows show how much memory a row
    takes. The number of rows is known from the metadata of Parquet, and follows from the size of text. Files that are
    surely small enough, whose size is unknown, or that cannot be read (which reading them says better) pass.

    Raises:
        DataError: they would not fit (``data.too-large``).
    """
    sizes = [file.size for file in files if file.size]
    if not sizes:
        return
    largest = max(files, key=lambda file: file.size or 0)
    scale = sum(sizes) / max(sizes)
    try:
        if kind in ("json", "excel"):
            return  # no sample without reading all of it
        if kind == "parquet":
            row_bytes, rows = _estimate_parquet(largest, budget, scale)
            frame_bytes = row_bytes * rows
            measured = f"{rows * scale:,.0f} rows"
        else:
            frame_bytes = _estimate_text(largest, kind, section, budget, scale)
            measured = f"{sum(sizes):,} bytes of {kind}"
    except UNREADABLE:
        return
    budget.require(frame_bytes * scale, _estimate_peak(kind), measured)


def _estimate_parquet(file: SourceFile, budget: MemoryBudget, scale: float) -> tuple[float, int]:
    """Bytes a row as a data frame, and rows."""
    with file.open() as stream:
        content = parquet.ParquetFile(stream)
        rows, columns = content.metadata.num_rows, content.metadata.num_columns
        if rows * columns * WIDEST_CELL * _estimate_peak("parquet") * scale <= budget.limit:
            return 0.0, rows
        batch = next(content.iter_batches(batch_size=SAMPLE_ROWS), None)
        sample = batch.to_pandas() if batch is not None else None
    if sample is None or sample.empty:
        return 0.0, rows
    return float(sample.memory_usage(deep=True).sum()) / len(sample), rows


def _estimate_text(file: SourceFile, kind: str, section: DataSection, budget: MemoryBudget, scale: float) -> float:
    """Bytes of the whole file as a data frame."""
    size = float(file.size or 0) * (MOST_COMPRESSION if file.compressed else 1)
    if size * MOST_GROWTH * _estimate_peak(kind) * scale <= budget.limit:
        return 0.0
    sample = read_sample(file, kind, section, SAMPLE_ROWS)
    if sample.empty:
        return 0.0
    memory = float(sample.memory_usage(deep=True).sum())
    written = _write_out(sample, kind)
    if file.compressed:
        written = zlib.compress(written)
    return memory / len(written) * float(file.size or 0)


def _write_out(sample: pd.DataFrame, kind: str) -> bytes:
    text: str = sample.to_json(orient="records", lines=True) if kind == "jsonl" else sample.to_csv(index=False)
    return text.encode("utf-8", "surrogatepass")


def _estimate_peak(kind: str) -> float:
    return PEAK_OF_OBJECTS if kind == "jsonl" else PEAK
