"""Detect how an unknown file is written, for a first project file that a person then checks.

Reading never guesses: it follows what detection wrote into the project file.
"""

from __future__ import annotations

import codecs
import io
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from tiltyard.data.conform.number_texts import drop_sign, find_sign, guess_sign, number_pattern
from tiltyard.data.conform.rules import GAP_WORDS
from tiltyard.data.sources.delimited.dialect import (
    SEPARATORS,
    Dialect,
    LoneQuoteError,
    Record,
    find_separator_line,
    has_trailing_cell,
    read_records,
)
from tiltyard.data.sources.files import SourceFile, local_file
from tiltyard.data.sources.folders.labelled_texts import list_line_files
from tiltyard.data.sources.folders.tables import expand_folder
from tiltyard.data.sources.foreign_content import refuse_foreign_content
from tiltyard.data.sources.formats import FORMATS, detect_format, parse_problem
from tiltyard.errors import DataError
from tiltyard.project import DataSection

WRITING_KEYS = ("format", "encoding", "separator", "quoting", "decimal", "thousands", "columns", "sheet")
"""Keys of ``[data]`` that say how a file is written."""

SAMPLE_BYTES = 1 << 20
SAMPLE_RECORDS = 1000
CANDIDATES = {"csv": ",;\t|", "tsv": "\t,;|"}
"""Separators by format, the usual one first."""

ENCODINGS = [
    "cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "shift_jis", "gb18030", "big5", "euc_kr", "utf_16_le",
    "utf_16_be",
]  # fmt: skip
_CHAOS_TIE = 0.01  # of charset-normalizer's measure
_DATE = re.compile(r"\d{1,4}[-./]\d{1,2}[-./]\d{1,4}([T ].*)?", re.ASCII)
_BLOCK = 1 << 20
_TABLE_ENDINGS = (".csv", ".tsv", ".tab")
_FEW_WORDS = 2
_EVEN = 0.8  # share of lines with as many separators that makes a table of them


@dataclass(frozen=True)
class FileLayout:
    """How a file is written.

    Attributes:
        options: keys of ``[data]`` that differ from their defaults, such as ``separator``.
        notices: what was detected, each with how to say it otherwise.
    """

    options: dict[str, Any] = field(default_factory=dict)
    notices: tuple[str, ...] = ()


def detect_layout(path: Path, stated: Mapping[str, Any], *, header: bool | None = None) -> FileLayout:
    """Detect format, encoding and dialect of a file; what the caller states is not detected.

    Args:
        path: the file; of a folder of tables the first of them counts, and of one of texts only the encoding of its
            files of lines is detected. A path of nothing has none.
        stated: keys of ``[data]`` that the caller knows (``format``, ``encoding``, ``separator``, ``decimal``),
            None for the others.
        header: whether the first row holds names; None where that is to be detected.

    Raises:
        DataError: the file is something else than rows, or cannot be decompressed or decoded.
    """
    if not path.is_file():
        return _detect_folder(path, stated, header=header)
    return _detect_file(local_file(path, str(path)), stated, header=header)


def _detect_file(file: SourceFile, stated: Mapping[str, Any], *, header: bool | None) -> FileLayout:
    section = DataSection(source=file.name, encoding=stated.get("encoding") or "utf-8")
    with parse_problem(file, "text", section):
        refuse_foreign_content(file, stated.get("format") or detect_format(file))
        return _detect_layout(file, stated, header=header)


def _detect_layout(file: SourceFile, stated: Mapping[str, Any], *, header: bool | None) -> FileLayout:
    options = {key: value for key, value in stated.items() if value is not None}
    notices: list[str] = []
    kind = options.get("format") or detect_format(file)
    if FORMATS.get(file.ending) != kind:
        options["format"] = kind
        if stated.get("format") is None:
            notices.append(f"The content is {kind}; --format says otherwise.")
    if kind not in SEPARATORS and kind not in ("json", "jsonl"):
        return FileLayout(options, tuple(notices))
    encoding = options.get("encoding") or _detect_encoding(file)
    if encoding != "utf-8":
        options["encoding"] = encoding
        if stated.get("encoding") is None:
            notices.append(f"The encoding is {encoding}, by its bytes; --encoding says otherwise.")
    if kind in SEPARATORS:
        sample = _read_sample(file, encoding)
        stated_separator = stated.get("separator") or find_separator_line(sample)
        if file.ending not in _TABLE_ENDINGS and not stated_separator and _holds_lines(sample):
            raise _lines_error(file)
        notices += _detect_dialect(sample, str(kind), options, header=header)
    return FileLayout(options, tuple(notices))


