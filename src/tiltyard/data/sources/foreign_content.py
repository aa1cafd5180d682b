"""Recognise files that are not what their name says: pages, pointers, archives and documents."""

from __future__ import annotations

from dataclasses import dataclass

from tiltyard.data.sources.files import SourceFile
from tiltyard.errors import DataError

_HEAD_BYTES = 1024


@dataclass(frozen=True)
class FormatSignature:
    """How a kind of file begins.

    Attributes:
        starts: the first bytes, in small letters where they are text.
        name: what the file is.
        next_step: what to do.
        formats: the formats whose files begin like this.
    """

    starts: tuple[bytes, ...]
    name: str
    next_step: str
    formats: tuple[str, ...] = ()


_LFS = "Fetch the file itself with `git lfs pull`, or download it."
_PAGE = "Download the file itself: a link to the raw file, signed in if the site asks for it."
SIGNATURES = (
    FormatSignature((b"version https://git-lfs",), "a Git LFS pointer, not the file that it stands for", _LFS),
    FormatSignature((b"<!doctype html", b"<html", b"<head", b"<body"), "an HTML page", _PAGE),
    FormatSignature((b"<?xml",), "an XML document", "Save the rows as CSV, JSON Lines or Parquet."),
    FormatSignature((b"%pdf-",), "a PDF document", "Save the rows as CSV, JSON Lines or Parquet."),
    FormatSignature((b"{\\rtf",), "a rich text document", "Save the rows as CSV, JSON Lines or Parquet."),
    FormatSignature(
        (b"par1",), "a Parquet file", 'Set data.format = "parquet" (tiltyard init --format parquet).', ("parquet",)
    ),
    FormatSignature(
        (b"sqlite format 3\0",), "a SQLite database", "Write sqlite:///FILE into data.source, and data.table."
    ),
    FormatSignature((b"\x1f\x8b",), "compressed with gzip", "Rename it so that it ends in .gz, such as rows.csv.gz."),
    FormatSignature((b"\x28\xb5\x2f\xfd",), "compressed with Zstandard", "Rename it so that it ends in .zst."),
    FormatSignature((b"7z\xbc\xaf\x27\x1c", b"rar!\x1a\x07"), "an archive", "Unpack it and name the file in it."),
    FormatSignature((b"\x89png", b"\xff\xd8\xff", b"gif8"), "an image", "Name a file of rows in data.source."),
    FormatSignature(
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",),
        "an Excel workbook of before 2007",
        'Set data.format = "excel" (tiltyard init --format excel).',
        ("excel",),
    ),
)
_WORKBOOK = FormatSignature(
    (), "an Excel workbook", 'Set data.format = "excel" (tiltyard init --format excel).', ("excel",)
)
_ARCHIVE = FormatSignature(
    (), "a ZIP archive", "Rename it so that it ends in .zip, or unpack it and name the file in it."
)
_ZIP = b"pk\x03\x04"
_WORKBOOK_PARTS = (b"[content_types].xml", b"_rels/.rels", b"xl/", b"docprops/")


def find_signature(file: SourceFile) -> FormatSignature | None:
    """What a file is by its first bytes, decompressed where its name says that it is compressed; None for text."""
    with file.open() as stream:
        head = stream.read(_HEAD_BYTES)
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:64].lower()
    if start.startswith(_ZIP):
        return _WORKBOOK if any(part in head.lower() for part in _WORKBOOK_PARTS) else _ARCHIVE
    return next((known for known in SIGNATURES if start.startswith(known.starts)), None)


def refuse_foreign_content(file: SourceFile, kind: str) -> None:
    """Refuse a file that is something else than its format.

    Raises:
        DataError: it is a page, a pointer, an archive or a document (``data.not-a-table``).
    """
    found = find_signature(file)
    if found is None or kind in found.formats:
        return
    raise DataError(
        f"{file.name} is {found.name}, and is read as {kind}.", next_step=found.next_step, code="data.not-a-table"
    )
