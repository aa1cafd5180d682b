"""Uploaded files: their rows as inputs, and the rows with their predictions as CSV."""

from __future__ import annotations

import io
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import IO

from tiltyard.csv_export import write_csv
from tiltyard.data.input_rows import OBJECTS, name_added
from tiltyard.data.sources.files import COMPRESSED, SourceFile, local_file
from tiltyard.data.sources.formats import FORMATS, UNREADABLE, detect_format
from tiltyard.errors import DataError
from tiltyard.ledger.records import Prediction
from tiltyard.scoring import InputProblem, Warnings
from tiltyard.scoring.table.columns import InputColumns
from tiltyard.scoring.text.text_inputs import TextColumns
from tiltyard.serving.predict.binary_files import read_rows_apart
from tiltyard.serving.predict.bodies.json_values import ValueLimit, refuse_surplus_values
from tiltyard.serving.predict.inputs import PredictionRequest, name_rows
from tiltyard.serving.predict.upload_rows import DIVIDE, Row, read_upload_rows, refuse_file, too_many_rows
from tiltyard.serving.problem_details import RequestError
from tiltyard.tasks import PREDICTION_SET, write_set

MOST_ROWS = 10_000
MOST_UNPACKED = 64 * 1024 * 1024
# More than the lines of the most rows, since a cell may hold line breaks; counted before anything is made of them.
MOST_LINES = 20 * MOST_ROWS
_BLOCK = 1 << 18
_WORKBOOKS = (".xlsx", ".xlsm", ".xlsb", ".ods")  # ZIP archives themselves
_BINARY = (*_WORKBOOKS, ".parquet", ".pq")
_BINARY_FORMATS = ("excel", "parquet")


def read_upload(
    content: bytes | bytearray,
    name: str,
    columns: InputColumns | TextColumns,
    reserve: Callable[[int], object] = lambda _size: None,
) -> tuple[list[Row], PredictionRequest]:
    """The rows of a file, and the same as inputs; other columns than the model's are passed over with warnings.

    Args:
        content: the file's bytes.
        name: its name, whose ending says its format, and whether it is compressed: as for the data of a project. A
            ``.txt`` of a text model is a text a line.
        columns: the columns that the model knows.
        reserve: called with the bytes that the file takes, packed and unpacked, while it is unpacked.

    Raises:
        RequestError: the format is another, the file cannot be read or unpacked, or has no rows or too many.
    """
    content, ending = _unpack(content, name, reserve)
    if not content.strip():
        raise refuse_file("The file is empty.", "Send a file with at least one row.")
    if ending not in _BINARY and max(content.count(mark) for mark in (b"\n", b"\r", b"{")) > MOST_LINES:
        raise _too_many_lines()
    if isinstance(columns, TextColumns) and ending == ".txt":
        lines = content.decode("utf-8-sig", "replace").splitlines()
        rows: list[Row] = [{columns.name: line} for line in lines if line.strip()]
    else:
        rows = _read_file(content, ending, columns, _limit_of(columns))
    if len(rows) > MOST_ROWS:
        raise too_many_rows(len(rows), MOST_ROWS)
    return rows, name_rows(rows, columns, _name_field)


def write_scored(
    rows: Sequence[Row],
    predictions: Sequence[Prediction],
    warnings: Warnings | None,
    field: str,
    sets: Sequence[Sequence[str]] | None = None,
) -> str:
    """The n rows as CSV, each with its prediction, confidence, probabilities, set, version, id and warnings.

    Args:
        rows: the rows as they were uploaded.
        predictions: their predictions.
        warnings: what training did not know of each; None for none.
        field: name of the column of the predicted label.
        sets: the labels of the prediction set of each; None for no sets.
    """
    own = list(dict.fromkeys(name for row in rows for name in row))
    classes = list(predictions[0].probabilities)
    numbers = predictions[0].confidence is None
    certainty = ["interval_low", "interval_high"] if numbers else ["confidence", *map("probability_{}".format, classes)]
    added = [field, *certainty, *([] if sets is None else [PREDICTION_SET]), "model_version", "prediction_id"]
    added += ["warnings"] if warnings is not None else []
    table: list[list[object]] = []
    for place, (row, item) in enumerate(zip(rows, predictions, strict=True)):
        shares = [item.probabilities.get(name, "") for name in classes]
        sure: Sequence[object] = (item.interval or (None, None)) if numbers else (item.confidence, *shares)
        cells: list[object] = [row.get(name) for name in own]
        held = [] if sets is None else [write_set(sets[place])]
        cells += [item.label, *sure, *held, item.version, item.id]
        if warnings is not None:
            cells.append("; ".join(f"'{found.field}' {found.message}" for found in warnings[place]))
        table.append(cells)
    return write_csv([*own, *name_added(added, own)], table)


