"""The inputs of ``tiltyard predict``: words of the command line, lines, or the rows of a file."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from tiltyard.errors import UsageError

if TYPE_CHECKING:
    from tiltyard.project import Project

LINES = "lines"
FILE_FORMATS = (LINES, "csv", "tsv", "json", "jsonl", "parquet", "excel")
STANDARD_INPUT = Path("-")
_STEP = 'Write a row as an object, such as {"age": 41, "sex": "female"}.'


@dataclass(frozen=True)
class PredictInputs:
    """What is to be predicted.

    Attributes:
        rows: n texts ``{"text": …}`` or rows of a table.
        shown: the n inputs as people see them.
        named: whether the rows come from a file whose columns have names, so that a text has to be picked from each.
    """

    rows: Sequence[Mapping[str, Any]]
    shown: Sequence[str]
    named: bool = False


def read_words(project: Project, words: Sequence[str]) -> PredictInputs:
    """Inputs that are written out: a text each, or a row of a table as a JSON object.

    Raises:
        UsageError: a row is not a JSON object.
    """
    return PredictInputs([_parse_input(project, word, place) for place, word in enumerate(words, start=1)], words)


def read_file_inputs(project: Project, path: Path, kind: str | None) -> PredictInputs:
    """Inputs from a file, or from standard input.

    Args:
        project: how its own files are written, and whether an input is a text.
        path: the file; ``-`` for standard input.
        kind: one of ``FILE_FORMATS``; None: by the file's ending, else by its content. A text project reads other
            content than JSON as one text a line.

    Raises:
        DataError: the file is missing, empty, or not of its format.
        UsageError: a line is not a JSON object, where the project's inputs are rows.
    """
    from tiltyard.data.sources.formats import FORMATS

    if path != STANDARD_INPUT:
        return _read_file(project, path, kind)
    with tempfile.TemporaryDirectory(prefix="tiltyard-") as folder:
        sent = Path(folder) / "standard-input"
        sent.write_bytes(sys.stdin.buffer.read())
        kind = kind or _detect_kind(project, sent)
        own = PurePosixPath(project.data.source).suffix.lower()
        # Named like the project's own file where it is of its format: it is then read as the project says.
        alike = kind == (project.data.format or FORMATS.get(own))
        return _read_file(project, sent.rename(sent.with_suffix(own)) if alike and own else sent, kind)


def _read_file(project: Project, path: Path, kind: str | None) -> PredictInputs:
    from tiltyard.data.input_rows import read_input_rows

    if path.is_file() and (kind or _detect_kind(project, path)) == LINES:
        lines = path.read_text(encoding="utf-8-sig", errors="replace").splitlines()
        return read_words(project, [line for line in lines if line.strip()])
    rows = read_input_rows(project, path, kind)
    return PredictInputs(rows, [json.dumps(row, default=str, ensure_ascii=False) for row in rows], named=True)


def _detect_kind(project: Project, path: Path) -> str:
    """The format of a file: other content than JSON is one text a line to a text project."""
    from tiltyard.data.sources.files import local_file
    from tiltyard.data.sources.formats import FORMATS, detect_format
    from tiltyard.tasks import reads_text

    ending = local_file(path, path.name).ending
    vague = ending not in FORMATS or ending == ".txt"
    found = detect_format(local_file(path, path.name))
    own = PurePosixPath(project.data.source).suffix.lower()
    texts = reads_text(project.task) and not (ending and ending == own)
    return LINES if texts and vague and found == "csv" else found


def _parse_input(project: Project, line: str, position: int) -> dict[str, Any]:
    from tiltyard.json_reading import RepeatedKeyError, load_flat_json
    from tiltyard.tasks import reads_text

    if reads_text(project.task):
        return {"text": line}
    try:
        row = load_flat_json(line)
    except json.JSONDecodeError as error:
        raise UsageError(
            f"Input {position} is not JSON: {error.msg} at column {error.colno}.", next_step=_STEP
        ) from None
    except RepeatedKeyError as error:
        raise UsageError(f"Input {position} cannot be read: {error}.", next_step=_STEP) from None
    if not isinstance(row, dict):
        raise UsageError(f"Input {position} is {line!r}, not an object.", next_step=_STEP)
    return row