def _detect_folder(path: Path, stated: Mapping[str, Any], *, header: bool | None) -> FileLayout:
    if path.is_dir() and stated.get("format") != "folder":
        section = DataSection(source=str(path), format=stated.get("format"))
        first = expand_folder(local_file(path, str(path)), section)[0]
        if not first.is_folder:
            return _detect_file(first, stated, header=header)
    files = [local_file(file, str(file)) for file in list_line_files(path)]
    options = {key: stated[key] for key in ("encoding",) if stated.get(key) is not None}
    found = [encoding for file in files if (encoding := _detect_encoding(file)) != "utf-8"]
    if options or not found:
        return FileLayout({"format": "folder", **options} if files or options else {})
    notice = f"The encoding is {found[0]}, by the bytes of the files; --encoding says otherwise."
    return FileLayout({"format": "folder", "encoding": found[0]}, (notice,))


def _detect_encoding(file: SourceFile) -> str:
    """UTF-16 by its mark, UTF-8 if every byte fits, else what charset-normalizer finds in the lines that do not."""
    with file.open() as stream:
        head = stream.read(_BLOCK)
        if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return "utf-16"
        if head[:200].count(0) >= len(head[:200]) // 4 > 0:
            return "utf-16-le" if head[1:200:2].count(0) > head[0:200:2].count(0) else "utf-16-be"
        decoder = codecs.getincrementaldecoder("utf-8")()
        block = head
        while block:
            try:
                decoder.decode(block)
            except UnicodeDecodeError:
                return _guess_encoding(block)
            block = stream.read(_BLOCK)
    return "utf-8"


def _guess_encoding(block: bytes) -> str:
    """The likeliest encoding; Windows-1252 where it fits as well as another of its family."""
    from charset_normalizer import from_bytes  # noqa: PLC0415 - only for files that are not UTF-8

    lines = [line for line in block.split(b"\n") if not line.isascii()][:500]
    matches = list(from_bytes(b"\n".join(lines), cp_isolation=ENCODINGS))
    if not matches:
        return "windows-1252"
    best = matches[0]
    for match in matches:
        if match.chaos <= best.chaos + _CHAOS_TIE and "cp1252" in match.could_be_from_charset:
            return "windows-1252"
    return str(best.encoding).replace("_", "-")


def _read_sample(file: SourceFile, encoding: str) -> str:
    with file.open() as stream:
        content = stream.read(SAMPLE_BYTES)
    whole = len(content) < SAMPLE_BYTES
    text = codecs.getincrementaldecoder("utf-8-sig" if encoding == "utf-8" else encoding)("replace").decode(content)
    return text if whole else text[: text.rfind("\n") + 1]


def _detect_dialect(sample: str, kind: str, options: dict[str, Any], *, header: bool | None) -> list[str]:
    """Put separator, quotes, decimal and thousands separator and made-up names into the options."""
    notices: list[str] = []
    line = find_separator_line(sample)
    if line is not None:
        sample = sample[len(line[1]) :]
        stated = options.get("separator")
        options["separator"] = line[0]
        notice = f"The first line says that cells are separated by {line[0]!r}"
        other = f", and --sep says {stated!r}. The line counts; remove it for --sep to count."
        notices.append(notice + ("." if stated in (None, line[0]) else other))
    dialect, records = _choose_dialect(sample, kind, options.get("separator"))
    if not records:
        return notices
    if dialect.separator == SEPARATORS[kind]:
        options.pop("separator", None)
    else:
        notices += (
            [] if "separator" in options else [f"Cells are separated by {dialect.separator!r}; --sep says otherwise."]
        )
        options["separator"] = dialect.separator
    if not dialect.quotes:
        options["quoting"] = "none"
        notices.append("Double quotes are characters like any other, for some are not closed (quoting).")
    body = records[1:]
    _detect_numbers(body, dialect, options, notices)
    pattern = number_pattern(options.get("decimal", "."), options.get("thousands"))
    cells = [record.cells for record in records]
    if header is False or (header is None and len(cells) > 1 and _is_data(cells[0], cells[1:], pattern)):
        width = len(cells[0]) - has_trailing_cell(records, len(cells[0]) - 1)
        options["columns"] = tuple(f"column_{place}" for place in range(1, width + 1))
        notices.append(
            f"The file has no header: its columns are named column_1 to column_{width}. Write better names into "
            "data.columns, or put a header into the file."
        )
    elif has_trailing_cell(body, len(cells[0])):
        notices.append("Every row ends with a separator that the header lacks; the empty cell after it is left out.")
    return notices


def _holds_lines(sample: str) -> bool:
    """Whether a sample is one text a line: several words a line, and no separator that makes rows of equal width."""
    lines = [line for line in sample.splitlines() if line.strip()]
    wordy = sum(len(line.split()) >= _FEW_WORDS for line in lines)
    if not lines or wordy < len(lines) / 2:
        return False
    _, records = _choose_dialect(sample, "csv", None)
    return not records or _score(records) < _EVEN


def _lines_error(file: SourceFile) -> DataError:
    folder = "FOLDER"
    if file.path is not None and len(list_line_files(file.path.parent)) > 1:
        folder += f" (such as {file.path.parent})"
    return DataError(
        f"{file.name} is not a table: it holds one text a line, and no labels.",
        next_step="Put one such file for each label into a folder, named by the label, and name the folder: tiltyard "
        f"init {folder}. If it is a table, state its separator (--sep).",
        code="data.lines",
    )


