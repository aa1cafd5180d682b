"""What the bytes of a file mean: delimited text, JSON, Parquet and Excel as data frames."""

from __future__ import annotations

import io
import json
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from functools import partial
from itertools import chain, dropwhile, islice
from typing import IO

import pandas as pd
import pyarrow as pa
from pyarrow import parquet
from pyarrow.lib import ArrowException

from tiltyard.data.conform.big_integers import is_rounded, make_integers
from tiltyard.data.sources.delimited import SEPARATORS, Verbatim, read_delimited, read_delimited_sample
from tiltyard.data.sources.excel import read_excel
from tiltyard.data.sources.files import SourceFile, refuse_changes
from tiltyard.data.sources.foreign_content import find_signature, refuse_foreign_content
from tiltyard.data.sources.memory import memory_error
from tiltyard.errors import DataError
from tiltyard.findings import Finding
from tiltyard.json_reading import RepeatedKeyError, load_flat_json
from tiltyard.project import DataSection

FORMATS = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".data": "csv",
    ".txt": "csv",
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".xlsx": "excel",
    ".xlsm": "excel",
    ".xlsb": "excel",
    ".xls": "excel",
    ".ods": "excel",
}

VAGUE_ENDINGS = (".data", ".txt")
"""Endings of files that may be anything else than tables, too."""
_START_BYTES = 256

# An archive with a password is a RuntimeError, one that is packed in an unknown way a NotImplementedError.
UNREADABLE = (
    ValueError,
    OSError,
    EOFError,
    RuntimeError,
    zlib.error,
    lzma.LZMAError,
    zipfile.BadZipFile,
    ArrowException,
)
"""What libraries raise for bytes that are not what they should be."""


def find_format(file: SourceFile, section: DataSection) -> str:
    """The format of a file: what the project file says, else what the file's name says.

    Raises:
        DataError: neither says it.
    """
    with parse_problem(file, "zip", section):
        kind = section.format or ("folder" if file.is_folder else FORMATS.get(file.ending))
    if kind is None:
        raise DataError(
            f"The format of {file.name.rsplit('/', 1)[-1]} is not known from its ending {file.ending!r}.",
            next_step='Set data.format to "csv", "tsv", "json", "jsonl", "parquet", "excel" or "folder".',
            code="data.format-unknown",
        )
    return kind


def read_file(
    file: SourceFile,
    kind: str,
    section: DataSection,
    verbatim: Verbatim = (),
    found: list[Finding] | None = None,
) -> pd.DataFrame:
    """All rows of one file.

    Args:
        file: where its bytes are.
        kind: its format.
        section: the project's ``[data]``, for the encoding.
        verbatim: columns whose cells are text as they stand; None for every column.
        found: receives what was renamed or left out.

    Raises:
        DataError: the file is empty, in another encoding, not of its format, or changes while it is read.
    """
    refuse_empty(file)
    with refuse_changes(file), parse_problem(file, kind, section):
        refuse_foreign_content(file, kind)
        return _READERS[kind](file, section, verbatim, [] if found is None else found)


def refuse_empty(file: SourceFile) -> None:
    """Refuse a file without a byte.

    Raises:
        DataError: it is one (``data.empty``).
    """
    if file.size == 0:
        raise DataError(
            f"{file.name} is empty (0 bytes).",
            next_step="Check the source.",
            code="data.empty",
        )


def detect_format(file: SourceFile) -> str:
    """The format of a file by its name, else by its content: delimited text where it is nothing else."""
    kind = FORMATS.get(file.ending)
    if kind is not None and file.ending not in VAGUE_ENDINGS:
        return kind
    found = find_signature(file)
    if found is not None and found.formats:
        return found.formats[0]
    with file.open() as stream:
        start = stream.read(_START_BYTES).removeprefix(b"\xef\xbb\xbf").lstrip()
    return "json" if start.startswith((b'{"', b"{ ", b"[{", b"[ ", b"[\n", b"[\r", b"{\n", b"{\r", b"{}")) else "csv"


@contextmanager
def parse_problem(file: SourceFile, kind: str, section: DataSection) -> Iterator[None]:
    """Turn what libraries say about bytes that are not what they should be into data errors."""
    try:
        yield
    except UnicodeDecodeError as error:
        raise DataError(
            f"{file.name} is not {section.encoding} (byte {error.start} is 0x{error.object[error.start]:02x}).",
            next_step='Name its encoding, such as data.encoding = "windows-1252" (tiltyard init --encoding finds or '
            "takes it), or save it as UTF-8.",
            code="data.encoding",
        ) from None
    except LookupError as error:
        if type(error) is not LookupError:  # a key or a place that is missing has nothing to do with encodings
            raise
        raise DataError(
            f"data.encoding = {section.encoding!r} is not an encoding that Python knows.",
            next_step='Use a name such as "utf-8", "latin-1" or "cp1252".',
            code="data.encoding",
        ) from None
    except pd.errors.EmptyDataError:
        raise DataError(f"{file.name} holds no columns.", next_step="Check the source.", code="data.empty") from None
    except MemoryError:
        raise memory_error(file.name) from None
    except UNREADABLE as error:
        # pandas' parser of CSV has one type and no code for all that its C code reports.
        if isinstance(error, pd.errors.ParserError) and "out of memory" in str(error):
            raise memory_error(file.name) from None
        if _is_connection_error(file, error):
            raise
        raise DataError(
            f"{file.name} cannot be read as {kind}: {_first_line(error)}.",
            next_step="Correct the file, or set data.format.",
            code="data.unreadable",
        ) from None