def _unpack(content: bytes | bytearray, name: str, reserve: Callable[[int], object]) -> tuple[bytes | bytearray, str]:
    """The bytes of a file without the compression that its name states, at most ``MOST_UNPACKED``, and its ending."""
    file = SourceFile(f"upload{''.join(PurePosixPath(name).suffixes)}", len(content), lambda: io.BytesIO(content))
    try:
        ending = file.ending
        if ending not in FORMATS:
            raise _foreign_ending(ending or PurePosixPath(name).suffix)
        if file.compressed:
            with file.open() as stream:
                content = _read_bounded(stream, lambda size: reserve(len(content) + size))
        if ending in _WORKBOOKS and content:
            with zipfile.ZipFile(io.BytesIO(content)) as workbook:
                _require_bounded(workbook)
    except DataError as error:
        raise refuse_file(error.message, "Put the rows into one file.") from None
    except UNREADABLE as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        raise refuse_file(f"The file cannot be unpacked: {reason}.", "Send it whole, or unpacked.") from None
    return content, ending


def _read_bounded(stream: IO[bytes], reserve: Callable[[int], object]) -> bytes | bytearray:
    content = bytearray()
    while block := stream.read(_BLOCK):
        content += block
        if len(content) > MOST_UNPACKED:
            raise _too_large()
        reserve(len(content))
    return content


def _require_bounded(workbook: zipfile.ZipFile) -> None:
    """Refuse a workbook that would unpack to too much; what its directory says of sizes need not be true."""
    room = MOST_UNPACKED
    for member in workbook.infolist():
        with workbook.open(member) as stream:
            while block := stream.read(_BLOCK):
                room -= len(block)
                if room < 0:
                    raise _too_large()


def _read_file(
    content: bytes | bytearray, ending: str, columns: InputColumns | TextColumns, limit: ValueLimit
) -> list[Row]:
    with tempfile.TemporaryDirectory(prefix="tiltyard-") as folder:
        path = Path(folder) / f"upload{ending}"
        path.write_bytes(content)
        # Of a vague ending, the content decides.
        kind = detect_format(local_file(path, str(path)))
        if kind in _BINARY_FORMATS:
            return read_rows_apart(path, kind, columns.names, limit)
        if kind in OBJECTS:
            refuse_surplus_values(content, limit)
        return read_upload_rows(path, kind, columns.names, limit)


def _limit_of(columns: InputColumns | TextColumns) -> ValueLimit:
    return ValueLimit(MOST_ROWS, len(columns.names) + len(columns.others))


def _name_field(problem: InputProblem) -> str:
    return f"row {problem.position + 1}" + (f".{problem.field}" if problem.field else "")


def _foreign_ending(ending: str) -> RequestError:
    return RequestError(
        f"A file with the ending '{ending[:20]}' cannot be read.",
        status=415,
        code="request.media-type",
        next_step=f"Send one that ends in {', '.join(FORMATS)}, or such a one compressed ({', '.join(COMPRESSED)}), "
        "and its name in the query: ?name=rows.csv",
    )


def _too_large() -> RequestError:
    return RequestError(
        f"The file unpacks to more than {MOST_UNPACKED >> 20} MiB.",
        status=413,
        code="request.too-large",
        next_step=DIVIDE,
    )


def _too_many_lines() -> RequestError:
    return RequestError(
        f"The file has more than {MOST_LINES:,} lines, and at most {MOST_ROWS:,} rows are accepted.",
        status=413,
        code="request.too-many",
        next_step=DIVIDE,
    )