def _choose_dialect(sample: str, kind: str, separator: str | None) -> tuple[Dialect, list[Record]]:
    """The dialect in which the most records have as many cells as the first, and more than one."""
    best: tuple[float, Dialect, list[Record]] | None = None
    for candidate in separator or CANDIDATES[kind]:
        for quotes in (True, False):
            dialect = Dialect(candidate, quotes)
            records = _try_records(sample, dialect)
            if records is None:
                continue
            score = _score(records)
            if best is None or score > best[0]:
                best = (score, dialect, records)
            break  # without quotes only where quotes do not fit
    return (best[1], best[2]) if best else (Dialect(separator or SEPARATORS[kind]), [])


def _try_records(sample: str, dialect: Dialect) -> list[Record] | None:
    """The records of a sample; None if a quote is not closed. The sample itself may end within a cell."""
    records: list[Record] = []
    try:
        records.extend(read_records(io.StringIO(sample, newline=""), dialect))
    except LoneQuoteError as error:
        cut = len(sample) > SAMPLE_BYTES // 4 and error.unfinished and error.line > sample.count("\n") // 2
        return records if cut else None
    return records


def _score(records: Sequence[Record]) -> float:
    """0 for a single column, else the share of records of the usual width, and a little for more columns."""
    widths = Counter(len(record.cells) for record in records)
    width, count = widths.most_common(1)[0] if widths else (1, 0)
    if width < 2:
        return 0.0
    first = len(records[0].cells) == width or has_trailing_cell(records[1:], len(records[0].cells))
    return count / len(records) * (1.0 if first else 0.8) + min(width, 100) / 10_000


def _detect_numbers(body: Sequence[Record], dialect: Dialect, options: dict[str, Any], notices: list[str]) -> None:
    """Find decimal commas, and thousands separators, by columns of which every cell is a number so written."""
    columns = [_known_cells(cells) for cells in zip(*(record.cells for record in body), strict=False)]
    plain, comma = number_pattern(".", None), number_pattern(",", ".")
    points = any(
        _all_match(plain, cells) and any("." in cell for cell in cells) and not _all_match(comma, cells)
        for cells in columns
    )
    if "decimal" not in options:
        written = [number_pattern(",", thousands) for thousands in ".' "]
        commas = [
            cells
            for cells in columns
            if any("," in cell for cell in cells) and any(_all_match(pattern, cells) for pattern in written)
        ]
        grouped = number_pattern(".", ",")
        # Numbers with a point are read in any case. Between commas, a cell such as "1,5" is likelier a word.
        if any(not _all_match(grouped, cells) for cells in commas) and (not points or dialect.separator != ","):
            options["decimal"] = ","
            notices.append("Numbers have decimal commas (27,7); --decimal says otherwise.")
    decimal = options.get("decimal", ".")
    for thousands in (
        character for character in (",.' ") if character != decimal and not (points and character == ".")
    ):
        pattern, plain = number_pattern(decimal, thousands), number_pattern(decimal, None)
        if any(_all_match(pattern, cells) and not _all_match(plain, cells) for cells in columns):
            options["thousands"] = thousands
            notices.append(f"Thousands are separated by {thousands!r} (data.thousands).")
            return
    if decimal == ".":
        options.pop("decimal", None)


def _known_cells(cells: Sequence[str]) -> list[str]:
    """The cells that are not gaps, without the sign of percent or of a currency that all of them have."""
    known = [cell.strip() for cell in cells if cell.strip() not in GAP_WORDS]
    sign = find_sign(known)
    return [drop_sign(cell, sign) for cell in known] if sign else known


def _all_match(pattern: re.Pattern[str], cells: Sequence[str]) -> bool:
    return bool(cells) and all(pattern.fullmatch(cell) for cell in cells)


def _is_data(first: Sequence[str], rest: Sequence[Sequence[str]], number: re.Pattern[str]) -> bool:
    """Whether a first row looks like a row of data: its cells look like the values below them.

    A number over numbers, a date over dates, or a word that is a value further below speaks for data. A word over
    numbers or dates speaks for names, and so do numbers that count on (columns of years or pixels).
    """
    signs = 0
    numbers = [float(cell) for cell in first if re.fullmatch(r"\d+", cell.strip())]
    counting = len(numbers) > 1 and all(after - before == 1 for before, after in pairwise(numbers))
    for place, name in enumerate(first):
        cells = _known_cells([row[place] for row in rest if place < len(row)])
        cell = drop_sign(name, guess_sign(name.strip()))
        for pattern in (number, _DATE):
            if _all_match(pattern, cells):
                if not pattern.fullmatch(cell) and cell not in GAP_WORDS:
                    return False
                signs += bool(cell) and not counting
                break
        else:
            signs += bool(cell) and cells.count(cell) >= 2
    return signs > 0