def read_sample(file: SourceFile, kind: str, section: DataSection, rows: int) -> pd.DataFrame:
    """The first rows of a file of text, read roughly: for measuring, not for learning."""
    if kind in SEPARATORS:
        return read_delimited_sample(file, kind, section, rows)
    with file.open() as stream, _read_lines(stream, section.encoding) as lines:
        return _build_rows(_parse_lines(islice(lines, rows)))


def build_frame(columns: Mapping[str, list[object]]) -> pd.DataFrame:
    """A frame of columns of the same length, None where there is no value."""
    return pd.DataFrame({name: _build_column(values) for name, values in columns.items()})


def _read_delimited(
    kind: str, file: SourceFile, section: DataSection, verbatim: Verbatim, found: list[Finding]
) -> pd.DataFrame:
    return read_delimited(file, kind, section, verbatim, found)


def _read_json(file: SourceFile, section: DataSection, _verbatim: Verbatim, _found: list[Finding]) -> pd.DataFrame:
    return _build_rows(read_objects(file, section.encoding))


def read_objects(file: SourceFile, encoding: str) -> Iterator[dict[str, object]]:
    """The objects of JSON Lines, or of one array of objects: the first character says which.

    Raises:
        ValueError: it is neither, or an object names a key twice.
    """
    with file.open() as stream, _read_lines(stream, encoding) as lines:
        filled = dropwhile(str.isspace, lines)
        first = next(filled, "")
        if first.lstrip().startswith("["):
            yield from _parse_array("".join([first, *filled]))
        else:
            yield from _parse_lines(chain([first], filled))


def _parse_array(text: str) -> list[dict[str, object]]:
    try:
        rows = load_flat_json(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"line {error.lineno}: {error.msg} at character {error.colno}") from None
    wrong = next((place for place, row in enumerate(rows, start=1) if not isinstance(row, dict)), None)
    if wrong is not None:
        raise ValueError(f"element {wrong} of the array is not a JSON object")
    found: list[dict[str, object]] = rows
    return found


def _read_lines(stream: IO[bytes], encoding: str) -> io.TextIOWrapper:
    # Only a line feed ends a line: a string may hold U+2028 and its kin as they are.
    return io.TextIOWrapper(stream, encoding="utf-8-sig" if encoding.lower() == "utf-8" else encoding, newline="\n")


def _parse_lines(lines: Iterable[str]) -> Iterator[dict[str, object]]:
    return (_parse_object(line, number) for number, line in enumerate(lines, start=1) if line.strip())


def _build_rows(rows: Iterable[dict[str, object]]) -> pd.DataFrame:
    """A frame of objects, a column at a time: words stay words, numbers are exact, nothing is guessed to be a date.

    pandas' own reader rounds some numbers by a bit, and needs three to six times the memory.
    """
    columns: dict[str, list[object]] = {}
    for count, row in enumerate(rows, start=1):
        for name, value in row.items():
            if name not in columns:
                columns[name] = [None] * (count - 1)
            columns[name].append(value)
        if len(row) < len(columns):
            for values in columns.values():
                if len(values) < count:
                    values.append(None)
    return build_frame(columns)


def _parse_object(line: str, number: int) -> dict[str, object]:
    try:
        row = load_flat_json(line)
    except json.JSONDecodeError as error:
        raise ValueError(f"line {number}: {error.msg} at character {error.pos + 1}") from None
    except RepeatedKeyError as error:
        raise ValueError(f"line {number}: {error}") from None
    if not isinstance(row, dict):
        raise ValueError(f"line {number} holds no JSON object")
    return row


def _read_parquet(file: SourceFile, _section: DataSection, _verbatim: Verbatim, _found: list[Finding]) -> pd.DataFrame:
    with file.open() if file.path is None else nullcontext(file.path) as source:
        frame = pd.read_parquet(source, page_checksum_verification=True)
        # Whole numbers next to a gap become floats, and large ones would be rounded.
        rounded = [name for name in frame.columns if isinstance(name, str) and is_rounded(frame[name])]
        if rounded:
            table = parquet.read_table(source, columns=rounded)
            for name in rounded:
                if pa.types.is_integer(table.schema.field(name).type):
                    frame[name] = pd.Series(pd.array(table[name].to_pylist(), dtype="Int64"), index=frame.index)
    return frame


def _is_connection_error(file: SourceFile, error: BaseException) -> bool:
    """Whether the network failed rather than the bytes: only for files behind a URL."""
    if file.path is not None:
        return False
    kinds = (PermissionError, FileNotFoundError, ConnectionError, TimeoutError)
    return isinstance(error, kinds) or type(error).__module__.split(".")[0] not in (
        "builtins",
        "pyarrow",
        "gzip",
        "json",
        "zipfile",
    )


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")


_READERS: dict[str, Callable[[SourceFile, DataSection, Verbatim, list[Finding]], pd.DataFrame]] = {
    "csv": partial(_read_delimited, "csv"),
    "tsv": partial(_read_delimited, "tsv"),
    "json": _read_json,
    "jsonl": _read_json,
    "parquet": _read_parquet,
    "excel": read_excel,
}


def _build_column(values: list[object]) -> pd.Series:
    try:
        column = pd.Series(values)
    except UnicodeEncodeError:
        # Half a surrogate pair, which a JSON escape can write but no UTF-8 text can hold.
        return pd.Series(values, dtype=object)
    if is_rounded(column):
        exact = make_integers(values)
        return column if exact is None else exact
    # Databases give exact decimals, which nothing here computes with.
    decimal = column.dtype == object and pd.api.types.infer_dtype(column, skipna=True) == "decimal"
    return column.astype("float64") if decimal else column
